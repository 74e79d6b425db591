//! Redaction in SQL: the names of the keys that views hide, as this process has them in its config.

use super::{Result, Store};

impl Store {
    /// Writes the names that the views hide, in place of those that were there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn declare_redacted(&self) -> Result<()> {
        sqlx::query!(
            r#"
            with gone as (
              delete from redacted_keys
              where key <> all($1::text[])
            )
            insert into redacted_keys (key)
            select distinct key
            from unnest($1::text[]) as w (key)
            on conflict do nothing
            "#,
            self.vault().redactor.keys()
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }
}
