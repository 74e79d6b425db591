//! Visits one page of a crawl: opens it, judges it, and stores a screenshot if it has bugs. Returns
//! everything that the crawl needs to continue without opening the page again.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use serde::{Deserialize, Serialize};
use url::Url;

use super::args::Plan;
use super::bugs::{Bug, BugKind};
use super::detect;
use super::frontier::Stop;
use super::scope::Scope;
use crate::bughive::BrowserSpec;
use crate::bughive::address::address;
use crate::bughive::chromium::{Chromium, Content, Document, Opened, Tab};
use tidemill::extension::kinds::delay_of;
use tidemill::{Context, JobError};

/// The most bytes of the links of one page; a step can hold 1 MiB.
const LINKS_BYTES: usize = 256 * 1024;
/// The bytes that JSON adds to a link.
const QUOTES_BYTES: usize = 3;

const TOO_MANY_REQUESTS: i64 = 429;
const UNAVAILABLE: i64 = 503;
/// The pause after 429 without `Retry-After`.
const USUAL_WAIT: Duration = Duration::from_secs(5);

/// The report of an opened page.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PageReport {
    pub(super) url: String,
    /// The address after redirects.
    pub(super) final_url: String,
    pub(super) depth: u32,
    pub(super) status: Option<i64>,
    /// Why it could not be opened.
    pub(super) failure: Option<String>,
    pub(super) links: Vec<String>,
    pub(super) bugs: Vec<Bug>,
    /// The number of further bugs that are not reported.
    #[serde(default)]
    pub(super) bugs_left: usize,
    /// The job's file with its picture.
    pub(super) screenshot: Option<String>,
    /// The requested pause before the next call. Not stored, like the next field.
    #[serde(skip)]
    pub(super) wait: Option<Duration>,
    /// It shows nothing, because it redirects to a forbidden address.
    #[serde(skip)]
    pub(super) leads_to: Option<Url>,
}

impl PageReport {
    /// Whether it did not answer at all.
    pub(super) fn is_silent(&self) -> bool {
        let is_late = || self.bugs.iter().any(|bug| bug.kind == BugKind::SlowPage);
        self.status.is_none() && (self.failure.is_some() || is_late())
    }

    /// The address of its bugs: the address after redirects, if that answered.
    pub(super) fn address(&self) -> &str {
        if self.status.is_some() { &self.final_url } else { &self.url }
    }

    /// Whether the site refused it because of too many requests.
    pub(super) fn is_refused(&self) -> bool {
        self.status == Some(TOO_MANY_REQUESTS)
    }

    /// The address that answered.
    pub(super) fn landed(&self) -> Option<Url> {
        self.status.and_then(|_| Url::parse(&self.final_url).ok())
    }

    /// The size of its links.
    pub(super) fn links_bytes(&self) -> usize {
        self.links.iter().map(|link| link.len() + QUOTES_BYTES).sum()
    }

    /// Why links to it are broken, if they are.
    pub(super) fn dead(&self) -> Option<String> {
        match (self.status, &self.failure) {
            (Some(status @ (404 | 410)), _) => Some(format!("it is answered with {status}")),
            (_, Some(failure)) => Some(failure.clone()),
            _ => None,
        }
    }
}

/// A page to open.
pub(super) struct Visit<'a> {
    pub(super) context: &'a Context,
    pub(super) spec: &'a BrowserSpec,
    pub(super) plan: &'a Plan,
    pub(super) scope: &'a Arc<Scope>,
    pub(super) number: usize,
    pub(super) stop: &'a Stop,
    /// The pages before.
    pub(super) earlier: &'a [PageReport],
    /// For its links, in bytes.
    pub(super) bytes_left: usize,
}

impl Visit<'_> {
    /// Opens the page and judges it.
    pub(super) async fn inspect(&self, browser: &Chromium) -> Result<PageReport, JobError> {
        let mut tab = browser.tab(self.scope.navigation_check()).await?;
        let opened = tab.go(self.stop.url.as_str(), self.spec.page_timeout).await?;
        let mut report = self.judged(&tab, opened);
        if report.bugs.iter().any(|bug| bug.kind.is_of_the_page()) && self.context.can_keep() {
            report.screenshot = self.picture(&mut tab).await?;
        }
        tab.close().await;
        tracing::info!(
            session_id = self.plan.session_id,
            task_id = %self.context.job_id(),
            url = report.url,
            status = report.status,
            bugs = report.bugs.len(),
            "crawled a page"
        );
        Ok(report)
    }

    /// Stores a screenshot of the page if one can be taken; the report is valid without it.
    async fn picture(&self, tab: &mut Tab) -> Result<Option<String>, JobError> {
        match tab.picture().await {
            Ok(picture) => {
                let name = format!("page-{}.png", self.number);
                self.context.keep(&name, "image/png", picture).await?;
                Ok(Some(name))
            }
            Err(reason) => {
                tracing::warn!(
                    session_id = self.plan.session_id,
                    task_id = %self.context.job_id(),
                    url = %self.stop.url,
                    reason,
                    "no screenshot of a page was taken"
                );
                Ok(None)
            }
        }
    }

    fn judged(&self, tab: &Tab, opened: Opened) -> PageReport {
        let stop = self.stop;
        let url = stop.url.as_str();
        let document = tab.seen().document.as_ref();
        let mut report = PageReport {
            url: url.to_owned(),
            final_url: document.map_or(url, |document| &document.url).to_owned(),
            depth: stop.depth,
            status: document.map(|document| document.status),
            failure: None,
            links: Vec::new(),
            bugs: Vec::new(),
            bugs_left: 0,
            screenshot: None,
            wait: document.and_then(wait),
            leads_to: None,
        };
        if self.is_known(&report) {
            return report;
        }
        match opened {
            Opened::Page(content) => self.read_into(&mut report, tab, &content),
            Opened::Late(content) => {
                self.read_into(&mut report, tab, &content);
                report.bugs.retain(|bug| bug.kind != BugKind::SlowPage);
                report.bugs.push(given_up(report.address()));
            }
            Opened::Nothing => report.leads_to = tab.refused().cloned(),
            Opened::TooSlow => report.bugs.push(given_up(report.address())),
            Opened::Unreachable(failure) => report.failure = Some(failure),
        }
        if report.is_refused() {
            // The content shown instead is not the page.
            (report.links, report.bugs, report.bugs_left) = (Vec::new(), Vec::new(), 0);
        } else if let Some(status) = report.status.filter(|status| *status >= 400) {
            // A missing page is reported on the page with the link to it; no page links to the first one.
            if report.dead().is_none() || stop.depth == 0 {
                let detail = format!("it is answered with {status}");
                report.bugs.insert(0, Bug::new(BugKind::HttpError, report.address(), None, detail));
            }
        }
        report
    }

    /// Whether a redirect led to a page that was already visited.
    fn is_known(&self, report: &PageReport) -> bool {
        let is_same =
            |earlier: &PageReport| earlier.status == report.status && earlier.final_url == report.final_url;
        report.status.is_some() && self.earlier.iter().any(is_same)
    }

    fn read_into(&self, report: &mut PageReport, tab: &Tab, content: &Content) {
        // A navigation by a script counts as well.
        let landed = [&report.final_url, &content.url].into_iter().filter_map(|url| address(url));
        if !landed.into_iter().all(|url| self.scope.site.admits(&url)) {
            return;
        }
        let mut bytes_left = self.bytes_left.min(LINKS_BYTES);
        for link in content.links.iter().filter_map(|link| address(link)) {
            let Some(left) = bytes_left.checked_sub(link.as_str().len() + QUOTES_BYTES) else { break };
            bytes_left = left;
            if !report.links.iter().any(|known| known == link.as_str()) {
                report.links.push(link.into());
            }
        }
        (report.bugs, report.bugs_left) =
            detect::bugs(report.address(), content, tab.seen(), self.plan.slow_page);
    }
}

/// The pause that a site requests.
fn wait(document: &Document) -> Option<Duration> {
    let requested_wait = || delay_of(document.retry_after.as_ref()?, Utc::now());
    match document.status {
        TOO_MANY_REQUESTS => Some(requested_wait().unwrap_or(USUAL_WAIT)),
        UNAVAILABLE => requested_wait(),
        _ => None,
    }
}

fn given_up(url: &str) -> Bug {
    Bug::new(BugKind::SlowPage, url, None, "it did not arrive in time")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_that_an_older_binary_stored_is_read() {
        let stored = json!({
            "url": "http://a.test/old", "final_url": "http://a.test/new", "depth": 1, "status": 200, "failure": null,
            "links": [], "bugs": [], "screenshot": null,
        });
        let report: PageReport = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!((report.address(), report.bugs_left), ("http://a.test/new", 0));
        let mut shown = serde_json::to_value(&report).unwrap();
        assert_eq!(shown.as_object_mut().unwrap().remove("bugs_left"), Some(json!(0)));
        assert_eq!(shown, stored, "nor does it store what only the next one is to know");
    }
}
