//! The profile folder of a running browser, and the removal of folders whose worker was killed. The
//! owner of a folder holds a lock that the system releases when the owner dies; must never remove a
//! folder whose lock is held.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The prefix of its name. Folders of older versions, which are not locked, have other names.
const PREFIX: &str = "tidemill-chromium-held-";

/// A folder that vanishes when it is dropped.
#[derive(Debug)]
pub(super) struct Profile {
    folder: PathBuf,
    /// Released after the folder is removed. No child inherits it, because the standard library opens files
    /// close-on-exec.
    _lock: File,
}

impl Profile {
    /// Creates one in the system's temporary folder, after removing leftover ones. Blocks.
    pub(super) fn make() -> io::Result<Self> {
        let parent = std::env::temp_dir();
        remove_leftovers(&parent);
        Self::below(&parent)
    }

    fn below(parent: &Path) -> io::Result<Self> {
        loop {
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
            // Before it is locked another process takes it for a leftover, and may be removing it.
            if let Some(lock) = locked(folder.path())? {
                return Ok(Self { folder: folder.keep(), _lock: lock });
            }
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            let folder = self.folder.display();
            tracing::warn!(
                %error, %folder,
                "a browser profile could not be removed; the next browser start tries again"
            );
        }
    }
}

/// The lock of a folder, unless another process holds it or the folder is gone.
fn locked(folder: &Path) -> io::Result<Option<File>> {
    let lock = match File::open(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match lock.try_lock() {
        Ok(()) => Ok(folder.exists().then_some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => {
            Err(io::Error::other(format!("{} cannot be locked: {error}", folder.display())))
        }
    }
}

fn remove_leftovers(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if is_ours && let Ok(Some(_lock)) = locked(&entry.path()) {
            // A folder that cannot be removed now is tried again later.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_without_a_lock_is_removed_whoever_made_it() {
        let parent = tempfile::tempdir().unwrap();
        let held = Profile::below(parent.path()).unwrap();
        let folder = held.folder().to_owned();
        fs::write(folder.join("Cookies"), "x").unwrap();
        // As a killed worker leaves it, whose id another process has now.
        let left = parent.path().join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir_all(left.join("Default")).unwrap();
        let others = parent.path().join("others");
        fs::create_dir(&others).unwrap();
        remove_leftovers(parent.path());
        assert!(!left.exists() && folder.join("Cookies").exists() && others.exists());
        drop(held);
        assert!(!folder.exists());
    }

    #[test]
    fn many_that_make_and_remove_at_once_never_lose_one_that_is_held() {
        let parent = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let profile = Profile::below(parent.path()).unwrap();
                        remove_leftovers(parent.path());
                        assert!(profile.folder().exists());
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
