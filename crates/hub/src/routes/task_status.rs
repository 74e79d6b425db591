//! The state of a task, in the words of clients that poll. Uses only the job's row and progress.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use tidemill::extension::http::{JobId, find};
use tidemill::{ApiState, JobDocument, JobState, Problem};

use crate::spec::HubSettings;

/// The state of a task.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct TaskStatusResponse {
    /// The job's id.
    task_id: Uuid,
    /// PENDING, BUILDING, RUNNING, SUCCESS, FAILURE or REVOKED.
    state: &'static str,
    /// True if the task has finished.
    ready: bool,
    /// The current status, for a person.
    status: String,
    /// From 0 to 100.
    progress: u8,
    /// The result.
    result: Option<Value>,
    /// The error.
    error: Option<String>,
}

/// Read the state of a task
///
/// Its events are also available as a stream: GET /api/v1/jobs/{id}/events.
#[utoipa::path(
    get, path = "/api/orchestration/task-status/{task_id}", tag = "hub", operation_id = "task_status",
    responses(
        (status = 200, description = "The current state", body = TaskStatusResponse),
    )
)]
pub(super) async fn status(
    State(state): State<ApiState>,
    Extension(hub): Extension<Arc<HubSettings>>,
    JobId(id): JobId,
) -> Result<Json<TaskStatusResponse>, Problem> {
    let mut job = find(&state, id).await?;
    // A long log may lie in object storage; who polls here knows no references to it.
    if let Some(result) = job.result.take() {
        let mut result = state.store.open_value(result).await?;
        state.store.redact(Some(&mut result));
        job.result = Some(result);
    }
    Ok(Json(describe(job, &hub, Utc::now())))
}

/// Read the state of a task at its short address
#[utoipa::path(
    get, path = "/task-status/{task_id}", tag = "hub", operation_id = "task_status_short",
    responses(
        (status = 200, description = "The current state", body = TaskStatusResponse),
    )
)]
pub(super) async fn status_too(
    state: State<ApiState>,
    hub: Extension<Arc<HubSettings>>,
    id: JobId,
) -> Result<Json<TaskStatusResponse>, Problem> {
    status(state, hub, id).await
}

/// When it last showed that it lives; `None` if it does not run.
pub(super) fn last_sign(job: &JobDocument) -> Option<DateTime<Utc>> {
    if job.state != JobState::Running {
        return None;
    }
    job.started_at.max(job.progress.as_ref().map(|progress| progress.updated_at))
}

/// True if it runs and did not show that it lives for too long.
pub(super) fn is_stuck(job: &JobDocument, rules: &HubSettings, now: DateTime<Utc>) -> bool {
    last_sign(job)
        .and_then(|sign| (now - sign).to_std().ok())
        .is_some_and(|silence| silence >= rules.stuck_after)
}

/// The words of a task.
pub(super) fn describe(job: JobDocument, rules: &HubSettings, now: DateTime<Utc>) -> TaskStatusResponse {
    let error = job.error.as_ref().and_then(|error| error["message"].as_str()).map(str::to_owned);
    let (state, status, progress) = match job.state {
        JobState::Running => underway(&job, rules, now),
        JobState::Completed => ("SUCCESS", "Completed successfully".to_owned(), 100),
        JobState::Failed => ("FAILURE", "Task failed".to_owned(), 0),
        JobState::Cancelled => ("REVOKED", "Task was cancelled".to_owned(), 0),
        JobState::Available | JobState::Waiting if job.attempt > 0 => {
            let because = error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
            let status = format!(
                "Attempt {} of {} failed, waiting for the next{because}",
                job.attempt, job.max_attempts
            );
            ("PENDING", status, 0)
        }
        JobState::Available | JobState::Waiting => {
            ("PENDING", "Task is queued, waiting to start...".to_owned(), 0)
        }
    };
    let ready = job.finished_at.is_some();
    TaskStatusResponse {
        task_id: job.id,
        state,
        ready,
        status,
        progress,
        result: job.result,
        // An earlier attempt's error neither ended the task nor explains its cancellation.
        error: error.filter(|_| state == "FAILURE"),
    }
}

/// The words of a task that runs; what an earlier attempt showed does not count.
fn underway(job: &JobDocument, rules: &HubSettings, now: DateTime<Utc>) -> (&'static str, String, u8) {
    let progress =
        job.progress.as_ref().filter(|progress| job.started_at.is_none_or(|at| progress.updated_at >= at));
    let data = progress.and_then(|progress| progress.data.as_ref());
    let runs = data.is_some_and(|data| data["state"] == "RUNNING");
    let (state, nameless) = if runs { ("RUNNING", "Running...") } else { ("BUILDING", "Building...") };
    let mut status =
        progress.and_then(|progress| progress.step.clone()).unwrap_or_else(|| nameless.to_owned());
    if job.cancel_requested_at.is_some() {
        status = format!("Cancelling: {status}");
    } else if is_stuck(job, rules, now) {
        let minutes = last_sign(job).map_or(0, |sign| (now - sign).num_minutes());
        status = format!("Possibly stuck, no sign of life for {minutes} min: {status}");
    }
    // A build without output has done nothing; a task that acts on containers has finished its builds.
    let unsaid = if runs { 90.0 } else { 0.0 };
    let percent = progress.and_then(|progress| progress.percent).unwrap_or(unsaid);
    (state, status, whole(percent))
}

/// 100 is for what is done.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped")]
fn whole(percent: f32) -> u8 {
    percent.clamp(0.0, 99.0) as u8
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use tidemill::extension::jobs::{Links, Progress};

    fn job(state: JobState, started: Option<DateTime<Utc>>) -> JobDocument {
        let id = Uuid::now_v7();
        JobDocument {
            id,
            kind: "hub.start".into(),
            queue: "hub".into(),
            state,
            status: String::new(),
            priority: 5,
            args: json!({}),
            result: None,
            error: None,
            attempt: i32::from(started.is_some()),
            max_attempts: 4,
            run_at: None,
            created_at: Utc::now(),
            started_at: started,
            finished_at: state.is_final().then(Utc::now),
            execution_id: None,
            tags: vec![],
            metadata: None,
            progress: None,
            worker_id: None,
            cancel_requested_at: None,
            concurrency_keys: vec![],
            fair_key: None,
            owner: None,
            expires_at: None,
            workflow_id: None,
            links: Links::of(id),
            last_seq: 0,
        }
    }

    fn shown(job: JobDocument) -> (&'static str, String, u8, bool) {
        let seen = describe(job, &HubSettings::default(), Utc::now());
        (seen.state, seen.status, seen.progress, seen.ready)
    }

    #[test]
    fn every_state_has_its_words() {
        let queued = ("PENDING", "Task is queued, waiting to start...".to_owned(), 0, false);
        assert_eq!(shown(job(JobState::Available, None)), queued);
        assert_eq!(shown(job(JobState::Waiting, None)), queued);
        let now = Utc::now();
        assert_eq!(shown(job(JobState::Running, Some(now))), ("BUILDING", "Building...".into(), 0, false));
        let mut running = job(JobState::Running, Some(now));
        running.progress = Some(Progress {
            percent: Some(80.6),
            step: Some("Starting services...".into()),
            data: Some(json!({ "state": "RUNNING" })),
            seq: 1,
            updated_at: now,
        });
        assert_eq!(shown(running.clone()), ("RUNNING", "Starting services...".into(), 80, false));
        let mut unsaid = running.clone();
        unsaid.progress = unsaid.progress.map(|progress| Progress { percent: None, step: None, ..progress });
        assert_eq!(shown(unsaid), ("RUNNING", "Running...".into(), 90, false));
        let mut again = running.clone();
        again.started_at = Some(now + Duration::from_mins(1));
        assert_eq!(shown(again), ("BUILDING", "Building...".into(), 0, false), "that was another attempt");
        running.cancel_requested_at = Some(now);
        assert_eq!(shown(running).1, "Cancelling: Starting services...");
        assert_eq!(
            shown(job(JobState::Completed, Some(now))),
            ("SUCCESS", "Completed successfully".into(), 100, true)
        );
        assert_eq!(
            shown(job(JobState::Cancelled, Some(now))),
            ("REVOKED", "Task was cancelled".into(), 0, true)
        );
        let mut failed = job(JobState::Failed, Some(now));
        failed.error = Some(json!({ "message": "no disk" }));
        assert_eq!(describe(failed.clone(), &HubSettings::default(), now).error.as_deref(), Some("no disk"));
        assert_eq!(shown(failed.clone()), ("FAILURE", "Task failed".into(), 0, true));
        let cancelled = JobDocument { state: JobState::Cancelled, ..failed.clone() };
        assert_eq!(describe(cancelled, &HubSettings::default(), now).error, None, "of an attempt before");
        failed.state = JobState::Available;
        failed.finished_at = None;
        let retrying = describe(failed, &HubSettings::default(), now);
        assert_eq!(retrying.status, "Attempt 1 of 4 failed, waiting for the next: no disk");
        assert_eq!((retrying.state, retrying.error), ("PENDING", None));
    }

    #[test]
    fn silence_looks_stuck() {
        let rules = HubSettings::default();
        let now = Utc::now();
        let silent = job(JobState::Running, Some(now - rules.stuck_after));
        assert!(is_stuck(&silent, &rules, now) && !is_stuck(&silent, &rules, now - Duration::from_secs(1)));
        assert!(
            describe(silent, &rules, now).status.starts_with("Possibly stuck, no sign of life for 5 min")
        );
        assert!(!is_stuck(&job(JobState::Available, None), &rules, now));
    }
}
