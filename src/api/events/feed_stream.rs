//! The frames of a queue, a kind or all jobs for one reader: every job from its start to its end. A
//! job's first frame is its snapshot; another snapshot follows when an attempt starts. Frames are
//! pulled on demand, so a slow reader costs no more than one page.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_stream::stream;
use futures_util::Stream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use uuid::Uuid;

use super::feed::{FeedPage, FeedPosition, Item, Key};
use super::frame::{Frame, Gap, SETTINGS};
use crate::api::state::ApiState;
use crate::job::document::JobDocument;
use crate::store::Result;
use crate::store::db::listener::Wake;
use crate::store::jobs::events::Event;
use crate::store::jobs::feed::{Change, Selection, What};

/// The poll interval without notifications.
const POLL: Duration = Duration::from_secs(1);
/// The shortest time between two polls after one without further changes.
const PAUSE: Duration = Duration::from_millis(200);
/// How long to wait after a failure of the database.
const RETRY: Duration = Duration::from_millis(500);
/// The number of changes turned into frames at once.
const AT_ONCE: usize = 50;
/// The most running jobs that are shown when a stream begins, the latest starts first.
const MOST_RUNNING: i64 = 100;
/// The number of jobs that are remembered as shown; after that a job gets its snapshot again.
const REMEMBERED: usize = 50_000;
/// The time without a frame after which the reader gets its position anyway.
const PLACE_EVERY: Duration = Duration::from_secs(10);
/// How often a reader gets the frame `settings` while no notification can arrive.
const DEAF_SETTINGS: Duration = Duration::from_secs(10);
/// The same if there was no change at all, so that no position becomes older than the history.
const STILL_EVERY: Duration = Duration::from_mins(5);

/// The request of a reader.
pub struct Follower {
    pub state: ApiState,
    pub selection: Selection,
    /// The requested types of stored events; empty means all.
    pub types: Arc<[String]>,
    /// The position after which the reader continues.
    pub place: FeedPosition,
    /// Whether the reader got that position from an earlier stream.
    pub resumes: bool,
}

/// Frames, each with the position after it; never ends while the database can be read.
pub fn feed_frames(follower: Follower) -> impl Stream<Item = (FeedPosition, Arc<Frame>)> + Send {
    let Follower { state, selection, types, mut place, resumes } = follower;
    // Before the first poll, so that nothing in between is missed.
    let heard = state.wakes.subscribe();
    let mut listener = FeedListener::new(heard, types.iter().any(|wanted| wanted == SETTINGS));
    let mut builder = FrameBuilder { state, selection, types, shown: HashMap::new() };
    stream! {
        let opening = if resumes {
            until_done(|| builder.gap_before(&place)).await
        } else {
            until_done(|| builder.running()).await
        };
        for frame in opening {
            builder.note(&frame);
            yield (place.clone(), Arc::new(frame.into_frame()));
        }
        let mut sent_at = Instant::now();
        loop {
            listener.polled_at = Instant::now();
            let page = until_done(|| builder.page(&place)).await;
            if page.went_back {
                let back = until_done(|| builder.state.feed.back_from(&place)).await;
                builder.shown.clear();
                yield (back.clone(), Arc::new(Frame::gap(Gap::WentBack, back.at)));
                place = back;
                continue;
            }
            if page.lagged {
                yield (page.next.clone(), Arc::new(Frame::gap(Gap::Lagged, place.at)));
            }
            for items in page.items.chunks(AT_ONCE) {
                let frames = until_done(|| builder.frames(items)).await;
                for (key, frame) in frames {
                    builder.note(&frame);
                    sent_at = Instant::now();
                    yield (page.place_behind(&place, key), Arc::new(frame.into_frame()));
                }
            }
            let moved = place.horizon != page.next.horizon;
            place = page.next.clone();
            if sent_at.elapsed() > if moved { PLACE_EVERY } else { STILL_EVERY } {
                sent_at = Instant::now();
                yield (place.clone(), Arc::new(Frame::position(Uuid::nil(), 0)));
            }
            if !page.more {
                listener.wait().await;
                if listener.has_settings(builder.state.wakes.is_healthy()) {
                    sent_at = Instant::now();
                    yield (place.clone(), Arc::new(Frame::settings()));
                }
            }
        }
    }
}

/// Repeats the query until the database answers.
async fn until_done<T, F: Future<Output = Result<T>>>(mut ask: impl FnMut() -> F) -> T {
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => {
                tracing::debug!(%error, "event feed: read failed; retrying");
                sleep(RETRY).await;
            }
        }
    }
}

/// Waits for a notification or the next poll.
struct FeedListener {
    heard: Receiver<Wake>,
    hears: bool,
    polled_at: Instant,
    /// Whether the reader wants to know of changed settings.
    wants_settings: bool,
    /// Whether they may have changed since the last frame `settings`.
    settings: bool,
    settings_sent_at: Instant,
}

impl FeedListener {
    fn new(heard: Receiver<Wake>, wants_settings: bool) -> Self {
        let now = Instant::now();
        Self { heard, hears: true, polled_at: now, wants_settings, settings: false, settings_sent_at: now }
    }

    /// True once after settings may have changed, and at intervals while no notification can arrive.
    fn has_settings(&mut self, is_healthy: bool) -> bool {
        let is_deaf = !is_healthy && self.settings_sent_at.elapsed() > DEAF_SETTINGS;
        let is_due = self.wants_settings && (std::mem::take(&mut self.settings) || is_deaf);
        if is_due {
            self.settings_sent_at = Instant::now();
        }
        is_due
    }

    async fn wait(&mut self) {
        let latest = self.polled_at + POLL.mul_f64(rand::random_range(0.9..1.1));
        while self.hears {
            match timeout_at(latest, self.heard.recv()).await {
                Ok(Ok(Wake::Settings)) if self.wants_settings => {
                    self.settings = true;
                    break;
                }
                Ok(Ok(Wake::Cancel(_) | Wake::Settings)) => {}
                Ok(Ok(Wake::Missed) | Err(RecvError::Lagged(_))) => {
                    self.settings = true;
                    break;
                }
                Ok(Err(RecvError::Closed)) => self.hears = false,
                Ok(_) | Err(_) => break,
            }
        }
        let earliest = self.polled_at + PAUSE;
        sleep_until(if self.hears { earliest } else { latest.max(earliest) }).await;
        // Notifications that arrived meanwhile are covered by the same poll.
        while self.hears {
            match self.heard.try_recv() {
                Ok(Wake::Settings | Wake::Missed) | Err(TryRecvError::Lagged(_)) => self.settings = true,
                Ok(_) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
    }
}

/// A frame, and the attempt of its job that the reader knows after it.
struct FeedFrame {
    frame: Frame,
    /// The attempt that was shown; `None` if the job is no longer remembered.
    attempt: Option<i32>,
}

impl FeedFrame {
    fn into_frame(self) -> Frame {
        self.frame
    }
}

struct FrameBuilder {
    state: ApiState,
    selection: Selection,
    types: Arc<[String]>,
    /// The attempt in which each unfinished job was last shown.
    shown: HashMap<Uuid, i32>,
}

impl FrameBuilder {
    fn note(&mut self, built: &FeedFrame) {
        let Some(attempt) = built.attempt else {
            self.shown.remove(&built.frame.job_id);
            return;
        };
        if self.shown.len() >= REMEMBERED {
            self.shown.clear();
        }
        self.shown.insert(built.frame.job_id, attempt);
    }

    async fn page(&self, place: &FeedPosition) -> Result<Arc<FeedPage>> {
        self.state.feed.page(&self.selection, place).await
    }

    /// Snapshots of the jobs that are running when a stream starts.
    async fn running(&self) -> Result<Vec<FeedFrame>> {
        let running = self.state.store.running_jobs(&self.selection, MOST_RUNNING).await?;
        let documents = self.documents(&running.into_iter().collect()).await?;
        let live = documents.values().filter(|document| !document.state.is_final());
        Ok(live.map(|document| snapshot(document, document.last_seq)).collect())
    }

    /// Reports that retention dropped unseen events.
    async fn gap_before(&self, place: &FeedPosition) -> Result<Vec<FeedFrame>> {
        let oldest = self.state.store.oldest_day().await?;
        let dropped = oldest.filter(|oldest| *oldest > place.at);
        Ok(dropped
            .map(|_| FeedFrame { frame: Frame::gap(Gap::Dropped, place.at), attempt: None })
            .into_iter()
            .collect())
    }

    async fn frames(&self, items: &[Item]) -> Result<Vec<(Key, FeedFrame)>> {
        let mut wanted = HashSet::new();
        let mut numbers = Vec::new();
        for Item { change, .. } in items {
            let shown = self.shown.get(&change.job_id);
            let is_new = match change.what {
                What::Queued => shown.is_none(),
                What::Started => shown.is_none_or(|attempt| *attempt < change.attempt),
                What::Event => {
                    numbers.push((change.job_id, change.seq));
                    shown.is_none()
                }
                What::Ended => true,
            };
            if is_new {
                wanted.insert(change.job_id);
            }
        }
        let documents = self.documents(&wanted).await?;
        let events: HashMap<(Uuid, i64), Event> = if numbers.is_empty() {
            HashMap::new()
        } else {
            let found = self.state.store.events_numbered(&numbers).await?;
            found.into_iter().map(|event| ((event.job_id, event.seq), event)).collect()
        };
        Ok(self.build(items, &documents, &events))
    }

    fn build(
        &self,
        items: &[Item],
        documents: &HashMap<Uuid, JobDocument>,
        events: &HashMap<(Uuid, i64), Event>,
    ) -> Vec<(Key, FeedFrame)> {
        // A job shown here counts as shown for the next items.
        let mut shown: HashMap<Uuid, Option<i32>> = HashMap::new();
        let mut frames = Vec::new();
        for (index, Item { key, change }) in items.iter().enumerate() {
            let job_id = change.job_id;
            let known = shown.get(&job_id).copied().unwrap_or_else(|| self.shown.get(&job_id).copied());
            let document = documents.get(&job_id).filter(|document| self.is_of_ours(document));
            let mut built = Vec::new();
            if introduces(change, known)
                && let Some(document) = document
            {
                built.push(snapshot(document, position_of(document, &items[index..])));
            }
            let is_shown = known.is_some() || !built.is_empty();
            match (change.what, events.get(&(job_id, change.seq)), document) {
                (What::Event, Some(event), _) if is_shown && self.wants(&event.kind) => {
                    let attempt = built.last().map_or(known, |built: &FeedFrame| built.attempt);
                    built.push(FeedFrame { frame: Frame::event(event), attempt });
                }
                // A job that was retried in the meantime has a new end.
                (What::Ended, _, Some(document)) if is_end_of(document, change) => {
                    built.push(FeedFrame { frame: Frame::end(document), attempt: None });
                }
                _ => {}
            }
            if let Some(last) = built.last() {
                shown.insert(job_id, last.attempt);
            }
            // Only the last frame moves its reader past the change: a reader cut off before it gets the
            // change again.
            let last = built.len().saturating_sub(1);
            let before = (key.0, key.1, key.2 - 1);
            let keyed = built.into_iter().enumerate();
            frames.extend(keyed.map(|(at, built)| (if at < last { before } else { *key }, built)));
        }
        frames
    }

    fn wants(&self, kind: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|wanted| wanted == kind)
    }

    fn is_of_ours(&self, document: &JobDocument) -> bool {
        let Selection { queues, kinds, all } = &self.selection;
        *all || kinds.contains(&document.kind) || queues.contains(&document.queue)
    }

    async fn documents(&self, jobs: &HashSet<Uuid>) -> Result<HashMap<Uuid, JobDocument>> {
        if jobs.is_empty() {
            return Ok(HashMap::new());
        }
        let watchers = self.state.watchers.clone();
        let _permit = watchers.read_permit().await;
        let jobs: Vec<Uuid> = jobs.iter().copied().collect();
        let documents = self.state.store.find_jobs(&jobs).await?;
        Ok(documents.into_iter().map(|document| (document.id, document)).collect())
    }
}

fn snapshot(document: &JobDocument, position: i64) -> FeedFrame {
    FeedFrame { frame: Frame::snapshot(document, position), attempt: Some(document.attempt) }
}

/// Whether a snapshot of the job precedes a change, for a reader that knows the given attempt.
fn introduces(change: &Change, known: Option<i32>) -> bool {
    match change.what {
        What::Started => known.is_none_or(|attempt| attempt < change.attempt),
        What::Queued | What::Event | What::Ended => known.is_none(),
    }
}

/// The reader's position when it sees the first of these changes: never ahead of what it has seen.
fn position_of(document: &JobDocument, items: &[Item]) -> i64 {
    let is_next = |change: &&Change| change.job_id == document.id && change.what == What::Event;
    let next = items.iter().map(|item| &item.change).find(is_next);
    next.map_or(document.last_seq, |change| change.seq - 1)
}

fn is_end_of(document: &JobDocument, change: &Change) -> bool {
    document.state.is_final() && document.finished_at == Some(change.at)
}
