//! Claims jobs for a remote worker: a long poll. Claims only right before it answers; jobs whose
//! caller has disconnected are handed back without counting an attempt.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout_at};
use utoipa::ToSchema;

use super::super::state::ApiState;
use super::claim_request::{ClaimRequest, LONGEST_WAIT_SECONDS, MOST_JOBS, Wanted};
use super::handout::{Taken, TakenJob, claim_from, documents, opened, opened_answer};
use crate::api::page_response::Repeatable;
use crate::api::server::auth::caller::Caller;
use crate::api::server::idempotency::{Begun, Keyed};
use crate::api::server::json;
use crate::api::server::json::RawBody;
use crate::api::server::problem::Problem;
use crate::store;
use crate::store::attempts::claim::Claimed;
use crate::store::attempts::remote_worker::RemoteWorker;
use crate::store::db::listener::Wake;
use crate::store::db::queue_listeners::LATE_COMMITS;

const ROUTE: &str = "POST /worker/claim";
/// The interval at which a waiting claim polls without a notification.
const POLL: Duration = Duration::from_secs(1);
/// How often a waiting claim renews its worker's row.
const SEE_EVERY: Duration = Duration::from_secs(10);

/// The claimed jobs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClaimAnswer {
    /// The jobs, ordered by priority within each queue.
    jobs: Vec<TakenJob>,
    /// True if this worker was asked to claim no more jobs.
    drain: bool,
}

/// Claim jobs
///
/// Waits until there is a job, at most `wait_seconds`. Each job comes with its `lease_id`, which
/// every later request about the job must carry, and which heartbeats keep alive. With an
/// `Idempotency-Key` a repeated request returns an answer that was lost on the way.
#[utoipa::path(
    post, path = "/api/v1/worker/claim", tag = "remote workers", request_body = ClaimRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters, new for each claim")),
    responses((status = 200, description = "The jobs, or none", body = ClaimAnswer))
)]
pub(crate) async fn claim(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Repeatable, Problem> {
    let wanted = Arc::new(json::parse::<ClaimRequest>(&body)?.checked()?);
    let keyed = Keyed::of(&headers, &caller, ROUTE, &body)?;
    let host = peer.map_or_else(String::new, |Extension(ConnectInfo(peer))| peer.ip().to_string());
    // Subscribed before the first poll, so that no notification is lost between a poll and the wait.
    let mut hints = state.wakes.subscribe();
    let deadline = Instant::now() + wanted.wait;
    state.store.see_remote_kinds(&wanted.kinds).await?;
    let mut drain = see(&state, &wanted, &host).await?;
    let mut seen_at = Instant::now();
    let mut longest_wait = POLL;
    loop {
        let (queues, next_due) =
            if drain { Default::default() } else { poll_queues(&state, &wanted).await? };
        if (keyed.is_some() || !queues.is_empty())
            && let Some(answer) = take(&state, &wanted, queues, keyed.clone()).await?
        {
            return Ok(answer);
        }
        if drain {
            // A worker that ignores the drain request must at least not poll without a pause.
            sleep(wanted.wait.min(POLL)).await;
        }
        if drain || Instant::now() >= deadline || state.shutdown.is_cancelled() {
            return answer(Vec::new(), drain);
        }
        // A job that was enqueued before the first of them listened is found by another poll, and if its transaction
        // commits after that one, by a third.
        if state.queue_listener.listen(&state.store, &wanted.queues).await? {
            longest_wait = LATE_COMMITS;
            continue;
        }
        let until = deadline.min(Instant::now() + next_due.unwrap_or(POLL).min(longest_wait));
        longest_wait = POLL;
        tokio::select! {
            () = hint(&mut hints, &wanted.queues, until) => {}
            () = state.shutdown.cancelled() => {}
        }
        if seen_at.elapsed() >= SEE_EVERY {
            drain = see(&state, &wanted, &host).await?;
            seen_at = Instant::now();
        }
    }
}

async fn see(state: &ApiState, wanted: &Wanted, host: &str) -> Result<bool, Problem> {
    let queues: Value = wanted.queues.iter().map(|queue| (queue.clone(), json!(wanted.max))).collect();
    let worker = RemoteWorker {
        name: &wanted.worker,
        host,
        queues: &queues,
        kinds: &wanted.kinds,
        lease_ttl_seconds: state.settings.remote_lease_ttl.as_secs_f64(),
    };
    Ok(state.store.see_remote_worker(&worker).await?)
}

/// The queues that have work for the worker, each with how many jobs it may take there, and when the
/// next job falls due.
async fn poll_queues(
    state: &ApiState,
    wanted: &Wanted,
) -> Result<(Vec<(String, i64)>, Option<Duration>), Problem> {
    let due = state.store.due(&wanted.queues, &wanted.kinds, false).await?;
    let next = due.iter().filter_map(|queue| queue.next_in_seconds).reduce(f64::min);
    let next = next.map(|seconds| Duration::from_secs_f64(seconds.clamp(0.001, LONGEST_WAIT_SECONDS)));
    let mut ready: Vec<_> =
        due.into_iter().filter(|queue| (queue.now || queue.turn) && !queue.paused).collect();
    ready.sort_by_key(|queue| wanted.queues.iter().position(|name| *name == queue.queue));
    ready.dedup_by(|a, b| a.queue == b.queue);
    let mut running = HashMap::new();
    if ready.iter().any(|queue| queue.slots.is_some()) {
        running = state.store.running_of(&wanted.worker).await?;
    }
    let capacity = ready.into_iter().map(|queue| {
        let used = running.get(&queue.queue).copied().unwrap_or(0);
        let capacity = queue.slots.map_or(i64::from(MOST_JOBS), |slots| i64::from(slots) - used);
        (queue.queue, capacity)
    });
    Ok((capacity.filter(|(_, capacity)| *capacity > 0).collect(), next))
}

/// Takes jobs in a task of its own, so that a caller that hangs up cannot cut it in the middle.
async fn take(
    state: &ApiState,
    wanted: &Arc<Wanted>,
    queues: Vec<(String, i64)>,
    keyed: Option<Keyed>,
) -> Result<Option<Repeatable>, Problem> {
    let (sender, taken) = oneshot::channel();
    let (state, wanted) = (state.clone(), Arc::clone(wanted));
    tokio::spawn(async move {
        let taken = match keyed {
            Some(keyed) => take_once(&state, &wanted, &queues, &keyed).await,
            None => take_now(&state, &wanted, &queues).await,
        };
        if let Err(Ok((_, taken))) = sender.send(taken) {
            taken.hand_back(&state).await;
        }
    });
    let (answer, _) = taken.await.map_err(|_| Problem::internal(&"a claim was interrupted"))??;
    Ok(answer)
}

type Claim = (Option<Repeatable>, Taken);

async fn take_now(state: &ApiState, wanted: &Wanted, queues: &[(String, i64)]) -> Result<Claim, Problem> {
    let mut claimed: Vec<Claimed> = Vec::new();
    for (queue, capacity) in queues {
        let left = i64::from(wanted.max) - i64::try_from(claimed.len()).unwrap_or(i64::MAX);
        if left <= 0 {
            break;
        }
        match take_from_one(state, wanted, queue, left.min(*capacity)).await {
            Ok(jobs) => claimed.extend(jobs),
            Err(error) => {
                Taken::of(&claimed).hand_back(state).await;
                return Err(error.into());
            }
        }
    }
    let taken = Taken::of(&claimed);
    let jobs = match documents_now(state, claimed).await {
        Ok(jobs) => opened(state, jobs).await,
        Err(error) => {
            taken.hand_back(state).await;
            return Err(error.into());
        }
    };
    let answer = if jobs.is_empty() { None } else { Some(answer(jobs, false)?) };
    Ok((answer, taken))
}

async fn documents_now(state: &ApiState, claimed: Vec<Claimed>) -> store::Result<Vec<TakenJob>> {
    if claimed.is_empty() {
        return Ok(Vec::new());
    }
    documents(&state.store, state.store.pool().acquire().await?.connection(), claimed).await
}

/// A transaction for each queue: the limits of two are never locked at once.
async fn take_from_one(
    state: &ApiState,
    wanted: &Wanted,
    queue: &str,
    most: i64,
) -> store::Result<Vec<Claimed>> {
    let mut transaction = state.store.claiming().await?;
    let jobs = claim_from(state, transaction.connection(), wanted, queue, most).await?;
    transaction.commit().await?;
    count(state, &jobs);
    Ok(jobs)
}

/// As [`take_now`], in one transaction with the key: what was claimed comes again with it, so it is
/// never handed back. The answer is kept as the jobs are stored, and opened each time that it is given.
async fn take_once(
    state: &ApiState,
    wanted: &Wanted,
    queues: &[(String, i64)],
    keyed: &Keyed,
) -> Result<Claim, Problem> {
    let mut work = match keyed.begin(&state.store).await? {
        Begun::Replay(mut body) => {
            opened_answer(state, &mut body).await?;
            let answer = Repeatable { status: StatusCode::OK, body, replayed: true };
            return Ok((Some(answer), Taken::default()));
        }
        Begun::Work(work) => work,
    };
    let mut claimed = Vec::new();
    for (queue, capacity) in queues {
        // From the first queue that has some: its limits stay locked to the end of the transaction.
        claimed =
            claim_from(state, work.connection(), wanted, queue, i64::from(wanted.max).min(*capacity)).await?;
        if !claimed.is_empty() {
            break;
        }
    }
    if claimed.is_empty() {
        return Ok((None, Taken::default()));
    }
    let started = claimed.clone();
    let mut answer = answer(documents(&state.store, work.connection(), claimed).await?, false)?;
    work.answer(&answer.body).await?;
    count(state, &started);
    opened_answer(state, &mut answer.body).await?;
    Ok((Some(answer), Taken::default()))
}

fn count(state: &ApiState, started: &[Claimed]) {
    for job in started {
        state.metrics.started(&job.kind, &job.queue, job.waited());
    }
}

fn answer(jobs: Vec<TakenJob>, drain: bool) -> Result<Repeatable, Problem> {
    let body =
        serde_json::to_value(ClaimAnswer { jobs, drain }).map_err(|error| Problem::internal(&error))?;
    Ok(Repeatable { status: StatusCode::OK, body, replayed: false })
}

/// Waits for a reason to poll again, at most until `until`.
async fn hint(hints: &mut Receiver<Wake>, queues: &[String], until: Instant) {
    let heard = async {
        loop {
            match hints.recv().await {
                Ok(Wake::Queue(queue) | Wake::Group(queue)) if queues.contains(&queue) => return,
                Ok(Wake::Missed | Wake::Capacity) | Err(RecvError::Lagged(_)) => return,
                Ok(_) => {}
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    };
    // A timeout is also a reason.
    let _ = timeout_at(until, heard).await;
}
