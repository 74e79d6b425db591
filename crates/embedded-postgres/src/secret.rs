//! The password of the embedded database: random, created once, kept in a file that only we can
//! read. Must never appear in a log line or on a command line.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rand::distr::{Alphanumeric, SampleString};

use super::EmbeddedError;

const LENGTH: usize = 32;

/// Reads the password; creates one if no cluster depends on it yet.
pub(super) fn load_or_create(path: &Path, cluster_exists: bool) -> Result<String, EmbeddedError> {
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(EmbeddedError::io("read", path)(error)),
    }
    if cluster_exists {
        return Err(EmbeddedError::PasswordLost { path: path.to_owned() });
    }
    let password = Alphanumeric.sample_string(&mut rand::rng(), LENGTH);
    let unfinished = path.with_extension("password.new");
    write_private(&unfinished, &password)?;
    fs::rename(&unfinished, path).map_err(EmbeddedError::io("write", path))?;
    Ok(password)
}

/// Writes `text` to a new file that only its owner can read, down to the disk.
pub(super) fn write_private(path: &Path, text: &str) -> Result<(), EmbeddedError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(EmbeddedError::io("replace", path)(error));
        }
        _ => {}
    }
    let write = |mut file: File| file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(write)
        .map_err(EmbeddedError::io("write", path))
}
