//! Encryption in SQL: whether the database refuses jobs with unencrypted args, taken from the
//! config of this process.

use crate::store::{Result, Store};

impl Store {
    /// Stores whether args must be encrypted, for every enqueue.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn declare_sealing(&self, required: bool) -> Result<()> {
        sqlx::query!(
            r#"
            insert into sealing as s (required)
            values ($1)
            on conflict (is_only_row) do update
            set required = excluded.required
            where s.required <> excluded.required
            "#,
            required
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }
}
