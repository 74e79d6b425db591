//! Lets a request through to its route if its API key allows it. Knows keys only by their hash, and
//! must never reveal whether the id or the secret of a refused key was wrong.

use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use ipnet::IpNet;

use super::access::{Access, TokenRule};
use super::api_key::{ApiKey, Scope, StoredKey};
use super::caller::Caller;
use super::cookie::CookieRule;
use super::credentials::Offered;
use super::lookups::{Answer, Together, asked};
use super::refused_keys::Refusals;
use super::session;
use super::ticket::{self, SentTicket, UsedTickets};
use super::token::{Claims, SentToken};
use crate::api::server::path_params::JobName;
use crate::api::server::problem::{Case, Problem};
use crate::store::keys::EndedSession;
use crate::store::tokens::OwnedJob;

/// How long an answer of the store is trusted; a revoked key works no longer than this.
const BELIEF: Duration = Duration::from_secs(2);
/// How many keys are remembered.
const REMEMBERED_KEYS: usize = 1024;
/// How many ids without a key are remembered, each for as long as an answer of the store is trusted.
const REMEMBERED_UNKNOWN: usize = 10_000;
/// The hash to compare with if a key is unknown, so that the refusal takes as long as that of a known key.
pub(super) const NO_HASH: [u8; 32] = [0; 32];

/// The future of a lookup.
pub type Lookup<'a, T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send + 'a>>;

/// The source of the stored keys.
pub trait KeyLookup: Send + Sync + 'static {
    /// The key of that id, unless it is revoked.
    fn lookup<'a>(&'a self, key_id: &'a str) -> Lookup<'a, Option<StoredKey>>;
    /// True once a key was ever created. Revoked and expired keys count: revoking the last key must not
    /// open the server.
    fn any(&self) -> Lookup<'_, bool>;
    /// Ends a session of a key before its time.
    fn end_session<'a>(&'a self, _ended: &'a EndedSession<'a>) -> Lookup<'a, ()> {
        Box::pin(async { Ok(()) })
    }
    /// The owner and kind of a job; `None` if there is none of that name.
    fn job<'a>(&'a self, _name: &'a JobName) -> Lookup<'a, Option<OwnedJob>> {
        Box::pin(async { Ok(None) })
    }
}

/// The check before every route.
pub struct Gate {
    pub(super) keys: Box<dyn KeyLookup>,
    open_without_keys: bool,
    pub(super) access: Access,
    pub(super) cookie: Option<CookieRule>,
    pub(super) session: CookieRule,
    used_tickets: UsedTickets,
    belief: Duration,
    memory: Mutex<Memory>,
    asked_any: Together<bool>,
    asked_key: Together<Option<StoredKey>>,
    pub(super) proxies: Vec<IpNet>,
    pub(super) refusals: Refusals,
}

/// What a gate judges by, beside the keys.
#[derive(Debug, Default)]
pub struct GateRules {
    /// The rules of the routes.
    pub access: Access,
    /// The proxies that are trusted about the address of a client.
    pub proxies: Vec<IpNet>,
    /// No refusal is delayed longer.
    pub slowest: Duration,
    /// The cookie in which a token is accepted; `None` for none.
    pub cookie: Option<CookieRule>,
    /// The path of the cookie of sessions.
    pub session_path: String,
}

#[derive(Default)]
struct Memory {
    any: Option<(Instant, bool)>,
    keys: HashMap<String, (Instant, StoredKey)>,
    unknown: HashMap<String, Instant>,
}

impl Gate {
    /// A gate over the stored keys. With `open_without_keys` (on loopback only) every caller has all rights
    /// until the first key is made.
    #[must_use]
    pub fn new(keys: impl KeyLookup, open_without_keys: bool) -> Arc<Self> {
        Arc::new(Self::believing(keys, open_without_keys, BELIEF))
    }

    /// As [`Gate::new`], with these rules.
    #[must_use]
    pub fn guarded(keys: impl KeyLookup, open_without_keys: bool, rules: GateRules) -> Arc<Self> {
        let GateRules { access, proxies, slowest, cookie, session_path } = rules;
        let gate = Self::believing(keys, open_without_keys, BELIEF);
        let session = session::cookie_below(session_path);
        Arc::new(Self { access, proxies, cookie, session, refusals: Refusals::new(slowest), ..gate })
    }

    fn believing(keys: impl KeyLookup, open_without_keys: bool, belief: Duration) -> Self {
        Self {
            keys: Box::new(keys),
            open_without_keys,
            access: Access::default(),
            cookie: None,
            session: session::cookie_below("/".into()),
            used_tickets: UsedTickets::default(),
            belief,
            memory: Mutex::default(),
            asked_any: Together::default(),
            asked_key: Together::default(),
            proxies: Vec::new(),
            refusals: Refusals::new(Duration::ZERO),
        }
    }

    /// True while the caller's key still allows the request; a stream asks now and then, so that it ends when
    /// its key is revoked.
    ///
    /// # Errors
    /// If the keys cannot be looked up.
    pub async fn still_allows(&self, caller: &Caller) -> Result<bool, Problem> {
        match &caller.key_id {
            None => self.is_open(false).await,
            Some(id) => {
                let key = self.stored(id, false).await?;
                let now = Utc::now();
                let is_over = caller.token.as_ref().is_some_and(|token| token.is_expired(now))
                    || caller.session.as_ref().is_some_and(|session| session.expires_at <= now);
                let ended =
                    |key: &StoredKey| caller.session.as_ref().is_some_and(|session| session.is_ended(key));
                let key = key.filter(|key| !ended(key));
                let allows = |key: StoredKey| caller.token.is_some() || key.allows(caller.needed);
                Ok(!is_over && key.is_some_and(|key| !key.is_expired(now) && allows(key)))
            }
        }
    }

    /// True if the caller may see the job: any job that exists, or one that its token reaches.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn reaches(&self, caller: &Caller, name: &JobName) -> Result<bool, Problem> {
        let Some(token) = &caller.token else { return Ok(true) };
        Ok(self.keys.job(name).await?.is_some_and(|job| token.reach(&job)))
    }

    /// The caller of a valid token or ticket of the key with this id; `verify` answers its content for the key's secret.
    async fn admit_signed(
        &self,
        key_id: &str,
        verify: impl FnOnce(&[u8]) -> Option<Claims> + Send,
        needed: &'static [Scope],
        (rule, client): (TokenRule, Option<IpAddr>),
    ) -> Result<Caller, Problem> {
        let began = tokio::time::Instant::now();
        let stored = self.stored(key_id, false).await?;
        // Without a secret there are no tokens: its substitute below must accept none.
        let stored = stored.filter(|key| key.token_key.is_some() && !key.is_expired(Utc::now()));
        let secret = stored.as_ref().and_then(|stored| stored.token_key.as_deref()).unwrap_or(&NO_HASH);
        let claims = verify(secret).filter(|claims| !claims.is_expired(Utc::now()));
        let (Some(stored), Some(claims)) = (stored, claims) else {
            self.refusals.refused(client, began).await;
            let detail = "The token is expired or used, its key is revoked, or it was not made here.";
            return Err(Problem::new(Case::Unauthorized, detail).remedy("Ask for a new token."));
        };
        let (TokenRule::OfJob(scope) | TokenRule::Within(scope)) = rule else {
            return Err(Problem::new(Case::Forbidden, "A token cannot do this; it needs an API key."));
        };
        if !claims.scopes.contains(&scope) {
            let detail = format!("This needs a token with the scope {}.", scope.name());
            return Err(Problem::new(Case::Forbidden, detail));
        }
        let name = match &claims.owner {
            Some(owner) => format!("{} for {owner}", stored.name),
            None => stored.name,
        };
        Ok(Caller::of_token(name, needed, claims))
    }

    /// The cookie in which a token is accepted.
    #[must_use]
    pub fn cookie(&self) -> Option<&CookieRule> {
        self.cookie.as_ref()
    }

    /// A ticket of the caller's token, and until when it opens a stream; `None` if there is no token.
    ///
    /// # Errors
    /// If the key cannot be looked up.
    pub async fn ticket(&self, caller: &Caller) -> Result<Option<(String, DateTime<Utc>)>, Problem> {
        let Some(token) = &caller.token else { return Ok(None) };
        let secret = self.stored(&token.key, false).await?.and_then(|key| key.token_key);
        Ok(secret.and_then(|secret| ticket::issue(token, &secret, Utc::now())))
    }

    /// Shuts the server to callers without a key at once: a first key was made here.
    pub(crate) fn shut(&self) {
        self.memory().any = Some((Instant::now(), true));
    }

    /// Looks the key up again before it is accepted: it was revoked here.
    pub(crate) fn forget_key(&self, key_id: &str) {
        self.memory().keys.remove(key_id);
    }

    /// The caller that the credentials are of, if they are enough for a route that needs these scopes.
    pub(super) async fn admit(
        &self,
        offered: &Offered,
        needed: &'static [Scope],
        lasting: bool,
        (rule, client): (TokenRule, Option<IpAddr>),
    ) -> Result<Caller, Problem> {
        if self.is_open(lasting).await? {
            return Ok(Caller { needed, ..Caller::anonymous() });
        }
        let began = tokio::time::Instant::now();
        let text = match offered {
            Offered::Nothing => return Err(Problem::new(Case::Unauthorized, "The request has no API key.")),
            Offered::Header(text) => text.as_deref(),
            Offered::Cookie(token) => Some(token.as_str()),
            Offered::Session(text) => return self.admit_session(text, needed, lasting, client).await,
            Offered::Ticket(ticket) => {
                self.refusals.hold_up(client).await?;
                let ticket = SentTicket::parse(ticket);
                let key_id = ticket.as_ref().map(|ticket| ticket.key_id().to_owned()).unwrap_or_default();
                let redeem = |secret: &[u8]| ticket?.redeemed(secret, &self.used_tickets, Utc::now());
                return self.admit_signed(&key_id, redeem, needed, (rule, client)).await;
            }
        };
        if let Some(token) = text.and_then(SentToken::parse) {
            self.refusals.hold_up(client).await?;
            let key_id = token.key_id().to_owned();
            return self.admit_signed(&key_id, |secret| token.verified(secret), needed, (rule, client)).await;
        }
        let Some(key) = text.and_then(ApiKey::parse) else {
            self.refusals.refused(client, began).await;
            let detail = "The Authorization header does not hold 'Bearer tm_<id>_<secret>'.";
            return Err(Problem::new(Case::Unauthorized, detail));
        };
        if !self.is_known_good(&key) {
            self.refusals.hold_up(client).await?;
        }
        let stored = self.stored(key.id(), lasting).await?;
        let matches = key.matches(stored.as_ref().map_or(&NO_HASH[..], |stored| &stored.hash));
        let Some(stored) = stored.filter(|stored| matches && !stored.is_expired(Utc::now())) else {
            self.refusals.refused(client, began).await;
            return Err(Problem::new(Case::Unauthorized, "The API key is unknown, revoked or expired."));
        };
        check_scopes(&stored, needed)?;
        Ok(Caller::of_key(key.id(), needed, stored))
    }

    async fn is_open(&self, lasting: bool) -> Result<bool, Problem> {
        if !self.open_without_keys {
            return Ok(false);
        }
        let remembered = self.memory().any;
        let any = match remembered {
            Some((_, true)) => true,
            Some((at, false)) if at.elapsed() < self.belief => false,
            _ => {
                match asked(self.asked_any.ask("", self.keys.any()), remembered.filter(|_| lasting)).await? {
                    Answer::Fresh(any) => {
                        let mut memory = self.memory();
                        // A first key may have been made here since the store was asked.
                        let any = any || memory.any.is_some_and(|(_, any)| any);
                        memory.any = Some((Instant::now(), any));
                        any
                    }
                    Answer::Remembered(any) => any,
                }
            }
        };
        Ok(!any)
    }

    pub(super) async fn stored(&self, key_id: &str, lasting: bool) -> Result<Option<StoredKey>, Problem> {
        let remembered = self.memory().keys.get(key_id).cloned();
        let remembered = remembered.map(|(at, key)| (at, Some(key)));
        if let Some((_, key)) = remembered.clone().filter(|(at, _)| at.elapsed() < self.belief) {
            return Ok(key);
        }
        if self.memory().unknown.get(key_id).is_some_and(|at| at.elapsed() < self.belief) {
            return Ok(None);
        }
        let is_known = remembered.is_some();
        let lookup = async {
            // Lookups of unknown keys must not take the connections of all other requests.
            let _turn = if is_known { None } else { self.refusals.lookup().await };
            self.keys.lookup(key_id).await
        };
        let found = match asked(self.asked_key.ask(key_id, lookup), remembered.filter(|_| lasting)).await? {
            Answer::Fresh(found) => found,
            Answer::Remembered(key) => return Ok(key),
        };
        let mut memory = self.memory();
        memory.keys.remove(key_id);
        if found.is_none() {
            if memory.unknown.len() >= REMEMBERED_UNKNOWN {
                memory.unknown.clear();
            }
            memory.unknown.insert(key_id.to_owned(), Instant::now());
        }
        if let Some(key) = &found {
            if memory.keys.len() >= REMEMBERED_KEYS {
                memory.keys.clear();
            }
            memory.keys.insert(key_id.to_owned(), (Instant::now(), key.clone()));
        }
        Ok(found)
    }

    /// Whether the key was accepted before, even if it was revoked since.
    fn is_known_good(&self, key: &ApiKey) -> bool {
        self.memory().keys.get(key.id()).is_some_and(|(_, stored)| key.matches(&stored.hash))
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn check_scopes(key: &StoredKey, needed: &[Scope]) -> Result<(), Problem> {
    if key.allows(needed) {
        return Ok(());
    }
    let names: Vec<_> = needed.iter().map(|scope| scope.name()).collect();
    let detail = format!("This needs a key with the scope {}.", names.join(" or "));
    Err(Problem::new(Case::Forbidden, detail))
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
