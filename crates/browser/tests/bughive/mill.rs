//! A worker for these tests, in the test's own process, with quick retries; and the real program, which can be killed.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tempfile::TempDir;
use tidemill::job::document::JobDocument;
use tidemill::store::Result;
use tidemill::vault::{BlobStore, Vault};
use tidemill::worker::Worker;
use tidemill::{KindSettings, NewJob, Options, Shutdown, Store};
use tidemill_browser::bughive::cleanup::Cleanup;
use tidemill_browser::bughive::crawl::Crawl;
use tidemill_browser::bughive::media::{Media, MediaSpec};
use tidemill_browser::bughive::sessions;
use tidemill_browser::bughive::sessions::{SessionDocument, SessionRules};
use tidemill_browser::bughive::ticket::{Ticket, TicketSpec};
use tidemill_browser::bughive::{BrowserSpec, CLEANUP, CRAWL, MEDIA, QUEUES, TICKET, rules};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::support::{Db, wait_at_most};

/// A crawl of all planted pages takes some seconds, on a busy machine many.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(3);

/// How long sessions are kept.
pub(crate) const DAY: Duration = Duration::from_hours(24);

/// What the kinds are given.
pub(crate) struct Kit {
    pub(crate) browser: BrowserSpec,
    pub(crate) ticket: TicketSpec,
    pub(crate) media: MediaSpec,
}

impl Default for Kit {
    fn default() -> Self {
        Self {
            browser: BrowserSpec {
                program: None,
                sandbox: !nix::unistd::geteuid().is_root(),
                allow_private: true,
                ignore_certificate_errors: false,
                user_agent: "planted/1.0".into(),
                page_timeout: Duration::from_secs(30),
                page_delay: Duration::ZERO,
            },
            ticket: TicketSpec {
                url: "http://127.0.0.1:9/".into(),
                api_key: None,
                team_id: None,
                proxy: tidemill::outbound::ProxySettings::default(),
            },
            media: MediaSpec { url: None, options: std::collections::BTreeMap::new(), folder: None },
        }
    }
}

/// A worker that runs.
pub(crate) struct Mill {
    shutdown: Shutdown,
    task: JoinHandle<Result<()>>,
}

impl Mill {
    pub(crate) fn start(store: &Store, kit: &Kit) -> Self {
        let quick = |kind: &str| {
            let mut settings: KindSettings = rules(kind).unwrap();
            settings.backoff.first = Duration::from_millis(20);
            settings
        };
        let mut builder = Worker::builder(store.clone())
            .handler_with(Crawl::new(kit.browser.clone()), quick(CRAWL))
            .handler_with(Ticket::new(&kit.ticket).unwrap(), quick(TICKET))
            .handler_with(Media::new(&kit.media).unwrap(), quick(MEDIA))
            .handler_with(Cleanup { rules: session_rules() }, quick(CLEANUP));
        for (queue, slots) in QUEUES {
            builder = builder.queue(queue, usize::try_from(slots).unwrap());
        }
        let shutdown = Shutdown::default();
        let task = tokio::spawn(builder.build().run(shutdown.clone()));
        Self { shutdown, task }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.graceful.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// The database with a folder for the files of jobs.
pub(crate) fn with_files(db: &Db) -> (Store, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let blob_store = BlobStore::open(&format!("file://{}", folder.path().display()), [], 1 << 20).unwrap();
    let vault = Arc::new(Vault { blob_store: Some(blob_store), ..Vault::default() });
    (Store::connect(Options { vault, ..db.options() }).unwrap(), folder)
}

pub(crate) fn job(kind: &str, queue: &str, args: Value) -> NewJob {
    let Value::Object(args) = args else { panic!("{args} is no object") };
    NewJob { queue: Some(queue.into()), ..NewJob::new(kind, args) }
}

pub(crate) fn crawl(args: Value) -> NewJob {
    let execution_id = args["session_id"].as_str().map(str::to_owned);
    NewJob { execution_id, ..job(CRAWL, "crawl", args) }
}

/// What sessions are here.
fn session_rules() -> SessionRules {
    SessionRules { kind: CRAWL.to_owned(), ttl: DAY }
}

/// The session of that name.
pub(crate) async fn session(db: &Db, name: &str) -> SessionDocument {
    sessions::find(&db.store, name, &session_rules()).await.unwrap().expect("the session is there")
}

pub(crate) fn nothing() -> Value {
    Value::Object(Map::new())
}

/// The job once it is finished.
pub(crate) async fn ended(db: &Db, id: Uuid) -> JobDocument {
    wait_at_most(TIMEOUT, "the job's end", || async {
        let job = db.job(id).await;
        job.finished_at.is_some().then_some(job)
    })
    .await
}

/// What a job failed of: the class, whether that is for good, and the ordinal of the attempt.
#[track_caller]
pub(crate) fn failure(job: &JobDocument) -> (String, bool, i32) {
    let error = job.error.as_ref().unwrap_or_else(|| panic!("it did not fail: {job:?}"));
    (error["type"].as_str().unwrap().to_owned(), error["permanent"] == true, job.attempt)
}

/// A failure at the first attempt after which there is no other.
pub(crate) fn for_good(class: &str) -> (String, bool, i32) {
    (class.to_owned(), true, 1)
}

/// The message of a job's failure.
pub(crate) fn message(job: &JobDocument) -> &str {
    job.error.as_ref().unwrap()["message"].as_str().unwrap()
}

/// The real program in a folder of its own.
pub(crate) fn program(folder: &Path, arguments: &[&str], log: &str) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(folder.join(log)).unwrap();
    Command::new(crate::binary::tidemill())
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
