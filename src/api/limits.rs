//! Routes of limits over all workers: lists, sets and deletes them. The store counts; nothing here
//! decides whether a job may run.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::page_response::Page;
use super::server::json::Body;
use super::server::json::query::Params;
use super::server::path_params::LimitName;
use super::server::problem::{Case, Problem};
use super::server::validate;

use super::jobs::duration_input::DurationInput;
use super::state::ApiState;
use crate::job::limit::{LimitSettings, OnFull, Rate};
use crate::store::limits::LimitDocument;

pub(super) const MOST_RUNNING: i32 = 1_000_000;
const LONGEST_PERIOD: Duration = Duration::from_hours(365 * 24);
const MOST_LIMITS: i64 = 1000;

/// The values of a limit; at least one of `max_running` and `rate`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"max_running": 2, "rate": 100, "per": "1h"}))]
pub(super) struct LimitRequest {
    /// The most jobs that run at once per key; 0 stops them.
    #[schema(minimum = 0, maximum = 1_000_000)]
    max_running: Option<i64>,
    /// The most jobs that start in each period, on average.
    #[schema(minimum = 1, maximum = 1_000_000)]
    rate: Option<i64>,
    /// The period; a minute by default.
    #[schema(value_type = Option<DurationInput>)]
    per: Option<Value>,
    /// The most jobs that start at one moment after an idle time; by default `rate`.
    #[schema(minimum = 1, maximum = 1_000_000)]
    burst: Option<i64>,
    /// The effect of a new job when `max_running` is reached: it waits (the default), it is
    /// cancelled, or the oldest job is cancelled.
    on_full: Option<OnFull>,
}

impl LimitRequest {
    fn checked(self) -> Result<LimitSettings, Problem> {
        let rate = checked_rate(self.rate, self.per.as_ref(), self.burst)?;
        let max_running = self
            .max_running
            .map(|most| validate::within("/max_running", most, 0, MOST_RUNNING))
            .transpose()?;
        if max_running.is_none() && rate.is_none() {
            let problem = Problem::invalid("/max_running", "The limit limits nothing.");
            return Err(problem.remedy("Send max_running, rate or both; DELETE drops a limit."));
        }
        if self.on_full.is_some_and(|word| word != OnFull::Queue) && max_running.is_none_or(|most| most < 1) {
            let problem = Problem::invalid("/on_full", "Only a limit with max_running can cancel jobs.");
            return Err(problem.remedy("Send a max_running of at least 1, or leave on_full out."));
        }
        Ok(LimitSettings { max_running, rate, on_full: self.on_full })
    }
}

/// A rate with its period and burst.
///
/// # Errors
/// 422 for what is out of bounds, and for a period or burst of no rate.
pub(super) fn checked_rate(
    rate: Option<i64>,
    per: Option<&Value>,
    burst: Option<i64>,
) -> Result<Option<Rate>, Problem> {
    let Some(rate) = rate else {
        let field = if per.is_some() { "/per" } else { "/burst" };
        return match (per, burst) {
            (None, None) => Ok(None),
            _ => Err(Problem::invalid(field, "It needs a rate.")
                .remedy("Send rate as well: how many jobs may start in each period.")),
        };
    };
    let period = per.map(|per| validate::positive_duration("/per", per, LONGEST_PERIOD)).transpose()?;
    Ok(Some(Rate {
        count: validate::within("/rate", rate, 1, MOST_RUNNING)?,
        period: period.unwrap_or(Duration::from_mins(1)),
        burst: burst.map(|burst| validate::within("/burst", burst, 1, MOST_RUNNING)).transpose()?,
    }))
}

/// The start of a page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LimitsQuery {
    /// The `next_cursor` of the previous page.
    cursor: Option<String>,
    /// The most items, 1 to 1,000; by default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
}

/// List limits
///
/// By name. Limits of queues are named `queue:NAME`.
#[utoipa::path(get, path = "/api/v1/limits", tag = "limits", params(LimitsQuery),
    responses((status = 200, description = "A page of limits", body = Page<LimitDocument>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Params(query): Params<LimitsQuery>,
) -> Result<Json<Page<LimitDocument>>, Problem> {
    let most = query.limit.map_or(Ok(100), |most| validate::within("limit", most, 1, 1000).map(i64::from))?;
    let behind = query.cursor.unwrap_or_default();
    let mut items = state.store.limits(&behind, most.min(MOST_LIMITS) + 1).await?;
    let more = items.len() > usize::try_from(most).unwrap_or(usize::MAX);
    items.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    let next_cursor = items.last().filter(|_| more).map(|limit| limit.name.clone());
    Ok(Json(Page { items, next_cursor }))
}

/// Read a limit
#[utoipa::path(get, path = "/api/v1/limits/{limit}", tag = "limits",
    responses(
        (status = 200, description = "The limit", body = LimitDocument),
    ))]
pub(super) async fn show(
    State(state): State<ApiState>,
    LimitName(name): LimitName,
) -> Result<Json<LimitDocument>, Problem> {
    state.store.limit(&name).await?.map(Json).ok_or_else(|| unknown(&name))
}

/// Set a limit
///
/// The limit applies to all jobs whose concurrency key is this name, or this name, a colon and a
/// further key; each key is counted separately. `queue:NAME` limits a queue. Replaces an earlier
/// limit of the same name.
#[utoipa::path(put, path = "/api/v1/limits/{limit}", tag = "limits", request_body = LimitRequest,
    responses((status = 200, description = "The limit", body = LimitDocument)))]
pub(super) async fn set(
    State(state): State<ApiState>,
    LimitName(name): LimitName,
    Body(request): Body<LimitRequest>,
) -> Result<Json<LimitDocument>, Problem> {
    let settings = request.checked()?;
    if name.starts_with("queue:") && settings.on_full.is_some_and(|word| word != OnFull::Queue) {
        let problem = Problem::invalid("/on_full", "A queue's limit never cancels jobs; they wait.");
        return Err(problem.remedy("Give the jobs a concurrency key and put the limit on the key."));
    }
    state.store.set_limit(&name, &settings).await?;
    show(State(state), LimitName(name)).await
}

/// Delete a limit
#[utoipa::path(delete, path = "/api/v1/limits/{limit}", tag = "limits", operation_id = "delete",
    responses(
        (status = 204, description = "The limit is deleted"),
    ))]
pub(super) async fn drop_limit(
    State(state): State<ApiState>,
    LimitName(name): LimitName,
) -> Result<StatusCode, Problem> {
    if state.store.drop_limit(&name).await? { Ok(StatusCode::NO_CONTENT) } else { Err(unknown(&name)) }
}

fn unknown(name: &str) -> Problem {
    Problem::new(Case::NotFound, format!("There is no limit {name}."))
        .remedy("Check the name; GET /api/v1/limits lists them all.")
}
