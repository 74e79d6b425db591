//! The only writer of single jobs in a process: all jobs that arrive while its last statement is in
//! flight go into the next one. Answers a caller only after the commit. A job that the database
//! refuses never fails another caller's, and a job whose queue capacity is locked by another
//! transaction never delays other jobs.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::queue_busy_retry::{PAUSE, RetryBudget};
use crate::api::server::problem::{Case, Problem};
use crate::job::state::JobState;
use crate::metrics::Metrics;
use crate::store::db::connection::PooledConnection;
use crate::store::db::notifier::Notifier;
use crate::store::jobs::enqueue::{Enqueued, InsertOutcome, enqueue_at_once, enqueue_one};
use crate::store::jobs::prepared::PreparedJob;
use crate::store::{Error, Store};

/// The most jobs of one statement.
const BATCH_JOBS: usize = 1_000;
/// The most bytes of one statement, as they were sent.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// How long the writer keeps its connection for the next job, up to twice that. A pool tests each connection that comes
/// back to it, and those round trips cost as much as a job; what is silent for so short a time needs no test.
const KEEP: Duration = Duration::from_millis(20);
/// The most waiting callers; further ones are refused with 503.
const WAITING_CALLERS: usize = 2_000;

type Answer = Result<Enqueued, Problem>;

struct WriteRequest {
    job: Arc<PreparedJob>,
    caller: Caller,
}

struct Caller {
    /// Of the request.
    bytes: usize,
    answer: oneshot::Sender<Answer>,
    /// Started when another transaction had locked the capacity of the job's queue.
    budget: Option<RetryBudget>,
}

/// A handle on the writer, which ends with its last handle; cheap to clone.
#[derive(Debug, Clone)]
pub struct Enqueuer {
    requests: mpsc::Sender<WriteRequest>,
}

impl Enqueuer {
    /// Starts the writer.
    #[must_use]
    pub fn start(store: Store, notifier: Notifier, metrics: Arc<Metrics>, strict_kinds: bool) -> Self {
        let (requests, waiting) = mpsc::channel(WAITING_CALLERS);
        let (busy, retrying) = mpsc::channel(WAITING_CALLERS);
        let writer = Writer { store, notifier, metrics, strict_kinds };
        tokio::spawn(writer.clone().persist(retrying));
        tokio::spawn(writer.run(waiting, busy));
        Self { requests }
    }

    /// Stores a job whose request had the given size in bytes; returns after the commit.
    ///
    /// # Errors
    /// 503 if too many wait already or the database is away, 422 for a value that it cannot store.
    pub async fn enqueue(&self, job: impl Into<Arc<PreparedJob>>, bytes: usize) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.requests
            .try_send(WriteRequest { job: job.into(), caller: Caller { bytes, answer, budget: None } })
            .map_err(|error| match error {
                TrySendError::Full(_) => {
                    Problem::new(Case::Unavailable, "Too many jobs are waiting to be stored.")
                }
                TrySendError::Closed(_) => shutting_down(),
            })?;
        answered.await.unwrap_or_else(|_| Err(shutting_down()))
    }
}

fn capacity_locked() -> Problem {
    Problem::new(Case::QueueBusy, "Another open transaction has locked the capacity of the job's queue.")
        .field("/queue")
}

fn shutting_down() -> Problem {
    Problem::new(Case::Unavailable, "The server is shutting down.")
}

#[derive(Clone)]
struct Writer {
    store: Store,
    notifier: Notifier,
    metrics: Arc<Metrics>,
    strict_kinds: bool,
}

impl Writer {
    async fn run(self, mut waiting: mpsc::Receiver<WriteRequest>, busy: mpsc::Sender<WriteRequest>) {
        let mut gathered = Vec::with_capacity(BATCH_JOBS);
        let (mut kept, mut is_used) = (None, false);
        // A timer of its own for each job would wake another thread, which waits for the earliest of all timers.
        let mut pause = interval(KEEP);
        pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                count = waiting.recv_many(&mut gathered, BATCH_JOBS) => match count {
                    0 => return,
                    _ => is_used = true,
                },
                _ = pause.tick(), if kept.is_some() => {
                    if !mem::take(&mut is_used) {
                        kept = None;
                    }
                    continue;
                }
            }
            for request in self.write_all(gathered.drain(..), &mut kept).await {
                let caller = Caller { budget: Some(RetryBudget::begin()), ..request.caller };
                let request = WriteRequest { caller, ..request };
                if let Err(TrySendError::Full(request) | TrySendError::Closed(request)) =
                    busy.try_send(request)
                {
                    let _ = request.caller.answer.send(Err(capacity_locked()));
                }
            }
        }
    }

    /// Retries jobs whose queue capacity is locked, all in one statement, while they may wait.
    async fn persist(self, mut busy: mpsc::Receiver<WriteRequest>) {
        let mut waiting = Vec::new();
        while !waiting.is_empty() || busy.recv_many(&mut waiting, BATCH_JOBS).await > 0 {
            sleep(PAUSE).await;
            while let Ok(request) = busy.try_recv() {
                waiting.push(request);
            }
            let still = self.write_all(waiting.drain(..), &mut None).await;
            for request in still {
                if request.caller.budget.as_ref().is_none_or(RetryBudget::is_spent) {
                    let _ = request.caller.answer.send(Err(capacity_locked()));
                } else {
                    waiting.push(request);
                }
            }
        }
    }

    /// Writes in as few statements as the limits allow; returns the jobs whose queue capacity is locked.
    async fn write_all(
        &self,
        requests: impl Iterator<Item = WriteRequest>,
        kept: &mut Option<PooledConnection>,
    ) -> Vec<WriteRequest> {
        let mut rest = requests.peekable();
        let mut busy = Vec::new();
        while rest.peek().is_some() {
            let mut bytes = 0;
            let (mut jobs, mut callers) = (Vec::new(), Vec::new());
            while let Some(request) = rest.next_if(|request| {
                jobs.is_empty() || jobs.len() < BATCH_JOBS && bytes + request.caller.bytes <= BATCH_BYTES
            }) {
                bytes += request.caller.bytes;
                jobs.push(request.job);
                callers.push(request.caller);
            }
            busy.extend(self.write(jobs, callers, kept).await);
        }
        busy
    }

    async fn write(
        &self,
        jobs: Vec<Arc<PreparedJob>>,
        callers: Vec<Caller>,
        kept: &mut Option<PooledConnection>,
    ) -> Vec<WriteRequest> {
        let enqueued = match self.store_all(&jobs, kept).await {
            Ok(enqueued) => enqueued.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) if jobs.len() > 1 && error.blames_a_value() => {
                let mut apart = Vec::with_capacity(jobs.len());
                for job in &jobs {
                    let one = self.store_all(std::slice::from_ref(job), kept).await;
                    apart.push(one.map(|mut enqueued| enqueued.remove(0)).map_err(Problem::from));
                }
                apart
            }
            Err(error) => vec![Err(Problem::from(error)); jobs.len()],
        };
        let mut busy = Vec::new();
        for ((job, caller), enqueued) in jobs.into_iter().zip(callers).zip(enqueued) {
            if enqueued.as_ref().is_ok_and(|enqueued| enqueued.outcome == InsertOutcome::QueueBusy) {
                busy.push(WriteRequest { job, caller });
            } else {
                // Then the caller's is the only one left, and it need not copy the job for its answer.
                drop(job);
                // A caller that hung up needs no answer; its job is stored all the same.
                let _ = caller.answer.send(enqueued);
            }
        }
        busy
    }

    /// Over the connection that was kept; after an error that one goes back to its pool, which tests it.
    async fn store_all(
        &self,
        jobs: &[Arc<PreparedJob>],
        kept: &mut Option<PooledConnection>,
    ) -> Result<Vec<Enqueued>, Error> {
        let began = Instant::now();
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => self.store.pool().acquire().await?,
        };
        let enqueued = if let [job] = jobs {
            vec![enqueue_one(connection.connection(), job, self.strict_kinds).await?]
        } else {
            enqueue_at_once(connection.connection(), jobs, self.strict_kinds).await?
        };
        *kept = self.store.pool().has_spare().then_some(connection);
        self.metrics.batch("enqueue", jobs.len(), began.elapsed());
        announce_enqueued(&self.notifier, &self.metrics, &enqueued);
        Ok(enqueued)
    }
}

/// Wakes the queues of the jobs that were created, where somebody waits, and counts those.
pub fn announce_enqueued<'a>(
    notifier: &Notifier,
    metrics: &Metrics,
    enqueued: impl IntoIterator<Item = &'a Enqueued> + Clone,
) {
    let created = enqueued.into_iter().filter(|enqueued| enqueued.outcome == InsertOutcome::Created);
    let (plain, grouped): (Vec<_>, Vec<_>) =
        created.partition(|enqueued| enqueued.state == JobState::Available);
    metrics.jobs_enqueued.inc_by((plain.len() + grouped.len()) as u64);
    let mut awaited = plain.iter().filter(|enqueued| enqueued.is_awaited).peekable();
    if awaited.peek().is_some() {
        notifier.queues(awaited.map(|enqueued| enqueued.queue.as_str()));
    }
    if !grouped.is_empty() {
        notifier.groups(grouped.iter().map(|enqueued| enqueued.queue.as_str()));
    }
}
