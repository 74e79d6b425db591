//! `tidemill queues list`: one row for each queue.

use serde_json::Value;

use crate::cli::common::client::{Client, ServerArgs};
use crate::cli::common::error::CliError;
use crate::cli::common::output::{self, cell};
use crate::cli::common::time::relative;

pub(super) async fn list(server: &ServerArgs) -> Result<(), CliError> {
    let answer = Client::new(server)?.get(&["queues"], &[]).await?;
    if server.json {
        return output::line(&answer.text);
    }
    let queues = answer.json["items"].as_array().cloned().unwrap_or_default();
    let rows = queues.iter().map(|queue| {
        vec![
            cell(&queue["name"]),
            state(queue).into(),
            cell(&queue["running"]),
            available(&queue["available"]),
            available(&queue["waiting"]),
            relative(&queue["oldest_due_at"]),
            cell(&queue["worker_slots"]),
            cell(&queue["max_running"]),
            cell(&queue["max_queued"]),
        ]
    });
    output::table(
        &["NAME", "STATE", "RUNNING", "DUE", "WAITING", "OLDEST", "SLOTS", "MOST RUNNING", "MOST QUEUED"],
        rows.collect(),
    )
}

pub(super) fn state(queue: &Value) -> &'static str {
    match (queue["paused_at"].is_string(), queue["draining_at"].is_string()) {
        (true, _) => "paused",
        (false, true) => "draining",
        (false, false) => "open",
    }
}

/// The server counts to 10,000 and no further.
pub(super) fn available(count: &Value) -> String {
    let more = count.as_i64().is_some_and(|count| count >= 10_000);
    if more { format!("{count}+") } else { cell(count) }
}
