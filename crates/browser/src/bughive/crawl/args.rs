//! The args of a crawl, and the values derived from them. Must refuse args that could never be
//! crawled, so that no attempt is spent on them.

use std::time::Duration;

use serde::Deserialize;
use url::Url;

use crate::bughive::BrowserSpec;
use crate::bughive::address::address;
use crate::bughive::session_id::is_id;
use tidemill::JobError;

/// The most pages of one crawl: each is a step of the job.
const MOST_PAGES: u32 = 5_000;
const DEEPEST: u32 = 100;

/// The args of `crawl.session`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the job's JSON")]
pub struct CrawlArgs {
    /// The name of the session; the job's id if absent.
    pub(super) session_id: Option<String>,
    /// The first page.
    base_url: Option<String>,
    /// The same fields under `config`, as an existing caller sends them.
    config: Option<Box<CrawlArgs>>,
    /// The most pages.
    #[serde(default = "ten")]
    pub(super) max_pages: u32,
    /// The most links from the first page to another.
    #[serde(default = "three")]
    pub(super) max_depth: u32,
    /// False to follow links to other sites.
    #[serde(default = "yes")]
    pub(super) same_site: bool,
    /// Whether subdomains of the site's host belong to the site.
    #[serde(default)]
    pub(super) include_subdomains: bool,
    /// Whether links to other sites are called once to check that they work.
    #[serde(default)]
    pub(super) check_external: bool,
    /// Seconds between two pages; never less than the worker's setting and the delay in robots.txt.
    #[serde(default)]
    delay_seconds: f64,
    /// Seconds after which a page counts as slow.
    #[serde(default = "three_seconds")]
    slow_page_seconds: f64,
    /// Whether each screenshot goes to the media storage by a job of its own.
    #[serde(default)]
    pub(super) upload: bool,
    /// Whether each cause becomes a ticket by a job of its own.
    #[serde(default)]
    pub(super) create_tickets: bool,
    /// For the tickets; the worker's own if there is none.
    pub(super) team_id: Option<String>,
    /// The most tickets.
    #[serde(default = "fifty")]
    pub(super) max_tickets: usize,
}

fn ten() -> u32 {
    10
}

fn three() -> u32 {
    3
}

fn yes() -> bool {
    true
}

fn three_seconds() -> f64 {
    3.0
}

fn fifty() -> usize {
    50
}

/// The checked plan of a crawl.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) session_id: String,
    pub(super) base: Url,
    pub(super) delay: Duration,
    pub(super) slow_page: Duration,
    pub(super) args: CrawlArgs,
}

impl Plan {
    pub(super) fn of(args: CrawlArgs, job_id: uuid::Uuid, browser: &BrowserSpec) -> Result<Self, JobError> {
        let args = args.flat()?;
        let session_id = args.session_id.clone().unwrap_or_else(|| job_id.to_string());
        if !is_id(&session_id) {
            return Err(bad("session_id must have 1 to 100 characters and be usable as part of a path"));
        }
        let base = args.base_url.as_deref().ok_or_else(|| bad("base_url is missing; name the first page"))?;
        let base = address(base).ok_or_else(|| {
            bad(format!("base_url {base:?} is not an http:// or https:// address without a password"))
        })?;
        if !(1..=MOST_PAGES).contains(&args.max_pages) || args.max_depth > DEEPEST {
            return Err(bad(format!("max_pages must be 1 to {MOST_PAGES} and max_depth 0 to {DEEPEST}")));
        }
        let seconds = |name: &str, seconds: f64| {
            Duration::try_from_secs_f64(seconds)
                .ok()
                .filter(|time| *time <= Duration::from_mins(10))
                .ok_or_else(|| bad(format!("{name} must be 0 to 600 seconds")))
        };
        let delay = seconds("delay_seconds", args.delay_seconds)?.max(browser.page_delay);
        let slow_page = seconds("slow_page_seconds", args.slow_page_seconds)?;
        Ok(Self { session_id, base, delay, slow_page, args })
    }
}

impl CrawlArgs {
    /// The session's id next to the other fields, wherever they are.
    fn flat(mut self) -> Result<Self, JobError> {
        match self.config.take() {
            None => Ok(self),
            Some(inner) if self.base_url.is_none() && inner.config.is_none() => {
                Ok(Self { session_id: self.session_id, ..*inner })
            }
            Some(_) => Err(bad("send either config or its fields, not both")),
        }
    }
}

pub(super) fn bad(message: impl Into<std::borrow::Cow<'static, str>>) -> JobError {
    JobError::permanent(message).class("bad_args")
}
