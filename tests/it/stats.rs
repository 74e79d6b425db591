//! Stats: exact, whoever dies, and the same before and behind their folding.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tidemill::{Context, JobError, KindSettings};

use crate::api::server::on_a_server;
use crate::support::{Db, Mill, MortalMill, job, numbered, ok, wait_for};

/// What was counted, such as `completed 7`.
async fn counted(db: &Db) -> Vec<(String, i64)> {
    db.rows("select outcome, sum(jobs)::bigint from counters group by outcome order by outcome").await
}

#[tokio::test]
async fn counts_are_those_of_the_jobs_though_workers_die() {
    let db = Db::new().await;
    for n in 0..400 {
        let mut wish = numbered("k", n);
        wish.max_attempts = Some(3);
        db.enqueue(wish).await;
    }
    for _ in 0..10 {
        let id = db.enqueue(job("never")).await;
        db.cancel(id, None, "me").await.unwrap();
    }
    let begun = Arc::new(AtomicUsize::new(0));
    let build = |store: &tidemill::Store| {
        let begun = begun.clone();
        let settings = KindSettings {
            backoff: tidemill::Backoff { first: std::time::Duration::from_millis(10), ..Default::default() },
            ..KindSettings::default()
        };
        Mill::builder(store)
            .settings(|settings| settings.lease_ttl = std::time::Duration::from_secs(2))
            .handler_with("k", settings, move |context: Context| {
                begun.fetch_add(1, Ordering::SeqCst);
                async move {
                    match context.args()["n"].as_i64() {
                        Some(n) if n % 10 == 0 => Err(JobError::permanent("no")),
                        Some(n) if n % 10 == 1 && context.attempt().attempt == 1 => {
                            Err(JobError::retry("once more"))
                        }
                        _ => ok(None),
                    }
                }
            })
    };
    for times in [50, 150] {
        let mill = MortalMill::start(&db, build);
        wait_for("some run", || async { (begun.load(Ordering::SeqCst) >= times).then_some(()) }).await;
        mill.kill();
    }
    let mill = build(&db.store).start();
    wait_for("all end", || async {
        db.sweep().await.unwrap();
        (db.count("jobs_live").await == 0).then_some(())
    })
    .await;
    mill.stop().await;
    let of_jobs: Vec<(String, i64)> =
        db.rows("select state::text, count(*) from jobs group by state order by state::text").await;
    let expected = |found: &[(String, i64)]| {
        let ends: Vec<_> = found
            .iter()
            .filter(|(outcome, _)| !matches!(outcome.as_str(), "enqueued" | "retried"))
            .cloned()
            .collect();
        assert_eq!(ends, of_jobs);
        let of = |word: &str| found.iter().find(|(outcome, _)| outcome == word).map_or(0, |(_, jobs)| *jobs);
        assert_eq!(of("enqueued"), 410);
        assert!(of("retried") >= 40, "{found:?}");
    };
    let before = counted(&db).await;
    expected(&before);
    db.fold_stats().await.unwrap();
    assert_eq!(db.count("stats_deltas").await, 0);
    assert_eq!(counted(&db).await, before);
}

#[tokio::test]
async fn old_minutes_become_hours_and_lose_nothing() {
    let db = Db::new().await;
    db.execute(
        "insert into stats (minute, queue, kind, outcome, jobs, ran)
         select date_trunc('minute', now() - interval '20 days') + n * interval '1 minute', 'q', 'k', 'completed', 2, '3 s'
         from generate_series(0, 299) n;
         select prune_stats(); select prune_stats();",
    )
    .await;
    let rows: (i64, i64, f64) = db
        .rows("select count(*), sum(jobs)::bigint, extract(epoch from sum(ran))::float8 from stats")
        .await
        .pop()
        .unwrap();
    assert!(rows.0 <= 6 && rows.1 == 600, "{rows:?}");
    assert!((rows.2 - 900.0).abs() < 0.001, "{rows:?}");
}

#[tokio::test]
async fn the_numbers_are_shown() {
    on_a_server(|server| async move {
        for _ in 0..3 {
            server.enqueue(json!({"kind": "a"})).await;
        }
        let claimed = server.claim("w", "a", 2).await;
        server.word(&claimed[0], "complete", json!({})).await.expect(200);
        server
            .word(&claimed[1], "fail", json!({"error": {"message": "no"}, "permanent": true}))
            .await
            .expect(200);
        let stats = server.get("/api/v1/stats").await.expect(200);
        let hour = &stats["last_hour"];
        assert_eq!(
            (&hour["enqueued"], &hour["completed"], &hour["failed"]),
            (&json!(3), &json!(1), &json!(1))
        );
        assert!(hour["average_run_seconds"].as_f64().unwrap() >= 0.0);
        assert_eq!(stats["queues"][0]["name"], "default");
        let kinds = server.get("/api/v1/stats/kinds").await.expect(200);
        assert_eq!((&kinds["items"][0]["kind"], &kinds["items"][0]["enqueued"]), (&json!("a"), &json!(3)));
        server.store.fold_stats().await.unwrap();
        for query in ["hours=1", "hours=48", "kind=a", "queue=default"] {
            let trend = server.get(&format!("/api/v1/stats/trends?{query}")).await.expect(200);
            let sum: i64 = trend["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|point| point["enqueued"].as_i64().unwrap())
                .sum();
            assert_eq!(sum, 3, "{query}");
        }
        assert_eq!(server.get("/api/v1/stats/trends?kind=b").await.expect(200)["items"], json!([]));
        server.get("/api/v1/stats/kinds?hours=0").await.problem(422, "invalid-request");
    })
    .await;
}
