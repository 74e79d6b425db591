//! A Tidemill for one test, with its own schema or its own Postgres.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::error::TestError;
use crate::embedded::{EmbeddedPostgres, Settings};
use crate::job::document::JobDocument;
use crate::job::new::NewJob;
use crate::store::db::migrate::migrate;
use crate::store::jobs::enqueue::enqueue;
use crate::store::jobs::list::Filter;
use crate::store::{Options, Store};

/// A Tidemill for one test.
///
/// # Examples
///
/// ```no_run
/// use tidemill::testing::TestMill;
/// use tidemill::{Context, Handler, JobError, NewJob};
///
/// struct Greet;
///
/// impl Handler for Greet {
///     const KIND: &'static str = "greet";
///     type Args = serde_json::Value;
///     type Output = String;
///
///     async fn run(&self, _: Context, args: serde_json::Value) -> Result<String, JobError> {
///         Ok(format!("Hello, {}", args["name"]))
///     }
/// }
///
/// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
/// let mill = TestMill::start().await?;
/// let id = mill.enqueue(NewJob::new("greet", Default::default())).await?;
/// mill.assert_enqueued("greet", |job| job.queue == "default").await;
/// let drained = mill.drain(|worker| worker.handler(Greet)).await?;
/// assert_eq!(drained.completed, 1);
/// assert_eq!(mill.job(id).await.status, "completed");
/// mill.finish().await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct TestMill {
    pub(super) store: Store,
    postgres: Option<(EmbeddedPostgres, PathBuf)>,
}

impl TestMill {
    /// Starts a Postgres of its own in a temporary folder, which takes a second or two. It ends with
    /// [`TestMill::finish`].
    ///
    /// # Errors
    /// If the machine has no Postgres and none can be downloaded, or it cannot be started.
    pub async fn start() -> Result<Self, TestError> {
        let folder = std::env::temp_dir().join(format!("tidemill-test-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&folder)?;
        let settings = Settings { durable: false, ..Settings::new(&folder) };
        let postgres = EmbeddedPostgres::start(settings).await?;
        let url = postgres.url().to_owned();
        let mut mill = Self::over(url).await?;
        mill.postgres = Some((postgres, folder));
        Ok(mill)
    }

    /// Creates a schema of its own in an existing database; [`TestMill::finish`] drops it.
    ///
    /// # Errors
    /// If the database cannot be reached, or the schema cannot be created.
    pub async fn over(url: impl Into<String>) -> Result<Self, TestError> {
        let schema = format!("tidemill_test_{}", Uuid::new_v4().simple());
        let options = Options { schema, max_connections: 4, ..Options::new(url) };
        migrate(&options).await?;
        Ok(Self { store: Store::connect(options)?, postgres: None })
    }

    /// Its store, for code under test that takes one.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The schema of its tables, for [`crate::enqueue_in`].
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.store.options().schema
    }

    /// Enqueues a job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn enqueue(&self, job: NewJob) -> Result<Uuid, TestError> {
        let job = self.store.prepare(job).await?;
        let enqueued = enqueue(self.store.pool(), std::slice::from_ref(&job), false).await?;
        Ok(enqueued.first().map_or(job.id, |enqueued| enqueued.id))
    }

    /// A job.
    ///
    /// # Panics
    /// If there is none with this id.
    pub async fn job(&self, id: Uuid) -> JobDocument {
        let found = self.store.find_job(id).await;
        match found {
            Ok(Some(job)) => job,
            other => panic!("no job {id}: {other:?}"),
        }
    }

    /// The events of a job: types and data, in order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn events(&self, id: Uuid) -> Result<Vec<(String, Value)>, TestError> {
        let events = self.store.events_after(id, 0, &[], 10_000).await?;
        Ok(events.into_iter().map(|event| (event.kind, event.data)).collect())
    }

    /// The jobs of a kind, finished ones too, oldest first; at most 1,000.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn jobs(&self, kind: &str) -> Result<Vec<JobDocument>, TestError> {
        let filter = Filter { kind: Some(kind.to_owned()), limit: 1000, ..Filter::default() };
        let mut jobs = self.store.list_jobs(&filter).await?.jobs;
        jobs.reverse();
        Ok(jobs)
    }

    /// Lets time pass for everything that waits for it: jobs, leases, waits, sleeps, schedules, rates, breakers.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn advance(&self, by: Duration) -> Result<(), TestError> {
        Ok(self.store.let_time_pass(by).await?)
    }

    /// Asserts that a matching job of this kind was enqueued.
    ///
    /// # Panics
    /// If there is none; lists the existing ones.
    pub async fn assert_enqueued(&self, kind: &str, fits: impl Fn(&JobDocument) -> bool) -> JobDocument {
        let jobs = self.jobs(kind).await.unwrap_or_else(|error| panic!("{error}"));
        match jobs.iter().find(|job| fits(job)) {
            Some(job) => job.clone(),
            None => panic!("no job of kind {kind} fits; there are {}", shown(&jobs)),
        }
    }

    /// Asserts that no matching job of this kind was enqueued.
    ///
    /// # Panics
    /// If there is one; shows it.
    pub async fn refute_enqueued(&self, kind: &str, fits: impl Fn(&JobDocument) -> bool) {
        let jobs = self.jobs(kind).await.unwrap_or_else(|error| panic!("{error}"));
        let fitting: Vec<_> = jobs.into_iter().filter(|job| fits(job)).collect();
        assert!(fitting.is_empty(), "jobs of kind {kind} were enqueued: {}", shown(&fitting));
    }

    /// Drops the schema, and stops the Postgres if it was started for this test.
    ///
    /// # Errors
    /// If that cannot be done.
    pub async fn finish(self) -> Result<(), TestError> {
        match self.postgres {
            None => self.store.drop_schema().await?,
            Some((postgres, folder)) => {
                self.store.pool().close().await;
                postgres.stop().await?;
                std::fs::remove_dir_all(folder)?;
            }
        }
        Ok(())
    }
}

/// Jobs as a failed assertion shows them.
pub(super) fn shown(jobs: &[JobDocument]) -> String {
    let line = |job: &JobDocument| format!("\n  {} in {}, {}: {}", job.kind, job.queue, job.status, job.args);
    if jobs.is_empty() { "none".to_owned() } else { jobs.iter().map(line).collect() }
}
