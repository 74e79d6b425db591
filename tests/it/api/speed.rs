//! How long POST /jobs takes at 200 requests a second, and POST /execute over 8 connections. Ignored by default: they
//! measure, and what they find depends on the machine and the build.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tidemill::api::server::settings::ApiSettings;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::server::{on_a_server, on_a_server_of};

const A_SECOND: u32 = 200;
const SECONDS: u32 = 10;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test --release --test it post_latency -- --ignored --nocapture"]
async fn post_latency() {
    on_a_server(|server| async move {
        let mut ticks = interval(Duration::from_secs(1) / A_SECOND);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut requests = JoinSet::new();
        for number in 0..A_SECOND * SECONDS {
            let due = ticks.tick().await.into_std();
            let server = server.clone();
            requests.spawn(async move {
                server.enqueue(json!({"kind": "echo", "args": {"n": number}})).await;
                // From when it was due, so that a stalled client hides nothing.
                due.elapsed()
            });
        }
        print(&format!("{A_SECOND}/s"), requests.join_all().await);
    })
    .await;
}

const TASKS: u32 = 500;
const CONNECTIONS: u32 = 8;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test --release --test it execute_latency -- --ignored --nocapture"]
async fn execute_latency() {
    on_a_server_of("[agent]\nmodel = 'm'", ApiSettings::default(), Vec::new(), |server| async move {
        let left = Arc::new(AtomicU32::new(TASKS));
        let mut connections = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (server, left) = (server.clone(), Arc::clone(&left));
            connections.spawn(async move {
                let mut times = Vec::new();
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    let task = json!({"task_description": "look", "session_data": {
                        "url": "https://example.com", "cookies": [{"name": "sid", "value": "k3j9x2", "httpOnly": true}],
                        "localStorage": {"theme": "dark"},
                    }});
                    let began = Instant::now();
                    server.post("/execute", task).await.expect(202);
                    times.push(began.elapsed());
                }
                times
            });
        }
        let times: Vec<Duration> = connections.join_all().await.concat();
        print(&format!("{CONNECTIONS} connections"), times);
    })
    .await;
}

fn print(how: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!(
        "{} requests at {how}: p50 {:?}, p90 {:?}, p99 {:?}, most {:?}",
        times.len(),
        at(50),
        at(90),
        at(99),
        at(100)
    );
}
