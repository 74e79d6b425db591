//! The rows behind job documents: one list of columns for every verb that shows jobs.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::job::document::{JobDocument, Links, Progress};
use crate::job::state::JobState;
use crate::store::db::lossy_json::Readable;

/// A row of the view `job_documents`.
#[derive(Debug)]
pub(crate) struct DocumentRow {
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    pub(crate) queue: String,
    pub(crate) state: JobState,
    pub(crate) status: String,
    pub(crate) priority: i16,
    pub(crate) args: Value,
    pub(crate) result: Option<Readable>,
    pub(crate) error: Option<Readable>,
    pub(crate) attempt: i32,
    pub(crate) max_attempts: i32,
    pub(crate) run_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
    pub(crate) execution_id: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) metadata: Option<Readable>,
    pub(crate) worker_id: Option<String>,
    pub(crate) cancel_requested_at: Option<DateTime<Utc>>,
    pub(crate) concurrency_keys: Option<Vec<String>>,
    pub(crate) fair_key: Option<String>,
    pub(crate) owner: Option<String>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) workflow_id: Option<Uuid>,
    pub(crate) percent: Option<f32>,
    pub(crate) step: Option<String>,
    pub(crate) progress_data: Option<Readable>,
    pub(crate) last_seq: Option<i64>,
    pub(crate) progress_at: Option<DateTime<Utc>>,
}

/// Selects documents; the condition and order are the caller's.
macro_rules! documents {
    ($rest:literal $(+ $more:literal)* $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            DocumentRow,
            r#"
            select
              id as "id!",
              kind as "kind!",
              queue as "queue!",
              state as "state!: crate::job::state::JobState",
              status as "status!",
              priority as "priority!",
              args as "args!: Readable",
              result as "result: Readable",
              error as "error: Readable",
              attempt as "attempt!",
              max_attempts as "max_attempts!",
              nullif(coalesce(nullif(run_at, 'infinity'), due_at), 'infinity') as run_at,
              created_at as "created_at!",
              started_at,
              finished_at,
              execution_id,
              array_remove(tags, null) as "tags!",
              metadata as "metadata: Readable",
              coalesce(worker_id, last_worker_id) as worker_id,
              cancel_requested_at,
              array_remove(concurrency_keys, null) as concurrency_keys,
              fair_key,
              owner,
              case when expires_at < '10000-01-01 00:00+00' then expires_at end as expires_at,
              workflow_id,
              percent,
              step,
              progress_data as "progress_data: Readable",
              last_seq,
              progress_at
            from job_documents
            "# + $rest $(+ $more)*
            $(, $argument)*
        )
    };
}
pub(crate) use documents;

impl From<DocumentRow> for JobDocument {
    fn from(row: DocumentRow) -> Self {
        let progress = row.progress_at.map(|updated_at| Progress {
            percent: row.percent,
            step: row.step,
            data: row.progress_data.map(Into::into),
            seq: row.last_seq.unwrap_or(0),
            updated_at,
        });
        Self {
            links: Links::of(row.id),
            id: row.id,
            kind: row.kind,
            queue: row.queue,
            state: row.state,
            status: row.status,
            priority: row.priority,
            args: row.args,
            result: row.result.map(Into::into),
            error: row.error.map(Into::into),
            attempt: row.attempt,
            max_attempts: row.max_attempts,
            run_at: row.run_at,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            execution_id: row.execution_id,
            tags: row.tags,
            metadata: row.metadata.map(Into::into),
            progress,
            worker_id: row.worker_id,
            cancel_requested_at: row.cancel_requested_at,
            concurrency_keys: row.concurrency_keys.unwrap_or_default(),
            fair_key: row.fair_key,
            owner: row.owner,
            expires_at: row.expires_at,
            workflow_id: row.workflow_id,
            last_seq: row.last_seq.unwrap_or(0),
        }
    }
}
