//! Failures: the causes of failed attempts, one row per cause, and the counting of new failures.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::job::document::micros;
use crate::store::{Result, Store};

/// So many failures are counted in one transaction.
const BATCH: i32 = 5_000;

/// What attempts failed of.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Cause {
    /// Hash of kind, class and message without what differs from case to case.
    pub fingerprint: String,
    /// Kind of the jobs.
    pub kind: String,
    /// Class of the error.
    #[serde(rename = "type")]
    pub class: Option<String>,
    /// Message of the last failure, at most 200 characters.
    pub message: String,
    /// How many attempts failed of it.
    pub failures: i64,
    /// The first of them.
    #[serde(serialize_with = "micros")]
    pub first_at: DateTime<Utc>,
    /// The last of them.
    #[serde(serialize_with = "micros")]
    pub last_at: DateTime<Utc>,
    /// A job to look at.
    pub last_job_id: Option<Uuid>,
}

impl Store {
    /// The causes of failures, those that came last first.
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

    /// Counts all failures that are new into their causes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn fold_failures(&self) -> Result<()> {
        loop {
            let folded: i32 = sqlx::query_scalar!(r#"select fold_failures($1) as "folded!""#, BATCH)
                .fetch_one(self.pool())
                .await?;
            if folded < BATCH {
                return Ok(());
            }
        }
    }
}
