//! Tidemill: durable background jobs on Postgres alone, with live progress and full history.
//!
//! The life of one job, top to bottom:
//!
//! 1. `api/jobs/create.rs` checks a request, `store/jobs/enqueue.rs` commits the row, `store/db/notifier.rs` notifies.
//! 2. `store/db/listener.rs` receives the notification, and `worker/claimer.rs` claims the job under a lease through
//!    `store/attempts/claim.rs`.
//! 3. `worker/executor.rs` runs its handler; reports go through `worker/reporter.rs` to `store/attempts/report.rs`;
//!    `worker/heartbeat.rs` renews the lease.
//! 4. `worker/completer.rs` passes the outcome to `store/attempts/complete.rs` (completed) or
//!    `store/attempts/settle.rs` (every other outcome).
//! 5. `api/events/watchers.rs` learns of each of these, and `api/events/job_stream.rs` shows them in order.
//! 6. If the worker died, `maintenance/sweep.rs` takes the job back for another worker.
//!
//! As a library: [`enqueue_in`] enqueues a job in your own transaction, [`Handler`] is the code for a
//! kind, and [`Worker`] runs it.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]
#![warn(clippy::pedantic, unreachable_pub)]

pub mod api;
pub mod database_url;
pub mod extension;
pub mod job;
pub mod kinds;
pub mod maintenance;
pub mod metrics;
pub mod outbound;
pub mod store;
pub mod testing;
pub mod vault;
pub mod worker;

pub use tidemill_embedded_postgres as embedded;
pub use tidemill_secrecy as secrecy;

pub use job::after::{After, RunIf};
pub use job::alert::{AlertRule, Condition};
pub use job::attempt::StopReason;
pub use job::new::NewJob;
pub use job::settings::{Backoff, Breaker, JobDefaults, KindSettings, OnLostContact};
pub use job::unique::{OnConflict, Unique};
pub use job::workflow::Workflow;
pub use store::attempts::children::Ended;
pub use store::jobs::bounded_queues::enqueue_when_room;
pub use store::jobs::enqueue::enqueue_in;
pub use store::workflows::create_workflow_in;
pub use store::{Options, Store};
pub use worker::context::Context;
pub use worker::handler::{Handler, JobError};
pub use worker::{Shutdown, Worker, WorkerSettings};
