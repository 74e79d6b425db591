//! Routes of kinds: the rules that workers have registered for each kind.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::kind_request::KindRequest;
use super::page_response::Page;
use super::server::json::Body;
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

/// Set the rules of a kind
///
/// For a kind that remote workers run: a worker does this when it starts. The rules hold for enqueueing, retries,
/// timeouts and the sweep, as those in the config do for commands. A kind of the config, or of a worker in Rust,
/// keeps its own.
#[utoipa::path(
    put, path = "/api/v1/kinds/{kind}", tag = "kinds", operation_id = "set", request_body = KindRequest,
    responses(
        (status = 200, description = "The kind", body = KindDocument),
        (status = 409, description = "The kind is a command, a URL or in Rust, whose workers set its rules"),
    )
)]
pub(super) async fn set(
    State(state): State<ApiState>,
    KindName(kind): KindName,
    Body(request): Body<KindRequest>,
) -> Result<Json<KindDocument>, Problem> {
    if kind.starts_with("tidemill.") {
        return Err(Problem::invalid("kind", "Kinds that begin with tidemill. are reserved for Tidemill.")
            .remedy("Use another name."));
    }
    let settings = request.checked()?;
    match state.store.set_remote_kind(&kind, &settings).await? {
        None => shown(&state, &kind).await,
        Some(source) => {
            let detail = format!("The kind {kind} is a {source} kind: its workers set its rules.");
            Err(Problem::new(Case::KindNotRemote, detail).member("source", source))
        }
    }
}

async fn shown(state: &ApiState, kind: &str) -> Result<Json<KindDocument>, Problem> {
    let found = state.store.kind(kind).await?;
    found
        .map(Json)
        .ok_or_else(|| Problem::new(Case::NotFound, format!("No worker has served the kind {kind} yet.")))
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
