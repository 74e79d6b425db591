//! A background task manager in one process: an embedded Postgres, a worker, and whatever else a deployment on
//! many machines has, with the same code. Runs through what it can do, checks each result, and ends.
//!
//! `cargo run --example task_manager`

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::Sha256;
use tidemill::embedded::{EmbeddedPostgres, Settings};
use tidemill::job::priority;
use tidemill::maintenance;
use tidemill::maintenance::MaintenanceSettings;
use tidemill::outbound::{ChannelSettings, Channels};
use tidemill::store::db::notifier::Notifier;
use tidemill::store::jobs::enqueue::{InsertOutcome, enqueue};
use tidemill::store::stats::Window;
use tidemill::{
    Context, Handler, JobError, NewJob, NewSchedule, Options, Shutdown, Store, Times, Worker, WorkerSettings,
    Workflow, enqueue_in, enqueue_when_space, migrate,
};
use tidemill_bin::config::{Config, Sources};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const SECRET: &str = "a secret of both sides";
const SETTINGS: &str = r#"
worker: { slots: 4, shutdown_timeout: 1s }
queues:
  bursts: { slots: 0, max_queued: 2 }
  single: { slots: 1 }
alerting: { every: 200ms, allow_private: true }
alerts:
  errors: { condition: error_rate, kind: unreliable, above: 0.1, over: 15m, hold: 0s }
"#;

/// Adds two numbers.
struct Calculation;

#[derive(Deserialize)]
struct Pair {
    x: f64,
    y: f64,
}

impl Handler for Calculation {
    const KIND: &'static str = "calculation";
    type Args = Pair;
    type Output = f64;

    async fn run(&self, _: Context, pair: Pair) -> Result<f64, JobError> {
        Ok(pair.x + pair.y)
    }
}

/// Works at the third attempt.
struct Unreliable;

impl Handler for Unreliable {
    const KIND: &'static str = "unreliable";
    type Args = Value;
    type Output = i32;

    async fn run(&self, context: Context, _: Value) -> Result<i32, JobError> {
        match context.attempt().attempt {
            attempt @ 1..3 => {
                let delay = Duration::from_millis(50);
                Err(JobError::retry_after(delay, format!("attempt {attempt} found nobody")).class("away"))
            }
            attempt => Ok(attempt),
        }
    }
}

/// Goes on until somebody stops it.
struct Endless;

impl Handler for Endless {
    const KIND: &'static str = "endless";
    type Args = Value;
    type Output = ();

    async fn run(&self, context: Context, _: Value) -> Result<(), JobError> {
        context.progress(1.0, "on the way").await;
        let reason = context.stopped().await;
        Err(JobError::retry(format!("stopped: {reason}")))
    }
}

/// One phase of a request to an orchestrator.
struct Phase;

impl Handler for Phase {
    const KIND: &'static str = "phase";
    type Args = Value;
    type Output = Value;

    async fn run(&self, context: Context, args: Value) -> Result<Value, JobError> {
        context.progress(50.0, args["does"].as_str().unwrap_or_default()).await;
        Ok(json!({ "did": args["does"], "on": args["before"]["did"] }))
    }
}

/// What all steps share.
struct Manager {
    store: Store,
}

impl Manager {
    async fn submit(&self, job: NewJob) -> Outcome<Uuid> {
        Ok(enqueue_in(self.store.pool(), &self.store, &job).await?)
    }

    async fn status(&self, id: Uuid) -> Outcome<String> {
        Ok(self.store.find_job(id).await?.ok_or("no such job")?.status)
    }

    /// Waits for a status; answers the result.
    async fn until(&self, id: Uuid, status: &str) -> Outcome<Option<Value>> {
        for _ in 0..3_000 {
            let job = self.store.find_job(id).await?.ok_or("no such job")?;
            if job.status == status {
                return Ok(job.result);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(format!("job {id} is {} and not {status}", self.status(id).await?).into())
    }
}

/// A job of a kind with args.
fn job(kind: &str, args: Value) -> NewJob {
    NewJob::new(kind, if let Value::Object(args) = args { args } else { Map::new() })
}

fn check(what: &str, holds: bool) -> Outcome {
    println!("{} {what}", if holds { "ok  " } else { "FAIL" });
    if holds { Ok(()) } else { Err(format!("{what}: that is not so").into()) }
}

/// Name, priority, retries, timeout; status, result, cancel.
async fn submits(manager: &Manager) -> Outcome {
    let new_job = NewJob {
        execution_id: Some("sum of the day".into()),
        priority: Some(priority::HIGH),
        max_attempts: Some(4),
        hard_timeout: Some(Duration::from_secs(30)),
        ..job("calculation", json!({"x": 10, "y": 20}))
    };
    let id = manager.submit(new_job).await?;
    check(
        "a task is submitted and gives its result",
        manager.until(id, "completed").await? == Some(json!(30.0)),
    )?;
    let named = manager.store.job_id_of("sum of the day").await?;
    check("it is found by its name", named == Some(id))?;
    let retried = manager.submit(NewJob { max_attempts: Some(4), ..job("unreliable", json!({})) }).await?;
    check("a task that fails is retried", manager.until(retried, "completed").await? == Some(json!(3)))?;
    let endless = manager.submit(job("endless", json!({}))).await?;
    manager.until(endless, "running").await?;
    manager.store.cancel(endless, Some("enough"), "demo").await?;
    manager.until(endless, "cancelled").await?;
    check("a running task is cancelled", manager.status(endless).await? == "cancelled")
}

/// What is urgent goes first, and what takes too long is ended.
async fn orders(manager: &Manager) -> Outcome {
    let in_line = |kind: &str, priority: i16| NewJob {
        queue: Some("single".into()),
        priority: Some(priority),
        ..job(kind, json!({"x": 1, "y": 1}))
    };
    let first = manager.submit(in_line("endless", priority::NORMAL)).await?;
    manager.until(first, "running").await?;
    let mut waiting = Vec::new();
    for priority in [priority::LOW, priority::NORMAL, priority::CRITICAL, priority::HIGH] {
        waiting.push(manager.submit(in_line("calculation", priority)).await?);
    }
    manager.store.cancel(first, None, "demo").await?;
    let mut began = Vec::new();
    for id in waiting {
        manager.until(id, "completed").await?;
        let job = manager.store.find_job(id).await?.ok_or("no such job")?;
        began.push((job.started_at, job.priority));
    }
    began.sort();
    let order: Vec<_> = began.into_iter().map(|(_, priority)| priority).collect();
    check(
        "the most urgent goes first",
        order == [priority::CRITICAL, priority::HIGH, priority::NORMAL, priority::LOW],
    )?;
    let hung = NewJob {
        hard_timeout: Some(Duration::from_millis(300)),
        max_attempts: Some(1),
        ..job("endless", json!({}))
    };
    let hung = manager.submit(hung).await?;
    manager.until(hung, "failed").await?;
    let error = manager.store.find_job(hung).await?.and_then(|job| job.error).unwrap_or_default();
    check("a task that takes too long is ended", error["type"] == "timeout")
}

/// Once at a time, and at an interval.
async fn schedules(manager: &Manager) -> Outcome {
    let run_at = Some(chrono::Utc::now() + chrono::TimeDelta::milliseconds(700));
    let once = manager.submit(NewJob { run_at, ..job("calculation", json!({"x": 5, "y": 10})) }).await?;
    check("a task waits for its time", manager.status(once).await? == "scheduled")?;
    let often = NewSchedule {
        name: "often".into(),
        times: Times {
            cron: None,
            every: Some(chrono::TimeDelta::seconds(1)),
            at: None,
            timezone: "UTC".into(),
        },
        job: json!({"kind": "calculation", "args": {"x": 15, "y": 25}, "tags": ["often"]}),
        missed: "one".into(),
        missed_limit: 10,
        overlap: "allow".into(),
        jitter_seconds: 0.0,
        paused_by: None,
    };
    manager.store.put_schedule(&often, "api", None).await?;
    check("and runs then", manager.until(once, "completed").await? == Some(json!(15.0)))?;
    let jobs = loop {
        let slots = manager.store.schedule_slots("often", 10).await?;
        let jobs: Vec<_> = slots.iter().filter_map(|slot| slot.job_id).collect();
        if jobs.len() >= 2 {
            break jobs;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let mut sums = Vec::new();
    for id in &jobs {
        sums.push(manager.until(*id, "completed").await?);
    }
    check("a schedule runs its task again and again", sums.iter().all(|sum| *sum == Some(json!(40.0))))?;
    check("and is deleted", manager.store.delete_schedule("often").await?)
}

/// A queue that takes two.
async fn bounds(manager: &Manager) -> Outcome {
    let burst = || NewJob { queue: Some("bursts".into()), ..job("calculation", json!({"x": 0, "y": 0})) };
    let jobs = manager.store.prepare_each(&[burst(), burst(), burst()])?;
    let made = enqueue(manager.store.pool(), &jobs, false).await?;
    let outcomes: Vec<_> = made.iter().map(|made| made.outcome).collect();
    check(
        "a bounded queue refuses what is too much",
        outcomes == [InsertOutcome::Created, InsertOutcome::Created, InsertOutcome::QueueFull],
    )?;
    let store = manager.store.clone();
    let blocked = tokio::spawn(async move { enqueue_when_space(&store, &burst()).await });
    manager.store.cancel(made[0].id, None, "demo").await?;
    let id = blocked.await??;
    check("or the caller waits for room", manager.status(id).await? == "available")
}

/// The phases of a request, each with its own status.
async fn orchestrates(manager: &Manager) -> Outcome {
    let phase = |does: &str| job("phase", json!({"does": does}));
    let request = Workflow::new("Develop a web API with authentication")
        .job("plan", phase("plan"))
        .job("design", phase("design"))
        .after_as("plan", "before")
        .job("code", phase("code"))
        .after_as("design", "before")
        .job("tests", phase("tests"))
        .after_as("design", "before")
        .job("deploy", phase("deploy"))
        .after_as("code", "before")
        .after("tests");
    let id = manager.store.create_workflow(&request).await?;
    let phases = manager.store.workflow_members(id).await?;
    let names: Vec<_> = phases.iter().map(|phase| phase.name.as_str()).collect();
    check("a request has its phases at once", names == ["plan", "design", "code", "tests", "deploy"])?;
    manager.until(id, "completed").await?;
    let phases = manager.store.workflow_members(id).await?;
    check("each with a status of its own", phases.iter().all(|phase| phase.status == "completed"))?;
    let deployed = manager.store.find_job(phases[4].id).await?.and_then(|job| job.result);
    check("and hands on its result", deployed == Some(json!({"did": "deploy", "on": "code"})))
}

/// Metrics of tasks and of the system, and an alert that calls back.
async fn monitors(manager: &Manager) -> Outcome {
    let hour = Window::of(Duration::from_hours(1));
    let kinds = manager.store.kind_counts(&hour).await?;
    let unreliable = kinds.iter().find(|kind| kind.kind == "unreliable").ok_or("nothing was counted")?;
    let counts = &unreliable.counts;
    check(
        "attempts are counted by kind",
        (counts.executions, counts.completed, counts.retried) == (3, 1, 2),
    )?;
    let all = manager.store.counts(&hour).await?;
    check(
        "and summed up over a window",
        all.executions > 10 && all.most_run_seconds >= all.least_run_seconds,
    )?;
    let trend = manager.store.trend(&Window { kind: Some("calculation"), ..hour }).await?;
    check("and shown over time", !trend.is_empty())?;
    let export = serde_json::to_string(&manager.store.export_counts(&hour, 1_000).await?)?;
    check("and exported", export.contains("\"kind\":\"phase\""))?;
    let workers = manager.store.workers().await?;
    check("the workers are seen", workers.iter().any(|worker| worker.state == "running"))?;
    for _ in 0..1_000 {
        let alerts = manager.store.alerts(true, Some("errors"), 10).await?;
        if alerts.iter().any(|alert| alert.state == "firing" && alert.undelivered == 0) {
            return check("an alert is reported", alerts.len() == 1);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err("no receiver got an alert".into())
}

/// YAML in the working folder, and the environment over it.
fn configure(folder: &Path, hook: &str) -> Outcome<Config> {
    std::fs::write(folder.join("tidemill.yaml"), SETTINGS)?;
    let environment = vec![
        ("TIDEMILL_ALERTS__ERRORS__WEBHOOK".to_owned(), hook.to_owned()),
        ("TIDEMILL_ALERTING__SECRET".to_owned(), SECRET.to_owned()),
        ("TIDEMILL_WORKER__NAME".to_owned(), "demo".to_owned()),
    ];
    let sources = Sources {
        folder: folder.to_owned(),
        file: None,
        environment,
        flags: Vec::new(),
        extensions: tidemill_bin::extensions(),
    };
    let config = Config::load(&sources)?;
    check("the settings are found and understood", config.worker.name.as_deref() == Some("demo"))?;
    Ok(config)
}

/// Somebody who wants to hear of alerts, from who knows the secret; answers its address.
async fn receiver(calls: Arc<Mutex<Vec<Value>>>) -> Outcome<String> {
    async fn keep(
        State(calls): State<Arc<Mutex<Vec<Value>>>>,
        headers: HeaderMap,
        body: String,
    ) -> StatusCode {
        let (true, Ok(call), Ok(mut calls)) =
            (is_signed(&headers, &body), serde_json::from_str(&body), calls.lock())
        else {
            return StatusCode::FORBIDDEN;
        };
        calls.push(call);
        StatusCode::NO_CONTENT
    }
    let app = Router::new().route("/", post(keep)).with_state(calls);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(format!("http://{address}/"))
}

/// Whether a call is signed with the secret, as Standard Webhooks says.
fn is_signed(headers: &HeaderMap, body: &str) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let given = header("webhook-signature").strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()) else { return false };
    mac.update(format!("{}.{}.{body}", header("webhook-id"), header("webhook-timestamp")).as_bytes());
    given.is_some_and(|given| mac.verify_slice(&given).is_ok())
}

/// Starts everything on a database, goes through all steps, and shuts down.
async fn manage(config: &Config, url: &str, calls: Arc<Mutex<Vec<Value>>>) -> Outcome {
    let options = Options::new(url);
    migrate(&options).await?;
    let store = Store::connect(options)?;
    for (name, queue) in &config.queues {
        store.set_max_queued(name, queue.max_queued.map(u32::cast_signed)).await?;
    }
    for (name, rule) in &config.alerts {
        store.set_alert(name, rule, Some("task-manager")).await?;
    }
    let helpers = CancellationToken::new();
    let channels = Channels::new(&ChannelSettings {
        secret: config.alerting.secret.as_ref().map(|secret| secret.0.clone()),
        allow_private: config.alerting.allow_private,
        ..ChannelSettings::default()
    })?;
    let tasks = MaintenanceSettings {
        alerts: config.alerting.every,
        channels: Some(Arc::new(channels)),
        ..MaintenanceSettings::default()
    };
    let wakes = store.listen(helpers.clone());
    let keeping =
        maintenance::run(store.clone(), Notifier::default(), Arc::default(), wakes, tasks, helpers.clone());
    let keeping = tokio::spawn(keeping);
    let shutdown = Shutdown::default();
    let worker = Worker::builder(store.clone())
        .settings(WorkerSettings {
            name: config.worker.name.clone().unwrap_or_default(),
            queues: ["default", "single"].map(|name| (name.into(), config.slots_of(name) as usize)).into(),
            shutdown_timeout: config.worker.shutdown_timeout,
            ..WorkerSettings::default()
        })
        .handler(Calculation)
        .handler(Unreliable)
        .handler(Endless)
        .handler(Phase)
        .build();
    let working = tokio::spawn(worker.run(shutdown.clone()));

    let manager = Manager { store };
    submits(&manager).await?;
    orders(&manager).await?;
    schedules(&manager).await?;
    bounds(&manager).await?;
    orchestrates(&manager).await?;
    monitors(&manager).await?;

    let endless = manager.submit(job("endless", json!({}))).await?;
    manager.until(endless, "running").await?;
    shutdown.graceful.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(10), working).await;
    check("the worker ends within its deadline", ended.is_ok())?;
    ended???;
    let kept = manager.status(endless).await?;
    check("and what it did not finish waits for the next one", kept == "available" || kept == "retrying")?;
    helpers.cancel();
    keeping.await?;
    // No process delivers any more.
    let calls = calls.lock().map_err(|_| "a receiver broke")?.clone();
    let called = calls.iter().map(|call| (&call["type"], &call["alert"]["subject"])).collect::<Vec<_>>();
    check("an alert calls back, once", called == [(&json!("alert.fired"), &json!("kind:unreliable"))])
}

/// Runs the demo.
///
/// # Errors
/// The first thing that was not as it should be.
pub async fn run() -> Outcome {
    let folder = tempfile::tempdir()?;
    let calls = Arc::new(Mutex::new(Vec::new()));
    let config = configure(folder.path(), &receiver(calls.clone()).await?)?;
    let postgres = EmbeddedPostgres::start(Settings::new(folder.path().join("data"))).await?;
    let managed = manage(&config, postgres.url(), calls).await;
    postgres.stop().await?;
    managed
}

#[tokio::main]
async fn main() -> Outcome {
    run().await
}
