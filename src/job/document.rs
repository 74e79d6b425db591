//! The job document of the HTTP API, which every interface shows. Plain data; the store fills it,
//! and no other code may change it.

use std::sync::OnceLock;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::state::JobState;

/// One job.
///
/// # Examples
///
/// ```
/// use tidemill::{Error, Store};
/// use uuid::Uuid;
///
/// async fn status_line(store: &Store, id: Uuid) -> Result<String, Error> {
///     let Some(job) = store.find_job(id).await? else { return Ok("no such job".into()) };
///     let percent = job.progress.and_then(|progress| progress.percent).unwrap_or(0.0);
///     Ok(format!("{} {}: {percent} %", job.kind, job.status))
/// }
/// ```
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct JobDocument {
    /// A `UUIDv7`.
    pub id: Uuid,
    /// The kind, which selects the handler.
    pub kind: String,
    /// The queue that it is claimed from.
    pub queue: String,
    /// The stored state.
    pub state: JobState,
    /// The displayed state: as `state`, or `scheduled`, or `retrying`.
    pub status: String,
    /// 1 (first) to 9 (last).
    pub priority: i16,
    /// The input.
    #[schema(value_type = Object)]
    pub args: Value,
    /// The handler's result.
    pub result: Option<Value>,
    /// The last error: message, type, permanent, backtrace.
    #[schema(value_type = Option<Object>)]
    pub error: Option<Value>,
    /// Ordinal of the present or last attempt.
    pub attempt: i32,
    /// The most attempts.
    pub max_attempts: i32,
    /// The earliest start; null while it waits for other jobs.
    #[serde(serialize_with = "micros_or_null")]
    pub run_at: Option<DateTime<Utc>>,
    /// The time of the enqueue.
    #[serde(serialize_with = "micros")]
    pub created_at: DateTime<Utc>,
    /// The time when the present or last attempt was claimed.
    #[serde(serialize_with = "micros_or_null")]
    pub started_at: Option<DateTime<Utc>>,
    /// The time when the job finished.
    #[serde(serialize_with = "micros_or_null")]
    pub finished_at: Option<DateTime<Utc>>,
    /// The caller's own name for it.
    pub execution_id: Option<String>,
    /// Tags to find the job by.
    pub tags: Vec<String>,
    /// The caller's own data; any JSON, because SQL accepts that.
    pub metadata: Option<Value>,
    /// The progress; null if none was ever reported.
    pub progress: Option<Progress>,
    /// The worker that runs it, or ran it last.
    pub worker_id: Option<String>,
    /// The time of the cancel request.
    #[serde(serialize_with = "micros_or_null")]
    pub cancel_requested_at: Option<DateTime<Utc>>,
    /// The limits that it counts against.
    pub concurrency_keys: Vec<String>,
    /// The group of the job for fairness; within a queue and priority, jobs of different groups take turns.
    pub fair_key: Option<String>,
    /// The user for whom it runs, an id that the application defines.
    pub owner: Option<String>,
    /// The time at which the job is cancelled if it has not started.
    #[serde(serialize_with = "micros_or_null")]
    pub expires_at: Option<DateTime<Utc>>,
    /// The workflow that it belongs to, which is also a job.
    pub workflow_id: Option<Uuid>,
    /// The links of the job.
    pub links: Links,
    /// Number of the job's last event when this was read; 0 if it has none.
    #[serde(skip)]
    pub last_seq: i64,
}

/// The progress of a job.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Progress {
    /// From 0 to 100.
    pub percent: Option<f32>,
    /// The current step.
    pub step: Option<String>,
    /// The handler's own data.
    pub data: Option<Value>,
    /// Number of the job's last event.
    pub seq: i64,
    /// The time of the report.
    #[serde(serialize_with = "micros")]
    pub updated_at: DateTime<Utc>,
}

/// Routes of one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Links {
    /// The job.
    #[serde(rename = "self")]
    pub itself: String,
    /// Its events, as JSON or as a stream.
    pub events: String,
    /// Waits for its end.
    pub result: String,
    /// Cancels it.
    pub cancel: String,
}

/// The prefix of all addresses of the process: it has one page, and so one base path.
static BASE_PATH: OnceLock<String> = OnceLock::new();

/// Sets the base path of all addresses that the process returns. Only the first call counts.
pub fn lead_under(base: &str) {
    if !base.is_empty() {
        let _ = BASE_PATH.set(base.to_owned());
    }
}

/// An address of the API as clients have to request it.
#[must_use]
pub fn address_of(route: &str) -> String {
    format!("{}{route}", BASE_PATH.get().map_or("", String::as_str))
}

impl Links {
    /// The routes of a job.
    #[must_use]
    pub fn of(id: Uuid) -> Self {
        let itself = address_of(&format!("/api/v1/jobs/{id}"));
        Self {
            events: format!("{itself}/events"),
            result: format!("{itself}/result"),
            cancel: format!("{itself}/cancel"),
            itself,
        }
    }
}

/// Writes a time as RFC 3339 in UTC with microseconds.
///
/// # Errors
/// Only those of the serializer.
pub fn micros<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true))
}

/// As [`micros`], or null.
///
/// # Errors
/// Only those of the serializer.
pub fn micros_or_null<S: Serializer>(time: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => micros(time, serializer),
        None => serializer.serialize_none(),
    }
}

/// As [`micros`], for each of a list.
///
/// # Errors
/// Only those of the serializer.
pub fn micros_each<S: Serializer>(times: &[DateTime<Utc>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(times.iter().map(|time| time.to_rfc3339_opts(SecondsFormat::Micros, true)))
}
