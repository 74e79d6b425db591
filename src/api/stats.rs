//! Numbers: what became of jobs, by kind and over time. Must never count jobs: everything is counted already.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answer::Page;
use super::check;
use super::json::query::Params;
use super::problem::Problem;
use super::state::ApiState;
use crate::store::queues::QueueDocument;
use crate::store::stats::{Counts, KindCounts, Point};

/// Two years, as long as counters are kept.
const MOST_HOURS: i32 = 2 * 366 * 24;
/// So long points are minutes; beyond they are hours.
const HOURS_OF_MINUTES: i32 = 6;

/// How things stand.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatsDocument {
    /// All queues.
    queues: Vec<QueueDocument>,
    /// The last hour.
    last_hour: Counts,
    /// The last day.
    last_day: Counts,
}

/// Which time.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HoursQuery {
    /// The last so many hours, by default 24.
    hours: Option<i64>,
}

/// Which time, and which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TrendQuery {
    /// The last so many hours, by default 24.
    hours: Option<i64>,
    /// Only jobs of this kind.
    kind: Option<String>,
    /// Only jobs of this queue.
    queue: Option<String>,
}

/// Look at the numbers
#[utoipa::path(get, path = "/api/v1/stats", tag = "stats",
    responses((status = 200, description = "How things stand", body = StatsDocument)))]
pub(super) async fn show(State(state): State<ApiState>) -> Result<Json<StatsDocument>, Problem> {
    Ok(Json(StatsDocument {
        queues: state.store.queues(None).await?,
        last_hour: state.store.counts(1).await?,
        last_day: state.store.counts(24).await?,
    }))
}

/// Look at the numbers of each kind
#[utoipa::path(get, path = "/api/v1/stats/kinds", tag = "stats", params(HoursQuery),
    responses((status = 200, description = "The kinds, busiest first", body = Page<KindCounts>)))]
pub(super) async fn kinds(
    State(state): State<ApiState>,
    Params(query): Params<HoursQuery>,
) -> Result<Json<Page<KindCounts>>, Problem> {
    Ok(Page::whole(state.store.kind_counts(hours(query.hours)?).await?))
}

/// Look at the numbers over time
///
/// Points of a minute up to 6 hours back, of an hour beyond; times without jobs have none.
#[utoipa::path(get, path = "/api/v1/stats/trends", tag = "stats", params(TrendQuery),
    responses((status = 200, description = "The points, oldest first", body = Page<Point>)))]
pub(super) async fn trends(
    State(state): State<ApiState>,
    Params(query): Params<TrendQuery>,
) -> Result<Json<Page<Point>>, Problem> {
    let hours = hours(query.hours)?;
    let kind = query.kind.map(|kind| check::name("kind", kind)).transpose()?;
    let queue = query.queue.map(|queue| check::name("queue", queue)).transpose()?;
    let unit = if hours <= HOURS_OF_MINUTES { "minute" } else { "hour" };
    Ok(Page::whole(state.store.trend(unit, hours, kind.as_deref(), queue.as_deref()).await?))
}

fn hours(given: Option<i64>) -> Result<i32, Problem> {
    check::within("hours", given.unwrap_or(24), 1, MOST_HOURS)
}
