//! Causes: many failures read as few.

use tidemill::store::jobs::failures::Cause;

use crate::support::Db;

async fn causes(db: &Db) -> Vec<(String, i64)> {
    let mut causes: Vec<Cause> = db.failures(None, None, 100).await.unwrap();
    causes.sort_by(|a, b| a.class.cmp(&b.class));
    causes.into_iter().map(|cause| (cause.class.unwrap(), cause.failures)).collect()
}

#[tokio::test]
async fn ten_thousand_failures_read_as_three_causes() {
    let db = Db::new().await;
    db.execute(
        "set local statement_timeout = 0;
         select enqueue_many(jsonb_agg(jsonb_build_object('kind', 'mail', 'max_attempts', 1))) from generate_series(1, 10000);
         update jobs_live
         set state = 'running', attempt = 1, lease_id = gen_random_uuid(), worker_id = 'w', started_at = now();
         select settle_attempt(id, lease_id, 'failed', case n % 3
           when 0 then jsonb_build_object('type', 'a', 'message', format('customer %s not found in \"%s\"', n, md5(n::text)))
           when 1 then jsonb_build_object('type', 'b', 'message', format('timeout after %s.5 s at 2026-01-%s 10:00:%s', n, n % 28, n % 60))
           else jsonb_build_object('type', 'c', 'message', format('job %s: no route to 10.0.%s.%s:443', gen_random_uuid(), n % 200, n % 100))
         end)
         from (select id, lease_id, row_number() over () as n from jobs_live) j;",
    )
    .await;
    let expected = [("a".to_owned(), 3333), ("b".to_owned(), 3334), ("c".to_owned(), 3333)];
    assert_eq!(causes(&db).await, expected, "before they are counted");
    db.aggregate_failures().await.unwrap();
    assert_eq!(causes(&db).await, expected, "and behind");
    assert_eq!((db.count("failure_deltas").await, db.count("failure_causes").await), (0, 3));
    db.aggregate_failures().await.unwrap();
    assert_eq!(causes(&db).await, expected, "counted once");
    let cause = db.failures(Some("mail"), None, 1).await.unwrap().remove(0);
    let same: i64 =
        db.scalar(format!("select count(*) from attempts where fingerprint = '{}'", cause.fingerprint)).await;
    assert_eq!(same, cause.failures);
    assert!(db.failures(Some("other"), None, 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn other_kinds_classes_and_words_are_other_causes() {
    let db = Db::new().await;
    let of = async |kind: &str, class: &str, message: &str| -> String {
        let error = serde_json::json!({"type": class, "message": message});
        db.scalar(format!("select fingerprint('{kind}', $${error}$$)")).await
    };
    let first = of("a", "x", "file /tmp/12/a.txt is gone").await;
    assert_eq!(first, of("a", "x", "file /tmp/99/a.txt is gone").await);
    assert_ne!(first, of("b", "x", "file /tmp/12/a.txt is gone").await);
    assert_ne!(first, of("a", "y", "file /tmp/12/a.txt is gone").await);
    assert_ne!(first, of("a", "x", "file /tmp/12/a.txt is there").await);
    assert_eq!(of("a", "x", "no \"cat\"").await, of("a", "x", "no \"dog\"").await);
}
