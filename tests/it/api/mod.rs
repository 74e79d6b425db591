//! The HTTP API over a real database: every route, every refusal, and what repeats and races do.

mod access;
mod batch;
mod contract;
mod description;
mod enqueue;
mod explain;
mod health;
mod limits;
mod list;
mod queues;
mod schedules;
pub(crate) mod server;
mod speed;
mod verbs;
mod worker;
mod worker_batch;
mod worker_repeats;
mod workflows;
