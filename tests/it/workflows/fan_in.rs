//! Many parents that end at the same time, with workers that die: what waits for them fires exactly once.

use std::time::Duration;

use serde_json::json;
use tidemill::job::attempt::Usage;
use tidemill::store::attempts::complete::Completed;
use tidemill::{After, NewJob, Workflow};

use super::{Floor, echo, mill, plain};
use crate::support::{MortalMill, wait_at_most, wait_for};

#[tokio::test]
async fn k5_fan_in_of_200_workflows_with_100_parents_fires_exactly_200_times() {
    let floor = Floor::new().await;
    // What dies with its worker is tried again.
    let tried = |job: NewJob| NewJob { max_attempts: Some(10), ..job };
    for _ in 0..200 {
        let members = (0..100).map(|n| tried(echo(n)));
        floor.start(&Workflow::group("g", members).then(&tried(plain("count")))).await;
    }
    let worker = || {
        MortalMill::start(&floor, |store| {
            mill(store).slots(100).settings(|settings| {
                settings.lease_ttl = Duration::from_secs(3);
                settings.heartbeat = Duration::from_millis(500);
            })
        })
    };
    let mut mills: Vec<MortalMill> = (0..3).map(|_| worker()).collect();
    // Workers die in the middle of it, and others come.
    for killed in [2_000, 8_000, 14_000] {
        wait_at_most(Duration::from_secs(120), "jobs complete", || async {
            (floor.count("jobs where kind = 'echo' and finished_at is not null").await >= killed)
                .then_some(())
        })
        .await;
        mills.remove(0).kill();
        mills.push(worker());
    }
    wait_at_most(Duration::from_secs(120), "all workflows complete", || async {
        (floor
            .count("jobs where kind = 'tidemill.workflow' and workflow_id is null and state = 'completed'")
            .await
            == 200)
            .then_some(())
    })
    .await;
    assert_eq!(floor.count("jobs where kind = 'count' and state = 'completed'").await, 200);
    assert_eq!(floor.count("jobs where kind = 'count' and result <> '100'").await, 0);
    // Released once each: a job that ran twice did so because its worker died, as its lease shows.
    let again: i64 = floor.scalar("select coalesce(sum(attempt), 0) from jobs where kind = 'count'").await;
    let crashed = floor.count("attempts a join jobs j on j.id = a.job_id where j.kind = 'count'").await;
    assert_eq!(again, 200 + crashed);
    assert_eq!(floor.count("finished_parents").await + floor.count("blocked_jobs").await, 0);
    mills.into_iter().for_each(MortalMill::kill);
    floor.check_invariants().await;
}

#[tokio::test]
async fn k4_duplicate_delivery_fires_the_chord_once() {
    let floor = Floor::new().await;
    let parent = floor.enqueue(plain("k")).await;
    let mut child = plain("child");
    child.after = vec![After::job(parent)];
    let child = floor.enqueue(child).await;
    // The first worker is taken for dead and finishes all the same; so does the second, twice.
    let first = floor.claim_one().await;
    floor.expire(parent).await;
    floor.sweep().await.unwrap();
    floor.execute("update jobs_live set run_at = now() where kind = 'k'").await;
    let second = floor.claim_one().await;
    let done = |lease| Completed {
        job_id: parent,
        lease_id: lease,
        result: Some(json!(1)),
        usage: Usage::default(),
    };
    for lease in [second.lease_id, first.lease_id, second.lease_id] {
        floor.complete(&[done(lease)]).await.unwrap();
        floor.resolve().await.unwrap();
    }
    wait_for("the child is let go", || async { (floor.state(child).await == "available").then_some(()) })
        .await;
    let fired = floor.claim_some("default", "child", 5).await;
    assert_eq!(fired.len(), 1);
    floor.resolve().await.unwrap();
    assert_eq!(floor.job(child).await.attempt, 1);
    assert_eq!(floor.count("dependencies where outcome = 'completed'").await, 1);
}

#[tokio::test]
async fn an_end_that_no_process_announced_is_resolved_by_maintenance() {
    let floor = Floor::new().await;
    let parent = floor.running().await.id;
    let mut child = plain("child");
    child.after = vec![After::job(parent)];
    let child = floor.enqueue(child).await;
    // As if the process had died right behind the commit: by hand, past every verb.
    floor
        .execute(
            "with gone as (delete from jobs_live where kind = 'k' returning *), r as (delete from running)
             insert into jobs (id, kind, state, attempt, finished_at) select id, kind, 'completed', 1, clock_timestamp() from gone",
        )
        .await;
    wait_for("the child is let go", || async { (floor.state(child).await == "available").then_some(()) })
        .await;
}
