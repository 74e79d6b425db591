//! Actions on one job: cancel, retry, run now, delete. The database's functions carry them out and
//! record the caller; each action may be repeated.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::job_id::{JobId, unknown};
use super::show::find;
use crate::api::server::auth::caller::Caller;
use crate::api::server::json::OptionalBody;
use crate::api::server::problem::{Case, Problem};
use crate::api::server::validate;
use crate::api::state::ApiState;
use crate::job::document::JobDocument;
use crate::job::state::JobState;
use crate::store::jobs::cancel::CancelOutcome;
use crate::store::jobs::delete::DeleteOutcome;

const REASON_CHARACTERS: usize = 500;

/// The reason of a cancellation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelRequest {
    /// For the job's log, at most 500 characters.
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// Cancel a job
///
/// A job that is not running is cancelled at once; the handler of a running job is asked to stop.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/cancel", tag = "jobs", request_body = Option<CancelRequest>,
    responses(
        (status = 200, description = "The job is cancelled", body = JobDocument),
        (status = 202, description = "The handler is asked to stop", body = JobDocument),
        (status = 409, description = "The job is completed or failed"),
    )
)]
pub(crate) async fn cancel(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    JobId(job_id): JobId,
    OptionalBody(body): OptionalBody<CancelRequest>,
) -> Result<(StatusCode, Json<JobDocument>), Problem> {
    let reason = body.and_then(|body| body.reason);
    let reason = reason.map(|reason| validate::text("/reason", reason, REASON_CHARACTERS)).transpose()?;
    let status = match state.store.cancel(job_id, reason.as_deref(), &caller.name).await? {
        None => return Err(unknown(job_id)),
        Some(CancelOutcome::Cancelled) => StatusCode::OK,
        Some(CancelOutcome::CancelRequested) => StatusCode::ACCEPTED,
        Some(ended @ (CancelOutcome::Completed | CancelOutcome::Failed)) => {
            return Err(finished(job_id, ended.word()));
        }
    };
    Ok((status, Json(find(&state, job_id).await?)))
}

/// Retry a job
///
/// Makes a finished job live again with at least one more attempt; a job that waits for its next
/// attempt runs now.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/retry", tag = "jobs",
    responses(
        (status = 200, description = "The job, live again", body = JobDocument),
        (status = 409, description = "The job is running"),
    )
)]
pub(crate) async fn retry(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    JobId(job_id): JobId,
) -> Result<Json<JobDocument>, Problem> {
    match state.store.retry(job_id, &caller.name).await? {
        None => Err(unknown(job_id)),
        Some(JobState::Running) => Err(running(job_id)),
        Some(_) => Ok(Json(find(&state, job_id).await?)),
    }
}

/// Run a job now
///
/// Makes a scheduled or retrying job due at once.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/run-now", tag = "jobs",
    responses(
        (status = 200, description = "The job, due or running", body = JobDocument),
        (status = 409, description = "The job is finished"),
    )
)]
pub(crate) async fn run_now(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    JobId(job_id): JobId,
) -> Result<Json<JobDocument>, Problem> {
    match state.store.run_now(job_id, &caller.name).await? {
        None => Err(unknown(job_id)),
        Some(ended @ (JobState::Completed | JobState::Failed | JobState::Cancelled)) => {
            Err(finished(job_id, ended.word()))
        }
        Some(JobState::Available | JobState::Waiting | JobState::Running) => {
            Ok(Json(find(&state, job_id).await?))
        }
    }
}

/// Delete a job
///
/// Deletes a job that is not running, with its events and attempts.
#[utoipa::path(
    delete, path = "/api/v1/jobs/{id}", tag = "jobs",
    responses(
        (status = 204, description = "The job is deleted"),
        (status = 409, description = "The job is running"),
    )
)]
pub(crate) async fn delete(
    State(state): State<ApiState>,
    JobId(job_id): JobId,
) -> Result<StatusCode, Problem> {
    match state.store.delete_job(job_id).await? {
        None => Err(unknown(job_id)),
        Some(DeleteOutcome::Running) => Err(running(job_id)),
        Some(DeleteOutcome::Deleted) => {
            // Readers that follow the job must see that it was deleted.
            state.notifier.events([(job_id, 0)]);
            Ok(StatusCode::NO_CONTENT)
        }
    }
}

pub(crate) fn running(job_id: Uuid) -> Problem {
    Problem::new(Case::JobRunning, format!("The job {job_id} is running."))
}

pub(crate) fn finished(job_id: Uuid, state: &str) -> Problem {
    Problem::new(Case::JobFinished, format!("The job {job_id} is {state}.")).member("state", state)
}
