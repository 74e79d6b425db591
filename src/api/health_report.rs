//! The health report over HTTP. Only reads, and adds nothing to what the database says.

use axum::Json;
use axum::extract::State;

use super::server::problem::Problem;
use super::state::ApiState;
use crate::store::health_report::HealthReport;

/// Read the health report
///
/// One verdict: whether due jobs start (flow), succeed as before (execution), and whether what is
/// known is fresh (liveness). If it is not, flow and execution are unknown.
#[utoipa::path(get, path = "/api/v1/health/report", tag = "health",
    responses((status = 200, description = "The verdict and its findings", body = HealthReport)))]
pub(crate) async fn report(State(state): State<ApiState>) -> Result<Json<HealthReport>, Problem> {
    Ok(Json(state.store.health_report().await?))
}
