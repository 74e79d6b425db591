//! Enqueues one job: POST /jobs. Without an Idempotency-Key the job goes through the process's
//! batch writer; with a key it has its own transaction. Must never answer 2xx before the commit.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::batch_writer::announce_enqueued;
use super::create_request;
use super::create_request::JobRequest;
use super::job_id::unknown;
use super::minimal::{Applied, Minimal};
use super::queue_busy_retry::RetryBudget;
use super::unique_request::{ExistingJob, existing, is_existing};
use crate::api::page_response::Repeatable;
use crate::api::server::auth::caller::Caller;
use crate::api::server::auth::token::Claims;
use crate::api::server::idempotency::{Begun, Keyed};
use crate::api::server::json::RawBody;
use crate::api::server::path_params::JobName;
use crate::api::server::problem::{Case, Problem, quoted};
use crate::api::state::ApiState;
use crate::job::document::{JobDocument, Links};
use crate::job::new::NewJob;
use crate::store::jobs::enqueue::{Enqueued, InsertOutcome, enqueue_one};
use crate::store::jobs::find::job_ids_of;
use crate::store::jobs::idempotency::Work;
use crate::store::jobs::prepared::PreparedJob;

const ROUTE: &str = "POST /jobs";

/// Enqueue a job
///
/// The job is stored durably when the answer arrives. With an `Idempotency-Key` the request may be
/// repeated for 24 hours: the first answer is returned again and nothing happens twice.
#[utoipa::path(
    post, path = "/api/v1/jobs", tag = "jobs", request_body = JobRequest,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters, new for each piece of work"),
        ("Prefer" = Option<String>, Header, description = "`return=minimal` for an answer without the whole job"),
    ),
    responses(
        (status = 202, description = "The job; with `Prefer: return=minimal` only its id and links", body = JobDocument,
            headers(("Location" = String, description = "The job's address"), ("Idempotency-Replayed" = bool, description = "True if this is the stored answer to an earlier request"))),
        (status = 200, description = "The existing job with the same unique key; no new job was stored", body = ExistingJob),
        (status = 409, description = "The unique key, the execution id or the Idempotency-Key is taken, or the queue is draining"),
    )
)]
pub(crate) async fn create(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<(Applied, Repeatable), Problem> {
    let mut job = create_request::read_one(&body, &state.args)?;
    if let Some(token) = &caller.token {
        keep_within(&mut job, token)?;
    }
    let job = state.store.prepare(job).await?;
    let request = KeyedRequest { route: ROUTE, caller: &caller, headers: &headers, body: &body };
    let minimal = Minimal::of(&headers);
    let answer = enqueue_once(&state, &request, job, &|enqueued, job| {
        if minimal.is_wanted() {
            return Ok(brief(enqueued.id));
        }
        serde_json::to_value(state.store.shown_new(enqueued.document(job.into_job())))
            .map_err(|error| Problem::internal(&error))
    })
    .await?;
    Ok((minimal.applied(answer.status == StatusCode::ACCEPTED), answer))
}

/// A request that enqueues one job, and may have an Idempotency-Key.
#[derive(Debug, Clone, Copy)]
pub struct KeyedRequest<'a> {
    /// The route, such as `POST /jobs`: a key counts for one route.
    pub route: &'static str,
    /// The caller; a key is one caller's.
    pub caller: &'a Caller,
    /// The headers of the request.
    pub headers: &'a HeaderMap,
    /// Its body: a key counts for one body.
    pub body: &'a [u8],
}

/// Makes the body of the answer for a job that was created.
pub type CreatedBody<'a> = &'a (dyn Fn(&Enqueued, PreparedJob) -> Result<Value, Problem> + Sync);

/// Enqueues the job of a request, once for each Idempotency-Key; answers 202 with what `created` makes of it, or 200
/// with the existing job that has its unique key.
///
/// # Errors
/// The problem that says why the job was not created.
pub async fn enqueue_once(
    state: &ApiState,
    request: &KeyedRequest<'_>,
    job: PreparedJob,
    created: CreatedBody<'_>,
) -> Result<Repeatable, Problem> {
    let KeyedRequest { route, caller, headers, body } = *request;
    let Some(keyed) = Keyed::of(headers, caller, route, body)? else {
        let job = Arc::new(job);
        let enqueued = state.enqueuer.enqueue(Arc::clone(&job), body.len()).await?;
        check_reach(state, caller, &enqueued).await?;
        return match enqueued.outcome {
            InsertOutcome::Created => Ok(answered(created(&enqueued, Arc::unwrap_or_clone(job))?, false)),
            InsertOutcome::Existing | InsertOutcome::Replaced => {
                Ok(answered(existing(&state.store, state.store.pool(), enqueued.id).await?, false))
            }
            _ => Err(refusal_now(state, &job, &enqueued).await?),
        };
    };
    let budget = RetryBudget::begin();
    loop {
        let answer = match keyed.begin(&state.store).await? {
            Begun::Replay(body) => Ok(answered(body, true)),
            Begun::Work(work) => enqueue_in_work(state, caller, job.clone(), work, created).await,
        };
        if !budget.wait_if_busy(&answer).await {
            return answer;
        }
    }
}

/// Enqueues the job in the transaction that stores the answer.
async fn enqueue_in_work(
    state: &ApiState,
    caller: &Caller,
    job: PreparedJob,
    mut work: Work,
    created: CreatedBody<'_>,
) -> Result<Repeatable, Problem> {
    let strict = state.settings.strict_kinds;
    let enqueued = enqueue_one(work.connection(), &job, strict).await?;
    check_reach(state, caller, &enqueued).await?;
    let answer = match enqueued.outcome {
        InsertOutcome::Created => answered(created(&enqueued, job)?, false),
        InsertOutcome::Existing | InsertOutcome::Replaced => {
            answered(existing(&state.store, work.connection(), enqueued.id).await?, false)
        }
        _ => {
            drop(work);
            return Err(refusal_now(state, &job, &enqueued).await?);
        }
    };
    work.answer(&answer.body).await?;
    announce_enqueued(&state.notifier, &state.metrics, [&enqueued]);
    Ok(answer)
}

/// Refuses the fields of a job that reach beyond the token, and gives the job the owner of the token.
fn keep_within(job: &mut NewJob, token: &Claims) -> Result<(), Problem> {
    let refused = |field: &str, detail: &str| Err(Problem::new(Case::Forbidden, detail).field(field));
    if job.owner.is_some() && token.owner.is_some() && job.owner != token.owner {
        return refused("/owner", "The token is for another owner.");
    }
    if token.kinds.as_ref().is_some_and(|kinds| !kinds.contains(&job.kind)) {
        return refused("/kind", "The token is not for this kind.");
    }
    if !job.after.is_empty() {
        return refused("/after", "A job of a token cannot wait for other jobs.");
    }
    if job.unique.is_some() {
        return refused("/unique", "A token cannot choose how a job is unique; its kind can.");
    }
    job.owner = job.owner.take().or_else(|| token.owner.clone());
    Ok(())
}

/// Refuses an existing job that the caller's token does not reach, without a word about it.
async fn check_reach(state: &ApiState, caller: &Caller, enqueued: &Enqueued) -> Result<(), Problem> {
    if caller.token.is_none() || enqueued.outcome == InsertOutcome::Created {
        return Ok(());
    }
    match enqueued.outcome {
        InsertOutcome::Existing | InsertOutcome::Replaced | InsertOutcome::Conflict
            if !state.gate.reaches(caller, &JobName::Id(enqueued.id)).await? =>
        {
            Err(Problem::new(Case::NotUnique, "Another job has the unique key of this one."))
        }
        InsertOutcome::ExecutionIdTaken => {
            let detail = "Another job has this execution id.";
            Err(Problem::new(Case::ExecutionIdTaken, detail).field("/execution_id"))
        }
        _ => Ok(()),
    }
}

/// The answer with this body: 200 for an existing job.
fn answered(body: Value, replayed: bool) -> Repeatable {
    let status = if is_existing(&body) { StatusCode::OK } else { StatusCode::ACCEPTED };
    Repeatable { status, body, replayed }
}

/// Why a job was not created, with the job that has its execution id.
///
/// # Errors
/// If the database cannot be read.
pub(crate) async fn refusal_now(
    state: &ApiState,
    job: &NewJob,
    enqueued: &Enqueued,
) -> Result<Problem, Problem> {
    let mut owner = None;
    if let (InsertOutcome::ExecutionIdTaken, Some(name)) = (&enqueued.outcome, &job.execution_id) {
        owner = job_ids_of(state.store.pool(), std::slice::from_ref(name)).await?.remove(name);
    }
    Ok(refusal(job, enqueued, owner))
}

/// Why a job was not created; `owner` is the job that has its execution id.
#[must_use]
pub fn refusal(job: &NewJob, enqueued: &Enqueued, owner: Option<uuid::Uuid>) -> Problem {
    match enqueued.outcome {
        // Not requested: these are not refusals.
        InsertOutcome::Created | InsertOutcome::Existing | InsertOutcome::Replaced => unknown(enqueued.id),
        InsertOutcome::Conflict => {
            let detail = format!("The job {} has this unique key.", enqueued.id);
            Problem::new(Case::NotUnique, detail).field("/unique").member("job", brief(enqueued.id))
        }
        InsertOutcome::ExecutionIdTaken => {
            let name = quoted(job.execution_id.as_deref().unwrap_or_default());
            let problem =
                Problem::new(Case::ExecutionIdTaken, format!("Another job has the execution id {name}."));
            let problem = problem.field("/execution_id");
            match owner {
                Some(owner) => problem.member("job", brief(owner)),
                None => problem,
            }
        }
        InsertOutcome::QueueDraining => {
            let detail = format!("The queue {} is draining.", enqueued.queue);
            Problem::new(Case::QueueDraining, detail).field("/queue")
        }
        InsertOutcome::QueueFull => Problem::queue_full(&enqueued.queue).field("/queue"),
        InsertOutcome::QueueBusy => {
            let detail =
                format!("Another open transaction has locked the capacity of the queue {}.", enqueued.queue);
            Problem::new(Case::QueueBusy, detail).field("/queue")
        }
        InsertOutcome::UnknownKind => {
            let detail = format!("No worker has served the kind {} yet, and strict_kinds is on.", job.kind);
            Problem::invalid("/kind", detail).remedy("Correct the kind, or start a worker that serves it.")
        }
        InsertOutcome::ReservedKind => {
            Problem::invalid("/kind", "Kinds that begin with tidemill. are reserved for Tidemill.".to_owned())
                .remedy("Use another name; to create a workflow, use POST /api/v1/workflows.")
        }
        InsertOutcome::UnknownParent => {
            Problem::invalid("/after", "One of the jobs that it waits for does not exist.")
                .remedy("Name existing jobs, by id or as execution:NAME.")
        }
    }
}

/// A job as its id and links.
pub(crate) fn brief(id: uuid::Uuid) -> Value {
    serde_json::json!({ "id": id, "links": Links::of(id) })
}
