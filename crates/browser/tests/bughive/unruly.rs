//! Pages that do not behave: they stand still, never end, and go where a crawl may not. They cost the crawl nothing but their
//! own content.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::mill::{Kit, Mill, crawl, ended, with_files};
use crate::support::Db;
use crate::wild::{Wild, links, page, redirect, status};

/// The bugs of a result as kind and page.
fn found(result: &Value) -> BTreeSet<(&str, &str)> {
    let bugs = result["bugs"].as_array().unwrap().iter();
    bugs.map(|bug| (bug["kind"].as_str().unwrap(), bug["page"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_hangs_is_reported_and_the_crawl_goes_on() {
    let db = Db::new().await;
    let (store, _folder) = with_files(&db);
    let site = Wild::start(|_, path| match path {
        "/" => links(&["/busy", "/alerts", "/reloads", "/good"]),
        "/busy" => page("<title>Busy</title><script>while (true);</script>"),
        // Without a title, so that a picture of it is wanted.
        "/alerts" => page("<script>setInterval(() => alert(1), 100)</script>"),
        "/reloads" => page(
            "<title>Reloads</title><script>onload = () => setTimeout(() => location.reload(), 5)</script>",
        ),
        "/good" => page("<title>Good</title>"),
        _ => status(404),
    })
    .await;
    let mut kit = Kit::default();
    kit.browser.page_timeout = Duration::from_secs(5);
    let mill = Mill::start(&store, &kit);
    let args = json!({ "base_url": site.url("/"), "slow_page_seconds": 60 });
    let job = ended(&db, db.enqueue(crawl(args)).await).await;
    let result = job.result.unwrap_or_else(|| panic!("{:?}", job.error));
    assert_eq!((&result["pages_crawled"], job.attempt), (&json!(5), 1));
    let (busy, alerts, reloads) = (site.url("/busy"), site.url("/alerts"), site.url("/reloads"));
    let mut bugs = found(&result);
    // Whether it is quiet between two reloads is up to the machine.
    bugs.remove(&("slow_page", reloads.as_str()));
    let expected = [("slow_page", busy.as_str()), ("missing_title", alerts.as_str())];
    assert_eq!(bugs, BTreeSet::from(expected));
    assert_eq!(site.count("GET /good"), 1);
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_redirect_and_no_script_leads_where_a_crawl_may_not_go() {
    let db = Db::new().await;
    let other = Wild::start(|_, path| match path {
        "/robots.txt" => status(404),
        _ => page("<title>Other</title>"),
    })
    .await;
    let elsewhere = other.url("/page");
    let site = Wild::start(move |_, path| match path {
        "/robots.txt" => Some("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nUser-agent: *\nDisallow: /private\n".into()),
        "/" => links(&["/out", "/off", "/moves", "/leaves", "/opens", "/moved"]),
        "/out" => redirect("/private/1"),
        "/off" => redirect(&elsewhere),
        "/moves" => page("<title>Moves</title><script>onload = () => setTimeout(() => location = '/private/2')</script><a href='/kept'>kept</a>"),
        "/leaves" => page(&format!("<title>Leaves</title><script>location = '{elsewhere}'</script>")),
        "/opens" => page("<title>Opens</title><script>open('/private/3'); open('/private/4', '_blank', 'noopener')</script>"),
        "/moved" => redirect("/landed"),
        "/landed" | "/kept" => page("<title>Good</title>"),
        _ => page("<title>Private</title><img src='/private/seen.png' alt=''>"),
    })
    .await;
    let mill = Mill::start(&db.store, &Kit::default());
    let crawled = async |args: Value| {
        let job = ended(&db, db.enqueue(crawl(args)).await).await;
        job.result.unwrap_or_else(|| panic!("{:?}", job.error))
    };
    // In the browser, and as links that are only asked whether they are there.
    for pages in [100, 1] {
        let result =
            crawled(json!({ "base_url": site.url("/"), "max_pages": pages, "slow_page_seconds": 60 })).await;
        assert_eq!(result["bugs_found"], 0, "{result:#}");
        assert_eq!(result["pages_crawled"], pages.min(8), "{result:#}");
    }
    let asked = site.asked();
    assert!(!asked.iter().any(|line| line.contains("/private")), "{asked:?}");
    assert_eq!(other.asked(), Vec::<String>::new(), "not even its robots.txt is read");
    for line in ["GET /out", "HEAD /out", "GET /off", "HEAD /off", "GET /landed", "HEAD /landed", "GET /kept"]
    {
        assert_eq!(site.count(line), 1, "{line}: {asked:?}");
    }
    // Where the job lets it.
    crawled(json!({ "base_url": site.url("/"), "max_pages": 1, "check_external": true })).await;
    assert_eq!(other.asked(), ["GET /robots.txt", "HEAD /page"]);
    mill.stop().await;
}
