//! What is not done: hosts that are not allowed, tasks beyond their budget, a model that refuses, sessions that are none.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tidemill::api::server::settings::ApiSettings;
use tidemill::vault::Keyring;
use tidemill_browser::agent::args::KIND;
use tidemill_browser::agent::{AgentSpec, AllowedHosts};

use super::model::{Call, Model, Turn};
use super::site::Site;
use super::socket::{frames, types};
use super::{Stage, mill, spec, task};
use crate::server::{on_a_server_with, text};

/// Opens an address, looks at it, and describes it.
fn visit(url: String) -> impl Fn(Turn) -> Call {
    move |turn: Turn| match turn.number {
        1 => ("navigate", json!({"url": url})),
        2 => ("wait", json!({"seconds": 1.0})),
        _ => ("finish", json!({"success": true, "answer": turn.page})),
    }
}

/// The steps of a task that was done with such hosts.
async fn steps(site: &Site, path: &str, hosts: AllowedHosts) -> (Value, Vec<Value>) {
    let stage = Stage::new(Keyring::default()).await;
    let model = Model::start(visit(site.url(path))).await;
    let mill = mill(&stage.store, AgentSpec { hosts, ..spec(&model) }).start();
    let accepted = stage.execute(task("look")).await;
    let done = stage.end(&accepted).await;
    let steps = frames(&stage, &accepted).await.0.into_iter().filter(|frame| frame["type"] == "step");
    let steps = steps.map(|mut frame| frame["data"].take()).collect();
    mill.stop().await;
    (done, steps)
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_are_refused_unless_they_are_meant() {
    let site = Site::start().await;
    let (done, steps) = steps(&site, "/login", AllowedHosts::default()).await;
    assert_eq!(done["state"], "completed", "the model learns of it and continues: {}", done["error"]);
    assert!(steps[0]["ok"] == false && text(&steps[0]["outcome"]).contains("not public"), "{}", steps[0]);
    assert_eq!(site.count("GET /login"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_name_nor_the_sessions_own_address_leads_to_this_machine() {
    let (stage, site) = (Stage::new(Keyring::default()).await, Site::start().await);
    let by_name = format!("http://localhost:{}/login", site.address.port());
    let model = Model::start(visit(by_name)).await;
    let mill = mill(&stage.store, AgentSpec { hosts: AllowedHosts::default(), ..spec(&model) }).start();
    let session =
        json!({"url": site.url("/login"), "cookies": [{"name": "sid", "value": "0123456789abcdef"}]});
    let accepted = stage.execute(json!({"task_description": "look", "session_data": session})).await;
    let done = stage.end(&accepted).await;
    assert_eq!(done["state"], "completed", "{done}");
    let (seen, _) = frames(&stage, &accepted).await;
    let step = seen.iter().find(|frame| frame["type"] == "step").unwrap();
    assert!(step["data"]["ok"] == false || step["data"]["refused"] != json!([]), "{step}");
    assert!(step.to_string().contains("not public"), "{step}");
    assert_eq!(site.count("GET /login"), 0);
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_storage_the_model_learns_that_no_picture_is_kept() {
    let stage = Stage::without_storage().await;
    let model = Model::start(|turn| match turn.number {
        1 => ("screenshot", json!({})),
        _ => ("finish", json!({"success": true, "answer": "done"})),
    })
    .await;
    let mill = mill(&stage.store, spec(&model)).start();
    let accepted = stage.execute(task("look")).await;
    let done = stage.end(&accepted).await;
    assert_eq!(done["result"]["screenshots"], json!([]), "{done}");
    let (seen, _) = frames(&stage, &accepted).await;
    assert_eq!(types(&seen), ["task_started", "step", "step", "execution_completed"]);
    assert!(
        seen[1]["data"]["ok"] == false && text(&seen[1]["data"]["outcome"]).contains("no pictures are kept")
    );
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_reaches_no_other_host_by_any_way() {
    let site = Site::start().await;
    let only = AllowedHosts { allowed: vec!["127.0.0.1".into()], allow_private: true };
    let (_, seen) = steps(&site, "/leaving", only.clone()).await;
    let refused = json!(["the host localhost is not allowed: it is not in allowed_hosts"]);
    assert!(seen.iter().any(|step| step["refused"] == refused), "{seen:?}");
    let (_, seen) = steps(&site, "/redirect", only).await;
    assert!(seen.iter().any(|step| step["refused"] == refused), "a redirect leads nowhere: {seen:?}");
    assert_eq!(
        (site.count("GET /leaving"), site.count("GET /redirect"), site.count("GET /stolen")),
        (1, 1, 0)
    );

    let both = AllowedHosts { allowed: vec!["127.0.0.1".into(), "localhost".into()], allow_private: true };
    steps(&site, "/leaving", both).await;
    assert!(site.count("GET /stolen") >= 4, "the page can be seen to try: {}", site.count("GET /stolen"));
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_end_a_task_for_good() {
    let wander = |_| ("wait", json!({"seconds": 0.2}));
    for (word, change) in [
        ("max_steps", (|spec| AgentSpec { max_steps: 2, ..spec }) as fn(AgentSpec) -> AgentSpec),
        ("max_tokens", |spec| AgentSpec { max_tokens: 150, ..spec }),
        ("max_time", |spec| AgentSpec { max_time: Duration::from_millis(300), ..spec }),
    ] {
        let stage = Stage::new(Keyring::default()).await;
        let model = Model::start(wander).await;
        let mill = mill(&stage.store, change(spec(&model))).start();
        let accepted = stage.execute(task("wander")).await;
        let done = stage.end(&accepted).await;
        assert_eq!((&done["state"], &done["error"]["type"]), (&json!("failed"), &json!("budget")), "{done}");
        assert!(text(&done["error"]["message"]).contains(word), "{done}");
        assert!(model.asked().len() <= 2, "{word}: {}", model.asked().len());
        assert_eq!(done["job"]["attempt"], 1, "no other attempt");
        mill.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_model_and_a_task_that_cannot_be_done_end_with_an_error() {
    let stage = Stage::new(Keyring::default()).await;
    let model =
        Model::start(|_| ("finish", json!({"success": false, "answer": "there is no such account"}))).await;
    let worker = mill(&stage.store, AgentSpec { api_key: Some("wrong-key".into()), ..spec(&model) }).start();
    let accepted = stage.execute(task("look")).await;
    let done = stage.end(&accepted).await;
    assert_eq!((&done["state"], &done["error"]["type"]), (&json!("failed"), &json!("model")), "{done}");
    assert!(!done.to_string().contains("wrong-key"), "{done}");
    worker.stop().await;

    let worker = mill(&stage.store, spec(&model)).start();
    let accepted = stage.execute(task("look")).await;
    let done = stage.end(&accepted).await;
    assert_eq!(done["error"]["message"], "there is no such account");
    let (seen, _) = frames(&stage, &accepted).await;
    assert_eq!(types(&seen), ["task_started", "step", "screenshot", "error"]);
    assert_eq!(seen[3]["data"]["message"], "there is no such account");
    let status = stage.status(&accepted).await;
    assert_eq!((&status["status"], &status["celery_state"]), (&json!("failed"), &json!("FAILURE")));
    worker.stop().await;
}

#[tokio::test]
async fn what_is_no_task_is_refused_at_once() {
    let stage = Stage::new(Keyring::default()).await;
    let refused = async |body: Value| {
        stage.server.post("/execute", body).await.problem(422, "invalid-request")["field"].clone()
    };
    assert_eq!(refused(task("  ")).await, "/task_description");
    assert_eq!(
        refused(json!({"task_description": "x", "session_data": {"url": "file:///etc/passwd"}})).await,
        "/session_data/url"
    );
    assert_eq!(
        refused(json!({"task_description": "x", "session_data": {"cookies": [{"name": "a"}]}})).await,
        "/session_data/cookies/0/domain"
    );
    assert_eq!(
        refused(json!({"task_description": "x", "session_data": {"cookie": []}})).await,
        "/session_data/cookie"
    );
    assert_eq!(
        refused(json!({"task_description": "x", "session_data": {
            "url": "https://example.com", "cookies": [{"name": "a", "value": "b"}, {"name": "sid", "value": "a;b"}]}}))
        .await,
        "/session_data/cookies/1/value"
    );
    assert_eq!(refused(json!({"task_description": "x", "priority": 12})).await, "/priority");
    for dots in [".", ".."] {
        let named = json!({"task_description": "x", "execution_id": dots});
        assert_eq!(refused(named).await, "/execution_id", "no client asks for /api/tasks/{dots}/status");
    }
    assert_eq!(stage.db.count("jobs").await, 0);
    on_a_server_with(ApiSettings::default(), Vec::new(), |server| async move {
        let problem = server.post("/execute", task("look")).await.problem(503, "unavailable");
        assert!(text(&problem["remedy"]).contains("agent.model"), "{problem}");
    })
    .await;
}

/// A job of the kind as any other job is sent.
fn job(args: Value) -> Value {
    json!({"kind": KIND, "queue": "agent", "args": args})
}

#[tokio::test]
async fn what_is_no_task_is_refused_by_every_route() {
    let stage = Stage::new(Keyring::default()).await;
    let field = async |path: &str, body: Value| {
        stage.server.post(path, body).await.problem(422, "invalid-request")["field"].clone()
    };
    let (good, bad) = (job(task("look")), job(task(" ")));
    assert_eq!(field("/api/v1/jobs", bad.clone()).await, "/args/task_description");
    let local = json!({"task_description": "x", "session_data": {"url": "file:///etc/passwd"}});
    assert_eq!(field("/api/v1/jobs", job(local)).await, "/args/session_data/url");
    let secret = json!({"task_description": "x", "session_data": {"cookies": "sid=s3cret"}});
    assert_eq!(field("/api/v1/jobs", job(secret)).await, "/args/session_data/cookies");
    assert_eq!(field("/api/v1/jobs", job(json!({"task": "x"}))).await, "/args/task");
    let workflow = json!({"jobs": [{"name": "a", "kind": KIND, "args": {"task_description": ""}}]});
    assert_eq!(field("/api/v1/workflows", workflow).await, "/jobs/0/args/task_description");
    let schedule = stage.server.request(Method::PUT, "/api/v1/schedules/s");
    let schedule =
        schedule.json(&json!({"every": "1h", "job": {"kind": KIND, "args": {"task_description": ""}}}));
    let refused = stage.server.send(schedule).await.problem(422, "invalid-request");
    assert_eq!(refused["field"], "/job/args/task_description");
    assert_eq!(stage.db.count("jobs").await, 0);

    let batch = stage.server.post("/api/v1/jobs/batch", json!([bad, good])).await.expect(202);
    let fates = (&batch["results"][0]["status"], &batch["results"][1]["status"]);
    assert_eq!(fates, (&json!("refused"), &json!("created")), "{batch}");
    assert_eq!(batch["results"][0]["problem"]["field"], "/0/args/task_description");
    // What it gets from another job cannot be judged before.
    let chain = json!({"as": "task_description", "chain": [{"kind": "write-task"}, {"kind": KIND}]});
    stage.server.post("/api/v1/workflows", chain).await.expect(202);
    let first = json!({"as": "task_description", "chain": [{"kind": KIND}, {"kind": KIND}]});
    assert_eq!(field("/api/v1/workflows", first).await, "/chain/0/args");
    let behind =
        json!({"kind": KIND, "after": [{"job": batch["results"][1]["job"]["id"], "as": "task_description"}]});
    stage.server.post("/api/v1/jobs", behind).await.expect(202);
}

#[tokio::test]
async fn without_a_model_a_task_is_refused_by_every_route() {
    on_a_server_with(ApiSettings::default(), Vec::new(), |server| async move {
        let refused = async |path: &str, body: Value| {
            let problem = server.post(path, body).await.problem(503, "unavailable");
            assert!(text(&problem["remedy"]).contains("agent.model"), "{problem}");
        };
        refused("/api/v1/jobs", job(task("look"))).await;
        refused("/api/v1/workflows", json!({"chain": [{"kind": "write-task"}, job(task("look"))]})).await;
        let batch = json!([job(task("look")), {"kind": "other"}]);
        let batch = server.post("/api/v1/jobs/batch", batch).await.expect(202);
        assert_eq!(
            (&batch["results"][0]["problem"]["status"], &batch["results"][1]["status"]),
            (&json!(503), &json!("created"))
        );
    })
    .await;
}
