//! An error in resolving one job is that job's own failure and stops no other; resolving that takes
//! too long is done in parts.

use std::time::Duration;

use serde_json::json;
use tidemill::job::attempt::{Failure, Outcome, Usage};
use tidemill::store::attempts::settle::Settled;
use tidemill::{After, NewJob, Options, RunIf, Store, Workflow};
use uuid::Uuid;

use super::{Floor, echo, plain};
use crate::support::{Db, Session, blocked_or_done, wait_for};

fn behind(parent: Uuid, kind: &str) -> NewJob {
    NewJob { after: vec![After::job(parent)], ..plain(kind) }
}

#[tokio::test]
async fn a_time_that_cannot_be_stored_is_refused_and_where_it_is_there_fails_its_job_alone() {
    let floor = Floor::new().await;
    let parent = floor.running().await;
    for far in ["run_at => 'infinity'", "run_at => '20000-01-01'", "delay => '9000 years'"] {
        let call = format!("select enqueue('nobody', after => array['{}'::uuid], {far})", parent.id);
        let refusal = floor.refusal(call).await;
        assert!(refusal.contains("too far in the future"), "{refusal}");
    }
    let bad = floor.enqueue(behind(parent.id, "bad")).await;
    let stuck = floor.enqueue(behind(parent.id, "stuck")).await;
    let good = floor.enqueue(behind(parent.id, "good")).await;
    // As it was taken before; and one that cannot even fail.
    floor
        .execute(format!(
            "update blocked_jobs set run_at = 'infinity' where job_id in ('{bad}', '{stuck}');
             create function refuse() returns trigger language plpgsql as $$ begin raise 'it stays'; end $$;
             create trigger refuse before delete on jobs_live for each row when (old.kind = 'stuck') execute function refuse()"
        ))
        .await;
    floor.complete_one(&parent).await;
    wait_for("the good one is let go", || async { (floor.state(good).await == "available").then_some(()) })
        .await;
    assert_eq!(floor.state(bad).await, "failed");
    let error = floor.job(bad).await.error.unwrap();
    assert_eq!(error["type"], "unresolved");
    assert!(error["message"].as_str().unwrap().contains("jobs_run_at_is_in_reach"), "{error}");
    assert_eq!((floor.state(stuck).await, floor.count("finished_parents").await), ("waiting", 0));
}

#[tokio::test]
async fn a_workflow_whose_results_cannot_be_stored_fails_and_stops_no_other() {
    let floor = Floor::new().await;
    floor
        .execute(
            "create function refuse() returns trigger language plpgsql as $$ begin raise 'too large'; end $$;
             create trigger refuse before insert on jobs for each row when (new.result ? 'large') execute function refuse()",
        )
        .await;
    let large = floor.start(&Workflow::new("w").job("large", echo(1))).await;
    let small = floor.start(&Workflow::new("w").job("small", echo(1))).await;
    let mill = floor.mill().start();
    assert_eq!(floor.end(small).await, ("completed", json!({"small": {"n": 1}})));
    assert_eq!(floor.end(large).await.0, "failed");
    let error = floor.job(large).await.error.unwrap();
    assert_eq!(error["type"], "unresolved");
    assert!(error["message"].as_str().unwrap().ends_with("too large"), "{error}");
    mill.stop().await;
}

/// The same database, where no statement may take longer than 0.6 s.
fn with_short_timeout(db: &Db) -> Store {
    Store::connect(Options { statement_timeout: Duration::from_millis(600), ..db.options() }).unwrap()
}

/// Makes each row take its time.
async fn slow(db: &Db, event: &str, seconds: f64) {
    db.execute(format!(
        "create function slow() returns trigger language plpgsql as $$
         begin perform pg_sleep({seconds}); return coalesce(new, old); end $$;
         create trigger slow before {event} on jobs_live for each row when (old.kind = 'slow') execute function slow()"
    ))
    .await;
}

#[tokio::test]
async fn ends_that_take_too_long_together_are_resolved_in_parts() {
    let db = Db::new().await;
    for _ in 0..5 {
        let parent = db.running().await;
        db.enqueue(behind(parent.id, "slow")).await;
        db.complete_one(&parent).await;
    }
    slow(&db, "update", 0.2).await;
    assert_eq!(with_short_timeout(&db).resolve().await.unwrap(), 5);
    assert_eq!(db.count("jobs_live where kind = 'slow' and state = 'available'").await, 5);
}

#[tokio::test]
async fn a_workflow_of_many_is_stopped_in_parts() {
    let db = Db::new().await;
    let mut workflow = Workflow::new("strict").job("bad", plain("k")).cancel_on_failure();
    for n in 0..10 {
        workflow = workflow.job(n.to_string(), plain("slow"));
    }
    let id = db.create_workflow(&workflow).await.unwrap();
    let bad = db.claim_one().await;
    let failure = Failure { class: "test".into(), permanent: true, ..Failure::default() };
    let settled = Settled::of(bad.id, bad.lease_id, Outcome::Failed { failure }, Usage::default());
    db.settle(settled.as_slice()).await.unwrap();
    slow(&db, "delete", 0.1).await;
    with_short_timeout(&db).resolve().await.unwrap();
    assert_eq!(db.count("jobs where kind = 'slow' and state = 'cancelled'").await, 10);
    assert_eq!(db.state(id).await, "failed");
}

#[tokio::test]
async fn a_job_that_begins_to_wait_while_another_end_is_resolved_is_not_forgotten() {
    let db = Db::new().await;
    // It runs since the first parent completed; the second still does.
    let first = db.running().await;
    let second = db.running().await;
    let mut child = behind(first.id, "child");
    child.after.push(After::job(second.id));
    child.run_if = Some(RunIf::AnyCompleted);
    db.enqueue(child).await;
    db.complete_one(&first).await;
    db.resolve().await.unwrap();
    let child = db.claim_some("default", "child", 1).await.remove(0);
    // The job that it waits for next has ended, and the end of the second parent is being resolved.
    let over = db.running().await;
    db.complete_one(&over).await;
    db.complete_one(&second).await;
    let mut resolver = Session::begin(&db).await;
    resolver.run("select resolve()").await.unwrap();
    let waiter = Session::open(&db).await;
    let pid = waiter.pid;
    let waiter = waiter.run_apart(format!(
        "select settle_attempt('{}', '{}', 'waits', p_wait => '{{\"parents\": [\"{}\"]}}')",
        child.id, child.lease_id, over.id
    ));
    blocked_or_done(&db, pid, &waiter).await;
    resolver.run("commit").await.unwrap();
    waiter.await.unwrap().1.unwrap();
    assert_eq!(db.state(child.id).await, "available");
    assert_eq!(db.count("blocked_jobs").await, 0);
}
