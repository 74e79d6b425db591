//! A browser task for a model: the args of the kind `agent.execute`, and their rules. The code that
//! accepts a task and the code that runs it share them. Must never show a secret of the session.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use serde_path_to_error::Segment;
use url::{Host, Url};
use utoipa::ToSchema;

/// The kind of these jobs.
pub const KIND: &str = "agent.execute";
/// The queue that they go to.
pub const QUEUE: &str = "agent";
/// Fields of the args and of the state between steps whose values only the handler sees.
pub const SECRET_FIELDS: [&str; 5] =
    ["cookies", "local_storage", "secrets", "session_url", "session_data.url"];

const TASK_CHARACTERS: usize = 20_000;
const MOST_COOKIES: usize = 500;
/// Of its name and value, and of its path: browsers take no longer ones.
const COOKIE_BYTES: usize = 4_096;
const COOKIE_PATH_BYTES: usize = 1_024;
/// The replacement of a query in displayed tasks; it comes back if such a task is sent again.
const SHOWN_QUERY: &str = "?[redacted]";

/// A task, and the session in which it is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentTask {
    /// The task in words.
    pub task_description: String,
    /// The first page and the login data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_data: Option<SessionData>,
}

/// The state of the browser before the task starts.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SessionData {
    /// The page that is opened first; `localStorage` and cookies without a domain are its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://example.com")]
    pub url: Option<String>,
    /// Cookies as browsers export them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cookies: Vec<Cookie>,
    /// The page's local storage.
    #[serde(rename = "localStorage", skip_serializing_if = "BTreeMap::is_empty")]
    pub local_storage: BTreeMap<String, String>,
    /// Texts that the model can type without seeing them: it writes `{{name}}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
}

/// A browser's own bookkeeping.
type Ignored = Option<serde::de::IgnoredAny>;

/// A cookie as browsers, their extensions and the tools that drive them export it; what they add about their own
/// bookkeeping is taken and not used.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Its host; by default that of `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Its path; by default all paths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its expiry in seconds of the epoch; -1 or nothing for the session.
    #[serde(skip_serializing_if = "Option::is_none", alias = "expirationDate", alias = "expiry")]
    pub expires: Option<f64>,
    /// Whether scripts cannot see it.
    pub http_only: bool,
    /// Whether it is sent over TLS only.
    pub secure: bool,
    /// `Strict`, `Lax`, `None` or `no_restriction`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_site: Option<String>,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub(crate) host_only: Ignored,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub(crate) session: Ignored,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub(crate) store_id: Ignored,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub(crate) id: Ignored,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub(crate) first_party_domain: Ignored,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub(crate) partition_key: Ignored,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub(crate) partition_key_opaque: Ignored,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub(crate) partitioned: Ignored,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub(crate) priority: Ignored,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub(crate) same_party: Ignored,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub(crate) size: Ignored,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub(crate) source_port: Ignored,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub(crate) source_scheme: Ignored,
    #[serde(skip_serializing, rename = "_crHasCrossSiteAncestor")]
    #[schema(ignore)]
    pub(crate) has_cross_site_ancestor: Ignored,
}

impl fmt::Debug for SessionData {
    /// Shows names and the host alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionData")
            .field("host", &self.address().and_then(|url| url.host_str().map(str::to_owned)))
            .field("cookies", &self.cookies)
            .field("local_storage", &self.local_storage.keys())
            .field("secrets", &self.secrets.keys())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Cookie {
    /// Shows its name alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// An invalid field of a task: its JSON pointer, the error, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {what} {remedy}")]
pub struct BadTask {
    /// Where.
    pub field: String,
    /// The error.
    pub what: String,
    /// The remedy.
    pub remedy: String,
}

fn bad(field: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> BadTask {
    BadTask { field: field.into(), what: what.into(), remedy: remedy.into() }
}

impl AgentTask {
    /// The checked task in the args of a job.
    ///
    /// # Errors
    /// With the first invalid field; its value, which may be a secret, is not repeated.
    pub fn read(args: Map<String, Value>) -> Result<Self, BadTask> {
        let task: Self = serde_path_to_error::deserialize(Value::Object(args)).map_err(|error| {
            let mut field = String::new();
            for part in error.path().iter().filter(|part| !matches!(part, Segment::Unknown)) {
                field.push('/');
                field.push_str(part.to_string().trim_matches(['[', ']']));
            }
            let words = error.inner().to_string();
            let (what, expected) =
                words.rsplit_once(", expected ").unwrap_or((&words, "the format in docs/agent.md"));
            let what = if what.starts_with("invalid") { "The value has the wrong type." } else { what };
            bad(field, what, format!("Send {expected}."))
        })?;
        task.check()?;
        Ok(task)
    }

    /// Checks the rules that the types do not express.
    ///
    /// # Errors
    /// With the first invalid field.
    pub fn check(&self) -> Result<(), BadTask> {
        let length = self.task_description.chars().count();
        if self.task_description.trim().is_empty() || length > TASK_CHARACTERS {
            return Err(bad(
                "/task_description",
                "The task is empty or too long.",
                "Use 1 to 20000 characters.",
            ));
        }
        self.session_data.as_ref().map_or(Ok(()), SessionData::check)
    }

    /// The args of its job.
    #[must_use]
    pub fn args(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(args)) => args,
            _ => Map::new(),
        }
    }
}

impl SessionData {
    /// The page that is opened first.
    #[must_use]
    pub fn address(&self) -> Option<Url> {
        self.url.as_deref().and_then(|url| Url::parse(url).ok())
    }

    fn check(&self) -> Result<(), BadTask> {
        let is_page = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        let is_plain = |url: &Url| url.username().is_empty() && url.password().is_none();
        if self.url.is_some() && !self.address().is_some_and(|url| is_page(&url) && is_plain(&url)) {
            let remedy = "Send an http:// or https:// address without a user name; cookies and secrets have fields of their own.";
            return Err(bad("/session_data/url", "This is not the address of a page.", remedy));
        }
        if self.url.as_deref().is_some_and(|url| url.ends_with(SHOWN_QUERY)) {
            let what = "This address is shortened for display, without its query.";
            return Err(bad("/session_data/url", what, "Send the whole address."));
        }
        if self.url.is_none() && !self.local_storage.is_empty() {
            return Err(bad("/session_data/url", "Local storage needs a page.", "Send its url."));
        }
        if self.cookies.len() > MOST_COOKIES {
            return Err(bad("/session_data/cookies", "There are too many cookies.", "Send at most 500."));
        }
        for (index, cookie) in self.cookies.iter().enumerate() {
            let field = |name: &str| format!("/session_data/cookies/{index}/{name}");
            if let Some((name, what, remedy)) = cookie.fault() {
                return Err(bad(field(name), what, remedy));
            }
            if cookie.domain.as_deref().is_none_or(str::is_empty) && self.url.is_none() {
                return Err(bad(
                    field("domain"),
                    "The cookie has neither a domain nor a url.",
                    "Send its domain, or url.",
                ));
            }
        }
        Ok(())
    }
}

impl Cookie {
    /// Why a browser would reject the cookie: the field, the error, and the remedy.
    fn fault(&self) -> Option<(&'static str, &'static str, &'static str)> {
        let is_plain = |text: &str| {
            text.trim() == text && !text.contains(|letter: char| letter == ';' || letter.is_ascii_control())
        };
        let domain = self.domain.as_deref().unwrap_or_default();
        let path = self.path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/");
        let prefix = self.name.to_ascii_lowercase();
        let starts = |with: &str| prefix.starts_with(with);
        let is_host = |domain: &str| {
            let host = domain.strip_prefix('.').unwrap_or(domain);
            !host.starts_with('.') && !host.contains('*') && Host::parse(host).is_ok()
        };
        let is_none = self.same_site.as_deref().is_some_and(|site| site.eq_ignore_ascii_case("none"));
        Some(if self.name.is_empty() {
            ("name", "The cookie has no name.", "Send its name.")
        } else if !is_plain(&self.name) || self.name.contains('=') {
            ("name", "This is not a cookie name.", "Send it without \"=\", \";\" and control characters.")
        } else if !is_plain(&self.value) {
            let remedy =
                "Send it as the browser stores it: without \";\", control characters and spaces around it.";
            ("value", "This is not a valid cookie value.", remedy)
        } else if self.name.len() + self.value.len() > COOKIE_BYTES {
            ("value", "The cookie is too long.", "Send at most 4096 bytes as name and value.")
        } else if !domain.is_empty() && !is_host(domain) {
            ("domain", "This is not a host.", "Send a host, such as \"example.com\" or \".example.com\".")
        } else if !path.starts_with('/') || !is_plain(path) || path.len() > COOKIE_PATH_BYTES {
            ("path", "This is not a cookie path.", "Send a path that begins with \"/\", or leave it out.")
        } else if (starts("__secure-") || starts("__host-") || starts("__http-")) && !self.secure {
            ("secure", "A cookie with this name prefix must be secure.", "Send true.")
        } else if starts("__host-") && domain.starts_with('.') {
            ("domain", "A __Host- cookie is for a single host.", "Send the host without the dot before it.")
        } else if starts("__host-") && path != "/" {
            ("path", "A __Host- cookie is for all paths.", "Send \"/\", or leave it out.")
        } else if (starts("__http-") || starts("__host-http-")) && !self.http_only {
            ("httpOnly", "A cookie with this name prefix must be httpOnly.", "Send true.")
        } else if is_none && !self.secure {
            ("sameSite", "A cookie for all sites must be secure.", "Send secure: true or no sameSite.")
        } else {
            return None;
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(session: &Value) -> AgentTask {
        serde_json::from_value(json!({"task_description": "look", "session_data": session})).unwrap()
    }

    #[test]
    fn sessions_of_browsers_and_their_extensions_are_taken() {
        let task = read(&json!({
            "url": "https://example.com/a", "localStorage": {"token": "s3cret-value"},
            "cookies": [
                {"name": "a", "value": "1", "domain": ".example.com", "expirationDate": 2e9, "hostOnly": false,
                 "sameSite": "no_restriction", "session": false, "storeId": "0", "path": "/", "secure": true, "httpOnly": true},
                {"name": "b", "value": "2", "sameSite": "Lax", "expires": -1},
            ],
        }));
        task.check().unwrap();
        let again: AgentTask = serde_json::from_value(Value::Object(task.args())).unwrap();
        assert_eq!(again.session_data.as_ref().unwrap().cookies[0].expires, Some(2e9));
        assert!(!format!("{task:?}").contains("s3cret"), "{task:?}");
        assert!(serde_json::from_value::<SessionData>(json!({"cookie": []})).is_err());
    }

    #[test]
    fn cookies_are_taken_as_tools_write_them() {
        let exports = json!([
            // EditThisCookie.
            {"domain": ".example.com", "expirationDate": 1_893_456_000.5, "hostOnly": false, "httpOnly": true, "name": "a", "path": "/",
             "sameSite": "unspecified", "secure": true, "session": false, "storeId": "0", "value": "1", "id": 1},
            // Cookie-Editor, of Firefox.
            {"name": "a", "value": "1", "domain": "example.com", "hostOnly": true, "path": "/", "secure": true, "httpOnly": true,
             "sameSite": "lax", "session": true, "firstPartyDomain": "", "partitionKey": null, "storeId": "firefox-default"},
            // The protocol of Chromium's tools, and Puppeteer.
            {"name": "a", "value": "1", "domain": ".example.com", "path": "/", "expires": -1, "size": 2, "httpOnly": true, "secure": true,
             "session": true, "sameSite": "None", "priority": "Medium", "sameParty": false, "sourceScheme": "Secure",
             "sourcePort": 443, "partitionKey": {"topLevelSite": "https://example.com", "hasCrossSiteAncestor": true},
             "partitionKeyOpaque": false, "partitioned": true},
            // Playwright.
            {"name": "a", "value": "1", "domain": "example.com", "path": "/", "expires": -1, "httpOnly": true, "secure": true,
             "sameSite": "Strict", "partitionKey": "https://example.com", "_crHasCrossSiteAncestor": false},
            // WebDriver.
            {"name": "a", "value": "1", "domain": "example.com", "path": "/", "expiry": 1_893_456_000, "httpOnly": true, "secure": true, "sameSite": "Lax"},
        ]);
        let task = read(&json!({"url": "https://example.com", "cookies": exports}));
        task.check().unwrap();
        let cookies = &task.session_data.as_ref().unwrap().cookies;
        assert!(cookies.iter().all(|cookie| cookie.value == "1" && cookie.http_only && cookie.secure));
        assert_eq!((cookies[0].expires, cookies[4].expires), (Some(1_893_456_000.5), Some(1_893_456_000.0)));
        let kept = task.args()["session_data"]["cookies"][2].clone();
        let known = ["domain", "expires", "httpOnly", "name", "path", "sameSite", "secure", "value"];
        assert_eq!(
            kept.as_object().unwrap().keys().collect::<Vec<_>>(),
            known,
            "what is not used is not stored"
        );
        assert!(serde_json::from_value::<Cookie>(json!({"name": "a", "valeu": "1"})).is_err());
    }

    #[test]
    fn cookies_that_no_browser_takes_are_named() {
        let checked = |changed: Value| {
            let mut cookie = json!({"name": "a", "value": "b", "domain": "example.com"});
            cookie.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
            read(&json!({ "cookies": [cookie] })).check().map_err(|bad| bad.field)
        };
        for (field, bad) in [
            ("name", json!({"name": "a=b"})),
            ("name", json!({"name": "a;b"})),
            ("name", json!({"name": " a"})),
            ("value", json!({"value": "a; b"})),
            ("value", json!({"value": "a\nb"})),
            ("value", json!({"value": "a\u{7f}"})),
            ("value", json!({"value": "a "})),
            ("value", json!({"value": "x".repeat(4_096)})),
            ("domain", json!({"domain": "https://example.com"})),
            ("domain", json!({"domain": "example.com:8080"})),
            ("domain", json!({"domain": "example.com/a"})),
            ("domain", json!({"domain": "*.example.com"})),
            ("domain", json!({"domain": "..example.com"})),
            ("domain", json!({"domain": "."})),
            ("domain", json!({"domain": "exa mple.com"})),
            ("domain", json!({"domain": "a@example.com"})),
            ("domain", json!({"domain": "::1"})),
            ("path", json!({"path": "a"})),
            ("path", json!({"path": "/a;b"})),
            ("path", json!({"path": format!("/{}", "a".repeat(1_024))})),
            ("secure", json!({"name": "__Secure-a"})),
            ("secure", json!({"name": "__host-a"})),
            ("domain", json!({"name": "__Host-a", "secure": true, "domain": ".example.com"})),
            ("path", json!({"name": "__Host-a", "secure": true, "path": "/a"})),
            ("httpOnly", json!({"name": "__Http-a", "secure": true})),
            ("httpOnly", json!({"name": "__Host-Http-a", "secure": true})),
            ("sameSite", json!({"sameSite": "None"})),
        ] {
            assert_eq!(checked(bad.clone()), Err(format!("/session_data/cookies/0/{field}")), "{bad}");
        }
        for good in [
            json!({"name": "a[b] c", "value": "\"a, b=c\" \u{e4}"}),
            json!({"value": ""}),
            json!({"value": "x".repeat(4_095)}),
            json!({"domain": ".example.com", "path": "/a b"}),
            json!({"domain": "b\u{fc}cher.de", "path": ""}),
            json!({"domain": "127.0.0.1"}),
            json!({"domain": "[::1]"}),
            json!({"domain": "localhost"}),
            json!({"name": "__Secure-a", "secure": true}),
            json!({"name": "__Host-a", "secure": true}),
            json!({"name": "__Host-Http-a", "secure": true, "httpOnly": true}),
            json!({"sameSite": "None", "secure": true}),
            json!({"sameSite": "no_restriction"}),
        ] {
            assert_eq!(checked(good.clone()), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_named() {
        let field = |session: Value| read(&session).check().unwrap_err().field;
        assert_eq!(field(json!({"url": "file:///etc/passwd"})), "/session_data/url");
        assert_eq!(field(json!({"url": "https://ann:pw@example.com"})), "/session_data/url");
        assert_eq!(field(json!({"localStorage": {"a": "b"}})), "/session_data/url");
        assert_eq!(field(json!({"url": "https://example.com/a?[redacted]"})), "/session_data/url");
        assert_eq!(
            field(json!({"cookies": [{"name": "a", "value": "b"}]})),
            "/session_data/cookies/0/domain"
        );
        let empty = AgentTask { task_description: " ".into(), session_data: None };
        assert_eq!(empty.check().unwrap_err().field, "/task_description");
    }

    #[test]
    fn args_that_are_no_task_are_named_without_their_values() {
        let refused = |args: Value| AgentTask::read(args.as_object().unwrap().clone()).unwrap_err();
        let session = |session: Value| refused(json!({"task_description": "look", "session_data": session}));
        assert_eq!(
            refused(json!({})).to_string(),
            ": missing field `task_description` Send the format in docs/agent.md."
        );
        assert_eq!(refused(json!({"task_description": " "})).field, "/task_description");
        assert_eq!(session(json!({"cookie": 1})).field, "/session_data/cookie");
        for wrong in [
            json!({"cookies": "sid=s3cret"}),
            json!({"cookies": [{"name": "sid", "value": ["s3cret"]}]}),
            json!({"localStorage": {"token": {"s3cret": 1}}}),
            json!({"cookies": [{"name": "sid", "value": "a", "httpOnly": "s3cret"}]}),
        ] {
            let bad = session(wrong);
            assert!(bad.field.starts_with("/session_data/") && !bad.to_string().contains("s3cret"), "{bad}");
        }
    }
}
