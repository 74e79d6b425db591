//! Actor: the author of an action, for the audit log. Known for the time of one request; the
//! command line and psql act as the database user.

use super::db::connection::Transaction;
use super::{Result, Store};

tokio::task_local! {
    static ACTOR: String;
}

/// Runs `work` in the name of an author.
pub async fn acting_as<F: Future>(name: String, work: F) -> F::Output {
    ACTOR.scope(name, work).await
}

impl Store {
    /// A transaction whose actions are recorded in the name of the current author.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub(super) async fn acting(&self) -> Result<Transaction<'static>> {
        let mut transaction = self.pool().begin().await?;
        if let Ok(name) = ACTOR.try_with(Clone::clone) {
            sqlx::query_scalar!("select set_config('tidemill.by', $1, true)", name)
                .fetch_one(transaction.connection())
                .await?;
        }
        Ok(transaction)
    }
}
