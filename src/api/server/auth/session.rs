//! A session of the dashboard: an API key's rights in a cookie that no script can read, for some hours.
//! It names its key and is signed with that key's secret: nothing of it is stored until it is ended before
//! its time, and it ends with its key. Must never hold the key itself.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use rand::RngExt;
use rand::distr::Alphanumeric;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::api_key::StoredKey;
use super::cookie::{CookieRule, SameSite, csrf_of};

/// The name of the cookie.
const COOKIE: &str = "tidemill-session";
/// The beginning of every session.
const PREFIX: &str = "tmd_";
/// No session is longer.
const LONGEST: usize = 1024;
/// How long a session lasts, if its key does.
pub(super) const LASTS: Duration = Duration::from_hours(12);
/// What is signed begins so, so that no session is a token or a ticket.
const SIGNED_AS: &[u8] = b"session:";

/// The cookie below this path, which pages of the same origin alone may use.
pub(crate) fn cookie_below(path: String) -> CookieRule {
    CookieRule { name: COOKIE.into(), same_site: SameSite::Strict, origins: Vec::new(), path }
}

/// What a caller with a session knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Distinguishes two sessions of a key; opens nothing.
    pub id: String,
    /// The value that goes with each request that changes something.
    pub csrf_token: String,
    /// The time from which on it is refused.
    pub expires_at: DateTime<Utc>,
}

impl Session {
    /// True if it was ended before its time, as far as is known of its key.
    pub(super) fn is_ended(&self, key: &StoredKey) -> bool {
        key.ended_sessions.contains(&self.id)
            || key.sessions_ended_until.is_some_and(|until| self.expires_at <= until)
    }
}

/// The signed content.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    key: String,
    id: String,
    expires: i64,
}

/// Writes a session of this key, which ends no later than the key.
pub(crate) fn issue(
    key: &str,
    secret: &[u8],
    key_ends: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<(String, Session)> {
    let ends = key_ends.map_or(now + LASTS, |ends| ends.min(now + LASTS));
    let id = rand::rng().sample_iter(Alphanumeric).take(22).map(char::from).collect();
    let content = Content { key: key.to_owned(), id, expires: ends.timestamp() };
    let payload = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&content).ok()?);
    let signature = BASE64_URL_SAFE_NO_PAD.encode(mac(&payload, secret)?.finalize().into_bytes());
    let text = format!("{PREFIX}{payload}.{signature}");
    let session = session_of(&text, &content)?;
    Some((text, session))
}

fn mac(payload: &str, secret: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(SIGNED_AS);
    mac.update(payload.as_bytes());
    Some(mac)
}

fn session_of(text: &str, content: &Content) -> Option<Session> {
    let expires_at = DateTime::from_timestamp(content.expires, 0)?;
    Some(Session { id: content.id.clone(), csrf_token: csrf_of(text), expires_at })
}

/// A session as it was sent, not yet checked.
#[derive(Debug)]
pub(crate) struct SentSession<'a> {
    text: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
    content: Content,
}

impl<'a> SentSession<'a> {
    /// Reads `tmd_<payload>.<signature>`; `None` for anything else.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix(PREFIX).filter(|_| text.len() <= LONGEST)?;
        let (payload, signature) = rest.split_once('.')?;
        let content = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        Some(Self { text, payload, signature: BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?, content })
    }

    /// The id of the key that it names, which must be looked up to check it.
    pub(crate) fn key_id(&self) -> &str {
        &self.content.key
    }

    /// The session, if it is signed with this secret and not over; takes the same time either way.
    pub(crate) fn verified(self, secret: &[u8], now: DateTime<Utc>) -> Option<Session> {
        mac(self.payload, secret)?.verify_slice(&self.signature).ok()?;
        session_of(self.text, &self.content).filter(|session| session.expires_at > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::server::auth::token::SentToken;

    const SECRET: &[u8] = b"secret";

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    #[test]
    fn only_what_the_keys_secret_signed_is_a_session_until_it_is_over() {
        let (text, session) = issue("a", SECRET, None, at(0)).unwrap();
        assert_eq!(session.expires_at, at(12 * 3600));
        let sent = || SentSession::parse(&text).unwrap();
        assert_eq!(sent().key_id(), "a");
        assert_eq!(sent().verified(SECRET, at(12 * 3600 - 1)), Some(session));
        assert_eq!(sent().verified(SECRET, at(12 * 3600)), None);
        assert_eq!(sent().verified(b"other", at(1)), None);
        let (other, _) = issue("b", SECRET, None, at(0)).unwrap();
        let mixed = format!("{}.{}", text.split_once('.').unwrap().0, other.split_once('.').unwrap().1);
        assert_eq!(SentSession::parse(&mixed).unwrap().verified(SECRET, at(1)), None);
        for bad in ["", "tmd_", "tmd_.", "tmd_e30.e30", &text[1..], &"tmd_x".repeat(1000)] {
            assert!(SentSession::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn it_ends_with_its_key_and_is_no_token() {
        let (text, session) = issue("a", SECRET, Some(at(60)), at(0)).unwrap();
        assert_eq!(session.expires_at, at(60));
        assert!(SentToken::parse(&text).is_none());
        assert!(SentToken::parse(&text.replace(PREFIX, "tmt_")).is_none());
        let payload = r#"{"key":"a","id":"b","expires":1000}"#;
        let token = crate::api::server::auth::token::tests::sign(payload, SECRET);
        let as_session = token.replace("tmt_", PREFIX);
        assert_eq!(SentSession::parse(&as_session).unwrap().verified(SECRET, at(1)), None);
    }
}
