//! Access: the caller's own rights, the API keys, and the settings of the process. Must never show the secret
//! part of a key again.

mod keys;
mod me;
mod session;
mod settings;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::state::ApiState;

/// The routes of rights, keys and settings.
pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(me::show))
        .routes(routes!(session::start, session::end))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(settings::list))
}
