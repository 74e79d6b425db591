//! Many bugs at once: none is lost on the way, and none pushes out others of another kind.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::mill::{Kit, Mill, crawl, ended};
use crate::support::Db;
use crate::wild::{Wild, page, status};

async fn crawled(site: &Wild) -> Value {
    let db = Db::new().await;
    let mill = Mill::start(&db.store, &Kit::default());
    let args = json!({ "base_url": site.url("/0"), "slow_page_seconds": 60, "max_pages": 50 });
    let job = ended(&db, db.enqueue(crawl(args)).await).await;
    mill.stop().await;
    job.result.unwrap_or_else(|| panic!("{:?}", job.error))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_fail_at_once_are_all_told() {
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
