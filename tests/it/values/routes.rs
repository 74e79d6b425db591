//! Whatever makes jobs seals their args: every operation of the API that changes something is tried or known to make none,
//! and so are schedules and the library. The database itself refuses what lies open.

use std::collections::BTreeSet;
use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use tidemill::api::server::settings::ApiSettings;
use tidemill::vault::{Redactor, Vault};
use tidemill::{NewJob, Options, Store, Workflow, create_workflow_in, enqueue_in, enqueue_when_space};
use tokio_util::sync::CancellationToken;

use super::{job, keys, object, with};
use crate::api::server::{Server, start_with, text};
use crate::support::Db;

/// Must be read nowhere.
const SECRET: &str = "4111-2222";

/// Operations that change something and make no job.
const MAKE_NONE: &[&str] = &[
    "POST /api/v1/jobs/get",
    "POST /api/v1/jobs/retry",
    "POST /api/v1/jobs/cancel",
    "POST /api/v1/jobs/run-now",
    "POST /api/v1/jobs/delete",
    "POST /api/v1/jobs/{id}/signals/{name}",
    "POST /api/v1/jobs/{id}/cancel",
    "POST /api/v1/jobs/{id}/retry",
    "POST /api/v1/jobs/{id}/run-now",
    "POST /api/v1/jobs/{id}/snooze",
    "PATCH /api/v1/jobs/{id}",
    "DELETE /api/v1/jobs/{id}",
    "POST /api/v1/workflows/{id}/cancel",
    "POST /api/v1/workflows/{id}/retry",
    "PUT /api/v1/hub/projects/{project_id}",
    "DELETE /api/v1/hub/projects/{project_id}",
    "POST /api/v1/tokens",
    "POST /api/v1/tokens/ticket",
    "POST /api/v1/session",
    "POST /api/v1/tokens/cookie",
    "DELETE /api/v1/session",
    "DELETE /api/v1/tokens/cookie",
    "POST /api/v1/keys",
    "DELETE /api/v1/keys/{id}",
    "POST /api/v1/operations",
    "POST /api/v1/operations/preview",
    "POST /api/v1/operations/{id}/cancel",
    "POST /api/v1/operations/{id}/undo",
    "PUT /api/v1/alert-rules/{rule}",
    "DELETE /api/v1/alert-rules/{rule}",
    "POST /api/v1/alert-rules/{rule}/test",
    "POST /api/v1/kinds/{kind}/reset-breaker",
    "PATCH /api/v1/queues/{queue}",
    "POST /api/v1/queues/{queue}/pause",
    "POST /api/v1/queues/{queue}/resume",
    "POST /api/v1/queues/{queue}/drain",
    "POST /api/v1/queues/{queue}/purge",
    "PUT /api/v1/kinds/{kind}",
    "PUT /api/v1/limits/{limit}",
    "DELETE /api/v1/limits/{limit}",
    "POST /api/v1/schedules/preview",
    "PATCH /api/v1/schedules/{schedule}",
    "DELETE /api/v1/schedules/{schedule}",
    "POST /api/v1/schedules/{schedule}/pause",
    "POST /api/v1/schedules/{schedule}/resume",
    "POST /api/v1/workers/{worker}/drain",
    "POST /api/v1/worker/claim",
    "POST /api/v1/worker/heartbeat",
    "POST /api/v1/worker/settle",
    "POST /api/v1/worker/jobs/{id}/progress",
    "POST /api/v1/worker/jobs/{id}/log",
    "POST /api/v1/worker/jobs/{id}/extend",
    "POST /api/v1/worker/jobs/{id}/complete",
    "POST /api/v1/worker/jobs/{id}/fail",
    "POST /api/v1/worker/jobs/{id}/snooze",
    "POST /api/v1/worker/jobs/{id}/step",
    "POST /api/v1/worker/jobs/{id}/wait",
    "PUT /api/v1/worker/jobs/{id}/artifacts/{name}",
    "POST /api/orchestration/stuck/{task_id}/cancel",
];

/// Operations that make jobs, in an order in which each finds what it needs, and a body for each.
fn make_some() -> Vec<(&'static str, Value)> {
    let args = json!({ "card": SECRET });
    let spec = json!({ "kind": "k", "args": args });
    vec![
        ("POST /api/v1/jobs", json!({ "kind": "first", "args": args })),
        ("POST /api/v1/jobs/batch", json!([spec, spec])),
        ("POST /api/v1/jobs/{id}/fork", json!({})),
        ("POST /api/v1/workflows", json!({ "chain": [spec, { "group": [spec], "then": spec }] })),
        // Only its firing makes one.
        ("PUT /api/v1/schedules/{schedule}", json!({ "every": "1h", "job": spec })),
        ("POST /api/v1/schedules/{schedule}/run", json!({})),
        ("POST /api/crawl/start", json!({ "base_url": format!("https://{SECRET}.example.com") })),
        ("POST /execute", json!({ "task_description": format!("Look at {SECRET}") })),
        ("POST /api/v1/worker/jobs/{id}/children", json!({ "name": "child", "job": spec })),
        ("POST /api/orchestration/{project_id}/start", json!({})),
        ("POST /api/orchestration/{project_id}/restart", json!({ "service_name": SECRET })),
        ("POST /api/orchestration/{project_id}/logs", json!({ "service_name": SECRET })),
        ("POST /api/orchestration/{project_id}/stop", json!({})),
        ("POST /api/orchestration/stuck/{task_id}/restart", json!({})),
    ]
}

/// A store that seals, on a database that takes nothing else.
async fn sealing(db: &Db) -> Store {
    let store = with(db, keys(&["a"]), None);
    store.declare_sealing(true).await.unwrap();
    store
}

#[tokio::test]
async fn every_route_that_makes_jobs_seals_them() {
    let db = Db::new().await;
    let store = sealing(&db).await;
    let toml = "[agent]\nmodel = 'm'\n[hub.projects.p]\nservices = { web = { image = 'a' } }";
    let settings = ApiSettings::default();
    let shutdown = CancellationToken::new();
    let server = start_with(toml, store, settings, Vec::new(), shutdown.clone()).await;
    all_are_known(&server).await;
    let (mut first, mut hub) = (Value::Null, Value::Null);
    for (operation, mut body) in make_some() {
        let (method, path) = operation.split_once(' ').unwrap();
        let mut path =
            path.replace("{schedule}", "s").replace("{project_id}", "p").replace("{task_id}", text_or(&hub));
        if path.contains("/worker/") {
            let claimed = server.claim("w", "first", 1).await.remove(0);
            assert_eq!(claimed["args"]["card"], SECRET);
            body["lease_id"] = claimed["lease_id"].clone();
        }
        path = path.replace("{id}", text_or(&first));
        let before = db.count("jobs").await;
        let request = server.request(Method::from_bytes(method.as_bytes()).unwrap(), &path).json(&body);
        let answer = server.send(request).await;
        assert!(answer.status < 300, "{operation}: {} {}", answer.status, answer.body);
        let made = db.count("jobs").await - before;
        assert_eq!(made == 0, method == "PUT", "{operation} made {made} jobs: {}", answer.body);
        if first.is_null() {
            first = answer.body["id"].clone();
        }
        if answer.body["task_id"].is_string() && operation.contains("/stop") {
            hub = answer.body["task_id"].clone();
        }
    }
    nothing_lies_open(&db).await;
    shutdown.cancel();
}

fn text_or(value: &Value) -> &str {
    value.as_str().unwrap_or("none")
}

/// A new operation must be put into one of the lists.
async fn all_are_known(server: &Server) {
    let document = server.get("/api/v1/openapi.json").await.expect(200);
    let mut operations = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in
            methods.as_object().unwrap().keys().filter(|method| *method != "get" && *method != "parameters")
        {
            operations.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let by_rules = server
        .state
        .access
        .rules()
        .filter(|rule| rule.method != "GET")
        .map(|rule| format!("{} {}", rule.method, rule.path));
    assert_eq!(operations, by_rules.collect(), "the document and the rules know the same operations");
    let known = make_some().into_iter().map(|(operation, _)| operation).chain(MAKE_NONE.iter().copied());
    let known: BTreeSet<_> = known.map(str::to_owned).collect();
    assert_eq!(operations, known, "an operation that makes jobs must be tried here");
    for (operation, _) in make_some().iter().filter(|(operation, _)| operation.starts_with("POST ")) {
        let path = &operation["POST ".len()..];
        let answers = &document["paths"][path]["post"]["responses"];
        assert!(answers["409"].is_object(), "{operation} does not say what a draining queue answers");
    }
}

/// Of what docs/data.md says is open: a schedule and its record, and the address of a session.
async fn nothing_lies_open(db: &Db) {
    assert_eq!(
        db.count("jobs where args <> '{}' and not args ? '$sealed' and kind <> 'tidemill.workflow'").await,
        0
    );
    let tables: Vec<(String,)> = db
        .rows("select tablename::text from pg_tables where schemaname = 'tidemill' and tablename not in ('schedules', 'audit_log', 'sessions')")
        .await;
    for (table,) in tables {
        assert_eq!(db.count(&format!("{table} t where t::text like '%{SECRET}%'")).await, 0, "{table}");
    }
}

#[tokio::test]
async fn schedules_and_the_library_seal_too() {
    let db = Db::new().await;
    let store = sealing(&db).await;
    let args = json!({ "card": SECRET });
    db.execute(format!("select set_schedule('s', 'k', '{args}', every => '1 hour')")).await;
    for pending in store.pending_schedules().await.unwrap() {
        store.advance_schedule(&pending).await.unwrap();
    }
    db.execute("update schedules set anchor_at = now() - interval '10 s', next_at = now() - interval '10 s'")
        .await;
    let mut fired = Vec::new();
    for pending in store.pending_schedules().await.unwrap() {
        fired.extend(store.advance_schedule(&pending).await.unwrap());
    }
    assert_eq!(fired[0].outcome.word(), "enqueued");
    store.run_schedule("s", "me").await.unwrap();
    let mut transaction = db.pool().begin().await.unwrap();
    sqlx::query("set local search_path = pg_catalog").execute(&mut *transaction).await.unwrap();
    enqueue_in(&mut *transaction, &store, &job("k", args.clone())).await.unwrap();
    let group = Workflow::group("g", [job("k", args.clone())]);
    create_workflow_in(&mut *transaction, &store, &group).await.unwrap();
    transaction.commit().await.unwrap();
    store.create_workflow(&group).await.unwrap();
    enqueue_when_space(&store, &job("k", args.clone())).await.unwrap();
    let unique = NewJob { unique: Some(tidemill::Unique::by_args()), ..NewJob::new("u", object(args)) };
    let ids = [
        enqueue_in(db.pool(), &store, &unique).await.unwrap(),
        enqueue_in(db.pool(), &store, &unique).await.unwrap(),
    ];
    assert_eq!(ids[0], ids[1], "the seal differs each time, the hash of the args does not");
    assert_eq!(db.count("jobs where args ? '$sealed'").await, 7);
    nothing_lies_open(&db).await;
}

#[tokio::test]
async fn where_all_must_be_sealed_sql_enqueues_only_what_has_no_args() {
    let db = Db::new().await;
    db.execute("select enqueue('k', '{\"open\": 1}')").await;
    let store = sealing(&db).await;
    for refused in [
        "select enqueue('k', '{\"open\": 1}')",
        "select enqueue_many('[{\"kind\": \"k\"}, {\"kind\": \"k\", \"args\": {\"open\": 1}}]')",
        "select create_workflow('{\"group\": [{\"kind\": \"k\", \"args\": {\"open\": 1}}]}')",
    ] {
        let refusal = db.refusal(refused).await;
        assert!(refusal.contains("not encrypted, and encryption.require is on"), "{refusal}");
    }
    db.execute("select enqueue('k')").await;
    // A process without a key can enqueue no more than SQL can.
    let blind = Store::connect(Options {
        vault: Arc::new(Vault { redactor: Redactor::new(&[]), ..Vault::default() }),
        ..db.options()
    })
    .unwrap();
    let error = enqueue_in(db.pool(), &blind, &job("k", json!({"open": 1}))).await.unwrap_err();
    assert!(
        error.refusal().is_some_and(|(_, hint)| hint.is_some_and(|hint| hint.contains("without args"))),
        "{error}"
    );
    store.declare_sealing(false).await.unwrap();
    db.execute("select enqueue('k', '{\"open\": 1}')").await;
    assert_eq!(
        text(
            &db.scalar::<Value>("select args from jobs where args <> '{}' limit 1").await["open"]
                .to_string()
                .into()
        ),
        "1"
    );
}

#[tokio::test]
async fn where_all_must_be_sealed_nothing_passes_that_only_looks_sealed() {
    let db = Db::new().await;
    let store = sealing(&db).await;
    let id = enqueue_in(db.pool(), &store, &job("k", json!({ "card": SECRET }))).await.unwrap();
    let sealed: Value = db.scalar("select args from jobs").await;
    let href = format!("/base/api/v1/jobs/{id}/artifacts/args.json");
    let stored = json!({"$stored": {"job": id, "name": "args.json", "bytes": 5000, "href": href}});
    let changed = |whole: &Value, at: &str, value: Value| {
        let mut changed = whole.clone();
        *changed.pointer_mut(at).unwrap() = value;
        changed
    };
    let plus = |whole: &Value, at: &str, key: &str| {
        let mut more = whole.clone();
        more.pointer_mut(at).unwrap()[key] = "open text".into();
        more
    };
    for open in [
        json!({"$stored": {"m": "open text"}}),
        json!({"$stored": "open text"}),
        json!({"$sealed": {}}),
        json!({"$sealed": null}),
        json!("$sealed"),
        json!(["$sealed"]),
        json!({"deep": sealed}),
        plus(&sealed, "", "open"),
        plus(&sealed, "/$sealed", "open"),
        plus(&stored, "/$stored", "open"),
        changed(&sealed, "/$sealed/data", "open text".into()),
        changed(&sealed, "/$sealed/data", "AAAA".into()),
        changed(&sealed, "/$sealed/data", json!({"open": "text"})),
        changed(&sealed, "/$sealed/of", "result".into()),
        changed(&sealed, "/$sealed/key", json!(["open text"])),
        changed(&stored, "/$stored/job", "open text".into()),
        changed(&stored, "/$stored/name", "open text".into()),
        changed(&stored, "/$stored/bytes", "open text".into()),
        changed(&stored, "/$stored/href", format!("open text{href}").into()),
        json!({"$sealed": sealed["$sealed"], "$stored": stored["$stored"]}),
    ] {
        let refusal = db.refusal(format!("select enqueue('k', '{open}')")).await;
        assert!(refusal.contains("not encrypted, and encryption.require is on"), "{open}: {refusal}");
    }
    // A fork has the results that were passed to its original, of workflows too.
    let result = changed(&sealed, "/$sealed/of", "result".into());
    let mut passed = sealed.clone();
    passed["one"] = result.clone();
    passed["all"] = json!([result, null, {"a": result}]);
    for kept in [sealed, stored, passed] {
        db.execute(format!("select enqueue('k', '{kept}')")).await;
    }
}
