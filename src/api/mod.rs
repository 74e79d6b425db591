//! The HTTP API: one noun per file. Must never contain SQL, and must never reach a worker except
//! through Postgres.

mod access;
mod activity;
mod alerts;
mod audit;
pub mod description;
pub mod events;
mod failures;
mod health_report;
pub mod jobs;
mod kind_request;
mod kinds;
mod limits;
pub(crate) mod operations;
pub mod page_response;
mod queues;
mod remote_worker;
pub mod router;
pub mod routes;
mod schedules;
pub mod server;
pub mod state;
mod stats;
mod tokens;
mod workers;
mod workflows;
