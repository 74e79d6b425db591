//! Signals: named messages to jobs, which wait for them without a slot. The first signal of a name
//! counts, even if it arrived before the job waited.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::job::document::micros;
use crate::store::db::lossy_json::Readable;
use crate::store::words::{Words, words};
use crate::store::{Result, Store};

words! {
    /// What became of a signal.
    pub enum SignalOutcome, "the outcome of a signal" {
        /// It is stored, and a job that waits for it continues.
        Delivered = "delivered",
        /// One of its name came, or timed out, before.
        Ignored = "ignored",
        /// The job had completed.
        Completed = "completed",
        /// The job had failed.
        Failed = "failed",
        /// The job had been cancelled.
        Cancelled = "cancelled",
    }
}

/// A signal that arrived or timed out.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SignalRecord {
    /// Its name.
    pub name: String,
    /// Its payload.
    pub payload: Option<Value>,
    /// True if no signal arrived in time.
    pub timed_out: bool,
    /// The time of its arrival or timeout.
    #[serde(serialize_with = "micros")]
    pub sent_at: DateTime<Utc>,
    /// Its sender.
    pub sent_by: Option<String>,
}

impl Store {
    /// Sends a signal; `None` if there is no such job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn signal(
        &self,
        job_id: Uuid,
        name: &str,
        payload: Option<&Value>,
        by: &str,
    ) -> Result<Option<SignalOutcome>> {
        let word = sqlx::query_scalar!("select signal($1, $2, $3, $4)", job_id, name, payload, by)
            .fetch_one(self.pool())
            .await?;
        SignalOutcome::decode_some(word)
    }

    /// The signals of a job, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn signals(&self, job_id: Uuid) -> Result<Vec<SignalRecord>> {
        self.signals_named(job_id, None).await
    }

    /// How many signals a job has.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_signals(&self, job_id: Uuid) -> Result<i64> {
        let count =
            sqlx::query_scalar!(r#"select count(*) as "count!" from signals where job_id = $1"#, job_id);
        Ok(count.fetch_one(self.pool()).await?)
    }

    /// As [`Store::signals`]; with a name only the signal of that name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn signals_named(&self, job_id: Uuid, name: Option<&str>) -> Result<Vec<SignalRecord>> {
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
              and ($2::text is null or name = $2)
            order by sent_at, name
            limit 10000
            "#,
            job_id,
            name
        )
        .fetch_all(self.pool())
        .await?)
    }
}
