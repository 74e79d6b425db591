//! The session of a crawl: its job, shown in the shape that existing callers read. It is a
//! translation alone: must keep nothing of its own.

use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use tidemill::extension::http::{Case, only_part, quoted, validate};
use tidemill::extension::jobs::micros;
use tidemill::{ApiState, Error, JobDocument, JobState, Problem, Store};
use utoipa::ToSchema;
use uuid::Uuid;

use super::session_id::ID_CHARACTERS;

/// What a session is: the jobs of a kind, each shown for a time after its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRules {
    /// The kind of crawls.
    pub kind: String,
    /// How long a session is shown after the end of its job.
    pub ttl: Duration,
}

/// The caller's name of a session in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SessionName(String);

impl<S: Send + Sync> FromRequestParts<S> for SessionName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = only_part(parts, state, "session_id").await?;
        validate::text("session_id", text, ID_CHARACTERS).map(Self)
    }
}

/// A session as shown to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionDocument {
    /// The caller's name for it.
    pub session_id: String,
    /// The job that does the work.
    pub task_id: Uuid,
    /// The site that is crawled.
    pub base_url: String,
    /// queued, starting, running, completed or failed.
    #[schema(value_type = String, example = "running")]
    pub status: &'static str,
    /// The number of crawled pages.
    pub pages_crawled: i32,
    /// The number of bugs found on them.
    pub bugs_found: i32,
    /// The error of the last attempt.
    pub error: Option<String>,
    /// The time of its start.
    #[serde(serialize_with = "micros")]
    pub created_at: DateTime<Utc>,
    /// The time of the job's last report.
    #[serde(serialize_with = "micros")]
    pub updated_at: DateTime<Utc>,
    /// The time at which it expires.
    #[serde(serialize_with = "micros")]
    pub expires_at: DateTime<Utc>,
}

/// Read a session
#[utoipa::path(
    get, path = "/api/v1/sessions/{session_id}", tag = "sessions",
    responses(
        (status = 200, description = "The session", body = SessionDocument),
    )
)]
pub(super) async fn show(
    State(state): State<ApiState>,
    Extension(rules): Extension<SessionRules>,
    SessionName(session_id): SessionName,
) -> Result<Json<SessionDocument>, Problem> {
    find(&state.store, &session_id, &rules).await?.map(Json).ok_or_else(|| {
        let detail = format!("No session has the name {}, or the session has expired.", quoted(&session_id));
        Problem::new(Case::NotFound, detail)
            .remedy(format!("If its job is still kept, find it with GET /api/v1/jobs?kind={}.", rules.kind))
    })
}

/// A session; `None` if there is none of that name, or it has expired.
///
/// # Errors
/// When the database or the object storage fails.
pub async fn find(
    store: &Store,
    session_id: &str,
    rules: &SessionRules,
) -> Result<Option<SessionDocument>, Error> {
    let job = crawl_of(store, session_id, rules).await?.filter(|job| !is_expired(job, rules, Utc::now()));
    let Some(mut job) = job else { return Ok(None) };
    job.args = store.open_value(job.args).await?;
    store.redact(Some(&mut job.args));
    Ok(Some(describe(session_id.to_owned(), &job, rules.ttl)))
}

/// The job of a session: its execution id is the session's name. A crawl that was given none has its job's id.
pub(super) async fn crawl_of(
    store: &Store,
    session_id: &str,
    rules: &SessionRules,
) -> Result<Option<JobDocument>, Error> {
    let named = store.job_id_of(session_id).await?;
    let Some(id) = named.or_else(|| session_id.parse().ok()) else { return Ok(None) };
    Ok(store.find_job(id).await?.filter(|job| job.kind == rules.kind))
}

/// Whether the session of a job is no longer shown; one that has not finished always is.
pub(super) fn is_expired(job: &JobDocument, rules: &SessionRules, now: DateTime<Utc>) -> bool {
    job.finished_at.is_some_and(|at| at + rules.ttl <= now)
}

fn describe(session_id: String, job: &JobDocument, ttl: Duration) -> SessionDocument {
    let reported = job.progress.as_ref();
    let data = reported.and_then(|progress| progress.data.as_ref());
    let number = |name: &str| {
        let number = data.and_then(|data| data[name].as_i64()).unwrap_or_default();
        i32::try_from(number).unwrap_or(i32::MAX)
    };
    let updated_at = [job.started_at, job.finished_at, reported.map(|progress| progress.updated_at)]
        .into_iter()
        .flatten()
        .fold(job.created_at, DateTime::max);
    let message = job.error.as_ref().and_then(|error| error["message"].as_str()).map(str::to_owned);
    let cancelled = || (job.state == JobState::Cancelled).then(|| "the job was cancelled".to_owned());
    SessionDocument {
        session_id,
        task_id: job.id,
        base_url: base_url(&job.args),
        status: status(job),
        pages_crawled: number("pages_crawled"),
        bugs_found: number("bugs_found"),
        error: message.or_else(cancelled).filter(|_| job.state != JobState::Completed),
        created_at: job.created_at,
        updated_at,
        expires_at: updated_at + ttl,
    }
}

/// The first page, wherever its caller named it.
fn base_url(args: &Value) -> String {
    let url = args["base_url"].as_str().or_else(|| args["config"]["base_url"].as_str());
    url.unwrap_or_default().to_owned()
}

fn status(job: &JobDocument) -> &'static str {
    match job.state {
        JobState::Completed => "completed",
        JobState::Failed | JobState::Cancelled => "failed",
        JobState::Available | JobState::Waiting if job.attempt == 0 => "queued",
        // Between two attempts, or while it waits for the jobs that it made.
        JobState::Available | JobState::Waiting => "running",
        JobState::Running => {
            let reported = job.progress.as_ref().map(|progress| progress.updated_at);
            if reported.is_some_and(|at| job.started_at.is_none_or(|started| at >= started)) {
                "running"
            } else {
                "starting"
            }
        }
    }
}
