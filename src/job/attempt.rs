//! The end of one attempt of a job: its outcome, its failure and its resource use. Decides nothing
//! about retries; the database does, so that all workers agree.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// Why an attempt is asked to stop before its handler is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// Somebody cancelled the job.
    Cancelled,
    /// The soft timeout passed; the hard one will end the attempt without asking.
    SoftTimeout,
    /// The lease is gone: another worker may already run this job.
    LeaseLost,
    /// The worker shuts down and hands the job back.
    Shutdown,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "cancelled",
            Self::SoftTimeout => "soft timeout",
            Self::LeaseLost => "lease lost",
            Self::Shutdown => "worker shut down",
        })
    }
}

/// The error of a failed attempt, as stored with the job and shown in every face.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What happened, for a person.
    pub message: String,
    /// A stable class such as `exit_code`, `timeout` or a Rust type's name.
    #[serde(rename = "type")]
    pub class: String,
    /// True when no further attempt can help.
    pub permanent: bool,
    /// A stack trace, where the handler has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backtrace: Option<String>,
    /// The next attempt comes after so long, instead of the kind's backoff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<f64>,
}

/// What the process behind an attempt used and how it ended. All empty for in-process handlers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Exit code of a command that ended by itself.
    pub exit_code: Option<i32>,
    /// Signal that ended the command.
    pub signal: Option<i32>,
    /// True when the kernel or the memory limit ended it for want of memory.
    pub out_of_memory: bool,
    /// Largest resident memory of the command and its children, in bytes.
    pub peak_memory_bytes: Option<i64>,
}

impl Usage {
    /// True when there is nothing to record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How an attempt ended, as its worker judges it.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The handler is done; `result` is JSON or nothing.
    Completed { result: Option<Value> },
    /// The handler failed; a retry follows unless the failure is permanent or attempts are used up.
    Failed { failure: Failure },
    /// The handler asks to be run again later, at no cost of an attempt.
    Snoozed { delay: Duration },
    /// The handler stopped because the job was cancelled.
    Cancelled,
    /// The worker hands the job back at shutdown, at no cost of an attempt.
    Released,
    /// The job goes on when something is there, at no cost of an attempt.
    Waits { wait: Wait },
}

impl Outcome {
    /// It in a word, for the log.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Completed { .. } => "completed",
            Self::Failed { .. } => "failed",
            Self::Snoozed { .. } => "snoozed",
            Self::Cancelled => "cancelled",
            Self::Released => "released",
            Self::Waits { .. } => "waits",
        }
    }
}

/// What a job waits for before it goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Wait {
    /// A message to the job.
    Signal {
        /// Its name.
        signal: String,
        /// After so long it goes on without.
        #[serde(skip_serializing_if = "Option::is_none")]
        timeout_seconds: Option<f64>,
    },
    /// The end of other jobs, whatever it is.
    Jobs {
        /// Their ids.
        parents: Vec<Uuid>,
    },
}
