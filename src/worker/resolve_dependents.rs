//! Resolves dependent jobs as soon as this worker completes a parent. An optimisation only: the
//! maintenance loop does it otherwise.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::shared::Shared;

/// Resolves whenever awaited jobs completed, until the token is cancelled.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = shared.awaited.notified() => {}
        }
        if let Err(error) = shared.store.resolve().await {
            tracing::warn!(
                %error,
                "dependent jobs could not be resolved; the maintenance loop resolves them"
            );
        }
    }
}
