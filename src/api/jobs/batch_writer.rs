//! Writes the single jobs of a process, one statement at a time: a job that comes while none is in
//! flight is written by its own request, and all that come in the meantime go into the next statement.
//! Answers a caller only after the commit. A job that the database refuses never fails another
//! caller's, and a job whose queue capacity is locked by another transaction never delays other jobs.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, Notify, mpsc, oneshot};
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
    writer: Arc<Writer>,
    requests: mpsc::Sender<WriteRequest>,
    busy: mpsc::Sender<WriteRequest>,
}

impl Enqueuer {
    /// Starts the writer.
    #[must_use]
    pub fn start(store: Store, notifier: Notifier, metrics: Arc<Metrics>, strict_kinds: bool) -> Self {
        let (requests, waiting) = mpsc::channel(WAITING_CALLERS);
        let (busy, retrying) = mpsc::channel(WAITING_CALLERS);
        let writer = Arc::new(Writer {
            store,
            notifier,
            metrics,
            strict_kinds,
            kept: Mutex::default(),
            was_kept: Notify::new(),
        });
        tokio::spawn(Arc::clone(&writer).persist(retrying));
        tokio::spawn(Arc::clone(&writer).run(waiting, busy.clone()));
        Self { writer, requests, busy }
    }

    /// Stores a job whose request had the given size in bytes; returns after the commit.
    ///
    /// # Errors
    /// 503 if too many wait already or the database is away, 422 for a value that it cannot store.
    pub async fn enqueue(&self, job: impl Into<Arc<PreparedJob>>, bytes: usize) -> Answer {
        let job = job.into();
        // The writer's task would have to be woken, and with it a thread that looks for more to do.
        let Some(enqueued) = self.writer.write_if_idle(&job).await else {
            return wait_for(&self.requests, job, bytes, None).await;
        };
        let enqueued = enqueued?;
        if enqueued.outcome == InsertOutcome::QueueBusy {
            return wait_for(&self.busy, job, bytes, Some(RetryBudget::begin())).await;
        }
        Ok(enqueued)
    }
}

/// Leaves the job to a task, and waits until it is stored.
async fn wait_for(
    tasks: &mpsc::Sender<WriteRequest>,
    job: Arc<PreparedJob>,
    bytes: usize,
    budget: Option<RetryBudget>,
) -> Answer {
    let (answer, answered) = oneshot::channel();
    let is_busy = budget.is_some();
    tasks.try_send(WriteRequest { job, caller: Caller { bytes, answer, budget } }).map_err(|error| {
        match error {
            TrySendError::Full(_) if is_busy => capacity_locked(),
            TrySendError::Full(_) => {
                Problem::new(Case::Unavailable, "Too many jobs are waiting to be stored.")
            }
            TrySendError::Closed(_) => shutting_down(),
        }
    })?;
    answered.await.unwrap_or_else(|_| Err(shutting_down()))
}

fn capacity_locked() -> Problem {
    Problem::new(Case::QueueBusy, "Another open transaction has locked the capacity of the job's queue.")
        .field("/queue")
}

fn shutting_down() -> Problem {
    Problem::new(Case::Unavailable, "The server is shutting down.")
}

/// The connection that is kept for the next job.
#[derive(Debug, Default)]
struct Kept {
    connection: Option<PooledConnection>,
    /// Since the last look whether it lies idle.
    is_used: bool,
}

#[derive(Debug)]
struct Writer {
    store: Store,
    notifier: Notifier,
    metrics: Arc<Metrics>,
    strict_kinds: bool,
    /// Locked while a statement is in flight.
    kept: Mutex<Kept>,
    was_kept: Notify,
}

impl Writer {
    async fn run(
        self: Arc<Self>,
        mut waiting: mpsc::Receiver<WriteRequest>,
        busy: mpsc::Sender<WriteRequest>,
    ) {
        let mut gathered = Vec::with_capacity(BATCH_JOBS);
        let mut is_keeping = false;
        // A timer of its own for each job would wake another thread, which waits for the earliest of all timers.
        let mut pause = interval(KEEP);
        pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                count = waiting.recv_many(&mut gathered, BATCH_JOBS) => if count == 0 {
                    return;
                },
                () = self.was_kept.notified(), if !is_keeping => {
                    is_keeping = true;
                    pause.reset();
                    continue;
                }
                _ = pause.tick(), if is_keeping => {
                    is_keeping = !self.let_go_if_idle();
                    continue;
                }
            }
            let mut kept = self.kept.lock().await;
            // What has come while another statement was in flight.
            while gathered.len() < BATCH_JOBS
                && let Ok(request) = waiting.try_recv()
            {
                gathered.push(request);
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

    /// Writes the job unless a statement is in flight. If the caller hangs up meanwhile, the job is stored all the same
    /// once it was sent to the database.
    async fn write_if_idle(&self, job: &Arc<PreparedJob>) -> Option<Answer> {
        let mut kept = self.kept.try_lock().ok()?;
        let stored = self.store_all(std::slice::from_ref(job), &mut kept).await;
        Some(stored.map(|mut enqueued| enqueued.remove(0)).map_err(Problem::from))
    }

    /// Gives the connection back that lay idle since the last call; true if none is kept any more.
    fn let_go_if_idle(&self) -> bool {
        let Ok(mut kept) = self.kept.try_lock() else { return false };
        if mem::take(&mut kept.is_used) {
            return false;
        }
        kept.connection = None;
        true
    }

    /// Retries jobs whose queue capacity is locked, all in one statement, while they may wait.
    async fn persist(self: Arc<Self>, mut busy: mpsc::Receiver<WriteRequest>) {
        let mut waiting = Vec::new();
        while !waiting.is_empty() || busy.recv_many(&mut waiting, BATCH_JOBS).await > 0 {
            sleep(PAUSE).await;
            while let Ok(request) = busy.try_recv() {
                waiting.push(request);
            }
            let still = self.write_all(waiting.drain(..), &mut Kept::default()).await;
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
        kept: &mut Kept,
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
        kept: &mut Kept,
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
    async fn store_all(&self, jobs: &[Arc<PreparedJob>], kept: &mut Kept) -> Result<Vec<Enqueued>, Error> {
        let began = Instant::now();
        kept.is_used = true;
        let (mut connection, is_new) = match kept.connection.take() {
            Some(connection) => (connection, false),
            None => (self.store.pool().acquire().await?, true),
        };
        let enqueued = if let [job] = jobs {
            vec![enqueue_one(connection.connection(), job, self.strict_kinds).await?]
        } else {
            enqueue_at_once(connection.connection(), jobs, self.strict_kinds).await?
        };
        kept.connection = self.store.pool().has_spare().then_some(connection);
        if is_new {
            self.was_kept.notify_one();
        }
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
