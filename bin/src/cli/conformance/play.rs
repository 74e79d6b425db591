//! Plays one scenario with one process of the worker under test: starts it, lets things happen, waits until
//! everything has happened or the time has run out, and compares. Must leave no process behind.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use super::model::{Finding, Job, Lease, Model};
use super::scenario::{Happening, Scenario, State};
use super::server::Server;
use crate::cli::CliError;

const KEY: &str = "tm_conformance";
/// A worker claims within this time after its start.
const START: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);
/// A worker that serves the kinds in turns has named them all by then.
const ALL_KINDS: Duration = Duration::from_secs(3);
/// So much of the worker's own output is repeated.
const LAST_OUTPUT: usize = 1000;

/// The process group of a worker, which is the runner's own making: it ends with everything that is in it.
struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        // Nothing may be left in it.
        let _ = killpg(self.0, Signal::SIGKILL);
    }
}

/// How a scenario went.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) name: &'static str,
    pub(super) demands: String,
    pub(super) section: String,
    pub(super) findings: Vec<Finding>,
    /// Why it was not tried, if it need not be.
    pub(super) left_out: Option<&'static str>,
    /// The end of what the process wrote.
    pub(super) output: String,
}

/// Plays a scenario with `command`.
///
/// # Errors
/// If the command cannot be started.
pub(super) async fn play(scenario: Scenario, command: &[String]) -> Result<Played, CliError> {
    let server = Server::new(&scenario, KEY);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let serving = tokio::spawn(axum::serve(listener, server.router()).into_future());
    let mut child = start(command, &url)?;
    let group = child.id().map(|id| Group(Pid::from_raw(id.cast_signed())));
    let output = [child.stdout.take().map(last_of), child.stderr.take().map(last_of)];
    let is_left_out = follow(&server, &scenario, &mut child).await;
    drop(group);
    // It is dead, and only its status is left.
    let _ = child.wait().await;
    serving.abort();
    let mut said = String::new();
    for part in output.into_iter().flatten() {
        said += &tokio::time::timeout(Duration::from_secs(1), part)
            .await
            .ok()
            .and_then(Result::ok)
            .unwrap_or_default();
    }
    let findings = std::mem::take(&mut server.model().findings);
    let Scenario { name, demands, section, .. } = scenario;
    let left_out = is_left_out.then_some("The worker does not claim its kind, which is optional.");
    Ok(Played { name, demands, section, findings, left_out, output: said })
}

fn start(command: &[String], url: &str) -> Result<Child, CliError> {
    let [program, words @ ..] = command else { return Err(CliError::Usage("no command is given".into())) };
    Command::new(program)
        .args(words)
        .env("TIDEMILL_URL", url)
        .env("TIDEMILL_KEY", KEY)
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| CliError::Usage(format!("{program} cannot be started: {error}")))
}

/// Lets the scenario happen; true if the worker need not serve it and does not.
async fn follow(server: &Arc<Server>, scenario: &Scenario, child: &mut Child) -> bool {
    let started = Instant::now();
    let mut first_claim = None;
    let mut done_at = None;
    let mut events = scenario.events.clone();
    loop {
        tokio::time::sleep(LOOK).await;
        let exited = child.try_wait().ok().flatten();
        let mut model = server.model();
        model.expire();
        first_claim = first_claim.or_else(|| model.came_at);
        if let Some(status) = exited.filter(|_| model.terminated_at.is_none()) {
            model.note("a worker that runs until it gets SIGTERM", format!("it ended with {status}"));
            return false;
        }
        let Some(first_claim) = first_claim else {
            if started.elapsed() > START {
                model.note("a claim at TIDEMILL_URL", format!("none within {} s", START.as_secs()));
                return false;
            }
            continue;
        };
        if model.leases.is_empty() && first_claim.elapsed() > ALL_KINDS && !serves(&model, scenario) {
            if !scenario.optional {
                let kinds = format!("claims of {}", model.kinds.join(", "));
                model.note(format!("claims of the kind {}", scenario.jobs[0].kind), kinds);
            }
            return scenario.optional;
        }
        if let Some(since) = model.leases.first().and_then(|lease| lease.known_at).map(|at| at.elapsed()) {
            events.retain(|event| {
                let is_due = since.as_secs_f64() >= event.after_seconds;
                if is_due {
                    happen(&mut model, event.what, child);
                }
                !is_due
            });
        }
        let is_done = events.is_empty() && is_over(&model, scenario) && (!scenario.exits || exited.is_some());
        if is_hopeless(&model, first_claim) {
            break;
        }
        if is_done {
            let since = *done_at.get_or_insert_with(Instant::now);
            if since.elapsed().as_secs_f64() >= scenario.watch_seconds {
                break;
            }
        } else if first_claim.elapsed().as_secs_f64() > scenario.within_seconds {
            if scenario.exits && exited.is_none() {
                model.note("a worker that exits after SIGTERM", "it runs still");
            }
            break;
        }
    }
    compare(&mut server.model(), scenario);
    false
}

fn serves(model: &Model, scenario: &Scenario) -> bool {
    scenario.jobs.iter().all(|job| model.kinds.contains(&job.kind))
}

fn happen(model: &mut Model, what: Happening, child: &Child) {
    let asked = match what {
        Happening::Lose => {
            model.lose();
            return;
        }
        Happening::Signal => {
            model.signal();
            return;
        }
        Happening::Drain => {
            model.drained_at = Some(Instant::now());
            return;
        }
        Happening::Terminate => {
            model.terminated_at = Some(Instant::now());
            if let Some(id) = child.id() {
                // It may have ended already.
                let _ = kill(Pid::from_raw(id.cast_signed()), Signal::SIGTERM);
            }
            return;
        }
        Happening::Cancel => State::Cancelled,
        Happening::SoftTimeout => State::TimedOut,
    };
    if let Some(lease) = model.first_lease() {
        lease.asked = Some(asked);
    }
}

/// Whether every job has come to the state that it must end in.
fn is_over(model: &Model, scenario: &Scenario) -> bool {
    let is_answered = |state: State, index: usize| match state {
        State::Lost => {
            model.leases.iter().any(|lease| lease.job == index && lease.loss_answered_at.is_some())
        }
        _ => model.leases.iter().any(|lease| lease.job == index && lease.is_end_answered),
    };
    model.jobs.iter().enumerate().all(|(index, job)| {
        let Job { plan, state, attempt, .. } = job;
        *state == plan.expect.state
            && plan.expect.attempts.is_none_or(|attempts| attempts <= *attempt)
            && is_answered(*state, index)
    }) && !scenario.jobs.is_empty()
}

/// Whether no more time can help: every job ended in another way than it must, or every request is refused.
fn is_hopeless(model: &Model, first_claim: Instant) -> bool {
    let is_final = |state| !matches!(state, State::Available | State::Running | State::Waiting);
    let is_elsewhere = |job: &Job| is_final(job.state) && job.state != job.plan.expect.state;
    let is_refused =
        model.leases.is_empty() && !model.findings.is_empty() && first_claim.elapsed() > ALL_KINDS;
    is_refused || model.jobs.iter().all(is_elsewhere)
}

/// Notes where the jobs ended otherwise than they must.
fn compare(model: &mut Model, scenario: &Scenario) {
    let mut findings = Vec::new();
    for job in &model.jobs {
        let expect = &job.plan.expect;
        let mut differ = |what: &str, expected: String, came: String| {
            if expected != came {
                findings.push((format!("the {what} {expected}"), came));
            }
        };
        let came = if job.attempt == 0 { "never claimed" } else { job.state.word() };
        differ("state", expect.state.word().into(), came.into());
        if let Some(result) = &expect.result {
            differ("result", result.to_string(), job.result.clone().unwrap_or_default().to_string());
        }
        if let Some(children) = &expect.children {
            let names: Vec<&String> = job.children.iter().map(|(name, _)| name).collect();
            differ("children", json!(children).to_string(), json!(names).to_string());
            let ids: Vec<&String> = job.children.iter().map(|(_, id)| id).collect();
            let result = json!({ "children": ids });
            differ("result", result.to_string(), job.result.clone().unwrap_or_default().to_string());
        }
        if let Some(message) = &expect.message {
            differ("message", message.clone(), job.message.clone().unwrap_or_default());
        }
        if let Some(lines) = &expect.lines {
            differ("log lines", json!(lines).to_string(), json!(job.lines).to_string());
        }
        if let Some(percents) = expect.percents.as_ref().filter(|percents| !may_be(&job.percents, percents)) {
            differ("percents", json!(percents).to_string(), json!(job.percents).to_string());
        }
        if let Some(attempts) = expect.attempts {
            differ("attempts", attempts.to_string(), job.attempt.to_string());
        }
    }
    let unheard = |lease: &Lease| lease.end.is_some() && !lease.is_end_answered;
    if model.leases.iter().any(unheard) {
        findings.push((
            "an end that is repeated until it is answered".into(),
            "none after the lost answer".into(),
        ));
    }
    for (expected, came) in findings {
        model.note(expected, came);
    }
    let most = scenario.most_claims_per_second.unwrap_or(usize::MAX);
    let from = model.drained_at.unwrap_or_else(|| model.claims.first().copied().unwrap_or_else(Instant::now));
    let counted: Vec<Instant> = model.claims.iter().copied().filter(|at| *at >= from).collect();
    let in_a_second = |at: &Instant| {
        counted.iter().filter(|other| *other >= at && **other < *at + Duration::from_secs(1)).count()
    };
    let busiest = counted.iter().map(in_a_second).max().unwrap_or(0);
    if busiest > most {
        model.note(format!("at most {most} claims in a second"), format!("{busiest}"));
    }
}

/// Whether these percents may be what is stored of those that a job reports: some, in order, with the last.
fn may_be(stored: &[f64], reported: &[f64]) -> bool {
    let mut rest = reported.iter();
    stored.last() == reported.last()
        && stored.iter().all(|percent| rest.any(|reported| reported.total_cmp(percent).is_eq()))
}

fn last_of(pipe: impl AsyncRead + Unpin + Send + 'static) -> oneshot::Receiver<String> {
    let (sender, receiver) = oneshot::channel();
    tokio::spawn(async move {
        let (mut pipe, mut kept, mut bytes) = (pipe, Vec::new(), [0; 4096]);
        while let Ok(read @ 1..) = pipe.read(&mut bytes).await {
            kept.extend_from_slice(&bytes[..read]);
            kept.drain(..kept.len().saturating_sub(LAST_OUTPUT));
        }
        // The reader may have given up.
        let _ = sender.send(String::from_utf8_lossy(&kept).into_owned());
    });
    receiver
}
