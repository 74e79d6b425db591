//! Tickets reach a tracker, each job's one however often it is tried; limits are waited for, and what cannot succeed is not
//! tried again.

use serde_json::{Value, json};
use tidemill::job::state::JobState;
use tidemill_browser::bughive::TICKET;

use crate::linear::{KEY, Linear, Mood};
use crate::mill::{Kit, Mill, crawl, ended, failure, for_good, job, message, session, with_files};
use crate::site::{Plan, SLOW_PAGE_SECONDS, Site};
use crate::support::{Db, wait_for};
use crate::wild::{Wild, links, page, status};

fn ticket(args: Value) -> tidemill::NewJob {
    job(TICKET, "tickets", args)
}

fn kit(linear: &Linear, key: &str) -> Kit {
    Kit { ticket: linear.spec(key), ..Kit::default() }
}

#[tokio::test]
async fn a_ticket_is_made_once_whatever_happens() {
    let db = Db::new().await;
    let moods = [Mood::Broken, Mood::Limited, Mood::Good, Mood::LosesTheAnswer];
    let linear = Linear::start(moods).await;
    let mill = Mill::start(&db.store, &kit(&linear, KEY));
    let args =
        json!({ "title": "  It is broken ", "description": "all of it", "priority": 2, "label_ids": ["a"] });
    let id = db.enqueue(ticket(args)).await;
    let done = ended(&db, id).await;
    let result = done.result.unwrap_or_else(|| panic!("{:?}", done.error));
    let issues = linear.issues();
    assert_eq!(issues.len(), 1, "made at the third attempt, found at the fourth");
    assert_eq!((&issues[0]["title"], &issues[0]["priority"]), (&json!("It is broken"), &json!(2)));
    assert_eq!(result, json!({ "id": issues[0]["id"], "identifier": "BUG-1", "url": issues[0]["url"] }));
    assert_eq!((done.attempt, linear.asked()), (4, 5), "three failures, then made before and found");

    // The limit was waited for: a second, where the backoff is some milliseconds.
    let attempts = db.attempts(id).await.unwrap();
    let classes: Vec<_> = attempts
        .iter()
        .filter_map(|attempt| Some(attempt.error.as_ref()?["type"].as_str()?.to_owned()))
        .collect();
    assert_eq!(classes, ["http_status", "rate_limited", "http_status"]);
    let took = done.finished_at.unwrap() - done.created_at;
    assert!(took.num_milliseconds() >= 1_000, "{took}");
    mill.stop().await;
}

#[tokio::test]
async fn a_ticket_that_is_there_is_never_given_up() {
    let db = Db::new().await;
    // What is looked for first is found; and where the tracker says of it only that it cannot be made, and cannot be asked
    // why, the next attempt finds it.
    for (moods, attempts) in [
        (vec![Mood::LosesTheAnswer, Mood::Good, Mood::Broken], 2),
        (vec![Mood::LosesTheAnswer, Mood::Behind, Mood::Good, Mood::Broken], 3),
    ] {
        let linear = Linear::start(moods).await;
        let mill = Mill::start(&db.store, &kit(&linear, KEY));
        let done = ended(&db, db.enqueue(ticket(json!({ "title": "x" }))).await).await;
        let result = done.result.unwrap_or_else(|| panic!("{:?}", done.error));
        assert_eq!((&result["identifier"], done.attempt), (&json!("BUG-1"), attempts));
        assert_eq!(linear.issues().len(), 1);
        mill.stop().await;
    }
}

#[tokio::test]
async fn a_key_that_may_only_write_makes_tickets_at_any_attempt() {
    let db = Db::new().await;
    let linear = Linear::start([Mood::Broken, Mood::Closed]).await;
    let mill = Mill::start(&db.store, &kit(&linear, KEY));
    let done = ended(&db, db.enqueue(ticket(json!({ "title": "x" }))).await).await;
    assert!(done.result.is_some(), "{:?}", done.error);
    assert_eq!((done.attempt, linear.asked(), linear.issues().len()), (2, 3, 1));
    mill.stop().await;
}

#[tokio::test]
async fn a_tracker_that_nobody_reaches_is_tried_again() {
    let db = Db::new().await;
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/graphql", nobody.local_addr().unwrap());
    drop(nobody);
    let there = Linear::start([]).await;
    let spec = tidemill_browser::bughive::ticket::TicketSpec { url, ..there.spec(KEY) };
    let mill = Mill::start(&db.store, &Kit { ticket: spec, ..Kit::default() });
    let job = tidemill::NewJob { max_attempts: Some(2), ..ticket(json!({ "title": "x" })) };
    let job = ended(&db, db.enqueue(job).await).await;
    assert_eq!(failure(&job), ("connection".to_owned(), false, 2), "{}", message(&job));
    mill.stop().await;
}

#[tokio::test]
async fn what_cannot_succeed_is_not_tried_again() {
    let db = Db::new().await;
    let linear = Linear::start([]).await;
    let mill = Mill::start(&db.store, &kit(&linear, "a wrong key"));
    let job = ended(&db, db.enqueue(ticket(json!({ "title": "x" }))).await).await;
    assert_eq!(failure(&job), for_good("authentication"));
    assert!(!message(&job).contains("a wrong key"), "{}", message(&job));
    mill.stop().await;

    let mill = Mill::start(&db.store, &kit(&linear, KEY));
    for (args, class) in [
        (json!({ "title": "x", "team_id": "no uuid" }), "bad_input"),
        (json!({ "title": " " }), "bad_args"),
        (json!({ "title": "x", "priority": 9 }), "bad_args"),
        (json!({ "titel": "x" }), "bad_args"),
    ] {
        let job = ended(&db, db.enqueue(ticket(args.clone())).await).await;
        assert_eq!(failure(&job), for_good(class), "{args}");
    }
    assert_eq!(linear.issues().len(), 0);
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crawl_makes_a_ticket_of_each_cause() {
    let db = Db::new().await;
    let (store, _folder) = with_files(&db);
    let (site, linear) = (Site::start(Plan::Planted).await, Linear::start([]).await);
    let mill = Mill::start(&store, &kit(&linear, KEY));
    let args = json!({
        "base_url": site.url("/"), "max_pages": 100, "max_depth": 1, "slow_page_seconds": SLOW_PAGE_SECONDS,
        "create_tickets": true, "max_tickets": 4,
    });
    let crawled = ended(&db, db.enqueue(crawl(args)).await).await;
    let result = crawled.result.unwrap_or_else(|| panic!("{:?}", crawled.error));
    let tickets = result["tickets"].as_array().unwrap();
    assert_eq!(tickets.len(), 4);
    wait_for("the tickets", || async {
        let done = db.count("jobs where kind = 'ticket.create' and state = 'completed'").await;
        (done == 4).then_some(())
    })
    .await;
    let issues = linear.issues();
    assert!(issues.iter().all(|issue| issue["priority"] == 2), "the urgent ones first: {issues:#?}");
    let of = |text: &str| issues.iter().find(|issue| issue["title"].as_str().unwrap().contains(text));
    let broken = of("/broken").unwrap()["description"].as_str().unwrap();
    assert!(broken.contains("answered with 500") && broken.contains("Screenshot: page-"), "{broken}");
    let child = db.job(serde_json::from_value(tickets[0].clone()).unwrap()).await;
    assert_eq!((child.state, child.queue.as_str(), child.priority), (JobState::Completed, "tickets", 5));
    assert_eq!(child.args["session_id"], result["session_id"], "for its line in the log");
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_cause_on_two_pages_is_one_ticket() {
    let db = Db::new().await;
    let site = Wild::start(|_, path| match path {
        "/" => links(&["/1", "/2", "/3"]),
        "/1" | "/2" => page("<title>Script</title><script src='/missing.js'></script>"),
        "/3" => page("<title>Console</title><script>console.error('planted')</script>"),
        _ => status(404),
    })
    .await;
    let linear = Linear::start([]).await;
    let mill = Mill::start(&db.store, &kit(&linear, KEY));
    let args = json!({ "base_url": site.url("/"), "slow_page_seconds": 60, "create_tickets": true });
    let id = db.enqueue(crawl(args)).await;
    let crawled = ended(&db, id).await;
    let result = crawled.result.unwrap_or_else(|| panic!("{:?}", crawled.error));
    assert_eq!((&result["bugs_found"], result["tickets"].as_array().unwrap().len()), (&json!(3), 2));
    wait_for("the tickets", || async { (linear.issues().len() == 2).then_some(()) }).await;
    let issues = linear.issues();
    let script = issues.iter().find(|issue| issue["title"].as_str().unwrap().contains("missing.js")).unwrap();
    let description = script["description"].as_str().unwrap();
    for path in ["/1", "/2"] {
        assert!(description.contains(&format!("- {}\n", site.url(path))), "{description}");
    }
    // A child is named for its cause: where others are found before it, it is the same one still.
    let named = format!("steps where job_id = '{id}' and name like 'ticket-http_error-%'");
    assert_eq!(db.count(&named).await, 1);
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_is_waited_for_and_fails_no_session() {
    let db = Db::new().await;
    let site = Wild::start(|_, path| match path {
        "/" => page("<p>untitled</p>"),
        _ => status(404),
    })
    .await;
    let linear = Linear::start([]).await;
    let mill = Mill::start(&db.store, &kit(&linear, KEY));
    db.set_max_queued("tickets", Some(1)).await.unwrap();
    // Of a kind that nobody serves.
    let first = db.enqueue(job("unserved", "tickets", json!({}))).await;
    let args = json!({ "session_id": "patient", "base_url": site.url("/"), "create_tickets": true });
    let id = db.enqueue(tidemill::NewJob { max_attempts: Some(1), ..crawl(args) }).await;
    wait_for("a snooze", || async { db.event_types(id).await.contains(&"snoozed".to_owned()).then_some(()) })
        .await;
    let seen = session(&db, "patient").await;
    assert_ne!(seen.status, "failed");
    assert_eq!((seen.error, seen.pages_crawled), (None, 1));
    db.execute(format!("select cancel('{first}')")).await;
    let crawled = ended(&db, id).await;
    let result = crawled.result.unwrap_or_else(|| panic!("{:?}", crawled.error));
    assert_eq!(result["tickets"].as_array().map(Vec::len), Some(1));
    assert_eq!((session(&db, "patient").await.status, site.count("GET /")), ("completed", 1));
    mill.stop().await;
}
