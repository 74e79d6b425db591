//! Tidemill: durable background jobs on Postgres alone.

pub mod api;
pub mod embedded;
pub mod job;
pub mod keeper;
pub mod kinds;
pub mod metrics;
pub mod store;
pub mod worker;

pub use job::attempt::StopReason;
pub use job::new::NewJob;
pub use job::settings::{Backoff, KindSettings};
pub use store::enqueue::enqueue_in;
pub use store::{Options, Store};
pub use worker::context::Context;
pub use worker::handler::{Handler, JobError};
pub use worker::{Shutdown, Worker, WorkerSettings};
