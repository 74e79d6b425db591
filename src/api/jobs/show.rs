//! Shows jobs that the caller names: one, or many at once, and the recorded attempts of one.

use std::collections::HashMap;

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::job_id::{JobId, unknown};
use crate::api::page_response::Page;
use crate::api::server::auth::caller::Caller;
use crate::api::server::json::Body;
use crate::api::server::path_params::JobName;
use crate::api::server::problem::Problem;
use crate::api::state::ApiState;
use crate::job::document::JobDocument;
use crate::store::attempts::list::AttemptRecord;
use crate::store::jobs::find::job_ids_of;
use crate::store::tokens::OwnedJob;

const MOST_JOBS: usize = 200;

/// The jobs to read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamedJobs {
    /// 1 to 200 ids, or `execution:NAME`.
    #[schema(min_items = 1, max_items = 200)]
    jobs: Vec<String>,
}

/// The jobs that were asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FoundJobs {
    /// In the order of the request; null where there is no such job, or the token does not reach it.
    items: Vec<Option<JobDocument>>,
}

/// Read a job
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}", tag = "jobs",
    responses(
        (status = 200, description = "The job", body = JobDocument),
    )
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
    JobId(job_id): JobId,
) -> Result<Json<JobDocument>, Problem> {
    Ok(Json(find(&state, job_id).await?))
}

/// Read many jobs
#[utoipa::path(
    post, path = "/api/v1/jobs/get", tag = "jobs", operation_id = "show_many_jobs", request_body = NamedJobs,
    responses((status = 200, description = "The jobs, in the order of their names", body = FoundJobs))
)]
pub(crate) async fn show_many(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Body(NamedJobs { jobs }): Body<NamedJobs>,
) -> Result<Json<FoundJobs>, Problem> {
    if !(1..=MOST_JOBS).contains(&jobs.len()) {
        let problem = Problem::invalid("/jobs", format!("There are {} jobs.", jobs.len()));
        return Err(problem.remedy(format!("Send 1 to {MOST_JOBS}.")));
    }
    let parsed = jobs.iter().enumerate().map(|(index, name)| JobName::parse(&format!("/jobs/{index}"), name));
    let names = parsed.collect::<Result<Vec<JobName>, Problem>>()?;
    let executions: Vec<String> = names
        .iter()
        .filter_map(|name| match name {
            JobName::Execution(execution_id) => Some(execution_id.clone()),
            JobName::Id(_) => None,
        })
        .collect();
    let by_name = if executions.is_empty() {
        HashMap::new()
    } else {
        job_ids_of(state.store.pool(), &executions).await?
    };
    let ids = names.iter().map(|name| match name {
        JobName::Id(id) => Some(*id),
        JobName::Execution(execution_id) => by_name.get(execution_id).copied(),
    });
    let ids: Vec<Option<Uuid>> = ids.collect();
    let known: Vec<Uuid> = ids.iter().copied().flatten().collect();
    let found = state.store.find_jobs(&known).await?.into_iter();
    let reached = found.filter(|job| is_reached(&caller, job));
    let found: HashMap<Uuid, JobDocument> = reached.map(|job| (job.id, job)).collect();
    // The same job may be asked for twice.
    let items = ids.into_iter().map(|id| id.and_then(|id| found.get(&id).cloned())).collect();
    Ok(Json(FoundJobs { items }))
}

/// Whether the caller may see the job: with a key, any.
fn is_reached(caller: &Caller, job: &JobDocument) -> bool {
    caller.token.as_ref().is_none_or(|token| {
        token.reach(&OwnedJob { id: job.id, kind: job.kind.clone(), owner: job.owner.clone() })
    })
}

/// List a job's attempts
///
/// Failed attempts, and completed attempts with a known exit code or memory use; oldest first.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/attempts", tag = "jobs", operation_id = "list_attempts",
    responses(
        (status = 200, description = "The attempts", body = Page<AttemptRecord>),
    )
)]
pub(crate) async fn attempts(
    State(state): State<ApiState>,
    JobId(job_id): JobId,
) -> Result<Json<Page<AttemptRecord>>, Problem> {
    let mut attempts = state.store.attempts(job_id).await?;
    if attempts.is_empty() {
        find(&state, job_id).await?;
    }
    for attempt in &mut attempts {
        state.store.redact(attempt.error.as_mut());
    }
    Ok(Page::whole(attempts))
}

/// The job of that id.
///
/// # Errors
/// 404 if there is no such job; if the database fails.
pub async fn find(state: &ApiState, job_id: uuid::Uuid) -> Result<JobDocument, Problem> {
    state.store.find_job(job_id).await?.ok_or_else(|| unknown(job_id))
}
