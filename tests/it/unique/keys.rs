//! What makes two keys equal.

use serde_json::json;
use tidemill::store::kinds::KindRow;
use tidemill::{JobDefaults, KindSettings, NewJob, Unique};

use super::{all_but, args, created, existing, in_status, put, unique_job};
use crate::support::Db;

#[tokio::test]
async fn b1_by_args_subset_of_them_and_by_all() {
    let db = Db::new().await;
    let all = created(&db, unique_job(json!({"a": 1, "b": [2, null]}), json!({}))).await;
    // The order of keys does not matter.
    assert_eq!(existing(&db, unique_job(json!({"b": [2, null], "a": 1}), json!({}))).await, all);
    created(&db, unique_job(json!({"a": 1, "b": [null, 2]}), json!({}))).await;
    let some = json!({"args": ["customer", "day"]});
    let first = created(&db, unique_job(json!({"customer": 7, "day": null, "n": 1}), some.clone())).await;
    assert_eq!(
        existing(&db, unique_job(json!({"customer": 7, "day": null, "n": 2}), some.clone())).await,
        first
    );
    created(&db, unique_job(json!({"customer": 8, "day": null, "n": 1}), some.clone())).await;
    // One that is absent is not one that is null.
    created(&db, unique_job(json!({"customer": 7, "n": 1}), some)).await;
}

#[tokio::test]
async fn b1_by_a_key_in_the_args_shared_by_all_kinds() {
    let db = Db::new().await;
    let by_key = |kind: &str, tenant: i64| NewJob {
        unique: Some(Unique::by_key("report:{tenant}")),
        ..NewJob::new(kind, args(json!({"tenant": tenant, "at": kind})))
    };
    let first = created(&db, by_key("k", 1)).await;
    assert_eq!(existing(&db, by_key("other", 1)).await, first);
    created(&db, by_key("k", 2)).await;
    let long = unique_job(json!({"t": "x".repeat(5_000)}), json!({"key": "{t}"}));
    assert_eq!(
        created(&db, long.clone()).await,
        existing(&db, NewJob { id: uuid::Uuid::now_v7(), ..long }).await
    );
}

#[tokio::test]
async fn b1_by_queue() {
    let db = Db::new().await;
    let into = |queue: &str, by: serde_json::Value| NewJob {
        queue: Some(queue.into()),
        ..unique_job(json!({}), json!({"by": by}))
    };
    created(&db, into("a", json!(["queue", "args"]))).await;
    created(&db, into("b", json!(["queue", "args"]))).await;
    existing(&db, into("a", json!(["args", "queue"]))).await;
    created(&db, into("a", json!(["args"]))).await;
    existing(&db, into("b", json!(["args", "kind"]))).await;
}

#[tokio::test]
async fn b1_by_kind() {
    let db = Db::new().await;
    let of = |kind: &str, n: i64| NewJob {
        unique: Some(Unique::read(&json!({"by": ["kind"]})).unwrap()),
        ..NewJob::new(kind, args(json!({ "n": n })))
    };
    let first = created(&db, of("k", 1)).await;
    assert_eq!(existing(&db, of("k", 2)).await, first);
    created(&db, of("other", 1)).await;
}

#[tokio::test]
async fn b1_by_state_set() {
    let db = Db::new().await;
    for status in tidemill::job::unique::STATUSES {
        let unique = |states| unique_job(json!({ "status": status }), json!({"states": states}));
        let holder = in_status(&db, status, unique(all_but(&[]))).await;
        assert_eq!(existing(&db, unique(all_but(&[]))).await, holder, "{status}");
        if !super::QUEUED.contains(status) {
            created(&db, unique(all_but(&[status]))).await;
        }
        db.execute("update jobs_live set queue = 'aside', unique_key = null").await;
    }
    // By default the unfinished ones count.
    for status in ["scheduled", "available", "waiting", "retrying", "running"] {
        let unique = || unique_job(json!({ "default": status }), json!({}));
        let holder = in_status(&db, status, unique()).await;
        assert_eq!(existing(&db, unique()).await, holder, "{status}");
        db.execute("update jobs_live set queue = 'aside'").await;
    }
    for status in ["completed", "failed", "cancelled"] {
        in_status(&db, status, unique_job(json!({ "default": status }), json!({}))).await;
        created(&db, unique_job(json!({ "default": status }), json!({}))).await;
        db.execute("update jobs_live set queue = 'aside'").await;
    }
}

#[tokio::test]
async fn b3_empty_args_differ_from_others_and_unnamed_jobs_are_never_unique() {
    let db = Db::new().await;
    let empty = created(&db, unique_job(json!({}), json!({}))).await;
    created(&db, unique_job(json!({"a": null}), json!({}))).await;
    created(&db, unique_job(json!({"a": {}}), json!({}))).await;
    created(&db, unique_job(json!({"": 1}), json!({}))).await;
    assert_eq!(existing(&db, unique_job(json!({}), json!({}))).await, empty);
    let plain = NewJob { unique: None, ..unique_job(json!({}), json!({})) };
    created(&db, plain.clone()).await;
    created(&db, NewJob { id: uuid::Uuid::now_v7(), ..plain }).await;
    assert_eq!(db.count("jobs where unique_key is null").await, 2);
}

#[tokio::test]
async fn the_rule_of_the_kind_applies_unless_the_job_has_its_own() {
    let db = Db::new().await;
    let defaults = JobDefaults {
        unique: Some(Unique::by_key("one:{tenant}")),
        fair_key: Some("{tenant}".into()),
        expires_in: Some(std::time::Duration::from_secs(3600)),
        ..JobDefaults::default()
    };
    let settings = KindSettings { defaults, ..KindSettings::default() };
    db.see_kind(&KindRow { name: "k".into(), source: "rust", settings: Some(settings) }).await.unwrap();
    let plain = |n: i64| NewJob::new("k", args(json!({"tenant": "t", "n": n})));
    let first = created(&db, plain(1)).await;
    assert_eq!(existing(&db, plain(2)).await, first);
    let own = NewJob { unique: Some(Unique::by_args()), ..plain(1) };
    created(&db, own).await;
    let kept: Vec<(String, String, bool)> = db
        .rows(format!(
            "select unique_key, fair_key, expires_at = created_at + interval '1 hour' from jobs where id = '{first}'"
        ))
        .await;
    assert_eq!(kept, [("key:one:t".to_owned(), "t".to_owned(), true)]);
}

#[tokio::test]
async fn a_job_that_is_retried_has_its_key_again_unless_another_live_one_has_it() {
    let db = Db::new().await;
    let one = || unique_job(json!({}), json!({}));
    let first = in_status(&db, "failed", one()).await;
    let second = in_status(&db, "completed", one()).await;
    assert_ne!(first, second);
    db.retry(first, "me").await.unwrap();
    assert_eq!(existing(&db, one()).await, first);
    db.cancel(first, None, "me").await.unwrap();
    // Also where the keeper has forgotten who had it.
    db.execute("delete from unique_keys").await;
    db.retry(first, "me").await.unwrap();
    assert_eq!(existing(&db, one()).await, first);
    db.cancel(first, None, "me").await.unwrap();

    let third = created(&db, one()).await;
    db.retry(first, "me").await.unwrap();
    assert_eq!([db.state(first).await, db.state(third).await], ["available"; 2]);
    assert_eq!(existing(&db, one()).await, third);
}

#[tokio::test]
async fn a_refused_job_takes_no_key() {
    let db = Db::new().await;
    db.drain_queue("shut", "me").await.unwrap();
    put(&db, NewJob { queue: Some("shut".into()), ..unique_job(json!({}), json!({})) }).await;
    put(&db, NewJob { execution_id: Some("e".into()), ..NewJob::new("k", args(json!({}))) }).await;
    put(&db, NewJob { execution_id: Some("e".into()), ..unique_job(json!({}), json!({})) }).await;
    assert_eq!(db.count("unique_keys where job_id is not null").await, 0);
    created(&db, unique_job(json!({}), json!({}))).await;
}
