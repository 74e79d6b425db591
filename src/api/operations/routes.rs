//! Routes of operations: preview, start, list, show, cancel, undo. Must never wait for the end of
//! one.

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::request::{OperationRequest, rate};
use crate::api::jobs::list::{read_cursor, write_cursor};
use crate::api::page_response::{Page, Repeatable};
use crate::api::server::auth::caller::Caller;
use crate::api::server::idempotency::{Begun, Keyed};
use crate::api::server::json::query::Params;
use crate::api::server::json::{Body, OptionalBody, RawBody, parse};
use crate::api::server::path_params::only_part;
use crate::api::server::problem::{Case, Problem, quoted};
use crate::api::server::validate;
use crate::api::state::ApiState;
use crate::store;
use crate::store::operations::{
    OperationDocument, OperationJob, OperationPreview, find_operation, start_operation,
};

const ROUTE: &str = "POST /operations";
const MOST_ITEMS: i32 = 200;

/// All of them.
pub(crate) fn all() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(start, list))
        .routes(routes!(preview))
        .routes(routes!(show))
        .routes(routes!(cancel))
        .routes(routes!(undo))
}

/// The id of an operation in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OperationId(Uuid);

impl<S: Send + Sync> FromRequestParts<S> for OperationId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = only_part(parts, state, "id").await?;
        Uuid::try_parse(&text).map(Self).map_err(|_| {
            Problem::invalid("id", format!("{} is not an id.", quoted(&text)))
                .remedy("Send the id that the start of the operation returned.")
        })
    }
}

impl OperationId {
    fn unknown(self) -> Problem {
        Problem::new(Case::NotFound, format!("No operation has the id {}.", self.0))
    }
}

/// An operation, and the first jobs that it left as they were.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperationReport {
    #[serde(flatten)]
    operation: OperationDocument,
    /// The first jobs that it skipped or on which it failed, at most 100.
    left: Vec<OperationJob>,
}

/// The start of a page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OperationsQuery {
    /// The `next_cursor` of the previous page.
    cursor: Option<String>,
    /// The most items, 1 to 200; by default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Where a preview goes on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PreviewQuery {
    /// The `looked_to` of the call before, to look at the jobs after it.
    after: Option<Uuid>,
}

/// How fast an operation is undone.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UndoRequest {
    /// The most jobs in a time: `5/s`, `200/min` or `1000/h`; by default as fast as it goes.
    rate: Option<String>,
}

/// Preview an operation
///
/// Counts the jobs on which it would act now, and those that it would skip, by reason. Changes
/// nothing. Of a long history one call counts a part; a further one goes on after its `looked_to`.
#[utoipa::path(
    post, path = "/api/v1/operations/preview", tag = "operations", params(PreviewQuery), request_body = OperationRequest,
    responses((status = 200, description = "What it would do", body = OperationPreview))
)]
pub(crate) async fn preview(
    State(state): State<ApiState>,
    Params(query): Params<PreviewQuery>,
    Body(request): Body<OperationRequest>,
) -> Result<Json<OperationPreview>, Problem> {
    let checked = request.checked()?;
    Ok(Json(state.store.preview_operation(&checked.new_operation(), query.after).await?))
}

/// Start an operation
///
/// Acts on all jobs that match the filter and were enqueued before it, each once, in the
/// background and no faster than the rate. With an `Idempotency-Key` the request may be repeated.
#[utoipa::path(
    post, path = "/api/v1/operations", tag = "operations", request_body = OperationRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters, new for each operation")),
    responses(
        (status = 202, description = "The operation", body = OperationDocument,
            headers(("Idempotency-Replayed" = bool, description = "True if this is the stored answer to an earlier request"))),
    )
)]
pub(crate) async fn start(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Repeatable, Problem> {
    let checked = parse::<OperationRequest>(&body)?.checked()?;
    let operation = checked.new_operation();
    let Some(keyed) = Keyed::of(&headers, &caller, ROUTE, &body)? else {
        let mut transaction = state.store.pool().begin().await.map_err(store::Error::from)?;
        let id = start_operation(transaction.connection(), &operation, &caller.name).await?;
        let made = find_operation(transaction.connection(), id).await?;
        transaction.commit().await.map_err(store::Error::from)?;
        return answered(&made.ok_or_else(|| OperationId(id).unknown())?);
    };
    match keyed.begin(&state.store).await? {
        Begun::Replay(body) => Ok(Repeatable { status: StatusCode::ACCEPTED, body, replayed: true }),
        Begun::Work(mut work) => {
            let id = start_operation(work.connection(), &operation, &caller.name).await?;
            let made = find_operation(work.connection(), id).await?;
            let answer = answered(&made.ok_or_else(|| OperationId(id).unknown())?)?;
            work.answer(&answer.body).await?;
            Ok(answer)
        }
    }
}

fn answered(operation: &OperationDocument) -> Result<Repeatable, Problem> {
    let body = serde_json::to_value(operation).map_err(|error| Problem::internal(&error))?;
    Ok(Repeatable { status: StatusCode::ACCEPTED, body, replayed: false })
}

/// List operations
///
/// Newest first; kept for 30 days after their end.
#[utoipa::path(get, path = "/api/v1/operations", tag = "operations", params(OperationsQuery),
    responses((status = 200, description = "A page of operations", body = Page<OperationDocument>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Params(query): Params<OperationsQuery>,
) -> Result<Json<Page<OperationDocument>>, Problem> {
    let limit = validate::within("limit", query.limit.unwrap_or(50), 1, MOST_ITEMS)?;
    let before = query.cursor.as_deref().map(read_cursor).transpose()?;
    // One more than is shown, to know if there is another page.
    let mut items = state.store.operations(before, i64::from(limit) + 1).await?;
    let wanted = usize::try_from(limit).unwrap_or_default();
    let has_more = items.len() > wanted;
    items.truncate(wanted);
    let next_cursor = items.last().filter(|_| has_more).map(|last| write_cursor(last.id));
    Ok(Json(Page { items, next_cursor }))
}

/// Read an operation
///
/// With its report: how many jobs are done, skipped by reason, and failed, and which were left as
/// they were.
#[utoipa::path(get, path = "/api/v1/operations/{id}", tag = "operations",
    params(("id" = Uuid, Path, description = "The operation")),
    responses((status = 200, description = "The operation", body = OperationReport)))]
pub(crate) async fn show(
    State(state): State<ApiState>,
    id: OperationId,
) -> Result<Json<OperationReport>, Problem> {
    report(&state, id).await
}

async fn report(state: &ApiState, id: OperationId) -> Result<Json<OperationReport>, Problem> {
    let operation = state.store.operation(id.0).await?.ok_or_else(|| id.unknown())?;
    let left = state.store.operation_jobs(id.0).await?;
    Ok(Json(OperationReport { operation, left }))
}

/// Cancel an operation
///
/// It stops after its present batch; what it has done stays done. An operation that has ended stays
/// as it is.
#[utoipa::path(post, path = "/api/v1/operations/{id}/cancel", tag = "operations",
    params(("id" = Uuid, Path, description = "The operation")),
    responses((status = 200, description = "The operation", body = OperationReport)))]
pub(crate) async fn cancel(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    id: OperationId,
) -> Result<Json<OperationReport>, Problem> {
    state.store.cancel_operation(id.0, &caller.name).await?;
    report(&state, id).await
}

/// Undo an operation
///
/// Starts an operation that puts back the jobs that are still as this one left them: cancelled jobs
/// that did not run are live again, priorities and queues are as before. The other actions cannot be
/// undone.
#[utoipa::path(post, path = "/api/v1/operations/{id}/undo", tag = "operations",
    params(("id" = Uuid, Path, description = "The operation")), request_body = Option<UndoRequest>,
    responses((status = 202, description = "The operation that undoes it", body = OperationReport)))]
pub(crate) async fn undo(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    id: OperationId,
    OptionalBody(request): OptionalBody<UndoRequest>,
) -> Result<(StatusCode, Json<OperationReport>), Problem> {
    let rate = request.unwrap_or_default().rate.map(rate).transpose()?;
    let undoing = state.store.undo_operation(id.0, rate.as_deref(), &caller.name).await?;
    let undoing = undoing.ok_or_else(|| id.unknown())?;
    Ok((StatusCode::ACCEPTED, report(&state, OperationId(undoing)).await?))
}
