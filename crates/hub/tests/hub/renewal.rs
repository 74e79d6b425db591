//! Services whose description changed: how the old container ends, what moves to the new one, and what stays.

use crate::engine::Engine;
use crate::hub::{Hub, compose, dockerfile, on};
use crate::program;

/// Says in a folder of the machine how it was stopped, and counts its runs in a volume without a name.
const POLITE: &str = r#"    volumes: [./said:/said, /kept]
    stop_signal: USR1
    stop_grace_period: 30s
    command:
      - /bin/busybox
      - sh
      - -c
      - |
        trap '/bin/busybox echo stopped >> /said/how; exit 0' USR1
        /bin/busybox echo run >> /kept/runs
        while :; do /bin/busybox sleep 0.1; done
"#;

/// Ends at once when it is stopped.
const QUICK: &str = "    stop_grace_period: 0s\n";

async fn started(hub: &Hub, project: &str) {
    hub.ends(&hub.ask(project, "start", None).await, "SUCCESS").await;
}

#[tokio::test]
async fn a_changed_service_is_stopped_as_it_says_and_keeps_its_volumes() {
    let Some(engine) = Engine::shared() else { return };
    let hub =
        on(&engine, "").project("polite", &compose(POLITE), &dockerfile("VOLUME /of-image")).start().await;
    let read = |path: &str| engine.docker(&["exec", "polite-web-1", "/bin/busybox", "cat", path]);
    let mounted = || {
        let mounts = "{{range .Mounts}}{{println .Type .Name .Destination}}{{end}}";
        engine.lines(&["inspect", "--format", mounts, "polite-web-1"])
    };
    started(&hub, "polite").await;
    let (first, mounts) = (engine.containers("polite"), mounted());
    assert!(mounts.iter().filter(|mount| mount.starts_with("volume ")).count() == 2, "{mounts:?}");
    for runs in ["run\nrun", "run\nrun\nrun"] {
        let more = format!("{POLITE}    environment: {{ A: {} }}\n", runs.len());
        std::fs::write(hub.path("polite/compose.yaml"), compose(&more)).unwrap();
        started(&hub, "polite").await;
        assert_eq!(read("/kept/runs").as_deref(), Some(runs), "it finds what the old one left");
        assert_eq!(mounted(), mounts);
    }
    assert_eq!(std::fs::read_to_string(hub.path("polite/said/how")).unwrap(), "stopped\nstopped\n");
    let last = engine.containers("polite");
    assert!(last.len() == 1 && last != first);
}

/// Cuts off, in one way and in the other, a start that recreated a container.
async fn cut_off_when_renewed(engine: &Engine, project: &str, settings: &str) {
    let well = "    volumes: [./well:/well, /kept]\n    stop_grace_period: 0s\n    healthcheck: { test: [CMD, /bin/busybox, test, -e, /well/yes], interval: 200ms, start_period: 1h }\n";
    let hub = on(engine, settings).project(project, &compose(well), &dockerfile("")).start().await;
    let (folder, yes) = (hub.path(project).join("well"), hub.path(project).join("well/yes"));
    std::fs::create_dir(folder).unwrap();
    let volumes = || {
        let names = "{{range .Mounts}}{{println .Name}}{{end}}";
        let containers = engine.containers(project);
        let args = ["inspect", "--format", names].into_iter().chain(containers.iter().map(String::as_str));
        engine.lines(&args.collect::<Vec<_>>())
    };
    std::fs::write(&yes, "").unwrap();
    started(&hub, project).await;
    let kept = volumes();
    for verb in ["cancel", "stop"] {
        std::fs::remove_file(&yes).unwrap();
        let more = format!("{well}    environment: {{ A: {verb} }}\n");
        std::fs::write(hub.path(project).join("compose.yaml"), compose(&more)).unwrap();
        let before = engine.containers(project);
        let task = hub.ask(project, "start", None).await;
        hub.until(&task, "waiting for its services", |status| status["progress"] == 90).await;
        if verb == "cancel" {
            hub.post(&format!("/api/v1/jobs/{task}/cancel"), None).await;
        } else {
            let stop = hub.ask(project, "stop", None).await;
            let stopped = hub.ends(&stop, "SUCCESS").await;
            assert_eq!(stopped["result"]["result"]["services"].as_object().unwrap().len(), 1, "{stopped}");
        }
        hub.ends(&task, "REVOKED").await;
        let after = engine.containers(project);
        assert!(after.len() == 1 && after != before, "{verb}: {before:?} {after:?}");
        assert!(engine.running(project).is_empty(), "{verb}");
        std::fs::write(&yes, "").unwrap();
        started(&hub, project).await;
        assert_eq!(volumes(), kept, "the next start finds its volume, after {verb}");
    }
}

#[tokio::test]
async fn a_start_that_renewed_a_service_is_cut_off_and_keeps_it() {
    let Some(engine) = Engine::shared() else { return };
    cut_off_when_renewed(&engine, "recreated", "").await;
}

#[tokio::test]
async fn a_start_by_the_program_that_renewed_a_service_is_cut_off_and_keeps_it() {
    let Some(engine) = program::engine() else { return };
    cut_off_when_renewed(&engine, "recreated-too", "compose = 'program'").await;
}

#[tokio::test]
async fn services_that_are_no_longer_in_the_file_are_reported() {
    let Some(engine) = Engine::shared() else { return };
    let image = "    build: { context: app, network: host }\n    network_mode: host\n";
    let rest = format!("  old:\n{image}{QUICK}  odd:\n{image}{QUICK}    profiles: [odd]\n");
    let hub = on(&engine, "").project("less", &compose(&format!("{QUICK}{rest}")), &dockerfile(""));
    let hub = hub.configured("less.env", "COMPOSE_PROFILES = 'odd'").start().await;
    let leftovers_logged = async |task: &str| {
        let lines = hub.build_lines(task).await;
        lines.into_iter().filter(|line| line.contains("no longer describes")).collect::<Vec<_>>()
    };
    let task = hub.ask("less", "start", None).await;
    hub.ends(&task, "SUCCESS").await;
    assert_eq!(leftovers_logged(&task).await, [""; 0]);
    // A service that only is not wanted is described all the same.
    let rest = rest.replace(&format!("  old:\n{image}{QUICK}"), "").replace("[odd]", "[other]");
    std::fs::write(hub.path("less/compose.yaml"), compose(&format!("{QUICK}{rest}"))).unwrap();
    let task = hub.ask("less", "start", None).await;
    hub.ends(&task, "SUCCESS").await;
    let lines = leftovers_logged(&task).await;
    assert!(lines.len() == 1 && lines[0].contains("docker rm --force less-old-1"), "{lines:?}");
    assert!(!lines[0].contains("less-odd-1"), "{lines:?}");
    assert_eq!(engine.running("less"), ["odd", "old", "web"]);
}

#[tokio::test]
async fn a_container_that_cannot_be_recreated_continues_unchanged() {
    let Some(engine) = Engine::shared() else { return };
    let hub = on(&engine, "retries = 0").project("stays", &compose(QUICK), &dockerfile("")).start().await;
    started(&hub, "stays").await;
    let before = engine.containers("stays");
    std::fs::write(
        hub.path("stays/compose.yaml"),
        compose(&format!("{QUICK}    cap_add: [NO_SUCH_THING]\n")),
    )
    .unwrap();
    let failed = hub.ends(&hub.ask("stays", "start", None).await, "FAILURE").await;
    assert!(failed["error"].as_str().unwrap().contains("NO_SUCH_THING"), "{failed}");
    assert_eq!((engine.containers("stays"), engine.running("stays").len()), (before, 1));
}

#[tokio::test]
async fn another_volume_under_the_same_words_makes_a_new_container() {
    // Nobody else builds the same there, which may make another image of it.
    let engine = Engine::own();
    let Some(engine) = engine else { return };
    let text = compose(&format!("{QUICK}    volumes: [notes:/notes]\n"))
        + "volumes: { notes: { name: moves-one } }\n";
    let hub = on(&engine, "").project("moves", &text, &dockerfile("")).start().await;
    started(&hub, "moves").await;
    let first = engine.containers("moves");
    std::fs::write(hub.path("moves/compose.yaml"), text.replace("moves-one", "moves-two")).unwrap();
    started(&hub, "moves").await;
    let mounts = "{{range .Mounts}}{{.Name}}{{end}}";
    assert_eq!(engine.lines(&["inspect", "--format", mounts, "moves-web-1"]), ["moves-two"]);
    assert_ne!(engine.containers("moves"), first);
}

#[tokio::test]
async fn what_somebody_runs_for_once_is_left_alone() {
    let Some(engine) = Engine::shared() else { return };
    let hub = on(&engine, "").project("once", &compose(QUICK), &dockerfile("")).start().await;
    started(&hub, "once").await;
    let labels = ["project=once", "service=web", "oneoff=True", "container-number=1"];
    let labels = labels.map(|label| format!("--label=com.docker.compose.{label}"));
    let run = ["run", "--detach", "--network=none"].into_iter().chain(labels.iter().map(String::as_str));
    let by_hand = engine.docker(&run.chain(["once-web"]).collect::<Vec<_>>()).unwrap();
    let state =
        || engine.docker(&["inspect", "--format", "{{.State.Running}} {{.State.StartedAt}}", &by_hand]);
    let before = state().unwrap();
    assert!(before.starts_with("true"), "{before}");
    std::fs::write(hub.path("once/compose.yaml"), compose(&format!("{QUICK}    environment: {{ A: b }}\n")))
        .unwrap();
    for verb in ["start", "restart", "logs", "stop"] {
        let done = hub.ends(&hub.ask("once", verb, None).await, "SUCCESS").await;
        assert_eq!(done["result"]["result"]["services"].as_object().unwrap().len(), 1, "{done}");
        assert_eq!(state().as_ref(), Some(&before), "after {verb}");
    }
}

#[tokio::test]
async fn two_projects_of_one_name_cannot_undo_each_other() {
    let Some(engine) = Engine::shared() else { return };
    let text = compose("").replace("services:", "name: same\nservices:");
    let first = on(&engine, "").project("first", &text, &dockerfile("")).start().await;
    started(&first, "first").await;
    let before = engine.containers("same");
    // Another config, which cannot know of the first.
    let other = on(&engine, "").project("other", &text, &dockerfile("")).start().await;
    for verb in ["start", "restart", "stop"] {
        let failed = other.ends(&other.ask("other", verb, None).await, "FAILURE").await;
        let error = failed["error"].as_str().unwrap();
        assert!(error.contains("the engine's project same is that of hub.projects.first"), "{verb}: {error}");
    }
    assert_eq!((engine.containers("same"), engine.running("same").len()), (before, 1));
    // The same config.
    let both = on(&engine, "").project("Twin", &compose(""), &dockerfile(""));
    let both = both.project("twin", &compose(""), &dockerfile("")).start().await;
    let failed = both.ends(&both.ask("twin", "start", None).await, "FAILURE").await;
    assert!(failed["error"].as_str().unwrap().contains("is that of hub.projects.Twin"), "{failed}");
    assert!(engine.containers("twin").is_empty());
}
