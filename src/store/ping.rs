//! Ping: asks the database whether it answers at all, and whether it can run what the verbs are made of.

use super::{Result, Store};

impl Store {
    /// Makes one round trip, through a function of ours: a server whose programs were upgraded under it still answers
    /// `select 1`, and runs no function.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query!(r#"select runs_functions() as "runs!""#).fetch_one(self.pool()).await?;
        Ok(())
    }
}
