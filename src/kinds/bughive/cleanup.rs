//! Removes the state of expired sessions; the config has a schedule for it. Must never touch a job.

use serde::Deserialize;
use serde_json::{Value, json};

use super::CLEANUP;
use crate::worker::context::Context;
use crate::worker::handler::{Handler, JobError};

/// The handler of `sessions.cleanup`.
#[derive(Debug)]
pub struct Cleanup;

/// It takes no args.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CleanupArgs {}

impl Handler for Cleanup {
    const KIND: &'static str = CLEANUP;
    type Args = CleanupArgs;
    type Output = Value;

    async fn run(&self, context: Context, _: CleanupArgs) -> Result<Value, JobError> {
        let removed = context.clear_sessions().await?;
        tracing::info!(task_id = %context.job_id(), removed, "removed the state of old sessions");
        Ok(json!({ "removed": removed }))
    }
}
