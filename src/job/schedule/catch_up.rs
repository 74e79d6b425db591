//! Catching up: which due slots fire after an interruption. Must never fire an old slot that its
//! schedule does not want.

use chrono::{DateTime, TimeDelta, Utc};

use super::Timing;

/// An older slot was missed, even if no other slot has followed yet.
const GRACE: TimeDelta = TimeDelta::seconds(60);
/// How far back the search for the latest due slots starts; doubled until there are enough.
const FIRST_WINDOW: TimeDelta = TimeDelta::minutes(1);

/// The handling of missed slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// None of them fires.
    Skip,
    /// The latest fires for all.
    One,
    /// The latest slots fire, up to this number.
    All(usize),
}

/// The decision about the due slots of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// From the first due slot on, these are recorded as missed and do not fire: all before `fire`.
    pub passes_over: bool,
    /// The slots that fire, oldest first.
    pub fire: Vec<DateTime<Utc>>,
    /// The first slot that is not due yet.
    pub next: Option<DateTime<Utc>>,
}

impl Plan {
    /// Judges the due slots of a schedule whose first one is `first`.
    ///
    /// A slot is on time while its successor is not due and it is at most a minute old. All others
    /// were missed.
    #[must_use]
    pub fn of(timing: &Timing, first: DateTime<Utc>, now: DateTime<Utc>, missed: Missed) -> Self {
        let wanted = if let Missed::All(limit) = missed { limit.max(1) } else { 1 };
        let mut fire = latest(timing, first, now, wanted);
        let next = timing.after(now);
        let is_late = fire.last().is_some_and(|slot| now - *slot > GRACE);
        if is_late && missed == Missed::Skip {
            fire.clear();
        }
        Self { passes_over: fire.first() != Some(&first), fire, next }
    }
}

/// The latest `count` slots from `first` to `now`, oldest first; `first` is a slot itself.
fn latest(timing: &Timing, first: DateTime<Utc>, now: DateTime<Utc>, count: usize) -> Vec<DateTime<Utc>> {
    let mut window = FIRST_WINDOW;
    loop {
        let begin = now.checked_sub_signed(window).filter(|begin| *begin >= first);
        let start = match begin {
            Some(begin) => timing.after(begin),
            None => Some(first),
        };
        let mut slots = std::collections::VecDeque::new();
        let due = std::iter::successors(start, |slot| timing.after(*slot)).take_while(|slot| *slot <= now);
        for slot in due {
            if slots.len() == count {
                slots.pop_front();
            }
            slots.push_back(slot);
        }
        if begin.is_none() || slots.len() == count {
            return slots.into();
        }
        window = window * 2;
    }
}
