//! Forks: the same work as a new job, from a step on.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tidemill::{Context, JobError};

use crate::support::{Db, Mill, job, numbered, ok, wait_for};

#[tokio::test]
async fn l4_a_fork_keeps_the_steps_before_and_runs_from_there() {
    let db = Db::new().await;
    let ran = Arc::new(Mutex::new(Vec::new()));
    let seen = ran.clone();
    let mill = Mill::builder(&db.store)
        .handler("steps", move |context: Context| {
            let seen = seen.clone();
            async move {
                let mut last = 0;
                for n in 1..=4 {
                    let seen = seen.clone();
                    last = context
                        .step(&format!("step-{n}"), || async move {
                            seen.lock().unwrap().push(n);
                            Ok(n)
                        })
                        .await?;
                }
                ok(json!({ "n": context.args()["n"], "last": last }))
            }
        })
        .start();
    let id = db.enqueue(numbered("steps", 9)).await;
    wait_for("it completes", || async { (db.state(id).await == "completed").then_some(()) }).await;
    ran.lock().unwrap().clear();
    let forked = db.fork(id, Some("step-3"), "me").await.unwrap().unwrap();
    wait_for("the fork completes", || async { (db.state(forked).await == "completed").then_some(()) }).await;
    assert_eq!(*ran.lock().unwrap(), [3, 4], "steps 1 and 2 are kept");
    assert_eq!(db.job(forked).await.result, Some(json!({"n": 9, "last": 4})));
    assert_eq!(db.job(forked).await.metadata.unwrap()["forked_from"], json!(id));
    assert_eq!(db.event_types(forked).await[0], "forked");
    // Nothing happened to the first.
    assert_eq!(db.steps(id).await.unwrap().len(), 4);
    let all = db.fork(id, None, "me").await.unwrap().unwrap();
    ran.lock().unwrap().clear();
    wait_for("it completes", || async { (db.state(all).await == "completed").then_some(()) }).await;
    assert!(ran.lock().unwrap().is_empty(), "all steps are kept");
    assert_eq!(db.fork(uuid::Uuid::now_v7(), None, "me").await.unwrap(), None);
    let refusal = db.fork(id, Some("step-9"), "me").await.unwrap_err().to_string();
    assert!(refusal.contains("has no step step-9"), "{refusal}");
    mill.stop().await;
}

#[tokio::test]
async fn l4_a_fork_behind_an_approval_waits_for_no_other_and_spawns_no_child_again() {
    let db = Db::new().await;
    let mill = Mill::builder(&db.store)
        .handler("child", |_| async { ok(json!("done")) })
        .handler("approved", |context: Context| async move {
            context.step("render", || async { Ok(()) }).await?;
            let child = context.spawn("helper", &job("child")).await?;
            let ends = context.wait_for(&[child]).await?;
            let said: Option<String> = context.signal("approve", None).await?;
            context.step("publish", || async { Ok(()) }).await?;
            let last: Option<String> = context.signal("close", None).await?;
            ok(json!([ends[0].result, said, last]))
        })
        .start();
    let waits_for = async |id, signal: &str| {
        wait_for("it waits", || async {
            (db.count(&format!("blocked_jobs where job_id = '{id}' and signal = '{signal}'")).await == 1)
                .then_some(())
        })
        .await;
    };
    let id = db.enqueue(job("approved")).await;
    waits_for(id, "approve").await;
    db.signal(id, "approve", Some(&json!("yes")), "me").await.unwrap();
    waits_for(id, "close").await;
    db.signal(id, "close", Some(&json!("first")), "me").await.unwrap();
    wait_for("it completes", || async { (db.state(id).await == "completed").then_some(()) }).await;

    // From the publishing on: approved and helped before, closed again.
    let published = db.fork(id, Some("publish"), "me").await.unwrap().unwrap();
    waits_for(published, "close").await;
    assert_eq!(db.count("jobs where kind = 'child'").await, 1);
    db.signal(published, "close", Some(&json!("second")), "me").await.unwrap();
    wait_for("the fork completes", || async { (db.state(published).await == "completed").then_some(()) })
        .await;
    assert_eq!(db.job(published).await.result, Some(json!(["done", "yes", "second"])));

    // From the start on: nothing of it was yet.
    let again = db.fork(id, Some("render"), "me").await.unwrap().unwrap();
    waits_for(again, "approve").await;
    assert_eq!(db.count("jobs where kind = 'child'").await, 2);

    // What is kept no more is spawned again, and all that came is kept.
    db.execute("delete from jobs where kind = 'child'").await;
    let all = db.fork(id, None, "me").await.unwrap().unwrap();
    wait_for("it completes", || async { (db.state(all).await == "completed").then_some(()) }).await;
    assert_eq!(db.job(all).await.result, Some(json!(["done", "yes", "first"])));
    assert_eq!(db.count("jobs where kind = 'child'").await, 1);
    mill.stop().await;
}

#[tokio::test]
async fn a_fork_restarts_a_cursor_that_advanced_after_the_fork_point() {
    let db = Db::new().await;
    let claimed = db.running().await;
    for (name, output, replace) in [
        ("first", 0, false),
        ("still", 1, true),
        ("page", 1, true),
        ("charge", 0, false),
        ("page", 9, true),
        ("last", 0, false),
    ] {
        db.save_step((claimed.id, claimed.lease_id), name, &json!(output), replace).await.unwrap().unwrap();
    }
    let kept = async |from: &str| {
        let forked = db.fork(claimed.id, Some(from), "me").await.unwrap().unwrap();
        let steps = db.steps(forked).await.unwrap();
        let kept = steps.into_iter().map(|step| (step.name, step.output.unwrap()));
        kept.collect::<Vec<_>>()
    };
    let of = |name: &str, output: i64| (name.to_owned(), json!(output));
    assert_eq!(kept("charge").await, [of("first", 0), of("still", 1)], "pages 2 to 9 are not skipped");
    let all = [of("first", 0), of("still", 1), of("page", 9), of("charge", 0)];
    assert_eq!(kept("last").await, all);
}

#[tokio::test]
async fn a_cancelled_fork_leaves_the_children_of_the_first_alone() {
    let db = Db::new().await;
    let mill = Mill::builder(&db.store)
        .handler("waits", |context: Context| async move {
            let taken = context.spawn("taken", &job("nobody")).await?;
            context.step("cut", || async { Ok(()) }).await?;
            let own = context.spawn("own", &job("nobody")).await?;
            context.wait_for(&[taken, own]).await?;
            Err(JobError::permanent("its children never end"))
        })
        .start();
    let id = db.enqueue(job("waits")).await;
    let until_it_waits = async |id| {
        wait_for("it waits", || async { (db.state(id).await == "waiting").then_some(()) }).await;
    };
    until_it_waits(id).await;
    let forked = db.fork(id, Some("cut"), "me").await.unwrap().unwrap();
    until_it_waits(forked).await;
    let child = async |of, name: &str| {
        let steps = db.steps(of).await.unwrap();
        steps.into_iter().find(|step| step.name == name).and_then(|step| step.spawned_id).unwrap()
    };
    let (taken, own) = (child(id, "taken").await, child(forked, "own").await);
    assert_eq!(child(forked, "taken").await, taken);
    assert_ne!(child(id, "own").await, own);
    db.cancel(forked, None, "me").await.unwrap();
    assert_eq!((db.state(taken).await, db.state(own).await), ("available", "cancelled"));
    db.cancel(id, None, "me").await.unwrap();
    assert_eq!(db.state(taken).await, "cancelled");
    mill.stop().await;
}
