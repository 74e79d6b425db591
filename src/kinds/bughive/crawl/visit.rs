//! One page of a crawl: opened, judged, and its picture kept where there is something to show. Gives back all that the
//! crawl needs to go on without opening it again.

use serde::{Deserialize, Serialize};

use super::args::Plan;
use super::bugs::{Bug, BugKind};
use super::frontier::{Site, Stop, address};
use super::judge;
use crate::kinds::bughive::BrowserSpec;
use crate::kinds::bughive::chromium::{Chromium, Content, Opened, Tab};
use crate::worker::context::Context;
use crate::worker::handler::JobError;

/// The links of one page, all together; a step has room for 1 MiB.
const LINKS_BYTES: usize = 256 * 1024;

/// What is known of a page that was opened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PageReport {
    pub(super) url: String,
    /// Where redirects led.
    pub(super) final_url: String,
    pub(super) depth: u32,
    pub(super) status: Option<i64>,
    /// Why it could not be opened.
    pub(super) failure: Option<String>,
    pub(super) links: Vec<String>,
    pub(super) bugs: Vec<Bug>,
    /// The job's file with its picture.
    pub(super) screenshot: Option<String>,
}

impl PageReport {
    /// Why links to it are broken, if they are.
    pub(super) fn dead(&self) -> Option<String> {
        match (self.status, &self.failure) {
            (Some(status @ (404 | 410)), _) => Some(format!("it is answered with {status}")),
            (_, Some(failure)) => Some(failure.clone()),
            _ => None,
        }
    }
}

/// Opens the page and looks at it.
pub(super) async fn visit(
    browser: &Chromium,
    context: &Context,
    spec: &BrowserSpec,
    plan: &Plan,
    number: usize,
    stop: &Stop,
) -> Result<PageReport, JobError> {
    let mut tab = browser.tab().await?;
    let opened = tab.go(stop.url.as_str(), spec.page_timeout).await?;
    let mut report = judged(&tab, plan, stop, opened);
    if number == 0
        && let Some(failure) = &report.failure
    {
        return Err(JobError::retry(format!("{} cannot be opened: {failure}", stop.url)).class("unreachable"));
    }
    if report.bugs.iter().any(|bug| bug.kind.is_of_the_page()) && context.can_keep() {
        let name = format!("page-{number}.png");
        context.keep(&name, "image/png", tab.picture().await?).await?;
        report.screenshot = Some(name);
    }
    tab.close().await;
    tracing::info!(
        session_id = plan.session_id,
        task_id = %context.job_id(),
        url = report.url,
        status = report.status,
        bugs = report.bugs.len(),
        "crawled a page"
    );
    Ok(report)
}

fn judged(tab: &Tab, plan: &Plan, stop: &Stop, opened: Opened) -> PageReport {
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
        screenshot: None,
    };
    match opened {
        Opened::Page(content) => looked_at(&mut report, tab, plan, &content),
        Opened::Download => {}
        Opened::TooSlow => {
            report.bugs.push(Bug::new(
                BugKind::SlowPage,
                url,
                None,
                "it was not there before it was given up",
            ));
        }
        Opened::Unreachable(failure) => report.failure = Some(failure),
    }
    if let Some(status) = report.status.filter(|status| *status >= 400) {
        // A page that is not there is told where the link to it stands; nobody links to the first one.
        if report.dead().is_none() || stop.depth == 0 {
            let detail = format!("it is answered with {status}");
            report.bugs.insert(0, Bug::new(BugKind::HttpError, url, None, detail));
        }
    }
    report
}

fn looked_at(report: &mut PageReport, tab: &Tab, plan: &Plan, content: &Content) {
    let site = Site::of(&plan.base, plan.args.same_site, plan.args.include_subdomains);
    // What a script moved to counts as well.
    let landed = [&report.final_url, &content.url].into_iter().filter_map(|url| address(url));
    if !landed.into_iter().all(|url| site.admits(&url)) {
        return;
    }
    let mut room = LINKS_BYTES;
    for link in content.links.iter().filter_map(|link| address(link)) {
        let Some(left) = room.checked_sub(link.as_str().len() + 3) else { break };
        room = left;
        if !report.links.iter().any(|known| known == link.as_str()) {
            report.links.push(link.into());
        }
    }
    report.bugs = judge::bugs(&report.url, content, tab.seen(), plan.slow_page);
}
