//! Limits the bytes of large bodies that this process holds at once. A request with another large
//! body waits a moment; small bodies never wait, so that senders of large bodies lock nobody out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::api::server::problem::{Case, Problem};

/// Bodies up to this size are not counted.
const SMALL_BYTES: usize = 256 * 1024;
/// The most bytes of large bodies at once, or one body of the largest size.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// How long a request waits for places of others.
const WITHIN: Duration = Duration::from_secs(10);
/// The bytes of one place, the unit in which large bodies are counted.
const PLACE_BYTES: usize = 1024;

/// The places of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BodyPlaces {
    free: Arc<Semaphore>,
}

/// The places that a request holds until it is answered; stored in its extensions.
#[derive(Debug, Clone)]
pub(crate) struct BodyPermit {
    free: Arc<Semaphore>,
    taken: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
}

impl BodyPlaces {
    /// Places for bodies of at most `limit` bytes each.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(places(MOST_BYTES.max(limit)))) }
    }
}

impl BodyPermit {
    /// Takes the places for a body of this number of bytes.
    ///
    /// # Errors
    /// 503 when others have them all for too long.
    pub(crate) async fn take(&self, bytes: usize) -> Result<(), Problem> {
        self.take_within(WITHIN, bytes).await
    }

    async fn take_within(&self, within: Duration, bytes: usize) -> Result<(), Problem> {
        if bytes <= SMALL_BYTES {
            return Ok(());
        }
        let wanted = u32::try_from(places(bytes)).unwrap_or(u32::MAX);
        let Ok(Ok(taken)) = timeout(within, self.free.clone().acquire_many_owned(wanted)).await else {
            let detail = "The server has reached its limit of large request bodies.";
            return Err(Problem::new(Case::Unavailable, detail).retry_after(WITHIN));
        };
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(taken);
        Ok(())
    }
}

/// The middleware: gives the places back when the answer is there.
pub async fn hold_places(State(places): State<BodyPlaces>, mut request: Request, next: Next) -> Response {
    let permit = BodyPermit { free: places.free, taken: Arc::default() };
    let taken = permit.taken.clone();
    request.extensions_mut().insert(permit);
    let response = next.run(request).await;
    drop(taken.lock().unwrap_or_else(PoisonError::into_inner).take());
    response
}

fn places(bytes: usize) -> usize {
    bytes.div_ceil(PLACE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn large_bodies_share_the_places_and_small_ones_need_none() {
        let places = BodyPlaces::new(16 * 1024 * 1024);
        let request = || BodyPermit { free: places.free.clone(), taken: Arc::default() };
        let large: Vec<BodyPermit> = (0..4).map(|_| request()).collect();
        for permit in &large {
            permit.take(16 * 1024 * 1024).await.unwrap();
        }
        let late = request();
        let problem = late.take_within(Duration::ZERO, SMALL_BYTES + 1).await.unwrap_err();
        assert_eq!(problem.case(), Case::Unavailable);
        late.take(SMALL_BYTES).await.unwrap();
        drop(large);
        late.take(16 * 1024 * 1024).await.unwrap();
        assert!(BodyPlaces::new(1 << 30).free.try_acquire_many(1 << 20).is_ok());
    }
}
