//! Traces: what a real receiver of OTLP gets of jobs that live processes enqueue and run, and what commands, URLs,
//! remote workers and children learn of their spans.

use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use serde_json::{Value, json};
use tidemill::job::trace::TraceParent;
use tidemill::{Context, NewJob};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::answering::Answering;
use crate::support::{Db, Mill, free_port, job, ok, wait_for};

/// A span as it came, with the name of its service.
#[derive(Debug, Clone)]
struct Span {
    service: String,
    name: String,
    kind: i32,
    trace: String,
    id: String,
    parent: String,
    is_error: bool,
    attributes: HashMap<String, String>,
}

/// A receiver of OTLP over HTTP that is also the URL of a kind.
#[derive(Debug, Clone, Default)]
struct Receiver {
    spans: Arc<Mutex<Vec<Span>>>,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    /// Starts one; answers its address too.
    async fn start() -> (Self, String) {
        let receiver = Self::default();
        let (of_spans, of_calls) = (receiver.clone(), receiver.clone());
        let app =
            Router::new().route("/v1/traces", post(async move |body: Bytes| of_spans.take(&body))).route(
                "/call",
                post(async move |headers: HeaderMap| {
                    let header = headers["traceparent"].to_str().unwrap().to_owned();
                    of_calls.calls.lock().unwrap().push(header);
                    axum::Json(json!({}))
                }),
            );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, app).await });
        (receiver, address)
    }

    fn take(&self, body: &[u8]) {
        for resource in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
            let about = words(&resource.resource.unwrap().attributes);
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.spans.lock().unwrap().extend(spans.map(|span| {
                assert!(
                    span.end_time_unix_nano >= span.start_time_unix_nano && span.start_time_unix_nano > 0
                );
                Span {
                    service: about["service.name"].clone(),
                    name: span.name,
                    kind: span.kind,
                    trace: hex(&span.trace_id),
                    id: hex(&span.span_id),
                    parent: hex(&span.parent_span_id),
                    is_error: span.status.is_some_and(|status| status.code == 2),
                    attributes: words(&span.attributes),
                }
            }));
        }
    }

    /// The spans of a name in a trace, once there are that many.
    async fn named(&self, trace: &str, name: &str, count: usize) -> Vec<Span> {
        wait_for(&format!("{count} of {name} in {trace}"), async || {
            let spans = self.spans.lock().unwrap().clone();
            let found = spans.into_iter().filter(|span| span.trace == trace && span.name == name);
            let found: Vec<_> = found.collect();
            (found.len() == count).then_some(found)
        })
        .await
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn words(attributes: &[KeyValue]) -> HashMap<String, String> {
    let word = |value: &KeyValue| match value.value.clone().unwrap().value.unwrap() {
        Any::StringValue(text) => text,
        Any::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(|one| (one.key.clone(), word(one))).collect()
}

/// A server and a worker that export to a receiver, and a trace that somebody began.
struct Floor {
    db: Db,
    receiver: Receiver,
    server: Answering,
    worker: Answering,
}

impl Floor {
    async fn new() -> Self {
        let db = Db::new().await;
        let (receiver, address) = Receiver::start().await;
        let kinds = format!(
            "[kinds.note]\ncommand = ['sh', '-c', 'echo $TRACEPARENT > new; mv new $TIDEMILL_JOB_ID']\n\
             [kinds.again]\ncommand = ['sh', '-c', 'test $TIDEMILL_ATTEMPT = 2']\nbackoff.first = '0s'\n\
             [kinds.call]\nurl = 'http://{address}/call'\nallow_private = true\n"
        );
        let endpoint = format!("http://{address}");
        let export = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "50")];
        let server = Answering::tidemill(&db, "serve", &kinds, &export).await;
        let named = [&export[..], &[("OTEL_SERVICE_NAME", "mill")]].concat();
        let worker = Answering::tidemill(&db, "worker", &kinds, &named).await;
        Self { db, receiver, server, worker }
    }

    /// Enqueues over HTTP within a span.
    async fn enqueue(&self, within: &TraceParent, body: Value) -> Uuid {
        let header = [("traceparent", &*within.to_string())];
        let answer = self.server.post("/api/v1/jobs", &header, &body).await;
        answer["id"].as_str().unwrap().parse().unwrap()
    }

    /// What the command of a job found in its environment.
    async fn noted(&self, id: Uuid) -> String {
        let path = self.worker.folder.path().join(id.to_string());
        let text = wait_for("the note", async || fs::read_to_string(&path).ok()).await;
        text.trim().to_owned()
    }
}

fn begun(flags: u8) -> (TraceParent, String, String) {
    let trace_id = Uuid::new_v4().as_u128();
    let parent = TraceParent { trace_id, span_id: 7, flags };
    (parent, format!("{trace_id:032x}"), format!("{:016x}", 7))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_goes_from_the_request_through_every_attempt() {
    let floor = Floor::new().await;
    let (within, trace, span) = begun(1);

    let id = floor.enqueue(&within, json!({"kind": "note", "queue": "night"})).await;
    let request = floor.receiver.named(&trace, "POST /api/v1/jobs", 1).await.remove(0);
    assert_eq!((&request.parent, request.kind), (&span, SpanKind::Server as i32));
    assert_eq!((&*request.service, &*request.attributes["http.response.status_code"]), ("tidemill", "202"));
    let run = floor.receiver.named(&trace, "run note", 1).await.remove(0);
    assert_eq!((&run.parent, run.kind, &*run.service), (&request.id, SpanKind::Consumer as i32, "mill"));
    for (name, value) in [
        ("messaging.message.id", &*id.to_string()),
        ("messaging.destination.name", "night"),
        ("tidemill.kind", "note"),
        ("tidemill.attempt", "1"),
        ("tidemill.outcome", "completed"),
    ] {
        assert_eq!(run.attributes[name], value, "{name}");
    }
    assert_eq!(
        floor.noted(id).await,
        format!("00-{trace}-{}-01", run.id),
        "what the command traces continues it"
    );

    floor.enqueue(&within, json!({"kind": "again"})).await;
    let mut runs = floor.receiver.named(&trace, "run again", 2).await;
    runs.sort_by_key(|run| run.attributes["tidemill.attempt"].clone());
    let outcomes: Vec<_> =
        runs.iter().map(|run| (&*run.attributes["tidemill.outcome"], run.is_error)).collect();
    assert_eq!(outcomes, [("retried", true), ("completed", false)]);
    assert!(runs[0].parent == runs[1].parent && runs[0].id != runs[1].id);

    floor.enqueue(&within, json!({"kind": "call"})).await;
    let run = floor.receiver.named(&trace, "run call", 1).await.remove(0);
    assert_eq!(*floor.receiver.calls.lock().unwrap(), [format!("00-{trace}-{}-01", run.id)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_attempts_of_remote_workers_and_their_children_are_in_the_trace() {
    let floor = Floor::new().await;
    let (within, trace, _) = begun(1);
    floor.enqueue(&within, json!({"kind": "remote"})).await;
    let claim = json!({"worker": "w", "kinds": ["remote"], "wait_seconds": 20});
    let mut taken = floor.server.post("/api/v1/worker/claim", &[], &claim).await["jobs"][0].take();
    let path = format!("/api/v1/worker/jobs/{}", taken["id"].as_str().unwrap());
    let lease = taken["lease_id"].take();
    let child = json!({"lease_id": lease, "name": "one", "job": {"kind": "note"}});
    floor.server.post(&format!("{path}/children"), &[], &child).await;
    // A span of the worker's own.
    let own = format!("00-{trace}-00000000000000aa-01");
    let workflow =
        json!({"lease_id": lease, "name": "two", "workflow": {"jobs": [{"name": "a", "kind": "again"}]}});
    floor.server.post(&format!("{path}/children"), &[("traceparent", &own)], &workflow).await;
    floor.server.post(&format!("{path}/complete"), &[], &json!({"lease_id": lease})).await;

    let run = floor.receiver.named(&trace, "run remote", 1).await.remove(0);
    assert_eq!(run.service, "tidemill", "the server that it talks to exports it");
    assert_eq!(taken["traceparent"], format!("00-{trace}-{}-01", run.id));
    assert_eq!(floor.receiver.named(&trace, "run note", 1).await[0].parent, run.id);
    assert_eq!(floor.receiver.named(&trace, "run again", 2).await[0].parent, "00000000000000aa");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_sql_and_of_programs_continue_what_their_metadata_name_and_others_begin_a_trace() {
    let floor = Floor::new().await;
    let (within, trace, span) = begun(1);
    let metadata = json!({"traceparent": within.to_string()});
    floor.db.execute(&format!("select enqueue('note', metadata => '{metadata}')")).await;
    let by_program = NewJob { metadata: metadata.as_object().cloned(), ..job("call") };
    floor.db.enqueue(by_program).await;
    for name in ["run note", "run call"] {
        assert_eq!(floor.receiver.named(&trace, name, 1).await[0].parent, span);
    }

    let alone = floor.db.enqueue(job("note")).await;
    let run = floor.receiver.named(&alone.simple().to_string(), "run note", 1).await.remove(0);
    assert_eq!(run.parent, "");
    assert_eq!(floor.noted(alone).await, format!("00-{}-{}-01", run.trace, run.id));

    // A trace that nobody records is passed on, and not exported.
    let (quiet, silent, _) = begun(0);
    let id = floor.enqueue(&quiet, json!({"kind": "note"})).await;
    let noted = floor.noted(id).await;
    assert!(noted.starts_with(&format!("00-{silent}-")) && noted.ends_with("-00"), "{noted}");
    let last = floor.db.enqueue(job("note")).await;
    floor.receiver.named(&last.simple().to_string(), "run note", 1).await;
    assert!(floor.receiver.spans.lock().unwrap().iter().all(|span| span.trace != silent));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_away_costs_spans_and_no_job() {
    let db = Db::new().await;
    let endpoint = format!("http://127.0.0.1:{}", free_port());
    let export = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "50")];
    let worker = Answering::tidemill(&db, "worker", "[kinds.k]\ncommand = ['true']\n", &export).await;
    let id = db.enqueue(job("k")).await;
    wait_for("its end", async || (db.state(id).await == "completed").then_some(())).await;
    wait_for("the word of it", async || worker.log().contains("ExportError").then_some(())).await;
    let next = db.enqueue(job("k")).await;
    wait_for("the next one's end", async || (db.state(next).await == "completed").then_some(())).await;
}

#[tokio::test]
async fn the_children_of_a_handler_continue_its_attempt() {
    let db = Db::new().await;
    let (within, trace, _) = begun(1);
    let mill = Mill::builder(&db.store)
        .handler("parent", |context: Context| async move {
            let span = context.attempt().traceparent.clone();
            let own = json!({"traceparent": "mine"}).as_object().cloned();
            context.spawn("one", &job("child")).await?;
            context.spawn("two", &NewJob { metadata: own, ..job("other") }).await?;
            ok(Some(json!(span)))
        })
        .start();
    let metadata = json!({"traceparent": within.to_string()}).as_object().cloned();
    let id = db.enqueue(NewJob { metadata, ..job("parent") }).await;
    wait_for("its end", async || (db.state(id).await == "completed").then_some(())).await;
    let span: String = db.scalar(&format!("select result #>> '{{}}' from jobs where id = '{id}'")).await;
    assert!(span.starts_with(&format!("00-{trace}-")), "{span}");
    let of = async |kind: &str| -> String {
        db.scalar(&format!("select metadata ->> 'traceparent' from jobs where kind = '{kind}'")).await
    };
    assert_eq!((of("child").await, of("other").await), (span, "mine".into()), "what a job names stays");
    let untraced = db.enqueue(job("parent")).await;
    wait_for("its end", async || (db.state(untraced).await == "completed").then_some(())).await;
    let found = db.count("jobs where metadata ? 'traceparent'").await;
    assert_eq!(
        found, 4,
        "nothing is traced where nobody traces: parent, child and the two that named their own"
    );
    drop(mill);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_attempt_is_in_the_trace_by_who_takes_the_job_back() {
    let floor = Floor::new().await;
    let (within, trace, _) = begun(1);
    floor.enqueue(&within, json!({"kind": "gone"})).await;
    let claim = json!({"worker": "w", "kinds": ["gone"], "wait_seconds": 20});
    let taken = floor.server.post("/api/v1/worker/claim", &[], &claim).await["jobs"][0].take();
    // Its worker says nothing more.
    floor
        .db
        .execute("update running set seen_at = now() - interval '1 hour', lease_expires_at = now() - interval '1 minute' where kind = 'gone'")
        .await;
    let run = floor.receiver.named(&trace, "run gone", 1).await.remove(0);
    assert_eq!(
        taken["traceparent"],
        format!("00-{trace}-{}-01", run.id),
        "it is the span that the worker was told"
    );
    assert_eq!((run.is_error, &*run.attributes["tidemill.outcome"]), (true, "retried"));
}
