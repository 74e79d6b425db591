//! What cannot be done says so: at once where it is known at once, and never tried twice.

use serde_json::json;

use crate::engine::Engine;
use crate::hub::{Builder, compose, dockerfile, on};

#[tokio::test]
async fn an_unknown_project_is_refused_with_those_that_there_are() {
    // Nothing is asked of an engine.
    let hub = Builder::new("unix:///nowhere", "").project("known", &compose(""), "").start().await;
    for verb in ["start", "stop", "restart", "logs"] {
        let (code, problem) = hub.post(&format!("/api/orchestration/other/{verb}"), None).await;
        assert_eq!((code, &problem["projects"]), (404, &json!(["known"])), "{problem}");
        assert!(problem["type"].as_str().unwrap().ends_with("/project-not-found"));
        assert!(problem["detail"].as_str().unwrap().contains("The projects are: known."));
    }
    let unknown = "/api/orchestration/task-status/01890000-0000-7000-8000-000000000000";
    assert_eq!(hub.get(unknown).await.0, 404);
    for (body, field) in [
        (json!({ "lines": 0 }), "/lines"),
        (json!({ "lines": 10_001 }), "/lines"),
        (json!({ "service_name": "" }), "/service_name"),
        (json!({ "follow": true }), "/follow"),
    ] {
        let (code, problem) = hub.post("/api/orchestration/known/logs", Some(body)).await;
        assert_eq!((code, &problem["field"]), (422, &json!(field)), "{problem}");
    }
}

#[tokio::test]
async fn a_bad_compose_file_fails_for_good_and_names_the_key() {
    let Some(engine) = Engine::shared() else { return };
    let hub = on(&engine, "compose = 'builtin'")
        .project("bad", &compose("    secrets: [key]\n"), &dockerfile(""))
        .project("odd", "services: [", &dockerfile(""))
        .project("dock", &compose(""), "FROM scratch\nCOPI busybox /\n")
        .project("copy", &compose(""), "FROM scratch\nCOPY missing /\n")
        .project("out", &compose(""), "FROM scratch\nCOPY ../compose.yaml /\n")
        .project("lost", &compose(""), "")
        .project("glob", &compose(""), &dockerfile(""))
        .project("secret", &compose(""), &dockerfile(""))
        .configured("gone", "compose = 'gone/compose.yaml'")
        .start()
        .await;
    std::fs::remove_file(hub.path("lost/app/Dockerfile")).unwrap();
    std::fs::write(hub.path("glob/app/.dockerignore"), "a[\n").unwrap();
    std::fs::write(hub.path("secret/.env"), "A=1\nPASSWORD=s3cret$word\n").unwrap();
    for (project, named) in [
        ("bad", "services.web.secrets: is not supported; remove it."),
        ("bad", "install the program docker compose"),
        ("odd", "odd/compose.yaml: is not YAML"),
        ("dock", "unknown instruction: COPI"),
        ("copy", "Correct the Dockerfile or its context."),
        ("out", "Correct the Dockerfile or its context."),
        ("lost", "services.web.build: has the Dockerfile Dockerfile, which is not a file in"),
        ("glob", "its context cannot be read: .dockerignore: "),
        ("secret", "secret/.env, whose line 2 is not understood"),
        ("gone", "correct hub.projects.gone.compose, or create the file"),
    ] {
        let task = hub.ask(project, "start", None).await;
        let failed = hub.ends(&task, "FAILURE").await;
        assert_eq!((&failed["status"], &failed["progress"]), (&json!("Task failed"), &json!(0)));
        let error = failed["error"].as_str().unwrap();
        assert!(error.to_lowercase().contains(&named.to_lowercase()), "{project}: {error}");
        assert!(!error.contains("s3cret"), "{error}");
        assert_eq!(hub.job(&task).await["attempt"], 1, "{project} is not tried again");
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_is_named() {
    let Some(engine) = Engine::shared() else { return };
    let hub = on(&engine, "").project("few", &compose(""), &dockerfile("")).start().await;
    hub.ends(&hub.ask("few", "start", None).await, "SUCCESS").await;
    for verb in ["restart", "logs"] {
        let task = hub.ask("few", verb, Some(json!({ "service_name": "db" }))).await;
        let failed = hub.ends(&task, "FAILURE").await;
        assert_eq!(
            failed["error"],
            "the project few has no container of \"db\"; it has: web. Name one of these, or start the \
             project if its description now has the service."
        );
    }
}
