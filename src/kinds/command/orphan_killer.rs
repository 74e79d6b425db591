//! Kills the processes of running commands when this worker is killed, or stalled for so long that
//! its leases may have moved to another worker. The kernel's parent-death signal ends only the
//! command itself, not its children; a small shell notices our end by a closed pipe and our silence
//! by a timeout, and kills the rest. Must never outlive the worker for longer.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::containment;

/// Each line names all live groups by number and cgroups by name; the last line counts when the pipe is
/// closed or silent. A shell with nothing to watch may end at any time. The socket's timeout ends shells
/// without a timeout of their own.
const SCRIPT: &str = r#"trap '' TERM INT HUP QUIT USR1 USR2
base=$1 mark=$2 seconds=$3
(read -r -t 1 line) </dev/null >/dev/null 2>&1
if [ $? -eq 1 ]; then hear() { read -r -t "$seconds" line; }; else hear() { read -r line; }; fi
while hear; do all=$line; done
for one in $all; do
  case $one in
    *[!0-9]*) echo 1 > "$base/$one/cgroup.kill" ;;
    *) kill -s KILL -- "-$one" ;;
  esac
done
[ -n "$mark" ] && [ -n "$all" ] || exit
for round in 1 2 3; do
  for environ in $(grep -ls "$mark" /proc/[0-9]*/environ); do
    process=${environ%/environ}
    kill -s KILL "${process#/proc/}"
  done
done"#;

/// The default time for which the worker may be silent.
const SILENCE: Duration = Duration::from_secs(20);
/// The number of messages that it sends in that time.
const WORDS: u32 = 8;
/// A shell that dies at once is not replaced faster than this.
const PAUSE: Duration = Duration::from_secs(1);

static GUARD: Mutex<Guard> = Mutex::new(Guard {
    live: BTreeMap::new(),
    silence: SILENCE,
    spoke_at: None,
    shell: None,
    struck_at: None,
});

struct Guard {
    /// The leaders, each with its cgroup.
    live: BTreeMap<i32, Option<String>>,
    silence: Duration,
    spoke_at: Option<Instant>,
    shell: Option<Shell>,
    /// The time when a shell last ended all processes because of our silence.
    struck_at: Option<Instant>,
}

struct Shell {
    pid: Pid,
    line: UnixStream,
}

fn guard() -> MutexGuard<'static, Guard> {
    GUARD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on the group, and its cgroup, end with this worker or after its silence.
pub(super) fn watch(leader: Pid, cgroup: Option<String>, silence: Option<Duration>) {
    let mut guard = guard();
    // A shell with nothing to watch may be about to end.
    if guard.live.is_empty() && guard.spoke_at.is_some_and(|at| at.elapsed() > guard.silence / 2) {
        guard.end_shell();
    }
    guard.live.insert(leader.as_raw(), cgroup);
    if let Some(silence) = silence.filter(|silence| *silence < guard.silence) {
        guard.silence = silence;
        // Another one, with the shorter time.
        guard.end_shell();
    }
    guard.speak();
}

/// Removes a dead group; must be called before its leader is reaped.
pub(super) fn forget(leader: Pid) {
    let mut guard = guard();
    guard.live.remove(&leader.as_raw());
    guard.speak();
}

/// Reports that this worker is alive while this future is polled. It runs on the runtime of the attempts:
/// if that stalls, they end as well.
pub(super) async fn keep_alive() {
    loop {
        let every = guard().silence / WORDS;
        tokio::time::sleep(every).await;
        let mut guard = guard();
        if guard.spoke_at.is_none_or(|at| at.elapsed() > every / 2) {
            guard.speak();
        }
    }
}

/// Whether the watch shell has ended all processes since then, because this process was stalled for too
/// long.
pub(super) fn struck_since(then: Instant) -> bool {
    guard().struck_at.is_some_and(|at| at > then)
}

impl Guard {
    fn speak(&mut self) {
        // A killed shell is replaced once.
        if let Err(error) = self.notify().or_else(|_| self.notify()) {
            tracing::warn!(
                %error,
                "if this worker is killed, processes started by its commands may keep running"
            );
        }
    }

    fn notify(&mut self) -> io::Result<()> {
        if self.live.is_empty() && self.shell.is_none() {
            return Ok(());
        }
        let mut words = Vec::new();
        for (leader, cgroup) in &self.live {
            words.push(leader.to_string());
            words.extend(cgroup.clone());
        }
        let line = words.join(" ") + "\n";
        let shell = match &mut self.shell {
            Some(shell) => shell,
            none => none.insert(start(self.silence)?),
        };
        // A shell that reads nothing is stopped or hangs.
        let written = shell.line.write_all(line.as_bytes());
        if written.is_err() {
            self.end_shell();
        }
        self.spoke_at = Some(Instant::now());
        written
    }

    /// Ends the shell before it mistakes the closed pipe for our end.
    fn end_shell(&mut self) {
        if let Some(shell) = self.shell.take() {
            let _ = kill(shell.pid, Signal::SIGKILL);
        }
    }

    /// The shell with this number has ended, and is reaped.
    fn is_gone(&mut self, pid: Pid, by_itself: bool) {
        if self.shell.as_ref().is_none_or(|shell| shell.pid != pid) {
            return;
        }
        self.shell = None;
        // We never close the line while it lives: it has struck, if there was anything.
        if by_itself && !self.live.is_empty() {
            tracing::warn!(
                "this process was stalled for too long: the processes started by its commands were ended"
            );
            self.struck_at = Some(Instant::now());
        }
    }
}

fn start(silence: Duration) -> io::Result<Shell> {
    let (line, theirs) = UnixStream::pair()?;
    theirs.set_read_timeout(Some(silence))?;
    line.set_nonblocking(true)?;
    let (base, mark) = containment::of_all();
    let mut child = Command::new("/bin/sh")
        .args(["-c", SCRIPT, "tidemill-guard", &base, &mark, &silence.as_secs().max(1).to_string()])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir("/")
        // A signal to the worker's group must not take it along.
        .process_group(0)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    // After the shell is killed, or this process wakes after a long stop, another shell starts at once.
    thread::Builder::new().name("tidemill-guard".into()).spawn(move || {
        let began = Instant::now();
        let by_itself = child.wait().is_ok_and(|status| status.code().is_some());
        guard().is_gone(pid, by_itself);
        thread::sleep(PAUSE.saturating_sub(began.elapsed()));
        guard().speak();
    })?;
    Ok(Shell { pid, line })
}
