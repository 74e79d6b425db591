//! Enqueues many jobs in one transaction: POST /jobs/batch. Must answer every item in order, and
//! must never let a refused item affect others.

use std::collections::HashMap;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::batch_writer::announce_enqueued;
use super::create::{brief, refusal};
use super::create_request;
use super::create_request::JobRequest;
use super::minimal::{Applied, Minimal};
use super::queue_busy_retry::RetryBudget;
use super::retry_after::FullQueue;
use crate::api::page_response::Repeatable;
use crate::api::server::auth::caller::Caller;
use crate::api::server::idempotency::{Begun, Keyed};
use crate::api::server::json::RawBody;
use crate::api::server::problem::{Problem, ProblemDocument};
use crate::api::server::store_errors::refused_value;
use crate::api::state::ApiState;
use crate::job::new::NewJob;
use crate::store;
use crate::store::Store;
use crate::store::db::connection::Connection;
use crate::store::jobs::enqueue::{Enqueued, InsertOutcome, enqueue_apart};
use crate::store::jobs::find::job_ids_of;
use crate::store::jobs::prepared::PreparedJob;

const ROUTE: &str = "POST /jobs/batch";

/// The outcomes of the items of a batch, in order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BatchResults {
    results: Vec<BatchResult>,
}

/// The outcome of one item.
#[derive(Debug, Serialize, ToSchema)]
struct BatchResult {
    status: BatchStatus,
    /// The new job, or its id if the answer is minimal; for an existing job, its id and links.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    job: Option<Value>,
    /// The reason of the refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ProblemDocument>,
}

/// The status of one item.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum BatchStatus {
    /// A new job.
    Created,
    /// Its execution id or its unique key belongs to an existing job.
    Existing,
    /// No job was created; see `problem`.
    Refused,
}

/// Enqueue many jobs
///
/// Takes 1 to 10,000 jobs in one transaction. Valid jobs are stored; each invalid job is refused
/// with its own problem; `Retry-After` says when a full queue may have free capacity. With an
/// `Idempotency-Key` the whole request may be repeated.
#[utoipa::path(
    post, path = "/api/v1/jobs/batch", tag = "jobs", request_body = Vec<JobRequest>,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters, new for each piece of work"),
        ("Prefer" = Option<String>, Header, description = "`return=minimal` for an answer with the ids of new jobs alone"),
    ),
    responses((status = 202, description = "The outcome of every item", body = BatchResults,
        headers(
            ("Retry-After" = u64, description = "Seconds until a queue that refused items may have free capacity"),
            ("Idempotency-Replayed" = bool, description = "True if this is the stored answer to an earlier request"))))
)]
pub(crate) async fn create_batch(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<(Option<Extension<FullQueue>>, Applied, Repeatable), Problem> {
    let minimal = Minimal::of(&headers);
    let batch = Batch::of(&state.store, create_request::read_batch(&body, &state.args)?).await;
    let status = StatusCode::ACCEPTED;
    let keyed = Keyed::of(&headers, &caller, ROUTE, &body)?;
    let budget = RetryBudget::begin();
    loop {
        // Undone and begun again, as long as there is a hope to store all.
        let Some(keyed) = &keyed else {
            let mut transaction = state.store.pool().begin().await.map_err(store::Error::from)?;
            let stored = store_all(&state, transaction.connection(), &batch, minimal).await?;
            if stored.is_busy && !budget.is_spent() {
                drop(transaction);
                budget.wait().await;
                continue;
            }
            transaction.commit().await.map_err(store::Error::from)?;
            return Ok(stored.announced(&state, minimal));
        };
        let mut work = match keyed.begin(&state.store).await? {
            Begun::Replay(body) => {
                return Ok((None, minimal.applied(true), Repeatable { status, body, replayed: true }));
            }
            Begun::Work(work) => work,
        };
        let stored = store_all(&state, work.connection(), &batch, minimal).await?;
        if stored.is_busy && !budget.is_spent() {
            drop(work);
            budget.wait().await;
            continue;
        }
        work.answer(&stored.body).await?;
        return Ok(stored.announced(&state, minimal));
    }
}

/// A batch that is stored, and committed next.
struct Stored {
    body: Value,
    created: Vec<Enqueued>,
    /// Another open transaction kept some items out.
    is_busy: bool,
    /// A queue that was full for some items.
    full: Option<FullQueue>,
}

impl Stored {
    /// Notifies workers of the new jobs.
    fn announced(
        self,
        state: &ApiState,
        minimal: Minimal,
    ) -> (Option<Extension<FullQueue>>, Applied, Repeatable) {
        announce_enqueued(&state.notifier, &state.metrics, &self.created);
        let answer = Repeatable { status: StatusCode::ACCEPTED, body: self.body, replayed: false };
        (self.full.map(Extension), minimal.applied(true), answer)
    }
}

/// The items as they were sent: the jobs of those that are valid, and for each item the problem with it.
struct Batch {
    jobs: Vec<PreparedJob>,
    problems: Vec<Option<Problem>>,
}

impl Batch {
    async fn of(store: &Store, items: Vec<Result<NewJob, Problem>>) -> Self {
        let mut batch =
            Self { jobs: Vec::with_capacity(items.len()), problems: Vec::with_capacity(items.len()) };
        for item in items {
            let prepared = match item {
                Ok(job) => store.prepare(job).await.map_err(Problem::from),
                Err(problem) => Err(problem),
            };
            match prepared {
                Ok(job) => {
                    batch.jobs.push(job);
                    batch.problems.push(None);
                }
                Err(problem) => batch.problems.push(Some(problem)),
            }
        }
        batch
    }
}

/// The insert outcome of a job request.
type Judged = store::Result<Enqueued>;

/// Stores what can be stored.
async fn store_all(
    state: &ApiState,
    mut connection: Connection<'_>,
    Batch { jobs, problems }: &Batch,
    minimal: Minimal,
) -> Result<Stored, Problem> {
    let strict = state.settings.strict_kinds;
    let outcomes =
        if jobs.is_empty() { Vec::new() } else { enqueue_apart(connection.reborrow(), jobs, strict).await? };
    let is_taken =
        |judged: &Judged| matches!(judged, Ok(Enqueued { outcome: InsertOutcome::ExecutionIdTaken, .. }));
    let taken = jobs.iter().zip(&outcomes).filter(|(_, judged)| is_taken(judged));
    let names: Vec<String> = taken.filter_map(|(job, _)| job.execution_id.clone()).collect();
    let owners = if names.is_empty() { HashMap::new() } else { job_ids_of(connection, &names).await? };
    let mut stored = jobs.iter().zip(&outcomes);
    let mut results = Vec::with_capacity(problems.len());
    for (index, problem) in problems.iter().enumerate() {
        results.push(match problem {
            Some(problem) => BatchResult::refused(problem),
            None => match stored.next() {
                Some((job, judged)) => BatchResult::of(&state.store, job, judged, (&owners, index, minimal))?,
                None => return Err(Problem::internal(&"an item of a batch has no outcome")),
            },
        });
    }
    let body = serde_json::to_value(BatchResults { results }).map_err(|error| Problem::internal(&error))?;
    let is_busy = outcomes.iter().flatten().any(|enqueued| enqueued.outcome == InsertOutcome::QueueBusy);
    let (created, refused): (Vec<_>, Vec<_>) =
        outcomes.into_iter().flatten().partition(|enqueued| enqueued.outcome == InsertOutcome::Created);
    let full = refused.into_iter().find(|enqueued| enqueued.outcome == InsertOutcome::QueueFull);
    let full = full.map(|enqueued| FullQueue(enqueued.queue));
    Ok(Stored { body, created, is_busy, full })
}

impl BatchResult {
    /// The outcome of a valid item; `owners` are the jobs that have execution ids.
    fn of(
        store: &Store,
        job: &PreparedJob,
        judged: &Judged,
        (owners, index, minimal): (&HashMap<String, Uuid>, usize, Minimal),
    ) -> Result<Self, Problem> {
        let place = format!("/{index}");
        let enqueued = match judged {
            Ok(enqueued) => enqueued,
            Err(error) => return Ok(Self::refused(&refused_value(error).under(&place))),
        };
        let owner = job.execution_id.as_ref().and_then(|name| owners.get(name)).copied();
        match (&enqueued.outcome, owner) {
            (InsertOutcome::Created, _) if minimal.is_wanted() => {
                let job = Some(json!({ "id": enqueued.id }));
                Ok(Self { status: BatchStatus::Created, job, problem: None })
            }
            (InsertOutcome::Created, _) => {
                let job = serde_json::to_value(store.shown_new(enqueued.document(job.clone().into_job())));
                let job = job.map_err(|error| Problem::internal(&error))?;
                Ok(Self { status: BatchStatus::Created, job: Some(job), problem: None })
            }
            (InsertOutcome::Existing | InsertOutcome::Replaced, _) => {
                Ok(Self { status: BatchStatus::Existing, job: Some(brief(enqueued.id)), problem: None })
            }
            (InsertOutcome::ExecutionIdTaken, Some(owner)) => {
                Ok(Self { status: BatchStatus::Existing, job: Some(brief(owner)), problem: None })
            }
            _ => Ok(Self::refused(&refusal(job, enqueued, owner).under(&place))),
        }
    }

    fn refused(problem: &Problem) -> Self {
        Self { status: BatchStatus::Refused, job: None, problem: Some(problem.document()) }
    }
}
