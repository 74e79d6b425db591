//! The causes of failed attempts, one item per cause. Must never count attempts: the causes are
//! already counted.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::page_response::Page;
use super::server::json::query::Params;
use super::server::problem::Problem;
use super::server::validate;
use super::state::ApiState;
use crate::store::jobs::failures::Cause;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FailuresQuery {
    /// Only of jobs of this kind.
    kind: Option<String>,
    /// Only failures since this time: RFC 3339 with an offset.
    since: Option<String>,
    /// The most items, 1 to 1,000; by default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
}

/// List causes of failures
///
/// Failed attempts that differ only in ids, numbers and quoted texts have one cause. The most
/// recent cause comes first.
#[utoipa::path(get, path = "/api/v1/failures", tag = "jobs", operation_id = "list_failures", params(FailuresQuery),
    responses((status = 200, description = "The causes", body = Page<Cause>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Params(query): Params<FailuresQuery>,
) -> Result<Json<Page<Cause>>, Problem> {
    let kind = query.kind.map(|kind| validate::name("kind", kind)).transpose()?;
    let since = query.since.map(|time| validate::time("since", &time)).transpose()?;
    let limit = validate::within("limit", query.limit.unwrap_or(100), 1, 1000)?;
    Ok(Page::whole(state.store.failures(kind.as_deref(), since, i64::from(limit)).await?))
}
