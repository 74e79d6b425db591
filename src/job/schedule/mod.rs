//! When a schedule falls due: cron, interval or single time, in a time zone. Pure: receives the
//! time and must never ask a clock, so that only the database's clock counts.

mod catch_up;
mod cron;

#[cfg(test)]
mod tests;

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};

pub use catch_up::{Missed, Plan};
use cron::Pattern;

/// The shortest time between two slots of an interval.
const SHORTEST_INTERVAL: TimeDelta = TimeDelta::seconds(1);
/// No slot comes after this year, because not every program can write later times as RFC 3339.
const LAST_YEAR: i32 = 2199;

/// Why a schedule cannot be computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}. {remedy}")]
pub struct Unfit {
    /// The field that is wrong: `cron`, `every`, `at` or `timezone`.
    pub field: &'static str,
    /// The error, without a full stop.
    pub what: String,
    /// The remedy.
    pub remedy: String,
}

impl Unfit {
    /// The error and its remedy, without the value that is wrong.
    #[must_use]
    pub fn brief(&self) -> String {
        let what = self.what.rsplit_once("\" ").map_or(self.what.as_str(), |(_, what)| what);
        format!("{what}; {}", self.remedy)
    }
}

/// The times of a schedule as people write them; exactly one of the first three is there.
///
/// # Examples
///
/// ```
/// use chrono::{DateTime, Utc};
/// use tidemill::Times;
/// use tidemill::extension::jobs::Timing;
///
/// let workdays = Times {
///     cron: Some("0 7 * * MON-FRI".into()),
///     timezone: "Europe/Berlin".into(),
///     ..Times::default()
/// };
/// let saturday: DateTime<Utc> = "2026-01-03T12:00:00Z".parse().unwrap();
/// let next = Timing::read(&workdays, saturday).unwrap().after(saturday);
/// assert_eq!(next, Some("2026-01-05T06:00:00Z".parse().unwrap()));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Times {
    /// A cron expression.
    pub cron: Option<String>,
    /// The interval between slots.
    pub every: Option<TimeDelta>,
    /// A single time.
    pub at: Option<DateTime<Utc>>,
    /// The time zone of the cron expression, such as `Europe/Berlin`.
    pub timezone: String,
}

/// Parsed times.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing(Rule);

#[derive(Debug, Clone, PartialEq)]
enum Rule {
    Cron(Box<Pattern>, Tz),
    /// Slots are `anchor + n × every`, so that they never drift.
    Every {
        every: TimeDelta,
        anchor: DateTime<Utc>,
    },
    At(DateTime<Utc>),
}

impl Timing {
    /// Parses times; the slots of an interval are counted from `anchor`.
    ///
    /// # Errors
    /// Names the wrong field and the allowed values.
    pub fn read(times: &Times, anchor: DateTime<Utc>) -> Result<Self, Unfit> {
        let zone = zone(&times.timezone)?;
        match (&times.cron, times.every, times.at) {
            (Some(cron), None, None) => Ok(Self(Rule::Cron(Box::new(Pattern::read(cron)?), zone))),
            (None, Some(every), None) if every >= SHORTEST_INTERVAL => {
                Ok(Self(Rule::Every { every, anchor }))
            }
            (None, Some(_), None) => Err(Unfit {
                field: "every",
                what: "the interval is shorter than a second".into(),
                remedy: "Use one second or more.".into(),
            }),
            (None, None, Some(at)) => Ok(Self(Rule::At(at))),
            _ => Err(Unfit {
                field: "cron",
                what: "a schedule needs exactly one of cron, every and at".into(),
                remedy: "Send one of the three.".into(),
            }),
        }
    }

    /// The first slot after an instant, if any comes.
    #[must_use]
    pub fn after(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let slot = match &self.0 {
            Rule::Cron(pattern, zone) => pattern.after(instant, *zone),
            Rule::Every { every, anchor } => interval_after(instant, *every, *anchor),
            Rule::At(at) => (*at > instant).then_some(*at),
        };
        slot.filter(|slot| slot.year() <= LAST_YEAR)
    }

    /// The first `count` slots after an instant.
    #[must_use]
    pub fn upcoming(&self, instant: DateTime<Utc>, count: usize) -> Vec<DateTime<Utc>> {
        std::iter::successors(self.after(instant), |slot| self.after(*slot)).take(count).collect()
    }

    /// Parses times that have at least one slot after `now`.
    ///
    /// # Errors
    /// As [`Self::read`]; and for what never falls due, such as 30 February.
    pub fn ahead(times: &Times, now: DateTime<Utc>) -> Result<Self, Unfit> {
        let timing = Self::read(times, now)?;
        match timing.after(now) {
            Some(_) => Ok(timing),
            None => Err(timing.nothing_ahead()),
        }
    }

    /// Why no further slot exists.
    #[must_use]
    pub fn nothing_ahead(&self) -> Unfit {
        match &self.0 {
            Rule::At(at) => Unfit {
                field: "at",
                what: format!("{} is in the past", at.to_rfc3339()),
                remedy: "Use a time in the future.".into(),
            },
            _ => Unfit {
                field: "cron",
                what: "the pattern never falls due".into(),
                remedy: "Use a day that exists in the month.".into(),
            },
        }
    }
}

fn interval_after(instant: DateTime<Utc>, every: TimeDelta, anchor: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let every = every.num_microseconds()?;
    let passed = (instant - anchor).num_microseconds()?.div_euclid(every);
    let slot = every.checked_mul(passed.checked_add(1)?)?;
    anchor.checked_add_signed(TimeDelta::microseconds(slot))
}

/// A zone by its name in the tz database.
fn zone(name: &str) -> Result<Tz, Unfit> {
    name.parse().map_err(|_| {
        let near =
            |zone: &&Tz| strsim::damerau_levenshtein(&zone.name().to_lowercase(), &name.to_lowercase());
        let nearest = TZ_VARIANTS.iter().min_by_key(near).filter(|zone| near(zone) <= 3);
        let remedy = match nearest {
            Some(zone) => format!("Did you mean {}?", zone.name()),
            None => "Use a name of the tz database, such as UTC or Europe/Berlin.".into(),
        };
        Unfit { field: "timezone", what: format!("{name:?} is not a time zone"), remedy }
    })
}
