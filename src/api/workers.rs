//! Routes of workers: lists them, and drains one.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::page_response::Page;
use super::server::path_params::WorkerName;
use super::server::problem::{Case, Problem, quoted};
use super::state::ApiState;
use crate::store::attempts::workers::WorkerDocument;

/// A worker that was asked to drain.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Draining {
    /// The worker.
    id: String,
    /// True: from its next heartbeat on, the worker claims no more jobs.
    drain_requested: bool,
}

/// List workers
///
/// Newest first, including workers that stopped or were lost within a day.
#[utoipa::path(get, path = "/api/v1/workers", tag = "workers",
    responses((status = 200, description = "All workers", body = Page<WorkerDocument>)))]
pub(super) async fn list(State(state): State<ApiState>) -> Result<Json<Page<WorkerDocument>>, Problem> {
    Ok(Page::whole(state.store.workers().await?))
}

/// Drain a worker
///
/// The worker claims no more jobs and finishes its running ones.
#[utoipa::path(post, path = "/api/v1/workers/{worker}/drain", tag = "workers",
    responses(
        (status = 200, description = "The worker was asked to drain", body = Draining),
    ))]
pub(super) async fn drain(
    State(state): State<ApiState>,
    WorkerName(id): WorkerName,
) -> Result<Json<Draining>, Problem> {
    if state.store.drain_worker(&id).await? {
        return Ok(Json(Draining { id, drain_requested: true }));
    }
    let problem = Problem::new(Case::NotFound, format!("No worker has the id {}.", quoted(&id)));
    Err(problem.remedy("GET /api/v1/workers lists the known workers."))
}
