//! Tasks that come by other ways than `POST /execute`, and what of them a worker with its log open shows.

use std::process::Stdio;

use serde_json::{Value, json};
use tidemill::job::agent::KIND;
use tidemill::vault::Keyring;
use tokio::process::Command;

use super::model::Model;
use super::site::{SESSION, Site};
use super::tasks::{read_the_balance, with_session};
use super::{Stage, mill, spec, task};
use crate::api::server::text;

/// Runs the binary against the stage's API; answers its output.
async fn run(stage: &Stage, args: &[&str]) -> Value {
    let mut command = Command::new(crate::binary::tidemill());
    command.env_clear().args(args).env("TIDEMILL_URL", format!("http://{}", stage.server.address));
    let output = command.output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_from_psql_or_the_command_line_is_done_as_any_other() {
    let stage = Stage::new(Keyring::default()).await;
    let (site, model) = (Site::start().await, Model::start(read_the_balance).await);
    let mill = mill(&stage.store, spec(&model)).start();
    let args = with_session(&site).to_string();
    let of_sql: String = stage
        .db
        .scalar(format!(
            "select enqueue('{KIND}', $j${args}$j$, queue => 'agent', execution_id => 'by-sql')::text"
        ))
        .await;
    let named = ["enqueue", KIND, "--queue", "agent", "--args", &args, "--execution-id", "by-cli", "--json"];
    let of_cli = run(&stage, &named).await;
    for (id, name) in [(of_sql.as_str(), "by-sql"), (text(&of_cli["id"]), "by-cli")] {
        let accepted = json!({"task_id": id, "status_url": format!("/api/tasks/{name}/status")});
        let done = stage.end(&accepted).await;
        assert_eq!(done["result"]["answer"], "Hello [redacted]; Balance: 1,234.56 EUR", "{done}");
        assert_eq!(stage.status(&accepted).await["task_id"], id);
    }
    assert_eq!(site.count("GET /balance"), 2, "the session was the site's");
    mill.stop().await;
}

#[tokio::test]
async fn a_priority_is_the_jobs() {
    let stage = Stage::new(Keyring::default()).await;
    for (said, kept) in [(json!("high"), 3), (json!("CRITICAL"), 1), (json!(8), 8)] {
        let accepted = stage.execute(json!({"task_description": "look", "priority": said})).await;
        assert_eq!(stage.server.job(&accepted["task_id"]).await["priority"], kept);
    }
    let accepted = stage.execute(task("look")).await;
    assert_eq!(stage.server.job(&accepted["task_id"]).await["priority"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_logs_no_secret_however_much_it_logs() {
    let stage = Stage::new(Keyring::default()).await;
    let (site, model) = (Site::start().await, Model::start(read_the_balance).await);
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[database]\nurl = '{}'\n[worker]\nlisten = '127.0.0.1:0'\n[agent]\nmodel = 'scripted'\nbase_url = '{}'\n\
        api_key = 'key-of-the-model'\nallow_private = true\nsandbox = false\n",
        stage.store.options().url,
        model.base_url()
    );
    std::fs::write(folder.path().join("tidemill.toml"), config).unwrap();
    let path = folder.path().join("log");
    let _worker = Command::new(crate::binary::tidemill())
        .args(["worker", "-vv"])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&path).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let accepted = stage.execute(with_session(&site)).await;
    let done = stage.end(&accepted).await;
    assert_eq!(done["state"], "completed", "{}: {}", done, std::fs::read_to_string(&path).unwrap());
    let log = std::fs::read_to_string(&path).unwrap();
    let is_open = log.contains("DEBUG sqlx") && log.contains("DEBUG hyper_util");
    assert!(is_open && log.contains(text(&accepted["task_id"])), "{log}");
    for secret in [SESSION, "Ann-of-the-storage", "key-of-the-model"] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
}
