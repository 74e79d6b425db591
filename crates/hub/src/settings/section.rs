//! The hub's settings and its projects. Must refuse a project
//! with no description or two; the description itself is read when a job runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};
use tidemill_settings::error::WrongSetting;
use tidemill_settings::json::table;
use tidemill_settings::section;
use tidemill_settings::section::{DeclaredSetting, Entry, Reader};
use tidemill_settings::types::{JobArgs, NAME_RULE, QueueName, VariableName, VariableText, is_name};

use super::types::{ComposeWay, EngineAddress};
use crate::project::engine_name;

section! {
    /// Projects of containers that jobs build, start, stop, restart and read logs from (`docs/hub.md`). The hub is
    /// active if there is at least one project.
    HubSection {
        /// The address of the Docker engine.
        engine: EngineAddress = "unix:///var/run/docker.sock";
        /// The implementation that builds and starts: `builtin` is the hub itself, which supports most of compose;
        /// `program` is the program `docker compose` on the worker's machine, which supports all of it; `auto` is the
        /// hub if it supports everything in a description, otherwise the program.
        compose: ComposeWay = "auto";
        /// The queue of its starts and restarts. Stops and logs have a second queue with `-quick` appended to the
        /// name; workers that serve the first serve both.
        queue: QueueName = "hub";
        /// How many starts and restarts run at once in one worker, unless the queue has its own `slots`. Stops and
        /// logs do not wait for them, but changes of one project always run one after the other.
        concurrency: u32 where "1"..="1000" = "2";
        /// How many times an attempt is retried after the engine failed.
        retries: i32 where "0"..="100" = "3";
        /// The delay before each retry.
        retry_delay: Duration where "0s"..="1d" = "1m";
        /// The time after which a job reports that it takes long.
        soft_timeout: Duration where "1s"..="30d" = "1h";
        /// The time after which a job is ended and fails.
        hard_timeout: Duration where "1s"..="30d" = "2h";
        /// How often a job reports that it and the engine are alive.
        heartbeat: Duration where "100ms"..="1h" = "30s";
        /// The time without such a report after which a running job is listed as possibly stuck.
        stuck_after: Duration where "200ms"..="1d" = "5m";
        /// The interval at which a build reports that it is still running.
        still_building: Duration where "100ms"..="1d" = "10m";
        /// How long services may take to become healthy.
        health_timeout: Duration where "1s"..="1d" = "5m";
        /// The time that a container without a health check must keep running to count as healthy.
        settle: Duration where "0s"..="1h" = "5s";
        /// How long its finished jobs are kept. Absent: `keeper.retention`.
        retain: Option<Duration> where "1m"..="36500d" = none;
        /// The kind that starts projects instead of `hub.start`: a command, a URL, or the kind of a remote worker, in the
        /// queue of that kind, with the args `project` and `service_name`. Then every project is known to it.
        start_kind: Option<QueueName> = none;
        /// The same for stops.
        stop_kind: Option<QueueName> = none;
        /// The same for restarts.
        restart_kind: Option<QueueName> = none;
        /// The same for reading logs, with `lines` in the args.
        logs_kind: Option<QueueName> = none;
        /// Whether people with a key of the scope `admin` may also make, change and delete projects over REST. A project can
        /// mount any folder of the engine's machine, so such a key then equals the rights of root there.
        projects_by_rest: bool = "false";
        /// The projects.
        projects: Projects = {};
    }
}

section! {
    /// A project of the hub: exactly one of `compose` and `services`.
    ProjectSection {
        /// Its compose file.
        compose: Option<PathBuf> = none;
        /// The content of `services` of a compose file.
        services: Option<JobArgs> = none;
        /// Variables for `${NAME}` in its description; they take precedence over a `.env` next to the compose file.
        env: BTreeMap<VariableName, VariableText> = "{}";
    }
}

/// All of `[hub.projects.NAME]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Projects(pub BTreeMap<String, ProjectSection>);

impl Entry for Projects {
    fn allowed() -> String {
        "a table of projects, each as described below".into()
    }

    fn read(reader: &mut Reader<'_>, field: &'static DeclaredSetting) -> Self {
        let mut projects = BTreeMap::new();
        let mut inner = reader.descend(field.key);
        for name in inner.keys() {
            if !is_name(&name) {
                inner.report_here(&name, format!("is not a name; allowed: {NAME_RULE}"));
            }
            let section = read_one(&mut inner, &name);
            projects.insert(name, section);
        }
        Self(projects)
    }
}

fn read_one(projects: &mut Reader<'_>, name: &str) -> ProjectSection {
    let section: ProjectSection = projects.section(name);
    if section.compose.is_some() == section.services.is_some() {
        projects.report_here(name, "needs exactly one of compose and services".to_owned());
    }
    section
}

/// Reads a project that is in no file, by the rules of those that are.
pub(crate) fn read_project(name: &str, given: &Value) -> Result<ProjectSection, Vec<WrongSetting>> {
    const FROM: &str = "the request";
    let wrong = |message: String| WrongSetting { origin: FROM.to_owned(), key: name.to_owned(), message };
    if !is_name(name) {
        return Err(vec![wrong(format!("is not a name; allowed: {NAME_RULE}"))]);
    }
    let tree = Map::from_iter([(name.to_owned(), given.clone())]);
    let tree = table(tree).map_err(|error| vec![wrong(error.to_string())])?;
    let mut problems = Vec::new();
    let section = read_one(&mut Reader::new(tree, FROM, &mut problems), name);
    if problems.is_empty() { Ok(section) } else { Err(problems) }
}

/// Checks the rules between the hub's settings.
pub(crate) fn check(hub: &HubSection, reader: &mut Reader<'_>) {
    let shown = |lasting| humantime::format_duration(lasting).to_string();
    if hub.soft_timeout >= hub.hard_timeout {
        let message = format!(
            "{} is not shorter than hard_timeout ({})",
            shown(hub.soft_timeout),
            shown(hub.hard_timeout)
        );
        reader.report_here("hub.soft_timeout", message);
    }
    if hub.heartbeat * 2 > hub.stuck_after {
        let message = format!(
            "{} is more than half of stuck_after ({}): one late heartbeat would look stuck",
            shown(hub.heartbeat),
            shown(hub.stuck_after)
        );
        reader.report_here("hub.heartbeat", message);
    }
    // The project name in a file is known only when a job reads it.
    let described = hub.projects.0.iter().filter(|(_, project)| project.services.is_some());
    let mut earlier: Vec<&str> = Vec::new();
    for (id, _) in described {
        if let Some(message) = same_name(id, earlier.iter().copied()) {
            reader.report_here(&format!("hub.projects.{id}"), message);
        }
        earlier.push(id);
    }
}

/// The error of a name that the engine cannot distinguish from another.
pub(crate) fn same_name<'a>(id: &str, mut others: impl Iterator<Item = &'a str>) -> Option<String> {
    let name = engine_name(id);
    let other = others.find(|other| engine_name(other) == name)?;
    Some(format!("is {name:?} to the engine, as is {other}; rename one of them"))
}

#[cfg(test)]
mod tests {
    use tidemill_settings::section::Table;
    use tidemill_settings::source::read_file;

    use super::*;

    fn read(toml: &str) -> HubSection {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tidemill.toml");
        std::fs::write(&file, toml).unwrap();
        let mut problems = Vec::new();
        let tree: Table = read_file(&file).unwrap();
        let section = Reader::new(tree, "tidemill.toml", &mut problems).section("hub");
        assert_eq!(problems, []);
        section
    }

    #[test]
    fn the_projects_are_read() {
        let hub = read(
            "[hub]\nengine = 'tcp://docker:2375'\nheartbeat = '5s'\n\
             [hub.projects.shop]\ncompose = 'shop/compose.yaml'\nenv = { TAG = 'x' }\n\
             [hub.projects.1]\nservices = { web = { image = 'a', ports = [80] } }",
        );
        assert_eq!(hub.projects.0.keys().collect::<Vec<_>>(), ["1", "shop"]);
        assert_eq!(hub.heartbeat, Duration::from_secs(5));
        let services = hub.projects.0["1"].services.as_ref().unwrap();
        assert_eq!(services.0["web"]["ports"][0], 80);
    }

    #[test]
    fn the_defaults_are_those_of_the_system_that_it_replaces() {
        let hub = read("");
        assert!(hub.projects.0.is_empty());
        assert_eq!((hub.soft_timeout, hub.hard_timeout), (Duration::from_hours(1), Duration::from_hours(2)));
        assert_eq!((hub.heartbeat, hub.stuck_after), (Duration::from_secs(30), Duration::from_mins(5)));
        assert_eq!((hub.still_building, hub.settle), (Duration::from_mins(10), Duration::from_secs(5)));
        assert_eq!((hub.retries, hub.retry_delay), (3, Duration::from_mins(1)));
        assert_eq!((hub.concurrency, hub.compose), (2, ComposeWay::Auto));
    }
}
