//! The rows behind job documents: one list of columns for every verb that shows jobs.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::readable::Readable;
use crate::job::document::{JobDocument, Links, Progress};
use crate::job::state::JobState;

/// A row of the view `job_documents`.
#[derive(Debug)]
pub(super) struct DocumentRow {
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) queue: String,
    pub(super) state: JobState,
    pub(super) status: String,
    pub(super) priority: i16,
    pub(super) args: Value,
    pub(super) result: Option<Readable>,
    pub(super) error: Option<Readable>,
    pub(super) attempt: i32,
    pub(super) max_attempts: i32,
    pub(super) run_at: Option<DateTime<Utc>>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) started_at: Option<DateTime<Utc>>,
    pub(super) finished_at: Option<DateTime<Utc>>,
    pub(super) execution_id: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) metadata: Option<Readable>,
    pub(super) worker_id: Option<String>,
    pub(super) cancel_requested_at: Option<DateTime<Utc>>,
    pub(super) concurrency_keys: Option<Vec<String>>,
    pub(super) fair_key: Option<String>,
    pub(super) expires_at: Option<DateTime<Utc>>,
    pub(super) workflow_id: Option<Uuid>,
    pub(super) percent: Option<f32>,
    pub(super) step: Option<String>,
    pub(super) progress_data: Option<Readable>,
    pub(super) last_seq: Option<i64>,
    pub(super) progress_at: Option<DateTime<Utc>>,
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
              args as "args!: super::readable::Readable",
              result as "result: super::readable::Readable",
              error as "error: super::readable::Readable",
              attempt as "attempt!",
              max_attempts as "max_attempts!",
              nullif(coalesce(nullif(run_at, 'infinity'), due_at), 'infinity') as run_at,
              created_at as "created_at!",
              started_at,
              finished_at,
              execution_id,
              array_remove(tags, null) as "tags!",
              metadata as "metadata: super::readable::Readable",
              coalesce(worker_id, last_worker_id) as worker_id,
              cancel_requested_at,
              array_remove(concurrency_keys, null) as concurrency_keys,
              fair_key,
              case when expires_at < '10000-01-01 00:00+00' then expires_at end as expires_at,
              workflow_id,
              percent,
              step,
              progress_data as "progress_data: super::readable::Readable",
              last_seq,
              progress_at
            from job_documents
            "# + $rest $(+ $more)*
            $(, $argument)*
        )
    };
}
pub(super) use documents;

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
            expires_at: row.expires_at,
            workflow_id: row.workflow_id,
            last_seq: row.last_seq.unwrap_or(0),
        }
    }
}
