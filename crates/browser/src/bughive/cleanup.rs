//! Removes the crawls whose sessions have expired; the config has a schedule for it. Must never touch
//! a job of another kind, or one that has not finished.

use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use tidemill::extension::jobs::Bulk;
use tidemill::{Context, Handler, JobError};

use super::{CLEANUP, CRAWL};

/// The handler of `sessions.cleanup`.
#[derive(Debug)]
pub struct Cleanup {
    /// How long a session is kept after its end.
    pub session_ttl: Duration,
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
        let before = (Utc::now() - self.session_ttl).to_rfc3339_opts(SecondsFormat::Micros, true);
        let filter = json!({ "kind": CRAWL, "finished_before": before });
        let bulk = Bulk { verb: "delete", filter: &filter, limit: i32::MAX, queue: None, by: CLEANUP };
        let removed = context.store()?.act_on_jobs(&bulk).await?.done;
        tracing::info!(task_id = %context.job_id(), removed, "removed old crawls");
        Ok(json!({ "removed": removed }))
    }
}
