//! Postgres is away for longer than leases last, and comes back: it was no death of workers. Real workers keep what
//! goes on, hand back what they ended at no cost of an attempt, and those that did die meanwhile lose their jobs.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::ALONE;
use crate::liveness::{get, path, runner, until};
use crate::processes::Mill;

/// Two and a half times as long as leases last.
const AWAY: Duration = Duration::from_secs(10);

/// How Postgres goes away.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outage {
    Frozen,
    Ended,
}

async fn enqueue(mill: &Mill, kind: &str) -> Value {
    let url = format!("{}/api/v1/jobs", mill.api_url());
    let request = reqwest::Client::new().post(url).json(&json!({ "kind": kind, "max_attempts": 1 }));
    request.send().await.unwrap().json().await.unwrap()
}

/// Enqueues a job of this kind; answers it when its command has begun.
async fn begun(mill: &Mill, kind: &str) -> Value {
    let job = enqueue(mill, kind).await;
    until("its command begins", async || (begins(mill, &job) == 1).then_some(())).await;
    get(mill, &path(&job)).await
}

/// How often the job's command began, as it says itself.
fn begins(mill: &Mill, job: &Value) -> usize {
    let ledger = std::fs::read_to_string(mill.ledger()).unwrap();
    let id = job["id"].as_str().unwrap();
    ledger.lines().filter(|line| line.starts_with(id) && line.ends_with(" begin")).count()
}

/// Lets Postgres be away; `meanwhile` is done in the middle of it.
async fn outage(mill: &mut Mill, how: Outage, meanwhile: impl FnOnce(&mut Mill)) {
    match how {
        Outage::Frozen => mill.freeze_postgres(true),
        Outage::Ended => {
            // A claim does not wait for the disk, an enqueue does, and for all that committed before it.
            enqueue(mill, "nobody-runs-it").await;
            mill.end_postgres_at_once().await;
        }
    }
    // No wait for a fact: it is the time that counts, and more of it does no harm.
    tokio::time::sleep(AWAY / 2).await;
    meanwhile(mill);
    tokio::time::sleep(AWAY / 2).await;
    match how {
        Outage::Frozen => mill.freeze_postgres(false),
        Outage::Ended => mill.restart_postgres().await,
    }
}

async fn completed(mill: &Mill, job: &Value) -> Value {
    until("the job completes", async || {
        let now = get(mill, &path(job)).await;
        assert!(now["state"] != "failed", "{now}");
        (now["state"] == "completed").then_some(now)
    })
    .await
}

fn finish(mill: &Mill) -> std::path::PathBuf {
    Path::new(&mill.ledger()).with_file_name("finish")
}

async fn an_outage_costs_no_attempt(how: Outage) {
    let _alone = ALONE.lock().await;
    let mut mill = Mill::start_with_leases("4s").await;
    // Each has one attempt.
    let (goes_on, stops) = (begun(&mill, "goes-on").await, begun(&mill, "stops").await);
    outage(&mut mill, how, |_| {}).await;
    let back = Instant::now();
    until("the one that was ended begins again", async || (begins(&mill, &stops) == 2).then_some(())).await;
    println!("{how:?}: handed back and begun again {:?} after Postgres was back", back.elapsed());
    std::fs::write(finish(&mill), "").unwrap();
    for (job, times) in [(&goes_on, 1), (&stops, 2)] {
        let done = completed(&mill, job).await;
        assert_eq!((&done["attempt"], begins(&mill, job)), (&json!(1), times), "{done}");
        let events = get(&mill, &format!("{}/events", path(job))).await;
        let types: Vec<&str> =
            events["items"].as_array().unwrap().iter().filter_map(|event| event["type"].as_str()).collect();
        assert!(!types.contains(&"lease_lost"), "{types:?}");
        assert_eq!(types.contains(&"released"), times == 2, "{types:?}");
    }
    assert_eq!(mill.gave_up, Vec::<String>::new());
    let left = mill.stop().await;
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g7_a_frozen_postgres_costs_no_attempt() {
    an_outage_costs_no_attempt(Outage::Frozen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g7_a_postgres_that_is_restarted_late_costs_no_attempt() {
    an_outage_costs_no_attempt(Outage::Ended).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g7_a_worker_that_dies_during_an_outage_loses_its_jobs_after_it() {
    let _alone = ALONE.lock().await;
    let mut mill = Mill::start_with_leases("4s").await;
    let (goes_on, other) = (begun(&mill, "goes-on").await, begun(&mill, "stops").await);
    let dead = runner(&goes_on);
    outage(&mut mill, Outage::Ended, |mill| {
        assert!(mill.kill(dead));
        mill.start_again(dead);
    })
    .await;
    let lost = until("the job of the dead worker is taken back", async || {
        let job = get(&mill, &path(&goes_on)).await;
        (job["state"] == "failed").then_some(job)
    })
    .await;
    assert_eq!(lost["error"]["type"], "lease_expired", "{lost}");
    std::fs::write(finish(&mill), "").unwrap();
    if runner(&other) != dead {
        completed(&mill, &other).await;
    }
    let left = mill.stop().await;
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g7_a_worker_that_is_cut_off_alone_still_loses_its_jobs() {
    let _alone = ALONE.lock().await;
    let mut mill = Mill::start_with_leases("4s").await;
    let job = begun(&mill, "goes-on").await;
    let frozen = runner(&job);
    mill.signal(frozen, Signal::SIGSTOP);
    let lost = until("others take it back", async || {
        let job = get(&mill, &path(&job)).await;
        (job["state"] == "failed").then_some(job)
    })
    .await;
    assert_eq!(lost["error"]["type"], "lease_expired", "{lost}");
    mill.signal(frozen, Signal::SIGCONT);
    std::fs::write(finish(&mill), "").unwrap();
    let left = mill.stop().await;
    assert!(left.is_empty(), "{left:?}");
}
