//! The hub's settings with their defaults applied, and its projects. Must name no project
//! that the config does not have; `catalog.rs` adds those of the API.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::kind_names::OtherKinds;
use crate::settings::ComposeWay;
use crate::settings::{HubSection, ProjectSection};

/// The settings of the hub.
#[derive(Debug, Clone)]
pub(crate) struct HubSettings {
    /// The address of the engine: `unix:///…` or `tcp://host:port`.
    pub engine: String,
    /// The implementation that reads descriptions and starts projects.
    pub compose: ComposeWay,
    /// The projects of the config.
    pub projects: BTreeMap<String, ProjectSpec>,
    /// Whether there are also projects that the API made.
    pub projects_by_rest: bool,
    /// Where relative paths start.
    pub folder: PathBuf,
    /// Kinds of others behind the routes.
    pub(crate) others: OtherKinds,
    /// The queue of its starts and restarts; stops and logs have a second queue.
    pub queue: String,
    /// How many starts and restarts run at once in one worker.
    pub concurrency: u32,
    /// How many times a failed attempt is retried.
    pub retries: i32,
    /// The delay before each retry.
    pub retry_delay: Duration,
    /// The time after which an attempt reports that it takes long.
    pub soft_timeout: Duration,
    /// The time after which an attempt is ended, without a retry.
    pub hard_timeout: Duration,
    /// How often an attempt reports that the engine still answers.
    pub heartbeat: Duration,
    /// The time without such a report after which a running job is possibly stuck.
    pub stuck_after: Duration,
    /// The interval at which a build reports that it is still running.
    pub still_building: Duration,
    /// How long services may take to become healthy.
    pub health_timeout: Duration,
    /// How long a container without a health check must run to count as healthy.
    pub settle: Duration,
    /// How long finished jobs are kept; `None` is the deployment's retention.
    pub retain: Option<Duration>,
}

/// One project.
#[derive(Debug, Clone)]
pub(crate) struct ProjectSpec {
    /// Its description.
    pub source: ProjectSource,
    /// Variables of its description.
    pub env: BTreeMap<String, String>,
}

/// The source of a project's description.
#[derive(Debug, Clone)]
pub(crate) enum ProjectSource {
    /// In a compose file.
    File(PathBuf),
    /// In the config: the content of `services` of a compose file, and the folder of its relative paths.
    Services(Value, PathBuf),
}

impl HubSettings {
    /// The settings that a section means; relative paths start at `folder`.
    #[must_use]
    pub fn of(section: &HubSection, folder: &Path) -> Self {
        let project =
            |(name, project): (&String, &ProjectSection)| (name.clone(), ProjectSpec::of(project, folder));
        Self {
            engine: section.engine.0.clone(),
            compose: section.compose,
            projects: section.projects.0.iter().map(project).collect(),
            projects_by_rest: section.projects_by_rest,
            folder: folder.to_owned(),
            others: OtherKinds::of(section),
            queue: section.queue.0.clone(),
            concurrency: section.concurrency,
            retries: section.retries,
            retry_delay: section.retry_delay,
            soft_timeout: section.soft_timeout,
            hard_timeout: section.hard_timeout,
            heartbeat: section.heartbeat,
            stuck_after: section.stuck_after,
            still_building: section.still_building,
            health_timeout: section.health_timeout,
            settle: section.settle,
            retain: section.retain,
        }
    }

    /// Whether there is a project, or can be one.
    pub fn is_active(&self) -> bool {
        self.projects_by_rest || !self.projects.is_empty()
    }
}

impl ProjectSpec {
    pub(crate) fn of(project: &ProjectSection, folder: &Path) -> Self {
        let source = match (&project.compose, &project.services) {
            (Some(file), _) => ProjectSource::File(folder.join(file)),
            (None, services) => {
                let services = services.clone().map(|services| services.0).unwrap_or_default();
                ProjectSource::Services(services.into(), folder.to_owned())
            }
        };
        let env = project.env.iter().map(|(name, value)| (name.0.clone(), value.0.clone())).collect();
        Self { source, env }
    }
}

#[cfg(test)]
impl Default for HubSettings {
    /// The defaults of the section.
    fn default() -> Self {
        use tidemill_settings::section::{Reader, Table};
        let section = Reader::new(Table::new(), "nowhere", &mut Vec::new()).section("hub");
        Self::of(&section, Path::new("/"))
    }
}
