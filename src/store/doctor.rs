//! Doctor: the problems of this installation. The SQL function `doctor` makes the checks.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::db::lossy_json::Details;
use super::{Error, Result, Store};

/// A present or coming problem.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Finding {
    /// The name of the check, such as `horizon` or `partitions`.
    pub check: String,
    /// critical, warning or info.
    pub severity: String,
    /// The problem.
    pub message: String,
    /// The advice.
    pub advice: String,
    /// Further details in the form of the check.
    pub details: Value,
}

impl Store {
    /// All problems, the worst first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn doctor(&self) -> Result<Vec<Finding>> {
        match self.findings().await {
            // The checks are functions themselves.
            Err(Error::Database(sqlx::Error::Database(error))) if !self.runs_functions().await => {
                Ok(vec![no_functions(error.message())])
            }
            other => other,
        }
    }

    async fn findings(&self) -> Result<Vec<Finding>> {
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

    /// Whether the server can run the language of most functions; true if it does not answer.
    async fn runs_functions(&self) -> bool {
        let nothing = sqlx::raw_sql("do $$ begin end $$").execute(self.pool()).await;
        !matches!(nothing, Err(sqlx::Error::Database(_)))
    }

    /// Whether an old transaction makes dead rows pile up, so that workers should write less.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn should_shed(&self) -> Result<bool> {
        Ok(sqlx::query_scalar!(r#"select should_shed() as "shed!""#).fetch_one(self.pool()).await?)
    }
}

fn no_functions(error: &str) -> Finding {
    Finding {
        check: "server".into(),
        severity: "critical".into(),
        message: format!("the server cannot run PL/pgSQL functions, so nothing works: {error}"),
        advice: "restart Postgres; its programs were probably upgraded while it was running, and new sessions load libraries of the other version"
            .into(),
        details: json!({ "said": error }),
    }
}
