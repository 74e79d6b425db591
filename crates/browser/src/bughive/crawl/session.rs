//! The reports of a running crawl: the job's progress, which its session shows, and log lines. Every
//! write is fenced by the lease.

use serde_json::json;

use super::args::Plan;
use tidemill::{Context, JobError};

/// The session of one attempt.
pub(super) struct Session<'a> {
    context: &'a Context,
    plan: &'a Plan,
    pages: usize,
    bugs: usize,
}

impl<'a> Session<'a> {
    pub(super) fn of(context: &'a Context, plan: &'a Plan) -> Self {
        Self { context, plan, pages: 0, bugs: 0 }
    }

    /// The results of earlier attempts.
    pub(super) fn has(&mut self, pages: usize, bugs: usize) {
        (self.pages, self.bugs) = (pages, bugs);
    }

    pub(super) fn starting(&self) {
        tracing::info!(
            session_id = self.plan.session_id,
            task_id = %self.context.job_id(),
            base_url = %self.plan.base,
            "starting a crawl session"
        );
    }

    /// Reports the number of finished pages out of `all`.
    pub(super) async fn running(&mut self, pages: usize, bugs: usize, all: usize) {
        self.has(pages, bugs);
        #[expect(clippy::cast_precision_loss, reason = "there are no more than a few thousand pages")]
        let percent = pages as f64 / all as f64 * 100.0;
        self.report(Some(percent.min(99.0)), "crawling").await;
    }

    pub(super) async fn checking_links(&self) {
        self.report(None, "checking links").await;
    }

    pub(super) async fn completed(&mut self, pages: usize, bugs: usize) {
        self.has(pages, bugs);
        self.report(Some(100.0), "done").await;
        tracing::info!(
            session_id = self.plan.session_id,
            task_id = %self.context.job_id(),
            pages,
            bugs,
            "a crawl session is complete"
        );
    }

    /// The attempt failed. If the job only waits, nothing has failed.
    pub(super) fn failed(&self, error: &JobError) {
        if error.is_pause() {
            return;
        }
        tracing::warn!(
            session_id = self.plan.session_id,
            task_id = %self.context.job_id(),
            %error,
            "a crawl session was interrupted"
        );
    }

    async fn report(&self, percent: Option<f64>, step: &str) {
        let data = json!({ "pages_crawled": self.pages, "bugs_found": self.bugs });
        self.context.progress_with(percent, Some(step), Some(data)).await;
    }
}
