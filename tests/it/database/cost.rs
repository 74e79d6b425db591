//! What a job costs the server, counted and not timed: statements, pages touched and bytes of WAL do not
//! depend on how busy the machine is. A change that makes a job dearer by a tenth fails here.

use futures_util::future::join_all;
use sqlx::Row;
use tidemill::job::attempt::Usage;
use tidemill::store::attempts::claim::{ClaimRequest, Claimed, Position, Terms};
use tidemill::store::attempts::complete::Completed;
use tidemill::store::db::migrate::migrate;
use tidemill::store::jobs::enqueue::enqueue;
use tidemill::{Options, Store, enqueue_in};

use crate::support::cluster::{Cluster, psql, system_programs};
use crate::support::{job, options};

/// Jobs of one batch.
const BATCH: usize = 500;

/// For each job.
#[derive(Debug, Clone, Copy)]
struct Cost {
    statements: f64,
    pages: f64,
    wal_bytes: f64,
}

/// What was seen on Postgres 15, for each job; see docs/performance.md.
const SINGLE: Cost = Cost { statements: 3.0, pages: 12.1, wal_bytes: 461.0 };
const BULK: Cost = Cost { statements: 0.002, pages: 7.1, wal_bytes: 328.0 };
const CLAIM: Cost = Cost { statements: 0.002, pages: 9.2, wal_bytes: 443.0 };
const COMPLETE: Cost = Cost { statements: 0.002, pages: 16.7, wal_bytes: 461.0 };
/// Of a kind that has proved short.
const CLAIM_SHORT: Cost = Cost { statements: 0.002, pages: 6.2, wal_bytes: 218.0 };
const COMPLETE_SHORT: Cost = Cost { statements: 0.002, pages: 13.2, wal_bytes: 407.0 };

/// A server that counts, with nothing in the background.
async fn counting() -> (Cluster, Store) {
    let settings = [
        "shared_preload_libraries=pg_stat_statements",
        "autovacuum=off",
        "full_page_writes=off",
        "checkpoint_timeout=1d",
    ];
    let cluster = Cluster::start(system_programs().unwrap(), &settings);
    psql(&cluster.url("postgres"), &["create database jobs"]);
    psql(&cluster.url("jobs"), &["create extension pg_stat_statements"]);
    let options = Options { max_connections: 4, ..options(cluster.url("jobs")) };
    migrate(&options).await.unwrap();
    (cluster, Store::connect(options).unwrap())
}

async fn reset(store: &Store) {
    sqlx::query("select public.pg_stat_statements_reset()").execute(store.pool()).await.unwrap();
}

/// What all statements since the last reset cost, for each of so many jobs.
#[expect(clippy::cast_precision_loss, reason = "a count of jobs")]
async fn cost(store: &Store, jobs: usize) -> Cost {
    let row = sqlx::query(
        "select
           sum(calls)::double precision as statements,
           sum(shared_blks_hit + shared_blks_read)::double precision as pages,
           sum(wal_bytes)::double precision as wal_bytes
         from public.pg_stat_statements
         where query !~ 'pg_stat_statements'",
    )
    .fetch_one(store.pool())
    .await
    .unwrap();
    let each = |name: &str| row.get::<f64, _>(name) / jobs as f64;
    Cost { statements: each("statements"), pages: each("pages"), wal_bytes: each("wal_bytes") }
}

/// How a cost differs from what was seen: dearer by more than a tenth, or so much cheaper that the bound no
/// longer holds the gain.
fn change(seen: Cost, now: Cost) -> Option<&'static str> {
    let ratios = [now.statements / seen.statements, now.pages / seen.pages, now.wal_bytes / seen.wal_bytes];
    if ratios.iter().any(|ratio| *ratio > 1.1) {
        Some("is dearer")
    } else if ratios.iter().any(|ratio| *ratio < 0.8) {
        Some("is cheaper: lower the bound")
    } else {
        None
    }
}

async fn claim(store: &Store, short: &[String]) -> Vec<Claimed> {
    let request = ClaimRequest {
        queue: "default",
        kinds: &["k".to_owned()],
        limit: i64::try_from(BATCH).unwrap(),
        cursor: &[Position::HEAD; 9],
        worker_id: "w",
        lease_ttl_seconds: 30.0,
        picked: &[],
        terms: Terms { short, ..Terms::default() },
    };
    let claimed = store.claim(&request).await.unwrap();
    assert_eq!(claimed.len(), BATCH);
    claimed
}

async fn complete(store: &Store, claimed: Vec<Claimed>) {
    let done: Vec<_> = claimed
        .into_iter()
        .map(|job| Completed {
            job_id: job.id,
            lease_id: job.lease_id,
            result: Some(serde_json::json!({"ok": true})),
            usage: Usage::default(),
        })
        .collect();
    assert_eq!(store.complete(&done).await.unwrap().leased.len(), BATCH);
}

async fn single(store: &Store, jobs: usize) {
    for _ in 0..jobs {
        let mut transaction = store.pool().begin().await.unwrap();
        enqueue_in(transaction.connection(), store, &job("single")).await.unwrap();
        transaction.commit().await.unwrap();
    }
}

async fn bulk(store: &Store) {
    let batch: Vec<_> = (0..BATCH).map(|_| job("k")).collect();
    enqueue(store.pool(), &store.prepare_each(&batch).unwrap(), false).await.unwrap();
}

#[tokio::test]
async fn a_job_costs_the_server_no_more_than_it_did() {
    let (_cluster, store) = counting().await;
    let version: i32 = sqlx::query_scalar("select current_setting('server_version_num')::integer / 10000")
        .fetch_one(store.pool())
        .await
        .unwrap();
    if version != 15 {
        eprintln!("the figures are those of Postgres 15, this is {version}");
        return;
    }
    let short = ["k".to_owned()];
    // Plans, catalog caches and first pages are not the job's; each connection has its own.
    let connections: Vec<_> = (0..8).map(|_| store.clone()).collect();
    join_all(connections.iter().map(|store| single(store, 30))).await;
    bulk(&store).await;
    complete(&store, claim(&store, &[]).await).await;
    bulk(&store).await;
    complete(&store, claim(&store, &short).await).await;

    reset(&store).await;
    single(&store, 100).await;
    let one = cost(&store, 100).await;
    reset(&store).await;
    bulk(&store).await;
    let many = cost(&store, BATCH).await;
    reset(&store).await;
    let claimed = claim(&store, &[]).await;
    let taken = cost(&store, BATCH).await;
    reset(&store).await;
    complete(&store, claimed).await;
    let ended = cost(&store, BATCH).await;
    bulk(&store).await;
    reset(&store).await;
    let claimed = claim(&store, &short).await;
    let taken_short = cost(&store, BATCH).await;
    reset(&store).await;
    complete(&store, claimed).await;
    let ended_short = cost(&store, BATCH).await;
    store.close().await;

    let costs = [
        ("a single enqueue", SINGLE, one),
        ("an enqueue in bulk", BULK, many),
        ("a claim", CLAIM, taken),
        ("a completion", COMPLETE, ended),
        ("a claim of a short kind", CLAIM_SHORT, taken_short),
        ("a completion of a short kind", COMPLETE_SHORT, ended_short),
    ];
    let changed: Vec<_> = costs
        .iter()
        .filter_map(|(what, seen, now)| {
            change(*seen, *now).map(|how| format!("{what} {how}: {now:?}, was {seen:?}"))
        })
        .collect();
    assert!(changed.is_empty(), "{}", changed.join("\n"));
}
