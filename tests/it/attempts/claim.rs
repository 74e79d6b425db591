//! Claim: promise 2 (one lease a job) and promise 6 (never early), in order, past paused queues, and
//! with a cursor that forgets nothing.

use std::collections::HashSet;
use std::time::Duration;

use chrono::Utc;
use serde_json::Value;
use tidemill::store::attempts::claim::{ClaimRequest, KindTerms, Position, Terms};
use tidemill::store::kinds::KindRow;
use tidemill::{KindSettings, NewJob};
use uuid::Uuid;

use crate::support::{Db, job, numbered, wait_for};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c2_sixteen_claimers_never_take_the_same_job() {
    const JOBS: i64 = 5_000;
    let db = Db::new().await;
    let jobs: Vec<NewJob> = (0..JOBS).map(|n| numbered("k", n)).collect();
    db.enqueue_all(&jobs).await;
    let mut claimers = tokio::task::JoinSet::new();
    for number in 0..16 {
        let store = db.store.clone();
        claimers.spawn(async move {
            let worker = format!("w{number}");
            let mut cursor = [Position::HEAD; 9];
            let mut taken: Vec<(Uuid, Uuid)> = Vec::new();
            loop {
                let request = ClaimRequest {
                    queue: "default",
                    kinds: &["k".to_owned()],
                    limit: 7 + number,
                    cursor: &cursor,
                    worker_id: &worker,
                    lease_ttl_seconds: 60.0,
                    picked: &[],
                    terms: Terms::default(),
                };
                let jobs = store.claim(&request).await.unwrap();
                assert!(jobs.len() <= usize::try_from(request.limit).unwrap());
                match jobs.last() {
                    Some(last) => cursor[4] = Position { run_at: last.run_at, id: last.id },
                    None if cursor[4] == Position::HEAD => return taken,
                    None => cursor[4] = Position::HEAD,
                }
                taken.extend(jobs.iter().map(|job| (job.id, job.lease_id)));
            }
        });
    }
    let taken: Vec<_> = claimers.join_all().await.concat();
    let jobs: HashSet<_> = taken.iter().map(|(job, _)| job).collect();
    let leases: HashSet<_> = taken.iter().map(|(_, lease)| lease).collect();
    assert_eq!((taken.len(), jobs.len(), leases.len()), (5_000, 5_000, 5_000));
    assert_eq!(db.count("jobs_live where attempt = 1 and state = 'running'").await, JOBS);
    db.check_invariants().await;
}

#[tokio::test]
async fn c1_takes_first_priorities_first_and_of_each_the_oldest() {
    let db = Db::new().await;
    let now = Utc::now();
    let mut new_jobs = Vec::new();
    for (n, (priority, age)) in [(9, 5), (5, 1), (1, 1), (5, 9), (1, 7), (7, 3)].into_iter().enumerate() {
        new_jobs.push(NewJob {
            priority: Some(priority),
            run_at: Some(now - Duration::from_secs(age)),
            ..numbered("k", i64::try_from(n).unwrap())
        });
    }
    db.enqueue_all(&new_jobs).await;
    let mut order = Vec::new();
    for _ in 0..3 {
        for claimed in db.claim_some("default", "k", 2).await {
            order.push(claimed.args["n"].as_i64().unwrap());
        }
    }
    assert_eq!(order, [4, 2, 3, 1, 5, 0]);
}

#[tokio::test]
async fn c1_never_takes_a_job_before_its_time() {
    let db = Db::new().await;
    let soon = NewJob { delay: Some(Duration::from_millis(300)), ..job("k") };
    let far = NewJob { delay: Some(Duration::from_secs(3600)), ..job("k") };
    let made = db.enqueue_all(&[soon, far]).await;
    db.execute(format!(
        "insert into jobs (id, kind, state, run_at) values ('{}', 'k', 'waiting', 'infinity')",
        Uuid::now_v7()
    ))
    .await;
    let claimed =
        wait_for("the job falls due", || async { db.claim_some("default", "k", 10).await.pop() }).await;
    assert_eq!(claimed.id, made[0].id);
    let early: bool = db.scalar("select started_at < run_at from jobs_live where state = 'running'").await;
    assert!(!early);
    assert!(db.claim_some("default", "k", 10).await.is_empty());
}

#[tokio::test]
async fn c4_takes_only_its_queue_and_its_kinds_and_leaves_unknown_ones_to_others() {
    let db = Db::new().await;
    db.enqueue_all(&[job("k"), job("other"), NewJob { queue: Some("q".into()), ..job("k") }]).await;
    assert_eq!(db.claim_some("default", "k", 10).await.len(), 1);
    assert_eq!(db.claim_some("q", "k", 10).await.len(), 1);
    assert!(db.claim_some("q", "k", 10).await.is_empty());
    assert_eq!(db.count("jobs where state = 'available'").await, 1);
}

#[tokio::test]
async fn i1_takes_nothing_from_a_paused_queue_until_it_is_resumed() {
    let db = Db::new().await;
    let running = db.running().await;
    db.enqueue(job("k")).await;
    db.pause_queue("default", "me").await.unwrap();
    assert!(db.claim_some("default", "k", 10).await.is_empty());
    assert!(db.complete_one(&running).await, "what runs goes on");
    db.resume_queue("default").await.unwrap();
    assert_eq!(db.claim_some("default", "k", 10).await.len(), 1);
}

#[tokio::test]
async fn a_scan_from_the_head_finds_jobs_before_the_cursor() {
    let db = Db::new().await;
    let first = db.running().await;
    let mut cursor = [Position::HEAD; 9];
    cursor[4] = Position { run_at: first.run_at, id: first.id };
    let older = NewJob { run_at: Some(first.run_at - Duration::from_secs(60)), ..job("k") };
    let newer = job("k");
    let made = db.enqueue_all(&[older, newer]).await;
    let behind = db.claim_behind(&cursor, "default", "k", 10).await;
    assert_eq!(behind.iter().map(|job| job.id).collect::<Vec<_>>(), [made[1].id]);
    let head = db.claim_some("default", "k", 10).await;
    assert_eq!(head.iter().map(|job| job.id).collect::<Vec<_>>(), [made[0].id]);
}

#[tokio::test]
async fn f2_writes_the_lease_with_the_limits_of_job_and_kind() {
    let db = Db::new().await;
    let settings = KindSettings {
        hard_timeout: Duration::from_secs(500),
        stop_grace: Duration::from_secs(20),
        ..KindSettings::default()
    };
    db.see_kind(&KindRow { name: "k".into(), source: "rust", settings: Some(settings) }).await.unwrap();
    let own = NewJob { hard_timeout: Some(Duration::from_secs(100)), ..job("k") };
    // The hard timeout of the job or else of the kind or else a day, the kind's grace or 10 s, and one lease.
    let day = 86_400.0;
    for (new_job, hard_timeout, until) in
        [(own, Some(100.0), 150.0), (job("k"), None, 550.0), (job("unknown"), None, day + 40.0)]
    {
        db.enqueue(new_job.clone()).await;
        let claimed = db.claim_some("default", &new_job.kind, 1).await.remove(0);
        let (expires, deadline): (f64, f64) = db
            .rows(format!(
                "select extract(epoch from lease_expires_at - started_at)::float8,
                   extract(epoch from deadline_at - started_at)::float8
                 from running
                 where job_id = '{}'",
                claimed.id
            ))
            .await[0];
        assert!((29.9..30.5).contains(&expires), "{expires}");
        assert!((until - 0.1..until + 0.5).contains(&deadline), "{deadline} for {until}");
        assert_eq!((claimed.attempt, claimed.hard_timeout_seconds), (1, hard_timeout));
    }
}

#[tokio::test]
async fn the_worker_that_claims_says_how_long_an_attempt_may_take() {
    let db = Db::new().await;
    // Another worker started later and says otherwise.
    let theirs = KindSettings {
        soft_timeout: Some(Duration::from_secs(1)),
        hard_timeout: Duration::from_secs(3),
        stop_grace: Duration::from_secs(1),
        ..KindSettings::default()
    };
    db.see_kind(&KindRow { name: "k".into(), source: "rust", settings: Some(theirs) }).await.unwrap();
    let ours = [KindTerms {
        soft_seconds: Some(f64::INFINITY),
        hard_seconds: Some(3600.0),
        grace_seconds: Some(20.0),
    }];
    let own = NewJob { hard_timeout: Some(Duration::from_secs(100)), ..job("k") };
    for (new_job, enforced, until) in
        [(job("k"), false, 3650.0), (own, false, 150.0), (job("k"), true, 3620.0)]
    {
        db.enqueue(new_job).await;
        let request = ClaimRequest {
            queue: "default",
            kinds: &["k".into()],
            limit: 1,
            cursor: &[Position::HEAD; 9],
            worker_id: "w",
            lease_ttl_seconds: 30.0,
            picked: &[],
            terms: Terms { own: &ours, enforced, short: &[] },
        };
        let claimed = db.claim(&request).await.unwrap().remove(0);
        let (deadline, soft): (f64, bool) = db
            .rows(format!(
                "select extract(epoch from deadline_at - started_at)::float8, soft_at is not null
                 from running
                 where job_id = '{}'",
                claimed.id
            ))
            .await[0];
        assert!((until - 0.1..until + 0.5).contains(&deadline), "{deadline} for {until}");
        assert!(!soft, "it is never asked to stop");
        // More time is added to what its worker allows, also for later attempts.
        db.extend(claimed.id, claimed.lease_id, Duration::from_secs(60)).await.unwrap();
        let hard: f64 = db
            .scalar(format!(
                "select extract(epoch from hard_timeout)::float8 from jobs where id = '{}'",
                claimed.id
            ))
            .await;
        let allowed = claimed.hard_timeout_seconds.unwrap_or(3600.0) + 60.0;
        assert!((hard - allowed).abs() < 0.01, "{hard} for {allowed}");
        assert!(db.complete_one(&claimed).await);
    }
}

#[tokio::test]
async fn skips_what_another_session_holds_and_finds_it_later() {
    let db = Db::new().await;
    let held = db.enqueue(job("k")).await;
    let free = db.enqueue(job("k")).await;
    let mut transaction = db.pool().begin().await.unwrap();
    sqlx::query("select 1 from jobs_live where id = $1 for update")
        .bind(held)
        .execute(&mut *transaction)
        .await
        .unwrap();
    let claimed = db.claim_some("default", "k", 10).await;
    assert_eq!(claimed.iter().map(|job| job.id).collect::<Vec<_>>(), [free]);
    transaction.rollback().await.unwrap();
    assert_eq!(db.claim_one().await.id, held);
}

#[tokio::test]
async fn args_that_cannot_be_read_do_not_stand_in_the_way_of_others() {
    let db = Db::new().await;
    db.execute(
        "select enqueue('k', jsonb_build_object('n', n), run_at => now() - (4 - n) * interval '1 s') from generate_series(1, 3) n;
         -- Past the checks of every verb.
         update jobs_live set args = ('{\"deep\": ' || repeat('[', 500) || repeat(']', 500) || '}')::jsonb where args ->> 'n' = '1';
         update jobs_live set args = '{\"large\": 1e400}' where args ->> 'n' = '2';
         update jobs_live set metadata = '{\"large\": -1e999}' where args ->> 'n' = '3'",
    )
    .await;
    let claimed = db.claim_some("default", "k", 10).await;
    let readable: Vec<bool> = claimed.iter().map(|job| job.args.is_object()).collect();
    assert_eq!(readable, [false, false, true]);
    let shown = [
        |args: &Value| args["unreadable"].is_string(),
        |args: &Value| args["large"].as_str().is_some_and(|digits| digits.len() == 401),
        |args: &Value| args["n"] == 3,
    ];
    for (claimed, is_shown) in claimed.iter().zip(shown) {
        let args = db.job(claimed.id).await.args;
        assert!(is_shown(&args), "{args}");
        db.execute(format!("select append_event('{}', 1, 'log', '{{\"n\": 1e400}}')", claimed.id)).await;
        let event = &db.events_after(claimed.id, 0, &[], 1).await.unwrap()[0];
        assert!(event.data["n"].is_string(), "its digits are shown as text: {}", event.data);
    }
}
