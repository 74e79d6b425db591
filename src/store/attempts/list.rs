//! Attempts: reads the recorded attempts of a job, with exit codes and memory.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::job::document::{micros, micros_or_null};
use crate::store::db::lossy_json::Readable;
use crate::store::{Result, Store};

/// One recorded attempt.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AttemptRecord {
    /// Ordinal of the attempt.
    pub attempt: i32,
    /// Its worker.
    pub worker_id: String,
    /// completed, failed, crashed or `timed_out`.
    pub outcome: String,
    /// message, type, permanent, backtrace.
    pub error: Option<Value>,
    /// Exit code of a command.
    pub exit_code: Option<i32>,
    /// Signal that ended a command.
    pub signal: Option<i32>,
    /// True if it ended because it ran out of memory.
    pub out_of_memory: bool,
    /// Largest resident memory, in bytes.
    pub peak_memory_bytes: Option<i64>,
    /// Hash of the cause, as in GET /failures.
    pub fingerprint: Option<String>,
    /// Its last log lines, if it failed.
    pub log_tail: Option<String>,
    /// The time when it was claimed.
    #[serde(serialize_with = "micros_or_null")]
    pub started_at: Option<DateTime<Utc>>,
    /// The time when it ended.
    #[serde(serialize_with = "micros")]
    pub finished_at: DateTime<Utc>,
}

impl Store {
    /// The recorded attempts of a job, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn attempts(&self, job_id: Uuid) -> Result<Vec<AttemptRecord>> {
        Ok(sqlx::query_as!(
            AttemptRecord,
            r#"
            select
              attempt,
              worker_id,
              outcome,
              coalesce(error, 'null') as "error!: Readable",
              exit_code,
              signal,
              out_of_memory,
              peak_memory_bytes,
              fingerprint,
              log_tail,
              started_at,
              finished_at
            from attempts
            where job_id = $1
            order by finished_at
            limit 1000
            "#,
            job_id
        )
        .fetch_all(self.pool())
        .await?)
    }
}
