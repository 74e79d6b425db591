//! The position of a worker's claims in one queue, the time at which they can start from the head again, and
//! whether they go through limits. Is updated from the answers of claims; must never query.

use std::time::Duration;

use tokio::time::Instant;

use crate::store::attempts::claim::{ClaimCursor, Claimed, Position};
use crate::store::attempts::claim_limited::{Admitted, Share};

/// The longest pause after a scan without a result, however long it took.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Whether a claim goes through limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::worker) enum Counted {
    Yes,
    No,
}

/// The position of a queue's next claim, and when it may scan from the head again.
#[derive(Debug)]
pub(in crate::worker) struct QueueCursor {
    cursor: ClaimCursor,
    /// The cursor before the last scan from the head.
    reached: ClaimCursor,
    /// There may be claimable jobs.
    pub(in crate::worker) maybe_ready: bool,
    /// There may be jobs before the cursor.
    pub(in crate::worker) rescan_wanted: bool,
    rescan_allowed_at: Instant,
    /// When the next scheduled job falls due.
    pub(in crate::worker) due_at: Option<Instant>,
    /// All claims of the queue go through limits.
    pub(in crate::worker) limited: bool,
    groups: GroupCursor,
    /// Priority of the last job without a group, if more such jobs are likely due.
    backlog: Option<i16>,
}

/// The jobs of the queue that wait in groups.
#[derive(Debug)]
struct GroupCursor {
    /// There were such jobs at some time.
    known: bool,
    /// One of them may have its turn now.
    maybe_ready: bool,
    /// After a scan without a result, the time of the next scan at the earliest.
    allowed_at: Instant,
    /// The time at which a rate allows the next start.
    due_at: Option<Instant>,
}

impl QueueCursor {
    pub(in crate::worker) fn new() -> Self {
        Self {
            cursor: [Position::HEAD; 9],
            reached: [Position::HEAD; 9],
            maybe_ready: true,
            rescan_wanted: true,
            rescan_allowed_at: Instant::now(),
            due_at: None,
            limited: false,
            groups: GroupCursor {
                known: false,
                maybe_ready: false,
                allowed_at: Instant::now(),
                due_at: None,
            },
            backlog: None,
        }
    }

    /// There may be new work anywhere.
    pub(in crate::worker) fn wake(&mut self) {
        self.maybe_ready = true;
        self.rescan_wanted = true;
    }

    /// There may be work of groups.
    pub(in crate::worker) fn wake_groups(&mut self) {
        self.groups.known = true;
        self.groups.maybe_ready = true;
    }

    /// A job that counted against a limit ended.
    pub(in crate::worker) fn hear_freed(&mut self) {
        if self.limited {
            self.wake();
        }
        self.groups.maybe_ready |= self.groups.known;
    }

    /// Jobs may have come without a notification.
    pub(in crate::worker) fn look(&mut self) {
        self.wake();
        self.hear_freed();
    }

    /// Time passed: checks for jobs that are due by now.
    pub(in crate::worker) fn tick(&mut self) {
        let now = Instant::now();
        if self.due_at.is_some_and(|due| now >= due) {
            self.due_at = None;
            self.wake();
            self.groups.maybe_ready |= self.groups.known;
        }
        if self.groups.due_at.is_some_and(|due| now >= due) {
            self.groups.due_at = None;
            self.hear_freed();
        }
    }

    /// Whether the next claim goes through limits, or `None` if no claim could succeed.
    pub(in crate::worker) fn wants(&self) -> Option<Counted> {
        let wanted = self.groups.maybe_ready || self.limited && self.maybe_ready;
        if wanted && Instant::now() >= self.groups.allowed_at {
            Some(Counted::Yes)
        } else {
            (self.maybe_ready && !self.limited).then_some(Counted::No)
        }
    }

    /// The share of the free slots for groups: half of it if others of the same priority wait.
    pub(in crate::worker) fn share(&self, capacity: usize) -> Share {
        let Some(worst_priority) = self.backlog else { return Share::WHOLE };
        let half = usize::midpoint(capacity, usize::from(rand::random::<bool>()));
        Share { worst_priority, capacity_at_worst: i64::try_from(half).unwrap_or(i64::MAX) }
    }

    /// Updates itself from the answer of a claim under limits that asked for `capacity` jobs.
    pub(in crate::worker) fn end_counted(
        &mut self,
        admitted: &Admitted,
        capacity: usize,
        from_head: bool,
        took: Duration,
    ) {
        let grouped = admitted.jobs.iter().filter(|job| job.grouped).count();
        let now = Instant::now();
        if grouped == 0 || self.limited && admitted.jobs.len() < capacity {
            self.groups.maybe_ready = false;
        }
        if grouped == 0 && !self.limited || admitted.jobs.is_empty() {
            self.groups.allowed_at = now + (took * 10).min(LONGEST_PAUSE);
        }
        self.groups.due_at = admitted
            .again_in_seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok())
            .and_then(|ahead| now.checked_add(ahead));
        let asked = if self.limited { capacity - grouped.min(capacity) } else { admitted.plain_asked };
        self.end(&admitted.jobs, asked, from_head, took);
    }

    /// The cursor for the next claim, and whether it starts at the head.
    pub(in crate::worker) fn begin(&mut self) -> (ClaimCursor, bool) {
        let from_head = self.rescan_wanted && Instant::now() >= self.rescan_allowed_at;
        if from_head {
            self.rescan_wanted = false;
            self.reached = std::mem::replace(&mut self.cursor, [Position::HEAD; 9]);
        }
        (self.cursor, from_head)
    }

    /// Updates itself from the answer of a claim: its end position, whether there may be more jobs, and the
    /// cost of a scan from the head.
    pub(in crate::worker) fn end(
        &mut self,
        claimed: &[Claimed],
        asked: usize,
        from_head: bool,
        took: Duration,
    ) {
        let plain = claimed.iter().filter(|job| !job.grouped);
        let found = plain.clone().count();
        self.backlog = plain.clone().next_back().filter(|_| found >= asked).map(|job| job.priority);
        for job in plain {
            if let Some(position) =
                usize::try_from(job.priority - 1).ok().and_then(|at| self.cursor.get_mut(at))
            {
                *position = Position { run_at: job.run_at, id: job.id };
            }
        }
        if from_head {
            // Scans over dead rows at the head take at most a tenth of the time.
            self.rescan_allowed_at = Instant::now() + took * 10;
        }
        if found < asked {
            if from_head {
                self.maybe_ready = false;
                // All earlier rows were scanned; the next notification need not walk over its dead rows
                // again, unless a limit may have cut the scan short.
                for (position, reached) in self.cursor.iter_mut().zip(self.reached).filter(|_| !self.limited)
                {
                    *position = reached.max(*position);
                }
            } else {
                self.rescan_wanted = true;
            }
        }
    }

    /// The time of the next check without a notification; `None` if only a notification can help.
    pub(in crate::worker) fn next_check_at(&self) -> Option<Instant> {
        let head = (self.maybe_ready && self.rescan_wanted).then_some(self.rescan_allowed_at);
        let groups =
            (self.groups.maybe_ready || self.limited && self.maybe_ready).then_some(self.groups.allowed_at);
        [head, groups, self.groups.due_at, self.due_at].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use uuid::Uuid;

    use super::*;

    fn claimed(second: i64) -> Claimed {
        let run_at = DateTime::from_timestamp(second, 0).unwrap_or(DateTime::<Utc>::MAX_UTC);
        Claimed {
            id: Uuid::from_u128(1),
            lease_id: Uuid::nil(),
            kind: "k".into(),
            queue: "q".into(),
            priority: 5,
            attempt: 1,
            max_attempts: 1,
            args: serde_json::json!({}),
            execution_id: None,
            run_at,
            waited_seconds: 0.0,
            traceparent: None,
            grouped: false,
            soft_timeout_seconds: None,
            hard_timeout_seconds: None,
            lease_expires_at: run_at,
            registered: true,
        }
    }

    #[test]
    fn an_empty_scan_from_the_head_keeps_the_position_of_the_cursor() {
        let mut queue_cursor = QueueCursor::new();
        assert!(queue_cursor.begin().1, "the first look is from the head");
        queue_cursor.end(&[claimed(100)], 1, true, Duration::ZERO);
        let reached = queue_cursor.begin().0[4];
        assert_eq!(reached.run_at.timestamp(), 100);
        queue_cursor.wake();
        assert_eq!(queue_cursor.begin(), ([Position::HEAD; 9], true), "something may lie before the cursor");
        queue_cursor.end(&[], 1, true, Duration::from_mins(1));
        assert!(!queue_cursor.maybe_ready);
        queue_cursor.wake();
        let (cursor, from_head) = queue_cursor.begin();
        assert!(!from_head, "the last look from the head was dear");
        assert_eq!(cursor[4], reached);
    }

    #[test]
    fn a_full_scan_from_the_head_continues_where_it_ended() {
        let mut queue_cursor = QueueCursor::new();
        queue_cursor.begin();
        queue_cursor.end(&[claimed(100)], 1, true, Duration::ZERO);
        queue_cursor.wake();
        queue_cursor.begin();
        queue_cursor.end(&[claimed(50)], 1, true, Duration::ZERO);
        assert_eq!(queue_cursor.begin().0[4].run_at.timestamp(), 50, "there may be more behind it");
    }
}
