//! `tidemill bench`: measures this machine's Tidemill on a real Postgres, in a schema that it makes for
//! itself and removes. Must never touch the jobs of another schema.

mod drain;
mod enqueue;
mod measured;
mod sample;
mod stream;
mod waits;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tidemill::store::db::scratch::create_scratch;
use tidemill_settings::source::Flag;

use self::measured::Measured;
use super::GlobalArgs;
use super::common::error::CliError;
use super::common::output;
use super::common::settings::DatabaseArgs;
use super::process::{Process, database_url, failed, store_options};
use crate::config::Config;

/// The arguments of `tidemill bench`.
#[derive(Debug, Args)]
#[command(after_help = "\
The server does the work, so measure on the machine and with the settings that you will use, and compare \
only figures of one run. docs/performance.md explains each figure.")]
pub(super) struct BenchArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// What to measure; repeatable, or separated by commas [default: all]
    #[arg(long = "test", value_name = "TEST", value_delimiter = ',', value_enum)]
    tests: Vec<Test>,
    /// The number of jobs in each round of `bulk` and `drain`
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1_000..=20_000_000))]
    jobs: u64,
    /// Callers of single enqueues at the same time; repeatable, or separated by commas
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 10],
      value_parser = clap::value_parser!(u16).range(1..=200))]
    callers: Vec<u16>,
    /// The duration of `enqueue`, `steady` and `stream`, in seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// The rate of `steady`, in jobs per second
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    rate: u32,
    /// The number of jobs of `stream`; each reports progress ten times a second
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    streams: u16,
    /// How often each test runs; the table shows the median run
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// The schema that is created, used and removed
    #[arg(long, default_value = "tidemill_bench")]
    schema: String,
    /// Print JSON, with every round
    #[arg(long)]
    json: bool,
}

/// One thing to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Test {
    /// Single enqueues, each in its own transaction
    Enqueue,
    /// Enqueues of 1,000 jobs per call
    Bulk,
    /// One worker process on a full queue
    Drain,
    /// Time from an enqueue to the start of the handler, on an idle worker
    Latency,
    /// The same at a steady rate
    Steady,
    /// Time from a progress report to a viewer of the event stream, over HTTP
    Stream,
}

pub(super) async fn run(args: BenchArgs, global: &GlobalArgs) -> Result<(), CliError> {
    let BenchArgs { database, tests, jobs, callers, seconds, rate, streams, rounds, schema, json } = args;
    let plan = Plan { jobs, callers, seconds, rate, streams };
    let quiet = Flag::new("bench", &["log", "filter"], "error");
    let mut config = database.load(global, vec![quiet])?;
    // Of the server as a whole, and not of what is measured.
    config.api.base_path = None;
    let mut options = store_options(&config, database_url(&config)?)?;
    options.schema = schema;
    options.max_connections = options.max_connections.max(32);
    let tests = if tests.is_empty() { Test::value_variants().to_vec() } else { tests };
    create_scratch(&options).await.map_err(failed)?;
    let process = Process::open(options).await?;
    let measured = tokio::select! {
        measured = plan.carry_out(&process, &config, &tests, rounds, json) => measured,
        () = process.shutdown.graceful.cancelled() => Err(CliError::Failed("stopped by a signal".into())),
    };
    let removed = process.store.drop_schema().await.map_err(failed);
    process.close().await;
    let measured = measured?;
    removed?;
    if json { output::line(&measured::document(&measured).to_string()) } else { measured::print(&measured) }
}

/// How much of each test.
#[derive(Debug)]
struct Plan {
    jobs: u64,
    callers: Vec<u16>,
    seconds: u64,
    rate: u32,
    streams: u16,
}

impl Plan {
    /// Every test once a round, so that a slower minute of the machine meets all of them.
    async fn carry_out(
        &self,
        process: &Process,
        config: &Config,
        tests: &[Test],
        rounds: u16,
        quiet: bool,
    ) -> Result<Vec<Measured>, CliError> {
        let bar = bar(u64::from(rounds) * tests.len() as u64, quiet);
        let mut measured = Vec::new();
        for _ in 0..rounds {
            for test in tests {
                let name = test.to_possible_value().map(|value| value.get_name().to_owned());
                bar.set_message(name.unwrap_or_default());
                measured.extend(self.once(*test, process, config).await?);
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        Ok(measured)
    }

    async fn once(&self, test: Test, process: &Process, config: &Config) -> Result<Vec<Measured>, CliError> {
        let store = &process.store;
        match test {
            Test::Enqueue => enqueue::single(store, &self.callers, self.seconds).await,
            Test::Bulk => Ok(vec![enqueue::bulk(store, self.jobs).await?]),
            Test::Drain => Ok(vec![drain::drain(process, self.jobs).await?]),
            Test::Latency => Ok(vec![waits::latency(process).await?]),
            Test::Steady => Ok(vec![waits::steady(process, self.rate, self.seconds).await?]),
            Test::Stream => Ok(vec![stream::stream(process, config, self.streams, self.seconds).await?]),
        }
    }
}

fn bar(steps: u64, quiet: bool) -> ProgressBar {
    let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(steps), target);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(std::time::Duration::from_millis(500));
    bar
}
