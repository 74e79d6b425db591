//! Every pair of verbs on one job, one of them in an open transaction when the other comes, then
//! committed or rolled back. Whatever comes of it must be what one order of the two gives; a verb that
//! passes over locked rows may also have seen nothing.

use std::fmt::Write as _;

use uuid::Uuid;

use crate::support::{DEADLINE, Db, Session, blocked_or_done, statement};

/// In which state the job is when the two come.
#[derive(Clone, Copy, Debug)]
enum Start {
    /// Runs, with a lease that expired and was not yet taken back.
    Running,
    /// The same, but its kind is short: its claim did not enter it in `running`.
    Short,
    Available,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verb {
    Complete,
    Fail,
    Release,
    Cancel,
    Sweep,
    Report,
    Heartbeat,
    Retry,
    RunNow,
    Snooze,
    Delete,
    Claim,
    Prune,
    Purge,
}

impl Verb {
    fn sql(self, job: Uuid, lease: Uuid) -> String {
        let jobs = format!("array['{job}']::uuid[]");
        let leases = format!("array['{lease}']::uuid[]");
        let settle = |outcome: &str, error: &str| {
            format!("select settle_attempt('{job}', '{lease}', '{outcome}', {error}, null, null)")
        };
        match self {
            Self::Complete => statement(
                include_str!("../../../src/store/attempts/complete.sql"),
                &[&jobs, &leases, "array[null]::jsonb[]", "array[null]::jsonb[]"],
            ),
            Self::Report => statement(
                include_str!("../../../src/store/attempts/report.rs"),
                &[&jobs, &leases, "array['log']::text[]", "array['{}']::jsonb[]", "gen_random_uuid()"],
            ),
            Self::Heartbeat => statement(
                include_str!("../../../src/store/attempts/heartbeat.sql"),
                &["'w'", &leases, "30.0::float8"],
            ),
            Self::Claim => statement(
                include_str!("../../../src/store/attempts/claim.sql"),
                &[
                    "'default'",
                    "array['k']",
                    "array[5]::smallint[]",
                    "array['epoch']::timestamptz[]",
                    "array['00000000-0000-0000-0000-000000000000']::uuid[]",
                    "10::bigint",
                    "'w2'",
                    "30.0::float8",
                    "array[]::uuid[]",
                    "array[]::float8[]",
                    "array[]::float8[]",
                    "array[]::float8[]",
                    "false",
                    "array[]::text[]",
                ],
            ),
            Self::Fail => settle("failed", r#"'{"message": "x", "type": "x", "permanent": false}'"#),
            Self::Release => settle("released", "null"),
            Self::Cancel => format!("select cancel('{job}')"),
            Self::Sweep => "select count(*)::text from sweep()".into(),
            Self::Retry => format!("select retry('{job}')"),
            Self::RunNow => format!("select run_now('{job}')"),
            Self::Snooze => format!("select snooze('{job}', '1 hour')"),
            Self::Delete => format!("select delete_job('{job}')"),
            Self::Prune => "select prune()::text".into(),
            Self::Purge => "select purge_queue('default')::text".into(),
        }
    }

    /// What it answers when it passed over a row that somebody else holds, if it does that.
    fn passing(self) -> Option<&'static str> {
        match self {
            Self::Sweep | Self::Claim | Self::Purge => Some("0"),
            // It names the lease, which is seen to be there, but does not renew it.
            Self::Heartbeat => Some("1"),
            _ => None,
        }
    }
}

const RUNNING: [Verb; 11] = [
    Verb::Complete,
    Verb::Fail,
    Verb::Release,
    Verb::Cancel,
    Verb::Sweep,
    Verb::Report,
    Verb::Heartbeat,
    Verb::Retry,
    Verb::Delete,
    Verb::Claim,
    Verb::Purge,
];
/// No heartbeat: it is for those that are entered.
const SHORT: [Verb; 10] = [
    Verb::Complete,
    Verb::Fail,
    Verb::Release,
    Verb::Cancel,
    Verb::Sweep,
    Verb::Report,
    Verb::Retry,
    Verb::Delete,
    Verb::Claim,
    Verb::Purge,
];
const AVAILABLE: [Verb; 7] =
    [Verb::Claim, Verb::Cancel, Verb::RunNow, Verb::Snooze, Verb::Delete, Verb::Purge, Verb::Retry];
const FAILED: [Verb; 5] = [Verb::Retry, Verb::Cancel, Verb::Delete, Verb::Prune, Verb::Claim];

/// A fresh job in the given state, alone in the database; answers it and its lease.
async fn prepare(db: &Db, start: Start) -> (Uuid, Uuid) {
    let (job, lease) = (Uuid::now_v7(), Uuid::new_v4());
    let mut sql = "delete from jobs; delete from running; delete from claim_batches; delete from progress; delete from events;
        delete from attempts; delete from task_ids;"
        .to_owned();
    let insert = match start {
        Start::Running => format!(
            "insert into jobs (id, kind, state, attempt, started_at, lease_id, worker_id)
             values ('{job}', 'k', 'running', 1, now(), '{lease}', 'w');
             insert into running (job_id, lease_id, worker_id, attempt, queue, kind, lease_expires_at, deadline_at)
             values ('{job}', '{lease}', 'w', 1, 'default', 'k', now() - interval '1 s', now() + interval '1 h')"
        ),
        Start::Short => format!(
            "insert into jobs (id, kind, state, attempt, started_at, lease_id, worker_id)
             values ('{job}', 'k', 'running', 1, now(), '{lease}', 'w');
             insert into claim_batches
             values ('{lease}', 'w', now(), now() - interval '1 s', '{{k}}', '{{null}}', '{{1 h}}', '{{1 s}}', array['{job}'::uuid])"
        ),
        Start::Available => format!("insert into jobs (id, kind) values ('{job}', 'k')"),
        Start::Failed => format!(
            "insert into jobs (id, kind, state, attempt, started_at, finished_at, last_lease_id, retain_until)
             values ('{job}', 'k', 'failed', 1, now(), now(), '{lease}', now() - interval '1 s');
             insert into task_ids values ('name', '{job}');
             select append_event('{job}', 1, 'log', '{{}}')"
        ),
    };
    write!(sql, "{insert}").unwrap();
    db.execute(sql).await;
    (job, lease)
}

/// All that the two can have changed, without what differs from run to run.
async fn outcome(db: &Db) -> String {
    db.scalar(
            "select concat_ws(' | ',
               (select string_agg(concat_ws(' ', state, attempt, lease_id is not null, worker_id,
                  cancel_requested_at is not null, run_at > now() + interval '30 min', error ->> 'type'), ',') from jobs),
               (select string_agg(concat_ws(' ', worker_id, lease_expires_at > now()), ',') from running),
               (select string_agg(concat_ws(' ', seq, type), ',' order by seq) from events),
               (select string_agg(outcome, ',') from attempts),
               (select count(*) from task_ids),
               (select string_agg(last_seq::text, ',') from progress))",
        )
        .await
}

/// Two connections against each other in one database.
struct Arena {
    db: Db,
    first: Session,
    second: Option<Session>,
    start: Start,
}

impl Arena {
    async fn open(start: Start) -> Self {
        let db = Db::new().await;
        let (first, second) = (Session::open(&db).await, Some(Session::open(&db).await));
        Self { db, first, second, start }
    }

    /// What the verbs give one after the other.
    async fn serial(&mut self, verbs: &[Verb]) -> (Vec<Option<String>>, String) {
        let (job, lease) = prepare(&self.db, self.start).await;
        let mut answers = Vec::new();
        for verb in verbs {
            answers.push(self.first.run(&verb.sql(job, lease)).await.unwrap());
        }
        (answers, outcome(&self.db).await)
    }

    /// What they give when `b` comes while `a` is in an open transaction that then ends.
    async fn concurrent(&mut self, a: Verb, b: Verb, end: &str) -> (Vec<Option<String>>, String) {
        let (job, lease) = prepare(&self.db, self.start).await;
        self.first.run("begin").await.unwrap();
        let answer = self.first.run(&a.sql(job, lease)).await.unwrap();
        let second = self.second.take().expect("it is given back below");
        let pid = second.pid;
        let rival = second.run_apart(b.sql(job, lease));
        blocked_or_done(&self.db, pid, &rival).await;
        self.first.run(end).await.unwrap();
        let rival = tokio::time::timeout(DEADLINE, rival).await.expect("no deadlock");
        let (second, rival) = rival.unwrap();
        self.second = Some(second);
        let rival =
            rival.unwrap_or_else(|error| panic!("{b:?} against {a:?} ({:?}, {end}): {error}", self.start));
        self.db.check_invariants().await;
        (vec![answer, rival], outcome(&self.db).await)
    }
}

async fn check(start: Start, verbs: &[Verb]) {
    let mut arena = Arena::open(start).await;
    let mut wrong = String::new();
    let untouched = arena.serial(&[]).await.1;
    for &a in verbs {
        let (answer, after) = arena.serial(&[a]).await;
        for &b in verbs {
            let mut swapped = arena.serial(&[b, a]).await;
            swapped.0.reverse();
            let mut allowed = vec![arena.serial(&[a, b]).await, swapped];
            if let Some(passing) = b.passing() {
                allowed.push((vec![answer[0].clone(), Some(passing.to_owned())], after.clone()));
            }
            let seen = arena.concurrent(a, b, "commit").await;
            if !allowed.contains(&seen) {
                let _ = writeln!(wrong, "{a:?} then {b:?}, committed: {seen:?}\n  allowed: {allowed:#?}");
            }
            let only_b = arena.serial(&[b]).await;
            let seen = arena.concurrent(a, b, "rollback").await;
            let passed_over = b
                .passing()
                .is_some_and(|passing| seen.1 == untouched && seen.0[1].as_deref() == Some(passing));
            if (&seen.0[1..], &seen.1) != (&only_b.0, &only_b.1) && !passed_over {
                let _ = writeln!(wrong, "{a:?} then {b:?}, rolled back: {seen:?}\n  allowed: {only_b:?}");
            }
        }
    }
    assert!(wrong.is_empty(), "{start:?}:\n{wrong}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_running_job_with_an_expired_lease() {
    check(Start::Running, &RUNNING).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_short_job_with_an_expired_lease() {
    check(Start::Short, &SHORT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_an_available_job() {
    check(Start::Available, &AVAILABLE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_failed_job_past_its_retention() {
    check(Start::Failed, &FAILED).await;
}
