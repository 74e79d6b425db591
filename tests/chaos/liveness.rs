//! Real workers that are frozen and thawed, or whose clock jumps: what is judged is the job, not the process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::ALONE;
use crate::processes::Mill;

const TIMEOUT: Duration = Duration::from_secs(40);

/// Asks until there is an answer.
pub async fn until<T>(what: &str, mut fact: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(answer) = fact().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {TIMEOUT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn get(mill: &Mill, path: &str) -> Value {
    reqwest::get(format!("{}/api/v1/{path}", mill.api_url())).await.unwrap().json().await.unwrap()
}

/// Enqueues a job that reports for a second or more; answers it as soon as it has reported once.
async fn slow_job(mill: &Mill) -> Value {
    let url = format!("{}/api/v1/jobs", mill.api_url());
    let request = reqwest::Client::new().post(url).json(&json!({"kind": "slow"}));
    let job: Value = request.send().await.unwrap().json().await.unwrap();
    until("the job runs", async || {
        let job = get(mill, &path(&job)).await;
        (job["state"] == "running" && !job["progress"].is_null()).then_some(job)
    })
    .await
}

pub fn path(job: &Value) -> String {
    format!("jobs/{}", job["id"].as_str().unwrap())
}

/// Which of the two runs it.
pub fn runner(job: &Value) -> &'static str {
    let worker = job["worker_id"].as_str().unwrap();
    if worker.starts_with("worker-1") { "worker-1" } else { "worker-2" }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_a_worker_that_is_frozen_and_thawed_changes_nothing() {
    let _alone = ALONE.lock().await;
    let mut mill = Mill::start().await;
    let job = slow_job(&mill).await;
    let frozen = runner(&job);
    mill.signal(frozen, Signal::SIGSTOP);
    let done = until("another worker completes it", async || {
        let job = get(&mill, &path(&job)).await;
        (job["state"] == "completed").then_some(job)
    })
    .await;
    assert_eq!(done["attempt"], 2);
    assert_ne!(runner(&done), frozen);
    let events = get(&mill, &format!("{}/events", path(&job))).await;
    mill.signal(frozen, Signal::SIGCONT);
    // It finds out that it lost the job, lets go of it, and works on.
    until("the thawed worker holds nothing", async || {
        let workers = get(&mill, "workers").await;
        let alive = |worker: &&Value| worker["state"] == "running" && worker["running"] == 0;
        (workers["items"].as_array()?.iter().filter(alive).count() == 2).then_some(())
    })
    .await;
    until("it runs jobs again", async || {
        let job = slow_job(&mill).await;
        (runner(&job) == frozen).then_some(())
    })
    .await;
    assert_eq!(get(&mill, &path(&job)).await, done, "it changed what others had done");
    assert_eq!(get(&mill, &format!("{}/events", path(&job))).await, events);
    assert_eq!(mill.gave_up, Vec::<String>::new());
    let left = mill.stop().await;
    assert!(left.is_empty(), "{left:?}");
}

/// A library under which the time of day is off by as many seconds as a file says.
fn false_clock(folder: &Path) -> Option<PathBuf> {
    let (source, library, offset) = (folder.join("clock.c"), folder.join("clock.so"), folder.join("offset"));
    std::fs::write(
        &source,
        format!(
            r#"#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *at) {{
  int answer = syscall(SYS_clock_gettime, clock, at);
  if (clock == CLOCK_REALTIME) {{
    long seconds = 0;
    FILE *file = fopen("{}", "r");
    if (file) {{
      if (fscanf(file, "%ld", &seconds) == 1) at->tv_sec += seconds;
      fclose(file);
    }}
  }}
  return answer;
}}
"#,
            offset.display()
        ),
    )
    .unwrap();
    let made = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).status();
    assert!(made.unwrap().success());
    Some(library)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g8_a_clock_that_jumps_costs_no_attempt() {
    let _alone = ALONE.lock().await;
    let mut mill = Mill::start_with(false_clock).await;
    let offset = mill.ledger().with_file_name("offset");
    for seconds in [7_200_i64, -7_200] {
        let job = slow_job(&mill).await;
        std::fs::write(&offset, seconds.to_string()).unwrap();
        // The workers believe it: they say so with their next heartbeat.
        until("both workers say the false time", async || {
            let doctor = get(&mill, "doctor").await;
            let clocks = doctor["items"].as_array()?.iter().filter(|item| item["check"] == "clocks");
            let reported = clocks.filter(|item| {
                item["details"]["seconds"].as_f64().is_some_and(|off| (off - seconds as f64).abs() < 60.0)
            });
            (reported.count() == 2).then_some(())
        })
        .await;
        // Leases are renewed beyond their time of two seconds, and the next job runs as well.
        let next = slow_job(&mill).await;
        for job in [&job, &next] {
            let done = until("it completes", async || {
                let job = get(&mill, &path(job)).await;
                (job["state"] == "completed").then_some(job)
            })
            .await;
            assert_eq!(done["attempt"], 1, "{done}");
        }
        std::fs::write(&offset, "0").unwrap();
    }
    assert_eq!(mill.gave_up, Vec::<String>::new());
    let left = mill.stop().await;
    assert!(left.is_empty(), "{left:?}");
}
