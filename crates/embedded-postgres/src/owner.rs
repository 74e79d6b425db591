//! The account that runs the server's processes: our own, or an unprivileged one if we are root,
//! because Postgres refuses root. Must never change the permissions of folders that are not
//! tidemill's.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use nix::unistd::{Uid, User, geteuid};

use super::EmbeddedError;
use tidemill_secrecy::is_secret;

/// The account that owns the cluster and runs the server.
#[derive(Clone, Debug)]
pub(super) enum Owner {
    Ourselves,
    Account { name: String, uid: u32, gid: u32 },
}

impl Owner {
    /// For a new cluster: our own account, or as root `postgres`, otherwise `nobody`.
    pub(super) fn for_new_cluster() -> Result<Self, EmbeddedError> {
        if !geteuid().is_root() {
            return Ok(Self::Ourselves);
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Self::Account { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() })
            .ok_or(EmbeddedError::NoAccount)
    }

    /// For an existing cluster: the owner of its files, because Postgres requires that.
    pub(super) fn of(cluster: &Path) -> Result<Self, EmbeddedError> {
        let metadata = fs::metadata(cluster).map_err(EmbeddedError::io("look at", cluster))?;
        let uid = metadata.uid();
        if !geteuid().is_root() {
            return if uid == geteuid().as_raw() {
                Ok(Self::Ourselves)
            } else {
                Err(EmbeddedError::ForeignCluster { path: cluster.to_owned(), uid })
            };
        }
        if uid == 0 {
            // Restored from a copy made by root: it is given to the account again before the start.
            return Self::for_new_cluster();
        }
        let name = User::from_uid(Uid::from_raw(uid))
            .ok()
            .flatten()
            .map_or_else(|| uid.to_string(), |user| user.name);
        Ok(Self::Account { name, uid, gid: metadata.gid() })
    }

    pub(super) fn uid(&self) -> u32 {
        match self {
            Self::Ourselves => geteuid().as_raw(),
            Self::Account { uid, .. } => *uid,
        }
    }

    /// A command that runs as this account, in `dir`, untouched by our terminal and our locale, and without the variables
    /// that are ours alone: others of the account can read what it has.
    pub(super) fn command(&self, program: &Path, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(dir).stdin(Stdio::null()).env("LC_ALL", "C");
        for (name, _) in std::env::vars_os() {
            if is_secret(&name) {
                command.env_remove(name);
            }
        }
        if let Self::Account { uid, gid, .. } = self {
            // With a uid and no list of groups, the standard library also drops root's supplementary groups.
            command.uid(*uid).gid(*gid);
        }
        command
    }

    /// Whether the account can enter `dir`: tried, not computed, so that access lists and mounts count too.
    pub(super) async fn reaches(&self, dir: &Path) -> Result<bool, EmbeddedError> {
        let Self::Account { name, .. } = self else {
            return Ok(true);
        };
        match run(self.command(Path::new("true"), dir)).await {
            Ok(_) => Ok(true),
            Err(error) if error.raw_os_error() == Some(nix::libc::EACCES) => Ok(false),
            Err(source) => Err(EmbeddedError::CannotSwitchAccount { account: name.clone(), source }),
        }
    }

    /// Makes the account the owner of `path` and of everything in it.
    pub(super) fn take(&self, path: &Path) -> Result<(), EmbeddedError> {
        let Self::Account { uid, gid, .. } = self else {
            return Ok(());
        };
        lchown(path, Some(*uid), Some(*gid)).map_err(EmbeddedError::io("change the owner of", path))?;
        if !path.is_symlink() && path.is_dir() {
            for entry in fs::read_dir(path).map_err(EmbeddedError::io("list", path))? {
                self.take(&entry.map_err(EmbeddedError::io("list", path))?.path())?;
            }
        }
        Ok(())
    }
}

/// Runs a command to its end; if the caller stops waiting, the command is killed.
pub(super) async fn run(command: Command) -> io::Result<Output> {
    tokio::process::Command::from(command).kill_on_drop(true).output().await
}
