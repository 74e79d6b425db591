//! How long POST /jobs takes at 200 requests a second. Ignored by default: it measures, and what it
//! finds depends on the machine and the build.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::server::on_a_server;

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
        let mut times = requests.join_all().await;
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        println!(
            "{} requests at {A_SECOND}/s: p50 {:?}, p90 {:?}, p99 {:?}, most {:?}",
            times.len(),
            at(50),
            at(90),
            at(99),
            at(100)
        );
    })
    .await;
}
