//! Requests with an Idempotency-Key: the same key and request get the stored first answer; another
//! request with that key is refused. Only successful answers are stored; a refused request leaves
//! its key free. Must never show one caller's answer to another.

use axum::http::HeaderMap;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::auth::caller::Caller;
use super::problem::{Case, Problem};
use crate::store::Store;
use crate::store::jobs::idempotency::{KeyClaim, Work};

const HEADER: &str = "Idempotency-Key";
const MOST_CHARACTERS: usize = 255;

/// The header of an answer that was stored before.
pub(crate) const REPLAYED: &str = "Idempotency-Replayed";

/// The key of a request, and a hash of the request.
#[derive(Debug, Clone)]
pub(crate) struct Keyed {
    key: String,
    hash: [u8; 32],
}

/// The handling of a keyed request.
#[derive(Debug)]
pub(crate) enum Begun {
    /// The work, and then [`Work::answer`].
    Work(Work),
    /// Repeat this stored answer.
    Replay(Value),
}

impl Keyed {
    /// The key of a request of `caller` to `route`, if it has one.
    ///
    /// # Errors
    /// 422 for a header that is not a valid key.
    pub(crate) fn of(
        headers: &HeaderMap,
        caller: &Caller,
        route: &str,
        body: &[u8],
    ) -> Result<Option<Self>, Problem> {
        let mut given = headers.get_all(HEADER).iter();
        let Some(first) = given.next() else { return Ok(None) };
        let is_printable = |text: &&str| text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        let key = first.to_str().ok().map(str::trim).filter(is_printable);
        let key = key.filter(|key| (1..=MOST_CHARACTERS).contains(&key.len()) && given.next().is_none());
        let Some(key) = key else {
            let problem = Problem::invalid(HEADER, "The Idempotency-Key cannot be used.");
            return Err(problem.remedy("Send one header with 1 to 255 printable ASCII characters."));
        };
        let owner = caller.idempotency_scope();
        Ok(Some(Self { key: format!("{owner}/{key}"), hash: hash(route, body) }))
    }

    /// Takes the key. Waits for a rival with the same one.
    ///
    /// # Errors
    /// 409 if another request used the key; 503 if the database is away.
    pub(crate) async fn begin(&self, store: &Store) -> Result<Begun, Problem> {
        match store.claim_key(&self.key, &self.hash).await? {
            KeyClaim::Ours(work) => Ok(Begun::Work(work)),
            KeyClaim::Answered(answer) => Ok(Begun::Replay(answer)),
            KeyClaim::OtherRequest => {
                let detail = "Another request was made with this Idempotency-Key.";
                Err(Problem::new(Case::IdempotencyKeyReused, detail).field(HEADER))
            }
        }
    }
}

/// Equal for requests with the same content: order of keys and white space do not matter.
fn hash(route: &str, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(route);
    hash.update(b"\n");
    // serde_json's maps are sorted by key. Text that it cannot parse (an item of a batch) is compared
    // unchanged.
    match serde_json::from_slice::<Value>(body).and_then(|value| serde_json::to_vec(&value)) {
        Ok(canonical) => hash.update(canonical),
        Err(_) => hash.update(body),
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_say_the_same_are_equal() {
        let of = |body: &str| hash("POST /jobs", body.as_bytes());
        assert_eq!(of(r#"{"a":1,"b":{"c":2,"d":3}}"#), of("{ \"b\": {\"d\":3,\"c\":2}, \"a\": 1 }"));
        assert_ne!(of(r#"{"a":1}"#), of(r#"{"a":2}"#));
        assert_ne!(of("[1,2]"), of("[2,1]"));
        assert_ne!(of("{}"), hash("POST /jobs/batch", b"{}"));
    }

    #[test]
    fn a_key_is_one_printable_header() {
        let caller = Caller::anonymous();
        let of = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(HEADER, axum::http::HeaderValue::from_bytes(value).unwrap());
            }
            Keyed::of(&headers, &caller, "r", b"{}").map(|keyed| keyed.map(|keyed| keyed.key))
        };
        assert_eq!(of(&[]).unwrap(), None);
        assert_eq!(of(&[b"order 42"]).unwrap().as_deref(), Some("/order 42"));
        assert!(of(&[&[b'x'; 255]]).is_ok());
        for bad in [&[&b""[..]][..], &[b"a", b"b"], &[&[b'x'; 256]], &["ü".as_bytes()], &[b"a\tb"]] {
            assert!(of(bad).is_err(), "{bad:?}");
        }
    }
}
