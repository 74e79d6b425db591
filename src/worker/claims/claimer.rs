//! The one claimer of a process: waits for a notification, a due time or its poll, and claims as
//! many jobs as there are free slots. Notifications only trigger a claim; its answer alone says
//! whether there are jobs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::follow::{Followed, Queues};
use super::queue_cursor::{Counted, QueueCursor};
use super::queue_runner;
use super::queue_slots::{QueueSlots, Waiting};
use crate::store::attempts::claim::{ClaimRequest, KindTerms, Terms};
use crate::store::db::listener::{Wake, Wakes};
use crate::store::db::queue_listeners::{EVERY_QUEUE, LATE_COMMITS, QueueListener};
use crate::store::jitter::jittered;
use crate::store::{Error, Result};
use crate::worker::leases::{Traits, boot_time};
use crate::worker::retry::answered_within;
use crate::worker::shared::Shared;

/// The longest pause between polls, however long a poll takes; readiness depends on it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// After this time without a job polls become rarer: no transaction that enqueued while this worker was saturated is
/// likely to be open still.
const IDLE_AFTER: Duration = Duration::from_mins(1);
/// The time after which a hung claim has certainly been executed or dropped.
const UNHEARD_AFTER: Duration = Duration::from_secs(2);

pub(in crate::worker) struct Claimer {
    shared: Arc<Shared>,
    hints: Receiver<Wake>,
    wakes: Wakes,
    kinds: Vec<String>,
    terms: Vec<KindTerms>,
    queues: Queues,
    listener: QueueListener,
    /// False if its rows may be gone or wrong, as after a failover.
    is_listening: bool,
    /// Smoothed time of a claim.
    round_trip: Duration,
    poll_at: Instant,
    /// When it last claimed something.
    idle_since: Instant,
    /// No poll before this, with or without a notification: polls walk over dead rows and may take at most
    /// a tenth of the time.
    poll_allowed_at: Instant,
    trouble: Option<Duration>,
    unheard: Unheard,
}

/// Whether the answer of a claim may have been lost, so that this worker has leases that it does not know of.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Unheard {
    Nothing,
    /// Something failed since the database last answered.
    Perhaps,
    /// The database answers again; the search for such jobs starts at this time.
    SearchAt(Instant),
}

impl Claimer {
    pub(in crate::worker) fn new(shared: Arc<Shared>, wakes: &Wakes) -> Self {
        Self {
            kinds: shared.registry.kinds(),
            terms: shared.registry.terms(),
            hints: wakes.subscribe(),
            wakes: wakes.clone(),
            queues: Queues::new(shared.queues.all()),
            listener: QueueListener::new(shared.id.clone()),
            is_listening: false,
            round_trip: Duration::from_millis(1),
            poll_at: Instant::now(),
            idle_since: Instant::now(),
            poll_allowed_at: Instant::now(),
            trouble: None,
            unheard: Unheard::Nothing,
            shared,
        }
    }

    /// Claims until the token is cancelled or the worker is drained.
    pub(in crate::worker) async fn run(mut self, stop: &CancellationToken) {
        let shared = self.shared.clone();
        loop {
            if stop.is_cancelled() || shared.drain.is_cancelled() || shared.run_limits.is_reached() {
                break;
            }
            match self.round().await {
                Ok(true) => self.trouble = None,
                Ok(false) => {
                    self.trouble = None;
                    self.wait(stop).await;
                }
                Err(error) => self.recover(&error, stop).await,
            }
        }
        let limit = Duration::from_secs(1);
        let _ = answered_within(&shared.contact, limit, self.listener.leave(&shared.store)).await;
        if !stop.is_cancelled() && !shared.run_limits.is_reached() {
            tracing::info!(worker = shared.id, "drain requested; no further jobs will be claimed");
            // A drained worker claims nothing by design, so it still counts as ready.
            while tokio::time::timeout(shared.settings.poll, stop.cancelled()).await.is_err() {
                shared.liveness.beat();
            }
        }
    }

    /// Polls if it is time, then claims once for every queue that may have work; true if any had work.
    async fn round(&mut self) -> Result<bool> {
        if Instant::now() >= self.poll_at {
            self.poll().await?;
        }
        let mut claimed = false;
        for at in 0..self.queues.all.len() {
            self.keep_pace(at).await?;
            claimed |= self.claim(at).await?;
        }
        Ok(claimed)
    }

    /// Switches between waiting for notifications and polling, and polls the queue if it is time.
    async fn keep_pace(&mut self, at: usize) -> Result<()> {
        let Followed { queue_slots, queue_cursor, pace, .. } = &mut self.queues.all[at];
        let now = Instant::now();
        if let Some(is_busy) = pace.change(queue_slots.free_capacity(self.round_trip) > 0, now) {
            let write = self.listener.set_busy(&self.shared.store, &queue_slots.queue, is_busy);
            answered_within(&self.shared.contact, self.shared.settings.lease_ttl, write).await?;
            queue_cursor.look();
            // Finds the jobs of a transaction that enqueued before this write and commits after the poll of
            // the queue.
            self.poll_at = self.poll_at.min(now + LATE_COMMITS);
        } else if pace.takes_look(now) {
            queue_cursor.look();
        }
        Ok(())
    }

    /// Registers this worker for notifications of enqueues; true if it was not registered before. The claims that
    /// follow find earlier jobs.
    async fn listen(&mut self) -> Result<bool> {
        let queues = if self.shared.settings.other_queue_slots > 0 {
            vec![EVERY_QUEUE.to_owned()]
        } else {
            self.queues.names()
        };
        let (store, begins) = (&self.shared.store, !self.is_listening);
        let write = async {
            if begins {
                self.listener.leave(store).await?;
            }
            self.listener.listen(store, &queues).await
        };
        answered_within(&self.shared.contact, self.shared.settings.lease_ttl, write).await?;
        self.is_listening = true;
        if begins {
            self.queues.all.iter_mut().for_each(|followed| followed.queue_cursor.look());
        }
        Ok(begins)
    }

    /// Reads, for all queues at once, their work, their slots, and the next due time.
    async fn poll(&mut self) -> Result<()> {
        let queues = self.queues.names();
        let discover = self.shared.settings.other_queue_slots > 0;
        let limit = self.shared.settings.lease_ttl;
        let is_new = self.listen().await?;
        let began = Instant::now();
        let dues = answered_within(
            &self.shared.contact,
            limit,
            self.shared.store.due(&queues, &self.kinds, discover),
        )
        .await?;
        self.find_lost_claims().await?;
        self.queues.settle(&self.shared, &dues).await;
        self.shared.liveness.beat();
        let now = Instant::now();
        self.poll_allowed_at = now + ((now - began) * 10).min(LONGEST_PAUSE);
        // While notifications arrive, a poll only covers those that were lost.
        let every = match (self.wakes.is_healthy(), self.idle_since.elapsed() > IDLE_AFTER) {
            (true, true) => (self.shared.settings.poll * 5).min(LONGEST_PAUSE),
            (true, false) => self.shared.settings.poll * 2,
            (false, _) => self.shared.settings.poll,
        };
        let every = if is_new { every.min(LATE_COMMITS) } else { every };
        self.poll_at = self.poll_allowed_at.max(now + jittered(every));
        for Followed { queue_slots, queue_cursor, .. } in &mut self.queues.all {
            queue_runner::hand_back_if_stuck(queue_slots, &self.shared).await;
            let Some(due) = dues.iter().find(|due| due.queue == queue_slots.queue) else { continue };
            queue_slots.set_slots(due.slots);
            queue_cursor.due_at = due
                .next_in_seconds
                .and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok())
                .and_then(|ahead| now.checked_add(ahead));
            queue_cursor.limited = due.limited;
            if due.now && !due.paused {
                queue_cursor.wake();
            }
            if due.turn && !due.paused {
                queue_cursor.wake_groups();
            }
        }
        Ok(())
    }

    /// Hands back jobs from a claim whose answer was lost, instead of waiting for the end of their leases,
    /// which would cost an attempt. No claim is in flight here.
    async fn find_lost_claims(&mut self) -> Result<()> {
        match self.unheard {
            // A hung claim may have been executed only now.
            Unheard::Perhaps => self.unheard = Unheard::SearchAt(Instant::now() + UNHEARD_AFTER),
            Unheard::SearchAt(at) if Instant::now() >= at => {
                let shared = &self.shared;
                let limit = shared.settings.lease_ttl;
                let claimed =
                    answered_within(&shared.contact, limit, shared.store.claimed_by(&shared.id)).await?;
                let jobs = shared.leases.owe_unknown(&claimed);
                if jobs > 0 {
                    tracing::warn!(jobs, "the answer to a claim was lost; its jobs are handed back");
                }
                self.unheard = Unheard::Nothing;
            }
            _ => {}
        }
        Ok(())
    }

    /// Claims for one queue if it has free slots and may have work; true if something was claimed.
    async fn claim(&mut self, at: usize) -> Result<bool> {
        let Followed { queue_slots, queue_cursor, pace, .. } = &mut self.queues.all[at];
        queue_cursor.tick();
        let Some(counted) = queue_cursor.wants() else { return Ok(false) };
        let capacity = queue_slots.free_capacity(self.round_trip);
        if capacity == 0 {
            return Ok(false);
        }
        let (cursor, from_head) = queue_cursor.begin();
        // Without notifications only heartbeats tell of cancels, which know the registered attempts alone.
        let short = if self.wakes.is_healthy() { self.shared.registry.short_kinds() } else { vec![] };
        let asked_at = boot_time();
        let began = Instant::now();
        let request = ClaimRequest {
            queue: &queue_slots.queue,
            kinds: &self.kinds,
            limit: i64::try_from(capacity).unwrap_or(i64::MAX),
            cursor: &cursor,
            worker_id: &self.shared.id,
            lease_ttl_seconds: self.shared.settings.lease_ttl.as_secs_f64(),
            picked: &[],
            terms: Terms { own: &self.terms, enforced: false, short: &short },
        };
        // A later answer would contain leases that have already expired.
        let limit = self.shared.settings.lease_ttl;
        let (store, contact) = (&self.shared.store, &self.shared.contact);
        let jobs = if counted == Counted::Yes {
            let admitted =
                answered_within(contact, limit, store.claim_counted(&request, queue_cursor.share(capacity)))
                    .await?;
            queue_cursor.end_counted(&admitted, capacity, from_head, began.elapsed());
            admitted.jobs
        } else {
            let jobs = answered_within(contact, limit, store.claim(&request)).await?;
            queue_cursor.end(&jobs, capacity, from_head, began.elapsed());
            jobs
        };
        let took = began.elapsed();
        pace.claimed(jobs.len(), capacity, Instant::now());
        self.shared.liveness.beat();
        self.round_trip = (self.round_trip * 7 + took) / 8;
        if jobs.is_empty() {
            // There is nothing after the cursor; a scan from the head may be due at once.
            return Ok(
                !from_head && queue_cursor.next_check_at().is_some_and(|again| again <= Instant::now())
            );
        }
        self.idle_since = Instant::now();
        for job in &jobs {
            self.shared.metrics.started(&job.kind, &job.queue, job.waited());
        }
        self.shared.metrics.batch("claim", jobs.len(), took);
        let leases = &self.shared.leases;
        let limited = queue_cursor.limited;
        let waiting = jobs.into_iter().map(|job| {
            let continues = self.shared.registry.continues(&job.kind);
            let traits = Traits { counted: limited || job.grouped, continues, unregistered: !job.registered };
            let handles = leases.add(job.id, job.lease_id, asked_at, traits);
            Waiting { job, handles }
        });
        queue_runner::admit(queue_slots, &self.shared, waiting);
        Ok(true)
    }

    /// Waits until there may be something to do.
    async fn wait(&mut self, stop: &CancellationToken) {
        let shared = self.shared.clone();
        let has_capacity = |queue_slots: &QueueSlots, trip| queue_slots.free_capacity(trip) > 0;
        let trip = self.round_trip;
        let again = self
            .queues
            .all
            .iter()
            .filter(|followed| has_capacity(&followed.queue_slots, trip))
            .flat_map(|followed| [followed.queue_cursor.next_check_at(), followed.pace.look_at()])
            .flatten()
            .min()
            .map_or(self.poll_at, |again| again.min(self.poll_at));
        // A queue that may have work but has no free slot waits for a slot; otherwise wait for a
        // notification.
        let freed = shared.freed.notified();
        tokio::select! {
            () = stop.cancelled() => {}
            () = shared.drain.cancelled() => {}
            () = shared.run_limits.reached() => {}
            () = freed => {}
            () = sleep_until(again) => {}
            hint = self.hints.recv() => self.hear(hint),
        }
        while let Ok(hint) = self.hints.try_recv() {
            self.hear(Ok(hint));
        }
    }

    fn hear(&mut self, hint: std::result::Result<Wake, RecvError>) {
        match hint {
            Ok(Wake::Queue(queue)) => self.hear_of(&queue, QueueCursor::wake),
            Ok(Wake::Group(queue)) => self.hear_of(&queue, QueueCursor::wake_groups),
            Ok(Wake::Capacity) => {
                self.queues.all.iter_mut().for_each(|followed| followed.queue_cursor.hear_freed());
            }
            Ok(Wake::Settings) => self.poll_at = Instant::now(),
            Ok(Wake::Missed) | Err(RecvError::Lagged(_)) => {
                self.is_listening = false;
                self.poll_at = self.poll_allowed_at;
                self.queues.all.iter_mut().for_each(|followed| followed.queue_cursor.look());
            }
            Ok(_) | Err(RecvError::Closed) => {}
        }
    }

    /// A queue has work: wakes its cursor, and polls soon if the queue or a later job may be new.
    fn hear_of(&mut self, queue: &str, wake: fn(&mut QueueCursor)) {
        let known = self.queues.find(queue);
        if known.as_ref().is_none_or(|followed| followed.queue_cursor.due_at.is_none()) {
            let soon = Instant::now() + Duration::from_millis(50);
            self.poll_at = self.poll_at.min(soon.max(self.poll_allowed_at));
        }
        if let Some(Followed { queue_cursor, pace, .. }) = known {
            wake(queue_cursor);
            pace.hear(Instant::now());
        }
    }

    async fn recover(&mut self, error: &Error, stop: &CancellationToken) {
        let delay =
            self.trouble.map_or(Duration::from_millis(100), |delay| (delay * 2).min(Duration::from_secs(5)));
        self.trouble = Some(delay);
        self.unheard = Unheard::Perhaps;
        self.is_listening = false;
        tracing::warn!(%error, retry_in = ?delay, "claiming failed");
        self.queues.all.iter_mut().for_each(|followed| followed.queue_cursor.wake());
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.shared.contact.pause(jittered(delay)) => {}
        }
    }
}
