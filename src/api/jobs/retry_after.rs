//! Estimates when a full queue has free capacity again, for the `Retry-After` of its refusals.
//! Asked only after a refusal; must never delay any other answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::RETRY_AFTER;
use axum::middleware::Next;
use axum::response::Response;

use crate::store::Store;

/// How long an estimate is reused, because refused callers may retry often.
const BELIEF: Duration = Duration::from_secs(1);
/// The most queues with a cached estimate.
const REMEMBERED_QUEUES: usize = 1000;
/// The answer if no estimate is possible.
const SHORTEST: Duration = Duration::from_secs(1);

/// In the extensions of a refusal: the queue that was full.
#[derive(Debug, Clone)]
pub(crate) struct FullQueue(pub(crate) String);

/// Estimates of when full queues have free capacity. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RetryEstimates {
    store: Store,
    memory: Arc<Mutex<HashMap<String, (Instant, Duration)>>>,
}

impl RetryEstimates {
    /// Without cached estimates.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, memory: Arc::default() }
    }

    /// The estimated time until the queue accepts one more job.
    pub(crate) async fn of(&self, queue: &str) -> Duration {
        let known = self.memory().get(queue).copied();
        if let Some((_, estimate)) = known.filter(|(at, _)| at.elapsed() < BELIEF) {
            return estimate;
        }
        let estimate = self.store.time_until_space(queue).await.unwrap_or(SHORTEST);
        let mut memory = self.memory();
        if memory.len() >= REMEMBERED_QUEUES {
            memory.clear();
        }
        memory.insert(queue.to_owned(), (Instant::now(), estimate));
        estimate
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Instant, Duration)>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The middleware: sets `Retry-After` in a refusal.
pub(crate) async fn add_retry_after(
    State(estimates): State<RetryEstimates>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    if let Some(FullQueue(queue)) = response.extensions_mut().remove() {
        let seconds = whole_seconds(estimates.of(&queue).await);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Rounded up: a moment too early is refused again.
pub(crate) fn whole_seconds(estimate: Duration) -> u64 {
    estimate.as_secs() + u64::from(estimate.subsec_nanos() > 0)
}
