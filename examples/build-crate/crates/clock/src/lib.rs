//! Time as hours since the table begins. Knows no calendar.

use std::fmt;

/// Hours since the beginning.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Hours(pub f64);

/// From one time to a later one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    pub from: Hours,
    pub to: Hours,
}

impl Span {
    /// The first `count` days.
    pub fn days(count: u32) -> Self {
        Self { from: Hours(0.0), to: Hours(f64::from(count) * 24.0) }
    }

    /// Times from begin to end, `minutes` apart.
    pub fn every_minutes(self, minutes: u32) -> impl Iterator<Item = Hours> {
        let step = f64::from(minutes) / 60.0;
        let mut count = 0.0;
        std::iter::from_fn(move || {
            let at = Hours(self.from.0 + count * step);
            count += 1.0;
            (at <= self.to).then_some(at)
        })
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = (self.0 * 60.0).round().max(0.0) as u64;
        write!(f, "day {} {:02}:{:02}", minutes / 1440 + 1, minutes / 60 % 24, minutes % 60)
    }
}
