//! Clients that enqueue at a steady pace, each request under an idempotency key, and repeat a request until its
//! answer is definite. What was answered with 202 is acknowledged; nothing else is.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::ledger::uptime;
use crate::workflows;

const CLIENTS: usize = 10;
/// Further ones, that enqueue workflows.
const WORKFLOW_CLIENTS: usize = 2;
/// Of each client; in all 50 jobs a second.
const PAUSE: Duration = Duration::from_millis(200);
/// Of each of those.
const WORKFLOW_PAUSE: Duration = Duration::from_millis(500);
/// Every so many-th job of a client is a slow one.
const SLOW_EVERY: usize = 10;
/// At most so many jobs of one client.
const MOST: usize = 1_500;
const TIMEOUT: Duration = Duration::from_mins(3);

#[derive(Debug, Clone)]
pub struct Acknowledged {
    pub key: String,
    pub job: Uuid,
    pub at: f64,
}

/// A workflow, with the keys of the jobs that it must have.
#[derive(Debug, Clone)]
pub struct AcknowledgedWorkflow {
    pub id: Uuid,
    pub keys: Vec<String>,
}

/// What clients saw.
#[derive(Debug, Default, Clone)]
pub struct Sent {
    pub keys: BTreeSet<String>,
    pub acknowledged: Vec<Acknowledged>,
    pub workflows: Vec<AcknowledgedWorkflow>,
    /// Answers that left open whether the job is stored: cut connections, time-outs, 5xx.
    pub indeterminate: usize,
    /// Answers that say that they were given before.
    pub replayed: usize,
    /// What no client may ever see.
    pub refused: Vec<String>,
}

pub struct Load {
    sent: Arc<Mutex<Sent>>,
    stop: CancellationToken,
    clients: JoinSet<()>,
}

impl Load {
    /// Starts the clients; the ids of slow jobs go to `slow_jobs`.
    pub fn start(url: &str, slow_jobs: &UnboundedSender<Uuid>) -> Self {
        let (sent, stop) = (Arc::<Mutex<Sent>>::default(), CancellationToken::new());
        let mut clients = JoinSet::new();
        let client = || Client {
            http: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap(),
            url: format!("{url}/api/v1"),
            sent: Arc::clone(&sent),
        };
        for number in 0..CLIENTS {
            clients.spawn(client().run(number, slow_jobs.clone(), stop.clone()));
        }
        for number in 0..WORKFLOW_CLIENTS {
            clients.spawn(client().run_workflows(number, stop.clone()));
        }
        Self { sent, stop, clients }
    }

    /// Waits until so many more jobs are acknowledged.
    pub async fn acknowledges(&self, more: usize) {
        let count = || self.sent.lock().unwrap().acknowledged.len();
        let (goal, deadline) = (count() + more, Instant::now() + TIMEOUT);
        while count() < goal {
            assert!(
                Instant::now() < deadline,
                "clients do not get through: {:?}",
                self.sent.lock().unwrap().refused
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Lets every client finish what it sent.
    pub async fn stop(self) -> Sent {
        self.stop.cancel();
        self.clients.join_all().await;
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}

struct Client {
    http: reqwest::Client,
    url: String,
    sent: Arc<Mutex<Sent>>,
}

impl Client {
    async fn run(self, number: usize, slow_jobs: UnboundedSender<Uuid>, stop: CancellationToken) {
        let mut pace = tokio::time::interval(PAUSE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for nth in 0..MOST {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = pace.tick() => {}
            }
            let is_slow = (nth + number).is_multiple_of(SLOW_EVERY);
            let key = format!("client {number} request {nth}");
            self.sent.lock().unwrap().keys.insert(key.clone());
            let job = self.enqueue(is_slow, (!is_slow && nth % 2 == 0).then_some(nth % 3), &key).await;
            if let (true, Some(job)) = (is_slow, job) {
                // Two readers follow some of them.
                let copies = if nth % 3 == 0 { 2 } else { 1 };
                for _ in 0..copies {
                    let _ = slow_jobs.send(job);
                }
            }
        }
    }

    /// Enqueues chains and fan-ins in turns.
    async fn run_workflows(self, number: usize, stop: CancellationToken) {
        let mut pace = tokio::time::interval(WORKFLOW_PAUSE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for nth in 0..MOST {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = pace.tick() => {}
            }
            let key = format!("client {number} workflow {nth}");
            let (body, keys) = if nth % 2 == 0 { workflows::chain(&key) } else { workflows::fan_in(&key) };
            self.sent.lock().unwrap().keys.extend(keys.iter().cloned());
            if let Some(id) = self.insist("workflows", &body, &key).await {
                self.sent.lock().unwrap().workflows.push(AcknowledgedWorkflow { id, keys });
            }
        }
    }

    /// Slow jobs and those of a line count for a limit.
    async fn enqueue(&self, is_slow: bool, line: Option<usize>, key: &str) -> Option<Uuid> {
        let mut body = json!({ "kind": if is_slow { "slow" } else { "quick" }, "args": { "key": key } });
        match line {
            Some(line) => body["concurrency_key"] = format!("line:{line}").into(),
            None if is_slow => body["concurrency_key"] = "slow".into(),
            None => {}
        }
        let job = self.insist("jobs", &body, key).await?;
        let acknowledged = Acknowledged { key: key.to_owned(), job, at: uptime() };
        self.sent.lock().unwrap().acknowledged.push(acknowledged);
        Some(job)
    }

    /// Repeats the request until its answer is definite; answers the id of what was made.
    async fn insist(&self, route: &str, body: &Value, key: &str) -> Option<Uuid> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            match self.ask(route, body, key).await {
                Ok((202, replayed, answer)) => {
                    self.sent.lock().unwrap().replayed += usize::from(replayed);
                    let id = answer["id"].as_str().and_then(|id| id.parse().ok());
                    return Some(id.expect("what was accepted has an id"));
                }
                Ok((status, _, answer)) if status < 500 => {
                    self.sent.lock().unwrap().refused.push(format!("{key}: {status} {answer}"));
                    return None;
                }
                Ok(_) | Err(_) if Instant::now() < deadline => self.sent.lock().unwrap().indeterminate += 1,
                other => {
                    self.sent
                        .lock()
                        .unwrap()
                        .refused
                        .push(format!("{key}: never a definite answer: {other:?}"));
                    return None;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn ask(&self, route: &str, body: &Value, key: &str) -> reqwest::Result<(u16, bool, Value)> {
        let url = format!("{}/{route}", self.url);
        let answer = self.http.post(url).header("Idempotency-Key", key).json(body).send().await?;
        let (status, replayed) = (answer.status(), answer.headers().contains_key("idempotency-replayed"));
        Ok((status.as_u16(), replayed, answer.json().await?))
    }
}
