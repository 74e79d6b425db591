//! Speaks HTTP: one noun a file. Must never contain SQL and never reach a worker except through
//! Postgres.

pub mod access;
mod answer;
pub mod auth;
mod batch;
pub mod check;
pub mod docs;
pub mod enqueuer;
mod failure;
pub mod gauges;
pub mod guard;
mod health;
pub mod host;
mod idempotent;
pub mod job_id;
mod jobs;
pub mod json;
pub mod key;
pub mod keys;
mod kinds;
mod list;
pub mod listen;
pub mod metrics;
mod new_job;
pub mod path;
pub mod problem;
mod queues;
pub mod request;
pub mod router;
pub mod server;
pub mod state;
mod verbs;
mod worker;
mod workers;
