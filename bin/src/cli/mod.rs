//! The command line: its definition, and one file per subcommand. Only this module and `main` read
//! the config; it must contain no rules about jobs.

mod alerts;
mod audit;
mod bench;
mod common;
mod config;
mod conformance;
mod dev;
mod doctor;
mod enqueue;
mod explain;
mod failures;
mod inspect;
mod jobs;
mod keys;
mod kinds;
mod limits;
mod log;
mod migrate;
mod operations;
mod process;
mod purge;
mod queues;
mod report;
mod schedules;
mod serve;
mod stats;
mod token;
mod worker;
mod workers;
mod workflows;

use clap::{Parser, Subcommand};

pub use common::error::CliError;
pub use common::global_args::GlobalArgs;
use tidemill::secrecy;
use tidemill_settings::configured::Extensions;

/// Durable background jobs on Postgres alone.
#[derive(Debug, Parser)]
#[command(name = "tidemill", version, after_long_help = common::error::EXIT_CODES, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything in one process, on a Postgres of its own if none is configured
    Dev(dev::DevArgs),
    /// Run the API, the dashboard and maintenance
    Serve(serve::ServeArgs),
    /// Run jobs
    Worker(worker::WorkerArgs),
    /// Show the effective settings and the source of each
    Config(config::ConfigArgs),
    /// Create or update the tables in the database
    Migrate(migrate::MigrateArgs),
    /// Create, list and revoke API keys
    Keys(keys::KeysArgs),
    /// Create tokens for browsers
    Token(token::TokenArgs),
    /// Enqueue a job
    Enqueue(Box<enqueue::EnqueueArgs>),
    /// List, show, follow, cancel and retry jobs
    Jobs(jobs::JobsArgs),
    /// Act on all jobs that match a filter, in the background and with a report
    Operations(operations::OperationsArgs),
    /// Explain why a job is not running and when it may start
    Explain(explain::ExplainArgs),
    /// List the causes of failed attempts, one row per cause
    Failures(failures::FailuresArgs),
    /// List kinds and reset open circuit breakers
    Kinds(kinds::KindsArgs),
    /// List alerts; set and delete alert rules
    Alerts(alerts::AlertsArgs),
    /// Show the audit log
    Audit(audit::AuditArgs),
    /// Check the installation and say what to do about problems
    Doctor(doctor::DoctorArgs),
    /// Show one verdict: whether jobs start, succeed and have live workers
    Report(report::ReportArgs),
    /// Show counts of job outcomes, or export all statistics
    Stats(stats::StatsArgs),
    /// List, show, set, pause, resume, drain and purge queues
    Queues(queues::QueuesArgs),
    /// Show what workers are doing and whether they are alive
    Inspect(inspect::InspectArgs),
    /// Cancel all jobs that are not running, of one queue or of all queues
    Purge(purge::PurgeArgs),
    /// List, set and delete limits that hold over all workers
    Limits(limits::LimitsArgs),
    /// List, show, set, pause, resume and run schedules
    Schedules(schedules::SchedulesArgs),
    /// List, start, show, cancel and retry workflows
    Workflows(workflows::WorkflowsArgs),
    /// List and drain workers
    Workers(workers::WorkersArgs),
    /// Measure how fast this Postgres runs jobs, in a schema of its own
    Bench(bench::BenchArgs),
    /// Test whether a worker, in any language, follows the protocol of remote workers
    Conformance(conformance::ConformanceArgs),
}

/// Runs a command until it is done, with these extensions; a server runs until it is stopped.
///
/// # Errors
/// The failure, for [`CliError::exit_code`] and standard error.
pub async fn run(mut cli: Cli, extensions: Extensions) -> Result<(), CliError> {
    secrecy::conceal();
    cli.global.extensions = extensions;
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
        Command::Token(args) => token::run(args, global).await,
        Command::Enqueue(args) => enqueue::run(*args, global).await,
        Command::Jobs(args) => jobs::run(args, global).await,
        Command::Operations(args) => operations::run(args, global).await,
        Command::Explain(args) => explain::run(args, global).await,
        Command::Failures(args) => failures::run(args, global).await,
        Command::Kinds(args) => kinds::run(args, global).await,
        Command::Alerts(args) => alerts::run(args, global).await,
        Command::Audit(args) => audit::run(args, global).await,
        Command::Doctor(args) => doctor::run(args, global).await,
        Command::Report(args) => report::run(args, global).await,
        Command::Stats(args) => stats::run(args, global).await,
        Command::Queues(args) => queues::run(args, global).await,
        Command::Inspect(args) => inspect::run(args, global).await,
        Command::Purge(args) => purge::run(args, global).await,
        Command::Limits(args) => limits::run(args, global).await,
        Command::Schedules(args) => schedules::run(args, global).await,
        Command::Workflows(args) => workflows::run(args, global).await,
        Command::Workers(args) => workers::run(args, global).await,
        Command::Bench(args) => bench::run(args, global).await,
        Command::Conformance(args) => conformance::run(args, global).await,
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
