//! Throttles progress while dead rows pile up in the database: the progress of a job is stored at
//! most every few seconds. Keeps the order of each job's events; the last progress is never lost,
//! and no other event is delayed.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use crate::store::attempts::report::Reported;

/// How often the progress of a job is stored while it is throttled.
const EVERY: Duration = Duration::from_secs(5);

/// The delayed progress.
#[derive(Debug, Default)]
pub(in crate::worker) struct ProgressThrottle {
    /// The last progress of each job that was not stored yet.
    delayed: HashMap<Uuid, Reported>,
    /// When progress of each job was last stored.
    stored_at: HashMap<Uuid, Instant>,
}

impl ProgressThrottle {
    /// Takes a batch and returns the reports to store now: delayed progress of a job comes before its other
    /// events, and before it is `flushed`.
    pub(in crate::worker) fn thin(
        &mut self,
        on: bool,
        now: Instant,
        batch: Vec<Reported>,
        flushed: &[Uuid],
    ) -> Vec<Reported> {
        if !on && self.delayed.is_empty() {
            self.stored_at.clear();
            return batch;
        }
        let mut kept = Vec::with_capacity(batch.len());
        for mut item in batch {
            let job_id = item.job_id;
            let is_progress = item.draft.kind == "progress";
            match self.delayed.remove(&job_id) {
                Some(old) if is_progress => merge(&mut item, old),
                Some(old) => {
                    self.stored_at.insert(job_id, now);
                    kept.push(old);
                }
                None => {}
            }
            let recent = self.stored_at.get(&job_id).is_some_and(|at| now < *at + EVERY);
            if is_progress && on && recent {
                self.delayed.insert(job_id, item);
            } else {
                if is_progress {
                    self.stored_at.insert(job_id, now);
                }
                kept.push(item);
            }
        }
        for job_id in flushed {
            kept.extend(self.delayed.remove(job_id));
            self.stored_at.remove(job_id);
        }
        kept
    }

    /// The time at which the next delayed report is to be stored.
    pub(in crate::worker) fn due_at(&self) -> Option<Instant> {
        self.delayed.keys().filter_map(|job_id| Some(*self.stored_at.get(job_id)? + EVERY)).min()
    }

    /// The reports that are due.
    pub(in crate::worker) fn overdue(&mut self, now: Instant) -> Vec<Reported> {
        let due = |job_id: &Uuid| self.stored_at.get(job_id).is_none_or(|at| *at + EVERY <= now);
        let due: Vec<Uuid> = self.delayed.keys().copied().filter(due).collect();
        for job_id in &due {
            self.stored_at.insert(*job_id, now);
        }
        due.iter().filter_map(|job_id| self.delayed.remove(job_id)).collect()
    }
}

/// Fields absent in the newer progress keep the values of the older one.
fn merge(newer: &mut Reported, older: Reported) {
    if let (Some(new), Value::Object(old)) = (newer.draft.data.as_object_mut(), older.draft.data) {
        for (field, value) in old {
            new.entry(field).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::job::event::EventDraft;

    fn progress(job: u128, percent: f64) -> Reported {
        let draft = EventDraft::progress(Some(percent), None, None);
        Reported { job_id: Uuid::from_u128(job), lease_id: Uuid::nil(), draft }
    }

    fn percents(items: &[Reported]) -> Vec<f64> {
        items.iter().map(|item| item.draft.data["percent"].as_f64().unwrap_or(-1.0)).collect()
    }

    #[test]
    fn progress_is_stored_every_few_seconds_and_the_last_always() {
        let mut throttle = ProgressThrottle::default();
        let now = Instant::now();
        let one = Uuid::from_u128(1);
        assert_eq!(
            percents(&throttle.thin(true, now, vec![progress(1, 1.0), progress(2, 9.0)], &[])),
            [1.0, 9.0]
        );
        assert!(throttle.thin(true, now, vec![progress(1, 2.0), progress(1, 3.0)], &[]).is_empty());
        assert!(throttle.overdue(now).is_empty() && throttle.due_at().is_some());
        // A log line stores it first, in order.
        let log = Reported { draft: EventDraft::new("log", json!({})), ..progress(1, 0.0) };
        assert_eq!(percents(&throttle.thin(true, now, vec![log, progress(1, 4.0)], &[])), [3.0, -1.0]);
        let now = now + EVERY;
        assert_eq!(percents(&throttle.overdue(now)), [4.0]);
        assert!(throttle.thin(true, now, vec![progress(1, 5.0)], &[]).is_empty());
        // The end of the attempt waits for all of it.
        assert_eq!(percents(&throttle.thin(true, now, Vec::new(), &[one])), [5.0]);
        // After throttling ends, delayed progress is stored with the next batch.
        throttle.thin(true, now, vec![progress(3, 1.0)], &[]);
        throttle.thin(true, now, vec![progress(3, 2.0)], &[]);
        assert_eq!(percents(&throttle.thin(false, now, vec![progress(3, 3.0)], &[])), [3.0]);
        assert!(throttle.due_at().is_none());
    }
}
