//! Tasks that are enqueued by other interfaces than `POST /execute`, and what the log of their worker shows of them.

use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tidemill::vault::Keyring;
use tidemill_browser::agent::args::KIND;
use tokio::process::{Child, Command};

use super::model::Model;
use super::site::{SESSION, Site};
use super::tasks::{read_the_balance, with_session};
use super::{Stage, first_error, mill, spec, task};
use crate::server::text;

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
    for (sent, kept) in [(json!("high"), 3), (json!("CRITICAL"), 1), (json!(8), 8)] {
        let accepted = stage.execute(json!({"task_description": "look", "priority": sent})).await;
        assert_eq!(stage.server.job(&accepted["task_id"]).await["priority"], kept);
    }
    let accepted = stage.execute(task("look")).await;
    assert_eq!(stage.server.job(&accepted["task_id"]).await["priority"], 5);
}

/// A worker as a process, with a config of its own, that ends when it is dropped.
struct Worker {
    folder: TempDir,
    _process: Child,
}

impl Worker {
    /// `more` is added to the config.
    fn start(
        stage: &Stage,
        base_url: &str,
        more: &str,
        flags: &[&str],
        variables: &[(&str, String)],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "[database]\nurl = '{}'\n[worker]\nlisten = '127.0.0.1:0'\n[agent]\nmodel = 'scripted'\nbase_url = '{base_url}'\n\
            api_key = 'key-of-the-model'\nallow_private = true\nsandbox = false\n{more}",
            stage.store.options().url,
        );
        std::fs::write(folder.path().join("tidemill.toml"), config).unwrap();
        let process = Command::new(crate::binary::tidemill())
            .arg("worker")
            .args(flags)
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { folder, _process: process }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_logs_no_secret_however_much_it_logs() {
    let stage = Stage::new(Keyring::default()).await;
    let (site, model) = (Site::start().await, Model::start(read_the_balance).await);
    let worker = Worker::start(&stage, &model.base_url(), "", &["-vv"], &[]);
    let accepted = stage.execute(with_session(&site)).await;
    let done = stage.end(&accepted).await;
    assert_eq!(done["state"], "completed", "{}: {}", done, worker.log());
    let log = worker.log();
    let is_open = log.contains("DEBUG sqlx") && log.contains("DEBUG hyper_util");
    assert!(is_open && log.contains(text(&accepted["task_id"])), "{log}");
    for secret in [SESSION, "Ann-of-the-storage", "key-of-the-model"] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_models_server_shows_is_seen_nowhere_whatever_is_logged() {
    let stage = Stage::new(Keyring::default()).await;
    let model = Model::start(|_| ("finish", json!({"success": true, "answer": "done"}))).await;
    model.be_broken();
    let filter = "[log]\nfilter = 'info,tidemill=debug,async_openai::client=trace,async_openai=trace'\n";
    let worker = Worker::start(&stage, &model.base_url(), filter, &[], &[]);
    let accepted = stage.execute(task("look")).await;
    let error = first_error(&stage, &accepted).await;
    let message = text(&error["message"]);
    assert!(message.contains("502 Bad Gateway") && message.contains("Bearer [redacted]"), "{error}");
    let log = worker.log();
    assert!(log.contains(text(&accepted["task_id"])), "{log}");
    assert_eq!(log.lines().find(|line| line.contains("key-of-the-model")), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_behind_the_systems_proxy_is_reached() {
    let stage = Stage::new(Keyring::default()).await;
    let model = Model::start(|_| ("finish", json!({"success": true, "answer": "done"}))).await;
    let proxy = [("HTTP_PROXY", format!("http://{}", model.authority()))];
    let worker = Worker::start(&stage, "http://model.invalid/v1", "", &[], &proxy);
    let accepted = stage.execute(task("look")).await;
    let done = stage.end(&accepted).await;
    assert_eq!(done["result"]["answer"], "done", "{done}: {}", worker.log());
}
