//! Routes of queues: lists, pauses, resumes, drains, purges and sizes them. A queue need not be
//! created: every name is a queue, and its actions work before its first job.

use std::time::Duration;

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::jobs::duration_input::DurationInput;
use super::jobs::patch::Change;
use super::limits::{MOST_RUNNING, checked_rate};
use super::page_response::Page;
use super::server::auth::caller::Caller;
use super::server::json::Body;
use super::server::path_params::QueueName;
use super::server::problem::{Case, Problem};
use super::server::validate;
use super::state::ApiState;
use crate::job::limit::LimitSettings;
use crate::store::limits::LimitDocument;
use crate::store::queues::{QueueDocument, QueueKeyDocument};

const MOST_KEYS: i32 = 20;
const MOST_SLOTS: i32 = 10_000;
const MOST_QUEUED: i32 = 100_000_000;
const LONGEST_AGEING: Duration = Duration::from_hours(365 * 24);

/// The changes to a queue; fields left out stay as they are, null removes a setting.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QueueChange {
    /// The number of its jobs that each worker runs at once, 0 to 10,000; null leaves it to the
    /// workers.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 10_000, value_type = Option<i64>)]
    slots: Change<i64>,
    /// The most of its jobs that may wait to run; more are refused with 429. Null: no limit.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 100_000_000, value_type = Option<i64>)]
    max_queued: Change<i64>,
    /// The most of its jobs that run at once over all workers; null: no limit.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1_000_000, value_type = Option<i64>)]
    max_running: Change<i64>,
    /// The most of its jobs that start in each period over all workers; null: no limit.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000, value_type = Option<i64>)]
    rate: Change<i64>,
    /// The period of `rate`; a minute by default.
    #[schema(value_type = Option<DurationInput>)]
    per: Option<Value>,
    /// The most jobs that start at one moment after an idle time; by default `rate`.
    #[schema(minimum = 1, maximum = 1_000_000)]
    burst: Option<i64>,
    /// The waiting time after which a due job is claimed as if its priority were one better; null:
    /// priorities do not age.
    #[serde(default)]
    #[schema(value_type = Option<DurationInput>)]
    priority_ageing: Change<Value>,
}

/// The outcome of a purge.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Purged {
    /// The number of cancelled jobs.
    purged: i64,
}

/// List queues
///
/// Every queue with live jobs, settings, a kind or a worker.
#[utoipa::path(get, path = "/api/v1/queues", tag = "queues",
    responses((status = 200, description = "All queues", body = Page<QueueDocument>)))]
pub(super) async fn list(State(state): State<ApiState>) -> Result<Json<Page<QueueDocument>>, Problem> {
    Ok(Page::whole(state.store.queues(None).await?))
}

/// Read a queue
#[utoipa::path(get, path = "/api/v1/queues/{queue}", tag = "queues",
    responses(
        (status = 200, description = "The queue", body = QueueDocument),
    ))]
pub(super) async fn show(
    State(state): State<ApiState>,
    QueueName(queue): QueueName,
) -> Result<Json<QueueDocument>, Problem> {
    let found = state.store.queues(Some(&queue)).await?.into_iter().next();
    found.map(Json).ok_or_else(|| {
        Problem::new(Case::NotFound, format!("There is no queue {queue}."))
            .remedy("Check the name; a queue exists once it has a job, a setting or a worker.")
    })
}

/// List the keys of a queue
///
/// The fair keys and limits with the most waiting jobs, the largest backlog first, at most 20: these
/// hold the queue up or starve in it.
#[utoipa::path(get, path = "/api/v1/queues/{queue}/keys", tag = "queues", operation_id = "keys",
    responses((status = 200, description = "The keys", body = Page<QueueKeyDocument>)))]
pub(super) async fn keys(
    State(state): State<ApiState>,
    QueueName(queue): QueueName,
) -> Result<Json<Page<QueueKeyDocument>>, Problem> {
    Ok(Page::whole(state.store.queue_keys(&queue, MOST_KEYS).await?))
}

/// Pause a queue
///
/// No jobs are claimed from it until it is resumed; running jobs continue.
#[utoipa::path(post, path = "/api/v1/queues/{queue}/pause", tag = "queues",
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
/// The queue refuses new jobs until it is resumed; its jobs still run.
#[utoipa::path(post, path = "/api/v1/queues/{queue}/drain", tag = "queues",
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
/// Cancels all its jobs that are not running.
#[utoipa::path(post, path = "/api/v1/queues/{queue}/purge", tag = "queues",
    responses((status = 200, description = "The number of cancelled jobs", body = Purged)))]
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
    responses((status = 200, description = "The queue", body = QueueDocument)))]
pub(super) async fn change(
    State(state): State<ApiState>,
    QueueName(queue): QueueName,
    Body(change): Body<QueueChange>,
) -> Result<Json<QueueDocument>, Problem> {
    let bounds = change.slots.is_kept() && change.max_queued.is_kept();
    let keeps = bounds && change.max_running.is_kept() && change.rate.is_kept();
    if keeps && change.per.is_none() && change.burst.is_none() && change.priority_ageing.is_kept() {
        let problem = Problem::invalid("", "The body changes nothing.");
        return Err(
            problem.remedy("Send slots, max_queued, max_running, rate or priority_ageing; null removes one.")
        );
    }
    let slots = change.slots.checked(|slots| validate::within("/slots", slots, 0, MOST_SLOTS))?;
    let queued = change.max_queued.checked(|most| validate::within("/max_queued", most, 0, MOST_QUEUED))?;
    let most = change.max_running.checked(|most| validate::within("/max_running", most, 0, MOST_RUNNING))?;
    let ageing = change
        .priority_ageing
        .checked(|ageing| validate::positive_duration("/priority_ageing", &ageing, LONGEST_AGEING))?;
    let (per, burst) = (change.per, change.burst);
    let rate = match change.rate {
        Change::Set(rate) => {
            checked_rate(Some(rate), per.as_ref(), burst)?.map_or(Change::Clear, Change::Set)
        }
        other => {
            checked_rate(None, per.as_ref(), burst)?;
            if other.is_kept() { Change::Keep } else { Change::Clear }
        }
    };
    if !slots.is_kept() {
        state.store.set_slots(&queue, slots.apply_to(None)).await?;
    }
    if !queued.is_kept() {
        state.store.set_max_queued(&queue, queued.apply_to(None)).await?;
    }
    if !most.is_kept() || !rate.is_kept() {
        let name = format!("queue:{queue}");
        let before = state.store.limit(&name).await?.map(LimitDocument::into_settings).unwrap_or_default();
        let settings = LimitSettings {
            max_running: most.apply_to(before.max_running),
            rate: rate.apply_to(before.rate),
            on_full: None,
        };
        state.store.set_limit(&name, &settings).await?;
    }
    if !ageing.is_kept() {
        state.store.set_priority_ageing(&queue, ageing.apply_to(None)).await?;
    }
    show(State(state), QueueName(queue)).await
}
