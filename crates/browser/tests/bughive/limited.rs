//! A site that wants to be asked less often: it is, and its refusal is no bug.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::mill::{Kit, Mill, crawl, ended, failure};
use crate::support::Db;
use crate::wild::{Wild, links, page, status};

fn refusal(status: u16, wait: &str) -> Option<String> {
    Some(format!(
        "HTTP/1.1 {status} Later\r\nRetry-After: {wait}\r\nConnection: close\r\nContent-Length: 5\r\n\r\nlater"
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_refused_for_a_while_is_asked_again_then() {
    let db = Db::new().await;
    let mill = Mill::start(&db.store, &Kit::default());
    let calls = std::sync::Arc::new(Mutex::new(HashMap::<String, Vec<Instant>>::new()));
    let heard = std::sync::Arc::clone(&calls);
    let site = Wild::start(move |_, path| {
        let mut calls = heard.lock().unwrap();
        let times = calls.entry(path.to_owned()).or_default();
        times.push(Instant::now());
        match (path, times.len()) {
            ("/", _) => links(&["/seconds", "/date", "/away", "/busy", "/down", "/ill"]),
            ("/seconds", 1) => refusal(429, "2"),
            // Long ago.
            ("/date", 1) => refusal(429, "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("/away", 1) => refusal(503, "2"),
            ("/busy", _) => refusal(429, "1"),
            ("/down", _) => refusal(503, "1"),
            ("/ill", _) => status(503),
            ("/robots.txt", _) => status(404),
            _ => page("<p>untitled</p>"),
        }
    })
    .await;
    let args = json!({ "base_url": site.url("/"), "slow_page_seconds": 60 });
    let job = ended(&db, db.enqueue(crawl(args)).await).await;
    let result = job.result.unwrap_or_else(|| panic!("{:?}", job.error));
    let text = |bug: &Value, field: &str| bug[field].as_str().unwrap().replace(&site.url(""), "");
    let bugs = result["bugs"].as_array().unwrap().iter();
    let mut found: Vec<_> = bugs.map(|bug| (text(bug, "kind"), text(bug, "page"))).collect();
    found.sort_unstable();
    let expected = [
        ("http_error", "/down"),
        ("http_error", "/ill"),
        ("missing_title", "/away"),
        ("missing_title", "/date"),
        ("missing_title", "/seconds"),
    ];
    assert_eq!(found, expected.map(|(kind, page)| (kind.to_owned(), page.to_owned())));
    assert_eq!(result["pages_refused"], 1, "{result:#}");
    mill.stop().await;
    let calls = calls.lock().unwrap();
    for (path, times) in
        [("/seconds", 2), ("/date", 2), ("/away", 2), ("/busy", 2), ("/down", 2), ("/ill", 1)]
    {
        assert_eq!(calls[path].len(), times, "{path}");
    }
    for path in ["/seconds", "/away"] {
        assert!(calls[path][1] - calls[path][0] > Duration::from_millis(1_900), "{path}: {calls:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_page_that_is_refused_puts_the_crawl_off() {
    let db = Db::new().await;
    let mill = Mill::start(&db.store, &Kit::default());
    let site = Wild::start(|_, path| if path == "/" { refusal(429, "0") } else { status(404) }).await;
    let job = tidemill::NewJob { max_attempts: Some(2), ..crawl(json!({ "base_url": site.url("/") })) };
    let job = ended(&db, db.enqueue(job).await).await;
    assert_eq!(failure(&job), ("rate_limited".to_owned(), false, 2));
    assert_eq!(site.count("GET /"), 4, "twice each attempt");
    mill.stop().await;
}
