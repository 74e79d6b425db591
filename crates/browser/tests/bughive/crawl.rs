//! A crawl finds every planted bug and invents none, keeps within its limits, and shows what it found.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::mill::{Kit, Mill, crawl, ended, failure, for_good, session, with_files};
use crate::site::{Plan, SLOW_PAGE_SECONDS, Site};
use crate::support::Db;

/// The bugs of a result as kind, page, resource and the beginning of the detail.
fn found(result: &Value, site: &Site) -> BTreeSet<(String, String, String)> {
    let home = site.url("");
    let path = |value: &Value| value.as_str().unwrap_or_default().replace(&home, "");
    let bugs = result["bugs"].as_array().unwrap();
    let all: BTreeSet<_> = bugs
        .iter()
        .map(|bug| {
            let what = if bug["resource"].is_string() { path(&bug["resource"]) } else { String::new() };
            (bug["kind"].as_str().unwrap().to_owned(), path(&bug["page"]), what)
        })
        .collect();
    assert_eq!(all.len(), bugs.len(), "no bug is reported twice: {bugs:#?}");
    all
}

fn expected() -> BTreeSet<(String, String, String)> {
    [
        ("broken_link", "/links", "/gone"),
        ("broken_image", "/image", "/missing.png"),
        ("broken_image", "/not-an-image", "/data"),
        ("console_error", "/console", ""),
        ("uncaught_exception", "/exception", ""),
        ("uncaught_exception", "/rejection", ""),
        ("missing_title", "/untitled", ""),
        ("missing_alt", "/no-alt", "/dot.png"),
        ("slow_page", "/slow", ""),
        ("http_error", "/broken", ""),
        ("http_error", "/script", "/missing.js"),
    ]
    .into_iter()
    .map(|(kind, page, what)| (kind.to_owned(), page.to_owned(), what.to_owned()))
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_planted_bug_is_found_and_none_is_invented() {
    let db = Db::new().await;
    let (store, _folder) = with_files(&db);
    let site = Site::start(Plan::Planted).await;
    let mill = Mill::start(&store, &Kit::default());
    let args = json!({
        "session_id": "planted", "base_url": site.url("/"), "max_pages": 100, "max_depth": 3,
        "slow_page_seconds": SLOW_PAGE_SECONDS,
    });
    let id = db.enqueue(crawl(args)).await;
    let job = ended(&db, id).await;
    let result = job.result.unwrap_or_else(|| panic!("{:?}", job.error));
    assert_eq!(found(&result, &site), expected());

    // What it did not do: what robots.txt forbids, other sites, too deep, anything twice.
    assert_eq!(site.gets("/private/page"), 0);
    assert_eq!((site.gets("/deep/3"), site.gets("/deep/4")), (1, 0), "three links away and no further");
    for path in ["/", "/good", "/landed", "/links", "/image", "/dialog", "/slow", "/broken"] {
        assert_eq!(site.gets(path), 1, "{path}");
    }
    let text = |kind: &str| {
        let bugs = result["bugs"].as_array().unwrap().iter();
        bugs.filter(|bug| bug["kind"] == kind).map(|bug| bug["detail"].as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(text("console_error"), ["planted error"]);
    assert_eq!(text("uncaught_exception"), ["Error: planted exception", "Error: planted rejection"]);

    // The session and the progress say the same as the result.
    let seen = session(&db, "planted").await;
    let pages = result["pages_crawled"].as_i64().unwrap();
    assert_eq!((seen.status, seen.error), ("completed", None));
    assert_eq!(i64::from(seen.pages_crawled), pages);
    assert_eq!(seen.bugs_found, 11);
    let progress = job.progress.unwrap().data.unwrap();
    assert_eq!(progress, json!({ "pages_crawled": pages, "bugs_found": 11 }));

    // A picture of each page that has something to show.
    let pictures = store.artifacts(id).await.unwrap();
    assert_eq!(pictures.len(), 10, "all but the broken link: {pictures:?}");
    let (about, content) = store.read_artifact(id, &pictures[0].name).await.unwrap();
    assert_eq!(about.content_type, "image/png");
    assert!(content.starts_with(b"\x89PNG") && content.len() > 100);
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crawl_keeps_within_its_limits() {
    let db = Db::new().await;
    let site = Site::start(Plan::Chain { pages: 6, held: 0 }).await;
    site.let_go();
    let mill = Mill::start(&db.store, &Kit::default());
    let id = db.enqueue(crawl(json!({ "config": { "base_url": site.url("/"), "max_pages": 3 } }))).await;
    let result = ended(&db, id).await.result.unwrap();
    assert_eq!((&result["pages_crawled"], &result["bugs_found"]), (&json!(3), &json!(0)));
    assert_eq!((&result["pages_left"], &result["session_id"]), (&json!(3), &json!(id)));
    // A browser asks for the icon by itself.
    let apart = ["/robots.txt", "/favicon.ico"];
    let paths = site.paths();
    let opened = paths.iter().filter(|path| !apart.contains(&path.as_str()) && site.gets(path) > 0);
    assert_eq!(opened.count(), 3, "the other links are only asked whether they are there");

    for (args, class) in [
        (json!({ "base_url": "ftp://x/" }), "bad_args"),
        (json!({ "max_pages": 3 }), "bad_args"),
        (json!({ "base_url": site.url("/"), "max_pages": 0 }), "bad_args"),
        (json!({ "base_url": site.url("/"), "depth": 1 }), "bad_args"),
    ] {
        let job = ended(&db, db.enqueue(crawl(args.clone())).await).await;
        assert_eq!(failure(&job), for_good(class), "{args}");
    }
    mill.stop().await;
}
