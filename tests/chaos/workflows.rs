//! Chains and fan-ins under fire: what clients send, and what must be true of it. Who waits for others runs once they all
//! have ended and never before, once, and none of them is lost. Pure, as all checks.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::findings::Findings;
use crate::history::History;
use crate::ledger::Ledger;
use crate::load::Sent;

/// Of a chain, and of a group before its callback.
const JOBS: usize = 3;

/// One after the other; answers the keys of its jobs as well.
pub fn chain(key: &str) -> (Value, Vec<String>) {
    let keys: Vec<String> = (0..JOBS).map(|nth| format!("{key} link {nth}")).collect();
    (json!({ "name": key, "as": "input", "chain": keys.iter().map(job).collect::<Vec<_>>() }), keys)
}

/// A group whose callback waits for all of it; answers the keys of its jobs as well.
pub fn fan_in(key: &str) -> (Value, Vec<String>) {
    let mut keys: Vec<String> = (0..JOBS).map(|nth| format!("{key} part {nth}")).collect();
    let group: Vec<Value> = keys.iter().map(job).collect();
    let callback = format!("{key} callback");
    let body = json!({ "name": key, "group": group, "then": job(&callback) });
    keys.push(callback);
    (body, keys)
}

fn job(key: &String) -> Value {
    json!({ "kind": "quick", "args": { "key": key } })
}

/// Jobs that waited for others.
pub fn dependents(history: &History) -> impl Iterator<Item = Uuid> {
    let dependents: BTreeSet<Uuid> =
        history.edges.iter().filter(|edge| !edge.is_member).map(|edge| edge.job).collect();
    dependents.into_iter().filter(|job| history.jobs.contains_key(job))
}

pub fn judge(findings: &mut Findings, history: &History, sent: &Sent, ledger: &Ledger) {
    findings.note("workflows acknowledged", sent.workflows.len());
    let of_key: BTreeMap<&str, &str> =
        history.jobs.values().flatten().map(|job| (job.key.as_str(), job.state.as_str())).collect();
    let (mut lost, mut incomplete) = (Vec::new(), Vec::new());
    for workflow in &sent.workflows {
        match history.workflows.get(&workflow.id).map(Vec::as_slice) {
            Some([state]) if state == "completed" => {}
            other => lost.push(format!("{}: {other:?}", workflow.id)),
        }
        let gone = workflow.keys.iter().filter(|key| of_key.get(key.as_str()) != Some(&"completed"));
        incomplete.extend(gone.map(|key| format!("{key:?}: {:?}", of_key.get(key.as_str()))));
    }
    findings.none("acknowledged workflows that did not complete once", lost);
    findings.none("jobs of acknowledged workflows that did not complete", incomplete);
    let others = history.workflows.iter().filter(|(_, states)| states[..] != ["completed"]);
    findings
        .none("other workflows that did not complete once", others.map(|one| format!("{one:?}")).collect());
    let unheard = history.edges.iter().filter(|edge| edge.outcome.as_deref() != Some("completed"));
    findings
        .none("ends that were not noted for who waits", unheard.map(|edge| format!("{edge:?}")).collect());
    let held = (history.held != 0).then(|| format!("{} rows", history.held));
    findings.none("jobs left held back", held.into_iter().collect());
    order(findings, history, ledger);
}

/// By the ledger, not by our own tables or clocks.
fn order(findings: &mut Findings, history: &History, ledger: &Ledger) {
    let (mut early, mut fired) = (Vec::new(), Vec::new());
    let mut count = 0;
    for job in dependents(history) {
        count += 1;
        let runs = ledger.runs.get(&job).map(Vec::as_slice).unwrap_or_default();
        let completions = history.attempts.get(&job).into_iter().flatten();
        let completions = completions.filter(|attempt| attempt.outcome == "completed").count();
        if completions != 1 || !runs.iter().any(|run| run.end.is_some()) {
            fired.push(format!("{job}: {completions} completions, {runs:?}"));
        }
        let Some(begin) = ledger.first_begin(job) else { continue };
        for parent in parents(history, job) {
            let of_parent = ledger.runs.get(&parent).map(Vec::as_slice).unwrap_or_default();
            let has_ended = of_parent.iter().any(|run| run.end.is_some_and(|end| end <= begin));
            if !has_ended || of_parent.iter().any(|run| run.begin > begin) {
                early.push(format!("{job} at {begin}, its parent {parent}: {of_parent:?}"));
            }
        }
    }
    findings.note("jobs that waited for others", count);
    findings.none("callbacks that did not fire exactly once", fired);
    findings.none("dependents that ran before all their parents had", early);
}

/// The jobs that one waited for; of a workflow, those that it is made of.
fn parents(history: &History, job: Uuid) -> Vec<Uuid> {
    let (mut found, mut open) = (Vec::new(), vec![(job, false)]);
    while let Some((one, of_members)) = open.pop() {
        for edge in history.edges.iter().filter(|edge| edge.job == one && edge.is_member == of_members) {
            if history.workflows.contains_key(&edge.parent) {
                open.push((edge.parent, true));
            } else {
                found.push(edge.parent);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Attempt, Edge};
    use crate::ledger::Run;

    const WORKFLOW: Uuid = Uuid::from_u128(9);

    fn id(nth: usize) -> Uuid {
        Uuid::from_u128(nth as u128)
    }

    /// A chain of two, of which each ran at the given times.
    fn chain_of_two(runs: [&[(f64, Option<f64>)]; 2]) -> (History, Ledger) {
        let edge =
            |job, parent, is_member| Edge { job, parent, is_member, outcome: Some("completed".into()) };
        let mut history = History {
            workflows: BTreeMap::from([(WORKFLOW, vec!["completed".into()])]),
            edges: vec![edge(id(1), id(0), false), edge(WORKFLOW, id(0), true), edge(WORKFLOW, id(1), true)],
            ..History::default()
        };
        let mut ledger = Ledger::default();
        for (nth, runs) in runs.iter().enumerate() {
            let lease = Uuid::nil();
            history.jobs.insert(id(nth), Vec::new());
            history.attempts.insert(id(nth), vec![Attempt { lease, outcome: "completed".into() }]);
            let run = |(begin, end): &(f64, Option<f64>)| Run { attempt: 1, begin: *begin, end: *end };
            ledger.runs.insert(id(nth), runs.iter().map(run).collect());
        }
        (history, ledger)
    }

    fn broken(history: &History, ledger: &Ledger) -> Vec<String> {
        let mut findings = Findings::default();
        judge(&mut findings, history, &Sent::default(), ledger);
        findings.broken().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn only_a_dependent_that_ran_once_after_its_parents_passes() {
        let early = ["dependents that ran before all their parents had"];
        let whole: &[(f64, Option<f64>)] = &[(1.0, Some(2.0))];
        let (history, ledger) = chain_of_two([whole, &[(2.0, Some(3.0))]]);
        assert!(broken(&history, &ledger).is_empty());
        let (history, ledger) = chain_of_two([whole, &[(1.5, Some(3.0))]]);
        assert_eq!(broken(&history, &ledger), early);
        let (history, ledger) = chain_of_two([&[(1.0, Some(2.0)), (4.0, Some(5.0))], &[(2.0, Some(3.0))]]);
        assert_eq!(broken(&history, &ledger), early);
        let (mut history, ledger) = chain_of_two([whole, &[]]);
        history.attempts.remove(&id(1));
        history.workflows.insert(WORKFLOW, vec!["failed".into()]);
        history.edges[0].outcome = None;
        history.held = 1;
        assert_eq!(
            broken(&history, &ledger),
            [
                "other workflows that did not complete once",
                "ends that were not noted for who waits",
                "jobs left held back",
                "callbacks that did not fire exactly once"
            ]
        );
    }

    #[test]
    fn a_caller_that_waits_for_a_workflow_waits_for_all_of_it() {
        let edge = |job, parent, is_member| Edge { job, parent, is_member, outcome: None };
        let history = History {
            workflows: BTreeMap::from([(WORKFLOW, Vec::new())]),
            edges: vec![
                edge(id(3), WORKFLOW, false),
                edge(WORKFLOW, id(1), true),
                edge(WORKFLOW, id(2), true),
            ],
            ..History::default()
        };
        assert_eq!(parents(&history, id(3)), [id(1), id(2)]);
    }
}
