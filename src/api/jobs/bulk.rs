//! One action on all jobs that match a filter: retry (redrive), cancel, run now, delete. Must never
//! act on all jobs unless the request asks for it explicitly.

use axum::extract::State;
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::server::auth::Caller;
use crate::api::server::json::Body;
use crate::api::server::problem::Problem;
use crate::api::server::validate;
use crate::api::state::ApiState;
use crate::job::state::JobState;
use crate::store::jobs::bulk::{Bulk, BulkOutcome};

const MOST_JOBS: i32 = 100_000;

/// The jobs to act on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"filter": {"kind": "send-mail", "error": "timeout"}, "limit": 1000, "dry_run": true}))]
pub(crate) struct BulkRequest {
    /// The filter; a job must match every given field: `state`, `queue`, `kind`, `tag`,
    /// `created_after`, `created_before`, `finished_after`, `finished_before`, `error` (text in the
    /// message), `fingerprint` (a cause of GET /failures), `workflow`.
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

/// The filter of jobs; a job must match every given field.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it is only described; the database reads it")]
struct BulkFilter {
    /// The stored state.
    #[schema(required = false)]
    state: JobState,
    #[schema(required = false)]
    queue: String,
    #[schema(required = false)]
    kind: String,
    #[schema(required = false)]
    tag: String,
    #[schema(required = false)]
    created_after: DateTime<Utc>,
    #[schema(required = false)]
    created_before: DateTime<Utc>,
    #[schema(required = false)]
    finished_after: DateTime<Utc>,
    #[schema(required = false)]
    finished_before: DateTime<Utc>,
    /// Text in the message of the last error.
    #[schema(required = false)]
    error: String,
    /// A cause of GET /failures.
    #[schema(required = false)]
    fingerprint: String,
    /// The id of a workflow.
    #[schema(required = false)]
    workflow: Uuid,
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
    let mut filter = request.filter.unwrap_or_default();
    if filter.is_empty() != request.all {
        let problem = Problem::invalid("/filter", "Exactly one of filter and all is needed.");
        return Err(
            problem.remedy("Send a filter, or \"all\": true to act on every job that the action applies to.")
        );
    }
    if let Some((name, _)) = filter.iter().find(|(_, value)| !value.is_string()) {
        return Err(Problem::invalid(format!("/filter/{name}"), "It is not text.").remedy("Send text."));
    }
    for name in ["created_after", "created_before", "finished_after", "finished_before"] {
        if let Some(Value::String(time)) = filter.get(name) {
            validate::time(&format!("/filter/{name}"), time)?;
        }
    }
    for name in ["kind", "queue"] {
        if let Some(Value::String(text)) = filter.get(name) {
            validate::name(&format!("/filter/{name}"), text.clone())?;
        }
    }
    if let Some(Value::String(tag)) = filter.get("tag") {
        validate::tag("/filter/tag", tag.clone())?;
    }
    if let Some(Value::String(id)) = filter.get("workflow")
        && Uuid::try_parse(id).is_err()
    {
        return Err(
            Problem::invalid("/filter/workflow", "It is not an id.").remedy("Send the id of a workflow.")
        );
    }
    if let Some(Value::String(word)) = filter.get("state")
        && super::list::states(word)?.0.is_none()
    {
        let problem = Problem::invalid("/filter/state", "It is a displayed state, not a stored one.");
        return Err(problem
            .remedy("Send a stored state: waiting, available, running, completed, failed or cancelled."));
    }
    if verb != "retry" && request.queue.is_some() {
        return Err(Problem::invalid("/queue", "Only retry moves jobs.").remedy("Leave queue out."));
    }
    if request.all {
        filter.insert("all".into(), true.into());
    }
    let queue = request.queue.map(|queue| validate::name("/queue", queue)).transpose()?;
    let bulk = Bulk {
        verb,
        filter: &Value::Object(filter),
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
