//! `tidemill inspect` and `tidemill purge` against a real server and a real worker.

use std::fs;
use std::path::Path;
use std::process::Output;

use tokio::process::Command;

use crate::mill::{TIMEOUT, crawl, program};
use crate::site::{Plan, Site};
use crate::support::{Db, wait_at_most};

async fn tidemill(folder: &Path, url: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = Command::new(crate::binary::tidemill())
        .args(arguments)
        .args(["--url", url])
        .current_dir(folder)
        .output()
        .await
        .unwrap();
    let output = [stdout, stderr].concat();
    (status.code(), String::from_utf8(output).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o6_workers_are_inspected_and_queues_purged() {
    let db = Db::new().await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[database]\nurl = '{}'\n[bughive]\nenabled = true\nallow_private = true\npage_delay = '0s'\n[worker]\nname = 'crawler'\n",
        db.options().url
    );
    fs::write(folder.path().join("tidemill.toml"), config).unwrap();
    let _server = program(folder.path(), &["serve", "--listen", "127.0.0.1:0"], "serve.log");
    let url = wait_at_most(TIMEOUT, "the server", || async {
        let log = fs::read_to_string(folder.path().join("serve.log")).unwrap_or_default();
        let line = log.lines().find(|line| line.contains("serving at http://"))?;
        line.split_whitespace().last().map(str::to_owned)
    })
    .await;
    let ask = async |arguments: &[&str]| tidemill(folder.path(), &url, arguments).await;

    let (code, output) = ask(&["inspect", "ping"]).await;
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("no worker is alive"), "{output}");

    let site = Site::start(Plan::Chain { pages: 3, held: 1 }).await;
    let _worker = program(folder.path(), &["worker"], "worker.log");
    let later = tidemill::NewJob {
        delay: Some(std::time::Duration::from_hours(1)),
        ..crawl(serde_json::json!({ "base_url": "https://later.test/" }))
    };
    let running = db.enqueue(crawl(serde_json::json!({ "base_url": site.url("/") }))).await;
    let scheduled = db.enqueue(later).await;
    wait_at_most(TIMEOUT, "the page that is held", || async { (site.gets("/1") == 1).then_some(()) }).await;

    let (code, output) = ask(&["inspect", "ping"]).await;
    assert_eq!(code, Some(0), "{output}");
    assert!(output.starts_with("crawler") && output.contains(": pong"), "{output}");
    let (_, output) = ask(&["inspect", "active"]).await;
    assert!(output.contains(&running.to_string()) && !output.contains(&scheduled.to_string()), "{output}");
    let (_, output) = ask(&["inspect", "scheduled"]).await;
    assert!(output.contains(&scheduled.to_string()) && !output.contains(&running.to_string()), "{output}");
    let (_, output) = ask(&["inspect", "registered"]).await;
    for kind in ["crawl.session", "ticket.create", "media.upload", "sessions.cleanup"] {
        assert!(output.contains(kind), "{output}");
    }
    let (_, output) = ask(&["inspect", "stats"]).await;
    assert!(
        output.contains("crawl=2") && output.contains("tickets=4") && output.contains("last hour:"),
        "{output}"
    );
    let (_, output) = ask(&["inspect", "stats", "--json"]).await;
    let stats: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(stats["workers"][0]["running"], 1, "{output}");

    let (code, output) = ask(&["purge", "crawl"]).await;
    assert_eq!(code, Some(2), "nobody is there to be asked: {output}");
    let (code, output) = ask(&["purge", "crawl", "--yes"]).await;
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains("1 jobs cancelled"), "{output}");
    assert_eq!((db.state(scheduled).await, db.state(running).await), ("cancelled", "running"));

    // All queues at once, and no more of one than of the other.
    let waits = |queue: &str| tidemill::NewJob {
        delay: Some(std::time::Duration::from_hours(1)),
        ..crate::mill::job("k", queue, crate::mill::nothing())
    };
    db.enqueue_all(&[waits("one"), waits("two"), waits("two")]).await;
    let (code, output) = ask(&["purge", "--all"]).await;
    assert_eq!(code, Some(2), "{output}");
    assert!(output.contains("one, tickets, two"), "it names them: {output}");
    let (code, output) = ask(&["purge"]).await;
    assert!(code == Some(2) && output.contains("<NAME|--all>"), "neither a name nor --all: {output}");
    let (code, output) = ask(&["purge", "nosuch", "--yes"]).await;
    assert_eq!(code, Some(4), "{output}");
    let (code, output) = ask(&["purge", "--all", "--yes"]).await;
    assert_eq!(code, Some(0), "{output}");
    assert!(
        output.contains("queue one is purged: 1 jobs") && output.contains("queue two is purged: 2 jobs"),
        "{output}"
    );
    assert_eq!(db.count("jobs_live where state <> 'running'").await, 0);
    assert_eq!(db.state(running).await, "running");
    site.let_go();
}
