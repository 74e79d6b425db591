//! Schedules from psql: the functions, the view, and what cannot be written.

use super::look;
use crate::support::Db;

#[tokio::test]
async fn n1_what_makes_no_sense_cannot_be_written() {
    let db = Db::new().await;
    for (arguments, why) in [
        ("'no such name', 'k', every => '1 hour'", "schedules_are_named"),
        ("'s', 'k'", "schedules_have_one_of_cron_every_at"),
        ("'s', 'k', cron => '* * * * *', every => '1 hour'", "schedules_have_one_of_cron_every_at"),
        ("'s', 'k', cron => ''", "schedules_cron_is_short"),
        ("'s', 'k', every => '0'", "schedules_every_is"),
        ("'s', 'k', every => '-1 hour'", "schedules_every_is"),
        ("'s', 'k', every => '1 month'", "schedules_every_is"),
        ("'s', 'k', at => 'infinity'", "schedules_at_is_in_reach"),
        ("'s', 'no kind', every => '1 hour'", "schedules_job_is_a_template"),
        ("'s', 'k', '[]', every => '1 hour'", "schedules_job_is_a_template"),
        ("'s', 'k', every => '1 hour', missed => 'some'", "schedules_missed_is_known"),
        ("'s', 'k', every => '1 hour', missed_limit => 0", "schedules_missed_limit"),
        ("'s', 'k', every => '1 hour', overlap => 'kill'", "schedules_overlap_is_known"),
        ("'s', 'k', every => '1 hour', jitter => '-1 second'", "schedules_jitter_is_in_reach"),
    ] {
        let refusal = db.refusal(format!("select set_schedule({arguments})")).await;
        assert!(refusal.contains(why), "{arguments}: {refusal}");
    }
    for (job, why) in [
        (r#"{"kind": "k", "run_at": "2030-01-01T00:00:00Z"}"#, "schedules_job_is_a_template"),
        (r#"{"kind": "k", "execution_id": "x"}"#, "schedules_job_is_a_template"),
        (r#"{"kind": "k", "colour": 1}"#, "schedules_job_is_a_template"),
        (r#"{"args": {}}"#, "schedules_job_is_a_template"),
        (r#"{"kind": "k", "priority": "first"}"#, "invalid input syntax"),
        (r#"{"kind": "k", "hard_timeout": "soon"}"#, "invalid input syntax"),
    ] {
        let insert = format!("insert into schedules (name, every, job) values ('s', '1 hour', '{job}')");
        let refusal = db.refusal(insert).await;
        assert!(refusal.contains(why), "{job}: {refusal}");
    }
    let refusal =
        db.refusal("insert into schedule_slots (schedule, slot, outcome) values ('s', now(), 'held')").await;
    assert!(refusal.contains("foreign key"), "{refusal}");
    assert_eq!(db.count("schedules").await, 0);
}

#[tokio::test]
async fn n3_psql_sets_shows_pauses_runs_and_deletes() {
    let db = Db::new().await;
    db.execute(
        "select set_schedule('nightly', 'backup', '{\"disk\": null}', cron => '30 2 * * *', timezone => 'Europe/Berlin',
           queue => 'slow', priority => 3, tags => array['x'], metadata => '{\"team\": \"a\"}', soft_timeout => '1 hour')",
    )
    .await;
    db.execute("select set_schedule('bad', 'k', cron => '0 0 30 2 *')").await;
    look(&db).await;
    let next: Vec<(String, Option<String>)> =
        db.rows("select name, (fires_at at time zone timezone)::time::text from schedule_next order by name, fires_at").await;
    assert_eq!(next.len(), 6);
    assert_eq!(next[0], ("bad".into(), None));
    // Summer time may begin within the five days.
    assert!(
        next[1..].iter().filter(|(_, time)| time.as_deref() == Some("02:30:00")).count() >= 4,
        "{next:?}"
    );
    let problem: String = db.scalar("select problem from schedule_next where name = 'bad'").await;
    assert!(problem.contains("never falls due"), "{problem}");

    let job: uuid::Uuid = db.scalar("select run_schedule('nightly', 'me')").await;
    let job = db.job(job).await;
    assert_eq!((job.kind.as_str(), job.queue.as_str(), job.priority), ("backup", "slow", 3));
    assert_eq!((&job.tags[..], job.args), (&["x".to_owned()][..], serde_json::json!({"disk": null})));
    assert_eq!(job.metadata, Some(serde_json::json!({"team": "a", "schedule": "nightly", "by": "me"})));

    assert!(db.scalar::<bool>("select pause_schedule('nightly')").await);
    assert_eq!(db.count("schedule_next where name = 'nightly' and paused_at is not null").await, 5);
    assert!(db.scalar::<bool>("select resume_schedule('nightly')").await);
    assert!(db.scalar::<bool>("select resume_schedule('nightly')").await);
    assert!(db.scalar::<bool>("select delete_schedule('nightly')").await);
    assert!(!db.scalar::<bool>("select delete_schedule('nightly')").await);
    assert!(!db.scalar::<bool>("select resume_schedule('nightly')").await);
}
