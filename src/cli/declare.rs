//! Writes what a config declares for all workers into the database: the limits of queues and keys. Changes
//! nothing that is as the config says, and nothing that the config does not name.

use super::error::CliError;
use super::process::failed;
use crate::api::server::HUB_PROJECT;
use crate::config::Config;
use crate::job::limit::{LimitSettings, OnFull};
use crate::store::Store;

/// Sets the limits that a config names.
pub(super) async fn limits(store: &Store, config: &Config) -> Result<(), CliError> {
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
    if config.is_hub() {
        // Starts and stops of one project take turns; different projects do not wait for one another.
        let one = LimitSettings { max_running: Some(1), rate: None, on_full: Some(OnFull::Queue) };
        store.set_limit(HUB_PROJECT, &one).await.map_err(failed)?;
    }
    for (name, limit) in &config.limits {
        if let Some(limit) = limit.limit() {
            store.set_limit(name, &limit).await.map_err(failed)?;
        }
    }
    Ok(())
}
