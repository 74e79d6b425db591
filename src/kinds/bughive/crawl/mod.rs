//! Crawls a site in a browser and finds what is broken on it. Every page is a step of the job: after a crash the crawl
//! goes on behind the last stored page. Must never call more than the site's robots.txt and the job's limits allow.

mod args;
mod bugs;
mod followers;
mod frontier;
mod judge;
mod links;
mod robots;
mod session;
mod visit;
mod web;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use tracing::Instrument;

pub use self::args::CrawlArgs;
use self::args::Plan;
use self::bugs::Bug;
use self::frontier::{Frontier, Site, Stop};
use self::robots::Robots;
use self::session::Session;
use self::visit::{PageReport, visit};
use self::web::Web;
use super::chromium::Chromium;
use super::{BrowserSpec, CRAWL};
use crate::worker::context::Context;
use crate::worker::handler::{Handler, JobError};

/// As many bugs stand in the result; all stand in the steps.
const BUGS_IN_RESULT: usize = 200;

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
    web: Web,
    robots: Robots,
    frontier: Frontier,
    /// Started for the first page that is to be opened.
    browser: Option<Chromium>,
    /// Nothing is called before.
    next_call: Instant,
    reports: Vec<PageReport>,
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
        session.starting().await?;
        let web = Web::new(&self.browser)?;
        web.refuse_private(&plan.base).await?;
        let site = Site::of(&plan.base, plan.args.same_site, plan.args.include_subdomains);
        let mut crawling = Crawling {
            context,
            spec: &self.browser,
            plan,
            robots: Robots::new(&self.browser.user_agent),
            frontier: Frontier::new(plan.base.clone(), site.clone(), plan.args.max_depth),
            web,
            browser: None,
            next_call: Instant::now(),
            reports: Vec::new(),
        };
        let crawled = crawling.pages(session).await;
        if let Some(browser) = crawling.browser.take() {
            browser.close().await;
        }
        crawled?;
        let broken = crawling.broken_links(&site, session).await?;
        let mut bugs: Vec<Bug> = crawling.reports.iter().flat_map(|report| report.bugs.clone()).collect();
        bugs.extend(broken);
        let children = followers::spawn(context, plan, &crawling.reports, &bugs).await?;
        let pages = crawling.reports.len();
        session.completed(pages, bugs.len()).await?;
        Ok(json!({
            "session_id": plan.session_id,
            "pages_crawled": pages,
            "bugs_found": bugs.len(),
            "pages_left": crawling.frontier.left(),
            "bugs": bugs.iter().take(BUGS_IN_RESULT).collect::<Vec<_>>(),
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
        let mut session = Session::of(&context, &plan, self.browser.session_ttl);
        let span = tracing::info_span!("crawl", session_id = plan.session_id, task_id = %context.job_id());
        let ended = async {
            tokio::select! {
                biased;
                ended = self.attempt(&context, &plan, &mut session) => ended,
                // Dropping the crawl ends its browser.
                reason = context.stopped() => {
                    Err(JobError::retry(format!("the crawl was stopped: {reason}")).class("stopped"))
                }
            }
        };
        let ended = ended.instrument(span).await;
        if let Err(error) = &ended {
            session.failed(error).await?;
        }
        ended
    }
}

impl Crawling<'_> {
    /// Opens page after page until there is none or enough are done.
    async fn pages(&mut self, session: &mut Session<'_>) -> Result<(), JobError> {
        let most = usize::try_from(self.plan.args.max_pages).unwrap_or(usize::MAX);
        while let Some(report) = self.context.cursor::<PageReport>(&step_name(self.reports.len())).await? {
            self.add(report);
        }
        if !self.reports.is_empty() {
            tracing::info!(
                session_id = self.plan.session_id,
                task_id = %self.context.job_id(),
                pages = self.reports.len(),
                "going on behind the last stored page"
            );
            self.tell(session, most).await?;
        }
        while self.reports.len() < most {
            let Some(stop) = self.frontier.next() else { break };
            if !self.is_allowed(&stop).await? {
                continue;
            }
            if self.reports.is_empty() {
                // It was starting until its rules were read.
                self.tell(session, most).await?;
            }
            let report = self.page(&stop).await?;
            self.add(report);
            self.tell(session, most).await?;
        }
        Ok(())
    }

    /// Opens a page and stores what was found, both once.
    async fn page(&mut self, stop: &Stop) -> Result<PageReport, JobError> {
        // Before the wait: what its start takes is none between two calls.
        if self.browser.is_none() {
            self.browser = Some(Chromium::start(self.spec).await?);
        }
        self.pace(&stop.url).await;
        let Some(browser) = &mut self.browser else { unreachable!("it was just started") };
        let number = self.reports.len();
        let (context, spec, plan) = (self.context, self.spec, self.plan);
        let look = || async {
            tokio::select! {
                report = visit(browser, context, spec, plan, number, stop) => report,
                died = browser.died() => Err(died),
            }
        };
        context.step(&step_name(number), look).await
    }

    fn add(&mut self, report: PageReport) {
        self.frontier.done([report.url.as_str(), report.final_url.as_str()], report.depth, &report.links);
        self.reports.push(report);
    }

    /// Asks robots.txt. The first page must be allowed, else there is nothing to do.
    async fn is_allowed(&mut self, stop: &Stop) -> Result<bool, JobError> {
        let allowed = self.robots.allows(&self.web, &stop.url).await;
        if allowed || stop.depth > 0 {
            return Ok(allowed);
        }
        let host = stop.url.host_str().unwrap_or_default();
        if self.robots.is_unreachable(&stop.url) {
            return Err(JobError::retry(format!("{host} does not answer")).class("unreachable"));
        }
        Err(JobError::permanent(format!("robots.txt of {host} does not allow its first page"))
            .class("robots"))
    }

    /// Waits for the time of the next call.
    async fn pace(&mut self, url: &url::Url) {
        sleep_until(self.next_call).await;
        self.next_call =
            Instant::now() + self.robots.delay(url).unwrap_or(Duration::ZERO).max(self.plan.delay);
    }

    async fn tell(&self, session: &mut Session<'_>, most: usize) -> Result<(), JobError> {
        let pages = self.reports.len();
        let bugs = self.reports.iter().map(|report| report.bugs.len()).sum();
        let all = most.min(pages + self.frontier.left()).max(1);
        session.running(pages, bugs, all).await
    }
}

fn step_name(number: usize) -> String {
    format!("page-{number}")
}
