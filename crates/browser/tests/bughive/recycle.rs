//! A worker that reached `max_runs` or `max_memory` claims no more, lets its running jobs finish, and exits with 0. The real
//! program, with the schedule and the kinds that the config makes.

use std::fs;

use serde_json::Value;
use tidemill::store::db::migrate::migrate;

use crate::mill::{TIMEOUT, job, nothing, program};
use crate::support::{Db, wait_at_most};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_ends_after_its_runs() {
    let db = Db::new().await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[database]\nurl = '{}'\n[worker]\nmax_runs = 3\n[bughive]\nenabled = true\n[queues.default]\nslots = 1\n\
         [kinds.wait]\ncommand = ['sleep', '0.3']\n",
        db.options().url
    );
    fs::write(folder.path().join("tidemill.toml"), config).unwrap();
    let jobs: Vec<_> = (0..5).map(|_| job("wait", "default", nothing())).collect();
    db.enqueue_all(&jobs).await;
    let mut worker = program(folder.path(), &["worker"], "worker.log");
    let status = tokio::time::timeout(TIMEOUT, worker.wait()).await.expect("it ends by itself").unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(db.count("jobs where state = 'completed'").await, 3);
    assert_eq!(
        db.count("jobs_live where state = 'available' and attempt = 0").await,
        2,
        "no attempt is lost"
    );

    // The next one does the rest, and memory ends it just the same.
    let mut worker = program(folder.path(), &["worker"], "worker.log");
    wait_at_most(TIMEOUT, "the other jobs", || async {
        (db.count("jobs where state = 'completed'").await == 5).then_some(())
    })
    .await;
    worker.kill().await.unwrap();
    let text = fs::read_to_string(folder.path().join("tidemill.toml")).unwrap();
    let text = text.replace("max_runs = 3", "max_memory = '16MiB'\nheartbeat = '500ms'");
    fs::write(folder.path().join("tidemill.toml"), text).unwrap();
    let mut worker = program(folder.path(), &["worker"], "worker.log");
    let status = tokio::time::timeout(TIMEOUT, worker.wait()).await.expect("it ends by itself").unwrap();
    assert_eq!(status.code(), Some(0), "{}", fs::read_to_string(folder.path().join("worker.log")).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_config_makes_queues_kinds_and_the_schedule() {
    let db = Db::new().await;
    migrate(&db.options()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[database]\nurl = '{}'\n[bughive]\nenabled = true\nticket = {{ max_attempts = 9 }}\n",
        db.options().url
    );
    fs::write(folder.path().join("tidemill.toml"), &config).unwrap();
    let worker = program(folder.path(), &["worker"], "worker.log");
    let queues: Value = wait_at_most(TIMEOUT, "the worker", || async {
        db.rows::<(Value,)>("select queues from workers where state = 'running'")
            .await
            .pop()
            .map(|(queues,)| queues)
    })
    .await;
    for (queue, slots) in [("crawl", 2), ("tickets", 4), ("media", 8), ("default", 2)] {
        assert_eq!(queues[queue], slots, "{queues}");
    }
    let kinds: Vec<(String, String, i16, i32, Option<String>, String)> = db
        .rows("select name, queue, priority, max_attempts, soft_timeout::text, hard_timeout::text from kinds where source = 'rust' order by name")
        .await;
    let expected = [
        ("crawl.session", "crawl", 3, 4, Some("00:50:00"), "01:00:00"),
        ("media.upload", "media", 7, 4, None, "00:10:00"),
        ("sessions.cleanup", "default", 7, 4, None, "00:10:00"),
        ("ticket.create", "tickets", 5, 9, None, "00:10:00"),
    ];
    let expected = expected.map(|(name, queue, priority, attempts, soft, hard)| {
        (name.to_owned(), queue.to_owned(), priority, attempts, soft.map(str::to_owned), hard.to_owned())
    });
    assert_eq!(kinds, expected);

    // A worker alone makes the schedule, and leaves those of others.
    let (cron, kind): (String, String) = wait_at_most(TIMEOUT, "the schedule", || async {
        db.rows("select cron, job ->> 'kind' from schedules where name = 'bughive.sessions-cleanup'")
            .await
            .pop()
    })
    .await;
    assert_eq!((cron.as_str(), kind.as_str()), ("0 3 * * *", "sessions.cleanup"));
    db.execute("select put_schedule('of-another', '0 0 1 1 *', null, null, 'UTC', '{\"kind\": \"k\"}', 'one', 1, 'skip', '0', 'config')").await;
    drop(worker);
    let second = program(folder.path(), &["worker"], "worker.log");
    wait_at_most(TIMEOUT, "another worker", || async { (db.count("workers").await == 2).then_some(()) })
        .await;
    assert_eq!(db.count("schedules").await, 2);
    drop(second);
    // A server has the whole config, and one with a revision removes what that no longer has.
    fs::write(folder.path().join("tidemill.toml"), format!("{config}[deployment]\nrevision = 1\n")).unwrap();
    let server = program(folder.path(), &["serve", "--listen", "127.0.0.1:0"], "serve.log");
    wait_at_most(TIMEOUT, "the server", || async { (db.count("schedules").await == 1).then_some(()) }).await;
    drop(server);
}
