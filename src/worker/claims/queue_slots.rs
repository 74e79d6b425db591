//! A queue in one worker: its slots, and the claimed jobs that wait in memory for one. Decides how
//! many jobs to claim; queries nothing.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use crate::store::attempts::claim::Claimed;
use crate::worker::leases::StopHandles;

/// The largest batch that is claimed at once.
const BATCH_LIMIT: usize = 1_000;
/// The most jobs that wait in memory: one batch is claimed while the slots work on another.
const PREFETCH_LIMIT: usize = 2 * BATCH_LIMIT;

/// A claimed job that waits for a slot.
#[derive(Debug)]
pub(in crate::worker) struct Waiting {
    pub(in crate::worker) job: Claimed,
    pub(in crate::worker) handles: StopHandles,
}

#[derive(Debug)]
pub(in crate::worker) struct QueueSlots {
    pub(in crate::worker) queue: String,
    configured_slots: usize,
    /// Discovered while the worker was running, so that it can be dropped again.
    is_discovered: bool,
    state: Mutex<State>,
    /// Mean run time of its jobs, in nanoseconds; starts high, so that nothing is prefetched before it is
    /// measured.
    mean_run_nanos: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    runners: usize,
    slots: usize,
    /// The number of waiting jobs below which a claim is worth its round trip; as [`QueueSlots::free_capacity`] last
    /// found.
    refill_at: usize,
    started: u64,
    standstill: Standstill,
}

/// Detects a standstill: jobs waited at two checks in a row, and none was started in between. One check is
/// not enough, because jobs claimed just before it have had no time to start.
#[derive(Debug, Default)]
struct Standstill {
    /// The number of started jobs at the last check, if jobs waited then.
    started: Option<u64>,
}

impl Standstill {
    fn check(&mut self, waits: bool, started: u64) -> bool {
        let is_stuck = waits && self.started == Some(started);
        self.started = (waits && !is_stuck).then_some(started);
        is_stuck
    }
}

impl QueueSlots {
    pub(in crate::worker) fn new(queue: String, slots: usize, is_discovered: bool) -> Self {
        let state = State { slots, ..State::default() };
        Self {
            queue,
            configured_slots: slots,
            is_discovered,
            state: Mutex::new(state),
            mean_run_nanos: AtomicU64::new(1_000_000_000),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of slots now, from the worker's settings or the queue's row.
    pub(in crate::worker) fn slots(&self) -> usize {
        self.state().slots
    }

    /// Whether none of its jobs runs or waits in memory.
    pub(in crate::worker) fn is_idle(&self) -> bool {
        let state = self.state();
        state.runners == 0 && state.waiting.is_empty()
    }

    /// Uses the number of slots that is set for the queue, or without one the worker's own setting.
    pub(in crate::worker) fn set_slots(&self, slots: Option<i32>) {
        self.state().slots = slots.map_or(self.configured_slots, |slots| usize::try_from(slots).unwrap_or(0));
    }

    /// How many jobs to claim now; 0 while there are too few free places for a round trip.
    pub(in crate::worker) fn free_capacity(&self, round_trip: Duration) -> usize {
        let mut state = self.state();
        let free = state.slots.saturating_sub(state.runners + state.waiting.len());
        let prefetch = self.prefetch(state.slots, round_trip);
        state.refill_at = prefetch / 2;
        if prefetch == 0 {
            return free.min(BATCH_LIMIT);
        }
        let wanted = (state.slots + prefetch).saturating_sub(state.runners + state.waiting.len());
        // Refilled when half of it is used up, for fewer and larger claims.
        if free > 0 || wanted * 2 >= prefetch { wanted.min(BATCH_LIMIT) } else { 0 }
    }

    /// As many jobs as the slots finish during two round trips, if a run is shorter than one.
    fn prefetch(&self, slots: usize, round_trip: Duration) -> usize {
        let run = self.mean_run_nanos.load(Ordering::Relaxed).max(1);
        let trip = u64::try_from(round_trip.as_nanos()).unwrap_or(u64::MAX);
        if run >= trip {
            return 0;
        }
        usize::try_from((slots as u64).saturating_mul(2 * trip / run))
            .unwrap_or(PREFETCH_LIMIT)
            .min(PREFETCH_LIMIT)
    }

    /// Adds claimed jobs; answers how many runners to start for the free slots.
    pub(in crate::worker) fn add(&self, jobs: impl Iterator<Item = Waiting>) -> usize {
        let mut state = self.state();
        state.waiting.extend(jobs);
        let start = state.slots.saturating_sub(state.runners).min(state.waiting.len());
        state.runners += start;
        start
    }

    /// The next job of a runner; `None` ends the runner.
    pub(in crate::worker) fn next(&self) -> Option<Waiting> {
        let mut state = self.state();
        let next = if state.runners > state.slots { None } else { state.waiting.pop_front() };
        if next.is_some() {
            state.started += 1;
        } else {
            state.runners -= 1;
        }
        next
    }

    /// Whether so few jobs wait in memory that a claim is worth its round trip.
    pub(in crate::worker) fn is_due(&self) -> bool {
        let state = self.state();
        state.waiting.len() <= state.refill_at
    }

    /// Whether jobs already waited at the last call and none has started since: then the slots are busy with
    /// long runs. Then nothing is prefetched until runs are short again.
    pub(in crate::worker) fn is_stuck(&self) -> bool {
        let stuck = {
            let mut state = self.state();
            let (waits, started) = (!state.waiting.is_empty(), state.started);
            state.standstill.check(waits, started)
        };
        if stuck {
            self.mean_run_nanos.store(1_000_000_000, Ordering::Relaxed);
        }
        stuck
    }

    /// Takes all jobs that wait in memory.
    pub(in crate::worker) fn take_waiting(&self) -> VecDeque<Waiting> {
        std::mem::take(&mut self.state().waiting)
    }

    /// Records the duration of a run.
    pub(in crate::worker) fn learn(&self, run: Duration) {
        let run = u64::try_from(run.as_nanos()).unwrap_or(u64::MAX);
        let mean = self.mean_run_nanos.load(Ordering::Relaxed);
        // One long run ends prefetching at once; many short ones bring it back.
        let mean = if run > mean.saturating_mul(100) { run } else { mean - mean / 8 + run / 8 };
        self.mean_run_nanos.store(mean, Ordering::Relaxed);
    }
}

/// The queues of a worker; some are discovered while it runs, and dropped again.
#[derive(Debug)]
pub(in crate::worker) struct WorkerQueues {
    all: RwLock<Vec<Arc<QueueSlots>>>,
    /// Queues that are no longer claimed from, but may still have running jobs.
    left: Mutex<Vec<Arc<QueueSlots>>>,
}

impl WorkerQueues {
    pub(in crate::worker) fn new(queues: &[(String, usize)]) -> Self {
        let queue_slots =
            |(name, slots): &(String, usize)| Arc::new(QueueSlots::new(name.clone(), *slots, false));
        Self { all: RwLock::new(queues.iter().map(queue_slots).collect()), left: Mutex::default() }
    }

    fn left(&self) -> MutexGuard<'_, Vec<Arc<QueueSlots>>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::worker) fn all(&self) -> Vec<Arc<QueueSlots>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All queues, including dropped ones with running jobs.
    pub(in crate::worker) fn names(&self) -> HashSet<String> {
        self.all().iter().chain(self.left().iter()).map(|queue_slots| queue_slots.queue.clone()).collect()
    }

    /// The number of discovered queues that were not dropped, or have not ended yet.
    pub(in crate::worker) fn discovered_count(&self) -> usize {
        self.all().iter().filter(|queue_slots| queue_slots.is_discovered).count() + self.left().len()
    }

    /// Stops claiming from a queue; its running jobs continue.
    pub(in crate::worker) fn leave(&self, queue_slots: &Arc<QueueSlots>) {
        self.all
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|other| !Arc::ptr_eq(other, queue_slots));
        self.left().push(queue_slots.clone());
    }

    /// Removes dropped queues without running jobs.
    pub(in crate::worker) fn forget_ended(&self) {
        self.left().retain(|queue_slots| !queue_slots.is_idle());
    }

    /// Adds a discovered queue.
    pub(in crate::worker) fn add(&self, queue: String, slots: usize) -> Arc<QueueSlots> {
        let queue_slots = Arc::new(QueueSlots::new(queue, slots, true));
        self.all.write().unwrap_or_else(PoisonError::into_inner).push(queue_slots.clone());
        queue_slots
    }
}

#[cfg(test)]
mod tests {
    use super::Standstill;

    #[test]
    fn what_was_claimed_just_now_is_no_standstill() {
        let mut standstill = Standstill::default();
        assert!(!standstill.check(false, 0));
        assert!(!standstill.check(true, 0), "it may start yet");
        assert!(standstill.check(true, 0), "it did not");
        assert!(!standstill.check(true, 0), "others wait now");
        assert!(!standstill.check(true, 1), "one was started");
        assert!(!standstill.check(false, 1));
        assert!(!standstill.check(true, 1), "it was not there before");
    }
}
