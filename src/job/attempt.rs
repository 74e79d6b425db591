//! The end of one attempt of a job: its outcome, its failure and its resource use. Decides nothing
//! about retries; the database does, so that all workers agree.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// Why an attempt is asked to stop before its handler is done.
///
/// # Examples
///
/// ```
/// use tidemill::{Context, JobError, StopReason};
///
/// async fn import(context: Context, pages: u32) -> Result<u32, JobError> {
///     for page in 0..pages {
///         match context.stop_reason() {
///             None => context.log(&format!("page {page}")).await,
///             Some(StopReason::Shutdown) => return Err(JobError::handed_back("the worker leaves")),
///             Some(reason) => return Err(JobError::retry(format!("page {page}: {reason}"))),
///         }
///     }
///     Ok(pages)
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The job was cancelled.
    Cancelled,
    /// The soft timeout passed; the hard one will end the attempt without asking.
    SoftTimeout,
    /// The lease is lost: another worker may already be running this job.
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

/// The error of a failed attempt, as stored with the job and shown in every interface.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What happened, for a person.
    pub message: String,
    /// A stable class such as `exit_code`, `timeout` or a Rust type's name.
    #[serde(rename = "type")]
    pub class: String,
    /// True if no further attempt can help.
    pub permanent: bool,
    /// A stack trace, where the handler has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backtrace: Option<String>,
    /// The delay before the next attempt, instead of the kind's backoff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<f64>,
}

/// The resource use and the exit of the process of an attempt. All empty for in-process handlers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Exit code of a command that ended by itself.
    pub exit_code: Option<i32>,
    /// Signal that ended the command.
    pub signal: Option<i32>,
    /// True if it ended because it ran out of memory, by the kernel or the memory limit.
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

/// The outcome of an attempt, as its worker judges it.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The handler is done; `result` is JSON or nothing.
    Completed { result: Option<Value> },
    /// The handler failed; a retry follows unless the failure is permanent or attempts are used up.
    Failed { failure: Failure },
    /// The handler asks to be run again later, without counting the attempt.
    Snoozed { delay: Duration },
    /// The handler stopped because the job was cancelled.
    Cancelled,
    /// The worker hands the job back at shutdown, without counting the attempt.
    Released,
    /// The job continues when the awaited event has occurred, without counting the attempt.
    Waits { wait: Wait },
}

impl Outcome {
    /// The outcome as one word, for the log.
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

/// The event that a job waits for before it continues.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Wait {
    /// A message to the job.
    Signal {
        /// Its name.
        signal: String,
        /// The time after which the job continues without it.
        #[serde(skip_serializing_if = "Option::is_none")]
        timeout_seconds: Option<f64>,
    },
    /// The end of other jobs, in any state.
    Jobs {
        /// Their ids.
        parents: Vec<Uuid>,
    },
}
