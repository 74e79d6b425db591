//! The events of jobs: as a list, as the live stream of one job, and as one stream of many. Must
//! never answer for a job that does not exist.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::VARY;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::cursor::StreamCursor;
use super::frame::item;
use super::job_stream::{StreamReader, frames};
use super::multi_stream::{Many, many_frames, watch_all};
use super::sse;
use super::sse::QueryPosition;
use crate::api::jobs::job_id::{JobId, failed, resolve, unknown};
use crate::api::jobs::result;
use crate::api::server::auth::caller::Caller;
use crate::api::server::json::Params;
use crate::api::server::path_params::JobName;
use crate::api::server::problem::{Case, Problem};
use crate::api::server::validate;
use crate::api::state::ApiState;
use crate::store::jobs::feed::Selection;

/// How many events a stream reads at once for a reader that lags behind.
const PAGE_LIMIT: i64 = 500;
const MOST_LISTED: i64 = 1000;
const DEFAULT_LISTED: i64 = 100;
const MOST_JOBS: usize = 200;
const MOST_NAMES: usize = 50;
const TYPE_CHARACTERS: usize = 100;

/// Events, results, and their streams.
#[must_use]
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(get_events))
        .routes(routes!(stream_events))
        .routes(routes!(get_many_events))
        .routes(routes!(result::get_result))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EventsQuery {
    /// Only events of these types, separated by commas.
    #[param(example = "progress,log")]
    types: Option<String>,
    /// Start after this event; `Last-Event-ID` takes precedence.
    #[param(value_type = Option<i64>, minimum = 0)]
    after: Option<String>,
    /// `next_cursor` of the previous page.
    #[param(pattern = "^[0-9]{1,18}$")]
    cursor: Option<String>,
    /// The most events, 1 to 1000.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<i64>,
    /// The same as `Last-Event-ID`, which takes precedence; for clients that cannot send that
    /// header.
    #[serde(rename = "lastEventId")]
    #[param(ignore)]
    last_event_id: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct StreamQuery {
    /// Only events of these types, separated by commas. The stream still begins with `snapshot` and ends
    /// with `completed`, `failed` or `cancelled`.
    #[param(example = "progress,log")]
    types: Option<String>,
    /// Start after this event; `Last-Event-ID` takes precedence.
    #[param(example = "5")]
    after: Option<String>,
    /// The same as `Last-Event-ID`, which takes precedence; for clients that cannot send that
    /// header.
    #[serde(rename = "lastEventId")]
    #[param(ignore)]
    last_event_id: Option<String>,
}

/// An event of a job: these fields, and those of its type.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is only described; `frame` writes it")]
pub struct JobEvent {
    /// The job.
    job_id: Uuid,
    /// The number of the event in its job, from 1; in a `snapshot`, the position that the snapshot
    /// represents.
    #[schema(minimum = 0)]
    seq: i64,
    /// The attempt in which it happened; 0 before the first.
    #[schema(minimum = 0)]
    attempt: i32,
    /// When it happened.
    at: chrono::DateTime<chrono::Utc>,
    /// Its type; in a stream, the name of the frame instead.
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// The frames of a stream as text; the `data` of each frame is an event. Clients with stream
/// support return the events.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum EventStream {
    /// The data of one frame.
    Event(JobEvent),
    /// All of it.
    Text(String),
}

/// Events of one job in order.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventList {
    /// The events, each as the `data` of its frame, with its `type`.
    #[schema(value_type = Vec<JobEvent>)]
    items: Vec<Value>,
    /// The cursor of the next page; null at the present end.
    next_cursor: Option<String>,
}

/// List the events of a job
///
/// Page by page. With `Accept: text/event-stream` the same address answers the live stream, as
/// `/jobs/{id}/events/stream` does.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/events", tag = "events",
    params(
        EventsQuery,
    ),
    responses(
        (status = 200, description = "A page of events", body = EventList),
    ),
    operation_id = "list",
)]
async fn get_events(
    State(state): State<ApiState>,
    JobId(job_id): JobId,
    caller: Option<Extension<Caller>>,
    headers: HeaderMap,
    Params(query): Params<EventsQuery>,
) -> Result<Response, Problem> {
    let types = checked_types(query.types.as_deref())?;
    let place = QueryPosition::of(query.last_event_id.as_ref(), query.after.as_ref());
    if !sse::wants_stream(&headers) {
        let after = position(&headers, place)?.0;
        return list(&state, job_id, &types, after, &query).await;
    }
    stream(&state, job_id, caller, &headers, (types, place)).await
}

/// Stream the events of a job
///
/// First `snapshot` (the job), then the events after `Last-Event-ID`, then live events; the last
/// frame is `completed`, `failed` or `cancelled`. `id` is the position to reconnect with (opaque:
/// the last one is not a number), `event` the type, `data` JSON with `job_id`, `seq`, `attempt`,
/// `at` and the type's own fields. A frame `reset` says that events before its position were
/// dropped, or that events after it did not happen. A reader that reconnects with the `id` of the
/// last frame gets 204 and need not reconnect again.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/events/stream", tag = "events", operation_id = "stream",
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last frame that the reader received"),
        StreamQuery,
    ),
    responses(
        (status = 200, description = "The stream", body = EventStream, content_type = "text/event-stream"),
        (status = 204, description = "The reader has seen the end of the job"),
        (status = 400, description = "Last-Event-ID is invalid"),
    ),
)]
async fn stream_events(
    State(state): State<ApiState>,
    JobId(job_id): JobId,
    caller: Option<Extension<Caller>>,
    headers: HeaderMap,
    Params(query): Params<StreamQuery>,
) -> Result<Response, Problem> {
    let types = checked_types(query.types.as_deref())?;
    let place = QueryPosition::of(query.last_event_id.as_ref(), query.after.as_ref());
    stream(&state, job_id, caller, &headers, (types, place)).await
}

/// The stream of one job: the requested types of events, and the start of the query.
async fn stream(
    state: &ApiState,
    job_id: Uuid,
    caller: Option<Extension<Caller>>,
    headers: &HeaderMap,
    (types, place): (Arc<[String]>, QueryPosition<'_>),
) -> Result<Response, Problem> {
    let (after, saw_end) = position(headers, place)?;
    // Watched before it is read, so that nothing in between is missed.
    let watch = state.watchers.watch(job_id);
    let document = state.store.find_job(job_id).await.map_err(|error| failed(&error))?;
    let document = document.ok_or_else(|| unknown(job_id))?;
    // A job that was retried has further events, and another end.
    if saw_end && document.state.is_final() && document.last_seq == after {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let reader = StreamReader { watch, document, after, types, page_limit: PAGE_LIMIT };
    let events = frames(state.watchers.clone(), reader).map(|frame| frame.sse(&frame.id()));
    Ok(sse::respond(state, caller.map(|Extension(caller)| caller), events))
}

/// The last event that the reader has seen, and whether it saw the end.
fn position(headers: &HeaderMap, place: QueryPosition<'_>) -> Result<(i64, bool), Problem> {
    let last_id = sse::last_event_id(headers, place)?;
    last_id.map_or(Ok((0, false)), |(text, field)| sse::position_or_end(field, text))
}

async fn list(
    state: &ApiState,
    job_id: Uuid,
    types: &[String],
    after: i64,
    query: &EventsQuery,
) -> Result<Response, Problem> {
    let limit = query.limit.unwrap_or(DEFAULT_LISTED);
    let limit =
        i64::from(validate::within("limit", limit, 1, i32::try_from(MOST_LISTED).unwrap_or(i32::MAX))?);
    let after = query.cursor.as_ref().map_or(Ok(after), |cursor| sse::position("cursor", cursor))?;
    let mut events =
        state.store.events_after(job_id, after, types, limit + 1).await.map_err(|error| failed(&error))?;
    if events.is_empty()
        && state.store.high_water_marks(&[job_id]).await.map_err(|error| failed(&error))?.1.is_empty()
    {
        return Err(unknown(job_id));
    }
    let is_page = usize::try_from(limit).is_ok_and(|limit| events.len() > limit);
    if is_page {
        events.pop();
    }
    let next_cursor = events.last().filter(|_| is_page).map(|event| event.seq.to_string());
    let list = EventList { items: events.iter().map(item).collect(), next_cursor };
    Ok(([(VARY, "accept")], Json(list)).into_response())
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct ManyQuery {
    /// Jobs by id or as `execution:<execution_id>`; at most 200, repeated for each.
    job: Vec<String>,
    /// In addition, every job of these queues.
    queue: Vec<String>,
    /// In addition, every job of these kinds.
    kind: Vec<String>,
    /// `true`: every job.
    all: bool,
    /// Only events of these types, separated by commas.
    types: Option<String>,
    /// Start after the frame with this id; `Last-Event-ID` takes precedence.
    after: Option<String>,
    /// The same as `Last-Event-ID`, which takes precedence; for clients that cannot send that
    /// header.
    #[serde(rename = "lastEventId")]
    #[param(ignore)]
    last_event_id: Option<String>,
}

/// Stream the events of many jobs
///
/// The streams of all the jobs in one, each with its own `snapshot` and its own end. `id` is an
/// opaque cursor over all of them: a reader that reconnects with it misses nothing and gets nothing
/// twice. Ends when all named jobs have finished; with `queue`, `kind` or `all` it stays open until
/// its lifetime ends, and carries every job of them from its enqueue to its end, even a very short
/// one: a `snapshot` when it is enqueued and when an attempt starts, its events, its end. It starts
/// with the running jobs. A frame `reset` says that the stream is incomplete from `since` on
/// (retention dropped events, or the database was restored to an earlier state); `lagged` says that
/// one transaction changed more jobs than a stream carries; list the jobs then. With `settings`
/// among `types`, and a queue, a kind or `all`, a frame `settings` says that queues, limits,
/// schedules, keys or rules of alerts may have changed: read again what you show of them. A reader
/// that reconnects when every named job has finished gets 204.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "events", operation_id = "stream_many",
    params(ManyQuery, ("Last-Event-ID" = Option<String>, Header, description = "The id of the last frame that the reader received")),
    responses(
        (status = 200, description = "The stream", body = EventStream, content_type = "text/event-stream"),
        (status = 204, description = "The reader has seen the end of every named job"),
        (status = 400, description = "Last-Event-ID does not belong to this request"),
        (status = 404, description = "A named job does not exist"),
    )
)]
async fn get_many_events(
    State(state): State<ApiState>,
    caller: Option<Extension<Caller>>,
    headers: HeaderMap,
    Params(query): Params<ManyQuery>,
) -> Result<Response, Problem> {
    let types = checked_types(query.types.as_deref())?;
    let selection = Selection {
        queues: checked_names("queue", query.queue)?,
        kinds: checked_names("kind", query.kind)?,
        all: query.all,
    };
    let follows = selection != Selection::default();
    let caller = caller.map(|Extension(caller)| caller);
    if follows && caller.as_ref().is_some_and(|caller| caller.token.is_some()) {
        let problem = Problem::new(Case::Forbidden, "A token follows single jobs, not queues or kinds.");
        return Err(problem.remedy("Name the jobs, each with job=<id>."));
    }
    let named = checked_jobs(&state, caller.as_ref(), &query.job).await?;
    if named.is_empty() && !follows {
        let problem = Problem::invalid("job", "The request names no job, queue or kind.");
        return Err(problem.remedy(
            "Send job=<id>, queue=<name> or kind=<name>, each as often as needed, or all=true for every job.",
        ));
    }
    let place = QueryPosition::of(query.last_event_id.as_ref(), query.after.as_ref());
    let position = sse::last_event_id(&headers, place)?;
    let mut cursor = match position {
        Some((text, field)) => {
            StreamCursor::decode(text, &named).ok_or_else(|| sse::bad_position(field, text))?
        }
        None => StreamCursor::start(&named),
    };
    let found = watch_all(&state, &named).await.map_err(|error| failed(&error))?;
    for (job_id, place) in &mut cursor.named {
        match found.iter().find(|(watch, _)| watch.job_id() == *job_id) {
            // A job that was retried continues.
            Some((_, document)) => place.ended &= document.state.is_final() && document.last_seq == place.seq,
            None if position.is_none() => return Err(unknown(*job_id).field("job")),
            // It was deleted while the reader was away.
            None => place.ended = true,
        }
    }
    if !follows && cursor.named.iter().all(|(_, place)| place.ended) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    // Before the answer: a reader that has it may enqueue, and expects to see that job.
    let resumes = cursor.feed.is_some();
    if follows && !resumes {
        cursor.feed = Some(state.feed.begin().await.map_err(|error| failed(&error))?);
    }
    let many = Many { cursor, selection: follows.then_some(selection), types, resumes };
    let events = many_frames(state.clone(), many, found).map(|(cursor, frame)| frame.sse(&cursor));
    Ok(sse::respond(&state, caller, events))
}

async fn checked_jobs(
    state: &ApiState,
    caller: Option<&Caller>,
    names: &[String],
) -> Result<Vec<Uuid>, Problem> {
    if names.len() > MOST_JOBS {
        let problem = Problem::invalid("job", format!("The request names {} jobs.", names.len()));
        return Err(problem.remedy(format!("Name at most {MOST_JOBS} in one stream.")));
    }
    let mut jobs = Vec::new();
    for name in names {
        let name = JobName::parse("job", name)?;
        if let Some(caller) = caller
            && !state.gate.reaches(caller, &name).await?
        {
            return Err(name.unknown().field("job"));
        }
        let job_id = resolve(&state.store, name).await.map_err(|problem| problem.field("job"))?;
        if !jobs.contains(&job_id) {
            jobs.push(job_id);
        }
    }
    Ok(jobs)
}

fn checked_names(field: &'static str, names: Vec<String>) -> Result<Vec<String>, Problem> {
    if names.len() > MOST_NAMES {
        let problem = Problem::invalid(field, format!("The request has {field} {} times.", names.len()));
        return Err(problem.remedy(format!("Send it at most {MOST_NAMES} times.")));
    }
    names.into_iter().map(|name| validate::name(field, name)).collect()
}

fn checked_types(types: Option<&str>) -> Result<Arc<[String]>, Problem> {
    let Some(types) = types else { return Ok(Arc::default()) };
    let types: Vec<&str> = types.split(',').map(str::trim).collect();
    if types.len() > MOST_NAMES {
        let problem = Problem::invalid("types", format!("There are {} types.", types.len()));
        return Err(problem.remedy(format!("Send at most {MOST_NAMES}, separated by commas.")));
    }
    types.into_iter().map(|kind| validate::text("types", kind.to_owned(), TYPE_CHARACTERS)).collect()
}
