//! `tidemill jobs show`: prints everything known about one job.

use serde_json::Value;

use super::job_args::JobArgs;
use super::list::progress;
use crate::cli::common::client::Client;
use crate::cli::common::error::CliError;
use crate::cli::common::output::{self, cell, printable};
use crate::cli::common::time::{relative, run_time};

pub(super) async fn run(args: JobArgs) -> Result<(), CliError> {
    let answer = Client::new(&args.server)?.get(&["jobs", &args.id], &[]).await?;
    if args.server.json {
        return output::line(&answer.text);
    }
    let job = &answer.json;
    let known = |name: &str| (!job[name].is_null()).then(|| job[name].clone());
    let facts = [
        ("id", cell(&job["id"])),
        ("kind", cell(&job["kind"])),
        ("queue", format!("{}, priority {}", cell(&job["queue"]), cell(&job["priority"]))),
        ("status", cell(&job["status"])),
        ("progress", progress(&job["progress"])),
        ("attempt", format!("{} of {}", cell(&job["attempt"]), cell(&job["max_attempts"]))),
        ("execution id", cell(&job["execution_id"])),
        ("tags", cell(&job["tags"])),
        ("enqueued", when(&job["created_at"])),
        ("due", if job["state"] == "available" { when(&job["run_at"]) } else { String::new() }),
        ("started", when(&job["started_at"])),
        ("finished", when(&job["finished_at"])),
        ("took", run_time(job)),
        ("cancel asked", when(&job["cancel_requested_at"])),
        ("worker", cell(&job["worker_id"])),
        ("error", cell(&job["error"]["message"])),
        ("args", known("args").map(|value| block(&value)).unwrap_or_default()),
        ("result", known("result").map(|value| block(&value)).unwrap_or_default()),
        ("metadata", known("metadata").map(|value| block(&value)).unwrap_or_default()),
    ];
    for (name, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
        let indented = printable(&value).replace('\n', "\n              ");
        output::line(&format!("{name:<13} {indented}"))?;
    }
    Ok(())
}

/// A time as it is and as people say it.
fn when(time: &Value) -> String {
    if time.is_null() { String::new() } else { format!("{} ({})", cell(time), relative(time)) }
}

fn block(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
