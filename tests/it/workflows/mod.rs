//! Jobs that wait for others: graphs, groups, chains, what failures do to them, and children that jobs
//! spawn. Each test runs a real worker and a real keeper.

mod actions;
mod canvas;
mod children;
mod errors;
mod fan_in;
mod kept;
mod resolve;
mod retry;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tidemill::maintenance;
use tidemill::maintenance::MaintenanceSettings;
use tidemill::store::db::notifier::Notifier;
use tidemill::worker::handler::Completion;
use tidemill::{Context, JobError, KindSettings, NewJob, Store, Workflow};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::support::{Db, Mill, MillBuilder, ok, wait_for};

/// A database with a keeper.
struct Floor {
    db: Db,
    _maintenance: DropGuard,
}

impl std::ops::Deref for Floor {
    type Target = Db;

    fn deref(&self) -> &Db {
        &self.db
    }
}

impl Floor {
    async fn new() -> Self {
        let db = Db::new().await;
        let stop = CancellationToken::new();
        let wakes = db.listen(stop.clone());
        let settings =
            MaintenanceSettings { sweep: Duration::from_millis(300), ..MaintenanceSettings::default() };
        tokio::spawn(maintenance::run(
            db.store.clone(),
            Notifier::default(),
            Arc::default(),
            wakes,
            settings,
            stop.clone(),
        ));
        Self { db, _maintenance: stop.drop_guard() }
    }

    /// A worker of this process; see [`mill`].
    fn mill(&self) -> MillBuilder {
        mill(&self.db.store)
    }

    async fn start(&self, workflow: &Workflow) -> Uuid {
        self.create_workflow(workflow).await.unwrap()
    }

    /// Waits for the end of a job; answers its state and result.
    async fn end(&self, id: Uuid) -> (&'static str, Value) {
        wait_for(&format!("{id} ends"), || async { self.job(id).await.finished_at }).await;
        let job = self.job(id).await;
        (job.state.word(), job.result.unwrap_or_default())
    }

    /// The states of a workflow's jobs by name, such as `a completed, b failed`.
    async fn states(&self, workflow: Uuid) -> String {
        let members = self.workflow_members(workflow).await.unwrap();
        let words: Vec<_> =
            members.iter().map(|member| format!("{} {}", member.name, member.status)).collect();
        words.join(", ")
    }

    /// The id of a job by its name in a workflow.
    async fn member(&self, workflow: Uuid, name: &str) -> Uuid {
        let members = self.workflow_members(workflow).await.unwrap();
        members.into_iter().find(|member| member.name == name).expect("the workflow has it").id
    }
}

/// A worker that serves `echo` (answers its args), `add` (answers `n` + 1), `fail` and `count` (how many `results`).
fn mill(store: &Store) -> MillBuilder {
    let settings = || KindSettings { max_attempts: 1, ..KindSettings::default() };
    Mill::builder(store)
        .slots(8)
        .handler_with("echo", settings(), |context: Context| async move { ok(context.args().clone()) })
        .handler_with("add", settings(), |context: Context| async move {
            ok(json!(context.args()["n"].as_i64().unwrap_or_default() + 1))
        })
        .handler_with("fail", settings(), |_| async { fail() })
        .handler_with("count", settings(), |context: Context| async move {
            ok(json!(context.args()["results"].as_array().map(Vec::len)))
        })
}

fn fail() -> Result<Completion, JobError> {
    Err(JobError::permanent("broken"))
}

fn new(kind: &str, args: &Value) -> NewJob {
    NewJob::new(kind, args.as_object().cloned().unwrap_or_default())
}

fn echo(n: i64) -> NewJob {
    new("echo", &json!({ "n": n }))
}

fn plain(kind: &str) -> NewJob {
    NewJob::new(kind, Map::new())
}
