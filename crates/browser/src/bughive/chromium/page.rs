//! One page in a tab: opens it, waits until it is quiet, reads its content, takes its screenshot.
//! Trusts nothing in the page's answers except their shape.

use std::time::Duration;

use chromiumoxide::Page;
use chromiumoxide::cdp::browser_protocol::page::CaptureScreenshotFormat;
use chromiumoxide::cdp::browser_protocol::target::CloseTargetParams;
use chromiumoxide::cdp::js_protocol::runtime::EvaluateParams;
use chromiumoxide::error::CdpError;
use chromiumoxide::page::ScreenshotParams;
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use super::navigation_filter::{NavigationCheck, NavigationFilter};
use super::page_events::{ABORTED, PageEvents, Seen};
use super::{JobError, crashed};

const SCRIPT: &str = include_str!("page.js");
const HAS_LOADED: &str =
    "location.protocol.startsWith('http') && performance.getEntriesByType('navigation')[0]?.loadEventEnd > 0";
/// The error of an answer that is a status and nothing else.
const STATUS_ALONE: &str = "net::ERR_HTTP_RESPONSE_CODE_FAILURE";
/// How long an aborted page is waited for: a script may have navigated elsewhere.
const GIVEN_UP: Duration = Duration::from_millis(500);
/// How long a loaded page is left alone: its scripts may start only then.
const AFTER_LOAD: Duration = Duration::from_secs(1);
/// How long a page without a title is read again.
const UNTITLED: Duration = Duration::from_secs(2);
/// Loads lazy content, because nobody scrolls.
const WAKE: &str = "[...document.images].filter((image) => image.loading === 'lazy').forEach((image) => image.loading = 'eager')";
/// How soon a late page must answer, otherwise it hangs.
const LATE: Duration = Duration::from_secs(5);
/// How long no request may be in flight.
const QUIET: Duration = Duration::from_millis(250);
/// The time after which a page that is never quiet is read anyway.
const RESTLESS: Duration = Duration::from_secs(3);
const PICTURE_TIMEOUT: Duration = Duration::from_secs(15);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// The content of a page.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Content {
    pub(crate) url: String,
    /// Whether all of its text has arrived.
    pub(crate) is_whole: bool,
    pub(crate) is_html: bool,
    pub(crate) title: String,
    pub(crate) links: Vec<String>,
    pub(crate) broken_images: Vec<String>,
    pub(crate) images_without_alt: Vec<String>,
    pub(crate) insecure: Vec<String>,
    pub(crate) load_seconds: f64,
}

/// The outcome of a navigation.
#[derive(Debug)]
pub(crate) enum Opened {
    /// The page has loaded.
    Page(Content),
    /// It was answered, but did not finish in time; this part of it has loaded.
    Late(Content),
    /// Nothing is shown: it is a download, or redirects to a forbidden address.
    Nothing,
    /// It did not arrive in time, or it hangs.
    TooSlow,
    /// The network's error.
    Unreachable(String),
}

/// A tab for one page.
pub(crate) struct Tab {
    page: Page,
    events: PageEvents,
    filter: NavigationFilter,
}

impl Tab {
    pub(super) async fn open(page: Page, is_allowed: NavigationCheck) -> Result<Self, JobError> {
        let events = PageEvents::start(&page).await.map_err(crashed)?;
        let filter = NavigationFilter::of(&page, is_allowed).await.map_err(crashed)?;
        Ok(Self { page, events, filter })
    }

    /// Opens an address and reads the page.
    pub(crate) async fn go(&mut self, url: &str, limit: Duration) -> Result<Opened, JobError> {
        let page = self.page.clone();
        let going = timeout(limit, page.goto(url));
        tokio::pin!(going);
        let gone = loop {
            match self.events.during(timeout(GIVEN_UP, &mut going)).await {
                Ok(gone) => break Some(gone),
                // Frames that are not to be seen yet, or are blocked, hold up the browser's own answer for ever.
                Err(_) if self.events.has_loaded() => break None,
                // The navigation was aborted, and the page stays.
                Err(_) if self.events.is_given_up() && self.has_loaded().await => break None,
                Err(_) if self.events.is_given_up() => return Ok(Opened::Nothing),
                Err(_) => {}
            }
        };
        match gone.unwrap_or(Ok(Ok(&page))) {
            Ok(Ok(_)) => {}
            Ok(Err(CdpError::ChromeMessage(text))) if text == ABORTED => {
                return Ok(Opened::Nothing);
            }
            Ok(Err(CdpError::ChromeMessage(text))) if text == STATUS_ALONE => {
                // The status may still be on its way to us.
                self.settle().await;
                return Ok(Opened::Nothing);
            }
            Ok(Err(CdpError::ChromeMessage(text))) if text.starts_with("net::") => {
                return Ok(Opened::Unreachable(text));
            }
            Ok(Err(CdpError::Chrome(refusal))) => return Ok(Opened::Unreachable(refusal.message)),
            Ok(Err(CdpError::Timeout)) | Err(_) => return Ok(self.late().await),
            Ok(Err(error)) => return Err(crashed(error)),
        }
        self.events.during(sleep(AFTER_LOAD)).await;
        self.wake().await;
        self.settle().await;
        let until = Instant::now() + UNTITLED;
        loop {
            match timeout(limit, self.read_content(false)).await {
                Ok(content) if self.lacks_title(&content) && Instant::now() < until => {
                    self.events.during(sleep(QUIET)).await;
                }
                Ok(content) => return Ok(Opened::Page(content)),
                Err(_) => return Ok(Opened::TooSlow),
            }
        }
    }

    fn lacks_title(&self, content: &Content) -> bool {
        let is_good = self.seen().document.as_ref().is_none_or(|document| document.status < 400);
        content.is_html && is_good && content.title.trim().is_empty()
    }

    /// Reads a page after its timeout, if any of it arrived.
    async fn late(&mut self) -> Opened {
        if self.seen().document.is_none() {
            return Opened::TooSlow;
        }
        timeout(LATE, self.read_content(true)).await.map_or(Opened::TooSlow, Opened::Late)
    }

    /// A screenshot of the first screen, or the reason why there is none: a page may hang for ever.
    pub(crate) async fn picture(&mut self) -> Result<Vec<u8>, String> {
        let params = ScreenshotParams::builder().format(CaptureScreenshotFormat::Png).build();
        let page = self.page.clone();
        match self.events.during(timeout(PICTURE_TIMEOUT, page.screenshot(params))).await {
            Ok(picture) => picture.map_err(|error| error.to_string()),
            Err(_) => Err("the browser took none in time".to_owned()),
        }
    }

    /// Its events so far.
    pub(crate) fn seen(&self) -> &Seen {
        self.events.seen()
    }

    /// The first navigation that was refused.
    pub(crate) fn refused(&self) -> Option<&Url> {
        self.filter.refused()
    }

    pub(crate) async fn close(mut self) {
        let page = self.page.clone();
        // The page itself is not asked, because it may hang. The browser ends with the attempt in any case.
        let closing = page.execute(CloseTargetParams::new(page.target_id().clone()));
        let _ = self.events.during(timeout(CLOSE_TIMEOUT, closing)).await;
    }

    /// Whether a whole page is there: the parser stops at the script that leaves before.
    async fn has_loaded(&mut self) -> bool {
        let page = self.page.clone();
        let loaded = self.events.during(timeout(GIVEN_UP, page.evaluate(HAS_LOADED))).await;
        loaded.is_ok_and(|loaded| loaded.is_ok_and(|loaded| loaded.into_value().unwrap_or_default()))
    }

    /// Makes all images load. A page that hangs is detected afterwards.
    async fn wake(&mut self) {
        let page = self.page.clone();
        let _ = self.events.during(timeout(GIVEN_UP, page.execute(EvaluateParams::new(WAKE)))).await;
    }

    /// Waits until no request is in flight.
    async fn settle(&mut self) {
        let until = Instant::now() + RESTLESS;
        loop {
            self.events.during(sleep(QUIET)).await;
            if !self.events.is_busy() || Instant::now() > until {
                return;
            }
        }
    }

    /// Repeats the question until the page answers, because a navigation drops it.
    async fn read_content(&mut self, is_late: bool) -> Content {
        loop {
            match self.ask(is_late).await {
                Ok(content) => return content,
                Err(error) => tracing::debug!(%error, "a page did not answer"),
            }
            self.events.during(sleep(QUIET)).await;
        }
    }

    async fn ask(&mut self, is_late: bool) -> Result<Content, CdpError> {
        let ask = EvaluateParams {
            await_promise: Some(true),
            return_by_value: Some(true),
            ..EvaluateParams::new(format!("({SCRIPT})({is_late})"))
        };
        let page = self.page.clone();
        let answer = self.events.during(page.execute(ask)).await?;
        let answer = answer.result.result.value.unwrap_or_default();
        let text = answer.as_str().filter(|text| text.len() <= LONGEST_ANSWER_BYTES).unwrap_or_default();
        // A page that overrides the functions used by the script counts as empty.
        Ok(serde_json::from_str(text).unwrap_or_default())
    }
}
