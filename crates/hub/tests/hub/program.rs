//! Projects that say more than the hub itself understands: the program `docker compose` builds and starts them. Where
//! it is not installed each test says so and ends.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::engine::Engine;
use crate::gate::Gate;
use crate::hub::{Hub, compose, dockerfile, on};
use crate::wait_for;

fn succeeds(program: &str, args: &[&str]) -> bool {
    let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// The engine that tests share, where there is the program as well.
pub(crate) fn engine() -> Option<std::sync::Arc<Engine>> {
    has_program().then(Engine::shared)?
}

fn has_program() -> bool {
    let has = succeeds("docker", &["compose", "version"]) || succeeds("docker-compose", &["version"]);
    if !has {
        eprintln!(
            "SKIPPED: this test needs the program docker compose (.ci/setup test installs docker-compose)"
        );
    }
    has
}

/// Whether the engine's client can build with BuildKit: version 23 and later need a plugin for that.
fn has_buildkit() -> bool {
    let version = Command::new("docker").args(["version", "--format", "{{.Client.Version}}"]).output();
    let version =
        version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let major: u32 = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(99);
    major < 23 || succeeds("docker", &["buildx", "version"])
}

async fn logged(hub: &Hub, task: &str, words: &str) -> bool {
    hub.build_lines(task).await.iter().any(|line| line.contains(words))
}

/// What the hub itself refuses: networks by name, and files of variables.
const RICH: &str = r#"
services:
  web:
    build: { context: app, network: host }
    env_file: [app.env]
    networks: { inner: { aliases: [front] } }
    command: ["/bin/busybox", "sh", "-c", "/bin/busybox echo $$FROM_FILE $PLACE; exec /bin/busybox sleep 1000"]
    stop_grace_period: 0s
    depends_on: [db]
  db:
    build: { context: app, network: host }
    networks: [inner]
    stop_grace_period: 0s
networks:
  inner:
"#;

#[tokio::test]
async fn what_the_hub_does_not_understand_is_started_by_docker_compose() {
    let Some(engine) = engine() else { return };
    let hub = on(&engine, "").project("rich", RICH, &dockerfile(""));
    // A table of the project before.
    let hub = hub.configured("rich.env", "PLACE = 'here'").start().await;
    std::fs::write(hub.path("rich/app.env"), "FROM_FILE=hello\n").unwrap();
    let task = hub.ask("rich", "start", None).await;
    let done = hub.ends(&task, "SUCCESS").await;
    let services = &done["result"]["result"]["services"];
    assert_eq!(
        (&services["web"]["status"], &services["db"]["status"]),
        (&json!("running"), &json!("running"))
    );
    assert_eq!(engine.running("rich"), ["db", "web"]);
    assert!(logged(&hub, &task, "networks: is not supported").await, "the log says why");
    assert!(logged(&hub, &task, "compose starts it").await, "and by whom");
    let logs = hub.ask("rich", "logs", Some(json!({ "service_name": "web" }))).await;
    assert_eq!(hub.ends(&logs, "SUCCESS").await["result"]["result"]["logs"], "hello here\n");
    let before = engine.containers("rich");
    hub.ends(&hub.ask("rich", "start", None).await, "SUCCESS").await;
    assert_eq!(engine.containers("rich"), before, "what is as it should be stays");
    hub.ends(&hub.ask("rich", "restart?service_name=db", None).await, "SUCCESS").await;
    std::fs::remove_file(hub.path("rich/compose.yaml")).unwrap();
    hub.ends(&hub.ask("rich", "stop", None).await, "SUCCESS").await;
    assert!(engine.running("rich").is_empty() && engine.containers("rich").len() == 2);
}

#[tokio::test]
async fn a_file_of_variables_that_the_hub_does_not_understand_is_for_the_program() {
    let Some(engine) = engine() else { return };
    let hub = on(&engine, "").project("env", &compose(""), &dockerfile("")).start().await;
    std::fs::write(hub.path("env/.env"), "PASSWORD=s3cret$word\n").unwrap();
    let task = hub.ask("env", "start", None).await;
    hub.ends(&task, "SUCCESS").await;
    assert!(logged(&hub, &task, "/.env, whose line 1 is not understood").await);
    assert!(!logged(&hub, &task, "s3cret").await);
    hub.ends(&hub.ask("env", "stop", None).await, "SUCCESS").await;
    assert!(engine.running("env").is_empty() && engine.containers("env").len() == 1);
}

#[tokio::test]
async fn a_project_of_the_config_knows_no_variables_of_tidemill() {
    let Some(engine) = engine() else { return };
    let words = "build = { context = 'base/app', network = 'host' }, network_mode = 'host', \
                 command = ['/bin/busybox', 'echo', '${OWN}', '${SECRET:-hidden}']";
    let mut builder = on(&engine, "").project("base", &compose(""), &dockerfile(""));
    for (name, way) in [("itself", ""), ("not-itself", ", ulimits = { nproc = 999 }")] {
        let settings = format!("services.web = {{ {words}{way} }}\nenv = {{ OWN = 'known' }}");
        builder = builder.configured(name, &settings);
    }
    let hub = builder.start().await;
    // Where Tidemill's own stands.
    std::fs::write(hub.path(".env"), "SECRET=s3cret\n").unwrap();
    for project in ["itself", "not-itself"] {
        let task = hub.ask(project, "start", None).await;
        hub.ends(&task, "SUCCESS").await;
        assert_eq!(logged(&hub, &task, "starts it").await, project == "not-itself");
        let read = hub.ends(&hub.ask(project, "logs", None).await, "SUCCESS").await;
        assert_eq!(read["result"]["result"]["logs"], "known hidden\n", "{project}");
    }
}

#[tokio::test]
async fn its_builds_show_their_steps_and_are_cancelled() {
    // One that nobody shares: all that is on it is of this test.
    let engine = has_program().then(Engine::own).flatten();
    let Some(engine) = engine else { return };
    let gate = Gate::open().await;
    let hub = on(&engine, "compose = 'program'")
        .project("tool", &compose(""), &dockerfile(&gate.step()))
        .start()
        .await;
    let task = hub.ask("tool", "start", None).await;
    let mut build = gate.next().await;
    build.print("half way").await;
    let at_step = |status: &Value| status["status"].as_str().unwrap().contains("Building web: Step 3/");
    let status = hub.until(&task, "at its third step", at_step).await;
    assert!(status["state"] == "BUILDING" && status["progress"].as_u64() > Some(30), "{status}");
    assert!(!engine.lines(&["ps", "--all", "--quiet"]).is_empty(), "the container of the step");
    assert!(!engine.lines(&["images", "--all", "--quiet"]).is_empty(), "the layers before it");
    wait_for("the build's output", async || logged(&hub, &task, "half way").await.then_some(())).await;
    hub.post(&format!("/api/v1/jobs/{task}/cancel"), None).await;
    build.cut_off().await;
    hub.ends(&task, "REVOKED").await;
    for (what, list) in [("container", ["ps", "--all", "--quiet"]), ("layer", ["images", "--all", "--quiet"])]
    {
        wait_for(&format!("no {what} is left"), async || engine.lines(&list).is_empty().then_some(())).await;
    }
    let next = hub.ask("tool", "start", None).await;
    gate.next().await.pass().await;
    hub.ends(&next, "SUCCESS").await;
    assert_eq!(engine.running("tool"), ["web"]);
}

#[tokio::test]
async fn what_it_started_is_taken_away_by_a_cancel() {
    let Some(engine) = engine() else { return };
    let never = "    healthcheck: { test: [CMD, /bin/busybox, 'false'], interval: 1h, start_period: 1h }\n    networks: [n]\n";
    let text = compose(never).replace("    network_mode: host\n", "") + "networks: { n: {} }\n";
    let hub = on(&engine, "").project("tidy", &text, &dockerfile("")).start().await;
    let task = hub.ask("tidy", "start", None).await;
    hub.until(&task, "waiting for its services", |status| status["progress"] == 90).await;
    assert_eq!(engine.running("tidy"), ["web"]);
    hub.post(&format!("/api/v1/jobs/{task}/cancel"), None).await;
    hub.ends(&task, "REVOKED").await;
    assert!(engine.containers("tidy").is_empty());
    let networks = engine.lines(&["network", "ls", "--quiet", "--filter", "name=tidy"]);
    assert!(networks.is_empty(), "{networks:?}");
}

#[tokio::test]
async fn steps_of_buildkit_are_built_by_it() {
    let Some(engine) = engine() else { return };
    if !has_buildkit() {
        return eprintln!("SKIPPED: the engine's client cannot build with BuildKit");
    }
    let step = "RUN --mount=type=tmpfs,target=/scratch [\"/bin/busybox\", \"touch\", \"/scratch/x\"]";
    let hub = on(&engine, "retries = 0").project("kit", &compose(""), &dockerfile(step)).start().await;
    let task = hub.ask("kit", "start", None).await;
    hub.ends(&task, "SUCCESS").await;
    assert!(logged(&hub, &task, "is for BuildKit").await);
    assert_eq!(engine.running("kit"), ["web"]);
}

#[tokio::test]
async fn what_it_refuses_fails_for_good_and_what_fails_is_tried_again() {
    let Some(engine) = engine() else { return };
    let hub = on(&engine, "retry_delay = '50ms'\nretries = 1")
        .project("wrong", &compose("    enviroment: { A: b }\n"), &dockerfile(""))
        .project(
            "step",
            &compose("    networks: [x]\n")
                .replace("    network_mode: host\n", "")
                .replace("services:", "networks: { x: {} }\nservices:"),
            &dockerfile("RUN [\"/bin/busybox\", \"false\"]"),
        )
        .project("upper", "services: { web: { image: Shop/Web, ulimits: { nproc: 9 } } }", "")
        .project("name", "services: { web: { image: 'shop:', ulimits: { nproc: 9 } } }", "")
        .start()
        .await;
    for (project, expected, attempts) in [
        ("wrong", "enviroment", 1),
        ("step", "returned a non-zero code: 1", 2),
        ("upper", "Correct the image's name", 1),
        ("name", "Correct the image's name", 1),
    ] {
        let task = hub.ask(project, "start", None).await;
        let error = hub.ends(&task, "FAILURE").await["error"].as_str().unwrap().to_owned();
        assert!(error.contains(expected) && error.contains("docker compose"), "{project}: {error}");
        assert_eq!(hub.job(&task).await["attempt"], attempts, "{project}: {error}");
    }
}

#[tokio::test]
async fn without_it_the_key_is_named_and_what_to_install() {
    let Some(engine) = Engine::shared() else { return };
    for (way, expected) in [
        ("auto", "services.web.networks: is not supported; remove it."),
        ("program", "the program docker compose is not on the worker's machine; install it"),
    ] {
        let hub = on(&engine, &format!("compose = '{way}'"))
            .project("bare", &compose("    networks: [x]\n"), &dockerfile(""))
            .without_docker()
            .start()
            .await;
        let task = hub.ask("bare", "start", None).await;
        let failed = hub.ends(&task, "FAILURE").await;
        let error = failed["error"].as_str().unwrap();
        assert!(error.contains(expected) && error.contains("install"), "{way}: {error}");
        assert_eq!(hub.job(&task).await["attempt"], 1);
    }
}
