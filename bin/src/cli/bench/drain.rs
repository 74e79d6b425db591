//! Measures how fast one worker process empties a queue of jobs that do nothing; history and results are
//! stored.

use std::time::Duration;

use tidemill::{Context, Handler, JobError, Shutdown, Worker};

use super::enqueue::fill;
use super::measured::{Measured, Meter};
use crate::cli::common::error::{CliError, failed};
use crate::cli::process::Process;

/// Attempts that run at the same time.
const SLOTS: usize = 100;

struct Nothing;

impl Handler for Nothing {
    const KIND: &'static str = "bench.nothing";
    type Args = serde_json::Value;
    type Output = ();

    async fn run(&self, _: Context, _: serde_json::Value) -> Result<(), JobError> {
        Ok(())
    }
}

pub(super) async fn drain(process: &Process, jobs: u64) -> Result<Measured, CliError> {
    let store = &process.store;
    fill(store, Nothing::KIND, jobs).await?;
    store.settle_tables().await.map_err(failed)?;
    let shutdown = Shutdown::default();
    let _stop = shutdown.graceful.clone().drop_guard();
    let worker = Worker::builder(store.clone())
        .handler(Nothing)
        .queue("default", SLOTS)
        .notifier(process.notifier.clone())
        .wakes(process.wakes.clone())
        .build();
    let done = worker.metrics();
    let jobs = jobs.next_multiple_of(1_000);
    let meter = Meter::start(store).await?;
    let running = tokio::spawn(worker.run(shutdown.clone()));
    while done.jobs_completed.get() < jobs && !running.is_finished() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let measured = meter.stop(store, "drain, 1 process".into(), jobs, vec![]).await?;
    shutdown.graceful.cancel();
    running.await.map_err(failed)?.map_err(failed)?;
    Ok(measured)
}
