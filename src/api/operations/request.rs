//! The request of an operation: its action, filter and rate. Must never reach the database
//! unchecked.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::filter::{BulkFilter, checked_filter};
use crate::api::server::problem::Problem;
use crate::api::server::validate;
use crate::store::operations::NewOperation;

const RATE_CHARACTERS: usize = 20;

/// What an operation does.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OperationAction {
    /// Cancels unfinished jobs; running ones are asked to stop.
    Cancel,
    /// Retries failed and cancelled jobs, each with at least one more attempt.
    Retry,
    /// Makes scheduled and retrying jobs due.
    RunNow,
    /// Removes jobs that do not run, with their history.
    Delete,
    /// Gives unfinished jobs that do not run another priority.
    SetPriority,
    /// Moves unfinished jobs that do not run to another queue.
    Move,
}

impl OperationAction {
    const fn word(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Retry => "retry",
            Self::RunNow => "run_now",
            Self::Delete => "delete",
            Self::SetPriority => "set_priority",
            Self::Move => "move",
        }
    }
}

/// The action, and the jobs to act on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"action": "retry", "filter": {"kind": "send-mail", "error": "timeout"}, "rate": "200/min"}))]
pub(crate) struct OperationRequest {
    /// The action.
    action: OperationAction,
    /// The filter; a job must match every given field. Fields as in the list of jobs, and
    /// `fingerprint` (a cause of GET /failures).
    #[schema(value_type = Option<BulkFilter>)]
    filter: Option<Map<String, Value>>,
    /// True to act on all jobs to which the action applies; only without a filter.
    #[serde(default)]
    all: bool,
    /// The queue for moved, perhaps for retried jobs.
    queue: Option<String>,
    /// The priority that `set_priority` gives: 1 to 9, or its name.
    #[schema(value_type = Option<String>)]
    priority: Option<Value>,
    /// The most jobs in a time: `5/s`, `200/min` or `1000/h`; by default as fast as it goes.
    rate: Option<String>,
}

/// A request whose values are valid.
#[derive(Debug)]
pub(super) struct Checked {
    action: &'static str,
    filter: Value,
    queue: Option<String>,
    priority: Option<i16>,
    rate: Option<String>,
}

impl OperationRequest {
    /// # Errors
    /// 422 for a value that is not valid.
    pub(super) fn checked(self) -> Result<Checked, Problem> {
        Ok(Checked {
            action: self.action.word(),
            filter: checked_filter(self.filter, self.all)?,
            queue: self.queue.map(|queue| validate::name("/queue", queue)).transpose()?,
            priority: self.priority.map(|value| validate::priority("/priority", &value)).transpose()?,
            rate: self.rate.map(rate).transpose()?,
        })
    }
}

impl Checked {
    pub(super) fn new_operation(&self) -> NewOperation<'_> {
        NewOperation {
            action: self.action,
            filter: &self.filter,
            queue: self.queue.as_deref(),
            priority: self.priority,
            rate: self.rate.as_deref(),
        }
    }
}

/// A rate; the database judges it.
///
/// # Errors
/// 422 for a text that is far too long.
pub(super) fn rate(text: String) -> Result<String, Problem> {
    validate::text("/rate", text, RATE_CHARACTERS)
}
