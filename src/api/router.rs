//! Every route of the server on one screen, and the layers around them. A route that is not listed
//! here does not exist; a route without a rule in `access` refuses every caller.

use std::net::SocketAddr;

use axum::Router;
use axum::middleware::from_fn_with_state;
use serde_json::Value;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::description::docs;
use super::events::{routes as events, stream_limits};
use super::jobs::{
    actions, artifacts, bulk, create, create_batch, explain, list, retry_after, show, steps, update,
};
use super::operations::routes as operations;
use super::schedules::routes as schedules;
use super::server::guard::{Guard, GuardError, time_limit};
use super::server::problem::ProblemDocument;
use super::server::{base_path, dashboard, health, problem, request_metrics, write_health};
use super::state::ApiState;
use super::stats::routes as stats;
use super::workflows::routes as workflows;
use super::{
    access, activity, alerts, audit, description, failures, health_report, kinds, limits, queues,
    remote_worker, tokens, workers,
};
use crate::job::document::lead_under;

#[derive(utoipa::OpenApi)]
#[openapi(
    components(schemas(ProblemDocument)),
    info(title = "Tidemill", description = "Durable background jobs on Postgres alone."),
    tags(
        (name = "jobs", description = "Enqueue, read and act on jobs."),
        (name = "operations", description = "One action on all jobs that match a filter, with a report."),
        (name = "events", description = "The events of jobs, live or page by page."),
        (name = "queues", description = "Named queues, each with limits of its own."),
        (name = "limits", description = "The number of jobs that may run or start, over all workers."),
        (name = "schedules", description = "Jobs that are enqueued by the clock."),
        (name = "workflows", description = "Jobs that wait for one another."),
        (name = "workers", description = "The processes that run jobs."),
        (name = "stats", description = "The outcomes of jobs, by kind and over time."),
        (name = "alerts", description = "The rules that raise alerts, and the alerts."),
        (name = "kinds", description = "The kinds of jobs and their defaults."),
        (name = "remote workers", description = "Run jobs from any language over HTTP."),
        (name = "access", description = "Rights, API keys and settings."),
        (name = "tokens", description = "Short-lived rights for browsers."),
        (name = "health", description = "Liveness, readiness and metrics."),
    )
)]
struct Description;

/// Why the routes cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// A setting makes no sense.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The description is not JSON.
    #[error("the description of the API could not be written: {0}")]
    Description(#[from] serde_json::Error),
}

/// The routes of queues.
fn of_queues() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(queues::list))
        .routes(routes!(queues::show, queues::change))
        .routes(routes!(queues::keys))
        .routes(routes!(queues::pause))
        .routes(routes!(queues::resume))
        .routes(routes!(queues::drain))
        .routes(routes!(queues::purge))
}

/// All described routes.
fn api(state: &ApiState) -> OpenApiRouter<ApiState> {
    let mut quick = watched()
        .routes(routes!(create::create, list::list))
        .routes(routes!(create_batch::create_batch))
        .routes(routes!(show::show_many))
        .routes(routes!(bulk::retry))
        .routes(routes!(bulk::cancel))
        .routes(routes!(bulk::run_now))
        .routes(routes!(bulk::delete))
        .routes(routes!(failures::list))
        .routes(routes!(activity::list))
        .merge(tokens::routes())
        .routes(routes!(show::show, update::change, actions::delete))
        .routes(routes!(show::attempts))
        .routes(routes!(artifacts::list))
        .routes(routes!(artifacts::read))
        .routes(routes!(explain::explain))
        .routes(routes!(explain::doctor))
        .routes(routes!(health_report::report))
        .routes(routes!(audit::list))
        .routes(routes!(alerts::list))
        .routes(routes!(alerts::rules))
        .routes(routes!(alerts::show, alerts::set, alerts::drop_rule))
        .routes(routes!(alerts::test_rule))
        .routes(routes!(stats::show))
        .routes(routes!(stats::kinds))
        .routes(routes!(stats::trends))
        .routes(routes!(stats::summary))
        .routes(routes!(stats::export))
        .routes(routes!(steps::steps))
        .routes(routes!(steps::signals))
        .routes(routes!(steps::signal))
        .routes(routes!(steps::fork))
        .routes(routes!(actions::cancel))
        .routes(routes!(actions::retry))
        .routes(routes!(actions::run_now))
        .routes(routes!(update::snooze))
        .merge(of_queues())
        .routes(routes!(limits::list))
        .routes(routes!(limits::show, limits::set, limits::drop_limit))
        .routes(routes!(schedules::list))
        .routes(routes!(schedules::preview))
        .routes(routes!(schedules::show, schedules::put, schedules::change, schedules::delete))
        .routes(routes!(schedules::pause))
        .routes(routes!(schedules::resume))
        .routes(routes!(schedules::run))
        .routes(routes!(workflows::create, workflows::list))
        .routes(routes!(workflows::show))
        .routes(routes!(workflows::cancel))
        .routes(routes!(workflows::retry))
        .routes(routes!(workers::list))
        .routes(routes!(workers::drain))
        .routes(routes!(kinds::list))
        .routes(routes!(kinds::set))
        .routes(routes!(kinds::reset_breaker))
        .merge(access::routes())
        .merge(operations::all())
        .merge(remote_worker::routes())
        .merge(state.routes.quick.clone())
        .layer(from_fn_with_state(state.retry_estimates.clone(), retry_after::add_retry_after))
        .layer(from_fn_with_state(state.settings.request_timeout, time_limit));
    description::bounded_in_time(quick.get_openapi_mut());
    // These stream or wait, within bounds of their own.
    let lasting = remote_worker::waiting_routes().merge(events::routes()).merge(state.routes.lasting.clone());
    let all = quick.merge(lasting.layer(from_fn_with_state(state.streams.clone(), stream_limits::bounded)));
    all.layer(from_fn_with_state(state.writes.clone(), write_health::watched))
}

/// The description of all routes.
fn describe(mut description: OpenApi) -> OpenApi {
    env!("CARGO_PKG_VERSION").clone_into(&mut description.info.version);
    description
}

/// The routes by which a process is watched.
fn watched() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(health::show_metrics))
}

/// All routes with all layers, for a listener at `listening`.
///
/// # Errors
/// If a setting makes no sense.
pub fn router(state: &ApiState, listening: SocketAddr) -> Result<Router, RouterError> {
    let (routes, description) = api(state).split_for_parts();
    let base = state.settings.base_path.as_str();
    lead_under(base);
    let routes = routes
        .with_state(state.clone())
        .merge(docs::routes(&describe(description), base, &state.access)?)
        .merge(dashboard::router(base));
    Ok(base_path::wrap(layered(routes, state, listening)?, base))
}

/// The description of all routes, as it is served.
///
/// # Errors
/// If it cannot be written as JSON.
pub fn description(state: &ApiState) -> Result<Value, RouterError> {
    let server = docs::server(state.settings.base_path.as_str());
    Ok(description::finished(&describe(api(state).split_for_parts().1), server, &state.access)?)
}

/// Only the routes by which a process is watched, with all layers: for workers.
///
/// # Errors
/// If a setting makes no sense.
pub fn health_router(state: &ApiState, listening: SocketAddr) -> Result<Router, RouterError> {
    layered(watched().split_for_parts().0.with_state(state.clone()), state, listening)
}

fn layered(routes: Router, state: &ApiState, listening: SocketAddr) -> Result<Router, RouterError> {
    let guard = Guard::new(&state.settings, listening)?;
    let counted = from_fn_with_state(state.metrics.clone(), request_metrics::track);
    let routes = routes.fallback(problem::unknown_route);
    Ok(guard.wrap(routes, state.gate.clone()).layer(counted))
}
