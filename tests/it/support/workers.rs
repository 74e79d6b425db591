//! Rows of workers that exist in the database alone: they serve kinds and run nothing.

use serde_json::json;
use tidemill::store::attempts::workers::WorkerRow;

use super::Db;

/// A worker that serves `k` with this number of slots of the queue `default`.
pub(crate) async fn idle_worker(db: &Db, slots: i32) {
    let row = WorkerRow {
        id: "w".into(),
        name: "w".into(),
        host: "h".into(),
        pid: Some(1),
        version: "1".into(),
        state: "running",
        queues: json!({ "default": slots }),
        kinds: vec!["k".into()],
        running: 0,
        shedding: false,
        containment: None,
        lease_ttl_seconds: 30.0,
        other_queue_slots: 0,
        queues_left_out: 0,
        memory_bytes: None,
        cpu_seconds: None,
    };
    db.see_worker(&row).await.unwrap();
}
