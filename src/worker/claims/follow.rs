//! The queues that a worker claims from: the queues of its settings, and up to a bound all other queues that
//! have work. A queue without work is dropped, so that the bound counts only queues that have work now; if
//! more queues have work, they take turns. Must never drop a queue with jobs that wait in memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::pace::Pace;
use super::queue_cursor::QueueCursor;
use super::queue_runner;
use super::queue_slots::QueueSlots;
use crate::store::attempts::due::Due;
use crate::worker::shared::Shared;

/// The most queues that a worker claims from at once, in addition to those of its settings.
const MOST: usize = 200;
/// How long a queue without work is followed, because more may come.
const IDLE_FOR: Duration = Duration::from_secs(10);
/// How long a queue is followed while others wait for a place.
const TURN: Duration = Duration::from_secs(10);
/// How often the warning about too many queues is logged.
const LOG_EVERY: Duration = Duration::from_mins(1);

/// A queue from which jobs are claimed.
pub(in crate::worker) struct Followed {
    pub(in crate::worker) queue_slots: Arc<QueueSlots>,
    pub(in crate::worker) queue_cursor: QueueCursor,
    pub(in crate::worker) pace: Pace,
    /// When it was discovered and first followed; `None` for a queue of the settings, which is never dropped.
    discovered_at: Option<Instant>,
    /// When it last had work.
    busy_at: Instant,
    /// It has no due jobs.
    idle: bool,
}

/// All followed queues.
pub(in crate::worker) struct Queues {
    pub(in crate::worker) all: Vec<Followed>,
    /// Queues with work for which there is no place, each with the time when it began to wait.
    waiting: HashMap<String, Instant>,
    logged_at: Option<Instant>,
}

impl Followed {
    fn new(queue_slots: Arc<QueueSlots>, discovered_at: Option<Instant>) -> Self {
        Self {
            queue_slots,
            queue_cursor: QueueCursor::new(),
            pace: Pace::new(),
            discovered_at,
            busy_at: Instant::now(),
            idle: false,
        }
    }

    /// Records whether the queue has work.
    fn see(&mut self, due: Option<&Due>, now: Instant) {
        self.idle = !due.is_some_and(has_work) && self.queue_slots.is_idle();
        if !self.idle {
            self.busy_at = now;
        }
    }
}

impl Queues {
    /// The queues of the settings.
    pub(in crate::worker) fn new(all_slots: Vec<Arc<QueueSlots>>) -> Self {
        let all = all_slots.into_iter().map(|queue_slots| Followed::new(queue_slots, None)).collect();
        Self { all, waiting: HashMap::new(), logged_at: None }
    }

    pub(in crate::worker) fn names(&self) -> Vec<String> {
        self.all.iter().map(|followed| followed.queue_slots.queue.clone()).collect()
    }

    pub(in crate::worker) fn find(&mut self, queue: &str) -> Option<&mut Followed> {
        self.all.iter_mut().find(|followed| followed.queue_slots.queue == queue)
    }

    /// Drops queues that no longer have work, and follows further queues with work while there are places.
    pub(in crate::worker) async fn settle(&mut self, shared: &Shared, dues: &[Due]) {
        let now = Instant::now();
        for followed in &mut self.all {
            let due = dues.iter().find(|due| due.queue == followed.queue_slots.queue);
            followed.see(due, now);
        }
        shared.queues.forget_ended();
        let slots = shared.settings.other_queue_slots;
        let known = shared.queues.names();
        let mut discovered: Vec<&Due> =
            dues.iter().filter(|due| slots > 0 && has_work(due) && !known.contains(&due.queue)).collect();
        let waited = std::mem::take(&mut self.waiting);
        let since = |queue: &String| waited.get(queue).copied().unwrap_or(now);
        discovered.sort_by_key(|due| since(&due.queue));
        let later = |queue: &str| dues.iter().any(|due| due.queue == queue && due.next_in_seconds.is_some());
        // A queue with later jobs stays while there are places, so that they start on time.
        self.leave(shared, |followed| {
            followed.idle && now > followed.busy_at + IDLE_FOR && !later(&followed.queue_slots.queue)
        });
        if discovered.len() > MOST.saturating_sub(shared.queues.discovered_count()) {
            self.leave(shared, |followed| followed.idle);
        }
        let free = MOST.saturating_sub(shared.queues.discovered_count());
        let (taken, left_out) = discovered.split_at(free.min(discovered.len()));
        self.waiting = left_out.iter().map(|due| (due.queue.clone(), since(&due.queue))).collect();
        for due in taken {
            let queue_slots = shared.queues.add(due.queue.clone(), slots);
            self.all.push(Followed::new(queue_slots, Some(now)));
        }
        self.log_left_out(shared, left_out.len(), now);
        if !left_out.is_empty() {
            self.give_way(shared, left_out.len(), now).await;
        }
    }

    /// Stops claiming from the discovered queues for which the function returns true.
    fn leave(&mut self, shared: &Shared, ends: impl Fn(&Followed) -> bool) {
        self.all.retain(|followed| {
            let leaves = followed.discovered_at.is_some() && ends(followed);
            if leaves {
                shared.queues.leave(&followed.queue_slots);
            }
            !leaves
        });
        shared.queues.forget_ended();
    }

    /// Drops this number of queues, those that were followed longest, in favour of others; their running jobs
    /// continue.
    async fn give_way(&mut self, shared: &Shared, others: usize, now: Instant) {
        let had_their_turn = |followed: &&Followed| followed.discovered_at.is_some_and(|at| now > at + TURN);
        let mut leaving: Vec<&Followed> = self.all.iter().filter(had_their_turn).collect();
        leaving.sort_by_key(|followed| followed.discovered_at);
        let all_slots: Vec<Arc<QueueSlots>> =
            leaving.into_iter().take(others).map(|followed| followed.queue_slots.clone()).collect();
        self.leave(shared, |followed| {
            all_slots.iter().any(|queue_slots| Arc::ptr_eq(queue_slots, &followed.queue_slots))
        });
        for queue_slots in all_slots {
            queue_runner::hand_back(&queue_slots, shared).await;
        }
    }

    /// Logs at intervals that there are too many queues.
    fn log_left_out(&mut self, shared: &Shared, left_out: usize, now: Instant) {
        shared.queues_left_out.store(left_out, Ordering::Relaxed);
        if left_out == 0 || self.logged_at.is_some_and(|at| now < at + LOG_EVERY) {
            return;
        }
        self.logged_at = Some(now);
        tracing::warn!(
            most = MOST,
            left_out,
            "more queues have jobs than this worker claims from at once, so the queues take turns; start \
             more workers, or name the queues of each worker in its settings"
        );
    }
}

/// Whether a queue has claimable jobs.
fn has_work(due: &Due) -> bool {
    (due.now || due.turn) && !due.paused
}
