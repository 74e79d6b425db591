//! Hides the secrets of this process from the programs that it runs: they run as the same user, and
//! the kernel shows them its variables, command line and memory unless asked not to. Must never
//! show a value itself.
//!
//! # Examples
//!
//! ```
//! // At the start of the program, before it runs another one.
//! tidemill_secrecy::conceal();
//! tidemill_secrecy::withhold("CLOUD_TOKEN");
//! assert!(tidemill_secrecy::is_secret("CLOUD_TOKEN".as_ref()));
//! ```

#![warn(clippy::pedantic, unreachable_pub)]

mod erase;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::sync::{PoisonError, RwLock};

use nix::sys::prctl;

/// Variables from which libraries of this process took credentials, in addition to Tidemill's own
/// variables.
static WITHHELD: RwLock<BTreeSet<OsString>> = RwLock::new(BTreeSet::new());

/// Closes this process's entry in /proc to other processes of its login, and takes passwords out of its command line,
/// which every login can read. From then on it leaves no core dump, and only root can attach a debugger.
/// Call it before the first program is run: the `tidemill` binary does so at its start; a program that uses
/// the library can call it.
pub fn conceal() {
    if let Err(error) = prctl::set_dumpable(false) {
        tracing::warn!(%error, "commands can read the environment variables of this process");
    }
    erase::passwords_of_arguments();
}

/// Takes the values of our own variables out of the memory that the kernel shows as this process's
/// environment. Not even root's programs find them there. Call it after they were read.
pub fn forget_variables() {
    erase::variables(|name| name.starts_with(b"TIDEMILL_") || name == b"DATABASE_URL");
}

/// Hides a variable from other programs, because a library of this process took credentials from it.
pub fn withhold(name: impl Into<OsString>) {
    WITHHELD.write().unwrap_or_else(PoisonError::into_inner).insert(name.into());
}

/// Whether a variable stays with this process: it may say how to reach the database, the storage or a model.
#[must_use]
pub fn is_secret(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    bytes.starts_with(b"TIDEMILL_")
        || bytes.starts_with(b"PG")
        || bytes == b"DATABASE_URL"
        || WITHHELD.read().unwrap_or_else(PoisonError::into_inner).contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_or_was_used_for_credentials_stays_here() {
        for ours in ["TIDEMILL_DATABASE__URL", "PGPASSWORD", "DATABASE_URL"] {
            assert!(is_secret(OsStr::new(ours)), "{ours}");
        }
        let used = OsStr::new("CLOUD_OF_THIS_TEST_SECRET");
        assert!(!is_secret(used) && !is_secret(OsStr::new("PATH")));
        withhold(used);
        assert!(is_secret(used));
    }
}
