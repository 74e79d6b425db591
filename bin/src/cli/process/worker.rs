//! Builds a worker from the config: its queues, and a handler for every kind in the config.

use std::collections::BTreeSet;

use url::Url;

use super::outbound::proxy;
use super::vault::{cloud_variables, storage};
use super::{Process, failed};
use crate::cli::common::error::CliError;
use crate::config::{CommandSection, Config, RunSection, UrlSection};
use tidemill::extension::ProcessParts;
use tidemill::kinds::command::{CommandSpec, ProcessLimits, containment};
use tidemill::kinds::url::{UrlKind, UrlSpec};
use tidemill::worker::{Worker, WorkerSettings};

/// The worker that a config describes.
pub(crate) fn worker(config: &Config, process: &Process) -> Result<Worker, CliError> {
    let choice = config.worker.containment;
    let containment = containment::choose(choice).map_err(|error| {
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
            // Its workers are elsewhere; `declare` wrote its rules.
            RunSection::Remote => builder,
            RunSection::Url(section) => {
                let handler = url(section, config)
                    .map_err(|problem| CliError::Usage(format!("kinds.{name}: {problem}")))?;
                builder.kind(name, "url", rules, handler)
            }
        };
    }
    let parts = parts(config);
    for extension in &config.extensions {
        builder = extension.kinds(builder, &parts).map_err(|error| CliError::Usage(error.to_string()))?;
    }
    Ok(builder.build())
}

/// What the kinds of extensions may use of this process.
fn parts(config: &Config) -> ProcessParts {
    ProcessParts {
        proxy: proxy(config, None),
        storage: storage(config),
        cloud_options: Some(|url| cloud_variables(url).collect()),
    }
}

/// The queues that have a section, a kind or an extension, and `default`, with their slots.
fn queues(config: &Config) -> Vec<(String, usize)> {
    let names: BTreeSet<&str> = config
        .queues
        .keys()
        .map(String::as_str)
        .chain(config.kinds.values().map(|kind| kind.settings.queue.as_str()))
        .chain(config.declared.queues.iter().map(|queue| queue.name.as_str()))
        .chain(["default"])
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
        limits: ProcessLimits {
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

fn usize_of(slots: u32) -> usize {
    usize::try_from(slots).unwrap_or(usize::MAX)
}
