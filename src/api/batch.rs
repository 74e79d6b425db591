//! Enqueues many jobs in one transaction: POST /jobs/batch. Must answer every item in its place, and
//! never let one that is refused take others with it.

use std::collections::HashMap;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::answer::Repeatable;
use super::auth::Caller;
use super::enqueuer::told;
use super::idempotent::{Begun, Keyed};
use super::json::RawBody;
use super::new_job::{brief, refusal};
use super::problem::{Problem, ProblemDocument};
use super::request::{self, JobRequest};
use super::state::ApiState;
use crate::job::new::NewJob;
use crate::store;
use crate::store::enqueue::{Enqueued, Fate, enqueue_apart};
use crate::store::find::job_ids_of;

const ROUTE: &str = "POST /jobs/batch";

/// What became of the items of a batch, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchResults {
    results: Vec<BatchResult>,
}

/// What became of one item.
#[derive(Debug, Serialize, ToSchema)]
struct BatchResult {
    status: BatchStatus,
    /// The new job; of an existing one its id and links.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    job: Option<Value>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ProblemDocument>,
}

/// The fate of one item.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum BatchStatus {
    /// A new job.
    Created,
    /// Its execution id belongs to a job that was there before.
    Existing,
    /// No job; see `problem`.
    Refused,
}

/// Enqueue many jobs
///
/// Takes 1 to 10,000 jobs in one transaction. What is acceptable is stored, what is not is refused
/// with a problem of its own. With an `Idempotency-Key` the whole request may be repeated.
#[utoipa::path(
    post, path = "/api/v1/jobs/batch", tag = "jobs", request_body = Vec<JobRequest>,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters, new for each piece of work")),
    responses((status = 202, description = "The fate of every item", body = BatchResults,
        headers(("Idempotency-Replayed" = bool, description = "True if this answer was given before"))))
)]
pub(super) async fn create_batch(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Repeatable, Problem> {
    let items = request::read_batch(&body, state.settings.max_args_bytes)?;
    let status = StatusCode::ACCEPTED;
    let Some(keyed) = Keyed::of(&headers, &caller, ROUTE, &body)? else {
        let mut transaction = state.store.pool().begin().await.map_err(store::Error::from)?;
        let (body, created) = store_all(&state, &mut transaction, items).await?;
        transaction.commit().await.map_err(store::Error::from)?;
        told(&state.notifier, &state.metrics, &created);
        return Ok(Repeatable { status, body, replayed: false });
    };
    match keyed.begin(&state.store).await? {
        Begun::Replay(body) => Ok(Repeatable { status, body, replayed: true }),
        Begun::Work(mut work) => {
            let (body, created) = store_all(&state, work.connection(), items).await?;
            work.answer(&body).await?;
            told(&state.notifier, &state.metrics, &created);
            Ok(Repeatable { status, body, replayed: false })
        }
    }
}

type Item = Result<NewJob, Problem>;

/// Stores what can be stored; answers the body and the jobs that were created.
async fn store_all(
    state: &ApiState,
    connection: &mut sqlx::PgConnection,
    items: Vec<Item>,
) -> Result<(Value, Vec<Enqueued>), Problem> {
    let wishes: Vec<NewJob> = items.iter().flatten().cloned().collect();
    let strict = state.settings.strict_kinds;
    let fates =
        if wishes.is_empty() { Vec::new() } else { enqueue_apart(connection, &wishes, strict).await? };
    let taken = |(wish, fate): (&NewJob, &store::Result<Enqueued>)| match fate {
        Ok(Enqueued { fate: Fate::ExecutionIdTaken, .. }) => wish.execution_id.clone(),
        _ => None,
    };
    let names: Vec<String> = wishes.iter().zip(&fates).filter_map(taken).collect();
    let owners =
        if names.is_empty() { HashMap::default() } else { job_ids_of(&mut *connection, &names).await? };
    let mut created = Vec::with_capacity(fates.len());
    let mut fates = fates.into_iter();
    let mut results = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let result = match item {
            Err(problem) => refused(&problem),
            Ok(wish) => match fates.next() {
                Some(Ok(enqueued)) if enqueued.fate == Fate::Created => {
                    let job = serde_json::to_value(enqueued.document(wish));
                    created.push(enqueued);
                    let job = job.map_err(|error| Problem::internal(&error))?;
                    BatchResult { status: BatchStatus::Created, job: Some(job), problem: None }
                }
                Some(Ok(enqueued)) => {
                    let owner = wish.execution_id.as_ref().and_then(|name| owners.get(name)).copied();
                    match (&enqueued.fate, owner) {
                        (Fate::ExecutionIdTaken, Some(owner)) => BatchResult {
                            status: BatchStatus::Existing,
                            job: Some(brief(owner)),
                            problem: None,
                        },
                        _ => refused(&refusal(&wish, &enqueued, owner).under(&format!("/{index}"))),
                    }
                }
                Some(Err(error)) => refused(&Problem::from(error).under(&format!("/{index}"))),
                None => refused(&Problem::internal(&"an item of a batch has no fate")),
            },
        };
        results.push(result);
    }
    let body = serde_json::to_value(BatchResults { results }).map_err(|error| Problem::internal(&error))?;
    Ok((body, created))
}

fn refused(problem: &Problem) -> BatchResult {
    BatchResult { status: BatchStatus::Refused, job: None, problem: Some(problem.document()) }
}
