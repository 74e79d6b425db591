//! Builds a worker from the config: its queues, and a handler for every kind in the config.

use std::collections::BTreeSet;

use url::Url;

use super::agent;
use super::outbound::proxy;
use super::{Process, failed};
use crate::cli::error::CliError;
use crate::config::{CommandSection, Config, RunSection, UrlSection};
#[cfg(feature = "docker")]
use crate::config::{ComposeWay, ProjectSection};
use tidemill::job::agent::QUEUE;
use tidemill::kinds::command::{CommandSpec, Limits, containment};
#[cfg(feature = "docker")]
use tidemill::kinds::hub::{self, ComposeBy, HubSettings, ProjectSource, ProjectSpec};
use tidemill::kinds::url::{UrlKind, UrlSpec};
use tidemill::worker::{Worker, WorkerBuilder, WorkerSettings};

/// The worker that a config describes.
pub(crate) fn worker(config: &Config, process: &Process) -> Result<Worker, CliError> {
    let wish = config.worker.containment;
    let containment = containment::choose(wish).map_err(|error| {
        CliError::Failed(format!(
            "worker.containment: processes left by commands cannot be ended in the configured way: {error}"
        ))
    })?;
    tracing::info!(%containment, "how processes left by a command are ended");
    let settings = WorkerSettings {
        containment: Some(containment.to_string()),
        name: config.worker.name.clone().unwrap_or_default(),
        queues: queues(config),
        other_queue_slots: usize_of(config.default_slots()),
        lease_ttl: config.worker.lease_ttl,
        heartbeat: config.worker.heartbeat,
        poll: config.worker.poll,
        shutdown_timeout: config.worker.shutdown_timeout,
        max_runs: config.worker.max_runs,
        max_memory_bytes: config.worker.max_memory.map(|size| size.0),
    };
    let mut builder = Worker::builder(process.store.clone())
        .settings(settings)
        .notifier(process.notifier.clone())
        .wakes(process.wakes.clone())
        .metrics(process.metrics.clone());
    for (name, kind) in &config.kinds {
        let rules = kind.settings.clone();
        builder = match &kind.run {
            RunSection::Command(section) => builder.kind(name, "command", rules, command(section)),
            RunSection::Url(section) => {
                let handler = url(section, config)
                    .map_err(|problem| CliError::Usage(format!("kinds.{name}: {problem}")))?;
                builder.kind(name, "url", rules, handler)
            }
        };
    }
    let builder = hub(builder, config)?;
    let builder = super::bughive::serve(builder, config)?;
    Ok(agent::add(builder, config)?.build())
}

/// The queues that have a section or a kind, and `default`, with their slots.
fn queues(config: &Config) -> Vec<(String, usize)> {
    let of_hub = config.queues_of_hub();
    let names: BTreeSet<&str> = config
        .queues
        .keys()
        .map(String::as_str)
        .chain(config.kinds.values().map(|kind| kind.settings.queue.as_str()))
        .chain(of_hub.iter().map(String::as_str))
        .chain(["default"])
        .chain(config.agent.model.is_some().then_some(QUEUE))
        .collect();
    names.into_iter().map(|name| (name.to_owned(), usize_of(config.slots_of(name)))).collect()
}

fn command(section: &CommandSection) -> CommandSpec {
    CommandSpec {
        command: section.command.clone(),
        working_dir: Some(section.working_dir.clone()),
        env: section.env.clone(),
        clean_env: section.clean_env,
        permanent_exit_codes: section.permanent_exit_codes.clone(),
        limits: Limits {
            memory_bytes: section.limits.memory_bytes,
            cpu: section.limits.cpu,
            open_files: section.limits.open_files,
            file_size_bytes: section.limits.file_size_bytes,
            processes: section.limits.processes,
        },
        max_line_bytes: section.max_line_bytes,
        max_result_bytes: section.max_result_bytes,
    }
}

fn url(section: &UrlSection, config: &Config) -> Result<UrlKind, CliError> {
    let address = Url::parse(&section.url).map_err(failed)?;
    UrlKind::new(UrlSpec {
        url: address,
        secret: section.secret.clone(),
        allow_private: section.allow_private,
        proxy: proxy(config, section.proxy.as_ref()),
        connect_timeout: section.connect_timeout,
        idle_timeout: section.idle_timeout,
        headers: section.headers.clone(),
        max_result_bytes: section.max_result_bytes,
    })
    .map_err(failed)
}

/// The kinds of the hub, if there are projects.
#[cfg(feature = "docker")]
#[expect(clippy::unnecessary_wraps, reason = "without the feature it fails")]
fn hub(builder: WorkerBuilder, config: &Config) -> Result<WorkerBuilder, CliError> {
    let section = &config.hub;
    if !config.is_hub() {
        return Ok(builder);
    }
    let project = |(name, project): (&String, &ProjectSection)| {
        let source = match (&project.compose, &project.services) {
            (Some(file), _) => ProjectSource::File(config.folder.join(file)),
            (None, services) => {
                let services = services.clone().map(|services| services.0).unwrap_or_default();
                ProjectSource::Services(services.into(), config.folder.clone())
            }
        };
        let env = project.env.iter().map(|(name, value)| (name.0.clone(), value.0.clone())).collect();
        (name.clone(), ProjectSpec { source, env })
    };
    let settings = HubSettings {
        engine: section.engine.0.clone(),
        compose: match section.compose {
            ComposeWay::Auto => ComposeBy::Auto,
            ComposeWay::Program => ComposeBy::Program,
            ComposeWay::Builtin => ComposeBy::Builtin,
        },
        projects: section.projects.0.iter().map(project).collect(),
        queue: section.queue.0.clone(),
        retries: section.retries,
        retry_delay: section.retry_delay,
        soft_timeout: section.soft_timeout,
        hard_timeout: section.hard_timeout,
        heartbeat: section.heartbeat,
        still_building: section.still_building,
        health_timeout: section.health_timeout,
        settle: section.settle,
        retain: section.retain,
    };
    let add = |builder: WorkerBuilder, (name, rules, handler)| builder.kind(name, "rust", rules, handler);
    Ok(hub::kinds(settings).into_iter().fold(builder, add))
}

/// A build without Docker cannot serve the hub.
#[cfg(not(feature = "docker"))]
fn hub(builder: WorkerBuilder, config: &Config) -> Result<WorkerBuilder, CliError> {
    if config.is_hub() {
        return Err(CliError::Usage(
            "hub.projects: this tidemill was built without the feature docker; build it with that feature, \
             or remove the section"
                .into(),
        ));
    }
    Ok(builder)
}

fn usize_of(slots: u32) -> usize {
    usize::try_from(slots).unwrap_or(usize::MAX)
}
