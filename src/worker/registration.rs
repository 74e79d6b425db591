//! Registration: enters attempts of short kinds that turn out to be long in `running`, and removes the claims that no
//! attempt needs any more. Must never remove a claim whose attempts it does not know to be stored.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use crate::store::Result;

/// An attempt that runs this long is entered, unless heartbeats come so often that it must be sooner.
const ENTERED_AFTER: Duration = Duration::from_secs(1);

/// How long an attempt can run before it must be in `running`.
pub(super) fn entered_after(shared: &Shared) -> Duration {
    ENTERED_AFTER.min(shared.settings.heartbeat / 4)
}

/// Registers until the token is cancelled.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let after = entered_after(&shared);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(after / 2) => {}
        }
        let limit = shared.settings.lease_ttl / 3;
        let registered = tokio::select! {
            registered = tokio::time::timeout(limit, register(&shared, after)) => registered,
            () = stop.cancelled() => return,
        };
        match registered {
            Ok(Ok(())) => {}
            // The next round tries again, and without it the lease ends the attempt.
            Ok(Err(error)) => tracing::warn!(%error, "running attempts could not be registered"),
            Err(_) => {
                tracing::warn!(waited = ?limit, "the registration of running attempts was not answered");
            }
        }
    }
}

/// Enters the attempts that were claimed this long ago, and removes the claims that have ended.
pub(super) async fn register(shared: &Shared, since: Duration) -> Result<()> {
    let aged = shared.leases.unregistered(since);
    if !aged.is_empty() {
        let entered = shared.store.register(&aged).await?;
        for (job_id, lease_id) in aged.into_iter().filter(|(job_id, _)| entered.contains(job_id)) {
            shared.leases.registered(job_id, lease_id);
        }
    }
    tidy(shared).await
}

/// Removes the rows of claims and attempts that have ended; what stays is removed by the sweep.
pub(super) async fn tidy(shared: &Shared) -> Result<()> {
    let crossed = shared.leases.take_crossed();
    if !crossed.is_empty() {
        shared.store.forget_ended(&crossed).await?;
    }
    let ended = shared.leases.ended_claims();
    if ended.is_empty() { Ok(()) } else { shared.store.forget_claims(&ended).await }
}
