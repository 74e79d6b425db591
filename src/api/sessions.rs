//! The sessions of crawls, by the names that their callers gave them. Must never show an expired
//! session.

use axum::Json;
use axum::extract::State;

use super::server::path_params::SessionName;
use super::server::problem::{Case, Problem, quoted};
use super::state::ApiState;
use crate::store::sessions::SessionDocument;

/// Read a session
#[utoipa::path(
    get, path = "/api/v1/sessions/{session_id}", tag = "sessions",
    responses(
        (status = 200, description = "The session", body = SessionDocument),
    )
)]
pub(super) async fn show(
    State(state): State<ApiState>,
    SessionName(session_id): SessionName,
) -> Result<Json<SessionDocument>, Problem> {
    let found = state.store.session(&session_id).await?;
    found.map(Json).ok_or_else(|| {
        let detail = format!("No session has the name {}, or the session has expired.", quoted(&session_id));
        Problem::new(Case::NotFound, detail)
            .remedy("If its job is still kept, find it with GET /api/v1/jobs?kind=crawl.session.")
    })
}
