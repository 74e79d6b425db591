//! Removes the crawls whose sessions have expired; the config has a schedule for it. Must never touch
//! a job of another kind, or one that has not finished.

use chrono::{SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use tidemill::extension::jobs::Bulk;
use tidemill::{Context, Handler, JobError};

use super::CLEANUP;
use super::sessions::SessionRules;

/// The handler of `sessions.cleanup`.
#[derive(Debug)]
pub struct Cleanup {
    /// What sessions are.
    pub rules: SessionRules,
}

/// It takes no args.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CleanupArgs {}

impl Handler for Cleanup {
    const KIND: &'static str = CLEANUP;
    type Args = CleanupArgs;
    type Output = Value;

    async fn run(&self, context: Context, _: CleanupArgs) -> Result<Value, JobError> {
        let before = (Utc::now() - self.rules.ttl).to_rfc3339_opts(SecondsFormat::Micros, true);
        let filter = json!({ "kind": self.rules.kind, "finished_before": before });
        let bulk = Bulk { verb: "delete", filter: &filter, limit: i32::MAX, queue: None, by: CLEANUP };
        let removed = context.store()?.act_on_jobs(&bulk).await?.done;
        tracing::info!(task_id = %context.job_id(), removed, "removed old crawls");
        Ok(json!({ "removed": removed }))
    }
}
