//! The one writer of single jobs in a process: everything that arrives while its last statement is in
//! flight goes into the next. Answers a caller only after the commit; a job that the database refuses
//! never fails another caller's.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::problem::{Case, Problem};
use crate::job::new::NewJob;
use crate::job::state::JobState;
use crate::metrics::Metrics;
use crate::store::enqueue::{Enqueued, Fate, enqueue};
use crate::store::notify::Notifier;
use crate::store::{Error, Store};

/// The most jobs of one statement.
const BATCH_JOBS: usize = 1_000;
/// The most bytes of one statement, as they were sent.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// How many callers may wait; one more is told to come back.
const WAITING_CALLERS: usize = 2_000;

type Answer = Result<Enqueued, Problem>;

struct Wish {
    job: NewJob,
    bytes: usize,
    answer: oneshot::Sender<Answer>,
}

/// A handle on the writer, which ends with the last of them; cheap to clone.
#[derive(Debug, Clone)]
pub struct Enqueuer {
    wishes: mpsc::Sender<Wish>,
}

impl Enqueuer {
    /// Starts the writer.
    #[must_use]
    pub fn start(store: Store, notifier: Notifier, metrics: Arc<Metrics>, strict_kinds: bool) -> Self {
        let (wishes, waiting) = mpsc::channel(WAITING_CALLERS);
        tokio::spawn(Writer { store, notifier, metrics, strict_kinds }.run(waiting));
        Self { wishes }
    }

    /// Stores a job whose request had so many bytes; answers after the commit.
    ///
    /// # Errors
    /// 503 if too many wait already or the database is away, 422 for a value that it cannot store.
    pub async fn enqueue(&self, job: NewJob, bytes: usize) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.wishes.try_send(Wish { job, bytes, answer }).map_err(|error| match error {
            TrySendError::Full(_) => Problem::new(Case::Unavailable, "Too many jobs wait to be stored."),
            TrySendError::Closed(_) => shutting_down(),
        })?;
        answered.await.unwrap_or_else(|_| Err(shutting_down()))
    }
}

fn shutting_down() -> Problem {
    Problem::new(Case::Unavailable, "The server shuts down.")
}

struct Writer {
    store: Store,
    notifier: Notifier,
    metrics: Arc<Metrics>,
    strict_kinds: bool,
}

impl Writer {
    async fn run(self, mut waiting: mpsc::Receiver<Wish>) {
        let mut gathered = Vec::with_capacity(BATCH_JOBS);
        while waiting.recv_many(&mut gathered, BATCH_JOBS).await > 0 {
            let mut rest = gathered.drain(..).peekable();
            while rest.peek().is_some() {
                let mut bytes = 0;
                let (mut jobs, mut answers) = (Vec::new(), Vec::new());
                while let Some(wish) =
                    rest.next_if(|wish| jobs.is_empty() || bytes + wish.bytes <= BATCH_BYTES)
                {
                    bytes += wish.bytes;
                    jobs.push(wish.job);
                    answers.push(wish.answer);
                }
                self.write(&jobs, answers).await;
            }
        }
    }

    async fn write(&self, jobs: &[NewJob], answers: Vec<oneshot::Sender<Answer>>) {
        match self.store_all(jobs).await {
            Ok(enqueued) => answers.into_iter().zip(enqueued).for_each(|(answer, enqueued)| {
                // A caller that hung up needs no answer; its job is stored all the same.
                let _ = answer.send(Ok(enqueued));
            }),
            Err(error) if jobs.len() > 1 && error.blames_a_value() => {
                for (job, answer) in jobs.iter().zip(answers) {
                    let one = self.store_all(std::slice::from_ref(job)).await;
                    let one = one.map(|mut enqueued| enqueued.remove(0));
                    let _ = answer.send(one.map_err(Problem::from));
                }
            }
            Err(error) => {
                let problem = Problem::from(error);
                for answer in answers {
                    let _ = answer.send(Err(problem.clone()));
                }
            }
        }
    }

    async fn store_all(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, Error> {
        let began = Instant::now();
        let enqueued = enqueue(self.store.pool(), jobs, self.strict_kinds).await?;
        self.metrics.batch("enqueue", jobs.len(), began.elapsed());
        told(&self.notifier, &self.metrics, &enqueued);
        Ok(enqueued)
    }
}

/// Wakes the queues of the jobs that were created, and counts those.
pub fn told<'a>(
    notifier: &Notifier,
    metrics: &Metrics,
    enqueued: impl IntoIterator<Item = &'a Enqueued> + Clone,
) {
    let created = enqueued.into_iter().filter(|enqueued| enqueued.fate == Fate::Created);
    let (plain, grouped): (Vec<_>, Vec<_>) =
        created.partition(|enqueued| enqueued.state == JobState::Available);
    metrics.jobs_enqueued.inc_by((plain.len() + grouped.len()) as u64);
    if !plain.is_empty() {
        notifier.queues(plain.iter().map(|enqueued| enqueued.queue.as_str()));
    }
    if !grouped.is_empty() {
        notifier.turns(grouped.iter().map(|enqueued| enqueued.queue.as_str()));
    }
}
