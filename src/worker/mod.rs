//! Runs jobs: one claimer per process takes due jobs, runners run them in slots, and one reporter
//! and one completer write the outcomes. Reaches the rest of Tidemill only through Postgres.

mod attempts;
mod builder;
mod claims;
mod contact;
pub mod context;
pub mod handler;
mod heartbeat;
mod leases;
pub mod leaving;
mod liveness;
mod max_runs;
mod open_claims;
mod registration;
mod registry;
mod retry;
mod run;
mod run_one;
mod settings;
mod shared;
mod shutdown;
pub mod testing;
mod usage;
mod worker_id;

pub use self::builder::WorkerBuilder;
pub use self::liveness::Liveness;
pub use self::run::Worker;
pub use self::settings::WorkerSettings;
pub use self::shutdown::Shutdown;
