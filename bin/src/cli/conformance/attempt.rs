//! A worker's requests about an attempt, in the model: reports, steps and the end. The rules are the server's:
//! only the lease that holds the job changes anything, and the same end has the same answer.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::model::{Model, ON_ITS_WAY, Reply};
use super::request::is_end;
use super::scenario::State;

impl Model {
    /// Looks at a request about an attempt when it comes, before anything is done with it.
    pub(super) fn came(&mut self, verb: &str, job: &str, body: &Map<String, Value>) {
        let Some(index) = self.lease_of(job, body) else {
            return self.note(
                "requests about a job carry the `lease_id` that its claim returned",
                format!(
                    "`{verb}` with the lease {} for the job {job}",
                    body.get("lease_id").unwrap_or(&Value::Null)
                ),
            );
        };
        let lease = &mut self.leases[index];
        lease.known_at.get_or_insert_with(Instant::now);
        if let Some(answered_at) = lease.loss_answered_at.filter(|at| at.elapsed() > ON_ITS_WAY) {
            let came = format!("`{verb}` {:.1} s after it", answered_at.elapsed().as_secs_f64());
            return self.note("nothing more for a lease after the answer that it is lost", came);
        }
        let is_answered = lease.is_end_answered;
        if is_end(verb) {
            if lease.end.is_none() {
                self.check_beat(index);
            }
            let lease = &self.leases[index];
            if lease.pending > 0 {
                self.note(
                    "an end only after the answers to all reports of its attempt",
                    format!("`{verb}` while {} had no answer", lease.pending),
                );
            } else if is_answered {
                self.note(
                    "one end for an attempt, not repeated after its answer",
                    format!("`{verb}` once more"),
                );
            }
            return;
        }
        if is_answered {
            self.note(
                "nothing for an attempt after its end",
                format!("`{verb}` after the answer to its end"),
            );
        }
        self.leases[index].pending += 1;
    }

    /// A report that came is answered now, or its connection is cut.
    pub(super) fn answered(&mut self, verb: &str, job: &str, body: &Map<String, Value>) {
        if let Some(index) = self.lease_of(job, body).filter(|_| !is_end(verb)) {
            self.leases[index].pending = self.leases[index].pending.saturating_sub(1);
        }
    }

    /// Does what a verb says.
    pub(super) fn apply(&mut self, verb: &str, job: &str, body: &Map<String, Value>) -> Reply {
        self.expire();
        let Some(index) = self.lease_of(job, body) else { return lost(job) };
        if is_end(verb) {
            return self.end(index, verb, body);
        }
        let lease = &mut self.leases[index];
        if lease.is_lost || lease.end.is_some() {
            if lease.is_lost {
                lease.loss_answered_at.get_or_insert_with(Instant::now);
            }
            return lost(job);
        }
        let job = &mut self.jobs[lease.job];
        let reply = match verb {
            "log" => {
                job.lines.extend(body["lines"].as_array().cloned().unwrap_or_default());
                json!({ "state": "running" })
            }
            "progress" => {
                job.percents.extend(body.get("percent").and_then(Value::as_f64));
                json!({ "state": "running" })
            }
            "step" => {
                let (name, output) = (body["name"].as_str().unwrap_or_default(), body.get("output"));
                let output = output.cloned().unwrap_or_default();
                let replaces = body.get("replace") == Some(&Value::Bool(true));
                match job.steps.iter_mut().find(|(known, _)| known == name) {
                    Some((_, kept)) if replaces => *kept = output.clone(),
                    Some((_, kept)) => return (200, json!({ "output": kept })),
                    None => job.steps.push_back((name.to_owned(), output.clone())),
                }
                json!({ "output": output })
            }
            "children" => {
                let name = body["name"].as_str().unwrap_or_default();
                let known = job.children.iter().find(|(known, _)| known == name).map(|(_, id)| id.clone());
                let id = known.unwrap_or_else(|| {
                    let id = Uuid::now_v7().to_string();
                    job.children.push((name.to_owned(), id.clone()));
                    id
                });
                json!({ "job_id": id })
            }
            _ => {
                lease.hard_at += seconds_of(&body["by"]);
                let left = lease.hard_at.saturating_duration_since(Instant::now());
                json!({ "state": "running", "deadline_at": chrono::Utc::now() + left })
            }
        };
        (200, reply)
    }

    fn end(&mut self, index: usize, verb: &str, body: &Map<String, Value>) -> Reply {
        let outcome = json!({ "verb": verb, "body": body });
        let lease = &mut self.leases[index];
        let job = &mut self.jobs[lease.job];
        match &lease.end {
            Some((before, state)) if *before == outcome => return (200, json!({ "state": state.word() })),
            Some(_) => {
                let id = job.id.clone();
                self.note("an end is repeated unchanged", format!("another `{verb}` than before"));
                return lost(&id);
            }
            None => {}
        }
        if lease.is_lost {
            lease.loss_answered_at.get_or_insert_with(Instant::now);
            return lost(&job.id);
        }
        let state = match verb {
            "complete" if body.contains_key("result") => State::Completed,
            "complete" => lease.asked.unwrap_or(State::Completed),
            "fail" if lease.asked.is_some() => lease.asked.unwrap_or(State::Failed),
            // A worker may count from the moment that it got the job, or in whole seconds.
            "fail" if lease.hard_at.saturating_duration_since(Instant::now()) < ON_ITS_WAY => State::TimedOut,
            "fail" if body.get("permanent") == Some(&Value::Bool(true)) => State::Failed,
            "fail" | "snooze" => State::Available,
            _ if job.signals.iter().any(|came| body.get("signal") == Some(&json!(came))) => State::Available,
            _ => State::Waiting,
        };
        if verb == "wait" {
            job.attempt -= 1;
        }
        job.state = state;
        job.result = body.get("result").cloned();
        job.message = body.get("error").and_then(|error| error["message"].as_str()).map(str::to_owned);
        lease.end = Some((outcome, state));
        let is_handed_back = verb == "snooze" && is_nothing(&body["delay"]);
        if self.terminated_at.is_some() && !is_handed_back {
            let came = format!("`{verb}` {}", Value::Object(body.clone()));
            self.note("a job that a shutdown interrupts is handed back: `snooze` with the delay 0", came);
        }
        (200, json!({ "state": state.word() }))
    }

    /// Notes which ends the worker knows of, as their answer went out.
    pub(super) fn answer_was_sent(&mut self, job: &str, body: &Map<String, Value>) {
        if let Some(index) = self.lease_of(job, body) {
            let lease = &mut self.leases[index];
            lease.is_end_answered |= lease.end.is_some();
        }
    }

    fn lease_of(&self, job: &str, body: &Map<String, Value>) -> Option<usize> {
        let id = body.get("lease_id")?.as_str()?;
        self.leases.iter().position(|lease| lease.id == id && self.jobs[lease.job].id == job)
    }
}

/// A duration as a number of seconds, or as text such as `10s`.
fn seconds_of(value: &Value) -> Duration {
    let text = value.as_str().and_then(|text| text.trim_end_matches('s').parse().ok());
    Duration::from_secs_f64(value.as_f64().or(text).unwrap_or_default().max(0.0))
}

/// A delay of no time, as a number or as text.
fn is_nothing(delay: &Value) -> bool {
    delay.as_f64() == Some(0.0) || delay.as_str().is_some_and(|text| text.trim_end_matches('s') == "0")
}

fn lost(job: &str) -> Reply {
    let detail = format!("This lease is not the current lease of the job {job}.");
    let kind = "https://tidemill.dev/problems/lease-lost";
    (
        409,
        json!({
            "type": kind, "title": "This lease no longer holds the job", "status": 409, "detail": detail,
            "field": "/lease_id", "remedy": "Stop this attempt: another worker may run the job.",
        }),
    )
}
