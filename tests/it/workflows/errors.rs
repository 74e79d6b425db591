//! What failures do to those that wait: cancelled, carried on, or cleaned up after.

use std::sync::Arc;

use serde_json::{Value, json};
use tidemill::store::jobs::enqueue::enqueue;
use tidemill::{After, Context, JobError, NewJob, RunIf, Workflow};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{Floor, echo, plain};
use crate::support::{MillBuilder, ok, wait_for};

#[tokio::test]
async fn k2_an_error_in_head_middle_and_tail_cancels_what_follows() {
    let floor = Floor::new().await;
    let mill = floor.mill().start();
    for broken in 0..3 {
        let jobs = (0..3).map(|n| if n == broken { plain("fail") } else { echo(n) });
        let id = floor.start(&Workflow::chain("chain", jobs)).await;
        assert_eq!(floor.end(id).await.0, "failed");
        let expected: Vec<_> = (0..3)
            .map(|n| {
                let word = match n.cmp(&broken) {
                    std::cmp::Ordering::Less => "completed",
                    std::cmp::Ordering::Equal => "failed",
                    std::cmp::Ordering::Greater => "cancelled",
                };
                format!("{} {word}", n + 1)
            })
            .collect();
        assert_eq!(floor.states(id).await, expected.join(", "));
        let error = floor.job(id).await.error.unwrap();
        assert_eq!(error["type"], "workflow_failed");
        let named = format!("{} members did not complete: {}", 3 - broken, broken + 1);
        assert!(error["message"].as_str().unwrap().starts_with(&named), "{error}");
    }
    mill.stop().await;
}

#[tokio::test]
async fn k2_errors_in_a_header_keep_the_body_from_running() {
    let floor = Floor::new().await;
    let mill = floor.mill().start();
    for broken in [vec![0], vec![4], vec![1, 3]] {
        let jobs = (0..5).map(|n| if broken.contains(&n) { plain("fail") } else { echo(n) });
        let id = floor.start(&Workflow::group("header", jobs).then(&plain("count"))).await;
        assert_eq!(floor.end(id).await.0, "failed", "{broken:?}");
        assert_eq!(floor.states(id).await, "members failed, then cancelled");
        let body = floor.job(floor.member(id, "then").await).await.error.unwrap();
        assert_eq!(
            (&body["type"], &body["message"]),
            (&json!("dependency_failed"), &json!("the required job members is failed"))
        );
    }
    assert_eq!(floor.count("jobs where kind = 'count' and attempt > 0").await, 0);
    mill.stop().await;
}

#[tokio::test]
async fn k2_an_error_in_the_body_fails_the_chord() {
    let floor = Floor::new().await;
    let mill = floor.mill().start();
    let id = floor.start(&Workflow::group("chord", [echo(1)]).then(&plain("fail"))).await;
    assert_eq!(floor.end(id).await.0, "failed");
    assert_eq!(floor.states(id).await, "members completed, then failed");
    mill.stop().await;
}

#[tokio::test]
async fn k8_what_cleans_up_runs_once_after_failures_and_is_skipped_without() {
    let floor = Floor::new().await;
    let mill = floor.mill().start();
    let graph = |a: &str, b: &str| {
        Workflow::new("hooks")
            .job("a", plain(a))
            .job("b", plain(b))
            .job("hook", plain("echo"))
            .after("a")
            .after("b")
            .run_if(RunIf::AnyFailed)
            .job("always", plain("echo"))
            .after("a")
            .after("b")
            .run_if(RunIf::AllFinished)
    };
    let id = floor.start(&graph("fail", "fail")).await;
    assert_eq!(floor.end(id).await.0, "failed");
    assert_eq!(floor.states(id).await, "a failed, b failed, hook completed, always completed");
    assert_eq!(floor.job(floor.member(id, "hook").await).await.attempt, 1, "called once for two failures");
    let id = floor.start(&graph("echo", "echo")).await;
    assert_eq!(floor.end(id).await.0, "completed", "what was not needed is no failure");
    assert_eq!(floor.states(id).await, "a completed, b completed, hook cancelled, always completed");
    assert_eq!(floor.job(floor.member(id, "hook").await).await.error.unwrap()["type"], "skipped");
    mill.stop().await;
}

#[tokio::test]
async fn k8_or_conditions_take_the_first_that_completed_and_skips_go_on() {
    let floor = Floor::new().await;
    let mill = floor.mill().start();
    let any = |a: &str, b: &str| {
        Workflow::new("or")
            .job("a", plain(a))
            .job("b", plain(b))
            .job("c", plain("echo"))
            .after("a")
            .after("b")
            .run_if(RunIf::AnyCompleted)
            .job("hook", plain("echo"))
            .after("c")
            .run_if(RunIf::AnyFailed)
            .job("behind", plain("echo"))
            .after("hook")
    };
    let id = floor.start(&any("fail", "echo")).await;
    floor.end(id).await;
    assert_eq!(
        floor.states(id).await,
        "a failed, b completed, c completed, hook cancelled, behind cancelled"
    );
    assert_eq!(floor.job(floor.member(id, "behind").await).await.error.unwrap()["type"], "skipped");
    let id = floor.start(&any("fail", "fail")).await;
    floor.end(id).await;
    assert_eq!(floor.states(id).await, "a failed, b failed, c cancelled, hook completed, behind completed");
    mill.stop().await;
}

#[tokio::test]
async fn a_workflow_that_cancels_on_failure_stops_all_others() {
    let floor = Floor::new().await;
    let workflow = Workflow::new("strict")
        .job("slow", plain("forever"))
        .job("bad", plain("fail"))
        .job("tidy", plain("echo"))
        .after("bad")
        .run_if(RunIf::AnyFailed)
        .cancel_on_failure();
    let mill = floor
        .mill()
        .handler("forever", |context: tidemill::Context| async move {
            let reason = context.stopped().await;
            Err(tidemill::JobError::retry(reason.to_string()))
        })
        .start();
    let id = floor.start(&workflow).await;
    assert_eq!(floor.end(id).await.0, "failed");
    assert_eq!(floor.states(id).await, "slow cancelled, bad failed, tidy completed");
    mill.stop().await;
}

/// Serves `gated`: it is done when the gate lets it pass, unless it is stopped before.
fn gated(floor: &Floor, gate: &Arc<Semaphore>) -> MillBuilder {
    let gate = gate.clone();
    floor.mill().handler("gated", move |context: Context| {
        let gate = gate.clone();
        async move {
            tokio::select! {
                pass = gate.acquire() => pass.unwrap().forget(),
                reason = context.stopped() => return Err(JobError::retry(reason.to_string())),
            }
            if context.args()["fails"] == true { super::fail() } else { ok(None) }
        }
    })
}

#[tokio::test]
async fn what_cleans_up_goes_on_while_more_jobs_of_a_stopped_workflow_end() {
    let floor = Floor::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let mill = gated(&floor, &gate).start();
    let strict = || {
        let workflow = Workflow::new("strict").job("bad", plain("fail")).job("behind", plain("echo"));
        workflow.after("bad").cancel_on_failure()
    };
    let deep = Workflow::chain("deep", [plain("gated"), plain("gated")]);
    let workflows = [
        strict().job("tidy", plain("gated")),
        strict().nested(
            "tidy",
            Workflow::new("outer").nested("deep", deep).job("more", plain("echo")).after("deep"),
        ),
    ];
    for workflow in workflows {
        let id = floor.start(&workflow.after("bad").run_if(RunIf::AnyFailed)).await;
        wait_for("the other end is resolved while it runs", || async {
            let resolved = format!("dependencies where job_id = '{id}' and member and outcome = 'cancelled'");
            (floor.count(&resolved).await == 1 && floor.count("running").await == 1).then_some(())
        })
        .await;
        assert_eq!(floor.count("jobs_live where cancel_requested_at is not null").await, 0);
        gate.add_permits(2);
        assert_eq!(floor.end(id).await.0, "failed");
        assert_eq!(floor.states(id).await, "bad failed, behind cancelled, tidy completed");
        gate.forget_permits(2);
    }
    mill.stop().await;
}

#[tokio::test]
async fn a_failure_stops_members_that_wait_for_a_signal_or_for_children() {
    let floor = Floor::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let mill = gated(&floor, &gate)
        .handler("approval", |context: Context| async move {
            context.signal::<Value>("approved", None).await?;
            ok(None)
        })
        .handler("parent", |context: Context| async move {
            let child = context.spawn("child", &plain("nobody")).await?;
            context.wait_for(&[child]).await?;
            ok(None)
        })
        .start();
    let workflow = Workflow::new("strict")
        .job("approval", plain("approval"))
        .job("parent", plain("parent"))
        .job("bad", NewJob { max_attempts: Some(1), ..super::new("gated", &json!({"fails": true})) })
        .cancel_on_failure();
    let id = floor.start(&workflow).await;
    wait_for("both wait", || async { (floor.count("blocked_jobs").await == 3).then_some(()) }).await;
    gate.add_permits(1);
    assert_eq!(floor.end(id).await.0, "failed");
    assert_eq!(floor.states(id).await, "approval cancelled, parent cancelled, bad failed");
    assert_eq!(floor.count("jobs_live").await, 0, "the child is cancelled with its parent");
    mill.stop().await;
}

#[tokio::test]
async fn k5_a_parent_that_is_cancelled_or_gone_cancels_its_children() {
    let floor = Floor::new().await;
    for gone in [false, true] {
        let parent = floor.enqueue(plain("nobody")).await;
        let mut child = plain("nobody");
        child.after = vec![tidemill::After::job(parent)];
        let child = floor.enqueue(child).await;
        if gone {
            floor.delete_job(parent).await.unwrap();
        } else {
            floor.cancel(parent, None, "me").await.unwrap();
        }
        assert_eq!(floor.end(child).await.0, "cancelled");
        wait_for("nothing is left", || async { (floor.count("blocked_jobs").await == 0).then_some(()) })
            .await;
    }
}

#[tokio::test]
async fn k5_a_conflict_while_it_is_made_rolls_all_back() {
    let floor = Floor::new().await;
    let mut taken = plain("echo");
    taken.execution_id = Some("taken".into());
    floor.enqueue(taken.clone()).await;
    let error = floor.create_workflow(&Workflow::group("g", [echo(1), taken, echo(2)])).await.unwrap_err();
    assert!(error.to_string().contains("execution_id_taken"), "{error}");
    assert_eq!(floor.count("jobs").await, 1);
    assert_eq!(floor.count("workflows").await + floor.count("dependencies").await, 0);
}

#[tokio::test]
async fn a_job_that_waits_for_a_refused_job_of_its_call_is_refused_with_it() {
    let floor = Floor::new().await;
    let named = || NewJob { id: Uuid::now_v7(), execution_id: Some("taken".into()), ..plain("nobody") };
    floor.enqueue(named()).await;
    let refused = named();
    let behind = NewJob { after: vec![After::job(refused.id)], ..plain("nobody") };
    let jobs = floor.prepare_each(&[refused, behind]).unwrap();
    let error = enqueue(floor.pool(), &jobs, false).await.unwrap_err();
    assert!(
        error.refusal().is_some_and(|(message, _)| message.contains("was not enqueued by it")),
        "{error}"
    );
    assert_eq!(floor.count("jobs").await, 1, "nothing waits for what does not come");
}
