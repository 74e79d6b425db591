//! Removes the secrets of a session from everything that describes a task: prompts to the model,
//! steps, events, results and errors. Secrets go only into the page, when they are typed.

use std::collections::BTreeMap;
use std::ops::Range;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD as STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use serde_json::Value;

use super::reading::{Reading, plain};
use super::secret;
use crate::agent::args::SessionData;
use crate::agent::cookie::Cookie;

const COVER: &str = "[redacted]";
/// The factor by which escapes can lengthen a secret.
const LONGEST_ESCAPE: usize = 6;
/// In Base64 a shorter one is as likely a part of a word.
const SHORTEST_ENCODED: usize = 6;

/// The secrets of one task.
#[derive(Clone, Default)]
pub(super) struct SecretMask {
    /// The secrets in decoded form.
    hidden: Vec<String>,
    secrets: BTreeMap<String, String>,
}

impl SecretMask {
    pub(super) fn new(session: &SessionData) -> Self {
        let mut mask = Self { hidden: Vec::new(), secrets: session.secrets.clone() };
        mask.hide(&secret::of(session));
        mask
    }

    /// Adds the secrets that the browser received since.
    pub(super) fn learn(&mut self, cookies: &[Cookie]) {
        self.hide(&secret::of_cookies(cookies));
    }

    /// The same with one more secret.
    pub(super) fn and(&self, secret: &str) -> Self {
        let mut mask = self.clone();
        mask.hide(&[secret.to_owned()]);
        mask
    }

    fn hide(&mut self, secrets: &[String]) {
        for secret in secrets {
            self.hidden.push(plain(secret));
            if secret.len() >= SHORTEST_ENCODED {
                // Each encoding without its padding, which carries nothing, is part of the one with it.
                let encoded = [STANDARD_NO_PAD.encode(secret), URL_SAFE_NO_PAD.encode(secret)];
                self.hidden.extend(encoded.iter().map(|encoded| plain(encoded)));
            }
        }
        self.hidden.retain(|plain| !plain.is_empty());
        self.hidden.sort_unstable();
        self.hidden.dedup();
    }

    /// How much text must follow a cut so that no part of a secret remains before it.
    pub(super) fn reach(&self) -> usize {
        self.hidden.iter().map(|secret| secret.len() * LONGEST_ESCAPE).max().unwrap_or_default()
    }

    /// The text without secrets. Must be called before a text is cut or quoted, because a part of a secret
    /// cannot be recognised.
    pub(super) fn cover(&self, text: &str) -> String {
        if self.hidden.is_empty() {
            return text.to_owned();
        }
        let readings = Reading::all(text);
        let found =
            readings.iter().flat_map(|reading| self.hidden.iter().flat_map(|secret| reading.find(secret)));
        let mut found: Vec<Range<usize>> = found.collect();
        found.sort_unstable_by_key(|place| place.start);
        let (mut covered, mut at) = (String::with_capacity(text.len()), 0);
        for place in found {
            if place.start >= at {
                covered.push_str(&text[at..place.start]);
                covered.push_str(COVER);
            }
            at = at.max(place.end);
        }
        covered.push_str(&text[at..]);
        covered
    }

    /// The value without secrets.
    pub(super) fn cover_value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.cover(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.cover_value(item)).collect(),
            Value::Object(fields) => {
                Value::Object(fields.into_iter().map(|(key, value)| (key, self.cover_value(value))).collect())
            }
            plain => plain,
        }
    }

    /// The text as it is typed: `{{name}}` is the secret of that name.
    pub(super) fn fill(&self, text: &str) -> String {
        let fill = |text: String, (name, secret): (&String, &String)| {
            text.replace(&format!("{{{{{name}}}}}"), secret)
        };
        self.secrets.iter().fold(text.to_owned(), fill)
    }

    /// The names of texts that the model can type without seeing them.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.secrets.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_covered_everywhere_and_filled_in_where_they_are_typed() {
        let session: SessionData = serde_json::from_value(json!({
            "url": "https://example.com", "cookies": [{"name": "sid", "value": "abc/def+123"}, {"name": "n", "value": "1"}],
            "localStorage": {"token": "tok-abc/def+123"}, "secrets": {"pin": "0815"},
        }))
        .unwrap();
        let mask = SecretMask::new(&session);
        assert_eq!(mask.cover("1 tok-abc/def+123, abc/def+123 0815"), "1 [redacted], [redacted] [redacted]");
        assert_eq!(mask.cover("?sid=abc%2Fdef%2B123"), "?sid=[redacted]");
        assert_eq!(mask.cover_value(json!({"a": ["0815", 1]})), json!({"a": ["[redacted]", 1]}));
        assert_eq!(mask.fill("{{pin}}-{{other}}"), "0815-{{other}}");
    }

    #[test]
    fn a_secret_that_was_encoded_as_a_whole_is_covered() {
        let secret = "??>~~?ab";
        let session = serde_json::from_value(json!({"secrets": {"a": secret, "b": "0815"}})).unwrap();
        let mask = SecretMask::new(&session);
        for (encoded, rest) in [
            (BASE64_STANDARD.encode(secret), "="),
            (BASE64_URL_SAFE.encode(secret), "="),
            (STANDARD_NO_PAD.encode(secret), ""),
            (URL_SAFE_NO_PAD.encode(secret), ""),
        ] {
            let covered = mask.cover(&format!("<{encoded}> ?a={}", encoded.replace('/', "%2F")));
            assert_eq!(covered, format!("<[redacted]{rest}> ?a=[redacted]{rest}"), "{encoded}");
        }
        // Too short to be distinguished from a word.
        assert_eq!(mask.cover("MDgxNQ"), "MDgxNQ");
    }

    #[test]
    fn secrets_that_overlap_and_those_that_came_later_are_covered() {
        let session: SessionData =
            serde_json::from_value(json!({"secrets": {"a": "abcdef", "b": "defghi"}})).unwrap();
        let mut mask = SecretMask::new(&session);
        assert_eq!(mask.cover("xabcdefghix ABCDEF"), "x[redacted]x [redacted]");
        let came = [Cookie { name: "sid".into(), value: "k3j9x2".into(), ..Cookie::default() }];
        assert_eq!(mask.cover("k3j9x2"), "k3j9x2");
        mask.learn(&came);
        assert_eq!(mask.cover("k3j9x2"), "[redacted]");
        assert_eq!(SecretMask::default().cover("k3j9x2"), "k3j9x2");
    }
}
