//! The eight checks of the system that these routes stand in for, each by its name there.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tidemill::vault::Keyring;
use tidemill_bin::config::{Config, Sources};
use tidemill_browser::agent::args::KIND;

use super::model::Model;
use super::{Stage, mill, spec, task, until_status};
use crate::server::text;
use crate::support::wait_for;

/// 1. Configuration loading: settings with the parsing of `ALLOWED_ORIGINS`.
#[tokio::test]
async fn check_1_configuration_loading() {
    let folder = tempfile::tempdir().unwrap();
    let read = |variables: &[(&str, &str)]| {
        let environment =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::load(&Sources {
            folder: folder.path().into(),
            file: None,
            environment,
            flags: vec![],
            extensions: tidemill_bin::extensions(),
        })
    };
    let origins = |variables: &[(&str, &str)]| {
        read(variables).unwrap().api.cors_origins.iter().map(|origin| origin.0.clone()).collect::<Vec<_>>()
    };
    let both = ["http://localhost:3000", "https://app.example.com"];
    assert_eq!(origins(&[("ALLOWED_ORIGINS", "http://localhost:3000, https://app.example.com")]), both);
    assert_eq!(
        origins(&[("ALLOWED_ORIGINS", r#"["http://localhost:3000","https://app.example.com"]"#)]),
        both
    );
    let proper = ("TIDEMILL_API__CORS_ORIGINS", "https://own.example.com");
    assert_eq!(origins(&[proper, ("ALLOWED_ORIGINS", "http://localhost:3000")]), ["https://own.example.com"]);
    let all = read(&[("ALLOWED_ORIGINS", "*")]).unwrap();
    assert!(all.api.cors_origins.is_empty() && all.ignored[0].contains("list origins in api.cors_origins"));

    let stage = Stage::new(Keyring::default()).await;
    let from = stage.server.request(Method::POST, "/execute").header("Origin", "https://app.example.com");
    let answer = stage.server.send(from.json(&task("look"))).await;
    assert_eq!(answer.headers["access-control-allow-origin"], "https://app.example.com");
    answer.expect(202);
}

/// 2. Import of the app: a worker is made of its settings and starts.
#[tokio::test]
async fn check_2_the_app_starts() {
    let stage = Stage::new(Keyring::default()).await;
    let model = Model::start(|_| ("finish", json!({"success": true, "answer": ""}))).await;
    let mill = mill(&stage.store, spec(&model)).start();
    wait_for("a claim", async || (mill.liveness.age() < Duration::from_secs(1)).then_some(())).await;
    mill.stop().await;
}

/// 3. Import of the task functions: each is a route that is described.
#[tokio::test]
async fn check_3_task_functions_are_there() {
    let stage = Stage::new(Keyring::default()).await;
    let api = stage.server.get("/api/v1/openapi.json").await.expect(200);
    for (method, path) in [
        ("post", "/execute"),
        ("get", "/api/tasks/{execution_id}/status"),
        ("get", "/ws/execution/{execution_id}"),
    ] {
        assert!(api["paths"][path][method]["summary"].is_string(), "{method} {path}");
    }
    assert_eq!(api["components"]["schemas"]["ExecuteRequest"]["required"], json!(["task_description"]));
}

/// 4. Task registration: the kind is found.
#[tokio::test]
async fn check_4_task_registration() {
    let stage = Stage::new(Keyring::default()).await;
    let model = Model::start(|_| ("finish", json!({"success": true, "answer": ""}))).await;
    let mill = mill(&stage.store, spec(&model)).start();
    wait_for("the kind", async || {
        let kinds = stage.server.get("/api/v1/kinds").await.expect(200);
        kinds["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|kind| kind["kind"] == KIND || kind["name"] == KIND)
            .then_some(())
    })
    .await;
    mill.stop().await;
}

/// 5. Task id mapping: from the execution id to the task and back, in the database.
#[tokio::test]
async fn check_5_task_id_mapping() {
    let stage = Stage::new(Keyring::default()).await;
    let accepted = stage.execute(json!({"task_description": "look", "execution_id": "test-123"})).await;
    assert_eq!(accepted["execution_id"], "test-123");
    let status = stage.server.get("/api/tasks/test-123/status").await.expect(200);
    assert_eq!(
        status,
        json!({
            "execution_id": "test-123", "task_id": accepted["task_id"], "status": "pending", "celery_state": "PENDING",
            "websocket_url": "/ws/execution/test-123",
        })
    );
    assert_eq!(stage.server.job(&accepted["task_id"]).await["execution_id"], "test-123");
    stage.server.get("/api/tasks/test-124/status").await.problem(404, "job-not-found");
    let again =
        stage.server.post("/execute", json!({"task_description": "look", "execution_id": "test-123"})).await;
    again.problem(409, "execution-id-taken");
    let odd = stage.execute(json!({"task_description": "look", "execution_id": "a b/ü"})).await;
    assert_eq!(stage.status(&odd).await["execution_id"], "a b/ü", "{odd}");
}

/// 6. Worker connection: it answers.
#[tokio::test]
async fn check_6_worker_connection() {
    let stage = Stage::new(Keyring::default()).await;
    let model = Model::start(|_| ("finish", json!({"success": true, "answer": ""}))).await;
    let mill = mill(&stage.store, spec(&model)).start();
    wait_for("the worker", async || {
        let workers = stage.server.get("/api/v1/workers").await.expect(200);
        workers["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|worker| worker["id"] == mill.id.as_str())
            .then_some(())
    })
    .await;
    mill.stop().await;
}

/// 7. Task creation: created, queued and revoked.
#[tokio::test]
async fn check_7_task_creation() {
    let stage = Stage::new(Keyring::default()).await;
    let accepted = stage.execute(task("Test task")).await;
    assert_eq!(stage.status(&accepted).await["status"], "pending");
    stage.server.act(&format!("/api/v1/jobs/{}/cancel", text(&accepted["task_id"]))).await.expect(200);
    until_status(&stage, &accepted, "failed").await;
    assert_eq!(stage.status(&accepted).await["celery_state"], "REVOKED");
}

/// 8. Endpoint logic: 202 at once, an execution id of its own, the queue, the mapping and the status URL.
#[tokio::test]
async fn check_8_endpoint_logic() {
    let stage = Stage::new(Keyring::default()).await;
    let (mut ids, mut best) = (BTreeSet::new(), Duration::MAX);
    for _ in 0..10 {
        let began = Instant::now();
        let accepted = stage.execute(task("Test")).await;
        best = best.min(began.elapsed());
        let id = text(&accepted["execution_id"]).to_owned();
        assert_eq!(
            accepted,
            json!({
                "success": true, "message": "Task queued for execution", "execution_id": id, "task_id": accepted["task_id"],
                "status_url": format!("/api/tasks/{id}/status"),
            })
        );
        let job = stage.server.job(&accepted["task_id"]).await;
        assert_eq!(
            (&job["queue"], &job["kind"], &job["args"]),
            (&json!("agent"), &json!(KIND), &json!({"task_description": "Test"}))
        );
        ids.insert(id);
    }
    assert_eq!(ids.len(), 10);
    assert!(best < Duration::from_millis(100), "{best:?}");
    let keyed = async || stage.server.keyed("/execute", "once", task("once")).await.expect(202);
    assert_eq!(keyed().await, keyed().await, "a repeated request makes nothing twice");
}
