//! `tidemill dev`: everything in one process, on an embedded Postgres if no database is configured.
//! Stops everything that it started, the database last.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::{Map, json};

use super::GlobalArgs;
use super::common::error::CliError;
use super::common::{output, settings};
use super::process::http;
use super::process::http::Routes;
use super::process::vault::folder_url;
use super::process::wait_for_database::once_it_answers;
use super::process::{Process, failed, joined, page_url, store_options};
use super::process::{alert_rules, schedules, worker};
use crate::config::Config;
use tidemill::embedded::{self, EmbeddedPostgres};
use tidemill::job::new::NewJob;
use tidemill::store::db::migrate::migrate;
use tidemill::store::jobs::enqueue::enqueue;

/// The arguments of `tidemill dev`.
#[derive(Debug, Args)]
pub(super) struct DevArgs {
    /// The config file [default: tidemill.toml, .yaml or .yml in the working folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address of the API and the dashboard; port 0 picks a free port [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// The folder of the embedded Postgres and of urls.json
    #[arg(long, value_name = "DIR", default_value = ".tidemill")]
    data_dir: PathBuf,
    /// Enqueue a job of this kind at the start as a demonstration; repeatable
    #[arg(long, value_name = "KIND")]
    enqueue: Vec<String>,
}

pub(super) async fn run(args: DevArgs, global: &GlobalArgs) -> Result<(), CliError> {
    let flags = settings::listen_flag(args.listen, &["api", "listen"]);
    let mut config = settings::load(args.config.clone(), global, flags)?;
    settings::name_ignored(&config);
    // With its worker everything would end.
    (config.worker.max_runs, config.worker.max_memory) = (None, None);
    fs::create_dir_all(&args.data_dir).map_err(|error| {
        CliError::Failed(format!("cannot make the data folder {}: {error}", args.data_dir.display()))
    })?;
    if config.storage.url.is_none() && cfg!(feature = "storage-folder") {
        config.storage.url = Some(folder_url(&args.data_dir.join("artifacts"))?);
    }
    if let Some(url) = config.database.url.as_ref().map(|url| url.0.clone()) {
        return everything(&args, &config, url).await;
    }
    let wanted = embedded::Settings {
        programs_dir: config.embedded.programs_dir.clone(),
        ..embedded::Settings::new(&args.data_dir)
    };
    let mut postgres = EmbeddedPostgres::start(wanted).await.map_err(failed)?;
    let url = postgres.url().to_owned();
    let served = {
        let roles = everything(&args, &config, url.clone());
        tokio::pin!(roles);
        loop {
            tokio::select! {
                served = &mut roles => break served,
                // The database was killed or upgraded; the roles wait for it and continue.
                () = postgres.ended() => {
                    tracing::warn!("the embedded Postgres has stopped; starting it again");
                    if let Err(error) = postgres.restart().await {
                        tracing::error!(%error, "the embedded Postgres could not be started; trying again");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    } else if postgres.url() != url {
                        break Err(CliError::Failed(
                            "another program took the port of the embedded Postgres while it was stopped; \
                             start `tidemill dev` again"
                                .into(),
                        ));
                    }
                }
            }
        }
    };
    let stopped = postgres.stop().await.map_err(failed);
    served.and(stopped)
}

/// All roles on one database, until a signal.
async fn everything(args: &DevArgs, config: &Config, url: String) -> Result<(), CliError> {
    // The server that was made for this folder has no TLS, whatever PGSSLMODE asks of others.
    let is_embedded = config.database.url.is_none();
    let reached_by = if is_embedded { format!("{url}?sslmode=disable") } else { url.clone() };
    let options = store_options(config, reached_by)?;
    once_it_answers(|| migrate(&options)).await?;
    let mut process = Process::open(options).await?;
    // What was made for this folder has no other config.
    let declaration = process.declare(config, is_embedded).await?;
    schedules::write(config, &process, &declaration).await?;
    let channels = alert_rules::declare(config, &process, &declaration).await?;
    let worker = worker::worker(config, &process)?;
    let liveness = worker.liveness();
    let served =
        http::serve(&process, config, config.api.listen, Routes::All, vec![http::claims(liveness, config)])
            .await;
    let (address, serving) = match served {
        Ok(served) => served,
        Err(error) => {
            process.close().await;
            return Err(error);
        }
    };
    process.maintain(config, Some(channels));
    let working = process.work(worker);
    let page = page_url(address);
    write_urls(&args.data_dir, &page, &url)?;
    let mut banner = Vec::new();
    for kind in &args.enqueue {
        let job = process.store.prepare(NewJob::new(kind, Map::new())).await.map_err(failed)?;
        enqueue(process.store.pool(), std::slice::from_ref(&job), false).await.map_err(failed)?;
        banner.push(format!("{kind:>14}  {page}/jobs/{}", job.id));
    }
    banner.push(format!("{:>14}  {page}", "dashboard"));
    banner.push(format!("{:>14}  psql '{url}'", "database"));
    banner.push(format!("{:>14}  Ctrl-C", "end"));
    // At once, so that no log line comes in between.
    if let Err(error) = output::line(&format!("\n{}\n", banner.join("\n"))) {
        // urls.json has them too, and the log names the page.
        tracing::warn!(%error, page, "the addresses could not be written to standard output");
    }

    let outcome = joined(working).await;
    serving.stop().await;
    process.close().await;
    let _ = fs::remove_file(args.data_dir.join("urls.json"));
    outcome
}

/// Writes the URLs of the API and the database for scripts; the database URL contains its password.
fn write_urls(data_dir: &Path, page: &str, database: &str) -> Result<(), CliError> {
    let path = data_dir.join("urls.json");
    let write = || {
        // Atomically: a reader must never see half of it.
        let draft = data_dir.join("urls.json.new");
        let _ = fs::remove_file(&draft);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        writeln!(file, "{}", json!({ "http": page, "database": database }))?;
        fs::rename(&draft, &path)
    };
    write().map_err(|error: std::io::Error| {
        CliError::Failed(format!("cannot write {}: {error}", path.display()))
    })
}
