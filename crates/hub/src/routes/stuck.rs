//! Running tasks without a sign of life, and an administrator's actions on them. Must end nothing
//! by itself.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::task_status::{TaskStatusResponse, describe, is_stuck, last_sign};
use super::verbs::enqueue_again;
use tidemill::extension::http::{Caller, Case, JobId, Page, find, unknown};
use tidemill::extension::jobs::{CancelOutcome, Filter, micros};
use tidemill::{ApiState, JobDocument, JobState, Problem};

use crate::kind_names::Verb;
use crate::spec::HubSettings;

const MOST_TASKS: i64 = 1000;

/// A task that is possibly stuck.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StuckTask {
    /// The job's id.
    task_id: Uuid,
    /// The kind of the task, such as `hub.start`.
    kind: String,
    /// The project.
    project_id: String,
    /// Its last status message.
    status: String,
    /// The worker that has it.
    worker_id: Option<String>,
    /// The time of its last sign of life.
    #[serde(serialize_with = "micros")]
    last_sign_of_life_at: DateTime<Utc>,
    /// The time since then.
    silent_seconds: i64,
    /// POST here to cancel it.
    cancel: String,
    /// POST here to cancel it and start it again.
    restart: String,
}

/// A task that takes the place of another.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RestartedTask {
    /// The new job's id.
    task_id: Uuid,
    /// The id of the cancelled job.
    replaces: Uuid,
    /// `pending`
    status: &'static str,
    /// For a person.
    message: String,
}

/// List tasks that are possibly stuck
///
/// Running tasks without a sign of life, of their own or of the engine, for `hub.stuck_after`. A
/// task whose worker died is not listed: it runs again by itself.
#[utoipa::path(get, path = "/api/orchestration/stuck", tag = "hub", operation_id = "list_stuck",
    responses((status = 200, description = "The tasks; the one without a sign of life for the longest time comes first", body = Page<StuckTask>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Extension(hub): Extension<Arc<HubSettings>>,
) -> Result<Json<Page<StuckTask>>, Problem> {
    let now = Utc::now();
    let mut running = Vec::new();
    for verb in Verb::ALL {
        let filter = Filter {
            state: Some(JobState::Running),
            kind: Some(hub.others.name(verb).to_owned()),
            limit: MOST_TASKS,
            ..Filter::default()
        };
        running.extend(state.store.list_jobs(&filter).await?.jobs);
    }
    let stuck = running.into_iter().filter(|job| is_stuck(job, &hub, now));
    let mut tasks: Vec<_> = stuck.filter_map(|job| task(job, now)).collect();
    tasks.sort_by_key(|task| task.last_sign_of_life_at);
    Ok(Page::whole(tasks))
}

/// Cancel a task
///
/// Cancelling a running start removes what its present attempt created; what earlier attempts
/// created stays, as between two attempts.
#[utoipa::path(
    post, path = "/api/orchestration/stuck/{task_id}/cancel", tag = "hub", operation_id = "cancel_stuck",
    responses(
        (status = 200, description = "The task is cancelled, or will be soon", body = TaskStatusResponse),
        (status = 409, description = "The task has finished"),
    )
)]
pub(super) async fn cancel(
    State(state): State<ApiState>,
    Extension(hub): Extension<Arc<HubSettings>>,
    Extension(caller): Extension<Caller>,
    JobId(id): JobId,
) -> Result<Json<TaskStatusResponse>, Problem> {
    cancelled(&state, &hub, &caller, id, "cancelled as stuck").await?;
    let job = find(&state, id).await?;
    Ok(Json(describe(job, &hub, Utc::now())))
}

/// Restart a task
///
/// Cancels the task and creates a new one for the same work, which runs when the old one has
/// finished.
#[utoipa::path(
    post, path = "/api/orchestration/stuck/{task_id}/restart", tag = "hub", operation_id = "restart_stuck",
    responses(
        (status = 200, description = "The new task", body = RestartedTask),
        (status = 409, description = "The task has finished"),
    )
)]
pub(super) async fn restart(
    State(state): State<ApiState>,
    Extension(hub): Extension<Arc<HubSettings>>,
    Extension(caller): Extension<Caller>,
    JobId(id): JobId,
) -> Result<Json<RestartedTask>, Problem> {
    let job = cancelled(&state, &hub, &caller, id, "restarted as stuck").await?;
    let task_id = enqueue_again(&state, &hub, &job).await?;
    let message = format!("Restart initiated. Poll /task-status/{task_id} for progress.");
    Ok(Json(RestartedTask { task_id, replaces: id, status: "pending", message }))
}

/// Cancels a task of the hub; answers it as it was.
async fn cancelled(
    state: &ApiState,
    hub: &HubSettings,
    caller: &Caller,
    id: Uuid,
    reason: &str,
) -> Result<JobDocument, Problem> {
    let job = find(state, id).await?;
    if hub.others.verb_of(&job.kind).is_none() {
        return Err(unknown(id));
    }
    match state.store.cancel(id, Some(reason), &caller.name).await? {
        None => Err(unknown(id)),
        Some(CancelOutcome::Cancelled | CancelOutcome::CancelRequested) => Ok(job),
        Some(state @ (CancelOutcome::Completed | CancelOutcome::Failed)) => {
            let detail = format!("The task {id} is {}.", state.word());
            Err(Problem::new(Case::JobFinished, detail).member("state", state.word()))
        }
    }
}

fn task(job: JobDocument, now: DateTime<Utc>) -> Option<StuckTask> {
    let sign = last_sign(&job)?;
    let at = format!("/api/orchestration/stuck/{}", job.id);
    Some(StuckTask {
        task_id: job.id,
        project_id: job.args["project"].as_str().unwrap_or_default().to_owned(),
        kind: job.kind,
        status: job.progress.and_then(|progress| progress.step).unwrap_or_default(),
        worker_id: job.worker_id,
        last_sign_of_life_at: sign,
        silent_seconds: (now - sign).num_seconds(),
        cancel: format!("{at}/cancel"),
        restart: format!("{at}/restart"),
    })
}
