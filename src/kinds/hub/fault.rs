//! What an error of the engine means for the job: another attempt, or none. Every message says what
//! was being done and what to do about it.

use bollard::errors::Error;

use crate::worker::handler::JobError;

/// The end of an attempt in which the engine failed while `doing` something.
pub(super) fn failed(doing: &str, error: &Error) -> JobError {
    match error {
        Error::DockerResponseServerError { status_code, message } => {
            let told = format!("{doing}: the Docker engine answered {status_code}: {}", message.trim());
            // What it calls the caller's mistake is the same next time; but for a conflict with something that ends.
            if (400..500).contains(status_code) && ![408, 409, 425, 429].contains(status_code) {
                JobError::permanent(told).class("engine_refused")
            } else {
                JobError::retry(told).class("engine_failed")
            }
        }
        Error::DockerStreamError { error } => {
            JobError::retry(format!("{doing}: {}", error.trim())).class("engine_failed")
        }
        other => JobError::retry(format!(
            "{doing}: the Docker engine does not answer: {other}. Look if it runs and if hub.engine names it."
        ))
        .class("engine_unreachable"),
    }
}

/// True if the engine says that there is no such thing.
pub(super) fn is_missing(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 404, .. })
}

/// True if the engine says that it is so already, or is about to be.
pub(super) fn is_so_already(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 304 | 409, .. })
}
