//! The state of a task in the words of Celery. Must never show more than the job does.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use tidemill::extension::http::{JobName, execution_id, find, resolve};
use tidemill::{ApiState, JobDocument, JobState, Problem};

/// The state of a task.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskStatus {
    /// The execution id, by which the task can be followed.
    execution_id: String,
    /// The job's id.
    task_id: Uuid,
    /// `pending`, `processing`, `completed` or `failed`.
    #[schema(value_type = String, example = "processing")]
    status: &'static str,
    /// `PENDING`, `STARTED`, `RETRY`, `SUCCESS`, `FAILURE` or `REVOKED`.
    #[schema(value_type = String, example = "STARTED")]
    celery_state: &'static str,
    /// The address of its live events.
    #[schema(example = "/ws/execution/9b2…")]
    websocket_url: String,
}

/// The job of an execution id in a path.
#[derive(Debug)]
pub(super) struct Execution {
    /// As the caller has it.
    pub(super) id: String,
    pub(super) job_id: Uuid,
}

impl FromRequestParts<ApiState> for Execution {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let id = execution_id(parts, state).await?;
        let job_id = resolve(&state.store, JobName::Execution(id.clone())).await?;
        Ok(Self { id, job_id })
    }
}

/// Read the state of a task
#[utoipa::path(
    get, path = "/api/tasks/{execution_id}/status", tag = "tasks", operation_id = "status",
    responses(
        (status = 200, description = "The current state", body = TaskStatus),
    )
)]
pub(super) async fn show(
    State(state): State<ApiState>,
    Execution { id, job_id }: Execution,
) -> Result<Json<TaskStatus>, Problem> {
    let job = find(&state, job_id).await?;
    let (status, celery_state) = words(&job);
    let websocket_url = format!("/ws/execution/{}", encoded(&id));
    Ok(Json(TaskStatus { execution_id: id, task_id: job_id, status, celery_state, websocket_url }))
}

fn words(job: &JobDocument) -> (&'static str, &'static str) {
    match job.state {
        JobState::Waiting | JobState::Available if job.status == "retrying" => ("pending", "RETRY"),
        JobState::Waiting | JobState::Available => ("pending", "PENDING"),
        JobState::Running => ("processing", "STARTED"),
        JobState::Completed => ("completed", "SUCCESS"),
        JobState::Failed => ("failed", "FAILURE"),
        JobState::Cancelled => ("failed", "REVOKED"),
    }
}

/// An execution id in a path.
pub(super) fn encoded(id: &str) -> String {
    url::form_urlencoded::byte_serialize(id.as_bytes()).collect::<String>().replace('+', "%20")
}
