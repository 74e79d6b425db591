//! Hides the values of keys that hold secrets by their names, for everything that people look at. Handlers must
//! never get a value that went through here.

use serde_json::Value;

/// What stands in place of a hidden value.
pub const REDACTED: &str = "[redacted]";

/// The names whose values are hidden.
#[derive(Debug, Clone, Default)]
pub struct Redactor(Vec<String>);

impl Redactor {
    /// Hides the values of these keys; case, underscores and hyphens do not matter.
    #[must_use]
    pub fn new(keys: &[String]) -> Self {
        Self(keys.iter().map(|key| plain(key)).collect())
    }

    /// The keys, as they are compared.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        &self.0
    }

    /// Hides what is to be hidden, at any depth.
    pub fn redact(&self, value: &mut Value) {
        if self.0.is_empty() {
            return;
        }
        match value {
            Value::Object(fields) => {
                for (key, field) in fields.iter_mut() {
                    if !field.is_null() && self.hides(key) {
                        *field = REDACTED.into();
                    } else {
                        self.redact(field);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.redact(item)),
            _ => {}
        }
    }

    fn hides(&self, key: &str) -> bool {
        let key = plain(key);
        self.0.contains(&key)
    }
}

fn plain(key: &str) -> String {
    key.chars().filter(|letter| !matches!(letter, '_' | '-')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_found_at_any_depth_and_in_any_spelling() {
        let redactor = Redactor::new(&["api_key".into(), "password".into()]);
        let mut value = json!({
            "Password": "a", "list": [{ "apiKey": { "deep": 1 } }, { "API-KEY": null }], "passwords": 2, "note": "password",
        });
        redactor.redact(&mut value);
        assert_eq!(
            value,
            json!({
                "Password": REDACTED, "list": [{ "apiKey": REDACTED }, { "API-KEY": null }], "passwords": 2,
                "note": "password",
            })
        );
    }
}
