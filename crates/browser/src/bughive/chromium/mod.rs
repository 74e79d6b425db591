//! The Chromium of one attempt: started with an empty profile, controlled over the `DevTools`
//! protocol, and ended with the attempt. Must never connect to an address that the worker may not
//! call.

mod navigation_filter;
mod page;
mod page_events;
mod requests_in_flight;

use std::sync::Arc;

use chromiumoxide::browser::Browser;
use chromiumoxide::cdp::browser_protocol::browser::{SetDownloadBehaviorBehavior, SetDownloadBehaviorParams};
use chromiumoxide::cdp::browser_protocol::target::{CloseTargetParams, EventTargetCreated};
use chromiumoxide::handler::HandlerConfig;
use chromiumoxide::handler::viewport::Viewport;
use chromiumoxide::listeners::EventStream;
use futures_util::StreamExt;
use tokio_util::task::AbortOnDropHandle;

pub(super) use navigation_filter::NavigationCheck;
pub(super) use page::{Content, Opened, Tab};
#[cfg(test)]
pub(super) use page_events::Failed;
pub(super) use page_events::{Document, Seen};

use super::BrowserSpec;
use crate::browser::{AllowedHosts, BrowserProxy, DevTools, Launched, Options, crashed, find};
use tidemill::JobError;

/// A browser that runs.
#[derive(Debug)]
pub(super) struct Chromium {
    browser: Arc<Browser>,
    _windows: AbortOnDropHandle<()>,
    devtools: DevTools,
    launched: Launched,
    _proxy: Option<BrowserProxy>,
}

impl Chromium {
    /// Starts one.
    pub(super) async fn start(spec: &BrowserSpec) -> Result<Self, JobError> {
        let proxy =
            if spec.allow_private { None } else { Some(BrowserProxy::open(AllowedHosts::default()).await?) };
        let options = Options {
            program: &find(spec.program.as_deref(), "bughive.browser")?,
            sandbox: spec.sandbox,
            user_agent: Some(&spec.user_agent),
            proxy: proxy.as_ref(),
        };
        let launched = Launched::start(&options).await?;
        let config = HandlerConfig {
            ignore_https_errors: spec.ignore_certificate_errors,
            viewport: Some(Viewport { width: 1280, height: 800, ..Viewport::default() }),
            request_timeout: spec.page_timeout,
            ..HandlerConfig::default()
        };
        let (browser, devtools) = DevTools::open(&launched, config).await?;
        let nothing = SetDownloadBehaviorParams::new(SetDownloadBehaviorBehavior::Deny);
        browser.execute(nothing).await.map_err(crashed)?;
        let browser = Arc::new(browser);
        let windows = AbortOnDropHandle::new(tokio::spawn(close_windows(
            browser.event_listener().await.map_err(crashed)?,
            Arc::clone(&browser),
        )));
        Ok(Self { browser, _windows: windows, devtools, launched, _proxy: proxy })
    }

    /// Waits until it has ended or its connection is lost.
    pub(super) async fn died(&self) -> JobError {
        self.devtools.died().await
    }

    /// An empty tab that navigates only where `is_allowed` allows.
    pub(super) async fn tab(&self, is_allowed: NavigationCheck) -> Result<Tab, JobError> {
        Tab::open(self.browser.new_page("about:blank").await.map_err(crashed)?, is_allowed).await
    }

    /// Ends it and removes its profile.
    pub(super) async fn close(self) {
        drop(self.browser);
        self.launched.end().await;
    }
}

/// Closes windows that a page opens: they would bypass every rule and stay.
async fn close_windows(mut created: EventStream<EventTargetCreated>, browser: Arc<Browser>) {
    while let Some(created) = created.next().await {
        let target = &created.target_info;
        if target.r#type == "page" && target.opener_id.is_some() {
            let _ = browser.execute(CloseTargetParams::new(target.target_id.clone())).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use chromiumoxide::cdp::browser_protocol::target::EventTargetDestroyed;
    use tokio::net::TcpListener;

    use super::*;

    fn spec() -> BrowserSpec {
        BrowserSpec {
            program: None,
            sandbox: !nix::unistd::geteuid().is_root(),
            allow_private: false,
            ignore_certificate_errors: false,
            user_agent: "test/1.0".into(),
            page_timeout: Duration::from_secs(20),
            page_delay: Duration::ZERO,
        }
    }

    fn anywhere() -> NavigationCheck {
        Arc::new(|_| Box::pin(async { true }))
    }

    #[tokio::test]
    async fn a_page_behind_the_gate_reaches_no_private_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let spec = spec();
        let browser = Chromium::start(&spec).await.unwrap();
        let mut tab = browser.tab(anywhere()).await.unwrap();
        for host in ["127.0.0.1", "localhost"] {
            let url = format!("http://{host}:{}/", address.port());
            let opened = tab.go(&url, spec.page_timeout).await.unwrap();
            assert!(matches!(opened, Opened::Unreachable(_)), "{opened:?}");
        }
        // The same by something that a page loads.
        let page = format!("data:text/html,<img src=http://127.0.0.1:{}/x.png>", address.port());
        tab.go(&page, spec.page_timeout).await.unwrap();
        assert!(tab.seen().failed.iter().any(|failed| failed.is_image), "{:?}", tab.seen());
        browser.close().await;
        let nobody = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(nobody.is_err(), "a connection came through");
    }

    #[tokio::test]
    async fn windows_that_a_page_opens_are_closed() {
        let browser = Chromium::start(&spec()).await.unwrap();
        let mut tab = browser.tab(anywhere()).await.unwrap();
        let mut gone = browser.browser.event_listener::<EventTargetDestroyed>().await.unwrap();
        // Past what is there in place of window.open.
        let page = "data:text/html,<a href='about:blank' target=_blank rel=opener></a><a href='about:blank' target=_blank></a>\
                    <script>document.querySelectorAll('a').forEach((link) => link.click())</script>";
        tab.go(page, Duration::from_secs(20)).await.unwrap();
        for _ in 0..2 {
            tokio::time::timeout(Duration::from_secs(20), gone.next()).await.expect("a window stays");
        }
        tab.close().await;
        browser.close().await;
    }
}
