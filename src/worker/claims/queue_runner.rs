//! Runs the claimed jobs of a queue in its slots, and hands jobs back that wait in memory.

use std::sync::Arc;

use tokio::time::Instant;

use super::queue_slots::{QueueSlots, Waiting};
use crate::job::attempt::{Outcome, Usage};
use crate::store::attempts::settle::Settled;
use crate::worker::attempts::ending::Ending;
use crate::worker::attempts::executor;
use crate::worker::shared::Shared;

/// Adds claimed jobs and starts runners for the free slots.
pub(in crate::worker) fn admit(
    queue_slots: &Arc<QueueSlots>,
    shared: &Arc<Shared>,
    jobs: impl Iterator<Item = Waiting>,
) {
    for _ in 0..queue_slots.add(jobs) {
        tokio::spawn(run(queue_slots.clone(), shared.clone()));
    }
}

/// Runs one waiting job after the other; a slot is a runner.
async fn run(queue_slots: Arc<QueueSlots>, shared: Arc<Shared>) {
    while let Some(next) = queue_slots.next() {
        let began = Instant::now();
        executor::run(&shared, next).await;
        queue_slots.learn(began.elapsed());
        if queue_slots.is_due() {
            shared.freed.notify_one();
        }
        // A handler that never awaits blocks its thread; so the worker's own tasks run first.
        tokio::task::coop::consume_budget().await;
    }
    shared.freed.notify_one();
}

/// Hands prefetched jobs back if they already waited at the last call and none has started since: another
/// worker may have a free slot.
pub(in crate::worker) async fn hand_back_if_stuck(queue_slots: &QueueSlots, shared: &Shared) {
    if queue_slots.is_stuck() {
        hand_back(queue_slots, shared).await;
    }
}

/// Hands back the jobs that wait in memory.
pub(in crate::worker) async fn hand_back(queue_slots: &QueueSlots, shared: &Shared) {
    for Waiting { job, .. } in queue_slots.take_waiting() {
        if let Some(settled) = Settled::of(job.id, job.lease_id, Outcome::Released, Usage::default()) {
            let _ = shared.endings.send(Ending::Settled(settled)).await;
        }
    }
}
