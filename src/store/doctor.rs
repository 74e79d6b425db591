//! Doctor: what is wrong with this installation. The checks are the SQL function `doctor`.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::readable::Details;
use super::{Result, Store};

/// Something that is wrong, or soon will be.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Finding {
    /// What was looked at, such as `horizon` or `partitions`.
    pub check: String,
    /// critical, warning or info.
    pub severity: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub advice: String,
    /// Fields of the check's own.
    #[schema(value_type = Object)]
    pub details: Value,
}

impl Store {
    /// All that is wrong, the worst first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn doctor(&self) -> Result<Vec<Finding>> {
        Ok(sqlx::query_as!(
            Finding,
            r#"
            select
              "check" as "check!",
              severity as "severity!",
              message as "message!",
              coalesce(advice, '') as "advice!",
              coalesce(details, '{}') as "details!: Details"
            from doctor()
            limit 200
            "#
        )
        .fetch_all(self.pool())
        .await?)
    }

    /// Whether dead rows pile up behind somebody who keeps them, so that workers should write less.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn shall_shed(&self) -> Result<bool> {
        Ok(sqlx::query_scalar!(r#"select shall_shed() as "shed!""#).fetch_one(self.pool()).await?)
    }
}
