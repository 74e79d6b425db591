//! Resolve: resolves the dependencies of waiting jobs after other jobs have finished. The SQL
//! function of the same name decides; any process can resolve at any time.

use super::{Result, Store};

/// So many ends are told in one transaction, and of those that took too long so many times fewer.
const BATCH: i32 = 500;
const FEWER: i32 = 8;

impl Store {
    /// Tells all ends that nobody told yet; answers how many. Each batch is a transaction of its own.
    ///
    /// # Errors
    /// When the database fails; what was not told is told by the next call, whoever makes it.
    pub async fn resolve(&self) -> Result<u64> {
        let (mut told, mut batch) = (0, BATCH);
        loop {
            match self.resolve_some(batch).await {
                Ok(0) => return Ok(told),
                Ok(ends) => told += u64::try_from(ends).unwrap_or(0),
                // The same ones would take as long again.
                Err(error) if batch > 1 && error.is_statement_timeout() => batch = (batch / FEWER).max(1),
                Err(error) => return Err(error),
            }
        }
    }

    async fn resolve_some(&self, batch: i32) -> Result<i32> {
        Ok(sqlx::query_scalar!(r#"select resolve($1) as "ends!""#, batch).fetch_one(self.pool()).await?)
    }
}
