//! Liveness, readiness and metrics of this process. Each answers within seconds, whatever the
//! database does.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::json;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::problem::{Case, Problem};
use super::request_metrics;
use crate::api::state::ApiState;
use crate::store::Error;

/// How long the database may take to answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The process is healthy.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `alive` or `ready`.
    #[schema(value_type = String)]
    status: &'static str,
}

/// Check that the process is alive
#[utoipa::path(get, path = "/healthz", tag = "health",
    responses((status = 200, description = "It is", body = Health)))]
pub(crate) async fn alive() -> Json<Health> {
    Json(Health { status: "alive" })
}

/// Check that the process is ready
///
/// Ready means: the database answers, this binary knows its schema, the last writes were stored,
/// and the worker of this process claims jobs as it should.
#[utoipa::path(get, path = "/readyz", tag = "health",
    responses(
        (status = 200, description = "It is", body = Health),
        (status = 503, description = "Not ready; `checks` names the failing check"),
    ))]
pub(crate) async fn ready(State(state): State<ApiState>) -> Result<Json<Health>, Problem> {
    let mut failing = Vec::new();
    if let Err(reason) = database(&state).await {
        failing.push(json!({ "name": "database", "reason": reason }));
    }
    if failing.is_empty()
        && let Err(reason) = writes(&state).await
    {
        failing.push(json!({ "name": "writes", "reason": reason }));
    }
    for probe in state.readiness.iter() {
        if let Err(reason) = probe() {
            failing.push(json!({ "name": "process", "reason": reason }));
        }
    }
    if failing.is_empty() {
        return Ok(Json(Health { status: "ready" }));
    }
    let reasons: Vec<_> = failing.iter().filter_map(|check| check["reason"].as_str()).collect();
    let detail = format!("Not ready: {}.", reasons.join("; ").trim_end_matches('.'));
    Err(Problem::new(Case::Unavailable, detail).member("checks", failing))
}

async fn database(state: &ApiState) -> Result<(), String> {
    let asked = async {
        state.store.ping().await?;
        state.store.check_schema().await
    };
    match timeout(TIMEOUT, asked).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error @ Error::UnknownSchema { .. })) => Err(error.to_string()),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready: the database check failed");
            Err(error
                .trouble()
                .map_or("the database check failed; the server's log has the cause", |trouble| trouble.what)
                .into())
        }
        Err(_) => Err(format!("the database did not answer within {} s", TIMEOUT.as_secs())),
    }
}

async fn writes(state: &ApiState) -> Result<(), String> {
    match timeout(TIMEOUT, state.writes.check(&state.store)).await {
        Ok(Ok(None)) => Ok(()),
        Ok(Ok(Some(trouble))) => Err(format!("writes fail: {} {}", trouble.what, trouble.remedy)),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready: the database check failed");
            Err(error
                .trouble()
                .map_or("the database check failed; the server's log has the cause", |trouble| trouble.what)
                .into())
        }
        Err(_) => Err(format!("the database did not answer within {} s", TIMEOUT.as_secs())),
    }
}

/// Metrics for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "health", operation_id = "metrics",
    responses((status = 200, description = "Counters of this process, and gauges of queues and workers", body = String, content_type = "text/plain")))]
pub(crate) async fn show_metrics(State(state): State<ApiState>) -> Response {
    let cached = match timeout(TIMEOUT, state.gauges.read(&state.store)).await {
        Ok(Ok(cached)) => Some(cached),
        Ok(Err(error)) => {
            tracing::warn!(%error, "metrics are sent without gauges: reading them from the database failed");
            None
        }
        Err(_) => None,
    };
    request_metrics::page(&state.metrics, |levels| {
        let up = f64::from(u8::from(cached.is_some()));
        let stored = f64::from(u8::from(state.writes.trouble().is_none()));
        levels.set(
            "tidemill_writes_stored",
            "1 unless the last writes failed because of a full disk or a read-only database",
            &[],
            stored,
        );
        levels.set("tidemill_database_up", "1 if the database answered this scrape", &[], up);
        let hears = f64::from(u8::from(state.wakes.is_healthy()));
        levels.set(
            "tidemill_listening",
            "1 while notifications arrive; otherwise everything is polled",
            &[],
            hears,
        );
        if let Some(cached) = cached {
            cached.fill(levels);
        }
    })
}
