//! Tasks that are done: with a session that stands, with a login, with every tool; and what is seen of them.

use serde_json::{Value, json};
use tidemill::vault::Keyring;
use tidemill_browser::agent::args::KIND;

use super::model::{Call, Model, Turn};
use super::site::{PASSWORD, SESSION, Site};
use super::socket::{frames, types};
use super::{Stage, mill, spec};
use crate::server::text;
use crate::support::DEADLINE;

pub(super) fn read_the_balance(turn: Turn) -> Call {
    match turn.number {
        1 => ("read", json!({})),
        _ => {
            let line =
                turn.page.lines().find(|line| line.starts_with("Balance:")).unwrap_or("none").to_owned();
            let hello =
                turn.page.lines().find(|line| line.starts_with("Hello")).unwrap_or("nobody").to_owned();
            ("finish", json!({"success": true, "answer": format!("{hello}; {line}")}))
        }
    }
}

pub(super) fn with_session(site: &Site) -> Value {
    json!({
        "task_description": "Navigate to the bank and check balance",
        "session_data": {
            "url": site.url("/balance"),
            "cookies": [{"name": "sid", "value": SESSION, "httpOnly": true, "sameSite": "Lax"}],
            "localStorage": {"name": "Ann-of-the-storage"},
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_applied_and_the_socket_shows_everything_from_the_beginning() {
    let stage = Stage::new(Keyring::default()).await;
    let (site, model) = (Site::start().await, Model::start(read_the_balance).await);
    let mill = mill(&stage.store, spec(&model)).start();
    let accepted = stage.execute(with_session(&site)).await;
    let (live, code) = tokio::time::timeout(DEADLINE, frames(&stage, &accepted)).await.unwrap();
    assert_eq!(
        types(&live),
        ["task_started", "step", "screenshot", "step", "screenshot", "execution_completed"],
        "{live:?}"
    );
    assert_eq!(code, 1000);
    assert!(
        live.iter().all(|frame| text(&frame["timestamp"]).contains('T') && frame["data"].is_object()),
        "{live:?}"
    );
    // The name of the storage is a secret of the session as well.
    assert_eq!(live[5]["data"]["result"]["answer"], "Hello [redacted]; Balance: 1,234.56 EUR");
    assert_eq!((&live[1]["data"]["tool"], &live[1]["data"]["step"]), (&json!("read"), &json!(1)));
    let status = stage.status(&accepted).await;
    assert_eq!((&status["status"], &status["celery_state"]), (&json!("completed"), &json!("SUCCESS")));

    let (late, _) = frames(&stage, &accepted).await;
    assert_eq!(late, live, "a late client gets the same from the beginning");
    let picture =
        stage.server.http.get(format!("http://{}{}", stage.server.address, text(&live[2]["data"]["url"])));
    let picture = picture.send().await.unwrap();
    assert_eq!(picture.headers()["content-type"], "image/jpeg");
    assert!(picture.bytes().await.unwrap().starts_with(&[0xff, 0xd8, 0xff]), "a JPEG");
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tool_does_what_it_says_and_a_password_is_typed_unseen() {
    let stage = Stage::new(Keyring::default()).await;
    let site = Site::start().await;
    let login = site.url("/login");
    let model = Model::start(move |turn| match turn.number {
        1 => ("navigate", json!({"url": login})),
        2 => ("type", json!({"element": turn.element("textbox \"User\""), "text": "ann"})),
        3 => ("type", json!({"element": turn.element("textbox \"Password\""), "text": "{{password}}"})),
        4 => ("click", json!({"element": turn.element("button \"Log in\"")})),
        5 => ("select", json!({"element": turn.element("select"), "option": "Savings"})),
        6 => ("scroll", json!({"direction": "down"})),
        7 => ("wait", json!({"seconds": 0.1})),
        8 => ("screenshot", json!({})),
        9 => ("click", json!({"element": 999})),
        10 => ("dance", json!({})),
        _ => {
            let balance = turn.page.lines().find(|line| line.starts_with("Balance:")).unwrap_or("none");
            ("finish", json!({"success": true, "answer": balance}))
        }
    })
    .await;
    let mill = mill(&stage.store, spec(&model)).start();
    let accepted = stage
        .execute(json!({
            "task_description": "Log in as ann and tell the savings",
            "session_data": {"secrets": {"password": PASSWORD}},
        }))
        .await;
    let done = stage.end(&accepted).await;
    assert_eq!(done["result"]["answer"], "Balance: 99.00 EUR", "{done}");
    assert_eq!((&done["result"]["steps"], &done["result"]["tokens"]), (&json!(11), &json!(1100)));
    assert_eq!(done["result"]["screenshots"].as_array().map(Vec::len), Some(11));
    assert_eq!(site.count("POST /login"), 1);
    let steps: Vec<Value> =
        frames(&stage, &accepted).await.0.into_iter().filter(|frame| frame["type"] == "step").collect();
    let went: Vec<bool> = steps.iter().map(|step| step["data"]["ok"] == true).collect();
    assert_eq!(went, [true, true, true, true, true, true, true, true, false, false, true], "{steps:?}");
    assert_eq!(steps[3]["data"]["target"], "button \"Log in\"");
    for question in model.asked() {
        assert!(!question.to_string().contains(PASSWORD), "{question}");
    }
    let events = stage.server.events(&accepted["task_id"]).await;
    let pictures = events.iter().filter(|(kind, _)| kind == "screenshot").count();
    assert_eq!(pictures, 11, "other streams have them as well");
    let lines = events.iter().filter(|(kind, _)| kind == "log").map(|(_, data)| text(&data["line"]));
    let lines: Vec<&str> = lines.collect();
    assert_eq!((lines.len(), lines[3]), (11, "step 4: click button \"Log in\": clicked"), "{lines:?}");
    assert_eq!(lines[6], "step 7: wait {\"seconds\":0.1}: waited");
    let refused = steps.iter().filter(|step| step["data"]["refused"] != json!([]));
    assert_eq!(refused.count(), 0, "the browser itself asks nobody: {steps:?}");
    assert_eq!(stage.server.job(&accepted["task_id"]).await["kind"], KIND);
    mill.stop().await;
}
