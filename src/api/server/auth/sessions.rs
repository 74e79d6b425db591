//! Begins, admits and ends sessions of the dashboard. A session must never have more rights than its key.

use std::net::IpAddr;

use chrono::Utc;

use super::api_key::Scope;
use super::caller::Caller;
use super::cookie::CookieRule;
use super::gate::{Gate, NO_HASH, check_scopes};
use super::session::{self, SentSession, Session};
use crate::api::server::problem::{Case, Problem};
use crate::store::keys::EndedSession;

impl Gate {
    /// The cookie in which a session is kept.
    #[must_use]
    pub fn session_cookie(&self) -> &CookieRule {
        &self.session
    }

    /// A new session of the caller's key; `None` if the caller sent no key.
    ///
    /// # Errors
    /// If the key cannot be looked up.
    pub async fn sign_in(&self, caller: &Caller) -> Result<Option<(String, Session)>, Problem> {
        let (Some(id), None, None) = (&caller.key_id, &caller.token, &caller.session) else {
            return Ok(None);
        };
        let Some(key) = self.stored(id, false).await? else { return Ok(None) };
        let secret = key.token_key.as_deref();
        Ok(secret.and_then(|secret| session::issue(id, secret, key.expires_at, Utc::now())))
    }

    /// Ends the caller's session, on every server within the time for which a key is believed; nothing if the caller
    /// has none.
    ///
    /// # Errors
    /// If that cannot be stored; then the session goes on.
    pub async fn sign_out(&self, caller: &Caller) -> Result<(), Problem> {
        let (Some(key_id), Some(session)) = (&caller.key_id, &caller.session) else { return Ok(()) };
        let longest_until = Utc::now() + session::LASTS;
        let (session, ends_at) = (session.id.as_str(), session.expires_at);
        self.keys.end_session(&EndedSession { key_id, session, ends_at, longest_until }).await?;
        self.forget_key(key_id);
        Ok(())
    }

    /// The caller of a session, with the rights of its key.
    pub(super) async fn admit_session(
        &self,
        text: &str,
        needed: &'static [Scope],
        lasting: bool,
        client: Option<IpAddr>,
    ) -> Result<Caller, Problem> {
        let began = tokio::time::Instant::now();
        let sent = SentSession::parse(text);
        let id = sent.as_ref().map(|sent| sent.key_id().to_owned()).unwrap_or_default();
        let stored = self.stored(&id, lasting).await?;
        let stored = stored.filter(|key| key.token_key.is_some() && !key.is_expired(Utc::now()));
        let secret = stored.as_ref().and_then(|stored| stored.token_key.as_deref()).unwrap_or(&NO_HASH);
        let session = sent.and_then(|sent| sent.verified(secret, Utc::now()));
        let session = session.filter(|session| !stored.as_ref().is_some_and(|key| session.is_ended(key)));
        let (Some(stored), Some(session)) = (stored, session) else {
            self.refusals.hold_up(client).await?;
            self.refusals.refused(client, began).await;
            let problem =
                Problem::new(Case::Unauthorized, "The session is over or was ended, or its key is revoked.");
            return Err(problem.remedy("Sign in again with an API key."));
        };
        check_scopes(&stored, needed)?;
        Ok(Caller { session: Some(session), ..Caller::of_key(&id, needed, stored) })
    }
}
