//! The requests that end a worker.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::leaving::Signals;

/// The shutdown requests to a worker: first graceful, then immediate.
///
/// # Examples
///
/// ```no_run
/// # async fn example(worker: tidemill::Worker) -> Result<(), tidemill::Error> {
/// let shutdown = tidemill::Shutdown::default();
/// let asked = shutdown.clone();
/// tokio::spawn(async move {
///     // The first Ctrl-C lets running jobs finish, the second hands them back.
///     let _ = tokio::signal::ctrl_c().await;
///     asked.graceful.cancel();
///     let _ = tokio::signal::ctrl_c().await;
///     asked.immediate.cancel();
/// });
/// worker.run(shutdown).await
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Claim no more, let running jobs finish within the timeout, hand the rest back.
    pub graceful: CancellationToken,
    /// Hand all jobs back at once.
    pub immediate: CancellationToken,
    pub(super) signals: Signals,
}

impl Shutdown {
    /// Names a signal that asks for the end, by its number; to be called before `graceful` is cancelled. What stops a
    /// service may send the signal to the worker's commands as well: a command that has a handler for it, and ends within
    /// its `stop_grace` without a result, is then handed back. Without a name, handlers for SIGTERM, SIGHUP and SIGQUIT
    /// count; one for SIGINT does not, because shells and Python have it by default.
    pub fn by_signal(&self, number: i32) {
        self.signals.add(number);
    }

    /// How long the last words of a worker may take to be stored.
    pub(super) fn store_timeout(&self) -> Duration {
        if self.immediate.is_cancelled() { Duration::from_secs(2) } else { Duration::from_secs(10) }
    }

    /// Waits until an immediate end was requested and that time has passed.
    pub(super) async fn overdue(&self, limit: Duration) {
        self.immediate.cancelled().await;
        tokio::time::sleep(limit).await;
    }
}
