//! A database of one test, made from the migrated template and dropped with the test.

use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, ConnectOptions, Decode, FromRow, PgConnection, PgPool, Postgres, Type};
use tidemill::job::attempt::Usage;
use tidemill::job::document::JobDocument;
use tidemill::store::attempts::claim::{ClaimCursor, ClaimRequest, Claimed, Position, Terms};
use tidemill::store::attempts::complete::Completed;
use tidemill::store::attempts::settle::Settlement;
use tidemill::store::jobs::enqueue::{Enqueued, enqueue};
use tidemill::{JobState, NewJob, Options, Store};
use uuid::Uuid;

use super::{options, server};

/// The states that followed from a settle.
pub(crate) fn states(settlements: &[Option<Settlement>]) -> Vec<Option<JobState>> {
    settlements.iter().map(|settlement| Some(settlement.as_ref()?.state)).collect()
}

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The store of a fresh database.
pub(crate) struct Db {
    pub(crate) store: Store,
    name: String,
}

impl Deref for Db {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        server().drop_later(&self.name);
    }
}

impl Db {
    /// A migrated database.
    pub(crate) async fn new() -> Self {
        Self::create(true).await
    }

    /// A database without anything.
    pub(crate) async fn empty() -> Self {
        Self::create(false).await
    }

    async fn create(template: bool) -> Self {
        let name = format!("it_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        server().create(&name, template).await;
        let store = Store::connect(options(server().url(&name))).unwrap();
        Self { store, name }
    }

    /// Its connections as sqlx has them.
    pub(crate) fn pool(&self) -> &PgPool {
        self.store.pool().bare()
    }

    /// The name of the database.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn options(&self) -> Options {
        self.store.options().clone()
    }

    /// Another process's view of the same database.
    pub(crate) fn another_store(&self) -> Store {
        Store::connect(self.options()).unwrap()
    }

    /// A connection of its own, as psql would have.
    pub(crate) async fn connect(&self) -> PgConnection {
        let connect: sqlx::postgres::PgConnectOptions = self.options().url.parse().unwrap();
        connect.options([("search_path", "tidemill")]).connect().await.unwrap()
    }

    pub(crate) async fn execute(&self, sql: impl Into<String>) {
        sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(self.pool()).await.unwrap();
    }

    /// The error that a statement ends with.
    pub(crate) async fn refusal(&self, sql: impl Into<String>) -> String {
        let outcome = sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(self.pool()).await;
        outcome.expect_err("the statement must be refused").to_string()
    }

    pub(crate) async fn scalar<T>(&self, sql: impl Into<String>) -> T
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres> + Send + Unpin,
    {
        sqlx::query_scalar(AssertSqlSafe(sql.into())).fetch_one(self.pool()).await.unwrap()
    }

    pub(crate) async fn rows<T>(&self, sql: impl Into<String>) -> Vec<T>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        sqlx::query_as(AssertSqlSafe(sql.into())).fetch_all(self.pool()).await.unwrap()
    }

    pub(crate) async fn count(&self, table_and_condition: &str) -> i64 {
        self.scalar(format!("select count(*) from {table_and_condition}")).await
    }

    pub(crate) async fn enqueue_all(&self, jobs: &[NewJob]) -> Vec<Enqueued> {
        enqueue(self.pool(), &self.store.prepare_each(jobs).unwrap(), false).await.unwrap()
    }

    pub(crate) async fn enqueue(&self, job: NewJob) -> Uuid {
        self.enqueue_all(&[job]).await[0].id
    }

    /// Claims for worker `w`, from the head, with leases of 30 s.
    pub(crate) async fn claim_some(&self, queue: &str, kind: &str, limit: i64) -> Vec<Claimed> {
        self.claim_behind(&[Position::HEAD; 9], queue, kind, limit).await
    }

    pub(crate) async fn claim_behind(
        &self,
        cursor: &ClaimCursor,
        queue: &str,
        kind: &str,
        limit: i64,
    ) -> Vec<Claimed> {
        let request = ClaimRequest {
            queue,
            kinds: &[kind.to_owned()],
            limit,
            cursor,
            worker_id: "w",
            lease_ttl_seconds: 30.0,
            picked: &[],
            terms: Terms::default(),
        };
        self.store.claim(&request).await.unwrap()
    }

    /// Claims one job of kind `k` from the queue `default`.
    pub(crate) async fn claim_one(&self) -> Claimed {
        self.claim_some("default", "k", 1).await.pop().expect("a job is due")
    }

    /// Enqueues one job of kind `k` and claims it.
    pub(crate) async fn running(&self) -> Claimed {
        self.enqueue(super::job("k")).await;
        self.claim_one().await
    }

    /// Completes an attempt; true if its lease was held.
    pub(crate) async fn complete_one(&self, claimed: &Claimed) -> bool {
        self.complete_with(claimed, None).await
    }

    /// The same, with a result.
    pub(crate) async fn complete_with(&self, claimed: &Claimed, result: Option<Value>) -> bool {
        let item =
            Completed { job_id: claimed.id, lease_id: claimed.lease_id, result, usage: Usage::default() };
        !self.store.complete(&[item]).await.unwrap().leased.is_empty()
    }

    /// Makes a lease look as if its worker had been silent for an hour.
    pub(crate) async fn expire(&self, job_id: Uuid) {
        self.execute(format!(
            "update running set lease_expires_at = now() - interval '1 hour', seen_at = seen_at - interval '1 hour'
             where job_id = '{job_id}'"
        ))
        .await;
    }

    pub(crate) async fn job(&self, id: Uuid) -> JobDocument {
        self.find_job(id).await.unwrap().expect("the job exists")
    }

    pub(crate) async fn state(&self, id: Uuid) -> &'static str {
        self.job(id).await.state.word()
    }

    /// The types of a job's events in order, after checking that their numbers have no gaps.
    pub(crate) async fn event_types(&self, id: Uuid) -> Vec<String> {
        let events = self.events_after(id, 0, &[], 100_000).await.unwrap();
        let numbers: Vec<i64> = events.iter().map(|event| event.seq).collect();
        let expected: Vec<i64> = (1..).take(numbers.len()).collect();
        assert_eq!(numbers, expected, "event numbers of {id} have gaps");
        events.into_iter().map(|event| event.kind).collect()
    }

    /// What must hold in every database at every moment; see the promises in docs/lifecycle.md.
    pub(crate) async fn check_invariants(&self) {
        let broken: Vec<(String, Uuid)> = self
            .rows(
                "select 'two rows for one job', id from jobs group by id having count(*) > 1
                 union all
                 select 'runs without a lease row', j.id
                 from jobs_live j
                 left join running r on r.job_id = j.id and r.lease_id = j.lease_id
                 where j.state = 'running'
                   and r.job_id is null
                   and not exists (select from claim_batches b where b.lease_id = j.lease_id and j.id = any(b.jobs))
                 union all
                 select 'a lease row without its job', r.job_id
                 from running r
                 left join jobs_live j on j.id = r.job_id and j.lease_id = r.lease_id
                 where j.id is null
                 union all
                 select 'event numbers with gaps', p.job_id
                 from progress p
                 left join events e on e.job_id = p.job_id
                 group by p.job_id, p.last_seq
                 having count(e.seq) <> p.last_seq or max(e.seq) <> p.last_seq or min(e.seq) <> 1
                 union all
                 select 'events without a number source', e.job_id
                 from events e
                 left join progress p on p.job_id = e.job_id
                 where p.job_id is null
                 union all
                 select 'events out of commit order', e.job_id
                 from (select job_id, at, lag(at) over (partition by job_id order by seq) as before from events) e
                 where e.before > e.at",
            )
            .await;
        assert!(broken.is_empty(), "{broken:?}");
    }
}
