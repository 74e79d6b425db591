//! Looks keys up in the store: once for all requests that wait for the same key, because after an outage a
//! thousand streams check their keys at the same moment. Must never return an answer that is older than the
//! request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::api::server::problem::Problem;

/// How long an answer is trusted while the store does not answer, for routes that must work without the database.
const LONG_BELIEF: Duration = Duration::from_hours(1);
/// How long the store may take to answer on those routes.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The number of questions from which on those that nobody asks any more are removed.
const MANY: usize = 256;

/// What came of the last lookup, and when that began.
type Last<T> = Arc<Mutex<Option<(Instant, Result<T, Problem>)>>>;

/// Callers by what they ask for. One of them looks up; those who came before it began get the same answer.
#[derive(Debug)]
pub(super) struct Together<T>(Lock<HashMap<String, Last<T>>>);

impl<T> Default for Together<T> {
    fn default() -> Self {
        Self(Lock::default())
    }
}

impl<T: Clone> Together<T> {
    /// The answer of a lookup that began after this call, also where that is a failure.
    pub(super) async fn ask(
        &self,
        name: &str,
        lookup: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let asked = Instant::now();
        let last = self.last(name);
        let mut last = last.lock().await;
        if let Some((_, answer)) = last.as_ref().filter(|(began, _)| *began >= asked) {
            return answer.clone();
        }
        let began = Instant::now();
        let answer = lookup.await;
        *last = Some((began, answer.clone()));
        answer
    }

    fn last(&self, name: &str) -> Last<T> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MANY {
            all.retain(|_, last| Arc::strong_count(last) > 1);
        }
        Arc::clone(all.entry(name.to_owned()).or_default())
    }
}

/// The cached keys.
pub(super) enum Answer<T> {
    Fresh(T),
    Remembered(T),
}

/// Asks the store; if the store does not answer, a remembered answer is used unless it is too old.
pub(super) async fn asked<T>(
    lookup: impl Future<Output = Result<T, Problem>>,
    remembered: Option<(Instant, T)>,
) -> Result<Answer<T>, Problem> {
    match remembered.filter(|(at, _)| at.elapsed() < LONG_BELIEF) {
        None => Ok(Answer::Fresh(lookup.await?)),
        Some((_, known)) => match timeout(TIMEOUT, lookup).await {
            Ok(Ok(answer)) => Ok(Answer::Fresh(answer)),
            Ok(Err(_)) | Err(_) => Ok(Answer::Remembered(known)),
        },
    }
}
