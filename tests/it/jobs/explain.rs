//! Explain: each reason why a job does not run, right and alone; and estimates that rest on something.

use std::time::Duration;

use serde_json::{Value, json};
use tidemill::job::attempt::{Failure, Outcome, Usage, Wait};
use tidemill::store::attempts::settle::Settled;
use tidemill::store::jobs::explain::{Explanation, Reason};
use tidemill::{After, NewJob};
use uuid::Uuid;

use crate::support::{Db, idle_worker, job};

async fn why(db: &Db, id: Uuid) -> Explanation {
    db.store.explain(id).await.unwrap().expect("the job exists")
}

/// The only reason.
async fn reason(db: &Db, id: Uuid) -> Reason {
    let mut reasons = why(db, id).await.reasons;
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    reasons.remove(0)
}

async fn code(db: &Db, id: Uuid) -> String {
    reason(db, id).await.code
}

#[tokio::test]
async fn nothing_holds_it_back() {
    let db = Db::new().await;
    idle_worker(&db, 2).await;
    let id = db.enqueue(job("k")).await;
    assert_eq!(code(&db, id).await, "starting");
    let start = why(&db, id).await.expected_start_at.unwrap() - chrono::Utc::now();
    assert!(start.num_seconds().abs() < 5, "{start}");
    assert!(db.store.explain(Uuid::now_v7()).await.unwrap().is_none());
}

#[tokio::test]
async fn it_is_not_due_or_waits_for_its_next_attempt() {
    let db = Db::new().await;
    idle_worker(&db, 2).await;
    let later = db.enqueue(NewJob { delay: Some(Duration::from_secs(3600)), ..job("k") }).await;
    let due = reason(&db, later).await;
    assert_eq!((due.code.as_str(), due.until), ("not_due", db.job(later).await.run_at));
    assert_eq!(why(&db, later).await.expected_start_at, db.job(later).await.run_at);
    let claimed = db.running().await;
    let failure = Failure { message: "no route".into(), class: "x".into(), ..Failure::default() };
    let settled = Settled::of(claimed.id, claimed.lease_id, Outcome::Failed { failure }, Usage::default());
    db.settle(settled.as_slice()).await.unwrap();
    let retrying = reason(&db, claimed.id).await;
    assert_eq!(retrying.code, "retrying");
    assert!(retrying.message.starts_with("attempt 1 failed (no route)"), "{}", retrying.message);
}

#[tokio::test]
async fn its_queue_is_paused_and_by_whom() {
    let db = Db::new().await;
    idle_worker(&db, 2).await;
    let id = db.enqueue(job("k")).await;
    db.execute("select pause_queue('default', 'ann')").await;
    let paused = reason(&db, id).await;
    assert_eq!((paused.code.as_str(), &paused.details["paused_by"]), ("queue_paused", &json!("ann")));
    assert_eq!(why(&db, id).await.expected_start_at, None, "somebody has to act first");
    // Draining keeps new jobs out, not those that are there.
    db.execute("select resume_queue('default'); select drain_queue('default')").await;
    assert_eq!(code(&db, id).await, "starting");
}

#[tokio::test]
async fn a_limit_is_full_and_who_holds_it() {
    let db = Db::new().await;
    idle_worker(&db, 5).await;
    db.execute("select set_limit('tenant', 1)").await;
    let limited = || NewJob { concurrency_keys: vec!["tenant:7".into()], ..job("k") };
    let holder = db.enqueue(limited()).await;
    db.execute(
        "update jobs_live set state = 'running', run_at = now(), attempt = 1, lease_id = gen_random_uuid(), worker_id = 'w', started_at = now();
         insert into running (job_id, lease_id, worker_id, attempt, queue, kind, concurrency_keys, lease_expires_at, deadline_at)
         select id, lease_id, 'w', 1, queue, kind, concurrency_keys, now() + interval '1 hour', now() + interval '1 hour' from jobs_live",
    )
    .await;
    let id = db.enqueue(limited()).await;
    let full = reason(&db, id).await;
    assert_eq!((full.code.as_str(), &full.details["limit"]), ("limit_full", &json!("tenant:7")));
    assert_eq!(full.details["held_by"], json!([holder]));
    assert_eq!(why(&db, id).await.expected_start_at, None, "nobody knows when its holder ends");
    db.execute("select set_limit('queue:default', 1)").await;
    let codes: Vec<_> =
        why(&db, id).await.reasons.into_iter().map(|reason| reason.details["limit"].clone()).collect();
    assert_eq!(codes, [json!("tenant:7"), json!("queue:default")], "both, in order");
}

#[tokio::test]
async fn a_limit_of_none_and_a_rate() {
    let db = Db::new().await;
    idle_worker(&db, 5).await;
    db.execute(
        "select set_limit('none', 0); select set_limit('slow', rate => 1, per => '1 hour', burst => 1)",
    )
    .await;
    let none = db.enqueue(NewJob { concurrency_keys: vec!["none".into()], ..job("k") }).await;
    assert_eq!(reason(&db, none).await.message, "the limit none allows no job to run");
    assert_eq!(why(&db, none).await.expected_start_at, None);
    db.cancel(none, None, "me").await.unwrap();
    let slow = db.enqueue(NewJob { concurrency_keys: vec!["slow".into()], ..job("k") }).await;
    assert_eq!(code(&db, slow).await, "starting");
    db.execute("insert into limit_buckets values ('slow', 0, now())").await;
    let rate = reason(&db, slow).await;
    assert_eq!(rate.code, "rate_reached");
    let opens = rate.until.unwrap() - chrono::Utc::now();
    assert!((3590..=3600).contains(&opens.num_seconds()), "{opens}");
    let run = "insert into jobs (id, kind, state, attempt, started_at, finished_at)
        values (new_job_id(), 'k', 'completed', 1, clock_timestamp(), clock_timestamp())";
    db.execute(run).await;
    for hours in 1..=3 {
        let behind = db.enqueue(NewJob { concurrency_keys: vec!["slow".into()], ..job("k") }).await;
        let starts = why(&db, behind).await.expected_start_at.unwrap() - rate.until.unwrap();
        assert_eq!((starts.num_seconds() + 5) / 3600, hours, "those before it start first: {starts}");
    }
}

#[tokio::test]
async fn it_waits_for_jobs_or_a_signal() {
    let db = Db::new().await;
    idle_worker(&db, 2).await;
    let parent = db.enqueue(job("other")).await;
    let child = db.enqueue(NewJob { after: vec![After::job(parent)], ..job("k") }).await;
    let waits = reason(&db, child).await;
    assert_eq!((waits.code.as_str(), &waits.details["jobs"]), ("waits_for_jobs", &json!([parent])));
    let claimed = db.running().await;
    let wait = Wait::Signal { signal: "approved".into(), timeout_seconds: Some(3600.0) };
    let settled = Settled::of(claimed.id, claimed.lease_id, Outcome::Waits { wait }, Usage::default());
    db.settle(settled.as_slice()).await.unwrap();
    let waits = reason(&db, claimed.id).await;
    assert_eq!((waits.code.as_str(), &waits.details["signal"]), ("waits_for_signal", &json!("approved")));
    assert!(waits.until.is_some());
    assert_eq!(why(&db, claimed.id).await.expected_start_at, None);
}

#[tokio::test]
async fn its_kind_crashes_in_a_loop() {
    let db = Db::new().await;
    idle_worker(&db, 2).await;
    let id = db.enqueue(job("k")).await;
    db.execute("insert into kinds (name, source, breaker_after, breaker_crashes, breaker_open_until) values ('k', 'rust', 3, 3, now() + interval '1 minute')")
        .await;
    let open = reason(&db, id).await;
    assert_eq!((open.code.as_str(), &open.details["crashes"]), ("breaker_open", &json!(3)));
    assert_eq!(why(&db, id).await.expected_start_at, open.until);
}

#[tokio::test]
async fn nobody_serves_it_here_or_all_drain_or_have_no_slots() {
    let db = Db::new().await;
    let id = db.enqueue(job("k")).await;
    assert_eq!(code(&db, id).await, "no_worker");
    idle_worker(&db, 2).await;
    let elsewhere = db.enqueue(NewJob { queue: Some("elsewhere".into()), ..job("k") }).await;
    assert_eq!(code(&db, elsewhere).await, "no_worker_in_queue");
    db.execute("select set_slots('default', 0)").await;
    assert_eq!(code(&db, id).await, "no_slots");
    db.execute("select set_slots('default', null); update workers set drain_requested_at = now()").await;
    assert_eq!(code(&db, id).await, "workers_draining");
    db.execute(
        "insert into workers (id, name, host, version, lease_ttl, kinds, queues) values ('o', 'o', 'h', '1', '30 s', '{k}', '{\"other\": 2}')",
    )
    .await;
    assert_eq!(code(&db, id).await, "workers_draining", "who serves another queue does not change that");
    db.execute("delete from workers where id = 'o'").await;
    db.execute("update workers set drain_requested_at = null, seen_at = now() - interval '1 hour'").await;
    assert_eq!(code(&db, id).await, "no_worker", "a lost one serves nobody");
}

#[tokio::test]
async fn workers_are_busy_with_those_ahead_and_the_start_is_estimated() {
    let db = Db::new().await;
    idle_worker(&db, 2).await;
    for _ in 0..7 {
        db.enqueue(job("k")).await;
    }
    db.claim_some("default", "k", 2).await;
    let late = db.enqueue(NewJob { priority: Some(7), ..job("k") }).await;
    let urgent = db.enqueue(NewJob { priority: Some(1), ..job("k") }).await;
    let many: Vec<Uuid> =
        db.rows("select enqueue_many((select jsonb_agg('{\"kind\": \"k\", \"priority\": 9}'::jsonb) from generate_series(1, 3)))")
            .await
            .into_iter()
            .map(|(id,)| id)
            .collect();
    let mut places = Vec::new();
    for id in many {
        places.push(reason(&db, id).await.details["ahead"].as_i64().unwrap());
    }
    places.sort_unstable();
    assert_eq!(places, [7, 8, 9], "of one call each has its place");
    let busy = reason(&db, late).await;
    assert_eq!(
        (busy.code.as_str(), &busy.details["ahead"], &busy.details["slots"]),
        ("workers_busy", &json!(6), &json!(2))
    );
    assert_eq!(reason(&db, urgent).await.details["ahead"], 0);
    assert_eq!(why(&db, late).await.expected_start_at, None, "no run of the kind is known");
    db.execute(
        "insert into stats_deltas (queue, kind, outcome, jobs, ran) values ('default', 'k', 'completed', 5, '50 seconds')",
    )
    .await;
    let estimate = why(&db, late).await;
    let wait = (estimate.expected_start_at.unwrap() - chrono::Utc::now()).num_seconds();
    assert!((35..=41).contains(&wait), "6 ahead on 2 slots of 10 s: {wait}");
    assert!(estimate.based_on.unwrap().contains("6 jobs ahead, 2 of 2 slots taken, 10.0 s"));
}

#[tokio::test]
async fn other_groups_take_turns_and_it_expires() {
    let db = Db::new().await;
    idle_worker(&db, 2).await;
    for tenant in ["a", "b"] {
        db.enqueue(NewJob { fair_key: Some(tenant.into()), ..job("k") }).await;
    }
    let new_job =
        NewJob { fair_key: Some("c".into()), expires_in: Some(Duration::from_secs(60)), ..job("k") };
    let id = db.enqueue(new_job).await;
    let reasons = why(&db, id).await.reasons;
    let codes: Vec<_> = reasons.iter().map(|reason| reason.code.as_str()).collect();
    assert_eq!(codes, ["workers_busy", "takes_turns", "expires"]);
    assert_eq!(reasons[1].details["others"], 2);
    // With slots for all of them nobody waits for a turn.
    idle_worker(&db, 9).await;
    let codes: Vec<_> = why(&db, id).await.reasons.into_iter().map(|reason| reason.code).collect();
    assert_eq!(codes, ["expires", "starting"]);
}

#[tokio::test]
async fn what_cannot_start_is_not_ahead_of_it() {
    let db = Db::new().await;
    idle_worker(&db, 2).await;
    db.execute(
        "update workers set kinds = '{k,loops}';
         select set_limit('tenant', 1);
         insert into kinds (name, source, breaker_after, breaker_crashes, breaker_open_until)
         values ('loops', 'rust', 3, 3, now() + interval '1 hour')",
    )
    .await;
    let limited = || NewJob { concurrency_keys: vec!["tenant".into()], ..job("k") };
    let holder = db.enqueue(limited()).await;
    db.execute(format!(
        "update jobs_live set state = 'running', run_at = now(), attempt = 1, lease_id = gen_random_uuid(), worker_id = 'w', started_at = now() where id = '{holder}';
         insert into running (job_id, lease_id, worker_id, attempt, queue, kind, concurrency_keys, lease_expires_at, deadline_at)
         select id, lease_id, 'w', 1, queue, kind, concurrency_keys, now() + interval '1 hour', now() + interval '1 hour' from jobs_live where id = '{holder}'"
    ))
    .await;
    db.enqueue(limited()).await;
    for _ in 0..3 {
        db.enqueue(job("of-nobody")).await;
        db.enqueue(job("loops")).await;
    }
    // What a worker runs that does not serve it takes no slot from it.
    db.execute(
        "insert into running (job_id, lease_id, worker_id, attempt, queue, kind, lease_expires_at, deadline_at)
         select gen_random_uuid(), gen_random_uuid(), 'another', 1, 'default', 'x', now() + interval '1 hour', now() + interval '1 hour'
         from generate_series(1, 5)",
    )
    .await;
    let id = db.enqueue(job("k")).await;
    assert_eq!(code(&db, id).await, "starting");
    assert!(why(&db, id).await.expected_start_at.is_some());
    // One that can start takes the last slot.
    let first = db.enqueue(NewJob { priority: Some(1), ..job("k") }).await;
    let busy = reason(&db, id).await;
    assert_eq!((busy.code.as_str(), &busy.details["ahead"]), ("workers_busy", &json!(1)));
    assert_eq!(busy.details["running"], 1);
    assert_eq!(code(&db, first).await, "starting");
}

#[tokio::test]
async fn it_runs_or_is_finished() {
    let db = Db::new().await;
    let claimed = db.running().await;
    let running = reason(&db, claimed.id).await;
    assert_eq!((running.code.as_str(), &running.details["worker_id"]), ("running", &json!("w")));
    db.complete_one(&claimed).await;
    let finished = reason(&db, claimed.id).await;
    assert_eq!((finished.code.as_str(), &finished.details["state"]), ("finished", &json!("completed")));
    assert_ne!(finished.details["finished_at"], Value::Null);
}

#[tokio::test]
async fn a_long_line_is_explained_fast() {
    let db = Db::new().await;
    idle_worker(&db, 2).await;
    db.execute(
        "insert into jobs_live (id, kind, queue) select new_job_id(), 'k', 'default' from generate_series(1, 200000)",
    )
    .await;
    let id = db.enqueue(job("k")).await;
    why(&db, id).await;
    let began = std::time::Instant::now();
    let busy = reason(&db, id).await;
    assert!(busy.message.starts_with("jobs ahead: 5000 or more"), "{}", busy.message);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
