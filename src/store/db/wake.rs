//! The hints that processes send one another by NOTIFY, and their texts. The same topics are in
//! `migrations/functions/shared/notify.sql`; a test compares the two. A hint carries ids only, never the truth.

use std::fmt;

use uuid::Uuid;

const QUEUE: &str = "queue";
const GROUP: &str = "group";
const CAPACITY: &str = "capacity";
const CANCEL: &str = "cancel";
const EVENT: &str = "event";
const DEPENDENTS: &str = "dependents";
const SETTINGS: &str = "settings";
/// In place of a job, if there are too many.
const ALL: &str = "*";

/// A wake-up: a hint that something may have happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// A queue has work.
    Queue(String),
    /// A queue has jobs of groups, which take turns.
    Group(String),
    /// A job that counted against a limit ended.
    Capacity,
    /// A job has events up to this number, or ended (0).
    Event(Uuid, i64),
    /// More jobs have events than can be named.
    AllEvents,
    /// A cancel of a running job was requested.
    Cancel(Uuid),
    /// A job finished that others wait for.
    Dependents,
    /// Slots, limits, keys or schedules were changed.
    Settings,
    /// Notifications may have been missed: check everything. Never sent.
    Missed,
}

impl fmt::Display for Wake {
    /// One line of a payload; empty for [`Wake::Missed`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(queue) => write!(f, "{QUEUE}:{queue}"),
            Self::Group(queue) => write!(f, "{GROUP}:{queue}"),
            Self::Capacity => write!(f, "{CAPACITY}:"),
            Self::Event(job_id, seq) => write!(f, "{EVENT}:{job_id}:{seq}"),
            Self::AllEvents => write!(f, "{EVENT}:{ALL}"),
            Self::Cancel(job_id) => write!(f, "{CANCEL}:{job_id}"),
            Self::Dependents => write!(f, "{DEPENDENTS}:"),
            Self::Settings => write!(f, "{SETTINGS}:"),
            Self::Missed => Ok(()),
        }
    }
}

impl Wake {
    /// Reads one line of a payload; `None` if it is not of this version.
    pub(super) fn parse(line: &str) -> Option<Self> {
        match line.split_once(':')? {
            (QUEUE, queue) => Some(Self::Queue(queue.to_owned())),
            (GROUP, queue) => Some(Self::Group(queue.to_owned())),
            (CAPACITY, _) => Some(Self::Capacity),
            (CANCEL, job_id) => job_id.parse().ok().map(Self::Cancel),
            (EVENT, ALL) => Some(Self::AllEvents),
            (EVENT, mark) => {
                let (job_id, seq) = mark.split_once(':')?;
                Some(Self::Event(job_id.parse().ok()?, seq.parse().ok()?))
            }
            (DEPENDENTS, _) => Some(Self::Dependents),
            (SETTINGS, _) => Some(Self::Settings),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_read_as_it_is_written() {
        let wakes = [
            Wake::Queue("a:b".to_owned()),
            Wake::Group("a".to_owned()),
            Wake::Capacity,
            Wake::Event(Uuid::new_v4(), 7),
            Wake::AllEvents,
            Wake::Cancel(Uuid::new_v4()),
            Wake::Dependents,
            Wake::Settings,
        ];
        for wake in wakes {
            assert_eq!(Wake::parse(&wake.to_string()), Some(wake));
        }
        assert_eq!(Wake::parse(&Wake::Missed.to_string()), None);
    }
}
