//! The bugs of a page, as they are stored, shown and sent to a tracker. Judges nothing itself.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use tidemill::extension::jobs::truncated;

/// The longest text of a bug, in bytes.
const DETAIL_BYTES: usize = 1_000;
/// Of an address, which may hold a whole image.
const RESOURCE_BYTES: usize = 2_000;

/// The sort of a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BugKind {
    /// The page, or something that it loads, is answered with an error.
    HttpError,
    /// A link is broken.
    BrokenLink,
    /// An image cannot be shown.
    BrokenImage,
    /// The page writes an error to the console.
    ConsoleError,
    /// A script of the page throws an uncaught error.
    UncaughtException,
    /// A page over https loads something over http.
    MixedContent,
    /// The page has no title.
    MissingTitle,
    /// An image has no alternative text.
    MissingAlt,
    /// The page takes long to load.
    SlowPage,
}

impl BugKind {
    /// The value of the field `kind`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HttpError => "http_error",
            Self::BrokenLink => "broken_link",
            Self::BrokenImage => "broken_image",
            Self::ConsoleError => "console_error",
            Self::UncaughtException => "uncaught_exception",
            Self::MixedContent => "mixed_content",
            Self::MissingTitle => "missing_title",
            Self::MissingAlt => "missing_alt",
            Self::SlowPage => "slow_page",
        }
    }

    /// The priority in Linear: 2 is high, 3 normal, 4 low.
    pub(crate) fn ticket_priority(self) -> u8 {
        match self {
            Self::HttpError | Self::UncaughtException => 2,
            Self::BrokenLink | Self::BrokenImage | Self::ConsoleError | Self::MixedContent => 3,
            Self::MissingTitle | Self::MissingAlt | Self::SlowPage => 4,
        }
    }

    /// Whether the bug can be seen on a picture of its page.
    pub(crate) fn is_of_the_page(self) -> bool {
        self != Self::BrokenLink
    }
}

/// One bug of one page.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Bug {
    /// The sort.
    pub(crate) kind: BugKind,
    /// Its page.
    pub(crate) page: String,
    /// The loaded, shown or linked address, if the bug is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resource: Option<String>,
    /// The description.
    pub(crate) detail: String,
}

impl Bug {
    pub(crate) fn new(kind: BugKind, page: &str, resource: Option<&str>, detail: impl Into<String>) -> Self {
        let detail = truncated(detail.into(), DETAIL_BYTES);
        let resource = resource.map(|resource| truncated(resource.to_owned(), RESOURCE_BYTES));
        Self { kind, page: page.to_owned(), resource, detail }
    }

    /// The common key of bugs on several pages that have one cause.
    pub(crate) fn cause(&self) -> (BugKind, &str) {
        match (self.kind, &self.resource) {
            (BugKind::ConsoleError | BugKind::UncaughtException, _) => (self.kind, &self.detail),
            (_, Some(resource)) => (self.kind, resource),
            (_, None) => (self.kind, &self.page),
        }
    }
}

/// At most this number of bugs, the most urgent first. Each kind gets its share, so that a long list of one
/// kind leaves room for the others.
pub(super) fn excerpt(bugs: &[Bug], most: usize) -> Vec<&Bug> {
    let mut counts = HashMap::<BugKind, usize>::new();
    let mut ranked: Vec<_> = bugs
        .iter()
        .map(|bug| {
            let of_its_kind = counts.entry(bug.kind).or_default();
            *of_its_kind += 1;
            (*of_its_kind, bug)
        })
        .collect();
    let urgency = |bug: &Bug| (bug.kind.ticket_priority(), bug.kind);
    ranked.sort_by_key(|(rank, bug)| (*rank, urgency(bug)));
    ranked.truncate(most);
    ranked.sort_by_key(|(rank, bug)| (urgency(bug), *rank));
    ranked.into_iter().map(|(_, bug)| bug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_has_the_most_urgent_first_and_some_of_each_kind() {
        let many = |kind, count: usize| {
            (0..count).map(move |n| Bug::new(kind, "http://a.test/", None, n.to_string()))
        };
        let bugs: Vec<Bug> = many(BugKind::MissingAlt, 50)
            .chain(many(BugKind::ConsoleError, 50))
            .chain(many(BugKind::BrokenLink, 2))
            .collect();
        let shown = excerpt(&bugs, 10);
        let kinds: Vec<_> = shown.iter().map(|bug| bug.kind).collect();
        let expected = [(BugKind::BrokenLink, 2), (BugKind::ConsoleError, 4), (BugKind::MissingAlt, 4)];
        let expected: Vec<_> = expected.iter().flat_map(|(kind, count)| vec![*kind; *count]).collect();
        assert_eq!(kinds, expected);
        assert_eq!(shown[2].detail, "0", "in the order in which they were found");
        assert_eq!(excerpt(&bugs, 1_000).len(), 102);
    }
}
