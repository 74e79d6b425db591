//! Redaction in SQL: the names of the keys that views hide, taken from the config of this process.

use crate::store::{Result, Store};

impl Store {
    /// Writes the names that the views hide for a deployment; with `removes`, they replace its earlier
    /// names. Names of other deployments stay hidden.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn declare_redacted(&self, deployment: &str, removes: bool) -> Result<()> {
        sqlx::query!(
            r#"
            with gone as (
              delete from redacted_keys
              where $3
                and deployment = $2
                and key <> all($1::text[])
            )
            insert into redacted_keys (deployment, key)
            select distinct $2, key
            from unnest($1::text[]) as w (key)
            on conflict do nothing
            "#,
            self.vault().redactor.keys(),
            deployment,
            removes
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }
}
