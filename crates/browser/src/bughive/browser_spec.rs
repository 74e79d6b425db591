//! The browser for crawls, and its permissions.

use std::path::PathBuf;
use std::time::Duration;

/// The browser for crawls, and its permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowserSpec {
    /// The program; searched on the PATH if absent.
    pub program: Option<PathBuf>,
    /// Whether Chromium confines its pages; it cannot as root.
    pub sandbox: bool,
    /// True to crawl also loopback, private and other special addresses.
    pub allow_private: bool,
    /// True to crawl also sites with untrusted certificates.
    pub ignore_certificate_errors: bool,
    /// The user agent; the rules of `robots.txt` are read for the part before the slash.
    pub user_agent: String,
    /// The time after which a page that has not arrived is given up.
    pub page_timeout: Duration,
    /// The shortest time between two pages of a crawl.
    pub page_delay: Duration,
}
