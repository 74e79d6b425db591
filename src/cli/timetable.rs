//! From the config to the stored schedules, once when a process starts. Must leave alone what came from
//! elsewhere and is not named here.

use super::error::CliError;
use super::process::{Process, failed};
use crate::config::Config;
use crate::store::schedules::NewSchedule;

/// Writes the schedules of the config and removes those that it no longer has.
pub(super) async fn write(config: &Config, process: &Process) -> Result<(), CliError> {
    add(config, process).await?;
    let names: Vec<String> = config.schedules.keys().cloned().collect();
    for name in process.store.keep_config_schedules(&names).await.map_err(failed)? {
        tracing::info!(name, "removed a schedule that the config no longer has");
    }
    Ok(())
}

/// Writes the schedules of the config; a worker's may name a few of many, so the others stay.
pub(super) async fn add(config: &Config, process: &Process) -> Result<(), CliError> {
    for (name, section) in &config.schedules {
        let wish = NewSchedule {
            name: name.clone(),
            times: section.times.clone(),
            job: section.job.clone(),
            missed: section.missed.clone(),
            missed_limit: section.missed_limit,
            overlap: section.overlap.clone(),
            jitter_seconds: section.jitter.as_secs_f64(),
            paused_by: section.paused.then(|| "config".to_owned()),
        };
        process.store.put_schedule(&wish, "config").await.map_err(failed)?;
    }
    Ok(())
}
