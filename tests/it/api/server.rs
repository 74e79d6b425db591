//! A server for one test: a database of its own on a server that runs, and all routes on a loopback
//! port. The database is dropped when the test ends.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tidemill::api::jobs::args_rules::ArgsRules;
use tidemill::api::router::router;
use tidemill::api::routes::Routes;
use tidemill::api::server::auth::api_key::{ApiKey, Scope};
use tidemill::api::server::listener::{Listener, PeerLimits};
use tidemill::api::server::settings::ApiSettings;
use tidemill::api::state::{ApiDeps, ApiState, Probe};
use tidemill::extension::Extension;
use tidemill::metrics::Metrics;
use tidemill::store::db::notifier::Notifier;
use tidemill::store::{Options, Store};
use tidemill_bin::config::{Config, Sources};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::contract::Contract;
use crate::support::server;

/// A server that answers.
pub(crate) struct Server {
    pub(crate) store: Store,
    pub(crate) state: ApiState,
    pub(crate) address: SocketAddr,
    pub(crate) http: reqwest::Client,
}

/// What it answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The body, if the status is the expected one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// The problem, if it is of the expected kind.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, slug: &str) -> Value {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.body);
        let kind = self.body["type"].as_str().unwrap_or_default().to_owned();
        assert!(
            self.status == status && kind.ends_with(&format!("/{slug}")),
            "{} {}",
            self.status,
            self.body
        );
        for member in ["title", "detail", "remedy"] {
            assert!(self.body[member].as_str().is_some_and(|text| !text.is_empty()), "{}", self.body);
        }
        self.body
    }
}

impl Server {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        let request = request.build().unwrap();
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let response = self.http.execute(request).await.expect("the server answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.expect("the whole body comes");
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        let media_type = headers.get("content-type").map_or("", |value| value.to_str().unwrap());
        Contract::of(&self.state).hold(method.as_str(), &path, status, media_type, &body);
        Answer { status, headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    /// POST without a body.
    pub(crate) async fn act(&self, path: &str) -> Answer {
        self.send(self.request(Method::POST, path)).await
    }

    /// POST with an Idempotency-Key.
    pub(crate) async fn keyed(&self, path: &str, key: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).header("Idempotency-Key", key).json(&body)).await
    }

    /// POST of a body as it stands.
    pub(crate) async fn raw(&self, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        let request = self.request(Method::POST, path).header("Content-Type", "application/json");
        self.send(request.body(body.into())).await
    }

    /// As [`Self::raw`], with an Idempotency-Key.
    pub(crate) async fn raw_keyed(&self, path: &str, key: &str, body: &'static str) -> Answer {
        let request = self.request(Method::POST, path).header("Content-Type", "application/json");
        self.send(request.header("Idempotency-Key", key).body(body)).await
    }

    pub(crate) async fn enqueue(&self, body: Value) -> Value {
        self.post("/api/v1/jobs", body).await.expect(202)
    }

    pub(crate) async fn job(&self, id: &Value) -> Value {
        self.get(&format!("/api/v1/jobs/{}", text(id))).await.expect(200)
    }

    /// Makes an API key.
    pub(crate) async fn make_key(&self, name: &str, scopes: &[Scope]) -> ApiKey {
        let key = ApiKey::generate();
        let names: Vec<String> = scopes.iter().map(|scope| scope.name().to_owned()).collect();
        self.store.create_api_key(key.id(), name, &names, &key.hash(), None).await.unwrap();
        key
    }

    /// Claims for a remote worker; answers its jobs.
    pub(crate) async fn claim(&self, worker: &str, kind: &str, max: u32) -> Vec<Value> {
        let body = json!({"worker": worker, "kinds": [kind], "max": max, "wait_seconds": 5});
        let answer = self.post("/api/v1/worker/claim", body).await.expect(200);
        answer["jobs"].as_array().expect("jobs").clone()
    }

    /// A verb of a remote worker for a job that it claimed.
    pub(crate) async fn word(&self, job: &Value, verb: &str, mut body: Value) -> Answer {
        if body.get("lease_id").is_none() {
            body["lease_id"] = job["lease_id"].clone();
        }
        self.post(&format!("/api/v1/worker/jobs/{}/{verb}", text(&job["id"])), body).await
    }

    /// The stored events of a job as (type, data).
    pub(crate) async fn events(&self, id: &Value) -> Vec<(String, Value)> {
        let id = text(id).parse().unwrap();
        let events = self.store.events_after(id, 0, &[], 1_000).await.unwrap();
        events.into_iter().map(|event| (event.kind, event.data)).collect()
    }

    pub(crate) async fn sql(&self, statement: &str) {
        sqlx::query(AssertSqlSafe(statement.to_owned())).execute(self.store.pool()).await.unwrap();
    }
}

/// A JSON string as it is.
#[track_caller]
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string"))
}

/// Asks until `holds`, at most thirty seconds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Runs a test on an ordinary server of its own.
pub(crate) async fn on_a_server<T: Future<Output = ()>>(test: impl FnOnce(Arc<Server>) -> T) {
    on_a_server_with(ApiSettings::default(), Vec::new(), test).await;
}

/// Runs a test on a server of its own.
pub(crate) async fn on_a_server_with<T: Future<Output = ()>>(
    settings: ApiSettings,
    probes: Vec<Probe>,
    test: impl FnOnce(Arc<Server>) -> T,
) {
    on_a_server_of("", settings, probes, test).await;
}

/// Runs a test on a server of its own whose extensions have the settings in `toml`.
pub(crate) async fn on_a_server_of<T: Future<Output = ()>>(
    toml: &str,
    settings: ApiSettings,
    probes: Vec<Probe>,
    test: impl FnOnce(Arc<Server>) -> T,
) {
    let name = format!("api_{}", Uuid::new_v4().simple());
    server().create(&name, true).await;
    let shutdown = CancellationToken::new();
    let outcome = AssertUnwindSafe(async {
        let store = Store::connect(Options::new(server().url(&name))).unwrap();
        let started = start_with(toml, store, settings, probes, shutdown.clone()).await;
        tokio::time::timeout(Duration::from_mins(2), test(Arc::new(started))).await.expect("in time");
    })
    .catch_unwind()
    .await;
    shutdown.cancel();
    server().drop_later(&name);
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

/// Starts one on a store.
pub(crate) async fn start(
    store: Store,
    settings: ApiSettings,
    probes: Vec<Probe>,
    shutdown: CancellationToken,
) -> Server {
    start_with("", store, settings, probes, shutdown).await
}

/// The extensions that come with the binary, with the settings in `toml`.
pub(crate) fn extensions(toml: &str) -> Vec<Arc<dyn Extension>> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tidemill.toml"), toml).unwrap();
    let sources = Sources {
        folder: folder.path().to_owned(),
        file: None,
        environment: Vec::new(),
        flags: Vec::new(),
        extensions: tidemill_bin::extensions(),
    };
    Config::load(&sources).unwrap().extensions
}

/// Starts one on a store, with the extensions that come with the binary and the settings in `toml` for them.
pub(crate) async fn start_with(
    toml: &str,
    store: Store,
    settings: ApiSettings,
    probes: Vec<Probe>,
    shutdown: CancellationToken,
) -> Server {
    let extensions = extensions(toml);
    // Another test of this process may have installed one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let notifier = Notifier::default();
    tokio::spawn(notifier.clone().run(store.clone(), shutdown.clone()));
    let deps = ApiDeps {
        store: store.clone(),
        wakes: store.listen(shutdown.clone()),
        notifier,
        metrics: Arc::new(Metrics::new()),
        readiness: probes,
        routes: extensions.iter().map(|one| one.routes()).fold(Routes::none(), Routes::and),
        args: extensions.iter().fold(ArgsRules::default(), |rules, one| one.args_rules(rules)),
        shutdown: shutdown.clone(),
    };
    let listener = Listener::bind("127.0.0.1:0", false).await.unwrap();
    let address = listener.address();
    // Tests try many wrong keys.
    let settings = ApiSettings { slowest_refusal: std::time::Duration::ZERO, ..settings };
    let limits = PeerLimits { connections: settings.max_connections, ..PeerLimits::default() };
    let state = ApiState::start(deps, settings, listener.is_loopback());
    let app = router(&state, address).unwrap();
    tokio::spawn(listener.serve(app, limits, shutdown));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    Server { store, state, address, http }
}
