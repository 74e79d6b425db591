//! Signals: named messages to jobs, which wait for them without a slot. The first signal of a name
//! counts, even if it arrived before the job waited.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::job::document::micros;
use crate::store::db::lossy_json::Readable;
use crate::store::{Result, Store};

/// A signal that came, or was given up.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SignalRecord {
    /// Its name.
    pub name: String,
    /// What it says.
    pub payload: Option<Value>,
    /// True if none came in time.
    pub timed_out: bool,
    /// When it came, or was given up.
    #[serde(serialize_with = "micros")]
    pub sent_at: DateTime<Utc>,
    /// Who sent it.
    pub sent_by: Option<String>,
}

impl Store {
    /// Sends a signal: answers `delivered`, `ignored`, the state of a job that has ended, or `None` if there is no such
    /// job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn signal(
        &self,
        job_id: Uuid,
        name: &str,
        payload: Option<&Value>,
        by: &str,
    ) -> Result<Option<String>> {
        Ok(sqlx::query_scalar!("select signal($1, $2, $3, $4)", job_id, name, payload, by)
            .fetch_one(self.pool())
            .await?)
    }

    /// The signals of a job, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn signals(&self, job_id: Uuid) -> Result<Vec<SignalRecord>> {
        Ok(sqlx::query_as!(
            SignalRecord,
            r#"
            select
              name,
              coalesce(payload, 'null') as "payload!: Readable",
              timed_out,
              sent_at,
              sent_by
            from signals
            where job_id = $1
            order by sent_at, name
            limit 10000
            "#,
            job_id
        )
        .fetch_all(self.pool())
        .await?)
    }
}
