//! An API key: how it is created, written, hashed and compared, and its scopes. Pure; must never
//! print or store the secret part.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use rand::RngExt;
use rand::distr::Alphanumeric;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

const PREFIX: &str = "tm_";
const ID_LENGTH: usize = 12;
/// 43 characters of 62 are 256 bits, so that a fast hash is enough.
const SECRET_LENGTH: usize = 43;

/// The scopes of a key.
///
/// # Examples
///
/// ```
/// use tidemill::Scope;
///
/// let scope: Scope = "work".parse().unwrap();
/// assert_eq!(scope, Scope::Work);
/// assert!("everything".parse::<Scope>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Enqueue jobs; read, cancel, retry and change single jobs.
    Enqueue,
    /// Read everything.
    Read,
    /// Serve as a remote worker.
    Work,
    /// All of the above, and every action that changes queues or deletes.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: &[Self] = &[Self::Enqueue, Self::Read, Self::Work, Self::Admin];

    /// Its name as it is written everywhere.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enqueue => "enqueue",
            Self::Read => "read",
            Self::Work => "work",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no scope.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a scope; use enqueue, read, work or admin")]
pub struct UnknownScope(String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let found = Self::ALL.iter().find(|scope| scope.name() == text);
        found.copied().ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// A whole key, as its owner holds it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    text: String,
}

impl ApiKey {
    /// A new key from the system's secure random numbers.
    #[must_use]
    pub fn generate() -> Self {
        let mut random = rand::rng();
        let mut word = |length: usize| -> String {
            (0..length).map(|_| char::from(random.sample(Alphanumeric))).collect()
        };
        let (id, secret) = (word(ID_LENGTH), word(SECRET_LENGTH));
        Self { text: format!("{PREFIX}{id}_{secret}") }
    }

    /// Reads `tm_<id>_<secret>`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_word = |word: &str, length| {
            word.len() == length && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        (is_word(id, ID_LENGTH) && is_word(secret, SECRET_LENGTH)).then(|| Self { text: text.to_owned() })
    }

    /// The public part, under which the key is stored.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.text[PREFIX.len()..PREFIX.len() + ID_LENGTH]
    }

    /// SHA-256 of the whole key; the only thing that is stored of the secret.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(&self.text).into()
    }

    /// The whole key, to be shown once to its creator.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// True if this key has that hash; takes the same time either way.
    #[must_use]
    pub fn matches(&self, hash: &[u8]) -> bool {
        self.hash().ct_eq(hash).into()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.id())
    }
}

/// The stored part of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// SHA-256 of the whole key.
    pub hash: Vec<u8>,
    /// Its scopes.
    pub scopes: Vec<Scope>,
    /// Its name.
    pub name: String,
    /// The time at which it expires, if ever.
    pub expires_at: Option<DateTime<Utc>>,
    /// The secret that signs its tokens.
    pub token_key: Option<Vec<u8>>,
    /// Those of its sessions that were ended before their time.
    pub ended_sessions: HashSet<String>,
    /// Its sessions that would last until then at most are ended.
    pub sessions_ended_until: Option<DateTime<Utc>>,
}

impl StoredKey {
    /// True if the key has one of `wanted`, or `admin`.
    #[must_use]
    pub fn allows(&self, wanted: &[Scope]) -> bool {
        self.scopes.iter().any(|scope| *scope == Scope::Admin || wanted.contains(scope))
    }

    /// True from its expiry on.
    #[must_use]
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_the_trip_and_its_text_does_not_show() {
        let key = ApiKey::generate();
        assert_eq!(key.reveal().len(), 3 + 12 + 1 + 43);
        let parsed = ApiKey::parse(key.reveal()).unwrap();
        assert_eq!(parsed.id(), key.id());
        assert!(
            parsed.matches(&key.hash())
                && !parsed.matches(&ApiKey::generate().hash())
                && !parsed.matches(b"")
        );
        assert!(!format!("{key:?}").contains(&key.reveal()[17..]));
        assert_ne!(ApiKey::generate(), key);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let good = ApiKey::generate().reveal().to_owned();
        let long = format!("{good}x");
        let odd = good.replace(&good[20..21], "é");
        for text in ["", "tm_", "tm__", "tm_abc_def", &good[1..], &good[..58], &long, &odd, "tm_\u{e9}"] {
            assert_eq!(ApiKey::parse(text), None, "{text}");
        }
    }

    #[test]
    fn admin_is_every_scope_and_others_are_themselves() {
        let key = |scopes: &[Scope]| StoredKey {
            hash: vec![],
            scopes: scopes.to_vec(),
            name: "test".into(),
            expires_at: None,
            token_key: None,
            ended_sessions: HashSet::new(),
            sessions_ended_until: None,
        };
        assert!(key(&[Scope::Admin]).allows(&[Scope::Work]));
        assert!(key(&[Scope::Enqueue]).allows(&[Scope::Read, Scope::Enqueue]));
        assert!(!key(&[Scope::Enqueue, Scope::Work]).allows(&[Scope::Read]));
        assert!(!key(&[]).allows(&[Scope::Read]));
        assert_eq!("work".parse(), Ok(Scope::Work));
        assert!("Work".parse::<Scope>().is_err());
    }
}
