//! The one writer of progress, log lines and other events in a process: collects reports while its
//! last write is in flight. Keeps the order of each job's events, and drops only progress that was
//! replaced before anyone could see it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::sleep_until;
use uuid::Uuid;

use super::progress_throttle::ProgressThrottle;
use crate::job::event::EventDraft;
use crate::job::text::{storable_json, storable_text, truncated};
use crate::store::attempts::report::Reported;
use crate::worker::context::{Extension, Report};
use crate::worker::retry::{blames_a_row, until_answered};
use crate::worker::shared::Shared;

/// The largest batch that is written at once.
const BATCH_LIMIT: usize = 1_000;
/// The largest data of an event; more is cut and marked.
const DATA_LIMIT_BYTES: usize = 128 * 1024;

/// Writes reports until the last message.
pub(in crate::worker) async fn run(shared: Arc<Shared>, mut reports: mpsc::Receiver<Report>) {
    let mut gathered = Vec::with_capacity(BATCH_LIMIT);
    let mut throttle = ProgressThrottle::default();
    let mut open = true;
    while open {
        tokio::select! {
            received = reports.recv_many(&mut gathered, BATCH_LIMIT) => open = received > 0,
            () = sleep_until(throttle.due_at().unwrap_or_else(far)) => {
                write(&shared, throttle.overdue(tokio::time::Instant::now())).await;
                continue;
            }
        }
        let mut batch = Vec::with_capacity(gathered.len());
        let (mut waiters, mut extensions) = (Vec::new(), Vec::new());
        let mut flushed = Vec::new();
        for report in gathered.drain(..) {
            open &= !report.job_id.is_nil();
            // An extension is also an event, so no earlier report may be delayed past it.
            if report.stored.is_some() || report.extension.is_some() {
                flushed.push(report.job_id);
            }
            waiters.extend(report.stored);
            extensions.extend(report.extension.map(|extension| (report.job_id, report.lease_id, extension)));
            if let Some(draft) = report.draft {
                batch.push(Reported {
                    job_id: report.job_id,
                    lease_id: report.lease_id,
                    draft: storable(draft),
                });
            }
        }
        let throttled = shared.throttling.load(Ordering::Relaxed);
        let now = tokio::time::Instant::now();
        write(&shared, throttle.thin(throttled, now, without_overtaken(batch), &flushed)).await;
        for (job_id, lease_id, extension) in extensions {
            extend(&shared, job_id, lease_id, extension).await;
        }
        for waiter in waiters {
            let _ = waiter.send(());
        }
    }
}

/// A time so late that it never comes.
fn far() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_hours(24)
}

async fn write(shared: &Arc<Shared>, batch: Vec<Reported>) {
    if batch.is_empty() {
        return;
    }
    let began = Instant::now();
    // The same id for each try, so that a report whose answer was lost is stored only once.
    let report_id = Uuid::new_v4();
    match until_answered(&shared.contact, "report", || shared.store.report(report_id, &batch)).await {
        Ok(marks) => {
            for item in batch.iter().filter(|item| !marks.contains_key(&item.job_id)) {
                shared.leases.lose(item.job_id, item.lease_id);
            }
            shared.metrics.batch("report", batch.len(), began.elapsed());
            shared.notifier.events(marks);
        }
        Err(error) if batch.len() > 1 && blames_a_row(&error) => {
            for item in batch {
                Box::pin(write(shared, vec![item])).await;
            }
        }
        Err(error) => {
            tracing::error!(%error, events = batch.len(), "events could not be stored and are dropped");
        }
    }
}

async fn extend(shared: &Arc<Shared>, job_id: Uuid, lease_id: Uuid, Extension { by, granted }: Extension) {
    let extended =
        until_answered(&shared.contact, "extend", || shared.store.extend(job_id, lease_id, by)).await;
    match &extended {
        Ok(Some(_)) => shared.notifier.events([(job_id, 0)]),
        Ok(None) => shared.leases.lose(job_id, lease_id),
        Err(error) => tracing::error!(%error, task_id = %job_id, "an attempt could not be extended"),
    }
    // The requester may have ended.
    let _ = granted.send(matches!(extended, Ok(Some(_))));
}

/// Makes a draft storable: NUL is escaped, data that is too large is cut and marked.
fn storable(draft: EventDraft) -> EventDraft {
    let mut data = storable_json(draft.data);
    let size = serde_json::to_string(&data).map_or(0, |text| text.len());
    if size > DATA_LIMIT_BYTES {
        data = match (data.get("line").and_then(Value::as_str), data.get("stream")) {
            (Some(line), Some(stream)) => {
                json!({ "stream": stream, "line": truncated(line.to_owned(), DATA_LIMIT_BYTES / 2) })
            }
            _ => json!({ "truncated": true, "bytes": size }),
        };
    }
    EventDraft { kind: storable_text(draft.kind), data }
}

/// Drops progress that a later report of the same job and step replaces within the batch.
fn without_overtaken(batch: Vec<Reported>) -> Vec<Reported> {
    let mut last: HashMap<Uuid, usize> = HashMap::new();
    let mut overtaken = vec![false; batch.len()];
    for (at, item) in batch.iter().enumerate() {
        if item.draft.kind != "progress" {
            last.remove(&item.job_id);
            continue;
        }
        if let Some(before) = last.insert(item.job_id, at) {
            let (old, new) = (&batch[before].draft.data, &item.draft.data);
            overtaken[before] = (old.get("data").is_none() || new.get("data").is_some())
                && old.get("step") == new.get("step")
                && new.get("percent").is_some();
        }
    }
    let mut overtaken = overtaken.into_iter();
    batch.into_iter().filter(|_| overtaken.next() == Some(false)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(job_id: Uuid, draft: EventDraft) -> Reported {
        Reported { job_id, lease_id: Uuid::nil(), draft }
    }

    #[test]
    fn overtaken_progress_is_left_out_and_nothing_else() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let step = |percent, step| EventDraft::progress(Some(percent), Some(step), None);
        let batch = vec![
            item(a, step(1.0, "x")),
            item(a, step(2.0, "x")),
            item(b, step(9.0, "x")),
            item(a, EventDraft::new("log", json!({ "line": "l" }))),
            item(a, step(3.0, "x")),
            item(a, step(4.0, "y")),
            item(a, EventDraft::progress(Some(5.0), Some("y"), Some(json!(1)))),
            item(a, EventDraft::progress(Some(6.0), Some("y"), None)),
            item(a, EventDraft::progress(Some(7.0), Some("y"), Some(json!(2)))),
            item(a, EventDraft::progress(Some(8.0), Some("y"), Some(json!(3)))),
        ];
        let kept: Vec<_> =
            without_overtaken(batch).into_iter().map(|item| item.draft.data["percent"].clone()).collect();
        assert_eq!(kept, [json!(2.0), json!(9.0), Value::Null, json!(3.0), json!(5.0), json!(8.0)]);
    }

    #[test]
    fn a_huge_line_is_cut_and_says_so() {
        let draft =
            storable(EventDraft::new("log", json!({ "stream": "stdout", "line": "x".repeat(1 << 20) })));
        let line = draft.data["line"].as_str().unwrap();
        assert!(line.len() < DATA_LIMIT_BYTES && line.ends_with("1048576 bytes in all]"));
    }
}
