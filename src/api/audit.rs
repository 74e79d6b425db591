//! The audit log: GET /audit, newest first. Only reads.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::page_response::Page;
use super::server::json::query::Params;
use super::server::problem::Problem;
use super::server::validate;
use super::state::ApiState;
use crate::store::audit::Act;

const MOST_ITEMS: i32 = 200;
const TEXT_CHARACTERS: usize = 300;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// Only actions on this subject, such as `job:ID`, `queue:NAME`, `limit:NAME`, `schedule:NAME`,
    /// `kind:NAME`, `key:ID`, `alert:NAME`.
    subject: Option<String>,
    /// Only actions by this key or database user.
    who: Option<String>,
    /// The `next_cursor` of the previous page.
    cursor: Option<i64>,
    /// The most items, 1 to 200; by default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// List the audit log
///
/// Cancels, retries, pauses, limits, keys and other actions, each with its author and the previous
/// state. Newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "health", operation_id = "list_acts", params(AuditQuery),
    responses((status = 200, description = "A page of acts", body = Page<Act>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Params(query): Params<AuditQuery>,
) -> Result<Json<Page<Act>>, Problem> {
    let text = |field, text: Option<String>| {
        text.map(|text| validate::text(field, text, TEXT_CHARACTERS)).transpose()
    };
    let (subject, who) = (text("subject", query.subject)?, text("who", query.who)?);
    let limit = validate::within("limit", query.limit.unwrap_or(50), 1, MOST_ITEMS)?;
    // One more than is shown, to know if there is another page.
    let most = i64::from(limit) + 1;
    let mut items = state.store.audit(subject.as_deref(), who.as_deref(), query.cursor, most).await?;
    let wanted = usize::try_from(limit).unwrap_or_default();
    let has_more = items.len() > wanted;
    items.truncate(wanted);
    let next_cursor = items.last().filter(|_| has_more).map(|act| act.id.to_string());
    Ok(Json(Page { items, next_cursor }))
}
