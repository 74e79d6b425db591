//! A cron expression: parses it, names the wrong field, and finds the next due time in a time zone.
//! Must treat hours that a zone skips or repeats as docs/schedules.md says, whatever the library
//! below does.

use chrono::{DateTime, Datelike, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use super::Unfit;

/// No slot is looked for beyond this year.
const LAST_YEAR: i32 = 2199;
/// No zone ever skipped more than a day and an hour at once.
const LONGEST_GAP_MINUTES: i64 = 25 * 60;
const FIELDS: [(&str, &str); 6] = [
    ("second", "0-59"),
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of month", "1-31, L, or 15W for the weekday closest to it"),
    ("month", "1-12 or JAN-DEC"),
    ("day of week", "0-7 or SUN-SAT, FRI#2 for the second Friday, FRIL for the last"),
];
const REMEDY: &str = "Use 5 fields (minute, hour, day of month, month, day of week), or 6 with seconds before them, \
     such as \"30 4 * * MON-FRI\", or @hourly, @daily, @weekly, @monthly, @yearly.";

/// A pattern that was understood.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pattern {
    cron: Cron,
    /// True where second, minute and hour are named, without any `*`: times of the clock, not a rhythm.
    is_fixed: bool,
}

impl Pattern {
    pub(super) fn read(text: &str) -> Result<Self, Unfit> {
        let text = text.trim();
        if !text.starts_with('@') {
            check_fields(text)?;
        }
        let cron = parser().parse(text).map_err(|_| unfit(format!("{text:?} is not a cron expression")))?;
        let times = [&cron.pattern.seconds, &cron.pattern.minutes, &cron.pattern.hours];
        let is_fixed = !times.iter().any(|field| field.from_wildcard);
        Ok(Self { cron, is_fixed })
    }

    /// The first slot after an instant.
    pub(super) fn after(&self, instant: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let local = instant.with_timezone(&zone);
        let found = if self.is_fixed {
            self.fixed_after(&local)
        } else {
            self.cron.find_next_occurrence(&local, false).ok()
        };
        found.filter(|slot| slot.year() <= LAST_YEAR).map(|slot| slot.with_timezone(&Utc))
    }

    /// Computes a local time first, then the instant at which clocks show it: once in a repeated hour, and
    /// at the end of the gap for a skipped time.
    fn fixed_after(&self, after: &DateTime<Tz>) -> Option<DateTime<Tz>> {
        let mut local = after.naive_local();
        loop {
            local = self
                .cron
                .find_next_occurrence(&local, false)
                .ok()
                .filter(|local| local.year() <= LAST_YEAR)?;
            let shown = first_shown(local, after.timezone())?;
            if shown > *after {
                return Some(shown);
            }
        }
    }
}

/// The first instant at which a zone's clocks show this time or, if they skip it, a later one.
fn first_shown(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Tz>> {
    if let LocalResult::Single(shown) | LocalResult::Ambiguous(shown, _) = zone.from_local_datetime(&local) {
        return Some(shown);
    }
    // Zones change their offset on whole seconds; most on whole minutes, so look for that one first.
    let end = (1..=LONGEST_GAP_MINUTES).find_map(|minutes| {
        let local = local + TimeDelta::minutes(minutes);
        zone.from_local_datetime(&local).earliest().map(|shown| (local, shown))
    });
    let (mut local, mut shown) = end?;
    while let Some(earlier) = zone.from_local_datetime(&(local - TimeDelta::seconds(1))).earliest() {
        (local, shown) = (local - TimeDelta::seconds(1), earlier);
    }
    Some(shown)
}

fn parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build()
}

/// Checks each field alone, among stars, to say which one is wrong.
fn check_fields(text: &str) -> Result<(), Unfit> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    if !(5..=6).contains(&fields.len()) {
        return Err(unfit(format!("{text:?} has {} fields", fields.len())));
    }
    for (field, at) in fields.iter().zip(6 - fields.len()..) {
        let (name, allowed) = FIELDS[at];
        let mut alone = ["*"; 6];
        alone[at] = field;
        let is_complete = field.split(',').all(|part| !part.is_empty());
        if !is_complete || !has_its_letters(field, at) || parser().parse(&alone.join(" ")).is_err() {
            let what = format!("{field:?} is no {name}");
            let remedy = format!("Use {allowed}; several with commas, ranges with -, steps with /, or *.");
            return Err(Unfit { field: "cron", what, remedy });
        }
    }
    Ok(())
}

/// Names of months and days are allowed only in their fields.
fn has_its_letters(field: &str, at: usize) -> bool {
    let words = field.split(|letter: char| !letter.is_ascii_alphabetic()).filter(|word| !word.is_empty());
    let upper = words.map(str::to_ascii_uppercase);
    let days = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    let months = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
    upper.into_iter().all(|word| match at {
        3 => ["L", "W", "LW"].contains(&word.as_str()),
        4 => months.contains(&word.as_str()),
        5 => {
            word == "L"
                || days.contains(&word.strip_suffix('L').filter(|day| day.len() == 3).unwrap_or(&word))
        }
        _ => false,
    })
}

fn unfit(what: String) -> Unfit {
    Unfit { field: "cron", what, remedy: REMEDY.into() }
}
