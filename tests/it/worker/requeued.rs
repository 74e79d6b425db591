//! A job that returns to its queue wakes the workers there: they learn when it is due, however
//! rarely they poll.

use std::time::Duration;

use tidemill::metrics::Metrics;
use tidemill::{Backoff, JobError, KindSettings};

use crate::support::{Db, Mill, job, ok, wait_for};

/// Long after the end of the test.
const NEVER: Duration = Duration::from_secs(600);

#[tokio::test]
async fn a_short_delay_is_short_however_rarely_the_worker_polls() {
    let db = Db::new().await;
    let soon = Backoff { first: Duration::from_millis(50), ..Backoff::default() };
    let metrics = std::sync::Arc::new(Metrics::new());
    let mill = Mill::builder(&db)
        .settings(|settings| settings.poll = NEVER)
        .metrics(metrics.clone())
        .handler_with("k", KindSettings { backoff: soon, ..KindSettings::default() }, |context| async move {
            let events = context.store()?.events_after(context.job_id(), 0, &[], 10).await?;
            match (context.attempt().attempt, events.len()) {
                (1, 0) => Err(JobError::snooze(Duration::from_millis(50))),
                (1, _) => Err(JobError::retry("not yet")),
                _ => ok(None),
            }
        })
        .start();
    let id = db.enqueue(job("k")).await;
    wait_for("it completes", || async { (db.state(id).await == "completed").then_some(()) }).await;
    let counted = [&metrics.jobs_snoozed, &metrics.jobs_retried, &metrics.jobs_completed];
    assert_eq!(counted.map(|counter| counter.get()), [1; 3]);
    mill.stop().await;
}
