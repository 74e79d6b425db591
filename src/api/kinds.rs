//! Kinds: what is known of each, as the workers that serve it say.

use axum::Json;
use axum::extract::State;

use super::answer::Page;
use super::problem::Problem;
use super::state::ApiState;
use crate::store::kinds::KindDocument;

/// List kinds
///
/// Every kind that a worker ever served, with the rules of its jobs.
#[utoipa::path(get, path = "/api/v1/kinds", tag = "kinds",
    responses((status = 200, description = "All kinds", body = Page<KindDocument>)))]
pub(super) async fn list(State(state): State<ApiState>) -> Result<Json<Page<KindDocument>>, Problem> {
    Ok(Page::whole(state.store.kinds().await?))
}
