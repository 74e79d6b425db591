//! A browser task for a model: the args of the kind `agent.execute`, and their rules. The code that
//! accepts a task and the code that runs it share them. Must never show a secret of the session.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use serde_path_to_error::Segment;
use url::Url;
use utoipa::ToSchema;

use super::cookie::Cookie;

/// The kind of these jobs.
pub const KIND: &str = "agent.execute";
/// The queue that they go to.
pub const QUEUE: &str = "agent";
/// Fields of the args and of the state between steps whose values only the handler sees.
pub const SECRET_FIELDS: [&str; 5] =
    ["cookies", "local_storage", "secrets", "session_url", "session_data.url"];

const TASK_CHARACTERS: usize = 20_000;
const MOST_COOKIES: usize = 500;
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
