//! An error in a project's description, with its key and advice. Always permanent: the same file
//! has the same error in the next attempt.

use std::fmt::{self, Display};

use tidemill::JobError;

/// Why a description cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The full key, such as `services.web.build.context`; empty for the whole.
    pub(super) key: String,
    /// The error, and the allowed values.
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.key, self.message)
        }
    }
}

/// The failure of a job whose project has an invalid description in `source`.
pub(crate) fn bad(source: &str, fault: &Fault) -> JobError {
    JobError::permanent(format!("{source}: {fault}")).class("bad_compose")
}
