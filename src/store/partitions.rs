//! Partitions: creates the coming days, drops days past their retention, and prunes jobs with an
//! earlier one. Must never wait long for a lock: enqueue and claim come first.

use super::{Result, Store};

impl Store {
    /// Makes the partitions of the next 14 days; answers how many were new.
    ///
    /// # Errors
    /// When the database fails or a lock could not be had in half a second; try again then.
    pub async fn ensure_partitions(&self) -> Result<i32> {
        Ok(sqlx::query_scalar!(r#"select ensure_partitions(14) as "made!""#).fetch_one(self.pool()).await?)
    }

    /// Drops days of history older than the retention, each in a transaction of its own so that locks
    /// are held only for a moment; answers their tables' names.
    ///
    /// # Errors
    /// When the database fails; what was dropped before that is gone.
    pub async fn drop_partitions(&self, retention_seconds: f64) -> Result<Vec<String>> {
        let mut dropped = Vec::new();
        loop {
            let mut transaction = self.pool().begin().await?;
            // A large day has many names to forget before it can be dropped.
            sqlx::query!("set local statement_timeout = 0").execute(transaction.line()).await?;
            let day = sqlx::query_scalar!("select drop_day(make_interval(secs => $1))", retention_seconds)
                .fetch_one(transaction.line())
                .await?;
            transaction.commit().await?;
            match day {
                Some(day) => dropped.push(day),
                None => return Ok(dropped),
            }
        }
    }

    /// Removes one batch of what has a retention of its own; answers how many jobs.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn prune(&self) -> Result<i64> {
        Ok(sqlx::query_scalar!(r#"select prune(5000) as "pruned!""#).fetch_one(self.pool()).await?)
    }
}
