//! Enqueue: writes new jobs, many in one statement, or one in the caller's own transaction. Answers
//! only after the commit, unless the transaction is the caller's; sends no notification itself.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgExecutor};
use uuid::Uuid;

use super::prepared::PreparedJob;
use crate::job::document::{JobDocument, Links};
use crate::job::new::NewJob;
use crate::job::state::JobState;
use crate::store::db::connection::Line;
use crate::store::{Result, Store};

/// What became of one wished job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is stored.
    Created,
    /// Another job has its unique key; that one's id is the answer.
    Existing,
    /// As [`Fate::Existing`], and fields of that job are replaced.
    Replaced,
    /// As [`Fate::Existing`], and it shall be refused then.
    Conflict,
    /// Its execution id belongs to another job.
    ExecutionIdTaken,
    /// Its queue takes no new jobs.
    QueueDraining,
    /// As many jobs of its queue wait as may.
    QueueFull,
    /// Somebody's open transaction holds the room of its queue, and nobody waited for that.
    QueueBusy,
    /// Nothing serves its kind and `strict_kinds` is on.
    UnknownKind,
    /// Its kind is one of Tidemill's own.
    ReservedKind,
    /// It waits for a job that is not there.
    UnknownParent,
}

impl Fate {
    /// What the word of `insert_jobs` means.
    fn of(word: &str) -> Self {
        match word {
            "created" => Self::Created,
            "existing" => Self::Existing,
            "replaced" => Self::Replaced,
            "conflict" => Self::Conflict,
            "queue_draining" => Self::QueueDraining,
            "queue_full" => Self::QueueFull,
            "queue_busy" => Self::QueueBusy,
            "unknown_kind" => Self::UnknownKind,
            "reserved_kind" => Self::ReservedKind,
            "unknown_parent" => Self::UnknownParent,
            _ => Self::ExecutionIdTaken,
        }
    }
}

/// A wished job after the database judged it.
#[derive(Debug, Clone)]
pub struct Enqueued {
    /// The id of the wish; of the existing job where that is its fate.
    pub id: Uuid,
    /// What became of it.
    pub fate: Fate,
    /// The queue that it went to, or would have gone to.
    pub queue: String,
    /// Its priority.
    pub priority: i16,
    /// How many attempts it has.
    pub max_attempts: i32,
    /// Not claimed before.
    pub run_at: DateTime<Utc>,
    /// When it was stored, if it was.
    pub created_at: Option<DateTime<Utc>>,
    /// Its state, if it was stored.
    pub state: JobState,
    /// The limits that it counts for.
    pub concurrency_keys: Vec<String>,
    /// Whose job it is.
    pub fair_key: Option<String>,
    /// Cancelled if it was not started by then.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Enqueued {
    /// The document of the new job: what was wished and what the database decided.
    #[must_use]
    pub fn document(&self, wish: NewJob) -> JobDocument {
        let created_at = self.created_at.unwrap_or(self.run_at);
        let held = !wish.after.is_empty();
        let status = if self.run_at > created_at && !held { "scheduled" } else { self.state.word() };
        JobDocument {
            id: self.id,
            kind: wish.kind,
            queue: self.queue.clone(),
            state: self.state,
            status: status.to_owned(),
            priority: self.priority,
            args: Value::Object(wish.args),
            result: None,
            error: None,
            attempt: 0,
            max_attempts: self.max_attempts,
            run_at: (!held).then_some(self.run_at),
            created_at,
            started_at: None,
            finished_at: None,
            execution_id: wish.execution_id,
            tags: wish.tags,
            metadata: wish.metadata.map(Value::Object),
            progress: None,
            worker_id: None,
            cancel_requested_at: None,
            concurrency_keys: self.concurrency_keys.clone(),
            fair_key: self.fair_key.clone(),
            expires_at: self.expires_at,
            workflow_id: None,
            links: Links::of(self.id),
            last_seq: 0,
        }
    }
}

/// Stores `jobs` in one statement and answers in their order. Waits for whoever takes room in the same bounded
/// queues until that transaction ends.
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

/// As [`enqueue`], but waits for no room: such a job is [`Fate::QueueBusy`] and the others are stored.
///
/// # Errors
/// As [`enqueue`].
pub async fn enqueue_at_once(
    executor: impl PgExecutor<'_>,
    jobs: &[PreparedJob],
    strict_kinds: bool,
) -> Result<Vec<Enqueued>> {
    insert(executor, jobs, strict_kinds, false).await
}

async fn insert(
    executor: impl PgExecutor<'_>,
    jobs: &[PreparedJob],
    strict_kinds: bool,
    wait: bool,
) -> Result<Vec<Enqueued>> {
    fn column<T>(jobs: &[PreparedJob], field: impl Fn(&PreparedJob) -> T) -> Vec<T> {
        jobs.iter().map(field).collect()
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
        &column(jobs, |job| job.kind.clone()),
        &column(jobs, |job| Value::Object(job.args.clone())),
        &column(jobs, |job| job.queue.clone()) as &[Option<String>],
        &column(jobs, |job| job.priority) as &[Option<i16>],
        &column(jobs, |job| job.run_at) as &[Option<DateTime<Utc>>],
        &column(jobs, |job| job.delay.map(|delay| delay.as_secs_f64())) as &[Option<f64>],
        &column(jobs, |job| job.max_attempts) as &[Option<i32>],
        &column(jobs, |job| job.soft_timeout.map(|timeout| timeout.as_secs_f64())) as &[Option<f64>],
        &column(jobs, |job| job.hard_timeout.map(|timeout| timeout.as_secs_f64())) as &[Option<f64>],
        &column(jobs, |job| job.execution_id.clone()) as &[Option<String>],
        &column(jobs, |job| (!job.tags.is_empty()).then(|| Value::from(job.tags.clone())))
            as &[Option<Value>],
        &column(jobs, |job| job.metadata.clone().map(Value::Object)) as &[Option<Value>],
        &column(jobs, |job| job.retain.map(|retain| retain.as_secs_f64())) as &[Option<f64>],
        strict_kinds,
        &column(jobs, PreparedJob::options) as &[Option<Value>],
        wait,
    )
    .fetch_all(executor)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Enqueued {
            id: row.id,
            fate: Fate::of(&row.outcome),
            queue: row.queue,
            priority: row.priority,
            max_attempts: row.max_attempts,
            run_at: row.run_at,
            created_at: row.created_at,
            state: row.state.unwrap_or(JobState::Available),
            concurrency_keys: row.concurrency_keys.unwrap_or_default(),
            fair_key: row.fair_key,
            expires_at: row.expires_at,
        })
        .collect())
}

/// As [`enqueue_at_once`], but a job with a value that the database refuses is answered as its own error and
/// the others are stored. For a line in a transaction.
///
/// # Errors
/// When the database fails; then the transaction is void.
pub async fn enqueue_apart(
    mut line: Line<'_>,
    jobs: &[PreparedJob],
    strict_kinds: bool,
) -> Result<Vec<Result<Enqueued>>> {
    let mut savepoint = line.savepoint().await?;
    match enqueue_at_once(savepoint.line(), jobs, strict_kinds).await {
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
            let mut all = Box::pin(enqueue_apart(line.again(), first, strict_kinds)).await?;
            all.extend(Box::pin(enqueue_apart(line, second, strict_kinds)).await?);
            Ok(all)
        }
        Err(error) => Err(error),
    }
}

/// Enqueues one job through any executor, also `&mut *transaction`: it commits or vanishes with it,
/// and workers are woken when it commits. `store` says where Tidemill's tables are, and seals the args where args are
/// sealed; none of its connections is used. Answers the job's id, or that of the job that has its unique key.
///
/// # Errors
/// When the database fails or refuses the job (a draining or full queue, a taken execution id, a unique key that
/// another job has and `OnConflict::Reject`).
pub async fn enqueue_in(executor: impl PgExecutor<'_>, store: &Store, job: &NewJob) -> Result<Uuid> {
    enqueue_prepared_in(executor, store, &store.prepare_inline(job.clone())?).await
}

/// As [`enqueue_in`], for a job that was prepared before: its args may lie in the storage.
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
    Ok(sqlx::query_scalar(statement).bind(serde_json::json!([job.wish()])).fetch_one(executor).await?)
}
