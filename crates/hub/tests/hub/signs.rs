//! Signs of life: those that come, and what is done when none do.

use serde_json::{Value, json};

use crate::engine::Engine;
use crate::gate::Gate;
use crate::hub::{compose, dockerfile, on};
use crate::wait_for;

#[tokio::test]
async fn a_long_build_lives_and_says_that_it_goes_on() {
    let Some(engine) = Engine::shared() else { return };
    let gate = Gate::open().await;
    let hub = on(&engine, "heartbeat = '200ms'\nstill_building = '1s'\nstuck_after = '5s'")
        .project("long", &compose(""), &dockerfile(&gate.step()))
        .start()
        .await;
    let task = hub.ask("long", "start", None).await;
    let build = gate.next().await;
    let still = |status: &Value| status["status"].as_str().unwrap().starts_with("Still building (");
    let status = hub.until(&task, "still building", still).await;
    assert_eq!(status["state"], "BUILDING");
    assert!(!hub.events(&task, "still_building").await.is_empty());
    let started = hub.job(&task).await["started_at"].as_str().unwrap().to_owned();
    let at = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap();
    // Without signs of life it would have been listed by then.
    wait_for("a sign of life long after the start, though nothing happens", async || {
        let job = hub.job(&task).await;
        let age = at(job["progress"]["updated_at"].as_str()?) - at(&started);
        (age.num_seconds() >= 7).then_some(())
    })
    .await;
    assert_eq!(hub.get("/api/orchestration/stuck").await.1["items"], json!([]));
    build.pass().await;
    hub.ends(&task, "SUCCESS").await;
}

#[tokio::test]
async fn a_long_build_on_an_engine_that_hangs_is_listed() {
    let engine = Engine::own();
    let Some(engine) = engine else { return };
    let gate = Gate::open().await;
    let hub = on(&engine, "heartbeat = '200ms'\nstill_building = '1s'\nstuck_after = '4s'")
        .project("hung", &compose(""), &dockerfile(&gate.step()))
        .start()
        .await;
    let task = hub.ask("hung", "start", None).await;
    let build = gate.next().await;
    engine.signal("STOP");
    wait_for("it is listed, though it says again and again that it builds", async || {
        let (_, stuck) = hub.get("/api/orchestration/stuck").await;
        stuck["items"].as_array()?.iter().find(|listed| listed["task_id"] == json!(task)).map(drop)
    })
    .await;
    assert!(hub.events(&task, "still_building").await.len() >= 3);
    engine.signal("CONT");
    build.pass().await;
    hub.ends(&task, "SUCCESS").await;
}

#[tokio::test]
async fn a_task_without_a_sign_of_life_is_listed_and_can_be_restarted_or_cancelled() {
    let engine = Engine::own();
    let Some(engine) = engine else { return };
    let gate = Gate::open().await;
    let hub = on(&engine, "heartbeat = '200ms'\nstuck_after = '2s'")
        .project("stuck", &compose(""), &dockerfile(&gate.step()))
        .start()
        .await;
    let task = hub.ask("stuck", "start", None).await;
    let build = gate.next().await;
    engine.signal("STOP");
    let listed = wait_for("it is listed", async || {
        hub.get("/api/orchestration/stuck").await.1["items"].as_array()?.first().cloned()
    })
    .await;
    assert_eq!((&listed["task_id"], &listed["project_id"]), (&json!(task), &json!("stuck")));
    assert!(hub.status(&task).await["status"].as_str().unwrap().starts_with("Possibly stuck"));

    let (code, restarted) = hub.post(listed["restart"].as_str().unwrap(), None).await;
    assert_eq!((code, &restarted["replaces"]), (200, &json!(task)), "{restarted}");
    let next = restarted["task_id"].as_str().unwrap().to_owned();
    assert_ne!(next, task);
    engine.signal("CONT");
    build.cut_off().await;
    hub.ends(&task, "REVOKED").await;
    let build = gate.next().await;
    let path = format!("/api/orchestration/stuck/{next}/cancel");
    let (code, cancelled) = hub.post(&path, None).await;
    assert!(code == 200 && cancelled["status"].as_str().unwrap().starts_with("Cancelling"), "{cancelled}");
    build.cut_off().await;
    hub.ends(&next, "REVOKED").await;
    let (code, problem) = hub.post(&path.replace("cancel", "restart"), None).await;
    assert_eq!(code, 200, "a cancelled one can be started again: {problem}");
    assert_eq!(
        hub.post("/api/orchestration/stuck/01890000-0000-7000-8000-000000000000/cancel", None).await.0,
        404
    );
}
