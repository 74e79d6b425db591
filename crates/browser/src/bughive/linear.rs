//! The client of Linear's GraphQL API: creates an issue under an id that the caller chose, so that
//! a second call with the same id creates no second issue. Its errors say whether a retry helps;
//! must never show the key.

use std::fmt;
use std::time::Duration;

use chrono::Utc;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use tidemill::JobError;
use tidemill::extension::jobs::truncated;
use tidemill::extension::outbound::{ProxySettings, builder};

const CREATE: &str = "mutation($input: IssueCreateInput!) { issueCreate(input: $input) { success issue { id identifier url } } }";
const FIND: &str = "query($id: String!) { issue(id: $id) { id identifier url } }";
const TIMEOUT: Duration = Duration::from_secs(30);
const EXCERPT_BYTES: usize = 500;
/// The delay for a limit without a reset time.
const USUAL_PAUSE: Duration = Duration::from_mins(1);
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// An issue to create.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewIssue {
    pub(super) id: Uuid,
    pub(super) team_id: String,
    pub(super) title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) priority: Option<u8>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) label_ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) assignee_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) project_id: Option<String>,
}

/// An existing issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    id: String,
    identifier: String,
    url: String,
}

/// One workspace.
pub(super) struct Linear {
    client: Client,
    url: String,
}

#[derive(Debug, Deserialize)]
struct Answer {
    data: Option<Value>,
    #[serde(default)]
    errors: Vec<Complaint>,
}

#[derive(Debug, Deserialize)]
struct Complaint {
    message: String,
    #[serde(default)]
    extensions: Extensions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extensions {
    code: Option<String>,
    r#type: Option<String>,
    user_presentable_message: Option<String>,
}

impl fmt::Debug for Linear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Linear").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Linear {
    pub(super) fn new(url: &str, key: &str, proxy: &ProxySettings) -> Result<Self, String> {
        let mut value = HeaderValue::try_from(key)
            .map_err(|_| "it has characters that are not allowed in a key".to_owned())?;
        value.set_sensitive(true);
        let client = builder(proxy)
            .map_err(|error| error.to_string())?
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, value)]))
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { client, url: url.to_owned() })
    }

    /// Creates the issue; an existing issue with the id is returned unchanged. With `again` it is searched
    /// first.
    pub(super) async fn create(&self, issue: &NewIssue, again: bool) -> Result<Issue, JobError> {
        if again && let Some(there) = self.find(issue.id).await? {
            return Ok(there);
        }
        match self.ask(CREATE, json!({ "input": issue })).await {
            Ok(data) if data["issueCreate"]["success"] == true => read(&data["issueCreate"]["issue"]),
            Ok(_) => {
                Err(JobError::retry("Linear did not create the issue and gave no reason").class("linear"))
            }
            // An earlier attempt created it and lost the answer, or its id is invalid: Linear knows.
            Err(error) if error.is_of(BAD_INPUT) => self.find(issue.id).await?.ok_or(error),
            Err(error) => Err(error),
        }
    }

    /// The issue of that id, if it exists; only a temporary error is returned, because a key may have only
    /// write access.
    async fn find(&self, id: Uuid) -> Result<Option<Issue>, JobError> {
        match self.ask(FIND, json!({ "id": id })).await {
            Ok(data) if data["issue"].is_object() => read(&data["issue"]).map(Some),
            Ok(_) => Ok(None),
            Err(error) if error.is_permanent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn ask(&self, query: &str, variables: Value) -> Result<Value, JobError> {
        let request = self.client.post(&self.url).json(&json!({ "query": query, "variables": variables }));
        let response = request.send().await.map_err(|error| {
            let cause = JobError::from(error.without_url());
            JobError::retry(format!("Linear cannot be reached: {cause}")).class("connection")
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        let text =
            response.text().await.map_err(|error| JobError::from(error.without_url()).class("connection"))?;
        let answer = serde_json::from_str::<Answer>(&text);
        let complaints = answer.as_ref().map(|answer| &answer.errors[..]).unwrap_or_default();
        if let Some(error) = refusal(status, &headers, complaints) {
            return Err(error);
        }
        match answer {
            Ok(Answer { data: Some(data), .. }) if status.is_success() => Ok(data),
            _ => {
                let excerpt = truncated(text, EXCERPT_BYTES);
                Err(JobError::retry(format!("Linear answered {status}: {excerpt}")).class("http_status"))
            }
        }
    }
}

const BAD_INPUT: &str = "bad_input";

fn read(issue: &Value) -> Result<Issue, JobError> {
    Issue::deserialize(issue).map_err(|error| {
        JobError::retry(format!("Linear's answer contains no valid issue: {error}")).class("linear")
    })
}

/// The outcome of the job for an error message or a status.
fn refusal(status: StatusCode, headers: &HeaderMap, complaints: &[Complaint]) -> Option<JobError> {
    let first = complaints.first();
    let code = first.and_then(|complaint| {
        let Extensions { code, r#type, .. } = &complaint.extensions;
        Some(code.as_ref().or(r#type.as_ref())?.to_uppercase().replace(' ', "_"))
    });
    let message = first.map_or_else(
        || status.to_string(),
        |complaint| {
            let shown = complaint.extensions.user_presentable_message.as_ref();
            truncated(shown.unwrap_or(&complaint.message).clone(), EXCERPT_BYTES)
        },
    );
    match (code.as_deref().unwrap_or_default(), status.as_u16()) {
        ("RATELIMITED" | "RATE_LIMITED", _) | (_, 429) => {
            let message = format!("Linear asks to wait: {message}");
            Some(
                JobError::retry_after(pause(headers, Utc::now().timestamp_millis()), message)
                    .class("rate_limited"),
            )
        }
        ("AUTHENTICATION_ERROR" | "FORBIDDEN" | "UNAUTHENTICATED", _) | (_, 401 | 403) => {
            let message = format!("Linear rejects the API key: {message}; check bughive.linear_api_key");
            Some(JobError::permanent(message).class("authentication"))
        }
        (
            "INVALID_INPUT"
            | "BAD_USER_INPUT"
            | "INPUT_ERROR"
            | "USER_ERROR"
            | "GRAPHQL_VALIDATION_FAILED"
            | "GRAPHQL_PARSE_FAILED"
            | "ENTITY_NOT_FOUND",
            _,
        ) => Some(JobError::permanent(format!("Linear refuses the issue: {message}")).class(BAD_INPUT)),
        (_, 404 | 422) => {
            Some(JobError::permanent(format!("Linear answered {status}: {message}")).class(BAD_INPUT))
        }
        _ if first.is_some() => Some(JobError::retry(format!("Linear failed: {message}")).class("linear")),
        _ => None,
    }
}

/// How long to wait: `Retry-After`, or until the exhausted limits are reset; if none is named, until all
/// are. The moments are milliseconds since 1970.
fn pause(headers: &HeaderMap, now_millis: i64) -> Duration {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let requested =
        number("retry-after").and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    let lifted = || {
        let limits = ["requests", "complexity", "endpoint-requests"].into_iter().filter_map(|limit| {
            let ahead = u64::try_from(number(&format!("x-ratelimit-{limit}-reset"))? - now_millis).ok()?;
            let is_used_up = number(&format!("x-ratelimit-{limit}-remaining")).is_some_and(|left| left <= 0);
            Some((is_used_up, ahead))
        });
        limits.max().map(|(_, ahead)| Duration::from_millis(ahead))
    };
    requested.or_else(lifted).unwrap_or(USUAL_PAUSE).clamp(Duration::from_secs(1), LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(code: &str) -> Vec<Complaint> {
        serde_json::from_value(json!([{ "message": "no", "extensions": { "code": code } }])).unwrap()
    }

    #[test]
    fn refusals_say_whether_a_retry_helps() {
        let of = |status: u16, code: &str| {
            let complaints = if code.is_empty() { Vec::new() } else { complaint(code) };
            let error = refusal(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), &complaints);
            let classes = ["rate_limited", "authentication", "bad_input", "linear"];
            error.map(|error| {
                (error.is_permanent(), classes.into_iter().find(|class| error.is_of(class)).unwrap())
            })
        };
        assert_eq!(of(200, ""), None);
        assert_eq!(of(502, ""), None, "the text of the answer says more");
        assert_eq!(of(400, "RATELIMITED"), Some((false, "rate_limited")));
        assert_eq!(of(400, "AUTHENTICATION_ERROR"), Some((true, "authentication")));
        assert_eq!(of(401, ""), Some((true, "authentication")));
        assert_eq!(of(400, "INVALID_INPUT"), Some((true, "bad_input")));
        assert_eq!(of(200, "INTERNAL_SERVER_ERROR"), Some((false, "linear")));
    }

    #[test]
    fn a_limit_s_end_is_waited_for() {
        let wait = |text: &[(&'static str, &str)], now_millis: i64| {
            let headers = text.iter().map(|(name, value)| {
                (reqwest::header::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
            });
            pause(&headers.collect(), now_millis)
        };
        assert_eq!(wait(&[("retry-after", "7")], 0), Duration::from_secs(7));
        let reset = ("x-ratelimit-requests-reset", "61500");
        assert_eq!(wait(&[reset], 60_000), Duration::from_millis(1_500));
        assert_eq!(wait(&[reset], 90_000), USUAL_PAUSE, "it is over");
        assert_eq!(wait(&[], 0), USUAL_PAUSE);

        // Each answer has the headers of all limits, also of those that are not used up.
        let resets = [
            ("x-ratelimit-requests-reset", "2000"),
            ("x-ratelimit-complexity-reset", "1200000"),
            ("x-ratelimit-endpoint-requests-reset", "1500000"),
        ];
        let left = |requests, complexity| {
            let left = [
                ("x-ratelimit-requests-remaining", requests),
                ("x-ratelimit-complexity-remaining", complexity),
                ("x-ratelimit-endpoint-requests-remaining", "3"),
            ];
            wait(&[resets, left].concat(), 0)
        };
        assert_eq!(left("1000", "0"), Duration::from_mins(20));
        assert_eq!(left("0", "1000"), Duration::from_secs(2));
        assert_eq!(left("0", "0"), Duration::from_mins(20));
        assert_eq!(
            left("1000", "70"),
            Duration::from_mins(25),
            "it cost more than was left, nobody says of what"
        );
    }
}
