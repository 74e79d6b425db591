//! Makes tickets: POST /tokens/ticket, for the holder of a token. Must never make one of a key.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::server::auth::caller::Caller;
use crate::api::server::problem::{Case, Problem};
use crate::api::state::ApiState;
use crate::job::document::micros;

/// A new ticket.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreatedTicket {
    /// The ticket, sent once as `?ticket=…` in the address of an event stream or WebSocket.
    ticket: String,
    /// From this time on it opens nothing.
    #[serde(serialize_with = "micros")]
    expires_at: DateTime<Utc>,
}

/// Make a ticket
///
/// Of the token that the request comes with. For `EventSource` and `WebSocket` in a browser, which cannot
/// send a header: the ticket opens one event stream, within 30 seconds, and reads what its token reads. The
/// stream ends with the token.
#[utoipa::path(
    post, path = "/api/v1/tokens/ticket", tag = "tokens", operation_id = "create_ticket",
    responses(
        (status = 201, description = "The ticket", body = CreatedTicket),
        (status = 403, description = "The token does not read"),
        (status = 422, description = "The request comes with a key"),
    )
)]
pub(crate) async fn create(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
) -> Result<(StatusCode, Json<CreatedTicket>), Problem> {
    let Some((ticket, expires_at)) = state.gate.ticket(&caller).await? else {
        let problem = Problem::new(Case::InvalidRequest, "A ticket is made of a token, not of a key.");
        return Err(problem.remedy("Make a token first: POST /api/v1/tokens."));
    };
    Ok((StatusCode::CREATED, Json(CreatedTicket { ticket, expires_at })))
}
