//! The leases of this worker, and the handles that stop or end their attempts. Trusts a lease only
//! until its TTL minus a margin has passed since the last request to renew it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::open_claims::OpenClaims;
use crate::job::attempt::StopReason;

/// A held lease's handles.
#[derive(Debug)]
struct Entry {
    lease_id: Uuid,
    stop: watch::Sender<Option<StopReason>>,
    kill: CancellationToken,
    /// The time at which the claim or the last successful renewal was sent.
    asked_at: Duration,
    traits: Traits,
    /// Its outcome is on its way to the database: there is nothing left to stop.
    settling: bool,
    /// This worker ended it because the database was unreachable; the lease may still be its own.
    doubted: bool,
}

/// Special properties of a held lease.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Traits {
    /// It counts against a limit.
    pub(super) counted: bool,
    /// It continues while the database is unreachable.
    pub(super) continues: bool,
    /// It is not in `running` yet, so that no heartbeat can renew it.
    pub(super) unregistered: bool,
}

/// The requests to an attempt.
#[derive(Debug)]
pub(super) struct StopHandles {
    /// A stop request with its reason.
    pub(super) stop: watch::Receiver<Option<StopReason>>,
    /// End now.
    pub(super) kill: CancellationToken,
}

#[derive(Debug)]
pub(super) struct Leases {
    entries: Mutex<HashMap<Uuid, Entry>>,
    emptied: Notify,
    /// Jobs, with their leases, whose attempts this worker ended because the database was unreachable: they
    /// are to be handed back.
    owed: Mutex<Vec<(Uuid, Uuid)>>,
    owes: Notify,
    trust: Duration,
    claims: OpenClaims,
    /// Attempts that ended while they were entered in `running`: their end may not have seen their row there.
    crossed: Mutex<Vec<(Uuid, Uuid)>>,
}

/// Time since the machine started, which also counts while it is suspended, as a lease does.
pub(super) fn boot_time() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}

impl Leases {
    pub(super) fn new(lease_ttl: Duration) -> Self {
        // The margin covers the time until an ended attempt's processes are gone.
        Self {
            entries: Mutex::default(),
            emptied: Notify::new(),
            owed: Mutex::default(),
            owes: Notify::new(),
            trust: lease_ttl * 4 / 5,
            claims: OpenClaims::default(),
            crossed: Mutex::default(),
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Uuid, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a claimed job; `asked_at` is the boot time at which the claim was sent.
    pub(super) fn add(
        &self,
        job_id: Uuid,
        lease_id: Uuid,
        asked_at: Duration,
        traits: Traits,
    ) -> StopHandles {
        let (stop, stop_receiver) = watch::channel(None);
        let kill = CancellationToken::new();
        let handles = StopHandles { stop: stop_receiver, kill: kill.clone() };
        if traits.unregistered {
            self.claims.add(lease_id);
        }
        let entry = Entry { lease_id, stop, kill, asked_at, traits, settling: false, doubted: false };
        if let Some(older) = self.entries().insert(job_id, entry) {
            // The job was taken back and claimed by this worker again before it learned of that.
            older.end();
        }
        handles
    }

    /// Removes a job whose outcome the database has, or will not take because the lease is lost; true if it counted
    /// against a limit.
    pub(super) fn release(&self, job_id: Uuid, lease_id: Uuid) -> bool {
        if self
            .entries()
            .get(&job_id)
            .is_some_and(|entry| entry.lease_id == lease_id && entry.traits.unregistered)
        {
            self.claims.end(lease_id);
        }
        self.remove(job_id, lease_id)
    }

    /// Removes a job whose attempt ended; true if it counted against a limit.
    pub(super) fn remove(&self, job_id: Uuid, lease_id: Uuid) -> bool {
        let mut entries = self.entries();
        let mut counted = false;
        if entries.get(&job_id).is_some_and(|entry| entry.lease_id == lease_id) {
            counted = entries.remove(&job_id).is_some_and(|entry| entry.traits.counted);
        }
        if entries.is_empty() {
            self.emptied.notify_waiters();
        }
        counted
    }

    /// The leases to renew, with their jobs: all except those whose attempts this worker ended itself.
    pub(super) fn snapshot(&self) -> Vec<(Uuid, Uuid)> {
        let entries = self.entries();
        let kept = entries.iter().filter(|(_, entry)| !entry.doubted && !entry.traits.unregistered);
        kept.map(|(job_id, entry)| (*job_id, entry.lease_id)).collect()
    }

    /// The attempts that are not in `running` although they were claimed this long ago, with their leases.
    pub(super) fn unregistered(&self, since: Duration) -> Vec<(Uuid, Uuid)> {
        let now = boot_time();
        let entries = self.entries();
        let aged =
            entries.iter().filter(|(_, entry)| entry.traits.unregistered && now >= entry.asked_at + since);
        aged.map(|(job_id, entry)| (*job_id, entry.lease_id)).collect()
    }

    /// An attempt is in `running` now.
    pub(super) fn registered(&self, job_id: Uuid, lease_id: Uuid) {
        let mut entries = self.entries();
        let held = entries.get_mut(&job_id).filter(|entry| entry.lease_id == lease_id);
        if held.as_ref().is_none_or(|entry| entry.settling) {
            self.crossed().push((job_id, lease_id));
        }
        if held.is_some_and(|entry| std::mem::take(&mut entry.traits.unregistered)) {
            self.claims.end(lease_id);
        }
    }

    /// The attempts that ended while they were entered in `running`, once their outcome is stored.
    pub(super) fn take_crossed(&self) -> Vec<(Uuid, Uuid)> {
        let entries = self.entries();
        let holds = |(job_id, lease_id): &(Uuid, Uuid)| {
            entries.get(job_id).is_some_and(|entry| entry.lease_id == *lease_id)
        };
        self.crossed().extract_if(.., |attempt| !holds(attempt)).collect()
    }

    fn crossed(&self) -> MutexGuard<'_, Vec<(Uuid, Uuid)>> {
        self.crossed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The leases of claims that nobody needs any more: each attempt has ended or is in `running`. Each is returned
    /// once.
    pub(super) fn ended_claims(&self) -> Vec<Uuid> {
        self.claims.take_ended()
    }

    /// The attempt has ended, and its outcome is on its way to the database: the lease is renewed until it
    /// is stored.
    pub(super) fn settles(&self, job_id: Uuid, lease_id: Uuid) {
        if let Some(entry) = self.entries().get_mut(&job_id).filter(|entry| entry.lease_id == lease_id) {
            (entry.settling, entry.doubted) = (true, false);
        }
    }

    /// The attempt has ended, and its outcome is discarded. If only the contact was lost, and not the
    /// lease, the job must be handed back.
    pub(super) fn drop_attempt(&self, job_id: Uuid, lease_id: Uuid) {
        let doubted =
            self.entries().get(&job_id).is_some_and(|entry| entry.lease_id == lease_id && entry.doubted);
        if doubted {
            self.owed().push((job_id, lease_id));
            self.owes.notify_one();
        }
        self.remove(job_id, lease_id);
    }

    /// Marks those of the claimed jobs that this worker does not know as to be handed back: the answer of
    /// their claim was lost. Returns their number.
    pub(super) fn owe_unknown(&self, claimed: &[(Uuid, Uuid)]) -> usize {
        let entries = self.entries();
        let unknown = claimed
            .iter()
            .filter(|(job_id, lease_id)| entries.get(job_id).is_none_or(|entry| entry.lease_id != *lease_id));
        let mut owed = self.owed();
        let before = owed.len();
        for debt in unknown {
            if !owed.contains(debt) {
                owed.push(*debt);
            }
        }
        if owed.len() > before {
            self.owes.notify_one();
        }
        owed.len() - before
    }

    /// The jobs that are to be handed back, with their leases.
    pub(super) fn debts(&self) -> Vec<(Uuid, Uuid)> {
        self.owed().clone()
    }

    /// Removes jobs that were handed back or that another worker has.
    pub(super) fn paid(&self, debts: &[(Uuid, Uuid)]) {
        self.owed().retain(|debt| !debts.contains(debt));
    }

    /// Waits until there is something to hand back.
    pub(super) async fn owing(&self) {
        self.owes.notified().await;
    }

    fn owed(&self) -> MutexGuard<'_, Vec<(Uuid, Uuid)>> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The renewal that was asked for at `asked_at` succeeded for this lease.
    pub(super) fn renewed(&self, job_id: Uuid, lease_id: Uuid, asked_at: Duration) {
        if let Some(entry) = self.entries().get_mut(&job_id).filter(|entry| entry.lease_id == lease_id) {
            entry.asked_at = asked_at;
        }
    }

    /// Asks one attempt to stop; the gravest reason stays.
    pub(super) fn stop(&self, job_id: Uuid, reason: StopReason) {
        if let Some(entry) = self.entries().get(&job_id) {
            entry.ask(reason);
        }
    }

    /// The lease is lost: the attempt ends now and must not write any more.
    pub(super) fn lose(&self, job_id: Uuid, lease_id: Uuid) {
        if let Some(entry) = self.entries().get_mut(&job_id).filter(|entry| entry.lease_id == lease_id) {
            entry.doubted = false;
            entry.end();
        }
    }

    /// Ends the attempts whose lease can no longer be trusted, except those that continue without contact;
    /// returns their jobs.
    pub(super) fn fence(&self) -> Vec<Uuid> {
        let now = boot_time();
        let mut ended = Vec::new();
        for (job_id, entry) in self.entries().iter_mut() {
            let runs = !entry.settling && !entry.kill.is_cancelled();
            if runs && !entry.traits.continues && now > entry.asked_at + self.trust {
                entry.doubted = true;
                entry.end();
                ended.push(*job_id);
            }
        }
        ended
    }

    pub(super) fn stop_all(&self, reason: StopReason) {
        self.entries().values().for_each(|entry| entry.ask(reason));
    }

    pub(super) fn kill_all(&self) {
        self.entries().values().for_each(|entry| entry.kill.cancel());
    }

    pub(super) fn len(&self) -> usize {
        self.entries().len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries().is_empty()
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

    /// The lease is lost: further work of the attempt must not count.
    fn end(&self) {
        self.stop.send_replace(Some(StopReason::LeaseLost));
        self.kill.cancel();
    }
}

/// The reason that decides the outcome of the job if there are several.
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
        let earlier = leases.add(job, first, boot_time(), Traits::default());
        let later = leases.add(job, second, boot_time(), Traits::default());
        assert!(earlier.kill.is_cancelled() && !later.kill.is_cancelled());
        assert_eq!(*earlier.stop.borrow(), Some(StopReason::LeaseLost));
        // The end of the earlier attempt must not remove the lease of the later one.
        leases.remove(job, first);
        assert_eq!(leases.snapshot(), [(job, second)]);
    }

    #[test]
    fn what_cannot_be_renewed_ends_and_is_owed_unless_it_goes_on_or_has_ended() {
        let leases = Leases::new(Duration::ZERO);
        let [stops, goes_on, done] = [1, 2, 3].map(Uuid::from_u128);
        let lease = Uuid::from_u128(9);
        let handles = leases.add(stops, lease, Duration::ZERO, Traits::default());
        leases.add(goes_on, lease, Duration::ZERO, Traits { continues: true, ..Traits::default() });
        leases.add(done, lease, Duration::ZERO, Traits::default());
        leases.settles(done, lease);
        assert_eq!(leases.fence(), [stops]);
        assert!(handles.kill.is_cancelled() && leases.fence().is_empty());
        let mut renewed: Vec<Uuid> = leases.snapshot().into_iter().map(|(job, _)| job).collect();
        renewed.sort();
        assert_eq!(renewed, [goes_on, done], "the lease of an attempt that was ended is not renewed");
        leases.drop_attempt(stops, lease);
        assert_eq!(leases.debts(), [(stops, lease)]);
        leases.lose(goes_on, lease);
        leases.drop_attempt(goes_on, lease);
        assert_eq!(leases.debts(), [(stops, lease)], "what is another's is not handed back");
        leases.paid(&[(stops, lease)]);
        assert!(leases.debts().is_empty());
    }
}
