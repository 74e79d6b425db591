//! The example page, used by an agent: it has a task done by another one and shows how that goes.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use serde_json::json;
use tidemill::vault::Keyring;

use super::model::Model;
use super::{Stage, mill, spec, task};
use crate::server::text;

const PAGE: &str = include_str!("../../../../examples/status-center/index.html");
const SCRIPT: &str = include_str!("../../../../examples/status-center/status-center.js");
/// The card of the task when it is over.
const SHOWN: &str = "inner\nthe inner task is done";

/// Serves the page; answers its origin.
async fn serve() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new()
        .route("/", get(|| async { ([(CONTENT_TYPE, "text/html")], PAGE) }))
        .route("/status-center.js", get(|| async { ([(CONTENT_TYPE, "text/javascript")], SCRIPT) }));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    origin
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_page_shows_a_task_from_its_start_to_its_end() {
    let origin = serve().await;
    let stage = Stage::open_to(Keyring::default(), &origin).await;
    let page = format!("{origin}/?server=http://{}", stage.server.address);
    let shown = Arc::new(Mutex::new(String::new()));
    let seen = shown.clone();
    let model = Model::start(move |turn| match (turn.task.as_str(), turn.number) {
        ("inner", 1) => ("wait", json!({"seconds": 0.1})),
        ("inner", _) => ("finish", json!({"success": true, "answer": "the inner task is done"})),
        (_, 1) => ("navigate", json!({"url": page})),
        (_, 2) => ("type", json!({"element": turn.element("textbox \"Task\""), "text": "inner"})),
        (_, 3) => ("click", json!({"element": turn.element("button \"Do it\"")})),
        _ => {
            let mut seen = seen.lock().unwrap();
            let is_there = turn.page.contains(SHOWN);
            if is_there {
                *seen = turn.page.clone();
            }
            if turn.number < 40 && (is_there || seen.is_empty()) {
                ("wait", json!({"seconds": 0.5}))
            } else {
                ("finish", json!({"success": true, "answer": turn.page}))
            }
        }
    })
    .await;
    let mill = mill(&stage.store, spec(&model)).start();
    let accepted = stage.execute(task("outer")).await;
    let done = stage.end(&accepted).await;
    let shown = shown.lock().unwrap().clone();
    assert!(shown.contains(SHOWN), "{shown}");
    let after = text(&done["result"]["answer"]);
    assert!(!after.contains(SHOWN), "it dismisses itself after 3 s: {after}");
    assert!(after.contains("Do it"), "the page is there still: {after}");
    mill.stop().await;
}
