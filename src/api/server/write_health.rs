//! Tracks whether the writes of this process are stored, by the last outcome of each writing route:
//! a read-only database answers every read normally. Writes nothing itself except the probe that
//! detects recovery without requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::store::db::trouble::Trouble;
use crate::store::{Error, Store};

/// How long the last outcome is trusted; after that the database is asked.
const FRESH: Duration = Duration::from_secs(2);

/// The reason why the database did not store a write; in the extensions of the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failed(pub(crate) &'static Trouble);

/// The routes whose last write failed; bounded by the number of routes.
#[derive(Debug, Default)]
pub struct WriteHealth {
    failing: Mutex<HashMap<String, (Instant, &'static Trouble)>>,
}

impl WriteHealth {
    fn note(&self, route: String, trouble: Option<&'static Trouble>) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let was_well = failing.is_empty();
        match trouble {
            Some(trouble) => {
                failing.insert(route, (Instant::now(), trouble));
                if was_well {
                    tracing::error!(
                        reason = trouble.name,
                        "writes fail: {} {}",
                        trouble.what,
                        trouble.remedy
                    );
                }
            }
            None if was_well => {}
            None => {
                failing.remove(&route);
                if failing.is_empty() {
                    tracing::info!("writes succeed again");
                }
            }
        }
    }

    /// The reason of the write that failed last, and its age.
    pub(crate) fn trouble(&self) -> Option<(&'static Trouble, Duration)> {
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.values().max_by_key(|(at, _)| *at).map(|(at, trouble)| (*trouble, at.elapsed()))
    }

    /// The reason why writes are not stored; asks the database itself if the last outcome is old.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub(crate) async fn check(&self, store: &Store) -> Result<Option<&'static Trouble>, Error> {
        match self.trouble() {
            None => Ok(store.refuses_writes().await?.then(|| Trouble::of_code("25006")).flatten()),
            Some((trouble, age)) if age < FRESH => Ok(Some(trouble)),
            Some(_) => match store.probe_write().await {
                Ok(()) => {
                    tracing::info!("writes succeed again");
                    self.failing.lock().unwrap_or_else(PoisonError::into_inner).clear();
                    Ok(None)
                }
                Err(error) => match error.trouble().filter(|trouble| trouble.stops_writes) {
                    Some(trouble) => {
                        self.note("probe".into(), Some(trouble));
                        Ok(Some(trouble))
                    }
                    None => Err(error),
                },
            },
        }
    }
}

/// Records the outcome of a writing request. A successful request that stores nothing, such as a preview,
/// clears only its own route.
pub(crate) async fn watched(
    State(health): State<Arc<WriteHealth>>,
    request: Request,
    next: Next,
) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = format!("{} {}", request.method(), path.unwrap_or_default());
    let response = next.run(request).await;
    match response.extensions().get::<Failed>() {
        Some(Failed(trouble)) if trouble.stops_writes => health.note(route, Some(trouble)),
        None if response.status().is_success() => health.note(route, None),
        _ => {}
    }
    response
}
