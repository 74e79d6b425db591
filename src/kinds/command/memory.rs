//! Decides whether a command ended because it ran out of memory. The kernel does not report this
//! directly, so the decision rests on signs, and names the sign.
//!
//! An attempt counts as out of memory if the command failed, and
//! - it was killed by SIGKILL (or exited with 137, as a shell does for its child) and the
//!   out-of-memory kills that the kernel counts for the worker's cgroup rose meanwhile; or
//! - a memory limit is set, and it died by a signal that a refused allocation leads to (SIGSEGV,
//!   SIGBUS, SIGABRT), or the last lines of its standard error name a refused allocation; or
//! - a memory limit is set, it was killed by SIGKILL, and no such counter can be read.
//!
//! A crash for another reason under a memory limit is therefore counted, too; and an
//! out-of-memory kill of a child that the command survives with another exit code is not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use std::os::unix::process::ExitStatusExt;

const SHELL_CODE_OF_KILLED: i32 = 128 + libc::SIGKILL;

/// How runtimes report an allocation that was refused, in lower case.
const WORDS: [&str; 6] =
    ["memoryerror", "cannot allocate memory", "out of memory", "bad_alloc", "memory allocation of", "enomem"];

/// The kernel's count of out-of-memory kills in the worker's cgroup, read before a command ran.
#[derive(Debug, Clone, Copy)]
pub(super) struct OomKills(Option<u64>);

impl OomKills {
    pub(super) fn so_far() -> Self {
        Self(read_count())
    }

    /// Whether it rose since; `None` if it cannot be read.
    pub(super) fn rose(self) -> Option<bool> {
        Some(read_count()? > self.0?)
    }
}

/// The judgement; see this module's description.
pub(super) fn ran_out(
    status: ExitStatus,
    limited: bool,
    last_stderr: &str,
    kills_rose: Option<bool>,
) -> bool {
    let killed = status.signal() == Some(libc::SIGKILL) || status.code() == Some(SHELL_CODE_OF_KILLED);
    match status.signal() {
        _ if status.success() => false,
        _ if killed => kills_rose.unwrap_or(limited),
        Some(signal) => limited && [libc::SIGSEGV, libc::SIGBUS, libc::SIGABRT].contains(&signal),
        None => {
            let output = last_stderr.to_lowercase();
            limited && WORDS.iter().any(|word| output.contains(word))
        }
    }
}

fn read_count() -> Option<u64> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    own.lines().filter_map(count_file).find_map(|file| parse_count(&fs::read_to_string(file).ok()?))
}

/// The file with the count for one line `number:controllers:path` of `/proc/self/cgroup`.
fn count_file(line: &str) -> Option<PathBuf> {
    let mut fields = line.splitn(3, ':');
    let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let path = path.trim_start_matches('/');
    match controllers {
        "" => Some(Path::new("/sys/fs/cgroup").join(path).join("memory.events")),
        "memory" => Some(Path::new("/sys/fs/cgroup/memory").join(path).join("memory.oom_control")),
        _ => None,
    }
}

fn parse_count(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(code: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8)
    }

    fn signal(signal: i32) -> ExitStatus {
        ExitStatus::from_raw(signal)
    }

    #[test]
    fn signs_of_want_of_memory() {
        assert!(ran_out(signal(libc::SIGKILL), false, "", Some(true)));
        assert!(ran_out(exit(137), false, "", Some(true)));
        assert!(ran_out(signal(libc::SIGKILL), true, "", None));
        assert!(ran_out(signal(libc::SIGABRT), true, "", Some(false)));
        assert!(ran_out(exit(1), true, "Traceback …\nMemoryError", Some(false)));
    }

    #[test]
    fn signs_of_something_else() {
        assert!(!ran_out(exit(0), true, "MemoryError", Some(true)));
        assert!(!ran_out(signal(libc::SIGKILL), true, "", Some(false)));
        assert!(!ran_out(signal(libc::SIGKILL), false, "", None));
        assert!(!ran_out(signal(libc::SIGSEGV), false, "", None));
        assert!(!ran_out(signal(libc::SIGTERM), true, "", None));
        assert!(!ran_out(exit(1), false, "MemoryError", Some(true)));
    }

    #[test]
    fn both_versions_of_cgroups_are_read() {
        let file = count_file("0::/system.slice/mill.service").unwrap();
        assert_eq!(file, Path::new("/sys/fs/cgroup/system.slice/mill.service/memory.events"));
        let file = count_file("4:memory:/docker/abc").unwrap();
        assert_eq!(file, Path::new("/sys/fs/cgroup/memory/docker/abc/memory.oom_control"));
        assert_eq!(count_file("3:cpuset:/docker/abc"), None);
        assert_eq!(parse_count("low 0\noom 2\noom_kill 7\noom_group_kill 0\n"), Some(7));
    }
}
