//! `Prefer: return=minimal` (RFC 7240): the answer to an enqueue has only the ids of the stored jobs. Must
//! never change the stored jobs.

use axum::http::{HeaderMap, HeaderName};

const PREFER: &str = "prefer";
const APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const RETURN_MINIMAL: &str = "return=minimal";

/// The header of an answer that is minimal.
pub(crate) type Applied = Option<[(HeaderName, &'static str); 1]>;

/// Whether the caller wants a minimal answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Minimal(bool);

impl Minimal {
    /// What these headers prefer.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(PREFER).iter().filter_map(|line| line.to_str().ok());
        Self(lines.flat_map(|line| line.split(',')).any(is_minimal))
    }

    pub(crate) fn is_wanted(self) -> bool {
        self.0
    }

    /// The header that says so, for an answer that may be minimal.
    pub(crate) fn applied(self, may_be: bool) -> Applied {
        (self.0 && may_be).then_some([(APPLIED, RETURN_MINIMAL)])
    }
}

/// A preference may have parameters, and its value may be quoted.
fn is_minimal(preference: &str) -> bool {
    let named = preference.split(';').next().unwrap_or_default().replace(['"', ' ', '\t'], "");
    named.eq_ignore_ascii_case(RETURN_MINIMAL)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_return_minimal_is_minimal() {
        let of = |line: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append(PREFER, HeaderValue::from_static("wait=1"));
            headers.append(PREFER, HeaderValue::from_static(line));
            Minimal::of(&headers).is_wanted()
        };
        for yes in ["return=minimal", "respond-async, Return=Minimal", "return = \"minimal\"; x=1"] {
            assert!(of(yes), "{yes}");
        }
        for no in ["return=representation", "minimal", "return", "wait=5; return=minimal"] {
            assert!(!of(no), "{no}");
        }
        assert!(!Minimal::of(&HeaderMap::new()).is_wanted());
    }
}
