//! The settings of this process with their sources: GET /settings. Only reads, and only what the
//! process was started with; secrets were replaced before they came here.

use axum::Json;
use axum::extract::State;

use crate::api::page_response::Page;
use crate::api::server::settings::ShownSetting;
use crate::api::state::ApiState;

/// List settings
///
/// The effective settings of the process that answers, each with its source: a file, the
/// environment, a flag, or the default. Secrets are not shown.
#[utoipa::path(get, path = "/api/v1/settings", tag = "access", operation_id = "settings",
    responses((status = 200, description = "All settings", body = Page<ShownSetting>)))]
pub(crate) async fn list(State(state): State<ApiState>) -> Json<Page<ShownSetting>> {
    Page::whole(state.settings.shown.clone())
}
