//! The types of settings for inbound paths and outbound proxies. A proxy's address may hold its
//! password, so its `Debug` must never show it.

use std::fmt;

use url::Url;

use super::types::{is_name, text_type};
use super::value::Setting;

text_type!(
    /** A part of a site. */
    BasePath,
    "a path such as /jobs-ui, made of letters, digits, dots, underscores and hyphens, without a slash at \
     its end",
    |text| {
        text.len() <= 200
            && text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(|part| is_name(part) && part != ".."))
    }
);
text_type!(
    /** A proxy for outgoing calls, which may hold its password. */
    secret ProxyUrl,
    "a URL such as http://proxy:3128 or http://user:password@proxy:3128",
    is_proxy
);
text_type!(
    /** A proxy of its own for some of the outgoing calls, or none. */
    secret ProxyChoice,
    "a URL such as http://proxy:3128, or none to call directly",
    |text| text == "none" || is_proxy(text)
);

fn is_proxy(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

impl ProxyChoice {
    /// Whether calls are made directly.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0 == "none"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_paths_are_plain() {
        for good in ["/a", "/jobs-ui", "/team_1/jobs.v2"] {
            assert!(BasePath::parse(good).is_some(), "{good}");
        }
        for bad in ["", "/", "a", "/a/", "//a", "/a//b", "/a/../b", "/a b", "/a?b", "/\"x", "https://h/a"] {
            assert!(BasePath::parse(bad).is_none(), "{bad}");
        }
    }
}
