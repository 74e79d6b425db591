//! The measurements of a test and their output: the median round of each test in a table, or all rounds as JSON.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::{Value, json};
use tidemill::Store;

use crate::cli::common::error::{CliError, failed};
use crate::cli::common::output;

/// One round of one test.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    /// The test and what of it, such as `enqueue, 10 callers`.
    pub(super) test: String,
    pub(super) per_second: f64,
    /// Of single waits, where the test has such.
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
    /// Bytes of WAL for each unit, of the whole server.
    pub(super) wal_bytes: f64,
    /// Microseconds of this process's processor time for each unit.
    pub(super) cpu_us: f64,
}

/// What was used when a test began.
pub(super) struct Meter {
    began: Instant,
    cpu: Duration,
    wal: f64,
}

impl Meter {
    pub(super) async fn start(store: &Store) -> Result<Self, CliError> {
        let wal = store.wal_bytes().await.map_err(failed)?;
        Ok(Self { began: Instant::now(), cpu: cpu(), wal })
    }

    /// The outcome after this number of units.
    pub(super) async fn stop(
        self,
        store: &Store,
        test: String,
        units: u64,
        waits: Vec<Duration>,
    ) -> Result<Measured, CliError> {
        let (took, cpu) = (self.began.elapsed(), cpu().saturating_sub(self.cpu));
        let wal = store.wal_bytes().await.map_err(failed)? - self.wal;
        if units == 0 {
            return Err(CliError::Failed(format!("{test}: nothing was done within the time")));
        }
        #[expect(clippy::cast_precision_loss, reason = "figures for people to read")]
        let units = units as f64;
        let [p50_ms, p99_ms] = percentiles(waits);
        Ok(Measured {
            test,
            per_second: units / took.as_secs_f64(),
            p50_ms,
            p99_ms,
            wal_bytes: wal / units,
            cpu_us: cpu.as_secs_f64() * 1e6 / units,
        })
    }
}

/// The processor time that this process has used.
fn cpu() -> Duration {
    let micros = getrusage(UsageWho::RUSAGE_SELF)
        .map_or(0, |usage| (usage.user_time() + usage.system_time()).num_microseconds());
    Duration::from_micros(micros.unsigned_abs())
}

/// The 50th and the 99th in a hundred, in milliseconds.
fn percentiles(mut waits: Vec<Duration>) -> [Option<f64>; 2] {
    waits.sort_unstable();
    [50, 99].map(|percent| {
        let at = (waits.len() * percent).div_ceil(100);
        waits.get(at.saturating_sub(1)).map(|wait| wait.as_secs_f64() * 1e3)
    })
}

/// The rounds of each test, in the order of their first.
fn by_test(measured: &[Measured]) -> Vec<Vec<&Measured>> {
    let mut tests: Vec<Vec<&Measured>> = Vec::new();
    for one in measured {
        match tests.iter_mut().find(|rounds| rounds[0].test == one.test) {
            Some(rounds) => rounds.push(one),
            None => tests.push(vec![one]),
        }
    }
    tests
}

/// The median of one figure over the rounds; of an even number the lower one.
fn median(rounds: &[&Measured], figure: impl Fn(&Measured) -> Option<f64>) -> Option<f64> {
    let mut figures: Vec<f64> = rounds.iter().filter_map(|one| figure(one)).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len().saturating_sub(1) / 2).copied()
}

/// Prints a row for each test.
pub(super) fn print(measured: &[Measured]) -> Result<(), CliError> {
    let rows = by_test(measured).into_iter().map(|rounds| {
        let shown = |figure: fn(&Measured) -> Option<f64>, digits: usize| {
            median(&rounds, figure).map_or(String::new(), |figure| format!("{figure:.digits$}"))
        };
        vec![
            rounds[0].test.clone(),
            shown(|one| Some(one.per_second), 0),
            shown(|one| one.p50_ms, 1),
            shown(|one| one.p99_ms, 1),
            shown(|one| Some(one.wal_bytes), 0),
            shown(|one| Some(one.cpu_us), 1),
        ]
    });
    output::table(
        &["test", "a second", "p50 ms", "p99 ms", "WAL bytes each", "client CPU µs each"],
        rows.collect(),
    )
}

/// Every round of every test.
pub(super) fn document(measured: &[Measured]) -> Value {
    let tests = by_test(measured).into_iter().map(|rounds| {
        let figures = |one: &Measured| {
            json!({
                "per_second": one.per_second,
                "p50_ms": one.p50_ms,
                "p99_ms": one.p99_ms,
                "wal_bytes_each": one.wal_bytes,
                "client_cpu_us_each": one.cpu_us,
            })
        };
        json!({ "test": rounds[0].test, "rounds": rounds.iter().map(|one| figures(one)).collect::<Vec<_>>() })
    });
    json!({ "version": env!("CARGO_PKG_VERSION"), "tests": tests.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(numbers: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        numbers.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn percentiles_are_of_what_was_seen() {
        assert_eq!(percentiles(millis((1..=200).rev())), [Some(100.0), Some(198.0)]);
        assert_eq!(percentiles(millis([7])), [Some(7.0), Some(7.0)]);
        assert_eq!(percentiles(vec![]), [None, None]);
    }

    #[test]
    fn rounds_belong_to_their_test() {
        let one = |test: &str, per_second| Measured {
            test: test.into(),
            per_second,
            p50_ms: None,
            p99_ms: None,
            wal_bytes: 1.0,
            cpu_us: 1.0,
        };
        let measured = [one("a", 3.0), one("b", 1.0), one("a", 1.0), one("a", 2.0)];
        let tests = by_test(&measured);
        assert_eq!(tests.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1]);
        assert_eq!(median(&tests[0], |one| Some(one.per_second)), Some(2.0));
    }
}
