//! Crawls a site in a browser and finds bugs. Every page is a step of the job: after a crash the
//! crawl resumes after the last stored page. Must never call more than the site's robots.txt and
//! the job's limits allow.

mod args;
mod bugs;
mod detect;
mod follow_up_jobs;
mod frontier;
mod links;
mod robots;
mod scope;
mod session;
mod visit;
mod web;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use tracing::Instrument;
use url::Url;

pub use self::args::CrawlArgs;
use self::args::{Plan, bad};
use self::bugs::{Bug, excerpt};
use self::frontier::{Frontier, Site, Stop};
use self::scope::Scope;
use self::session::Session;
use self::visit::{PageReport, Visit};
use self::web::Web;
use super::chromium::Chromium;
use super::{BrowserSpec, CRAWL};
use tidemill::extension::kinds::unless_stopped;
use tidemill::{Context, Handler, JobError};

/// The most bugs in the result.
const BUGS_IN_RESULT: usize = 200;

/// The longest requested pause of a site that is obeyed.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// The same for a whole attempt.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// The most links of all pages, which are kept in memory; further links are dropped.
const LINKS_BYTES: usize = 64 * 1024 * 1024;

/// The handler of `crawl.session`.
#[derive(Debug)]
pub struct Crawl {
    browser: BrowserSpec,
}

/// A crawl of one attempt.
struct Crawling<'a> {
    context: &'a Context,
    spec: &'a BrowserSpec,
    plan: &'a Plan,
    scope: Arc<Scope>,
    frontier: Frontier,
    /// Started for the first page that is to be opened.
    browser: Option<Chromium>,
    /// No call is made before this time.
    next_call: Instant,
    reports: Vec<PageReport>,
    /// For more links, in bytes.
    bytes_left: usize,
}

impl Crawl {
    /// Crawls with this browser.
    #[must_use]
    pub fn new(browser: BrowserSpec) -> Self {
        Self { browser }
    }

    async fn attempt(
        &self,
        context: &Context,
        plan: &Plan,
        session: &mut Session<'_>,
    ) -> Result<Value, JobError> {
        let stored = stored(context).await?;
        session.has(stored.len(), bugs_of(&stored));
        session.starting();
        let web = Web::new(&self.browser)?;
        web.refuse_private(&plan.base).await?;
        let site = Site::of(&plan.base, plan.args.same_site, plan.args.include_subdomains);
        let mut crawling = Crawling {
            context,
            spec: &self.browser,
            plan,
            frontier: Frontier::new(plan.base.clone(), site.clone(), plan.args.max_depth),
            scope: Scope::new(web, site, &self.browser.user_agent),
            browser: None,
            next_call: Instant::now(),
            reports: Vec::new(),
            bytes_left: LINKS_BYTES,
        };
        for report in stored {
            crawling.add(report);
        }
        let crawled = crawling.pages(session).await;
        if let Some(browser) = crawling.browser.take() {
            browser.close().await;
        }
        crawled?;
        let links = crawling.links(session).await?;
        let mut bugs: Vec<Bug> = crawling.reports.iter().flat_map(|report| report.bugs.clone()).collect();
        bugs.extend(links.bugs);
        let children = follow_up_jobs::spawn(context, plan, &crawling.reports, &bugs).await?;
        let pages = crawling.reports.len();
        let found = bugs.len() + crawling.reports.iter().map(|report| report.bugs_left).sum::<usize>();
        let shown = excerpt(&bugs, BUGS_IN_RESULT);
        session.completed(pages, found).await;
        Ok(json!({
            "session_id": plan.session_id,
            "pages_crawled": pages,
            "bugs_found": found,
            "bugs_left": found - shown.len(),
            "pages_refused": crawling.reports.iter().filter(|report| report.is_refused()).count(),
            "pages_left": crawling.frontier.left(),
            "links_left": links.left,
            "bugs": shown,
            "tickets": children.tickets,
            "uploads": children.uploads,
        }))
    }
}

impl Handler for Crawl {
    const KIND: &'static str = CRAWL;
    type Args = CrawlArgs;
    type Output = Value;

    async fn run(&self, context: Context, args: CrawlArgs) -> Result<Value, JobError> {
        let plan = Plan::of(args, context.job_id(), &self.browser)?;
        let mut session = Session::of(&context, &plan);
        let span = tracing::info_span!("crawl", session_id = plan.session_id, task_id = %context.job_id());
        let ended = async {
            tokio::select! {
                biased;
                ended = self.attempt(&context, &plan, &mut session) => {
                    unless_stopped(&context, ended, |error| error.is_of("browser")).await
                }
                // Dropping the crawl ends its browser.
                reason = context.stopped() => {
                    Err(JobError::retry(format!("the crawl was stopped: {reason}")).class("stopped"))
                }
            }
        };
        let ended = ended.instrument(span).await;
        if let Err(error) = &ended {
            session.failed(error);
        }
        ended
    }
}

impl Crawling<'_> {
    /// Opens page after page until none is left or enough are done.
    async fn pages(&mut self, session: &mut Session<'_>) -> Result<(), JobError> {
        let most = usize::try_from(self.plan.args.max_pages).unwrap_or(usize::MAX);
        if !self.reports.is_empty() {
            tracing::info!(
                session_id = self.plan.session_id,
                task_id = %self.context.job_id(),
                pages = self.reports.len(),
                "resuming after the last stored page"
            );
            self.report(session, most).await;
        }
        while self.reports.len() < most {
            let Some(stop) = self.frontier.next() else { break };
            if !self.is_allowed(&stop).await? {
                continue;
            }
            if self.reports.is_empty() {
                // It was starting until its rules were read.
                self.report(session, most).await;
            }
            let report = self.page(&stop).await?;
            self.add(report);
            self.report(session, most).await;
        }
        Ok(())
    }

    /// Opens a page and stores its report, both once.
    async fn page(&mut self, stop: &Stop) -> Result<PageReport, JobError> {
        let mut report = self.inspect(stop).await?;
        if report.wait.is_some() {
            report = self.inspect(stop).await?;
        }
        // A page that is unreachable for a moment, or only for us, is not broken.
        if report.is_silent() {
            self.refuse_outage().await?;
            if report.failure.is_some() {
                report = self.inspect(stop).await?;
            }
        }
        if let (Some(failure), true) = (&report.failure, self.reports.is_empty()) {
            return Err(unreachable(&format!("{} cannot be opened: {failure}", stop.url)));
        }
        self.refuse_unread().await?;
        if self.reports.is_empty() {
            self.refuse_start(&report)?;
        }
        self.context.step(&step_name(self.reports.len()), || async { Ok(report) }).await
    }

    async fn inspect(&mut self, stop: &Stop) -> Result<PageReport, JobError> {
        // Before the wait, so that its start does not count as time between two calls.
        if self.browser.is_none() {
            self.browser = Some(Chromium::start(self.spec).await?);
        }
        self.pace(&stop.url).await;
        let Some(browser) = &self.browser else { unreachable!("it was just started") };
        let visit = Visit {
            context: self.context,
            spec: self.spec,
            plan: self.plan,
            scope: &self.scope,
            number: self.reports.len(),
            stop,
            earlier: &self.reports,
            bytes_left: self.bytes_left,
        };
        let report = tokio::select! {
            // First, because a dead browser has no page to ask.
            biased;
            died = browser.died() => return Err(died),
            report = visit.inspect(browser) => report?,
        };
        if let Some(wait) = report.wait {
            self.next_call = self.next_call.max(Instant::now() + wait.min(LONGEST_WAIT));
        }
        Ok(report)
    }

    fn add(&mut self, report: PageReport) {
        self.frontier.done([report.url.as_str(), report.final_url.as_str()], report.depth, &report.links);
        self.bytes_left = self.bytes_left.saturating_sub(report.links_bytes());
        self.reports.push(report);
    }

    /// Reads robots.txt. The first page must be allowed, otherwise there is nothing to do.
    async fn is_allowed(&self, stop: &Stop) -> Result<bool, JobError> {
        if self.scope.allows(&stop.url).await {
            return Ok(true);
        }
        self.refuse_unread().await?;
        if stop.depth > 0 {
            return Ok(false);
        }
        let host = stop.url.host_str().unwrap_or_default();
        Err(JobError::permanent(format!("robots.txt of {host} does not allow its first page"))
            .class("robots"))
    }

    /// A first page without usable content fails the crawl, whether it redirects to another site or refuses
    /// too many requests.
    fn refuse_start(&self, first: &PageReport) -> Result<(), JobError> {
        if first.is_refused() {
            let message = format!("{} answers with 429: too many requests", first.url);
            let error = match first.wait {
                Some(wait) if wait > LONGEST_WAIT => JobError::retry_after(wait.min(LONGEST_PAUSE), message),
                _ => JobError::retry(message),
            };
            return Err(error.class("rate_limited"));
        }
        let Some(there) = &first.leads_to else { return Ok(()) };
        if self.scope.site.admits(there) {
            let message = format!("{} leads to {there}, which robots.txt does not allow", first.url);
            return Err(JobError::permanent(message).class("robots"));
        }
        let here = &first.url;
        let hint = "which is another site; give that as base_url, or same_site = false";
        Err(bad(format!("{here} leads to {there}, {hint}")))
    }

    /// The rules of the site are unknown while its robots.txt cannot be read: another attempt asks again.
    /// The last attempt leaves out hosts that never answered.
    async fn refuse_unread(&self) -> Result<(), JobError> {
        let attempt = self.context.attempt();
        let is_last = attempt.attempt >= attempt.max_attempts;
        for host in self.scope.unread().await {
            let is_same = |url: &Url| url.origin() == host.origin();
            let is_known = is_same(&self.plan.base)
                || self.reports.is_empty()
                || self.reports.iter().any(|report| report.landed().is_some_and(|url| is_same(&url)));
            if is_known || !is_last {
                return Err(unreachable(&format!("the robots.txt of {host} cannot be read")));
            }
        }
        Ok(())
    }

    /// Checked before a page is reported as unreachable: perhaps the worker itself has no network.
    async fn refuse_outage(&self) -> Result<(), JobError> {
        if self.scope.answers(&self.plan.base).await {
            return Ok(());
        }
        Err(unreachable(&format!("{} no longer answers", self.plan.base)))
    }

    /// Waits for the time of the next call.
    async fn pace(&mut self, url: &Url) {
        sleep_until(self.next_call).await;
        let requested = self.scope.delay(url).await.unwrap_or(Duration::ZERO);
        self.next_call = Instant::now() + requested.max(self.plan.delay);
    }

    async fn report(&self, session: &mut Session<'_>, most: usize) {
        let pages = self.reports.len();
        let bugs = bugs_of(&self.reports);
        let all = most.min(pages + self.frontier.left()).max(1);
        session.running(pages, bugs, all).await;
    }
}

/// The pages that earlier attempts have stored.
async fn stored(context: &Context) -> Result<Vec<PageReport>, JobError> {
    let mut reports = Vec::new();
    while let Some(report) = context.cursor::<PageReport>(&step_name(reports.len())).await? {
        reports.push(report);
    }
    Ok(reports)
}

fn bugs_of(reports: &[PageReport]) -> usize {
    reports.iter().map(|report| report.bugs.len() + report.bugs_left).sum()
}

/// Another attempt may reach it.
fn unreachable(message: &str) -> JobError {
    JobError::retry(message.to_owned()).class("unreachable")
}

fn step_name(number: usize) -> String {
    format!("page-{number}")
}
