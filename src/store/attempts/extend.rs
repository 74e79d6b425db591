//! Extend: gives a running attempt more time. Only the holder of its lease is accepted; the SQL
//! function `extend_attempt` decides.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::store::{Result, Store};

impl Store {
    /// Extends the soft and the hard timeout of an attempt; returns the time from which the sweep would end
    /// it, `None` if the lease is lost.
    ///
    /// # Errors
    /// When the database fails; then nothing is extended.
    pub async fn extend(&self, job_id: Uuid, lease_id: Uuid, by: Duration) -> Result<Option<DateTime<Utc>>> {
        extend_in(self.writes(), job_id, lease_id, by).await
    }
}

/// As [`Store::extend`], on a connection of the caller's, also in its transaction.
///
/// # Errors
/// As [`Store::extend`].
pub async fn extend_in(
    executor: impl PgExecutor<'_>,
    job_id: Uuid,
    lease_id: Uuid,
    by: Duration,
) -> Result<Option<DateTime<Utc>>> {
    Ok(sqlx::query_scalar!(
        "select extend_attempt($1, $2, make_interval(secs => $3))",
        job_id,
        lease_id,
        by.as_secs_f64(),
    )
    .fetch_one(executor)
    .await?)
}
