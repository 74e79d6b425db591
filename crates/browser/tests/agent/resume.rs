//! A worker that dies in the middle of a task: another one goes on behind the last step that was stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tidemill::vault::Keyring;
use tokio::sync::Notify;

use super::model::Model;
use super::site::{PASSWORD, Site};
use super::socket::{frames, types};
use super::{Stage, mill, spec, task};
use crate::server::text;
use crate::support::MortalMill;
use crate::support::keys::keys;

/// A worker that will die.
fn doomed(stage: &Stage, model: &Model) -> MortalMill {
    let spec = spec(model);
    MortalMill::start_over(stage.store.options().clone(), move |store| mill(store, spec))
}

/// Gives the task of a worker that died to another one.
async fn take_back(stage: &Stage, accepted: &Value) {
    stage.db.expire(text(&accepted["task_id"]).parse().unwrap()).await;
    stage.store.sweep().await.unwrap();
}

async fn killed_and_resumed(keyring: Keyring) {
    let stage = Stage::new(keyring).await;
    let site = Site::start().await;
    let login = site.url("/login");
    let (reached, stuck) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(true)));
    let (reached_once, first) = (Arc::clone(&reached), Arc::clone(&stuck));
    let model = Model::start_async(move |turn| {
        let (reached_once, first, login) = (Arc::clone(&reached_once), Arc::clone(&first), login.clone());
        async move {
            match turn.number {
                1 => ("navigate", json!({"url": login})),
                2 => ("type", json!({"element": turn.element("textbox \"User\""), "text": "ann"})),
                3 => ("type", json!({"element": turn.element("textbox \"Password\""), "text": "{{password}}", "submit": true})),
                4 if first.swap(false, Ordering::SeqCst) => {
                    reached_once.notify_one();
                    std::future::pending().await
                }
                4 => ("select", json!({"element": turn.element("select"), "option": "Savings"})),
                _ => {
                    let balance = turn.page.lines().find(|line| line.starts_with("Balance:")).unwrap_or("none");
                    ("finish", json!({"success": true, "answer": balance}))
                }
            }
        }
    })
    .await;
    let doomed = doomed(&stage, &model);
    let accepted = stage
        .execute(json!({"task_description": "Tell the savings", "session_data": {"secrets": {"password": PASSWORD}}}))
        .await;
    reached.notified().await;
    doomed.kill();
    let asked = model.asked().len();
    take_back(&stage, &accepted).await;

    let worker = mill(&stage.store, spec(&model)).start();
    let done = stage.end(&accepted).await;
    assert_eq!(done["result"]["answer"], "Balance: 99.00 EUR", "{done}");
    assert_eq!(done["job"]["attempt"], 2);
    assert_eq!(site.count("POST /login"), 1, "what was done is not done again");
    assert_eq!(model.asked().len(), asked + 2, "the model was asked for steps 4 and 5 alone");
    let (seen, _) = frames(&stage, &accepted).await;
    let steps: Vec<_> = seen
        .iter()
        .filter(|frame| frame["data"]["tool"].is_string())
        .map(|frame| frame["data"]["step"].clone())
        .collect();
    assert_eq!(steps, [1, 2, 3, 4, 5].map(|step| json!(step)), "each step once");
    assert_eq!(types(&seen).iter().filter(|kind| **kind == "task_started").count(), 2);
    let again = seen.iter().rfind(|frame| frame["type"] == "task_started").unwrap();
    assert_eq!((&again["data"]["attempt"], &again["data"]["steps_done"]), (&json!(2), &json!(3)));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_worker_dies_goes_on_behind_its_last_step() {
    killed_and_resumed(Keyring::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn also_where_the_session_is_sealed() {
    killed_and_resumed(keys(&["a"])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_was_cut_off_is_not_done_to_another_element() {
    let stage = Stage::new(Keyring::default()).await;
    let site = Site::start().await;
    let page = site.url("/shifting");
    let model = Model::start(move |turn| match turn.number {
        1 => ("navigate", json!({"url": page})),
        2 => ("click", json!({"element": turn.element("button")})),
        _ => ("finish", json!({"success": true, "answer": turn.page})),
    })
    .await;
    let doomed = doomed(&stage, &model);
    let accepted = stage.execute(task("pay")).await;
    site.hung.notified().await;
    doomed.kill();
    take_back(&stage, &accepted).await;

    let worker = mill(&stage.store, spec(&model)).start();
    let done = stage.end(&accepted).await;
    assert!(text(&done["result"]["answer"]).contains("button \"Cancel\""), "{done}");
    let (seen, _) = frames(&stage, &accepted).await;
    let click = seen.iter().find(|frame| frame["data"]["tool"] == "click").unwrap();
    assert_eq!((&click["data"]["ok"], &click["data"]["target"]), (&json!(false), &json!("button \"Pay\"")));
    assert!(text(&click["data"]["outcome"]).contains("the page has changed"), "{click}");
    assert_eq!(model.asked().len(), 3, "what was planned was not asked again");
    worker.stop().await;
}
