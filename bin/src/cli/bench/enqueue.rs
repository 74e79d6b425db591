//! Measures how fast jobs are stored: one per transaction by several callers, as a web application does, and
//! 1,000 per call.

use std::time::{Duration, Instant};

use tidemill::store::jobs::enqueue::enqueue;
use tidemill::{Store, enqueue_in};

use super::measured::{Measured, Meter};
use super::sample::job;
use crate::cli::common::error::{CliError, failed};

/// Jobs of one call.
const BATCH: u64 = 1_000;

/// Single enqueues by each of these numbers of callers, for some seconds each. Nothing runs the jobs.
pub(super) async fn single(store: &Store, callers: &[u16], seconds: u64) -> Result<Vec<Measured>, CliError> {
    let mut measured = Vec::new();
    for callers in callers {
        store.settle_tables().await.map_err(failed)?;
        let meter = Meter::start(store).await?;
        let until = Instant::now() + Duration::from_secs(seconds);
        let calling: Vec<_> = (0..*callers).map(|_| tokio::spawn(call(store.clone(), until))).collect();
        let mut waits = Vec::new();
        for caller in calling {
            waits.extend(caller.await.map_err(failed)??);
        }
        let test = format!("enqueue, {callers} {}", if *callers == 1 { "caller" } else { "callers" });
        measured.push(meter.stop(store, test, waits.len() as u64, waits).await?);
    }
    Ok(measured)
}

/// One caller: a transaction for each job, as in the middle of the caller's own work.
async fn call(store: Store, until: Instant) -> Result<Vec<Duration>, CliError> {
    let mut waits = Vec::new();
    while Instant::now() < until {
        let job = job("bench.nobody");
        let began = Instant::now();
        let mut transaction = store.pool().begin().await.map_err(failed)?;
        enqueue_in(transaction.connection(), &store, &job).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        waits.push(began.elapsed());
    }
    Ok(waits)
}

/// Stores jobs in calls of 1,000.
pub(super) async fn bulk(store: &Store, jobs: u64) -> Result<Measured, CliError> {
    let meter = Meter::start(store).await?;
    fill(store, "bench.nobody", jobs).await?;
    meter.stop(store, "bulk, 1,000 a call".into(), jobs.next_multiple_of(BATCH), vec![]).await
}

/// Stores jobs of a kind.
pub(super) async fn fill(store: &Store, kind: &str, jobs: u64) -> Result<(), CliError> {
    for _ in 0..jobs.div_ceil(BATCH) {
        let batch: Vec<_> = (0..BATCH).map(|_| job(kind)).collect();
        let batch = store.prepare_each(&batch).map_err(failed)?;
        enqueue(store.pool(), &batch, false).await.map_err(failed)?;
    }
    Ok(())
}
