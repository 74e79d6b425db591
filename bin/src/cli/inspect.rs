//! `tidemill inspect`: prints what workers are doing, which kinds they serve, and whether they are
//! alive. Asks only the server, because workers accept no requests.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::common::client::{Client, ServerArgs};
use super::common::error::CliError;
use super::common::output::{self, cell};
use super::common::time::relative;
use super::{GlobalArgs, log, stats, workers};

/// The most jobs that are shown.
const MOST: &str = "200";

/// The arguments of `tidemill inspect`.
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show the running jobs and their workers
    Active(ServerArgs),
    /// Show the workers with their slots, and the number of jobs that finished within the last hour
    /// and day
    Stats(ServerArgs),
    /// Show which workers are alive; exits with code 1 if there are none
    Ping(ServerArgs),
    /// Show the jobs that are not due yet
    Scheduled(ServerArgs),
    /// Show the kinds that each worker serves
    Registered(ServerArgs),
}

pub(super) async fn run(args: InspectArgs, global: &GlobalArgs) -> Result<(), CliError> {
    log::start_quiet(global);
    match args.what {
        What::Active(server) => {
            let columns = [("worker_id", "WORKER"), ("started_at", "STARTED")];
            jobs(&server, "running", &columns).await
        }
        What::Scheduled(server) => jobs(&server, "scheduled", &[("run_at", "DUE")]).await,
        What::Stats(server) => stats(&server).await,
        What::Ping(server) => ping(&server).await,
        What::Registered(server) => registered(&server).await,
    }
}

async fn jobs(server: &ServerArgs, state: &str, columns: &[(&str, &str)]) -> Result<(), CliError> {
    let query = [("state", state.to_owned()), ("limit", MOST.to_owned())];
    let answer = Client::new(server)?.get(&["jobs"], &query).await?;
    if server.json {
        return output::line(&answer.text);
    }
    let row = |job: &Value| {
        let more = columns.iter().map(|(key, _)| match *key {
            key if key.ends_with("_at") => relative(&job[key]),
            key => cell(&job[key]),
        });
        ["id", "kind", "queue", "args"].iter().map(|key| cell(&job[*key])).chain(more).collect()
    };
    let header: Vec<_> =
        ["ID", "KIND", "QUEUE", "ARGS"].into_iter().chain(columns.iter().map(|(_, title)| *title)).collect();
    output::table(&header, items(&answer.json).iter().map(row).collect())
}

async fn stats(server: &ServerArgs) -> Result<(), CliError> {
    let client = Client::new(server)?;
    let (found, numbers) = (client.get(&["workers"], &[]).await?, client.get(&["stats"], &[]).await?);
    if server.json {
        return output::line(&json!({ "workers": found.json["items"], "stats": numbers.json }).to_string());
    }
    workers::table(&items(&found.json))?;
    let counts = [("last hour:", "last_hour"), ("last day:", "last_day")];
    stats::table(
        "JOBS OF ALL KINDS",
        counts.map(|(title, key)| stats::row(title, &numbers.json[key])).to_vec(),
    )
}

async fn ping(server: &ServerArgs) -> Result<(), CliError> {
    let found = Client::new(server)?.get(&["workers"], &[]).await?;
    let all = items(&found.json);
    let alive: Vec<&Value> = all
        .iter()
        .filter(|worker| ["running", "draining"].iter().any(|state| worker["state"] == **state))
        .collect();
    if server.json {
        let pongs: Vec<_> =
            alive.iter().map(|worker| json!({ "worker": worker["id"], "ok": "pong" })).collect();
        output::line(&Value::from(pongs).to_string())?;
    } else {
        for worker in &alive {
            output::line(&format!("{}: pong ({})", cell(&worker["id"]), relative(&worker["seen_at"])))?;
        }
    }
    if alive.is_empty() {
        return Err(CliError::Failed("no worker is alive; start one with `tidemill worker`".into()));
    }
    Ok(())
}

async fn registered(server: &ServerArgs) -> Result<(), CliError> {
    let found = Client::new(server)?.get(&["workers"], &[]).await?;
    if server.json {
        let kinds = items(&found.json);
        let kinds = kinds.iter().map(|worker| json!({ "worker": worker["id"], "kinds": worker["kinds"] }));
        return output::line(&kinds.collect::<Value>().to_string());
    }
    let kinds = |worker: &Value| worker["kinds"].as_array().cloned().unwrap_or_default();
    let all = items(&found.json);
    let rows = all.iter().flat_map(|worker| {
        kinds(worker).into_iter().map(|kind| vec![cell(&worker["id"]), cell(&kind)]).collect::<Vec<_>>()
    });
    output::table(&["WORKER", "KIND"], rows.collect())
}

fn items(answer: &Value) -> Vec<Value> {
    answer["items"].as_array().cloned().unwrap_or_default()
}
