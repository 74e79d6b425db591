//! Broken links: to pages that the crawl found missing, and to other pages that it calls once,
//! several per step. Must never call a link that robots.txt forbids, or report a link as broken
//! because its host could not be reached.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use url::Url;

use super::bugs::{Bug, BugKind};
use super::session::Session;
use super::web::{MOST_REDIRECTS, REFUSED, onward};
use super::{Crawling, JobError};
use crate::bughive::address::address;

/// The most links of one step, and its longest duration.
const STRETCH: usize = 25;
const STRETCH_TIME: Duration = Duration::from_mins(1);
/// The most links that are called for one crawl.
const MOST: usize = 1_000;

/// Links that were called in one step.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Stretch {
    called: usize,
    broken: BTreeMap<String, String>,
}

/// The broken links of all pages.
pub(super) struct Links {
    pub(super) bugs: Vec<Bug>,
    /// The number of unchecked links.
    pub(super) left: usize,
}

impl Crawling<'_> {
    /// The broken links of all pages.
    pub(super) async fn links(&mut self, session: &Session<'_>) -> Result<Links, JobError> {
        let mut dead: BTreeMap<String, String> =
            self.reports.iter().filter_map(|report| Some((report.url.clone(), report.dead()?))).collect();
        let mut unknown = self.uncrawled();
        let left = unknown.len().saturating_sub(MOST);
        unknown.truncate(MOST);
        if !unknown.is_empty() {
            session.checking_links().await;
        }
        let mut first = 0;
        while first < unknown.len() {
            let name = format!("links-from-{first}");
            let stretch = if let Some(stretch) = self.context.cursor::<Stretch>(&name).await? {
                stretch
            } else {
                let stretch = self.stretch(&unknown[first..]).await?;
                self.context.step(&name, || async { Ok(stretch) }).await?
            };
            first += stretch.called.max(1);
            dead.extend(stretch.broken);
        }
        let bugs = self.reports.iter().flat_map(|report| {
            let broken = report.links.iter().filter_map(|link| Some((link, dead.get(link)?)));
            broken.map(|(link, why)| Bug::new(BugKind::BrokenLink, report.address(), Some(link), why.clone()))
        });
        Ok(Links { bugs: bugs.collect(), left })
    }

    /// Links to pages that were not opened, in the order in which they were found.
    fn uncrawled(&self) -> Vec<Url> {
        let mut known: HashSet<&str> = HashSet::new();
        for report in &self.reports {
            known.extend([report.url.as_str(), report.final_url.as_str()]);
        }
        let links = self.reports.iter().flat_map(|report| &report.links);
        let new = links.filter(|link| known.insert(link.as_str())).filter_map(|link| address(link));
        new.filter(|url| self.is_checked(url)).collect()
    }

    fn is_checked(&self, url: &Url) -> bool {
        let is_wanted = self.plan.args.check_external || self.scope.site.is_home(url);
        // Such a link is not checked.
        is_wanted && self.scope.web.may_call(url)
    }

    /// Calls some of these links, at least one.
    async fn stretch(&mut self, links: &[Url]) -> Result<Stretch, JobError> {
        let until = Instant::now() + STRETCH_TIME;
        let mut stretch = Stretch::default();
        for link in links.iter().take(STRETCH) {
            if stretch.called > 0 && Instant::now() > until {
                break;
            }
            if !self.scope.allows(link).await {
                self.refuse_unread().await?;
            } else if let Some(why) = self.broken(link).await? {
                stretch.broken.insert(link.to_string(), why);
            }
            stretch.called += 1;
        }
        Ok(stretch)
    }

    /// Why a link is broken, if it is. If HEAD fails, GET is tried, because not every server supports both.
    async fn broken(&mut self, link: &Url) -> Result<Option<String>, JobError> {
        let mut why = None;
        let mut is_silent = false;
        for method in [Method::HEAD, Method::GET] {
            self.pace(link).await;
            let answer = self.status(&method, link).await;
            is_silent = answer.is_err();
            why = match answer {
                Ok(Some(status @ (StatusCode::NOT_FOUND | StatusCode::GONE))) => {
                    Some(format!("it is answered with {}", status.as_u16()))
                }
                Ok(Some(
                    StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED,
                )) => None,
                // An address that is forbidden to us may be open to a person.
                Ok(_) => return Ok(None),
                Err(error) if error.is_of(REFUSED) => return Ok(None),
                Err(error) => Some(error.to_string()),
            };
        }
        if is_silent {
            self.refuse_outage().await?;
        }
        Ok(why)
    }

    /// The status at the end of a link's redirects; nothing if they lead to a forbidden address or in a
    /// circle.
    async fn status(&self, method: &Method, link: &Url) -> Result<Option<StatusCode>, JobError> {
        let mut url = link.clone();
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.scope.web.call(method.clone(), &url).await?;
            let Some(next) = onward(&answer) else { return Ok(Some(answer.status())) };
            if !(self.is_checked(&next) && self.scope.allows(&next).await) {
                return Ok(None);
            }
            url = next;
        }
        Ok(None)
    }
}
