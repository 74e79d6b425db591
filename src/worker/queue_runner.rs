//! Runs the claimed jobs of a queue in its slots, and hands jobs back that wait in memory.

use std::sync::Arc;

use tokio::time::Instant;

use super::ending::Ending;
use super::executor;
use super::queue_slots::{Lane, Waiting};
use super::shared::Shared;
use crate::job::attempt::{Outcome, Usage};
use crate::store::attempts::settle::Settled;

/// Adds claimed jobs and starts runners for the free slots.
pub(super) fn admit(lane: &Arc<Lane>, shared: &Arc<Shared>, jobs: impl Iterator<Item = Waiting>) {
    for _ in 0..lane.add(jobs) {
        tokio::spawn(run(lane.clone(), shared.clone()));
    }
}

/// Runs one waiting job after the other; a slot is a runner.
async fn run(lane: Arc<Lane>, shared: Arc<Shared>) {
    while let Some(next) = lane.next() {
        let began = Instant::now();
        executor::run(&shared, next).await;
        lane.learn(began.elapsed());
        if lane.is_due() {
            shared.freed.notify_one();
        }
        // A handler that never waits would hold its thread; the engine's own tasks come first.
        tokio::task::coop::consume_budget().await;
    }
    shared.freed.notify_one();
}

/// Hands prefetched jobs back if they already waited at the last call and none has started since: another
/// worker may have a free slot.
pub(super) async fn hand_back_if_stuck(lane: &Lane, shared: &Shared) {
    if lane.is_stuck() {
        hand_back(lane, shared).await;
    }
}

/// Hands back the jobs that wait in memory.
pub(super) async fn hand_back(lane: &Lane, shared: &Shared) {
    for Waiting { job, .. } in lane.take_waiting() {
        if let Some(settled) = Settled::of(job.id, job.lease_id, Outcome::Released, Usage::default()) {
            let _ = shared.endings.send(Ending::Settled(settled)).await;
        }
    }
}
