//! The feed of one watched job: its position, its latest frames and its end, shared by all its
//! readers. Pure values; must never keep more of a job's log than a bounded tail.

use std::collections::VecDeque;
use std::sync::Arc;

use super::frame::Frame;
use crate::job::document::JobDocument;
use crate::store::jobs::events::HighWaterMark;

/// How many of a job's latest frames are kept for its readers. Readers that lag further behind read pages
/// from the database.
pub const RECENT_FRAMES: i64 = 256;
/// The most bytes of these frames.
const RECENT_BYTES: usize = 1024 * 1024;

/// The state of one watched job.
#[derive(Debug, Default)]
pub struct JobFeed {
    /// False until the database was asked for the first time.
    polled: bool,
    gone: bool,
    last_seq: i64,
    /// The latest frames without gaps; the newest is `last_seq`.
    recent: VecDeque<Arc<Frame>>,
    recent_bytes: usize,
    end: Option<Arc<JobDocument>>,
    /// For each restore of the database to an earlier state: the last event that is still the same.
    rewound: Vec<i64>,
}

/// The poll result of one job.
#[derive(Debug)]
pub struct PollResult {
    /// Its position.
    pub mark: HighWaterMark,
    /// Events after [`JobFeed::wants_events`], in order.
    pub frames: Vec<Arc<Frame>>,
    /// The finished job, if [`JobFeed::wants_end`] and it is still finished.
    pub end: Option<Arc<JobDocument>>,
}

/// The view of a reader at a position.
#[derive(Debug)]
pub struct View {
    /// Events up to this number are committed and belong before the end.
    pub target: i64,
    /// The frames up to there; `None` if the reader has to read them from the database.
    pub frames: Option<Vec<Arc<Frame>>>,
    /// The finished job.
    pub end: Option<Arc<JobDocument>>,
    /// True if the job was deleted.
    pub gone: bool,
    /// If the database was restored to an earlier state, events after this number no longer exist.
    pub common: Option<i64>,
}

impl JobFeed {
    /// The event after which the next poll fetches; `None` if there is nothing new. The first poll, and a
    /// poll with too many events, fetches only the last one, which later shows whether the database is
    /// still the same.
    #[must_use]
    pub fn wants_events(&self, mark: &HighWaterMark) -> Option<i64> {
        let is_near = self.polled && mark.last_seq - self.last_seq <= RECENT_FRAMES;
        let known = if is_near { self.last_seq } else { mark.last_seq - 1 };
        (mark.last_seq > known && known >= 0).then_some(known)
    }

    /// True if the database has fewer events than this feed has seen.
    #[must_use]
    pub fn is_ahead_of(&self, mark: &HighWaterMark) -> bool {
        self.polled && mark.last_seq < self.last_seq
    }

    /// The event after which to fetch the events that [`Self::rewind`] compares; `None` if nothing was
    /// seen.
    #[must_use]
    pub fn wants_proof(&self) -> Option<i64> {
        (self.polled && self.last_seq > 0)
            .then(|| self.recent.front().map_or(self.last_seq, |frame| frame.seq) - 1)
    }

    /// Compares the seen events with the database. If all are the same, everything is kept; otherwise
    /// events after the last common one are dropped.
    pub fn rewind(&mut self, now: &[Arc<Frame>]) {
        let is_there = |frame: &&Arc<Frame>| now.iter().any(|other| other == *frame);
        let common = self.recent.iter().rev().find(is_there).map_or(0, |frame| frame.seq);
        if common == self.last_seq {
            return;
        }
        self.forget();
        self.last_seq = common;
        self.end = None;
        self.rewound.push(common);
    }

    /// The number of restores of the database to an earlier state.
    #[must_use]
    pub fn rewinds(&self) -> usize {
        self.rewound.len()
    }

    /// True if the job has finished and its final document is not known yet.
    #[must_use]
    pub fn wants_end(&self, mark: &HighWaterMark) -> bool {
        mark.state.is_final() && !self.has_end_of(mark)
    }

    /// Applies a poll result; returns false if nothing changed.
    pub fn absorb(&mut self, poll: PollResult) -> bool {
        let before = self.last_seq;
        let keeps_end = poll.mark.state.is_final() && self.has_end_of(&poll.mark);
        if let Some(first) = poll.frames.first().filter(|first| first.seq > self.last_seq + 1) {
            self.forget();
            self.last_seq = first.seq - 1;
        }
        for frame in poll.frames {
            if frame.seq == self.last_seq + 1 {
                self.push(frame);
            }
        }
        // Either the new events were not fetched, or the database was restored to an earlier time. (More
        // frames than the mark says are fine: they were committed after it was read.)
        if poll.mark.last_seq > self.last_seq || poll.mark.last_seq < before {
            self.forget();
            self.last_seq = poll.mark.last_seq;
        }
        let had_end = self.end.is_some();
        if !keeps_end {
            self.end = poll.end.filter(|document| document.state.is_final());
        }
        let end_changed = !keeps_end && (had_end || self.end.is_some());
        let changed = !self.polled || self.gone || self.last_seq != before || end_changed;
        (self.polled, self.gone) = (true, false);
        changed
    }

    /// Records that the job no longer exists; returns false if that was known.
    pub fn lose(&mut self) -> bool {
        let is_change = !self.gone;
        *self = Self { polled: true, gone: true, ..Self::default() };
        is_change
    }

    /// The view of a reader that has seen everything up to `position`, and this number of rewinds.
    #[must_use]
    pub fn view(&self, position: i64, rewinds: usize) -> View {
        let target = self.end.as_ref().map_or(self.last_seq, |document| document.last_seq);
        let first = self.recent.front().map_or(i64::MAX, |frame| frame.seq);
        let covered = position >= target || (first <= position + 1 && target <= self.last_seq);
        let wanted = |frame: &&Arc<Frame>| (position + 1..=target).contains(&frame.seq);
        let frames = covered.then(|| self.recent.iter().filter(wanted).cloned().collect());
        let common = self.rewound.iter().skip(rewinds).min().copied();
        View { target, frames, end: self.end.clone(), gone: self.gone, common }
    }

    /// The finished job.
    #[must_use]
    pub fn end(&self) -> Option<&Arc<JobDocument>> {
        self.end.as_ref()
    }

    /// True if the job was deleted.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    fn has_end_of(&self, mark: &HighWaterMark) -> bool {
        // A retry of a finished job records an event, so the number distinguishes the ends.
        self.end.as_ref().is_some_and(|document| document.last_seq == mark.last_seq)
    }

    fn forget(&mut self) {
        self.recent.clear();
        self.recent_bytes = 0;
    }

    fn push(&mut self, frame: Arc<Frame>) {
        self.last_seq = frame.seq;
        self.recent_bytes += frame.data.len();
        self.recent.push_back(frame);
        while self.recent.len() > usize::try_from(RECENT_FRAMES).unwrap_or(1)
            || self.recent_bytes > RECENT_BYTES
        {
            let Some(oldest) = self.recent.pop_front() else { return };
            self.recent_bytes -= oldest.data.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::job::state::JobState;

    fn mark(last_seq: i64, state: JobState) -> HighWaterMark {
        HighWaterMark { job_id: Uuid::nil(), last_seq, state, attempt: 1 }
    }

    fn frames(numbers: std::ops::RangeInclusive<i64>) -> Vec<Arc<Frame>> {
        numbers
            .map(|seq| Arc::new(Frame { data: "x".repeat(10), ..Frame::position(Uuid::nil(), seq) }))
            .collect()
    }

    fn seen(feed: &JobFeed, position: i64) -> Option<Vec<i64>> {
        feed.view(position, 0).frames.map(|frames| frames.iter().map(|frame| frame.seq).collect())
    }

    #[test]
    fn readers_near_the_head_share_frames_and_others_read_pages() {
        let mut feed = JobFeed::default();
        assert_eq!(feed.wants_events(&mark(0, JobState::Running)), None);
        assert_eq!(feed.wants_events(&mark(5, JobState::Running)), Some(4), "the last, to know it again");
        assert!(feed.absorb(PollResult { mark: mark(5, JobState::Running), frames: vec![], end: None }));
        assert_eq!((seen(&feed, 5), seen(&feed, 4)), (Some(vec![]), None));
        assert_eq!(feed.wants_events(&mark(7, JobState::Running)), Some(5));
        // One more was committed after the mark was read.
        assert!(feed.absorb(PollResult {
            mark: mark(7, JobState::Running),
            frames: frames(6..=8),
            end: None
        }));
        assert_eq!((seen(&feed, 5), seen(&feed, 7)), (Some(vec![6, 7, 8]), Some(vec![8])));
        assert_eq!(seen(&feed, 4), None);
        assert!(!feed.absorb(PollResult { mark: mark(8, JobState::Running), frames: vec![], end: None }));
    }

    #[test]
    fn a_gap_in_what_was_fetched_is_never_bridged() {
        let mut feed = JobFeed::default();
        feed.absorb(PollResult { mark: mark(3, JobState::Running), frames: vec![], end: None });
        feed.absorb(PollResult { mark: mark(4, JobState::Running), frames: frames(4..=4), end: None });
        // More than is fetched at once: readers go to the database.
        let far = mark(4 + RECENT_FRAMES + 1, JobState::Running);
        assert_eq!(feed.wants_events(&far), Some(far.last_seq - 1), "only the last, to know it again");
        feed.absorb(PollResult { mark: far, frames: vec![], end: None });
        assert_eq!((seen(&feed, 3), seen(&feed, far.last_seq)), (None, Some(vec![])));
        // Retention dropped 262 and 263 before they could be fetched.
        feed.absorb(PollResult {
            mark: mark(far.last_seq + 4, JobState::Running),
            frames: frames(264..=265),
            end: None,
        });
        assert_eq!(seen(&feed, far.last_seq), None);
        // A restored database.
        assert!(feed.absorb(PollResult { mark: mark(2, JobState::Running), frames: vec![], end: None }));
        assert_eq!(feed.view(0, 0).target, 2);
    }

    #[test]
    fn what_a_failover_undid_is_forgotten() {
        let mut feed = JobFeed::default();
        feed.absorb(PollResult { mark: mark(5, JobState::Running), frames: frames(5..=5), end: None });
        feed.absorb(PollResult { mark: mark(9, JobState::Running), frames: frames(6..=9), end: None });
        assert!(
            feed.is_ahead_of(&mark(8, JobState::Running)) && !feed.is_ahead_of(&mark(9, JobState::Running))
        );
        assert_eq!(feed.wants_proof(), Some(4));
        feed.rewind(&frames(5..=9));
        assert_eq!((feed.rewinds(), feed.view(9, 0).common), (0, None), "it is as it was");
        let other = |seq| Arc::new(Frame { data: "other".into(), ..Frame::position(Uuid::nil(), seq) });
        let now: Vec<Arc<Frame>> = frames(5..=7).into_iter().chain([other(8), other(9), other(10)]).collect();
        feed.rewind(&now);
        assert_eq!((feed.view(9, 0).common, feed.view(9, 1).common), (Some(7), None));
        assert_eq!(feed.wants_events(&mark(10, JobState::Running)), Some(7));
        feed.rewind(&[]);
        assert_eq!(feed.view(9, 1).common, Some(0), "nothing of what was seen is there");
    }

    #[test]
    fn the_tail_is_bounded() {
        let mut feed = JobFeed::default();
        feed.absorb(PollResult { mark: mark(0, JobState::Running), frames: vec![], end: None });
        for start in (0..2_000).step_by(200) {
            feed.absorb(PollResult {
                mark: mark(start + 200, JobState::Running),
                frames: frames(start + 1..=start + 200),
                end: None,
            });
        }
        assert_eq!(feed.recent.len(), 256);
        assert_eq!(feed.recent_bytes, 2560);
        let huge = Frame { data: "x".repeat(2 * RECENT_BYTES), ..Frame::position(Uuid::nil(), 2001) };
        feed.absorb(PollResult {
            mark: mark(2001, JobState::Running),
            frames: vec![Arc::new(huge)],
            end: None,
        });
        assert_eq!((feed.recent.len(), feed.recent_bytes, seen(&feed, 2000)), (0, 0, None));
    }

    #[test]
    fn a_lost_job_is_reported_once() {
        let mut feed = JobFeed::default();
        assert!(feed.lose() && !feed.lose() && feed.view(0, 0).gone);
    }
}
