//! Writes what a config declares for all processes into the database: limits, hidden keys,
//! schedules and alert rules. Changes nothing that already matches the config. Must never remove
//! rows of another deployment, and must remove nothing unless the config names the revision of its
//! release.

use super::failed;
use crate::cli::common::error::CliError;
use crate::config::Config;
use tidemill::store::Store;
use tidemill::store::deployments::ConfigRow;

/// The parts of its config that a process may write.
#[derive(Debug, Clone)]
pub(crate) struct Declaration {
    /// The deployment that its rows belong to.
    pub(crate) deployment: String,
    /// Whether it may write at all: no later release was seen.
    pub(crate) writes: bool,
    /// Whether what the config no longer has is removed.
    pub(crate) removes: bool,
}

impl Declaration {
    /// Asks the database. `alone`: no other process has a config for it, so that no release need be named.
    pub(crate) async fn begin(store: &Store, config: &Config, alone: bool) -> Result<Self, CliError> {
        let deployment = config.deployment.name.0.clone();
        let revision = config.deployment.revision.map(u64::cast_signed);
        let writes = store.declare_deployment(&deployment, revision).await.map_err(failed)?;
        let declaration = Self { deployment, writes, removes: writes && (alone || revision.is_some()) };
        if writes {
            for row in store.declared().await.map_err(failed)? {
                if row.owner != declaration.deployment && has(config, &row) {
                    let ConfigRow { section, name, owner } = &row;
                    tracing::warn!(
                        section,
                        name,
                        owner,
                        "two deployments declare this entry; the one that starts last wins"
                    );
                }
            }
        } else {
            tracing::warn!(
                deployment = declaration.deployment,
                "a later deployment.revision was seen, so the schedules, alert rules and limits of this \
                 config are not written; to go back to this release, deploy it with a larger revision"
            );
        }
        Ok(declaration)
    }

    /// Says what stays although the config lacks it, where nothing is removed.
    pub(crate) async fn name_left(&self, store: &Store, config: &Config) -> Result<(), CliError> {
        if self.removes || !self.writes {
            return Ok(());
        }
        let declared = store.declared().await.map_err(failed)?;
        let lacks = |row: &&ConfigRow| row.owner == self.deployment && !has(config, row);
        let left: Vec<_> =
            declared.iter().filter(lacks).map(|row| format!("{}.{}", row.section, row.name)).collect();
        if !left.is_empty() {
            tracing::info!(
                deployment = self.deployment,
                left = left.join(", "),
                "these entries came from an earlier config and are not in this one; they stay. Delete them \
                 with `tidemill schedules delete` or `tidemill alerts drop`, or set deployment.revision"
            );
        }
        Ok(())
    }
}

/// Whether the config declares it as well.
fn has(config: &Config, row: &ConfigRow) -> bool {
    if row.section == "schedules" {
        let declared = config.declared.schedules.iter().any(|schedule| schedule.name == row.name);
        return declared || config.schedules.contains_key(&row.name);
    }
    let declared = config.declared.alert_rules.iter().any(|(name, _)| *name == row.name);
    declared || config.alerts.contains_key(&row.name)
}

/// Sets the limits that a config names.
pub(crate) async fn limits(store: &Store, config: &Config) -> Result<(), CliError> {
    for (name, queue) in &config.queues {
        if let Some(limit) = queue.limit() {
            store.set_limit(&format!("queue:{name}"), &limit).await.map_err(failed)?;
        }
        if let Some(most) = queue.max_queued.and_then(|most| i32::try_from(most).ok()) {
            store.set_max_queued(name, Some(most)).await.map_err(failed)?;
        }
        if queue.priority_ageing.is_some() {
            store.set_priority_ageing(name, queue.priority_ageing).await.map_err(failed)?;
        }
    }
    for (name, limit) in &config.declared.limits {
        store.set_limit(name, limit).await.map_err(failed)?;
    }
    for (name, limit) in &config.limits {
        if let Some(limit) = limit.limit() {
            store.set_limit(name, &limit).await.map_err(failed)?;
        }
    }
    Ok(())
}
