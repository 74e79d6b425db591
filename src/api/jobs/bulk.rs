//! One action on all jobs that match a filter: retry (redrive), cancel, run now, delete. Must never
//! act on all jobs unless the request asks for it explicitly.

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::operations::filter::{BulkFilter, checked_filter};
use crate::api::server::auth::caller::Caller;
use crate::api::server::json::Body;
use crate::api::server::problem::Problem;
use crate::api::server::validate;
use crate::api::state::ApiState;
use crate::store::jobs::bulk::{Bulk, BulkOutcome};

const MOST_JOBS: i32 = 100_000;

/// The jobs to act on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"filter": {"kind": "send-mail", "error": "timeout"}, "limit": 1000, "dry_run": true}))]
pub(crate) struct BulkRequest {
    /// The filter; a job must match every given field: `state`, `queue`, `kind`, `tag`, `priority`,
    /// `owner`, `created_after`, `created_before`, `finished_after`, `finished_before`, `error` (text
    /// in the message), `fingerprint` (a cause of GET /failures), `workflow`.
    #[schema(value_type = Option<BulkFilter>)]
    filter: Option<Map<String, Value>>,
    /// True to act on all jobs to which the action applies; only without a filter.
    #[serde(default)]
    all: bool,
    /// The most jobs, 1 to 100,000; by default 1,000.
    #[schema(minimum = 1, maximum = 100_000)]
    limit: Option<i64>,
    /// True to count the jobs without changing them.
    #[serde(default)]
    dry_run: bool,
    /// Retry: the queue for the jobs, instead of their own.
    queue: Option<String>,
}

/// The outcome, or in a dry run the expected one.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BulkAnswer {
    /// The number of jobs found, up to the limit.
    matched: i32,
    /// The number of jobs changed; 0 in a dry run.
    done: i32,
    /// The number of jobs to which the action no longer applied, such as a job that has started
    /// meanwhile.
    refused: i32,
    /// The ids of the first of them, at most 20.
    sample: Vec<Uuid>,
    /// True if this was a dry run.
    dry_run: bool,
}

async fn act(
    state: &ApiState,
    caller: &Caller,
    verb: &str,
    request: BulkRequest,
) -> Result<Json<BulkAnswer>, Problem> {
    let filter = checked_filter(request.filter, request.all)?;
    if verb != "retry" && request.queue.is_some() {
        return Err(Problem::invalid("/queue", "Only retry moves jobs.").remedy("Leave queue out."));
    }
    let queue = request.queue.map(|queue| validate::name("/queue", queue)).transpose()?;
    let bulk = Bulk {
        verb,
        filter: &filter,
        limit: validate::within("/limit", request.limit.unwrap_or(1000), 1, MOST_JOBS)?,
        queue: queue.as_deref(),
        by: &caller.name,
    };
    let BulkOutcome { matched, done, refused, sample } = if request.dry_run {
        state.store.count_jobs_to_act_on(&bulk).await?
    } else {
        state.store.act_on_jobs(&bulk).await?
    };
    Ok(Json(BulkAnswer { matched, done, refused, sample, dry_run: request.dry_run }))
}

/// Retry many jobs
///
/// Retries failed or cancelled jobs, each with at least one more attempt. Count them first with
/// `dry_run`.
#[utoipa::path(
    post, path = "/api/v1/jobs/retry", tag = "jobs", operation_id = "retry_many", request_body = BulkRequest,
    responses(
        (status = 200, description = "What was done", body = BulkAnswer),
    )
)]
pub(crate) async fn retry(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<BulkRequest>,
) -> Result<Json<BulkAnswer>, Problem> {
    act(&state, &caller, "retry", request).await
}

/// Cancel many jobs
///
/// Jobs that are not running are cancelled at once; running jobs are asked to stop.
#[utoipa::path(
    post, path = "/api/v1/jobs/cancel", tag = "jobs", operation_id = "cancel_many", request_body = BulkRequest,
    responses((status = 200, description = "What was done", body = BulkAnswer))
)]
pub(crate) async fn cancel(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<BulkRequest>,
) -> Result<Json<BulkAnswer>, Problem> {
    act(&state, &caller, "cancel", request).await
}

/// Run many jobs now
///
/// Makes scheduled and retrying jobs due at once.
#[utoipa::path(
    post, path = "/api/v1/jobs/run-now", tag = "jobs", operation_id = "run_now_many", request_body = BulkRequest,
    responses((status = 200, description = "What was done", body = BulkAnswer))
)]
pub(crate) async fn run_now(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<BulkRequest>,
) -> Result<Json<BulkAnswer>, Problem> {
    act(&state, &caller, "run_now", request).await
}

/// Delete many jobs
///
/// With their events and attempts; running jobs are not deleted.
#[utoipa::path(
    post, path = "/api/v1/jobs/delete", tag = "jobs", operation_id = "delete_many", request_body = BulkRequest,
    responses((status = 200, description = "What was done", body = BulkAnswer))
)]
pub(crate) async fn delete(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<BulkRequest>,
) -> Result<Json<BulkAnswer>, Problem> {
    act(&state, &caller, "delete", request).await
}
