//! The bodies of PUT, PATCH and preview of schedules: reads them strictly and turns them into a
//! schedule. Must never let a value through that could not be computed or enqueued.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::jobs::args_rules::ArgsRules;
use crate::api::jobs::create_request::JobRequest;
use crate::api::jobs::duration_input::DurationInput;
use crate::api::server::problem::Problem;
use crate::api::server::validate;
use crate::job::new::NewJob;
use crate::job::schedule::{Times, Timing, Unfit};
use crate::store::schedules::{NewSchedule, ScheduleDocument};

const LONGEST_JITTER: Duration = Duration::from_hours(24);
const MOST_MISSED: i32 = 1000;
const MOST_SLOTS: i32 = 100;
const CRON_CHARACTERS: usize = 255;
const ZONE_CHARACTERS: usize = 63;

/// A schedule: exactly one of `cron`, `every` and `at`, and the job to enqueue.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"cron": "30 4 * * MON-FRI", "timezone": "Europe/Berlin", "job": {"kind": "report", "args": {"days": 1}}}))]
pub(crate) struct ScheduleRequest {
    /// Minute, hour, day of month, month, day of week; with seconds before them if there are six.
    #[schema(example = "30 4 * * MON-FRI")]
    cron: Option<String>,
    /// The interval between slots: one second to ten years.
    #[schema(value_type = Option<DurationInput>)]
    every: Option<Value>,
    /// A single time: RFC 3339 with an offset.
    #[schema(format = DateTime)]
    at: Option<String>,
    /// Time zone of the cron expression, by its name in the tz database; by default UTC.
    #[schema(example = "Europe/Berlin")]
    timezone: Option<String>,
    /// The job to enqueue, without `run_at`, `delay` and `execution_id`.
    job: Option<JobRequest>,
    /// Which missed slots fire; by default the latest.
    missed: Option<MissedInput>,
    /// The most missed slots that fire with `all`: the latest ones. By default 10.
    #[schema(minimum = 1, maximum = 1000)]
    missed_limit: Option<i64>,
    /// The handling of a slot while an earlier job is not finished; by default the slot is skipped.
    overlap: Option<OverlapInput>,
    /// The most by which the start of a job is delayed; the schedule's name and the slot determine
    /// the delay.
    #[schema(value_type = Option<DurationInput>)]
    jitter: Option<Value>,
}

/// Which missed slots fire.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Missed)]
enum MissedInput {
    /// None.
    Skip,
    /// The latest.
    One,
    /// The latest `missed_limit`.
    All,
}

/// The handling of a slot while an earlier job is not finished.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Overlap)]
enum OverlapInput {
    /// No job is enqueued.
    Skip,
    /// One slot is held until the earlier job has finished.
    Queue,
    /// The job is enqueued anyway.
    Allow,
    /// The earlier job is cancelled.
    Cancel,
}

/// Times to preview: exactly one of `cron`, `every` and `at`.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"cron": "30 2 * * *", "timezone": "Europe/Berlin", "next": 5}))]
pub(crate) struct PreviewRequest {
    /// As in a schedule.
    cron: Option<String>,
    /// As in a schedule.
    #[schema(value_type = Option<DurationInput>)]
    every: Option<Value>,
    /// As in a schedule.
    #[schema(format = DateTime)]
    at: Option<String>,
    /// As in a schedule.
    timezone: Option<String>,
    /// The number of slots: 1 to 100, by default 5.
    #[schema(minimum = 1, maximum = 100)]
    next: Option<i64>,
    /// The start of the preview instead of now: RFC 3339 with an offset.
    #[schema(format = DateTime)]
    after: Option<String>,
}

impl ScheduleRequest {
    /// The same with every default filled in, so that it replaces a stored schedule completely.
    ///
    /// # Errors
    /// 422 if it has no times or no job.
    pub(crate) fn whole(self) -> Result<Self, Problem> {
        if self.cron.is_none() && self.every.is_none() && self.at.is_none() {
            return Err(Problem::invalid("/cron", "The schedule has no time.")
                .remedy("Send one of cron, every or at."));
        }
        if self.job.is_none() {
            return Err(no_job());
        }
        Ok(Self {
            timezone: self.timezone.or_else(|| Some("UTC".into())),
            missed: self.missed.or(Some(MissedInput::One)),
            missed_limit: self.missed_limit.or(Some(10)),
            overlap: self.overlap.or(Some(OverlapInput::Skip)),
            jitter: self.jitter.or_else(|| Some(0.into())),
            ..self
        })
    }

    /// The requested schedule; absent fields come from the stored one.
    ///
    /// # Errors
    /// 422 with the first invalid field, and the errors of the rules for the args.
    pub(crate) fn into_schedule(
        self,
        name: &str,
        stored: Option<&ScheduleDocument>,
        now: DateTime<Utc>,
        rules: &ArgsRules,
    ) -> Result<NewSchedule, Problem> {
        let before = stored.map(times_of);
        let timezone = self.timezone.or_else(|| stored.map(|stored| stored.timezone.clone()));
        let mut times = read_times(self.cron, self.every.as_ref(), self.at.as_deref(), timezone)?;
        if let Some(before) = &before
            && (times.cron.is_none() && times.every.is_none() && times.at.is_none())
        {
            times = Times { timezone: times.timezone, ..before.clone() };
        }
        // A one-time schedule that has fired may still be written as it is.
        if before.as_ref() != Some(&times) {
            Timing::ahead(&times, now).map_err(problem)?;
        }
        let job = match (self.job, stored) {
            (Some(job), _) => template(job, rules)?,
            (None, Some(stored)) => stored.job.clone(),
            (None, None) => return Err(no_job()),
        };
        let words = |input: Option<Value>, stored: Option<&String>, default: &str| {
            let given = input.and_then(|value| value.as_str().map(str::to_owned));
            given.or_else(|| stored.cloned()).unwrap_or_else(|| default.into())
        };
        let missed_limit =
            self.missed_limit.map(|limit| validate::within("/missed_limit", limit, 1, MOST_MISSED));
        let jitter = self.jitter.map(|jitter| validate::duration("/jitter", &jitter, LONGEST_JITTER));
        Ok(NewSchedule {
            name: name.to_owned(),
            times,
            job,
            missed: words(word(self.missed), stored.map(|stored| &stored.missed), "one"),
            missed_limit: missed_limit
                .unwrap_or_else(|| Ok(stored.map_or(10, |stored| stored.missed_limit)))?,
            overlap: words(word(self.overlap), stored.map(|stored| &stored.overlap), "skip"),
            jitter_seconds: jitter.map_or_else(
                || Ok(stored.map_or(0.0, |stored| stored.jitter_seconds)),
                |jitter| jitter.map(|jitter| jitter.as_secs_f64()),
            )?,
            paused_by: None,
        })
    }
}

impl PreviewRequest {
    /// The next slots.
    ///
    /// # Errors
    /// 422 if the times are none or nothing comes.
    pub(crate) fn slots(self, now: DateTime<Utc>) -> Result<Vec<DateTime<Utc>>, Problem> {
        let times = read_times(self.cron, self.every.as_ref(), self.at.as_deref(), self.timezone)?;
        let after = self.after.map_or(Ok(now), |after| validate::time("/after", &after))?;
        let next = validate::within("/next", self.next.unwrap_or(5), 1, MOST_SLOTS)?;
        let timing = Timing::ahead(&times, after).map_err(problem)?;
        Ok(timing.upcoming(after, usize::try_from(next).unwrap_or_default()))
    }
}

fn no_job() -> Problem {
    Problem::invalid("/job", "The schedule has no job.")
        .remedy("Send the job to enqueue, such as {\"kind\": \"report\"}.")
}

fn read_times(
    cron: Option<String>,
    every: Option<&Value>,
    at: Option<&str>,
    timezone: Option<String>,
) -> Result<Times, Problem> {
    let every =
        every.map(|every| validate::duration("/every", every, validate::LONGEST_DURATION)).transpose()?;
    Ok(Times {
        cron: cron.map(|cron| validate::text("/cron", cron, CRON_CHARACTERS)).transpose()?,
        every: every.and_then(|every| TimeDelta::from_std(every).ok()),
        at: at.map(|at| validate::time("/at", at)).transpose()?,
        timezone: validate::text("/timezone", timezone.unwrap_or_else(|| "UTC".into()), ZONE_CHARACTERS)?,
    })
}

fn times_of(stored: &ScheduleDocument) -> Times {
    Times {
        cron: stored.cron.clone(),
        every: stored
            .every_seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .and_then(|every| TimeDelta::from_std(every).ok()),
        at: stored.at,
        timezone: stored.timezone.clone(),
    }
}

fn template(job: JobRequest, rules: &ArgsRules) -> Result<Value, Problem> {
    let job: NewJob = job.into_new_job(rules).map_err(|problem| problem.under("/job"))?;
    let of_one_job = [
        ("run_at", job.run_at.is_some()),
        ("delay", job.delay.is_some()),
        ("execution_id", job.execution_id.is_some()),
    ];
    if let Some((field, _)) = of_one_job.iter().find(|(_, is_given)| *is_given) {
        let detail = format!("A schedule enqueues many jobs; {field} is for a single job.");
        return Err(Problem::invalid(format!("/job/{field}"), detail).remedy("Leave it out."));
    }
    Ok(Value::Object(job.template()))
}

/// The word of an enum, as it is stored.
fn word(input: Option<impl Serialize>) -> Option<Value> {
    input.and_then(|input| serde_json::to_value(input).ok())
}

fn problem(unfit: Unfit) -> Problem {
    Problem::invalid(format!("/{}", unfit.field), format!("{}.", capital(&unfit.what))).remedy(unfit.remedy)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
