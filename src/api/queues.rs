//! Queues: looks at them, and pauses, resumes, drains, purges and sizes them. A queue needs no making:
//! every name is one, and its verbs work before its first job.

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::Page;
use super::auth::Caller;
use super::check;
use super::json::Body;
use super::path::QueueName;
use super::problem::{Case, Problem, ProblemDocument};
use super::state::ApiState;
use crate::store::queues::QueueDocument;

const MOST_SLOTS: i32 = 10_000;

/// Limits of a queue.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QueueChange {
    /// How many of its jobs each worker runs at once, 0 to 10,000; null leaves it to the workers.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(minimum = 0, maximum = 10_000, required = true)]
    slots: Option<i64>,
}

/// What a purge did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Purged {
    /// How many jobs it cancelled.
    purged: i64,
}

/// List queues
///
/// Every queue that has live jobs, settings, a kind or a worker.
#[utoipa::path(get, path = "/api/v1/queues", tag = "queues",
    responses((status = 200, description = "All queues", body = Page<QueueDocument>)))]
pub(super) async fn list(State(state): State<ApiState>) -> Result<Json<Page<QueueDocument>>, Problem> {
    Ok(Page::whole(state.store.queues(None).await?))
}

/// Look at a queue
#[utoipa::path(get, path = "/api/v1/queues/{queue}", tag = "queues",
    params(("queue" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "The queue", body = QueueDocument),
        (status = 404, description = "Nothing is known of it", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub(super) async fn show(
    State(state): State<ApiState>,
    QueueName(queue): QueueName,
) -> Result<Json<QueueDocument>, Problem> {
    let found = state.store.queues(Some(&queue)).await?.into_iter().next();
    found.map(Json).ok_or_else(|| {
        Problem::new(Case::NotFound, format!("Nothing is known of a queue {queue}."))
            .remedy("Check the name; a queue is known once it has a job, a setting or a worker.")
    })
}

/// Pause a queue
///
/// Nothing is claimed from it until it is resumed; what runs goes on.
#[utoipa::path(post, path = "/api/v1/queues/{queue}/pause", tag = "queues",
    params(("queue" = String, Path, description = "Its name")),
    responses((status = 200, description = "The queue", body = QueueDocument)))]
pub(super) async fn pause(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    QueueName(queue): QueueName,
) -> Result<Json<QueueDocument>, Problem> {
    state.store.pause_queue(&queue, &caller.name).await?;
    show(State(state), QueueName(queue)).await
}

/// Resume a queue
///
/// Ends a pause or a drain.
#[utoipa::path(post, path = "/api/v1/queues/{queue}/resume", tag = "queues",
    params(("queue" = String, Path, description = "Its name")),
    responses((status = 200, description = "The queue", body = QueueDocument)))]
pub(super) async fn resume(
    State(state): State<ApiState>,
    QueueName(queue): QueueName,
) -> Result<Json<QueueDocument>, Problem> {
    state.store.resume_queue(&queue).await?;
    show(State(state), QueueName(queue)).await
}

/// Drain a queue
///
/// It takes no new jobs until it is resumed; what is there runs to its end.
#[utoipa::path(post, path = "/api/v1/queues/{queue}/drain", tag = "queues",
    params(("queue" = String, Path, description = "Its name")),
    responses((status = 200, description = "The queue", body = QueueDocument)))]
pub(super) async fn drain(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    QueueName(queue): QueueName,
) -> Result<Json<QueueDocument>, Problem> {
    state.store.drain_queue(&queue, &caller.name).await?;
    show(State(state), QueueName(queue)).await
}

/// Purge a queue
///
/// Cancels all its jobs that do not run.
#[utoipa::path(post, path = "/api/v1/queues/{queue}/purge", tag = "queues",
    params(("queue" = String, Path, description = "Its name")),
    responses((status = 200, description = "How many it were", body = Purged)))]
pub(super) async fn purge(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    QueueName(queue): QueueName,
) -> Result<Json<Purged>, Problem> {
    let purged = state.store.purge_queue(&queue, &caller.name).await?;
    Ok(Json(Purged { purged }))
}

/// Change a queue's limits
#[utoipa::path(patch, path = "/api/v1/queues/{queue}", tag = "queues", request_body = QueueChange,
    params(("queue" = String, Path, description = "Its name")),
    responses((status = 200, description = "The queue", body = QueueDocument)))]
pub(super) async fn change(
    State(state): State<ApiState>,
    QueueName(queue): QueueName,
    Body(change): Body<QueueChange>,
) -> Result<Json<QueueDocument>, Problem> {
    let slots = change.slots.map(|slots| check::within("/slots", slots, 0, MOST_SLOTS)).transpose()?;
    state.store.set_slots(&queue, slots).await?;
    show(State(state), QueueName(queue)).await
}
