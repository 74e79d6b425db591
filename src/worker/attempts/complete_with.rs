//! Completes a job together with its handler's writes: both commit, or neither. Must be the last
//! action of an attempt.

use serde::Serialize;
use sqlx::PgExecutor;

use crate::job::text::storable_json;
use crate::worker::context::Context;
use crate::worker::handler::JobError;

impl Context {
    /// Completes the job in your own transaction, in the database that holds the jobs: its completion and
    /// your writes commit or roll back together. Commit, then return the same output from the handler. If
    /// the attempt has lost its lease, this returns an error: pass it on, so that your transaction is
    /// rolled back.
    ///
    /// ```
    /// # use sqlx::PgPool;
    /// # use tidemill::{Context, JobError};
    /// async fn pay(context: Context, pool: PgPool) -> Result<u32, JobError> {
    ///     let mut transaction = pool.begin().await?;
    ///     sqlx::query("insert into payments default values").execute(&mut *transaction).await?;
    ///     context.complete_in(&mut *transaction, &42).await?;
    ///     transaction.commit().await?;
    ///     Ok(42)
    /// }
    /// ```
    ///
    /// # Errors
    /// When the lease is lost, when the database or the storage fails, and for an output that cannot be stored.
    pub async fn complete_in<T: Serialize>(
        &self,
        executor: impl PgExecutor<'_>,
        output: &T,
    ) -> Result<(), JobError> {
        let store = self.store()?;
        self.flush().await;
        let result = storable_json(serde_json::to_value(output)?);
        let result =
            if result.is_null() { None } else { Some(store.keep_result(self.lease(), result).await?) };
        let completed = store.complete_in(executor, self.lease(), result.as_ref()).await?;
        if !completed {
            return Err(JobError::lost());
        }
        self.has_completed();
        Ok(())
    }
}
