//! `tidemill schedules list`: one row for each schedule.

use serde_json::Value;

use crate::cli::common::client::{Client, ServerArgs};
use crate::cli::common::error::CliError;
use crate::cli::common::output::{self, cell};
use crate::cli::common::time::relative;

pub(super) async fn list(server: &ServerArgs) -> Result<(), CliError> {
    let client = Client::new(server)?;
    let mut rows = Vec::new();
    let mut cursor = None;
    loop {
        let query: Vec<_> = cursor.into_iter().map(|cursor: String| ("cursor", cursor)).collect();
        let answer = client.get(&["schedules"], &query).await?;
        if server.json {
            return output::line(&answer.text);
        }
        rows.extend(answer.json["items"].as_array().into_iter().flatten().map(row));
        cursor = answer.json["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return output::table(&["NAME", "TIMES", "ZONE", "KIND", "STATE", "NEXT", "LAST", "FROM"], rows);
        }
    }
}

fn row(schedule: &Value) -> Vec<String> {
    vec![
        cell(&schedule["name"]),
        times(schedule),
        cell(&schedule["timezone"]),
        cell(&schedule["job"]["kind"]),
        state(schedule).into(),
        relative(&schedule["upcoming"][0]),
        relative(&schedule["last_slot_at"]),
        source(schedule),
    ]
}

/// The last writer; for a config also the deployment.
pub(super) fn source(schedule: &Value) -> String {
    match schedule["owner"].as_str() {
        Some(owner) => format!("{} of {owner}", cell(&schedule["source"])),
        None => cell(&schedule["source"]),
    }
}

/// Its times as set.
pub(super) fn times(schedule: &Value) -> String {
    match schedule["every_seconds"]
        .as_f64()
        .and_then(|every| std::time::Duration::try_from_secs_f64(every).ok())
    {
        Some(every) => format!("every {}", humantime::format_duration(every)),
        None => format!("{}{}", cell(&schedule["cron"]), cell(&schedule["at"])),
    }
}

pub(super) fn state(schedule: &Value) -> &'static str {
    match (schedule["paused_at"].is_string(), schedule["problem"].is_string()) {
        (true, _) => "paused",
        (false, true) => "problem",
        // It had one time, and that is gone.
        (false, false) if schedule["at"].is_string() && schedule["upcoming"][0].is_null() => "over",
        (false, false) => "on",
    }
}
