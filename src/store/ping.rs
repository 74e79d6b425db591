//! Ping: asks the database whether it answers at all.

use super::{Result, Store};

impl Store {
    /// Makes one round trip.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query!(r#"select 1 as "one!""#).fetch_one(self.pool()).await?;
        Ok(())
    }
}
