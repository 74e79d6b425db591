//! The reports of a running crawl: the state of its session, the job's progress, log lines. Every
//! write is fenced by the lease.

use std::time::Duration;

use serde_json::json;

use super::args::Plan;
use crate::job::attempt::StopReason;
use crate::job::session::{SessionNote, SessionStatus};
use crate::worker::context::Context;
use crate::worker::handler::JobError;

/// The session of one attempt.
pub(super) struct Session<'a> {
    context: &'a Context,
    plan: &'a Plan,
    ttl: Duration,
    pages: usize,
    bugs: usize,
}

impl<'a> Session<'a> {
    pub(super) fn of(context: &'a Context, plan: &'a Plan, ttl: Duration) -> Self {
        Self { context, plan, ttl, pages: 0, bugs: 0 }
    }

    /// The results of earlier attempts.
    pub(super) fn has(&mut self, pages: usize, bugs: usize) {
        (self.pages, self.bugs) = (pages, bugs);
    }

    pub(super) async fn starting(&self) -> Result<(), JobError> {
        tracing::info!(
            session_id = self.plan.session_id,
            task_id = %self.context.job_id(),
            base_url = %self.plan.base,
            "starting a crawl session"
        );
        self.note(SessionStatus::Starting, None).await
    }

    /// Reports the number of finished pages out of `all`.
    pub(super) async fn running(&mut self, pages: usize, bugs: usize, all: usize) -> Result<(), JobError> {
        self.has(pages, bugs);
        #[expect(clippy::cast_precision_loss, reason = "there are no more than a few thousand pages")]
        let percent = pages as f64 / all as f64 * 100.0;
        let data = json!({ "pages_crawled": pages, "bugs_found": bugs });
        self.context.progress_with(Some(percent.min(99.0)), Some("crawling"), Some(data)).await;
        self.note(SessionStatus::Running, None).await
    }

    pub(super) async fn checking_links(&self) {
        self.context.progress_with(None, Some("checking links"), None).await;
    }

    pub(super) async fn completed(&mut self, pages: usize, bugs: usize) -> Result<(), JobError> {
        self.has(pages, bugs);
        let data = json!({ "pages_crawled": pages, "bugs_found": bugs });
        self.context.progress_with(Some(100.0), Some("done"), Some(data)).await;
        tracing::info!(
            session_id = self.plan.session_id,
            task_id = %self.context.job_id(),
            pages,
            bugs,
            "a crawl session is complete"
        );
        self.note(SessionStatus::Completed, None).await
    }

    /// The attempt failed; the session fails with the last attempt. If the job only waits, nothing has
    /// failed.
    pub(super) async fn failed(&self, error: &JobError) -> Result<(), JobError> {
        if error.is_pause() {
            return Ok(());
        }
        tracing::warn!(
            session_id = self.plan.session_id,
            task_id = %self.context.job_id(),
            %error,
            "a crawl session was interrupted"
        );
        let attempt = self.context.attempt();
        let is_over = match self.context.stop_reason() {
            Some(StopReason::Cancelled) => true,
            // Handed back without counting the attempt.
            Some(StopReason::Shutdown) => false,
            _ => error.is_permanent() || attempt.attempt >= attempt.max_attempts,
        };
        let status = if is_over { SessionStatus::Failed } else { SessionStatus::Running };
        match self.note(status, Some(error.to_string())).await {
            // Then another attempt reports its own state.
            Err(lost) if lost.is_lost() => Ok(()),
            other => other,
        }
    }

    async fn note(&self, status: SessionStatus, error: Option<String>) -> Result<(), JobError> {
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let note = SessionNote {
            base_url: self.plan.base.to_string(),
            status,
            pages_crawled: number(self.pages),
            bugs_found: number(self.bugs),
            error,
            ttl: self.ttl,
        };
        self.context.note_session(&self.plan.session_id, &note).await
    }
}
