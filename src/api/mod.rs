//! Speaks HTTP: one noun a file. Must never contain SQL and never reach a worker except through
//! Postgres.

pub mod access;
pub mod auth;
pub mod check;
pub mod cursor;
pub mod docs;
pub mod events;
pub mod frame;
pub mod guard;
pub mod host;
pub mod hub;
pub mod job_id;
pub mod json;
pub mod key;
pub mod listen;
mod lookout;
pub mod metrics;
pub mod multi_stream;
pub mod news;
pub mod path;
pub mod problem;
pub mod request;
pub mod result;
pub mod running;
pub mod server;
pub mod sse;
pub mod state;
pub mod stream;
