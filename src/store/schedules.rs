//! Schedules: lists, writes, pauses, resumes, runs and deletes them. Uses the SQL functions that
//! people call from psql; `schedule_slots` fires the slots.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::db::lossy_json::Readable;
use super::{Error, Result, Store};
use crate::job::document::{micros, micros_each, micros_or_null};
use crate::job::schedule::Times;

/// A schedule to write.
///
/// # Examples
///
/// ```no_run
/// # async fn example(store: tidemill::Store) -> Result<(), tidemill::Error> {
/// use tidemill::{NewSchedule, Times};
///
/// let nightly = NewSchedule {
///     name: "clean-up".into(),
///     times: Times { cron: Some("0 3 * * *".into()), timezone: "UTC".into(), ..Times::default() },
///     job: serde_json::json!({ "kind": "clean-up", "args": { "older_than_days": 30 } }),
///     missed: "one".into(),
///     missed_limit: 1,
///     overlap: "skip".into(),
///     jitter_seconds: 60.0,
///     paused_by: None,
/// };
/// store.put_schedule(&nightly, "api", None).await
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct NewSchedule {
    /// Its name.
    pub name: String,
    /// When it falls due.
    pub times: Times,
    /// The job to enqueue, in the format of `enqueue_many`.
    pub job: Value,
    /// Which missed slots fire: `skip` (none), `one` (the latest), `all` (the latest `missed_limit`).
    pub missed: String,
    /// The most missed slots that fire with `all`.
    pub missed_limit: i32,
    /// The handling of a slot while an earlier job is not finished: `skip`, `queue` (it waits), `allow` (both run),
    /// `cancel` (the earlier job is cancelled).
    pub overlap: String,
    /// The most seconds by which the start of a job is delayed.
    pub jitter_seconds: f64,
    /// The author who creates it paused; an existing schedule does not change.
    pub paused_by: Option<String>,
}

/// A schedule as shown to people.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ScheduleDocument {
    /// Its name.
    pub name: String,
    /// The cron expression; exactly one of `cron`, `every_seconds` and `at` is set.
    pub cron: Option<String>,
    /// Seconds between slots.
    pub every_seconds: Option<f64>,
    /// A single time.
    #[serde(serialize_with = "micros_or_null")]
    pub at: Option<DateTime<Utc>>,
    /// Time zone of the cron expression.
    pub timezone: String,
    /// The job to enqueue.
    pub job: Value,
    /// Which missed slots fire: `skip` (none), `one` (the latest), `all` (the latest `missed_limit`).
    pub missed: String,
    /// The most missed slots that fire with `all`.
    pub missed_limit: i32,
    /// The handling of a slot while an earlier job is not finished: `skip`, `queue`, `allow`, `cancel`.
    pub overlap: String,
    /// The most seconds by which the start of a job is delayed.
    pub jitter_seconds: f64,
    /// The time since which it is paused.
    #[serde(serialize_with = "micros_or_null")]
    pub paused_at: Option<DateTime<Utc>>,
    /// The author of the pause.
    pub paused_by: Option<String>,
    /// The last writer: `config`, `api` or `sql`.
    pub source: String,
    /// The deployment whose config wrote it; null if none did.
    pub owner: Option<String>,
    /// The next slots, at most five.
    #[serde(serialize_with = "micros_each")]
    pub upcoming: Vec<DateTime<Utc>>,
    /// The last slot that was handled.
    #[serde(serialize_with = "micros_or_null")]
    pub last_slot_at: Option<DateTime<Utc>>,
    /// The slot that should have been handled a minute ago or longer, but was not: no process fires schedules.
    #[serde(serialize_with = "micros_or_null")]
    pub overdue_since: Option<DateTime<Utc>>,
    /// Why it cannot be computed, or why its last slot could not be enqueued.
    pub problem: Option<String>,
    /// The time of its creation.
    #[serde(serialize_with = "micros")]
    pub created_at: DateTime<Utc>,
    /// The time of the last change.
    #[serde(serialize_with = "micros")]
    pub updated_at: DateTime<Utc>,
}

/// The outcome of a slot.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SlotDocument {
    /// The nominal time, before jitter.
    #[serde(serialize_with = "micros")]
    pub slot: DateTime<Utc>,
    /// `enqueued`, `skipped`, `held` or `missed`.
    pub outcome: String,
    /// The job that was enqueued.
    pub job_id: Option<Uuid>,
    /// The reason why none was enqueued.
    pub reason: Option<String>,
    /// The time of the decision.
    #[serde(serialize_with = "micros")]
    pub fired_at: DateTime<Utc>,
}

/// The outcome of a request to run a schedule now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ran {
    /// This job was enqueued.
    Job(Uuid),
    /// There is no such schedule.
    Unknown,
    /// Its queue accepts no new jobs.
    QueueDraining,
}

impl Store {
    /// Schedules by name, after the name `after`, at most `limit`; or only the one called `name`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn schedules(
        &self,
        name: Option<&str>,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<ScheduleDocument>> {
        Ok(sqlx::query_as!(
            ScheduleDocument,
            r#"
            select
              name,
              cron,
              extract(epoch from every)::double precision as every_seconds,
              at,
              timezone,
              job as "job!: Readable",
              missed,
              missed_limit,
              overlap,
              extract(epoch from jitter)::double precision as "jitter_seconds!",
              paused_at,
              paused_by,
              source,
              owner,
              -- While it is paused no scheduler computes them.
              array(select slot from unnest(upcoming) as slot where slot > now()) as "upcoming!",
              last_slot_at,
              case when paused_at is null and next_at < now() - interval '1 minute' then next_at end as overdue_since,
              problem,
              created_at,
              updated_at
            from schedules
            where ($1::text is null or name = $1)
              and ($2::text is null or name > $2)
            order by name
            limit $3
            "#,
            name,
            after,
            limit
        )
        .fetch_all(self.pool())
        .await?)
    }

    /// The outcomes of a schedule's last slots, the latest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn schedule_slots(&self, name: &str, limit: i64) -> Result<Vec<SlotDocument>> {
        Ok(sqlx::query_as!(
            SlotDocument,
            r#"
            select slot, outcome, job_id, reason, fired_at
            from schedule_slots
            where schedule = $1
            order by slot desc
            limit $2
            "#,
            name,
            limit
        )
        .fetch_all(self.pool())
        .await?)
    }

    /// Creates or replaces a schedule; `source` is its writer: `config`, `api` or `sql`. A schedule of a
    /// config belongs to the deployment `owner`.
    ///
    /// # Errors
    /// When the database fails or refuses a value.
    pub async fn put_schedule(
        &self,
        schedule: &NewSchedule,
        source: &str,
        owner: Option<&str>,
    ) -> Result<()> {
        let mut acting = self.acting().await?;
        let every_seconds = schedule.times.every.map(chrono::TimeDelta::as_seconds_f64);
        sqlx::query!(
            "select put_schedule($1, $2, make_interval(secs => $3), $4, $5, $6, $7, $8, $9, make_interval(secs => $10), $11, $12, $13)",
            schedule.name,
            schedule.times.cron.as_deref() as Option<&str>,
            every_seconds as Option<f64>,
            schedule.times.at as Option<DateTime<Utc>>,
            schedule.times.timezone,
            schedule.job,
            schedule.missed,
            schedule.missed_limit,
            schedule.overlap,
            schedule.jitter_seconds,
            source,
            schedule.paused_by.as_deref() as Option<&str>,
            owner as Option<&str>,
        )
        .execute(acting.connection())
        .await?;
        acting.commit().await?;
        Ok(())
    }

    /// Deletes the schedules from the config of the deployment `owner` that are not among `names`; returns
    /// their names.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_config_schedules(&self, names: &[String], owner: &str) -> Result<Vec<String>> {
        Ok(sqlx::query_scalar!(r#"select keep_config_schedules($1, $2) as "name!""#, names, owner)
            .fetch_all(self.pool())
            .await?)
    }

    /// Deletes a schedule; returns whether there was one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_schedule(&self, name: &str) -> Result<bool> {
        let mut acting = self.acting().await?;
        let answer = sqlx::query_scalar!(r#"select delete_schedule($1) as "there!""#, name)
            .fetch_one(acting.connection())
            .await?;
        acting.commit().await?;
        Ok(answer)
    }

    /// Pauses a schedule: it does not fire until it is resumed; returns whether there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pause_schedule(&self, name: &str, by: &str) -> Result<bool> {
        let mut acting = self.acting().await?;
        let answer = sqlx::query_scalar!(r#"select pause_schedule($1, $2) as "there!""#, name, by)
            .fetch_one(acting.connection())
            .await?;
        acting.commit().await?;
        Ok(answer)
    }

    /// Ends a pause; returns whether there is such a schedule.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn resume_schedule(&self, name: &str) -> Result<bool> {
        let mut acting = self.acting().await?;
        let answer = sqlx::query_scalar!(r#"select resume_schedule($1) as "there!""#, name)
            .fetch_one(acting.connection())
            .await?;
        acting.commit().await?;
        Ok(answer)
    }

    /// Enqueues a schedule's job now, outside its slots.
    ///
    /// # Errors
    /// When the database fails or refuses the job.
    pub async fn run_schedule(&self, name: &str, by: &str) -> Result<Ran> {
        let sealed = self.sealed_for(name).await?;
        let ran = sqlx::query_scalar!("select run_schedule($1, $2, $3)", name, by, sealed as Option<Value>)
            .fetch_one(self.pool())
            .await;
        match ran.map_err(Error::from) {
            Ok(Some(job_id)) => Ok(Ran::Job(job_id)),
            Ok(None) => Ok(Ran::Unknown),
            Err(Error::Database(sqlx::Error::Database(refusal)))
                if refusal.message().ends_with("queue_draining") =>
            {
                Ok(Ran::QueueDraining)
            }
            Err(error) => Err(error),
        }
    }

    /// The database's clock, by which everything falls due.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn now(&self) -> Result<DateTime<Utc>> {
        Ok(sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#).fetch_one(self.pool()).await?)
    }
}
