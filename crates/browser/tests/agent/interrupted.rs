//! Tasks that are ended from outside, or held up: by a person, by the clock, by a model that has no time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tidemill::vault::Keyring;
use tidemill_browser::agent::AgentSpec;

use super::model::{BUSY, Model};
use super::site::Site;
use super::socket::{frames, types};
use super::{Stage, first_error, mill, spec, task};
use crate::server::text;
use crate::support::DEADLINE;

/// A model that leads to a page which never loads.
async fn to_a_page_that_hangs(site: &Site) -> Model {
    let url = site.url("/hang");
    Model::start(move |_| ("navigate", json!({"url": url}))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_cancelled_ends_with_its_browser() {
    let (stage, site) = (Stage::new(Keyring::default()).await, Site::start().await);
    let model = to_a_page_that_hangs(&site).await;
    let mill = mill(&stage.store, spec(&model)).start();
    let accepted = stage.execute(task("look")).await;
    site.hung.notified().await;
    stage.server.act(&format!("/api/v1/jobs/{}/cancel", text(&accepted["task_id"]))).await.expect(202);
    tokio::time::timeout(DEADLINE, site.gone.notified()).await.expect("the browser ends");
    let done = stage.end(&accepted).await;
    assert_eq!(done["state"], "cancelled", "{done}");
    let status = stage.status(&accepted).await;
    assert_eq!((&status["status"], &status["celery_state"]), (&json!("failed"), &json!("REVOKED")));
    let (seen, code) = frames(&stage, &accepted).await;
    assert_eq!((types(&seen), code), (vec!["task_started", "error"], 1000), "{seen:?}");
    assert_eq!(seen[1]["data"]["state"], "cancelled");
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_a_task_ends_in_the_middle_of_a_step_too() {
    let (stage, site) = (Stage::new(Keyring::default()).await, Site::start().await);
    let model = to_a_page_that_hangs(&site).await;
    let short = AgentSpec { max_time: Duration::from_secs(2), ..spec(&model) };
    let mill = mill(&stage.store, short).start();
    let accepted = stage.execute(task("look")).await;
    let done = stage.end(&accepted).await;
    assert_eq!((&done["state"], &done["error"]["type"]), (&json!("failed"), &json!("budget")), "{done}");
    assert!(text(&done["error"]["message"]).contains("within 2 s of work (agent.max_time)"), "{done}");
    tokio::time::timeout(DEADLINE, site.gone.notified()).await.expect("the browser ends");
    assert_eq!((site.count("GET /hang"), &done["job"]["attempt"]), (1, &json!(1)));
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_has_no_time_is_asked_again_when_it_says() {
    let stage = Stage::new(Keyring::default()).await;
    let model = Model::start(|_| ("finish", json!({"success": true, "answer": "done"}))).await;
    model.be_busy();
    // Less than the pause: each question has its own time.
    let short_timeout = AgentSpec { model_timeout: BUSY / 2, ..spec(&model) };
    let mill = mill(&stage.store, short_timeout).start();
    let began = Instant::now();
    let accepted = stage.execute(task("look")).await;
    let done = stage.end(&accepted).await;
    assert_eq!((&done["result"]["answer"], &done["job"]["attempt"]), (&json!("done"), &json!(1)), "{done}");
    assert!(began.elapsed() >= BUSY, "{:?}", began.elapsed());
    assert_eq!(model.asked().len(), 1);
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_does_not_answer_is_asked_by_another_attempt() {
    let stage = Stage::new(Keyring::default()).await;
    let first = AtomicBool::new(true);
    let model = Model::start_async(move |_| {
        let hangs = first.swap(false, Ordering::SeqCst);
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            ("finish", json!({"success": true, "answer": "done"}))
        }
    })
    .await;
    let short_timeout = AgentSpec { model_timeout: Duration::from_secs(2), ..spec(&model) };
    let mill = mill(&stage.store, short_timeout).start();
    let accepted = stage.execute(task("look")).await;
    let done = stage.end(&accepted).await;
    assert_eq!((&done["result"]["answer"], &done["job"]["attempt"]), (&json!("done"), &json!(2)), "{done}");
    let error = first_error(&stage, &accepted).await;
    assert_eq!(
        (&error["type"], text(&error["message"])),
        (&json!("model"), "the model did not answer in time")
    );
    mill.stop().await;
}
