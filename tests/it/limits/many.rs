//! Many keys and long lines: what a claim costs does not depend on who waits.

use std::time::{Duration, Instant};

use super::{claim, claim_as};
use crate::support::Db;

/// The median time of claims from a queue, one job each.
async fn median_claim(db: &Db, queue: &str) -> Duration {
    let mut times = Vec::new();
    for _ in 0..60 {
        let began = Instant::now();
        let jobs = claim_as(db, "w", queue, 1).await;
        times.push(began.elapsed());
        assert_eq!(jobs.len(), 1);
    }
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_line_behind_one_full_key_and_many_live_keys_do_not_slow_the_others() {
    let db = Db::new().await;
    db.execute(
        "select set_limit('tenant', max_running => 1);
         select enqueue('k', queue => q, concurrency_key => array['tenant:' || q || n], priority => 5)
         from generate_series(1, 100) n, (values ('small'), ('default')) as q (q)",
    )
    .await;
    let before = median_claim(&db, "small").await;
    db.execute("select enqueue('k', concurrency_key => array['tenant:full'])").await;
    while !claim(&db, 1).await.is_empty()
        && db.count("running where 'tenant:full' = any(concurrency_keys)").await == 0
    {}
    db.execute(
        "insert into jobs_live (id, kind, state, run_at, due_at, concurrency_keys, group_id)
         select new_job_id(), 'k', 'waiting', 'infinity', now(), array['tenant:full'], group_of(array['tenant:full'], null)
         from generate_series(1, 200000);
         insert into jobs_live (id, kind, state, run_at, due_at, concurrency_keys, group_id)
         select new_job_id(), 'k', 'waiting', 'infinity', now(), array['tenant:l' || n], group_of(array['tenant:l' || n], null)
         from generate_series(1, 10000) n;
         select line_up('default', 5::smallint, group_id, concurrency_keys, min(due_at)) from jobs_live
         where queue = 'default' and state = 'waiting' group by group_id, concurrency_keys",
    )
    .await;
    // No statistics: the planner must not need them.
    let after = median_claim(&db, "default").await;
    eprintln!("claim of one: {before:?} with 100 keys, {after:?} with 10,000 keys and a line of 200,000");
    assert!(after < before * 3, "{before:?} became {after:?}");
}
