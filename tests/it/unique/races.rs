//! Rivals for one key: of those that insert at once one wins, whatever becomes of the others.

use std::time::Duration;

use serde_json::json;
use tidemill::store::jobs::enqueue::{InsertOutcome, enqueue};
use tokio::task::JoinSet;

use super::unique_job;
use crate::support::{Db, Session, blocked_or_done};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b2_two_processes_insert_at_once_one_wins() {
    let db = Db::new().await;
    let stores = [db.another_store(), db.another_store()];
    for round in 0..1_000 {
        let rival = |store: &tidemill::Store| {
            let jobs = store.prepare_each(&[unique_job(json!({ "key": round / 2 }), json!({}))]).unwrap();
            let pool = store.pool().clone();
            async move { enqueue(&pool, &jobs, false).await.unwrap().remove(0) }
        };
        let (one, other) = tokio::join!(rival(&stores[0]), rival(&stores[1]));
        let outcomes = [&one.outcome, &other.outcome];
        assert!(
            outcomes.contains(&&InsertOutcome::Created) && outcomes.contains(&&InsertOutcome::Existing),
            "{outcomes:?}"
        );
        assert_eq!(one.id, other.id);
        // Every other round is for a key that is there and that nobody holds any more.
        if round % 2 == 0 {
            db.cancel(one.id, None, "me").await.unwrap();
        }
    }
    assert_eq!(db.count("jobs").await, 1_000);
    assert_eq!(db.count("unique_keys u join jobs j on j.id = u.job_id and j.unique_key = u.key").await, 500);
}

#[tokio::test]
async fn b2_one_that_dies_before_its_commit_leaves_the_key_to_the_other() {
    let db = Db::new().await;
    let mut first = Session::begin(&db).await;
    first.run("select enqueue('k', unique_by => '{}')::text").await.unwrap();
    let rival = Session::open(&db).await;
    let pid = rival.pid;
    let rival = rival.run_apart("select enqueue('k', unique_by => '{}')::text".into());
    assert!(blocked_or_done(&db, pid, &rival).await, "the rival waits for the one that came first");
    db.execute(format!("select pg_terminate_backend({})", first.pid)).await;
    let (_, answer) = rival.await.unwrap();
    let stored: String = db.scalar("select id::text from jobs").await;
    assert_eq!(answer.unwrap(), Some(stored));
    assert!(first.run("commit").await.is_err());
    assert_eq!(db.count("jobs").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_with_the_same_keys_in_any_order_never_wait_for_one_another_in_a_circle() {
    let db = Db::new().await;
    let mut rivals = JoinSet::new();
    for rival in 0..8_i64 {
        let store = db.another_store();
        rivals.spawn(async move {
            for round in 0..20_i64 {
                let job =
                    |n: i64| unique_job(json!({"n": (n * (2 * rival + 1)) % 64, "round": round}), json!({}));
                let jobs: Vec<_> = (0..64).map(job).collect();
                let jobs = store.prepare_each(&jobs).unwrap();
                let made = enqueue(store.pool(), &jobs, false).await.unwrap();
                assert!(
                    made.iter()
                        .all(|made| matches!(made.outcome, InsertOutcome::Created | InsertOutcome::Existing))
                );
            }
        });
    }
    tokio::time::timeout(Duration::from_mins(1), rivals.join_all()).await.expect("no deadlock");
    assert_eq!(db.count("jobs").await, 64 * 20);
}
