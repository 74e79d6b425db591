//! A queue as one worker sees it: its slots, the jobs that wait in memory for one, and from where to
//! claim next. Decides how many jobs to ask for and when to look from the head again; asks nobody.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

use super::completer::Ending;
use super::leases::Orders;
use super::{Shared, executor};
use crate::job::attempt::{Outcome, Usage};
use crate::store::claim::{Claimed, Cursor, Position};
use crate::store::settle::Settled;

/// The largest batch that is claimed at once.
const BATCH_LIMIT: usize = 1_000;

/// A claimed job that waits for a slot.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) job: Claimed,
    pub(super) orders: Orders,
}

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) queue: String,
    configured_slots: usize,
    state: Mutex<State>,
    /// Mean run of its jobs, in nanoseconds; starts long, so that nothing is prefetched on a guess.
    mean_run_nanos: AtomicU64,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Waiting>,
    runners: usize,
    slots: usize,
    started: u64,
    started_at_last_check: u64,
}

impl Lane {
    pub(super) fn new(queue: String, slots: usize) -> Self {
        let state =
            State { waiting: VecDeque::new(), runners: 0, slots, started: 0, started_at_last_check: 0 };
        Self {
            queue,
            configured_slots: slots,
            state: Mutex::new(state),
            mean_run_nanos: AtomicU64::new(1_000_000_000),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Slots now, as the worker or the queue's row says.
    pub(super) fn slots(&self) -> usize {
        self.state().slots
    }

    /// Takes the slots that somebody set for the queue, or the worker's own again.
    pub(super) fn set_slots(&self, slots: Option<i32>) {
        self.state().slots = slots.map_or(self.configured_slots, |slots| usize::try_from(slots).unwrap_or(0));
    }

    /// How many jobs to claim now; 0 while there is no room worth a round trip.
    pub(super) fn room(&self, round_trip: Duration) -> usize {
        let state = self.state();
        let free = state.slots.saturating_sub(state.runners + state.waiting.len());
        let prefetch = self.prefetch(state.slots, round_trip);
        if prefetch == 0 {
            return free.min(BATCH_LIMIT);
        }
        let wanted = (state.slots + prefetch).saturating_sub(state.runners + state.waiting.len());
        // Refilled when half of it is used: fewer and larger claims.
        if free > 0 || wanted * 2 >= prefetch { wanted.min(BATCH_LIMIT) } else { 0 }
    }

    /// As many jobs as the slots finish during two round trips, if a run is shorter than one.
    fn prefetch(&self, slots: usize, round_trip: Duration) -> usize {
        let run = self.mean_run_nanos.load(Ordering::Relaxed).max(1);
        let trip = u64::try_from(round_trip.as_nanos()).unwrap_or(u64::MAX);
        if run >= trip {
            return 0;
        }
        usize::try_from((slots as u64).saturating_mul(2 * trip / run)).unwrap_or(BATCH_LIMIT).min(BATCH_LIMIT)
    }

    /// Takes claimed jobs in and starts runners for the free slots.
    pub(super) fn admit(self: &Arc<Self>, shared: &Arc<Shared>, jobs: impl Iterator<Item = Waiting>) {
        let mut state = self.state();
        state.waiting.extend(jobs);
        let start = state.slots.saturating_sub(state.runners).min(state.waiting.len());
        state.runners += start;
        drop(state);
        for _ in 0..start {
            tokio::spawn(self.clone().runner(shared.clone()));
        }
    }

    /// Runs one waiting job after the other; a slot is a runner.
    async fn runner(self: Arc<Self>, shared: Arc<Shared>) {
        loop {
            let next = {
                let mut state = self.state();
                let next = if state.runners > state.slots { None } else { state.waiting.pop_front() };
                if let Some(next) = next {
                    state.started += 1;
                    next
                } else {
                    state.runners -= 1;
                    break;
                }
            };
            let began = Instant::now();
            executor::run(&shared, next).await;
            self.learn(began.elapsed());
            if self.state().waiting.len() < BATCH_LIMIT / 4 {
                shared.room_freed();
            }
            // A handler that never waits would hold its thread; the engine's own tasks come first.
            tokio::task::coop::consume_budget().await;
        }
        shared.room_freed();
    }

    fn learn(&self, run: Duration) {
        let run = u64::try_from(run.as_nanos()).unwrap_or(u64::MAX);
        let mean = self.mean_run_nanos.load(Ordering::Relaxed);
        // One long run ends prefetching at once; many short ones bring it back.
        let mean = if run > mean.saturating_mul(100) { run } else { mean - mean / 8 + run / 8 };
        self.mean_run_nanos.store(mean, Ordering::Relaxed);
    }

    /// Hands prefetched jobs back if none was started since the last call: their slots turned out to
    /// be busy for long, and another worker may have a free one.
    pub(super) async fn hand_back_if_stuck(&self, shared: &Shared) {
        let stuck = {
            let mut state = self.state();
            let stuck = !state.waiting.is_empty() && state.started == state.started_at_last_check;
            state.started_at_last_check = state.started;
            stuck
        };
        if stuck {
            self.mean_run_nanos.store(1_000_000_000, Ordering::Relaxed);
            self.hand_back(shared).await;
        }
    }

    /// Hands back what waits in memory.
    pub(super) async fn hand_back(&self, shared: &Shared) {
        let waiting = std::mem::take(&mut self.state().waiting);
        for Waiting { job, .. } in waiting {
            if let Some(settled) = Settled::of(job.id, job.lease_id, Outcome::Released, Usage::default()) {
                let _ = shared.endings.send(Ending::Settled(settled)).await;
            }
        }
    }
}

/// The lanes of a worker; some are found while it runs.
#[derive(Debug)]
pub(super) struct Lanes(RwLock<Vec<Arc<Lane>>>);

impl Lanes {
    pub(super) fn new(queues: &[(String, usize)]) -> Self {
        Self(RwLock::new(
            queues.iter().map(|(name, slots)| Arc::new(Lane::new(name.clone(), *slots))).collect(),
        ))
    }

    pub(super) fn all(&self) -> Vec<Arc<Lane>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds a lane for a queue that was found.
    pub(super) fn add(&self, queue: String, slots: usize) -> Arc<Lane> {
        let lane = Arc::new(Lane::new(queue, slots));
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(lane.clone());
        lane
    }
}

/// From where a lane claims next, and when it may look from the head again.
#[derive(Debug)]
pub(super) struct Look {
    cursor: Cursor,
    /// Where the cursor was before the last look from the head.
    reached: Cursor,
    /// Something may be claimable.
    pub(super) hopeful: bool,
    /// Something may lie before the cursor.
    pub(super) head_wanted: bool,
    head_allowed_at: Instant,
    /// When the next scheduled job falls due.
    pub(super) due_at: Option<Instant>,
}

impl Look {
    pub(super) fn new() -> Self {
        Self {
            cursor: [Position::HEAD; 9],
            reached: [Position::HEAD; 9],
            hopeful: true,
            head_wanted: true,
            head_allowed_at: Instant::now(),
            due_at: None,
        }
    }

    /// There may be new work anywhere.
    pub(super) fn stir(&mut self) {
        self.hopeful = true;
        self.head_wanted = true;
    }

    /// The cursor for the next claim, and whether it begins at the head.
    pub(super) fn begin(&mut self) -> (Cursor, bool) {
        let from_head = self.head_wanted && Instant::now() >= self.head_allowed_at;
        if from_head {
            self.head_wanted = false;
            self.reached = std::mem::replace(&mut self.cursor, [Position::HEAD; 9]);
        }
        (self.cursor, from_head)
    }

    /// Learns from a claim: where it ended, whether there may be more, what a look from the head costs.
    pub(super) fn end(&mut self, claimed: &[Claimed], asked: usize, from_head: bool, took: Duration) {
        for job in claimed {
            if let Some(position) =
                usize::try_from(job.priority - 1).ok().and_then(|at| self.cursor.get_mut(at))
            {
                *position = Position { run_at: job.run_at, id: job.id };
            }
        }
        if from_head {
            // At most a tenth of the time goes into walking over dead rows at the head.
            self.head_allowed_at = Instant::now() + took * 10;
        }
        if claimed.len() < asked {
            if from_head {
                self.hopeful = false;
                // All before was looked at; the next wake need not walk over its dead rows again.
                for (position, reached) in self.cursor.iter_mut().zip(self.reached) {
                    *position = reached.max(*position);
                }
            } else {
                self.head_wanted = true;
            }
        }
    }

    /// When this lane wants to be looked at again without being woken; `None` if only a wake can help.
    pub(super) fn again_at(&self) -> Option<Instant> {
        let head = (self.hopeful && self.head_wanted).then_some(self.head_allowed_at);
        match (head, self.due_at) {
            (Some(head), Some(due)) => Some(head.min(due)),
            (head, due) => head.or(due),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use uuid::Uuid;

    use super::*;

    fn claimed(second: i64) -> Claimed {
        let run_at = DateTime::from_timestamp(second, 0).unwrap_or(DateTime::<Utc>::MAX_UTC);
        Claimed {
            id: Uuid::from_u128(1),
            lease_id: Uuid::nil(),
            kind: "k".into(),
            queue: "q".into(),
            priority: 5,
            attempt: 1,
            max_attempts: 1,
            args: serde_json::json!({}),
            execution_id: None,
            run_at,
            soft_timeout_seconds: None,
            hard_timeout_seconds: None,
            lease_expires_at: run_at,
        }
    }

    #[test]
    fn an_empty_look_from_the_head_does_not_forget_how_far_the_claims_came() {
        let mut look = Look::new();
        assert!(look.begin().1, "the first look is from the head");
        look.end(&[claimed(100)], 1, true, Duration::ZERO);
        let reached = look.begin().0[4];
        assert_eq!(reached.run_at.timestamp(), 100);
        look.stir();
        assert_eq!(look.begin(), ([Position::HEAD; 9], true), "something may lie before the cursor");
        look.end(&[], 1, true, Duration::from_secs(60));
        assert!(!look.hopeful);
        look.stir();
        let (cursor, from_head) = look.begin();
        assert!(!from_head, "the last look from the head was dear");
        assert_eq!(cursor[4], reached);
    }

    #[test]
    fn a_full_look_from_the_head_goes_on_where_it_ended() {
        let mut look = Look::new();
        look.begin();
        look.end(&[claimed(100)], 1, true, Duration::ZERO);
        look.stir();
        look.begin();
        look.end(&[claimed(50)], 1, true, Duration::ZERO);
        assert_eq!(look.begin().0[4].run_at.timestamp(), 50, "there may be more behind it");
    }
}
