//! Tidemill: durable background jobs on Postgres alone.

#[doc(hidden)]
pub mod cli;
pub mod config;
pub mod job;
pub mod kinds;
pub mod worker;

pub use worker::context::Context;
pub use worker::handler::{Handler, JobError};
