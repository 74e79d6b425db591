//! All sections of the config, in the order of the manual. Declares no setting itself.

use super::agent::AgentSection;
use super::alerts::{AlertKeys, AlertingSection};
use super::bughive::BugHiveSection;
use super::hub::{HubSection, ProjectSection};
use super::limits::{LimitSection, QueueSection};
use super::section::{Field, Section};
use super::settings::{
    ApiSection, DatabaseSection, DeploymentSection, EmbeddedSection, KeeperSection, KindKeys, LogSection,
    OutboundSection, ScheduleKeys, WorkerSection,
};
use super::vault::{EncryptionSection, RedactionSection, StorageSection};

/// A section as the file has it.
pub(super) struct Place {
    /// `api`, or `queues` for all of `[queues.NAME]`.
    pub(super) key: &'static str,
    /// True where a name follows the key.
    pub(super) named: bool,
    pub(super) about: &'static str,
    pub(super) fields: &'static [Field],
}

const fn place<T: Section>(key: &'static str, named: bool) -> Place {
    Place { key, named, about: T::ABOUT, fields: T::FIELDS }
}

/// All sections, in the order of the manual.
pub(super) const PLACES: &[Place] = &[
    place::<DatabaseSection>("database", false),
    place::<DeploymentSection>("deployment", false),
    place::<EmbeddedSection>("embedded", false),
    place::<ApiSection>("api", false),
    place::<WorkerSection>("worker", false),
    place::<KeeperSection>("keeper", false),
    place::<StorageSection>("storage", false),
    place::<EncryptionSection>("encryption", false),
    place::<RedactionSection>("redaction", false),
    place::<AgentSection>("agent", false),
    place::<LogSection>("log", false),
    place::<OutboundSection>("outbound", false),
    place::<QueueSection>("queues", true),
    place::<LimitSection>("limits", true),
    place::<KindKeys>("kinds", true),
    place::<ScheduleKeys>("schedules", true),
    place::<AlertingSection>("alerting", false),
    place::<AlertKeys>("alerts", true),
    place::<BugHiveSection>("bughive", false),
    place::<HubSection>("hub", false),
    place::<ProjectSection>("hub.projects", true),
];

#[cfg(test)]
mod tests {
    use super::super::section::{Reader, Table};
    use super::*;

    fn defaults<T: Section>() {
        let mut problems = Vec::new();
        let _: T = Reader::new(Table::new(), "nowhere", &mut problems).section("x");
        assert_eq!(problems, []);
    }

    #[test]
    fn every_default_and_bound_can_be_read() {
        defaults::<DatabaseSection>();
        defaults::<DeploymentSection>();
        defaults::<EmbeddedSection>();
        defaults::<ApiSection>();
        defaults::<WorkerSection>();
        defaults::<KeeperSection>();
        defaults::<StorageSection>();
        defaults::<EncryptionSection>();
        defaults::<RedactionSection>();
        defaults::<AgentSection>();
        defaults::<LogSection>();
        defaults::<OutboundSection>();
        defaults::<QueueSection>();
        defaults::<LimitSection>();
        defaults::<KindKeys>();
        defaults::<ScheduleKeys>();
        defaults::<AlertingSection>();
        defaults::<AlertKeys>();
        defaults::<BugHiveSection>();
        defaults::<HubSection>();
        defaults::<ProjectSection>();
    }
}
