//! Reads JSON from a running attempt. Characters that Postgres cannot store (NUL, half of a
//! surrogate pair) become the visible text of their escape, because a finished attempt must never
//! fail for that.

use serde::de::DeserializeOwned;

use super::parse::parse;
use super::scan::{Flaw, escape};
use crate::api::server::problem::Problem;

/// As [`parse`], with characters that cannot be stored escaped once more.
///
/// # Errors
/// As [`parse`], but for those characters.
pub fn parse_storable<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut storable = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    // Outside of strings a backslash is an error anyway, so there is no need to know where they are.
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        storable.extend_from_slice(&rest[..at]);
        let (length, flaw) = escape(&rest[at..]);
        if matches!(flaw, Some(Flaw::Nul | Flaw::LoneSurrogate)) {
            storable.push(b'\\');
        }
        storable.extend_from_slice(&rest[at..at + length]);
        rest = &rest[at + length..];
    }
    storable.extend_from_slice(rest);
    parse(&storable)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(text: &str) -> Value {
        parse_storable(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_cannot_be_stored_becomes_visible() {
        assert_eq!(read(r#"{"a":"x\u0000y"}"#), json!({"a": "x\\u0000y"}));
        assert_eq!(read(r#"{"a\u0000":"\ud800"}"#), json!({"a\\u0000": "\\ud800"}));
        assert_eq!(read(r#"["\udc00\ud800x"]"#), json!(["\\udc00\\ud800x"]));
        assert_eq!(read(r#"["\ud800\u0000"]"#), json!(["\\ud800\\u0000"]));
    }

    #[test]
    fn all_else_stays_as_it_is() {
        for text in [r#"["\ud83d\ude00 \\u0000 \\ud800 \n\" \u00fc"]"#, r#"{"a":[1,2.5,null,"\\"]}"#, "[]"] {
            assert_eq!(read(text), serde_json::from_str::<Value>(text).unwrap());
        }
        for bad in ["[\"\\", "[\"\\u00", "{\"a\":\\u0000}", "", "[\"\0\"]"] {
            assert!(parse_storable::<Value>(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
