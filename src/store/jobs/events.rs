//! Events: reads the numbered log of a job after a number. Every answer is committed, in order and
//! without gaps; must never read from a standby, whose order of visibility can differ.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::job::state::JobState;
use crate::store::db::lossy_json::Readable;
use crate::store::{Result, Store};

/// One stored event.
#[derive(Debug, Clone)]
pub struct Event {
    pub job_id: Uuid,
    pub seq: i64,
    pub attempt: i32,
    pub kind: String,
    pub data: Value,
    pub at: DateTime<Utc>,
}

/// The position of a watched job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HighWaterMark {
    pub job_id: Uuid,
    /// Number of its last event, 0 if it has none.
    pub last_seq: i64,
    pub state: JobState,
    pub attempt: i32,
}

impl Store {
    /// Events of one job with numbers above `after`, at most `limit`; `types` empty means all.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn events_after(
        &self,
        job_id: Uuid,
        after: i64,
        types: &[String],
        limit: i64,
    ) -> Result<Vec<Event>> {
        let events = sqlx::query_as!(
            Event,
            r#"
            select
              job_id,
              seq,
              attempt,
              type as kind,
              data as "data!: Readable",
              at
            from events
            where job_id = $1
              and seq > $2
              and (cardinality($3::text[]) = 0 or type = any($3))
            order by seq
            limit $4
            "#,
            job_id,
            after,
            types,
            limit,
        )
        .fetch_all(self.pool())
        .await?;
        Ok(self.redacted(events))
    }

    /// Events of several jobs in one statement: for each the next ones above its number, at most
    /// `limit_each`, in order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn events_behind(&self, positions: &[(Uuid, i64)], limit_each: i64) -> Result<Vec<Event>> {
        let (jobs, afters): (Vec<Uuid>, Vec<i64>) = positions.iter().copied().unzip();
        let events = sqlx::query_as!(
            Event,
            r#"
            select
              e.job_id as "job_id!",
              e.seq as "seq!",
              e.attempt as "attempt!",
              e.kind as "kind!",
              e.data as "data!: Readable",
              e.at as "at!"
            from unnest($1::uuid[], $2::bigint[]) as w (job_id, after)
            cross join lateral (
              select
                job_id,
                seq,
                attempt,
                type as kind,
                data,
                at
              from events
              where job_id = w.job_id
                and seq > w.after
              order by seq
              limit $3
            ) e
            order by e.job_id, e.seq
            "#,
            &jobs,
            &afters,
            limit_each,
        )
        .fetch_all(self.pool())
        .await?;
        Ok(self.redacted(events))
    }

    pub(crate) fn redacted(&self, mut events: Vec<Event>) -> Vec<Event> {
        for event in &mut events {
            self.redact(Some(&mut event.data));
        }
        events
    }

    /// The positions of the given jobs; jobs that do not exist are missing. Also the timeline of the
    /// database, if that is visible.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn high_water_marks(&self, jobs: &[Uuid]) -> Result<(Option<String>, Vec<HighWaterMark>)> {
        let rows = sqlx::query!(
            r#"
            select
              j.id as "job_id!",
              coalesce(p.last_seq, 0) as "last_seq!",
              j.state as "state!: JobState",
              j.attempt as "attempt!",
              (select database_history()) as era
            from jobs j
            left join progress p on p.job_id = j.id
            where j.id = any($1)
            "#,
            jobs,
        )
        .fetch_all(self.pool())
        .await?;
        let era = rows.first().and_then(|row| row.era.clone()).filter(|era| !era.is_empty());
        let marks = rows.into_iter().map(|row| HighWaterMark {
            job_id: row.job_id,
            last_seq: row.last_seq,
            state: row.state,
            attempt: row.attempt,
        });
        Ok((era, marks.collect()))
    }
}
