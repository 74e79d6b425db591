//! The kind that `POST /execute` enqueues.

use crate::agent::args::{KIND, QUEUE};

/// The kind of the jobs, and whether they can be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::agent) struct Target {
    /// `agent.execute`, or a kind of the operator's own.
    pub(in crate::agent) kind: String,
    /// Its queue, if it is not that of the kind.
    pub(in crate::agent) queue: Option<String>,
    /// Whether a worker can run it: built-in tasks need a model.
    pub(in crate::agent) is_ready: bool,
}

impl Target {
    /// The kind that the config names, or the built-in one.
    pub(in crate::agent) fn of(own: Option<&str>, has_model: bool) -> Self {
        match own {
            Some(kind) => Self { kind: kind.to_owned(), queue: None, is_ready: true },
            // Also before a worker has said so.
            None => Self { kind: KIND.to_owned(), queue: Some(QUEUE.to_owned()), is_ready: has_model },
        }
    }
}
