//! The server around the routes: connections, authentication, bodies, problems, health. Must know
//! no noun of the API.

pub mod auth;
pub(crate) mod base_path;
pub(crate) mod client;
pub(crate) mod connection_limits;
pub mod dashboard;
pub mod gauges;
pub mod guard;
pub(crate) mod health;
pub mod host;
pub(crate) mod idempotency;
pub mod json;
pub mod listener;
pub mod path_params;
pub mod problem;
pub mod request_metrics;
pub mod settings;
pub(crate) mod store_errors;
pub mod validate;
pub mod write_health;
