//! Hides the values of keys with secret names in everything that people read. Handlers must never
//! get a redacted value.

use serde_json::Value;

/// The replacement of a hidden value.
pub const REDACTED: &str = "[redacted]";

/// The end of a key that hides a part of an address: of `outer.url` the parts of the URL in `outer` that are often a token.
const ADDRESS: &str = ".url";

/// The names whose values are hidden.
#[derive(Debug, Clone, Default)]
pub struct Redactor(Vec<String>);

impl Redactor {
    /// Hides the values of these keys; case, underscores and hyphens do not matter. `outer.url` shows the address in
    /// `outer` without user, query and fragment.
    #[must_use]
    pub fn new(keys: &[String]) -> Self {
        Self(keys.iter().map(|key| plain(key)).collect())
    }

    /// The keys in the form in which they are compared.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        &self.0
    }

    /// Hides the values of these keys at any depth.
    pub fn redact(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (key, field) in fields.iter_mut() {
                    if !field.is_null() && self.hides(key) {
                        *field = REDACTED.into();
                    } else {
                        if self.hides(&format!("{key}{ADDRESS}")) {
                            redact_address(field);
                        }
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

fn redact_address(outer: &mut Value) {
    if let Some(Value::String(url)) = outer.get_mut("url") {
        *url = shown_address(url);
    }
}

/// An address without user, query and fragment. The same as the SQL function of this name.
fn shown_address(address: &str) -> String {
    let (place, behind) = address.split_at(address.find(['?', '#']).unwrap_or(address.len()));
    let place = if place.contains('@') { place.trim_start() } else { place };
    let is_scheme = |letter: char| letter.is_ascii_alphanumeric() || "+.-".contains(letter);
    let scheme = place.find(|letter| !is_scheme(letter)).filter(|end| place[*end..].starts_with(':'));
    let host = place[scheme.map_or(0, |end| end + 1)..].trim_start_matches(['/', '\\']);
    let (before, host) = place.split_at(place.len() - host.len());
    let authority = &host[..host.find(['/', '\\']).unwrap_or(host.len())];
    let host = &host[authority.rfind('@').map_or(0, |at| at + 1)..];
    format!("{before}{host}{}", if behind.is_empty() { "" } else { "?[redacted]" })
}

fn plain(key: &str) -> String {
    key.chars().filter(|letter| !matches!(letter, '_' | '-')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_is_shown_without_what_may_be_a_token() {
        for (address, shown) in [
            ("https://example.com/a@b/c", "https://example.com/a@b/c"),
            ("https://ann:p@w@example.com/a?b=c#d", "https://example.com/a?[redacted]"),
            (" https:\\\\ann:pw@example.com#t", "https:\\\\example.com?[redacted]"),
            ("https:ann@example.com", "https:example.com"),
            ("pw@example.com/?a=x@y", "example.com/?[redacted]"),
        ] {
            assert_eq!(shown_address(address), shown);
        }
        let mut value =
            json!({"url": "https://x/?a", "session_data": {"url": "https://x/?a"}, "sessionData": null});
        Redactor::new(&["session_data.url".into()]).redact(&mut value);
        let shown = json!({"url": "https://x/?a", "session_data": {"url": "https://x/?[redacted]"}, "sessionData": null});
        assert_eq!(value, shown);
    }

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
