//! Routes of workflows: enqueues graphs of jobs and shows them. A workflow is also a job, whose own
//! routes show its progress, events and result. Must never store a part of a workflow.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::request::WorkflowRequest;
use crate::api::jobs::actions;
use crate::api::jobs::actions::CancelRequest;
use crate::api::jobs::job_id::{JobId, unknown};
use crate::api::jobs::list::{read_cursor, write_cursor};
use crate::api::jobs::show::find;
use crate::api::page_response::{Page, Repeatable};
use crate::api::server::auth::caller::Caller;
use crate::api::server::idempotency::{Begun, Keyed};
use crate::api::server::json::query::Params;
use crate::api::server::json::{OptionalBody, RawBody, parse};
use crate::api::server::problem::Problem;
use crate::api::server::validate;
use crate::api::state::ApiState;
use crate::job::document::JobDocument;
use crate::store;
use crate::store::jobs::find::find_jobs_in;
use crate::store::workflows::{WorkflowMember, WorkflowSummary, create_workflow_soon};

const ROUTE: &str = "POST /workflows";
const MOST_ITEMS: i32 = 200;

/// A workflow with its jobs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WorkflowDocument {
    #[serde(flatten)]
    summary: WorkflowSummary,
    /// Its jobs in order; a job that is itself a workflow has its own page.
    jobs: Vec<WorkflowMember>,
}

/// The start of a page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WorkflowsQuery {
    /// The `next_cursor` of the previous page.
    cursor: Option<String>,
    /// The most items, 1 to 200; by default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Enqueue a workflow
///
/// All of its jobs are stored, or none. The answer is the job of the workflow: it finishes when all
/// of its jobs have finished, and its progress, events and result are theirs. With an
/// `Idempotency-Key` the request may be repeated.
#[utoipa::path(
    post, path = "/api/v1/workflows", tag = "workflows", request_body = WorkflowRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters, new for each piece of work")),
    responses(
        (status = 202, description = "The job of the workflow", body = JobDocument,
            headers(("Location" = String, description = "The job's address"), ("Idempotency-Replayed" = bool, description = "True if this is the stored answer to an earlier request"))),
    )
)]
pub(crate) async fn create(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Repeatable, Problem> {
    let workflow = parse::<WorkflowRequest>(&body)?.checked(&state.args)?;
    let workflow = state.store.prepare_workflow(&workflow)?;
    let Some(keyed) = Keyed::of(&headers, &caller, ROUTE, &body)? else {
        let mut transaction = state.store.pool().begin().await.map_err(store::Error::from)?;
        let id = create_workflow_soon(transaction.connection(), &workflow).await?;
        transaction.commit().await.map_err(store::Error::from)?;
        return answered(&find(&state, id).await?);
    };
    match keyed.begin(&state.store).await? {
        Begun::Replay(body) => Ok(Repeatable { status: StatusCode::ACCEPTED, body, replayed: true }),
        Begun::Work(mut work) => {
            let id = create_workflow_soon(work.connection(), &workflow).await?;
            let job = find_jobs_in(work.connection(), &[id]).await?.pop().ok_or_else(|| unknown(id))?;
            let answer = answered(&state.store.shown(job))?;
            work.answer(&answer.body).await?;
            Ok(answer)
        }
    }
}

fn answered(job: &JobDocument) -> Result<Repeatable, Problem> {
    let body = serde_json::to_value(job).map_err(|error| Problem::internal(&error))?;
    Ok(Repeatable { status: StatusCode::ACCEPTED, body, replayed: false })
}

/// List workflows
///
/// Newest first; without workflows that are parts of others.
#[utoipa::path(get, path = "/api/v1/workflows", tag = "workflows", params(WorkflowsQuery),
    responses((status = 200, description = "A page of workflows", body = Page<WorkflowSummary>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Params(query): Params<WorkflowsQuery>,
) -> Result<Json<Page<WorkflowSummary>>, Problem> {
    let limit = validate::within("limit", query.limit.unwrap_or(50), 1, MOST_ITEMS)?;
    let before = query.cursor.as_deref().map(read_cursor).transpose()?;
    // One more than is shown, to know if there is another page.
    let mut items = state.store.workflows(before, i64::from(limit) + 1).await?;
    let wanted = usize::try_from(limit).unwrap_or_default();
    let has_more = items.len() > wanted;
    items.truncate(wanted);
    let next_cursor = items.last().filter(|_| has_more).map(|last| write_cursor(last.id));
    Ok(Json(Page { items, next_cursor }))
}

/// Read a workflow
#[utoipa::path(
    get, path = "/api/v1/workflows/{id}", tag = "workflows",
    responses(
        (status = 200, description = "The workflow with its jobs", body = WorkflowDocument),
    )
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
    JobId(id): JobId,
) -> Result<Json<WorkflowDocument>, Problem> {
    let summary = summary(&state, id).await?;
    Ok(Json(WorkflowDocument { summary, jobs: state.store.workflow_members(id).await? }))
}

/// Cancel a workflow
///
/// Cancels all of its unfinished jobs; the workflow finishes when the last of them has.
#[utoipa::path(
    post, path = "/api/v1/workflows/{id}/cancel", tag = "workflows", request_body = Option<CancelRequest>,
    responses(
        (status = 200, description = "The workflow is cancelled", body = JobDocument),
        (status = 202, description = "The workflow is being cancelled", body = JobDocument),
        (status = 409, description = "The workflow is completed or failed"),
    )
)]
pub(crate) async fn cancel(
    State(state): State<ApiState>,
    caller: Extension<Caller>,
    JobId(id): JobId,
    body: OptionalBody<CancelRequest>,
) -> Result<(StatusCode, Json<JobDocument>), Problem> {
    summary(&state, id).await?;
    actions::cancel(State(state), caller, JobId(id), body).await
}

/// Retry a workflow
///
/// Runs failed and cancelled jobs again, and the jobs that waited for them; completed jobs stay as
/// they are.
#[utoipa::path(
    post, path = "/api/v1/workflows/{id}/retry", tag = "workflows",
    responses(
        (status = 200, description = "The job of the workflow", body = JobDocument),
        (status = 409, description = "The workflow is running"),
    )
)]
pub(crate) async fn retry(
    State(state): State<ApiState>,
    caller: Extension<Caller>,
    JobId(id): JobId,
) -> Result<Json<JobDocument>, Problem> {
    summary(&state, id).await?;
    actions::retry(State(state), caller, JobId(id)).await
}

async fn summary(state: &ApiState, id: Uuid) -> Result<WorkflowSummary, Problem> {
    state.store.workflow(id).await?.ok_or_else(|| unknown(id))
}
