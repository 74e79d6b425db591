//! All that a job may meet in its life, over the API and by a worker, for the tests that take away what makes
//! it quick: here only the outcome counts, and that a cancel comes within seconds.

use std::time::Duration;

use eventsource_stream::Eventsource;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tidemill::api::server::settings::ApiSettings;
use tidemill::{JobError, Options, Store};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api::server::{Server, start, text};
use crate::support::{Db, Mill, ok, wait_for};

const LINES: i64 = 20;

/// Lives it with an API and a worker that know the database of `db` by `options`; `db` itself only looks on.
pub(crate) async fn live(db: &Db, options: Options) {
    let shutdown = CancellationToken::new();
    let api = Store::connect(options.clone()).unwrap();
    let server = start(api, ApiSettings::default(), Vec::new(), shutdown.clone()).await;
    let mill = worker(&Store::connect(options).unwrap());
    let first = counts(&server).await;
    batch(&server).await;
    repeated(&server).await;
    cancelled(&server).await;
    for (kind, events) in [("flaky", &["attempt_failed", "retry"][..]), ("snooze", &["snoozed"])] {
        let job = server.enqueue(json!({ "kind": kind })).await;
        ends(&server, &job["id"], "completed").await;
        assert_eq!(db.event_types(text(&job["id"]).parse().unwrap()).await, events, "{kind}");
    }
    server.act(&format!("/api/v1/jobs/{}/retry", text(&first))).await.expect(200);
    let again = ends(&server, &first, "completed").await;
    assert_eq!(again["attempt"], 2);
    let events = db.event_types(text(&first).parse().unwrap()).await;
    assert_eq!(i64::try_from(events.len()).unwrap(), 2 * LINES + 1, "{events:?}");
    remote(&server).await;
    let found = server.get("/api/v1/jobs?state=completed&kind=count").await.expect(200);
    assert_eq!(found["items"].as_array().unwrap().len(), 5, "{found}");
    mill.stop().await;
    shutdown.cancel();
    db.check_invariants().await;
}

fn worker(store: &Store) -> Mill {
    Mill::builder(store)
        .handler("count", |context| async move {
            for n in 1..LINES {
                context.log(&format!("line {n}")).await;
            }
            context.progress(50.0, "half").await;
            ok(context.args().clone())
        })
        .handler("wait", |context| async move {
            context.log("waiting").await;
            context.stopped().await;
            Err(JobError::retry("asked to stop"))
        })
        .handler("flaky", |context| async move {
            if context.attempt().attempt == 1 { Err(JobError::retry("not yet")) } else { ok(None) }
        })
        .handler("snooze", {
            let slept = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
            move |_| {
                let slept = slept.swap(true, std::sync::atomic::Ordering::SeqCst);
                async move { if slept { ok(None) } else { Err(JobError::snooze(Duration::from_millis(50))) } }
            }
        })
        .start()
}

/// Follows a job from its enqueue to its end: every event once and in order.
async fn counts(server: &Server) -> Value {
    let job = server.enqueue(json!({"kind": "count", "args": {"n": 7}})).await;
    let frames = follow(server, &job["id"], |_| false).await;
    let end = frames.last().unwrap();
    assert_eq!((end.0.as_str(), &end.1["result"]), ("completed", &json!({"n": 7})));
    let seen: Vec<i64> =
        frames.iter().filter(|(kind, _)| kind == "log" || kind == "progress").map(seq).collect();
    let from = frames.iter().find(|(kind, _)| kind == "snapshot").map_or(0, seq);
    assert_eq!(seen, (from + 1..=LINES).collect::<Vec<_>>());
    job["id"].clone()
}

async fn batch(server: &Server) {
    let items = json!([{"kind": "count"}, {"kind": "not a kind"}, {"kind": "count"}]);
    let answer = server.post("/api/v1/jobs/batch", items).await.expect(202);
    let states: Vec<_> = (0..3).map(|n| text(&answer["results"][n]["status"])).collect();
    assert_eq!(states, ["created", "refused", "created"]);
    for n in [0, 2] {
        ends(server, &answer["results"][n]["job"]["id"], "completed").await;
    }
}

async fn repeated(server: &Server) {
    for (path, body) in [
        ("/api/v1/jobs", json!({"kind": "count"})),
        ("/api/v1/jobs/batch", json!([{"kind": "count", "execution_id": "once"}])),
    ] {
        let first = server.keyed(path, path, body.clone()).await.expect(202);
        let second = server.keyed(path, path, body).await;
        assert_eq!(second.headers["idempotency-replayed"], "true");
        assert_eq!(second.expect(202), first);
    }
    let taken = json!([{"kind": "count", "execution_id": "once"}]);
    let answer = server.post("/api/v1/jobs/batch", taken).await.expect(202);
    assert_eq!(answer["results"][0]["status"], "existing");
    ends(server, &answer["results"][0]["job"]["id"], "completed").await;
}

async fn cancelled(server: &Server) {
    let job = server.enqueue(json!({"kind": "wait"})).await;
    follow(server, &job["id"], |(kind, data)| kind == "log" || data["last_seq"] == 1).await;
    let began = Instant::now();
    server.act(&format!("/api/v1/jobs/{}/cancel", text(&job["id"]))).await.expect(202);
    ends(server, &job["id"], "cancelled").await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

/// A remote worker claims, reports and completes.
async fn remote(server: &Server) {
    for _ in 0..2 {
        server.enqueue(json!({"kind": "remote", "queue": "far"})).await;
    }
    let body = json!({"worker": "w", "kinds": ["remote"], "queues": ["far"], "max": 1, "wait_seconds": 5});
    let keyed = server.keyed("/api/v1/worker/claim", "claim", body.clone()).await.expect(200);
    let again = server.keyed("/api/v1/worker/claim", "claim", body.clone()).await.expect(200);
    assert_eq!(keyed, again);
    let plain = server.post("/api/v1/worker/claim", body).await.expect(200);
    for job in [&keyed["jobs"][0], &plain["jobs"][0]] {
        server.word(job, "log", json!({"lines": ["far away"]})).await.expect(200);
        server.word(job, "complete", json!({"result": {"n": 1}})).await.expect(200);
        ends(server, &job["id"], "completed").await;
    }
}

type Frame = (String, Value);

fn seq(frame: &Frame) -> i64 {
    frame.1["seq"].as_i64().or_else(|| frame.1["last_seq"].as_i64()).unwrap_or_default()
}

/// Reads a job's stream until its end, or until `enough` is true.
async fn follow(server: &Server, id: &Value, enough: impl Fn(&Frame) -> bool) -> Vec<Frame> {
    let path = format!("/api/v1/jobs/{}/events", text(id));
    let request = server.request(reqwest::Method::GET, &path).header("Accept", "text/event-stream");
    let mut stream = Box::pin(request.send().await.unwrap().bytes_stream().eventsource());
    let mut frames = Vec::new();
    while let Some(frame) = stream.next().await {
        let frame = frame.unwrap();
        let Ok(data) = serde_json::from_str(&frame.data) else { continue };
        let frame = (frame.event, data);
        let over = enough(&frame) || ["completed", "failed", "cancelled"].contains(&frame.0.as_str());
        frames.push(frame);
        if over {
            return frames;
        }
    }
    panic!("the stream ended early: {frames:?}");
}

async fn ends(server: &Server, id: &Value, state: &str) -> Value {
    wait_for(&format!("the job is {state}"), || async {
        let job = server.job(id).await;
        (job["state"] == state).then_some(job)
    })
    .await
}
