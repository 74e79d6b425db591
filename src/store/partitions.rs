//! Partitions: makes the days ahead, drops those that retention has passed, and prunes what goes
//! earlier. Never waits long for a lock: enqueue and claim come first.

use super::{Result, Store};

impl Store {
    /// Makes the partitions of the next 14 days; answers how many were new.
    ///
    /// # Errors
    /// When the database fails or a lock could not be had in half a second; try again then.
    pub async fn ensure_partitions(&self) -> Result<i32> {
        Ok(sqlx::query_scalar!(r#"select ensure_partitions(14) as "made!""#).fetch_one(self.pool()).await?)
    }

    /// Drops days of history older than the retention; answers their tables' names.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn drop_partitions(&self, retention_seconds: f64) -> Result<Vec<String>> {
        Ok(sqlx::query_scalar!(
            r#"select drop_partitions(make_interval(secs => $1)) as "dropped!""#,
            retention_seconds
        )
        .fetch_one(self.pool())
        .await?)
    }

    /// Removes one batch of what has a retention of its own; answers how many jobs.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn prune(&self) -> Result<i64> {
        Ok(sqlx::query_scalar!(r#"select prune(5000) as "pruned!""#).fetch_one(self.pool()).await?)
    }
}
