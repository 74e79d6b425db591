//! Enqueues into a bounded queue as soon as the queue accepts the job, and estimates when that will be. The
//! wait is here and never in the database: a waiting request holds no connection and no lock.

use std::time::Duration;

use uuid::Uuid;

use super::enqueue::enqueue_prepared_in;
use crate::job::new::NewJob;
use crate::store::{Result, Store};

/// The first and the longest pause between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

impl Store {
    /// The estimated time until the queue accepts one more job, 1 s to 60 s; the shortest if it is unknown.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn time_until_space(&self, queue: &str) -> Result<Duration> {
        let seconds = sqlx::query_scalar!(
            r#"select extract(epoch from time_until_space($1))::double precision as "seconds!""#,
            queue
        )
        .fetch_one(self.pool())
        .await?;
        Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(1)))
    }
}

/// Enqueues a job, and waits while its queue has reached `max_queued`. Returns its id, or that of the job
/// with the same unique key. To give up, drop the future: then nothing is enqueued, unless the statement
/// was in flight.
///
/// # Errors
/// When the database fails or refuses the job for another reason.
///
/// # Examples
///
/// ```no_run
/// # async fn example(store: tidemill::Store, job: tidemill::NewJob) -> Result<(), tidemill::Error> {
/// use std::time::Duration;
/// use tidemill::enqueue_when_space;
///
/// match tokio::time::timeout(Duration::from_secs(5), enqueue_when_space(&store, &job)).await {
///     Ok(id) => println!("enqueued {}", id?),
///     Err(_) => println!("the queue is still full"),
/// }
/// # Ok(()) }
/// ```
pub async fn enqueue_when_space(store: &Store, job: &NewJob) -> Result<Uuid> {
    let job = store.prepare(job.clone()).await?;
    let mut pause = PAUSES.0;
    loop {
        match enqueue_prepared_in(store.pool(), store, &job).await {
            Err(error) if error.is_queue_full() => {
                tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
                pause = (pause * 2).min(PAUSES.1);
            }
            other => return other,
        }
    }
}
