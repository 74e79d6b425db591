//! Signs calls by the rules of Standard Webhooks, so that a receiver can verify the sender and the
//! age of a call. Must never show the key.

use std::fmt;

use axum::http::{HeaderMap, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

const BASE64_PREFIX: &str = "whsec_";

/// The key that calls are signed with.
pub(crate) struct Key(Vec<u8>);

/// Why a secret cannot be used as a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The secret is empty.
    #[error("it is empty; leave it out to send unsigned calls")]
    Empty,
    /// The text after `whsec_` is not base64.
    #[error("`whsec_` must be followed by base64 with padding: {0}")]
    Base64(#[from] base64::DecodeError),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// Reads `whsec_` and base64, or takes the text's own bytes.
    pub(crate) fn parse(secret: &str) -> Result<Self, KeyError> {
        let key = match secret.strip_prefix(BASE64_PREFIX) {
            Some(encoded) => STANDARD.decode(encoded)?,
            None => secret.as_bytes().to_vec(),
        };
        if key.is_empty() { Err(KeyError::Empty) } else { Ok(Self(key)) }
    }

    fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The three headers of a call; without a key it has no signature.
pub(crate) fn headers(key: Option<&Key>, id: Uuid, now: DateTime<Utc>, body: &str) -> HeaderMap {
    let (id, timestamp) = (id.to_string(), now.timestamp());
    let signature = key.map(|key| key.sign(&id, timestamp, body));
    let headers = [
        ("webhook-id", Some(id)),
        ("webhook-timestamp", Some(timestamp.to_string())),
        ("webhook-signature", signature),
    ];
    let ascii = |value: String| HeaderValue::try_from(value).expect("ids, numbers and base64 are ASCII");
    let headers = headers.into_iter().filter_map(|(name, value)| Some((name, value?)));
    headers.map(|(name, value)| (name.parse().expect("the names above are valid"), ascii(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        let key = Key::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_that_cannot_be_keys_are_refused() {
        assert!(Key::parse("").is_err() && Key::parse("whsec_").is_err() && Key::parse("whsec_ä").is_err());
        assert!(Key::parse("any words at all").is_ok());
    }
}
