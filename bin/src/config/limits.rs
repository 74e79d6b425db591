//! The settings of queues and of limits, and what they say to the store. Must hold no rule of counting.

use std::time::Duration;

use super::section::section;
use tidemill::job::limit::{LimitSettings, OnFull, Rate};

section! {
    /// A queue: its share of this worker, and its limits over all workers. A queue that is not named here has
    /// `worker.slots` and no limit. Limits that stand here are set whenever a process with this config starts;
    /// those that people set and that do not stand here are left alone.
    QueueSection {
        /// How many of its jobs run at once here; 0 leaves the queue to other workers. Absent: `worker.slots`.
        slots: Option<u32> where "0"..="10000" = none;
        /// Most of its jobs that wait to run; more are refused. Absent: any number.
        max_queued: Option<u32> where "0"..="100000000" = none;
        /// Most of its jobs that run at once over all workers. Absent: any number.
        max_running: Option<u32> where "0"..="1000000" = none;
        /// Most of its jobs that start in each period, over all workers. Absent: any number.
        rate: Option<u32> where "1"..="1000000" = none;
        /// The period of `rate`.
        per: Duration where "10ms"..="365d" = "1m";
        /// Most jobs that start at one moment after a quiet time. Absent: as many as `rate`.
        burst: Option<u32> where "1"..="1000000" = none;
        /// A job that is due this long is claimed as if its priority were one better, and so on. Absent: never.
        priority_ageing: Option<Duration> where "1s"..="365d" = none;
    }
}

section! {
    /// A limit over all workers for the jobs whose concurrency key is this name, or this name, a colon and a
    /// key of their own: each key is counted apart. Set whenever a process with this config starts.
    LimitSection {
        /// Most jobs that run at once for each key; 0 stops them. Absent: any number.
        max_running: Option<u32> where "0"..="1000000" = none;
        /// Most jobs that start in each period for each key. Absent: any number.
        rate: Option<u32> where "1"..="1000000" = none;
        /// The period of `rate`.
        per: Duration where "10ms"..="365d" = "1m";
        /// Most jobs that start at one moment after a quiet time. Absent: as many as `rate`.
        burst: Option<u32> where "1"..="1000000" = none;
        /// What a new job does when `max_running` is reached.
        on_full: OnFull = "queue";
    }
}

impl QueueSection {
    /// A section that says nothing.
    pub(super) fn unset() -> Self {
        Self {
            slots: None,
            max_queued: None,
            max_running: None,
            rate: None,
            per: Duration::from_mins(1),
            burst: None,
            priority_ageing: None,
        }
    }

    /// The limit that the section sets, if it sets one.
    #[must_use]
    pub fn limit(&self) -> Option<LimitSettings> {
        limit(self.max_running, self.rate, self.per, self.burst, OnFull::Queue)
    }
}

impl LimitSection {
    /// The limit that the section sets, if it sets one.
    #[must_use]
    pub fn limit(&self) -> Option<LimitSettings> {
        limit(self.max_running, self.rate, self.per, self.burst, self.on_full)
    }
}

fn limit(
    max_running: Option<u32>,
    rate: Option<u32>,
    period: Duration,
    burst: Option<u32>,
    on_full: OnFull,
) -> Option<LimitSettings> {
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let rate = rate.map(|rate| Rate { count: number(rate), period, burst: burst.map(number) });
    let max_running = max_running.map(number);
    (max_running.is_some() || rate.is_some()).then_some(LimitSettings {
        max_running,
        rate,
        on_full: Some(on_full),
    })
}
