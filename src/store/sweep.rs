//! Sweep: takes back jobs whose lease expired or whose deadline passed. The judgement is in the SQL
//! function of the same name, on locked rows; any process may sweep at any time.

use uuid::Uuid;

use super::{Result, Store};

/// A job that was taken back.
#[derive(Debug, Clone)]
pub struct Swept {
    pub job_id: Uuid,
    /// Its new state; `None` if its worker was faster.
    pub state: Option<String>,
    /// `lease_expired` or `deadline_passed`.
    pub reason: String,
}

impl Store {
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
