//! Retries of the worker's writers while Postgres does not answer: with growing delays, without limit. An
//! outcome that a handler has reported is never given up while the process lives.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::contact::Contact;
use crate::store::jitter::jittered;
use crate::store::{Error, Result};

/// Longer than Postgres lets a statement run: a server that has not answered by then is unreachable.
const ANSWER_WITHIN: Duration = Duration::from_secs(35);

/// An answer within `limit`, or an error, because a dead network stays silent until TCP gives up. The error
/// comes sooner if the database was away and other requests are answered again.
pub(super) async fn answered_within<T>(
    contact: &Contact,
    limit: Duration,
    asking: impl Future<Output = Result<T>>,
) -> Result<T> {
    let began = Instant::now();
    tokio::select! {
        answered = timeout(limit, asking) => answered.unwrap_or(Err(Error::NoAnswer { waited: limit })),
        () = contact.overtaken() => Err(Error::NoAnswer { waited: began.elapsed() }),
    }
}

/// Calls `attempt` until it succeeds or fails with an error that waiting cannot fix.
pub(super) async fn until_answered<T, F>(
    contact: &Contact,
    what: &'static str,
    mut attempt: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut delay = Duration::from_millis(50);
    loop {
        match answered_within(contact, ANSWER_WITHIN, attempt()).await {
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, what, "transient database error; trying again");
                contact.pause(jittered(delay)).await;
                delay = (delay * 2).min(Duration::from_secs(5));
            }
            other => return other,
        }
    }
}

/// Whether a failed batch is split to find the row that caused the failure.
pub(super) fn blames_a_row(error: &Error) -> bool {
    error.is_bad_data() || error.constraint().is_some()
}
