//! `tidemill schedules show`: prints everything known about one schedule.

use super::list::{source, state, times};
use super::schedule_args::ScheduleArgs;
use crate::cli::common::client::Client;
use crate::cli::common::error::CliError;
use crate::cli::common::output::{self, cell, printable};
use crate::cli::common::time::relative;

pub(super) async fn run(args: &ScheduleArgs) -> Result<(), CliError> {
    let answer = Client::new(&args.server)?.get(&["schedules", &args.name], &[]).await?;
    if args.server.json {
        return output::line(&answer.text);
    }
    let schedule = &answer.json;
    let upcoming = schedule["upcoming"].as_array().into_iter().flatten();
    let next: Vec<_> = upcoming.map(|slot| format!("{} ({})", cell(slot), relative(slot))).collect();
    let facts = [
        ("name", cell(&schedule["name"])),
        ("times", format!("{}, {}", times(schedule), cell(&schedule["timezone"]))),
        ("state", state(schedule).to_owned()),
        ("problem", cell(&schedule["problem"])),
        ("job", serde_json::to_string_pretty(&schedule["job"]).unwrap_or_default()),
        ("missed", format!("{}, at most {}", cell(&schedule["missed"]), cell(&schedule["missed_limit"]))),
        ("overlap", cell(&schedule["overlap"])),
        ("jitter", format!("{} s", cell(&schedule["jitter_seconds"]))),
        ("source", source(schedule)),
        ("next", next.join("\n")),
    ];
    for (name, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
        let indented = printable(&value).replace('\n', "\n          ");
        output::line(&format!("{name:<9} {indented}"))?;
    }
    let slots = schedule["slots"].as_array().into_iter().flatten();
    let rows: Vec<_> = slots
        .map(|slot| {
            vec![cell(&slot["slot"]), cell(&slot["outcome"]), cell(&slot["job_id"]), cell(&slot["reason"])]
        })
        .collect();
    if rows.is_empty() { Ok(()) } else { output::table(&["SLOT", "OUTCOME", "JOB", "REASON"], rows) }
}
