//! Stores the schedules of the config, once when a process starts. Must never change schedules from
//! another source that the config does not name.

use super::limits::Declaration;
use super::{Process, failed};
use crate::cli::common::error::CliError;
use crate::config::Config;
use tidemill::store::schedules::NewSchedule;

/// Writes the schedules of the config, and removes those of the same deployment that it no longer has where that is
/// asked for.
pub(crate) async fn write(
    config: &Config,
    process: &Process,
    declaration: &Declaration,
) -> Result<(), CliError> {
    add(config, process, declaration).await?;
    declaration.name_left(&process.store, config).await?;
    if !declaration.removes {
        return Ok(());
    }
    let declared_by_extensions = config.declared.schedules.iter().map(|schedule| schedule.name.clone());
    let names: Vec<String> = config.schedules.keys().cloned().chain(declared_by_extensions).collect();
    for name in process.store.keep_config_schedules(&names, &declaration.deployment).await.map_err(failed)? {
        tracing::info!(name, "removed a schedule that is no longer in the config");
    }
    Ok(())
}

/// Writes the schedules of the config; a worker's may name a few of many, so the others stay.
pub(crate) async fn add(
    config: &Config,
    process: &Process,
    declaration: &Declaration,
) -> Result<(), CliError> {
    if !declaration.writes {
        return Ok(());
    }
    let own = config.schedules.iter().map(|(name, section)| NewSchedule {
        name: name.clone(),
        times: section.times.clone(),
        job: section.job.clone(),
        missed: section.missed.clone(),
        missed_limit: section.missed_limit,
        overlap: section.overlap.clone(),
        jitter_seconds: section.jitter.as_secs_f64(),
        paused_by: section.paused.then(|| "config".to_owned()),
    });
    let of_extensions = config.declared.schedules.iter();
    let of_extensions =
        of_extensions.filter(|schedule| !config.schedules.contains_key(&schedule.name)).cloned();
    for schedule in own.chain(of_extensions) {
        process
            .store
            .put_schedule(&schedule, "config", Some(&declaration.deployment))
            .await
            .map_err(failed)?;
    }
    Ok(())
}
