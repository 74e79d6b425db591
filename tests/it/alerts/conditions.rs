//! What rules measure, and when that fires and is resolved.

use std::time::Duration;

use tidemill::{AlertRule, Condition};

use super::{attempts, found, rule};
use crate::support::{Db, Session, job, wait_for};

async fn evaluate(db: &Db) {
    assert!(db.evaluate_alerts(Some(Duration::from_millis(1))).await.unwrap().done);
}

#[tokio::test]
async fn an_error_rate_fires_once_for_each_kind_and_is_resolved_once() {
    let db = Db::new().await;
    db.set_alert("errors", &AlertRule { at_least: 10, ..rule(Condition::ErrorRate, 0.2) }, None)
        .await
        .unwrap();
    for (kind, completed, failed) in [("good", 90, 10), ("bad", 70, 30), ("rare", 1, 8)] {
        attempts(&db, kind, "completed", completed, "1 s").await;
        attempts(&db, kind, "retried", failed, "1 s").await;
    }
    evaluate(&db).await;
    evaluate(&db).await;
    db.aggregate_stats().await.unwrap();
    evaluate(&db).await;
    assert_eq!(found(&db).await, [("kind:bad".into(), "firing".into())]);
    let alert = &db.alerts(true, None, 10).await.unwrap()[0];
    assert!((alert.value - 0.3).abs() < 1e-9, "{alert:?}");
    assert_eq!(alert.message, "30 of 100 attempts of kind bad failed");
    assert_eq!(db.alerts_firing().await.unwrap(), [("errors".to_owned(), 1)]);
    attempts(&db, "bad", "completed", 1000, "1 s").await;
    evaluate(&db).await;
    evaluate(&db).await;
    assert_eq!(found(&db).await, [("kind:bad".into(), "resolved".into())]);
    let notices: Vec<(String, i64)> =
        db.rows("select event, count(*) from alert_notices group by event order by event").await;
    assert_eq!(notices, [("fired".into(), 1), ("resolved".into(), 1)]);
    // What comes again is a new one.
    attempts(&db, "bad", "failed", 1000, "1 s").await;
    evaluate(&db).await;
    assert_eq!(found(&db).await.len(), 2);
}

#[tokio::test]
async fn a_window_of_days_is_read_by_hours_and_is_as_exact() {
    let db = Db::new().await;
    let days = AlertRule { over: Duration::from_hours(72), at_least: 300, ..rule(Condition::ErrorRate, 0.2) };
    db.set_alert("errors", &days, None).await.unwrap();
    for (ago, outcome, jobs) in [
        ("72 hours 2 minutes", "failed", 1000),
        ("71 hours 58 minutes", "failed", 100),
        ("30 hours", "failed", 20),
        ("30 hours", "completed", 150),
        ("0", "completed", 30),
    ] {
        db.execute(format!(
            "insert into stats_deltas (at, queue, kind, outcome, jobs) values (now() - interval '{ago}', 'default', 'k', '{outcome}', {jobs})"
        ))
        .await;
    }
    let measured = async || {
        evaluate(&db).await;
        db.alerts(true, None, 10).await.unwrap().pop().map(|alert| alert.message)
    };
    let expected = Some("120 of 300 attempts of kind k failed".to_owned());
    assert_eq!(measured().await, expected);
    db.aggregate_stats().await.unwrap();
    assert_eq!(measured().await, expected);
    // Of whole hours it asks no minute.
    db.execute("delete from stats where minute > now() - interval '70 hours'").await;
    assert_eq!(measured().await, expected);
}

#[tokio::test]
async fn what_does_not_last_neither_fires_nor_is_resolved() {
    let db = Db::new().await;
    let depth = AlertRule { hold: Duration::from_secs(60), ..rule(Condition::QueueDepth, 1.0) };
    db.set_alert("deep", &depth, None).await.unwrap();
    let later = |seconds: i32| {
        format!(
            "update alerts set since = since - interval '{seconds} s', clear_since = clear_since - interval '{seconds} s'"
        )
    };
    for _ in 0..2 {
        db.enqueue(job("k")).await;
    }
    evaluate(&db).await;
    db.execute(later(50)).await;
    evaluate(&db).await;
    assert_eq!(found(&db).await, [("queue:default".into(), "pending".into())]);
    // It passes before its time: nothing was.
    let claimed = db.claim_one().await;
    evaluate(&db).await;
    assert_eq!(found(&db).await, []);
    db.enqueue(job("k")).await;
    evaluate(&db).await;
    db.execute(later(61)).await;
    evaluate(&db).await;
    assert_eq!(found(&db).await, [("queue:default".into(), "firing".into())]);
    // It flaps: clear for less than the hold.
    let second = db.claim_one().await;
    evaluate(&db).await;
    db.execute(later(50)).await;
    db.enqueue(job("k")).await;
    evaluate(&db).await;
    db.claim_one().await;
    evaluate(&db).await;
    db.execute(later(50)).await;
    evaluate(&db).await;
    assert_eq!(found(&db).await, [("queue:default".into(), "firing".into())]);
    db.execute(later(11)).await;
    evaluate(&db).await;
    assert_eq!(found(&db).await, [("queue:default".into(), "resolved".into())]);
    assert!(db.complete_one(&claimed).await && db.complete_one(&second).await);
}

#[tokio::test]
async fn every_condition_is_measured() {
    let db = Db::new().await;
    for (name, condition, above) in [
        ("slow", Condition::AverageTime, 2.0),
        ("deep", Condition::QueueDepth, 0.0),
        ("nobody", Condition::NoWorker, 0.0),
        ("stuck", Condition::StuckJobs, 0.0),
        ("latency", Condition::DatabaseLatency, 5.0),
        ("size", Condition::DatabaseSize, 1e6),
        // Longer than what the others here do.
        ("horizon", Condition::DatabaseHorizon, 2.0),
    ] {
        db.set_alert(name, &rule(condition, above), None).await.unwrap();
    }
    attempts(&db, "k", "completed", 4, "10 s").await;
    let stuck = db.running().await;
    db.expire(stuck.id).await;
    db.enqueue(job("k")).await;
    let mut old = Session::open(&db).await;
    old.run("begin isolation level repeatable read").await.unwrap();
    old.run("select count(*) from jobs").await.unwrap();
    wait_for("all fire", || async {
        db.evaluate_alerts(Some(Duration::from_secs(6))).await.unwrap();
        let firing: Vec<(String,)> =
            db.rows("select rule from alert_log where state = 'firing' order by rule").await;
        let firing: Vec<_> = firing.into_iter().map(|(rule,)| rule).collect();
        (firing == ["deep", "horizon", "latency", "nobody", "size", "slow", "stuck"]).then_some(())
    })
    .await;
    old.run("rollback").await.unwrap();
    let mill = crate::support::Mill::builder(&db.store)
        .handler("other", |_| async { crate::support::ok(None) })
        .start();
    db.sweep().await.unwrap();
    db.purge_queue("default", "me").await.unwrap();
    attempts(&db, "k", "completed", 1000, "1 s").await;
    wait_for("all but the size are resolved", || async {
        evaluate(&db).await;
        let firing: Vec<(String,)> = db.rows("select rule from alert_log where state = 'firing'").await;
        (firing == [("size".to_owned(),)]).then_some(())
    })
    .await;
    mill.stop().await;
}

#[tokio::test]
async fn one_rule_that_cannot_be_measured_never_stops_the_rest() {
    let db = Db::new().await;
    db.set_alert("a", &rule(Condition::StuckJobs, 0.0), None).await.unwrap();
    db.set_alert("b", &rule(Condition::NoWorker, 0.0), None).await.unwrap();
    db.execute("drop view stuck_jobs").await;
    evaluate(&db).await;
    assert_eq!(found(&db).await, [("workers".into(), "firing".into())]);
}

#[tokio::test]
async fn the_rules_of_a_config_go_with_it_and_others_stay() {
    let db = Db::new().await;
    db.set_alert("of-people", &rule(Condition::NoWorker, 0.0), None).await.unwrap();
    for name in ["kept", "gone"] {
        db.set_alert(name, &rule(Condition::NoWorker, 0.0), Some("one")).await.unwrap();
    }
    evaluate(&db).await;
    assert_eq!(db.keep_config_alerts(&[], "other").await.unwrap(), [""; 0]);
    assert_eq!(db.keep_config_alerts(&["kept".into()], "one").await.unwrap(), ["gone"]);
    let rules: Vec<_> =
        db.alert_rules(None, false).await.unwrap().into_iter().map(|rule| rule.name).collect();
    assert_eq!(rules, ["kept", "of-people"]);
    assert_eq!(db.count("alert_log where rule = 'gone' and state = 'resolved'").await, 1);
    assert_eq!(db.count("alert_log where state = 'firing'").await, 2);
    assert_eq!(db.count("audit_log where subject = 'alert:gone' and action = 'drop alert'").await, 1);
}
