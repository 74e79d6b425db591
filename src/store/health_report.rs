//! The health report: one verdict on whether work starts, succeeds and is known. The SQL function
//! `health_report` decides; this file must never decide again.

use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use utoipa::ToSchema;

use super::{Result, Store};

/// One verdict on the whole installation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HealthReport {
    /// ok, attention, or unknown if the data is stale.
    pub verdict: String,
    /// The verdict in a sentence.
    pub message: String,
    /// The state of each part.
    pub parts: ReportParts,
    /// What runs the jobs: binary, embedded, remote or unknown. The advice is worded for it.
    pub deployment: String,
    /// At most 50 findings, the worst first.
    pub findings: Vec<ReportFinding>,
}

/// The state of each part: ok, attention or unknown.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReportParts {
    /// Whether due jobs start.
    pub flow: String,
    /// Whether started jobs succeed, as fast as before.
    pub execution: String,
    /// Whether what is known is fresh.
    pub liveness: String,
}

/// A cause for the verdict.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReportFinding {
    /// flow, execution or liveness.
    pub part: String,
    /// The code for programs: `no_worker`, `queue_paused`, `failing` and so on.
    pub code: String,
    /// stale, attention or info.
    pub severity: String,
    /// What the finding is about.
    pub object: ReportObject,
    /// The message for a person.
    pub message: String,
    /// The numbers behind it.
    pub figures: Vec<Figure>,
    /// What to do.
    pub remedy: Remedy,
}

/// The object of a finding.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReportObject {
    /// queue, kind, limit, worker, alert or database.
    #[serde(rename = "type")]
    pub object_type: String,
    /// Its name.
    pub name: String,
}

/// A number with its unit.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Figure {
    /// What is measured.
    pub name: String,
    /// The number; null if the past is too short.
    pub value: Option<f64>,
    /// Its unit, such as seconds or share.
    pub unit: String,
}

/// What to do about a finding.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Remedy {
    /// The advice.
    pub advice: String,
    /// The request that acts, or shows more.
    pub api: String,
    /// The command that acts, or shows more.
    pub command: String,
}

impl Store {
    /// One verdict on whether work starts, succeeds and is known.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn health_report(&self) -> Result<HealthReport> {
        let report = sqlx::query_scalar!(r#"select health_report() as "report!: Json<HealthReport>""#)
            .fetch_one(self.pool())
            .await?;
        Ok(report.0)
    }
}
