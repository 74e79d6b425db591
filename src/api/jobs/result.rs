//! Waits for the result of a job: GET /jobs/{id}/result. Must never hold a connection while it
//! waits.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

use super::job_id::{JobId, failed, unknown};
use crate::api::events::sse::LONGEST_SILENCE;
use crate::api::server::json::Params;
use crate::api::server::problem::Problem;
use crate::api::server::validate;
use crate::api::state::ApiState;
use crate::job::document::JobDocument;
use crate::job::state::JobState;

/// The longest allowed wait.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WaitQuery {
    /// How long to wait until the job has finished, such as `30s`; at most `60s`, of which the
    /// server waits 45 s, because proxies cut a request that is silent for longer. Without it the
    /// answer comes at once.
    wait: Option<String>,
}

/// The outcome or the current state of a job.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobResult {
    /// The stored state; final if the answer is 200.
    state: JobState,
    /// The handler's result, if the job completed.
    result: Option<Value>,
    /// The last failure.
    error: Option<Value>,
    /// The whole job.
    job: JobDocument,
}

/// Wait for the result of a job
///
/// Answers as soon as the job is completed, failed or cancelled, at the latest when `wait` has
/// passed.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/result", tag = "jobs", params(WaitQuery),
    responses(
        (status = 200, description = "The job has finished", body = JobResult),
        (status = 202, description = "The job has not finished; ask again", body = JobResult, headers(("Retry-After" = u64, description = "Seconds to wait before the next request"))),
    )
)]
pub(crate) async fn get_result(
    State(state): State<ApiState>,
    JobId(job_id): JobId,
    Params(query): Params<WaitQuery>,
) -> Result<Response, Problem> {
    let wait = match query.wait {
        Some(text) => validate::query_duration("wait", &text, LONGEST_WAIT)?.min(LONGEST_SILENCE),
        None => Duration::ZERO,
    };
    // Watched before it is read, so that an end in between is not missed.
    let mut watch = state.watchers.watch(job_id);
    let mut job = find(&state, job_id).await?;
    if !job.state.is_final() && !wait.is_zero() {
        tokio::select! {
            _ = timeout(wait, watch.end()) => {}
            () = state.shutdown.cancelled() => {}
        }
        job = find(&state, job_id).await?;
    }
    let is_final = job.state.is_final();
    let body =
        Json(JobResult { state: job.state, result: job.result.clone(), error: job.error.clone(), job });
    Ok(if is_final {
        body.into_response()
    } else {
        (StatusCode::ACCEPTED, [(RETRY_AFTER, "1")], body).into_response()
    })
}

async fn find(state: &ApiState, job_id: uuid::Uuid) -> Result<JobDocument, Problem> {
    state.store.find_job(job_id).await.map_err(|error| failed(&error))?.ok_or_else(|| unknown(job_id))
}
