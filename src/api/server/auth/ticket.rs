//! A ticket: what opens one event stream from an address, where no header can be sent. It is made of a
//! token, reads no more than that, and is worth nothing half a minute later or once it was used. Must
//! never open anything but a stream.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use rand::RngExt;
use rand::distr::Alphanumeric;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::token::{Claims, TokenScope};

/// The parameter of an address that has it.
pub(crate) const PARAMETER: &str = "ticket";
/// The beginning of every ticket.
const PREFIX: &str = "tms_";
/// No ticket is longer.
const LONGEST: usize = 12 * 1024;
/// How long a ticket opens a stream; what it opened lasts as long as its token.
pub(crate) const OPENS: Duration = Duration::from_secs(30);
/// What is signed begins so, so that no token is a ticket and no ticket a token.
const SIGNED_AS: &[u8] = b"ticket:";
/// How many used tickets are remembered, each until it has expired.
const REMEMBERED: usize = 100_000;

/// The signed content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    /// What it reaches, and until when.
    token: Claims,
    /// The second from which on it opens nothing.
    opens_until: i64,
    /// Distinguishes two tickets.
    number: String,
}

/// Writes a ticket of this token, and until when it opens a stream.
pub(crate) fn issue(token: &Claims, secret: &[u8], now: DateTime<Utc>) -> Option<(String, DateTime<Utc>)> {
    let number = rand::rng().sample_iter(Alphanumeric).take(22).map(char::from).collect();
    let until = (now + OPENS).min(token.expires_at());
    let token = Claims { scopes: vec![TokenScope::Read], ..token.clone() };
    let content = Content { token, opens_until: until.timestamp(), number };
    let payload = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&content).ok()?);
    let signature = BASE64_URL_SAFE_NO_PAD.encode(mac(&payload, secret)?.finalize().into_bytes());
    Some((format!("{PREFIX}{payload}.{signature}"), DateTime::from_timestamp(content.opens_until, 0)?))
}

fn mac(payload: &str, secret: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(SIGNED_AS);
    mac.update(payload.as_bytes());
    Some(mac)
}

/// A ticket as it was sent, not yet checked.
#[derive(Debug)]
pub(crate) struct SentTicket {
    payload: String,
    signature: Vec<u8>,
    content: Content,
}

impl SentTicket {
    /// Reads `tms_<payload>.<signature>`; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(PREFIX).filter(|_| text.len() <= LONGEST)?;
        let (payload, signature) = rest.split_once('.')?;
        let content = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        Some(Self { payload: payload.to_owned(), signature, content })
    }

    /// The id of the key that it names, which must be looked up to check it.
    pub(crate) fn key_id(&self) -> &str {
        &self.content.token.key
    }

    /// What its token reaches, if it is signed with this secret, opens something yet, and was not used before.
    pub(crate) fn redeemed(self, secret: &[u8], used: &UsedTickets, now: DateTime<Utc>) -> Option<Claims> {
        mac(&self.payload, secret)?.verify_slice(&self.signature).ok()?;
        let Content { token, opens_until, number } = self.content;
        (opens_until > now.timestamp() && used.take(number, opens_until, now)).then_some(token)
    }
}

/// The tickets that opened a stream of this process, for as long as they would open another.
#[derive(Debug, Default)]
pub(crate) struct UsedTickets(Mutex<HashMap<String, i64>>);

impl UsedTickets {
    /// True the first time. False too while too many are remembered: their readers ask for another ticket.
    fn take(&self, number: String, opens_until: i64, now: DateTime<Utc>) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= REMEMBERED {
            used.retain(|_, until| *until > now.timestamp());
        }
        used.len() < REMEMBERED && used.insert(number, opens_until).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::server::auth::token::SentToken;

    const SECRET: &[u8] = b"secret";

    fn claims(expires: i64) -> Claims {
        Claims {
            key: "a".into(),
            scopes: vec![TokenScope::Read, TokenScope::Cancel],
            job: None,
            owner: Some("ann".into()),
            kinds: None,
            expires,
        }
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    #[test]
    fn it_opens_once_within_its_time_and_only_reads() {
        let used = UsedTickets::default();
        let (ticket, until) = issue(&claims(1_000), SECRET, at(100)).unwrap();
        assert_eq!(until, at(130));
        let sent = || SentTicket::parse(&ticket).unwrap();
        assert_eq!(sent().redeemed(b"other", &used, at(101)), None);
        assert_eq!(sent().redeemed(SECRET, &used, at(130)), None);
        let found = sent().redeemed(SECRET, &used, at(129)).unwrap();
        assert_eq!((found.scopes, found.owner.as_deref()), (vec![TokenScope::Read], Some("ann")));
        assert_eq!(found.expires, 1_000);
        assert_eq!(sent().redeemed(SECRET, &used, at(101)), None, "it was used");
        let (second, until) = issue(&claims(110), SECRET, at(100)).unwrap();
        assert_eq!(until, at(110), "it ends with its token");
        assert!(SentTicket::parse(&second).unwrap().redeemed(SECRET, &used, at(109)).is_some());
    }

    #[test]
    fn no_ticket_is_a_token_and_no_token_a_ticket() {
        let (ticket, _) = issue(&claims(1_000), SECRET, at(100)).unwrap();
        let rest = ticket.strip_prefix(PREFIX).unwrap();
        assert!(SentToken::parse(&ticket).is_none() && SentToken::parse(&format!("tmt_{rest}")).is_none());
        let payload = r#"{"key":"a","scopes":["read"],"owner":"ann","expires":1000}"#;
        let token = crate::api::server::auth::token::tests::sign(payload, SECRET);
        assert!(SentTicket::parse(&token).is_none());
        assert!(SentTicket::parse(&token.replace("tmt_", PREFIX)).is_none());
        for bad in ["", "tms_", "tms_.", "tms_e30.e30", &ticket[1..], &ticket[..ticket.len() - 30]] {
            let sent = SentTicket::parse(bad);
            assert!(
                sent.is_none_or(|sent| sent.redeemed(SECRET, &UsedTickets::default(), at(101)).is_none())
            );
        }
    }
}
