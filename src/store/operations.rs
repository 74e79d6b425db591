//! Operations: actions on all jobs that match a filter, carried out in batches. The SQL functions of
//! `migrations/functions/operations` have the actions; nothing here decides which jobs match.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::db::connection::Connection;
use super::{Result, Store};
use crate::job::document::{micros, micros_or_null};

/// The most skipped and failed jobs that a report names.
const NAMED: i64 = 100;
/// The most operations that one poll returns as due.
const AT_ONCE: i64 = 10;

/// What to do with all jobs that match.
#[derive(Debug, Clone)]
pub struct NewOperation<'a> {
    /// `cancel`, `retry`, `run_now`, `delete`, `set_priority` or `move`.
    pub action: &'a str,
    /// The filter in the format of the SQL function `job_filter`.
    pub filter: &'a Value,
    /// The queue for moved, perhaps for retried jobs.
    pub queue: Option<&'a str>,
    /// The priority that `set_priority` gives.
    pub priority: Option<i16>,
    /// The most jobs in a time, such as `200/min`.
    pub rate: Option<&'a str>,
}

/// What an operation would do.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OperationPreview {
    /// The number of jobs on which it would act.
    pub matched: i32,
    /// The number of jobs that it would leave as they are, by reason.
    #[schema(value_type = std::collections::BTreeMap<String, i64>)]
    pub skipped: Value,
    /// The ids of the first jobs on which it would act, at most 20.
    pub sample: Vec<Uuid>,
    /// False if there is more to look at: one call looks at 100,000 jobs that match, and for a fifth of a
    /// second, at most. The numbers are of what it saw.
    pub complete: bool,
    /// The last job that it looked at, for a call that goes on after it; null if it is complete.
    pub looked_to: Option<Uuid>,
}

/// An operation with its report.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OperationDocument {
    /// Its id.
    pub id: Uuid,
    /// `cancel`, `retry`, `run_now`, `delete`, `set_priority`, `move` or `undo`.
    pub action: String,
    /// The filter; only jobs that were enqueued before the operation match.
    #[schema(value_type = std::collections::BTreeMap<String, Value>)]
    pub filter: Value,
    /// The queue into which `move`, and perhaps `retry`, puts the jobs.
    pub queue: Option<String>,
    /// The priority that `set_priority` gives.
    pub priority: Option<i16>,
    /// The most jobs in a time, such as `200/min`; null: as fast as it goes.
    pub rate: Option<String>,
    /// The author.
    pub who: String,
    /// `running`, `done` or `cancelled`.
    pub state: String,
    /// When it was started.
    #[serde(serialize_with = "micros")]
    pub created_at: DateTime<Utc>,
    /// When it ended.
    #[serde(serialize_with = "micros_or_null")]
    pub ended_at: Option<DateTime<Utc>>,
    /// The number of jobs on which it could act at its start; null: more than could be counted soon.
    pub expected: Option<i32>,
    /// The number of jobs on which it acted.
    pub done: i32,
    /// The number of jobs that it left as they were, by reason.
    #[schema(value_type = std::collections::BTreeMap<String, i64>)]
    pub skipped: Value,
    /// The number of jobs on which the action failed.
    pub failed: i32,
    /// Why the last batch could not be carried out; it is tried again. Null if it could.
    pub problem: Option<String>,
    /// The operation that this one undoes.
    pub undoes: Option<Uuid>,
    /// The operation that undoes this one.
    pub undone_by: Option<Uuid>,
    /// True if it can be undone now.
    pub can_be_undone: bool,
}

/// A job that an operation left as it was.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OperationJob {
    /// The job.
    pub job_id: Uuid,
    /// `skipped` or `failed`.
    pub outcome: String,
    /// The reason.
    pub reason: Option<String>,
    /// When it was looked at.
    #[serde(serialize_with = "micros")]
    pub at: DateTime<Utc>,
}

/// Operations: the one of an id, or those before another.
macro_rules! operations {
    ($id:expr, $before:expr, $limit:expr) => {
        sqlx::query_as!(
            OperationDocument,
            r#"
            select
              id as "id!",
              action as "action!",
              filter as "filter!",
              queue,
              priority,
              rate,
              who as "who!",
              state as "state!",
              created_at as "created_at!",
              ended_at,
              expected,
              done as "done!",
              skipped as "skipped!",
              failed as "failed!",
              problem,
              undoes,
              undone_by,
              can_be_undone as "can_be_undone!"
            from operation_status
            where ($1::uuid is null or id = $1)
              and ($2::uuid is null or id < $2)
            order by id desc
            limit $3
            "#,
            $id as Option<Uuid>,
            $before as Option<Uuid>,
            $limit,
        )
    };
}

impl Store {
    /// Counts what an operation would do to the jobs after `after`, and changes nothing.
    ///
    /// # Errors
    /// When the database fails or refuses the filter.
    pub async fn preview_operation(
        &self,
        operation: &NewOperation<'_>,
        after: Option<Uuid>,
    ) -> Result<OperationPreview> {
        Ok(sqlx::query_as!(
            OperationPreview,
            r#"
            select
              matched as "matched!",
              skipped as "skipped!",
              sample as "sample!",
              complete as "complete!",
              looked_to
            from preview_operation($1, $2, $3, $4, $5)
            "#,
            operation.action,
            operation.filter,
            operation.queue,
            operation.priority,
            after,
        )
        .fetch_one(self.pool())
        .await?)
    }

    /// One operation.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn operation(&self, id: Uuid) -> Result<Option<OperationDocument>> {
        Ok(operations!(Some(id), None::<Uuid>, 1_i64).fetch_optional(self.pool()).await?)
    }

    /// Operations with smaller ids than `before`, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn operations(&self, before: Option<Uuid>, limit: i64) -> Result<Vec<OperationDocument>> {
        Ok(operations!(None::<Uuid>, before, limit).fetch_all(self.pool()).await?)
    }

    /// The first jobs that an operation skipped or on which it failed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn operation_jobs(&self, id: Uuid) -> Result<Vec<OperationJob>> {
        Ok(sqlx::query_as!(
            OperationJob,
            r#"
            select
              job_id,
              outcome,
              reason,
              at
            from operation_jobs
            where operation_id = $1
              and outcome <> 'done'
            order by job_id
            limit $2
            "#,
            id,
            NAMED,
        )
        .fetch_all(self.pool())
        .await?)
    }

    /// Stops an operation after its present batch; false if there is none of this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel_operation(&self, id: Uuid, by: &str) -> Result<bool> {
        let state = sqlx::query_scalar!("select cancel_operation($1, $2)", id, by).fetch_one(self.pool());
        Ok(state.await?.is_some())
    }

    /// Starts the operation that undoes another; returns its id, `None` if there is no other of this id.
    ///
    /// # Errors
    /// When the database fails or the operation cannot be undone.
    pub async fn undo_operation(&self, id: Uuid, rate: Option<&str>, by: &str) -> Result<Option<Uuid>> {
        let made = sqlx::query_scalar!("select undo_operation($1, $2, $3)", id, rate as Option<&str>, by);
        Ok(made.fetch_one(self.pool()).await?)
    }

    /// The operations whose next batch is due.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn due_operations(&self) -> Result<Vec<Uuid>> {
        Ok(sqlx::query_scalar!(
            r#"
            select id
            from operations
            where state = 'running'
              and due_at <= clock_timestamp()
            order by due_at
            limit $1
            "#,
            AT_ONCE
        )
        .fetch_all(self.pool())
        .await?)
    }

    /// Carries out the next batch of an operation; returns the number of jobs that it looked at, `None` if
    /// another process does or nothing is due.
    ///
    /// # Errors
    /// When the database fails; the batch is then not done at all.
    pub async fn step_operation(&self, id: Uuid) -> Result<Option<i32>> {
        Ok(sqlx::query_scalar!("select step_operation($1)", id).fetch_one(self.pool()).await?)
    }

    /// Records why a batch could not be carried out, and puts the next try off a little.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delay_operation(&self, id: Uuid, problem: &str) -> Result<()> {
        sqlx::query!("select delay_operation($1, $2)", id, problem).execute(self.pool()).await?;
        Ok(())
    }
}

/// One operation, as the transaction of the caller's connection sees it.
///
/// # Errors
/// When the database fails.
pub async fn find_operation(connection: Connection<'_>, id: Uuid) -> Result<Option<OperationDocument>> {
    Ok(operations!(Some(id), None::<Uuid>, 1_i64).fetch_optional(connection).await?)
}

/// Starts an operation on the caller's connection; returns its id.
///
/// # Errors
/// When the database fails or refuses the filter.
pub async fn start_operation(
    connection: Connection<'_>,
    operation: &NewOperation<'_>,
    by: &str,
) -> Result<Uuid> {
    Ok(sqlx::query_scalar!(
        r#"select start_operation($1, $2, $3, $4, $5, $6) as "id!""#,
        operation.action,
        operation.filter,
        operation.queue,
        operation.priority,
        operation.rate,
        by,
    )
    .fetch_one(connection)
    .await?)
}
