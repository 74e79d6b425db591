//! Limits over all workers: counted right at every instant, freed by every end, fair, and free of cost
//! for who has none. Tests are named after the scenarios that they play.

mod ageing;
mod counted;
mod fairness;
mod full;
mod keys;
mod many;
mod races;
mod rates;
mod workers;

use tidemill::NewJob;
use tidemill::store::attempts::claim::{ClaimRequest, Claimed, Position, Terms};
use tidemill::store::attempts::claim_limited::Share;

use crate::support::{Db, job};

/// A job of kind `k` that counts for some keys.
fn keyed(keys: &[&str]) -> NewJob {
    NewJob { concurrency_keys: keys.iter().map(|key| (*key).to_owned()).collect(), ..job("k") }
}

/// A job of kind `k` that belongs to somebody.
fn fair(key: &str) -> NewJob {
    NewJob { fair_key: Some(key.to_owned()), ..job("k") }
}

/// Claims at most `limit` jobs of kind `k` as a worker of that name, counted, from the head.
async fn claim_as(db: &Db, worker: &str, queue: &str, limit: i64) -> Vec<Claimed> {
    let request = ClaimRequest {
        queue,
        kinds: &["k".to_owned()],
        limit,
        cursor: &[Position::HEAD; 9],
        worker_id: worker,
        lease_ttl_seconds: 30.0,
        picked: &[],
        terms: Terms::default(),
    };
    db.claim_counted(&request, Share::WHOLE).await.unwrap().jobs
}

async fn claim(db: &Db, limit: i64) -> Vec<Claimed> {
    claim_as(db, "w", "default", limit).await
}

/// How many jobs of each key ran at once at most, by the history of all attempts.
async fn most_at_once(db: &Db) -> Vec<(String, i64)> {
    db.rows(
        "with runs as (
           select id, unnest(concurrency_keys || ('queue:' || queue)) as key, started_at, finished_at
           from jobs
           where started_at is not null and finished_at is not null
           union all
           select j.id, unnest(j.concurrency_keys || ('queue:' || j.queue)), a.started_at, a.finished_at
           from attempts a
           join jobs j on j.id = a.job_id
           where a.started_at <> j.started_at
         ),
         marks as (
           select key, started_at as at, 1 as step from runs
           union all
           select key, finished_at, -1 from runs
         )
         select key, max(running)
         from (select key, sum(step) over (partition by key order by at, step rows unbounded preceding) as running from marks) m
         group by key
         order by key",
    )
    .await
}
