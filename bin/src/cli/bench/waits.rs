//! Measures how long a job waits for a worker with free slots: from the start of the enqueue call to the
//! start of its handler, both by the clock of this process.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use tidemill::{Context, Handler, JobError, Shutdown, Store, Worker, enqueue_in};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::measured::{Measured, Meter};
use super::sample::job;
use crate::cli::common::error::{CliError, failed};
use crate::cli::process::Process;

/// Jobs of the test of an idle worker, and the time between them.
const SINGLE: u64 = 200;
const APART: Duration = Duration::from_millis(20);
/// Connections that enqueue at a steady rate.
const CALLERS: usize = 10;
/// What was not started by then never will be.
const START_WITHIN: Duration = Duration::from_mins(1);

/// Notes how long each job waited.
#[derive(Clone)]
struct Waited {
    base: Instant,
    waits: Arc<Mutex<Vec<Duration>>>,
}

impl Handler for Waited {
    const KIND: &'static str = "bench.wait";
    type Args = serde_json::Value;
    type Output = ();

    async fn run(&self, _: Context, args: serde_json::Value) -> Result<(), JobError> {
        let sent = Duration::from_micros(args["sent"].as_u64().unwrap_or_default());
        self.lock().push(self.base.elapsed().saturating_sub(sent));
        Ok(())
    }
}

impl Waited {
    fn new() -> Self {
        Self { base: Instant::now(), waits: Arc::default() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Duration>> {
        self.waits.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Stores one job, now.
    async fn send(&self, store: &Store) -> Result<(), CliError> {
        let mut job = job(Self::KIND);
        let sent = u64::try_from(self.base.elapsed().as_micros()).unwrap_or(u64::MAX);
        job.args.insert("sent".into(), json!(sent));
        let mut transaction = store.pool().begin().await.map_err(failed)?;
        enqueue_in(transaction.connection(), store, &job).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    /// Waits until this number of jobs has started.
    async fn all(&self, jobs: u64) -> Result<(), CliError> {
        let began = Instant::now();
        while (self.lock().len() as u64) < jobs {
            if began.elapsed() > START_WITHIN {
                let started = self.lock().len();
                return Err(CliError::Failed(format!(
                    "only {started} of {jobs} jobs started within a minute"
                )));
            }
            sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// Runs a worker while `sending` stores jobs, and answers how many it stored.
    async fn measure(
        &self,
        process: &Process,
        test: String,
        sending: impl Future<Output = Result<u64, CliError>>,
    ) -> Result<Measured, CliError> {
        let store = &process.store;
        store.settle_tables().await.map_err(failed)?;
        let shutdown = Shutdown::default();
        let _stop = shutdown.graceful.clone().drop_guard();
        let worker = Worker::builder(store.clone())
            .handler(self.clone())
            .queue("default", 100)
            .notifier(process.notifier.clone())
            .wakes(process.wakes.clone())
            .build();
        let running = tokio::spawn(worker.run(shutdown.clone()));
        // One to warm up: the worker is there, and its statements are prepared.
        self.send(store).await?;
        self.all(1).await?;
        self.lock().clear();
        let meter = Meter::start(store).await?;
        let jobs = sending.await?;
        self.all(jobs).await?;
        let waits = self.lock().clone();
        let measured = meter.stop(store, test, jobs, waits).await?;
        shutdown.graceful.cancel();
        running.await.map_err(failed)?.map_err(failed)?;
        Ok(measured)
    }
}

/// Single jobs on an idle worker.
pub(super) async fn latency(process: &Process) -> Result<Measured, CliError> {
    let waited = Waited::new();
    let sending = async {
        for _ in 0..SINGLE {
            waited.send(&process.store).await?;
            sleep(APART).await;
        }
        Ok(SINGLE)
    };
    waited.measure(process, "latency, idle worker".into(), sending).await
}

/// Jobs at a steady rate, whether or not the earlier ones are done.
pub(super) async fn steady(process: &Process, rate: u32, seconds: u64) -> Result<Measured, CliError> {
    let waited = Waited::new();
    let jobs = u64::from(rate) * seconds;
    let sending = async {
        let (sender, receiver) = async_channel(jobs);
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (waited, store, receiver) = (waited.clone(), process.store.clone(), receiver.clone());
            callers.spawn(async move {
                while receiver.lock().await.recv().await.is_some() {
                    waited.send(&store).await?;
                }
                Ok::<_, CliError>(())
            });
        }
        let mut ticks = interval(Duration::from_secs(1) / rate);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for _ in 0..jobs {
            ticks.tick().await;
            let _ = sender.send(()).await;
        }
        drop(sender);
        while let Some(caller) = callers.join_next().await {
            caller.map_err(failed)??;
        }
        Ok(jobs)
    };
    waited.measure(process, format!("steady, {rate} a second"), sending).await
}

/// Orders for the callers; a free caller takes the next.
type Orders = Arc<tokio::sync::Mutex<tokio::sync::mpsc::Receiver<()>>>;

fn async_channel(jobs: u64) -> (tokio::sync::mpsc::Sender<()>, Orders) {
    let (sender, receiver) = tokio::sync::mpsc::channel(usize::try_from(jobs).unwrap_or(usize::MAX).max(1));
    (sender, Arc::new(tokio::sync::Mutex::new(receiver)))
}
