//! The caller of a request: a key, a token of a key, or an anonymous caller. Must never decide the caller's
//! rights.

use std::sync::Arc;

use super::api_key::{Scope, StoredKey};
use super::session::Session;
use super::token::Claims;

/// The author of a request, in its extensions after authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The id of the key; `None` where the server runs open.
    pub key_id: Option<String>,
    /// The name of the key, or `anonymous`.
    pub name: String,
    /// True if it may do everything; only then are possible secrets shown.
    pub is_admin: bool,
    /// The scopes that the route required.
    pub(super) needed: &'static [Scope],
    /// True if its key has the scope enqueue or admin.
    pub may_enqueue: bool,
    /// The scopes of its key; none with a token.
    pub scopes: Vec<Scope>,
    /// What it reaches, if it came with a token.
    pub token: Option<Arc<Claims>>,
    /// The session, if it signed in.
    pub session: Option<Session>,
}

impl Caller {
    /// The name space of its Idempotency-Keys: that of its key, and with a token of what the token reaches.
    #[must_use]
    pub fn idempotency_scope(&self) -> String {
        let key = self.key_id.as_deref().unwrap_or_default();
        match &self.token {
            None => key.to_owned(),
            Some(token) => format!("{key}/{}", token.fingerprint()),
        }
    }

    /// The holder of a key.
    pub(super) fn of_key(id: &str, needed: &'static [Scope], key: StoredKey) -> Self {
        Self {
            key_id: Some(id.to_owned()),
            is_admin: key.allows(&[Scope::Admin]),
            may_enqueue: key.allows(&[Scope::Enqueue]),
            needed,
            name: key.name,
            scopes: key.scopes,
            token: None,
            session: None,
        }
    }

    /// The holder of a token.
    pub(super) fn of_token(name: String, needed: &'static [Scope], claims: Claims) -> Self {
        Self {
            key_id: Some(claims.key.clone()),
            name,
            is_admin: false,
            needed,
            may_enqueue: false,
            scopes: Vec::new(),
            token: Some(Arc::new(claims)),
            session: None,
        }
    }

    /// Any caller, if the server runs without keys.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            key_id: None,
            name: "anonymous".into(),
            is_admin: true,
            needed: &[],
            may_enqueue: true,
            scopes: Scope::ALL.to_vec(),
            token: None,
            session: None,
        }
    }
}
