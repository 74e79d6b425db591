//! A schedule in the config: its times and the job to enqueue. Must refuse a schedule that could
//! never be computed, so that the start fails instead of a later run.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::settings::ScheduleKeys;
use tidemill::job::new::NewJob;
use tidemill::job::schedule::{Times, Timing};
use tidemill_settings::section::Reader;

/// One `[schedules.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleSection {
    /// Its times.
    pub times: Times,
    /// The job to enqueue, in the format of `enqueue_many`.
    pub job: Value,
    /// `skip`, `one` or `all`.
    pub missed: String,
    /// The most missed slots that fire with `all`.
    pub missed_limit: i32,
    /// `skip`, `queue`, `allow` or `cancel`.
    pub overlap: String,
    /// The most by which the start of a job is delayed.
    pub jitter: std::time::Duration,
    /// Whether it is created paused; a later resume is not undone.
    pub paused: bool,
}

/// Reads the section of the schedule `name`.
pub(super) fn read(reader: &mut Reader<'_>, name: &str) -> Option<ScheduleSection> {
    let keys: ScheduleKeys = reader.section(name);
    let Some(kind) = &keys.kind else {
        reader.report_here(
            &format!("{name}.kind"),
            "is missing; name the kind of the jobs that it makes".into(),
        );
        return None;
    };
    let times = Times {
        cron: keys.cron.clone(),
        every: keys.every.and_then(|every| TimeDelta::from_std(every).ok()),
        at: keys.at.map(|at| at.0),
        timezone: keys.timezone.clone(),
    };
    // A one-time schedule may stay in the config after its time, so every time counts as later than this
    // one.
    if let Err(unfit) = Timing::ahead(&times, DateTime::<Utc>::UNIX_EPOCH) {
        reader.report_here(&format!("{name}.{}", unfit.field), unfit.brief());
        return None;
    }
    let job = NewJob {
        queue: keys.queue.as_ref().map(|queue| queue.0.clone()),
        priority: keys.priority.map(|priority| priority.0),
        max_attempts: keys.max_attempts,
        tags: keys.tags.clone(),
        ..NewJob::new(kind.0.clone(), keys.args.0.clone())
    };
    Some(ScheduleSection {
        times,
        job: Value::Object(job.template()),
        missed: keys.missed.0,
        missed_limit: keys.missed_limit,
        overlap: keys.overlap.0,
        jitter: keys.jitter,
        paused: keys.paused,
    })
}
