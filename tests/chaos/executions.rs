//! Compares what really ran with what the database says: a job may run again only where its history says why.

use uuid::Uuid;

use crate::faults::Kill;
use crate::findings::Findings;
use crate::history::{Event, History};
use crate::ledger::{Ledger, Run};

/// A claim that was not on disk yet can be lost with Postgres; its commit reaches the disk within 3 × 200 ms
/// (`wal_writer_delay`), and the run itself begins a moment after it.
const CLAIM_IS_SAFE_AFTER_SECONDS: f64 = 1.0;

pub fn judge(findings: &mut Findings, history: &History, ledger: &Ledger, kills: &[Kill]) {
    findings.none("lines of the ledger that nobody wrote so", ledger.broken.clone());
    let (mut never, mut unexplained, mut overlaps) = (Vec::new(), Vec::new(), Vec::new());
    let (mut again, mut lost_claims) = (0, 0);
    for (job, rows) in &history.jobs {
        let runs = ledger.runs.get(job).map(Vec::as_slice).unwrap_or_default();
        if rows.iter().any(|row| row.state == "completed") && !runs.iter().any(|run| run.end.is_some()) {
            never.push(format!("{job}: {runs:?}"));
        }
        again += runs.len().saturating_sub(1);
        let events = history.events.get(job).map(Vec::as_slice).unwrap_or_default();
        for pair in runs.windows(2) {
            let claim_lost =
                pair[0].attempt == pair[1].attempt && kills.iter().any(|kill| may_lose(kill, pair));
            lost_claims += usize::from(claim_lost);
            if !claim_lost && !is_explained(events, pair) {
                unexplained.push(format!("{job}: {pair:?}"));
            }
            if !claim_lost && pair[0].end.is_some_and(|end| end > pair[1].begin) {
                overlaps.push(format!("{job}: {pair:?}"));
            }
        }
    }
    findings.note("runs", ledger.runs.values().map(Vec::len).sum());
    findings.note("runs beyond the first of their job", again);
    findings.note("  of these after a claim that was lost with Postgres", lost_claims);
    findings.none("completed jobs that never ran to their end", never);
    findings.none("runs again that nothing explains", unexplained);
    findings.none("runs of one job at the same time", overlaps);
}

/// Whether the kill may have undone the claim behind the first of two runs.
fn may_lose(kill: &Kill, pair: &[Run]) -> bool {
    kill.of_postgres
        && (kill.at - pair[0].begin).abs() < CLAIM_IS_SAFE_AFTER_SECONDS
        && kill.at < pair[1].begin
}

/// Every attempt between the two runs ended with an event that says so.
fn is_explained(events: &[Event], pair: &[Run]) -> bool {
    let says_why = |attempt: i32| {
        let ends = ["lease_lost", "attempt_failed", "released"];
        events.iter().any(|event| event.attempt == attempt && ends.contains(&event.kind.as_str()))
    };
    if pair[0].attempt == pair[1].attempt {
        return events.iter().any(|event| event.attempt == pair[0].attempt && event.kind == "released");
    }
    (pair[0].attempt..pair[1].attempt).all(says_why)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::history::Job;

    fn broken(runs: &[(i32, f64, Option<f64>)], events: &[(i32, &str)], kills: &[Kill]) -> Vec<String> {
        let id = Uuid::from_u128(1);
        let row = Job {
            key: String::new(),
            kind: "quick".into(),
            state: "completed".into(),
            attempt: 1,
            is_final: true,
            lease: None,
            finished: None,
        };
        let events = events.iter().map(|(attempt, kind)| Event {
            seq: 1,
            attempt: *attempt,
            kind: (*kind).to_owned(),
            data: json!({}),
            late: false,
        });
        let history = History {
            jobs: BTreeMap::from([(id, vec![row])]),
            events: BTreeMap::from([(id, events.collect())]),
            ..History::default()
        };
        let runs =
            runs.iter().map(|(attempt, begin, end)| Run { attempt: *attempt, begin: *begin, end: *end });
        let ledger = Ledger { runs: BTreeMap::from([(id, runs.collect())]), broken: Vec::new() };
        let mut findings = Findings::default();
        judge(&mut findings, &history, &ledger, kills);
        findings.broken().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn only_explained_runs_pass() {
        let unexplained = ["runs again that nothing explains"];
        assert!(broken(&[(1, 1.0, Some(2.0))], &[], &[]).is_empty());
        assert_eq!(broken(&[(1, 1.0, None)], &[], &[]), ["completed jobs that never ran to their end"]);
        assert_eq!(broken(&[(1, 1.0, None), (2, 3.0, Some(4.0))], &[], &[]), unexplained);
        assert!(broken(&[(1, 1.0, None), (2, 3.0, Some(4.0))], &[(1, "lease_lost")], &[]).is_empty());
        assert_eq!(broken(&[(1, 1.0, None), (1, 3.0, Some(4.0))], &[], &[]), unexplained);
        let kill = |at| Kill { at, of_postgres: true, hit: true };
        assert!(broken(&[(1, 1.0, None), (1, 3.0, Some(4.0))], &[], &[kill(1.5)]).is_empty());
        assert_eq!(broken(&[(1, 1.0, None), (1, 3.0, Some(4.0))], &[], &[kill(2.9)]), unexplained);
        let overlap = broken(&[(1, 1.0, Some(3.5)), (2, 3.0, Some(4.0))], &[(1, "lease_lost")], &[]);
        assert_eq!(overlap, ["runs of one job at the same time"]);
    }
}
