//! Routes of schedules: lists, previews, writes, pauses, resumes, runs and deletes them. Answers
//! must already contain the next slots, so that callers need no second request.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::request::{PreviewRequest, ScheduleRequest};
use crate::api::jobs::create::brief;
use crate::api::page_response::Page;
use crate::api::server::auth::caller::Caller;
use crate::api::server::json::{Body, Params};
use crate::api::server::path_params::ScheduleName;
use crate::api::server::problem::{Case, Problem, quoted};
use crate::api::server::validate;
use crate::api::state::ApiState;
use crate::job::document::micros_each;
use crate::store;
use crate::store::schedules::{Ran, ScheduleDocument, SlotDocument};
use crate::vault::refuse_reserved;

const DEFAULT_LIMIT: i64 = 50;
const MOST_ITEMS: i32 = 200;
const SLOTS_SHOWN: i64 = 20;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SchedulesQuery {
    /// The `next_cursor` of the previous page.
    cursor: Option<String>,
    /// The most schedules of a page: 1 to 200, by default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// A schedule with the outcomes of its last slots.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScheduleDetail {
    #[serde(flatten)]
    schedule: ScheduleDocument,
    /// The last 20 slots, the latest first.
    slots: Vec<SlotDocument>,
}

/// The next due times.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Preview {
    /// The next slots.
    #[serde(serialize_with = "micros_each")]
    slots: Vec<DateTime<Utc>>,
}

/// List schedules
///
/// By name.
#[utoipa::path(get, path = "/api/v1/schedules", tag = "schedules", params(SchedulesQuery),
    responses((status = 200, description = "A page of schedules", body = Page<ScheduleDocument>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Params(query): Params<SchedulesQuery>,
) -> Result<Json<Page<ScheduleDocument>>, Problem> {
    let after = query.cursor.map(|cursor| read_cursor(&cursor)).transpose()?;
    let limit = validate::within("limit", query.limit.unwrap_or(DEFAULT_LIMIT), 1, MOST_ITEMS)?;
    // One more than is shown, to know if there is another page.
    let mut items = state.store.schedules(None, after.as_deref(), i64::from(limit) + 1).await?;
    let wanted = usize::try_from(limit).unwrap_or_default();
    let has_more = items.len() > wanted;
    items.truncate(wanted);
    for schedule in &mut items {
        state.store.redact(Some(&mut schedule.job));
    }
    let last = items.last().filter(|_| has_more);
    let next_cursor = last.map(|schedule| BASE64_URL_SAFE_NO_PAD.encode(&schedule.name));
    Ok(Json(Page { items, next_cursor }))
}

/// Read a schedule
#[utoipa::path(get, path = "/api/v1/schedules/{schedule}", tag = "schedules",
    responses(
        (status = 200, description = "The schedule and its last slots", body = ScheduleDetail),
    ))]
pub(crate) async fn show(
    State(state): State<ApiState>,
    ScheduleName(name): ScheduleName,
) -> Result<Json<ScheduleDetail>, Problem> {
    let mut schedule = find(&state, &name).await?.ok_or_else(|| unknown(&name))?;
    state.store.redact(Some(&mut schedule.job));
    let slots = state.store.schedule_slots(&name, SLOTS_SHOWN).await?;
    Ok(Json(ScheduleDetail { schedule, slots }))
}

/// Create or replace a schedule
///
/// An existing schedule stays paused if it is, and keeps its slots if its times do not change.
#[utoipa::path(put, path = "/api/v1/schedules/{schedule}", tag = "schedules", request_body = ScheduleRequest,
    responses(
        (status = 200, description = "The schedule", body = ScheduleDocument),
    ))]
pub(crate) async fn put(
    State(state): State<ApiState>,
    ScheduleName(name): ScheduleName,
    Body(request): Body<ScheduleRequest>,
) -> Result<Json<ScheduleDocument>, Problem> {
    let stored = find(&state, &name).await?;
    write(&state, &name, request.whole()?, stored.as_ref()).await
}

/// Change a schedule
///
/// Fields left out stay as they are. Sending one of `cron`, `every` and `at` replaces the present
/// one.
#[utoipa::path(patch, path = "/api/v1/schedules/{schedule}", tag = "schedules", request_body = ScheduleRequest,
    responses(
        (status = 200, description = "The schedule", body = ScheduleDocument),
    ))]
pub(crate) async fn change(
    State(state): State<ApiState>,
    ScheduleName(name): ScheduleName,
    Body(request): Body<ScheduleRequest>,
) -> Result<Json<ScheduleDocument>, Problem> {
    let stored = find(&state, &name).await?.ok_or_else(|| unknown(&name))?;
    write(&state, &name, request, Some(&stored)).await
}

/// Delete a schedule
///
/// Its jobs stay.
#[utoipa::path(delete, path = "/api/v1/schedules/{schedule}", tag = "schedules",
    responses((status = 204, description = "The schedule is deleted")))]
pub(crate) async fn delete(
    State(state): State<ApiState>,
    ScheduleName(name): ScheduleName,
) -> Result<StatusCode, Problem> {
    let was_there = state.store.delete_schedule(&name).await?;
    was_there.then_some(StatusCode::NO_CONTENT).ok_or_else(|| unknown(&name))
}

/// Pause a schedule
///
/// It does not fire until it is resumed.
#[utoipa::path(post, path = "/api/v1/schedules/{schedule}/pause", tag = "schedules",
    responses((status = 200, description = "The schedule", body = ScheduleDocument)))]
pub(crate) async fn pause(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    ScheduleName(name): ScheduleName,
) -> Result<Json<ScheduleDocument>, Problem> {
    state.store.pause_schedule(&name, &caller.name).await?;
    answer(&state, &name).await
}

/// Resume a schedule
///
/// Slots that passed during the pause do not fire.
#[utoipa::path(post, path = "/api/v1/schedules/{schedule}/resume", tag = "schedules",
    responses((status = 200, description = "The schedule", body = ScheduleDocument)))]
pub(crate) async fn resume(
    State(state): State<ApiState>,
    ScheduleName(name): ScheduleName,
) -> Result<Json<ScheduleDocument>, Problem> {
    state.store.resume_schedule(&name).await?;
    answer(&state, &name).await
}

/// Run a schedule's job now
///
/// Outside its slots, which do not change; also while it is paused.
#[utoipa::path(post, path = "/api/v1/schedules/{schedule}/run", tag = "schedules",
    responses(
        (status = 202, description = "The new job's id and links", body = serde_json::Value),
        (status = 409, description = "The queue is draining"),
    ))]
pub(crate) async fn run(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    ScheduleName(name): ScheduleName,
) -> Result<(StatusCode, Json<serde_json::Value>), Problem> {
    match state.store.run_schedule(&name, &caller.name).await? {
        Ran::Job(job_id) => Ok((StatusCode::ACCEPTED, Json(brief(job_id)))),
        Ran::Unknown => Err(unknown(&name)),
        Ran::QueueDraining => {
            Err(Problem::new(Case::QueueDraining, format!("The queue of the schedule {name} is draining.")))
        }
    }
}

/// Preview times
///
/// Lists the next due times; stores nothing.
#[utoipa::path(post, path = "/api/v1/schedules/preview", tag = "schedules", request_body = PreviewRequest,
    responses(
        (status = 200, description = "The next slots", body = Preview),
    ))]
pub(crate) async fn preview(
    State(state): State<ApiState>,
    Body(request): Body<PreviewRequest>,
) -> Result<Json<Preview>, Problem> {
    let now = state.store.now().await?;
    Ok(Json(Preview { slots: request.slots(now)? }))
}

async fn write(
    state: &ApiState,
    name: &str,
    request: ScheduleRequest,
    stored: Option<&ScheduleDocument>,
) -> Result<Json<ScheduleDocument>, Problem> {
    let now = state.store.now().await?;
    let schedule = request.into_schedule(name, stored, now, &state.args)?;
    // Its jobs have exactly these args.
    refuse_reserved(&schedule.job).map_err(store::Error::from)?;
    state.store.put_schedule(&schedule, "api", None).await?;
    answer(state, name).await
}

/// The schedule as it is now, with its slots.
async fn answer(state: &ApiState, name: &str) -> Result<Json<ScheduleDocument>, Problem> {
    state.store.compute_schedule(name).await?;
    let mut schedule = find(state, name).await?.ok_or_else(|| unknown(name))?;
    state.store.redact(Some(&mut schedule.job));
    Ok(Json(schedule))
}

async fn find(state: &ApiState, name: &str) -> Result<Option<ScheduleDocument>, Problem> {
    Ok(state.store.schedules(Some(name), None, 1).await?.pop())
}

fn unknown(name: &str) -> Problem {
    Problem::new(Case::NotFound, format!("There is no schedule {name}."))
        .remedy("Check the name, or create it with PUT.")
}

fn read_cursor(text: &str) -> Result<String, Problem> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok();
    let name = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    name.and_then(|name| validate::name("cursor", name).ok()).ok_or_else(|| {
        Problem::invalid("cursor", format!("{} is not a cursor of this list.", quoted(text)))
            .remedy("Send the next_cursor of the previous page, unchanged, or start without one.")
    })
}
