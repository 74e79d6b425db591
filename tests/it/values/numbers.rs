//! Numbers come through as they were written, or are refused where they come in: by the command line, in SQL, over REST,
//! and from handlers. A row that holds one all the same, or that cannot be read, takes no other row along.

use serde_json::{Value, json};
use tidemill::store::attempts::claim::Claimed;
use tokio_util::sync::CancellationToken;

use crate::api::server::{Server, start};
use crate::support::{Db, Mill, ok, wait_for};

/// Numbers that a worker reads as they are.
const KEPT: &str = r#"{"id": 18446744073709551615, "low": -9223372036854775808, "n": 0.30000000000000004, "one": 1.0,
    "tiny": 5e-324, "huge": 1.7976931348623157e308, "price": 12345678901.25, "zero": -0}"#;
const LOST: [&str; 7] = [
    "25000000000000000001",
    "12345678901234567.89",
    "0.1234567890123456789",
    "9007199254740993.5",
    "9007199254740993.0",
    "1e400",
    "1e-400",
];

async fn api(db: &Db) -> (Server, tokio_util::sync::DropGuard) {
    let shutdown = CancellationToken::new();
    let settings = tidemill::api::server::settings::ApiSettings::default();
    let server = start(db.another_store(), settings, Vec::new(), shutdown.clone()).await;
    (server, shutdown.drop_guard())
}

fn same(left: &Value, right: &Value) -> bool {
    // 1 and 1.0 are the same number.
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len() && left.iter().all(|(key, value)| same(value, &right[key]))
        }
        (Value::Number(left), Value::Number(right)) => {
            left == right || left.as_f64() == right.as_f64() && left.is_f64()
        }
        _ => left == right,
    }
}

#[tokio::test]
async fn what_is_taken_reaches_its_handler_unchanged_whichever_way_it_came() {
    let db = Db::new().await;
    let (server, _stop) = api(&db).await;
    let sent: Value = serde_json::from_str(KEPT).unwrap();
    let by_rest = server.enqueue(json!({"kind": "echo", "args": sent})).await;
    let by_sql: uuid::Uuid = db.scalar(format!("select enqueue('echo', '{KEPT}')")).await;
    let mill = Mill::builder(&db.store)
        .handler("echo", |context: tidemill::Context| async move { ok(context.args().clone()) })
        .start();
    for id in [by_rest["id"].as_str().unwrap().parse().unwrap(), by_sql] {
        wait_for("it completes", || async { (db.state(id).await == "completed").then_some(()) }).await;
        let shown = db.job(id).await;
        assert!(same(&sent, &shown.args), "{}", shown.args);
        assert!(same(&sent, &shown.result.clone().unwrap()), "{:?}", shown.result);
        let exact: bool =
            db.scalar(format!("select result = args and args = '{KEPT}' from jobs where id = '{id}'")).await;
        assert!(exact, "{id}");
    }
    mill.stop().await;
}

#[tokio::test]
async fn what_would_lose_digits_is_refused_in_sql_and_over_rest() {
    let db = Db::new().await;
    let (server, _stop) = api(&db).await;
    let claimed = db.running().await;
    let (id, lease) = (claimed.id, claimed.lease_id);
    for number in LOST {
        let args = format!(r#"{{"a": [0.1, {number}]}}"#);
        for statement in [
            format!("select enqueue('k', '{args}')"),
            format!("select enqueue('k', metadata => '{args}')"),
            format!(r#"select enqueue_many('[{{"kind": "k", "args": {args}}}]')"#),
            format!(r#"select create_workflow('{{"jobs": [{{"kind": "k", "args": {args}}}]}}')"#),
            format!("select set_schedule('s', 'k', '{args}', every => '1 day')"),
            format!("select signal('{id}', 's', '{args}')"),
        ] {
            let refusal = db.refusal(&statement).await;
            assert!(refusal.contains("cannot be kept as it is"), "{statement}: {refusal}");
        }
        for (path, body) in [
            ("jobs".to_owned(), format!(r#"{{"kind": "k", "args": {args}}}"#)),
            ("jobs".to_owned(), format!(r#"{{"kind": "k", "metadata": {args}}}"#)),
            ("workflows".to_owned(), format!(r#"{{"jobs": [{{"kind": "k", "args": {args}}}]}}"#)),
            (format!("jobs/{id}/signals/s"), format!(r#"{{"payload": {args}}}"#)),
            (format!("worker/jobs/{id}/complete"), format!(r#"{{"lease_id": "{lease}", "result": {args}}}"#)),
            (format!("worker/jobs/{id}/progress"), format!(r#"{{"lease_id": "{lease}", "data": {args}}}"#)),
            (
                format!("worker/jobs/{id}/step"),
                format!(r#"{{"lease_id": "{lease}", "name": "s", "output": {args}}}"#),
            ),
        ] {
            let answer = server.raw(&format!("/api/v1/{path}"), body).await;
            assert_eq!(answer.status, 422, "{path} {number}: {}", answer.body);
            assert_eq!(answer.body["remedy"], "Send it as a string.", "{}", answer.body);
        }
        let batch = format!(r#"[{{"kind": "k", "args": {args}}}]"#);
        let answer = server.raw("/api/v1/jobs/batch", batch).await.body;
        assert_eq!(answer["results"][0]["status"], "refused", "{answer}");
    }
    assert_eq!(db.count("jobs").await, 1);
    assert_eq!(db.count("schedules").await, 0);
}

#[tokio::test]
async fn a_row_that_was_written_past_all_checks_is_shown_to_its_last_digit_and_never_run() {
    let db = Db::new().await;
    let (server, _stop) = api(&db).await;
    let [wei, deep, remote]: [uuid::Uuid; 3] = [
        db.enqueue(crate::support::job("k")).await,
        db.enqueue(crate::support::job("k")).await,
        db.enqueue(crate::support::job("remote")).await,
    ];
    let levels = format!("{}{}", "[".repeat(200), "]".repeat(200));
    db.execute(format!(
        r#"update jobs_live set args = '{{"wei": 25000000000000000001, "n": 1}}' where id in ('{wei}', '{remote}');
        update jobs_live set args = '{{"deep": {levels}}}' where id = '{deep}'"#
    ))
    .await;
    let list = server.get("/api/v1/jobs").await.body;
    let args: Vec<&Value> = list["items"].as_array().unwrap().iter().map(|job| &job["args"]).collect();
    assert!(args.contains(&&json!({"wei": "25000000000000000001", "n": 1})), "{list}");
    let mill = Mill::builder(&db.store).handler("k", |_| async { ok(None) }).start();
    for (id, why) in [(wei, "25000000000000000001"), (deep, "recursion")] {
        wait_for("it fails", || async { (db.state(id).await == "failed").then_some(()) }).await;
        let error = db.job(id).await.error.unwrap();
        assert!(error["message"].as_str().unwrap().contains(why), "{error}");
    }
    let claim = json!({"worker": "w", "kinds": ["remote"], "max": 1, "wait_seconds": 0});
    let taken = server.post("/api/v1/worker/claim", claim).await.expect(200);
    assert_eq!(taken["jobs"], json!([]), "{taken}");
    assert_eq!(db.state(remote).await, "failed");
    mill.stop().await;
}

#[tokio::test]
async fn one_row_that_cannot_be_read_takes_no_list_along() {
    let db = Db::new().await;
    let (server, _stop) = api(&db).await;
    let Claimed { id, .. } = db.running().await;
    let levels = format!(r#"{{"deep": {}{}}}"#, "[".repeat(200), "]".repeat(200));
    let digits = format!(r#"{{"digits": {}}}"#, "9".repeat(400));
    for (name, bad) in [("deep", &levels), ("digits", &digits)] {
        db.execute(format!(
            r#"insert into schedules (name, every, job) values ('{name}', '1 day', '{{"kind": "k", "args": {bad}}}');
            insert into signals (job_id, name, payload) values ('{id}', '{name}', '{bad}');
            insert into steps (job_id, name, attempt, output) values ('{id}', '{name}', 1, '{bad}');
            insert into attempts (job_id, attempt, lease_id, worker_id, outcome, error, started_at)
            values ('{id}', 1, gen_random_uuid(), 'w', 'failed', '{bad}', now());
            insert into audit_log (who, action, subject, before, after) values ('me', 'x', 'y', '{bad}', '{bad}');
            update jobs_live set metadata = '{bad}', error = '{bad}' where id = '{id}';
            select append_event('{id}', 1, 'mine', '{bad}')"#
        ))
        .await;
        for path in [
            "schedules".to_owned(),
            format!("schedules/{name}"),
            format!("jobs/{id}/signals"),
            format!("jobs/{id}/steps"),
            format!("jobs/{id}/attempts"),
            format!("jobs/{id}/events"),
            format!("jobs/{id}"),
            "jobs".to_owned(),
            "audit".to_owned(),
            "doctor".to_owned(),
        ] {
            let answer = server.get(&format!("/api/v1/{path}")).await;
            assert_eq!(answer.status, 200, "{path} with {name}: {}", answer.body);
        }
    }
    let refusal = db.refusal(format!("select set_schedule('s', 'k', '{levels}', every => '1 day')")).await;
    assert!(refusal.contains("deeper than 64 levels"), "{refusal}");
}

#[tokio::test]
async fn times_and_lists_of_any_kind_take_no_list_along() {
    let db = Db::new().await;
    let (server, _stop) = api(&db).await;
    for statement in [
        "select enqueue('k', expires_at => 'infinity')",
        "select enqueue('k', expires_at => '280000-01-01')",
        "select enqueue('k', tags => array['a', null])",
        "select enqueue('k', concurrency_key => array['a', null])",
    ] {
        db.execute(statement).await;
        let answer = server.get("/api/v1/jobs").await;
        assert_eq!(answer.status, 200, "{statement}: {}", answer.body);
    }
    let listed = server.get("/api/v1/jobs").await.body;
    assert_eq!(listed["items"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn kinds_have_the_same_names_in_sql_as_over_rest() {
    let db = Db::new().await;
    let (server, _stop) = api(&db).await;
    let long = "k".repeat(64);
    for kind in ["<b>k</b>", "a\nb", " k", "k ", "k\n", "a::b", "a/b", "", "ü", &long] {
        let refusal = db.refusal(format!("select enqueue('{kind}')")).await;
        assert!(refusal.contains("is not a valid kind"), "{kind:?}: {refusal}");
        server.post("/api/v1/jobs", json!({"kind": kind})).await.expect(422);
    }
    assert_eq!(db.count("jobs").await, 0);
}
