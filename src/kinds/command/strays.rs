//! Processes that are reparented to this process: processes of attempts that left their process
//! group, which end with their attempt, and dead processes that nobody else reaps. Must never touch
//! a process that this process started for itself: such a process is in this process's own session,
//! or leads a group that is recorded here before it can be seen.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, Once, PoisonError, RwLock};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, getpid, getsid};

use super::mark::MARK;

/// The interval of the search for dead processes.
const EVERY: Duration = Duration::from_secs(1);
/// The number of searches after which an unreaped dead process of our own session counts as orphaned.
const CHECKS: u32 = 6;
/// How long killed processes may take to end.
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// Locked for reading while a leader is started, for writing while strays are judged, so that no leader is
/// seen before it is recorded.
static STARTING: RwLock<()> = RwLock::new(());
static LEADERS: Mutex<BTreeMap<i32, Leader>> = Mutex::new(BTreeMap::new());

/// A process that leads the group of an attempt.
struct Leader {
    mark: Option<String>,
    born: u64,
}

/// The kernel's information about a process.
#[derive(Debug, Clone, Copy)]
struct Seen {
    pid: i32,
    is_dead: bool,
    parent: i32,
    session: i32,
    born: u64,
}

/// Starts a leader and records it in one step.
pub(super) fn start(command: &mut Command, mark: Option<&str>) -> io::Result<(Child, Pid)> {
    let _nobody_judges = STARTING.read().unwrap_or_else(PoisonError::into_inner);
    let child = command.spawn()?;
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    let born = seen(pid).map_or(0, |seen| seen.born);
    leaders().insert(pid, Leader { mark: mark.map(str::to_owned), born });
    Ok((child, Pid::from_raw(pid)))
}

/// Removes a leader that is about to be reaped.
pub(super) fn forget(leader: Pid) {
    leaders().remove(&leader.as_raw());
}

fn leaders() -> MutexGuard<'static, BTreeMap<i32, Leader>> {
    LEADERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the strays of an attempt whose leader has ended and is not reaped, and strays without a live
/// origin. Blocks.
pub(super) fn end_those_of(leader: Pid, mark: &str) {
    let until = Instant::now() + GONE_WITHIN;
    // Children of a stray are reparented to us when it is dead.
    while end_once(leader.as_raw(), mark) {
        if Instant::now() > until {
            tracing::warn!(pid = leader.as_raw(), "processes left by an attempt could not be ended in time");
            return;
        }
        sleep(Duration::from_millis(2));
    }
}

/// Kills the strays; true if there were any.
fn end_once(leader: i32, mark: &str) -> bool {
    let _nobody_starts = STARTING.write().unwrap_or_else(PoisonError::into_inner);
    let ours = own_session();
    let mut found = false;
    for stray in children().into_iter().filter(|child| child.session != ours) {
        let leaders = leaders();
        if leaders.contains_key(&stray.pid) {
            continue;
        }
        if stray.is_dead {
            reap(stray.pid);
        } else if is_to_end(stray, leader, mark, &leaders) {
            found = true;
            let _ = kill(Pid::from_raw(stray.pid), Signal::SIGKILL);
        }
    }
    found
}

fn is_to_end(stray: Seen, ending: i32, mark: &str, leaders: &BTreeMap<i32, Leader>) -> bool {
    if stray.session == ending {
        return true;
    }
    if leaders.contains_key(&stray.session) {
        return false;
    }
    if let Some(of_stray) = mark_of(stray.pid) {
        let lives = |leader: &Leader| leader.mark.as_deref() == Some(&of_stray);
        return of_stray == mark || !leaders.values().any(lives);
    }
    // It shows no origin: it is ended when all leaders that existed at its birth are gone. To the first
    // process of a container fall processes of others as well, such as a shell that an operator opened in it.
    getpid().as_raw() != 1 && !leaders.iter().any(|(pid, leader)| *pid != ending && leader.born <= stray.born)
}

fn mark_of(pid: i32) -> Option<String> {
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut variables = environ.split(|byte| *byte == 0);
    let mark = variables.find_map(|variable| variable.strip_prefix(MARK.as_bytes())?.strip_prefix(b"="))?;
    String::from_utf8(mark.to_vec()).ok()
}

/// From now on reaps dead processes reparented to this process, as sub-reaper or as the first process of a
/// container.
pub(super) fn reap_them() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let reap = || {
            let mut nobodys = HashMap::new();
            loop {
                sleep(EVERY);
                let dead = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
                if !matches!(waitid(Id::All, dead), Ok(WaitStatus::StillAlive) | Err(_)) {
                    reap_once(&mut nobodys);
                }
            }
        };
        if let Err(error) = thread::Builder::new().name("tidemill-reaper".into()).spawn(reap) {
            tracing::error!(%error, "dead processes will not be reaped");
        }
    });
}

/// If this is the first process of a container, orphans of other processes are reparented to it.
pub fn reap_if_first() {
    if getpid().as_raw() == 1 {
        reap_them();
    }
}

fn reap_once(nobodys: &mut HashMap<(i32, u64), u32>) {
    let _nobody_starts = STARTING.write().unwrap_or_else(PoisonError::into_inner);
    let ours = own_session();
    let dead: Vec<Seen> = children().into_iter().filter(|child| child.is_dead).collect();
    nobodys.retain(|key, _| dead.iter().any(|seen| (seen.pid, seen.born) == *key));
    for seen in dead {
        if leaders().contains_key(&seen.pid) {
            continue;
        }
        // A process of our own session may be our own child, which its starter waits for.
        let checks = nobodys.entry((seen.pid, seen.born)).or_default();
        *checks += 1;
        if seen.session != ours || *checks >= CHECKS {
            reap(seen.pid);
        }
    }
}

fn reap(pid: i32) {
    let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
}

fn own_session() -> i32 {
    getsid(None).map_or(0, Pid::as_raw)
}

/// The children of this process, from the kernel's lists where it keeps them, else from all processes.
fn children() -> Vec<Seen> {
    let us = getpid().as_raw();
    let lists = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists: Option<Vec<String>> = lists
        .map(|task| match fs::read_to_string(task.path().join("children")) {
            // A thread that has just ended has none; a kernel without lists has none of any.
            Err(error) if error.kind() == io::ErrorKind::NotFound && task.path().exists() => None,
            read => Some(read.unwrap_or_default()),
        })
        .collect();
    let pids: Vec<i32> = if let Some(lists) = lists {
        lists.iter().flat_map(|list| list.split_whitespace()).filter_map(|pid| pid.parse().ok()).collect()
    } else {
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    };
    pids.into_iter().filter_map(seen).filter(|seen| seen.parent == us).collect()
}

fn seen(pid: i32) -> Option<Seen> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses, and may contain some itself.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Seen {
        pid,
        is_dead: matches!(fields.first()?, &"Z" | &"X"),
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        born: fields.get(19)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leader(mark: &str, born: u64) -> Leader {
        Leader { mark: Some(mark.into()), born }
    }

    #[test]
    fn a_stray_without_origin_goes_with_the_last_that_saw_its_birth() {
        // No such process, so it has no mark.
        let stray = Seen { pid: i32::MAX, is_dead: false, parent: 1, session: i32::MAX, born: 50 };
        let both = BTreeMap::from([(10, leader("a", 20)), (11, leader("b", 30))]);
        assert!(!is_to_end(stray, 10, "a", &both), "it may be of the other");
        let later = BTreeMap::from([(10, leader("a", 20)), (11, leader("b", 60))]);
        assert!(is_to_end(stray, 10, "a", &later), "the other came later");
        let of_other = Seen { session: 11, ..stray };
        assert!(!is_to_end(of_other, 10, "a", &later) && is_to_end(of_other, 11, "b", &later));
    }

    #[test]
    fn the_kernel_says_who_we_are() {
        let us = seen(getpid().as_raw()).unwrap();
        assert!(!us.is_dead && us.session == own_session() && us.born > 0);
    }
}
