//! One process of the API before many viewers: what an idle one costs, how soon an event reaches a thousand of one
//! job, and that all come back after the process was killed, one after the other and without a gap.
//!
//! `TIDEMILL_VIEWERS=10000` measures with that many, and `TIDEMILL_VIEWERS_BINARY` names another build of the
//! binary; then the bounds of docs/browsers.md hold.

mod outages;
mod process;
mod viewer;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::process::Api;
use self::viewer::{Sight, connected, connected_with, most_at_once, view, viewers};
use crate::support::Db;

/// How many viewers, and whether the bounds of the documentation are held to.
fn wanted() -> (usize, bool) {
    let asked = std::env::var("TIDEMILL_VIEWERS").ok().map(|count| count.parse().expect("a number"));
    (asked.unwrap_or(500), asked.is_some())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_viewer_costs_little_memory() {
    let (count, is_measured) = wanted();
    let db = Db::new().await;
    let api = Api::start(&db.options().url).await;
    let mut jobs = Vec::new();
    for _ in 0..20 {
        let job = api.post("/api/v1/jobs", json!({"kind": "idle", "delay": "1d"})).await;
        jobs.push(job["id"].as_str().unwrap().to_owned());
    }
    let (sender, mut seen) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    // As many at once as come in a second of an ordinary day; after a restart all come at once.
    let mut open = async |from: usize, to: usize| {
        for batch in (from..to).step_by(50) {
            let batch = batch..(batch + 50).min(to);
            let count = batch.len();
            for nth in batch {
                tasks.spawn(view(nth, api.address, jobs[nth % jobs.len()].clone(), sender.clone()));
            }
            connected(&mut seen, count).await;
        }
    };
    // What the process keeps from its first viewers on is not theirs.
    open(0, 50).await;
    let before = api.memory();
    let began = Instant::now();
    open(50, 50 + count).await;
    let took = began.elapsed();
    let each = (api.memory() - before) / count as u64;
    println!("{count} idle viewers: {each} bytes each, of {} MB; connected in {took:?}", api.memory() >> 20);
    // Few viewers do not fill the pages of the allocator.
    let most = if is_measured { 25_000 } else { 40_000 };
    assert!(each <= most, "{each} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_reaches_every_viewer_soon_and_a_killed_process_loses_none() {
    let (count, is_measured) = wanted();
    let count = count.min(1_000);
    let db = Db::new().await;
    let mut api = Api::start(&db.options().url).await;
    let (job, lease) = api.running().await;
    let (viewers, mut seen) = viewers(count, api.address, std::slice::from_ref(&job));
    connected(&mut seen, count).await;
    let sent: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let progress = format!("/api/v1/worker/jobs/{job}/progress");
    let mut delays = Vec::new();
    let mut last = vec![0; count];
    let mut take = |sight: Sight, last: &mut Vec<i64>| {
        let Sight::Event(nth, seq, at) = sight else { return };
        assert_eq!(seq, last[nth] + 1, "viewer {nth} missed an event or saw one twice");
        last[nth] = seq;
        let sent = sent.lock().unwrap().get(usize::try_from(seq).unwrap() - 1).copied();
        delays.extend(sent.map(|sent| at - sent));
    };
    for percent in 1..=50 {
        sent.lock().unwrap().push(Instant::now());
        api.post(&progress, json!({"lease_id": lease, "percent": percent})).await;
        while last.iter().any(|seq| *seq < percent) {
            take(seen.recv().await.unwrap(), &mut last);
        }
    }
    // Those of a killed process, and those that were committed while none was there.
    api.kill().await;
    let append = format!("select append_event('{job}', 1, 'progress', '{{\"percent\": 60}}')");
    for _ in 0..10 {
        db.scalar::<i64>(append.clone()).await;
    }
    api.restart().await;
    let up = Instant::now();
    let opened = connected_with(&mut seen, count, |sight| take(sight, &mut last)).await;
    while last.iter().any(|seq| *seq < 60) {
        take(seen.recv().await.unwrap(), &mut last);
    }
    let recovered = up.elapsed();
    let (from, to) = (*opened.iter().min().unwrap(), *opened.iter().max().unwrap());
    let most_at_once = most_at_once(&opened);
    delays.sort();
    let at = |share: usize| delays[delays.len() * share / 100];
    println!("{count} viewers of a job, 50 events, to all of them: p50 {:?}, p99 {:?}", at(50), at(99));
    println!(
        "after a kill all were back in {recovered:?}, at most {most_at_once} in 100 ms, over {:?}",
        to - from
    );
    assert!(most_at_once <= count / 2, "{most_at_once} of {count} came at once");
    // Times say something of an optimised build on a machine that does nothing else.
    if is_measured {
        assert!(recovered < Duration::from_secs(5), "{recovered:?}");
        assert!(at(99) <= Duration::from_millis(100), "{:?}", at(99));
    }
    drop(viewers);
}
