//! The process group of a command and its end, including processes that left the group. The group
//! may be signalled only before its leader is reaped, because the kernel can give the number to
//! another process afterwards.

use std::convert::Infallible;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::sync::oneshot;

use super::cgroup::Cgroup;
use super::containment::Enclosure;
use super::ended::Ended;
use super::{fork_exec, orphan_killer, signal_handlers, strays};

/// The right to signal a command's process group. While it exists the leader is not reaped; when
/// it is dropped the whole group is killed.
#[derive(Debug)]
pub(in crate::kinds) struct Group {
    leader: Pid,
    enclosure: Arc<Enclosure>,
    /// Its end lets the reaper continue; nothing is ever sent.
    _unreaped: mpsc::Sender<Infallible>,
}

/// The other half of a [`Group`]: waits for the leader's end on a thread of its own.
#[derive(Debug)]
pub(in crate::kinds) struct Reaper {
    leader: Pid,
    enclosure: Arc<Enclosure>,
    released: mpsc::Receiver<Infallible>,
}

/// Starts a confined command as the leader of a group, and takes charge of all its processes. After
/// `silence` of this process the watch shell ends it.
pub(in crate::kinds) fn start(
    command: &mut Command,
    silence: Option<Duration>,
) -> io::Result<(Child, Group, Reaper)> {
    let enclosure = Arc::new(Enclosure::wrap(command)?);
    let (child, leader) = match strays::start(command, enclosure.mark.as_deref()) {
        Ok(started) => started,
        Err(error) => {
            enclosure.cgroup.iter().for_each(Cgroup::end);
            return Err(error);
        }
    };
    let (unreaped, released) = mpsc::channel();
    orphan_killer::watch(leader, enclosure.cgroup.as_ref().map(Cgroup::name), silence);
    let group = Group { leader, enclosure: enclosure.clone(), _unreaped: unreaped };
    Ok((child, group, Reaper { leader, enclosure, released }))
}

impl Group {
    /// The signals of a stop for which the leader has a handler now, as a mask.
    pub(super) fn handled(&self) -> u64 {
        signal_handlers::handled(self.leader.as_raw())
    }

    /// Asks every process of the group to end.
    pub(super) fn terminate(&self) {
        signal(self.leader, Signal::SIGTERM);
        // A stopped process would otherwise never see it.
        signal(self.leader, Signal::SIGCONT);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        signal(self.leader, Signal::SIGKILL);
        self.enclosure.kill();
    }
}

impl Reaper {
    /// Notifies `exited` when the leader has ended, waits until the group is released, kills the rest of it
    /// and processes that left it, and reaps the leader. Blocks.
    pub(in crate::kinds) fn run(self, exited: oneshot::Sender<()>) -> Ended {
        let end_of_leader = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        while waitid(Id::Pid(self.leader), end_of_leader) == Err(nix::Error::EINTR) {}
        let handled = signal_handlers::handled(self.leader.as_raw());
        // Its receiver is gone if the attempt was dropped.
        let _ = exited.send(());
        let Err(mpsc::RecvError) = self.released.recv();
        signal(self.leader, Signal::SIGKILL);
        self.enclosure.end(self.leader);
        orphan_killer::forget(self.leader);
        strays::forget(self.leader);
        Ended { handled, ..reap(self.leader) }
    }
}

fn reap(leader: Pid) -> Ended {
    match fork_exec::wait_with_usage(leader) {
        Ok((status, usage)) => Ended {
            status: Some(ExitStatus::from_raw(status)),
            // The kernel counts in KiB.
            peak_memory_bytes: Some(usage.ru_maxrss.saturating_mul(1024)),
            handled: 0,
        },
        Err(error) => {
            tracing::warn!(pid = leader.as_raw(), %error, "a command's exit status could not be read");
            Ended::unknown()
        }
    }
}

fn signal(leader: Pid, signal: Signal) {
    // 0 and 1 would mean our own group and all processes. An error means that no process is left.
    if leader.as_raw() > 1 {
        let _ = killpg(leader, signal);
    }
}
