//! Finds the live processes of a cluster. Must never trust a process id alone, because ids are
//! reused.

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Whether a process of this id exists and has not ended; one that ended but was not yet reaped counts as gone.
pub(super) fn is_alive(pid: i32) -> bool {
    exists(pid) && !is_zombie(pid)
}

/// Whether the id is in use, even by a process that has already ended.
pub(super) fn exists(pid: i32) -> bool {
    pid > 0 && kill(Pid::from_raw(pid), None) != Err(nix::errno::Errno::ESRCH)
}

/// Sends a signal; a process that has already ended is not an error.
pub(super) fn signal(pid: i32, signal: Signal) {
    if let Err(error) = kill(Pid::from_raw(pid), signal) {
        tracing::debug!(pid, %signal, %error, "signal not delivered");
    }
}

/// Live Postgres processes whose working directory is `cluster`: its postmaster and the postmaster's children.
#[cfg(target_os = "linux")]
pub(super) fn working_in(cluster: &Path) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(|pid: i32| (pid, entry.path())))
        .filter(|(_, process)| {
            std::fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim() == "postgres")
        })
        .filter(|(_, process)| std::fs::read_link(process.join("cwd")).is_ok_and(|dir| dir == cluster))
        .map(|(pid, _)| pid)
        .collect()
}

/// Elsewhere only the postmaster that the cluster names can be seen; Postgres itself then waits for its children.
#[cfg(not(target_os = "linux"))]
pub(super) fn working_in(cluster: &Path) -> Vec<i32> {
    let named = super::pid_file::PidFile::read(cluster).map(|file| file.pid);
    let is_postgres = |pid: &i32| {
        let output = std::process::Command::new("ps").args(["-o", "comm=", "-p", &pid.to_string()]).output();
        output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("postgres"))
    };
    named.filter(is_postgres).into_iter().collect()
}

#[cfg(target_os = "linux")]
fn is_zombie(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before the state is in brackets and may itself hold any character.
    status
        .rsplit_once(')')
        .is_some_and(|(_, rest)| matches!(rest.trim_start().chars().next(), Some('Z' | 'X')))
}

#[cfg(not(target_os = "linux"))]
fn is_zombie(_pid: i32) -> bool {
    false
}
