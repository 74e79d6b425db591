//! Lets a request through to its route if its API key allows it. Knows keys only by their hash, and
//! must never reveal whether the id or the secret of a refused key was wrong.

use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{ALLOW, AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use ipnet::IpNet;
use tokio::time::timeout;
use url::form_urlencoded;

use super::access::{Access, Verdict, outlasts_the_database};
use super::api_key::{ApiKey, Scope, StoredKey};
use super::client::client_of;
use super::problem::{Case, Problem, wrong_method};
use super::refused_keys::Refusals;
use crate::store::audit_actor::acting_as;

/// The subprotocol of our WebSockets for browsers; a browser offers its API key next to it, because it
/// cannot send a header.
pub const SUBPROTOCOL: &str = "tidemill.v1";

/// How long an answer of the store is trusted; a revoked key works no longer than this.
const BELIEF: Duration = Duration::from_secs(2);
/// How long it is trusted while the store does not answer, for routes that must work without the database.
const LONG_BELIEF: Duration = Duration::from_hours(1);
/// How long the store may take to answer on those routes.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How many keys are remembered.
const REMEMBERED_KEYS: usize = 1024;
/// How many ids without a key are remembered, each for as long as an answer of the store is trusted.
const REMEMBERED_UNKNOWN: usize = 10_000;
/// The hash to compare with if a key is unknown, so that the refusal takes as long as that of a known key.
const NO_HASH: [u8; 32] = [0; 32];

/// The future of a lookup.
pub type Lookup<'a, T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send + 'a>>;

/// The source of the stored keys.
pub trait KeyLookup: Send + Sync + 'static {
    /// The key of that id, unless it is revoked.
    fn lookup<'a>(&'a self, key_id: &'a str) -> Lookup<'a, Option<StoredKey>>;
    /// True once a key was ever created. Revoked and expired keys count: revoking the last key must not
    /// open the server.
    fn any(&self) -> Lookup<'_, bool>;
}

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
    needed: &'static [Scope],
}

impl Caller {
    /// Any caller, if the server runs without keys.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { key_id: None, name: "anonymous".into(), is_admin: true, needed: &[] }
    }
}

/// The check before every route.
pub struct Gate {
    keys: Box<dyn KeyLookup>,
    open_without_keys: bool,
    access: Access,
    belief: Duration,
    memory: Mutex<Memory>,
    proxies: Vec<IpNet>,
    refusals: Refusals,
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

    /// As [`Gate::new`] with the rules of these routes; trusts these proxies about the address of a client, and delays no
    /// refusal longer
    /// than `slowest`.
    #[must_use]
    pub fn guarded(
        keys: impl KeyLookup,
        open_without_keys: bool,
        access: Access,
        proxies: Vec<IpNet>,
        slowest: Duration,
    ) -> Arc<Self> {
        let gate = Self::believing(keys, open_without_keys, BELIEF);
        Arc::new(Self { access, proxies, refusals: Refusals::new(slowest), ..gate })
    }

    fn believing(keys: impl KeyLookup, open_without_keys: bool, belief: Duration) -> Self {
        Self {
            keys: Box::new(keys),
            open_without_keys,
            access: Access::default(),
            belief,
            memory: Mutex::default(),
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
                Ok(key.is_some_and(|key| !key.is_expired(Utc::now()) && key.allows(caller.needed)))
            }
        }
    }

    async fn admit(
        &self,
        header: Option<&HeaderValue>,
        needed: &'static [Scope],
        lasting: bool,
        client: Option<IpAddr>,
    ) -> Result<Option<Caller>, Problem> {
        if needed.is_empty() {
            return Ok(None);
        }
        if self.is_open(lasting).await? {
            return Ok(Some(Caller { needed, ..Caller::anonymous() }));
        }
        let header = header.ok_or_else(|| Problem::new(Case::Unauthorized, "The request has no API key."))?;
        let began = tokio::time::Instant::now();
        let Some(key) = bearer(header) else {
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
        if !stored.allows(needed) {
            let names: Vec<_> = needed.iter().map(|scope| scope.name()).collect();
            let detail = format!("This needs a key with the scope {}.", names.join(" or "));
            return Err(Problem::new(Case::Forbidden, detail));
        }
        let is_admin = stored.allows(&[Scope::Admin]);
        Ok(Some(Caller { key_id: Some(key.id().to_owned()), name: stored.name, is_admin, needed }))
    }

    async fn is_open(&self, lasting: bool) -> Result<bool, Problem> {
        if !self.open_without_keys {
            return Ok(false);
        }
        let remembered = self.memory().any;
        let any = match remembered {
            Some((_, true)) => true,
            Some((at, false)) if at.elapsed() < self.belief => false,
            _ => match asked(self.keys.any(), remembered.filter(|_| lasting)).await? {
                Answer::Fresh(any) => {
                    self.memory().any = Some((Instant::now(), any));
                    any
                }
                Answer::Remembered(any) => any,
            },
        };
        Ok(!any)
    }

    async fn stored(&self, key_id: &str, lasting: bool) -> Result<Option<StoredKey>, Problem> {
        let remembered = self.memory().keys.get(key_id).cloned();
        let remembered = remembered.map(|(at, key)| (at, Some(key)));
        if let Some((_, key)) = remembered.clone().filter(|(at, _)| at.elapsed() < self.belief) {
            return Ok(key);
        }
        if self.memory().unknown.get(key_id).is_some_and(|at| at.elapsed() < self.belief) {
            return Ok(None);
        }
        // Lookups of unknown keys must not take the connections of all other requests.
        let _turn = if remembered.is_none() { self.refusals.lookup().await } else { None };
        let found = match asked(self.keys.lookup(key_id), remembered.filter(|_| lasting)).await? {
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

/// The cached keys.
enum Answer<T> {
    Fresh(T),
    Remembered(T),
}

/// Asks the store; if the store does not answer, a remembered answer is used unless it is too old.
async fn asked<T>(lookup: Lookup<'_, T>, remembered: Option<(Instant, T)>) -> Result<Answer<T>, Problem> {
    match remembered.filter(|(at, _)| at.elapsed() < LONG_BELIEF) {
        None => Ok(Answer::Fresh(lookup.await?)),
        Some((_, known)) => match timeout(TIMEOUT, lookup).await {
            Ok(Ok(answer)) => Ok(Answer::Fresh(answer)),
            Ok(Err(_)) | Err(_) => Ok(Answer::Remembered(known)),
        },
    }
}

/// The middleware: judges by the route that the request matched.
pub async fn gate(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    if let Err(problem) = refuse_key_in_query(request.uri().query().unwrap_or_default()) {
        return problem.into_response();
    }
    // Without a route only static files and 404 answer, which are for everybody.
    let Some(path) = request.extensions().get::<MatchedPath>().cloned() else {
        return next.run(request).await;
    };
    let needed = match gate.access.verdict(request.method(), path.as_str()) {
        Verdict::Needs(scopes) => scopes,
        Verdict::OtherMethods(methods) => return not_allowed(&request, &methods),
        Verdict::Unlisted => {
            let cause = format!("the route {} has no rule in access.rs", path.as_str());
            return Problem::internal(&cause).into_response();
        }
    };
    let lasting = outlasts_the_database(path.as_str());
    let offered = offered_key(request.headers());
    let header = request.headers().get(AUTHORIZATION).or(offered.as_ref());
    let client = client_of(&request, &gate.proxies);
    match gate.admit(header, needed, lasting, client).await {
        Ok(Some(caller)) => {
            let name = caller.name.clone();
            request.extensions_mut().insert(caller);
            if request.method().is_safe() {
                return next.run(request).await;
            }
            acting_as(name, next.run(request)).await
        }
        Ok(None) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn not_allowed(request: &Request, methods: &[&str]) -> Response {
    let mut response = wrong_method(request.method(), request.uri()).into_response();
    if let Ok(allow) = HeaderValue::from_str(&methods.join(", ")) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

fn bearer(header: &HeaderValue) -> Option<ApiKey> {
    let (scheme, key) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| ApiKey::parse(key.trim()))?
}

/// The key that a WebSocket offers next to our subprotocol, in the form of the header.
fn offered_key(headers: &HeaderMap) -> Option<HeaderValue> {
    let offers = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|offer| offer.to_str().ok());
    let mut offers = offers.flat_map(|offer| offer.split(',')).map(str::trim);
    let key = offers.find(|offer| ApiKey::parse(offer).is_some())?;
    let mut header = HeaderValue::from_str(&format!("Bearer {key}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Addresses end up in logs, histories and referrers; a key in an address is compromised.
fn refuse_key_in_query(query: &str) -> Result<(), Problem> {
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if ApiKey::parse(&value).is_some() || matches!(&*name, "access_token" | "api_key" | "apikey") {
            let detail = "The query contains an API key; logs and browser histories keep it.";
            let remedy = "Revoke that key, create a new one, and send it as 'Authorization: Bearer …'.";
            return Err(Problem::new(Case::BadRequest, detail).field(name).remedy(remedy));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
