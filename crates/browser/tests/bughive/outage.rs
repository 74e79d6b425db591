//! A site that is away for a while, or away for good, or knows no HEAD: what is reported as broken is broken, and what was found
//! before is not lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use tidemill::NewJob;

use crate::mill::{Kit, Mill, TIMEOUT, crawl, ended, session};
use crate::support::{Db, wait_at_most};
use crate::wild::{Wild, links, page, status};

/// The bugs of a result as kind and resource.
fn found(result: &Value) -> Vec<(&str, &str)> {
    let bugs = result["bugs"].as_array().unwrap().iter();
    bugs.map(|bug| (bug["kind"].as_str().unwrap(), bug["resource"].as_str().unwrap_or_default())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_outage_is_no_bug_and_a_dead_page_is_one() {
    let db = Db::new().await;
    let mill = Mill::start(&db.store, &Kit::default());
    // Opened in the browser, and only asked whether they are there.
    for (pages, attempts) in [(100, 2), (1, 2)] {
        // All is well, away, and well again.
        let stage = AtomicUsize::new(0);
        let stumbled = AtomicBool::new(false);
        let site = Wild::start(move |_, path| {
            if path == "/1" && stage.load(Ordering::SeqCst) == 0 {
                stage.store(1, Ordering::SeqCst);
            }
            if stage.load(Ordering::SeqCst) == 1 {
                if path == "/robots.txt" {
                    stage.store(2, Ordering::SeqCst);
                }
                return None;
            }
            match path {
                "/" => links(&["/1", "/2", "/dead"]),
                "/dead" => None,
                "/2" if !stumbled.swap(true, Ordering::SeqCst) => None,
                _ => page("<title>Good</title>"),
            }
        })
        .await;
        let args = json!({ "base_url": site.url("/"), "max_pages": pages, "slow_page_seconds": 60 });
        let job = ended(&db, db.enqueue(crawl(args)).await).await;
        let result = job.result.unwrap_or_else(|| panic!("{:?}", job.error));
        assert_eq!((job.attempt, &result["pages_crawled"]), (attempts, &json!(pages.min(4))));
        assert_eq!(found(&result), [("broken_link", site.url("/dead").as_str())], "{:?}", site.asked());
        assert_eq!(site.count("GET /"), 1, "it was stored before");
    }
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_cannot_be_read_put_a_crawl_off_at_any_page() {
    let db = Db::new().await;
    let mill = Mill::start(&db.store, &Kit::default());
    // Well, away in mid-crawl, back without its rules, and well again.
    let stage = Arc::new(AtomicUsize::new(0));
    let now = Arc::clone(&stage);
    let site = Wild::start(move |_, path| {
        let is_rules = path == "/robots.txt";
        match now.load(Ordering::SeqCst) {
            0 if path == "/1" => {
                now.store(1, Ordering::SeqCst);
                None
            }
            1 => {
                now.store(if is_rules { 2 } else { 1 }, Ordering::SeqCst);
                None
            }
            2 if is_rules => status(503),
            _ if path == "/" => links(&["/1", "/2"]),
            _ => page("<title>Good</title>"),
        }
    })
    .await;
    let args = json!({ "session_id": "put-off", "base_url": site.url("/"), "slow_page_seconds": 60 });
    let id = db.enqueue(NewJob { max_attempts: Some(20), ..crawl(args) }).await;
    wait_at_most(TIMEOUT, "two failed attempts", || async {
        (db.attempts(id).await.unwrap().len() >= 2).then_some(())
    })
    .await;
    let seen = session(&db, "put-off").await;
    assert_ne!(seen.status, "completed");
    assert_eq!(seen.pages_crawled, 1, "what was found is not forgotten");
    stage.store(3, Ordering::SeqCst);
    let job = ended(&db, id).await;
    let result = job.result.unwrap_or_else(|| panic!("{:?}", job.error));
    assert_eq!((&result["pages_crawled"], &result["bugs_found"]), (&json!(3), &json!(0)));
    let attempts = db.attempts(id).await.unwrap();
    let failed = attempts.iter().filter_map(|attempt| attempt.error.as_ref());
    assert!(
        failed.clone().all(|error| error["type"] == "unreachable") && failed.count() >= 2,
        "{attempts:?}"
    );
    assert_eq!(site.count("GET /"), 1);
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_is_broken_only_if_nobody_could_follow_it() {
    let db = Db::new().await;
    let mill = Mill::start(&db.store, &Kit::default());
    let site = Wild::start(|method, path| match (method, path) {
        (_, "/") => links(&["/good", "/no-head", "/bad-head", "/mute-head", "/gone", "/forbidden", "/ill"]),
        ("HEAD", "/no-head") | (_, "/gone") => status(404),
        ("HEAD", "/bad-head") => status(400),
        ("HEAD", "/mute-head") => None,
        (_, "/forbidden") => status(403),
        (_, "/ill") => status(500),
        _ => page("<title>Good</title>"),
    })
    .await;
    let args = json!({ "base_url": site.url("/"), "max_pages": 1, "slow_page_seconds": 60 });
    let job = ended(&db, db.enqueue(crawl(args)).await).await;
    let result = job.result.unwrap_or_else(|| panic!("{:?}", job.error));
    assert_eq!(found(&result), [("broken_link", site.url("/gone").as_str())]);
    for (path, gets) in [("/good", 0), ("/no-head", 1), ("/bad-head", 1), ("/mute-head", 1), ("/gone", 1)] {
        let asked = (site.count(&format!("HEAD {path}")), site.count(&format!("GET {path}")));
        assert_eq!(asked, (1, gets), "{path}: {:?}", site.asked());
    }
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_are_called_a_stretch_a_step_and_not_again() {
    let db = Db::new().await;
    let mill = Mill::start(&db.store, &Kit::default());
    let all: Vec<String> = (1..=30).map(|number| format!("/{number}")).collect();
    let known = all.clone();
    // Away when the link of the second stretch is called, until its rules are asked for.
    let stage = AtomicUsize::new(0);
    let site = Wild::start(move |_, path| {
        if path == "/27" && stage.load(Ordering::SeqCst) == 0 {
            stage.store(1, Ordering::SeqCst);
        }
        if stage.load(Ordering::SeqCst) == 1 {
            stage.store(if path == "/robots.txt" { 2 } else { 1 }, Ordering::SeqCst);
            return None;
        }
        if path == "/" {
            return links(&known.iter().map(String::as_str).collect::<Vec<_>>());
        }
        page("<title>Good</title>")
    })
    .await;
    let args = json!({ "base_url": site.url("/"), "max_pages": 1, "slow_page_seconds": 60 });
    let id = db.enqueue(crawl(args)).await;
    let job = ended(&db, id).await;
    let result = job.result.unwrap_or_else(|| panic!("{:?}", job.error));
    assert_eq!((job.attempt, &result["bugs_found"], &result["links_left"]), (2, &json!(0), &json!(0)));
    for path in &all[..25] {
        assert_eq!(site.count(&format!("HEAD {path}")), 1, "{path}");
    }
    let steps = format!("steps where job_id = '{id}' and name in ('links-from-0', 'links-from-25')");
    assert_eq!(db.count(&steps).await, 2, "named for their first links");
    mill.stop().await;
}
