//! The actions of the hub: each enqueues a job and answers its id at once. A repeated request
//! starts nothing twice; a project that nobody described cannot be touched.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use tidemill::extension::http::{
    Caller, OptionalBody, Params, find, refusal, unknown as no_such_job, validate,
};
use tidemill::extension::jobs::{Enqueued, Filter, InsertOutcome};
use tidemill::{After, ApiState, JobDocument, JobState, NewJob, Problem, RunIf, Unique};

use super::project_name::{ProjectName, unknown};
use crate::catalog;
use crate::extension::HUB_PROJECT;
use crate::kind_names::Verb;
use crate::spec::HubSettings;

const MOST_LINES: i64 = 10_000;
/// More of one project are not looked through for those that a new task makes void.
const MOST_UNFINISHED: i64 = 1000;
/// The jobs of one project are found by its tag.
const TAG: &str = "hub:";

/// The queued task.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskResponse {
    /// The job's id.
    task_id: Uuid,
    /// `pending`
    status: &'static str,
    /// A message for a person.
    message: String,
}

/// The service of a project.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceRequest {
    /// The service; all services if left out.
    #[schema(min_length = 1, max_length = 255)]
    service_name: Option<String>,
}

/// The log lines to read.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LogsRequest {
    /// The service; all services if left out.
    #[schema(min_length = 1, max_length = 255)]
    service_name: Option<String>,
    /// The number of last lines of each service; by default 100.
    #[schema(minimum = 1, maximum = 10000)]
    lines: Option<i64>,
}

/// Start a project
///
/// Builds its images, starts its services and waits until they are healthy. While a start is
/// unfinished, another start returns the same task. A stop that failed and waits for its retry is
/// cancelled, because it would stop the started services.
#[utoipa::path(
    post, path = "/api/orchestration/{project_id}/start", tag = "hub",
    responses(
        (status = 200, description = "The task", body = TaskResponse),
        (status = 409, description = "The queue is draining"),
    )
)]
pub(super) async fn start(
    State(state): State<ApiState>,
    Extension(hub): Extension<Arc<HubSettings>>,
    Extension(caller): Extension<Caller>,
    ProjectName(project): ProjectName,
) -> Result<Json<TaskResponse>, Problem> {
    let job = new_job(&state, &hub, Verb::Start, &project, Map::new()).await?;
    for stop in unfinished(&state, &project, &[hub.others.name(Verb::Stop)]).await? {
        if is_between_attempts(&stop) {
            state.store.cancel(stop.id, Some("the project is started"), &caller.name).await?;
        }
    }
    let task_id = enqueue(&state, &behind_stops(&state, &hub, &project, job).await?).await?;
    let message = format!("Project start initiated. Poll /task-status/{task_id} for progress.");
    Ok(taken(task_id, message))
}

/// Stop a project
///
/// Stops its containers. Unfinished starts and restarts of the same project are cancelled first,
/// because they would start the stopped containers again.
#[utoipa::path(
    post, path = "/api/orchestration/{project_id}/stop", tag = "hub",
    responses(
        (status = 200, description = "The task", body = TaskResponse),
        (status = 409, description = "The queue is draining"),
    )
)]
pub(super) async fn stop(
    State(state): State<ApiState>,
    Extension(hub): Extension<Arc<HubSettings>>,
    Extension(caller): Extension<Caller>,
    ProjectName(project): ProjectName,
) -> Result<Json<TaskResponse>, Problem> {
    let job = new_job(&state, &hub, Verb::Stop, &project, Map::new()).await?;
    for start in
        unfinished(&state, &project, &[hub.others.name(Verb::Start), hub.others.name(Verb::Restart)]).await?
    {
        state.store.cancel(start.id, Some("the project is stopped"), &caller.name).await?;
    }
    let task_id = enqueue(&state, &job).await?;
    Ok(taken(task_id, "Project stop initiated.".into()))
}

/// Restart a service
///
/// Restarts the containers of one service or of all services, and waits until they are healthy. The
/// service may be named in the body or in the query.
#[utoipa::path(
    post, path = "/api/orchestration/{project_id}/restart", tag = "hub", request_body = Option<ServiceRequest>,
    params(
        ("service_name" = Option<String>, Query, description = "Overrides the value of the body"),
    ),
    responses(
        (status = 200, description = "The task", body = TaskResponse),
        (status = 409, description = "The queue is draining"),
    )
)]
pub(super) async fn restart(
    State(state): State<ApiState>,
    Extension(hub): Extension<Arc<HubSettings>>,
    ProjectName(project): ProjectName,
    Params(query): Params<ServiceRequest>,
    OptionalBody(body): OptionalBody<ServiceRequest>,
) -> Result<Json<TaskResponse>, Problem> {
    let service = body.and_then(|body| body.service_name).or(query.service_name);
    let args = service_args(service)?;
    let job = new_job(&state, &hub, Verb::Restart, &project, args).await?;
    let task_id = enqueue(&state, &behind_stops(&state, &hub, &project, job).await?).await?;
    Ok(taken(task_id, "Service restart initiated.".into()))
}

/// Read a project's logs
///
/// The task's result holds the last lines of one service or of all services. Service and lines may
/// be named in the body or in the query.
#[utoipa::path(
    post, path = "/api/orchestration/{project_id}/logs", tag = "hub", request_body = Option<LogsRequest>,
    params(
        ("service_name" = Option<String>, Query, description = "Overrides the value of the body"),
        ("lines" = Option<i64>, Query, description = "Overrides the value of the body", minimum = 1, maximum = 10000),
    ),
    responses(
        (status = 200, description = "The task", body = TaskResponse),
        (status = 409, description = "The queue is draining"),
    )
)]
pub(super) async fn logs(
    State(state): State<ApiState>,
    Extension(hub): Extension<Arc<HubSettings>>,
    ProjectName(project): ProjectName,
    Params(query): Params<LogsRequest>,
    OptionalBody(body): OptionalBody<LogsRequest>,
) -> Result<Json<TaskResponse>, Problem> {
    let body = body.unwrap_or_default();
    let mut args = service_args(body.service_name.or(query.service_name))?;
    let lines = body.lines.or(query.lines).unwrap_or(100);
    if !(1..=MOST_LINES).contains(&lines) {
        let problem = Problem::invalid("/lines", format!("{lines} is out of bounds."));
        return Err(problem.remedy(format!("Use 1 to {MOST_LINES}.")));
    }
    args.insert("lines".into(), lines.into());
    let job = new_job(&state, &hub, Verb::Logs, &project, args).await?;
    let task_id = enqueue(&state, &job).await?;
    Ok(taken(task_id, "Log retrieval initiated.".into()))
}

fn taken(task_id: Uuid, message: String) -> Json<TaskResponse> {
    Json(TaskResponse { task_id, status: "pending", message })
}

fn service_args(service: Option<String>) -> Result<Map<String, Value>, Problem> {
    let service = service.map(|service| validate::text("/service_name", service, 255)).transpose()?;
    Ok(service.map(|service| ("service_name".to_owned(), service.into())).into_iter().collect())
}

/// The job for a task of a project.
async fn new_job(
    state: &ApiState,
    hub: &HubSettings,
    verb: Verb,
    project: &str,
    more: Map<String, Value>,
) -> Result<NewJob, Problem> {
    let other = hub.others.get(verb);
    if other.is_none() && !hub.projects.contains_key(project) {
        let projects = catalog::all(hub, &state.store).await?;
        if !projects.contains_key(project) {
            let known: Vec<_> = projects.keys().map(String::as_str).collect();
            return Err(unknown(&known, project));
        }
    }
    let args = Map::from_iter([("project".to_owned(), project.into())]).into_iter().chain(more).collect();
    let job = NewJob {
        queue: hub.others.queue_of(verb, &hub.queue),
        retain: hub.retain,
        tags: vec![format!("{TAG}{project}")],
        // Reading conflicts with nothing.
        concurrency_keys: if verb == Verb::Logs { vec![] } else { vec![format!("{HUB_PROJECT}:{project}")] },
        unique: Some(Unique::by_args()),
        ..NewJob::new(hub.others.name(verb), args)
    };
    if other.is_some() {
        // Its attempts and timeouts are those of the kind.
        return Ok(job);
    }
    let max_attempts = Some(hub.retries.saturating_add(1));
    Ok(NewJob { max_attempts, hard_timeout: Some(hub.hard_timeout), ..job })
}

/// Lets it begin when the stops that were asked for before have ended: they are in another queue, which keeps no order
/// with its own.
async fn behind_stops(
    state: &ApiState,
    hub: &HubSettings,
    project: &str,
    job: NewJob,
) -> Result<NewJob, Problem> {
    let stops = unfinished(state, project, &[hub.others.name(Verb::Stop)]).await?;
    let after: Vec<_> =
        stops.iter().filter(|stop| !is_between_attempts(stop)).map(|stop| After::job(stop.id)).collect();
    let run_if = (!after.is_empty()).then_some(RunIf::AllFinished);
    Ok(NewJob { after, run_if, ..job })
}

/// True if it failed and waits for its next attempt.
fn is_between_attempts(job: &JobDocument) -> bool {
    job.attempt > 0 && job.state != JobState::Running
}

/// Stores the task, or finds the one that is the same and not over; answers its id.
async fn enqueue(state: &ApiState, job: &NewJob) -> Result<Uuid, Problem> {
    let enqueued = store(state, job).await?;
    match enqueued.outcome {
        InsertOutcome::Created => Ok(enqueued.id),
        InsertOutcome::Existing | InsertOutcome::Replaced => {
            let existing = state.store.find_job(enqueued.id).await?;
            match existing.filter(|job| job.cancel_requested_at.is_some()) {
                Some(_) => enqueue_replacement(state, job.clone()).await,
                None => Ok(enqueued.id),
            }
        }
        _ => Err(refusal(job, &enqueued, None)),
    }
}

async fn store(state: &ApiState, job: &NewJob) -> Result<Enqueued, Problem> {
    let bytes = validate::json_bytes(&job.args);
    state.enqueuer.enqueue(state.store.prepare(job.clone()).await?, bytes).await
}

/// Stores a task while the same one is on its way out.
async fn enqueue_replacement(state: &ApiState, job: NewJob) -> Result<Uuid, Problem> {
    let states = ["scheduled", "available", "waiting", "retrying"].map(str::to_owned).to_vec();
    let unique = Unique { states, ..Unique::by_args() };
    let job = NewJob { unique: Some(unique), ..job };
    let enqueued = store(state, &job).await?;
    match enqueued.outcome {
        InsertOutcome::Created | InsertOutcome::Existing | InsertOutcome::Replaced => Ok(enqueued.id),
        _ => Err(refusal(&job, &enqueued, None)),
    }
}

/// A new task for the same as `job`, which was cancelled.
pub(super) async fn enqueue_again(
    state: &ApiState,
    hub: &HubSettings,
    job: &JobDocument,
) -> Result<Uuid, Problem> {
    let project = job.args["project"].as_str().unwrap_or_default();
    let mut args = job.args.as_object().cloned().unwrap_or_default();
    args.remove("project");
    let verb = hub.others.verb_of(&job.kind).ok_or_else(|| no_such_job(job.id))?;
    let replacement = new_job(state, hub, verb, project, args).await?;
    let is_over = find(state, job.id).await?.finished_at.is_some();
    if is_over { enqueue(state, &replacement).await } else { enqueue_replacement(state, replacement).await }
}

/// The tasks of a project that are of these kinds and not over.
async fn unfinished(state: &ApiState, project: &str, kinds: &[&str]) -> Result<Vec<JobDocument>, Problem> {
    let filter = Filter {
        unfinished: true,
        tag: Some(format!("{TAG}{project}")),
        limit: MOST_UNFINISHED,
        ..Filter::default()
    };
    let jobs = state.store.list_jobs(&filter).await?.jobs.into_iter();
    Ok(jobs.filter(|job| kinds.contains(&job.kind.as_str())).collect())
}
