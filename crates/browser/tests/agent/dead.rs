//! Browsers that die and pages that hang: another attempt continues, or the model learns of it, long before the task's time
//! is over.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;
use tidemill::vault::Keyring;
use tidemill_browser::agent::AgentSpec;

use super::model::{Model, Turn};
use super::site::Site;
use super::socket::frames;
use super::{Stage, first_error, mill, spec, task};
use crate::server::text;

/// A browser whose process can be found: it notes its id before it becomes one.
struct Marked {
    folder: TempDir,
}

impl Marked {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("browser");
        let pid = folder.path().join("pid");
        fs::write(&script, format!("#!/bin/sh\necho $$ > {}\nexec chromium \"$@\"\n", pid.display()))
            .unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("browser")
    }

    /// The browser that was started last.
    fn pid(folder: &Path) -> i32 {
        fs::read_to_string(folder.join("pid")).unwrap().trim().parse().unwrap()
    }

    fn kill_browser(folder: &Path) {
        kill(Pid::from_raw(Self::pid(folder)), Signal::SIGKILL).unwrap();
    }

    /// Kills what shows its pages.
    fn kill_pages(folder: &Path) {
        let group = Self::pid(folder).to_string();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let read = |file: &str| fs::read_to_string(entry.path().join(file)).unwrap_or_default();
            let is_ours = || {
                read("stat").rsplit(") ").next().is_some_and(|rest| rest.split(' ').nth(2) == Some(&group))
            };
            if read("cmdline").contains("--type=renderer") && is_ours() {
                let pid = entry.file_name().to_str().unwrap().parse().unwrap();
                kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
            }
        }
    }
}

/// A task in whose second step something breaks once: it must be done by its second attempt.
async fn survived(breaks: impl Fn(&Path) + Copy + Send + Sync + 'static, answers: bool) {
    let (stage, site, marked) = (Stage::new(Keyring::default()).await, Site::start().await, Marked::new());
    let (page, folder) = (site.url("/login"), marked.folder.path().to_owned());
    let first = Arc::new(AtomicBool::new(true));
    let model = Model::start_async(move |turn: Turn| {
        let breaks_now = turn.number == 2 && first.swap(false, Ordering::SeqCst);
        let (page, folder) = (page.clone(), folder.clone());
        async move {
            if breaks_now {
                breaks(&folder);
                if !answers {
                    std::future::pending::<()>().await;
                }
            }
            match turn.number {
                1 => ("navigate", json!({"url": page})),
                2 => ("wait", json!({"seconds": 0.1})),
                _ => ("finish", json!({"success": true, "answer": turn.page})),
            }
        }
    })
    .await;
    let mill = mill(&stage.store, AgentSpec { browser: Some(marked.program()), ..quick(&model) }).start();
    let accepted = stage.execute(task("look")).await;
    let done = stage.end(&accepted).await;
    assert_eq!((&done["state"], &done["job"]["attempt"]), (&json!("completed"), &json!(2)), "{done}");
    assert!(text(&done["result"]["answer"]).contains("Log in"), "{done}");
    assert_eq!(site.count("GET /login"), 2, "it goes on where it was");
    assert_eq!(first_error(&stage, &accepted).await["type"], "browser");
    mill.stop().await;
}

/// With short timeouts, but longer than a busy machine needs.
fn quick(model: &Model) -> AgentSpec {
    AgentSpec { command_timeout: Duration::from_secs(5), ..spec(model) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_is_killed_costs_its_attempt_alone() {
    survived(Marked::kill_browser, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_that_crashes_costs_its_attempt_alone() {
    survived(Marked::kill_pages, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_script_never_ends_is_reported_to_the_model() {
    let (stage, site) = (Stage::new(Keyring::default()).await, Site::start().await);
    let page = site.url("/loop");
    let model = Model::start(move |turn| match turn.number {
        1 => ("navigate", json!({"url": page})),
        2 => ("click", json!({"element": turn.element("button")})),
        _ => ("finish", json!({"success": true, "answer": turn.page})),
    })
    .await;
    let mill = mill(&stage.store, quick(&model)).start();
    let accepted = stage.execute(task("look")).await;
    let done = stage.end(&accepted).await;
    assert_eq!((&done["state"], &done["job"]["attempt"]), (&json!("completed"), &json!(1)), "{done}");
    assert!(text(&done["result"]["answer"]).contains("Still here"), "{done}");
    let outcome = outcomes(&stage, &accepted).await.remove(1);
    assert!(outcome.starts_with("clicked\n") && outcome.contains("its script was stopped"), "{outcome}");
    assert!(model.asked()[2].to_string().contains("its script was stopped"), "the model knows");
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_stays_still_costs_its_attempt_alone() {
    let (stage, site) = (Stage::new(Keyring::default()).await, Site::start().await);
    let page = site.url("/shifting");
    let model = Model::start(move |turn| match turn.number {
        1 => ("navigate", json!({"url": page})),
        2 => ("click", json!({"element": turn.element("button \"Pay\"")})),
        _ => ("finish", json!({"success": true, "answer": turn.page})),
    })
    .await;
    let mill = mill(&stage.store, quick(&model)).start();
    let accepted = stage.execute(task("pay")).await;
    let done = stage.end(&accepted).await;
    assert_eq!((&done["state"], &done["job"]["attempt"]), (&json!("completed"), &json!(2)), "{done}");
    assert_eq!(first_error(&stage, &accepted).await["type"], "browser");
    assert!(outcomes(&stage, &accepted).await[1].contains("the page has changed"), "{done}");
    mill.stop().await;
}

/// What came of each step.
async fn outcomes(stage: &Stage, accepted: &Value) -> Vec<String> {
    let (seen, _) = frames(stage, accepted).await;
    let steps = seen.iter().filter(|frame| frame["data"]["tool"].is_string());
    steps.map(|step| text(&step["data"]["outcome"]).to_owned()).collect()
}
