//! When services count as well: not before they ran for a while, and never while they crash again and again.

use serde_json::json;

use crate::engine::Engine;
use crate::hub::{compose, dockerfile, on};

fn runs(seconds: u32, more: &str) -> String {
    compose(&format!(
        "    command: [/bin/busybox, sh, -c, '/bin/busybox sleep {seconds}; /bin/busybox echo no more; exit 4']\n{more}"
    ))
}

#[tokio::test]
async fn a_service_that_crashes_after_a_while_is_no_success() {
    let Some(engine) = Engine::shared() else { return };
    // The time that it must run is the default one.
    let hub =
        on(&engine, "retries = 0\n# settle").project("late", &runs(2, ""), &dockerfile("")).start().await;
    let failed = hub.ends(&hub.ask("late", "start", None).await, "FAILURE").await;
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("web ended with exit code 4. Its last lines:\nno more\n"), "{error}");
    assert!(error.contains("the container is kept for inspection. Then start the project again."), "{error}");
}

#[tokio::test]
async fn a_service_that_is_restarted_again_and_again_is_no_success() {
    let Some(engine) = Engine::shared() else { return };
    let hub = on(&engine, "retries = 0\nsettle = '3s'\nhealth_timeout = '8s'")
        .project("loop", &runs(1, "    restart: always\n"), &dockerfile(""))
        .start()
        .await;
    let task = hub.ask("loop", "start", None).await;
    let failed = hub.ends(&task, "FAILURE").await;
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("web is not healthy after 8s; it ended and was restarted "), "{error}");
    let progress = hub
        .build_lines(&task)
        .await
        .iter()
        .any(|line| line.contains("exit code 4 and was restarted, 1 times"));
    assert!(progress, "the log has each restart");
    hub.ends(&hub.ask("loop", "stop", None).await, "SUCCESS").await;
    assert!(engine.running("loop").is_empty(), "a stop ends the loop");
}

#[tokio::test]
async fn all_services_settle_side_by_side() {
    let Some(engine) = Engine::shared() else { return };
    let one = "    build: { context: app, network: host }\n    network_mode: host\n";
    let text =
        format!("services:\n{}", (1..=6).map(|n| format!("  s{n}:\n{one}")).collect::<Vec<_>>().concat());
    let hub = on(&engine, "settle = '4s'").project("many", &text, &dockerfile("")).start().await;
    let task = hub.ask("many", "start", None).await;
    hub.ends(&task, "SUCCESS").await;
    let progress = hub.events(&task, "progress").await;
    let last =
        progress.iter().rev().find(|event| event.to_string().contains("all services are healthy")).unwrap();
    let job = hub.job(&task).await;
    let at = |text: &serde_json::Value| chrono::DateTime::parse_from_rfc3339(text.as_str().unwrap()).unwrap();
    let waited = (at(&job["finished_at"]) - at(&last["at"])).as_seconds_f64();
    assert!((3.0..16.0).contains(&waited), "six of them one after the other were 24 s: {waited}");
    assert_eq!(engine.running("many").len(), 6, "{}", json!(progress));
}
