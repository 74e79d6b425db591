//! What runs again, and what it waits for when it does: retries of parts of workflows, of parents that
//! completed, and of children.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::states;
use serde_json::{Value, json};
use tidemill::JobState;
use tidemill::job::attempt::{Outcome, Usage, Wait};
use tidemill::store::attempts::claim::Claimed;
use tidemill::store::attempts::settle::Settled;
use tidemill::store::jobs::cancel::CancelOutcome;
use tidemill::store::jobs::prepared::Child;
use tidemill::{After, Context, KindSettings, NewJob, RunIf, Workflow};
use uuid::Uuid;

use super::{Floor, echo, fail, new, plain};
use crate::support::{Db, ok, wait_for};

/// Claims the one job of a kind that is due and completes it with a result.
async fn complete(floor: &Db, kind: &str, result: &Value) -> Uuid {
    let claimed = floor.claim_some("default", kind, 1).await.remove(0);
    assert!(floor.complete_with(&claimed, Some(result.clone())).await);
    claimed.id
}

#[tokio::test]
async fn a_workflow_that_was_cancelled_and_retried_while_it_lives_goes_on_to_its_end() {
    let floor = Floor::new().await;
    let inner = Workflow::group("inner", [plain("slow")]);
    let id = floor.start(&Workflow::new("w").job("a", plain("quick")).nested("inner", inner)).await;
    let held = floor.claim_some("default", "slow", 1).await.remove(0);
    floor.cancel(id, None, "me").await.unwrap();
    assert_eq!(floor.state(id).await, "waiting", "one of its jobs still runs");
    floor.retry(id, "me").await.unwrap();
    let cancelled = Settled::of(held.id, held.lease_id, Outcome::Cancelled, Usage::default());
    floor.settle(cancelled.as_slice()).await.unwrap();
    floor.retry(held.id, "me").await.unwrap();
    complete(&floor, "quick", &json!(1)).await;
    complete(&floor, "slow", &json!(2)).await;
    assert_eq!(floor.end(id).await.0, "completed", "{}", floor.states(id).await);
    floor.check_invariants().await;
}

#[tokio::test]
async fn a_workflow_that_failed_although_all_completed_is_evaluated_again_by_a_retry() {
    let floor = Floor::new().await;
    let id = floor.start(&Workflow::new("w").job("a", plain("quick"))).await;
    let behind = floor.enqueue(NewJob { after: vec![After::job(id)], ..plain("echo") }).await;
    floor.execute(format!("update jobs_live set cancel_requested_at = now() where id = '{id}'")).await;
    complete(&floor, "quick", &json!(1)).await;
    assert_eq!(floor.end(id).await.0, "cancelled");
    assert_eq!(floor.end(behind).await.0, "cancelled");
    floor.retry(id, "me").await.unwrap();
    assert_eq!(floor.end(id).await.0, "completed");
    wait_for("who waited for it is let go", || async {
        (floor.state(behind).await == "available").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_waiting_job_also_waits_for_a_parent_that_is_run_again() {
    let floor = Floor::new().await;
    let workflow = Workflow::new("w").job("a", plain("a")).job("x", plain("x")).job("b", plain("b"));
    let workflow = workflow.after_as("a", "a").after_as("x", "x");
    let id = floor.start(&workflow).await;
    let a = complete(&floor, "a", &json!("old")).await;
    wait_for("it is resolved", || async {
        (floor.workflow(id).await.unwrap().unwrap().done == 1).then_some(())
    })
    .await;
    floor.retry(a, "me").await.unwrap();
    assert_eq!(floor.workflow(id).await.unwrap().unwrap().done, 0);
    complete(&floor, "x", &json!("x")).await;
    wait_for("it is resolved", || async {
        (floor.workflow(id).await.unwrap().unwrap().done == 1).then_some(())
    })
    .await;
    assert_eq!(floor.states(id).await, "a retrying, x completed, b waiting");
    complete(&floor, "a", &json!("new")).await;
    let b = floor.member(id, "b").await;
    wait_for("b is let go", || async { (floor.state(b).await == "available").then_some(()) }).await;
    let args = floor.job(b).await.args;
    assert_eq!(args, json!({"a": "new", "x": "x"}));
    complete(&floor, "b", &json!("b")).await;
    assert_eq!(floor.end(id).await, ("completed", json!({"a": "new", "x": "x", "b": "b"})));
    floor.check_invariants().await;
}

#[tokio::test]
async fn a_job_that_needs_the_result_of_a_deleted_job_is_cancelled() {
    let floor = Floor::new().await;
    let (a, x) = (floor.enqueue(plain("a")).await, floor.enqueue(plain("x")).await);
    let after = || vec![After::job(a), After::job(x)];
    let passing = NewJob { after: vec![After::job(a).pass_as("a"), After::job(x)], ..plain("b") };
    let wants = floor.enqueue(passing).await;
    let only_waits = floor.enqueue(NewJob { after: after(), ..plain("b") }).await;
    complete(&floor, "a", &json!(1)).await;
    floor.resolve().await.unwrap();
    floor.delete_job(a).await.unwrap();
    assert_eq!(floor.state(wants).await, "cancelled");
    assert_eq!(floor.state(only_waits).await, "waiting");
    complete(&floor, "x", &json!(1)).await;
    wait_for("it is let go", || async { (floor.state(only_waits).await == "available").then_some(()) }).await;
}

#[tokio::test]
async fn k7_what_failed_behind_a_failure_waits_again_and_gets_the_new_result() {
    let floor = Floor::new().await;
    let mended = Arc::new(AtomicBool::new(false));
    let settings = || KindSettings { max_attempts: 1, ..KindSettings::default() };
    let switch = mended.clone();
    let flaky = move |context: Context| {
        let mended = switch.load(Ordering::SeqCst);
        async move { if mended { ok(context.args().clone()) } else { fail() } }
    };
    let mill = floor.mill().handler_with("flaky", settings(), flaky).start();
    // The report comes first in the list, and the clean-up runs only after failures.
    let workflow = Workflow::new("w")
        .job("report", new("flaky", &json!({"n": 1})))
        .after_as("middle", "middle")
        .run_if(RunIf::AllFinished)
        .job("clean", plain("flaky"))
        .after("first")
        .run_if(RunIf::AnyFailed)
        .job("middle", new("echo", &json!({"n": 2})))
        .after_as("first", "first")
        .job("first", new("flaky", &json!({"n": 3})));
    let id = floor.start(&workflow).await;
    assert_eq!(floor.end(id).await.0, "failed");
    assert_eq!(floor.states(id).await, "report failed, clean failed, middle cancelled, first failed");
    mended.store(true, Ordering::SeqCst);
    floor.retry(id, "me").await.unwrap();
    let (state, result) = floor.end(id).await;
    assert_eq!(state, "completed", "{}", floor.states(id).await);
    assert_eq!(
        floor.states(id).await,
        "report completed, clean cancelled, middle completed, first completed"
    );
    assert_eq!(result["report"], json!({"n": 1, "middle": {"n": 2, "first": {"n": 3}}}));
    mill.stop().await;
    floor.check_invariants().await;
}

#[tokio::test]
async fn k7_a_retry_reaches_what_failed_in_a_group_that_goes_on() {
    let floor = Floor::new().await;
    let mended = Arc::new(AtomicBool::new(false));
    let settings = KindSettings { max_attempts: 1, ..KindSettings::default() };
    let switch = mended.clone();
    let flaky = move |_: Context| {
        let mended = switch.load(Ordering::SeqCst);
        async move { if mended { ok(json!(1)) } else { fail() } }
    };
    let mill = floor.mill().handler_with("flaky", settings, flaky).start();
    let inner = Workflow::group("inner", [plain("flaky"), plain("nobody")]);
    let id = floor.start(&Workflow::new("w").nested("inner", inner)).await;
    let inner = floor.member(id, "inner").await;
    wait_for("one failed", || async { (floor.states(inner).await.starts_with("1 failed")).then_some(()) })
        .await;
    mended.store(true, Ordering::SeqCst);
    floor.retry(id, "me").await.unwrap();
    wait_for("it runs again", || async {
        (floor.states(inner).await.starts_with("1 completed")).then_some(())
    })
    .await;
    mill.stop().await;
}

/// A running job that spawned a child.
async fn with_child(db: &Db) -> (Claimed, Uuid) {
    let parent = db.running().await;
    let child = Child::Job(Box::new(db.prepare_inline(plain("child")).unwrap()));
    let child = db.spawn_child((parent.id, parent.lease_id), "child", &child).await.unwrap().unwrap();
    (parent, child)
}

/// Settles a job as waiting for a child; answers its state.
async fn wait_on(db: &Db, job: &Claimed, child: Uuid) -> Option<JobState> {
    let wait = Wait::Jobs { parents: vec![child] };
    let settled = Settled::of(job.id, job.lease_id, Outcome::Waits { wait }, Usage::default());
    states(&db.settle(settled.as_slice()).await.unwrap()).remove(0)
}

#[tokio::test]
async fn children_are_cancelled_with_a_job_that_was_about_to_wait_for_them() {
    let db = Db::new().await;
    let (parent, child) = with_child(&db).await;
    assert_eq!(db.cancel(parent.id, None, "me").await.unwrap(), Some(CancelOutcome::CancelRequested));
    assert_eq!(wait_on(&db, &parent, child).await, Some(JobState::Cancelled));
    assert_eq!(db.state(child).await, "cancelled");
}

#[tokio::test]
async fn a_job_that_waits_for_a_child_that_is_run_again_waits_for_its_new_end() {
    let db = Db::new().await;
    let (parent, child) = with_child(&db).await;
    assert_eq!(wait_on(&db, &parent, child).await, Some(JobState::Waiting));
    complete(&db, "child", &json!(1)).await;
    db.resolve().await.unwrap();
    let parent = db.claim_one().await;
    db.retry(child, "me").await.unwrap();
    assert_eq!(wait_on(&db, &parent, child).await, Some(JobState::Waiting), "it lives again");
    complete(&db, "child", &json!(2)).await;
    db.resolve().await.unwrap();
    assert_eq!(db.state(parent.id).await, "available");
}

#[tokio::test]
async fn o4_a_redrive_keeps_the_time_of_what_was_never_due() {
    let floor = Floor::new().await;
    let mut late = echo(1);
    late.delay = Some(std::time::Duration::from_secs(3600));
    let id = floor.enqueue(late).await;
    let due = floor.job(id).await.run_at;
    floor.cancel(id, None, "me").await.unwrap();
    floor.execute("select retry_jobs('{\"kind\": \"echo\"}')").await;
    assert_eq!((floor.state(id).await, floor.job(id).await.run_at), ("available", due));
    floor.cancel(id, None, "me").await.unwrap();
    floor.retry(id, "me").await.unwrap();
    assert!(floor.job(id).await.run_at < due, "who names a job wants it now");
}
