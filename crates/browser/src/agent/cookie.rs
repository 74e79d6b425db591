//! Cookies as browsers, their extensions and tools export them, and the rules by which browsers take
//! them. Must never show a value.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Host;
use utoipa::ToSchema;

/// Of its name and value, and of its path: browsers take no longer ones.
const COOKIE_BYTES: usize = 4_096;
const COOKIE_PATH_BYTES: usize = 1_024;

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

impl fmt::Debug for Cookie {
    /// Shows its name alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Cookie {
    /// Why a browser would reject the cookie: the field, the error, and the remedy.
    pub(super) fn fault(&self) -> Option<(&'static str, &'static str, &'static str)> {
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
    use serde_json::{Value, json};

    use super::*;
    use crate::agent::args::AgentTask;

    fn read(session: &Value) -> AgentTask {
        serde_json::from_value(json!({"task_description": "look", "session_data": session})).unwrap()
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
}
