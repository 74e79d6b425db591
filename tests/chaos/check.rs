//! Holds what clients, readers and the ledger saw against the database. Pure: the same evidence gives the same
//! findings.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::executions;
use crate::faults::{FaultPhase, Kill, Victim};
use crate::findings::Findings;
use crate::history::{Event, History, Job};
use crate::ledger::Ledger;
use crate::load::Sent;
use crate::processes::{MOST_OF_A_LINE, MOST_SLOW, PARTS};
use crate::readers::Follow;
use crate::workflows;

/// All that is known of a scenario.
#[derive(Default)]
pub struct Evidence {
    pub history: History,
    pub sent: Sent,
    pub ledger: Ledger,
    pub follows: Vec<Follow>,
    pub kills: Vec<Kill>,
}

/// Checks every promise.
pub fn judge(findings: &mut Findings, evidence: &Evidence) {
    acknowledgements(findings, &evidence.history, &evidence.sent);
    endings(findings, &evidence.history);
    logs(findings, &evidence.history);
    limits(findings, &evidence.history);
    executions::judge(findings, &evidence.history, &evidence.ledger, &evidence.kills);
    streams(findings, &evidence.history, &evidence.follows);
    workflows::judge(findings, &evidence.history, &evidence.sent, &evidence.ledger);
}

/// A scenario in which too little happened proves nothing.
pub fn vacuity(findings: &mut Findings, evidence: &Evidence, victim: Victim, phase: &FaultPhase) {
    let within = |at: f64| at >= phase.began && at <= phase.ended;
    let rounds = evidence.kills.len();
    let acknowledged = evidence.sent.acknowledged.iter().filter(|one| within(one.at)).count();
    let finished =
        rows(&evidence.history).filter_map(|(_, job)| job.finished).filter(|at| within(*at)).count();
    findings.at_least("acknowledged while processes were killed", 10 * rounds, acknowledged);
    findings.at_least("finished while processes were killed", 5 * rounds, finished);
    let released =
        workflows::dependents(&evidence.history).filter_map(|job| evidence.ledger.first_begin(job));
    let released = released.filter(|at| within(*at)).count();
    findings.at_least("dependents that began while processes were killed", 2 * rounds, released);
    findings.at_least("kills that hit", rounds, evidence.kills.iter().filter(|kill| kill.hit).count());
    findings.none("programs that ended though nobody killed them", phase.gave_up.clone());
    let kills_workers = matches!(victim, Victim::Worker | Victim::Everything);
    findings.at_least("leases taken back", usize::from(kills_workers), evidence.history.taken_back());
    let kills_api = matches!(victim, Victim::Api | Victim::Everything);
    let cuts = evidence.follows.iter().map(|follow| follow.cuts).sum();
    findings.at_least("streams cut in the middle", usize::from(kills_api), cuts);
    let seen = evidence.follows.iter().map(|follow| follow.events.len()).sum();
    findings.at_least("events that readers were sent", 50 * rounds, seen);
    let silence = longest_silence(evidence.sent.acknowledged.iter().map(|one| one.at));
    findings.note("longest time without an acknowledgement (ms)", silence);
    let silence = longest_silence(rows(&evidence.history).filter_map(|(_, job)| job.finished));
    findings.note("longest time without a finished job (ms)", silence);
}

fn rows(history: &History) -> impl Iterator<Item = (Uuid, &Job)> {
    history.jobs.iter().flat_map(|(id, rows)| rows.iter().map(|job| (*id, job)))
}

fn acknowledgements(findings: &mut Findings, history: &History, sent: &Sent) {
    findings.note("jobs acknowledged", sent.acknowledged.len());
    findings.note("answers that left open whether the job is stored", sent.indeterminate);
    findings.note("answers that were given before", sent.replayed);
    let (mut lost, mut others) = (Vec::new(), Vec::new());
    for one in &sent.acknowledged {
        let job = history.jobs.get(&one.job).and_then(|rows| rows.first());
        match job {
            Some(job) if !job.is_final => lost.push(format!("{} is still {}", one.job, job.state)),
            Some(job) if job.key != one.key => others.push(format!("{} for {:?}", one.job, one.key)),
            Some(_) => {}
            None => lost.push(format!("{} for {:?} does not exist", one.job, one.key)),
        }
    }
    findings.none("acknowledged jobs lost", lost);
    findings.none("acknowledgements that name another job", others);
    let mut of_key: BTreeMap<&str, BTreeSet<Uuid>> = BTreeMap::new();
    for (id, job) in rows(history) {
        of_key.entry(&job.key).or_default().insert(id);
    }
    let twice = of_key.iter().filter(|(_, jobs)| jobs.len() > 1);
    findings.none(
        "idempotency keys with two jobs",
        twice.map(|(key, jobs)| format!("{key:?}: {jobs:?}")).collect(),
    );
    let strange = of_key.keys().filter(|key| !sent.keys.contains(**key));
    findings.none("jobs that nobody asked for", strange.map(|key| format!("{key:?}")).collect());
    findings.none("requests refused", sent.refused.clone());
}

fn endings(findings: &mut Findings, history: &History) {
    let twice = history.jobs.iter().filter(|(_, rows)| rows.len() > 1);
    findings.none("jobs with two rows", twice.map(|(id, rows)| format!("{id}: {rows:?}")).collect());
    let not_done = rows(history).filter(|(_, job)| job.is_final && job.state != "completed");
    findings.none(
        "jobs that ended without completing",
        not_done.map(|(id, job)| format!("{id} {job:?}")).collect(),
    );
    let (mut two, mut none) = (Vec::new(), Vec::new());
    for (id, job) in rows(history).filter(|(_, job)| job.state == "completed") {
        let attempts = history.attempts.get(&id).map(Vec::as_slice).unwrap_or_default();
        let winners: Vec<Uuid> =
            attempts.iter().filter(|one| one.outcome == "completed").map(|one| one.lease).collect();
        match winners[..] {
            [] => none.push(id.to_string()),
            [lease] if Some(lease) == job.lease => {}
            _ => two.push(format!("{id}: {winners:?}, its row says {:?}", job.lease)),
        }
    }
    findings.none("jobs finished by two leases", two);
    findings.none("completed attempts without their record", none);
    let left = (history.running != 0).then(|| format!("{} rows", history.running));
    findings.none("rows left in running", left.into_iter().collect());
}

fn limits(findings: &mut Findings, history: &History) {
    let most = |key: &str| if key == "slow" { MOST_SLOW } else { MOST_OF_A_LINE };
    let exceeded = history.most_at_once.iter().filter(|(key, running)| **running > most(key));
    findings.note("keys with a limit", history.most_at_once.len());
    findings.none(
        "limits exceeded at some instant",
        exceeded.map(|(key, running)| format!("{running} of {key}")).collect(),
    );
}

fn logs(findings: &mut Findings, history: &History) {
    let (mut gaps, mut late, mut odd, mut twice, mut missing) = (vec![], vec![], vec![], vec![], vec![]);
    for (id, job) in rows(history) {
        let events = history.events.get(&id).map(Vec::as_slice).unwrap_or_default();
        let last = history.last_seqs.get(&id).copied().unwrap_or(0);
        if !(1..=last).eq(events.iter().map(|event| event.seq)) {
            gaps.push(format!(
                "{id}: {:?}, last is {last}",
                events.iter().map(|e| e.seq).collect::<Vec<_>>()
            ));
        }
        late.extend(events.iter().filter(|event| event.late).map(|event| format!("{id}: {event:?}")));
        if let Err(problem) = follows_the_states(job, events) {
            odd.push(format!("{id}: {problem}"));
        }
        let mut parts: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
        for data in events.iter().map(|event| &event.data["data"]) {
            if let (Some(run), Some(n)) = (data["run"].as_str(), data["n"].as_i64()) {
                parts.entry(run).or_default().push(n);
            }
        }
        for (run, parts) in &parts {
            if !parts.is_sorted_by(|one, next| one < next) {
                twice.push(format!("{id}, run {run}: {parts:?}"));
            }
        }
        let whole = |parts: &Vec<i64>| (1..=PARTS).all(|n| parts.contains(&n));
        if job.kind == "slow" && job.state == "completed" && !parts.values().any(whole) {
            missing.push(format!("{id}: {parts:?}"));
        }
    }
    findings.note("events stored", history.events.values().map(Vec::len).sum());
    findings.none("jobs whose events have gaps", gaps);
    findings.none("events after the end of their job", late);
    findings.none("logs that are no path through the states", odd);
    findings.none("runs with a report stored twice or out of order", twice);
    findings.none("completed jobs of which a report is missing", missing);
}

/// Whether the events lead from the first attempt to the job's end.
fn follows_the_states(job: &Job, events: &[Event]) -> Result<(), String> {
    let (mut attempt, mut must_retry) = (1, false);
    for event in events {
        let is_retry = event.kind == "retry";
        if event.attempt != attempt || must_retry != is_retry {
            return Err(format!("{event:?} in attempt {attempt}"));
        }
        match event.kind.as_str() {
            "progress" | "log" | "released" => {}
            "lease_lost" | "attempt_failed" => must_retry = true,
            "retry" => (attempt, must_retry) = (attempt + 1, false),
            other => return Err(format!("an unknown event {other}")),
        }
    }
    if must_retry || job.attempt != attempt {
        return Err(format!("ends in attempt {attempt}, the row says {}", job.attempt));
    }
    Ok(())
}

fn streams(findings: &mut Findings, history: &History, follows: &[Follow]) {
    findings.note("jobs followed to their end", follows.iter().filter(|follow| follow.end.is_some()).count());
    let (mut gaps, mut ends, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for follow in follows {
        let stored = history.events.get(&follow.job).map(Vec::as_slice).unwrap_or_default();
        let seen = follow.events.iter().map(|(seq, kind)| (*seq, kind.as_str()));
        if !stored.iter().map(|event| (event.seq, event.kind.as_str())).eq(seen) {
            gaps.push(format!("{}: saw {:?}, stored {}", follow.job, follow.events, stored.len()));
        }
        let state = history.jobs.get(&follow.job).and_then(|rows| rows.first()).map(|job| job.state.as_str());
        if follow.end.as_deref() != state {
            ends.push(format!("{}: stream {:?}, job {state:?}", follow.job, follow.end));
        }
        wrong.extend(follow.wrong.iter().map(|wrong| format!("{}: {wrong}", follow.job)));
    }
    findings.none("readers' gaps (not exactly the stored events in order)", gaps);
    findings.none("streams that did not end as their job", ends);
    findings.none("frames that may not come", wrong);
}

/// In milliseconds.
fn longest_silence(times: impl Iterator<Item = f64>) -> usize {
    let mut times: Vec<f64> = times.collect();
    times.sort_by(f64::total_cmp);
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    std::time::Duration::from_secs_f64(longest).as_millis().try_into().unwrap_or(usize::MAX)
}
