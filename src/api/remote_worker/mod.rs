//! Remote workers, in any language: they claim, report and settle over HTTP. Every request carries
//! its lease and may be repeated; a worker that lost its lease changes nothing and gets an error.

mod batch;
mod claim;
mod durable;
mod extend;
mod handout;
mod heartbeat;
mod report;
mod settle;

use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::server::problem::{Case, Problem};
use super::state::ApiState;

/// The routes that answer at once.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(heartbeat::heartbeat))
        .routes(routes!(report::progress))
        .routes(routes!(report::log))
        .routes(routes!(extend::extend))
        .routes(routes!(batch::settle))
        .routes(routes!(settle::complete))
        .routes(routes!(settle::fail))
        .routes(routes!(settle::snooze))
        .routes(routes!(durable::step))
        .routes(routes!(durable::child))
        .routes(routes!(durable::wait))
}

/// The route that may wait.
pub(super) fn waiting_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(claim::claim))
}

/// The state of the job after a worker's request; the same each time the request is repeated.
#[derive(Debug, Serialize, ToSchema)]
struct JobStands {
    /// The stored state: `running` after a report; after the end of an attempt `completed`,
    /// `failed`, `cancelled`, or `available` if the job will be retried.
    state: String,
}

fn lease_lost(job_id: Uuid, lease_id: Uuid) -> Problem {
    Problem::new(
        Case::LeaseLost,
        format!("The lease {lease_id} is not the current lease of the job {job_id}."),
    )
    .field("/lease_id")
}
