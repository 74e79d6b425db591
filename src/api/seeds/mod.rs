//! Routes with the shapes of older callers, so that these need no change: one file per caller. Each
//! route only translates, and must add nothing that the rest of the API cannot do.

mod bughive;
mod execute;
mod frames;
mod hub;
mod hub_stuck;
mod hub_task;
mod socket;
mod status;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::jobs::args_rules::ArgsRules;
use super::server::settings::ApiSettings;
use super::state::ApiState;
use crate::job::agent;

/// The rules for args, including those of the kinds whose jobs are accepted here.
pub(super) fn args_rules(settings: &ApiSettings) -> ArgsRules {
    ArgsRules::new(settings.max_args_bytes).with(agent::KIND, execute::args_check(settings.agent))
}

/// The routes that answer at once.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(bughive::start))
        .routes(routes!(execute::execute))
        .routes(routes!(status::show))
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

/// The one that streams.
pub(super) fn stream_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(socket::follow))
}
