//! A Chromium of one attempt: started with a profile of its own, reached over the protocol of its developer tools, and gone
//! with all that it started when this is dropped or the worker dies. Must never get the worker's environment.

use std::path::Path;
use std::time::Duration;

use chromiumoxide::browser::Browser;
use chromiumoxide::cdp::browser_protocol::browser::{
    BrowserContextId, SetDownloadBehaviorBehavior, SetDownloadBehaviorParams,
};
use chromiumoxide::cdp::browser_protocol::target::CreateBrowserContextParams;
use chromiumoxide::handler::HandlerConfig;
use chromiumoxide::handler::viewport::Viewport;
use futures_util::StreamExt;
use tokio_util::task::AbortOnDropHandle;

use crate::kinds::browser::{Gate, Launched, Options};
use crate::worker::handler::JobError;

const WIDTH: u32 = 1280;
const HEIGHT: u32 = 800;
/// No command to the browser takes longer.
pub(super) const COMMAND_WITHIN: Duration = Duration::from_secs(30);

/// A browser that runs.
pub(super) struct Chromium {
    pub(super) browser: Browser,
    /// Kept in memory alone, so that no session is ever on a disk.
    pub(super) context: BrowserContextId,
    /// Dropped after the connection, before the browser.
    _events: AbortOnDropHandle<()>,
    _launched: Launched,
}

impl Chromium {
    /// One that connects to nothing but through the gate.
    pub(super) async fn start(program: &Path, sandbox: bool, gate: &Gate) -> Result<Self, JobError> {
        let options = Options { program, sandbox, user_agent: None, gate: Some(gate) };
        let launched = Launched::start(&options).await?;
        let config = HandlerConfig {
            ignore_https_errors: false,
            viewport: Some(Viewport { width: WIDTH, height: HEIGHT, ..Viewport::default() }),
            request_timeout: COMMAND_WITHIN,
            ..HandlerConfig::default()
        };
        let (browser, mut events) = Browser::connect_with_config(launched.socket_url(), config).await?;
        let events = tokio::spawn(async move { while events.next().await.is_some() {} });
        let context = browser.execute(CreateBrowserContextParams::default()).await?.result.browser_context_id;
        let mut behavior = SetDownloadBehaviorParams::new(SetDownloadBehaviorBehavior::Deny);
        behavior.browser_context_id = Some(context.clone());
        browser.execute(behavior).await?;
        Ok(Self { browser, context, _events: AbortOnDropHandle::new(events), _launched: launched })
    }
}
