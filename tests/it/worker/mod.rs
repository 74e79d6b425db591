//! The worker with handlers in this process: what becomes of a job, however its handler, its network
//! and its Postgres behave.

mod atomic;
mod leases;
mod limits;
mod liveness;
mod load;
mod order;
mod outage;
mod outcomes;
mod queues;
mod requeued;
mod short_kinds;
mod shutdown;
mod stops;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidemill::StopReason;
use tokio::time::Instant;

use crate::support::{Db, wait_at_most, wait_for};

/// Says when the handler that owns it began and how it ended.
#[derive(Clone, Default)]
struct Witness {
    begun: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<StopReason>>>,
}

struct Presence(Arc<AtomicUsize>);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Witness {
    /// Kept by a handler while it runs.
    fn enter(&self) -> Presence {
        self.begun.fetch_add(1, Ordering::SeqCst);
        Presence(self.ended.clone())
    }

    fn hear(&self, reason: StopReason) {
        self.asked.lock().unwrap().push(reason);
    }

    fn heard(&self) -> Vec<StopReason> {
        self.asked.lock().unwrap().clone()
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }

    async fn until_begun(&self, times: usize) {
        wait_for("a handler begins", || async { (self.begun() >= times).then_some(()) }).await;
    }

    async fn until_ended(&self, times: usize) {
        wait_for("a handler ends", || async { (self.ended() >= times).then_some(()) }).await;
    }

    /// How long it takes until a handler ended.
    async fn ends_within(&self, limit: Duration) -> Duration {
        let began = Instant::now();
        wait_at_most(limit, "the handler ends", || async { (self.ended() > 0).then_some(()) }).await;
        began.elapsed()
    }
}

/// Waits for a job's state.
async fn until_state(db: &Db, id: uuid::Uuid, state: &str) {
    wait_for(&format!("the job is {state}"), || async { (db.state(id).await == state).then_some(()) }).await;
}

/// Waits until no job is live.
async fn until_drained(db: &Db) {
    wait_for("all jobs are finished", || async { (db.count("jobs_live").await == 0).then_some(()) }).await;
}
