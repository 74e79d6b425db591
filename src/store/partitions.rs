//! Partitions: creates the coming days, drops days past their retention, and prunes jobs with an
//! earlier one. Must never wait long for a lock: enqueue and claim come first.

use super::{Result, Store};

impl Store {
    /// Creates the partitions of the next 14 days; returns the number of new ones.
    ///
    /// # Errors
    /// When the database fails or a lock could not be had in half a second; try again then.
    pub async fn ensure_partitions(&self) -> Result<i32> {
        Ok(sqlx::query_scalar!(r#"select ensure_partitions(14) as "made!""#).fetch_one(self.pool()).await?)
    }

    /// Drops days of history older than the retention, each in a transaction of its own so that locks are
    /// held only for a moment; returns the names of their tables.
    ///
    /// # Errors
    /// When the database fails; days dropped before that stay dropped.
    pub async fn drop_partitions(&self, retention_seconds: f64) -> Result<Vec<String>> {
        let mut dropped = Vec::new();
        loop {
            let mut transaction = self.pool().begin().await?;
            // A large day has many names to delete before it can be dropped.
            sqlx::query!("set local statement_timeout = 0").execute(transaction.connection()).await?;
            let day = sqlx::query_scalar!("select drop_day(make_interval(secs => $1))", retention_seconds)
                .fetch_one(transaction.connection())
                .await?;
            transaction.commit().await?;
            match day {
                Some(day) => dropped.push(day),
                None => return Ok(dropped),
            }
        }
    }

    /// Deletes one batch of jobs with a retention of their own; returns the number of jobs.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn prune(&self) -> Result<i64> {
        Ok(sqlx::query_scalar!(r#"select prune(5000) as "pruned!""#).fetch_one(self.pool()).await?)
    }
}
