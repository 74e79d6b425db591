//! Forks: the same work as a new job, from a step on.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tidemill::Context;

use crate::support::{Db, Mill, numbered, ok, wait_for};

#[tokio::test]
async fn l4_a_fork_keeps_the_steps_before_and_runs_from_there() {
    let db = Db::new().await;
    let ran = Arc::new(Mutex::new(Vec::new()));
    let seen = ran.clone();
    let mill = Mill::builder(&db.store)
        .handler("steps", move |context: Context| {
            let seen = seen.clone();
            async move {
                let mut last = 0;
                for n in 1..=4 {
                    let seen = seen.clone();
                    last = context
                        .step(&format!("step-{n}"), || async move {
                            seen.lock().unwrap().push(n);
                            Ok(n)
                        })
                        .await?;
                }
                ok(json!({ "n": context.args()["n"], "last": last }))
            }
        })
        .start();
    let id = db.enqueue(numbered("steps", 9)).await;
    wait_for("it completes", || async { (db.state(id).await == "completed").then_some(()) }).await;
    ran.lock().unwrap().clear();
    let forked = db.fork(id, Some("step-3"), "me").await.unwrap().unwrap();
    wait_for("the fork completes", || async { (db.state(forked).await == "completed").then_some(()) }).await;
    assert_eq!(*ran.lock().unwrap(), [3, 4], "steps 1 and 2 are kept");
    assert_eq!(db.job(forked).await.result, Some(json!({"n": 9, "last": 4})));
    assert_eq!(db.job(forked).await.metadata.unwrap()["forked_from"], json!(id));
    assert_eq!(db.event_types(forked).await[0], "forked");
    // Nothing happened to the first.
    assert_eq!(db.steps(id).await.unwrap().len(), 4);
    let all = db.fork(id, None, "me").await.unwrap().unwrap();
    ran.lock().unwrap().clear();
    wait_for("it completes", || async { (db.state(all).await == "completed").then_some(()) }).await;
    assert!(ran.lock().unwrap().is_empty(), "all steps are kept");
    assert_eq!(db.fork(uuid::Uuid::now_v7(), None, "me").await.unwrap(), None);
    let refusal = db.fork(id, Some("step-9"), "me").await.unwrap_err().to_string();
    assert!(refusal.contains("has no step step-9"), "{refusal}");
    mill.stop().await;
}
