//! The options of a worker.

use std::time::Duration;

/// The options of a worker.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tidemill::WorkerSettings;
///
/// let settings = WorkerSettings {
///     name: "mailer".into(),
///     queues: vec![("mail".into(), 4), ("default".into(), 1)],
///     shutdown_timeout: Duration::from_mins(2),
///     max_runs: Some(10_000),
///     ..WorkerSettings::default()
/// };
/// ```
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Its name for people; the machine's name if empty.
    pub name: String,
    /// The number of jobs of each queue that it runs at once.
    pub queues: Vec<(String, usize)>,
    /// The same for every other queue, discovered as jobs arrive; 0 leaves those to other workers.
    pub other_queue_slots: usize,
    /// How long its leases last without a heartbeat.
    pub lease_ttl: Duration,
    /// How often it renews them.
    pub heartbeat: Duration,
    /// How often it polls for work without a notification.
    pub poll: Duration,
    /// How long running jobs may take to finish at shutdown before they are handed back.
    pub shutdown_timeout: Duration,
    /// How processes left by commands are ended, for people to read.
    pub containment: Option<String>,
    /// The number of attempts after which it claims no more jobs and ends when the running ones have
    /// finished.
    pub max_runs: Option<u64>,
    /// The same for the memory of its process.
    pub max_memory_bytes: Option<u64>,
}

impl WorkerSettings {
    /// The time without a sign of life of its process after which its attempts must end: a little less than
    /// the rest of a lease that was renewed just before the last heartbeat.
    pub(super) fn longest_silence(&self) -> Duration {
        let left = (self.lease_ttl * 9 / 10).saturating_sub(self.heartbeat * 5 / 4);
        left.clamp(self.lease_ttl / 4, self.lease_ttl * 4 / 5)
    }
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            name: String::new(),
            queues: vec![("default".into(), 10)],
            other_queue_slots: 0,
            lease_ttl: Duration::from_secs(30),
            heartbeat: Duration::from_secs(5),
            poll: Duration::from_secs(1),
            shutdown_timeout: Duration::from_secs(30),
            containment: None,
            max_runs: None,
            max_memory_bytes: None,
        }
    }
}
