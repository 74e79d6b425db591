//! Audit: each act of a person is recorded with who, and how it was before; the engine's own acts are not.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor, PgConnection};

use crate::api::server::{on_a_server, text};
use crate::database::roles::member;
use crate::support::{Db, job};

async fn acts(db: &Db) -> Vec<(String, String)> {
    db.rows("select action, split_part(subject, ':', 1) from audit_log order by id").await
}

#[tokio::test]
async fn every_act_from_psql_is_recorded_in_its_transaction() {
    let db = Db::new().await;
    let id = db.enqueue(job("k")).await;
    db.execute(format!(
        "select snooze('{id}', '1 hour'); select run_now('{id}'); select signal('{id}', 'go'); select fork('{id}');
         select cancel('{id}', 'enough'); select retry('{id}'); select cancel('{id}'); select delete_job('{id}');
         select pause_queue('q'); select resume_queue('q'); select drain_queue('q'); select set_slots('q', 3);
         select set_limit('l', 2); select set_limit('l', 3); select set_limit('l', 3); select drop_limit('l');
         select set_schedule('s', 'k', every => '1 hour'); select pause_schedule('s'); select resume_schedule('s'); select delete_schedule('s');
         insert into kinds (name, source) values ('k', 'rust'); select reset_breaker('k');
         select act_on_jobs('cancel', '{{\"kind\": \"k\"}}'); select enqueue('k', queue => 'p'); select purge_queue('p');
         select change_job(enqueue('k', queue => 'p'), '{{\"priority\": 1}}');
         select set_max_queued('q', 9); select set_max_queued('q', 9);
         select set_schedule('s', 'k', every => '1 hour'); select run_schedule('s'); select run_schedule('none');
         select set_alert('slow', 'queue_depth', above => 5); select set_alert('slow', 'queue_depth', above => 6); select drop_alert('slow');
         insert into workers (id, name, host, version, lease_ttl) values ('w', 'w', 'h', '1', '30 s');
         select drain_worker('w'); select drain_worker('w'); select drain_worker('nobody');"
    ))
    .await;
    let expected = [
        ("snooze", "job"),
        ("run_now", "job"),
        ("signal", "job"),
        ("fork", "job"),
        ("cancel", "job"),
        ("retry", "job"),
        ("cancel", "job"),
        ("delete", "job"),
        ("make queue", "queue"),
        ("change queue", "queue"),
        ("change queue", "queue"),
        ("change queue", "queue"),
        ("make limit", "limit"),
        ("change limit", "limit"),
        ("drop limit", "limit"),
        ("make schedule", "schedule"),
        ("change schedule", "schedule"),
        ("change schedule", "schedule"),
        ("drop schedule", "schedule"),
        ("reset_breaker", "kind"),
        ("cancel many", "jobs"),
        ("purge", "queue"),
        ("change", "job"),
        ("change queue", "queue"),
        ("make schedule", "schedule"),
        ("run", "schedule"),
        ("make alert", "alert"),
        ("change alert", "alert"),
        ("drop alert", "alert"),
        ("drain worker", "worker"),
    ];
    let found = acts(&db).await;
    let found: Vec<_> = found.iter().map(|(act, subject)| (act.as_str(), subject.as_str())).collect();
    assert_eq!(found, expected);
    let change: (Value, Value, String) = db
        .rows("select before, after, who from audit_log where action = 'change limit'")
        .await
        .pop()
        .unwrap();
    assert_eq!((&change.0, &change.1), (&json!({"max_running": 2}), &json!({"max_running": 3})));
    assert_eq!(change.2, db.scalar::<String>("select session_user::text").await);
    let of = async |act: &str| -> (Option<Value>, Option<Value>) {
        db.rows(format!("select before, after from audit_log where action = '{act}'")).await.pop().unwrap()
    };
    assert_eq!(of("change").await, (Some(json!({"priority": 5})), Some(json!({"priority": 1}))));
    assert_eq!(of("cancel").await.1, Some(json!({"state": "cancelled"})));
    assert_eq!(of("retry").await, (Some(json!({"state": "cancelled"})), Some(json!({"state": "available"}))));
    assert!(of("run_now").await.1.unwrap()["run_at"].is_string());
    let closed = json!({"crashes": 0, "openings": 0, "open_until": null});
    assert_eq!(of("reset_breaker").await, (Some(closed.clone()), Some(closed)));
    assert!(of("run").await.1.unwrap()["job_id"].is_string());
    assert_eq!(of("drain worker").await.0, Some(json!({"state": "running"})));
    // What is undone leaves no trace.
    let before = found.len();
    db.execute("begin; select pause_queue('q'); rollback").await;
    assert_eq!(acts(&db).await.len(), before);
}

#[tokio::test]
async fn the_engine_s_own_acts_are_not_recorded() {
    let db = Db::new().await;
    let claimed = db.running().await;
    db.expire(claimed.id).await;
    db.sweep().await.unwrap();
    db.execute("select set_limit('newest', 1, on_full => 'cancel_newest'); delete from audit_log").await;
    for _ in 0..2 {
        let mut new_job = job("k");
        new_job.concurrency_keys = vec!["newest".into()];
        db.enqueue(new_job).await;
    }
    assert_eq!(db.count("jobs where state = 'cancelled'").await, 1);
    assert_eq!(acts(&db).await, []);
}

#[tokio::test]
async fn requests_are_recorded_by_the_name_of_their_key() {
    on_a_server(|server| async move {
        let key = server
            .make_key(
                "ann",
                &[
                    tidemill::api::server::auth::api_key::Scope::Admin,
                    tidemill::api::server::auth::api_key::Scope::Enqueue,
                    tidemill::api::server::auth::api_key::Scope::Read,
                ],
            )
            .await;
        let send = |method: Method, path: &str, body: Value| {
            let request = server.request(method, path).bearer_auth(key.reveal()).json(&body);
            async { server.send(request).await }
        };
        let job = send(Method::POST, "/api/v1/jobs", json!({"kind": "a"})).await.expect(202);
        send(Method::POST, &format!("/api/v1/jobs/{}/cancel", text(&job["id"])), json!({})).await.expect(200);
        send(Method::POST, "/api/v1/queues/q/pause", json!({})).await;
        send(Method::POST, "/api/v1/queues/q/resume", json!({})).await;
        send(Method::PUT, "/api/v1/limits/l", json!({"max_running": 1})).await.expect(200);
        send(Method::DELETE, "/api/v1/limits/l", json!({})).await.expect(204);
        send(Method::DELETE, &format!("/api/v1/jobs/{}", text(&job["id"])), json!({})).await.expect(204);
        let all = send(Method::GET, "/api/v1/audit?limit=3", json!({})).await.expect(200);
        let acts: Vec<_> = all["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|act| (text(&act["action"]).to_owned(), text(&act["who"]).to_owned()))
            .collect();
        let of_ann = |act: &str| (act.to_owned(), "ann".to_owned());
        assert_eq!(acts, [of_ann("delete"), of_ann("drop limit"), of_ann("make limit")]);
        let next = format!("/api/v1/audit?cursor={}", text(&all["next_cursor"]));
        let rest = send(Method::GET, &next, json!({})).await.expect(200);
        let rest: Vec<_> =
            rest["items"].as_array().unwrap().iter().map(|act| text(&act["action"]).to_owned()).collect();
        assert_eq!(rest, ["change queue", "make queue", "cancel", "make key"]);
        let one = send(Method::GET, &format!("/api/v1/audit?subject=job:{}", text(&job["id"])), json!({}))
            .await
            .expect(200);
        assert_eq!(one["items"].as_array().unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn only_the_owner_can_act_without_a_record() {
    let db = Db::new().await;
    let id = db.enqueue(job("k")).await;
    db.execute("select enqueue('k', queue => 'p', delay => '1 hour') from generate_series(1, 3)").await;
    let workflow: uuid::Uuid = db.scalar("select create_workflow('{\"group\": [{\"kind\": \"w\"}]}')").await;
    let acts_of = [
        "select cancel($job, 'x', $by)",
        "select retry($job, $by)",
        "select snooze($job, '1 hour', $by)",
        "select run_now($job, $by)",
        "select signal($job, 'go', null, $by)",
        "select fork($job, null, $by)",
        "select pause_queue('q', $by)",
        "select resume_queue('q')",
        "select drain_queue('q', $by)",
        "select set_slots('q', 3)",
        "select set_max_queued('q', 3)",
        "select set_limit('l', 2)",
        "select drop_limit('l')",
        "select set_alert('a', 'stuck_jobs')",
        "select drop_alert('a')",
        "select set_schedule('s', 'k', every => '1 hour')",
        "select pause_schedule('s', $by)",
        "select run_schedule('s', $by)",
        "select delete_schedule('s')",
        "select act_on_jobs('run_now', '{\"queue\": \"p\"}', p_by => $by)",
        "select purge_queue('p', 10000, $by)",
        "select start_operation('cancel', '{\"queue\": \"p\"}', p_by => $by)",
        "select cancel($workflow, 'x', $by)",
        "select retry($workflow, $by)",
        "select drop_partition('-10 days')",
        "select cancel($job)",
        "select delete_job($job)",
    ];
    for role in ["tidemill_admin", "tidemill_worker"] {
        let (mut login, _) = member(&db, role).await;
        for by in ["limit", "workflow", "unique key", "schedule s", "", "tidemill"] {
            // Undone after each round, so that all have the same to do.
            login.execute("begin").await.unwrap();
            for set in ["tidemill.audit = 'off'", "tidemill.by = 'limit'", "tidemill.audit = 'no'"] {
                login.execute(AssertSqlSafe(format!("set local {set}"))).await.unwrap();
            }
            let mut before = recorded(&mut login).await;
            for act in acts_of {
                let act = act
                    .replace("$job", &format!("'{id}'"))
                    .replace("$workflow", &format!("'{workflow}'"))
                    .replace("$by", &format!("'{by}'"));
                login
                    .execute(AssertSqlSafe(act.clone()))
                    .await
                    .unwrap_or_else(|error| panic!("{act}: {error}"));
                let after = recorded(&mut login).await;
                assert_eq!(after, before + 1, "{role}: {act} by {by:?} is recorded once");
                before = after;
            }
            login.execute("rollback").await.unwrap();
        }
        // What keeps no record is not theirs.
        for act in [
            format!("select cancel_one('{id}', null, 'me', false)"),
            format!("select retry_one('{id}', 'me', false)"),
            format!("select run_now_one('{id}', 'me', false)"),
            format!("select delete_one('{id}', false)"),
            format!("select cancel_workflow('{workflow}', null, 'me')"),
            format!("select retry_workflow('{workflow}', 'me')"),
            format!("select stop_workflow('{workflow}')"),
        ] {
            let refusal = login.execute(AssertSqlSafe(act.clone())).await.expect_err(&act);
            assert!(refusal.to_string().contains("permission denied"), "{act}: {refusal}");
        }
    }
    let (mut admin, _) = member(&db, "tidemill_admin").await;
    let refusal =
        admin.execute("select drop_day('-10 days')").await.expect_err("an administrator's is recorded");
    assert!(refusal.to_string().contains("permission denied"), "{refusal}");
    // A worker that writes settings by hand is recorded as well.
    let (mut worker, _) = member(&db, "tidemill_worker").await;
    worker.execute("set tidemill.audit = 'off'; insert into queues (name) values ('hand')").await.unwrap();
    assert_eq!(db.count("audit_log where subject = 'queue:hand'").await, 1);
}

/// How many acts of this session's login are recorded, whatever name it gave.
async fn recorded(login: &mut PgConnection) -> i64 {
    let count = "select count(*) from audit_trail where db_user = session_user";
    sqlx::query_scalar(count).fetch_one(login).await.unwrap()
}
