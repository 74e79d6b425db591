//! Tidemill: durable background jobs on Postgres alone.

pub mod api;
pub mod job;
pub mod kinds;
pub mod metrics;
pub mod store;
pub mod worker;

pub use worker::context::Context;
pub use worker::handler::{Handler, JobError};
