//! Deployments: decides which config may write the settings that all processes share. Must never compare
//! revisions itself; the database does, under the lock of the deployment's row.

use super::{Result, Store};

impl Store {
    /// Records the start of a process of the deployment `name`. False if its config must not be written: a
    /// later revision was seen, or any revision if this process has none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn declare_deployment(&self, name: &str, revision: Option<i64>) -> Result<bool> {
        Ok(sqlx::query_scalar!(
            r#"select declare_deployment($1, $2) as "latest!""#,
            name,
            revision as Option<i64>
        )
        .fetch_one(self.pool())
        .await?)
    }

    /// The rows that a config wrote: each schedule (`schedules`) and alert rule (`alerts`), with its
    /// deployment.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn declared(&self) -> Result<Vec<ConfigRow>> {
        Ok(sqlx::query_as!(
            ConfigRow,
            r#"
            select 'schedules' as "section!", name as "name!", owner as "owner!"
            from schedules
            where source = 'config'
              and owner is not null
            union all
            select 'alerts', name, owner
            from alert_rules
            where from_config
              and owner is not null
            order by 1, 2
            "#
        )
        .fetch_all(self.pool())
        .await?)
    }
}

/// A row that a config wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigRow {
    /// The section of the config: `schedules` or `alerts`.
    pub section: String,
    /// Its name.
    pub name: String,
    /// The deployment.
    pub owner: String,
}
