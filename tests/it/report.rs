//! The health report: each cause is found for what it is, stale data withholds judgement, and all
//! interfaces give one answer.

use serde_json::Value;
use tidemill::NewJob;
use tidemill::store::health_report::{HealthReport, ReportFinding};

use crate::support::{Db, idle_worker, job};

/// A database in which maintenance runs.
async fn maintained() -> Db {
    let db = Db::new().await;
    db.execute("select note_sweep('1 hour')").await;
    db
}

/// A job that has been due for ten minutes.
async fn late(db: &Db, job: NewJob) {
    let id = db.enqueue(job).await;
    db.execute(format!(
        "update jobs_live set run_at = case when group_id is null then now() - interval '10 minutes' else run_at end,
           due_at = due_at - interval '10 minutes' where id = '{id}'"
    ))
    .await;
}

async fn report(db: &Db) -> HealthReport {
    db.health_report().await.unwrap()
}

/// The only finding, and with it the verdict.
async fn only(db: &Db) -> ReportFinding {
    let mut report = report(db).await;
    assert_eq!(report.verdict, "attention", "{report:?}");
    assert_eq!(report.findings.len(), 1, "{report:?}");
    report.findings.remove(0)
}

fn summary(finding: &ReportFinding) -> (&str, &str, &str) {
    (&finding.code, &finding.object.object_type, &finding.object.name)
}

#[tokio::test]
async fn a_quiet_installation_is_ok_and_one_without_maintenance_is_unknown() {
    let db = Db::new().await;
    late(&db, job("k")).await;
    let unknown = report(&db).await;
    assert_eq!((unknown.verdict.as_str(), unknown.parts.flow.as_str()), ("unknown", "unknown"));
    let codes: Vec<_> = unknown.findings.iter().map(summary).collect();
    assert_eq!(codes, [("sweep_overdue", "database", "tidemill")], "advice on jobs is withheld");
    let db = maintained().await;
    idle_worker(&db, 2).await;
    db.enqueue(job("k")).await;
    let ok = report(&db).await;
    assert_eq!((ok.verdict.as_str(), ok.findings.len()), ("ok", 0), "{ok:?}");
}

#[tokio::test]
async fn an_overdue_sweep_or_old_counts_make_it_unknown() {
    let db = maintained().await;
    late(&db, job("k")).await;
    assert_eq!(only(&db).await.code, "no_worker");
    db.execute("update sweep_times set swept_at = now() - interval '3 hours'").await;
    let stale = report(&db).await;
    assert_eq!((stale.verdict.as_str(), stale.parts.execution.as_str()), ("unknown", "unknown"));
    assert_eq!(stale.findings[0].code, "sweep_overdue");
    db.execute(
        "update sweep_times set swept_at = now();
         update stats_deltas set at = now() - interval '1 hour'",
    )
    .await;
    let stale = report(&db).await;
    assert_eq!((stale.verdict.as_str(), stale.findings[0].code.as_str()), ("unknown", "stats_overdue"));
    db.aggregate_stats().await.unwrap();
    assert_eq!(only(&db).await.code, "no_worker");
}

#[tokio::test]
async fn nobody_serves_the_kind_or_the_queue() {
    let db = maintained().await;
    late(&db, job("k")).await;
    let finding = only(&db).await;
    assert_eq!(summary(&finding), ("no_worker", "kind", "k"));
    assert!(finding.remedy.advice.contains("tidemill worker"), "{finding:?}");
    let age = finding.figures[0].value.unwrap();
    assert!((600.0..660.0).contains(&age) && finding.figures[0].unit == "seconds", "{finding:?}");
    idle_worker(&db, 2).await;
    db.execute("update jobs_live set queue = 'elsewhere'").await;
    let finding = only(&db).await;
    assert_eq!(summary(&finding), ("no_worker_in_queue", "queue", "elsewhere"));
    assert!(finding.remedy.advice.contains("embeds"), "worded for its deployment: {finding:?}");
}

#[tokio::test]
async fn workers_that_drain_have_no_slots_or_are_lost() {
    let db = maintained().await;
    late(&db, job("k")).await;
    idle_worker(&db, 2).await;
    assert_eq!(summary(&only(&db).await), ("not_claimed", "queue", "default"));
    db.execute("select set_slots('default', 0)").await;
    assert_eq!(summary(&only(&db).await), ("no_slots", "queue", "default"));
    db.execute("update workers set drain_requested_at = now()").await;
    assert_eq!(summary(&only(&db).await), ("workers_draining", "queue", "default"));
    db.execute("update workers set seen_at = now() - interval '1 minute'").await;
    let codes: Vec<_> = report(&db).await.findings.into_iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["worker_lost", "no_worker"]);
}

#[tokio::test]
async fn all_slots_are_taken() {
    let db = maintained().await;
    idle_worker(&db, 1).await;
    db.running().await;
    late(&db, job("k")).await;
    assert_eq!(summary(&only(&db).await), ("workers_busy", "queue", "default"));
}

#[tokio::test]
async fn a_queue_is_paused_and_a_breaker_open() {
    let db = maintained().await;
    idle_worker(&db, 2).await;
    late(&db, job("k")).await;
    db.execute("select pause_queue('default')").await;
    let finding = only(&db).await;
    assert_eq!(summary(&finding), ("queue_paused", "queue", "default"));
    assert_eq!(finding.remedy.api, "POST /api/v1/queues/default/resume");
    db.execute(
        "select resume_queue('default');
         insert into kinds (name, source, breaker_after, breaker_crashes, breaker_open_until)
         values ('k', 'rust', 3, 3, now() + interval '1 minute')",
    )
    .await;
    let finding = only(&db).await;
    assert_eq!(summary(&finding), ("breaker_open", "kind", "k"));
    assert_eq!(finding.remedy.command, "tidemill kinds reset-breaker k");
}

#[tokio::test]
async fn a_limit_is_full_or_its_rate_reached() {
    let db = maintained().await;
    idle_worker(&db, 5).await;
    db.execute(
        "select set_limit('none', 0); select set_limit('slow', rate => 1, per => '1 hour', burst => 1);
         insert into limit_buckets values ('slow', 0, now())",
    )
    .await;
    for (limit, code) in [("none", "limit_full"), ("slow", "rate_reached")] {
        late(&db, NewJob { concurrency_keys: vec![limit.into()], ..job("k") }).await;
        assert_eq!(summary(&only(&db).await), (code, "limit", limit));
        db.execute("delete from jobs_live; delete from ready_groups").await;
    }
}

#[tokio::test]
async fn a_kind_fails_or_runs_slower_than_in_its_past() {
    let db = maintained().await;
    db.execute(
        "insert into stats_hours (hour, queue, kind, outcome, jobs, ran)
         select date_trunc('hour', now(), 'UTC') - interval '1 day', 'q', k, 'completed', 1000, '1000 s' from unnest('{bad,slow,usual}'::text[]) k;
         insert into stats (minute, queue, kind, outcome, jobs, ran) values
           (date_trunc('minute', now()), 'q', 'bad', 'failed', 6, '6 s'),
           (date_trunc('minute', now()), 'q', 'bad', 'completed', 6, '6 s'),
           (date_trunc('minute', now()), 'q', 'slow', 'completed', 10, '50 s'),
           (date_trunc('minute', now()), 'q', 'usual', 'completed', 10, '20 s'),
           (date_trunc('minute', now()), 'q', 'usual', 'failed', 2, '2 s')",
    )
    .await;
    let report = report(&db).await;
    let findings: Vec<_> = report.findings.iter().map(summary).collect();
    assert_eq!(findings, [("failing", "kind", "bad"), ("slow", "kind", "slow")]);
    assert_eq!(
        (report.findings[0].figures[0].value, report.findings[0].figures[1].value),
        (Some(0.5), Some(0.0))
    );
    assert_eq!(
        (report.findings[1].figures[0].value, report.findings[1].figures[1].value),
        (Some(5.0), Some(1.0))
    );
    assert_eq!((report.parts.flow.as_str(), report.parts.execution.as_str()), ("ok", "attention"));
}

#[tokio::test]
async fn an_alert_that_fires_is_shown_in_its_part() {
    let db = maintained().await;
    db.execute("select set_alert('nobody', 'no_worker', hold => '0'); select evaluate_alerts()").await;
    let finding = only(&db).await;
    assert_eq!((finding.part.as_str(), summary(&finding)), ("flow", ("alert", "alert", "nobody")));
}

#[tokio::test]
async fn the_same_state_gives_the_same_report() {
    let db = maintained().await;
    for kind in ["b", "a", "c"] {
        late(&db, job(kind)).await;
    }
    // Within one transaction time stands still.
    let same: bool = db.scalar("select health_report() = health_report()").await;
    assert!(same);
    let names: Vec<_> = report(&db).await.findings.into_iter().map(|finding| finding.object.name).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[tokio::test]
async fn it_reads_a_few_jobs_of_a_large_backlog() {
    let db = maintained().await;
    idle_worker(&db, 1).await;
    db.execute(
        "insert into jobs_live (id, kind, run_at) select new_job_id(), 'k', now() - interval '1 hour' + n * interval '1 ms'
         from generate_series(1, 100000) n;
         analyze jobs_live",
    )
    .await;
    let reads = "select coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::bigint from pg_stat_user_tables where relname like 'jobs%'";
    let mut session = db.connect().await;
    let read = async |session: &mut sqlx::PgConnection| -> i64 {
        sqlx::raw_sql("select pg_stat_force_next_flush()").execute(&mut *session).await.unwrap();
        sqlx::query_scalar(reads).fetch_one(session).await.unwrap()
    };
    let before = read(&mut session).await;
    let report: Value = sqlx::query_scalar("select health_report()").fetch_one(&mut session).await.unwrap();
    assert_eq!(report["findings"][0]["code"], "not_claimed", "{report}");
    let after = read(&mut session).await;
    assert!(after > before, "the reads are counted");
    assert!(after - before < 5_000, "{} rows were read", after - before);
}
