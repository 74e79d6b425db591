//! What may pass is tried again, three times; a time limit is an end.

use serde_json::json;
use sqlx::Connection as _;

use crate::engine::Engine;
use crate::gate::Gate;
use crate::hub::{Builder, compose, dockerfile, on};
use crate::wait_for;

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
    for (project, expected, remedy) in [
        ("never", "returned a non-zero code: 1. ", "Read the build's output in the task's log"),
        (
            "ill",
            "web ended with exit code 3. Its last lines:\nno disk",
            "\nCorrect its command, or provide what the command needs; the container is kept",
        ),
    ] {
        let task = hub.ask(project, "start", None).await;
        let failed = hub.ends(&task, "FAILURE").await;
        let error = failed["error"].as_str().unwrap();
        assert!(error.contains(expected) && error.contains(remedy), "{error}");
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
    let task = hub.ask("far", "start", None).await;
    let failed = hub.ends(&task, "FAILURE").await;
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("does not answer") && error.contains("hub.engine"), "{error}");
    assert_eq!(hub.job(&task).await["attempt"], 2, "the first attempt and one retry");
}

#[tokio::test]
async fn an_engine_that_comes_back_is_gone_on_with() {
    let Some(engine) = Engine::shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let hub = Builder::new(&format!("unix://{}", socket.display()), "retry_delay = '2s'")
        .project("back", &compose(""), &dockerfile(""))
        .start()
        .await;
    let task = hub.ask("back", "start", None).await;
    let away = |status: &serde_json::Value| status["status"].as_str().unwrap().contains("does not answer");
    hub.until(&task, "waiting for the engine", away).await;
    std::os::unix::fs::symlink(engine.address().trim_start_matches("unix://"), &socket).unwrap();
    hub.ends(&task, "SUCCESS").await;
    assert_eq!(hub.job(&task).await["attempt"], 2);
    assert_eq!(engine.running("back"), ["web"]);
}

#[tokio::test]
async fn finished_tasks_stay_as_long_as_the_hub_says() {
    let hub = Builder::new("unix:///no/such/engine.sock", "retries = 0\nretain = '90m'")
        .project("kept", &compose(""), "")
        .start()
        .await;
    let task = hub.ask("kept", "start", None).await;
    hub.ends(&task, "FAILURE").await;
    let mut database = sqlx::PgConnection::connect(&hub.database).await.unwrap();
    let query = "select extract(epoch from retain_until - finished_at)::float8 from tidemill.jobs where id = $1::uuid";
    let kept: f64 = sqlx::query_scalar(query).bind(&task).fetch_one(&mut database).await.unwrap();
    assert!((5399.0..=5401.0).contains(&kept), "{kept}");
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
    let Some(engine) = Engine::own() else { return };
    let gate = Gate::open().await;
    let never = "    healthcheck: { test: [CMD, /bin/busybox, 'false'], interval: 1h, start_period: 1h }\n";
    let steps = format!("RUN [\"/bin/busybox\", \"touch\", \"/half\"]\n{}", gate.step());
    let hub = on(&engine, "soft_timeout = '3s'\nhard_timeout = '20s'\nretry_delay = '50ms'")
        .project("limits", &compose(""), &dockerfile(&steps))
        .project("ill", &compose(never).replace("    network_mode: host\n", ""), &dockerfile(""))
        .start()
        .await;
    let task = hub.ask("limits", "start", None).await;
    let build = gate.next().await;
    let ill = hub.ask("ill", "start", None).await;
    hub.until(&ill, "waiting for its services", |status| status["progress"] == 90).await;
    let networks = || engine.lines(&["network", "ls", "--quiet", "--filter", "name=ill_default"]);
    // Those of an image that is not whole.
    let layers = || engine.lines(&["images", "--all", "--quiet", "--filter", "dangling=true"]);
    assert_eq!((engine.running("ill").len(), networks().len(), layers().len()), (1, 1, 1));
    build.cut_off().await;
    for task in [&task, &ill] {
        let failed = hub.ends(task, "FAILURE").await;
        assert!(failed["error"].as_str().unwrap().contains("hard timeout of 20s"), "{failed}");
        let (_, attempts) = hub.get(&format!("/api/v1/jobs/{task}/attempts")).await;
        assert_eq!(hub.job(task).await["attempt"], 1, "{attempts:#}");
        assert_eq!(hub.events(task, "takes_long").await.len(), 1);
    }
    wait_for("nothing is left of them", async || {
        let containers = engine.lines(&["ps", "--all", "--quiet"]);
        (containers.is_empty() && networks().is_empty() && layers().is_empty()).then_some(())
    })
    .await;
}
