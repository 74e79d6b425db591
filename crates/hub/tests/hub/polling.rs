//! The hook of a page, as the hub's document has it: polls at once and every two seconds, until one of three
//! states ends it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::Engine;
use crate::gate::Gate;
use crate::hub::{Hub, compose, dockerfile, on};

const POLL_EVERY: Duration = Duration::from_secs(2);

/// What the hook saw, until it stopped.
async fn polled(hub: &Hub, task: &str, mut after_each: impl AsyncFnMut(usize)) -> Vec<Value> {
    let mut seen = Vec::new();
    let mut ticks = tokio::time::interval(POLL_EVERY);
    loop {
        ticks.tick().await;
        seen.push(hub.get(&format!("/api/orchestration/task-status/{task}")).await.1);
        let state = seen[seen.len() - 1]["state"].as_str().unwrap().to_owned();
        if ["SUCCESS", "FAILURE", "REVOKED"].contains(&state.as_str()) {
            return seen;
        }
        assert!(seen.len() < 45, "it never ends: {seen:?}");
        after_each(seen.len()).await;
    }
}

/// What the card draws: a number for its bar, and a text.
fn is_drawable(status: &Value) -> bool {
    status["progress"].as_u64().is_some_and(|progress| progress <= 100)
        && status["status"].as_str().is_some_and(|text| !text.is_empty())
        && status["ready"].is_boolean()
}

#[tokio::test]
async fn the_hook_polls_until_a_task_is_over() {
    let Some(engine) = Engine::shared() else { return };
    let gate = Gate::open().await;
    let hub = on(&engine, "retries = 0")
        .project("card", &compose(""), &dockerfile(&gate.step()))
        .project("sad", "services: [", "")
        .start()
        .await;
    let (_, answer) = hub.post("/api/orchestration/card/start", None).await;
    let task = answer["task_id"].as_str().unwrap();
    let mut build = Some(gate.next().await);
    let seen = polled(&hub, task, async |polls| {
        if polls == 2 {
            build.take().unwrap().pass().await;
        }
    })
    .await;
    assert!(seen.len() >= 3 && seen.iter().all(is_drawable), "{seen:?}");
    assert!(seen.is_sorted_by_key(|status| status["progress"].as_u64()), "the bar never goes back: {seen:?}");
    assert_eq!(seen[0]["state"], "BUILDING");
    let last = &seen[seen.len() - 1];
    assert_eq!(
        (&last["state"], &last["progress"], &last["error"]),
        (&json!("SUCCESS"), &json!(100), &json!(null))
    );

    let sad = hub.ask("sad", "start", None).await;
    let seen = polled(&hub, &sad, async |_| {}).await;
    let last = &seen[seen.len() - 1];
    assert!(
        last["state"] == "FAILURE" && last["error"].as_str().is_some_and(|error| !error.is_empty()),
        "{last}"
    );

    std::fs::write(hub.path("card/app/Dockerfile"), dockerfile(&gate.step())).unwrap();
    let again = hub.ask("card", "start", None).await;
    let build = gate.next().await;
    hub.post(&format!("/api/v1/jobs/{again}/cancel"), None).await;
    let seen = polled(&hub, &again, async |_| {}).await;
    let last = &seen[seen.len() - 1];
    assert_eq!((&last["state"], &last["ready"]), (&json!("REVOKED"), &json!(true)));
    build.cut_off().await;
}
