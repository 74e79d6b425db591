//! The HTTP API: one noun per file. Must never contain SQL, and must never reach a worker except
//! through Postgres.

mod alerts;
mod audit;
pub mod description;
pub mod events;
mod failures;
pub mod jobs;
mod kinds;
mod limits;
mod page_response;
mod queues;
mod remote_worker;
pub mod router;
mod schedules;
mod seeds;
pub mod server;
mod sessions;
pub mod state;
mod stats;
mod workers;
mod workflows;
