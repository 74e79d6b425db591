//! Maps an error of the store to a problem: wait, correct a value, or a fault of the server. Must
//! never show the database's own messages, only those of Tidemill's functions.

use super::problem::{Case, Problem};
use crate::api::jobs::job_id::failed;
use crate::store;
use crate::vault::VaultError;

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        if let store::Error::Vault(reason @ (VaultError::Reserved(_) | VaultError::Unsealable)) = &error {
            return Problem::invalid("/args", format!("The value cannot be stored: {reason}."))
                .remedy("Use another name for the key.");
        }
        if let Some(queue) = error.full_queue() {
            return Problem::queue_full(queue);
        }
        if error.is_queue_full() {
            return Problem::new(Case::QueueFull, "A queue has reached max_queued.");
        }
        if error.is_lock_timeout() {
            return Problem::unavailable(
                "Another open transaction holds a lock that this request needs.",
                &error,
            );
        }
        if error.is_bad_data() {
            return refused_value(&error);
        }
        failed(&error)
    }
}

/// The problem of a value that the database cannot store.
pub(crate) fn refused_value(error: &store::Error) -> Problem {
    if let Some((message, hint)) = error.refusal() {
        let problem = Problem::new(Case::InvalidRequest, format!("{message}."));
        return match hint {
            Some(hint) => problem.remedy(format!("{hint}.")),
            None => problem,
        };
    }
    tracing::warn!(%error, "the database refused a value");
    Problem::new(Case::InvalidRequest, "The database cannot store a value of the request.")
}
