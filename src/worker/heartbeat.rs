//! The heartbeat: renews the leases, learns of cancels and lost leases, and ends attempts whose
//! lease can no longer be trusted because Postgres did not answer in time.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::leases::boot_time;
use super::registration::{entered_after, register};
use super::shared::Shared;
use super::usage;
use super::worker_id::host_name;
use crate::job::attempt::{Outcome, StopReason, Usage};
use crate::store::Result;
use crate::store::attempts::heartbeat::RenewedLease;
use crate::store::attempts::settle::Settled;
use crate::store::attempts::workers::WorkerRow;
use crate::store::db::listener::{Wake, Wakes};
use crate::store::jitter::jittered;

/// How often to ask for cancels while no notifications arrive: a cancel must arrive within a second.
const DEAF_BEAT: Duration = Duration::from_millis(600);

/// How often to check whether dead rows accumulate, and how often while there is nothing to write less of.
const POLL_EVERY: Duration = Duration::from_secs(10);
const IDLE_POLL_EVERY: Duration = Duration::from_mins(1);

/// Sends heartbeats until the token is cancelled.
pub(super) async fn run(shared: Arc<Shared>, wakes: Wakes, stop: CancellationToken) {
    let fence = tokio::spawn(fence(shared.clone(), stop.clone()));
    let mut hints = wakes.subscribe();
    let mut health = wakes.health();
    let mut hears = true;
    let mut next = Instant::now() + jittered(shared.settings.heartbeat);
    let mut checked_at: Option<Instant> = None;
    let mut row = WorkerRowPace::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            hint = hints.recv(), if hears => match hint {
                Ok(Wake::Cancel(job_id)) => shared.leases.stop(job_id, StopReason::Cancelled),
                // Cancels may have been missed; the answer to a heartbeat has them all.
                Ok(Wake::Missed) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => next = Instant::now(),
                // Perhaps a drain was requested.
                Ok(Wake::Settings) => {
                    row.is_due = true;
                    next = Instant::now();
                }
                Ok(_) => {}
                Err(tokio::sync::broadcast::error::RecvError::Closed) => hears = false,
            },
            // The LISTEN connection was lost or restored; cancellations may have been missed.
            Ok(()) = health.changed() => next = Instant::now(),
            () = shared.leases.owing() => next = Instant::now(),
            () = sleep_until(next) => {
                let every = shared.settings.heartbeat;
                // A connection may hang for ever. But a connection that is only slow to open must not be
                // dropped and opened again at every heartbeat: an overloaded machine would then never
                // succeed.
                let limit = shared.settings.lease_ttl / 3;
                let beaten = tokio::select! {
                    beaten = tokio::time::timeout(limit, beat(&shared, wakes.is_healthy(), &mut row)) => beaten,
                    () = stop.cancelled() => break,
                };
                let pause = match beaten {
                    Ok(Ok(())) => {
                        let is_idle = shared.leases.is_empty() && !shared.throttling.load(Ordering::Relaxed);
                        let poll_every = if is_idle { IDLE_POLL_EVERY } else { POLL_EVERY };
                        if checked_at.is_none_or(|at| at.elapsed() >= poll_every) {
                            checked_at = Some(Instant::now());
                            check_dead_rows(&shared).await;
                        }
                        // Without notifications of cancels it asks more often.
                        if wakes.is_healthy() { every } else { every.min(DEAF_BEAT) }
                    }
                    Ok(Err(error)) => {
                        if error.is_transient() {
                            shared.contact.lose();
                        }
                        tracing::warn!(%error, "a heartbeat failed");
                        every.min(Duration::from_millis(500))
                    }
                    Err(_) => {
                        shared.contact.lose();
                        tracing::warn!(waited = ?limit, "a heartbeat was not answered");
                        Duration::ZERO
                    }
                };
                next = Instant::now() + jittered(pause);
            }
        }
    }
    let _ = fence.await;
}

/// Checks whether dead rows accumulate, so that less is written meanwhile.
async fn check_dead_rows(shared: &Shared) {
    let limit = shared.settings.lease_ttl / 10;
    let Ok(Ok(throttled)) = tokio::time::timeout(limit, shared.store.should_shed()).await else {
        // No change.
        return;
    };
    shared.metrics.throttling.set(i64::from(throttled));
    if shared.throttling.swap(throttled, Ordering::Relaxed) == throttled {
        return;
    }
    if throttled {
        tracing::warn!(
            "an old transaction keeps dead rows in the database: progress is stored at most every 5 s; see tidemill doctor"
        );
    } else {
        tracing::info!("dead rows can be removed again: progress is stored without delay");
    }
}

/// Ends attempts before the sweep may take their jobs back.
async fn fence(shared: Arc<Shared>, stop: CancellationToken) {
    // A lease is trusted until a fifth of the TTL before its end. The check may come late by a quarter of
    // that fifth.
    let every = (shared.settings.lease_ttl / 20).min(Duration::from_millis(500));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        for job_id in shared.leases.fence() {
            tracing::error!(
                task_id = %job_id,
                "Postgres did not answer in time to renew the lease: the attempt is stopped, and its job is \
                 handed back when Postgres answers again"
            );
        }
    }
}

/// Without notifications the answer alone tells of cancels, so that it must be asked about every attempt.
async fn beat(shared: &Shared, hears: bool, row: &mut WorkerRowPace) -> Result<()> {
    register(shared, if hears { entered_after(shared) } else { Duration::ZERO }).await?;
    let asked_at = boot_time();
    let held = shared.leases.snapshot();
    if !held.is_empty() {
        let leases: Vec<Uuid> = held.iter().map(|(_, lease_id)| *lease_id).collect();
        let ttl_seconds = shared.settings.lease_ttl.as_secs_f64();
        let answer = shared.store.heartbeat(&shared.id, &leases, ttl_seconds).await?;
        let answers: HashMap<(Uuid, Uuid), RenewedLease> =
            answer.into_iter().map(|leased| ((leased.job_id, leased.lease_id), leased)).collect();
        for (job_id, lease_id) in held {
            match answers.get(&(job_id, lease_id)) {
                Some(answer) => {
                    if answer.renewed {
                        shared.leases.renewed(job_id, lease_id, asked_at);
                    }
                    if answer.cancel {
                        shared.leases.stop(job_id, StopReason::Cancelled);
                    }
                }
                // The job was either taken back or just completed; in the latter case no attempt is left to
                // stop.
                None => shared.leases.lose(job_id, lease_id),
            }
        }
        in_contact(shared);
    }
    hand_back(shared).await?;
    let running = shared.leases.len();
    if row.takes_turn(running, hears) {
        if introduce(shared, "running").await? {
            shared.drain.cancel();
        }
        row.written(running);
    }
    in_contact(shared);
    Ok(())
}

/// When the row of the worker is written: at each heartbeat, but at every second one while it is idle.
#[derive(Debug, Default)]
struct WorkerRowPace {
    is_due: bool,
    running: usize,
}

impl WorkerRowPace {
    fn takes_turn(&mut self, running: usize, hears: bool) -> bool {
        let is_idle = running == 0 && self.running == 0 && hears;
        // The next one is due if this one is not.
        std::mem::replace(&mut self.is_due, true) || !is_idle
    }

    fn written(&mut self, running: usize) {
        (self.is_due, self.running) = (false, running);
    }
}

/// The database answered: tasks that wait for it continue.
fn in_contact(shared: &Shared) {
    if shared.contact.keep() {
        tracing::info!(running = shared.leases.len(), "Postgres answers again");
    }
}

/// Hands back the jobs whose attempts were ended because the database was unreachable, without counting the
/// attempts; jobs that another worker has taken stay with it.
pub(super) async fn hand_back(shared: &Shared) -> Result<()> {
    let debts = shared.leases.debts();
    if debts.is_empty() {
        return Ok(());
    }
    let released =
        |(job, lease): &(Uuid, Uuid)| Settled::of(*job, *lease, Outcome::Released, Usage::default());
    let batch: Vec<Settled> = debts.iter().filter_map(released).collect();
    let settled = shared.store.settle(&batch).await;
    // Jobs that the database refuses are left to the sweep.
    if settled.as_ref().err().is_none_or(|error| !error.is_transient()) {
        shared.leases.paid(&debts);
    }
    let settlements = settled?;
    let jobs = settlements.iter().flatten().count();
    tracing::info!(jobs, "handed back the jobs whose attempts were stopped while Postgres did not answer");
    shared.announcer.settled(&batch, &settlements, true);
    Ok(())
}

/// Writes the worker's row; returns true if a drain was requested.
pub(super) async fn introduce(shared: &Shared, state: &'static str) -> Result<bool> {
    let state = if shared.drain.is_cancelled() { "draining" } else { state };
    let queues = shared
        .queues
        .all()
        .iter()
        .map(|queue_slots| (queue_slots.queue.clone(), json!(queue_slots.slots())))
        .collect();
    shared
        .store
        .see_worker(&WorkerRow {
            id: shared.id.clone(),
            name: if shared.settings.name.is_empty() { host_name() } else { shared.settings.name.clone() },
            host: host_name(),
            pid: i32::try_from(std::process::id()).ok(),
            version: env!("CARGO_PKG_VERSION").into(),
            state,
            queues: serde_json::Value::Object(queues),
            kinds: shared.registry.kinds(),
            running: i32::try_from(shared.leases.len()).unwrap_or(i32::MAX),
            shedding: shared.throttling.load(Ordering::Relaxed),
            containment: shared.settings.containment.clone(),
            lease_ttl_seconds: shared.settings.lease_ttl.as_secs_f64(),
            other_queue_slots: i32::try_from(shared.settings.other_queue_slots).unwrap_or(i32::MAX),
            queues_left_out: i32::try_from(shared.queues_left_out.load(Ordering::Relaxed))
                .unwrap_or(i32::MAX),
            memory_bytes: usage::memory_bytes().and_then(|bytes| i64::try_from(bytes).ok()),
            cpu_seconds: usage::cpu_seconds(),
        })
        .await
}
