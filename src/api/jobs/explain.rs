//! Explains why a job is not running, and reports problems of the installation. Only reads.

use axum::Json;
use axum::extract::State;

use super::job_id::{JobId, unknown};
use crate::api::page_response::Page;
use crate::api::server::problem::Problem;
use crate::api::state::ApiState;
use crate::store::doctor::Finding;
use crate::store::jobs::explain::Explanation;

/// Explain a job
///
/// Why the job is not running: the reasons in the order in which to address them, and an estimate
/// of its start.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/explain", tag = "jobs",
    responses(
        (status = 200, description = "The reasons", body = Explanation),
    )
)]
pub(crate) async fn explain(
    State(state): State<ApiState>,
    JobId(job_id): JobId,
) -> Result<Json<Explanation>, Problem> {
    let explanation = state.store.explain(job_id).await?;
    explanation.map(Json).ok_or_else(|| unknown(job_id))
}

/// Check the installation
///
/// Present and coming problems: transactions that keep dead rows, unsafe settings, missing
/// partitions, a changed schema, lost workers and more, the worst first, each with advice.
#[utoipa::path(get, path = "/api/v1/doctor", tag = "health",
    responses((status = 200, description = "The findings; empty if all is well", body = Page<Finding>)))]
pub(crate) async fn doctor(State(state): State<ApiState>) -> Result<Json<Page<Finding>>, Problem> {
    Ok(Page::whole(state.store.doctor().await?))
}
