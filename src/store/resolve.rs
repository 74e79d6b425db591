//! Resolve: tells the jobs that wait of the ends of others. The judgement is in the SQL function of the
//! same name; any process may resolve at any time.

use super::{Result, Store};

/// So many ends are told in one transaction.
const BATCH: i32 = 500;

impl Store {
    /// Tells all ends that nobody told yet; answers how many. Each batch is a transaction of its own.
    ///
    /// # Errors
    /// When the database fails; what was not told is told by the next call, whoever makes it.
    pub async fn resolve(&self) -> Result<u64> {
        let mut told = 0;
        loop {
            let ends: i32 =
                sqlx::query_scalar!(r#"select resolve($1) as "ends!""#, BATCH).fetch_one(self.pool()).await?;
            if ends == 0 {
                return Ok(told);
            }
            told += u64::try_from(ends).unwrap_or(0);
        }
    }
}
