//! The pages of a site that are still to be crawled: each once, breadth first, within a depth and a
//! site. Knows only addresses, so that a resumed crawl continues exactly where the stored pages
//! end.

use std::collections::{HashSet, VecDeque};

use url::Url;

use crate::bughive::address::address;

/// The addresses that belong to the site.
#[derive(Debug, Clone)]
pub(super) struct Site {
    host: String,
    port: Option<u16>,
    /// False to follow links to any site.
    only: bool,
    /// Whether subdomains of the site's host belong to the site.
    subdomains: bool,
}

impl Site {
    pub(super) fn of(base: &Url, only: bool, subdomains: bool) -> Self {
        Self { host: bare_host(base), port: base.port(), only, subdomains }
    }

    /// Whether a page belongs to the site itself.
    pub(super) fn is_home(&self, url: &Url) -> bool {
        let host = bare_host(url);
        let below = || host.strip_suffix(&self.host).is_some_and(|rest| rest.ends_with('.'));
        url.port() == self.port && (host == self.host || (self.subdomains && below()))
    }

    /// Whether a page is crawled.
    pub(super) fn admits(&self, url: &Url) -> bool {
        !self.only || self.is_home(url)
    }
}

/// `www.` names the same site.
fn bare_host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    host.strip_prefix("www.").unwrap_or(host).to_owned()
}

/// A page that is to be crawled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) url: Url,
    /// How many links it is away from the first page.
    pub(super) depth: u32,
}

/// The known pages, and those that are left.
#[derive(Debug)]
pub(super) struct Frontier {
    site: Site,
    max_depth: u32,
    known: HashSet<String>,
    left: VecDeque<Stop>,
}

impl Frontier {
    pub(super) fn new(base: Url, site: Site, max_depth: u32) -> Self {
        let known = HashSet::from([base.as_str().to_owned()]);
        Self { site, max_depth, known, left: VecDeque::from([Stop { url: base, depth: 0 }]) }
    }

    pub(super) fn next(&mut self) -> Option<Stop> {
        self.left.pop_front()
    }

    /// How many pages are known to be left.
    pub(super) fn left(&self) -> usize {
        self.left.len()
    }

    /// Marks a page as done: neither it nor its redirect target is crawled again, but its links are.
    pub(super) fn done<'a>(&mut self, urls: impl IntoIterator<Item = &'a str>, depth: u32, links: &[String]) {
        for url in urls {
            self.known.insert(url.to_owned());
            self.left.retain(|stop| stop.url.as_str() != url);
        }
        if depth >= self.max_depth {
            return;
        }
        for url in links.iter().filter_map(|link| address(link)) {
            if self.site.admits(&url) && self.known.insert(url.as_str().to_owned()) {
                self.left.push_back(Stop { url, depth: depth + 1 });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        address(text).unwrap()
    }

    fn links(all: &[&str]) -> Vec<String> {
        all.iter().map(|&link| link.to_owned()).collect()
    }

    #[test]
    fn each_page_comes_once_breadth_first_and_no_deeper_than_allowed() {
        let base = url("http://a.test/");
        let mut frontier = Frontier::new(base.clone(), Site::of(&base, true, false), 2);
        let first = frontier.next().unwrap();
        let found = links(&[
            "http://a.test/1#top",
            "http://a.test/1",
            "http://a.test/2",
            "http://b.test/",
            "mailto:x@y",
        ]);
        frontier.done([first.url.as_str()], first.depth, &found);
        assert_eq!(frontier.left(), 2);
        let one = frontier.next().unwrap();
        assert_eq!((one.url.path(), one.depth), ("/1", 1));
        frontier.done(
            [one.url.as_str(), "http://a.test/2"],
            one.depth,
            &links(&["http://a.test/", "http://a.test/3"]),
        );
        let three = frontier.next().unwrap();
        assert_eq!((three.url.path(), three.depth), ("/3", 2), "2 was reached by a redirect");
        frontier.done([three.url.as_str()], three.depth, &links(&["http://a.test/4"]));
        assert_eq!(frontier.next(), None, "4 is too deep");
    }

    #[test]
    fn a_site_is_its_host_with_and_without_www() {
        let site = Site::of(&url("https://www.a.test/x"), true, false);
        assert!(site.admits(&url("http://a.test/")) && site.admits(&url("https://www.a.test/y")));
        for other in ["https://b.test/", "https://x.a.test/", "https://a.test:8443/", "https://ba.test/"] {
            assert!(!site.admits(&url(other)), "{other}");
        }
        let wide = Site::of(&url("https://a.test/"), true, true);
        assert!(wide.admits(&url("https://x.a.test/")) && !wide.admits(&url("https://ba.test/")));
        let open = Site::of(&url("https://a.test/"), false, false);
        assert!(open.admits(&url("https://b.test/")) && !open.is_home(&url("https://b.test/")));
    }
}
