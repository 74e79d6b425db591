//! Every refusal and failure as an RFC 9457 problem document: what happened, where, and what to do.
//! Must never show a driver's text, a secret, or more of the caller's input than a short quote.

use std::fmt::{self, Display};
use std::time::Duration;

use axum::extract::OriginalUri;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::write_health::Failed;
use crate::api::jobs::retry_after::FullQueue;
use crate::store::db::trouble::Trouble;

/// The address under which the types of problems are named. Stable: clients compare it.
pub const TYPE_BASE: &str = "https://tidemill.dev/problems/";

/// The most of a caller's own text that a problem repeats, in characters.
const QUOTE_LIMIT: usize = 80;

/// A kind of problem that an extension has of its own.
#[derive(Debug, PartialEq, Eq)]
pub struct OwnCase {
    /// The last part of the type's address; part of the contract.
    pub slug: &'static str,
    /// The status of the answer, such as 404.
    pub status: u16,
    /// The kind of problem in words.
    pub title: &'static str,
    /// The advice that is used when no more specific one is set.
    pub remedy: &'static str,
}

macro_rules! cases {
    ($($name:ident $slug:literal $status:literal $title:literal $remedy:literal;)*) => {
        /// The kinds of problems. The slug is part of the contract, the words are not.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Case {
            $(#[doc = $title] $name,)*
            /// A kind of problem that an extension has of its own.
            Own(&'static OwnCase),
        }

        impl Case {
            /// Every case of the server itself, for documentation and tests.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Slug, status, title and the remedy that is used when no more specific one is set.
            const fn row(self) -> (&'static str, u16, &'static str, &'static str) {
                match self {
                    $(Self::$name => ($slug, $status, $title, $remedy),)*
                    Self::Own(own) => (own.slug, own.status, own.title, own.remedy),
                }
            }
        }
    };
}

cases! {
    BadRequest "bad-request" 400 "The request cannot be understood" "Correct what the detail names.";
    InvalidJson "invalid-json" 400 "The body is not JSON" "Send one JSON value, encoded as UTF-8.";
    Unauthorized "unauthorized" 401 "A valid API key is required" "Send 'Authorization: Bearer tm_…' with a key created by 'tidemill keys create'.";
    Forbidden "forbidden" 403 "The key does not allow this" "Use a key with the scope that the detail names.";
    CrossSite "cross-site" 403 "A page of another origin is not allowed to do this" "Call from the same origin, or add the origin to api.cors_origins.";
    NotFound "not-found" 404 "Not found" "Check the name; /docs lists all routes.";
    JobNotFound "job-not-found" 404 "There is no such job" "Check the id; a finished job is dropped when its retention ends.";
    MethodNotAllowed "method-not-allowed" 405 "This address does not support that method" "Use a method from the Allow header; see /docs.";
    BodyTimeout "body-timeout" 408 "The body did not arrive in time" "Send the whole body at once.";
    IdempotencyKeyReused "idempotency-key-reused" 409 "This idempotency key was used with a different body" "Send a new key for new work; repeat a request only unchanged.";
    ExecutionIdTaken "execution-id-taken" 409 "Another job has this execution id" "Read the job at /api/v1/jobs/execution:<id>, or choose another id.";
    NotUnique "not-unique" 409 "Another job has this unique key" "Read the job that the problem names; leave on_conflict out to get that job as the answer.";
    QueueDraining "queue-draining" 409 "The queue accepts no new jobs" "Resume the queue, or enqueue to another queue.";
    KindNotRemote "kind-not-remote" 409 "The kind is not run by remote workers" "Set its rules in the config, or in the code of its worker; use another name for a remote kind.";
    LeaseLost "lease-lost" 409 "This lease no longer holds the job" "Stop this attempt: another worker may run the job. Claim again for new work.";
    NoStorage "no-storage" 409 "The server has no object storage" "Set storage.url in the config of the server and of its workers.";
    JobRunning "job-running" 409 "The job is running" "Cancel it first, or wait until it has finished.";
    JobFinished "job-finished" 409 "The job is finished" "A finished job does not change; use retry to run it again.";
    Gone "gone" 410 "This is no longer available" "Enqueue the work again if it is still needed.";
    TooLarge "too-large" 413 "The request is too large" "Send less, or store the data elsewhere and pass a reference.";
    UnsupportedMediaType "unsupported-media-type" 415 "The body must be JSON" "Send 'Content-Type: application/json' and no Content-Encoding.";
    MisdirectedHost "misdirected-host" 421 "This server does not answer for that host" "Use a host name of the server, or add yours to api.hosts.";
    InvalidRequest "invalid-request" 422 "A value is not valid" "Correct the named field; /docs shows the allowed values.";
    QueueFull "queue-full" 429 "The queue is full" "Send the job again after the time in Retry-After, or enqueue to another queue.";
    QueueBusy "queue-busy" 503 "Another transaction is holding the queue's capacity" "Send the job again after the time in Retry-After; commit transactions that enqueue to a queue with max_queued sooner.";
    TooManyRequests "too-many-requests" 429 "Too many requests" "Wait for the time in Retry-After.";
    Internal "internal" 500 "Something went wrong on the server" "Repeat the request; if it fails again, search the server's log for the reference.";
    Unavailable "unavailable" 503 "The server cannot do this now" "Repeat the request after the time in Retry-After.";
    Timeout "timeout" 504 "The request took too long" "Repeat the request; with the same Idempotency-Key nothing happens twice.";
}

impl Case {
    /// The last part of the type's address.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        self.row().0
    }

    /// The status of the answer.
    ///
    /// # Panics
    /// If an extension's own case has a status that is none; those of the table are valid.
    #[must_use]
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().1).expect("the table has valid statuses only")
    }
}

/// A problem document under construction; answers as `application/problem+json`.
///
/// # Examples
///
/// ```
/// use tidemill::Problem;
/// use tidemill::extension::http::{Case, OwnCase};
///
/// static SOLD_OUT: OwnCase =
///     OwnCase { slug: "sold-out", status: 409, title: "None is left", remedy: "Choose another." };
/// let problem = Problem::new(Case::Own(&SOLD_OUT), "No seat is left in row 7.").field("/row");
/// let document = problem.document();
/// assert_eq!((document.status, document.field.as_deref()), (409, Some("/row")));
/// ```
#[derive(Debug, Clone)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    case: Case,
    detail: String,
    field: Option<String>,
    remedy: Option<String>,
    retry_after: Option<Duration>,
    full_queue: Option<String>,
    trouble: Option<&'static Trouble>,
    members: Map<String, Value>,
}

/// An RFC 9457 problem document as it is sent.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// Stable name of the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "https://tidemill.dev/problems/invalid-request")]
    pub kind: String,
    /// The kind of problem in words.
    pub title: &'static str,
    /// The status of the answer.
    #[schema(example = 422)]
    pub status: u16,
    /// The explanation of this occurrence.
    pub detail: String,
    /// JSON pointer into the body, or name of the query parameter or header, that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/args/name")]
    pub field: Option<String>,
    /// The advice about what to do.
    pub remedy: String,
    /// Further members of some types, such as `reference`.
    #[serde(flatten)]
    #[schema(ignore)]
    pub members: Map<String, Value>,
}

impl Problem {
    /// A problem of a kind; `detail` says what happened in this request.
    #[must_use]
    pub fn new(case: Case, detail: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            case,
            detail: detail.into(),
            field: None,
            remedy: None,
            retry_after: None,
            full_queue: None,
            trouble: None,
            members: Map::new(),
        }))
    }

    /// An invalid value of the request (422).
    #[must_use]
    pub fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Case::InvalidRequest, detail).field(field)
    }

    /// A queue that accepts no more jobs for now (429).
    #[must_use]
    pub fn queue_full(queue: &str) -> Self {
        let detail = format!("The queue {queue} has reached max_queued.");
        let mut problem = Self::new(Case::QueueFull, detail);
        problem.0.full_queue = Some(queue.to_owned());
        problem
    }

    /// A failure of the server (500): `error` is logged, the caller gets a reference to the log.
    #[must_use]
    pub fn internal(error: &dyn Display) -> Self {
        let reference = Uuid::new_v4().simple().to_string();
        tracing::error!(%reference, %error, "a request failed");
        Self::new(
            Case::Internal,
            format!("The request failed on the server; the server's log has the cause under {reference}."),
        )
        .member("reference", reference)
    }

    /// The server cannot answer now (503); `error` is logged.
    #[must_use]
    pub fn unavailable(what: &str, error: &dyn Display) -> Self {
        tracing::warn!(%error, "{what}");
        Self::new(Case::Unavailable, what)
    }

    /// A state of the database that prevents the request (503); `error` is logged.
    #[must_use]
    pub fn troubled(trouble: &'static Trouble, error: &dyn Display) -> Self {
        let mut problem = Self::unavailable(trouble.what, error).remedy(trouble.remedy);
        problem.0.trouble = Some(trouble);
        problem.member("reason", trouble.name)
    }

    /// Names the field: a JSON pointer, a query parameter or a header.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    /// Sets advice that is more specific than that of the table.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    /// Adds a member to the document.
    #[must_use]
    pub fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(name.into(), value.into());
        self
    }

    /// Sets the time to wait before the next request.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.0.retry_after = Some(delay);
        self
    }

    /// Moves the field under `prefix`, as for one item of a batch.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        let inner = self.0.field.take().unwrap_or_default();
        self.0.field = Some(format!("{prefix}{inner}"));
        self
    }

    /// The case.
    #[must_use]
    pub fn case(&self) -> Case {
        self.0.case
    }

    /// The document as it is sent, also inside the answer of a batch.
    #[must_use]
    pub fn document(&self) -> ProblemDocument {
        let (slug, status, title, remedy) = self.0.case.row();
        ProblemDocument {
            kind: format!("{TYPE_BASE}{slug}"),
            title,
            status,
            detail: self.0.detail.clone(),
            field: self.0.field.clone(),
            remedy: self.0.remedy.clone().unwrap_or_else(|| remedy.to_owned()),
            members: self.0.members.clone(),
        }
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.case.slug(), self.0.detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let case = self.0.case;
        let body = serde_json::to_vec(&self.document()).unwrap_or_default();
        let mut response = (case.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if case == Case::Unauthorized {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"tidemill\""));
        }
        let default_delay =
            matches!(case, Case::Unavailable | Case::TooManyRequests | Case::QueueFull | Case::QueueBusy)
                .then_some(Duration::from_secs(1));
        if let Some(delay) = self.0.retry_after.or(default_delay) {
            headers.insert(RETRY_AFTER, HeaderValue::from(delay.as_secs().max(1)));
        }
        if let Some(queue) = self.0.full_queue {
            response.extensions_mut().insert(FullQueue(queue));
        }
        if let Some(trouble) = self.0.trouble {
            response.extensions_mut().insert(Failed(trouble));
        }
        response
    }
}

/// A caller's own text, shortened and escaped so that it fits in a sentence or a log line.
#[must_use]
pub fn quoted(text: &str) -> String {
    let short: String = text.chars().take(QUOTE_LIMIT).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("\"{}{more}\"", short.escape_debug())
}

/// Answers every address without a route.
pub async fn unknown_route(method: Method, OriginalUri(uri): OriginalUri) -> Problem {
    let detail = format!("No route answers {} {}.", quoted(method.as_str()), quoted(uri.path()));
    Problem::new(Case::NotFound, detail)
}

/// Answers an existing address that does not support the method.
#[must_use]
pub fn wrong_method(method: &Method, uri: &Uri) -> Problem {
    let detail = format!("{} does not support {}.", quoted(uri.path()), quoted(method.as_str()));
    Problem::new(Case::MethodNotAllowed, detail)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_table_is_sound() {
        let slugs: HashSet<_> = Case::ALL.iter().map(|case| case.slug()).collect();
        assert_eq!(slugs.len(), Case::ALL.len());
        for case in Case::ALL {
            assert!(case.status().is_client_error() || case.status().is_server_error());
            assert!(case.row().3.ends_with('.'));
        }
    }

    #[test]
    fn a_document_says_what_where_and_what_to_do() {
        let problem = Problem::invalid("/kind", "kind is empty").under("/3").member("index", 3);
        let document = serde_json::to_value(problem.document()).unwrap();
        assert_eq!(document["type"], "https://tidemill.dev/problems/invalid-request");
        assert_eq!((&document["status"], &document["field"]), (&422.into(), &"/3/kind".into()));
        assert_eq!(document["index"], 3);
        assert!(document["remedy"].as_str().unwrap().contains("field"));
    }

    #[test]
    fn answers_carry_the_headers_of_their_status() {
        let unauthorized = Problem::new(Case::Unauthorized, "no key").into_response();
        assert_eq!(unauthorized.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(unauthorized.headers()[WWW_AUTHENTICATE], "Bearer realm=\"tidemill\"");
        let busy =
            Problem::unavailable("the database is away", &"refused").retry_after(Duration::from_secs(7));
        assert_eq!(busy.into_response().headers()[RETRY_AFTER], "7");
    }

    #[test]
    fn the_callers_text_is_escaped_and_short() {
        assert_eq!(quoted("a\r\nb"), r#""a\r\nb""#);
        assert!(quoted(&"x".repeat(10_000)).len() < 100);
    }

    #[test]
    fn an_internal_problem_keeps_the_cause_to_itself() {
        let text = serde_json::to_string(&Problem::internal(&"password=secret").document()).unwrap();
        assert!(!text.contains("secret") && text.contains("reference"));
    }
}
