//! What a claim costs: it is a HOT update, and it walks the claim index alone however large the
//! backlog and however old the planner's statistics.

use tidemill::NewJob;

use crate::support::{Db, numbered, wait_for};

const COUNTERS: &str = "select t.seq_scan, t.n_tup_upd, t.n_tup_hot_upd, i.idx_scan,
    s.heap_blks_read + s.heap_blks_hit + s.idx_blks_read + s.idx_blks_hit,
    (select coalesce(sum(o.idx_scan), 0)::bigint from pg_stat_user_indexes o
     where o.relname = 'jobs_live' and o.indexrelname not in ('jobs_live_claim', 'jobs_live_pkey'))
  from pg_stat_user_tables t
  join pg_statio_user_tables s on s.relid = t.relid
  join pg_stat_user_indexes i on i.relid = t.relid and i.indexrelname = 'jobs_live_claim'
  where t.relname = 'jobs_live'";

#[derive(sqlx::FromRow, Debug, Clone, Copy)]
struct Counters {
    seq_scans: i64,
    updates: i64,
    hot_updates: i64,
    claim_index_scans: i64,
    pages: i64,
    other_index_scans: i64,
}

impl Counters {
    /// The counters once as many updates were reported: sessions report when they end, not at once.
    async fn after(db: &Db, updates: i64) -> Self {
        wait_for("all updates are reported", || async {
            let row: Vec<(i64, i64, i64, i64, i64, i64)> = db.rows(COUNTERS).await;
            let (seq_scans, reported, hot_updates, claim_index_scans, pages, other_index_scans) = row[0];
            (reported >= updates).then_some(Self {
                seq_scans,
                updates: reported,
                hot_updates,
                claim_index_scans,
                pages,
                other_index_scans,
            })
        })
        .await
    }
}

#[tokio::test]
async fn a_claim_is_a_hot_update() {
    const JOBS: i64 = 2_000;
    let db = Db::new().await;
    let jobs: Vec<NewJob> = (0..JOBS).map(|n| numbered("k", n)).collect();
    db.enqueue_all(&jobs).await;
    // A store of its own, whose sessions report what they did when they end.
    let claimer = db.another_store();
    claim_all(&claimer, 500, 4).await;
    claimer.close().await;
    let after = Counters::after(&db, JOBS).await;
    assert_eq!((after.updates, after.hot_updates), (JOBS, JOBS), "{after:?}");
}

#[tokio::test]
async fn c8_a_claim_reads_few_pages_with_a_large_backlog_and_stale_statistics() {
    let db = Db::new().await;
    db.execute(
        "alter table jobs_live set (autovacuum_enabled = false);
         -- The planner believes that nearly nothing is there, and nothing of what counts.
         insert into jobs (id, kind, queue, run_at)
         select gen_random_uuid(), 'k', 'other', now() from generate_series(1, 10);
         analyze jobs_live;
         insert into jobs (id, kind, run_at)
         select gen_random_uuid(), 'k', now() - n * interval '1 ms' from generate_series(1, 100000) n;
         insert into jobs (id, kind, run_at)
         select gen_random_uuid(), 'k', now() + n * interval '1 s' from generate_series(1, 100000) n;
         insert into jobs (id, kind, priority, run_at)
         select gen_random_uuid(), 'k', 1, now() + n * interval '1 s' from generate_series(1, 20000) n;",
    )
    .await;
    let claimer = db.another_store();
    claim_all(&claimer, 1, 1).await;
    claimer.close().await;
    let claimer = db.another_store();
    let before = Counters::after(&db, 1).await;
    claim_all(&claimer, 100, 10).await;
    claimer.close().await;
    let after = Counters::after(&db, 1_001).await;
    assert_eq!(after.seq_scans, before.seq_scans, "a claim scanned the table");
    assert_eq!(after.other_index_scans, before.other_index_scans, "a claim used another index");
    assert!(after.claim_index_scans > before.claim_index_scans);
    // Each job: its place in the index, its row to judge it, to lock it, and to change it.
    let pages = after.pages - before.pages;
    assert!(pages < 1_000 * 20, "{pages} pages for 1,000 claims");
}

async fn claim_all(store: &tidemill::Store, batch: i64, times: usize) {
    use tidemill::store::attempts::claim::{ClaimRequest, Position, Terms};
    for _ in 0..times {
        let request = ClaimRequest {
            queue: "default",
            kinds: &["k".to_owned()],
            limit: batch,
            cursor: &[Position::HEAD; 9],
            worker_id: "w",
            lease_ttl_seconds: 60.0,
            picked: &[],
            terms: Terms::default(),
        };
        let claimed = store.claim(&request).await.unwrap();
        assert_eq!(i64::try_from(claimed.len()).unwrap(), batch);
    }
}
