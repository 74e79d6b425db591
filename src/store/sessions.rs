//! Sessions: the state of long work under a name that the caller chose, with its own retention.
//! Writes of an attempt are fenced by its lease; reads include the outcome of the job.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::postgres::types::PgInterval;
use utoipa::ToSchema;
use uuid::Uuid;

use super::attempts::steps::Held;
use super::{Result, Store};
use crate::job::document::micros;
use crate::job::new::NewJob;
use crate::job::session::SessionNote;

/// A session as shown to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionDocument {
    /// The caller's name for it.
    pub session_id: String,
    /// The job that does the work.
    pub task_id: Uuid,
    /// The site that is crawled.
    pub base_url: String,
    /// queued, starting, running, completed or failed.
    #[schema(example = "running")]
    pub status: String,
    /// The number of crawled pages.
    pub pages_crawled: i32,
    /// The number of bugs found on them.
    pub bugs_found: i32,
    /// The error of the last attempt.
    pub error: Option<String>,
    /// The time of its start.
    #[serde(serialize_with = "micros")]
    pub created_at: DateTime<Utc>,
    /// The time of the job's last report.
    #[serde(serialize_with = "micros")]
    pub updated_at: DateTime<Utc>,
    /// The time at which it expires.
    #[serde(serialize_with = "micros")]
    pub expires_at: DateTime<Utc>,
}

impl Store {
    /// Enqueues a job and creates its session in one transaction; returns the job's id.
    ///
    /// # Errors
    /// When the database fails, or refuses the job or a session of that name that another job has.
    pub async fn start_session(
        &self,
        session_id: &str,
        base_url: &str,
        job: &NewJob,
        ttl: Duration,
    ) -> Result<Uuid> {
        let wish = serde_json::Value::Object(self.prepare_inline(job.clone())?.wish());
        Ok(sqlx::query_scalar!(
            r#"select start_session($1, $2, $3, $4) as "job!""#,
            session_id,
            base_url,
            wish,
            interval(ttl)
        )
        .fetch_one(self.pool())
        .await?)
    }

    /// Stores a running attempt's report about its session; false if the lease is lost.
    ///
    /// # Errors
    /// When the database fails, or the session belongs to another job.
    pub async fn note_session(
        &self,
        (job_id, lease_id): Held,
        session_id: &str,
        note: &SessionNote,
    ) -> Result<bool> {
        Ok(sqlx::query_scalar!(
            r#"select note_session($1, $2, $3, $4, $5, $6, $7, $8, $9) as "held!""#,
            job_id,
            lease_id,
            session_id,
            note.base_url,
            note.status.word(),
            note.pages_crawled,
            note.bugs_found,
            note.error,
            interval(note.ttl)
        )
        .fetch_one(self.pool())
        .await?)
    }

    /// A session; `None` if there is none of that name, or it has expired.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn session(&self, session_id: &str) -> Result<Option<SessionDocument>> {
        Ok(sqlx::query_as!(
            SessionDocument,
            r#"
            select
              id as "session_id!",
              job_id as "task_id!",
              base_url as "base_url!",
              status as "status!",
              pages_crawled as "pages_crawled!",
              bugs_found as "bugs_found!",
              error,
              created_at as "created_at!",
              updated_at as "updated_at!",
              expires_at as "expires_at!"
            from session_status
            where id = $1
            "#,
            session_id
        )
        .fetch_optional(self.pool())
        .await?)
    }

    /// Removes a bounded number of expired sessions; returns their number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clear_sessions(&self, limit: i32) -> Result<i32> {
        Ok(sqlx::query_scalar!(r#"select clear_sessions($1) as "gone!""#, limit)
            .fetch_one(self.pool())
            .await?)
    }
}

fn interval(time: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: i64::try_from(time.as_micros()).unwrap_or(i64::MAX) }
}
