//! The one writer of outcomes in a process: collects outcomes while its last write is in flight and
//! stores them in one statement. A row that cannot be stored does not block the batch.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::ending::Ending;
use crate::job::attempt::{Failure, Outcome};
use crate::store::attempts::complete::{Completed, CompletedBatch};
use crate::store::attempts::settle::Settled;
use crate::store::{Error, Result};
use crate::worker::retry::{blames_a_row, until_answered};
use crate::worker::shared::Shared;

/// The largest batch that is written at once.
const BATCH_LIMIT: usize = 1_000;
/// The class of the failure that replaces a refused outcome.
const REFUSED: &str = "bad_end";
/// One batch is processed while the previous one waits for the disk.
const BATCHES_IN_FLIGHT: usize = 2;

/// Writes outcomes until the last message, and until everything is written.
pub(in crate::worker) async fn run(shared: Arc<Shared>, mut endings: mpsc::Receiver<Ending>) {
    let mut writing = JoinSet::new();
    let mut open = true;
    while open {
        // Outcomes that arrive while both are in flight go into the next batch.
        while writing.len() >= BATCHES_IN_FLIGHT {
            let Some(Err(broken)) = writing.join_next().await else { continue };
            // A batch panicked: its jobs are neither stored nor given up, so the worker must not continue.
            std::panic::resume_unwind(broken.into_panic());
        }
        let mut gathered = Vec::with_capacity(BATCH_LIMIT);
        if endings.recv_many(&mut gathered, BATCH_LIMIT).await == 0 {
            break;
        }
        let mut completed = Vec::new();
        let mut settled = Vec::new();
        for ending in gathered {
            match ending {
                Ending::Completed(item) => completed.push(item),
                Ending::Settled(item) => settled.push(item),
                Ending::Close => open = false,
            }
        }
        let shared = shared.clone();
        writing.spawn(async move { tokio::join!(complete(&shared, completed), settle(&shared, settled)) });
    }
    writing.join_all().await;
}

async fn complete(shared: &Arc<Shared>, mut batch: Vec<Completed>) {
    if batch.is_empty() {
        return;
    }
    // Every process locks rows in the same order.
    batch.sort_unstable_by_key(|item| item.job_id);
    let began = Instant::now();
    match until_answered(&shared.contact, "complete", || completed(shared, &batch)).await {
        Ok(done) => {
            shared.metrics.batch("complete", batch.len(), began.elapsed());
            let mut freed = false;
            for item in &batch {
                let leased = done.leased.contains(&(item.job_id, item.lease_id));
                freed |= release_lease(shared, item.job_id, item.lease_id, leased);
            }
            shared.announcer.completed(&batch, &done, freed);
        }
        Err(error) if batch.len() > 1 && blames_a_row(&error) => {
            for item in batch {
                Box::pin(complete(shared, vec![item])).await;
            }
        }
        Err(error) if blames_a_row(&error) => {
            tracing::error!(%error, jobs = batch.len(), "results could not be stored; failing the attempts");
            let refused = batch.into_iter().filter_map(|item| {
                let failure = Failure {
                    message: format!("the job is done, but its result cannot be stored: {error}"),
                    class: "bad_result".into(),
                    permanent: true,
                    ..Failure::default()
                };
                Settled::of(item.job_id, item.lease_id, Outcome::Failed { failure }, item.usage)
            });
            settle(shared, refused.collect()).await;
        }
        // The results did not cause the error: the sweep takes the jobs back, and they run again.
        Err(error) => give_up(shared, &error, batch.iter().map(|item| (item.job_id, item.lease_id))),
    }
}

async fn settle(shared: &Arc<Shared>, mut batch: Vec<Settled>) {
    if batch.is_empty() {
        return;
    }
    batch.sort_unstable_by_key(|item| item.job_id);
    match until_answered(&shared.contact, "settle", || shared.store.settle(&batch)).await {
        Ok(settlements) => {
            let mut freed = false;
            for (item, settlement) in batch.iter().zip(&settlements) {
                freed |= release_lease(shared, item.job_id, item.lease_id, settlement.is_some());
            }
            shared.announcer.settled(&batch, &settlements, freed);
        }
        Err(error) if batch.len() > 1 && blames_a_row(&error) => {
            for item in batch {
                Box::pin(settle(shared, vec![item])).await;
            }
        }
        // Replaced only once: if the database refuses the replacement too, nothing is stored.
        Err(error) if blames_a_row(&error) && batch.iter().all(|item| class(item) != Some(REFUSED)) => {
            tracing::error!(%error, "the outcome of an attempt could not be stored; failing the attempt");
            Box::pin(settle(shared, batch.into_iter().filter_map(|item| refused(item, &error)).collect()))
                .await;
        }
        Err(error) => give_up(shared, &error, batch.iter().map(|item| (item.job_id, item.lease_id))),
    }
}

/// The failure that replaces an outcome that the database refuses.
fn refused(item: Settled, error: &Error) -> Option<Settled> {
    let failure = Failure {
        message: format!("the attempt's outcome ({}) cannot be stored: {error}", item.end.word()),
        class: REFUSED.into(),
        permanent: item.error.is_some_and(|error| error["permanent"] == true),
        ..Failure::default()
    };
    Settled::of(item.job_id, item.lease_id, Outcome::Failed { failure }, item.usage)
}

fn class(item: &Settled) -> Option<&str> {
    item.error.as_ref()?["type"].as_str()
}

/// Lets leases expire, so that the sweep takes the jobs back: only time is lost.
fn give_up(shared: &Shared, error: &Error, leased: impl Iterator<Item = (Uuid, Uuid)>) {
    for (job_id, lease_id) in leased {
        tracing::error!(%error, task_id = %job_id, "the outcome of an attempt could not be stored");
        shared.leases.remove(job_id, lease_id);
    }
}

/// Removes a lease; true if its job counted against a limit.
fn release_lease(shared: &Shared, job_id: Uuid, lease_id: Uuid, leased: bool) -> bool {
    if !leased {
        shared.metrics.leases_lost.inc();
        tracing::warn!(task_id = %job_id, "lease lost before the attempt ended; outcome discarded");
    }
    shared.leases.release(job_id, lease_id)
}

/// Completes a batch. If an earlier try stored a completion and its answer was lost, the lease counts as
/// held.
async fn completed(shared: &Shared, batch: &[Completed]) -> Result<CompletedBatch> {
    let mut done = shared.store.complete(batch).await?;
    if done.leased.len() < batch.len() {
        let before = shared.store.completed_before(batch).await?;
        // The lost answer said whether others wait for them.
        done.awaited |= !before.is_empty();
        for (leased, ran) in before {
            if done.leased.insert(leased) {
                done.ran.push(ran);
            }
        }
    }
    Ok(done)
}
