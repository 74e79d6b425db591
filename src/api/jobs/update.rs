//! Changes one job that is not running: a later time, another queue, another priority. The
//! database's functions carry it out and record the caller.

use axum::extract::State;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::actions::{finished, running};
use super::create_request::{MOST_ATTEMPTS, PriorityInput, checked_metadata, checked_tags};
use super::duration_input::DurationInput;
use super::job_id::{JobId, unknown};
use super::patch::Change;
use super::show::find;
use crate::api::server::auth::caller::Caller;
use crate::api::server::json::Body;
use crate::api::server::problem::Problem;
use crate::api::server::validate;
use crate::api::state::ApiState;
use crate::job::document::JobDocument;
use crate::job::state::JobState;

/// How long a job is put off.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SnoozeRequest {
    /// The time from now until the job is due.
    #[schema(value_type = DurationInput)]
    delay: Value,
}

/// Snooze a job
///
/// Puts off a job that is not running. A job that waits for other jobs or for a signal does not
/// change.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/snooze", tag = "jobs", request_body = SnoozeRequest,
    responses(
        (status = 200, description = "The job, due later", body = JobDocument),
        (status = 409, description = "The job is running or finished"),
    )
)]
pub(crate) async fn snooze(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    JobId(job_id): JobId,
    Body(request): Body<SnoozeRequest>,
) -> Result<Json<JobDocument>, Problem> {
    let delay = validate::duration("/delay", &request.delay, validate::LONGEST_DURATION)?;
    let found = state.store.snooze(job_id, delay, &caller.name).await?;
    answer(&state, job_id, found).await
}

/// The changes to a job; fields left out stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"priority": "high", "queue": "night"}))]
pub(crate) struct JobChange {
    /// 1 (first) to 9 (last), or `critical` (1), `high` (3), `normal` (5), `low` (7).
    #[schema(value_type = Option<PriorityInput>)]
    priority: Option<Value>,
    /// The queue.
    #[schema(min_length = 1, max_length = 63, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    queue: Option<String>,
    /// The earliest start: RFC 3339 with an offset.
    #[schema(format = DateTime)]
    run_at: Option<String>,
    /// The most attempts; more than the job has already had.
    #[schema(minimum = 1, maximum = 1000)]
    max_attempts: Option<i64>,
    /// Tags to find the job by, instead of its present ones.
    #[schema(max_items = 20)]
    tags: Option<Vec<String>>,
    /// Your own data, instead of the present data; null removes it.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Change<Map<String, Value>>,
}

impl JobChange {
    /// The given fields, in the format of `change_job`.
    fn checked(self) -> Result<Value, Problem> {
        let mut fields = Map::new();
        if let Some(priority) = self.priority {
            fields.insert("priority".into(), json!(validate::priority("/priority", &priority)?));
        }
        if let Some(queue) = self.queue {
            fields.insert("queue".into(), json!(validate::name("/queue", queue)?));
        }
        if let Some(time) = self.run_at {
            fields.insert("run_at".into(), json!(validate::time("/run_at", &time)?));
        }
        if let Some(attempts) = self.max_attempts {
            let attempts = validate::within("/max_attempts", attempts, 1, MOST_ATTEMPTS)?;
            fields.insert("max_attempts".into(), json!(attempts));
        }
        if let Some(tags) = self.tags {
            fields.insert("tags".into(), json!(checked_tags(tags)?));
        }
        match self.metadata.checked(checked_metadata)? {
            Change::Keep => {}
            Change::Clear => _ = fields.insert("metadata".into(), Value::Null),
            Change::Set(metadata) => _ = fields.insert("metadata".into(), metadata.into()),
        }
        if fields.is_empty() {
            return Err(Problem::invalid("", "The change has no fields.")
                .remedy("Send priority, queue, run_at, max_attempts, tags or metadata."));
        }
        Ok(fields.into())
    }
}

/// Change a job
///
/// Changes a job that is not running.
#[utoipa::path(
    patch, path = "/api/v1/jobs/{id}", tag = "jobs", request_body = JobChange,
    responses(
        (status = 200, description = "The job as it is now", body = JobDocument),
        (status = 409, description = "The job is running or finished"),
    )
)]
pub(crate) async fn change(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    JobId(job_id): JobId,
    Body(request): Body<JobChange>,
) -> Result<Json<JobDocument>, Problem> {
    let found = state.store.change_job(job_id, &request.checked()?, &caller.name).await?;
    answer(&state, job_id, found).await
}

/// The job, if it was not running.
async fn answer(
    state: &ApiState,
    job_id: Uuid,
    found: Option<JobState>,
) -> Result<Json<JobDocument>, Problem> {
    match found {
        None => Err(unknown(job_id)),
        Some(JobState::Running) => Err(running(job_id)),
        Some(ended @ (JobState::Completed | JobState::Failed | JobState::Cancelled)) => {
            Err(finished(job_id, ended.word()))
        }
        Some(JobState::Available | JobState::Waiting) => Ok(Json(find(state, job_id).await?)),
    }
}
