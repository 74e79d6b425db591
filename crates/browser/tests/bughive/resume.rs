//! A worker is killed in the middle of a crawl: its browser is gone with it, another worker goes on behind the last stored
//! page, and no page is crawled twice. The real program, with its log in JSON.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::process::Child;

use crate::mill::{crawl, ended, program, session};
use crate::site::{Plan, Site};
use crate::support::{Db, wait_at_most, wait_for};

const PAGES: usize = 8;
const HELD: usize = 4;

fn write_config(folder: &Path, url: &str) {
    let config = format!(
        "[database]\nurl = '{url}'\n[worker]\nlease_ttl = '2s'\nheartbeat = '500ms'\nshutdown_timeout = '5s'\n\
         [keeper]\nsweep = '500ms'\n[log]\nformat = 'json'\n\
         [bughive]\nenabled = true\nallow_private = true\npage_delay = '0s'\ncrawl = {{ backoff_first = '50ms' }}\n"
    );
    fs::write(folder.join("tidemill.toml"), config).unwrap();
}

/// Browsers whose profile says that a process of ours started them.
fn browsers_of(ancestor: u32) -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.contains("tidemill-chromium-") && parent_of(*pid) == Some(ancestor.cast_signed())
    })
    .collect()
}

/// The profile of a browser.
fn profile_of(browser: i32) -> PathBuf {
    let words = fs::read_to_string(format!("/proc/{browser}/cmdline")).unwrap();
    words.split('\0').find_map(|word| word.strip_prefix("--user-data-dir=")).unwrap().into()
}

fn parent_of(pid: i32) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

async fn end(mut worker: Child) {
    kill(Pid::from_raw(worker.id().unwrap().cast_signed()), Signal::SIGTERM).unwrap();
    assert!(worker.wait().await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_is_crawled_twice_though_the_worker_is_killed() {
    let db = Db::new().await;
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &db.options().url);
    let site = Site::start(Plan::Chain { pages: PAGES, held: HELD }).await;
    let mut first = program(folder.path(), &["worker"], "first.log");
    let args = json!({ "session_id": "killed", "base_url": site.url("/"), "max_pages": 100, "slow_page_seconds": 60 });
    let id = db.enqueue(crawl(args)).await;
    wait_at_most(crate::mill::TIMEOUT, "the page that is held", || async {
        (site.gets(&format!("/{HELD}")) == 1).then_some(())
    })
    .await;
    let before = session(&db, "killed").await;
    assert_eq!((before.status, before.pages_crawled), ("running", 4), "the start and three more");
    let browsers = browsers_of(first.id().unwrap());
    assert_eq!(browsers.len(), 1);
    let left = profile_of(browsers[0]);

    first.start_kill().unwrap();
    first.wait().await.unwrap();
    wait_for("the end of the browser", || async { (!is_alive(browsers[0])).then_some(()) }).await;

    let second = program(folder.path(), &["worker"], "second.log");
    site.let_go();
    let job = ended(&db, id).await;
    let result = job.result.unwrap_or_else(|| panic!("{:?}", job.error));
    assert_eq!((&result["pages_crawled"], &result["bugs_found"], job.attempt), (&json!(PAGES), &json!(0), 2));
    assert!(!left.exists(), "the next browser's start removes what the killed worker left");
    let asked: Vec<usize> = (1..PAGES).map(|number| site.gets(&format!("/{number}"))).collect();
    // Nobody had seen the answer of the page that was held.
    let expected: Vec<usize> = (1..PAGES).map(|number| if number == HELD { 2 } else { 1 }).collect();
    assert_eq!((site.gets("/"), asked), (1, expected));
    let after = session(&db, "killed").await;
    assert_eq!((after.status, after.pages_crawled), ("completed", 8));
    end(second).await;

    // Each line of the crawl's log has both ids.
    let log = fs::read_to_string(folder.path().join("second.log")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let of_crawl: Vec<_> =
        lines.iter().filter(|line| line["target"].as_str().unwrap().contains("bughive::crawl")).collect();
    assert!(of_crawl.len() > PAGES - HELD, "{log}");
    for line in of_crawl {
        assert_eq!((&line["session_id"], &line["task_id"]), (&json!("killed"), &json!(id)), "{line}");
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
        assert!(line["event"].is_string() && line["level"] == "info", "{line}");
        assert!(line.as_object().unwrap().values().all(|value| !value.is_object()), "{line}");
    }
    assert!(log.contains("resuming after the last stored page"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_browser_costs_an_attempt_and_no_page() {
    let db = Db::new().await;
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &db.options().url);
    let site = Site::start(Plan::Chain { pages: PAGES, held: HELD }).await;
    let worker = program(folder.path(), &["worker"], "worker.log");
    let id = db.enqueue(crawl(json!({ "base_url": site.url("/"), "slow_page_seconds": 60 }))).await;
    wait_at_most(crate::mill::TIMEOUT, "the page that is held", || async {
        (site.gets(&format!("/{HELD}")) == 1).then_some(())
    })
    .await;
    kill(Pid::from_raw(browsers_of(worker.id().unwrap())[0]), Signal::SIGKILL).unwrap();
    wait_for("the failed attempt", || async { db.attempts(id).await.unwrap().pop() }).await;
    site.let_go();
    let job = ended(&db, id).await;
    let result = job.result.unwrap_or_else(|| panic!("{:?}", job.error));
    assert_eq!((&result["pages_crawled"], job.attempt), (&json!(PAGES), 2));
    let error = db.attempts(id).await.unwrap().remove(0).error.unwrap();
    assert_eq!((&error["type"], &error["permanent"]), (&json!("browser"), &json!(false)));
    assert_eq!((1..HELD).map(|number| site.gets(&format!("/{number}"))).collect::<Vec<_>>(), [1, 1, 1]);
    end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_crawl_ends_with_its_browser() {
    let db = Db::new().await;
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &db.options().url);
    let site = Site::start(Plan::Chain { pages: PAGES, held: HELD }).await;
    let worker = program(folder.path(), &["worker"], "worker.log");
    let id = db.enqueue(crawl(json!({ "session_id": "cancelled", "base_url": site.url("/") }))).await;
    wait_at_most(crate::mill::TIMEOUT, "the page that is held", || async {
        (site.gets(&format!("/{HELD}")) == 1).then_some(())
    })
    .await;
    let browsers = browsers_of(worker.id().unwrap());
    let profile = profile_of(browsers[0]);
    db.execute(format!("select cancel('{id}')")).await;
    let job = ended(&db, id).await;
    assert_eq!(job.state.word(), "cancelled");
    wait_for("the end of the browser and its profile", || async {
        (!is_alive(browsers[0]) && !profile.exists()).then_some(())
    })
    .await;
    let seen = session(&db, "cancelled").await;
    assert_eq!((seen.status, seen.pages_crawled), ("failed", 4));
    assert!(seen.error.is_some_and(|error| error.contains("cancelled")));
    site.let_go();
    end(worker).await;
}
