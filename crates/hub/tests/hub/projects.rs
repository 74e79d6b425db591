//! Projects that the API makes, changes and deletes while the hub runs.

use serde_json::{Value, json};

use crate::engine::Engine;
use crate::hub::{Builder, compose, dockerfile, on};

const AT: &str = "/api/v1/hub/projects";
const BY_REST: &str = "projects_by_rest = true\nretries = 0";

fn slug(problem: &Value) -> &str {
    problem["type"].as_str().unwrap().rsplit('/').next().unwrap()
}

#[tokio::test]
async fn a_project_is_made_changed_and_deleted_at_run_time() {
    let hub = Builder::new("unix:///nowhere", BY_REST).project("known", &compose(""), "").start().await;
    let shop = format!("{AT}/shop");
    let (code, problem) = hub.get(&shop).await;
    assert_eq!((code, &problem["projects"]), (404, &json!(["known"])), "{problem}");

    let given = json!({
        "services": { "web": { "image": "nginx:1", "environment": { "PASSWORD": "s3cret" } } },
        "env": { "TAG": "s3cret" },
    });
    let (code, made) = hub.put(&shop, given.clone()).await;
    assert_eq!(code, 201, "{made}");
    assert_eq!(
        (&made["name"], &made["source"], &made["started"]),
        (&json!("shop"), &json!("rest"), &json!(false))
    );
    assert_eq!(made["project"]["services"]["web"]["image"], "nginx:1");
    assert_eq!(made["project"]["env"], json!({ "TAG": "[redacted]" }));

    let (code, changed) = hub.put(&shop, json!({ "services": { "web": { "image": "nginx:2" } } })).await;
    assert_eq!((code, &changed["project"]), (200, &json!({ "services": { "web": { "image": "nginx:2" } } })));
    let (_, page) = hub.get(AT).await;
    let listed: Vec<_> =
        page["items"].as_array().unwrap().iter().map(|one| (&one["name"], &one["source"])).collect();
    assert_eq!(listed, [(&json!("known"), &json!("config")), (&json!("shop"), &json!("rest"))]);

    assert_eq!(hub.delete(&shop).await.0, 204);
    assert_eq!(hub.delete(&shop).await.0, 404);
    assert_eq!(hub.post("/api/orchestration/shop/start", None).await.0, 404);

    let (_, audit) = hub.get("/api/v1/audit?subject=project:shop").await;
    let actions: Vec<_> = audit["items"].as_array().unwrap().iter().map(|act| &act["action"]).collect();
    assert_eq!(actions, [&json!("drop project"), &json!("change project"), &json!("make project")]);
    assert!(!audit.to_string().contains("s3cret"), "{audit}");
}

#[tokio::test]
async fn a_project_is_checked_by_the_rules_of_the_config() {
    let hub = Builder::new("unix:///nowhere", BY_REST)
        .configured("Shop", "services.web = { image = 'nginx' }")
        .start()
        .await;
    let web = json!({ "web": { "image": "nginx" } });
    for (name, given, field, says) in [
        ("a", json!({}), "/services", "needs exactly one of compose and services"),
        ("a", json!({ "compose": "a.yaml", "services": web }), "/services", "needs exactly one of"),
        ("a", json!({ "services": web, "env": { "A=B": "x" } }), "/env", "hub.projects.a.env: found"),
        ("a", json!({ "services": 7 }), "/services", "hub.projects.a.services: found"),
        ("a", json!({ "services": web, "envs": {} }), "/envs", "did you mean env?"),
        ("-a", json!({ "services": web }), "project_id", "is not a name"),
        ("shop", json!({ "services": web }), "project_id", "is \"shop\" to the engine, as is Shop"),
    ] {
        let (code, problem) = hub.put(&format!("{AT}/{name}"), given).await;
        assert_eq!((code, &problem["field"]), (422, &json!(field)), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    }
    for path in [format!("{AT}/Shop"), format!("{AT}/Shop?abandon=true")] {
        let (code, problem) = hub.delete(&path).await;
        assert_eq!((code, slug(&problem)), (409, "project-of-config"), "{problem}");
    }
    let (code, problem) = hub.put(&format!("{AT}/Shop"), json!({ "services": web })).await;
    assert_eq!((code, slug(&problem)), (409, "project-of-config"), "{problem}");
    assert!(problem["remedy"].as_str().unwrap().contains("Change it in the config"), "{problem}");
}

#[tokio::test]
async fn without_the_setting_only_the_config_has_projects() {
    let hub = Builder::new("unix:///nowhere", "").project("known", &compose(""), "").start().await;
    let (code, problem) = hub.put(&format!("{AT}/shop"), json!({ "compose": "a.yaml" })).await;
    assert_eq!((code, slug(&problem)), (409, "projects-not-by-rest"), "{problem}");
    assert!(problem["remedy"].as_str().unwrap().contains("hub.projects_by_rest = true"), "{problem}");
    assert_eq!(hub.get(AT).await.1["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_worker_knows_a_project_at_once_and_a_started_one_is_not_deleted() {
    // No project is in the config, and nothing is asked of an engine but whether it is there.
    let hub = Builder::new("unix:///nowhere", BY_REST).start().await;
    let shop = format!("{AT}/shop");
    assert_eq!(hub.put(&shop, json!({ "services": { "web": { "image": "nginx" } } })).await.0, 201);
    let task = hub.ask("shop", "start", None).await;
    let failed = hub.ends(&task, "FAILURE").await;
    assert!(failed["error"].as_str().unwrap().contains("/nowhere"), "{failed}");

    // Its containers may be there.
    assert_eq!(hub.get(&shop).await.1["started"], true);
    let (code, problem) = hub.delete(&shop).await;
    assert_eq!((code, slug(&problem)), (409, "project-started"), "{problem}");
    assert!(problem["remedy"].as_str().unwrap().contains("?abandon=true"), "{problem}");
    assert_eq!(hub.delete(&format!("{shop}?abandon=true")).await.0, 204);
    assert_eq!(hub.post("/api/orchestration/shop/start", None).await.0, 404);
}

#[tokio::test]
async fn a_project_is_started_stopped_and_then_deleted() {
    let Some(engine) = Engine::shared() else { return };
    let hub =
        on(&engine, "projects_by_rest = true").project("beside", &compose(""), &dockerfile("")).start().await;
    let rest = format!("{AT}/byrest");
    let services = json!({ "web": {
        "build": { "context": "beside/app", "network": "host" }, "network_mode": "host", "stop_grace_period": "0s",
    } });
    assert_eq!(hub.put(&rest, json!({ "services": services })).await.0, 201);
    hub.ends(&hub.ask("byrest", "start", None).await, "SUCCESS").await;
    assert_eq!(hub.put(&rest, json!({ "compose": "beside/compose.yaml" })).await.0, 200);
    assert_eq!(hub.delete(&rest).await.0, 409);
    hub.ends(&hub.ask("byrest", "stop", None).await, "SUCCESS").await;
    assert_eq!(hub.delete(&rest).await.0, 204);
}
