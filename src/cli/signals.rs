//! SIGINT and SIGTERM: the first asks for a graceful end, the second for one at once, the third ends
//! the process where it stands.

use tokio::signal::unix::{SignalKind, signal};

use crate::worker::Shutdown;

/// Starts to listen to signals; the answer is cancelled step by step as they come.
pub(super) fn shutdown() -> Shutdown {
    let shutdown = Shutdown::default();
    let told = shutdown.clone();
    tokio::spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            tracing::error!("signals cannot be heard; only kill -9 ends this process");
            return;
        };
        for signals in 1.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            match signals {
                1 => {
                    tracing::info!("shutting down; signal again to stop running jobs at once");
                    told.graceful.cancel();
                }
                2 => {
                    tracing::warn!("stopping running jobs and handing them back");
                    told.immediate.cancel();
                }
                _ => std::process::exit(130),
            }
        }
    });
    shutdown
}
