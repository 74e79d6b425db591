//! Resolve: resolves the dependencies of waiting jobs after other jobs have finished. The SQL
//! function of the same name decides; any process can resolve at any time.

use super::{Result, Store};

/// The most finished parents resolved in one transaction, and the divisor after a batch that took too long.
const BATCH: i32 = 500;
const FEWER: i32 = 8;

impl Store {
    /// Resolves the dependents of all finished jobs that are not resolved yet; returns their number. Each
    /// batch is a transaction of its own.
    ///
    /// # Errors
    /// When the database fails; the next call, in any process, resolves the rest.
    pub async fn resolve(&self) -> Result<u64> {
        let (mut resolved, mut batch) = (0, BATCH);
        loop {
            match self.resolve_some(batch).await {
                Ok(0) => return Ok(resolved),
                Ok(ends) => resolved += u64::try_from(ends).unwrap_or(0),
                // The same batch would take as long again.
                Err(error) if batch > 1 && error.is_statement_timeout() => batch = (batch / FEWER).max(1),
                Err(error) => return Err(error),
            }
        }
    }

    async fn resolve_some(&self, batch: i32) -> Result<i32> {
        Ok(sqlx::query_scalar!(r#"select resolve($1) as "ends!""#, batch).fetch_one(self.pool()).await?)
    }
}
