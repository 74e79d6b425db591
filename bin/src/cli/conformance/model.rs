//! The jobs of one scenario and what the worker did with them: a small model of the server's rules about leases,
//! reports and ends. It notes what breaks the protocol. Must never wait, and knows nothing of HTTP.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::scenario::{PlannedJob, Scenario, State};

/// A request that was sent before the worker learned of the change does not count against it.
pub(super) const ON_ITS_WAY: Duration = Duration::from_secs(1);
/// A third of a lease is demanded between heartbeats; a busy machine gets half as much again.
const BEAT_SLACK: f64 = 1.5;
/// A job is taken back so long after its hard timeout.
const STOP_GRACE: Duration = Duration::from_secs(4);
/// A pause that was asked for may be shorter by what a request took on its way.
const RETRY_SLACK: Duration = Duration::from_millis(200);
/// What comes with the signal of a scenario.
const PAYLOAD: u64 = 7;

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) expected: String,
    pub(super) came: String,
}

/// An answer: its status and its body.
pub(super) type Reply = (u16, Value);

/// The scenario's state.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) jobs: Vec<Job>,
    pub(super) leases: Vec<Lease>,
    pub(super) findings: Vec<Finding>,
    /// The kinds of all claims.
    pub(super) kinds: Vec<String>,
    /// When the first request came.
    pub(super) came_at: Option<Instant>,
    pub(super) claims: Vec<Instant>,
    pub(super) drained_at: Option<Instant>,
    pub(super) terminated_at: Option<Instant>,
    pub(super) keyed: HashMap<String, (Value, Reply)>,
    /// Until when no request of a sort may come, and the pause that was demanded.
    held_off: HashMap<String, (Instant, u64)>,
    lease_seconds: f64,
    hard_seconds: f64,
}

/// A job.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) plan: PlannedJob,
    pub(super) state: State,
    pub(super) attempt: u32,
    pub(super) result: Option<Value>,
    pub(super) message: Option<String>,
    pub(super) lines: Vec<Value>,
    pub(super) percents: Vec<f64>,
    pub(super) steps: VecDeque<(String, Value)>,
    /// Its children by their names, with their ids.
    pub(super) children: Vec<(String, String)>,
    /// The names of the signals that came.
    pub(super) signals: Vec<String>,
}

/// One attempt's lease.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) id: String,
    pub(super) job: usize,
    /// When the worker first showed that it knows of it.
    pub(super) known_at: Option<Instant>,
    renewed_at: Instant,
    /// When its hard timeout passes.
    pub(super) hard_at: Instant,
    /// When the last heartbeat for it came, answered or not.
    beat_at: Instant,
    pub(super) is_lost: bool,
    pub(super) loss_answered_at: Option<Instant>,
    /// What the worker is asked for: to cancel, or to stop after the soft timeout.
    pub(super) asked: Option<State>,
    /// How the attempt ended: the outcome as it was sent, and the state that followed.
    pub(super) end: Option<(Value, State)>,
    /// The worker got the answer to its end.
    pub(super) is_end_answered: bool,
    /// Reports that came and are not answered.
    pub(super) pending: usize,
}

impl Model {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let job = |plan: &PlannedJob| Job {
            id: Uuid::now_v7().to_string(),
            plan: plan.clone(),
            state: State::Available,
            attempt: 0,
            result: None,
            message: None,
            lines: Vec::new(),
            percents: Vec::new(),
            steps: VecDeque::new(),
            children: Vec::new(),
            signals: Vec::new(),
        };
        Self {
            jobs: scenario.jobs.iter().map(job).collect(),
            leases: Vec::new(),
            findings: Vec::new(),
            kinds: Vec::new(),
            came_at: None,
            claims: Vec::new(),
            drained_at: None,
            terminated_at: None,
            keyed: HashMap::new(),
            held_off: HashMap::new(),
            lease_seconds: scenario.lease_seconds,
            hard_seconds: scenario.hard_seconds,
        }
    }

    /// Notes a broken rule, once.
    pub(super) fn note(&mut self, expected: impl Into<String>, came: impl Into<String>) {
        let finding = Finding { expected: expected.into(), came: came.into() };
        if !self.findings.iter().any(|known| known.expected == finding.expected) {
            self.findings.push(finding);
        }
    }

    /// Hands out at most `max` jobs of these kinds.
    pub(super) fn claim(&mut self, request: &Map<String, Value>) -> Vec<Value> {
        let names = |field: &str| -> Vec<String> {
            let list = request.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
            list.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
        };
        let (kinds, queues) = (names("kinds"), names("queues"));
        let queue = queues.first().cloned().unwrap_or_else(|| "default".into());
        let most = usize::try_from(request.get("max").and_then(Value::as_u64).unwrap_or(1)).unwrap_or(1);
        let is_drained = self.drained_at.is_some();
        let ready: Vec<usize> = (0..self.jobs.len())
            .filter(|index| {
                let job = &self.jobs[*index];
                job.state == State::Available && kinds.contains(&job.plan.kind) && !is_drained
            })
            .take(most)
            .collect();
        ready.into_iter().map(|index| self.hand_out(index, &queue, &request["worker"])).collect()
    }

    fn hand_out(&mut self, index: usize, queue: &str, worker: &Value) -> Value {
        let now = Instant::now();
        let lease = Lease {
            id: Uuid::new_v4().to_string(),
            job: index,
            known_at: None,
            renewed_at: now,
            hard_at: now + Duration::from_secs_f64(self.hard_seconds),
            beat_at: now,
            is_lost: false,
            loss_answered_at: None,
            asked: None,
            end: None,
            is_end_answered: false,
            pending: 0,
        };
        let job = &mut self.jobs[index];
        (job.state, job.attempt) = (State::Running, job.attempt + 1);
        let mut document: Value =
            serde_json::from_str(include_str!("../../../../conformance/claimed-job.json"))
                .expect("the file is part of the program");
        let after = |seconds: f64| chrono::Utc::now() + Duration::from_secs_f64(seconds);
        let own = json!({
            "id": job.id, "kind": job.plan.kind, "args": job.plan.args, "queue": queue, "attempt": job.attempt,
            "worker_id": worker, "lease_id": lease.id, "created_at": after(0.0), "run_at": after(0.0),
            "started_at": after(0.0), "lease_expires_at": after(self.lease_seconds), "hard_timeout_seconds": self.hard_seconds,
            "deadline_at": after(self.hard_seconds) + STOP_GRACE,
            // A later server may say more.
            "a_field_of_a_later_version": {"may": "come"},
        });
        let own = own.as_object().cloned().unwrap_or_default();
        document.as_object_mut().expect("it is an object").extend(own);
        self.leases.push(lease);
        document
    }

    /// Takes back what a caller that hung up was given.
    pub(super) fn hand_back(&mut self, answer: &Value) {
        let given: Vec<Value> =
            answer["jobs"].as_array().into_iter().flatten().map(|job| job["lease_id"].clone()).collect();
        let (back, kept) =
            std::mem::take(&mut self.leases).into_iter().partition(|it| given.contains(&json!(it.id)));
        self.leases = kept;
        for lease in back as Vec<Lease> {
            let job = &mut self.jobs[lease.job];
            (job.state, job.attempt) = (State::Available, job.attempt - 1);
        }
    }

    /// Renews leases and says what became of them.
    pub(super) fn heartbeat(&mut self, request: &Map<String, Value>) -> Value {
        self.expire();
        let (mut held, mut cancel, mut soft, mut lost) = (vec![], vec![], vec![], vec![]);
        for id in request["leases"].as_array().into_iter().flatten() {
            let lease = self.leases.iter_mut().find(|lease| json!(lease.id) == *id);
            match lease {
                Some(lease) if !lease.is_lost && lease.end.is_none() => {
                    lease.renewed_at = Instant::now();
                    held.push(id);
                    match lease.asked {
                        Some(State::Cancelled) => cancel.push(id),
                        Some(_) => soft.push(id),
                        None => {}
                    }
                }
                other => {
                    if let Some(lease) = other.filter(|lease| lease.is_lost) {
                        lease.loss_answered_at.get_or_insert_with(Instant::now);
                    }
                    lost.push(id);
                }
            }
        }
        let drain = self.drained_at.is_some();
        json!({ "held": held, "cancel": cancel, "soft_timeout": soft, "lost": lost, "drain": drain })
    }

    /// Notes that a heartbeat came, whatever becomes of it.
    pub(super) fn beat_came(&mut self, request: &Map<String, Value>) {
        let named = request["leases"].as_array().cloned().unwrap_or_default();
        for index in 0..self.leases.len() {
            if named.contains(&json!(self.leases[index].id)) && self.leases[index].end.is_none() {
                self.check_beat(index);
                let now = Instant::now();
                self.leases[index].beat_at = now;
                self.leases[index].known_at.get_or_insert(now);
            }
        }
    }

    /// Notes a lease for which no heartbeat came for too long.
    pub(super) fn check_beat(&mut self, index: usize) {
        let (lease, gap) = (self.lease_seconds, self.leases[index].beat_at.elapsed().as_secs_f64());
        if gap > lease / 3.0 * BEAT_SLACK {
            let expected =
                format!("a heartbeat every {:.1} s, a third of the lease of {lease} s", lease / 3.0);
            self.note(expected, format!("none for {gap:.1} s"));
        }
    }

    /// Takes away the leases that were not renewed in time.
    pub(super) fn expire(&mut self) {
        let ttl = Duration::from_secs_f64(self.lease_seconds);
        for lease in &mut self.leases {
            let is_over = lease.renewed_at.elapsed() > ttl || lease.hard_at.elapsed() > STOP_GRACE;
            if is_over && lease.end.is_none() && !lease.is_lost {
                lease.is_lost = true;
                self.jobs[lease.job].state = State::Lost;
            }
        }
    }

    /// Leaves of a claim's answer the jobs that its leases still hold.
    pub(super) fn still_held(&self, answer: &mut Value) {
        let is_held = |job: &Value| {
            let lease = self.leases.iter().find(|lease| job["lease_id"] == json!(lease.id));
            lease.is_some_and(|lease| lease.end.is_none() && !lease.is_lost)
        };
        if let Some(jobs) = answer["jobs"].as_array_mut() {
            jobs.retain(is_held);
        }
    }

    /// The newest lease of the first job, if it has one.
    pub(super) fn first_lease(&mut self) -> Option<&mut Lease> {
        self.leases.iter_mut().rev().find(|lease| lease.job == 0)
    }

    /// Takes that lease away.
    pub(super) fn lose(&mut self) {
        if let Some(lease) = self.first_lease().filter(|lease| lease.end.is_none()) {
            lease.is_lost = true;
            self.jobs[0].state = State::Lost;
        }
    }

    /// The signal of the first job comes.
    pub(super) fn signal(&mut self) {
        let job = &mut self.jobs[0];
        job.signals.push(job.plan.args["signal"].as_str().unwrap_or_default().to_owned());
        if job.state == State::Waiting {
            job.state = State::Available;
        }
    }

    /// The steps or the signals of a job.
    pub(super) fn list(&self, job: usize, list: &str) -> Vec<Value> {
        let Job { steps, signals, .. } = &self.jobs[job];
        if list == "signals" {
            let came = |name: &String| json!({ "name": name, "payload": PAYLOAD, "timed_out": false, "sent_by": null, "sent_at": chrono::Utc::now() });
            return signals.iter().map(came).collect();
        }
        steps.iter().map(|(name, output)| json!({ "name": name, "output": output })).collect()
    }

    /// No request of this sort may come for this number of seconds.
    pub(super) fn hold_off(&mut self, sort: &str, seconds: u64) {
        self.held_off.insert(sort.to_owned(), (Instant::now() + Duration::from_secs(seconds), seconds));
    }

    /// Looks whether a request of this sort comes before it may.
    pub(super) fn check_held_off(&mut self, sort: &str) {
        let Some((until, seconds)) = self.held_off.remove(sort) else { return };
        let early = until.saturating_duration_since(Instant::now());
        if early > RETRY_SLACK {
            let expected = format!("a pause of {seconds} s, which Retry-After of a 429 asked for");
            self.note(expected, format!("`{sort}` {:.1} s too early", early.as_secs_f64()));
        }
    }

    pub(super) fn job(&self, id: &str) -> Option<usize> {
        self.jobs.iter().position(|job| job.id == id)
    }
}
