//! Queues: pause, resume, drain, purge and slots, and the list that people look at.

use std::time::Duration;

use tidemill::NewJob;

use crate::support::{Db, Mill, job, wait_for};

fn into(queue: &str) -> NewJob {
    NewJob { queue: Some(queue.into()), ..job("k") }
}

#[tokio::test]
async fn purge_cancels_what_does_not_run_and_nothing_else() {
    let db = Db::new().await;
    let jobs: Vec<NewJob> = (0..2_500).map(|_| into("full")).collect();
    db.enqueue_all(&jobs).await;
    db.enqueue_all(&[into("other"), NewJob { delay: Some(Duration::from_secs(60)), ..into("full") }]).await;
    let running = db.claim_some("full", "k", 3).await;
    assert_eq!(db.purge_queue("full", "me").await.unwrap(), 2_498);
    assert_eq!(db.count("jobs where state = 'cancelled'").await, 2_498);
    assert_eq!(db.count("jobs_live where queue = 'full' and state = 'running'").await, 3);
    assert_eq!(db.count("jobs_live where queue = 'other'").await, 1);
    assert!(db.complete_one(&running[0]).await);
    db.check_invariants().await;
}

#[tokio::test]
async fn the_list_shows_how_many_slots_living_workers_have() {
    let db = Db::new().await;
    db.enqueue_all(&[into("nobodys")]).await;
    let mills = [Mill::builder(&db).slots(3).start(), Mill::builder(&db).slots(2).start()];
    let slots =
        async |name: &str| db.queues(Some(name)).await.unwrap().first().and_then(|queue| queue.worker_slots);
    wait_for("both serve it", async || (slots("default").await == Some(5)).then_some(())).await;
    assert_eq!(slots("nobodys").await, None);
    db.set_slots("default", Some(7)).await.unwrap();
    assert_eq!(slots("default").await, Some(14), "what is set here goes before their own");
    for mill in mills {
        mill.stop().await;
    }
    assert_eq!(slots("default").await, None);
}

#[tokio::test]
async fn the_list_shows_what_is_set_what_runs_and_what_is_due() {
    let db = Db::new().await;
    db.enqueue_all(&[into("a"), into("a"), NewJob { delay: Some(Duration::from_secs(60)), ..into("a") }])
        .await;
    db.claim_some("a", "k", 1).await;
    db.pause_queue("a", "me").await.unwrap();
    db.pause_queue("a", "somebody else").await.unwrap();
    db.drain_queue("b", "me").await.unwrap();
    db.set_slots("b", Some(7)).await.unwrap();
    let queues = db.queues(None).await.unwrap();
    let names: Vec<_> = queues.iter().map(|queue| queue.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let (a, b) = (&queues[0], &queues[1]);
    assert_eq!((a.running, a.available, a.paused_by.as_deref()), (1, 1, Some("me")));
    assert!(a.paused_at.is_some() && a.oldest_due_at.is_some() && a.draining_at.is_none());
    assert_eq!((b.slots, b.draining_at.is_some()), (Some(7), true));
    db.resume_queue("a").await.unwrap();
    db.set_slots("b", None).await.unwrap();
    let queues = db.queues(None).await.unwrap();
    assert!(queues[0].paused_at.is_none() && queues[0].paused_by.is_none());
    assert_eq!(queues[1].slots, None);
    assert!(db.queues(Some("c")).await.unwrap().is_empty());
    let refusal = db.refusal("select set_slots('a', -1)").await;
    assert!(refusal.contains("queues_slots_are_not_negative"), "{refusal}");
    let refusal = db.refusal("select pause_queue('no such name')").await;
    assert!(refusal.contains("queues_are_named"), "{refusal}");
}
