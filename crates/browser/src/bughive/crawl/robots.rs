//! The rules of each host's robots.txt for our crawler. A robots.txt that could not be read because
//! of a missing answer allows nothing.

use std::collections::HashMap;
use std::time::Duration;

use robotxt::{AccessResult, Agent, BYTE_LIMIT, robots_url};
use url::Url;

use super::web::{REFUSED, Web};

/// The longest delay that is obeyed.
const LONGEST_DELAY: Duration = Duration::from_mins(1);

/// The rules that were read so far.
#[derive(Debug)]
pub(super) struct Robots {
    name: String,
    read: HashMap<String, Rules>,
}

#[derive(Debug)]
struct Rules {
    rules: robotxt::Robots,
    is_unreachable: bool,
}

impl Robots {
    /// For a crawler with this user agent; the part after a slash is its version.
    pub(super) fn new(user_agent: &str) -> Self {
        let name = user_agent.split('/').next().unwrap_or_default().to_owned();
        Self { name, read: HashMap::new() }
    }

    /// Whether an address may be called; reads the rules of its host at the first time.
    pub(super) async fn allows(&mut self, web: &Web, url: &Url) -> bool {
        let host = url.origin().ascii_serialization();
        let rules = match self.read.remove(&host) {
            Some(rules) => rules,
            None => self.fetch(web, url).await,
        };
        let allowed = rules.rules.is_url_allowed(url);
        self.read.insert(host, rules);
        allowed
    }

    /// The hosts whose rules could not be read.
    pub(super) fn unread(&self) -> impl Iterator<Item = Url> {
        let unread = self.read.iter().filter(|(_, rules)| rules.is_unreachable);
        unread.filter_map(|(host, _)| Url::parse(host).ok())
    }

    /// Whether the host of an address answers now, with any status.
    pub(super) async fn answers(&self, web: &Web, url: &Url) -> bool {
        !self.fetch(web, url).await.is_unreachable
    }

    /// The delay that the host requests between two calls.
    pub(super) fn delay(&self, url: &Url) -> Option<Duration> {
        Some(self.of(url)?.rules.crawl_delay()?.min(LONGEST_DELAY))
    }

    fn of(&self, url: &Url) -> Option<&Rules> {
        self.read.get(&url.origin().ascii_serialization())
    }

    async fn fetch(&self, web: &Web, url: &Url) -> Rules {
        let closed = |is_unreachable| Rules { rules: robotxt::Robots::disallow_all(), is_unreachable };
        let unreachable = || closed(true);
        let Ok(address) = robots_url(url) else { return unreachable() };
        let mut answer = match web.get(&address).await {
            Ok(answer) => answer,
            Err(error) => return closed(!error.is_of(REFUSED)),
        };
        let status = answer.status();
        if status.is_server_error() || status.as_u16() == 429 {
            return unreachable();
        }
        let mut text = Vec::new();
        if status.is_success() {
            loop {
                match answer.chunk().await {
                    Ok(Some(chunk)) if text.len() <= BYTE_LIMIT => text.extend_from_slice(&chunk),
                    Ok(_) => break,
                    Err(_) => return unreachable(),
                }
            }
        }
        let access =
            if status.is_success() { AccessResult::Successful(&text) } else { AccessResult::Unavailable };
        Rules { rules: robotxt::Robots::from_access(access, Agent::Exact(&self.name)), is_unreachable: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(text: &str) -> (Robots, Url) {
        let url = Url::parse("https://a.test/x").unwrap();
        let mut robots = Robots::new("planted/1.0");
        let access = AccessResult::Successful(text.as_bytes());
        let rules = robotxt::Robots::from_access(access, Agent::Exact(&robots.name));
        robots.read.insert(url.origin().ascii_serialization(), Rules { rules, is_unreachable: false });
        (robots, url)
    }

    #[test]
    fn a_delay_is_that_of_our_name_and_not_endless() {
        let delay = |text: &str| {
            let (robots, url) = reads(text);
            robots.delay(&url)
        };
        assert_eq!(delay("User-agent: planted\nCrawl-delay: 2\n"), Some(Duration::from_secs(2)));
        assert_eq!(delay("User-agent: *\nCrawl-delay: 3600\n"), Some(LONGEST_DELAY));
        assert_eq!(delay("User-agent: other\nCrawl-delay: 2\n"), None);
        assert_eq!(delay("User-agent: *\nDisallow: /\n"), None);
    }

    #[test]
    fn a_host_of_which_nothing_was_read_says_nothing() {
        let (robots, url) = reads("User-agent: *\nCrawl-delay: 2\n");
        let other = Url::parse("http://a.test/x").unwrap();
        assert!(robots.delay(&url).is_some() && robots.delay(&other).is_none());
        assert_eq!(robots.unread().count(), 0);
    }
}
