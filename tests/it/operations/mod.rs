//! Operations: one action on all jobs that match, each once, by whichever process, with a report.

mod races;
mod rest;
mod search;
mod sql;

use serde_json::{Value, json};

use crate::support::{Db, wait_for};

/// Enqueues jobs of kind `k`, due in an hour.
async fn fill(db: &Db, jobs: u32) {
    db.execute(format!("select enqueue('k', delay => '1 hour') from generate_series(1, {jobs})")).await;
}

async fn start(db: &Db, args: &str) -> uuid::Uuid {
    db.scalar(format!("select start_operation({args})")).await
}

/// Carries out batch after batch until nothing is due.
async fn carry_out(db: &Db, id: uuid::Uuid) {
    while db.step_operation(id).await.unwrap().is_some() {}
}

/// `{state, done, skipped, failed}`.
async fn report(db: &Db, id: uuid::Uuid) -> Value {
    let operation = db.operation(id).await.unwrap().expect("the operation is there");
    json!({"state": operation.state, "done": operation.done, "skipped": operation.skipped, "failed": operation.failed})
}

async fn ends(db: &Db, id: uuid::Uuid) -> Value {
    wait_for("the operation ends", || async {
        let operation = report(db, id).await;
        (operation["state"] != "running").then_some(operation)
    })
    .await
}
