//! The one task that polls the database for all watched jobs: after a notification, when a reader
//! arrives, and at intervals in case notifications are lost. Jobs that become due during a poll are
//! polled together in the next one; never one query per job.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::frame::Frame;
use super::job_feed::{JobFeed, PollResult, RECENT_FRAMES};
use super::watch_board::WatchBoard;
use crate::job::document::JobDocument;
use crate::store::Result;
use crate::store::db::listener::{Wake, Wakes};
use crate::store::jitter::jittered;
use crate::store::jobs::events::HighWaterMark;

/// How often all watched jobs are polled while no notifications arrive.
const DEAF_POLL: Duration = Duration::from_secs(1);
/// How often while notifications arrive.
const POLL: Duration = Duration::from_secs(5);
/// How long to wait after the database failed.
const PAUSE: Duration = Duration::from_millis(250);
/// The most jobs of one statement.
const JOBS_AT_ONCE: usize = 256;

pub(crate) async fn run(
    board: Arc<WatchBoard>,
    wakes: Wakes,
    heard: Receiver<Wake>,
    shutdown: CancellationToken,
) {
    let mut poller = Poller {
        board,
        wakes,
        heard,
        hears: true,
        due: HashSet::new(),
        last_poll: Instant::now(),
        era: None,
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = poller.keep_polling() => {}
    }
}

struct Poller {
    board: Arc<WatchBoard>,
    wakes: Wakes,
    heard: Receiver<Wake>,
    /// False once no further notification can arrive.
    hears: bool,
    due: HashSet<Uuid>,
    last_poll: Instant,
    /// The timeline of the database at the last poll.
    era: Option<String>,
}

impl Poller {
    async fn keep_polling(&mut self) {
        let mut next_tick = Instant::now() + jittered(DEAF_POLL);
        let mut fails = false;
        loop {
            tokio::select! {
                () = self.board.arrival.notified() => {}
                wake = self.heard.recv(), if self.hears => self.note(&wake),
                () = sleep_until(next_tick), if self.board.is_watching() => {
                    next_tick = Instant::now() + jittered(DEAF_POLL);
                    self.poll_if_due();
                }
            }
            self.gather();
            while let Err(error) = self.poll().await {
                if !std::mem::replace(&mut fails, true) {
                    tracing::warn!(%error, "watched jobs could not be read; retrying");
                }
                sleep(jittered(PAUSE)).await;
                self.gather();
            }
            fails = false;
        }
    }

    fn poll_if_due(&mut self) {
        if self.wakes.is_healthy() && self.last_poll.elapsed() < POLL {
            return;
        }
        self.mark_all_due();
    }

    fn mark_all_due(&mut self) {
        self.last_poll = Instant::now();
        self.due.extend(self.board.all());
    }

    /// Collects all pending requests, so that one poll serves them.
    fn gather(&mut self) {
        self.due.extend(self.board.take_unread());
        loop {
            match self.heard.try_recv() {
                Ok(wake) => self.note(&Ok(wake)),
                Err(TryRecvError::Lagged(missed)) => self.note(&Err(RecvError::Lagged(missed))),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    fn note(&mut self, wake: &std::result::Result<Wake, RecvError>) {
        match wake {
            // The number is only a hint, and an end may follow it.
            Ok(Wake::Event(job_id, _)) => {
                if self.board.is_watched(*job_id) {
                    self.due.insert(*job_id);
                }
            }
            Ok(Wake::AllEvents | Wake::Missed) | Err(RecvError::Lagged(_)) => self.mark_all_due(),
            Ok(
                Wake::Queue(_)
                | Wake::Group(_)
                | Wake::Capacity
                | Wake::Cancel(_)
                | Wake::Dependents
                | Wake::Settings,
            ) => {}
            Err(RecvError::Closed) => self.hears = false,
        }
    }

    /// Polls the due jobs; jobs that could not be polled stay due.
    async fn poll(&mut self) -> Result<()> {
        while !self.due.is_empty() {
            let jobs: Vec<Uuid> = self.due.iter().copied().take(JOBS_AT_ONCE).collect();
            let (era, marks) = self.board.store.high_water_marks(&jobs).await?;
            if let Some(era) = era
                && self.era.as_ref() != Some(&era)
            {
                if self.era.is_some() {
                    tracing::warn!(
                        %era,
                        "the database failed over; comparing the watched jobs with what was sent before"
                    );
                    compare(&self.board, self.board.all()).await?;
                    self.mark_all_due();
                }
                self.era = Some(era);
            }
            poll_jobs(&self.board, &jobs, marks).await?;
            for job_id in &jobs {
                self.due.remove(job_id);
            }
        }
        Ok(())
    }
}

/// At most three statements, in this order: the positions of the jobs, their new events, and the final
/// documents of finished jobs. So an end never overtakes an event that was committed before it.
async fn poll_jobs(board: &WatchBoard, jobs: &[Uuid], marks: Vec<HighWaterMark>) -> Result<()> {
    let is_behind =
        |mark: &&HighWaterMark| board.read(mark.job_id, |feed| feed.is_ahead_of(mark)).unwrap_or(false);
    compare(board, marks.iter().filter(is_behind).map(|mark| mark.job_id).collect()).await?;
    let behind: Vec<(Uuid, i64)> = marks
        .iter()
        .filter_map(|mark| Some((mark.job_id, board.read(mark.job_id, |feed| feed.wants_events(mark))??)))
        .collect();
    let mut frames = new_frames(board, &behind).await?;
    let mut ends = new_ends(board, &marks).await?;
    let mut missing: HashSet<Uuid> = jobs.iter().copied().collect();
    for mark in marks {
        missing.remove(&mark.job_id);
        let frames = frames.remove(&mark.job_id).unwrap_or_default();
        let end = ends.remove(&mark.job_id);
        board.update(mark.job_id, |feed| feed.absorb(PollResult { mark, frames, end }));
    }
    for job_id in missing {
        board.update(job_id, JobFeed::lose);
    }
    Ok(())
}

/// Compares the seen events of jobs with the database: after a failover the same numbers may belong to
/// other events.
async fn compare(board: &WatchBoard, jobs: Vec<Uuid>) -> Result<()> {
    for jobs in jobs.chunks(JOBS_AT_ONCE) {
        let seen: Vec<(Uuid, i64)> = jobs
            .iter()
            .filter_map(|job_id| Some((*job_id, board.read(*job_id, JobFeed::wants_proof)??)))
            .collect();
        let mut now = new_frames(board, &seen).await?;
        for (job_id, _) in seen {
            let now = now.remove(&job_id).unwrap_or_default();
            board.update(job_id, |feed| {
                let before = feed.rewinds();
                feed.rewind(&now);
                feed.rewinds() > before
            });
        }
    }
    Ok(())
}

async fn new_frames(board: &WatchBoard, behind: &[(Uuid, i64)]) -> Result<HashMap<Uuid, Vec<Arc<Frame>>>> {
    let mut frames: HashMap<Uuid, Vec<Arc<Frame>>> = HashMap::new();
    if !behind.is_empty() {
        for event in board.store.events_behind(behind, RECENT_FRAMES).await? {
            frames.entry(event.job_id).or_default().push(Arc::new(Frame::event(&event)));
        }
    }
    Ok(frames)
}

async fn new_ends(board: &WatchBoard, marks: &[HighWaterMark]) -> Result<HashMap<Uuid, Arc<JobDocument>>> {
    let wants_end =
        |mark: &&HighWaterMark| board.read(mark.job_id, |feed| feed.wants_end(mark)).unwrap_or(false);
    let ended: Vec<Uuid> = marks.iter().filter(wants_end).map(|mark| mark.job_id).collect();
    if ended.is_empty() {
        return Ok(HashMap::new());
    }
    let documents = board.store.find_jobs(&ended).await?;
    Ok(documents.into_iter().map(|document| (document.id, Arc::new(document))).collect())
}
