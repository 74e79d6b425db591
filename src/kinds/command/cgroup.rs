//! A cgroup for each attempt, below the cgroup of this process: no process leaves it by itself, and
//! the kernel ends all its processes in one step. Needs version 2 with `cgroup.kill` (Linux 5.14)
//! and the right to create folders there.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, id};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::spawn::CHANNEL_DESCRIPTOR;

const PREFIX: &str = "tidemill-";
/// How long killed processes may take to end.
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// The cgroup of this process, if it can create others below it.
#[derive(Debug)]
pub(super) struct Parent(PathBuf);

impl Parent {
    /// Tries it; the error names what is missing or forbidden.
    pub(super) fn own() -> io::Result<Self> {
        let parent = Self(own_folder()?);
        parent.remove_leftovers();
        let trial = parent.make(0)?;
        let tried = trial.try_out();
        trial.end();
        tried.map(|()| parent)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    pub(super) fn make(&self, number: u64) -> io::Result<Cgroup> {
        let folder = self.0.join(format!("{PREFIX}{}-{number}", id()));
        fs::create_dir(&folder)?;
        Ok(Cgroup(folder))
    }

    /// Ends processes left by killed workers, in case their watch shells were killed, too.
    fn remove_leftovers(&self) {
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
            if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
                Cgroup(entry.path()).end();
            }
        }
    }
}

/// The folder of this process's cgroup.
fn own_folder() -> io::Result<PathBuf> {
    let none = |what: &str| io::Error::new(io::ErrorKind::NotFound, what.to_owned());
    let of_us = fs::read_to_string("/proc/self/cgroup")?;
    let path = of_us.lines().find_map(|line| line.strip_prefix("0::"));
    let path = path.ok_or_else(|| none("this process is in no cgroup of version 2"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let folder = mounts.lines().find_map(|line| {
        // Before the hyphen: number, parent, device, root, mount point, …; after it: type, source, …
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, point) = (place.next()?, place.next()?);
        let below = Path::new(path).strip_prefix(root).ok()?;
        kind.starts_with("cgroup2 ").then(|| Path::new(point).join(below))
    });
    let folder = folder.ok_or_else(|| none("cgroups of version 2 are not mounted"))?;
    // A shell gets the path, split into words.
    if folder.to_string_lossy().contains(|letter: char| letter.is_whitespace() || letter == '"') {
        return Err(none("the cgroup's path has spaces"));
    }
    Ok(folder)
}

/// The cgroup of one attempt.
#[derive(Debug)]
pub(super) struct Cgroup(PathBuf);

impl Cgroup {
    pub(super) fn name(&self) -> String {
        self.0.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// A process that writes to it enters the cgroup.
    pub(super) fn door(&self) -> io::Result<OwnedFd> {
        let door = OpenOptions::new().write(true).open(self.0.join("cgroup.procs"))?;
        // The command's channel has this descriptor, before the cgroup is entered.
        Ok(if door.as_raw_fd() == CHANNEL_DESCRIPTOR { door.try_clone()?.into() } else { door.into() })
    }

    fn try_out(&self) -> io::Result<()> {
        let kill = OpenOptions::new().write(true).open(self.0.join("cgroup.kill"));
        kill.map_err(|error| io::Error::new(error.kind(), format!("no cgroup.kill: {error}")))?;
        let door = self.0.join("cgroup.procs");
        let entered = Command::new("/bin/sh")
            .args(["-c", "echo 0 > \"$0\""])
            .arg(&door)
            .env_clear()
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        if !entered.success() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "processes cannot be moved into a cgroup created here",
            ));
        }
        Ok(())
    }

    /// Asks the kernel to end all processes in it.
    pub(super) fn kill(&self) {
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
    }

    /// Ends all processes in it, and removes it. Blocks.
    pub(super) fn end(&self) {
        self.kill();
        let until = Instant::now() + GONE_WITHIN;
        loop {
            match fs::remove_dir(&self.0) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < until => {
                    sleep(Duration::from_millis(1));
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    let folder = self.0.display();
                    tracing::warn!(%error, %folder, "the cgroup of an attempt could not be removed");
                    return;
                }
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_in_a_cgroup_ends_with_it() {
        let parent = match Parent::own() {
            Ok(parent) => parent,
            Err(error) => return println!("skipped: no cgroup can be made here: {error}"),
        };
        let cgroup = parent.make(u64::MAX).unwrap();
        let mut command = Command::new("setsid");
        command.args(["sleep", "1000"]);
        crate::kinds::command::fork_exec::start_in(&mut command, cgroup.door().unwrap());
        let mut child = command.spawn().unwrap();
        let inside = fs::read_to_string(cgroup.0.join("cgroup.procs")).unwrap();
        assert!(inside.lines().any(|line| line == child.id().to_string()), "{inside:?}");
        cgroup.end();
        assert!(!cgroup.0.exists());
        assert!(!child.wait().unwrap().success());
    }
}
