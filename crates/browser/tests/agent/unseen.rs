//! What nobody sees of a session, and that it changes nothing of what is done.

use reqwest::Method;
use serde_json::{Value, json};
use tidemill::vault::{Keyring, Redactor};
use tidemill_browser::agent::args::KIND;

use super::model::Model;
use super::site::{PASSWORD, SESSION, Site};
use super::socket::frames;
use super::tasks::{read_the_balance, with_session};
use super::{Stage, mill, spec};
use crate::server::text;
use crate::support::keys::keys;

/// A token that is written otherwise in an address, in JSON and in quotes.
const ODD: &str = "to\"k\\en/of it-0123456789";
/// Pieces of it, as they would be seen if it was cut or quoted before it was covered.
const PIECES: [&str; 5] = ["to\"k", "to\\\"k", "k\\en", "%22k", "-01234"];

/// Everything that shows a finished task, and everything that the model was sent.
async fn shown(stage: &Stage, accepted: &Value, model: &Model) -> Vec<String> {
    let path = format!("/api/v1/jobs/{}", text(&accepted["task_id"]));
    let mut shown = vec![format!("{:?}", frames(stage, accepted).await)];
    for part in ["", "/result", "/steps", "/events?limit=1000", "/attempts"] {
        shown.push(stage.server.get(&format!("{path}{part}")).await.expect(200).to_string());
    }
    shown.extend(model.asked().iter().map(Value::to_string));
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_a_session_are_seen_nowhere() {
    let stage = Stage::new(keys(&["a"])).await;
    let (site, model) = (Site::start().await, Model::start(read_the_balance).await);
    let mill = mill(&stage.store, spec(&model)).start();
    let accepted = stage.execute(with_session(&site)).await;
    let done = stage.end(&accepted).await;
    assert_eq!(done["state"], "completed", "{}", done["error"]);
    assert_eq!(site.count("GET /balance"), 1, "the session was the site's");
    mill.stop().await;

    let path = format!("/api/v1/jobs/{}", text(&accepted["task_id"]));
    let mut shown = vec![done.to_string(), format!("{:?}", frames(&stage, &accepted).await)];
    for part in ["", "/steps", "/events?limit=1000", "/attempts"] {
        shown.push(stage.server.get(&format!("{path}{part}")).await.expect(200).to_string());
    }
    shown.extend(model.asked().iter().map(Value::to_string));
    for text in &shown {
        assert!(!text.contains(SESSION) && !text.contains("Ann-of-the-storage"), "{text}");
    }
    assert!(shown[2].contains("[redacted]"), "{}", shown[2]);
    let steps = frames(&stage, &accepted).await.0.into_iter().filter(|frame| frame["type"] == "step");
    assert!(steps.into_iter().all(|step| step["data"].get("state").is_none()), "nobody follows a session");
    for table in ["jobs", "steps", "events", "attempts", "artifacts", "progress"] {
        let leaking =
            format!("{table} t where t::text like '%{SESSION}%' or t::text like '%Ann-of-the-storage%'");
        assert_eq!(stage.db.count(&leaking).await, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_is_done_as_it_is_and_shown_without_secrets() {
    let stage = Stage::new(keys(&["a"])).await;
    let site = Site::start().await;
    let page = site.url("/search");
    let model = Model::start(move |turn| match turn.number {
        1 | 4 => ("navigate", json!({"url": page})),
        2 => ("type", json!({"element": turn.element("textbox \"What\""), "text": "Berlin", "submit": true})),
        3 => ("wait", json!({"seconds": 0.1})),
        5 => ("type", json!({"element": turn.element("textbox \"What\""), "text": ODD, "submit": true})),
        6 => ("read", json!({"from": 5_990})),
        7 => ("read", json!({"from": 6_000})),
        8 => ("select", json!({"element": turn.element("select"), "option": ODD})),
        9 => ("click", json!({"element": turn.element("button"), "why": ODD})),
        10 => (ODD, json!({})),
        _ => ("finish", json!({"success": true, "answer": format!("en {ODD:?}")})),
    })
    .await;
    let mill = mill(&stage.store, spec(&model)).start();
    let accepted = stage
        .execute(json!({
            "task_description": "Look for Berlin, and finish with success if it is true",
            "session_data": {
                "url": site.url("/search"),
                "cookies": [
                    {"name": "city", "value": "Berlin"}, {"name": "lang", "value": "en"}, {"name": "consent", "value": "true"},
                    {"name": "session_end", "value": "finish", "httpOnly": true},
                ],
                "localStorage": {"token": ODD, "state": "success"},
            },
        }))
        .await;
    let done = stage.end(&accepted).await;
    assert_eq!(done["result"]["answer"], "en \"[redacted]\"", "{done}");
    assert_eq!(site.count("GET /found/Berlin"), 1, "{done}");
    assert_eq!(site.count("GET /found/to%22k%5Cen%2Fof%20it-0123456789"), 1, "{done}");
    mill.stop().await;

    let (seen, _) = frames(&stage, &accepted).await;
    let steps: Vec<_> =
        seen.iter().filter(|frame| frame["type"] == "step").map(|frame| &frame["data"]).collect();
    let went: Vec<bool> = steps.iter().map(|step| step["ok"] == true).collect();
    assert_eq!(went, [true, true, true, true, true, true, true, true, false, false, true], "{steps:?}");
    assert!(text(&steps[1]["arguments"]).contains("\"Berlin\""), "{}", steps[1]);
    assert!(text(&steps[1]["url"]).ends_with("/found/Berlin"), "{}", steps[1]);
    assert!(text(&steps[4]["arguments"]).contains("\"[redacted]\""), "{}", steps[4]);
    assert!(text(&steps[4]["url"]).ends_with("/found/[redacted]"), "{}", steps[4]);
    assert!(
        text(&model.asked()[0]["messages"][1]["content"])
            .contains("Look for Berlin, and finish with success")
    );
    for shown in shown(&stage, &accepted, &model).await {
        for piece in PIECES {
            let in_json = json!(piece).to_string();
            assert!(
                !shown.contains(piece) && !shown.contains(in_json.trim_matches('"')),
                "{piece} in {shown}"
            );
        }
    }
    for table in ["jobs", "steps", "events", "attempts", "artifacts", "progress"] {
        assert_eq!(stage.db.count(&format!("{table} t where t::text like '%-01234%'")).await, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_began_while_the_task_was_done_is_not_seen_either() {
    let stage = Stage::new(Keyring::default()).await;
    let site = Site::start().await;
    let model = Model::start(move |turn| match turn.number {
        1 => ("type", json!({"element": turn.element("textbox \"User\""), "text": "ann"})),
        2 => {
            let field = turn.element("textbox \"Password\"");
            ("type", json!({"element": field, "text": "{{password}}", "submit": true}))
        }
        3 => ("read", json!({})),
        _ => ("finish", json!({"success": false, "answer": turn.page})),
    })
    .await;
    let mill = mill(&stage.store, spec(&model)).start();
    let session = json!({"url": site.url("/login"), "secrets": {"password": PASSWORD}});
    let accepted = stage.execute(json!({"task_description": "Log in", "session_data": session})).await;
    let done = stage.end(&accepted).await;
    assert!(text(&done["error"]["message"]).contains("Your session is [redacted]"), "{done}");
    mill.stop().await;
    for shown in shown(&stage, &accepted, &model).await {
        assert!(!shown.contains(SESSION) && !shown.contains(PASSWORD), "{shown}");
    }
}

#[tokio::test]
async fn of_the_sessions_address_host_and_path_are_shown() {
    let stage = Stage::new(Keyring::default()).await;
    stage.store.declare_redacted("default", true).await.unwrap();
    let session = json!({"url": "https://example.com/in?ticket=abc123#behind"});
    let args = json!({"task_description": "look", "session_data": session});
    let accepted = stage.execute(args.clone()).await;
    let job = json!({"kind": KIND, "queue": "agent", "args": args});
    let other = stage.server.enqueue(job.clone()).await;
    let schedule = stage.server.request(Method::PUT, "/api/v1/schedules/s");
    stage.server.send(schedule.json(&json!({"every": "1h", "job": job}))).await.expect(200);
    // From psql nothing is checked before it runs, but it is shown no more.
    let written = "https://ann:abc123@example.com/in?ticket=abc123";
    stage
        .db
        .execute(format!("select enqueue('{KIND}', '{{\"session_data\": {{\"url\": \"{written}\"}}}}')"))
        .await;
    let mut shown = vec![other.to_string()];
    for end in ["jobs_now", "job_history"] {
        for path in ["/api/v1/jobs", "/api/v1/schedules", "/api/v1/schedules/s", "/api/v1/audit"] {
            shown.push(stage.server.get(path).await.expect(200).to_string());
        }
        for id in [&accepted["task_id"], &other["id"]] {
            let job = stage.server.job(id).await;
            assert_eq!(job["args"]["session_data"]["url"], "https://example.com/in?[redacted]", "{job}");
            shown.push(job.to_string());
        }
        let rows = stage.db.rows::<(String,)>(format!("select v::text from {end} v")).await;
        assert_eq!(rows.len(), 3, "{end}");
        assert!(rows.iter().all(|row| row.0.contains("https://example.com/in?[redacted]")), "{rows:?}");
        shown.extend(rows.into_iter().map(|row| row.0));
        stage.db.execute("select cancel(id) from jobs").await;
    }
    for shown in shown {
        assert!(!shown.contains("abc123") && !shown.contains("behind"), "{shown}");
    }
    assert_eq!(
        stage.db.count("jobs where args::text like '%ticket=abc123%'").await,
        3,
        "the worker gets it whole"
    );
}

#[tokio::test]
async fn addresses_are_shown_the_same_by_sql() {
    let stage = Stage::new(Keyring::default()).await;
    for address in [
        "https://example.com/a@b/c",
        "https://ann:p@w@example.com/a?b=c#d",
        " https:\\\\ann:pw@example.com#t",
        "https:ann@example.com",
        "pw@example.com/?a=x@y",
        " no address",
    ] {
        let mut session = json!({"session_data": {"url": address}});
        let of_sql: Value = stage.db.scalar(format!("select redact($j${session}$j$)")).await;
        Redactor::default().redact(&mut session);
        assert_eq!(of_sql, session);
    }
}
