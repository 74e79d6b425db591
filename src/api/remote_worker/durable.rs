//! Durable code of remote workers: checkpoints, children, and waits for signals or for other jobs.
//! Only the holder of the lease is accepted, and every request may be repeated.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::state::ApiState;
use super::responses::{JobStateResponse, lease_lost};
use super::settle::settle_one;
use crate::api::jobs::create_request::JobRequest;
use crate::api::jobs::duration_input::DurationInput;
use crate::api::jobs::job_id::JobId;
use crate::api::server::json::{RawBody, parse_storable, part};
use crate::api::server::problem::{Case, Problem};
use crate::api::server::validate;
use crate::api::workflows::request::WorkflowRequest;
use crate::job::attempt::{Outcome, Wait};
use crate::job::limits::{PART_NAME_CHARACTERS, STEP_OUTPUT_BYTES};
use crate::spans;
use crate::store::jobs::prepared::Child;
use crate::store::trace_scope::traced_or;

const MOST_JOBS: usize = 1000;

/// A checkpoint.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepRequest {
    /// The lease that the claim returned.
    lease_id: Uuid,
    /// The step's name, unique in the job: 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// The output, at most 1 MiB of JSON.
    #[serde(default)]
    #[schema(value_type = Option<Value>)]
    output: Value,
    /// True for a cursor, whose last value counts; otherwise the first output counts.
    #[serde(default)]
    replace: bool,
}

/// The stored output.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepAnswer {
    /// The output of the step that was stored first, or of the cursor.
    #[schema(value_type = Option<Value>)]
    output: Value,
}

/// Store a checkpoint
///
/// A stored step need not be done again when the job is retried; GET /jobs/{id}/steps lists the
/// steps. The request renews the lease.
#[utoipa::path(
    post, path = "/api/v1/worker/jobs/{id}/step", tag = "remote workers", request_body = StepRequest,
    responses(
        (status = 200, description = "The stored output", body = StepAnswer),
        (status = 409, description = "The lease is lost"),
    )
)]
pub(crate) async fn step(
    State(state): State<ApiState>,
    JobId(job_id): JobId,
    RawBody(body): RawBody,
) -> Result<Json<StepAnswer>, Problem> {
    let StepRequest { lease_id, name, output, replace } = parse_storable(&body)?;
    let name = checked_step(name, &output)?;
    let kept = state.store.save_step((job_id, lease_id), &name, &output, replace).await?;
    let output = kept.ok_or_else(|| lease_lost(job_id, lease_id))?;
    Ok(Json(StepAnswer { output }))
}

/// The name of a step that may be stored.
///
/// # Errors
/// 422 for a name that is none, 413 for an output that is too large.
pub(super) fn checked_step(name: String, output: &Value) -> Result<String, Problem> {
    let name = validate::text("/name", name, PART_NAME_CHARACTERS)?;
    let bytes = validate::json_bytes(output);
    if bytes > STEP_OUTPUT_BYTES {
        let detail = format!("The output is {bytes} bytes of JSON; the limit is {STEP_OUTPUT_BYTES}.");
        return Err(Problem::new(Case::TooLarge, detail)
            .field("/output")
            .member("limit_bytes", STEP_OUTPUT_BYTES));
    }
    Ok(name)
}

/// A child job or child workflow.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChildRequest {
    /// The lease that the claim returned.
    lease_id: Uuid,
    /// Its name, unique in the job: 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// A job in the format of POST /jobs.
    #[schema(value_type = Option<JobRequest>)]
    job: Option<Map<String, Value>>,
    /// Or a workflow in the format of POST /workflows.
    #[schema(value_type = Option<WorkflowRequest>)]
    workflow: Option<Map<String, Value>>,
}

/// The child.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChildAnswer {
    /// Its id; the same for the same name.
    job_id: Uuid,
}

/// Enqueue a child
///
/// Once per name, no matter how often the job is tried.
#[utoipa::path(
    post, path = "/api/v1/worker/jobs/{id}/children", tag = "remote workers", request_body = ChildRequest,
    responses(
        (status = 200, description = "The child", body = ChildAnswer),
        (status = 409, description = "The lease is lost"),
    )
)]
pub(crate) async fn child(
    State(state): State<ApiState>,
    JobId(job_id): JobId,
    RawBody(body): RawBody,
) -> Result<Json<ChildAnswer>, Problem> {
    let request: ChildRequest = parse_storable(&body)?;
    let name = validate::text("/name", request.name, PART_NAME_CHARACTERS)?;
    let rules = &state.args;
    let span = state.store.span_of((job_id, request.lease_id), spans::are_exported()).await?;
    let child = match (request.job, request.workflow) {
        (Some(job), None) => {
            let job: JobRequest = part(Value::Object(job), "/job")?;
            let job = job.into_new_job(rules).map_err(|problem| problem.under("/job"))?;
            Child::Job(Box::new(traced_or(span, || state.store.prepare_inline(job))?))
        }
        (None, Some(workflow)) => {
            let workflow: WorkflowRequest = part(Value::Object(workflow), "/workflow")?;
            let workflow = workflow.checked(rules).map_err(|problem| problem.under("/workflow"))?;
            Child::Workflow(traced_or(span, || state.store.prepare_workflow(&workflow))?)
        }
        _ => {
            let problem = Problem::invalid("/job", "Exactly one of job and workflow is needed.");
            return Err(problem.remedy("Send one of them."));
        }
    };
    let child = state.store.spawn_child((job_id, request.lease_id), &name, &child).await?;
    let job_id = child.ok_or_else(|| lease_lost(job_id, request.lease_id))?;
    Ok(Json(ChildAnswer { job_id }))
}

/// The reason to wait: a signal, or other jobs.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WaitRequest {
    /// The lease that the claim returned.
    lease_id: Uuid,
    /// The name of a signal.
    #[schema(min_length = 1, max_length = 200)]
    signal: Option<String>,
    /// The time after which the job continues without the signal.
    #[schema(value_type = Option<DurationInput>)]
    timeout: Option<Value>,
    /// Or the ids of 1 to 1,000 jobs; the job continues when all have finished.
    #[schema(min_items = 1, max_items = 1000)]
    jobs: Option<Vec<Uuid>>,
}

/// Let a job wait
///
/// Ends the attempt without counting it; the job runs again when the signal has arrived or the jobs
/// have finished.
#[utoipa::path(
    post, path = "/api/v1/worker/jobs/{id}/wait", tag = "remote workers", request_body = WaitRequest,
    responses(
        (status = 200, description = "waiting, or available if nothing is left to wait for", body = JobStateResponse),
        (status = 409, description = "The lease is lost"),
    )
)]
pub(crate) async fn wait(
    State(state): State<ApiState>,
    JobId(job_id): JobId,
    RawBody(body): RawBody,
) -> Result<Json<JobStateResponse>, Problem> {
    let WaitRequest { lease_id, signal, timeout, jobs } = parse_storable(&body)?;
    let longest = validate::LONGEST_DURATION;
    let timeout = timeout.map(|timeout| validate::duration("/timeout", &timeout, longest)).transpose()?;
    let wait = match (signal, jobs) {
        (Some(signal), None) => Wait::Signal {
            signal: validate::text("/signal", signal, PART_NAME_CHARACTERS)?,
            timeout_seconds: timeout.as_ref().map(Duration::as_secs_f64),
        },
        (None, Some(parents)) if (1..=MOST_JOBS).contains(&parents.len()) && timeout.is_none() => {
            Wait::Jobs { parents }
        }
        _ => {
            let problem = Problem::invalid("/signal", "Exactly one of signal and jobs is needed.");
            return Err(problem.remedy("Send a signal, optionally with a timeout, or 1 to 1,000 jobs."));
        }
    };
    let job_state = match settle_one(&state, job_id, lease_id, Outcome::Waits { wait }).await? {
        Some(job_state) => Some(job_state),
        None => state.store.waited_by(job_id, lease_id).await?,
    };
    let job_state = job_state.ok_or_else(|| lease_lost(job_id, lease_id))?;
    Ok(Json(JobStateResponse { state: job_state }))
}
