//! The verbs of callers: enqueue, find, list, and a person's actions on a job.

pub mod activity;
pub mod bounded_queues;
pub mod bulk;
pub mod cancel;
pub mod change;
pub mod delete;
pub(crate) mod document;
pub mod enqueue;
pub mod events;
pub mod explain;
pub mod failures;
pub mod feed;
pub mod find;
pub mod idempotency;
pub mod list;
pub mod payloads;
pub mod prepared;
pub mod redaction;
pub mod retry;
pub mod sealing;
