//! Kills the process groups of running commands when this worker itself is killed. The kernel's
//! parent-death signal ends only the command, not what the command started; a small shell that
//! notices our end by a closed pipe ends the rest. Must never outlive the worker for longer.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use nix::unistd::Pid;

/// Each line names all groups that live; the last one counts when the pipe is closed.
const SCRIPT: &str = "trap '' TERM INT HUP
while read -r line; do groups=$line; done
for group in $groups; do kill -s KILL -- \"-$group\"; done";

static GUARD: Mutex<Guard> = Mutex::new(Guard { groups: BTreeSet::new(), shell: None });

struct Guard {
    groups: BTreeSet<i32>,
    shell: Option<Child>,
}

/// From now on the group ends with this worker.
pub(super) fn watch(leader: Pid) {
    change(|groups| groups.insert(leader.as_raw()));
}

/// The group is dead; to be called before its leader is reaped.
pub(super) fn forget(leader: Pid) {
    change(|groups| groups.remove(&leader.as_raw()));
}

fn change(change: impl FnOnce(&mut BTreeSet<i32>) -> bool) {
    let mut guard = GUARD.lock().unwrap_or_else(PoisonError::into_inner);
    change(&mut guard.groups);
    // A guard that somebody killed is replaced once.
    if let Err(error) = guard.tell().or_else(|_| guard.tell()) {
        tracing::warn!(%error, "if this worker is killed, what its commands started may live on");
    }
}

impl Guard {
    fn tell(&mut self) -> io::Result<()> {
        let line = self.groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ") + "\n";
        let shell = match &mut self.shell {
            Some(shell) => shell,
            none => none.insert(start()?),
        };
        let pipe = shell.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        pipe.write_all(line.as_bytes()).inspect_err(|_| self.replace())
    }

    fn replace(&mut self) {
        if let Some(mut shell) = self.shell.take() {
            let _ = shell.kill();
            let _ = shell.wait();
        }
    }
}

fn start() -> io::Result<Child> {
    Command::new("/bin/sh")
        .args(["-c", SCRIPT, "tidemill-guard"])
        .env_clear()
        .current_dir("/")
        // A signal to the worker's group must not take it along.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}
