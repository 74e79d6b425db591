//! Explain: why a job is not running, and when it may start. The SQL function `explain` finds the
//! reasons.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::job::document::micros_or_null;
use crate::store::db::lossy_json::Details;
use crate::store::{Result, Store};

/// One reason why a job is not running.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Reason {
    /// The code for programs: `not_due`, `queue_paused`, `limit_full` and so on.
    pub code: String,
    /// The message for a person.
    pub message: String,
    /// The time until which the reason holds, if that is known.
    #[serde(serialize_with = "micros_or_null")]
    pub until: Option<DateTime<Utc>>,
    /// Further fields of the code.
    #[schema(value_type = Object)]
    pub details: Value,
}

/// Why a job is not running, and when it may start.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Explanation {
    /// The job.
    pub job_id: Uuid,
    /// The reasons, in the order in which to address them.
    pub reasons: Vec<Reason>,
    /// An estimate of its start; null if it is unknown, or if someone has to act first.
    #[serde(serialize_with = "micros_or_null")]
    pub expected_start_at: Option<DateTime<Utc>>,
    /// The basis of the estimate.
    pub based_on: Option<String>,
}

impl Store {
    /// Explains why a job is not running; `None` if there is no such job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn explain(&self, job_id: Uuid) -> Result<Option<Explanation>> {
        let reasons = sqlx::query_as!(
            Reason,
            r#"
            select
              code as "code!",
              message as "message!",
              until,
              coalesce(details, '{}') as "details!: Details"
            from explain($1)
            order by ord
            "#,
            job_id,
        )
        .fetch_all(self.pool())
        .await?;
        if reasons.is_empty() && self.find_job(job_id).await?.is_none() {
            return Ok(None);
        }
        let start = sqlx::query!("select at, based_on from expected_start($1)", job_id)
            .fetch_one(self.pool())
            .await?;
        Ok(Some(Explanation { job_id, reasons, expected_start_at: start.at, based_on: start.based_on }))
    }
}
