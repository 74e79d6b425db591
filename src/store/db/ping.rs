//! Ping: checks whether the database answers, whether it can run the functions of the verbs, and whether it
//! accepts writes.

use crate::store::{Result, Store};

impl Store {
    /// Makes one round trip through one of our functions: a server whose programs were upgraded while it
    /// was running still answers `select 1`, but runs no function.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query!(r#"select runs_functions() as "runs!""#).fetch_one(self.pool()).await?;
        Ok(())
    }

    /// Whether the server reports that it accepts no writes: a standby, or read-only by a setting.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn refuses_writes(&self) -> Result<bool> {
        Ok(sqlx::query_scalar!(r#"select current_setting('transaction_read_only')::boolean as "refuses!""#)
            .fetch_one(self.pool())
            .await?)
    }

    /// Writes a job of some size and rolls it back, to find out if the database stores anything.
    ///
    /// # Errors
    /// The reason why it does not.
    pub async fn probe_write(&self) -> Result<()> {
        let mut transaction = self.pool().begin().await?;
        sqlx::query!(
            r#"
            insert into jobs_live (id, kind, queue, state, priority, max_attempts, run_at, args)
            select
              gen_random_uuid(), 'tidemill.probe', 'default', 'waiting', 5, 1, 'infinity',
              jsonb_build_object('probe', string_agg(md5(random()::text), ''))
            from generate_series(1, 1000)
            "#
        )
        .execute(transaction.connection())
        .await?;
        transaction.rollback().await?;
        Ok(())
    }
}
