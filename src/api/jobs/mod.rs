//! Routes of jobs: enqueue, list, show, act. Each answers from the database; none keeps state.

pub(crate) mod actions;
pub(crate) mod after_request;
pub mod args_rules;
pub(crate) mod artifacts;
pub mod batch_writer;
pub(crate) mod bulk;
pub mod create;
pub(crate) mod create_batch;
pub mod create_request;
pub mod duration_input;
pub(crate) mod explain;
pub mod job_id;
pub(crate) mod list;
pub(crate) mod minimal;
pub(crate) mod patch;
pub(crate) mod queue_busy_retry;
pub mod result;
pub mod retry_after;
pub mod show;
pub(crate) mod steps;
pub(crate) mod unique_request;
pub(crate) mod update;
