//! Notices that the programs on disk are no longer those of the running server. A package manager
//! can replace them under a running server, and every later session then fails to load their
//! libraries. Must never end a server for programs that are half unpacked or cannot serve its data.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Site;
use super::admin::Admin;
use super::programs::{self, Programs};

const POLL_EVERY: Duration = Duration::from_secs(2);

/// The properties that distinguish two files of one name: device, inode, length, time of change.
type Stamp = Vec<Option<(u64, u64, u64, i64, i64)>>;

/// The programs that a server was started from, as they were at that time.
#[derive(Debug)]
pub(super) struct Watch {
    programs: Programs,
    stamp: Stamp,
    next_poll: Instant,
}

impl Watch {
    /// Records their present state; must be called before they are run.
    pub(super) fn new(programs: &Programs) -> Self {
        Self {
            stamp: stamp(&programs.dir),
            programs: programs.clone(),
            next_poll: Instant::now() + POLL_EVERY,
        }
    }

    /// Why the server on `port` must be restarted; nothing if it need not be. Checks only at intervals.
    pub(super) async fn wants_restart(&mut self, site: &Site, port: u16) -> Option<String> {
        if Instant::now() < self.next_poll {
            return None;
        }
        self.next_poll = Instant::now() + POLL_EVERY;
        let there = stamp(&self.programs.dir);
        if there == self.stamp {
            return None;
        }
        // Half unpacked programs do not fit one another; the next check sees more.
        let found = programs::probe(&self.programs.dir, &site.home.owner).await.ok()?;
        if stamp(&self.programs.dir) != there {
            return None;
        }
        self.stamp = there;
        let (dir, before) = (self.programs.dir.display(), &self.programs.version);
        if found.major != self.programs.major {
            tracing::warn!(
                "{dir} now has Postgres {}, but this server runs {before}: before the next start, install \
                 {} again or migrate the data with pg_upgrade",
                found.version,
                self.programs.major
            );
            return None;
        }
        if found.version != *before {
            return Some(format!("its programs in {dir} were upgraded from {before} to {}", found.version));
        }
        // The same version in new files: what matters is whether a new session can use them.
        let refusal = loads_libraries(site, port).await.err()?;
        Some(format!(
            "its programs in {dir} were replaced, and the running server cannot load their libraries: \
             {refusal}"
        ))
    }
}

/// Whether a new session can load the libraries of functions.
async fn loads_libraries(site: &Site, port: u16) -> Result<(), String> {
    // Without a login the check learns nothing about libraries.
    let Ok(mut admin) = Admin::connect(port, &site.password).await else { return Ok(()) };
    let loads = admin.runs_plpgsql().await;
    admin.close().await;
    loads
}

fn stamp(dir: &Path) -> Stamp {
    let library = |folder: &str| dir.parent().unwrap_or(dir).join(folder);
    let files: [PathBuf; 4] = [
        dir.join("postgres"),
        dir.join("initdb"),
        library("lib/plpgsql.so"),
        library("lib/postgresql/plpgsql.so"),
    ];
    let of = |file: &PathBuf| {
        let found = fs::metadata(file).ok()?;
        Some((found.dev(), found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
    };
    files.iter().map(of).collect()
}
