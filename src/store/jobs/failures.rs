//! Failures: the causes of failed attempts, one row per cause, and the counting of new failures.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::job::document::micros;
use crate::store::{Result, Store};

/// The most failures counted in one transaction.
const BATCH: i32 = 5_000;

/// A cause of failed attempts.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Cause {
    /// Hash of kind, class and message, without the parts that differ from case to case.
    pub fingerprint: String,
    /// Kind of the jobs.
    pub kind: String,
    /// Class of the error.
    #[serde(rename = "type")]
    pub class: Option<String>,
    /// Message of the last failure, at most 200 characters.
    pub message: String,
    /// The number of attempts that failed of it.
    pub failures: i64,
    /// The time of the first of them.
    #[serde(serialize_with = "micros")]
    pub first_at: DateTime<Utc>,
    /// The time of the last of them.
    #[serde(serialize_with = "micros")]
    pub last_at: DateTime<Utc>,
    /// A job that failed of it.
    pub last_job_id: Option<Uuid>,
}

impl Store {
    /// The causes of failures, the most recent first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn failures(
        &self,
        kind: Option<&str>,
        since: Option<DateTime<Utc>>,
        limit: i64,
    ) -> Result<Vec<Cause>> {
        Ok(sqlx::query_as!(
            Cause,
            r#"
            select
              fingerprint as "fingerprint!",
              kind as "kind!",
              type as class,
              message as "message!",
              failures as "failures!",
              first_at as "first_at!",
              last_at as "last_at!",
              last_job_id
            from failures
            where ($1::text is null or kind = $1)
              and ($2::timestamptz is null or last_at >= $2)
            order by last_at desc
            limit $3
            "#,
            kind,
            since,
            limit,
        )
        .fetch_all(self.pool())
        .await?)
    }

    /// Groups all new failures by cause.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn aggregate_failures(&self) -> Result<()> {
        loop {
            let folded: i32 = sqlx::query_scalar!(r#"select aggregate_failures($1) as "folded!""#, BATCH)
                .fetch_one(self.pool())
                .await?;
            if folded < BATCH {
                return Ok(());
            }
        }
    }
}
