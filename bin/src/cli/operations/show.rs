//! Prints an operation with its report. Only formats.

use serde_json::Value;

use crate::cli::common::client::{Answer, ServerArgs};
use crate::cli::common::error::CliError;
use crate::cli::common::output::{self, cell};

/// `120 of 1204`.
pub(super) fn progress(operation: &Value) -> String {
    match operation["expected"].as_i64() {
        Some(expected) => format!("{} of {expected}", operation["done"]),
        None => cell(&operation["done"]),
    }
}

/// `3 (2 is running, 1 has ended)`.
pub(super) fn skipped(operation: &Value) -> String {
    let reasons = operation["skipped"].as_object().cloned().unwrap_or_default();
    let all: i64 = reasons.values().filter_map(Value::as_i64).sum();
    let words: Vec<_> =
        reasons.iter().map(|(reason, jobs)| format!("{jobs} {}", reason.replace('_', " "))).collect();
    if words.is_empty() { "0".into() } else { format!("{all} ({})", words.join(", ")) }
}

/// Prints the report.
pub(super) fn print(answer: &Answer, server: &ServerArgs) -> Result<(), CliError> {
    if server.json {
        return output::line(&answer.text);
    }
    let operation = &answer.json;
    output::line(&format!(
        "operation {}: {}, {}",
        cell(&operation["id"]),
        cell(&operation["action"]),
        cell(&operation["state"])
    ))?;
    let (done, skipped) = (progress(operation), skipped(operation));
    output::line(&format!("done {done}, skipped {skipped}, failed {}", operation["failed"]))?;
    if let Some(problem) = operation["problem"].as_str() {
        output::line(&format!("the last batch failed and is tried again: {problem}"))?;
    }
    let left = operation["left"].as_array().cloned().unwrap_or_default();
    if left.is_empty() {
        return Ok(());
    }
    let row = |job: &Value| vec![cell(&job["job_id"]), cell(&job["outcome"]), cell(&job["reason"])];
    output::table(&["JOB", "OUTCOME", "REASON"], left.iter().map(row).collect())
}
