//! The verbs in SQL: what a preview counts is what is done, what is skipped has a reason, a rate holds, and an undo
//! puts back only what is as it was left.

use serde_json::{Value, json};

use super::{carry_out, fill, report, start};
use crate::support::{Db, job};

#[tokio::test]
async fn an_operation_does_what_its_preview_counted_and_says_why_it_left_the_rest() {
    let db = Db::new().await;
    fill(&db, 450).await;
    let running = db.running().await;
    db.execute("select create_workflow('{\"group\": [{\"kind\": \"k\"}]}')").await;
    let preview = "select jsonb_build_object('matched', matched, 'skipped', skipped, 'complete', complete) from preview_operation";
    let counted: Value =
        db.scalar(format!("{preview}('set_priority', '{{\"all\": true}}', priority => 2::smallint)")).await;
    let skipped = json!({"is_running": 1, "is_a_workflow": 1});
    assert_eq!(counted, json!({"matched": 451, "skipped": skipped, "complete": true}));
    let id = start(&db, "'set_priority', '{\"all\": true}', priority => 2::smallint").await;
    // Jobs that come later are not meant.
    fill(&db, 3).await;
    carry_out(&db, id).await;
    assert_eq!(report(&db, id).await, json!({"state": "done", "done": 451, "skipped": skipped, "failed": 0}));
    assert_eq!(db.count("jobs where priority = 2").await, 451);
    let left: Vec<(String, String)> =
        db.rows("select outcome, reason from operation_log where outcome <> 'done' order by 2").await;
    let word = |text: &str| text.to_owned();
    assert_eq!(left, [(word("skipped"), word("is_a_workflow")), (word("skipped"), word("is_running"))]);
    assert_eq!(db.operation(id).await.unwrap().unwrap().expected, Some(451));
    // The same once more changes nothing.
    let counted: Value = db
        .scalar(format!("{preview}('set_priority', '{{\"priority\": \"2\"}}', priority => 2::smallint)"))
        .await;
    assert_eq!(counted, json!({"matched": 0, "skipped": {"has_it_already": 451}, "complete": true}));
    db.complete_one(&running).await;
}

#[tokio::test]
async fn every_action_acts_and_every_refusal_has_a_word() {
    let db = Db::new().await;
    fill(&db, 4).await;
    let through = async |args: &str| {
        let id = start(&db, args).await;
        carry_out(&db, id).await;
        report(&db, id).await
    };
    let done = |jobs: i32| json!({"state": "done", "done": jobs, "skipped": {}, "failed": 0});
    assert_eq!(through("'run_now', '{\"kind\": \"k\", \"state\": \"scheduled\"}'").await, done(4));
    assert_eq!(through("'move', '{\"kind\": \"k\"}', queue => 'slow'").await, done(4));
    let claimed = db.claim_some("slow", "k", 1).await.remove(0);
    assert_eq!(
        through("'cancel', '{\"queue\": \"slow\"}'").await,
        done(4),
        "the running one is asked to stop"
    );
    let asked = json!({"state": "done", "done": 0, "skipped": {"is_being_cancelled": 1}, "failed": 0});
    assert_eq!(through("'cancel', '{\"queue\": \"slow\"}'").await, asked);
    db.complete_one(&claimed).await;
    assert_eq!(through("'retry', '{\"state\": \"cancelled\"}', queue => 'again'").await, done(3));
    assert_eq!(db.count("jobs where queue = 'again' and state = 'available'").await, 3);
    assert_eq!(through("'delete', '{\"kind\": \"k\"}'").await, done(4));
    assert_eq!(db.count("jobs").await, 0);
    for (args, words) in [
        ("'purge', '{\"all\": true}'", "does not exist"),
        ("'cancel', '{}'", "the filter is empty"),
        ("'cancel', '{\"all\": true}', rate => 'fast'", "is not a rate"),
        ("'cancel', '{\"all\": true}', rate => '0/min'", "is not a rate"),
        ("'cancel', '{\"all\": true}', queue => 'q'", "the queue belongs"),
        ("'move', '{\"all\": true}'", "the queue belongs"),
        ("'set_priority', '{\"all\": true}'", "the priority belongs"),
        ("'set_priority', '{\"all\": true}', priority => 10::smallint", "the priority belongs"),
        ("'move', '{\"all\": true}', queue => 'a b'", "is not a valid queue"),
    ] {
        let refusal = db.refusal(format!("select start_operation({args})")).await;
        assert!(refusal.contains(words), "{args}: {refusal}");
    }
    db.execute("select drain_queue('shut')").await;
    assert!(
        db.refusal("select start_operation('move', '{\"all\": true}', queue => 'shut')")
            .await
            .contains("draining")
    );
}

#[tokio::test]
async fn a_job_that_refuses_is_reported_and_stops_no_other() {
    let db = Db::new().await;
    fill(&db, 300).await;
    db.execute(
        "create function refuse() returns trigger language plpgsql as $$ begin raise 'not this one'; end $$;
         create table picked as select id from jobs order by id limit 7;
         create trigger refuse before update on jobs_live for each row
         when (new.priority = 1) execute function refuse();
         update jobs set kind = 'odd' where id in (select id from picked)",
    )
    .await;
    let id = start(&db, "'set_priority', '{\"kind\": \"odd\"}', priority => 1::smallint").await;
    carry_out(&db, id).await;
    assert_eq!(report(&db, id).await, json!({"state": "done", "done": 0, "skipped": {}, "failed": 7}));
    let reasons: Vec<(String,)> = db.rows("select distinct reason from operation_log").await;
    assert_eq!(reasons, [("not this one".to_owned(),)]);
}

#[tokio::test]
async fn a_rate_is_never_exceeded_and_its_batches_are_small() {
    let db = Db::new().await;
    fill(&db, 40).await;
    for (rate, batch) in [("300/min", 10), ("1/min", 1), ("600/h", 1), ("5/s", 10)] {
        let id = start(
            &db,
            &format!("'set_priority', '{{\"kind\": \"k\"}}', priority => 1::smallint, rate => '{rate}'"),
        )
        .await;
        assert_eq!(db.step_operation(id).await.unwrap(), Some(batch), "{rate}");
        assert_eq!(db.step_operation(id).await.unwrap(), None, "the next batch is not due");
        // The pause is at least what the rate asks for, and at most a fifth longer.
        let share: f64 = db
            .scalar(format!(
                "select extract(epoch from o.due_at - max(j.at))::double precision * per_minute(o.rate) / 60 / {batch}
                 from operations o join operation_jobs j on j.operation_id = o.id where o.id = '{id}' group by o.due_at, o.rate"
            ))
            .await;
        assert!((0.99..1.35).contains(&share), "{rate}: {share}");
        db.execute(format!("select cancel_operation('{id}'); update jobs set priority = 5")).await;
        assert_eq!(db.step_operation(id).await.unwrap(), None, "a cancelled operation does no more");
    }
}

#[tokio::test]
async fn an_undo_puts_back_what_is_as_it_was_left() {
    let db = Db::new().await;
    fill(&db, 5).await;
    let running = db.running().await;
    let id = start(&db, "'cancel', '{\"kind\": \"k\"}'").await;
    assert!(db.refusal(format!("select undo_operation('{id}')")).await.contains("still runs"));
    carry_out(&db, id).await;
    assert_eq!(db.count("jobs where state = 'cancelled'").await, 5);
    db.complete_one(&running).await;
    // One was retried and cancelled again by somebody else, one deleted.
    db.execute(
        "create table picked as select id, row_number() over (order by id) as n from jobs where state = 'cancelled';
         select retry(id) from picked where n = 1; select cancel(id) from picked where n = 1;
         select delete_job(id) from picked where n = 2",
    )
    .await;
    let undo: uuid::Uuid = db.scalar(format!("select undo_operation('{id}')")).await;
    assert!(db.refusal(format!("select undo_operation('{id}')")).await.contains("undone already"));
    carry_out(&db, undo).await;
    let skipped = json!({"has_changed": 1, "is_gone": 1, "was_running": 1});
    assert_eq!(report(&db, undo).await, json!({"state": "done", "done": 3, "skipped": skipped, "failed": 0}));
    assert_eq!(
        db.count("jobs where state = 'available' and run_at > now() + interval '50 minutes'").await,
        3
    );
    let operation = db.operation(id).await.unwrap().unwrap();
    assert_eq!((operation.undone_by, operation.can_be_undone), (Some(undo), false));
    assert!(db.refusal(format!("select undo_operation('{undo}')")).await.contains("cannot be undone"));

    // Queues and priorities.
    for (args, changed, back) in [
        ("'move', '{\"state\": \"scheduled\"}', queue => 'other'", "queue = 'third'", "queue = 'default'"),
        (
            "'set_priority', '{\"state\": \"scheduled\"}', priority => 1::smallint",
            "priority = 9",
            "priority = 5",
        ),
    ] {
        let id = start(&db, args).await;
        carry_out(&db, id).await;
        db.execute(format!(
            "update jobs_live set {changed} where id = (select min(id::text)::uuid from jobs_live)"
        ))
        .await;
        let undo: uuid::Uuid = db.scalar(format!("select undo_operation('{id}')")).await;
        carry_out(&db, undo).await;
        assert_eq!(report(&db, undo).await["skipped"], json!({"has_changed": 1}), "{args}");
        assert_eq!(db.count(&format!("jobs_live where {back}")).await, 2, "{args}");
        db.execute("update jobs_live set queue = 'default', priority = 5").await;
    }
    let retried = start(&db, "'retry', '{\"all\": true}'").await;
    carry_out(&db, retried).await;
    assert!(db.refusal(format!("select undo_operation('{retried}')")).await.contains("cannot be undone"));
}

#[tokio::test]
async fn a_cancelled_workflow_comes_back_whole() {
    let db = Db::new().await;
    db.execute("select create_workflow('{\"chain\": [{\"kind\": \"a\"}, {\"kind\": \"b\"}]}')").await;
    let id = start(&db, "'cancel', '{\"kind\": \"a\"}'").await;
    carry_out(&db, id).await;
    db.resolve().await.unwrap();
    let undo: uuid::Uuid = db.scalar(format!("select undo_operation('{id}')")).await;
    carry_out(&db, undo).await;
    let states: Vec<(String, String)> = db.rows("select kind, state::text from jobs order by kind").await;
    let word = |kind: &str, state: &str| (kind.to_owned(), state.to_owned());
    assert_eq!(states, [word("a", "available"), word("b", "waiting"), word("tidemill.workflow", "waiting")]);
}

#[tokio::test]
async fn start_end_cancel_and_undo_are_in_the_audit_log_and_old_reports_go() {
    let db = Db::new().await;
    db.enqueue(job("k")).await;
    let id = start(&db, "'cancel', '{\"kind\": \"k\"}', p_by => 'ann'").await;
    carry_out(&db, id).await;
    db.execute(format!("select undo_operation('{id}', p_by => 'ben'); select cancel_operation(id, 'ben') from operations where undoes is not null")).await;
    let acts: Vec<(String, String)> = db.rows("select action, who from audit_log order by id").await;
    let act = |action: &str, who: &str| (action.to_owned(), who.to_owned());
    assert_eq!(
        acts,
        [
            act("start operation", "ann"),
            act("end operation", "ann"),
            act("start operation", "ben"),
            act("cancel operation", "ben")
        ]
    );
    // What was not carried out can be undone again.
    assert!(db.operation(id).await.unwrap().unwrap().can_be_undone);
    db.execute("update operations set created_at = now() - interval '32 days', ended_at = now() - interval '31 days'; select prune()").await;
    assert_eq!((db.count("operations").await, db.count("operation_jobs").await), (0, 0));
}
