//! The HTTP API over a real database: every route, every refusal, and what repeats and races do.

mod access;
mod actions;
mod batch;
mod bounds;
mod browsers;
mod contract;
mod description;
mod enqueue;
mod explain;
mod health;
mod limits;
mod list;
mod queues;
mod remote_kinds;
mod schedules;
pub(crate) mod server;
mod silence;
mod speed;
mod trouble;
mod worker;
mod worker_batch;
mod worker_repeats;
mod worker_stops;
mod worker_timeouts;
mod workflows;
