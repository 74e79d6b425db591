//! The outcome of an attempt on its way to the database.

use uuid::Uuid;

use crate::job::attempt::{Outcome, Usage};
use crate::store::attempts::complete::Completed;
use crate::store::attempts::settle::Settled;

/// The outcome of an attempt on its way to the database.
#[derive(Debug)]
pub(in crate::worker) enum Ending {
    Completed(Completed),
    Settled(Settled),
    /// The last message.
    Close,
}

/// The message for an outcome.
pub(in crate::worker) fn ending(
    job_id: Uuid,
    lease_id: Uuid,
    outcome: Outcome,
    usage: Usage,
) -> Option<Ending> {
    match outcome {
        Outcome::Completed { result } => {
            Some(Ending::Completed(Completed { job_id, lease_id, result, usage }))
        }
        other => Settled::of(job_id, lease_id, other, usage).map(Ending::Settled),
    }
}
