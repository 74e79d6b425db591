//! A cancel ends a build and takes away what it made.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::engine::Engine;
use crate::gate::Gate;
use crate::hub::{Builder, compose, dockerfile, on};
use crate::wait_for;

#[tokio::test]
async fn a_cancelled_build_is_cut_off_and_leaves_nothing() {
    let engine = Engine::own();
    let Some(engine) = engine else { return };
    let gate = Gate::open().await;
    let steps = format!("RUN [\"/bin/busybox\", \"touch\", \"/half\"]\n{}", gate.step());
    let hub = on(&engine, "").project("half", &compose(""), &dockerfile(&steps)).start().await;
    let task = hub.ask("half", "start", None).await;
    let build = gate.next().await;
    assert!(!engine.lines(&["images", "--all", "--quiet"]).is_empty(), "two layers are made");
    let asked = Instant::now();
    let (code, _) = hub.post(&format!("/api/v1/jobs/{task}/cancel"), None).await;
    assert_eq!(code, 202);
    build.cut_off().await;
    assert!(asked.elapsed() < Duration::from_secs(1), "it was cut off after {:?}", asked.elapsed());
    let revoked = hub.ends(&task, "REVOKED").await;
    assert_eq!((&revoked["status"], &revoked["result"]), (&json!("Task was cancelled"), &json!(null)));
    // The engine takes the container of the step away by itself, after the request.
    wait_for("no container is left", async || {
        engine.lines(&["ps", "--all", "--quiet"]).is_empty().then_some(())
    })
    .await;
    wait_for("no layer is left", async || {
        engine.lines(&["images", "--all", "--quiet"]).is_empty().then_some(())
    })
    .await;
    let next = hub.ask("half", "start", None).await;
    assert_ne!(next, task);
    gate.next().await.pass().await;
    hub.ends(&next, "SUCCESS").await;
    assert_eq!(engine.running("half"), ["web"]);
}

#[tokio::test]
async fn cancelled_while_it_starts_it_takes_its_containers_away() {
    let Some(engine) = Engine::shared() else { return };
    let never = "    healthcheck: { test: [CMD, /bin/busybox, 'false'], interval: 1h, start_period: 1h }\n";
    let hub = on(&engine, "").project("early", &compose(never), &dockerfile("")).start().await;
    let task = hub.ask("early", "start", None).await;
    hub.until(&task, "waiting for its services", |status| status["progress"] == 90).await;
    assert_eq!(engine.running("early"), ["web"]);
    hub.post(&format!("/api/v1/jobs/{task}/cancel"), None).await;
    hub.ends(&task, "REVOKED").await;
    assert!(engine.containers("early").is_empty());
}

#[tokio::test]
async fn what_it_only_started_is_stopped_by_a_cancel() {
    // Nobody else builds the same there, which may make another image of it.
    let engine = Engine::own();
    let Some(engine) = engine else { return };
    let well = "    volumes: [./data:/data]\n    stop_grace_period: 0s\n    healthcheck: { test: [CMD, /bin/busybox, test, -e, /data/well], interval: 200ms, start_period: 1h }\n";
    let hub = on(&engine, "").project("known", &compose(well), &dockerfile("")).start().await;
    std::fs::create_dir(hub.path("known/data")).unwrap();
    std::fs::write(hub.path("known/data/well"), "").unwrap();
    hub.ends(&hub.ask("known", "start", None).await, "SUCCESS").await;
    hub.ends(&hub.ask("known", "stop", None).await, "SUCCESS").await;
    let before = engine.containers("known");
    std::fs::remove_file(hub.path("known/data/well")).unwrap();
    let task = hub.ask("known", "start", None).await;
    hub.until(&task, "waiting for its services", |status| status["progress"] == 90).await;
    assert_eq!(engine.running("known"), ["web"]);
    hub.post(&format!("/api/v1/jobs/{task}/cancel"), None).await;
    hub.ends(&task, "REVOKED").await;
    assert_eq!((engine.containers("known"), engine.running("known").len()), (before, 0));
}

#[tokio::test]
async fn a_stop_cancels_a_start_that_is_not_over() {
    let Some(engine) = Engine::shared() else { return };
    let gate = Gate::open().await;
    let never = "    healthcheck: { test: [CMD, /bin/busybox, 'false'], interval: 1h, start_period: 1h }\n";
    let hub = on(&engine, "")
        .project("hasty", &compose(""), &dockerfile(&gate.step()))
        .project("ready", &compose(never), &dockerfile(""))
        .start()
        .await;
    let start = hub.ask("hasty", "start", None).await;
    let build = gate.next().await;
    let stop = hub.ask("hasty", "stop", None).await;
    build.cut_off().await;
    hub.ends(&start, "REVOKED").await;
    hub.ends(&stop, "SUCCESS").await;

    let start = hub.ask("ready", "start", None).await;
    hub.until(&start, "waiting for its services", |status| status["progress"] == 90).await;
    assert_eq!(engine.running("ready"), ["web"]);
    let stop = hub.ask("ready", "stop", None).await;
    hub.ends(&start, "REVOKED").await;
    hub.ends(&stop, "SUCCESS").await;
    assert!(engine.containers("ready").is_empty());
}

#[tokio::test]
async fn what_is_asked_for_after_a_stop_is_done_after_it() {
    let Some(engine) = Engine::shared() else { return };
    let gate = Gate::open().await;
    let hub = on(&engine, "concurrency = 4")
        .project("order", &compose(""), &dockerfile(&gate.step()))
        .start()
        .await;
    let first = hub.ask("order", "start", None).await;
    let build = gate.next().await;
    let stop = hub.ask("order", "stop", None).await;
    let (start, restart) = (hub.ask("order", "start", None).await, hub.ask("order", "restart", None).await);
    assert_ne!(start, first);
    build.cut_off().await;
    hub.ends(&first, "REVOKED").await;
    gate.next().await.pass().await;
    for task in [&stop, &start, &restart] {
        hub.ends(task, "SUCCESS").await;
    }
    assert_eq!(engine.running("order"), ["web"]);
    let at = async |task: &str, what: &str| {
        let job = hub.job(task).await;
        chrono::DateTime::parse_from_rfc3339(job[what].as_str().unwrap()).unwrap()
    };
    let stopped = at(&stop, "finished_at").await;
    assert!(at(&start, "started_at").await >= stopped && at(&restart, "started_at").await >= stopped);
}

#[tokio::test]
async fn the_last_request_counts_and_no_older_retry() {
    // Nobody listens there, so that all wait for a minute for their next attempt.
    let hub =
        Builder::new("unix:///no/such/engine.sock", "").project("moody", &compose(""), "").start().await;
    let between = async |task: &str| {
        let waits = |status: &Value| status["status"].as_str().unwrap().starts_with("Attempt 1 of 4 failed");
        hub.until(task, "between attempts", waits).await;
    };
    let start = hub.ask("moody", "start", None).await;
    between(&start).await;
    let restart = hub.ask("moody", "restart?service_name=web", None).await;
    between(&restart).await;
    let logs = hub.ask("moody", "logs", None).await;
    between(&logs).await;
    let stop = hub.ask("moody", "stop", None).await;
    hub.ends(&start, "REVOKED").await;
    hub.ends(&restart, "REVOKED").await;
    between(&stop).await;
    let again = hub.ask("moody", "start", None).await;
    hub.ends(&stop, "REVOKED").await;
    between(&again).await;
    between(&logs).await;
}
