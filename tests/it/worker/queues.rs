//! Queues that a worker finds as jobs come: it leaves them when they are empty, and where there are more than it can
//! claim from at once they take turns.

use std::sync::Arc;
use std::time::Duration;

use tidemill::NewJob;
use tokio::sync::Semaphore;

use crate::support::{Db, Mill, job, ok, wait_at_most, wait_for};

/// More than a worker claims from at once.
const TENANTS: usize = 210;

fn of_tenants(range: std::ops::Range<usize>) -> Vec<NewJob> {
    range.map(|tenant| NewJob { queue: Some(format!("tenant-{tenant}")), ..job("k") }).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_that_are_empty_give_way_to_others() {
    let db = Db::new().await;
    let mill = Mill::builder(&db)
        .settings(|settings| settings.other_queue_slots = 2)
        .handler("k", |_| async { ok(None) })
        .start();
    // Three times as many in its life as it can claim from at once.
    for round in 0..3 {
        db.enqueue_all(&of_tenants(round * TENANTS..(round + 1) * TENANTS)).await;
        wait_at_most(Duration::from_mins(2), "all of them are served", || async {
            (db.count("jobs_live").await == 0).then_some(())
        })
        .await;
    }
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_there_are_too_many_they_take_turns_and_doctor_says_so() {
    let db = Db::new().await;
    let door = Arc::new(Semaphore::new(0));
    let gate = door.clone();
    let mill = Mill::builder(&db)
        .settings(|settings| settings.other_queue_slots = 1)
        .handler("k", move |_| {
            let gate = gate.clone();
            async move {
                gate.acquire().await.unwrap().forget();
                ok(None)
            }
        })
        .start();
    db.enqueue_all(&of_tenants(0..TENANTS)).await;
    let said = || async {
        let found: Vec<(String,)> = db.rows(r#"select message from doctor() where "check" = 'queues'"#).await;
        found.into_iter().next()
    };
    let (message,) = wait_at_most(Duration::from_mins(1), "doctor says so", said).await;
    assert!(message.contains("10 more queues"), "{message}");
    wait_for("as many as it can", || async { (db.count("running").await == 200).then_some(()) }).await;
    // None of them is served so long that the others never are.
    db.enqueue_all(&of_tenants(0..200)).await;
    door.add_permits(2 * TENANTS);
    wait_at_most(Duration::from_mins(2), "all are served", || async {
        (db.count("jobs_live").await == 0).then_some(())
    })
    .await;
    wait_for("doctor says it no more", || async { said().await.is_none().then_some(()) }).await;
    mill.stop().await;
}
