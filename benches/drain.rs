//! How fast one process drains no-op jobs with their history kept, against a bare loop over the same
//! claim and complete statements (one connection each): the limit to compare with. Both in one run,
//! in turn, for only ratios count on a noisy machine.
//!
//! `DATABASE_URL=postgres://… cargo bench --bench drain` (the database is filled and emptied), or
//! without it on an embedded Postgres. `JOBS=200000 ROUNDS=3` are the defaults.

use std::env;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Map, json};
use sqlx::AssertSqlSafe;
use tidemill::embedded::{EmbeddedPostgres, Settings};
use tidemill::job::attempt::Usage;
use tidemill::store::attempts::claim::{ClaimRequest, Position, Terms};
use tidemill::store::attempts::complete::Completed;
use tidemill::store::db::migrate::migrate;
use tidemill::store::jobs::enqueue::enqueue;
use tidemill::{Context, Handler, JobError, NewJob, Options, Shutdown, Store, Worker};

struct Noop;

impl Handler for Noop {
    const KIND: &'static str = "noop";
    type Args = serde_json::Value;
    type Output = ();

    async fn run(&self, _: Context, _: serde_json::Value) -> Result<(), JobError> {
        Ok(())
    }
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let jobs: usize = setting("JOBS", 200_000);
    let rounds: usize = setting("ROUNDS", 3);
    let Ok(url) = env::var("DATABASE_URL") else {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("drain");
        let postgres = EmbeddedPostgres::start(Settings::new(folder)).await?;
        let measured = measure(postgres.url(), jobs, rounds).await;
        postgres.stop().await?;
        return measured;
    };
    measure(&url, jobs, rounds).await
}

async fn measure(url: &str, jobs: usize, rounds: usize) -> Result<(), AnyError> {
    let options = Options::new(url);
    migrate(&options).await?;
    let store = Store::connect(options)?;
    let mut ratios = Vec::new();
    for round in 1..=rounds {
        let bare = timed(&store, jobs, bare_loop(&store, jobs)).await?;
        let engine = timed(&store, jobs, engine(&store, jobs)).await?;
        ratios.push(engine / bare);
        println!(
            "round {round}: bare {bare:>8.0} jobs/s   engine {engine:>8.0} jobs/s   ratio {:.2}",
            engine / bare
        );
    }
    println!("median ratio {:.2}", median(ratios));
    let line = setting("LINE", 0);
    if line > 0 {
        beside_a_line(&store, jobs, rounds, line).await?;
    }
    Ok(())
}

/// The same jobs alone and beside `LINE` jobs behind one full key and 10,000 keys with jobs of another worker's.
async fn beside_a_line(store: &Store, jobs: usize, rounds: usize, line: usize) -> Result<(), AnyError> {
    sqlx::query("select set_limit('tenant', max_running => 1)").execute(store.pool()).await?;
    let mut ratios = Vec::new();
    for round in 1..=rounds {
        let alone = timed(store, jobs, engine(store, jobs)).await?;
        let beside = timed(store, jobs, async {
            enlist_group(store, line).await?;
            engine(store, jobs).await
        });
        let beside = beside.await?;
        ratios.push(beside / alone);
        println!(
            "round {round}: alone {alone:>8.0} jobs/s   beside {line} {beside:>8.0} jobs/s   ratio {:.2}",
            beside / alone
        );
    }
    println!("median ratio {:.2}", median(ratios));
    Ok(())
}

/// `line` jobs of a tenant of which one runs, and one job of each of 10,000 others that somebody else serves.
async fn enlist_group(store: &Store, line: usize) -> Result<(), AnyError> {
    let statements = format!(
        "insert into running (job_id, lease_id, worker_id, attempt, queue, kind, concurrency_keys, lease_expires_at, deadline_at)
         values (gen_random_uuid(), gen_random_uuid(), 'elsewhere', 1, 'default', 'noop', '{{tenant:full}}', now() + interval '1 day', now() + interval '1 day');
         insert into jobs_live (id, kind, state, run_at, due_at, concurrency_keys, group_id)
         select new_job_id(), w.kind, 'waiting', 'infinity', now(), w.keys, group_of(w.keys, null)
         from (
           select 'noop' as kind, '{{tenant:full}}'::text[] as keys from generate_series(1, {line})
           union all
           select 'elsewhere', array['tenant:' || n] from generate_series(1, 10000) n
         ) w;
         truncate ready_groups;
         select enlist_group('default', 5::smallint, group_id, concurrency_keys, min(due_at))
         from jobs_live where state = 'waiting' group by group_id, concurrency_keys;
         vacuum analyze jobs_live;
         checkpoint"
    );
    for statement in statements.split(';') {
        sqlx::query(AssertSqlSafe(statement.to_owned())).execute(store.pool()).await?;
    }
    Ok(())
}

fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

fn setting(name: &str, default: usize) -> usize {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Fills the queue, runs `drain`, and answers jobs a second.
async fn timed(
    store: &Store,
    jobs: usize,
    drain: impl Future<Output = Result<Duration, AnyError>>,
) -> Result<f64, AnyError> {
    sqlx::query("truncate jobs, running, ready_groups").execute(store.pool()).await?;
    let args: Map<String, serde_json::Value> =
        json!({ "pad": "x".repeat(80) }).as_object().cloned().unwrap_or_default();
    let mut left = jobs;
    while left > 0 {
        let count = left.min(5_000);
        left -= count;
        let batch: Vec<NewJob> = (0..count).map(|_| NewJob::new("noop", args.clone())).collect();
        enqueue(store.pool(), &store.prepare_each(&batch)?, false).await?;
    }
    sqlx::query(AssertSqlSafe("vacuum analyze jobs_live".to_owned())).execute(store.pool()).await?;
    sqlx::query("checkpoint").execute(store.pool()).await?;
    let took = drain.await?;
    let done: i64 = sqlx::query_scalar("select count(*) from jobs where state = 'completed'")
        .fetch_one(store.pool())
        .await?;
    assert_eq!(done, i64::try_from(jobs)?, "every job is in the history");
    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    Ok(jobs as f64 / took.as_secs_f64())
}

/// Claims on one connection, completes on another, in batches of 1,000, with nothing in between.
async fn bare_loop(store: &Store, jobs: usize) -> Result<Duration, AnyError> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(2);
    let completing = {
        let store = store.clone();
        tokio::spawn(async move {
            while let Some(batch) = receiver.recv().await {
                let batch: Vec<Completed> = batch;
                store.complete(&batch).await?;
            }
            Ok::<_, tidemill::store::Error>(())
        })
    };
    let began = Instant::now();
    let mut cursor = [Position::HEAD; 9];
    let mut claimed = 0;
    let kinds = vec!["noop".to_owned()];
    while claimed < jobs {
        let batch = store
            .claim(&ClaimRequest {
                queue: "default",
                kinds: &kinds,
                limit: 1_000,
                cursor: &cursor,
                worker_id: "bare",
                lease_ttl_seconds: 30.0,
                picked: &[],
                terms: Terms::default(),
            })
            .await?;
        claimed += batch.len();
        if let Some(last) = batch.last() {
            cursor[4] = Position { run_at: last.run_at, id: last.id };
        }
        let completed = batch
            .into_iter()
            .map(|job| Completed {
                job_id: job.id,
                lease_id: job.lease_id,
                result: None,
                usage: Usage::default(),
            })
            .collect();
        sender.send(completed).await?;
    }
    drop(sender);
    completing.await??;
    Ok(began.elapsed())
}

/// The worker as users run it.
async fn engine(store: &Store, jobs: usize) -> Result<Duration, AnyError> {
    let shutdown = Shutdown::default();
    let worker = Worker::builder(store.clone()).handler(Noop).queue("default", 100).build();
    let metrics = worker.metrics();
    let began = Instant::now();
    let running = tokio::spawn(worker.run(shutdown.clone()));
    while metrics.jobs_completed.get() < jobs as u64 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = began.elapsed();
    shutdown.graceful.cancel();
    running.await??;
    Ok(took)
}
