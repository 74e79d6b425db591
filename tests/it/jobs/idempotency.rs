//! Idempotency: promise 10 — one key and one body have one answer, however many ask at once.

use serde_json::json;
use tidemill::store::jobs::enqueue::enqueue;
use tidemill::store::jobs::idempotency::{Known, store_answer, take_key};

use crate::support::{Db, job};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_that_race_with_one_key_one_works_and_all_get_its_answer() {
    let db = Db::new().await;
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let store = db.store.clone();
        racers.spawn(async move {
            let mut transaction = store.pool().begin().await.unwrap();
            match take_key(transaction.connection(), "key", b"hash").await.unwrap() {
                Known::New => {
                    let jobs = store.prepare_each(&[job("k")]).unwrap();
                    let made = enqueue(transaction.connection(), &jobs, false).await.unwrap();
                    let answer = json!({ "id": made[0].id });
                    store_answer(transaction.connection(), "key", &answer).await.unwrap();
                    transaction.commit().await.unwrap();
                    (true, answer)
                }
                Known::Answered(answer) => (false, answer),
                Known::OtherRequest => panic!("it is the same request"),
            }
        });
    }
    let answers = racers.join_all().await;
    assert_eq!(answers.iter().filter(|(worked, _)| *worked).count(), 1);
    assert!(answers.iter().all(|(_, answer)| *answer == answers[0].1));
    assert_eq!(db.count("jobs").await, 1);
}

#[tokio::test]
async fn another_body_is_refused_and_a_rolled_back_key_is_free() {
    let db = Db::new().await;
    let mut first = db.store.pool().begin().await.unwrap();
    assert_eq!(take_key(first.connection(), "key", b"a").await.unwrap(), Known::New);
    first.rollback().await.unwrap();
    let mut second = db.store.pool().begin().await.unwrap();
    assert_eq!(take_key(second.connection(), "key", b"b").await.unwrap(), Known::New);
    store_answer(second.connection(), "key", &json!(1)).await.unwrap();
    second.commit().await.unwrap();
    let mut third = db.store.pool().begin().await.unwrap();
    assert_eq!(take_key(third.connection(), "key", b"a").await.unwrap(), Known::OtherRequest);
    assert_eq!(take_key(third.connection(), "key", b"b").await.unwrap(), Known::Answered(json!(1)));
    assert_eq!(take_key(third.connection(), "other", b"a").await.unwrap(), Known::New);
}

#[tokio::test]
async fn an_expired_key_can_be_used_again() {
    let db = Db::new().await;
    let mut first = db.store.pool().begin().await.unwrap();
    take_key(first.connection(), "key", b"a").await.unwrap();
    store_answer(first.connection(), "key", &json!(1)).await.unwrap();
    first.commit().await.unwrap();
    db.execute("update idempotency_keys set expires_at = now() - interval '1 s'").await;
    let mut second = db.store.pool().begin().await.unwrap();
    assert_eq!(take_key(second.connection(), "key", b"b").await.unwrap(), Known::New);
    second.rollback().await.unwrap();
    db.prune().await.unwrap();
    assert_eq!(db.count("idempotency_keys").await, 0);
}
