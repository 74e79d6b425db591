//! The task that takes back jobs whose worker died or whose deadline passed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::due::Due;
use crate::announce::Announcer;
use crate::job::state::JobState;
use crate::store::Store;

/// Sweeps one database.
pub(crate) struct Sweeper<'a> {
    store: &'a Store,
    announcer: &'a Announcer,
    every: Duration,
    /// Hears what each round found for other tasks.
    due: watch::Sender<Due>,
    /// The next round sweeps whatever it expects to find.
    tidies: AtomicBool,
}

impl<'a> Sweeper<'a> {
    /// The next sweep follows after `every`.
    pub(crate) fn new(
        store: &'a Store,
        announcer: &'a Announcer,
        every: Duration,
        due: watch::Sender<Due>,
    ) -> Self {
        Self { store, announcer, every, due, tidies: AtomicBool::new(true) }
    }

    /// The next round sweeps whatever it expects to find: a sweep also removes rows that were left over.
    pub(crate) fn tidy(&self) {
        self.tidies.store(true, Ordering::Relaxed);
    }

    /// Records that this process sweeps, and sweeps until nothing is left to take back; a failure is logged and left to
    /// the next round.
    pub(crate) async fn sweep(&self) {
        loop {
            // A pause must be recorded before anything is taken back, and a past pause must not be taken for an
            // open one.
            match self.store.note_sweep(self.every).await {
                Ok((finds, found)) => {
                    self.due.send_replace(Due::of(found, Instant::now()));
                    if !finds && !self.tidies.swap(false, Ordering::Relaxed) {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a sweep could not be recorded; the next one tries again");
                    return;
                }
            }
            match self.store.sweep().await {
                Ok(swept) if swept.is_empty() => return,
                Ok(swept) => {
                    for job in &swept {
                        tracing::warn!(
                            task_id = %job.job_id, reason = job.reason.word(), state = job.state.map(JobState::word),
                            "took back a job"
                        );
                    }
                    self.announcer.swept(&swept);
                    if swept.iter().all(|job| job.state.is_none()) {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a sweep failed; the next one tries again");
                    return;
                }
            }
        }
    }
}
