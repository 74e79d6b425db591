//! Speaks HTTP: one noun a file. Must never contain SQL and never reach a worker except through
//! Postgres.

pub mod access;
pub mod auth;
pub mod check;
pub mod docs;
pub mod guard;
pub mod host;
pub mod json;
pub mod key;
pub mod listen;
pub mod metrics;
pub mod path;
pub mod problem;
pub mod request;
pub mod server;
