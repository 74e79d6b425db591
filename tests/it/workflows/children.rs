//! Jobs that spawn others while they run, and wait for them without a slot.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::states;
use serde_json::json;
use tidemill::JobState;
use tidemill::job::attempt::{Outcome, Usage, Wait};
use tidemill::store::attempts::settle::Settled;
use tidemill::store::jobs::cancel::CancelOutcome;
use tidemill::store::jobs::prepared::Child;
use tidemill::{After, Context, JobError, NewJob, RunIf, Unique, Workflow};
use tokio::sync::Semaphore;

use super::{Floor, echo, plain};
use crate::support::{Db, ok, wait_for};

#[tokio::test]
async fn k7_children_are_spawned_once_however_often_the_parent_is_tried() {
    let floor = Floor::new().await;
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = tries.clone();
    let mill = floor
        .mill()
        .handler("parent", move |context: Context| {
            let attempt = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                let mut children = Vec::new();
                for n in 0..5 {
                    children.push(context.spawn(&format!("child-{n}"), &echo(n)).await?);
                    if attempt < 5 && attempt == usize::try_from(n).unwrap_or_default() {
                        return Err(JobError::retry("the parent breaks behind each child"));
                    }
                }
                let ends = context.wait_for(&children).await?;
                ok(json!(ends.into_iter().map(|end| end.result).collect::<Vec<_>>()))
            }
        })
        .start();
    let mut parent = plain("parent");
    parent.max_attempts = Some(6);
    let parent = floor.enqueue(parent).await;
    let expected: Vec<_> = (0..5).map(|n| json!({ "n": n })).collect();
    assert_eq!(floor.end(parent).await, ("completed", json!(expected)));
    assert_eq!(floor.count("jobs where kind = 'echo'").await, 5);
    assert_eq!(floor.job(parent).await.attempt, 6, "waiting costs no attempt");
    mill.stop().await;
    floor.check_invariants().await;
}

#[tokio::test]
async fn k3_a_job_replaces_itself_by_a_chain_or_a_group() {
    let floor = Floor::new().await;
    let mill = floor
        .mill()
        .slots(1)
        .handler("replaced", |context: Context| async move {
            let by = match context.args()["by"].as_str() {
                Some("chain") => Workflow::chain("by", [echo(1), echo(2)]),
                _ => Workflow::group("by", [echo(1), echo(2)]),
            };
            let by = context.spawn_workflow("by", &by).await?;
            let end = context.wait_for(&[by]).await?.remove(0);
            ok(end.result)
        })
        .start();
    let replaced = |by: &str| super::new("replaced", &json!({ "by": by }));
    // First, middle and last of a chain; with one slot, so that none may hold it while it waits.
    for place in 0..3 {
        let jobs = (0..3).map(|n| if n == place { replaced("chain") } else { plain("echo") });
        let id = floor.start(&Workflow::chain("outer", jobs).passing("before")).await;
        let (state, result) = floor.end(id).await;
        assert_eq!(state, "completed");
        let follows = match place {
            0 => json!({"before": {"before": {"n": 2}}}),
            1 => json!({"before": {"n": 2}}),
            _ => json!({"n": 2}),
        };
        assert_eq!(result, follows, "what follows gets the result of what came in its place");
    }
    let group = floor.enqueue(replaced("group")).await;
    assert_eq!(floor.end(group).await, ("completed", json!([{"n": 1}, {"n": 2}])));
    mill.stop().await;
}

#[tokio::test]
async fn cancel_of_a_job_that_waits_for_its_children_cancels_them() {
    let floor = Floor::new().await;
    let mill = floor
        .mill()
        .handler("parent", |context: Context| async move {
            let child = context.spawn("child", &plain("nobody")).await?;
            context.wait_for(&[child]).await?;
            ok(None)
        })
        .start();
    let parent = floor.enqueue(plain("parent")).await;
    wait_for("it waits", || async { (floor.count("blocked_jobs").await == 1).then_some(()) }).await;
    assert_eq!(floor.state(parent).await, "waiting");
    assert_eq!(floor.cancel(parent, None, "me").await.unwrap(), Some(CancelOutcome::Cancelled));
    assert_eq!(floor.count("jobs_live").await, 0, "the child is cancelled with it");
    mill.stop().await;
}

#[tokio::test]
async fn cancel_of_a_job_that_waits_leaves_a_unique_child_that_others_enqueued() {
    let floor = Floor::new().await;
    let unique = || NewJob { unique: Some(Unique::by_key("one")), ..plain("nobody") };
    let mill = floor
        .mill()
        .handler("parent", move |context: Context| async move {
            let child = context.spawn("child", &unique()).await?;
            let own = context.spawn("own", &plain("nobody")).await?;
            context.wait_for(&[child, own]).await?;
            ok(None)
        })
        .start();
    let theirs = floor.enqueue(unique()).await;
    let parent = floor.enqueue(plain("parent")).await;
    wait_for("it waits", || async { (floor.count("blocked_jobs").await == 1).then_some(()) }).await;
    let steps = floor.steps(parent).await.unwrap();
    assert_eq!(steps.iter().filter(|step| step.spawned_id == Some(theirs)).count(), 1);
    floor.cancel(parent, None, "me").await.unwrap();
    assert_eq!(floor.state(theirs).await, "available");
    assert_eq!(floor.count("jobs_live").await, 1, "the other child is cancelled with it");
    mill.stop().await;
}

#[tokio::test]
async fn a_lease_that_is_lost_spawns_nothing() {
    let floor = Floor::new().await;
    let claimed = floor.running().await;
    floor.expire(claimed.id).await;
    floor.sweep().await.unwrap();
    let late = Child::Job(Box::new(floor.prepare_inline(echo(1)).unwrap()));
    let child = floor.spawn_child((claimed.id, claimed.lease_id), "late", &late).await.unwrap();
    assert_eq!(child, None);
    assert_eq!(floor.count("jobs where kind = 'echo'").await, 0);
}

#[tokio::test]
async fn a_child_is_kept_until_its_parent_has_run_again() {
    let db = Db::new().await;
    let parent = db.running().await;
    let child = Child::Job(Box::new(db.prepare_inline(plain("child")).unwrap()));
    let lease = (parent.id, parent.lease_id);
    let child = db.spawn_child(lease, "child", &child).await.unwrap().unwrap();
    let wait = Wait::Jobs { parents: vec![child] };
    let settled = Settled::of(parent.id, parent.lease_id, Outcome::Waits { wait }, Usage::default());
    assert_eq!(states(&db.settle(settled.as_slice()).await.unwrap()), [Some(JobState::Waiting)]);
    let claimed = db.claim_some("default", "child", 1).await.remove(0);
    db.complete_one(&claimed).await;
    db.resolve().await.unwrap();
    assert_eq!(db.state(parent.id).await, "available");
    db.execute("update jobs set retain_until = now() - interval '1 s' where kind = 'child'").await;
    assert_eq!(db.prune().await.unwrap(), 0, "nobody has read how it ended");
    let parent = db.claim_one().await;
    assert_eq!(db.ends_of(&[child]).await.unwrap()[0].state.word(), "completed");
    db.complete_one(&parent).await;
    assert_eq!(db.prune().await.unwrap(), 1);
}

#[tokio::test]
async fn a_child_that_is_kept_no_more_counts_as_cancelled_and_wedges_nobody() {
    let floor = Floor::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let passing = gate.clone();
    let mill = floor
        .mill()
        .handler("parent", move |context: Context| {
            let gate = passing.clone();
            async move {
                let gone = context.spawn("gone", &plain("nobody")).await?;
                let there = context.spawn("there", &plain("late")).await?;
                let _pass = gate.acquire().await.unwrap();
                let ends = context.wait_for(&[gone, there]).await?;
                let words: Vec<_> = ends.iter().map(|end| end.state.word()).collect();
                ok(json!({"words": words, "error": ends[0].error}))
            }
        })
        .start();
    let parent = floor.enqueue(plain("parent")).await;
    wait_for("both are there", || async { (floor.count("steps").await == 2).then_some(()) }).await;
    let gone: uuid::Uuid = floor.scalar("select id from jobs where kind = 'nobody'").await;
    floor.delete_job(gone).await.unwrap();
    gate.add_permits(1);
    wait_for("it waits for the other", || async { (floor.count("blocked_jobs").await == 1).then_some(()) })
        .await;
    let late = floor.claim_some("default", "late", 1).await.remove(0);
    floor.complete_one(&late).await;
    let (state, result) = floor.end(parent).await;
    assert_eq!((state, &result["words"]), ("completed", &json!(["cancelled", "completed"])));
    assert_eq!(result["error"]["type"], "gone");
    assert_eq!(floor.job(parent).await.attempt, 1);
    mill.stop().await;
}

#[tokio::test]
async fn a_job_that_waits_for_its_children_waits_for_no_optional_parent() {
    let floor = Floor::new().await;
    let mill = floor
        .mill()
        .handler("parent", |context: Context| async move {
            let child = context.spawn("child", &echo(1)).await?;
            let ends = context.wait_for(&[child]).await?;
            ok(ends[0].result.clone())
        })
        .start();
    let quick = floor.enqueue(plain("echo")).await;
    let never = floor.enqueue(plain("nobody")).await;
    let mut parent = plain("parent");
    parent.after = vec![After::job(quick), After::job(never)];
    parent.run_if = Some(RunIf::AnyCompleted);
    let parent = floor.enqueue(parent).await;
    assert_eq!(floor.end(parent).await, ("completed", json!({"n": 1})));
    assert_eq!(floor.state(never).await, "available");
    mill.stop().await;
}
