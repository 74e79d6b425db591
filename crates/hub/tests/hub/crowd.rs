//! Many requests at once: the same one is done once, different projects side by side up to the limit.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::engine::Engine;
use crate::gate::Gate;
use crate::hub::{Builder, compose, dockerfile, on};
use crate::wait_for;

#[tokio::test]
async fn two_starts_of_a_project_are_one() {
    let Some(engine) = Engine::shared() else { return };
    let gate = Gate::open().await;
    let hub = on(&engine, "").project("twice", &compose(""), &dockerfile(&gate.step())).start().await;
    let (first, second) = tokio::join!(hub.ask("twice", "start", None), hub.ask("twice", "start", None));
    assert_eq!(first, second);
    let build = gate.next().await;
    assert_eq!(hub.ask("twice", "start", None).await, first, "also while it builds");
    build.pass().await;
    hub.ends(&first, "SUCCESS").await;
    assert!(!gate.somebody_comes().await, "it was built once");
}

#[tokio::test]
async fn five_projects_are_built_at_once() {
    let Some(engine) = Engine::shared() else { return };
    let gate = Gate::open().await;
    let mut builder = on(&engine, "concurrency = 5");
    let names: Vec<String> = (1..=5).map(|number| format!("five{number}")).collect();
    for name in &names {
        // Different steps, so that no build takes another's layers.
        let steps = format!("ENV NAME={name}\n{}", gate.step());
        builder = builder.project(name, &compose(""), &dockerfile(&steps));
    }
    let hub = builder.start().await;
    let mut tasks = Vec::new();
    for name in &names {
        tasks.push(hub.ask(name, "start", None).await);
    }
    let mut builds = Vec::new();
    for _ in &names {
        builds.push(gate.next().await);
    }
    // All five wait at this moment.
    for build in builds {
        build.pass().await;
    }
    for (task, name) in tasks.iter().zip(&names) {
        hub.ends(task, "SUCCESS").await;
        assert_eq!(engine.running(name), ["web"]);
    }
}

#[tokio::test]
async fn two_are_built_at_once_by_default_and_others_wait() {
    let Some(engine) = Engine::shared() else { return };
    let gate = Gate::open().await;
    let mut builder = on(&engine, "");
    for name in ["one", "two", "three"] {
        let steps = format!("ENV NAME={name}\n{}", gate.step());
        builder = builder.project(name, &compose(""), &dockerfile(&steps));
    }
    let hub = builder.start().await;
    let (one, two) = (hub.ask("one", "start", None).await, hub.ask("two", "start", None).await);
    let builds = [gate.next().await, gate.next().await];
    let three = hub.ask("three", "start", None).await;
    let expected = json!({
        "task_id": three, "state": "PENDING", "ready": false, "status": "Task is queued, waiting to start...",
        "progress": 0, "result": null, "error": null,
    });
    assert_eq!(hub.status(&three).await, expected);
    let (_, queue) = hub.get("/api/v1/queues/hub").await;
    assert_eq!(queue["running"], 2, "{queue}");
    assert!(!gate.somebody_comes().await);
    let passed = chrono::Utc::now();
    for build in builds {
        build.pass().await;
    }
    gate.next().await.pass().await;
    for task in [&one, &two, &three] {
        hub.ends(task, "SUCCESS").await;
    }
    let third = hub.job(&three).await;
    let began = chrono::DateTime::parse_from_rfc3339(third["started_at"].as_str().unwrap()).unwrap();
    assert!(began >= passed, "the third ran beside the others");
}

#[tokio::test]
async fn what_changes_one_project_takes_turns_and_reading_does_not() {
    let Some(engine) = Engine::shared() else { return };
    let gate = Gate::open().await;
    let hub = on(&engine, "concurrency = 4")
        .project("turns", &compose(""), &dockerfile(&gate.step()))
        .start()
        .await;
    let start = hub.ask("turns", "start", None).await;
    let build = gate.next().await;
    let restart = hub.ask("turns", "restart", None).await;
    let logs = hub.ask("turns", "logs", None).await;
    let failed = hub.ends(&logs, "FAILURE").await;
    assert!(failed["error"].as_str().unwrap().contains("has no containers; start it first"), "{failed}");
    assert_eq!(
        hub.status(&restart).await["state"],
        "PENDING",
        "there is a free slot, but not for this project"
    );
    build.pass().await;
    hub.ends(&start, "SUCCESS").await;
    hub.ends(&restart, "SUCCESS").await;
}

#[tokio::test]
async fn stops_and_logs_do_not_wait_for_builds() {
    let Some(engine) = Engine::shared() else { return };
    let gate = Gate::open().await;
    let mut builder = on(&engine, "").project("up", &compose(""), &dockerfile(""));
    for name in ["slow1", "slow2", "slow3"] {
        let steps = format!("ENV NAME={name}\n{}", gate.step());
        builder = builder.project(name, &compose(""), &dockerfile(&steps));
    }
    let hub = builder.start().await;
    hub.ends(&hub.ask("up", "start", None).await, "SUCCESS").await;
    let slow = [hub.ask("slow1", "start", None).await, hub.ask("slow2", "start", None).await];
    let builds = [gate.next().await, gate.next().await];
    // As older versions of the hub stored it.
    let older = json!({ "kind": "hub.logs", "queue": "hub", "args": { "project": "up" } });
    let (_, older) = hub.post("/api/v1/jobs", Some(older)).await;
    let waits = [hub.ask("up", "restart", None).await, hub.ask("slow3", "start", None).await];
    hub.ends(&hub.ask("up", "logs", None).await, "SUCCESS").await;
    // It cancels the restart.
    hub.ends(&hub.ask("up", "stop", None).await, "SUCCESS").await;
    assert!(engine.running("up").is_empty());
    hub.ends(&waits[0], "REVOKED").await;
    assert_eq!(hub.status(&waits[1]).await["state"], "PENDING", "builds are as many as they may be");
    assert!(!gate.somebody_comes().await);
    for build in builds {
        build.pass().await;
    }
    gate.next().await.pass().await;
    for task in [slow[0].as_str(), &slow[1], &waits[1], older["id"].as_str().unwrap()] {
        hub.ends(task, "SUCCESS").await;
    }
}

#[tokio::test]
async fn requests_are_answered_within_a_tenth_of_a_second() {
    // Nothing is asked of an engine.
    let hub = Builder::new("unix:///nowhere", "").project("quick", &compose(""), "").start().await;
    let task = hub.ask("quick", "start", None).await;
    let mut fresh = 0;
    for what in ["start", "stop", "restart", "logs", "status"] {
        // What else the machine does is no fault of the hub: one quiet moment is enough.
        wait_for(&format!("half of 21 times {what} within a tenth of a second"), async || {
            let mut taken = Vec::new();
            for _ in 0..21 {
                // No two are the same, so each is a task of its own.
                fresh += 1;
                let body = match what {
                    "logs" => Some(json!({ "lines": fresh })),
                    "restart" => Some(json!({ "service_name": format!("service{fresh}") })),
                    _ => None,
                };
                let began = Instant::now();
                if what == "status" {
                    hub.status(&task).await;
                } else {
                    hub.ask("quick", what, body).await;
                }
                taken.push(began.elapsed());
            }
            taken.sort();
            (taken[10] < Duration::from_millis(100)).then_some(())
        })
        .await;
    }
}
