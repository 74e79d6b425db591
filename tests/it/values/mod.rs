//! What becomes of args and results between a caller and a handler: sealed, in object storage, redacted.

mod bucket;
mod encryption;
mod files;
mod numbers;
mod redaction;
mod routes;
mod storage;

use std::sync::Arc;

use serde_json::{Map, Value};
use tidemill::api::server::settings::ApiSettings;
use tidemill::vault::{BlobStore, Keyring, Redactor, Vault};
use tidemill::{NewJob, Options, Store};
use tokio_util::sync::CancellationToken;

use crate::api::server::{Server, start};
use crate::support::Db;
pub(crate) use crate::support::keys::keys;

/// A folder as object storage, for values above 1 KiB.
pub(crate) fn blob_store(folder: &tempfile::TempDir) -> BlobStore {
    BlobStore::open(&format!("file://{}", folder.path().display()), [], 1024).unwrap()
}

/// Another process's view of the database, with this vault.
pub(crate) fn with(db: &Db, keyring: Keyring, blob_store: Option<BlobStore>) -> Store {
    let redactor = Redactor::new(&["password".into(), "api_key".into()]);
    let vault = Arc::new(Vault { keyring, blob_store, redactor });
    Store::connect(Options { vault, ..db.options() }).unwrap()
}

/// An API on such a store.
pub(crate) async fn api(store: &Store) -> (Server, tokio_util::sync::DropGuard) {
    api_of(store, ApiSettings::default()).await
}

/// As [`api`], with these settings.
pub(crate) async fn api_of(store: &Store, settings: ApiSettings) -> (Server, tokio_util::sync::DropGuard) {
    let shutdown = CancellationToken::new();
    let server = start(store.clone(), settings, Vec::new(), shutdown.clone());
    (server.await, shutdown.drop_guard())
}

pub(crate) fn job(kind: &str, args: Value) -> NewJob {
    NewJob::new(kind, object(args))
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}
