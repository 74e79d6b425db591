//! One page in a tab: goes there, waits until it is quiet, asks what is on it, takes its picture. Believes nothing of
//! what the page answers but its shape.

use std::time::Duration;

use chromiumoxide::Page;
use chromiumoxide::cdp::browser_protocol::page::CaptureScreenshotFormat;
use chromiumoxide::cdp::js_protocol::runtime::EvaluateParams;
use chromiumoxide::error::CdpError;
use chromiumoxide::page::ScreenshotParams;
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

use super::watch::{ABORTED, Seen, Watch};
use super::{JobError, crashed};

const SCRIPT: &str = include_str!("page.js");
/// A page that was given up is waited for so long: a script may have sent the browser elsewhere.
const GIVEN_UP: Duration = Duration::from_millis(500);
/// For so long nothing may be on its way.
const QUIET: Duration = Duration::from_millis(250);
/// A page that is never quiet is taken as it is then.
const RESTLESS: Duration = Duration::from_secs(3);
const PICTURE_TIMEOUT: Duration = Duration::from_secs(15);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// What is on a page.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Content {
    pub(crate) url: String,
    pub(crate) is_html: bool,
    pub(crate) title: String,
    pub(crate) links: Vec<String>,
    pub(crate) broken_images: Vec<String>,
    pub(crate) images_without_alt: Vec<String>,
    pub(crate) insecure: Vec<String>,
    pub(crate) load_seconds: f64,
}

/// How going to a page ended.
#[derive(Debug)]
pub(crate) enum Opened {
    /// It is there.
    Page(Content),
    /// It is a file to be kept, not a page.
    Download,
    /// It was not there in time.
    TooSlow,
    /// The network's error.
    Unreachable(String),
}

/// A tab for one page.
pub(crate) struct Tab {
    page: Page,
    watch: Watch,
}

impl Tab {
    pub(super) async fn open(page: Page) -> Result<Self, JobError> {
        let watch = Watch::over(&page).await.map_err(crashed)?;
        Ok(Self { page, watch })
    }

    /// Goes to an address and looks.
    pub(crate) async fn go(&mut self, url: &str, patience: Duration) -> Result<Opened, JobError> {
        let page = self.page.clone();
        let going = timeout(patience, page.goto(url));
        tokio::pin!(going);
        let gone = loop {
            match self.watch.during(timeout(GIVEN_UP, &mut going)).await {
                Ok(gone) => break gone,
                Err(_) if self.watch.is_given_up() => return Ok(Opened::Download),
                Err(_) => {}
            }
        };
        match gone {
            Ok(Ok(_)) => {}
            Ok(Err(CdpError::ChromeMessage(text))) if text == ABORTED => {
                return Ok(Opened::Download);
            }
            Ok(Err(CdpError::ChromeMessage(text))) if text.starts_with("net::") => {
                return Ok(Opened::Unreachable(text));
            }
            Ok(Err(CdpError::Timeout)) | Err(_) => return Ok(Opened::TooSlow),
            Ok(Err(error)) => return Err(crashed(error)),
        }
        self.settle().await;
        match timeout(patience, self.look()).await {
            Ok(content) => content.map(Opened::Page),
            Err(_) => Ok(Opened::TooSlow),
        }
    }

    /// A picture of what is to be seen at first.
    pub(crate) async fn picture(&self) -> Result<Vec<u8>, JobError> {
        let params = ScreenshotParams::builder().format(CaptureScreenshotFormat::Png).build();
        match timeout(PICTURE_TIMEOUT, self.page.screenshot(params)).await {
            Ok(picture) => picture.map_err(crashed),
            Err(_) => Err(JobError::retry("the browser took no picture in time").class("browser")),
        }
    }

    /// What it said so far.
    pub(crate) fn seen(&self) -> &Seen {
        self.watch.seen()
    }

    pub(crate) async fn close(self) {
        // The browser ends with the attempt, whatever becomes of its tab.
        let _ = timeout(CLOSE_TIMEOUT, self.page.close()).await;
    }

    /// Waits until nothing is on its way.
    async fn settle(&mut self) {
        let until = Instant::now() + RESTLESS;
        loop {
            self.watch.during(sleep(QUIET)).await;
            if !self.watch.is_busy() || Instant::now() > until {
                return;
            }
        }
    }

    async fn look(&mut self) -> Result<Content, JobError> {
        let ask =
            EvaluateParams::builder().expression(SCRIPT).await_promise(true).return_by_value(true).build();
        let ask = ask.map_err(|error| JobError::retry(error).class("browser"))?;
        let page = self.page.clone();
        let answer = self.watch.during(page.execute(ask)).await.map_err(crashed)?;
        let answer = answer.result.result.value.unwrap_or_default();
        let text = answer.as_str().filter(|text| text.len() <= LONGEST_ANSWER_BYTES).unwrap_or_default();
        // A page that bends the functions that the script calls is one without content.
        Ok(serde_json::from_str(text).unwrap_or_default())
    }
}
