//! How a worker learns of new jobs of one queue: by notifications, or, while many jobs come, by polls at
//! short intervals, so that enqueues need no NOTIFY. Only decides; must never query or write.

use std::time::Duration;

use tokio::time::Instant;

/// If claims got all the jobs that they asked for, for this long, the worker switches to polling.
const SATURATED_AFTER: Duration = Duration::from_secs(1);
/// More notifications than this within a second cost more than polling.
const MOST_HINTS: u32 = 200;
/// The pause between two polls.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// If polls find nothing for this long, the worker waits for notifications again.
const IDLE_AFTER: Duration = Duration::from_millis(100);

/// The pace of one queue.
#[derive(Debug)]
pub(in crate::worker) struct Pace {
    state: State,
    full_since: Option<Instant>,
    second: Instant,
    hints: u32,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Listens,
    Looks { found_at: Instant, looked_at: Instant },
}

impl Pace {
    pub(in crate::worker) fn new() -> Self {
        Self { state: State::Listens, full_since: None, second: Instant::now(), hints: 0 }
    }

    /// A notification came.
    pub(in crate::worker) fn hear(&mut self, now: Instant) {
        if now > self.second + Duration::from_secs(1) {
            (self.second, self.hints) = (now, 0);
        }
        self.hints += 1;
    }

    /// A claim found this many of the jobs that it asked for.
    pub(in crate::worker) fn claimed(&mut self, found: usize, asked: usize, now: Instant) {
        self.full_since = if found < asked { None } else { self.full_since.or(Some(now)) };
        if let State::Looks { found_at, looked_at } = &mut self.state {
            *looked_at = now;
            if found > 0 {
                *found_at = now;
            }
        }
    }

    /// Switches if it is time: true if the worker polls from now on, false if it waits for notifications
    /// again.
    pub(in crate::worker) fn change(&mut self, has_capacity: bool, now: Instant) -> Option<bool> {
        match &mut self.state {
            State::Listens => {
                let is_full = self.full_since.is_some_and(|since| now > since + SATURATED_AFTER);
                if !is_full && self.hints <= MOST_HINTS {
                    return None;
                }
                self.hints = 0;
                self.state = State::Looks { found_at: now, looked_at: now };
                Some(true)
            }
            State::Looks { found_at, .. } if has_capacity => {
                if now < *found_at + IDLE_AFTER {
                    return None;
                }
                (self.state, self.full_since) = (State::Listens, None);
                Some(false)
            }
            // Without a free slot no poll can find a job.
            State::Looks { found_at, .. } => {
                *found_at = now;
                None
            }
        }
    }

    /// Whether a poll is due; the time of the next one is counted from now, whether or not a claim follows.
    pub(in crate::worker) fn takes_look(&mut self, now: Instant) -> bool {
        let State::Looks { looked_at, .. } = &mut self.state else { return false };
        let is_due = now >= *looked_at + LOOK_EVERY;
        if is_due {
            *looked_at = now;
        }
        is_due
    }

    /// When the next poll is due; `None` while the worker waits for notifications.
    pub(in crate::worker) fn look_at(&self) -> Option<Instant> {
        match self.state {
            State::Listens => None,
            State::Looks { looked_at, .. } => Some(looked_at + LOOK_EVERY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_saturated_queue_is_looked_at_until_nothing_is_found_for_a_while() {
        let (mut pace, start) = (Pace::new(), Instant::now());
        for at in 0..=1_001 {
            pace.claimed(10, 10, start + ms(at));
            assert_eq!(pace.change(true, start + ms(at)), (at > 1_000).then_some(true), "{at}");
        }
        assert_eq!(pace.look_at(), Some(start + ms(1_003)));
        assert!(!pace.takes_look(start + ms(1_002)) && pace.takes_look(start + ms(1_010)));
        assert_eq!(pace.look_at(), Some(start + ms(1_012)), "a look that no claim follows is one, too");
        pace.claimed(0, 10, start + ms(1_050));
        assert_eq!(pace.change(true, start + ms(1_050)), None);
        pace.claimed(1, 10, start + ms(1_090));
        assert_eq!(pace.change(true, start + ms(1_150)), None, "a job came meanwhile");
        assert_eq!(pace.change(false, start + ms(5_000)), None, "without a slot nothing can be found");
        assert_eq!(pace.change(true, start + ms(5_099)), None);
        assert_eq!(pace.change(true, start + ms(5_100)), Some(false));
        assert_eq!((pace.look_at(), pace.change(true, start + ms(9_000))), (None, None));
    }

    #[test]
    fn one_claim_that_finds_too_little_is_no_saturation() {
        let (mut pace, start) = (Pace::new(), Instant::now());
        for at in 0..5_000 {
            pace.claimed(if at % 900 == 0 { 9 } else { 10 }, 10, start + ms(at));
            assert_eq!(pace.change(true, start + ms(at)), None, "{at}");
        }
    }

    #[test]
    fn many_notifications_within_a_second_end_the_listening_and_few_do_not() {
        let (mut pace, start) = (Pace::new(), Instant::now());
        for at in 0..1_000 {
            pace.hear(start + ms(at * 10));
            assert_eq!(pace.change(true, start + ms(at * 10)), None, "a hundred a second");
        }
        let later = start + ms(20_000);
        (0..=MOST_HINTS).for_each(|at| pace.hear(later + ms(u64::from(at))));
        assert_eq!(pace.change(true, later + ms(201)), Some(true));
    }
}
