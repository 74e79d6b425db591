//! What may pass is tried again, three times; a time limit is an end.

use serde_json::json;

use crate::engine::Engine;
use crate::gate::Gate;
use crate::hub::{Builder, compose, dockerfile, on};

#[tokio::test]
async fn a_failed_build_is_tried_again() {
    let Some(engine) = Engine::shared() else { return };
    let gate = Gate::open().await;
    let hub = on(&engine, "retry_delay = '2s'")
        .project("flaky", &compose(""), &dockerfile(&gate.step()))
        .start()
        .await;
    let task = hub.ask("flaky", "start", None).await;
    gate.next().await.fail().await;
    let between = hub
        .until(&task, "between attempts", |status| status["state"] == "PENDING" && status["progress"] == 0);
    let between = between.await["status"].as_str().unwrap().to_owned();
    assert!(between.starts_with("Attempt 1 of 4 failed, waiting for the next: building web"), "{between}");
    gate.next().await.pass().await;
    hub.ends(&task, "SUCCESS").await;
    assert_eq!(hub.job(&task).await["attempt"], 2);
}

#[tokio::test]
async fn after_three_retries_it_fails() {
    let Some(engine) = Engine::shared() else { return };
    let hub = on(&engine, "retry_delay = '50ms'")
        .project("never", &compose(""), &dockerfile("RUN [\"/bin/busybox\", \"false\"]"))
        .project(
            "ill",
            &compose("    command: [/bin/busybox, sh, -c, '/bin/busybox echo no disk; exit 3']\n"),
            &dockerfile(""),
        )
        .start()
        .await;
    for (project, told) in [
        ("never", "returned a non-zero code: 1"),
        ("ill", "web ended with exit code 3. Its last lines:\nno disk"),
    ] {
        let task = hub.ask(project, "start", None).await;
        let failed = hub.ends(&task, "FAILURE").await;
        assert!(failed["error"].as_str().unwrap().contains(told), "{failed}");
        let job = hub.job(&task).await;
        assert_eq!((&job["attempt"], &job["max_attempts"]), (&json!(4), &json!(4)));
    }
}

#[tokio::test]
async fn an_engine_that_is_away_is_waited_for() {
    let hub = Builder::new("unix:///no/such/engine.sock", "retry_delay = '50ms'\nretries = 1")
        .project("far", &compose(""), "")
        .start()
        .await;
    let failed = hub.ends(&hub.ask("far", "start", None).await, "FAILURE").await;
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("does not answer") && error.contains("hub.engine"), "{error}");
}

#[tokio::test]
async fn the_delay_is_a_minute_by_default_and_the_limits_hours() {
    let hub = Builder::new("unix:///no/such/engine.sock", "").project("slow", &compose(""), "").start().await;
    let task = hub.ask("slow", "start", None).await;
    hub.until(&task, "between attempts", |status| {
        status["status"].as_str().unwrap().starts_with("Attempt 1 of 4")
    })
    .await;
    let job = hub.job(&task).await;
    let retry = hub.events(&task, "retry").await;
    let at = |text: &serde_json::Value| chrono::DateTime::parse_from_rfc3339(text.as_str().unwrap()).unwrap();
    let delay = (at(&job["run_at"]) - at(&retry[0]["at"])).as_seconds_f64();
    assert!((59.0..=60.5).contains(&delay), "{delay}");
    let (_, kinds) = hub.get("/api/v1/kinds").await;
    let start = kinds["items"].as_array().unwrap().iter().find(|kind| kind["name"] == "hub.start").cloned();
    assert_eq!(start.expect("it is served")["hard_timeout_seconds"], 7200.0);
}

#[tokio::test]
async fn the_soft_limit_warns_and_the_hard_one_ends() {
    let Some(engine) = Engine::shared() else { return };
    let gate = Gate::open().await;
    let hub = on(&engine, "soft_timeout = '1s'\nhard_timeout = '3s'\nretry_delay = '50ms'")
        .project("limits", &compose(""), &dockerfile(&gate.step()))
        .start()
        .await;
    let task = hub.ask("limits", "start", None).await;
    gate.next().await.cut_off().await;
    let failed = hub.ends(&task, "FAILURE").await;
    assert!(failed["error"].as_str().unwrap().contains("hard timeout of 3s"), "{failed}");
    let (_, attempts) = hub.get(&format!("/api/v1/jobs/{task}/attempts")).await;
    assert_eq!(hub.job(&task).await["attempt"], 1, "{attempts:#}");
    assert_eq!(hub.events(&task, "takes_long").await.len(), 1);
}
