//! A worker with handlers that tests write as closures, run in the test's own process.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tidemill::metrics::Metrics;
use tidemill::store::Result;
use tidemill::worker::handler::{Completion, DynHandler, RunFuture};
use tidemill::worker::{Liveness, Worker, WorkerBuilder};
use tidemill::{Context, JobError, KindSettings, Options, Shutdown, Store, WorkerSettings};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::{DEADLINE, Db};

/// A handler made from a closure.
struct Closure<F>(F);

impl<F, R> DynHandler for Closure<F>
where
    F: Fn(Context) -> R + Send + Sync + 'static,
    R: Future<Output = std::result::Result<Completion, JobError>> + Send + 'static,
{
    fn run(&self, context: Context) -> RunFuture<'_> {
        Box::pin((self.0)(context))
    }
}

/// What a handler that is done answers.
#[expect(clippy::unnecessary_wraps, reason = "it is what handlers return")]
pub(crate) fn ok(result: impl Into<Option<Value>>) -> std::result::Result<Completion, JobError> {
    Ok(Completion { result: result.into(), ..Completion::default() })
}

/// Assembles a [`Mill`]: quick heartbeats, one queue `default` with four slots.
pub(crate) struct MillBuilder(WorkerBuilder, WorkerSettings);

impl MillBuilder {
    pub(crate) fn new(store: &Store) -> Self {
        let settings = WorkerSettings {
            name: "mill".into(),
            queues: vec![("default".into(), 4)],
            heartbeat: Duration::from_millis(500),
            shutdown_timeout: DEADLINE,
            ..WorkerSettings::default()
        };
        Self(Worker::builder(store.clone()), settings)
    }

    pub(crate) fn settings(mut self, change: impl FnOnce(&mut WorkerSettings)) -> Self {
        change(&mut self.1);
        self
    }

    pub(crate) fn slots(self, slots: usize) -> Self {
        self.settings(|settings| settings.queues = vec![("default".into(), slots)])
    }

    pub(crate) fn handler<F, R>(self, kind: &str, run: F) -> Self
    where
        F: Fn(Context) -> R + Send + Sync + 'static,
        R: Future<Output = std::result::Result<Completion, JobError>> + Send + 'static,
    {
        // Quick retries, for nobody wants to wait.
        let mut settings = KindSettings::default();
        settings.backoff.first = Duration::from_millis(20);
        self.handler_with(kind, settings, run)
    }

    pub(crate) fn handler_with<F, R>(self, kind: &str, settings: KindSettings, run: F) -> Self
    where
        F: Fn(Context) -> R + Send + Sync + 'static,
        R: Future<Output = std::result::Result<Completion, JobError>> + Send + 'static,
    {
        Self(self.0.kind(kind, "rust", settings, Closure(run)), self.1)
    }

    /// A kind with a handler of its own.
    pub(crate) fn kind(self, kind: &str, settings: KindSettings, handler: impl DynHandler) -> Self {
        Self(self.0.kind(kind, "rust", settings, handler), self.1)
    }

    /// Counts what it does where the test can read it.
    pub(crate) fn metrics(self, metrics: Arc<Metrics>) -> Self {
        Self(self.0.metrics(metrics), self.1)
    }

    pub(crate) fn start(self) -> Mill {
        let worker = self.0.settings(self.1).build();
        let shutdown = Shutdown::default();
        let (id, liveness) = (worker.id().to_owned(), worker.liveness());
        let task = tokio::spawn(worker.run(shutdown.clone()));
        Mill { id, liveness, shutdown, task }
    }
}

/// A worker in a runtime of its own, with connections of its own, so that it can die as a process does.
pub(crate) struct MortalMill {
    runtime: Runtime,
    _mill: Mill,
}

impl MortalMill {
    /// Starts what `build` assembles over the store that it is given.
    pub(crate) fn start(db: &Db, build: impl FnOnce(&Store) -> MillBuilder) -> Self {
        Self::start_over(db.options(), build)
    }

    /// The same, over a database that is reached in a way of its own.
    pub(crate) fn start_over(options: Options, build: impl FnOnce(&Store) -> MillBuilder) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let entered = runtime.enter();
        let mill = build(&Store::connect(options).unwrap()).start();
        drop(entered);
        Self { runtime, _mill: mill }
    }

    /// Ends everything of it at once, without a word.
    pub(crate) fn kill(self) {
        self.runtime.shutdown_background();
    }
}

/// A worker that runs.
pub(crate) struct Mill {
    pub(crate) id: String,
    pub(crate) liveness: Liveness,
    pub(crate) shutdown: Shutdown,
    pub(crate) task: JoinHandle<Result<()>>,
}

impl Mill {
    pub(crate) fn builder(store: &Store) -> MillBuilder {
        MillBuilder::new(store)
    }

    /// Shuts it down and waits for its end.
    pub(crate) async fn stop(self) {
        self.shutdown.graceful.cancel();
        self.ended().await;
    }

    /// Waits for its end.
    pub(crate) async fn ended(self) {
        tokio::time::timeout(DEADLINE, self.task).await.expect("the worker ends").unwrap().unwrap();
    }
}
