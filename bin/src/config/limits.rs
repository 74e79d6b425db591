//! The settings of queues and limits, and their values for the store. Must contain no rules of
//! counting.

use std::time::Duration;

use tidemill::job::limit::{LimitSettings, OnFull, Rate};
use tidemill_settings::section;

section! {
    /// A queue: its slots in this worker, and its limits over all workers. A queue that is not named here has
    /// `worker.slots` and no limit. Limits in the config are set whenever a process with this config starts; limits
    /// that people set and that are not in the config stay as they are.
    QueueSection {
        /// How many of its jobs run at once in this worker; 0 leaves the queue to other workers. Absent:
        /// `worker.slots`.
        slots: Option<u32> where "0"..="10000" = none;
        /// The most of its jobs that may wait to run; more are refused. Absent: no limit.
        max_queued: Option<u32> where "0"..="100000000" = none;
        /// The most of its jobs that run at once over all workers. Absent: no limit.
        max_running: Option<u32> where "0"..="1000000" = none;
        /// The most of its jobs that start in each period over all workers. Absent: no limit.
        rate: Option<u32> where "1"..="1000000" = none;
        /// The period of `rate`.
        per: Duration where "10ms"..="365d" = "1m";
        /// The most jobs that start at one moment after an idle time. Absent: `rate`.
        burst: Option<u32> where "1"..="1000000" = none;
        /// The waiting time after which a due job is claimed as if its priority were one better, and again after each
        /// further such time. Absent: priorities do not age.
        priority_ageing: Option<Duration> where "1s"..="365d" = none;
    }
}

section! {
    /// A limit over all workers for jobs whose concurrency key is this name, or this name, a colon and a further key:
    /// each key is counted separately. Set whenever a process with this config starts.
    LimitSection {
        /// The most jobs that run at once per key; 0 stops them. Absent: no limit.
        max_running: Option<u32> where "0"..="1000000" = none;
        /// The most jobs that start in each period per key. Absent: no limit.
        rate: Option<u32> where "1"..="1000000" = none;
        /// The period of `rate`.
        per: Duration where "10ms"..="365d" = "1m";
        /// The most jobs that start at one moment after an idle time. Absent: `rate`.
        burst: Option<u32> where "1"..="1000000" = none;
        /// The effect of a new job when `max_running` is reached.
        on_full: OnFull = "queue";
    }
}

impl QueueSection {
    /// An empty section.
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
