//! Stats: exact, whichever process dies, and the same before and after they are aggregated.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tidemill::store::stats::Window;
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
        let mut new_job = numbered("k", n);
        new_job.max_attempts = Some(3);
        db.enqueue(new_job).await;
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
        wait_for("some run", || async {
            // The one before may have died with all of them claimed.
            db.sweep().await.unwrap();
            (begun.load(Ordering::SeqCst) >= times).then_some(())
        })
        .await;
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
    db.aggregate_stats().await.unwrap();
    assert_eq!(db.count("stats_deltas").await, 0);
    assert_eq!(counted(&db).await, before);
}

#[tokio::test]
async fn a_job_that_is_cancelled_between_two_attempts_counts_no_time() {
    let db = Db::new().await;
    for outcome in ["failed", "snoozed"] {
        let claimed = db.running().await;
        db.execute(format!(
            "select settle_attempt('{}', '{}', '{outcome}', '{{\"message\": \"no\"}}', '2 hours');
             update jobs_live set started_at = started_at - interval '1 hour'",
            claimed.id, claimed.lease_id
        ))
        .await;
        db.cancel(claimed.id, None, "me").await.unwrap();
    }
    let held = db.running().await;
    db.execute("update jobs_live set started_at = started_at - interval '1 hour', run_at = run_at - interval '2 hours'").await;
    db.cancel(held.id, None, "me").await.unwrap();
    db.execute(format!("select settle_attempt('{}', '{}', 'cancelled')", held.id, held.lease_id)).await;
    let rows: Vec<(f64, f64, bool)> = db
        .rows(
            "select round(extract(epoch from waited) / 3600)::float8, round(extract(epoch from ran) / 3600)::float8, ran_most is null
             from stats_deltas where outcome = 'cancelled' order by ran",
        )
        .await;
    assert_eq!(rows, [(0.0, 0.0, true), (0.0, 0.0, true), (1.0, 1.0, false)]);
}

#[tokio::test]
async fn old_minutes_become_hours_and_lose_nothing() {
    let db = Db::new().await;
    db.execute(
        "insert into stats_deltas (at, queue, kind, outcome, jobs, ran)
         select now() - interval '20 days' + n * interval '1 minute', 'q', 'k', 'completed', 2, '3 s'
         from generate_series(0, 299) n;
         select aggregate_stats(); select prune_stats(); select prune_stats();",
    )
    .await;
    assert_eq!(db.count("stats").await, 0);
    let rows: (i64, i64, f64) = db
        .rows("select count(*), sum(jobs)::bigint, extract(epoch from sum(ran))::float8 from stats_hours")
        .await
        .pop()
        .unwrap();
    assert!(rows.0 <= 6 && rows.1 == 600, "{rows:?}");
    assert!((rows.2 - 900.0).abs() < 0.001, "{rows:?}");
}

#[tokio::test]
async fn a_window_of_any_length_counts_each_job_once() {
    let db = Db::new().await;
    // At ages that no window's begin comes near.
    db.execute(
        "insert into stats_deltas (at, queue, kind, outcome, jobs)
         select now() - interval '150 seconds' - n * interval '7 minutes', 'q', 'k', 'completed', 1 from generate_series(0, 700) n",
    )
    .await;
    let as_expected = async || {
        for hours in [1, 5, 7, 25, 72] {
            let window = Window::of(Duration::from_hours(hours));
            let inside = (0..).take_while(|n| n * 420 + 150 < hours * 3600).count();
            assert_eq!(
                db.counts(&window).await.unwrap().completed,
                i64::try_from(inside).unwrap(),
                "{hours} h"
            );
            let trend: i64 =
                db.trend(&window).await.unwrap().iter().map(|point| point.counts.completed).sum();
            assert_eq!(trend, i64::try_from(inside).unwrap(), "{hours} h");
        }
    };
    as_expected().await;
    // By a person whose hours begin half an hour later.
    db.execute("begin; set local time zone 'Asia/Kolkata'; select aggregate_stats(); commit").await;
    assert_eq!(db.count("stats_deltas").await, 0);
    as_expected().await;
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
        server.store.aggregate_stats().await.unwrap();
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
        for route in ["kinds?since=90m", "trends?since=90m"] {
            let found = server.get(&format!("/api/v1/stats/{route}")).await.expect(200);
            assert!(!found["items"].as_array().unwrap().is_empty(), "{route}");
        }
        server.get("/api/v1/stats/trends?since=90m&hours=2").await.problem(422, "invalid-request");
    })
    .await;
}

#[tokio::test]
async fn rates_extremes_and_the_system_are_summed_up_and_exported() {
    on_a_server(|server| async move {
        for (kind, outcome, seconds) in [
            ("a", "completed", 2),
            ("a", "completed", 6),
            ("a", "retried", 9),
            ("b", "failed", 1),
            ("a", "completed", 1),
        ] {
            server
                .sql(&format!(
                    "insert into stats_deltas (queue, kind, outcome, jobs, ran, ran_least, ran_most)
                     values ('q', '{kind}', '{outcome}', 1, '{seconds} s', '{seconds} s', '{seconds} s')"
                ))
                .await;
            server.store.aggregate_stats().await.unwrap();
        }
        let summary = server.get("/api/v1/stats/summary?since=1h").await.expect(200);
        assert_eq!((&summary["executions"], &summary["success_rate"]), (&json!(5), &json!(0.6)));
        assert!((summary["executions_per_minute"].as_f64().unwrap() - 5.0 / 60.0).abs() < 1e-9);
        let a = &summary["kinds"][0];
        let of = |key: &str| a[key].as_f64().unwrap();
        assert_eq!((of("success_rate"), of("error_rate"), of("average_run_seconds")), (0.75, 0.25, 3.0));
        assert_eq!((of("least_run_seconds"), of("most_run_seconds")), (1.0, 6.0));
        let trend = server.get("/api/v1/stats/trends?kind=a&hours=24").await.expect(200);
        assert_eq!(trend["items"][0]["success_rate"], 0.75);
        let export = server.get("/api/v1/stats/export?format=json&since=24h").await.expect(200);
        assert_eq!(
            (&export[0]["kind"], &export[1]["kind"], &export[0]["queue"]),
            (&json!("a"), &json!("b"), &json!("q"))
        );
        let csv = server.get("/api/v1/stats/export?format=csv&kind=a").await;
        assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
        let text = csv.body.as_str().unwrap().to_owned();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("at,queue,kind,enqueued,completed") && lines.len() == 2, "{text}");
        assert!(lines[1].contains(",q,a,0,3,0,0,1,4,0.75,0.25,3"), "{text}");
        let ago = (chrono::Utc::now() - chrono::TimeDelta::minutes(10))
            .to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let recent = server.get(&format!("/api/v1/stats/export?since={ago}")).await.expect(200);
        assert_eq!(recent.as_array().unwrap().len(), 2);
        for query in ["since=0s", "since=2999-01-01T00:00:00Z", "since=soon", "format=xml", "since=4000days"]
        {
            server.get(&format!("/api/v1/stats/export?{query}")).await.problem(422, "invalid-request");
        }
    })
    .await;
}

#[tokio::test]
async fn the_system_s_numbers_are_those_of_its_workers() {
    on_a_server(|server| async move {
        let idle = server.get("/api/v1/stats").await.expect(200);
        assert_eq!((&idle["system"]["workers"], &idle["system"]["utilisation"]), (&json!(0), &json!(null)));
        let mill = Mill::builder(&server.store)
            .slots(4)
            .handler("k", |context: Context| async move {
                context.stopped().await;
                ok(None)
            })
            .start();
        for _ in 0..6 {
            server.enqueue(json!({"kind": "k"})).await;
        }
        let system = wait_for("all slots are taken", || async {
            let system = server.get("/api/v1/stats").await.expect(200)["system"].clone();
            // The jobs say at once that they run, their worker at its next heartbeat that it is busy.
            (system["active"] == 4 && system["utilisation"] == 1.0).then_some(system)
        })
        .await;
        assert_eq!((&system["queued"], &system["slots"]), (&json!(2), &json!(4)));
        assert!(system["memory_bytes"].as_i64().unwrap() > 0);
        assert!(system["cpu_seconds"].as_f64().unwrap() > 0.0);
        mill.shutdown.immediate.cancel();
        mill.stop().await;
    })
    .await;
}
