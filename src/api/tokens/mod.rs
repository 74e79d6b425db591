//! Tokens for browsers, and the ways to send one where no header can be sent: a ticket, a cookie.

mod cookie;
mod create;
mod ticket;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::state::ApiState;

/// All of them.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(create::create))
        .routes(routes!(ticket::create))
        .routes(routes!(cookie::set, cookie::remove))
        .routes(routes!(cookie::csrf))
}
