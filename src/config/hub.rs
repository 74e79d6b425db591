//! The hub's projects as the config describes them. Must refuse a project that is described nowhere or
//! twice; what its description says is read when a job runs.

use std::collections::BTreeMap;

use super::section::{Entry, Field, Reader};
use super::settings::{HubSection, ProjectSection};
use super::types::{NAME_RULE, is_name};

/// All of `[hub.projects.NAME]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Projects(pub BTreeMap<String, ProjectSection>);

impl Entry for Projects {
    fn allowed() -> String {
        "a table of projects; each as below".into()
    }

    fn read(reader: &mut Reader<'_>, field: &'static Field) -> Self {
        let mut projects = BTreeMap::new();
        let mut inner = reader.descend(field.key);
        for name in inner.keys() {
            if !is_name(&name) {
                inner.report_here(&name, format!("is no name; allowed: {NAME_RULE}"));
            }
            let section: ProjectSection = inner.section(&name);
            if section.compose.is_some() == section.services.is_some() {
                let message = "needs exactly one of compose and services".to_owned();
                inner.report_here(&name, message);
            }
            projects.insert(name, section);
        }
        Self(projects)
    }
}

/// What must hold between the hub's settings.
pub(super) fn check(hub: &HubSection, reader: &mut Reader<'_>) {
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
}
