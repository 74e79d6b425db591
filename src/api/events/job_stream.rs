//! The frames of one job for one reader: a snapshot, the missed events, live events, the end.
//! Frames are pulled on demand, so a slow reader costs no memory beyond one page. Must never skip
//! an event silently, or show the end before an event that was committed before it.

use std::sync::Arc;
use std::time::Duration;

use async_stream::stream;
use futures_util::Stream;
use tokio::time::sleep;
use uuid::Uuid;

use super::frame::{Frame, Reset};
use super::job_feed::View;
use super::watchers::{Watch, Watchers};
use crate::job::document::JobDocument;
use crate::store::Result;

/// How long to wait after the database failed.
const PAUSE: Duration = Duration::from_millis(500);

/// The request of a reader of one job.
#[derive(Debug)]
pub struct StreamReader {
    /// The reader's subscription, opened before the document was read.
    pub watch: Watch,
    /// The job.
    pub document: JobDocument,
    /// The event after which it starts; 0 is the beginning.
    pub after: i64,
    /// The requested types of stored events; empty means all.
    pub types: Arc<[String]>,
    /// How many events it reads at once when it lags behind.
    pub page_limit: i64,
}

/// The frames for a reader, until the job has finished. The stream also ends if the job is deleted or
/// cannot be read; then no frame is marked as the last.
pub fn frames(watchers: Watchers, reader: StreamReader) -> impl Stream<Item = Arc<Frame>> + Send {
    let StreamReader { mut watch, document, after, types, page_limit } = reader;
    // Made here, so that a stream does not keep the document for as long as it is open.
    let position = after.min(document.last_seq);
    let mut first = vec![Arc::new(Frame::snapshot(&document, position))];
    if after > position {
        first.push(Arc::new(Frame::reset(document.id, position, document.attempt, Reset::Ahead, after)));
    }
    let mut pager =
        Pager { watchers, position, types, page_limit, checked: false, attempt: document.attempt };
    drop(document);
    stream! {
        for frame in first {
            yield frame;
        }
        loop {
            let view = watch.view(pager.position);
            if let Some(common) = view.common.filter(|common| *common < pager.position) {
                yield pager.go_back(watch.job_id(), common);
                continue;
            }
            while pager.position < view.target {
                // In a box, so that an idle stream does not need the memory for a query's future.
                let page = match Box::pin(pager.next(&watch, &view)).await {
                    Ok(page) => page,
                    Err(error) if error.is_transient() => {
                        sleep(PAUSE).await;
                        continue;
                    }
                    Err(error) => {
                        tracing::error!(
                            task_id = %watch.job_id(), %error,
                            "the stream ends because its events cannot be read"
                        );
                        return;
                    }
                };
                for frame in page {
                    yield frame;
                }
            }
            let View { end, gone, frames, .. } = view;
            drop(frames);
            if let Some(document) = end {
                yield Arc::new(Frame::end(&document));
                return;
            }
            if gone || !watch.changed().await {
                return;
            }
        }
    }
}

/// Moves a reader forward, page by page.
struct Pager {
    watchers: Watchers,
    position: i64,
    types: Arc<[String]>,
    page_limit: i64,
    /// True once it is certain that nothing was dropped after its start position.
    checked: bool,
    attempt: i32,
}

impl Pager {
    /// The next frames up to the view's target; moves the position past them.
    async fn next(&mut self, watch: &Watch, view: &View) -> Result<Vec<Arc<Frame>>> {
        let Some(shared) = &view.frames else { return self.read(watch.job_id(), view.target).await };
        let is_next = |frame: &&Arc<Frame>| frame.seq > self.position && self.wants(&frame.kind);
        let mut page = shared.iter().filter(is_next).cloned().collect();
        self.move_to(view.target, watch.job_id(), &mut page);
        Ok(page)
    }

    /// Drops the events after `common`, which the database no longer has.
    fn go_back(&mut self, job_id: Uuid, common: i64) -> Arc<Frame> {
        let thought = std::mem::replace(&mut self.position, common);
        Arc::new(Frame::reset(job_id, common, self.attempt, Reset::WentBack, thought))
    }

    /// The next frames from the database.
    async fn read(&mut self, job_id: Uuid, target: i64) -> Result<Vec<Arc<Frame>>> {
        let watchers = self.watchers.clone();
        let _permit = watchers.read_permit().await;
        let events =
            watchers.store().events_after(job_id, self.position, &self.types, self.page_limit).await?;
        let is_full = i64::try_from(events.len()).is_ok_and(|count| count == self.page_limit);
        let reached = events.last().filter(|_| is_full).map_or(target, |last| last.seq.min(target));
        // A gap of dropped events is not visible if only some types are requested, so the first event of any
        // type is checked once.
        let first = match (self.types.is_empty(), self.checked) {
            (true, _) => events.first().map(|event| event.seq),
            (false, true) => Some(self.position + 1),
            (false, false) => watchers
                .store()
                .events_after(job_id, self.position, &[], 1)
                .await?
                .first()
                .map(|event| event.seq),
        };
        self.checked = true;
        let mut page = Vec::new();
        let gone = first.map_or(target, |first| (first - 1).min(target));
        if gone > self.position {
            page.push(Arc::new(Frame::reset(job_id, gone, self.attempt, Reset::Dropped, self.position)));
        }
        page.extend(
            events.iter().filter(|event| event.seq <= target).map(|event| Arc::new(Frame::event(event))),
        );
        self.move_to(reached, job_id, &mut page);
        Ok(page)
    }

    /// Moves to `reached`; a reader that did not request the last events still gets its position.
    fn move_to(&mut self, reached: i64, job_id: Uuid, page: &mut Vec<Arc<Frame>>) {
        self.position = reached;
        if page.last().is_none_or(|frame| frame.seq != reached) {
            page.push(Arc::new(Frame::position(job_id, reached)));
        }
    }

    fn wants(&self, kind: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|wanted| wanted == kind)
    }
}
