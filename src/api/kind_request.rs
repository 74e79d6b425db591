//! The rules of a kind as a request has them: for kinds that remote workers run, whose code has no
//! place in the config. Must accept exactly what the config accepts for a kind.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::jobs::create_request::{
    ConcurrencyKeyInput, MOST_ATTEMPTS, PriorityInput, checked_keys, checked_timeouts,
};
use super::jobs::duration_input::DurationInput;
use super::jobs::unique_request;
use super::jobs::unique_request::UniqueInput;
use super::server::problem::Problem;
use super::server::validate;
use crate::job::limits::{ERROR_CLASS_BYTES, KEY_CHARACTERS};
use crate::job::settings::{Backoff, Breaker, JobDefaults, KindSettings};

const DAY: Duration = Duration::from_hours(24);
const LONGEST_GRACE: Duration = Duration::from_hours(1);
const LONGEST_BACKOFF: Duration = Duration::from_hours(30 * 24);
const LONGEST_WINDOW: Duration = Duration::from_hours(365 * 24);
const MOST_CRASHES: i32 = 1_000_000;
const MOST_CLASSES: usize = 100;
const HIGHEST_FACTOR: f64 = 1000.0;

/// The rules for the jobs of a kind that remote workers run. Rules that are left out have their defaults.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"max_attempts": 3, "backoff": {"first": "10s"}, "permanent_errors": ["ValueError"]}))]
pub(super) struct KindRequest {
    /// The queue of its jobs, unless a job names another; `default` by default.
    #[schema(min_length = 1, max_length = 63, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    queue: Option<String>,
    /// 1 (first) to 9 (last), or a name; 5 by default.
    #[schema(value_type = Option<PriorityInput>)]
    priority: Option<Value>,
    /// The most attempts of a job in total; 5 by default.
    #[schema(minimum = 1, maximum = 1000)]
    max_attempts: Option<i64>,
    /// The time after which an attempt is asked to stop; none by default.
    #[schema(value_type = Option<DurationInput>)]
    soft_timeout: Option<Value>,
    /// The time after which the attempt is ended; a day by default.
    #[schema(value_type = Option<DurationInput>)]
    hard_timeout: Option<Value>,
    /// How long an attempt may take to stop after a stop request; 10 s by default.
    #[schema(value_type = Option<DurationInput>)]
    stop_grace: Option<Value>,
    /// The delays between attempts.
    backoff: Option<BackoffRequest>,
    /// Classes of errors (their `type`) after which no further attempt is made.
    #[schema(max_items = 100)]
    permanent_errors: Option<Vec<String>>,
    /// The circuit breaker for jobs that crash in a loop; none by default.
    breaker: Option<BreakerRequest>,
    /// How long finished jobs are kept; by default as long as the deployment keeps them.
    #[schema(value_type = Option<DurationInput>)]
    retain: Option<Value>,
    /// The rule for unique jobs.
    #[schema(value_type = Option<UniqueInput>)]
    unique: Option<Value>,
    /// The limits that its jobs count against; `{arg}` in a key stands for the value of that arg.
    #[schema(value_type = Option<ConcurrencyKeyInput>)]
    concurrency_key: Option<Value>,
    /// The group of a job for fairness, such as `{tenant}`.
    #[schema(min_length = 1, max_length = 255)]
    fair_key: Option<String>,
    /// The time after which a job that has not started is cancelled.
    #[schema(value_type = Option<DurationInput>)]
    expires_in: Option<Value>,
}

/// The delays between attempts.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BackoffRequest {
    /// Before the second attempt; 5 s by default.
    #[schema(value_type = Option<DurationInput>)]
    first: Option<Value>,
    /// The factor by which each further delay is longer; 2 by default.
    #[schema(minimum = 1, maximum = 1000)]
    factor: Option<f64>,
    /// The longest delay; an hour by default.
    #[schema(value_type = Option<DurationInput>)]
    max: Option<Value>,
    /// The share of a delay by which it varies; 0.2 by default.
    #[schema(minimum = 0, maximum = 1)]
    jitter: Option<f64>,
}

/// The circuit breaker of a kind.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BreakerRequest {
    /// The number of crashes that opens it.
    #[schema(minimum = 1, maximum = 1_000_000)]
    after: i64,
    /// Crashes further apart are not counted together; 10 minutes by default.
    #[schema(value_type = Option<DurationInput>)]
    window: Option<Value>,
    /// How long it stays open; a minute by default.
    #[schema(value_type = Option<DurationInput>)]
    pause: Option<Value>,
}

impl KindRequest {
    /// The rules, checked.
    ///
    /// # Errors
    /// 422 with the field.
    pub(super) fn checked(self) -> Result<KindSettings, Problem> {
        let default = KindSettings::default();
        let longest = validate::LONGEST_DURATION;
        let duration = |field: &str, value: Option<Value>, most| {
            value.map(|value| validate::duration(field, &value, most)).transpose()
        };
        let hard = self.hard_timeout.unwrap_or_else(|| DAY.as_secs().into());
        let (soft_timeout, hard_timeout) = checked_timeouts(self.soft_timeout.as_ref(), Some(&hard))?;
        Ok(KindSettings {
            queue: self
                .queue
                .map_or_else(|| Ok(default.queue.clone()), |queue| validate::name("/queue", queue))?,
            priority: self
                .priority
                .map_or(Ok(default.priority), |priority| validate::priority("/priority", &priority))?,
            max_attempts: self.max_attempts.map_or(Ok(default.max_attempts), |attempts| {
                validate::within("/max_attempts", attempts, 1, MOST_ATTEMPTS)
            })?,
            soft_timeout,
            hard_timeout: hard_timeout.unwrap_or(DAY),
            stop_grace: duration("/stop_grace", self.stop_grace, LONGEST_GRACE)?
                .unwrap_or(default.stop_grace),
            backoff: self.backoff.unwrap_or_default().checked()?,
            permanent_errors: checked_classes(self.permanent_errors.unwrap_or_default())?,
            breaker: self.breaker.map(BreakerRequest::checked).transpose()?,
            retain: duration("/retain", self.retain, longest)?,
            defaults: JobDefaults {
                unique: self.unique.map(|rule| unique_request::read("/unique", &rule)).transpose()?,
                concurrency_keys: self
                    .concurrency_key
                    .map_or_else(|| Ok(Vec::new()), |keys| checked_keys("/concurrency_key", keys))?,
                fair_key: self
                    .fair_key
                    .map(|key| validate::text("/fair_key", key, KEY_CHARACTERS))
                    .transpose()?,
                expires_in: self
                    .expires_in
                    .map(|time| validate::positive_duration("/expires_in", &time, longest))
                    .transpose()?,
            },
            on_lost_contact: default.on_lost_contact,
        })
    }
}

impl BackoffRequest {
    fn checked(self) -> Result<Backoff, Problem> {
        let default = Backoff::default();
        let duration = |field: &str, value: Option<Value>, default| {
            value.map_or(Ok(default), |value| validate::duration(field, &value, LONGEST_BACKOFF))
        };
        let number = |field: &str, number: Option<f64>, least: f64, most: f64, default| match number {
            None => Ok(default),
            Some(number) if (least..=most).contains(&number) => Ok(number),
            Some(number) => Err(Problem::invalid(field, format!("{number} is out of bounds."))
                .remedy(format!("Use {least} to {most}."))),
        };
        let first = duration("/backoff/first", self.first, default.first)?;
        let max = duration("/backoff/max", self.max, default.max.max(first))?;
        if first > max {
            let problem = Problem::invalid("/backoff/first", "It is longer than backoff.max.");
            return Err(problem.remedy("Make backoff.first at most as long as backoff.max."));
        }
        Ok(Backoff {
            first,
            factor: number("/backoff/factor", self.factor, 1.0, HIGHEST_FACTOR, default.factor)?,
            max,
            jitter: number("/backoff/jitter", self.jitter, 0.0, 1.0, default.jitter)?,
        })
    }
}

impl BreakerRequest {
    fn checked(self) -> Result<Breaker, Problem> {
        let duration = |field: &str, value: Option<Value>, default| {
            value.map_or(Ok(default), |value| validate::positive_duration(field, &value, LONGEST_WINDOW))
        };
        Ok(Breaker {
            after: validate::within("/breaker/after", self.after, 1, MOST_CRASHES)?,
            window: duration("/breaker/window", self.window, Duration::from_mins(10))?
                .max(Duration::from_secs(1)),
            pause: duration("/breaker/pause", self.pause, Duration::from_mins(1))?
                .max(Duration::from_secs(1)),
        })
    }
}

fn checked_classes(classes: Vec<String>) -> Result<Vec<String>, Problem> {
    if classes.len() > MOST_CLASSES {
        let problem = Problem::invalid("/permanent_errors", format!("There are {} classes.", classes.len()));
        return Err(problem.remedy(format!("Send at most {MOST_CLASSES}.")));
    }
    let classes = classes.into_iter().enumerate();
    classes
        .map(|(index, class)| validate::text(&format!("/permanent_errors/{index}"), class, ERROR_CLASS_BYTES))
        .collect()
}
