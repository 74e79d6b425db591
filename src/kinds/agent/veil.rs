//! Keeps the secrets of a session out of everything that is said of a task: to the model, in steps, events, results and
//! errors. Only what is typed into the page goes the other way.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::job::agent::SessionData;

/// A shorter value is as likely a word of the page as a secret.
const SHORTEST_SECRET: usize = 6;
const COVER: &str = "[redacted]";

/// The secrets of one task.
#[derive(Default)]
pub(super) struct Veil {
    /// The longest first, so that none is left in part.
    hidden: Vec<String>,
    secrets: BTreeMap<String, String>,
}

impl Veil {
    pub(super) fn new(session: &SessionData) -> Self {
        let long = |value: &&str| value.len() >= SHORTEST_SECRET;
        let values = session.hidden().filter(long).map(str::to_owned);
        // What was named a secret is one, however short, unless it is no more than a letter or two.
        let named = session.secrets.values().filter(|value| value.len() > 2).cloned();
        let mut hidden: Vec<String> =
            values.chain(named).flat_map(|value| [encoded(&value), value]).collect();
        hidden.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        hidden.dedup();
        Self { hidden, secrets: session.secrets.clone() }
    }

    /// The text without secrets.
    pub(super) fn cover(&self, text: &str) -> String {
        let cover = |text: String, secret: &String| {
            if text.contains(secret.as_str()) { text.replace(secret.as_str(), COVER) } else { text }
        };
        self.hidden.iter().fold(text.to_owned(), cover)
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

    /// What the model may type without seeing it.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.secrets.keys().map(String::as_str)
    }
}

/// As it stands in addresses.
fn encoded(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_covered_everywhere_and_filled_in_where_they_are_typed() {
        let session: SessionData = serde_json::from_value(json!({
            "url": "https://example.com", "cookies": [{"name": "sid", "value": "abc/def+123"}, {"name": "n", "value": "1"}],
            "localStorage": {"token": "tok-abc/def+123"}, "secrets": {"pin": "0815"},
        }))
        .unwrap();
        let veil = Veil::new(&session);
        assert_eq!(veil.cover("1 tok-abc/def+123, abc/def+123 0815"), "1 [redacted], [redacted] [redacted]");
        assert_eq!(veil.cover("?sid=abc%2Fdef%2B123"), "?sid=[redacted]");
        assert_eq!(veil.cover_value(json!({"a": ["0815", 1]})), json!({"a": ["[redacted]", 1]}));
        assert_eq!(veil.fill("{{pin}}-{{other}}"), "0815-{{other}}");
    }
}
