//! Register: a claim of short kinds leaves `running` alone, and all that need an attempt there find it: the
//! heartbeat, the sweep, a limit, an extension.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;
use sqlx::Connection;
use tidemill::NewJob;
use tidemill::store::attempts::claim::{ClaimRequest, Claimed, KindTerms, Position, Terms};

use crate::support::{Db, job, numbered, wait_for};

/// Claims jobs of the kinds `k` and `slow`; `k` is short.
async fn claim(db: &Db, limit: i64) -> Vec<Claimed> {
    let short = ["k".to_owned()];
    let own = [Some(5.0), None].map(|soft_seconds| KindTerms {
        soft_seconds,
        hard_seconds: Some(60.0),
        grace_seconds: Some(3.0),
    });
    let request = ClaimRequest {
        queue: "default",
        kinds: &["k".to_owned(), "slow".to_owned()],
        limit,
        cursor: &[Position::HEAD; 9],
        worker_id: "w",
        lease_ttl_seconds: 30.0,
        picked: &[],
        terms: Terms { own: &own, enforced: false, short: &short },
    };
    db.store.claim(&request).await.unwrap()
}

async fn one(db: &Db) -> Claimed {
    db.enqueue(job("k")).await;
    claim(db, 1).await.pop().expect("a job is due")
}

const REST: &str =
    "attempt, queue, kind, concurrency_keys, round(extract(epoch from lease_expires_at - started_at)) as ttl,
  extract(epoch from soft_at - started_at) as soft, extract(epoch from hard_at - started_at) as hard,
  extract(epoch from deadline_at - started_at) as deadline";

#[tokio::test]
async fn only_other_kinds_are_in_running_and_a_completion_needs_no_row_there() {
    let db = Db::new().await;
    db.enqueue_all(&[numbered("k", 1), numbered("slow", 2), numbered("k", 3)]).await;
    let claimed = claim(&db, 3).await;
    let registered: Vec<bool> = claimed.iter().map(|job| job.registered).collect();
    assert_eq!(registered.iter().filter(|registered| **registered).count(), 1);
    let leases: HashSet<_> = claimed.iter().map(|job| job.lease_id).collect();
    assert_eq!(leases.len(), 2, "short jobs share the lease of their claim");
    assert_eq!(db.scalar::<String>("select string_agg(kind, ',') from running").await, "slow");
    assert_eq!(db.scalar::<i32>("select cardinality(jobs) from claim_batches").await, 2);
    db.check_invariants().await;
    for job in &claimed {
        assert!(db.complete_one(job).await && !db.complete_one(job).await);
    }
    assert_eq!(db.count("running").await, 0);
    db.store.forget_claims(&leases.into_iter().collect::<Vec<_>>()).await.unwrap();
    assert_eq!(db.count("claim_batches").await, 0);
    db.check_invariants().await;
}

#[tokio::test]
async fn an_attempt_is_entered_as_its_claim_would_have_done_it() {
    let db = Db::new().await;
    let own = NewJob {
        soft_timeout: Some(Duration::from_secs(7)),
        hard_timeout: Some(Duration::from_secs(70)),
        ..job("k")
    };
    for job in [job("k"), own] {
        db.enqueue_all(std::slice::from_ref(&job)).await;
        let late = claim(&db, 1).await.pop().unwrap();
        let attempt = (late.id, late.lease_id);
        assert_eq!(db.store.register(&[attempt]).await.unwrap(), HashSet::from([late.id]));
        assert_eq!(
            db.store.register(&[attempt]).await.unwrap(),
            HashSet::from([late.id]),
            "a second time changes nothing"
        );
        let entered: serde_json::Value =
            db.scalar(format!("select to_jsonb(r) from (select {REST} from running) r")).await;
        db.execute("delete from running").await;
        // The same job, claimed with a row of its own.
        db.execute(
            "update jobs_live set state = 'available', attempt = 0, lease_id = null, worker_id = null",
        )
        .await;
        db.execute("update jobs_live set kind = 'slow'").await;
        claim(&db, 1).await;
        let mut claimed: serde_json::Value =
            db.scalar(format!("select to_jsonb(r) from (select {REST} from running) r")).await;
        claimed["kind"] = json!("k");
        if claimed["soft"].is_null() {
            claimed["soft"] = json!(5.0);
        }
        assert_eq!(
            entered.to_string().replace(".000000", ".0"),
            claimed.to_string().replace(".000000", ".0")
        );
        db.execute("truncate jobs_live, running, claim_batches").await;
    }
}

#[tokio::test]
async fn the_sweep_takes_back_what_was_never_entered_when_its_lease_ends_and_not_before() {
    let db = Db::new().await;
    let silent = one(&db).await;
    assert!(db.sweep().await.unwrap().is_empty());
    assert_eq!(db.count("running").await, 0, "a sweep enters nothing before the lease ends");
    db.execute("update claim_batches set claimed_at = claimed_at - interval '1 minute', lease_expires_at = lease_expires_at - interval '1 minute'").await;
    let swept = db.sweep().await.unwrap();
    assert_eq!(swept.iter().map(|swept| swept.job_id).collect::<Vec<_>>(), [silent.id]);
    assert_eq!(db.job(silent.id).await.error.unwrap()["type"], "lease_expired");
    assert_eq!(db.count("claim_batches").await + db.count("running").await, 0);
    assert!(!db.complete_one(&silent).await);
    db.check_invariants().await;
}

#[tokio::test]
async fn time_passes_for_a_claim_as_well() {
    let db = Db::new().await;
    one(&db).await;
    db.store.let_time_pass(Duration::from_secs(40)).await.unwrap();
    assert_eq!(db.sweep().await.unwrap().len(), 1);
    db.check_invariants().await;
}

#[tokio::test]
async fn a_claim_stays_until_each_of_its_attempts_is_entered() {
    let db = Db::new().await;
    db.enqueue_all(&[numbered("k", 1), numbered("k", 2)]).await;
    let claimed = claim(&db, 2).await;
    db.execute("update claim_batches set lease_expires_at = now() - interval '1 minute', claimed_at = now() - interval '2 minutes'").await;
    let mut other = db.connect().await;
    let mut holds = other.begin().await.unwrap();
    sqlx::query("select from jobs_live where id = $1 for update")
        .bind(claimed[0].id)
        .execute(&mut *holds)
        .await
        .unwrap();
    assert_eq!(db.sweep().await.unwrap().len(), 1, "the sweep waits for nobody");
    assert_eq!(db.count("claim_batches").await, 1);
    holds.rollback().await.unwrap();
    assert_eq!(db.sweep().await.unwrap().len(), 1);
    assert_eq!(db.count("claim_batches").await, 0);
    db.check_invariants().await;
}

#[tokio::test]
async fn a_job_that_is_claimed_again_is_not_entered_under_its_old_lease() {
    let db = Db::new().await;
    let first = one(&db).await;
    db.execute("update jobs_live set state = 'available', lease_id = null, worker_id = null").await;
    let second = claim(&db, 1).await.pop().unwrap();
    assert_eq!((first.id, second.attempt), (second.id, 2));
    assert!(db.store.register(&[(first.id, first.lease_id)]).await.unwrap().is_empty());
    db.execute(format!(
        "update claim_batches set lease_expires_at = now() - interval '1 hour' where lease_id = '{}'",
        first.lease_id
    ))
    .await;
    assert!(db.sweep().await.unwrap().is_empty());
    assert_eq!(db.scalar::<uuid::Uuid>("select lease_id from claim_batches").await, second.lease_id);
    assert!(db.complete_one(&second).await);
}

#[tokio::test]
async fn a_new_limit_of_the_queue_counts_them() {
    let db = Db::new().await;
    db.enqueue_all(&[numbered("k", 1), numbered("k", 2), numbered("k", 3)]).await;
    assert_eq!(claim(&db, 2).await.len(), 2);
    db.execute("select set_limit('queue:default', max_running => 2)").await;
    assert_eq!(db.count("running").await, 2);
    assert!(claim(&db, 1).await.is_empty());
    db.check_invariants().await;
}

#[tokio::test]
async fn a_lost_answer_an_extension_and_an_explanation_find_them() {
    let db = Db::new().await;
    let claimed = one(&db).await;
    assert_eq!(db.store.claimed_by("w").await.unwrap(), [(claimed.id, claimed.lease_id)]);
    let said: String = db.scalar(format!("select message from explain('{}')", claimed.id)).await;
    assert!(
        said.starts_with("worker w runs the job since 20") && said.contains("its last heartbeat was at 20"),
        "{said}"
    );
    let more = format!(
        "select extend_attempt('{}', '{}', '1 hour') - started_at > '61 minutes' from jobs_live",
        claimed.id, claimed.lease_id
    );
    assert!(db.scalar::<bool>(more).await);
    assert_eq!(db.store.claimed_by("w").await.unwrap(), [(claimed.id, claimed.lease_id)], "named once");
}

#[tokio::test]
async fn a_row_that_an_end_could_not_see_is_removed() {
    let db = Db::new().await;
    let (ended, running) = (one(&db).await, one(&db).await);
    let attempts = [&ended, &running].map(|claimed| (claimed.id, claimed.lease_id));
    let mut other = db.connect().await;
    let mut registers = other.begin().await.unwrap();
    for (job, lease) in &attempts {
        let entered = sqlx::query("select register_attempts(array[$1], array[$2])").bind(job).bind(lease);
        entered.execute(&mut *registers).await.unwrap();
    }
    let completed = tokio::join!(db.complete_one(&ended), async {
        let waits = "pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        wait_for("the end waits", || async { (db.count(waits).await == 1).then_some(()) }).await;
        registers.commit().await.unwrap();
    });
    assert!(completed.0);
    assert_eq!(db.count("running").await, 2, "the end did not see what was entered while it waited");
    db.store.forget_ended(&attempts).await.unwrap();
    assert_eq!(db.scalar::<uuid::Uuid>("select job_id from running").await, running.id);
}
