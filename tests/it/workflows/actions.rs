//! What people do to whole workflows: cancel them, and retry only what failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tidemill::JobState;
use tidemill::store::jobs::cancel::CancelOutcome;
use tidemill::{After, Context, JobError, KindSettings, NewJob, RunIf, Workflow};

use super::{Floor, echo, plain};
use crate::support::{Db, Session, blocked_or_done, ok, wait_for};

#[tokio::test]
async fn k7_cancel_ends_all_that_is_live_also_what_is_nested() {
    let floor = Floor::new().await;
    let mill = floor
        .mill()
        .handler("forever", |context: Context| async move {
            context.stopped().await;
            Err(JobError::retry("stopped"))
        })
        .start();
    let workflow = Workflow::new("w")
        .job("done", echo(1))
        .job("running", plain("forever"))
        .after("done")
        .nested("inner", Workflow::group("inner", [plain("nobody"), plain("forever")]))
        .job("last", plain("echo"))
        .after("inner");
    let id = floor.start(&workflow).await;
    wait_for("two run", || async { (floor.count("running").await == 2).then_some(()) }).await;
    assert_eq!(floor.cancel(id, Some("enough"), "me").await.unwrap(), Some(CancelOutcome::CancelRequested));
    assert_eq!(floor.end(id).await.0, "cancelled");
    assert_eq!(floor.states(id).await, "done completed, running cancelled, inner cancelled, last cancelled");
    assert_eq!(floor.count("jobs_live").await, 0);
    assert_eq!(
        floor.cancel(id, None, "me").await.unwrap(),
        Some(CancelOutcome::Cancelled),
        "again changes nothing"
    );
    mill.stop().await;
}

#[tokio::test]
async fn f5_cancel_of_a_job_inside_a_workflow_ends_what_waits_for_it() {
    let floor = Floor::new().await;
    let workflow = Workflow::new("w").job("a", plain("nobody")).job("b", plain("nobody")).after("a");
    let id = floor.start(&workflow).await;
    floor.cancel(floor.member(id, "a").await, None, "me").await.unwrap();
    assert_eq!(floor.end(id).await.0, "cancelled");
    assert_eq!(floor.states(id).await, "a cancelled, b cancelled");
}

#[tokio::test]
async fn a_job_that_is_retried_by_itself_waits_again_for_what_has_not_ended() {
    let floor = Floor::new().await;
    let parent = floor.enqueue(echo(7)).await;
    let held = NewJob { after: vec![After::job(parent).pass_as("before")], ..plain("echo") };
    let held = floor.enqueue(held).await;
    floor.cancel(held, None, "me").await.unwrap();
    assert_eq!(floor.retry(held, "me").await.unwrap(), Some(JobState::Waiting));
    floor.cancel(held, None, "me").await.unwrap();
    let mill = floor.mill().start();
    floor.end(parent).await;
    assert_eq!(floor.retry(held, "me").await.unwrap(), Some(JobState::Available));
    assert_eq!(
        floor.end(held).await,
        ("completed", json!({"before": {"n": 7}})),
        "it gets what was passed on"
    );
    mill.stop().await;
}

/// Its end is stored, and no process has applied it to the jobs that wait for it yet.
#[tokio::test]
async fn a_retry_counts_the_end_of_a_parent_that_is_not_applied_yet() {
    let db = Db::new().await;
    let parent = db.running().await;
    let held = NewJob { after: vec![After::job(parent.id).pass_as("before")], ..plain("held") };
    let held = db.enqueue(held).await;
    db.cancel(held, None, "me").await.unwrap();
    assert!(db.complete_with(&parent, Some(json!({"n": 7}))).await);
    assert_eq!(db.count("finished_parents").await, 1);
    assert_eq!(db.retry(held, "me").await.unwrap(), Some(JobState::Available));
    assert_eq!(db.job(held).await.args, json!({"before": {"n": 7}}));
}

/// A worker whose kind `flaky` fails until the switch is set.
fn flaky(floor: &Floor, mended: &Arc<AtomicBool>) -> crate::support::Mill {
    let mended = mended.clone();
    let settings = KindSettings { max_attempts: 1, ..KindSettings::default() };
    let flaky = move |_: Context| {
        let mended = mended.load(Ordering::SeqCst);
        async move { if mended { ok(json!("mended")) } else { super::fail() } }
    };
    floor.mill().handler_with("flaky", settings, flaky).start()
}

#[tokio::test]
async fn k7_retry_runs_only_what_failed_and_what_waited_for_it() {
    let floor = Floor::new().await;
    let mended = Arc::new(AtomicBool::new(false));
    let mill = flaky(&floor, &mended);
    let workflow = Workflow::new("w")
        .job("a", echo(1))
        .job("b", plain("flaky"))
        .after("a")
        .nested("inner", Workflow::chain("inner", [echo(2), plain("flaky"), echo(3)]))
        .job("last", plain("echo"))
        .after_as("b", "b")
        .after("inner")
        .job("hook", plain("echo"))
        .after("b")
        .run_if(RunIf::AnyFailed);
    let id = floor.start(&workflow).await;
    assert_eq!(floor.end(id).await.0, "failed");
    assert_eq!(floor.states(id).await, "a completed, b failed, inner failed, last cancelled, hook completed");
    mended.store(true, Ordering::SeqCst);
    assert_eq!(floor.retry(id, "me").await.unwrap(), Some(JobState::Waiting));
    let (state, result) = floor.end(id).await;
    assert_eq!(state, "completed", "{}", floor.states(id).await);
    assert_eq!((&result["last"], &result["inner"]), (&json!({"b": "mended"}), &json!({"n": 3})));
    let attempts: Vec<(String, i32)> =
        floor.rows("select coalesce(args ->> 'n', kind), attempt from jobs where kind <> 'tidemill.workflow' order by 1, 2").await;
    let attempts: Vec<(&str, i32)> =
        attempts.iter().map(|(name, attempt)| (name.as_str(), *attempt)).collect();
    assert_eq!(
        attempts,
        [("1", 1), ("2", 1), ("3", 1), ("echo", 1), ("echo", 1), ("flaky", 2), ("flaky", 2)]
    );
    let workflow = floor.workflow(id).await.unwrap().unwrap();
    assert_eq!((workflow.done, workflow.members), (5, 5));
    mill.stop().await;
    floor.check_invariants().await;
}

#[tokio::test]
async fn k5_a_parent_that_failed_and_is_retried_takes_its_children_along() {
    let floor = Floor::new().await;
    let mended = Arc::new(AtomicBool::new(false));
    let mill = flaky(&floor, &mended);
    let id = floor.start(&Workflow::chain("c", [plain("flaky"), echo(1), echo(2)])).await;
    assert_eq!(floor.end(id).await.0, "failed");
    mended.store(true, Ordering::SeqCst);
    floor.retry(floor.member(id, "1").await, "me").await.unwrap();
    wait_for("the chain completes", || async { (floor.state(id).await == "completed").then_some(()) }).await;
    assert_eq!(floor.states(id).await, "1 completed, 2 completed, 3 completed");
    // A parent that completed runs again alone.
    floor.retry(floor.member(id, "1").await, "me").await.unwrap();
    wait_for("it ran again", || async {
        (floor.count("jobs where kind = 'flaky' and attempt = 3 and state = 'completed'").await == 1)
            .then_some(())
    })
    .await;
    assert_eq!(floor.count("jobs where attempt = 1 and kind = 'echo'").await, 2);
    mill.stop().await;
}

#[tokio::test]
async fn k7_the_delay_of_a_member_starts_again_at_its_release_after_a_retry() {
    let floor = Floor::new().await;
    let mended = Arc::new(AtomicBool::new(false));
    let mill = flaky(&floor, &mended);
    let mut late = echo(1);
    late.delay = Some(Duration::from_secs(3600));
    let id = floor.start(&Workflow::new("w").job("a", plain("flaky")).job("b", late).after("a")).await;
    assert_eq!(floor.end(id).await.0, "failed");
    mended.store(true, Ordering::SeqCst);
    floor.retry(id, "me").await.unwrap();
    let a = floor.member(id, "a").await;
    assert_eq!(floor.end(a).await.0, "completed");
    wait_for("b is let go", || async { (floor.count("blocked_jobs").await == 1).then_some(()) }).await;
    assert_eq!(floor.states(id).await, "a completed, b scheduled");
    let b = floor.job(floor.member(id, "b").await).await;
    let delay = b.run_at.unwrap() - floor.job(a).await.finished_at.unwrap();
    assert!((3600..3660).contains(&delay.num_seconds()), "{delay}");
    mill.stop().await;
}

#[tokio::test]
async fn k7_a_cancelled_workflow_that_is_retried_keeps_its_order_and_its_delays() {
    let floor = Floor::new().await;
    let mut late = plain("nobody");
    late.delay = Some(Duration::from_secs(3600));
    let id = floor.start(&Workflow::new("w").job("b", late).after("a").job("a", echo(1))).await;
    floor.cancel(id, None, "me").await.unwrap();
    assert_eq!(floor.end(id).await.0, "cancelled");
    floor.retry(id, "me").await.unwrap();
    assert_eq!(floor.states(id).await, "b waiting, a available");
    let mill = floor.mill().start();
    assert_eq!(floor.end(floor.member(id, "a").await).await.0, "completed");
    let b = floor.member(id, "b").await;
    wait_for("b is let go", || async { floor.job(b).await.run_at }).await;
    assert_eq!(floor.states(id).await, "b scheduled, a completed");
    mill.stop().await;
    floor.check_invariants().await;
}

#[tokio::test]
async fn k7_a_retry_takes_the_expiry_of_what_waits_again_away() {
    let floor = Floor::new().await;
    let mended = Arc::new(AtomicBool::new(false));
    let mill = flaky(&floor, &mended);
    let mut brief = echo(1);
    brief.expires_in = Some(Duration::from_secs(3600));
    let id = floor.start(&Workflow::new("w").job("a", plain("flaky")).job("b", brief).after("a")).await;
    assert_eq!(floor.end(id).await.0, "failed");
    floor
        .execute("update jobs set expires_at = now() - interval '1 hour' where expires_at is not null")
        .await;
    mended.store(true, Ordering::SeqCst);
    floor.retry(id, "me").await.unwrap();
    assert_eq!(floor.end(id).await.0, "completed", "{}", floor.states(id).await);
    mill.stop().await;
}

/// What a redrive of a filter matched and did.
async fn redrive(floor: &Floor, filter: &serde_json::Value) -> (i32, i32) {
    floor.rows(format!("select matched, done from retry_jobs('{filter}')")).await.remove(0)
}

#[tokio::test]
async fn o4_a_redrive_runs_nothing_without_its_parents_or_that_was_skipped() {
    let floor = Floor::new().await;
    let mended = Arc::new(AtomicBool::new(false));
    let mill = flaky(&floor, &mended);
    let workflow = Workflow::new("w")
        .job("well", plain("count"))
        .job("a", plain("flaky"))
        .job("b", plain("echo"))
        .after_as("a", "a")
        .job("c", plain("echo"))
        .after_as("b", "b")
        .job("hook", plain("echo"))
        .after("well")
        .run_if(RunIf::AnyFailed);
    // The ids of one workflow are in no order.
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(floor.start(&workflow).await);
    }
    for id in &ids {
        assert_eq!(floor.end(*id).await.0, "failed");
    }
    mended.store(true, Ordering::SeqCst);
    assert_eq!(redrive(&floor, &json!({"kind": "echo"})).await, (0, 0), "they follow what took them down");
    for id in &ids {
        assert_eq!(redrive(&floor, &json!({"workflow": id})).await, (1, 1));
        let (state, result) = floor.end(*id).await;
        assert_eq!((state, &result["c"]), ("completed", &json!({"b": {"a": "mended"}})));
    }
    assert_eq!(floor.count("jobs where kind = 'echo' and attempt > 0").await, 12, "no hook ran");
    mill.stop().await;
    floor.check_invariants().await;
}

#[tokio::test]
async fn o4_what_was_cancelled_before_it_ran_waits_again_when_it_is_redriven() {
    let floor = Floor::new().await;
    let workflow = Workflow::new("w").job("a", plain("nobody")).job("b", plain("late")).after("a");
    for _ in 0..6 {
        let id = floor.start(&workflow).await;
        floor.cancel(id, None, "me").await.unwrap();
        assert_eq!(floor.end(id).await.0, "cancelled");
        assert_eq!(redrive(&floor, &json!({"workflow": id})).await, (2, 2));
        assert_eq!(floor.states(id).await, "a available, b waiting");
        // Alone, while its parent lives; and when that is over.
        let (a, b) = (floor.member(id, "a").await, floor.member(id, "b").await);
        floor.cancel(b, None, "me").await.unwrap();
        assert_eq!(redrive(&floor, &json!({"kind": "late"})).await, (1, 1));
        assert_eq!(floor.state(b).await, "waiting");
        floor.cancel(b, None, "me").await.unwrap();
        let claimed = floor.claim_some("default", "nobody", 1).await.remove(0);
        assert_eq!(claimed.id, a);
        floor.complete_one(&claimed).await;
        wait_for("all ends are resolved", || async { (floor.state(id).await == "cancelled").then_some(()) })
            .await;
        assert_eq!(redrive(&floor, &json!({"kind": "late"})).await, (1, 1));
        assert_eq!(floor.state(b).await, "available");
        floor.delete_job(b).await.unwrap();
    }
    floor.check_invariants().await;
}

#[tokio::test]
async fn an_action_on_a_workflow_holds_no_job_while_it_waits_for_the_dependency_lock() {
    let floor = Floor::new().await;
    let id = floor.start(&Workflow::group("g", [plain("nobody"), plain("nobody")])).await;
    let claimed = floor.running().await;
    let child: uuid::Uuid =
        floor.scalar("select create_workflow('{\"group\": [{\"kind\": \"nobody\"}]}')").await;
    let lease = (claimed.id, claimed.lease_id);
    // The oldest of a full limit, which belongs to a workflow; the same, with a unique key; a schedule's last job.
    floor.execute("select set_limit('oldest', 1, on_full => 'cancel_oldest')").await;
    let member =
        |more: &str| format!("select create_workflow('{{\"group\": [{{\"kind\": \"nobody\", {more}}}]}}')");
    let group: uuid::Uuid = floor.scalar(member("\"concurrency_key\": \"oldest:a\"")).await;
    let oldest = floor.member(group, "1").await;
    let unique = "\"unique\": {\"key\": \"u\", \"states\": [\"scheduled\", \"available\", \"waiting\"]}";
    let group: uuid::Uuid = floor.scalar(member(unique)).await;
    let retrying = floor.member(group, "1").await;
    floor.execute(format!("update jobs_live set attempt = 1 where id = '{retrying}'")).await;
    let group: uuid::Uuid = floor.scalar(member("\"tags\": []")).await;
    let scheduled = floor.member(group, "1").await;
    floor
        .execute(format!(
            "select set_schedule('s', 'nobody', every => '1 hour', overlap => 'cancel');
             update schedules set unfinished = array['{scheduled}'::uuid]"
        ))
        .await;
    floor
        .execute(format!(
            "insert into steps (job_id, name, attempt, spawned_id) values ('{}', 'c', 1, '{child}')",
            lease.0
        ))
        .await;
    let verbs = [
        (oldest, "select enqueue('k', concurrency_key => '{oldest:a}')".into()),
        (retrying, format!("select enqueue_many('[{{\"kind\": \"k\", {unique}}}]')")),
        (scheduled, "select decide_slot(s, now()) from schedules s".into()),
        (lease.0, format!("select spawn_child('{}', '{}', 's', '{{\"kind\": \"k\"}}')", lease.0, lease.1)),
        (lease.0, format!("select fork('{}')", lease.0)),
        (id, format!("select cancel('{id}')")),
        (id, format!("select retry('{id}')")),
        (id, "select done from act_on_jobs('cancel', '{\"all\": true}')".to_owned()),
        (lease.0, format!("select cancel('{}')", lease.0)),
    ];
    for (job, verb) in verbs {
        // As resolve() does: first the lock, then the job.
        let mut resolver = Session::begin(&floor).await;
        resolver.run("select lock_workflows()").await.unwrap();
        let rival = Session::open(&floor).await;
        let pid = rival.pid;
        let rival = rival.run_apart(verb.clone());
        assert!(blocked_or_done(&floor, pid, &rival).await, "{verb} waits its turn");
        resolver
            .run(&format!("select 1 from jobs where id = '{job}' for update nowait"))
            .await
            .expect("nobody holds the job");
        resolver.run("commit").await.unwrap();
        rival.await.unwrap().1.unwrap_or_else(|error| panic!("{verb}: {error}"));
    }
    for job in [oldest, retrying, scheduled] {
        assert_eq!(floor.state(job).await, "cancelled");
    }
}
