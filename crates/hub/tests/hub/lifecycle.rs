//! From the first request to containers that run, and to containers that do not.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::engine::Engine;
use crate::gate::Gate;
use crate::hub::{compose, dockerfile, on};
use crate::wait_for;

/// A shop: a store that is well once it says so, a web that waits for it, a task that ends.
const SHOP: &str = r#"
services:
  web:
    build: { context: app, network: host }
    network_mode: host
    environment: { GREETING: "hello from ${PLACE:-nowhere}" }
    stop_grace_period: 0s
    command: ["/bin/busybox", "sh", "-c", "/bin/busybox echo $$GREETING; exec /bin/busybox sleep 1000"]
    depends_on:
      store: { condition: service_healthy }
      setup: { condition: service_completed_successfully }
  store:
    build: { context: app, network: host }
    image: shop/store
    network_mode: host
    volumes: ["./data:/data"]
    command: ["/bin/busybox", "sh", "-c", "/bin/busybox touch /data/well; exec /bin/busybox sleep 1000"]
    healthcheck: { test: ["CMD", "/bin/busybox", "test", "-e", "/data/well"], interval: 200ms, retries: 50 }
    stop_grace_period: 0s
  setup:
    image: shop/store
    network_mode: none
    command: /bin/busybox echo "set up"
    depends_on: [store]
"#;

#[tokio::test]
async fn a_project_is_started_read_restarted_and_stopped() {
    let Some(engine) = Engine::shared() else { return };
    let hub = on(&engine, "").project("shop", SHOP, &dockerfile("")).start().await;
    let (code, taken) = hub.post("/api/orchestration/shop/start", None).await;
    let task = taken["task_id"].as_str().unwrap().to_owned();
    let message = format!("Project start initiated. Poll /task-status/{task} for progress.");
    assert_eq!((code, taken), (200, json!({ "task_id": task, "status": "pending", "message": message })));

    let done = hub.ends(&task, "SUCCESS").await;
    assert_eq!(
        (&done["task_id"], &done["status"], &done["progress"], &done["error"]),
        (&json!(task), &json!("Completed successfully"), &json!(100), &Value::Null)
    );
    assert_eq!((&done["result"]["success"], &done["result"]["project_id"]), (&json!(true), &json!("shop")));
    assert_eq!(
        hub.get(&format!("/task-status/{task}")).await,
        (200, done.clone()),
        "the short address says the same"
    );
    let services = &done["result"]["result"]["services"];
    assert_eq!(
        (&services["web"]["status"], &services["store"]["health"]),
        (&json!("running"), &json!("healthy"))
    );
    assert_eq!(
        (&services["setup"]["status"], &services["setup"]["exit_code"]),
        (&json!("exited"), &json!(0))
    );
    assert_eq!(engine.running("shop"), ["store", "web"], "docker ps sees them");

    let logs = hub.ask("shop", "logs", Some(json!({ "service_name": "web", "lines": 5 }))).await;
    let logs = hub.ends(&logs, "SUCCESS").await;
    assert_eq!(logs["result"]["result"]["logs"], "hello from nowhere\n");
    let both = hub.ask("shop", "logs", None).await;
    let both = hub.ends(&both, "SUCCESS").await["result"]["result"]["logs"].to_string();
    assert!(
        both.contains("==> web <==\\nhello from nowhere") && both.contains("==> setup <==\\nset up"),
        "{both}"
    );

    let started = || engine.docker(&["inspect", "--format", "{{.State.StartedAt}}", "shop-web-1"]).unwrap();
    let before = started();
    let restart = hub.ask("shop", "restart?service_name=web", None).await;
    let restarted = hub.ends(&restart, "SUCCESS").await;
    assert_ne!(started(), before);
    assert_eq!(restarted["result"]["result"]["services"].as_object().unwrap().len(), 1);

    let containers = engine.containers("shop");
    let stop = hub.ask("shop", "stop", None).await;
    let stopped = hub.ends(&stop, "SUCCESS").await;
    assert_eq!(stopped["result"]["result"]["status"], "stopped");
    assert_eq!((engine.running("shop").len(), engine.containers("shop").len()), (0, 3));

    let again = hub.ask("shop", "start", None).await;
    assert_ne!(again, task);
    hub.ends(&again, "SUCCESS").await;
    assert_eq!(
        (engine.running("shop").len(), engine.containers("shop")),
        (2, containers),
        "they are started again"
    );
}

#[tokio::test]
async fn progress_is_what_really_happens() {
    let Some(engine) = Engine::shared() else { return };
    let gate = Gate::open().await;
    let hub = on(&engine, "").project("steps", &compose(""), &dockerfile(&gate.step())).start().await;
    let task = hub.ask("steps", "start", None).await;
    let asked = Instant::now();
    hub.until(&task, "at 10 percent", |status| status["progress"].as_u64() >= Some(10)).await;
    assert!(asked.elapsed() < Duration::from_secs(2), "the first progress came after {:?}", asked.elapsed());
    let mut build = gate.next().await;
    build.print("half way").await;
    // The build waits: the third of five steps, for the label of the project is one.
    let status = hub
        .until(&task, "at its third step", |status| status["status"].as_str().unwrap().contains("Step 3/5"))
        .await;
    assert_eq!(
        (&status["state"], &status["ready"], &status["progress"]),
        (&json!("BUILDING"), &json!(false), &json!(50))
    );
    wait_for("the build's output in the log, while it builds", async || {
        hub.build_lines(&task).await.contains(&"web | half way".to_owned()).then_some(())
    })
    .await;
    assert!(engine.running("steps").is_empty());
    build.pass().await;
    hub.ends(&task, "SUCCESS").await;
    let progress: Vec<(f64, String)> = hub
        .events(&task, "progress")
        .await
        .iter()
        .map(|event| event.get("data").filter(|data| data.get("percent").is_some()).unwrap_or(event).clone())
        .filter_map(|data| Some((data["percent"].as_f64()?, data["step"].as_str()?.to_owned())))
        .collect();
    assert!(progress.is_sorted_by(|a, b| a.0 <= b.0), "it never goes back: {progress:?}");
    for (percent, step) in [
        (10.0, "Initializing Docker client..."),
        (30.0, "Building containers (this may take 20-30 min)..."),
        (80.0, "Starting services..."),
    ] {
        assert!(progress.contains(&(percent, step.to_owned())), "{percent} {step}: {progress:?}");
    }
}

#[tokio::test]
async fn what_runs_is_at_eighty_percent_or_more() {
    let Some(engine) = Engine::shared() else { return };
    let hub = on(&engine, "").project("eighty", &compose(""), &dockerfile("")).start().await;
    for verb in ["start", "restart", "logs", "stop"] {
        let task = hub.ask("eighty", verb, None).await;
        hub.ends(&task, "SUCCESS").await;
        let mut ran = false;
        for event in hub.events(&task, "progress").await {
            let progress = event.get("data").filter(|data| data.get("percent").is_some()).unwrap_or(&event);
            if progress.to_string().contains("\"RUNNING\"") {
                ran = true;
                assert!(
                    progress["percent"].as_f64().is_none_or(|percent| percent >= 80.0),
                    "{verb}: {event}"
                );
            }
        }
        assert!(ran, "{verb}");
    }
}

#[tokio::test]
async fn a_project_may_stand_in_the_config() {
    let Some(engine) = Engine::shared() else { return };
    let services = "services.only = { build = { context = 'base/app', network = 'host' }, network_mode = 'host', command = ['/bin/busybox', 'sleep', '${FOR}'] }\nenv = { FOR = '1000' }";
    let hub = on(&engine, "")
        .project("base", &compose(""), &dockerfile(""))
        .configured("42", services)
        .start()
        .await;
    let task = hub.ask("42", "start", None).await;
    let done = hub.ends(&task, "SUCCESS").await;
    assert_eq!(done["result"]["project_id"], json!(42), "a number stays a number");
    assert_eq!(engine.running("42"), ["only"]);
}

#[tokio::test]
async fn a_changed_description_makes_a_new_container() {
    let Some(engine) = Engine::shared() else { return };
    let hub = on(&engine, "").project("change", &compose(""), &dockerfile("")).start().await;
    hub.ends(&hub.ask("change", "start", None).await, "SUCCESS").await;
    let first = engine.containers("change");
    hub.ends(&hub.ask("change", "start", None).await, "SUCCESS").await;
    assert_eq!(engine.containers("change"), first, "what is as it should be stays");
    std::fs::write(hub.path("change/compose.yaml"), compose("    environment: { A: b }\n")).unwrap();
    hub.ends(&hub.ask("change", "start", None).await, "SUCCESS").await;
    let second = engine.containers("change");
    assert!(second.len() == 1 && second != first);
    assert_eq!(engine.running("change"), ["web"]);
}

#[tokio::test]
async fn a_crash_of_the_worker_is_no_end() {
    let Some(engine) = Engine::shared() else { return };
    let gate = Gate::open().await;
    let mut hub = on(&engine, "retry_delay = '100ms'")
        .project("crash", &compose(""), &dockerfile(&gate.step()))
        .start()
        .await;
    let task = hub.ask("crash", "start", None).await;
    let build = gate.next().await;
    hub.kill();
    build.cut_off().await;
    hub.run().await;
    gate.next().await.pass().await;
    hub.ends(&task, "SUCCESS").await;
    assert_eq!(engine.running("crash"), ["web"]);
    assert_eq!(hub.job(&task).await["attempt"], 2);
}

/// One writes into a volume, the other answers at a port and reaches the first over their network.
const SHARED: &str = r#"
services:
  web:
    build: { context: app, network: host }
    command: [/bin/busybox, sh, -c, "while :; do echo to-you | /bin/busybox nc -l -p 80; done"]
    ports: ["127.0.0.1:PORT:80"]
    depends_on: [peer]
    stop_grace_period: 0s
  peer:
    build: { context: app, network: host }
    command: [/bin/busybox, sh, -c, "/bin/busybox echo kept >> /data/note; exec /bin/busybox sleep 1000"]
    volumes: [notes:/data]
    stop_grace_period: 0s
volumes:
  notes:
"#;

#[tokio::test]
async fn services_have_a_network_ports_and_volumes() {
    let Some(engine) = Engine::shared() else { return };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = SHARED.replace("PORT", &port.to_string());
    let hub = on(&engine, "").project("shared", &text, &dockerfile("")).start().await;
    hub.ends(&hub.ask("shared", "start", None).await, "SUCCESS").await;
    wait_for("the published port answers", async || {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let mut received = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut received).await.ok()?;
        (received == "to-you\n").then_some(())
    })
    .await;
    let aliases = "{{json .NetworkSettings.Networks.shared_default.Aliases}}";
    assert!(engine.docker(&["inspect", "--format", aliases, "shared-peer-1"]).unwrap().contains("\"peer\""));
    let notes = || engine.docker(&["exec", "shared-peer-1", "/bin/busybox", "cat", "/data/note"]).unwrap();
    assert_eq!(notes(), "kept");
    std::fs::write(hub.path("shared/compose.yaml"), text.replace("sleep 1000", "sleep 1001")).unwrap();
    hub.ends(&hub.ask("shared", "start", None).await, "SUCCESS").await;
    assert_eq!(notes(), "kept\nkept", "a new container finds what the old one left");
    assert_eq!(engine.lines(&["volume", "ls", "--quiet", "--filter", "name=shared"]), ["shared_notes"]);
}

#[tokio::test]
async fn long_logs_lose_their_oldest_lines() {
    let Some(engine) = Engine::shared() else { return };
    // What JSON writes with six letters each.
    let script = "b() { /bin/busybox $$@; }; b head -c 900000 /dev/zero | b tr '\\000' '\\033'; b echo; b echo last; exec /bin/busybox sleep 1000";
    let command = format!("    command: [/bin/busybox, sh, -c, \"{}\"]\n", script.replace('\\', "\\\\"));
    let hub = on(&engine, "").project("wordy", &compose(&command), &dockerfile("")).start().await;
    hub.ends(&hub.ask("wordy", "start", None).await, "SUCCESS").await;
    let done = hub.ends(&hub.ask("wordy", "logs", Some(json!({ "lines": 10_000 }))).await, "SUCCESS").await;
    let result = &done["result"]["result"];
    assert_eq!(result["services"]["web"], json!({ "bytes": 128 * 1024, "truncated": true }));
    let text = result["logs"].as_str().unwrap();
    assert!(text.len() == 128 * 1024 && text.ends_with("last\n") && text.starts_with('\u{1b}'));
}

#[tokio::test]
async fn a_hundred_lines_are_read_unless_asked_otherwise() {
    let Some(engine) = Engine::shared() else { return };
    let command =
        "    command: [/bin/busybox, sh, -c, '/bin/busybox seq 150; exec /bin/busybox sleep 1000']\n";
    let hub = on(&engine, "").project("lines", &compose(command), &dockerfile("")).start().await;
    hub.ends(&hub.ask("lines", "start", None).await, "SUCCESS").await;
    let read = hub.ends(&hub.ask("lines", "logs", None).await, "SUCCESS").await;
    let text = read["result"]["result"]["logs"].as_str().unwrap().to_owned();
    assert_eq!((text.lines().count(), text.lines().next()), (100, Some("51")));
    // As SQL and Rust ask for it, without the routes' default.
    let job = json!({ "kind": "hub.logs", "args": { "project": "lines" } });
    let (_, job) = hub.post("/api/v1/jobs", Some(job)).await;
    let read = hub.ends(job["id"].as_str().unwrap(), "SUCCESS").await;
    assert_eq!(read["result"]["result"]["logs"], text);
}

#[tokio::test]
async fn a_project_whose_file_is_lost_or_broken_is_read_restarted_and_stopped() {
    let Some(engine) = Engine::shared() else { return };
    let text = compose("").replace("services:", "name: lost-${STAGE:-one}\nservices:");
    let hub = on(&engine, "").project("lost", &text, &dockerfile("")).start().await;
    let file = hub.path("lost/compose.yaml");
    for broken in [None, Some("services: [")] {
        std::fs::write(&file, &text).unwrap();
        hub.ends(&hub.ask("lost", "start", None).await, "SUCCESS").await;
        assert_eq!(engine.running("lost-one"), ["web"]);
        match broken {
            None => std::fs::remove_file(&file).unwrap(),
            Some(words) => std::fs::write(&file, words).unwrap(),
        }
        hub.ends(&hub.ask("lost", "logs", None).await, "SUCCESS").await;
        hub.ends(&hub.ask("lost", "restart", None).await, "SUCCESS").await;
        let stopped = hub.ends(&hub.ask("lost", "stop", None).await, "SUCCESS").await;
        assert_eq!(stopped["result"]["result"]["project"], "lost-one");
        assert!(engine.running("lost-one").is_empty());
        hub.ends(&hub.ask("lost", "start", None).await, "FAILURE").await;
    }
}

#[tokio::test]
async fn a_service_that_keeps_no_log_hides_no_other() {
    let Some(engine) = Engine::shared() else { return };
    let command = "    command: [/bin/busybox, sh, -c, '/bin/busybox echo hello; exec /bin/busybox sleep 1000']\n    stop_grace_period: 0s\n";
    let mute = compose("    logging: { driver: none }\n").replace("services:\n  web:", "  mute:");
    let text = compose(command) + &mute;
    let hub = on(&engine, "").project("mute", &text, &dockerfile("")).start().await;
    hub.ends(&hub.ask("mute", "start", None).await, "SUCCESS").await;
    let done = hub.ends(&hub.ask("mute", "logs", None).await, "SUCCESS").await;
    let logs = done["result"]["result"]["logs"].as_str().unwrap();
    assert!(logs.contains("==> web <==\nhello\n") && logs.contains("such as json-file"), "{logs}");
    let task = hub.ask("mute", "logs", Some(json!({ "service_name": "mute" }))).await;
    let error = hub.ends(&task, "FAILURE").await["error"].as_str().unwrap().to_owned();
    assert!(error.contains("such as json-file"), "{error}");
    assert_eq!(hub.job(&task).await["attempt"], 1, "it is not tried again");
}

#[tokio::test]
async fn a_dockerfile_gets_the_platform() {
    let Some(engine) = Engine::shared() else { return };
    let step = "ARG TARGETPLATFORM TARGETARCH\nRUN [\"/bin/busybox\", \"sh\", \"-c\", \"[ $TARGETPLATFORM = linux/$TARGETARCH ]\"]";
    let hub =
        on(&engine, "compose = 'builtin'").project("arch", &compose(""), &dockerfile(step)).start().await;
    hub.ends(&hub.ask("arch", "start", None).await, "SUCCESS").await;
    assert_eq!(engine.running("arch"), ["web"]);
}
