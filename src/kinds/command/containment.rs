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
use super::{fork_exec, strays};

/// The variable by which a process is known that left its attempt's process group.
pub(super) const MARK: &str = "TIDEMILL_ENCLOSURE";

/// What a process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub enum Wish {
    /// A cgroup where one can be made, else the sub-reaper.
    Auto,
    /// A cgroup, or no start.
    Cgroup,
    /// The sub-reaper.
    Reaper,
    /// The process group alone: a process in a session of its own lives on.
    Group,
}

/// What a process uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Containment {
    /// A cgroup for each attempt: nothing escapes.
    Cgroup,
    /// Orphans fall to this process, and end with their attempt.
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

/// Decides for this process, before its first command; later nothing changes. To be called by a process that is Tidemill's
/// own: as sub-reaper it gets, and reaps, the orphans of all its children.
///
/// # Errors
/// When what is wanted cannot be had.
pub fn choose(wish: Wish) -> io::Result<Containment> {
    let means = match wish {
        Wish::Group => Means::Group,
        Wish::Cgroup => Means::Cgroup(Parent::own()?),
        Wish::Reaper => reaper()?,
        Wish::Auto => match Parent::own() {
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

/// As a guest in another program nothing of that program's is touched: a cgroup where one can be made, else the group.
fn means() -> &'static Means {
    CHOSEN.get_or_init(|| Parent::own().map_or(Means::Group, Means::Cgroup))
}

/// What the watch-shell must know to end all that this process runs: the folder of its cgroups, or the mark of its processes.
pub(super) fn of_all() -> (String, String) {
    match means() {
        Means::Cgroup(parent) => (parent.folder().display().to_string(), String::new()),
        Means::Reaper => (String::new(), marks()),
        Means::Group => (String::new(), String::new()),
    }
}

/// With what all marks of this process begin.
fn marks() -> String {
    static RANDOM: OnceLock<u64> = OnceLock::new();
    format!("{}-{:016x}-", id(), RANDOM.get_or_init(rand::random))
}

/// What one attempt's processes are kept in.
#[derive(Debug, Default)]
pub(super) struct Enclosure {
    pub(super) cgroup: Option<Cgroup>,
    pub(super) mark: Option<String>,
}

impl Enclosure {
    /// Makes one, and lets `command` start in it.
    pub(super) fn around(command: &mut Command) -> io::Result<Self> {
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

    /// Kills what is in it at once, as far as that needs no search.
    pub(super) fn kill(&self) {
        if let Some(cgroup) = &self.cgroup {
            cgroup.kill();
        }
    }

    /// Ends all that the leader's attempt left, before the leader is reaped. Blocks.
    pub(super) fn end(&self, leader: Pid) {
        if let Some(cgroup) = &self.cgroup {
            cgroup.end();
        }
        if let Some(mark) = &self.mark {
            strays::end_those_of(leader, mark);
        }
    }
}
