//! Statistics: the outcomes of jobs by kind and over time. Must never count jobs: everything is
//! already counted.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::export::{self, Format};
use crate::api::page_response::Page;
use crate::api::server::json::query::Params;
use crate::api::server::problem::Problem;
use crate::api::server::validate;
use crate::api::state::ApiState;
use crate::store::attempts::workers::WorkerDocument;
use crate::store::queues::QueueDocument;
use crate::store::stats::{Counts, ExportRow, KindCounts, Point, Window};

/// Two years, as long as counters are kept.
const LONGEST: Duration = Duration::from_hours(2 * 366 * 24);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const MOST_ROWS: i64 = 100_000;

/// The current numbers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatsDocument {
    /// All queues.
    queues: Vec<QueueDocument>,
    /// Totals of all queues, and the workers.
    system: SystemNumbers,
    /// The last hour.
    last_hour: Counts,
    /// The last day.
    last_day: Counts,
}

/// Waiting jobs, running jobs and workers.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct SystemNumbers {
    /// Jobs that are due or wait for their turn; each queue is counted up to 10,000.
    queued: i64,
    /// Running jobs.
    active: i64,
    /// Live workers.
    workers: usize,
    /// The number of jobs that they can run at once.
    slots: i64,
    /// The share of these slots in use, by the workers' last heartbeats; null without workers.
    utilisation: Option<f64>,
    /// The total memory of their processes; remote workers do not report it.
    memory_bytes: i64,
    /// The total processor time of their processes since their start.
    cpu_seconds: f64,
}

impl SystemNumbers {
    #[expect(clippy::cast_precision_loss, reason = "slots are far below 2^52")]
    fn of(queues: &[QueueDocument], workers: &[WorkerDocument]) -> Self {
        let alive =
            || workers.iter().filter(|worker| matches!(worker.state.as_str(), "running" | "draining"));
        let slots_of = |worker: &WorkerDocument| -> i64 {
            let queues = worker.queues.as_object().into_iter().flatten();
            queues.filter_map(|(_, slots)| slots.as_i64()).sum()
        };
        let slots: i64 = alive().map(slots_of).sum();
        let busy: i64 = alive().map(|worker| worker.running).sum();
        Self {
            queued: queues.iter().map(|queue| queue.available + queue.waiting).sum(),
            active: queues.iter().map(|queue| queue.running).sum(),
            workers: alive().count(),
            slots,
            utilisation: (slots > 0).then(|| busy as f64 / slots as f64),
            memory_bytes: alive().filter_map(|worker| worker.memory_bytes).sum(),
            cpu_seconds: alive().filter_map(|worker| worker.cpu_seconds).sum(),
        }
    }
}

/// The outcomes of jobs in a window.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Summary {
    /// The length of the window.
    seconds: f64,
    /// All jobs.
    #[serde(flatten)]
    counts: Counts,
    /// Attempts that ended in each minute, on average.
    executions_per_minute: f64,
    /// Every kind, the busiest first.
    kinds: Vec<KindCounts>,
}

/// The time window.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HoursQuery {
    /// The number of hours back from now; by default 24.
    #[param(minimum = 1, maximum = 17_568)]
    hours: Option<i64>,
    /// Instead of `hours`: a duration such as `90m`, or a time.
    since: Option<String>,
}

/// The time window.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SummaryQuery {
    /// The start: a duration back from now such as `1h` (the default), or a time.
    since: Option<String>,
}

/// The numbers to export.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportQuery {
    /// The start: a duration back from now such as `24h` (the default), or a time.
    since: Option<String>,
    /// `json` (the default) or `csv`.
    #[serde(default)]
    #[param(inline)]
    format: Format,
    /// Only jobs of this kind.
    kind: Option<String>,
    /// Only jobs of this queue.
    queue: Option<String>,
}

/// The time window and the jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TrendQuery {
    /// The number of hours back from now; by default 24.
    #[param(minimum = 1, maximum = 17_568)]
    hours: Option<i64>,
    /// Instead of `hours`: a duration such as `90m`, or a time.
    since: Option<String>,
    /// Only jobs of this kind.
    kind: Option<String>,
    /// Only jobs of this queue.
    queue: Option<String>,
}

/// Read the current numbers
#[utoipa::path(get, path = "/api/v1/stats", tag = "stats",
    responses((status = 200, description = "The current numbers", body = StatsDocument)))]
pub(crate) async fn show(State(state): State<ApiState>) -> Result<Json<StatsDocument>, Problem> {
    let store = &state.store;
    let (hour, day) = (Window::of(HOUR), Window::of(DAY));
    let (queues, workers, last_hour, last_day) =
        tokio::try_join!(store.queues(None), store.workers(), store.counts(&hour), store.counts(&day))?;
    let system = SystemNumbers::of(&queues, &workers);
    Ok(Json(StatsDocument { queues, system, last_hour, last_day }))
}

/// Read the numbers of each kind
#[utoipa::path(get, path = "/api/v1/stats/kinds", tag = "stats", params(HoursQuery),
    responses((status = 200, description = "The kinds, busiest first", body = Page<KindCounts>)))]
pub(crate) async fn kinds(
    State(state): State<ApiState>,
    Params(query): Params<HoursQuery>,
) -> Result<Json<Page<KindCounts>>, Problem> {
    let last = hours_or_since(query.hours, query.since.as_deref())?;
    Ok(Page::whole(state.store.kind_counts(&Window::of(last)).await?))
}

/// Read the numbers over time
///
/// One point per minute up to 6 hours back, one per hour beyond; times without jobs have no points.
#[utoipa::path(get, path = "/api/v1/stats/trends", tag = "stats", params(TrendQuery),
    responses((status = 200, description = "The points, oldest first", body = Page<Point>)))]
pub(crate) async fn trends(
    State(state): State<ApiState>,
    Params(query): Params<TrendQuery>,
) -> Result<Json<Page<Point>>, Problem> {
    let last = hours_or_since(query.hours, query.since.as_deref())?;
    let kind = query.kind.map(|kind| validate::name("kind", kind)).transpose()?;
    let queue = query.queue.map(|queue| validate::name("queue", queue)).transpose()?;
    let window = Window { last, kind: kind.as_deref(), queue: queue.as_deref() };
    Ok(Page::whole(state.store.trend(&window).await?))
}

/// Summarise a time window
#[utoipa::path(get, path = "/api/v1/stats/summary", tag = "stats", params(SummaryQuery),
    responses((status = 200, description = "The outcomes of jobs, in total and by kind", body = Summary)))]
pub(crate) async fn summary(
    State(state): State<ApiState>,
    Params(query): Params<SummaryQuery>,
) -> Result<Json<Summary>, Problem> {
    let last = since(query.since.as_deref(), HOUR)?;
    let counts = state.store.counts(&Window::of(last)).await?;
    let minutes = last.as_secs_f64() / 60.0;
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let executions_per_minute = counts.executions as f64 / minutes;
    let kinds = state.store.kind_counts(&Window::of(last)).await?;
    Ok(Json(Summary { seconds: last.as_secs_f64(), counts, executions_per_minute, kinds }))
}

/// Export the numbers
///
/// By minute up to 6 hours back, by hour beyond; by queue and kind. At most 100,000 rows.
#[utoipa::path(get, path = "/api/v1/stats/export", tag = "stats", params(ExportQuery),
    responses((status = 200, description = "The rows, oldest first", content(
        (Vec<ExportRow> = "application/json"), (String = "text/csv")))))]
pub(crate) async fn export(
    State(state): State<ApiState>,
    Params(query): Params<ExportQuery>,
) -> Result<Response, Problem> {
    let last = since(query.since.as_deref(), DAY)?;
    let kind = query.kind.map(|kind| validate::name("kind", kind)).transpose()?;
    let queue = query.queue.map(|queue| validate::name("queue", queue)).transpose()?;
    let window = Window { last, kind: kind.as_deref(), queue: queue.as_deref() };
    let rows = state.store.export_counts(&window, MOST_ROWS + 1).await?;
    if i64::try_from(rows.len()).is_ok_and(|rows| rows > MOST_ROWS) {
        return Err(Problem::invalid("since", "There are more than 100,000 rows.")
            .remedy("Ask for a shorter time, or for one kind or queue."));
    }
    Ok(export::answer(query.format, &rows))
}

fn hours_or_since(hours: Option<i64>, given: Option<&str>) -> Result<Duration, Problem> {
    if given.is_some() && hours.is_some() {
        return Err(Problem::invalid("hours", "Both hours and since are given.").remedy("Send one of them."));
    }
    if given.is_some() {
        return since(given, DAY);
    }
    let most = i32::try_from(LONGEST.as_secs() / 3600).unwrap_or(i32::MAX);
    let hours = validate::within("hours", hours.unwrap_or(24), 1, most)?;
    Ok(HOUR * hours.unsigned_abs())
}

/// A time span back from now, given as such or as the time when it began.
fn since(given: Option<&str>, usual: Duration) -> Result<Duration, Problem> {
    let Some(text) = given else { return Ok(usual) };
    let is_time = text.len() > 10 && text.as_bytes()[4] == b'-';
    let last = if is_time {
        let ago = chrono::Utc::now() - validate::time("since", text)?;
        ago.to_std().map_err(|_| Problem::invalid("since", "That time is in the future."))?
    } else {
        validate::query_duration("since", text, LONGEST)?
    };
    if last.is_zero() || last > LONGEST {
        return Err(Problem::invalid("since", "Counters are kept for two years.")
            .remedy("Ask for the last two years or less."));
    }
    Ok(last)
}
