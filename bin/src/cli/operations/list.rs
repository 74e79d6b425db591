//! `tidemill operations list`: prints operations, newest first.

use serde_json::Value;

use super::show::{progress, skipped};
use crate::cli::common::client::{Client, ServerArgs};
use crate::cli::common::error::CliError;
use crate::cli::common::output::{self, cell};
use crate::cli::common::time::relative;

pub(super) async fn run(server: &ServerArgs) -> Result<(), CliError> {
    let answer = Client::new(server)?.get(&["operations"], &[]).await?;
    if server.json {
        return output::line(&answer.text);
    }
    let operations = answer.json["items"].as_array().cloned().unwrap_or_default();
    let row = |operation: &Value| {
        vec![
            cell(&operation["id"]),
            cell(&operation["action"]),
            cell(&operation["state"]),
            progress(operation),
            skipped(operation),
            cell(&operation["failed"]),
            cell(&operation["who"]),
            relative(&operation["created_at"]),
        ]
    };
    output::table(
        &["ID", "ACTION", "STATE", "DONE", "SKIPPED", "FAILED", "WHO", "STARTED"],
        operations.iter().map(row).collect(),
    )
}
