//! Two processes, and one that dies in mid-batch: no job is acted on twice, and none is left out.

use std::sync::Arc;

use serde_json::json;
use tidemill::maintenance;
use tidemill::maintenance::MaintenanceSettings;
use tidemill::store::db::notifier::Notifier;
use tidemill::{Options, Store};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use super::{carry_out, ends, fill, report, start};
use crate::support::{Db, Session, blocked_or_done, wait_for};

/// The maintenance of a process that can die, with connections of its own.
fn process(options: Options) -> Runtime {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.spawn(async move {
        let store = Store::connect(options).unwrap();
        let stop = CancellationToken::new();
        let wakes = store.listen(stop.clone());
        maintenance::run(
            store,
            Notifier::default(),
            Arc::default(),
            wakes,
            MaintenanceSettings::default(),
            stop,
        )
        .await;
    });
    runtime
}

#[tokio::test]
async fn two_processes_of_which_one_is_killed_act_on_each_job_once() {
    let db = Db::new().await;
    fill(&db, 3_000).await;
    let (mortal, other) = (process(db.options()), process(db.options()));
    let id = start(&db, "'set_priority', '{\"kind\": \"k\"}', priority => 1::smallint").await;
    wait_for("the first batches", || async {
        (db.operation(id).await.unwrap().unwrap().done > 0).then_some(())
    })
    .await;
    mortal.shutdown_background();
    assert_eq!(ends(&db, id).await, json!({"state": "done", "done": 3_000, "skipped": {}, "failed": 0}));
    assert_eq!(db.count("jobs where priority = 1").await, 3_000);
    // Each act leaves an event.
    let events: Vec<(i64, i64)> =
        db.rows("select count(*), count(distinct job_id) from events where type = 'replaced'").await;
    assert_eq!(events, [(3_000, 3_000)]);
    other.shutdown_background();
}

#[tokio::test]
async fn a_batch_whose_process_dies_is_as_if_it_had_never_begun() {
    let db = Db::new().await;
    fill(&db, 250).await;
    let id = start(&db, "'cancel', '{\"kind\": \"k\"}'").await;
    let held: uuid::Uuid = db.scalar("select id from jobs_live order by id offset 100 limit 1").await;
    let mut holder = Session::begin(&db).await;
    holder.run(&format!("select id from jobs_live where id = '{held}' for update")).await.unwrap();
    let mut dying = Session::open(&db).await;
    let pid = dying.pid;
    let batch = format!("select step_operation('{id}')");
    let batch = tokio::spawn(async move { dying.run(&batch).await });
    let blocked = blocked_or_done(&db, pid, &batch).await;
    if !blocked {
        panic!("it is in the middle of its batch: {:?}", batch.await);
    }
    // Nobody else carries out the same operation meanwhile.
    assert_eq!(db.step_operation(id).await.unwrap(), None);
    db.execute(format!("select pg_terminate_backend({pid})")).await;
    assert!(batch.await.unwrap().is_err());
    holder.run("rollback").await.unwrap();
    assert_eq!(report(&db, id).await, json!({"state": "running", "done": 0, "skipped": {}, "failed": 0}));
    assert_eq!(db.count("jobs where state = 'cancelled'").await, 0);
    carry_out(&db, id).await;
    assert_eq!(report(&db, id).await["done"], 250);
    assert_eq!(db.count("events where type = 'cancel_requested'").await, 250);
}

#[tokio::test]
async fn a_batch_that_meets_a_passing_trouble_is_tried_again_and_says_so() {
    let db = Db::new().await;
    fill(&db, 20).await;
    db.execute(
        "create function busy() returns trigger language plpgsql as $$ begin raise 'busy' using errcode = '40001'; end $$;
         create trigger busy before delete on jobs_live for each row execute function busy()",
    )
    .await;
    let keeper = process(db.options());
    let id = start(&db, "'cancel', '{\"kind\": \"k\"}'").await;
    wait_for("the problem", || async { db.operation(id).await.unwrap().unwrap().problem }).await;
    assert_eq!(report(&db, id).await, json!({"state": "running", "done": 0, "skipped": {}, "failed": 0}));
    db.execute("drop trigger busy on jobs_live; update operations set due_at = now()").await;
    assert_eq!(ends(&db, id).await["done"], 20);
    assert_eq!(db.operation(id).await.unwrap().unwrap().problem, None);
    keeper.shutdown_background();
}
