//! The scope of a crawl: its site, and the robots.txt of each host. The crawl and its browser share
//! it; the browser also asks for targets of redirects and scripts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use url::Url;

use super::frontier::Site;
use super::robots::Robots;
use super::web::Web;
use crate::bughive::chromium::NavigationCheck;

/// The scope of one attempt.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) web: Web,
    pub(super) site: Site,
    robots: Mutex<Robots>,
}

impl Scope {
    pub(super) fn new(web: Web, site: Site, user_agent: &str) -> Arc<Self> {
        Arc::new(Self { web, site, robots: Mutex::new(Robots::new(user_agent)) })
    }

    /// Whether robots.txt allows an address.
    pub(super) async fn allows(&self, url: &Url) -> bool {
        self.robots.lock().await.allows(&self.web, url).await
    }

    /// The delay that a host requests between two calls.
    pub(super) async fn delay(&self, url: &Url) -> Option<Duration> {
        self.robots.lock().await.delay(url)
    }

    /// The hosts of the site itself whose robots.txt could not be read.
    pub(super) async fn unread(&self) -> Vec<Url> {
        let robots = self.robots.lock().await;
        robots.unread().filter(|host| self.site.is_home(host)).collect()
    }

    /// Whether the host of an address answers now.
    pub(super) async fn answers(&self, url: &Url) -> bool {
        self.robots.lock().await.answers(&self.web, url).await
    }

    /// For the browser.
    pub(super) fn navigation_check(self: &Arc<Self>) -> NavigationCheck {
        let scope = Arc::clone(self);
        Arc::new(move |url| {
            let scope = Arc::clone(&scope);
            Box::pin(async move { scope.site.admits(&url) && scope.allows(&url).await })
        })
    }
}
