//! A remote worker in Rust: it needs the URL of a server and a key, and neither this library nor Postgres. It claims jobs, runs
//! each in a task of its own, keeps the leases alive, and sends each end until it is answered. Must send nothing more for a lease
//! that is lost. Its kinds are those of `tidemill conformance`.
//!
//! `TIDEMILL_URL=http://127.0.0.1:8080 TIDEMILL_KEY=tm_… cargo run --example remote_worker`

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use uuid::Uuid;

const KINDS: [&str; 5] =
    ["conformance.echo", "conformance.fail", "conformance.flaky", "conformance.report", "conformance.slow"];
const BEAT: Duration = Duration::from_millis(700);
const PAUSE: Duration = Duration::from_millis(300);
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// Why an attempt has to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stop {
    /// A cancel or a soft timeout: it ends without a result.
    Asked,
    Shutdown,
    /// Its hard timeout passed: the server takes the job back a little later.
    Late,
    Lost,
}

/// The leases that this worker holds, each with the handle that stops its attempt.
type Held = Arc<Mutex<HashMap<String, watch::Sender<Option<Stop>>>>>;

/// The server, and this worker's name.
#[derive(Clone)]
struct Api {
    http: Client,
    url: String,
    key: String,
    name: String,
}

impl Api {
    /// One try; without an answer, or with one that asks to come again, the pause before the next.
    async fn once(
        &self,
        path: &str,
        body: &Value,
        key: Option<&str>,
    ) -> Result<(StatusCode, Value), Duration> {
        let request = self.http.post(format!("{}/api/v1/worker/{path}", self.url)).bearer_auth(&self.key);
        let request = key.iter().fold(request, |request, key| request.header("Idempotency-Key", *key));
        let response = request.json(body).send().await.map_err(|_| PAUSE)?;
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            let retry_after =
                response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            return Err(retry_after.map_or(PAUSE, Duration::from_secs));
        }
        Ok((status, response.json().await.map_err(|_| PAUSE)?))
    }

    /// The same request until it is answered.
    async fn post(&self, path: &str, body: &Value, key: Option<&str>) -> (StatusCode, Value) {
        loop {
            match self.once(path, body, key).await {
                Ok(answer) => return answer,
                Err(pause) => sleep(pause).await,
            }
        }
    }
}

/// One claimed job.
struct Attempt {
    api: Api,
    job: Value,
    stop: watch::Receiver<Option<Stop>>,
    late_at: watch::Sender<Instant>,
}

/// How the work ends that nobody stopped.
enum Done {
    Result(Value),
    Failed { message: String, permanent: bool },
}

impl Attempt {
    /// Says something about the attempt; false if its lease is lost.
    async fn say(&self, verb: &str, mut body: Value, key: Option<&str>) -> bool {
        body["lease_id"] = self.job["lease_id"].clone();
        let path = format!("jobs/{}/{verb}", self.job["id"].as_str().unwrap_or_default());
        let (status, answer) = self.api.post(&path, &body, key).await;
        if status.is_client_error() {
            eprintln!("{verb} was refused: {answer}");
        }
        status != StatusCode::CONFLICT
    }

    /// A report has a key, so that it is stored once however often it is sent.
    async fn report(&self, verb: &str, body: Value) -> Result<(), Stop> {
        let key = Uuid::new_v4().to_string();
        if self.say(verb, body, Some(&key)).await { Ok(()) } else { Err(Stop::Lost) }
    }

    /// What the kinds do.
    async fn work(&self) -> Result<Done, Stop> {
        let args = &self.job["args"];
        Ok(match self.job["kind"].as_str().unwrap_or_default() {
            "conformance.fail" => Done::Failed {
                message: args["message"].as_str().unwrap_or_default().to_owned(),
                permanent: args["permanent"] == true,
            },
            "conformance.flaky" if self.job["attempt"].as_u64() <= args["failures"].as_u64() => {
                Done::Failed { message: "not yet".into(), permanent: false }
            }
            "conformance.flaky" => Done::Result(json!({ "attempt": self.job["attempt"] })),
            "conformance.report" => {
                let (lines, percents) = (args["lines"].as_array(), args["percents"].as_array());
                let pairs: Vec<_> = lines.into_iter().flatten().zip(percents.into_iter().flatten()).collect();
                for (line, percent) in &pairs {
                    self.report("log", json!({ "lines": [line] })).await?;
                    self.report("progress", json!({ "percent": percent })).await?;
                }
                Done::Result(json!({ "reported": pairs.len() }))
            }
            "conformance.slow" => {
                let seconds = args["seconds"].as_f64().unwrap_or_default();
                let every = args["every"].as_f64();
                if let Some(by) = args["extend"].as_f64() {
                    self.report("extend", json!({ "by": by })).await?;
                    self.late_at.send_modify(|at| *at += Duration::from_secs_f64(by));
                }
                let mut left = seconds;
                while left > 0.0 {
                    let next = every.unwrap_or(left).min(left);
                    sleep(Duration::from_secs_f64(next)).await;
                    left -= next;
                    if every.is_some() {
                        self.report("log", json!({ "lines": ["tick"] })).await?;
                    }
                }
                Done::Result(json!({ "slept": args["seconds"] }))
            }
            _ => Done::Result(args.clone()),
        })
    }

    /// Runs the job and sends its end.
    async fn run(self) {
        let mut stop = self.stop.clone();
        let stopped = async {
            stop.wait_for(Option::is_some).await.map_or(Stop::Lost, |stop| stop.unwrap_or(Stop::Lost))
        };
        let done = tokio::select! {
            done = self.work() => done,
            why = stopped => Err(why),
            () = late(self.late_at.subscribe()) => Err(Stop::Late),
        };
        let (verb, body) = match done {
            Ok(Done::Result(result)) => ("complete", json!({ "result": result })),
            Ok(Done::Failed { message, permanent }) => {
                ("fail", json!({ "error": { "message": message }, "permanent": permanent }))
            }
            // Without a result the server takes it for the stop that was asked for.
            Err(Stop::Asked) => ("complete", json!({})),
            Err(Stop::Late) => {
                let error = json!({ "type": "timeout", "message": "its hard timeout passed" });
                ("fail", json!({ "error": error }))
            }
            Err(Stop::Shutdown) => ("snooze", json!({ "delay": 0 })),
            Err(Stop::Lost) => return,
        };
        tokio::select! {
            _ = self.say(verb, body, None) => {}
            // Another worker may run the job: nothing more is said of it.
            () = lost(self.stop.clone()) => {}
        }
    }
}

/// Waits until the hard timeout passes, which may come later than it once did.
async fn late(mut late_at: watch::Receiver<Instant>) {
    loop {
        let at = *late_at.borrow_and_update();
        tokio::select! {
            () = sleep_until(at) => return,
            changed = late_at.changed() => if changed.is_err() {
                return sleep_until(at).await;
            },
        }
    }
}

/// Waits until the lease is lost.
async fn lost(mut stop: watch::Receiver<Option<Stop>>) {
    if stop.wait_for(|stop| *stop == Some(Stop::Lost)).await.is_err() {
        std::future::pending().await
    }
}

/// Renews the leases and passes the answer on to their attempts.
async fn beat(api: Api, held: Held) {
    loop {
        sleep(BEAT).await;
        let leases: Vec<String> = held.lock().unwrap().keys().cloned().collect();
        if leases.is_empty() {
            continue;
        }
        let body = json!({ "worker": api.name, "leases": leases });
        // One try: the next heartbeat says the same.
        let Ok((StatusCode::OK, answer)) = api.once("heartbeat", &body, None).await else { continue };
        for (word, stop) in [("cancel", Stop::Asked), ("soft_timeout", Stop::Asked), ("lost", Stop::Lost)] {
            for lease in answer[word].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if let Some(attempt) = held.lock().unwrap().get(lease) {
                    attempt.send_replace(Some(stop));
                }
            }
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // It fails if there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?;
    let (url, key) = (std::env::var("TIDEMILL_URL")?, std::env::var("TIDEMILL_KEY").unwrap_or_default());
    let api = Api { http, url, key, name: format!("rust-{}", std::process::id()) };
    let held = Held::default();
    tokio::spawn(beat(api.clone(), Arc::clone(&held)));
    let mut terminated = signal(SignalKind::terminate())?;
    let mut attempts = JoinSet::new();
    let mut leaves = false;
    while !leaves {
        let body = json!({ "worker": api.name, "kinds": KINDS, "max": 4, "wait_seconds": 20 });
        let key = Uuid::new_v4().to_string();
        let claim = api.post("claim", &body, Some(&key));
        tokio::pin!(claim);
        let answered = tokio::select! {
            answer = &mut claim => Some(answer),
            _ = terminated.recv() => {
                leaves = true;
                // What the server handed out already is not to wait for the end of its lease.
                timeout(LAST_ANSWER, claim).await.ok()
            }
        };
        let Some((status, answer)) = answered else { break };
        for job in answer["jobs"].as_array().cloned().unwrap_or_default() {
            let lease = job["lease_id"].as_str().unwrap_or_default().to_owned();
            let (sender, stop) = watch::channel(None);
            held.lock().unwrap().insert(lease.clone(), sender);
            let hard = job["hard_timeout_seconds"].as_f64().unwrap_or(86_400.0);
            let late_at = watch::Sender::new(Instant::now() + Duration::from_secs_f64(hard));
            let (attempt, held) = (Attempt { api: api.clone(), job, stop, late_at }, Arc::clone(&held));
            attempts.spawn(async move {
                attempt.run().await;
                held.lock().unwrap().remove(&lease);
            });
        }
        if !leaves && (!status.is_success() || answer["drain"] == true) {
            leaves = timeout(PAUSE * 4, terminated.recv()).await.is_ok();
        }
    }
    for attempt in held.lock().unwrap().values() {
        attempt.send_replace(Some(Stop::Shutdown));
    }
    while attempts.join_next().await.is_some() {}
    Ok(())
}
