//! Tasks in a browser: a real Chromium on a site of this machine, and a model that says what a test wrote down.

#[path = "../../../../tests/shared/binary.rs"]
mod binary;
mod dead;
mod example;
mod interfaces;
mod interrupted;
mod model;
mod refusals;
mod resume;
mod seed_001;
mod site;
mod socket;
mod tasks;
mod unseen;

#[path = "../../../../tests/it/api/contract.rs"]
mod contract;
#[expect(dead_code, reason = "these tests need less of a server than those of the API")]
#[path = "../../../../tests/it/api/server.rs"]
mod server;
#[expect(dead_code, unused_imports, reason = "these tests need less than the other integration tests")]
#[path = "../../../../tests/it/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tidemill::api::server::settings::ApiSettings;
use tidemill::vault::{BlobStore, Keyring, Redactor, Vault};
use tidemill::{KindSettings, Options, Store};
use tidemill_browser::agent::args::{KIND, SECRET_FIELDS};
use tidemill_browser::agent::{AgentKind, AgentSpec, AllowedHosts};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::model::Model;
use crate::server::{Server, start_with, text};
use crate::support::{Db, MillBuilder, wait_for};

/// An API that takes tasks in, on a store with storage that encrypts.
pub(crate) struct Stage {
    pub(crate) db: Db,
    pub(crate) store: Store,
    pub(crate) server: Server,
    _folder: Option<TempDir>,
    _serving: DropGuard,
}

impl Stage {
    pub(crate) async fn new(keyring: Keyring) -> Self {
        Self::open_to(keyring, "https://app.example.com").await
    }

    /// One that pages of an origin may call.
    pub(crate) async fn open_to(keyring: Keyring, origin: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blob_store =
            BlobStore::open(&format!("file://{}", folder.path().display()), [], 256 * 1024).unwrap();
        Self::with(keyring, Some((blob_store, folder)), origin).await
    }

    pub(crate) async fn without_storage() -> Self {
        Self::with(Keyring::default(), None, "https://app.example.com").await
    }

    async fn with(keyring: Keyring, storage: Option<(BlobStore, TempDir)>, origin: &str) -> Self {
        let (blob_store, folder) = storage.unzip();
        let db = Db::new().await;
        let redactor = Redactor::new(&SECRET_FIELDS.map(str::to_owned));
        let vault = Arc::new(Vault { keyring, blob_store, redactor });
        let store = Store::connect(Options { vault, ..db.options() }).unwrap();
        let shutdown = CancellationToken::new();
        let settings = ApiSettings { cors_origins: vec![origin.to_owned()], ..ApiSettings::default() };
        let server =
            start_with("[agent]\nmodel = 'scripted'", store.clone(), settings, Vec::new(), shutdown.clone())
                .await;
        Self { db, store, server, _folder: folder, _serving: shutdown.drop_guard() }
    }

    /// Has a task done; answers its execution id.
    pub(crate) async fn execute(&self, body: Value) -> Value {
        self.server.post("/execute", body).await.expect(202)
    }

    pub(crate) async fn status(&self, accepted: &Value) -> Value {
        self.server.get(text(&accepted["status_url"])).await.expect(200)
    }

    /// The task's job when it has ended.
    pub(crate) async fn end(&self, accepted: &Value) -> Value {
        let path = format!("/api/v1/jobs/{}/result?wait=60s", text(&accepted["task_id"]));
        let done = self.server.get(&path).await;
        assert_eq!(done.status, 200, "{}", done.body);
        done.body
    }
}

/// How tasks are done in tests: on this machine, with short timeouts.
pub(crate) fn spec(model: &Model) -> AgentSpec {
    AgentSpec {
        hosts: AllowedHosts { allowed: vec!["127.0.0.1".into()], allow_private: true },
        sandbox: false,
        max_time: Duration::from_mins(2),
        api_key: Some("key-of-the-model".into()),
        ..AgentSpec::new("scripted", model.base_url())
    }
}

/// A worker that does tasks.
pub(crate) fn mill(store: &Store, spec: AgentSpec) -> MillBuilder {
    let mut rules = KindSettings { queue: "agent".into(), ..KindSettings::default() };
    rules.backoff.first = Duration::from_millis(20);
    MillBuilder::new(store).settings(|settings| settings.queues = vec![("agent".into(), 2)]).kind(
        KIND,
        rules,
        AgentKind::new(spec).unwrap(),
    )
}

/// Waits until a task has this status.
pub(crate) async fn until_status(stage: &Stage, accepted: &Value, wanted: &str) {
    wait_for(wanted, async || (stage.status(accepted).await["status"] == wanted).then_some(())).await;
}

/// A task without a session.
pub(crate) fn task(description: &str) -> Value {
    json!({"task_description": description, "session_data": null})
}

/// Why a task's first attempt failed, once it has.
pub(crate) async fn first_error(stage: &Stage, accepted: &Value) -> Value {
    let path = format!("/api/v1/jobs/{}/attempts", text(&accepted["task_id"]));
    wait_for("an error", async || {
        let attempts = stage.server.get(&path).await.expect(200);
        let mut errors = attempts["items"].as_array().unwrap().iter().map(|attempt| &attempt["error"]);
        errors.find(|error| !error.is_null()).cloned()
    })
    .await
}
