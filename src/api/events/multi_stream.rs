//! The frames of many jobs for one reader, merged: named jobs, and those of queues, kinds or all.
//! Each frame comes with the cursor after it. Must never lose the position of an unfinished job, or
//! show a named job twice.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use async_stream::stream;
use futures_util::stream::{SelectAll, Stream, StreamExt, select_all};
use uuid::Uuid;

use super::cursor::{JobPosition, StreamCursor};
use super::feed;
use super::feed_stream::{Follower, feed_frames};
use super::frame::Frame;
use super::job_stream::{StreamReader, frames};
use super::watchers::Watch;
use crate::api::state::ApiState;
use crate::job::document::JobDocument;
use crate::store::Result;
use crate::store::jobs::feed::Selection;

/// How many events of one job are read at once when the reader lags behind.
const PAGE_LIMIT: i64 = 50;

/// An item of one of the merged streams; the position in the feed comes with its frames.
type Item = (Option<feed::FeedPosition>, Arc<Frame>);
type Frames = Pin<Box<dyn Stream<Item = Item> + Send>>;

/// The request of a reader of many jobs.
pub struct Many {
    /// Its positions, and so its named jobs.
    pub cursor: StreamCursor,
    /// The queues and kinds to follow in addition.
    pub selection: Option<Selection>,
    /// The requested types of stored events; empty means all.
    pub types: Arc<[String]>,
    /// Whether the position of the others is one that it was given before.
    pub resumes: bool,
}

/// Subscriptions to jobs and the jobs themselves, in one statement. Jobs that do not exist are missing.
///
/// # Errors
/// When the database fails.
pub async fn watch_all(state: &ApiState, jobs: &[Uuid]) -> Result<Vec<(Watch, JobDocument)>> {
    let mut watches: HashMap<Uuid, Watch> = jobs.iter().map(|id| (*id, state.watchers.watch(*id))).collect();
    let documents = if jobs.is_empty() { Vec::new() } else { state.store.find_jobs(jobs).await? };
    let pair = |document: JobDocument| watches.remove(&document.id).map(|watch| (watch, document));
    Ok(documents.into_iter().filter_map(pair).collect())
}

/// The frames with their cursors, until all named jobs have finished; a stream that follows others never
/// ends. `found` are the named jobs.
pub fn many_frames(
    state: ApiState,
    many: Many,
    found: Vec<(Watch, JobDocument)>,
) -> impl Stream<Item = (String, Arc<Frame>)> + Send {
    let Many { mut cursor, selection, types, resumes } = many;
    let mut merged: SelectAll<Frames> = select_all([]);
    for (watch, document) in found {
        let place = cursor.named.iter().find(|(named, place)| *named == document.id && !place.ended);
        let Some((_, place)) = place else { continue };
        let types = Arc::clone(&types);
        let reader = StreamReader { watch, document, after: place.seq, types, page_limit: PAGE_LIMIT };
        merged.push(Box::pin(frames(state.watchers.clone(), reader).map(|frame| (None, frame))));
    }
    if let (Some(selection), Some(place)) = (selection, cursor.feed.clone()) {
        let follower = Follower { state, selection, types, place, resumes };
        merged.push(Box::pin(feed_frames(follower).map(|(place, frame)| (Some(place), frame))));
    }
    stream! {
        while let Some((place, frame)) = merged.next().await {
            let is_new = place.is_none() || is_new(&cursor, &frame);
            pass(&mut cursor, place, &frame);
            if is_new {
                yield (cursor.encode(), frame);
            }
        }
    }
}

/// Whether a frame of the feed shows a change that the stream of a named job did not.
fn is_new(cursor: &StreamCursor, frame: &Frame) -> bool {
    let named = cursor.named.iter().find(|(named, _)| *named == frame.job_id);
    named.is_none_or(|(_, place)| place.ended && frame.seq > place.seq)
}

/// Moves the cursor past a frame.
fn pass(cursor: &mut StreamCursor, place: Option<feed::FeedPosition>, frame: &Frame) {
    if let Some(place) = place {
        cursor.feed = Some(place);
    } else if let Some((_, place)) = cursor.named.iter_mut().find(|(named, _)| *named == frame.job_id) {
        *place = JobPosition { seq: frame.seq, ended: frame.last };
    }
}
