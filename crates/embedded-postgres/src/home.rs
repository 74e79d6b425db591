//! The paths within one data folder. Creates tidemill's own folders; must never change the
//! permissions of other folders.

use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use sha2::{Digest, Sha256};

use super::EmbeddedError;
use super::owner::Owner;

/// Clusters of root's data folders that the server's account cannot reach live below this one.
const REACHABLE_BASE: &str = "/var/lib/tidemill";

/// A socket's path may have 103 bytes on macOS (107 on Linux); `/.s.PGSQL.65535` takes 15 of them.
const LONGEST_SOCKET_DIR: usize = 103 - 15;

/// The folders of one cluster.
#[derive(Debug)]
pub(super) struct Home {
    /// The data folder as the user named it, made absolute.
    pub(super) data_dir: PathBuf,
    /// Holds the cluster, its lock, settings and socket: the data folder itself, unless the account cannot reach it.
    pub(super) root: PathBuf,
    pub(super) owner: Owner,
}

impl Home {
    /// Finds the home of a data folder, creating the folder if there is none.
    pub(super) async fn find(data_dir: &Path) -> Result<Self, EmbeddedError> {
        let data_dir = make_data_dir(data_dir)?;
        let link = data_dir.join("postgres");
        if link.is_symlink() {
            let target = fs::read_link(&link).map_err(EmbeddedError::io("read", &link))?;
            let Some(root) = target.parent().filter(|_| target.exists()) else {
                return Err(EmbeddedError::ClusterGone { link, target });
            };
            return Self::at(data_dir, root.to_owned()).await;
        }
        let elsewhere = elsewhere(&data_dir);
        let in_use_elsewhere = geteuid().is_root() && elsewhere.join("postgres").exists();
        let reachable = link.exists() || Owner::for_new_cluster()?.reaches(&data_dir).await?;
        if reachable && !in_use_elsewhere {
            let root = data_dir.clone();
            return Self::at(data_dir, root).await;
        }
        fs::create_dir_all(&elsewhere).map_err(EmbeddedError::io("create", &elsewhere))?;
        for dir in [Path::new(REACHABLE_BASE), &elsewhere] {
            let everyone_may_pass = Permissions::from_mode(0o755);
            fs::set_permissions(dir, everyone_may_pass).map_err(EmbeddedError::io("open up", dir))?;
        }
        Self::at(data_dir, elsewhere).await
    }

    async fn at(data_dir: PathBuf, root: PathBuf) -> Result<Self, EmbeddedError> {
        let cluster = root.join("postgres");
        let owner = if cluster.exists() { Owner::of(&cluster)? } else { Owner::for_new_cluster()? };
        if let Owner::Account { name, .. } = &owner
            && !owner.reaches(&root).await?
        {
            return Err(EmbeddedError::Unreachable { account: name.clone(), path: root });
        }
        Ok(Self { data_dir, root, owner })
    }

    pub(super) fn cluster(&self) -> PathBuf {
        self.root.join("postgres")
    }

    pub(super) fn configuration(&self) -> PathBuf {
        self.root.join("postgres.conf")
    }

    pub(super) fn password(&self) -> PathBuf {
        self.data_dir.join("postgres.password")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.data_dir.join("postgres.log")
    }

    /// The folder of downloaded programs: in the home, because the server's account can reach it.
    pub(super) fn fetched_programs(&self) -> PathBuf {
        self.root.join("programs")
    }

    /// Leaves a link in the data folder when the cluster lives elsewhere, so that the next start and people find it.
    pub(super) fn point_to_cluster(&self) -> Result<(), EmbeddedError> {
        let link = self.data_dir.join("postgres");
        if self.root == self.data_dir || link.is_symlink() {
            return Ok(());
        }
        tracing::info!(
            cluster = %self.cluster().display(),
            "Postgres refuses to run as root and its own account cannot reach {}: its data is stored \
             elsewhere, and a link points to it",
            self.data_dir.display()
        );
        std::os::unix::fs::symlink(self.cluster(), &link).map_err(EmbeddedError::io("create the link", &link))
    }

    /// An empty private folder for the server's socket: in the home, or in the temporary folder if the home's path is
    /// too long. Call it only when no server runs: the remains of a killed server may name a process id
    /// that now belongs to another process, and Postgres would refuse to start.
    pub(super) fn make_socket_dir(&self) -> Result<PathBuf, EmbeddedError> {
        let dir = self.socket_dir();
        match DirBuilder::new().mode(0o700).create(&dir) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(EmbeddedError::io("create", &dir)(error)),
        }
        // Anyone may have made a folder of this name in the temporary folder before us.
        let metadata = fs::symlink_metadata(&dir).map_err(EmbeddedError::io("look at", &dir))?;
        let is_ours = [geteuid().as_raw(), self.owner.uid()].contains(&metadata.uid());
        if !metadata.is_dir() || !is_ours || metadata.mode() & 0o077 != 0 {
            return Err(EmbeddedError::SocketDirTaken { path: dir });
        }
        for entry in fs::read_dir(&dir).map_err(EmbeddedError::io("list", &dir))? {
            let stale = entry.map_err(EmbeddedError::io("list", &dir))?.path();
            fs::remove_file(&stale).map_err(EmbeddedError::io("remove", &stale))?;
        }
        self.owner.take(&dir)?;
        Ok(dir)
    }

    fn socket_dir(&self) -> PathBuf {
        let name = format!("tidemill-{}", short_hash(&self.root));
        [self.root.join("socket"), std::env::temp_dir().join(&name)]
            .into_iter()
            .find(|dir| dir.as_os_str().len() <= LONGEST_SOCKET_DIR)
            .unwrap_or_else(|| Path::new("/tmp").join(name))
    }
}

fn make_data_dir(data_dir: &Path) -> Result<PathBuf, EmbeddedError> {
    if !data_dir.exists() {
        fs::create_dir_all(data_dir).map_err(EmbeddedError::io("create", data_dir))?;
        if geteuid().is_root() {
            // Under a strict umask the server's account could not pass through the folder that we just made.
            fs::set_permissions(data_dir, Permissions::from_mode(0o755))
                .map_err(EmbeddedError::io("open up", data_dir))?;
        }
    }
    let data_dir = data_dir.canonicalize().map_err(EmbeddedError::io("find", data_dir))?;
    // Postgres writes its paths into files of text lines.
    match data_dir.to_str() {
        Some(text) if !text.contains(['\n', '\r']) => Ok(data_dir),
        _ => Err(EmbeddedError::UnusablePath { data_dir }),
    }
}

fn elsewhere(data_dir: &Path) -> PathBuf {
    Path::new(REACHABLE_BASE).join(short_hash(data_dir))
}

fn short_hash(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    digest.iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
