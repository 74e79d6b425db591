//! `tidemill queues show`: prints everything known about one queue.

use serde_json::Value;

use super::list::{available, state};
use super::queue_args::QueueArgs;
use crate::cli::common::client::Client;
use crate::cli::common::error::CliError;
use crate::cli::common::output::{self, cell, printable};
use crate::cli::common::time::relative;

pub(super) async fn run(args: &QueueArgs) -> Result<(), CliError> {
    let answer = Client::new(&args.server)?.get(&["queues", &args.name], &[]).await?;
    if args.server.json {
        return output::line(&answer.text);
    }
    let queue = &answer.json;
    let since = if queue["paused_at"].is_null() { &queue["draining_at"] } else { &queue["paused_at"] };
    let state = [state(queue).to_owned(), relative(since), cell(&queue["paused_by"])];
    let facts = [
        ("name", cell(&queue["name"])),
        ("state", state.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")),
        ("running", cell(&queue["running"])),
        ("due", available(&queue["available"])),
        ("waiting", available(&queue["waiting"])),
        ("oldest", relative(&queue["oldest_due_at"])),
        ("most queued", cell(&queue["max_queued"])),
        ("most running", cell(&queue["max_running"])),
        ("rate", rate(queue)),
        ("slots of each worker", cell(&queue["slots"])),
        ("priority ageing", seconds(&queue["priority_ageing_seconds"])),
    ];
    for (name, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
        output::line(&format!("{name:<21} {}", printable(&value)))?;
    }
    Ok(())
}

fn rate(queue: &Value) -> String {
    if queue["rate"].is_null() {
        return String::new();
    }
    let (rate, burst) = (cell(&queue["rate"]), cell(&queue["burst"]));
    format!("{rate} in {}, {burst} at one moment", seconds(&queue["per_seconds"]))
}

fn seconds(value: &Value) -> String {
    let duration = value.as_f64().and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
    duration.map_or_else(String::new, |duration| humantime::format_duration(duration).to_string())
}
