//! A mill for one test: a database of its own on a server that runs, the routes of streams on a
//! loopback port, and a worker's verbs by hand. The database is dropped when the test ends.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use eventsource_stream::Eventsource;
use futures_util::{FutureExt, Stream, StreamExt};
use serde_json::{Map, Value, json};
use sqlx::AssertSqlSafe;
use tidemill::api::events::routes;
use tidemill::api::jobs::args_rules::ArgsRules;
use tidemill::api::routes::Routes;
use tidemill::api::server::settings::ApiSettings;
use tidemill::api::state::{ApiDeps, ApiState};
use tidemill::job::attempt::Usage;
use tidemill::job::event::EventDraft;
use tidemill::job::new::NewJob;
use tidemill::metrics::Metrics;
use tidemill::store::attempts::claim::{ClaimRequest, Claimed, Position, Terms};
use tidemill::store::attempts::complete::Completed;
use tidemill::store::attempts::report::Reported;
use tidemill::store::db::notifier::Notifier;
use tidemill::store::jobs::enqueue::enqueue;
use tidemill::store::{Options, Store};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::server;

/// Waits for a fact.
pub(super) async fn until(what: &str, mut fact: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !fact().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// How a mill differs from the ordinary one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    /// False: nobody says a hint.
    pub(super) notifies: bool,
    /// False: the listening connection cannot be made.
    pub(super) listens: bool,
    pub(super) stream_lifetime: Duration,
}

impl Default for Setup {
    fn default() -> Self {
        Self { notifies: true, listens: true, stream_lifetime: Duration::from_mins(10) }
    }
}

pub(super) struct Mill {
    pub(super) store: Store,
    pub(super) state: ApiState,
    pub(super) address: SocketAddr,
    http: reqwest::Client,
}

/// One frame as a client sees it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) data: Value,
}

impl Seen {
    pub(super) fn seq(&self) -> i64 {
        self.data["seq"].as_i64().unwrap()
    }

    pub(super) fn is_end(&self) -> bool {
        ["completed", "failed", "cancelled"].contains(&self.kind.as_str())
    }

    pub(super) fn is_event(&self) -> bool {
        !self.is_end() && !["snapshot", "reset", "lagged"].contains(&self.kind.as_str())
    }

    pub(super) fn job(&self) -> Uuid {
        self.data["job_id"].as_str().unwrap().parse().unwrap()
    }
}

/// The numbers of the stored events among frames.
pub(super) fn numbers(frames: &[Seen]) -> Vec<i64> {
    frames.iter().filter(|frame| frame.is_event()).map(Seen::seq).collect()
}

/// Runs a test on a mill of its own.
pub(super) async fn on_a_mill<T: Future<Output = ()>>(setup: Setup, test: impl FnOnce(Arc<Mill>) -> T) {
    let name = format!("streams_{}", Uuid::new_v4().simple());
    server().create(&name, true).await;
    let shutdown = CancellationToken::new();
    let outcome = AssertUnwindSafe(async {
        let mill = Arc::new(Mill::start(&name, setup, shutdown.clone()).await);
        tokio::time::timeout(Duration::from_mins(2), test(Arc::clone(&mill))).await.expect("in time");
    })
    .catch_unwind()
    .await;
    shutdown.cancel();
    server().drop_later(&name);
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

impl Mill {
    async fn start(database: &str, setup: Setup, shutdown: CancellationToken) -> Self {
        let mut options = Options::new(server().url(database));
        if !setup.listens {
            // Nothing listens on the discard port.
            options.listen_url = Some("postgres://nobody@127.0.0.1:9/none".into());
        }
        let store = Store::connect(options).unwrap();
        let wakes = store.listen(shutdown.clone());
        let notifier = Notifier::default();
        if setup.notifies {
            tokio::spawn(notifier.clone().run(store.clone(), shutdown.clone()));
        }
        let settings = ApiSettings { stream_lifetime: setup.stream_lifetime, ..ApiSettings::default() };
        let deps = ApiDeps {
            store: store.clone(),
            wakes,
            notifier,
            metrics: Arc::new(Metrics::new()),
            readiness: Vec::new(),
            routes: Routes::none(),
            args: ArgsRules::default(),
            shutdown: shutdown.clone(),
        };
        let state = ApiState::start(deps, settings, true);
        let (router, _) = routes::routes().with_state(state.clone()).split_for_parts();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await
        });
        if setup.listens {
            until("the listener is healthy", async || state.wakes.is_healthy()).await;
        }
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { store, state, address, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    /// Enqueues a job of `kind` on `queue`.
    pub(super) async fn enqueue(&self, kind: &str, queue: &str, execution_id: Option<&str>) -> Uuid {
        let mut job = NewJob::new(kind, Map::new());
        job.queue = Some(queue.into());
        job.execution_id = execution_id.map(Into::into);
        enqueue(self.store.pool(), &self.store.prepare_each(&[job]).unwrap(), false).await.unwrap()[0].id
    }

    /// Claims everything that is due on `queue`.
    pub(super) async fn claim(&self, kind: &str, queue: &str) -> Vec<Claimed> {
        let cursor = [Position::HEAD; 9];
        let request = ClaimRequest {
            queue,
            kinds: &[kind.to_owned()],
            limit: 1000,
            cursor: &cursor,
            worker_id: "test",
            lease_ttl_seconds: 600.0,
            picked: &[],
            terms: Terms::default(),
        };
        self.store.claim(&request).await.unwrap()
    }

    /// A job that runs.
    pub(super) async fn running(&self) -> Claimed {
        self.enqueue("test", "default", None).await;
        self.claim("test", "default").await.pop().unwrap()
    }

    /// Reports events of a running job as its worker does.
    pub(super) async fn report(&self, job: &Claimed, drafts: impl IntoIterator<Item = EventDraft>) {
        assert!(self.try_report(job, drafts).await.unwrap().is_some(), "the lease is held");
    }

    /// As `report`; answers the number of the last event.
    pub(super) async fn try_report(
        &self,
        job: &Claimed,
        drafts: impl IntoIterator<Item = EventDraft>,
    ) -> tidemill::store::Result<Option<i64>> {
        let reported = |draft| Reported { job_id: job.id, lease_id: job.lease_id, draft };
        let batch: Vec<_> = drafts.into_iter().map(reported).collect();
        let held = self.store.report(Uuid::new_v4(), &batch).await?;
        let last = held.get(&job.id).copied();
        self.state.notifier.events(held);
        Ok(last)
    }

    pub(super) async fn complete(&self, job: &Claimed) {
        let done = Completed {
            job_id: job.id,
            lease_id: job.lease_id,
            result: Some(json!({"done": true})),
            usage: Usage::default(),
        };
        assert_eq!(self.store.complete(&[done]).await.unwrap().leased.len(), 1);
        self.state.notifier.events([(job.id, 0)]);
    }

    pub(super) async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(format!("http://{}{path}", self.address)).send().await.unwrap()
    }

    pub(super) async fn get_json(&self, path: &str) -> (u16, Value) {
        let response = self.get(path).await;
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub(super) async fn open(&self, path: &str, last_event_id: Option<&str>) -> reqwest::Response {
        let request =
            self.http.get(format!("http://{}{path}", self.address)).header("Accept", "text/event-stream");
        let request = match last_event_id {
            Some(id) => request.header("Last-Event-ID", id),
            None => request,
        };
        request.send().await.unwrap()
    }

    /// The frames of a stream.
    pub(super) async fn stream(
        &self,
        path: &str,
        last_event_id: Option<&str>,
    ) -> impl Stream<Item = Seen> + Unpin + use<> {
        let mut refusals = 0;
        let response = loop {
            let response = self.open(path, last_event_id).await;
            // A server on a machine that has no time is asked again, as the page does.
            let after = response.headers().get("retry-after").filter(|_| response.status() == 503);
            let Some(after) = after.and_then(|after| after.to_str().ok()?.parse().ok()) else {
                break response;
            };
            refusals += 1;
            assert!(refusals < 5, "refused again and again");
            tokio::time::sleep(Duration::from_secs(after)).await;
        };
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        assert_eq!(response.headers()["cache-control"], "no-store, no-transform");
        let frames =
            response.bytes_stream().eventsource().take_while(|frame| std::future::ready(frame.is_ok()));
        Box::pin(frames.map(|frame| frame.unwrap()).filter_map(async |frame| {
            let data = serde_json::from_str(&frame.data).ok()?;
            Some(Seen { kind: frame.event, id: frame.id, data })
        }))
    }

    /// All frames of a stream that ends.
    pub(super) async fn whole(&self, path: &str, last_event_id: Option<&str>) -> Vec<Seen> {
        self.stream(path, last_event_id).await.collect().await
    }

    pub(super) async fn sql(&self, statement: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(statement.to_owned())).fetch_one(self.store.pool()).await.unwrap()
    }

    pub(super) async fn execute(&self, statement: &str) {
        sqlx::query(AssertSqlSafe(statement.to_owned())).execute(self.store.pool()).await.unwrap();
    }
}

/// Reads until a frame for which `stop` is true, inclusive.
pub(super) async fn read_until(
    stream: &mut (impl Stream<Item = Seen> + Unpin),
    mut stop: impl FnMut(&Seen) -> bool,
) -> Vec<Seen> {
    let mut frames = Vec::new();
    while let Some(frame) = stream.next().await {
        let stops = stop(&frame);
        frames.push(frame);
        if stops {
            return frames;
        }
    }
    panic!("the stream ended before: {frames:?}");
}
