//! A short-lived token for a browser: its scopes, its jobs and its expiry, signed with a secret of its API
//! key. Pure; SQL `create_token` writes tokens, and this reads them. Must never accept a token whose
//! signature it did not check.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::store::tokens::OwnedJob;

/// The beginning of every token.
pub const PREFIX: &str = "tmt_";
/// No token is longer.
const LONGEST: usize = 8 * 1024;

/// What a token may do with the jobs that it reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenScope {
    /// Read the jobs, their events and artifacts.
    Read,
    /// Enqueue jobs.
    Enqueue,
    /// Cancel them.
    Cancel,
    /// Retry them.
    Retry,
    /// Send them signals.
    Signal,
}

impl TokenScope {
    /// Its name as it is written everywhere.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Enqueue => "enqueue",
            Self::Cancel => "cancel",
            Self::Retry => "retry",
            Self::Signal => "signal",
        }
    }
}

/// The signed content of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// The key that made it: it ends with this key.
    pub key: String,
    /// What it may do.
    pub scopes: Vec<TokenScope>,
    /// Only this job.
    pub job: Option<Uuid>,
    /// Only jobs of this owner.
    pub owner: Option<String>,
    /// Only jobs of these kinds.
    pub kinds: Option<Vec<String>>,
    /// The second from which on it is refused.
    pub expires: i64,
}

impl Claims {
    /// True for jobs that the token is for.
    #[must_use]
    pub fn reach(&self, job: &OwnedJob) -> bool {
        self.job.is_none_or(|id| id == job.id)
            && self.owner.as_ref().is_none_or(|owner| job.owner.as_ref() == Some(owner))
            && self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&job.kind))
    }

    /// Equal for tokens that reach the same jobs.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let reach = format!("{:?}", (&self.owner, &self.kinds, self.job));
        BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(reach))
    }

    /// The time from which on it is refused.
    #[must_use]
    pub fn expires_at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.expires, 0).unwrap_or_default()
    }

    /// True from its expiry on.
    #[must_use]
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires <= now.timestamp()
    }
}

/// A token as it was sent, not yet checked.
#[derive(Debug)]
pub struct SentToken<'a> {
    payload: &'a str,
    signature: Vec<u8>,
    claims: Claims,
}

impl<'a> SentToken<'a> {
    /// Reads `tmt_<payload>.<signature>`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (payload, signature) =
            text.strip_prefix(PREFIX).filter(|_| text.len() <= LONGEST)?.split_once('.')?;
        let claims = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        Some(Self { payload, signature: BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?, claims })
    }

    /// The id of the key that it names, which must be looked up to check it.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.claims.key
    }

    /// The second from which on it is refused, as it says itself.
    #[must_use]
    pub fn expires(&self) -> i64 {
        self.claims.expires
    }

    /// Its content, if it is signed with this secret; takes the same time either way.
    #[must_use]
    pub fn verified(self, secret: &[u8]) -> Option<Claims> {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
        mac.update(self.payload.as_bytes());
        mac.verify_slice(&self.signature).ok().map(|()| self.claims)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sign(payload: &str, secret: &[u8]) -> String {
        let payload = BASE64_URL_SAFE_NO_PAD.encode(payload);
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        mac.update(payload.as_bytes());
        format!("{PREFIX}{payload}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    #[test]
    fn only_what_its_secret_signed_is_read() {
        let token = sign(r#"{"key":"a","scopes":["read"],"owner":"ann","expires":7}"#, b"secret");
        let claims = SentToken::parse(&token).unwrap().verified(b"secret").unwrap();
        assert_eq!((claims.owner.as_deref(), claims.key.as_str()), (Some("ann"), "a"));
        assert!(claims.is_expired(DateTime::from_timestamp(7, 0).unwrap()));
        assert!(!claims.is_expired(DateTime::from_timestamp(6, 0).unwrap()));
        assert!(SentToken::parse(&token).unwrap().verified(b"other").is_none());
        let (payload, _) = token.split_once('.').unwrap();
        let other = sign(r#"{"key":"a","scopes":["cancel"],"owner":"ann","expires":7}"#, b"x");
        let mixed = format!("{payload}.{}", other.split_once('.').unwrap().1);
        assert!(SentToken::parse(&mixed).unwrap().verified(b"secret").is_none());
        for bad in ["", "tmt_", "tmt_.", &token[1..], payload, &format!("{token}="), "tmt_e30.e30"] {
            assert!(SentToken::parse(bad).is_none(), "{bad}");
        }
        let unsigned = SentToken::parse(&format!("{payload}.")).unwrap().verified(b"secret");
        assert!(unsigned.is_none());
    }

    #[test]
    fn it_reaches_its_own_jobs_only() {
        let claims = |job, owner: Option<&str>, kinds: Option<&[&str]>| Claims {
            key: "a".into(),
            scopes: vec![TokenScope::Read],
            job,
            owner: owner.map(Into::into),
            kinds: kinds.map(|kinds| kinds.iter().map(|&kind| kind.to_owned()).collect()),
            expires: 0,
        };
        let job = OwnedJob { id: Uuid::now_v7(), kind: "k".into(), owner: Some("ann".into()) };
        let unowned = OwnedJob { owner: None, ..job.clone() };
        assert!(claims(Some(job.id), None, None).reach(&job));
        assert!(!claims(Some(Uuid::now_v7()), None, None).reach(&job));
        assert!(
            claims(None, Some("ann"), None).reach(&job) && !claims(None, Some("ann"), None).reach(&unowned)
        );
        assert!(!claims(None, Some("bob"), None).reach(&job));
        assert!(claims(None, Some("ann"), Some(&["k"])).reach(&job));
        assert!(
            !claims(None, Some("ann"), Some(&["x"])).reach(&job)
                && !claims(None, None, Some(&[])).reach(&job)
        );
    }
}
