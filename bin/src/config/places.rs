//! All sections of the config, in the order of the manual. Declares no setting itself.

use tidemill_settings::configured::Extensions;
use tidemill_settings::place::Place;

use super::alerts::{AlertKeys, AlertingSection};
use super::kind_keys::KindKeys;
use super::limits::{LimitSection, QueueSection};
use super::settings::{
    ApiSection, DatabaseSection, DeploymentSection, EmbeddedSection, LogSection, MaintenanceSection,
    OutboundSection, ScheduleKeys, WorkerSection,
};
use super::vault::{EncryptionSection, RedactionSection, StorageSection};

const PLACES: &[Place] = &[
    Place::of::<DatabaseSection>("database"),
    Place::of::<DeploymentSection>("deployment"),
    Place::of::<EmbeddedSection>("embedded"),
    Place::of::<ApiSection>("api"),
    Place::of::<WorkerSection>("worker"),
    Place::of::<MaintenanceSection>("keeper"),
    Place::of::<StorageSection>("storage"),
    Place::of::<EncryptionSection>("encryption"),
    Place::of::<RedactionSection>("redaction"),
    Place::of::<LogSection>("log"),
    Place::of::<OutboundSection>("outbound"),
    Place::each::<QueueSection>("queues"),
    Place::each::<LimitSection>("limits"),
    Place::each::<KindKeys>("kinds"),
    Place::each::<ScheduleKeys>("schedules"),
    Place::of::<AlertingSection>("alerting"),
    Place::each::<AlertKeys>("alerts"),
];

/// All sections, in the order of the manual: those of extensions come last.
pub(super) fn places(extensions: &Extensions) -> Vec<Place> {
    PLACES.iter().copied().chain(extensions.places()).collect()
}

#[cfg(test)]
mod tests {
    use tidemill_settings::section::{Reader, Section, Table};

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
        defaults::<MaintenanceSection>();
        defaults::<StorageSection>();
        defaults::<EncryptionSection>();
        defaults::<RedactionSection>();
        defaults::<LogSection>();
        defaults::<OutboundSection>();
        defaults::<QueueSection>();
        defaults::<LimitSection>();
        defaults::<KindKeys>();
        defaults::<ScheduleKeys>();
        defaults::<AlertingSection>();
        defaults::<AlertKeys>();
        let mut problems = Vec::new();
        crate::extensions().read(&mut Reader::new(Table::new(), "nowhere", &mut problems), "/".as_ref());
        assert_eq!(problems, []);
    }
}
