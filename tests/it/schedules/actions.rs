//! What people do while schedulers run: add, change, pause, resume, run now, delete; and the config.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use tidemill::Store;
use tidemill::job::schedule::Times;
use tidemill::maintenance;
use tidemill::maintenance::MaintenanceSettings;
use tidemill::store::db::notifier::Notifier;
use tidemill::store::schedules::{NewSchedule, Ran};
use tokio_util::sync::CancellationToken;

use super::{due, hourly, jobs, look, outcomes};
use crate::support::{Db, wait_at_most, wait_for};

/// Starts a scheduler as a server does.
fn start(store: Store, stop: &CancellationToken) {
    let wakes = store.listen(stop.clone());
    let tasks = maintenance::run(
        store,
        Notifier::default(),
        Arc::default(),
        wakes,
        MaintenanceSettings::default(),
        stop.clone(),
    );
    tokio::spawn(tasks);
}

#[tokio::test]
async fn n3_schedules_come_change_and_go_while_schedulers_run() {
    let db = Db::new().await;
    let stop = CancellationToken::new();
    start(db.another_store(), &stop);
    start(db.another_store(), &stop);
    db.execute("select set_schedule('s', 'k', every => '1 second', overlap => 'allow')").await;
    wait_for("two slots", || async { (jobs(&db, "s").await >= 2).then_some(()) }).await;
    let doubled: i64 = db.scalar("select count(*) - count(distinct metadata ->> 'slot') from jobs").await;
    assert_eq!(doubled, 0);
    db.execute("select set_schedule('s', 'k', cron => '30 4 * * *', timezone => 'Europe/Berlin')").await;
    let text = wait_for("new slots", || async {
        let text: String = db
            .scalar("select coalesce((next_at at time zone timezone)::time::text, '') from schedules")
            .await;
        (!text.is_empty()).then_some(text)
    })
    .await;
    assert_eq!(text, "04:30:00");
    let before = jobs(&db, "s").await;
    // A schedule made by SQL is heard of at once; nobody has to wait for the next look.
    db.execute("select set_schedule('t', 'k', at => now() + interval '200 milliseconds')").await;
    wait_at_most(Duration::from_secs(4), "the one-time schedule", || async {
        (jobs(&db, "t").await == 1).then_some(())
    })
    .await;
    db.execute("select delete_schedule('s')").await;
    assert_eq!((jobs(&db, "s").await, db.count("schedule_slots where schedule = 's'").await), (before, 0));
    stop.cancel();
}

#[tokio::test]
async fn n3_a_paused_schedule_fires_nothing_and_makes_up_for_nothing() {
    let db = Db::new().await;
    hourly(&db, "s", ", missed => 'all'").await;
    assert!(db.pause_schedule("s", "me").await.unwrap());
    assert!(db.pause_schedule("s", "somebody else").await.unwrap());
    due(&db, "s", 3).await;
    assert!(look(&db).await.is_empty());
    assert_eq!(db.work_due().await.unwrap().schedule_seconds, None);
    let by: String = db.scalar("select paused_by from schedules").await;
    assert_eq!(by, "me");
    // Run by hand it does all the same, outside of its slots.
    let Ran::Job(job_id) = db.run_schedule("s", "me").await.unwrap() else { panic!("it has run") };
    assert_eq!(db.job(job_id).await.metadata, Some(json!({"schedule": "s", "by": "me"})));
    assert!(db.resume_schedule("s").await.unwrap());
    assert!(look(&db).await.is_empty());
    assert_eq!(db.count("schedules where next_at > now() and paused_by is null").await, 1);
    assert_eq!((jobs(&db, "s").await, db.count("schedule_slots").await), (1, 0));
    assert!(!db.pause_schedule("unknown", "me").await.unwrap());
    assert!(!db.resume_schedule("unknown").await.unwrap());
    assert_eq!(db.run_schedule("unknown", "me").await.unwrap(), Ran::Unknown);
}

#[tokio::test]
async fn n3_run_now_is_refused_by_a_draining_queue() {
    let db = Db::new().await;
    hourly(&db, "s", ", queue => 'full'").await;
    db.drain_queue("full", "me").await.unwrap();
    assert_eq!(db.run_schedule("s", "me").await.unwrap(), Ran::QueueDraining);
}

#[tokio::test]
async fn n3_a_change_of_the_job_keeps_the_slots() {
    let db = Db::new().await;
    hourly(&db, "s", "").await;
    due(&db, "s", 0).await;
    db.execute("select set_schedule('s', 'other', every => '1 hour')").await;
    assert_eq!(outcomes(&db).await, ["enqueued"]);
    let kind: String = db.scalar("select kind from jobs_live").await;
    assert_eq!(kind, "other");
    // One of the times starts again, and what was due with the old ones is not.
    due(&db, "s", 0).await;
    db.execute("select set_schedule('s', 'other', every => '2 hours')").await;
    assert!(look(&db).await.is_empty());
    assert_eq!(db.count("schedules where next_at = anchor_at + interval '2 hours'").await, 1);
}

#[tokio::test]
async fn n3_a_config_rules_what_it_names_and_nothing_else() {
    let db = Db::new().await;
    let new_schedule = |name: &str| NewSchedule {
        name: name.into(),
        times: Times { every: Some(TimeDelta::hours(1)), timezone: "UTC".into(), ..Times::default() },
        job: json!({"kind": "k", "args": {}}),
        missed: "one".into(),
        missed_limit: 10,
        overlap: "skip".into(),
        jitter_seconds: 0.0,
        paused_by: None,
    };
    for name in ["a", "b"] {
        db.put_schedule(&new_schedule(name), "config", Some("one")).await.unwrap();
    }
    db.put_schedule(&new_schedule("c"), "api", None).await.unwrap();
    let asleep = NewSchedule { paused_by: Some("config".into()), ..new_schedule("d") };
    db.put_schedule(&asleep, "config", Some("one")).await.unwrap();
    look(&db).await;
    let slots =
        "select string_agg(concat_ws(' ', name, next_at, paused_by), ', ' order by name) from schedules";
    db.pause_schedule("a", "me").await.unwrap();
    db.resume_schedule("d").await.unwrap();
    look(&db).await;
    let before: String = db.scalar(slots).await;
    assert!(before.contains("me"), "{before}");
    // The next start with the same config changes nothing, neither a pause nor its end.
    for new_schedule in [new_schedule("a"), new_schedule("b"), asleep] {
        db.put_schedule(&new_schedule, "config", Some("one")).await.unwrap();
    }
    assert!(db.keep_config_schedules(&["a", "b", "d"].map(str::to_owned), "one").await.unwrap().is_empty());
    look(&db).await;
    assert_eq!(db.scalar::<String>(slots).await, before);
    // Nothing of another deployment's.
    db.put_schedule(&new_schedule("e"), "config", Some("other")).await.unwrap();
    assert_eq!(db.keep_config_schedules(&["a".into(), "d".into()], "one").await.unwrap(), ["b"]);
    assert_eq!(db.keep_config_schedules(&["e".into()], "other").await.unwrap(), [""; 0]);
    db.execute("delete from schedules where name = 'e'").await;
    assert_eq!(db.count("schedules").await, 3);
}
