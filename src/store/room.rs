//! Room: enqueues into a queue with a bound as soon as that takes the job. Waits here and never in the
//! database: whoever waits holds no connection and no lock.

use std::time::Duration;

use uuid::Uuid;

use super::enqueue::enqueue_in;
use super::{Result, Store};
use crate::job::new::NewJob;

/// The first and the longest pause between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Enqueues a job, and waits for room as long as its queue has as many jobs waiting as its `max_queued`
/// allows. Answers its id, or that of the job that has its unique key. Give up by dropping the future:
/// then nothing is enqueued, unless the statement was under way.
///
/// # Errors
/// When the database fails or refuses the job for another reason.
pub async fn enqueue_when_room(store: &Store, job: &NewJob) -> Result<Uuid> {
    let mut job = job.clone();
    store.keep_args(&mut job).await?;
    let mut pause = PAUSES.0;
    loop {
        match enqueue_in(store.pool(), &store.options().schema, &job).await {
            Err(error) if error.is_queue_full() => {
                tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
                pause = (pause * 2).min(PAUSES.1);
            }
            other => return other,
        }
    }
}
