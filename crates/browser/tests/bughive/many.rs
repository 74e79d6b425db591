//! Many bugs at once: none is lost on the way, and none pushes out others of another kind.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::mill::{Kit, Mill, crawl, ended};
use crate::site::DOT;
use crate::support::Db;
use crate::wild::{Wild, page, status};

async fn crawled(site: &Wild) -> Value {
    let db = Db::new().await;
    let mill = Mill::start(&db.store, &Kit::default());
    let args =
        json!({ "base_url": site.url("/0"), "slow_page_seconds": 60, "max_pages": 50, "max_depth": 20 });
    let job = ended(&db, db.enqueue(crawl(args)).await).await;
    mill.stop().await;
    job.result.unwrap_or_else(|| panic!("{:?}", job.error))
}

/// How many bugs of each kind a result has, in its order.
fn kinds(result: &Value) -> Vec<(&str, usize)> {
    let mut kinds = Vec::<(&str, usize)>::new();
    for bug in result["bugs"].as_array().unwrap() {
        let kind = bug["kind"].as_str().unwrap();
        match kinds.last_mut() {
            Some((last, count)) if *last == kind => *count += 1,
            _ => kinds.push((kind, 1)),
        }
    }
    kinds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_fail_at_once_are_all_reported() {
    let all: String = (1..13).fold(String::new(), |mut all, number| {
        let _ = write!(all, "<a href='/{number}'>{number}</a> ");
        all
    });
    // Nothing is asked of a network: these ports are refused by the browser itself.
    let site = Wild::start(move |_, path| match path {
        "/robots.txt" => status(404),
        _ => page(&format!(
            "<title>Fails</title>{all}<script>fetch('http://127.0.0.1:1{path}').catch(() => 0)</script>
             <script src='http://127.0.0.1:9{path}.js'></script>"
        )),
    })
    .await;
    let result = crawled(&site).await;
    let mut pages = BTreeMap::<&str, usize>::new();
    for bug in result["bugs"].as_array().unwrap().iter().filter(|bug| bug["kind"] == "http_error") {
        *pages.entry(bug["page"].as_str().unwrap()).or_default() += 1;
    }
    assert_eq!((pages.len(), pages.values().sum::<usize>()), (13, 26), "{pages:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_bugs_of_one_kind_push_out_no_others() {
    let site = Wild::start(|_, path| {
        let number = path.trim_start_matches('/').parse().unwrap_or(usize::MAX);
        if number > 10 {
            return status(404);
        }
        let mut text =
            format!("<title>Many</title><a href='/{}'>next</a><a href='/gone'>gone</a>", number + 1);
        for image in 0..100 {
            let _ = write!(text, "<img src='data:image/png;base64,{DOT}#{number}-{image}'>");
        }
        let _ = write!(text, "<script>console.error('planted on {number}')</script>");
        page(&text)
    })
    .await;
    let result = crawled(&site).await;
    let found = result["bugs_found"].as_u64().unwrap();
    let shown = result["bugs"].as_array().unwrap().len();
    assert_eq!((shown, result["bugs_left"].as_u64()), (200, Some(found - 200)), "{:?}", kinds(&result));
    let expected = [("broken_link", 12), ("console_error", 11), ("missing_alt", 177)];
    let mut kinds = kinds(&result);
    kinds.sort_unstable();
    assert_eq!(kinds, expected, "in the order of their priority, each kind together");
    let last = result["bugs"].as_array().unwrap().last().unwrap();
    assert_eq!(last["kind"], "missing_alt", "what is the least urgent comes last");
}
