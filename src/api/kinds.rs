//! Routes of kinds: the rules that workers have registered for each kind.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::page_response::Page;
use super::server::path_params::KindName;
use super::server::problem::{Case, Problem};
use super::state::ApiState;
use crate::store::kinds::KindDocument;

/// List kinds
///
/// Every kind that a worker has ever served, with the rules for its jobs.
#[utoipa::path(get, path = "/api/v1/kinds", tag = "kinds",
    responses((status = 200, description = "All kinds", body = Page<KindDocument>)))]
pub(super) async fn list(State(state): State<ApiState>) -> Result<Json<Page<KindDocument>>, Problem> {
    Ok(Page::whole(state.store.kinds().await?))
}

/// Reset a kind's breaker
///
/// Lets the jobs of the kind start again and clears the count of crashes.
#[utoipa::path(
    post, path = "/api/v1/kinds/{kind}/reset-breaker", tag = "kinds",
    responses(
        (status = 204, description = "The jobs of the kind start again"),
    )
)]
pub(super) async fn reset_breaker(
    State(state): State<ApiState>,
    KindName(kind): KindName,
) -> Result<StatusCode, Problem> {
    if state.store.reset_breaker(&kind).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::new(Case::NotFound, format!("No worker has served the kind {kind} yet.")))
}
