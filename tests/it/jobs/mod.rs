//! Tests of the verbs that people and programs use on jobs, each against a Postgres of its own.

mod bounded_queues;
mod cancel;
mod delete;
mod enqueue;
mod expiry;
mod explain;
mod history;
mod idempotency;
mod own_kinds;
mod plain_path;
mod producers;
mod queues;
mod retry;
mod search;
mod stats;
