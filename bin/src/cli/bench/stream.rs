//! Measures how fast progress reaches viewers: the time from a report in the handler to the event at the
//! viewer. Each job reports ten times a second and has a viewer on its event stream over HTTP.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use eventsource_stream::Eventsource as _;
use futures_util::StreamExt as _;
use serde_json::Value;
use tidemill::store::jobs::enqueue::enqueue;
use tidemill::{Context, Handler, JobError, Shutdown, Worker};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::measured::{Measured, Meter};
use super::sample::job;
use crate::cli::common::error::{CliError, failed};
use crate::cli::process::Process;
use crate::cli::process::http::{Routes, serve};
use crate::config::Config;

/// The time between two reports of a job.
const APART: Duration = Duration::from_millis(100);

/// Reports the time at which it reports.
struct Reports {
    base: Instant,
    seconds: u64,
}

impl Handler for Reports {
    const KIND: &'static str = "bench.reports";
    type Args = serde_json::Value;
    type Output = ();

    async fn run(&self, context: Context, _: serde_json::Value) -> Result<(), JobError> {
        for percent in 0..self.seconds * 10 {
            let sent = self.base.elapsed().as_micros().to_string();
            #[expect(clippy::cast_precision_loss, reason = "a percentage")]
            context.progress(percent as f64 * 10.0 / self.seconds as f64, &sent).await;
            tokio::time::sleep(APART).await;
        }
        Ok(())
    }
}

pub(super) async fn stream(
    process: &Process,
    config: &Config,
    streams: u16,
    seconds: u64,
) -> Result<Measured, CliError> {
    let store = &process.store;
    let base = Instant::now();
    let (address, serving) =
        serve(process, config, SocketAddr::from(([127, 0, 0, 1], 0)), Routes::All, vec![]).await?;
    let jobs: Vec<_> = (0..streams).map(|_| job(Reports::KIND)).collect();
    let jobs =
        enqueue(store.pool(), &store.prepare_each(&jobs).map_err(failed)?, false).await.map_err(failed)?;
    // Another part of the process may have installed one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().map_err(failed)?;
    let mut viewers = JoinSet::new();
    for job in jobs {
        viewers.spawn(view(client.clone(), address, job.id, base));
    }
    let shutdown = Shutdown::default();
    let _stop = shutdown.graceful.clone().drop_guard();
    let worker = Worker::builder(store.clone())
        .handler(Reports { base, seconds })
        .queue("default", usize::from(streams))
        .notifier(process.notifier.clone())
        .wakes(process.wakes.clone())
        .build();
    let meter = Meter::start(store).await?;
    let running = tokio::spawn(worker.run(shutdown.clone()));
    let mut waits = Vec::new();
    while let Some(viewer) = viewers.join_next().await {
        waits.extend(viewer.map_err(failed)??);
    }
    let test = format!("stream, {streams} jobs");
    let measured = meter.stop(store, test, waits.len() as u64, waits).await?;
    shutdown.graceful.cancel();
    running.await.map_err(failed)?.map_err(failed)?;
    serving.stop().await;
    Ok(measured)
}

/// Watches one job to its end; answers how late each report came.
async fn view(
    client: reqwest::Client,
    address: SocketAddr,
    job: Uuid,
    base: Instant,
) -> Result<Vec<Duration>, CliError> {
    let url = format!("http://{address}/api/v1/jobs/{job}/events");
    let answer = client.get(url).header("accept", "text/event-stream").send().await.map_err(failed)?;
    let mut events = answer.error_for_status().map_err(failed)?.bytes_stream().eventsource();
    let mut waits = Vec::new();
    while let Some(event) = events.next().await {
        let event = event.map_err(failed)?;
        if event.event == "progress" {
            let data: Value = serde_json::from_str(&event.data).map_err(failed)?;
            let sent = data["message"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default();
            waits.push(base.elapsed().saturating_sub(Duration::from_micros(sent)));
        } else if matches!(event.event.as_str(), "completed" | "failed" | "cancelled") {
            break;
        }
    }
    Ok(waits)
}
