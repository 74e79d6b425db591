//! Routes with the shapes of other services, so that their clients need no change. Each only translates: what happens is
//! what the routes of /api/v1 do.

mod execute;
mod frames;
mod socket;
mod status;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::state::ApiState;

/// The routes that answer at once.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(execute::execute)).routes(routes!(status::show))
}

/// The one that streams.
pub(super) fn stream_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(socket::follow))
}
