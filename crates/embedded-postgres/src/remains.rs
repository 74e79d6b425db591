//! Handles what an earlier server left behind: a postmaster that still runs, children of a killed
//! one, a stale `postmaster.pid`. Must end only processes that work in our cluster without a
//! postmaster.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::EmbeddedError;
use super::pid_file::PidFile;
use super::processes;

const POLL_EVERY: Duration = Duration::from_millis(25);

/// Orphaned children notice within moments that their postmaster is gone, unless one is deep in a query.
const ORPHANS_MAY_NOTICE: Duration = Duration::from_secs(2);
const ORPHANS_MAY_QUIT: Duration = Duration::from_secs(4);
const ORPHANS_MUST_BE_GONE: Duration = Duration::from_secs(15);

/// Returns the postmaster that is running on the cluster, or clears the way for a new one.
pub(super) async fn settle(cluster: &Path) -> Result<Option<PidFile>, EmbeddedError> {
    let began = Instant::now();
    loop {
        let named = PidFile::read(cluster);
        let working = processes::working_in(cluster);
        if let Some(file) = &named {
            if working.contains(&file.pid) {
                return Ok(named);
            }
            if working.contains(&-file.pid) {
                return Err(EmbeddedError::SingleUser { pid: -file.pid, cluster: cluster.to_owned() });
            }
        }
        let Some(&orphan) = working.first() else {
            break;
        };
        let waited = began.elapsed();
        if waited > ORPHANS_MUST_BE_GONE {
            return Err(EmbeddedError::DoesNotStop { pid: orphan });
        }
        // Without their postmaster they can no longer commit anything; recovery restores consistency.
        if waited > ORPHANS_MAY_QUIT {
            end_all(&working, Signal::SIGKILL);
        } else if waited > ORPHANS_MAY_NOTICE {
            end_all(&working, Signal::SIGQUIT);
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
    forget_reused_pid(cluster)?;
    Ok(None)
}

fn end_all(orphans: &[i32], signal: Signal) {
    for &pid in orphans {
        processes::signal(pid, signal);
    }
}

/// Postgres clears a stale `postmaster.pid` itself, unless the id in it now belongs to some other process (after a
/// restart of a container, ids come back) or to one that ended unreaped: then it would refuse to start for ever.
fn forget_reused_pid(cluster: &Path) -> Result<(), EmbeddedError> {
    let path = PidFile::path(cluster);
    match PidFile::read(cluster) {
        Some(file) if processes::exists(file.pid.abs()) => {
            tracing::info!(
                pid = file.pid,
                "removing a stale postmaster.pid: its process is not this cluster's server"
            );
            fs::remove_file(&path).map_err(EmbeddedError::io("remove", &path))
        }
        _ => Ok(()),
    }
}
