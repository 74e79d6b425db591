//! The Chromium of one attempt: started with its own profile, controlled over the `DevTools`
//! protocol, and ended with all its processes when this value is dropped or the worker dies. Must
//! never get the worker's environment.

use std::path::Path;
use std::time::Duration;

use chromiumoxide::browser::Browser;
use chromiumoxide::cdp::browser_protocol::browser::{
    BrowserContextId, SetDownloadBehaviorBehavior, SetDownloadBehaviorParams,
};
use chromiumoxide::cdp::browser_protocol::target::CreateBrowserContextParams;
use chromiumoxide::handler::HandlerConfig;
use chromiumoxide::handler::viewport::Viewport;

use crate::browser::{BrowserProxy, DevTools, Launched, Options, crashed, within};
use tidemill::JobError;

const WIDTH: u32 = 1280;
const HEIGHT: u32 = 800;

/// A browser that runs.
pub(super) struct Chromium {
    pub(super) browser: Browser,
    /// Kept only in memory, so that no session is ever on a disk.
    pub(super) context: BrowserContextId,
    /// The longest time that a command may take.
    pub(super) command_timeout: Duration,
    /// Dropped after the connection, before the browser.
    devtools: DevTools,
    _launched: Launched,
}

impl Chromium {
    /// A browser that connects only through the proxy.
    pub(super) async fn start(
        program: &Path,
        sandbox: bool,
        proxy: &BrowserProxy,
        command_timeout: Duration,
    ) -> Result<Self, JobError> {
        let options = Options { program, sandbox, user_agent: None, proxy: Some(proxy) };
        let launched = Launched::start(&options).await?;
        let config = HandlerConfig {
            ignore_https_errors: false,
            viewport: Some(Viewport { width: WIDTH, height: HEIGHT, ..Viewport::default() }),
            request_timeout: command_timeout,
            ..HandlerConfig::default()
        };
        let (browser, devtools) = DevTools::open(&launched, config).await?;
        let created = within(command_timeout, browser.execute(CreateBrowserContextParams::default())).await;
        let context = created.map_err(crashed)?.result.browser_context_id;
        let mut behavior = SetDownloadBehaviorParams::new(SetDownloadBehaviorBehavior::Deny);
        behavior.browser_context_id = Some(context.clone());
        within(command_timeout, browser.execute(behavior)).await.map_err(crashed)?;
        Ok(Self { browser, context, command_timeout, devtools, _launched: launched })
    }

    /// Waits until it has ended or its connection is lost.
    pub(super) fn died(&self) -> impl Future<Output = JobError> + use<> {
        self.devtools.died()
    }
}
