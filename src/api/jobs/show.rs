//! Shows one job: its document and its recorded attempts.

use axum::Json;
use axum::extract::State;

use super::job_id::{JobId, unknown};
use crate::api::page_response::Page;
use crate::api::server::problem::Problem;
use crate::api::state::ApiState;
use crate::job::document::JobDocument;
use crate::store::attempts::list::AttemptRecord;

/// Read a job
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}", tag = "jobs",
    responses(
        (status = 200, description = "The job", body = JobDocument),
    )
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
    JobId(job_id): JobId,
) -> Result<Json<JobDocument>, Problem> {
    Ok(Json(find(&state, job_id).await?))
}

/// List a job's attempts
///
/// Failed attempts, and completed attempts with a known exit code or memory use; oldest first.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/attempts", tag = "jobs", operation_id = "list_attempts",
    responses(
        (status = 200, description = "The attempts", body = Page<AttemptRecord>),
    )
)]
pub(crate) async fn attempts(
    State(state): State<ApiState>,
    JobId(job_id): JobId,
) -> Result<Json<Page<AttemptRecord>>, Problem> {
    let mut attempts = state.store.attempts(job_id).await?;
    if attempts.is_empty() {
        find(&state, job_id).await?;
    }
    for attempt in &mut attempts {
        state.store.redact(attempt.error.as_mut());
    }
    Ok(Page::whole(attempts))
}

/// The job of that id.
///
/// # Errors
/// 404 if there is no such job; if the database fails.
pub async fn find(state: &ApiState, job_id: uuid::Uuid) -> Result<JobDocument, Problem> {
    state.store.find_job(job_id).await?.ok_or_else(|| unknown(job_id))
}
