//! The command line: what may be typed, and one file a subcommand that carries it out. Alone with
//! `main` it reads the config; it must hold no rule of the queue itself.

mod alerts;
mod audit;
mod client;
mod config;
mod dev;
mod doctor;
mod enqueue;
mod error;
mod explain;
mod failures;
mod inspect;
mod jobs;
mod json;
mod keys;
mod kinds;
mod limits;
mod log;
mod migrate;
mod output;
mod process;
mod purge;
mod queues;
mod schedules;
mod serve;
mod settings;
mod stats;
mod time;
mod worker;
mod workers;
mod workflows;

use clap::{Args, Parser, Subcommand};

pub use error::CliError;

use crate::config::LogFormat;
use tidemill::secrecy;

/// Durable background jobs on Postgres alone.
#[derive(Debug, Parser)]
#[command(name = "tidemill", version, after_long_help = error::EXIT_CODES, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub struct GlobalArgs {
    /// How log lines look
    #[arg(long, global = true, value_enum)]
    log_format: Option<LogFormat>,
    /// Log more: -v debug, -vv trace
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything in one process, on a Postgres of its own if none is configured
    Dev(dev::DevArgs),
    /// Run the API, the dashboard and the sweeper
    Serve(serve::ServeArgs),
    /// Run jobs
    Worker(worker::WorkerArgs),
    /// Look at the settings that hold here, and where each comes from
    Config(config::ConfigArgs),
    /// Bring the database's tables up to date
    Migrate(migrate::MigrateArgs),
    /// Make, list and revoke API keys
    Keys(keys::KeysArgs),
    /// Put a job into a queue
    Enqueue(Box<enqueue::EnqueueArgs>),
    /// Look at jobs, follow, cancel and retry them
    Jobs(jobs::JobsArgs),
    /// Say why a job does not run, and when it may start
    Explain(explain::ExplainArgs),
    /// Look what attempts failed of, one line a cause
    Failures(failures::FailuresArgs),
    /// Look at kinds, and let those start again that crashed in a loop
    Kinds(kinds::KindsArgs),
    /// Look at alerts, set and drop their rules
    Alerts(alerts::AlertsArgs),
    /// Look what people did
    Audit(audit::AuditArgs),
    /// Look what is wrong with the installation, and what to do
    Doctor(doctor::DoctorArgs),
    /// Look what became of jobs, or write all numbers to a file
    Stats(stats::StatsArgs),
    /// Look at queues, set, pause, resume, drain and purge them
    Queues(queues::QueuesArgs),
    /// Look what the workers do, and whether they live
    Inspect(inspect::InspectArgs),
    /// Cancel all jobs of a queue, or of all, that do not run
    Purge(purge::PurgeArgs),
    /// Look at limits over all workers, set and drop them
    Limits(limits::LimitsArgs),
    /// Look at schedules, set, pause, resume and run them
    Schedules(schedules::SchedulesArgs),
    /// Look at workflows, start, cancel and retry them
    Workflows(workflows::WorkflowsArgs),
    /// Look at workers, drain them
    Workers(workers::WorkersArgs),
}

/// Carries out a command; ends when it is done, a server's at its stop.
///
/// # Errors
/// What went wrong, for [`CliError::exit_code`] and standard error.
pub async fn run(cli: Cli) -> Result<(), CliError> {
    secrecy::conceal();
    let outcome = carry_out(cli).await;
    log::lines::flush();
    outcome
}

async fn carry_out(cli: Cli) -> Result<(), CliError> {
    let global = &cli.global;
    match cli.command {
        Command::Dev(args) => dev::run(args, global).await,
        Command::Serve(args) => serve::run(args, global).await,
        Command::Worker(args) => worker::run(args, global).await,
        Command::Config(args) => config::run(args, global),
        Command::Migrate(args) => migrate::run(args, global).await,
        Command::Keys(args) => keys::run(args, global).await,
        Command::Enqueue(args) => enqueue::run(*args, global).await,
        Command::Jobs(args) => jobs::run(args, global).await,
        Command::Explain(args) => explain::run(args, global).await,
        Command::Failures(args) => failures::run(args, global).await,
        Command::Kinds(args) => kinds::run(args, global).await,
        Command::Alerts(args) => alerts::run(args, global).await,
        Command::Audit(args) => audit::run(args, global).await,
        Command::Doctor(args) => doctor::run(args, global).await,
        Command::Stats(args) => stats::run(args, global).await,
        Command::Queues(args) => queues::run(args, global).await,
        Command::Inspect(args) => inspect::run(args, global).await,
        Command::Purge(args) => purge::run(args, global).await,
        Command::Limits(args) => limits::run(args, global).await,
        Command::Schedules(args) => schedules::run(args, global).await,
        Command::Workflows(args) => workflows::run(args, global).await,
        Command::Workers(args) => workers::run(args, global).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_commands_are_sound() {
        super::Cli::command().debug_assert();
    }
}
