//! The requests in flight of a tab. Different events report the start and the end of a request, and
//! they can overtake each other: an end that arrives first waits for its start, up to a bounded
//! number.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use chromiumoxide::cdp::browser_protocol::network::EventLoadingFailed;

/// The most known requests, and the most waiting ends.
const MOST: usize = 200;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) url: String,
    /// Whether it is the document of the tab, and not a part of it.
    pub(super) is_page: bool,
}

/// The end of a request: its error, or nothing.
pub(super) type End = Option<Arc<EventLoadingFailed>>;

/// The requests of one tab.
#[derive(Debug, Default)]
pub(super) struct RequestsInFlight {
    open: HashMap<String, Request>,
    early: VecDeque<(String, End)>,
}

impl RequestsInFlight {
    /// Records the start of a request; returns its end if that arrived first.
    pub(super) fn asked(&mut self, id: &str, request: Request) -> Option<(Request, End)> {
        if let Some(place) = self.early.iter().position(|(early, _)| early == id) {
            let (_, end) = self.early.remove(place)?;
            return Some((request, end));
        }
        if self.open.len() < MOST || self.open.contains_key(id) {
            self.open.insert(id.to_owned(), request);
        }
        None
    }

    /// Records the end of a request; returns the request if its start is known.
    pub(super) fn ended(&mut self, id: &str, end: End) -> Option<(Request, End)> {
        if let Some(request) = self.open.remove(id) {
            return Some((request, end));
        }
        if self.early.len() == MOST {
            self.early.pop_front();
        }
        self.early.push_back((id.to_owned(), end));
        None
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(url: &str) -> Request {
        Request { url: url.into(), is_page: false }
    }

    #[test]
    fn an_end_is_that_of_its_request_whichever_is_heard_first() {
        let mut in_flight = RequestsInFlight::default();
        assert!(in_flight.asked("1", request("a")).is_none());
        assert!(in_flight.ended("2", None).is_none(), "it has not begun");
        assert!(!in_flight.is_empty());
        assert_eq!(in_flight.ended("1", None).map(|(request, _)| request), Some(request("a")));
        assert_eq!(in_flight.asked("2", request("b")).map(|(request, _)| request), Some(request("b")));
        assert!(in_flight.is_empty(), "nothing stays open");
    }

    #[test]
    fn ends_without_a_beginning_are_forgotten_at_last() {
        let mut in_flight = RequestsInFlight::default();
        for number in 0..=MOST {
            in_flight.ended(&number.to_string(), None);
        }
        assert_eq!(in_flight.early.len(), MOST);
        assert!(in_flight.asked("0", request("a")).is_none(), "the oldest is gone");
        assert!(in_flight.asked(&MOST.to_string(), request("b")).is_some());
    }
}
