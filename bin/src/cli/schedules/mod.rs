//! `tidemill schedules`: lists, shows, sets, pauses, resumes, runs, deletes and previews schedules.

mod list;
mod schedule_args;
mod set;
mod show;

use clap::{Args, Subcommand};
use reqwest::Method;

use self::schedule_args::ScheduleArgs;
use super::common::client::{Client, ServerArgs};
use super::common::error::CliError;
use super::common::output::{self, cell};
use super::{GlobalArgs, log};

/// The arguments of `tidemill schedules`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct SchedulesArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the schedules (the default)
    List(ServerArgs),
    /// Show a schedule with the outcomes of its last slots
    Show(ScheduleArgs),
    /// Create a schedule, or replace the one with the same name
    Set(Box<set::SetArgs>),
    /// Delete a schedule; its jobs stay
    Delete(ScheduleArgs),
    /// Pause a schedule until it is resumed
    Pause(ScheduleArgs),
    /// End a pause; slots that passed during it do not fire
    Resume(ScheduleArgs),
    /// Enqueue the job of a schedule now, outside its slots
    Run(ScheduleArgs),
    /// Show the next slots of a cron expression, an interval or a time; stores nothing
    Preview(set::PreviewArgs),
}

pub(super) async fn run(args: SchedulesArgs, global: &GlobalArgs) -> Result<(), CliError> {
    log::start_quiet(global);
    match args.verb.unwrap_or(Verb::List(args.server)) {
        Verb::List(server) => list::list(&server).await,
        Verb::Show(schedule) => show::run(&schedule).await,
        Verb::Set(args) => set::run(&args).await,
        Verb::Delete(schedule) => delete(&schedule).await,
        Verb::Pause(schedule) => act(&schedule, "pause", "is paused").await,
        Verb::Resume(schedule) => act(&schedule, "resume", "is resumed").await,
        Verb::Run(schedule) => run_now(&schedule).await,
        Verb::Preview(args) => set::preview(&args).await,
    }
}

async fn act(schedule: &ScheduleArgs, verb: &str, done: &str) -> Result<(), CliError> {
    let answer = Client::new(&schedule.server)?.post(&["schedules", &schedule.name, verb]).await?;
    if schedule.server.json {
        return output::line(&answer.text);
    }
    output::line(&format!("schedule {} {done}", schedule.name))
}

async fn run_now(schedule: &ScheduleArgs) -> Result<(), CliError> {
    let answer = Client::new(&schedule.server)?.post(&["schedules", &schedule.name, "run"]).await?;
    // The id alone on its line, so that a script can take it.
    output::line(&if schedule.server.json { answer.text } else { cell(&answer.json["id"]) })
}

async fn delete(schedule: &ScheduleArgs) -> Result<(), CliError> {
    let client = Client::new(&schedule.server)?;
    let answer = client.ask(client.request(Method::DELETE, &["schedules", &schedule.name])).await?;
    if schedule.server.json {
        return output::line(&answer.text);
    }
    output::line(&format!("schedule {} is deleted", schedule.name))
}
