//! The `DevTools` connection to a running browser. Must never end unnoticed, because a caller would
//! then wait for an answer without limit.

use std::time::Duration;

use chromiumoxide::browser::Browser;
use chromiumoxide::error::CdpError;
use chromiumoxide::handler::HandlerConfig;
use futures_util::StreamExt;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::launch::Launched;
use tidemill::JobError;

const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// Listens while this value exists.
#[derive(Debug)]
pub(crate) struct DevTools {
    _events: AbortOnDropHandle<()>,
    deaf: CancellationToken,
    exited: CancellationToken,
}

impl DevTools {
    /// Connects to a browser.
    pub(crate) async fn open(
        launched: &Launched,
        config: HandlerConfig,
    ) -> Result<(Browser, Self), JobError> {
        let connecting = Browser::connect_with_config(launched.socket_url(), config);
        let (browser, mut handler) = within(CONNECT_WITHIN, connecting).await.map_err(crashed)?;
        let deaf = CancellationToken::new();
        let on_end = deaf.clone().drop_guard();
        let events = tokio::spawn(async move {
            let _on_end = on_end;
            // An event unknown to this version of the protocol is no reason to stop; a broken connection
            // is.
            while let Some(heard) = handler.next().await {
                if matches!(heard, Err(CdpError::Ws(_) | CdpError::Io(_))) {
                    break;
                }
            }
        });
        Ok((browser, Self { _events: AbortOnDropHandle::new(events), deaf, exited: launched.exited() }))
    }

    /// Waits until the browser has ended or its connection is lost.
    pub(crate) fn died(&self) -> impl Future<Output = JobError> + use<> {
        let (exited, deaf) = (self.exited.clone(), self.deaf.clone());
        async move {
            tokio::select! {
                () = exited.cancelled() => {}
                () = deaf.cancelled() => {}
            }
            JobError::retry("the browser ended unexpectedly").class("browser")
        }
    }
}

/// Waits for a command to finish, no longer than `limit`: the client's own timeout is checked only while
/// events arrive.
pub(crate) async fn within<T>(
    limit: Duration,
    command: impl Future<Output = Result<T, CdpError>>,
) -> Result<T, CdpError> {
    timeout(limit, command).await.unwrap_or(Err(CdpError::Timeout))
}

/// The browser did not obey a command: another attempt starts another browser.
pub(crate) fn crashed(error: CdpError) -> JobError {
    let cause = JobError::from(error);
    JobError::retry(format!("the browser failed: {cause}")).class("browser")
}
