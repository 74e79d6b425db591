//! The gauges of `/metrics`: queues and workers, read at most once a second however often it is
//! scraped. Must never count rows of `jobs` without a bound.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use tokio::sync::Mutex;

use crate::metrics::Levels;
use crate::store::queues::QueueDocument;
use crate::store::{Result, Store};

const GOOD_FOR: Duration = Duration::from_secs(1);

/// The last read; shared by all scrapes.
#[derive(Debug, Default)]
pub struct Gauges(Mutex<Option<(Instant, Arc<CachedLevels>)>>);

/// The values.
#[derive(Debug)]
pub struct CachedLevels {
    queues: Vec<QueueDocument>,
    workers: BTreeMap<String, usize>,
    /// Live workers, and the memory of each at its last heartbeat.
    memory: Vec<(String, i64)>,
    /// Kinds with a breaker, and whether it is open.
    breakers: Vec<(String, bool)>,
    /// Alert rules, and how many alerts of each fire.
    alerts: Vec<(String, i64)>,
}

impl Gauges {
    /// The values, at most a second old.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn read(&self, store: &Store) -> Result<Arc<CachedLevels>> {
        // Held during the query: a scrape that arrives meanwhile waits for the same answer.
        let mut last = self.0.lock().await;
        if let Some((at, cached)) = &*last
            && at.elapsed() < GOOD_FOR
        {
            return Ok(Arc::clone(cached));
        }
        let queues = store.queues(None).await?;
        let mut workers = BTreeMap::new();
        let mut memory = Vec::new();
        for worker in store.workers().await? {
            if let Some(bytes) =
                worker.memory_bytes.filter(|_| matches!(&*worker.state, "running" | "draining"))
            {
                memory.push((worker.id, bytes));
            }
            *workers.entry(worker.state).or_default() += 1;
        }
        let kinds = store.kinds().await?.into_iter().filter(|kind| kind.breaker_after.is_some());
        let breakers = kinds.map(|kind| (kind.name, kind.breaker_open_until.is_some())).collect();
        let alerts = store.alerts_firing().await?;
        let cached = Arc::new(CachedLevels { queues, workers, memory, breakers, alerts });
        *last = Some((Instant::now(), Arc::clone(&cached)));
        Ok(cached)
    }
}

impl CachedLevels {
    /// Writes the values.
    #[expect(clippy::cast_precision_loss, reason = "levels are far below 2^52")]
    pub fn fill(&self, levels: &mut Levels) {
        for queue in &self.queues {
            let labels = [("queue", queue.name.as_str())];
            let mut set = |name, help, value| levels.set(name, help, &labels, value);
            let waits = queue.oldest_due_at.map_or(0.0, |due| (Utc::now() - due).as_seconds_f64().max(0.0));
            set(
                "tidemill_queue_available_jobs",
                "Jobs that are due; 10000 means that or more",
                queue.available as f64,
            );
            set("tidemill_queue_running_jobs", "Jobs that are running", queue.running as f64);
            set("tidemill_queue_oldest_due_seconds", "Seconds that the oldest due job has waited", waits);
            set(
                "tidemill_queue_paused",
                "1 while the queue is paused",
                f64::from(u8::from(queue.paused_at.is_some())),
            );
        }
        for (kind, open) in &self.breakers {
            let help = "1 while the kind's jobs are not started because they crash in a loop";
            levels.set("tidemill_breaker_open", help, &[("kind", kind)], f64::from(u8::from(*open)));
        }
        for (rule, firing) in &self.alerts {
            let help = "Firing alerts of the rule";
            levels.set("tidemill_alerts_firing", help, &[("rule", rule)], *firing as f64);
        }
        for (worker, bytes) in &self.memory {
            let help = "Memory of the worker's process at its last heartbeat";
            levels.set("tidemill_worker_memory_bytes", help, &[("worker", worker)], *bytes as f64);
        }
        for (state, count) in &self.workers {
            let help = "Workers by state; lost ones stopped sending heartbeats";
            levels.set("tidemill_workers", help, &[("state", state)], *count as f64);
        }
    }
}
