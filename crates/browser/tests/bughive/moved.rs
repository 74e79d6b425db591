//! Redirects: a page that is the target of many is visited once, and a site that has moved is reported as moved.

use serde_json::{Value, json};
use tidemill::job::document::JobDocument;

use crate::mill::{Kit, Mill, crawl, ended, failure, for_good, message};
use crate::support::Db;
use crate::wild::{Wild, links, page, redirect, status};

async fn crawled(base_url: &str) -> JobDocument {
    let db = Db::new().await;
    let mill = Mill::start(&db.store, &Kit::default());
    let args = json!({ "base_url": base_url, "slow_page_seconds": 60 });
    let job = ended(&db, db.enqueue(crawl(args)).await).await;
    mill.stop().await;
    job
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_is_reported_once_however_many_redirects_lead_to_it() {
    let site = Wild::start(|_, path| match path {
        "/" => links(&["/old", "/older", "/refresh", "/new", "/script"]),
        "/old" | "/older" => redirect("/new"),
        "/refresh" => page("<title>Refresh</title><meta http-equiv='refresh' content='0; url=/new'>"),
        "/script" => page("<title>Script</title><script>location = '/new'</script>"),
        "/new" => page("<a href='/gone'>gone</a><script>console.error('planted')</script>"),
        _ => status(404),
    })
    .await;
    let job = crawled(&site.url("/")).await;
    let result = job.result.unwrap_or_else(|| panic!("{:?}", job.error));
    let text = |bug: &Value, field: &str| bug[field].as_str().unwrap_or_default().to_owned();
    let bugs = result["bugs"].as_array().unwrap().iter();
    let mut found: Vec<_> = bugs.map(|bug| (text(bug, "kind"), text(bug, "page"))).collect();
    found.sort_unstable();
    let new = site.url("/new");
    let expected =
        ["broken_link", "console_error", "missing_title"].map(|kind| (kind.to_owned(), new.clone()));
    assert_eq!(found, expected, "{result:#}");
    assert_eq!(site.count("GET /gone"), 1, "{:?}", site.asked());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_page_that_leads_to_another_site_is_no_crawl() {
    let other = Wild::start(|_, _| page("<title>Other</title>")).await;
    let there = other.url("/home");
    for answer in [redirect(&there), page(&format!("<script>location = '{there}'</script>"))] {
        let site = Wild::start(move |_, path| if path == "/" { answer.clone() } else { status(404) }).await;
        let job = crawled(&site.url("/")).await;
        assert_eq!(failure(&job), for_good("bad_args"), "{job:?}");
        for part in [site.url("/"), format!("leads to {there}"), "base_url".into(), "same_site".into()] {
            assert!(message(&job).contains(&part), "{}", message(&job));
        }
    }
    assert_eq!(other.asked(), Vec::<String>::new());
    // On the same site, but not for us.
    let rules = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nUser-agent: *\nDisallow: /private\n";
    let site =
        Wild::start(|_, path| if path == "/robots.txt" { Some(rules.into()) } else { redirect("/private") });
    let site = site.await;
    assert_eq!(failure(&crawled(&site.url("/")).await), for_good("robots"));
}
