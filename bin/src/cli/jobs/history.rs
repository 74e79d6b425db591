//! `tidemill jobs attempts`, `steps` and `signals`: print the history of a job. Only read.

use serde_json::Value;

use super::job_args::JobArgs;
use crate::cli::common::client::Client;
use crate::cli::common::error::CliError;
use crate::cli::common::output::{self, cell};
use crate::cli::common::time::{lasted, relative};

/// A column: its title, and what it shows of an item.
type Column = (&'static str, fn(&Value) -> String);

pub(super) async fn attempts(args: JobArgs) -> Result<(), CliError> {
    let columns: [Column; 6] = [
        ("ATTEMPT", |item| cell(&item["attempt"])),
        ("OUTCOME", |item| cell(&item["outcome"])),
        ("WORKER", |item| cell(&item["worker_id"])),
        ("ENDED", |item| relative(&item["finished_at"])),
        ("TOOK", |item| lasted(&item["started_at"], &item["finished_at"])),
        ("ERROR", |item| cell(&item["error"]["message"])),
    ];
    show(&args, "attempts", &columns).await
}

pub(super) async fn steps(args: JobArgs) -> Result<(), CliError> {
    let columns: [Column; 5] = [
        ("STEP", |item| cell(&item["name"])),
        ("ATTEMPT", |item| cell(&item["attempt"])),
        ("STORED", |item| relative(&item["updated_at"])),
        ("SPAWNED", |item| cell(&item["spawned_id"])),
        ("OUTPUT", |item| cell(&item["output"])),
    ];
    show(&args, "steps", &columns).await
}

pub(super) async fn signals(args: JobArgs) -> Result<(), CliError> {
    let columns: [Column; 4] = [
        ("SIGNAL", |item| cell(&item["name"])),
        ("SENT", |item| relative(&item["sent_at"])),
        (
            "BY",
            |item| if item["timed_out"] == true { "nobody in time".into() } else { cell(&item["sent_by"]) },
        ),
        ("PAYLOAD", |item| cell(&item["payload"])),
    ];
    show(&args, "signals", &columns).await
}

async fn show(args: &JobArgs, what: &str, columns: &[Column]) -> Result<(), CliError> {
    let answer = Client::new(&args.server)?.get(&["jobs", &args.id, what], &[]).await?;
    if args.server.json {
        return output::line(&answer.text);
    }
    let header: Vec<_> = columns.iter().map(|(title, _)| *title).collect();
    let items = answer.json["items"].as_array().map_or(&[][..], Vec::as_slice);
    let rows = items.iter().map(|item| columns.iter().map(|(_, show)| show(item)).collect());
    output::table(&header, rows.collect())
}
