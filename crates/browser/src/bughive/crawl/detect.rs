//! Derives the bugs of a page from its events. Names only problems that a visitor of the page could
//! see as well.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::bugs::{Bug, BugKind};
use crate::bughive::chromium::{Content, Seen};

/// The most bugs of one kind reported per page.
const MOST_OF_A_KIND: usize = 20;

/// The bugs of a page that was opened, and how many more there are.
pub(super) fn bugs(page: &str, content: &Content, seen: &Seen, slow_page: Duration) -> (Vec<Bug>, usize) {
    let mut all = Vec::new();
    let mut known = HashSet::new();
    let mut add = |kind, resource: Option<&str>, detail: String| {
        let bug = Bug::new(kind, page, resource, detail);
        if known.insert(bug.clone()) {
            all.push(bug);
        }
    };
    for failed in &seen.failed {
        let kind = match failed {
            failed if failed.is_mixed_content => continue,
            failed if failed.is_image => BugKind::BrokenImage,
            _ => BugKind::HttpError,
        };
        add(kind, Some(&failed.url), failed.why.clone());
    }
    let is_new =
        |url: &&String| !seen.mixed.contains(*url) && seen.failed.iter().all(|failed| failed.url != **url);
    for url in content.broken_images.iter().filter(is_new) {
        add(BugKind::BrokenImage, Some(url), "the image cannot be shown".into());
    }
    let blocked = seen.failed.iter().filter(|failed| failed.is_mixed_content).map(|failed| &failed.url);
    for url in content.insecure.iter().chain(&seen.mixed).chain(blocked) {
        add(BugKind::MixedContent, Some(url), "a page over https loads it over http".into());
    }
    for text in &seen.console_errors {
        add(BugKind::ConsoleError, None, text.clone());
    }
    for text in &seen.exceptions {
        add(BugKind::UncaughtException, None, text.clone());
    }
    // An error page is judged only by its status.
    let is_good = seen.document.as_ref().is_none_or(|document| document.status < 400);
    if content.is_html && is_good {
        if content.is_whole && content.title.trim().is_empty() {
            add(BugKind::MissingTitle, None, "the page has no title".into());
        }
        for url in &content.images_without_alt {
            add(BugKind::MissingAlt, Some(url), "the image has no alt text".into());
        }
    }
    if content.load_seconds > slow_page.as_secs_f64() {
        add(BugKind::SlowPage, None, format!("it took {:.1} s to load", content.load_seconds));
    }
    let found = all.len();
    let mut reported = HashMap::<BugKind, usize>::new();
    all.retain(|bug| {
        let of_its_kind = reported.entry(bug.kind).or_default();
        *of_its_kind += 1;
        *of_its_kind <= MOST_OF_A_KIND
    });
    let left = found - all.len();
    (all, left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bughive::chromium::Failed;

    fn page() -> Content {
        Content { is_html: true, is_whole: true, title: "Shop".into(), ..Content::default() }
    }

    fn found(content: &Content, seen: &Seen) -> Vec<(BugKind, Option<String>)> {
        let (all, _) = bugs("http://a.test/", content, seen, Duration::from_secs(3));
        all.into_iter().map(|bug| (bug.kind, bug.resource)).collect()
    }

    #[test]
    fn a_good_page_has_none() {
        assert_eq!(found(&page(), &Seen::default()), []);
        let document = Content { title: String::new(), is_html: false, ..page() };
        assert_eq!(found(&document, &Seen::default()), [], "a file needs no title");
    }

    #[test]
    fn a_bug_that_is_seen_twice_is_reported_once() {
        let image = "http://a.test/x.png".to_owned();
        let script = "http://b.test/x.js".to_owned();
        let failed = |url: &str, is_image, is_mixed_content| Failed {
            url: url.into(),
            is_image,
            is_mixed_content,
            why: "it is answered with 404".into(),
        };
        let seen = Seen {
            failed: vec![failed(&image, true, false), failed(&script, false, true)],
            ..Seen::default()
        };
        let content = Content {
            broken_images: vec![image.clone()],
            insecure: vec![script.clone()],
            load_seconds: 3.5,
            ..page()
        };
        let expected = [
            (BugKind::BrokenImage, Some(image)),
            (BugKind::MixedContent, Some(script)),
            (BugKind::SlowPage, None),
        ];
        assert_eq!(found(&content, &seen), expected);
    }

    #[test]
    fn a_page_full_of_one_kind_leaves_space_for_the_others() {
        let images = (0..100).map(|number| format!("http://a.test/{number}.png")).collect();
        let content = Content { images_without_alt: images, load_seconds: 3.5, ..page() };
        let (reported, left) = bugs("http://a.test/", &content, &Seen::default(), Duration::from_secs(3));
        assert_eq!((reported.len(), left), (MOST_OF_A_KIND + 1, 100 - MOST_OF_A_KIND));
        assert_eq!(reported.last().map(|bug| bug.kind), Some(BugKind::SlowPage));
    }
}
