//! The leases that this worker holds, and the handles to stop or end their attempts. Trusts a lease
//! only until its TTL less a margin has passed since the last renewal was asked for.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::job::attempt::StopReason;

/// A held lease's handles.
#[derive(Debug)]
struct Entry {
    lease_id: Uuid,
    stop: watch::Sender<Option<StopReason>>,
    kill: CancellationToken,
    /// When the claim or the last renewal that succeeded was asked for.
    asked_at: Duration,
    /// It counts for some limit.
    counted: bool,
}

/// What an attempt hears.
#[derive(Debug)]
pub(super) struct Orders {
    /// Please stop, and why.
    pub(super) stop: watch::Receiver<Option<StopReason>>,
    /// End now.
    pub(super) kill: CancellationToken,
}

#[derive(Debug)]
pub(super) struct Leases {
    held: Mutex<HashMap<Uuid, Entry>>,
    emptied: Notify,
    trust: Duration,
}

/// Time since the machine started, which goes on while it is suspended: a lease does too.
pub(super) fn boot_time() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}

impl Leases {
    pub(super) fn new(lease_ttl: Duration) -> Self {
        // The margin covers the time until an ended attempt's processes are gone.
        Self { held: Mutex::default(), emptied: Notify::new(), trust: lease_ttl * 4 / 5 }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Uuid, Entry>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a claimed job; `asked_at` is the boot time at which the claim was sent.
    pub(super) fn add(&self, job_id: Uuid, lease_id: Uuid, asked_at: Duration, counted: bool) -> Orders {
        let (stop, stop_receiver) = watch::channel(None);
        let kill = CancellationToken::new();
        let orders = Orders { stop: stop_receiver, kill: kill.clone() };
        if let Some(older) = self.held().insert(job_id, Entry { lease_id, stop, kill, asked_at, counted }) {
            // The job was taken back and came to us again before we heard of it.
            older.end();
        }
        orders
    }

    /// Forgets a job whose attempt ended; true if it counted for some limit.
    pub(super) fn remove(&self, job_id: Uuid, lease_id: Uuid) -> bool {
        let mut held = self.held();
        let mut counted = false;
        if held.get(&job_id).is_some_and(|entry| entry.lease_id == lease_id) {
            counted = held.remove(&job_id).is_some_and(|entry| entry.counted);
        }
        if held.is_empty() {
            self.emptied.notify_waiters();
        }
        counted
    }

    /// All held leases with their jobs.
    pub(super) fn snapshot(&self) -> Vec<(Uuid, Uuid)> {
        self.held().iter().map(|(job_id, entry)| (*job_id, entry.lease_id)).collect()
    }

    /// The renewal that was asked for at `asked_at` succeeded for this lease.
    pub(super) fn renewed(&self, job_id: Uuid, lease_id: Uuid, asked_at: Duration) {
        if let Some(entry) = self.held().get_mut(&job_id).filter(|entry| entry.lease_id == lease_id) {
            entry.asked_at = asked_at;
        }
    }

    /// Asks one attempt to stop; the gravest reason stays.
    pub(super) fn stop(&self, job_id: Uuid, reason: StopReason) {
        if let Some(entry) = self.held().get(&job_id) {
            entry.ask(reason);
        }
    }

    /// The lease is gone: the attempt ends now and may not write any more.
    pub(super) fn lose(&self, job_id: Uuid, lease_id: Uuid) {
        if let Some(entry) = self.held().get(&job_id).filter(|entry| entry.lease_id == lease_id) {
            entry.end();
        }
    }

    /// Ends the attempts whose lease cannot be trusted any more; answers their jobs.
    pub(super) fn fence(&self) -> Vec<Uuid> {
        let now = boot_time();
        let held = self.held();
        let expired: Vec<_> = held
            .iter()
            .filter(|(_, entry)| now > entry.asked_at + self.trust && !entry.kill.is_cancelled())
            .collect();
        for (_, entry) in &expired {
            entry.end();
        }
        expired.into_iter().map(|(job_id, _)| *job_id).collect()
    }

    pub(super) fn stop_all(&self, reason: StopReason) {
        self.held().values().for_each(|entry| entry.ask(reason));
    }

    pub(super) fn kill_all(&self) {
        self.held().values().for_each(|entry| entry.kill.cancel());
    }

    pub(super) fn len(&self) -> usize {
        self.held().len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held().is_empty()
    }

    /// Waits until no lease is held.
    pub(super) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.is_empty() {
                return;
            }
            emptied.await;
        }
    }
}

impl Entry {
    fn ask(&self, reason: StopReason) {
        self.stop.send_if_modified(|present| {
            let graver = present.is_none_or(|present| gravity(reason) > gravity(present));
            if graver {
                *present = Some(reason);
            }
            graver
        });
    }

    /// The lease is gone: nothing that the attempt still does may count.
    fn end(&self) {
        self.stop.send_replace(Some(StopReason::LeaseLost));
        self.kill.cancel();
    }
}

/// Which reason decides what becomes of the job when there are several.
fn gravity(reason: StopReason) -> u8 {
    match reason {
        StopReason::SoftTimeout => 0,
        StopReason::Shutdown => 1,
        StopReason::Cancelled => 2,
        StopReason::LeaseLost => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_is_claimed_again_ends_its_earlier_attempt() {
        let leases = Leases::new(Duration::from_secs(30));
        let (job, first, second) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        let earlier = leases.add(job, first, boot_time(), false);
        let later = leases.add(job, second, boot_time(), false);
        assert!(earlier.kill.is_cancelled() && !later.kill.is_cancelled());
        assert_eq!(*earlier.stop.borrow(), Some(StopReason::LeaseLost));
        // The earlier attempt's end does not take the later one's lease along.
        leases.remove(job, first);
        assert_eq!(leases.snapshot(), [(job, second)]);
    }
}
