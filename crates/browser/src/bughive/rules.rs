//! The default queues and rules of these kinds: slots, attempts and timeouts. Must stay as
//! `docs/internal/seeds/004.md` states.

use std::time::Duration;

use tidemill::{Backoff, KindSettings};

/// Crawls a site.
pub const CRAWL: &str = "crawl.session";
/// Makes a ticket.
pub const TICKET: &str = "ticket.create";
/// Uploads a file.
pub const MEDIA: &str = "media.upload";
/// Removes the state of old sessions.
pub const CLEANUP: &str = "sessions.cleanup";

/// The queues with their slots in one worker.
pub const QUEUES: [(&str, u32); 4] = [("crawl", 2), ("tickets", 4), ("media", 8), ("default", 2)];

/// The rules of a kind; `None` for one of another family.
#[must_use]
pub fn rules(kind: &str) -> Option<KindSettings> {
    let backoff = |first: u64, factor: f64, jitter: f64| Backoff {
        first: Duration::from_secs(first),
        factor,
        max: Duration::from_hours(1),
        jitter,
    };
    // One attempt more than retries, because the first one is not a retry.
    let (queue, priority, retries, backoff) = match kind {
        CRAWL => ("crawl", 3, 3, backoff(60, 2.0, 0.2)),
        TICKET => ("tickets", 5, 5, backoff(30, 2.0, 0.0)),
        // The delay that tasks of such a system have by default.
        MEDIA => ("media", 7, 3, backoff(180, 1.0, 0.0)),
        CLEANUP => ("default", 7, 3, backoff(60, 2.0, 0.2)),
        _ => return None,
    };
    let (soft_timeout, hard_timeout) = match kind {
        CRAWL => (Some(Duration::from_mins(50)), Duration::from_hours(1)),
        _ => (None, Duration::from_mins(10)),
    };
    Some(KindSettings {
        queue: queue.to_owned(),
        priority,
        max_attempts: retries + 1,
        soft_timeout,
        hard_timeout,
        backoff,
        ..KindSettings::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_are_those_of_the_table() {
        let row = |kind| {
            let rules = rules(kind).unwrap();
            let Backoff { first, factor, jitter, .. } = rules.backoff;
            (rules.queue, rules.priority, rules.max_attempts - 1, first.as_secs(), factor > 1.0, jitter > 0.0)
        };
        assert_eq!(row(CRAWL), ("crawl".into(), 3, 3, 60, true, true));
        assert_eq!(row(TICKET), ("tickets".into(), 5, 5, 30, true, false));
        assert_eq!(row(MEDIA), ("media".into(), 7, 3, 180, false, false));
        assert_eq!(row(CLEANUP).0, "default");
        let crawl = rules(CRAWL).unwrap();
        assert_eq!(crawl.soft_timeout, Some(Duration::from_mins(50)));
        assert_eq!(crawl.hard_timeout, Duration::from_hours(1));
        assert_eq!(rules("other"), None);
    }
}
