//! Routes with the shapes that older callers know, over the same verbs as all others: one file a
//! caller. Must add nothing that the rest of the API cannot do.

mod hub;
mod hub_stuck;
mod hub_task;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::state::ApiState;

/// All routes of older callers.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(hub::start))
        .routes(routes!(hub::stop))
        .routes(routes!(hub::restart))
        .routes(routes!(hub::logs))
        .routes(routes!(hub_task::status))
        .routes(routes!(hub_task::status_too))
        .routes(routes!(hub_stuck::list))
        .routes(routes!(hub_stuck::cancel))
        .routes(routes!(hub_stuck::restart))
}
