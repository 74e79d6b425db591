//! Stats: what was counted, by kind and over time. Reads counters alone, never jobs.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Result, Store};
use crate::job::document::micros;

/// So many rows are folded in one transaction.
const BATCH: i32 = 20_000;

/// What became of jobs in a time.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Counts {
    /// Jobs taken in.
    pub enqueued: i64,
    /// Jobs that completed.
    pub completed: i64,
    /// Jobs that failed for good.
    pub failed: i64,
    /// Jobs that were cancelled.
    pub cancelled: i64,
    /// Attempts that failed and are tried again.
    pub retried: i64,
    /// How long a completed attempt ran, on average.
    pub average_run_seconds: Option<f64>,
    /// How long it had been due before, on average.
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
    /// When it began.
    #[serde(serialize_with = "micros")]
    pub at: DateTime<Utc>,
    #[serde(flatten)]
    pub counts: Counts,
}

/// A row of sums, as all queries here have it.
struct Row {
    kind: Option<String>,
    at: Option<DateTime<Utc>>,
    enqueued: Option<i64>,
    completed: Option<i64>,
    failed: Option<i64>,
    cancelled: Option<i64>,
    retried: Option<i64>,
    ran_seconds: Option<f64>,
    waited_seconds: Option<f64>,
}

impl From<&Row> for Counts {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn from(row: &Row) -> Self {
        let completed = row.completed.unwrap_or(0);
        let average = |sum: Option<f64>| sum.filter(|_| completed > 0).map(|sum| sum / completed as f64);
        Self {
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

/// Sums of counters; what to group by is the caller's.
macro_rules! sums {
    ($kind:literal, $at:literal, $rest:literal $(, $argument:expr)*) => {
        sqlx::query_as!(
            Row,
            "select " + $kind + " as kind, " + $at + r#" as at,
              sum(jobs) filter (where outcome = 'enqueued')::bigint as enqueued,
              sum(jobs) filter (where outcome = 'completed')::bigint as completed,
              sum(jobs) filter (where outcome = 'failed')::bigint as failed,
              sum(jobs) filter (where outcome = 'cancelled')::bigint as cancelled,
              sum(jobs) filter (where outcome = 'retried')::bigint as retried,
              extract(epoch from sum(ran) filter (where outcome = 'completed'))::double precision as ran_seconds,
              extract(epoch from sum(waited) filter (where outcome = 'completed'))::double precision as waited_seconds
            from counters
            "# + $rest
            $(, $argument)*
        )
    };
}

impl Store {
    /// What became of all jobs in the last hours.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn counts(&self, hours: i32) -> Result<Counts> {
        let row = sums!(
            "null::text",
            "null::timestamptz",
            "where minute > now() - make_interval(hours => $1)",
            hours
        )
        .fetch_one(self.pool())
        .await?;
        Ok(Counts::from(&row))
    }

    /// What became of the jobs of each kind in the last hours, busiest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn kind_counts(&self, hours: i32) -> Result<Vec<KindCounts>> {
        let rows = sums!(
            "kind",
            "null::timestamptz",
            "where minute > now() - make_interval(hours => $1) group by kind order by sum(jobs) desc, kind limit 1000",
            hours
        )
        .fetch_all(self.pool())
        .await?;
        let kinds = rows
            .iter()
            .map(|row| KindCounts { kind: row.kind.clone().unwrap_or_default(), counts: Counts::from(row) });
        Ok(kinds.collect())
    }

    /// What became of jobs in each minute or hour (`unit`) of the last hours.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn trend(
        &self,
        unit: &str,
        hours: i32,
        kind: Option<&str>,
        queue: Option<&str>,
    ) -> Result<Vec<Point>> {
        let rows = sums!(
            "null::text",
            "date_trunc($1, minute)",
            "where minute > now() - make_interval(hours => $2)
              and ($3::text is null or kind = $3)
              and ($4::text is null or queue = $4)
            group by 2
            order by 2",
            unit,
            hours,
            kind,
            queue
        )
        .fetch_all(self.pool())
        .await?;
        let points = rows.iter().filter_map(|row| Some(Point { at: row.at?, counts: Counts::from(row) }));
        Ok(points.collect())
    }

    /// Adds all that was counted to its minutes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn fold_stats(&self) -> Result<()> {
        loop {
            let folded: i32 = sqlx::query_scalar!(r#"select fold_stats($1) as "folded!""#, BATCH)
                .fetch_one(self.pool())
                .await?;
            if folded < BATCH {
                return Ok(());
            }
        }
    }
}
