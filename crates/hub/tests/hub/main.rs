//! The hub against a real Docker engine: a whole `tidemill dev`, its HTTP routes, and what `docker ps`
//! then says. Needs root, or `sudo` that asks for nothing, to start an engine of its own; else each test
//! says so and ends.

#[path = "../../../../tests/shared/binary.rs"]
mod binary;
mod cancel;
mod crowd;
mod engine;
mod gate;
mod hub;
mod lifecycle;
mod polling;
mod program;
mod projects;
mod refusals;
mod renewal;
mod retries;
mod signs;
mod wellness;

use std::time::{Duration, Instant};

/// Everything happens within this time, or never.
const DEADLINE: Duration = Duration::from_secs(90);

/// Asks again and again until `fact` answers something.
async fn wait_for<T>(what: &str, mut fact: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = fact().await {
            return answer;
        }
        assert!(began.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
