//! Decides which values of a session are secrets, by names and lengths, as `docs/agent.md` states.
//! Prefers to cover a value too many that looks random, but never an ordinary word.

use serde_json::Value;

use super::reading::decoded;
use crate::agent::args::SessionData;
use crate::agent::cookie::Cookie;

/// Under a secret name, a shorter value is as likely a word of the page as a secret.
const SHORTEST: usize = 6;
/// Under any name a value of this length is an id, not a word.
const LONG: usize = 16;
/// Parts of names that indicate a secret.
const SECRET_NAME_PARTS: [&str; 11] = [
    "sess",
    "token",
    "csrf",
    "xsrf",
    "jwt",
    "secret",
    "passw",
    "credential",
    "apikey",
    "bearer",
    "signature",
];
/// The same for parts that also occur in other words.
const SECRET_NAME_WORDS: [&str; 11] =
    ["sid", "auth", "oauth", "key", "pwd", "pin", "otp", "seed", "mnemonic", "login", "sig"];

/// The secrets of a session as it was received.
pub(super) fn of(session: &SessionData) -> Vec<String> {
    let mut secrets: Vec<String> =
        session.secrets.values().filter(|value| value.len() > 2).cloned().collect();
    for cookie in &session.cookies {
        collect(&cookie.name, &cookie.value, cookie.http_only, LONG, &mut secrets);
    }
    for (name, value) in &session.local_storage {
        collect(name, value, false, LONG, &mut secrets);
    }
    if let Some(url) = session.address() {
        let fragment = url.fragment().unwrap_or_default().as_bytes();
        for (name, value) in url.query_pairs().chain(url::form_urlencoded::parse(fragment)) {
            // A fragment without `=` is a name alone.
            let (name, value) = if value.is_empty() { (value, name) } else { (name, value) };
            collect(&name, &value, false, LONG, &mut secrets);
        }
    }
    secrets
}

/// The secrets among cookies received during the task: those with secret names.
pub(super) fn of_cookies(cookies: &[Cookie]) -> Vec<String> {
    let mut secrets = Vec::new();
    for cookie in cookies {
        collect(&cookie.name, &cookie.value, cookie.http_only, usize::MAX, &mut secrets);
    }
    secrets
}

/// Records a secret value, also in its decoded form, and secrets inside JSON.
fn collect(name: &str, value: &str, is_secret_name: bool, long: usize, secrets: &mut Vec<String>) {
    let is_secret_name = is_secret_name || names_secret(name);
    let decoded = Some(decoded(value)).filter(|decoded| decoded != value);
    for value in std::iter::once(value.to_owned()).chain(decoded) {
        match serde_json::from_str(&value) {
            // Data stored by a page may be the subject of the task: there only names count.
            Ok(json @ (Value::Object(_) | Value::Array(_))) => collect_json(&json, is_secret_name, secrets),
            Ok(Value::String(inner)) => collect(name, &inner, is_secret_name, long, secrets),
            _ => {}
        }
        let length = value.trim().chars().count();
        let is_random = length >= long && !value.trim().contains(char::is_whitespace);
        if is_random || is_secret_name && length >= SHORTEST && !is_ordinary(value.trim()) {
            secrets.push(value);
        }
    }
}

fn collect_json(value: &Value, is_secret_name: bool, secrets: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(name, value)| collect_json(value, is_secret_name || names_secret(name), secrets));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_json(item, is_secret_name, secrets)),
        Value::String(text) => collect("", text, is_secret_name, usize::MAX, secrets),
        _ => {}
    }
}

/// Whether a name indicates that its value is a secret.
fn names_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_lowercase();
    let mut words = vec![String::new()];
    let mut was_small = false;
    for letter in name.chars() {
        if !letter.is_ascii_alphanumeric() || letter.is_ascii_uppercase() && was_small {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(letter.is_ascii_alphanumeric().then(|| letter.to_ascii_lowercase()));
        }
        was_small = letter.is_ascii_lowercase();
    }
    SECRET_NAME_PARTS.iter().any(|part| plain.contains(part))
        || words.iter().any(|word| SECRET_NAME_WORDS.contains(&word.as_str()))
}

/// Whether a value is a word or a few, such as `success`, `Berlin` or `dark-mode`.
fn is_ordinary(value: &str) -> bool {
    let is_word = |word: &str| {
        let (first, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
        let is_small = rest.chars().all(char::is_lowercase);
        let is_large = first.chars().chain(rest.chars()).all(char::is_uppercase);
        first.chars().all(char::is_alphabetic) && !first.is_empty() && (is_small || is_large)
    };
    value.chars().count() < LONG && value.split([' ', '-', '_', '.']).all(is_word)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secrets(session: Value) -> Vec<String> {
        let session: SessionData = serde_json::from_value(session).unwrap();
        of(&session)
    }

    #[test]
    fn words_are_no_secrets_under_any_name() {
        for word in
            ["Berlin", "success", "finish", "en", "true", "1", "STRICT", "dark-mode", "São Paulo", "a1b2"]
        {
            for name in ["city", "session_state", "authToken"] {
                let cookie = json!({"name": name, "value": word, "domain": "x", "httpOnly": true});
                assert!(secrets(json!({"cookies": [cookie]})).is_empty(), "{name}={word}");
            }
        }
        for (name, value) in [
            ("city", "Zurich 8001"),
            ("plan", "pro-2026"),
            ("author", "Jane R. Doe 2nd"),
            ("greeting", "Welcome to our old little shop"),
        ] {
            assert!(secrets(json!({"localStorage": {name: value}})).is_empty(), "{name}={value}");
        }
    }

    #[test]
    fn what_is_named_so_or_looks_random_is_a_secret() {
        for (name, value) in [
            ("PHPSESSID", "k3j9x2"),
            ("connect.sid", "s:k3j9x2"),
            ("XSRF-TOKEN", "Ab12cd"),
            ("userPin", "081500"),
            ("api_key", "aBcDeFgH"),
            ("wallet_seed", "legal winner thank year wave sausage"),
            ("_x", "0f9a8b7c6d5e4f3a"),
        ] {
            assert_eq!(secrets(json!({"localStorage": {name: value}})), [value], "{name}");
            let cookie = json!({"name": name, "value": value, "domain": "x"});
            assert_eq!(secrets(json!({"cookies": [cookie]})), [value], "{name}");
        }
        let cookie = json!({"name": "a", "value": "k3j9x2", "domain": "x", "httpOnly": true});
        assert_eq!(secrets(json!({"cookies": [cookie]})), ["k3j9x2"]);
        assert_eq!(
            secrets(json!({"secrets": {"city": "Berlin", "pin": "081", "a": "ab"}})),
            ["Berlin", "081"]
        );
        assert_eq!(
            secrets(json!({"url": "https://x/a?page=2&token=k3j9x2#0f9a8b7c6d5e4f3a"})),
            ["k3j9x2", "0f9a8b7c6d5e4f3a"]
        );
    }

    #[test]
    fn values_are_looked_into() {
        let kept =
            r#"{"user": {"name": "Ann", "accessToken": "k3j9x2", "orders": ["ORDER-2026-000000001"]}}"#;
        let found = secrets(json!({"localStorage": {"state": kept, "quoted": "\"0f9a8b7c6d5e4f3a\""}}));
        assert!(
            found.contains(&"k3j9x2".to_owned()) && found.contains(&"0f9a8b7c6d5e4f3a".to_owned()),
            "{found:?}"
        );
        assert!(!found.iter().any(|secret| secret == "Ann" || secret.starts_with("ORDER")), "{found:?}");
        let cookie = json!({"name": "sid", "value": "s%3Ak3j9%2Fx2", "domain": "x"});
        assert_eq!(secrets(json!({"cookies": [cookie]})), ["s%3Ak3j9%2Fx2", "s:k3j9/x2"]);
    }

    #[test]
    fn of_cookies_that_came_later_only_names_count() {
        let cookie =
            |name: &str, value: &str| Cookie { name: name.into(), value: value.into(), ..Cookie::default() };
        let came = [cookie("sid", "k3j9x2"), cookie("order", "ORDER-2026-000000001")];
        assert_eq!(of_cookies(&came), ["k3j9x2"]);
    }
}
