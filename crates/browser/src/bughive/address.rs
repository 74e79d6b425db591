//! The address of a page to crawl: how it is parsed, compared and called. Both the code that
//! accepts a crawl and the code that runs it use these rules.

use url::Url;

/// The longest accepted address.
const ADDRESS_BYTES: usize = 2_000;

/// An address that can be crawled: http or https, not too long, without its fragment.
#[must_use]
pub fn address(text: &str) -> Option<Url> {
    let mut url = Url::parse(text).ok()?;
    url.set_fragment(None);
    let good =
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.as_str().len() <= ADDRESS_BYTES;
    // Never send a user name and a password from a link.
    (good && url.username().is_empty() && url.password().is_none()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_pages_are_addresses() {
        for bad in [
            "ftp://a.test/",
            "javascript:0",
            "http://me:pw@a.test/",
            "http://me@a.test/",
            "/x",
            &format!("http://a/{}", "x".repeat(3000)),
        ] {
            assert_eq!(address(bad), None, "{bad}");
        }
        assert_eq!(address("HTTP://A.test:80/x?y#z").unwrap().as_str(), "http://a.test/x?y");
    }
}
