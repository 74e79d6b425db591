//! The keys of a queue, ranked by their backlog: who holds it up, and who starves in it.

use serde_json::json;

use crate::api::server::on_a_server;
use crate::support::Db;

#[tokio::test]
async fn the_largest_backlog_comes_first_and_what_runs_is_counted() {
    on_a_server(|server| async move {
        server.sql("select set_limit('api', 1)").await;
        server.sql("select enqueue('k', fair_key => 'big', priority => (1 + n % 3)::smallint) from generate_series(1, 130) n").await;
        server.sql("select enqueue('k', fair_key => 'small') from generate_series(1, 3)").await;
        server.sql("select enqueue('k', concurrency_key => '{api:x}') from generate_series(1, 2)").await;
        server.sql("select enqueue('k')").await;
        server.sql("select enqueue('k', fair_key => 'elsewhere', queue => 'other')").await;
        let taken = server.claim("w", "k", 3).await.len();
        let keys = server.get("/api/v1/queues/default/keys").await.expect(200);
        let keys = keys["items"].as_array().unwrap().clone();
        let names: Vec<_> = keys.iter().map(|key| key["fair_key"].clone()).collect();
        assert_eq!(names, [json!("big"), json!("small"), json!(null)]);
        assert_eq!(keys[2]["concurrency_keys"], json!(["api:x"]));
        let sum = |field: &str| keys.iter().map(|key| key[field].as_i64().unwrap()).sum::<i64>();
        let plain_left = server.get("/api/v1/jobs?state=available").await.expect(200)["items"].as_array().unwrap().len();
        assert_eq!(sum("waiting") + i64::try_from(taken + plain_left).unwrap(), 136, "{keys:?}");
        assert!(sum("running") >= 1 && keys[0]["oldest_due_at"].is_string());
        assert_eq!(server.get("/api/v1/queues/nothing/keys").await.expect(200)["items"], json!([]));
    })
    .await;
}

/// The first count stops at a hundred jobs of a key, so the plan never reads a whole backlog.
#[tokio::test]
async fn a_backlog_of_many_jobs_is_ranked_by_its_index() {
    let db = Db::new().await;
    db.execute(
        "select enqueue('k', fair_key => 'key-' || n % 50) from generate_series(1, 150) n;
         select enqueue('k', fair_key => 'whale');
         insert into jobs_live select (jsonb_populate_record(j, jsonb_build_object('id', new_job_id()))).*
         from jobs_live j cross join generate_series(1, 12000) where j.fair_key = 'whale'",
    )
    .await;
    let first: Vec<(String, i32)> = db.rows("select fair_key, waiting from queue_keys('default', 2)").await;
    assert_eq!(first[0], ("whale".to_owned(), 10_000));
    assert_eq!(first.len(), 2);
}
