//! Sweep: takes back jobs whose lease expired or whose deadline passed. The SQL function of the
//! same name decides, on locked rows; any process can sweep at any time.

use std::time::Duration;

use uuid::Uuid;

use crate::store::{Result, Store};

/// A job that was taken back.
#[derive(Debug, Clone)]
pub struct Swept {
    pub job_id: Uuid,
    /// Its new state; `None` if its worker ended it first.
    pub state: Option<String>,
    /// `lease_expired` or `deadline_passed`.
    pub reason: String,
}

impl Store {
    /// Records that this process sweeps, and will again after `every`, so that a time without sweeps is not
    /// taken for the silence of a worker.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_sweep(&self, every: Duration) -> Result<()> {
        // Without waiting for the disk: a write lost in a crash only makes the following pause longer.
        sqlx::query!("select note_sweep(make_interval(secs => $1))", every.as_secs_f64())
            .execute(self.claims())
            .await?;
        Ok(())
    }

    /// Whether an attempt is past its deadline.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_overdue(&self) -> Result<bool> {
        let overdue = sqlx::query_scalar!(
            r#"select exists (select from running where deadline_at < clock_timestamp()) as "overdue!""#
        );
        Ok(overdue.fetch_one(self.pool()).await?)
    }

    /// Sweeps once, up to 500 jobs.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sweep(&self) -> Result<Vec<Swept>> {
        let swept = sqlx::query_as!(
            Swept,
            r#"select job_id as "job_id!", state, reason as "reason!" from sweep(500)"#,
        )
        .fetch_all(self.pool())
        .await?;
        Ok(swept)
    }
}
