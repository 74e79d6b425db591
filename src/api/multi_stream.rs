//! The frames of many jobs for one reader, merged: jobs that it named, and jobs of queues and kinds
//! as they start. Each frame comes with the cursor behind it; must never lose the place of a job
//! that is not over.

use std::collections::HashMap;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;

use async_stream::stream;
use futures_util::stream::{SelectAll, Stream, StreamExt, once, select_all};
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use super::cursor::{Cursor, Place};
use super::frame::Frame;
use super::hub::Watch;
use super::running::{ASK_EVERY, Filter, MOST_JOBS};
use super::state::ApiState;
use super::stream::{Reader, Start, frames};
use crate::job::document::JobDocument;
use crate::store::Result;

/// How many events of one job are read at once when the reader is behind.
const PAGE_LIMIT: i64 = 50;
/// How many followed jobs that are over are remembered, so that one made live again goes on.
const REMEMBERED: usize = 1000;

/// What one of the merged streams yields; `None` when it is at its end.
type Item = (Uuid, Option<Arc<Frame>>);
type Frames = Pin<Box<dyn Stream<Item = Item> + Send>>;

/// What a reader of many jobs wants.
pub struct Many {
    /// How far it is, and so which jobs it named.
    pub cursor: Cursor,
    /// What to follow besides.
    pub filter: Filter,
    /// Types of stored events that it wants; empty means all.
    pub types: Arc<[String]>,
    /// True if the cursor came from the reader.
    pub resumes: bool,
}

/// Ears for jobs and the jobs, in one statement. Jobs that do not exist are missing.
///
/// # Errors
/// When the database fails.
pub async fn watch_all(state: &ApiState, jobs: &[Uuid]) -> Result<Vec<(Watch, JobDocument)>> {
    let mut watches: HashMap<Uuid, Watch> = jobs.iter().map(|id| (*id, state.hub.watch(*id))).collect();
    let documents = if jobs.is_empty() { Vec::new() } else { state.store.find_jobs(jobs).await? };
    let pair = |document: JobDocument| watches.remove(&document.id).map(|watch| (watch, document));
    Ok(documents.into_iter().filter_map(pair).collect())
}

/// The frames with their cursors, until all named jobs are over; with a filter it never ends.
/// `found` are the jobs of the cursor that are not over.
pub fn many_frames(
    state: ApiState,
    many: Many,
    found: Vec<(Watch, JobDocument)>,
) -> impl Stream<Item = (String, Arc<Frame>)> + Send {
    let mut merge = Merge { state, many, merged: select_all([]), over: HashMap::new() };
    stream! {
        for (watch, document) in found {
            let start = merge.start_of(document.id);
            merge.add(watch, document, start);
        }
        let follows = !merge.many.filter.is_empty();
        let mut ask = interval(ASK_EVERY);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut begins = !merge.many.resumes;
        loop {
            let item = tokio::select! {
                Some(item) = merge.merged.next() => Some(item),
                _ = ask.tick(), if follows => None,
                else => return,
            };
            match item {
                Some((_, Some(frame))) => {
                    merge.pass(&frame);
                    yield (merge.many.cursor.encode(), frame);
                }
                // Over, deleted, or not to be read: it is no longer followed.
                Some((job_id, None)) => drop(merge.many.cursor.followed.remove(&job_id)),
                None => {
                    if let Err(error) = merge.pick_up(begins).await {
                        tracing::debug!(%error, "running jobs cannot be seen; asking again");
                        continue;
                    }
                    begins = false;
                }
            }
        }
    }
}

struct Merge {
    state: ApiState,
    many: Many,
    merged: SelectAll<Frames>,
    /// The followed jobs that are over.
    over: HashMap<Uuid, i64>,
}

impl Merge {
    /// Adds the running jobs that are not here yet. Those that run when the stream begins are shown as
    /// they are; whatever starts later is shown from its first event.
    async fn pick_up(&mut self, begins: bool) -> Result<()> {
        let running = self.state.running.of(&self.many.filter).await?;
        let cursor = &self.many.cursor;
        let room = MOST_JOBS.saturating_sub(cursor.followed.len());
        let is_here = |id: &Uuid| match cursor.named.iter().find(|(named, _)| named == id) {
            Some((_, place)) => !place.ended,
            None => cursor.followed.contains_key(id),
        };
        let new: Vec<Uuid> = running.iter().filter(|id| !is_here(id)).copied().take(room).collect();
        for (watch, document) in watch_all(&self.state, &new).await? {
            // The answer may be a second old: what the reader saw end is not shown again.
            if document.state.is_final() && self.saw_end_of(&document) {
                continue;
            }
            let start = if begins { Start::Now } else { self.start_of(document.id) };
            self.add(watch, document, start);
        }
        Ok(())
    }

    fn saw_end_of(&self, document: &JobDocument) -> bool {
        let named = |(named, place): &(Uuid, Place)| *named == document.id && place.ended;
        self.over.contains_key(&document.id) || self.many.cursor.named.iter().any(named)
    }

    fn start_of(&self, job_id: Uuid) -> Start {
        let cursor = &self.many.cursor;
        let named = cursor.named.iter().find(|(named, _)| *named == job_id).map(|(_, place)| place.seq);
        let seen = named.or_else(|| cursor.followed.get(&job_id).or_else(|| self.over.get(&job_id)).copied());
        Start::After(seen.unwrap_or(0))
    }

    fn add(&mut self, watch: Watch, document: JobDocument, start: Start) {
        let job_id = document.id;
        let types = Arc::clone(&self.many.types);
        let reader = Reader { watch, document, start, types, page_limit: PAGE_LIMIT };
        let frames = frames(self.state.hub.clone(), reader).map(move |frame| (job_id, Some(frame)));
        self.merged.push(Box::pin(frames.chain(once(ready((job_id, None))))));
        if let Some((_, place)) = self.many.cursor.named.iter_mut().find(|(named, _)| *named == job_id) {
            place.ended = false;
        } else {
            self.many.cursor.followed.entry(job_id).or_insert(0);
        }
    }

    /// Moves the cursor behind a frame.
    fn pass(&mut self, frame: &Frame) {
        let cursor = &mut self.many.cursor;
        if let Some((_, place)) = cursor.named.iter_mut().find(|(named, _)| *named == frame.job_id) {
            *place = Place { seq: frame.seq, ended: frame.last };
        } else if frame.last {
            cursor.followed.remove(&frame.job_id);
            if self.over.len() >= REMEMBERED {
                self.over.clear();
            }
            self.over.insert(frame.job_id, frame.seq);
        } else {
            cursor.followed.insert(frame.job_id, frame.seq);
        }
    }
}
