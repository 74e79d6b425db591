//! How many run at once: per queue, per key, several at once, over all workers; every end frees a slot.

use std::time::Duration;

use tidemill::NewJob;
use tidemill::job::attempt::{Failure, Outcome, Usage};
use tidemill::store::attempts::claim::Claimed;
use tidemill::store::attempts::settle::Settled;
use uuid::Uuid;

use super::{claim, claim_as, keyed};
use crate::support::{Db, job};

#[tokio::test]
async fn j1_queue_limit_holds_over_all_workers() {
    let db = Db::new().await;
    db.execute("select set_limit('queue:default', max_running => 3)").await;
    db.enqueue_all(&vec![job("k"); 10].into_iter().map(fresh).collect::<Vec<_>>()).await;
    assert!(db.claim_some("default", "k", 10).await.is_empty(), "a claim that is not counted takes nothing");
    let other = db.another_store();
    let first = claim_as(&db, "a", "default", 2).await;
    let second = {
        let db = &db;
        claim_as(db, "b", "default", 10).await
    };
    assert_eq!((first.len(), second.len()), (2, 1));
    assert!(claim(&db, 10).await.is_empty());
    assert!(db.complete_one(&first[0]).await);
    assert_eq!(claim(&db, 10).await.len(), 1);
    other.set_limit("queue:default", &tidemill::job::limit::LimitSettings::default()).await.unwrap();
    assert_eq!(db.claim_some("default", "k", 10).await.len(), 6, "without a limit all others may run");
    db.check_invariants().await;
}

fn fresh(job: NewJob) -> NewJob {
    NewJob { id: Uuid::now_v7(), ..job }
}

#[tokio::test]
async fn j1_per_key_each_key_is_counted_apart_also_over_queues() {
    let db = Db::new().await;
    db.execute("select set_limit('tenant', max_running => 2)").await;
    for key in
        ["tenant:a", "tenant:a", "tenant:a", "tenant:b", "tenant:b", "tenant:b", "free:1", "free:1", "free:1"]
    {
        db.enqueue(keyed(&[key])).await;
    }
    db.enqueue(NewJob { queue: Some("other".into()), ..keyed(&["tenant:a"]) }).await;
    assert!(
        db.claim_some("default", "k", 100).await.is_empty(),
        "a claim that is not counted takes none of them"
    );
    let mut taken = claim(&db, 100).await;
    taken.extend(claim(&db, 100).await);
    assert_eq!(taken.len(), 2 + 2 + 3, "a key without a limit has none");
    assert!(claim(&db, 100).await.is_empty());
    assert!(claim_as(&db, "w", "other", 10).await.is_empty(), "a key counts in all queues");
    let of_a = taken_with(&db, &taken, "tenant:a").await;
    assert!(db.complete_one(&of_a).await);
    assert_eq!(claim_as(&db, "w", "other", 10).await.len(), 1);
    assert!(claim(&db, 100).await.is_empty());
    db.check_invariants().await;
}

async fn taken_with(db: &Db, taken: &[Claimed], key: &str) -> Claimed {
    for job in taken {
        if db.job(job.id).await.concurrency_keys.contains(&key.to_owned()) {
            return job.clone();
        }
    }
    panic!("none was taken with {key}");
}

#[tokio::test]
async fn j1_several_limits_at_once_all_have_to_agree() {
    let db = Db::new().await;
    db.execute(
        "select set_limit('tenant', max_running => 2);
         select set_limit('api', max_running => 3);
         select set_limit('queue:default', max_running => 5)",
    )
    .await;
    for key in ["tenant:a", "tenant:a", "tenant:a", "tenant:b", "tenant:b", "tenant:c"] {
        db.enqueue(keyed(&[key, "api"])).await;
    }
    for _ in 0..5 {
        db.enqueue(job("k")).await;
    }
    let mut taken = Vec::new();
    for _ in 0..10 {
        taken.extend(claim(&db, 100).await);
    }
    let with_api: i64 = db.count("running where 'api' = any(concurrency_keys)").await;
    let most: i64 = db
        .scalar("select max(n) from (select count(*) n from running, unnest(concurrency_keys) k where k like 'tenant:%' group by k) t")
        .await;
    assert_eq!(taken.len(), 5);
    // Jobs with and without keys share the room of the queue, odd slots by chance.
    assert!((2..=3).contains(&with_api), "{with_api}");
    db.execute("select set_limit('queue:default', max_running => 50)").await;
    taken.extend(claim(&db, 100).await);
    taken.extend(claim(&db, 100).await);
    assert_eq!(taken.len(), 5 + 3, "all plain ones, and three that count for the api");
    assert!(most <= 2);
    db.check_invariants().await;
}

#[tokio::test]
async fn j1_the_exact_name_of_a_limit_wins_over_its_beginning() {
    let db = Db::new().await;
    db.execute("select set_limit('tenant', max_running => 1); insert into limits (name, max_running) values ('big', 4)").await;
    for key in ["tenant:a", "tenant:a", "big", "big", "big", "big", "big"] {
        db.enqueue(keyed(&[key])).await;
    }
    let mut taken = claim(&db, 100).await;
    taken.extend(claim(&db, 100).await);
    assert_eq!(taken.len(), 1 + 4);
}

#[tokio::test]
async fn j4_a_slot_is_free_after_every_end() {
    let db = Db::new().await;
    db.execute("select set_limit('one', max_running => 1)").await;
    let failed = |permanent| Outcome::Failed {
        failure: Failure { message: "x".into(), class: "x".into(), permanent, ..Failure::default() },
    };
    let ends = [
        ("completed", None),
        ("failed for good", Some(failed(true))),
        ("retried", Some(failed(false))),
        ("snoozed", Some(Outcome::Snoozed { delay: Duration::from_hours(1) })),
        ("handed back", Some(Outcome::Released)),
        ("cancelled", Some(Outcome::Cancelled)),
    ];
    for (what, end) in ends {
        let first = db.enqueue(keyed(&["one"])).await;
        let taken = claim(&db, 10).await.pop().expect(what);
        let next = db.enqueue(NewJob { priority: Some(1), ..keyed(&["one"]) }).await;
        assert!(claim(&db, 10).await.is_empty(), "{what}: only one at a time");
        match end {
            None => assert!(db.complete_one(&taken).await),
            Some(outcome) => {
                let settled = Settled::of(taken.id, taken.lease_id, outcome, Usage::default()).unwrap();
                assert!(db.settle(&[settled]).await.unwrap()[0].is_some());
            }
        }
        let freed = claim(&db, 10).await;
        assert_eq!(freed.len(), 1, "{what}: the slot is free, and only one");
        assert_eq!(freed[0].id, next);
        db.check_invariants().await;
        for id in [first, next] {
            db.execute(format!("select cancel('{id}')")).await;
        }
        let settled = Settled::of(next, freed[0].lease_id, Outcome::Cancelled, Usage::default()).unwrap();
        db.settle(&[settled]).await.unwrap();
        assert_eq!(db.count("running").await, 0, "{what}");
    }
}

#[tokio::test]
async fn j4_a_slot_is_free_after_a_crash_and_a_timeout() {
    let db = Db::new().await;
    db.execute("select set_limit('one', max_running => 1)").await;
    for overdue in ["lease_expires_at", "deadline_at"] {
        let first = db.enqueue(keyed(&["one"])).await;
        assert_eq!(claim(&db, 10).await.len(), 1);
        let second = db.enqueue(keyed(&["one"])).await;
        assert!(claim(&db, 10).await.is_empty());
        db.execute(format!("update running set {overdue} = now() - interval '1 second'")).await;
        assert!(claim(&db, 10).await.is_empty(), "until the sweep says so the slot is taken");
        assert_eq!(db.sweep().await.unwrap().len(), 1);
        let next = claim(&db, 10).await;
        assert_eq!(
            (next.len(), next[0].id),
            (1, second),
            "the other is due at once, the first after its backoff"
        );
        assert_eq!(db.job(first).await.status, "retrying");
        assert!(db.complete_one(&next[0]).await);
        db.execute(format!("select cancel('{first}')")).await;
    }
}

#[tokio::test]
async fn i2_a_limit_is_raised_and_lowered_while_jobs_run() {
    let db = Db::new().await;
    db.execute("select set_limit('tenant', max_running => 0)").await;
    for _ in 0..6 {
        db.enqueue(keyed(&["tenant:a"])).await;
    }
    assert!(claim(&db, 10).await.is_empty(), "0 stops all");
    db.execute("select set_limit('tenant', max_running => 2)").await;
    let running = claim(&db, 10).await;
    assert_eq!(running.len(), 2);
    db.execute("select set_limit('tenant', max_running => 1)").await;
    assert!(db.complete_one(&running[0]).await);
    assert!(claim(&db, 10).await.is_empty(), "one still runs");
    db.execute("select drop_limit('tenant')").await;
    assert_eq!(claim(&db, 10).await.len(), 4);
}

#[tokio::test]
async fn i1_a_paused_queue_gives_no_turns() {
    let db = Db::new().await;
    db.enqueue(keyed(&["tenant:a"])).await;
    db.execute("select pause_queue('default')").await;
    assert!(claim(&db, 10).await.is_empty());
    db.execute("select resume_queue('default')").await;
    assert_eq!(claim(&db, 10).await.len(), 1);
}

#[tokio::test]
async fn what_people_do_with_a_job_that_waits_for_its_turn() {
    let db = Db::new().await;
    db.execute("select set_limit('one', max_running => 1)").await;
    let later = NewJob { delay: Some(Duration::from_hours(1)), ..keyed(&["one"]) };
    let id = db.enqueue(later).await;
    assert_eq!((db.state(id).await, db.job(id).await.status.as_str()), ("waiting", "scheduled"));
    assert!(db.job(id).await.run_at.is_some(), "when it is due is known");
    assert!(claim(&db, 10).await.is_empty());
    db.execute(format!("select run_now('{id}')")).await;
    assert_eq!(db.job(id).await.status, "waiting");
    db.execute(format!("select snooze('{id}', '1 hour')")).await;
    assert!(claim(&db, 10).await.is_empty());
    db.execute(format!("select run_now('{id}')")).await;
    let taken = claim(&db, 10).await.pop().unwrap();
    assert!(db.complete_one(&taken).await);
    db.execute(format!("select retry('{id}')")).await;
    assert_eq!(db.state(id).await, "waiting");
    let other = db.enqueue(keyed(&["one"])).await;
    let again = claim(&db, 10).await;
    assert_eq!((again.len(), again[0].id), (1, other.min(id).max(again[0].id)));
    let refused = db
        .refusal(format!("update jobs_live set state = 'available', run_at = now() where id = '{other}'"))
        .await;
    assert!(refused.contains("jobs_live_group_takes_turns"), "{refused}");
    db.check_invariants().await;
}
