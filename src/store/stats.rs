//! Stats: counted outcomes, by kind and over time. Reads only counters, never jobs.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Result, Store};
use crate::job::document::micros;

/// The longest window with points of a minute; longer ones have points of an hour.
const MINUTES_UP_TO: Duration = Duration::from_hours(6);
/// The most rows aggregated in one transaction.
const BATCH: i32 = 20_000;

/// The outcomes of jobs in a window.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Counts {
    /// Jobs enqueued.
    pub enqueued: i64,
    /// Jobs that completed.
    pub completed: i64,
    /// Jobs that failed for good.
    pub failed: i64,
    /// Jobs that were cancelled.
    pub cancelled: i64,
    /// Attempts that failed and are retried.
    pub retried: i64,
    /// Attempts that ended: completed, failed and retried.
    pub executions: i64,
    /// The share that completed; null if there are none.
    pub success_rate: Option<f64>,
    /// The share that failed; null if there are none.
    pub error_rate: Option<f64>,
    /// The average run time of a completed attempt.
    pub average_run_seconds: Option<f64>,
    /// The run time of the shortest completed attempt.
    pub least_run_seconds: Option<f64>,
    /// The run time of the longest completed attempt.
    pub most_run_seconds: Option<f64>,
    /// The average time from due to start.
    pub average_wait_seconds: Option<f64>,
}

/// The counts of a kind.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct KindCounts {
    /// The kind.
    pub kind: String,
    #[serde(flatten)]
    pub counts: Counts,
}

/// The counts of a minute or an hour.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Point {
    /// The start of the minute or hour.
    #[serde(serialize_with = "micros")]
    pub at: DateTime<Utc>,
    #[serde(flatten)]
    pub counts: Counts,
}

/// The counts of a kind's jobs of a queue in a minute or an hour.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExportRow {
    /// The start of the minute or hour.
    #[serde(serialize_with = "micros")]
    pub at: DateTime<Utc>,
    /// The queue.
    pub queue: String,
    /// The kind.
    pub kind: String,
    #[serde(flatten)]
    pub counts: Counts,
}

/// The counters to read.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    /// The length of the window back from now, by the database's clock; to the minute.
    pub last: Duration,
    /// Only of this kind.
    pub kind: Option<&'a str>,
    /// Only of this queue.
    pub queue: Option<&'a str>,
}

impl Window<'_> {
    /// All jobs of a window of this length.
    #[must_use]
    pub fn of(last: Duration) -> Self {
        Self { last, kind: None, queue: None }
    }

    /// The unit of its points: minutes, or hours if it is long.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        if self.last <= MINUTES_UP_TO { "minute" } else { "hour" }
    }
}

/// A row of sums, shared by all queries here.
struct Row {
    kind: Option<String>,
    queue: Option<String>,
    at: Option<DateTime<Utc>>,
    enqueued: Option<i64>,
    completed: Option<i64>,
    failed: Option<i64>,
    cancelled: Option<i64>,
    retried: Option<i64>,
    ran_seconds: Option<f64>,
    waited_seconds: Option<f64>,
    least_seconds: Option<f64>,
    most_seconds: Option<f64>,
}

impl From<&Row> for Counts {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn from(row: &Row) -> Self {
        let completed = row.completed.unwrap_or(0);
        let average = |sum: Option<f64>| sum.filter(|_| completed > 0).map(|sum| sum / completed as f64);
        let executions = completed + row.failed.unwrap_or(0) + row.retried.unwrap_or(0);
        let success_rate = (executions > 0).then(|| completed as f64 / executions as f64);
        Self {
            executions,
            success_rate,
            error_rate: success_rate.map(|rate| 1.0 - rate),
            least_run_seconds: row.least_seconds,
            most_run_seconds: row.most_seconds,
            enqueued: row.enqueued.unwrap_or(0),
            completed,
            failed: row.failed.unwrap_or(0),
            cancelled: row.cancelled.unwrap_or(0),
            retried: row.retried.unwrap_or(0),
            average_run_seconds: average(row.ran_seconds),
            average_wait_seconds: average(row.waited_seconds),
        }
    }
}

/// Sums of counters of a window; the caller adds the grouping. In a long window only the first hour is read
/// by minutes, because it is rarely complete.
macro_rules! sums {
    ($store:expr, $window:expr, $kind:literal, $queue:literal, $at:literal, $rest:literal $(, $argument:expr)*) => {
        sqlx::query_as!(
            Row,
            "select " + $kind + " as kind, " + $queue + " as queue, " + $at + r#" as at,
              sum(jobs) filter (where outcome = 'enqueued')::bigint as enqueued,
              sum(jobs) filter (where outcome = 'completed')::bigint as completed,
              sum(jobs) filter (where outcome = 'failed')::bigint as failed,
              sum(jobs) filter (where outcome = 'cancelled')::bigint as cancelled,
              sum(jobs) filter (where outcome = 'retried')::bigint as retried,
              extract(epoch from sum(ran) filter (where outcome = 'completed'))::double precision as ran_seconds,
              extract(epoch from sum(waited) filter (where outcome = 'completed'))::double precision as waited_seconds,
              extract(epoch from min(ran_least) filter (where outcome = 'completed'))::double precision as least_seconds,
              extract(epoch from max(ran_most) filter (where outcome = 'completed'))::double precision as most_seconds
            from (
              select minute as at, queue, kind, outcome, jobs, waited, ran, ran_least, ran_most
              from stats
              where minute > now() - make_interval(secs => $1)
                and ($4 = 'minute' or minute < date_trunc('hour', now() - make_interval(secs => $1), 'UTC') + interval '1 hour')
              union all
              select hour, queue, kind, outcome, jobs, waited, ran, ran_least, ran_most
              from stats_hours
              where $4 = 'hour'
                and hour >= date_trunc('hour', now() - make_interval(secs => $1), 'UTC') + interval '1 hour'
              union all
              -- What is not folded yet.
              select at, queue, kind, outcome, jobs, waited, ran, ran_least, ran_most
              from stats_deltas
              where date_trunc('minute', at) > now() - make_interval(secs => $1)
            ) counters
            where ($2::text is null or kind = $2)
              and ($3::text is null or queue = $3)
            "# + $rest,
            $window.last.as_secs_f64(),
            $window.kind,
            $window.queue,
            $window.unit()
            $(, $argument)*
        )
        .fetch_all($store.pool())
        .await
    };
}

impl Store {
    /// The outcomes of all jobs of a window.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn counts(&self, window: &Window<'_>) -> Result<Counts> {
        let rows = sums!(self, window, "null::text", "null::text", "null::timestamptz", "")?;
        Ok(rows.first().map(Counts::from).unwrap_or_default())
    }

    /// The outcomes of the jobs of each kind in a window, the busiest kind first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn kind_counts(&self, window: &Window<'_>) -> Result<Vec<KindCounts>> {
        let rows = sums!(
            self,
            window,
            "kind",
            "null::text",
            "null::timestamptz",
            "group by kind order by sum(jobs) desc, kind limit 1000"
        )?;
        let kinds = rows
            .iter()
            .map(|row| KindCounts { kind: row.kind.clone().unwrap_or_default(), counts: Counts::from(row) });
        Ok(kinds.collect())
    }

    /// The outcomes of jobs in each unit of a window, a minute or an hour.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn trend(&self, window: &Window<'_>) -> Result<Vec<Point>> {
        let rows = sums!(
            self,
            window,
            "null::text",
            "null::text",
            "date_trunc($4, at, 'UTC')",
            "group by 3 order by 3"
        )?;
        let points = rows.iter().filter_map(|row| Some(Point { at: row.at?, counts: Counts::from(row) }));
        Ok(points.collect())
    }

    /// The outcomes of jobs in each unit of a window, a minute or an hour, by queue and kind; at
    /// most `most` rows.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn export_counts(&self, window: &Window<'_>, most: i64) -> Result<Vec<ExportRow>> {
        let rows = sums!(
            self,
            window,
            "kind",
            "queue",
            "date_trunc($4, at, 'UTC')",
            "group by 3, 2, 1 order by 3, 2, 1 limit $5",
            most
        )?;
        let rows = rows.iter().filter_map(|row| {
            let (queue, kind) = (row.queue.clone()?, row.kind.clone()?);
            Some(ExportRow { at: row.at?, queue, kind, counts: Counts::from(row) })
        });
        Ok(rows.collect())
    }

    /// Aggregates all new counts by minute.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn aggregate_stats(&self) -> Result<()> {
        loop {
            let folded: i32 = sqlx::query_scalar!(r#"select aggregate_stats($1) as "folded!""#, BATCH)
                .fetch_one(self.pool())
                .await?;
            if folded < BATCH {
                return Ok(());
            }
        }
    }
}
