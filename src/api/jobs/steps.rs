//! Routes of durable jobs: their checkpoints, their signals, and forks from a step.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::actions::finished;
use super::job_id::{JobId, resolve, unknown};
use super::show::find;
use crate::api::page_response::Page;
use crate::api::server::auth::caller::Caller;
use crate::api::server::json::{OptionalBody, Params};
use crate::api::server::path_params::SignalName;
use crate::api::server::problem::{Case, Problem};
use crate::api::server::validate;
use crate::api::state::ApiState;
use crate::job::document::JobDocument;
use crate::job::limits::PART_NAME_CHARACTERS;
use crate::store::attempts::signals::{SignalOutcome, SignalRecord};
use crate::store::attempts::steps::StepRecord;

const PAYLOAD_BYTES: usize = 64 * 1024;

/// List a job's checkpoints
///
/// In order. A step with a checkpoint is not run again.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/steps", tag = "jobs", operation_id = "list_steps",
    responses(
        (status = 200, description = "The checkpoints", body = Page<StepRecord>),
    )
)]
pub(crate) async fn steps(
    State(state): State<ApiState>,
    JobId(job_id): JobId,
) -> Result<Json<Page<StepRecord>>, Problem> {
    let mut steps = state.store.steps(job_id).await?;
    if steps.is_empty() {
        find(&state, job_id).await?;
    }
    for step in &mut steps {
        state.store.redact(step.output.as_mut());
    }
    Ok(Page::whole(steps))
}

/// The signals to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SignalsQuery {
    /// Only the signal of this name.
    name: Option<String>,
}

/// List a job's signals
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/signals", tag = "jobs", operation_id = "list_signals", params(SignalsQuery),
    responses(
        (status = 200, description = "The signals, oldest first", body = Page<SignalRecord>),
    )
)]
pub(crate) async fn signals(
    State(state): State<ApiState>,
    JobId(job_id): JobId,
    Params(query): Params<SignalsQuery>,
) -> Result<Json<Page<SignalRecord>>, Problem> {
    let name = query.name.map(|name| validate::text("/name", name, PART_NAME_CHARACTERS)).transpose()?;
    let mut signals = state.store.signals_named(job_id, name.as_deref()).await?;
    if signals.is_empty() {
        find(&state, job_id).await?;
    }
    for signal in &mut signals {
        state.store.redact(signal.payload.as_mut());
    }
    Ok(Page::whole(signals))
}

/// The payload of a signal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignalRequest {
    /// Any JSON, at most 64 KiB.
    #[schema(value_type = Option<Value>)]
    payload: Option<Value>,
}

/// The outcome of a signal.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignalAnswer {
    /// `delivered`, or `ignored` because a signal of that name arrived or timed out earlier.
    outcome: String,
    /// How many signals the job has, with this one.
    count: i64,
}

/// Send a signal
///
/// Sends a named message to a job that waits for it now or later. The first signal of a name
/// counts.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/signals/{name}", tag = "jobs", request_body = Option<SignalRequest>,
    responses(
        (status = 200, description = "The outcome of the signal", body = SignalAnswer),
        (status = 409, description = "The job has finished"),
    )
)]
pub(crate) async fn signal(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    SignalName { job, name }: SignalName,
    OptionalBody(body): OptionalBody<SignalRequest>,
) -> Result<Json<SignalAnswer>, Problem> {
    let job_id = resolve(&state.store, job).await?;
    let payload = body.and_then(|body| body.payload);
    let bytes = payload.as_ref().map_or(0, validate::json_bytes);
    if bytes > PAYLOAD_BYTES {
        let detail = format!("The payload is {bytes} bytes of JSON; the limit is {PAYLOAD_BYTES}.");
        return Err(Problem::new(Case::TooLarge, detail)
            .field("/payload")
            .member("limit_bytes", PAYLOAD_BYTES));
    }
    match state.store.signal(job_id, &name, payload.as_ref(), &caller.name).await? {
        None => Err(unknown(job_id)),
        Some(outcome @ (SignalOutcome::Delivered | SignalOutcome::Ignored)) => {
            let count = state.store.count_signals(job_id).await?;
            Ok(Json(SignalAnswer { outcome: outcome.word().to_owned(), count }))
        }
        Some(ended @ (SignalOutcome::Completed | SignalOutcome::Failed | SignalOutcome::Cancelled)) => {
            Err(finished(job_id, ended.word()))
        }
    }
}

/// The step from which a job's work is done again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForkRequest {
    /// The first step that runs again; by default all checkpoints are kept.
    from_step: Option<String>,
}

/// Fork a job
///
/// Enqueues the same work as a new job that keeps the checkpoints before a step and runs again from
/// that step.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/fork", tag = "jobs", request_body = Option<ForkRequest>,
    responses(
        (status = 202, description = "The new job", body = JobDocument),
        (status = 409, description = "The queue is draining"),
    )
)]
pub(crate) async fn fork(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    JobId(job_id): JobId,
    OptionalBody(body): OptionalBody<ForkRequest>,
) -> Result<(StatusCode, Json<JobDocument>), Problem> {
    let from_step = body.and_then(|body| body.from_step);
    let from_step =
        from_step.map(|name| validate::text("/from_step", name, PART_NAME_CHARACTERS)).transpose()?;
    let forked = state.store.fork(job_id, from_step.as_deref(), &caller.name).await?;
    let forked = forked.ok_or_else(|| unknown(job_id))?;
    Ok((StatusCode::ACCEPTED, Json(find(&state, forked).await?)))
}
