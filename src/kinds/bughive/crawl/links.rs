//! Links that lead nowhere: to pages that the crawl found missing, and to others that it calls once, a stretch of them a
//! step. Must never call a link that robots.txt forbids.

use std::collections::{BTreeMap, HashSet};

use url::Url;

use super::bugs::{Bug, BugKind};
use super::frontier::{Site, address};
use super::session::Session;
use super::{Crawling, JobError};

/// Links of one step.
const STRETCH: usize = 25;
/// The most links that are called for one crawl.
const MOST: usize = 1_000;

impl Crawling<'_> {
    /// The broken links of all pages.
    pub(super) async fn broken_links(
        &mut self,
        site: &Site,
        session: &Session<'_>,
    ) -> Result<Vec<Bug>, JobError> {
        let mut dead: BTreeMap<String, String> =
            self.reports.iter().filter_map(|report| Some((report.url.clone(), report.dead()?))).collect();
        let unknown = self.uncrawled(site);
        if !unknown.is_empty() {
            session.checking_links().await;
        }
        for (number, stretch) in unknown.chunks(STRETCH).enumerate() {
            let name = format!("links-{number}");
            let found = if let Some(found) = self.context.cursor::<BTreeMap<String, String>>(&name).await? {
                found
            } else {
                let found = self.call(stretch).await;
                self.context.step(&name, || async { Ok(found) }).await?
            };
            dead.extend(found);
        }
        let bugs = self.reports.iter().flat_map(|report| {
            let broken = report.links.iter().filter_map(|link| Some((link, dead.get(link)?)));
            broken.map(|(link, why)| Bug::new(BugKind::BrokenLink, &report.url, Some(link), why.clone()))
        });
        Ok(bugs.collect())
    }

    /// Links to pages that were not opened, in the order in which they were found.
    fn uncrawled(&self, site: &Site) -> Vec<Url> {
        let mut known: HashSet<&str> = HashSet::new();
        for report in &self.reports {
            known.extend([report.url.as_str(), report.final_url.as_str()]);
        }
        let links = self.reports.iter().flat_map(|report| &report.links);
        let new = links.filter(|link| known.insert(link.as_str())).filter_map(|link| address(link));
        let wanted = new
            .filter(|url| self.plan.args.check_external || site.is_home(url))
            // Whether anything is there is nobody's business.
            .filter(|url| self.web.may_call(url));
        wanted.take(MOST).collect()
    }

    async fn call(&mut self, links: &[Url]) -> BTreeMap<String, String> {
        let mut broken = BTreeMap::new();
        for link in links {
            if !self.robots.allows(&self.web, link).await {
                continue;
            }
            self.pace(link).await;
            if let Some(why) = self.web.broken(link).await {
                broken.insert(link.to_string(), why);
            }
        }
        broken
    }
}
