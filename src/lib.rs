//! Tidemill: durable background jobs on Postgres alone, with live progress and full history.
//!
//! [`enqueue_in`] enqueues a job in your own transaction, [`Handler`] is the code for a kind, [`Worker`] runs
//! it, and [`testing`] has what tests need. [`extension`] is for programs that add kinds, routes and settings
//! to the server.
//!
//! # Examples
//!
//! One program that enqueues a job in its own transaction and works until Ctrl-C. Workers may as well be other
//! processes on other machines; they share nothing but the database.
//!
//! ```no_run
//! use tidemill::{Context, Handler, JobError, NewJob, Options, Shutdown, Store, Worker, enqueue_in, migrate};
//!
//! struct Greet;
//!
//! impl Handler for Greet {
//!     const KIND: &'static str = "greet";
//!     type Args = serde_json::Value;
//!     type Output = String;
//!
//!     async fn run(&self, context: Context, args: serde_json::Value) -> Result<String, JobError> {
//!         let name = args["name"].as_str().ok_or_else(|| JobError::permanent("nobody to greet"))?;
//!         context.progress(50.0, "thinking of words").await;
//!         Ok(format!("Hello, {name}!"))
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let url = std::env::var("DATABASE_URL")?;
//!     migrate(&Options::new(&url)).await?;
//!     let store = Store::connect(Options::new(&url))?;
//!
//!     // The guest and the job are there together, or neither is.
//!     let mut transaction = sqlx::PgPool::connect(&url).await?.begin().await?;
//!     sqlx::query("insert into guests (name) values ('Ada')").execute(&mut *transaction).await?;
//!     let args = serde_json::Map::from_iter([("name".to_owned(), "Ada".into())]);
//!     enqueue_in(&mut *transaction, &store, &NewJob::new("greet", args)).await?;
//!     transaction.commit().await?;
//!
//!     let shutdown = Shutdown::default();
//!     let worker = Worker::builder(store).handler(Greet).queue("default", 4).build();
//!     let working = tokio::spawn(worker.run(shutdown.clone()));
//!     tokio::signal::ctrl_c().await?;
//!     // Running jobs may finish; what takes too long is handed back to other workers.
//!     shutdown.graceful.cancel();
//!     Ok(working.await??)
//! }
//! ```
//!
//! # In the source
//!
//! The life of one job, top to bottom:
//!
//! 1. `api/jobs/create.rs` checks a request, `store/jobs/enqueue.rs` commits the row, `store/db/notifier.rs` notifies.
//! 2. `store/db/listener.rs` receives the notification, and `worker/claims/claimer.rs` claims the job under a lease through
//!    `store/attempts/claim.rs`.
//! 3. `worker/attempts/executor.rs` runs its handler; reports go through `worker/attempts/reporter.rs` to `store/attempts/report.rs`;
//!    `worker/heartbeat.rs` renews the lease.
//! 4. `worker/attempts/completer.rs` passes the outcome to `store/attempts/complete.rs` (completed) or
//!    `store/attempts/settle.rs` (every other outcome); `announce.rs` announces the end.
//! 5. `api/events/watchers.rs` learns of each of these, and `api/events/job_stream.rs` shows them in order.
//! 6. If the worker died, `maintenance/sweep.rs` takes the job back for another worker.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]
#![warn(clippy::pedantic)]
#![cfg_attr(feature = "internals", warn(unreachable_pub))]
#![cfg_attr(
    not(feature = "internals"),
    expect(dead_code, unused_imports, reason = "the binary uses them, by the feature `internals`")
)]
#![cfg_attr(
    not(feature = "internals"),
    expect(clippy::struct_field_names, clippy::ref_option, reason = "names of the API and of serde")
)]

pub mod extension;
pub mod testing;

mod announce;

// The binary and the tests see everything; a program that has the library sees the names below.
#[cfg(feature = "internals")]
pub mod api;
#[cfg(not(feature = "internals"))]
mod api;
#[cfg(feature = "internals")]
pub mod database_url;
#[cfg(not(feature = "internals"))]
mod database_url;
#[cfg(feature = "internals")]
pub mod job;
#[cfg(not(feature = "internals"))]
mod job;
#[cfg(feature = "internals")]
pub mod kinds;
#[cfg(not(feature = "internals"))]
mod kinds;
#[cfg(feature = "internals")]
pub mod maintenance;
#[cfg(not(feature = "internals"))]
mod maintenance;
#[cfg(feature = "internals")]
pub mod metrics;
#[cfg(not(feature = "internals"))]
mod metrics;
#[cfg(feature = "internals")]
pub mod outbound;
#[cfg(not(feature = "internals"))]
mod outbound;
#[cfg(feature = "internals")]
pub mod spans;
#[cfg(not(feature = "internals"))]
mod spans;
#[cfg(feature = "internals")]
pub mod store;
#[cfg(not(feature = "internals"))]
mod store;
#[cfg(feature = "internals")]
pub mod vault;
#[cfg(not(feature = "internals"))]
mod vault;
#[cfg(feature = "internals")]
pub mod worker;
#[cfg(not(feature = "internals"))]
mod worker;

pub use tidemill_embedded_postgres as embedded;
pub use tidemill_secrecy as secrecy;

pub use api::routes::Routes;
pub use api::server::auth::api_key::Scope;
pub use api::server::problem::Problem;
pub use api::state::ApiState;
pub use extension::Extension;
pub use job::after::{After, RunIf};
pub use job::alert::{AlertRule, Condition};
pub use job::attempt::StopReason;
pub use job::document::JobDocument;
pub use job::limit::{LimitSettings, OnFull, Rate};
pub use job::new::{KindDefault, NewJob};
pub use job::schedule::Times;
pub use job::settings::{Backoff, Breaker, JobDefaults, KindSettings, OnLostContact};
pub use job::state::JobState;
pub use job::unique::{OnConflict, Unique};
pub use job::workflow::Workflow;
pub use store::attempts::children::Ended;
pub use store::db::migrate::migrate;
pub use store::jobs::bounded_queues::enqueue_when_space;
pub use store::jobs::enqueue::enqueue_in;
pub use store::schedules::NewSchedule;
pub use store::workflows::create_workflow_in;
pub use store::{Error, Options, Store};
pub use worker::context::Context;
pub use worker::handler::{Handler, JobError};
pub use worker::{Shutdown, Worker, WorkerBuilder, WorkerSettings};
