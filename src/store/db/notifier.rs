//! The process's only sender of NOTIFY. Coalesces hints while the previous NOTIFY is in flight, and
//! sends them in a transaction of their own after their writes have committed. Hints may be lost;
//! correctness never depends on them.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::wake::Wake;
use crate::job::state::JobState;
use crate::store::Store;

/// Postgres refuses payloads of 8,000 bytes.
const PAYLOAD_LIMIT_BYTES: usize = 7_800;
/// Above this number of jobs, one "check all watched jobs" is cheaper.
const EVENT_LIMIT: usize = 400;

#[derive(Debug, Default)]
struct Pending {
    queues: BTreeSet<String>,
    groups: BTreeSet<String>,
    freed: bool,
    events: HashMap<Uuid, i64>,
    all_events: bool,
}

/// A handle on the notifier; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Notifier {
    pending: Arc<Mutex<Pending>>,
    wake: Arc<Notify>,
}

impl Notifier {
    /// There is work in these queues.
    pub fn queues<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        self.change(|pending| {
            for name in names {
                if !pending.queues.contains(name) {
                    pending.queues.insert(name.to_owned());
                }
            }
        });
    }

    /// There are jobs of groups in these queues, which take turns.
    pub fn groups<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        self.change(|pending| pending.groups.extend(names.into_iter().map(ToOwned::to_owned)));
    }

    /// A job returned to this queue in this state, due now or later; in `waiting` it is of a group. A job that
    /// ended wakes no process.
    pub fn requeued(&self, queue: &str, state: JobState) {
        match state {
            JobState::Available => self.queues([queue]),
            JobState::Waiting => self.groups([queue]),
            JobState::Running | JobState::Completed | JobState::Failed | JobState::Cancelled => {}
        }
    }

    /// A job that counted against a limit ended.
    pub fn freed(&self) {
        self.change(|pending| pending.freed = true);
    }

    /// These jobs have events up to these numbers, or reached their end (number 0).
    pub fn events(&self, marks: impl IntoIterator<Item = (Uuid, i64)>) {
        self.change(|pending| {
            for (job_id, seq) in marks {
                if pending.all_events {
                    return;
                }
                let known = pending.events.entry(job_id).or_default();
                *known = seq.max(*known);
                if pending.events.len() > EVENT_LIMIT {
                    pending.events.clear();
                    pending.all_events = true;
                }
            }
        });
    }

    /// Sends pending hints until the token is cancelled; then once more.
    pub async fn run(self, store: Store, shutdown: CancellationToken) {
        loop {
            let ending = tokio::select! {
                () = self.wake.notified() => false,
                () = shutdown.cancelled() => true,
            };
            let pending = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
            for payload in payloads(&pending) {
                if let Err(error) = send(&store, &payload).await {
                    tracing::warn!(%error, "a NOTIFY was lost; waiting processes poll instead");
                }
            }
            if ending {
                return;
            }
        }
    }

    /// What would be sent next, a hint a line.
    #[cfg(test)]
    pub(crate) fn pending_lines(&self) -> Vec<String> {
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        payloads(&pending).iter().flat_map(|payload| payload.lines()).map(ToOwned::to_owned).collect()
    }

    fn change(&self, change: impl FnOnce(&mut Pending)) {
        change(&mut self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake.notify_one();
    }
}

fn payloads(pending: &Pending) -> Vec<String> {
    let mut lines: Vec<String> =
        pending.queues.iter().map(|queue| Wake::Queue(queue.clone()).to_string()).collect();
    lines.extend(pending.groups.iter().map(|queue| Wake::Group(queue.clone()).to_string()));
    if pending.freed {
        lines.push(Wake::Capacity.to_string());
    }
    if pending.all_events {
        lines.push(Wake::AllEvents.to_string());
    }
    lines.extend(pending.events.iter().map(|(job_id, seq)| Wake::Event(*job_id, *seq).to_string()));
    let mut payloads = Vec::new();
    let mut payload = String::new();
    for line in lines {
        if !payload.is_empty() && payload.len() + line.len() + 1 > PAYLOAD_LIMIT_BYTES {
            payloads.push(std::mem::take(&mut payload));
        }
        let separator = if payload.is_empty() { "" } else { "\n" };
        // Writing to a String cannot fail.
        let _ = write!(payload, "{separator}{line}");
    }
    if !payload.is_empty() {
        payloads.push(payload);
    }
    payloads
}

async fn send(store: &Store, payload: &str) -> crate::store::Result<()> {
    sqlx::query!("select pg_notify($1, $2)", store.channel(), payload).execute(store.claims()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_stay_below_the_limit_and_lose_nothing() {
        let pending = Pending {
            queues: ["a".to_owned(), "b".to_owned()].into(),
            events: (0..EVENT_LIMIT).map(|_| (Uuid::new_v4(), 7)).collect(),
            ..Pending::default()
        };
        let payloads = payloads(&pending);
        assert!(payloads.len() > 1);
        assert!(payloads.iter().all(|payload| payload.len() <= PAYLOAD_LIMIT_BYTES));
        assert_eq!(payloads.iter().flat_map(|payload| payload.lines()).count(), EVENT_LIMIT + 2);
    }

    #[test]
    fn a_flood_of_events_becomes_one_hint() {
        let notifier = Notifier::default();
        notifier.events((0..5_000).map(|_| (Uuid::new_v4(), 1)));
        let pending = notifier.pending.lock().unwrap();
        assert_eq!(payloads(&pending), [Wake::AllEvents.to_string()]);
    }
}
