//! The mechanism that ends every process of a command with its attempt, including processes that
//! left its process group: a cgroup for each attempt, this process as sub-reaper, or the process
//! group alone. Chosen once per process.

use std::fmt;
use std::io;
use std::process::{Command, id};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::prctl;
use nix::unistd::Pid;

use super::cgroup::{Cgroup, Parent};
use super::mark::MARK;
use super::{fork_exec, strays};

/// The requested containment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub enum ContainmentChoice {
    /// A cgroup where one can be created, otherwise the sub-reaper.
    Auto,
    /// A cgroup, or no start.
    Cgroup,
    /// The sub-reaper.
    Reaper,
    /// Only the process group: a process in a session of its own survives.
    Group,
}

/// The chosen containment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Containment {
    /// A cgroup for each attempt: nothing escapes.
    Cgroup,
    /// Orphans are reparented to this process, and end with their attempt.
    Reaper,
    /// A process that leaves the process group escapes.
    Group,
}

impl fmt::Display for Containment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cgroup => "cgroup",
            Self::Reaper => "reaper",
            Self::Group => "group",
        })
    }
}

#[derive(Debug)]
enum Means {
    Cgroup(Parent),
    Reaper,
    Group,
}

static CHOSEN: OnceLock<Means> = OnceLock::new();

/// Decides for this process, before its first command; later nothing changes. Call this only in Tidemill's
/// own process: as sub-reaper it gets, and reaps, the orphans of all its children.
///
/// # Errors
/// If the requested containment is not available.
pub fn choose(choice: ContainmentChoice) -> io::Result<Containment> {
    let means = match choice {
        ContainmentChoice::Group => Means::Group,
        ContainmentChoice::Cgroup => Means::Cgroup(Parent::own()?),
        ContainmentChoice::Reaper => reaper()?,
        ContainmentChoice::Auto => match Parent::own() {
            Ok(parent) => Means::Cgroup(parent),
            Err(error) => {
                tracing::debug!(%error, "cannot create a cgroup for each attempt");
                reaper()?
            }
        },
    };
    Ok(contained(CHOSEN.get_or_init(|| means)))
}

fn reaper() -> io::Result<Means> {
    prctl::set_child_subreaper(true)?;
    strays::reap_them();
    Ok(Means::Reaper)
}

fn contained(means: &Means) -> Containment {
    match means {
        Means::Cgroup(_) => Containment::Cgroup,
        Means::Reaper => Containment::Reaper,
        Means::Group => Containment::Group,
    }
}

/// Within another program nothing of that program is changed: a cgroup where one can be created, otherwise
/// the group.
fn means() -> &'static Means {
    CHOSEN.get_or_init(|| Parent::own().map_or(Means::Group, Means::Cgroup))
}

/// The information with which the watch shell ends all processes of this worker: the folder of its cgroups,
/// or the mark of its processes.
pub(super) fn of_all() -> (String, String) {
    match means() {
        Means::Cgroup(parent) => (parent.folder().display().to_string(), String::new()),
        Means::Reaper => (String::new(), marks()),
        Means::Group => (String::new(), String::new()),
    }
}

/// The prefix of all marks of this process.
fn marks() -> String {
    static RANDOM: OnceLock<u64> = OnceLock::new();
    format!("{}-{:016x}-", id(), RANDOM.get_or_init(rand::random))
}

/// The containment of one attempt's processes.
#[derive(Debug, Default)]
pub(super) struct Enclosure {
    pub(super) cgroup: Option<Cgroup>,
    pub(super) mark: Option<String>,
}

impl Enclosure {
    /// Creates one, and makes `command` start in it.
    pub(super) fn wrap(command: &mut Command) -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        match means() {
            Means::Cgroup(parent) => {
                let cgroup = parent.make(number)?;
                fork_exec::start_in(command, cgroup.door()?);
                Ok(Self { cgroup: Some(cgroup), mark: None })
            }
            Means::Reaper => {
                let mark = format!("{}{number}", marks());
                command.env(MARK, &mark);
                Ok(Self { cgroup: None, mark: Some(mark) })
            }
            Means::Group => Ok(Self::default()),
        }
    }

    /// Kills its processes at once, as far as that needs no search.
    pub(super) fn kill(&self) {
        if let Some(cgroup) = &self.cgroup {
            cgroup.kill();
        }
    }

    /// Ends all processes left by the leader's attempt, before the leader is reaped. Blocks.
    pub(super) fn end(&self, leader: Pid) {
        if let Some(cgroup) = &self.cgroup {
            cgroup.end();
        }
        if let Some(mark) = &self.mark {
            strays::end_those_of(leader, mark);
        }
    }
}
