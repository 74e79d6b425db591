//! Web origins: the type of the setting, and the format in which a variable shared with other programs lists
//! them. Must never let such a variable prevent a start, nor repeat its value.

use url::Url;

use super::value::Setting;

/// A web origin that may call the API from a browser, as browsers send it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WebOrigin(pub String);

impl Setting for WebOrigin {
    fn allowed() -> String {
        "an origin without a path, such as https://app.example.com".into()
    }

    /// Case, a slash at the end and the scheme's own port make no difference.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let is_http = ["http", "https"].iter().any(|known| known.eq_ignore_ascii_case(scheme));
        // Neither a path nor a pattern, and nothing that the parser of URLs passes over.
        let is_foreign = |c: char| c.is_whitespace() || c.is_control() || "/\\?#@*%".contains(c);
        let is_plain = !rest.strip_suffix('/').unwrap_or(rest).contains(is_foreign);
        let url = Url::parse(text).ok().filter(|_| is_http && is_plain)?;
        Some(Self(url.origin().ascii_serialization()))
    }
}

/// What a variable lists.
#[derive(Debug, Default)]
pub struct ListedOrigins {
    /// The origins, as browsers send them.
    pub origins: Vec<String>,
    /// Why other entries are none, by their numbers.
    pub faults: Vec<String>,
}

impl ListedOrigins {
    /// Reads a list with commas, semicolons or blanks, or JSON, each with quotes or without.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut listed = Self::default();
        for (at, entry) in entries(text).iter().enumerate() {
            let why = match WebOrigin::parse(entry) {
                Some(origin) => {
                    listed.origins.push(origin.0);
                    continue;
                }
                None if entry == "*" => "stands for all; list origins in api.cors_origins",
                None => "is no http or https origin",
            };
            listed.faults.push(format!("entry {} {why}", at + 1));
        }
        listed
    }
}

fn entries(text: &str) -> Vec<String> {
    let found: Vec<String> = serde_json::from_str(text).unwrap_or_else(|_| {
        let inner = text.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        let parts = inner.split(|c: char| c.is_whitespace() || ",;".contains(c));
        parts.map(|part| part.trim_matches(['"', '\'']).to_owned()).collect()
    });
    found.iter().map(|entry| entry.trim().to_owned()).filter(|entry| !entry.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_kept_as_browsers_send_them() {
        for (text, origin) in [
            ("https://app.example.com", "https://app.example.com"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://a.test/", "http://a.test"),
            ("HTTP://A.test:80", "http://a.test"),
            ("https://a.test:443/", "https://a.test"),
            ("https://a.test:80", "https://a.test:80"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(WebOrigin::parse(text), Some(WebOrigin(origin.into())), "{text}");
        }
        for bad in [
            "",
            "*",
            "null",
            "app.example.com",
            "https://",
            "https://*.a.test",
            "https://a.example/x",
            "https://a.example//",
            "https://a.example?x",
            "https://me:word@a.example",
            "https://a.example, https://b.example",
            "https:a.example",
            "chrome-extension://abcdefghijklmnop",
        ] {
            assert_eq!(WebOrigin::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn entries_of_a_list_have_numbers() {
        let listed = ListedOrigins::read("http://a.test;null http://b.test/\n, *");
        assert_eq!(listed.origins, ["http://a.test", "http://b.test"]);
        assert_eq!(listed.faults.len(), 2);
        assert!(listed.faults[0].starts_with("entry 2 is no"), "{listed:?}");
        assert!(listed.faults[1].starts_with("entry 4 stands for all"), "{listed:?}");
        assert_eq!(entries("[\"http://a.test\", 'http://b.test'; null]").len(), 3);
        assert!(entries(" ,; ").is_empty());
    }
}
