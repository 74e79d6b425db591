//! Enqueue: writes new jobs, many in one statement, or one in the caller's own transaction. Answers
//! only after the commit, unless the transaction is the caller's; sends no notification itself.

use std::borrow::Borrow;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgExecutor};
use uuid::Uuid;

use super::prepared::PreparedJob;
use crate::job::document::{JobDocument, Links};
use crate::job::new::NewJob;
use crate::job::state::JobState;
use crate::store::db::connection::Connection;
use crate::store::words::{Words, words};
use crate::store::{Result, Store};

words! {
    /// The insert outcome of one job.
    pub enum InsertOutcome, "the outcome of an insert" {
        /// It is stored.
        Created = "created",
        /// Another job has its unique key; the id of that job is the answer.
        Existing = "existing",
        /// As [`InsertOutcome::Existing`], and fields of that job are replaced.
        Replaced = "replaced",
        /// As [`InsertOutcome::Existing`], but the rule refuses the new job.
        Conflict = "conflict",
        /// Its execution id belongs to another job.
        ExecutionIdTaken = "execution_id_taken",
        /// Its queue accepts no new jobs.
        QueueDraining = "queue_draining",
        /// Its queue is full.
        QueueFull = "queue_full",
        /// Another open transaction has locked the capacity of its queue, and this call did not wait for it.
        QueueBusy = "queue_busy",
        /// No worker serves its kind and `strict_kinds` is on.
        UnknownKind = "unknown_kind",
        /// Its kind is reserved for Tidemill.
        ReservedKind = "reserved_kind",
        /// It waits for a job that does not exist.
        UnknownParent = "unknown_parent",
    }
}

/// A requested job after the database has judged it.
#[derive(Debug, Clone)]
pub struct Enqueued {
    /// The id of the new job, or of the existing one.
    pub id: Uuid,
    /// The outcome.
    pub outcome: InsertOutcome,
    /// Its queue, even if it was not stored.
    pub queue: String,
    /// Its priority.
    pub priority: i16,
    /// The most attempts.
    pub max_attempts: i32,
    /// The earliest start.
    pub run_at: DateTime<Utc>,
    /// The time when it was stored, if it was.
    pub created_at: Option<DateTime<Utc>>,
    /// Its state, if it was stored.
    pub state: JobState,
    /// The limits that it counts against.
    pub concurrency_keys: Vec<String>,
    /// Its group for fairness.
    pub fair_key: Option<String>,
    /// The time at which it is cancelled if it has not started.
    pub expires_at: Option<DateTime<Utc>>,
    /// False if nobody waited for a notification of jobs when it was stored.
    pub is_awaited: bool,
}

impl Enqueued {
    /// The document of the new job: the requested values and the database's decisions.
    #[must_use]
    pub fn document(&self, job: NewJob) -> JobDocument {
        let created_at = self.created_at.unwrap_or(self.run_at);
        let is_waiting = !job.after.is_empty();
        let status = if self.run_at > created_at && !is_waiting { "scheduled" } else { self.state.word() };
        JobDocument {
            id: self.id,
            kind: job.kind,
            queue: self.queue.clone(),
            state: self.state,
            status: status.to_owned(),
            priority: self.priority,
            args: Value::Object(job.args),
            result: None,
            error: None,
            attempt: 0,
            max_attempts: self.max_attempts,
            run_at: (!is_waiting).then_some(self.run_at),
            created_at,
            started_at: None,
            finished_at: None,
            execution_id: job.execution_id,
            tags: job.tags,
            metadata: job.metadata.map(Value::Object),
            progress: None,
            worker_id: None,
            cancel_requested_at: None,
            concurrency_keys: self.concurrency_keys.clone(),
            fair_key: self.fair_key.clone(),
            owner: job.owner,
            expires_at: self.expires_at,
            workflow_id: None,
            links: Links::of(self.id),
            last_seq: 0,
        }
    }
}

/// Stores `jobs` in one statement and answers in order. Waits for other transactions that have locked the
/// capacity of the same bounded queues.
///
/// # Errors
/// When the database fails; then none of them is stored.
pub async fn enqueue(
    executor: impl PgExecutor<'_>,
    jobs: &[PreparedJob],
    strict_kinds: bool,
) -> Result<Vec<Enqueued>> {
    insert(executor, jobs, strict_kinds, true).await
}

/// As [`enqueue`], but does not wait for locked capacity: such a job is [`InsertOutcome::QueueBusy`] and the others
/// are stored.
///
/// # Errors
/// As [`enqueue`].
pub async fn enqueue_at_once(
    executor: impl PgExecutor<'_>,
    jobs: &[impl Borrow<PreparedJob>],
    strict_kinds: bool,
) -> Result<Vec<Enqueued>> {
    insert(executor, jobs, strict_kinds, false).await
}

/// As [`enqueue_at_once`], for one job: most have nothing that takes more than a short statement.
///
/// # Errors
/// As [`enqueue`].
pub async fn enqueue_one(
    mut connection: Connection<'_>,
    job: &PreparedJob,
    strict_kinds: bool,
) -> Result<Enqueued> {
    if !strict_kinds
        && job.options().is_none()
        && let Some(enqueued) = insert_plain(connection.reborrow(), job).await?
    {
        return Ok(enqueued);
    }
    Ok(insert(connection, std::slice::from_ref(job), strict_kinds, false).await?.remove(0))
}

/// Stores a job without options; `None` and nothing is stored if [`insert`] must judge it.
async fn insert_plain(executor: impl PgExecutor<'_>, job: &PreparedJob) -> Result<Option<Enqueued>> {
    let seconds = |duration: Option<Duration>| duration.map(|duration| duration.as_secs_f64());
    let row = sqlx::query!(
        r#"
        select
          made_id,
          made_queue as queue,
          made_priority as priority,
          made_max_attempts as max_attempts,
          made_run_at as run_at,
          made_at,
          exists (select from queue_listeners where not is_busy) as "is_awaited!"
        from insert_plain_job(
          $1, $2, $3, $4, $5, $6, make_interval(secs => $7), $8, make_interval(secs => $9), make_interval(secs => $10),
          $11, $12, $13, make_interval(secs => $14), false)
        "#,
        job.id,
        job.kind,
        Json(&job.args) as Json<&Map<String, Value>>,
        job.queue,
        job.priority,
        job.run_at,
        seconds(job.delay),
        job.max_attempts,
        seconds(job.soft_timeout),
        seconds(job.hard_timeout),
        job.execution_id,
        &job.tags,
        job.metadata.as_ref().map(Json) as Option<Json<&Map<String, Value>>>,
        seconds(job.retain),
    )
    .fetch_one(executor)
    .await?;
    let (Some(id), Some(queue), Some(priority)) = (row.made_id, row.queue, row.priority) else {
        return Ok(None);
    };
    let (Some(max_attempts), Some(run_at)) = (row.max_attempts, row.run_at) else { return Ok(None) };
    Ok(Some(Enqueued {
        id,
        outcome: InsertOutcome::Created,
        queue,
        priority,
        max_attempts,
        run_at,
        created_at: row.made_at,
        state: JobState::Available,
        concurrency_keys: Vec::new(),
        fair_key: None,
        expires_at: None,
        is_awaited: row.is_awaited,
    }))
}

async fn insert(
    executor: impl PgExecutor<'_>,
    jobs: &[impl Borrow<PreparedJob>],
    strict_kinds: bool,
    wait: bool,
) -> Result<Vec<Enqueued>> {
    // Only lent: thousands of jobs would be copied.
    fn column<'j, T>(jobs: &'j [impl Borrow<PreparedJob>], field: impl Fn(&'j PreparedJob) -> T) -> Vec<T> {
        jobs.iter().map(|job| field(job.borrow())).collect()
    }
    let rows = sqlx::query!(
        r#"
        select
          id as "id!",
          outcome as "outcome!",
          queue as "queue!",
          priority as "priority!",
          max_attempts as "max_attempts!",
          run_at as "run_at!",
          created_at,
          state as "state: JobState",
          concurrency_keys,
          fair_key,
          expires_at
        from insert_jobs($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
        order by ord
        "#,
        &column(jobs, |job| job.id),
        &column(jobs, |job| job.kind.as_str()) as &[&str],
        &column(jobs, |job| Json(&job.args)) as &[Json<&Map<String, Value>>],
        &column(jobs, |job| job.queue.as_deref()) as &[Option<&str>],
        &column(jobs, |job| job.priority) as &[Option<i16>],
        &column(jobs, |job| job.run_at) as &[Option<DateTime<Utc>>],
        &column(jobs, |job| job.delay.map(|delay| delay.as_secs_f64())) as &[Option<f64>],
        &column(jobs, |job| job.max_attempts) as &[Option<i32>],
        &column(jobs, |job| job.soft_timeout.map(|timeout| timeout.as_secs_f64())) as &[Option<f64>],
        &column(jobs, |job| job.hard_timeout.map(|timeout| timeout.as_secs_f64())) as &[Option<f64>],
        &column(jobs, |job| job.execution_id.as_deref()) as &[Option<&str>],
        &column(jobs, |job| (!job.tags.is_empty()).then(|| Value::from(job.tags.clone())))
            as &[Option<Value>],
        &column(jobs, |job| job.metadata.as_ref().map(Json)) as &[Option<Json<&Map<String, Value>>>],
        &column(jobs, |job| job.retain.map(|retain| retain.as_secs_f64())) as &[Option<f64>],
        strict_kinds,
        &column(jobs, PreparedJob::options) as &[Option<Value>],
        wait,
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Enqueued {
                id: row.id,
                outcome: InsertOutcome::decode(&row.outcome)?,
                queue: row.queue,
                priority: row.priority,
                max_attempts: row.max_attempts,
                run_at: row.run_at,
                created_at: row.created_at,
                state: row.state.unwrap_or(JobState::Available),
                concurrency_keys: row.concurrency_keys.unwrap_or_default(),
                fair_key: row.fair_key,
                expires_at: row.expires_at,
                is_awaited: true,
            })
        })
        .collect()
}

/// As [`enqueue_at_once`], but a job with a value that the database refuses is answered as its own error and
/// the others are stored. For a connection in a transaction.
///
/// # Errors
/// When the database fails; then the transaction is aborted.
pub async fn enqueue_apart(
    mut connection: Connection<'_>,
    jobs: &[PreparedJob],
    strict_kinds: bool,
) -> Result<Vec<Result<Enqueued>>> {
    let mut savepoint = connection.savepoint().await?;
    match enqueue_at_once(savepoint.connection(), jobs, strict_kinds).await {
        Ok(enqueued) => {
            savepoint.commit().await?;
            Ok(enqueued.into_iter().map(Ok).collect())
        }
        Err(error) if error.blames_a_value() && jobs.len() == 1 => {
            savepoint.rollback().await?;
            Ok(vec![Err(error)])
        }
        Err(error) if error.blames_a_value() => {
            savepoint.rollback().await?;
            let (first, second) = jobs.split_at(jobs.len() / 2);
            let mut all = Box::pin(enqueue_apart(connection.reborrow(), first, strict_kinds)).await?;
            all.extend(Box::pin(enqueue_apart(connection, second, strict_kinds)).await?);
            Ok(all)
        }
        Err(error) => Err(error),
    }
}

/// Enqueues one job through any executor, also `&mut *transaction`: it commits or rolls back with it, and
/// workers are notified when it commits. `store` says where Tidemill's tables are, and encrypts the args if
/// encryption is configured; none of its connections is used. Returns the job's id, or that of the job with
/// the same unique key.
///
/// # Errors
/// When the database fails or refuses the job (a draining or full queue, a taken execution id, a unique key that
/// another job has and `OnConflict::Reject`).
///
/// # Examples
///
/// ```no_run
/// # async fn example(pool: sqlx::PgPool, store: tidemill::Store) -> Result<(), Box<dyn std::error::Error>> {
/// use tidemill::{NewJob, enqueue_in};
///
/// let mut transaction = pool.begin().await?;
/// sqlx::query("insert into orders (id) values (42)").execute(&mut *transaction).await?;
/// let args = serde_json::Map::from_iter([("order".to_owned(), 42.into())]);
/// let id = enqueue_in(&mut *transaction, &store, &NewJob::new("pack", args)).await?;
/// // Neither the order nor the job exists before this, and a rollback leaves neither.
/// transaction.commit().await?;
/// # Ok(()) }
/// ```
pub async fn enqueue_in(executor: impl PgExecutor<'_>, store: &Store, job: &NewJob) -> Result<Uuid> {
    enqueue_prepared_in(executor, store, &store.prepare_inline(job.clone())?).await
}

/// As [`enqueue_in`], for a job that was prepared earlier: its args may be in object storage.
///
/// # Errors
/// As [`enqueue_in`].
pub async fn enqueue_prepared_in(
    executor: impl PgExecutor<'_>,
    store: &Store,
    job: &PreparedJob,
) -> Result<Uuid> {
    let schema = store.options().schema.replace('"', "\"\"");
    let statement = AssertSqlSafe(format!("select id from \"{schema}\".enqueue_many($1) as id"));
    let mut spec = job.to_spec();
    spec.insert("id".into(), job.id.to_string().into());
    Ok(sqlx::query_scalar(statement).bind(serde_json::json!([spec])).fetch_one(executor).await?)
}
