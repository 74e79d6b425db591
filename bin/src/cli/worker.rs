//! `tidemill worker`: runs jobs.

use std::net::SocketAddr;

use clap::Args;

use super::GlobalArgs;
use super::common::error::CliError;
use super::common::settings::{DatabaseArgs, listen_flag, name_ignored};
use super::process::http;
use super::process::http::Routes;
use super::process::{Process, database_url, joined, page_url, store_options};
use super::process::{schedules, worker};
use tidemill_settings::types::{NAME_RULE, is_name};

/// The arguments of `tidemill worker`.
#[derive(Debug, Args)]
pub(super) struct WorkerArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The address of /healthz, /readyz and /metrics [default: none]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Serve only this queue with this number of slots; repeatable [default: all queues, as the
    /// config says]
    #[arg(long = "queue", value_name = "NAME=SLOTS", value_parser = queue_slots)]
    queues: Vec<(String, u32)>,
}

pub(super) async fn run(args: WorkerArgs, global: &GlobalArgs) -> Result<(), CliError> {
    let mut config = args.database.load(global, listen_flag(args.listen, &["worker", "listen"]))?;
    if !args.queues.is_empty() {
        config.serve_only(&args.queues);
    }
    name_ignored(&config);
    let mut process = Process::open(store_options(&config, database_url(&config)?)?).await?;
    let declaration = process.declare(&config, false).await?;
    schedules::add(&config, &process, &declaration).await?;
    process.maintain(&config, None);
    let worker = worker::worker(&config, &process)?;
    let serving = match config.worker.listen {
        Some(listen) => {
            let claims = http::claims(worker.liveness(), &config);
            let (address, serving) =
                http::serve(&process, &config, listen, Routes::Health, vec![claims]).await?;
            tracing::info!("answering /healthz, /readyz and /metrics at {}", page_url(address));
            Some(serving)
        }
        None => None,
    };
    let working = process.work(worker);
    let ended = joined(working).await;
    if let Some(serving) = serving {
        serving.stop().await;
    }
    process.close().await;
    ended
}

/// Reads `crawl=2`.
fn queue_slots(text: &str) -> Result<(String, u32), String> {
    let (name, slots) = text.split_once('=').ok_or("write NAME=SLOTS, such as crawl=2")?;
    if !is_name(name) {
        return Err(format!("{name:?} is not a queue name; allowed: {NAME_RULE}"));
    }
    let slots = slots.parse().ok().filter(|slots| (1..=10_000).contains(slots));
    Ok((name.to_owned(), slots.ok_or("the slots are a whole number from 1 to 10000")?))
}

#[cfg(test)]
mod tests {
    use super::queue_slots;

    #[test]
    fn queues_are_named_with_their_slots() {
        assert_eq!(queue_slots("crawl=2"), Ok(("crawl".into(), 2)));
        for bad in ["crawl", "crawl=", "crawl=0", "crawl=-1", "=2", "a b=2"] {
            assert!(queue_slots(bad).is_err(), "{bad}");
        }
    }
}
