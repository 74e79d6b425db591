//! Pages with parts that come late or never: the report has what is there, and nothing is invented for the rest.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::mill::{Kit, Mill, crawl, ended};
use crate::support::Db;
use crate::wild::{Wild, links, page, status};

/// The result of a crawl by a worker with this timeout for a page.
async fn crawled(site: &Wild, limit: Duration) -> Value {
    let db = Db::new().await;
    let mut kit = Kit::default();
    kit.browser.page_timeout = limit;
    let mill = Mill::start(&db.store, &kit);
    let args = json!({ "base_url": site.url("/"), "slow_page_seconds": 60, "max_pages": 50 });
    let job = ended(&db, db.enqueue(crawl(args)).await).await;
    mill.stop().await;
    job.result.unwrap_or_else(|| panic!("{:?}", job.error))
}

/// The bugs of a result as kind, path of the page, and what it is about.
fn found<'a>(result: &'a Value, site: &Wild) -> BTreeSet<(&'a str, String, String)> {
    let home = site.url("");
    let path = |value: &Value| value.as_str().unwrap_or_default().replace(&home, "");
    let bugs = result["bugs"].as_array().unwrap().iter();
    let what =
        |bug: &Value| if bug["resource"].is_string() { path(&bug["resource"]) } else { path(&bug["detail"]) };
    bugs.map(|bug| (bug["kind"].as_str().unwrap(), path(&bug["page"]), what(bug))).collect()
}

fn bug<'a>(kind: &'a str, page: &str, what: &str) -> (&'a str, String, String) {
    (kind, page.to_owned(), what.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_is_not_loaded_yet_makes_no_page_slow() {
    let site = Wild::start(|_, path| match path {
        "/" => page(
            "<title>Frames</title><a href='/next'>next</a><script>console.error('planted')</script>
             <div style='height: 20000px'></div><iframe loading='lazy' src='/frame'></iframe>",
        ),
        "/next" | "/frame" => page("<title>Good</title>"),
        _ => status(404),
    })
    .await;
    let result = crawled(&site, Duration::from_secs(10)).await;
    assert_eq!(found(&result, &site), BTreeSet::from([bug("console_error", "/", "planted")]));
    assert_eq!(result["pages_crawled"], 2, "its links are followed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_with_a_part_that_never_comes_is_slow_and_looked_at() {
    // Takes each call, and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let never = format!("http://{}/never", mute.local_addr().unwrap());
    let site = Wild::start(move |_, path| match path {
        "/" => links(&["/image", "/script"]),
        "/image" => page(&format!(
            "<title>Image</title><script>console.error('planted')</script><img src='{never}' alt=''><a href='/one'>1</a>"
        )),
        // What stands behind it is never read, and not missed.
        "/script" => page(&format!("<a href='/two'>2</a><script src='{never}'></script><title>Script</title>")),
        "/one" | "/two" => page("<title>Good</title>"),
        _ => status(404),
    })
    .await;
    let result = crawled(&site, Duration::from_secs(5)).await;
    let late = "it did not arrive in time";
    let expected = [
        bug("console_error", "/image", "planted"),
        bug("slow_page", "/image", late),
        bug("slow_page", "/script", late),
    ];
    assert_eq!(found(&result, &site), BTreeSet::from(expected));
    assert_eq!(result["pages_crawled"], 5, "their links are followed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_is_loaded_when_it_is_seen_is_looked_at_too() {
    let site = Wild::start(|_, path| match path {
        "/" => page(
            "<title>Images</title><div style='height: 20000px'></div>
             <img loading='lazy' src='/gone.png' alt='gone'><img loading='lazy' src='/page' alt='no image'>",
        ),
        "/page" => page("<title>Good</title>"),
        _ => status(404),
    })
    .await;
    let result = crawled(&site, Duration::from_secs(30)).await;
    let expected = [bug("broken_image", "/", "/gone.png"), bug("broken_image", "/", "/page")];
    assert_eq!(found(&result, &site), BTreeSet::from(expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_script_does_soon_after_the_load_counts() {
    let site = Wild::start(|_, path| match path {
        "/" => links(&["/title", "/late-title", "/throws"]),
        "/title" => page("<script>onload = () => setTimeout(() => document.title = 'Late', 500)</script>"),
        "/late-title" => page("<script>onload = () => setTimeout(() => document.title = 'Later', 2000)</script>"),
        "/throws" => page(
            "<title>Throws</title><script>onload = () => setTimeout(() => { throw new Error('planted') }, 1000)</script>",
        ),
        _ => status(404),
    })
    .await;
    let result = crawled(&site, Duration::from_secs(30)).await;
    let expected = [bug("uncaught_exception", "/throws", "Error: planted")];
    assert_eq!(found(&result, &site), BTreeSet::from(expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exception_in_a_worker_of_a_page_is_one() {
    let site = Wild::start(|_, path| match path {
        "/" => page(
            "<title>Worker</title><script>
             const code = \"console.error('said'); Promise.reject(new Error('rejected')); setTimeout(() => { throw new Error('thrown') })\";
             new Worker(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })))</script>",
        ),
        _ => status(404),
    })
    .await;
    let result = crawled(&site, Duration::from_secs(30)).await;
    let expected = [
        bug("console_error", "/", "said"),
        bug("uncaught_exception", "/", "Error: rejected"),
        bug("uncaught_exception", "/", "Error: thrown"),
    ];
    assert_eq!(found(&result, &site), BTreeSet::from(expected));
}
