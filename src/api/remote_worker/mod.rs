//! Remote workers, in any language: they claim, report and settle over HTTP. Every request carries
//! its lease and may be repeated; a worker that lost its lease changes nothing and gets an error.

mod artifact;
mod batch;
mod before_end;
mod claim;
mod claim_request;
mod durable;
mod extend;
mod handout;
mod heartbeat;
mod report;
mod responses;
mod settle;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

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

/// The routes that may wait, or receive for long.
pub(super) fn waiting_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(claim::claim)).routes(routes!(artifact::keep))
}
