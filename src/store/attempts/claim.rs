//! Claim: takes due jobs of one queue under new leases, in one statement. The cursor skips the dead
//! rows at the head of the index, and jobs that another claimer has locked are skipped. Queues with
//! limits are claimed through `claim_limited`, which counts running jobs first.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::job::trace::TraceParent;
use crate::store::db::connection::Transaction;
use crate::store::db::lossy_json::Given;
use crate::store::{Result, Store};

/// The row of one priority after which the next claim starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// `run_at` of the last row that was claimed.
    pub run_at: DateTime<Utc>,
    /// Its id.
    pub id: Uuid,
}

impl Position {
    /// Before every row.
    pub const HEAD: Self = Self { run_at: DateTime::UNIX_EPOCH, id: Uuid::nil() };
}

/// A position for each priority from 1 to 9.
pub type ClaimCursor = [Position; 9];

/// The parameters of a claim.
#[derive(Debug)]
pub struct ClaimRequest<'a> {
    /// From this queue.
    pub queue: &'a str,
    /// Only these kinds.
    pub kinds: &'a [String],
    /// The most jobs.
    pub limit: i64,
    /// After these rows.
    pub cursor: &'a ClaimCursor,
    /// For this worker.
    pub worker_id: &'a str,
    /// The duration of the leases without renewal.
    pub lease_ttl_seconds: f64,
    /// Further jobs that the transaction has locked and counted; see [`super::claim_limited`].
    pub picked: &'a [Uuid],
    /// How long attempts may take.
    pub terms: Terms<'a>,
}

/// The timeouts of attempts as the claiming worker knows them. The job's own timeouts take precedence.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms<'a> {
    /// For each of the kinds, in order; empty if the worker has no rules of its own: then the stored rules
    /// of the kind apply.
    pub own: &'a [KindTerms],
    /// True if the sweep ends an attempt at its hard timeout plus grace, because its worker may not do so
    /// itself. Otherwise the sweep acts one lease later.
    pub enforced: bool,
    /// Those of the kinds that are known to be short: their attempts are not entered in `running`, see
    /// [`Store::register`]. Nothing counts them, so that claims under limits ignore this.
    pub short: &'a [String],
}

/// The timeouts of one kind; `None` uses the stored rule of the kind.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct KindTerms {
    /// Seconds until an attempt is asked to stop; infinite: never.
    pub soft_seconds: Option<f64>,
    /// Seconds until it is ended.
    pub hard_seconds: Option<f64>,
    /// Seconds that it may take to stop.
    pub grace_seconds: Option<f64>,
}

/// A claimed job, with everything that its attempt needs.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub id: Uuid,
    pub lease_id: Uuid,
    pub kind: String,
    pub queue: String,
    pub priority: i16,
    pub attempt: i32,
    pub max_attempts: i32,
    /// An object, unless it cannot be read; then a text that says why.
    pub args: Value,
    pub execution_id: Option<String>,
    pub run_at: DateTime<Utc>,
    /// From when it was due until this attempt started.
    pub waited_seconds: f64,
    /// The span that enqueued it, as its metadata have it.
    pub traceparent: Option<String>,
    /// It took its turn in a group, and counts against limits.
    pub grouped: bool,
    pub soft_timeout_seconds: Option<f64>,
    pub hard_timeout_seconds: Option<f64>,
    pub lease_expires_at: DateTime<Utc>,
    /// False if its kind is short: then its lease is that of all such jobs of the claim.
    pub registered: bool,
}

impl Claimed {
    /// The span of this attempt; `None` if nobody traces it.
    #[must_use]
    pub(crate) fn span(&self, is_exported: bool) -> Option<TraceParent> {
        let parent = self.traceparent.as_deref().and_then(TraceParent::parse);
        (parent.is_some() || is_exported).then(|| TraceParent::of_attempt(parent, self.id, self.lease_id))
    }

    /// From when it was due until this attempt started.
    #[must_use]
    pub fn waited(&self) -> Duration {
        Duration::try_from_secs_f64(self.waited_seconds.max(0.0)).unwrap_or_default()
    }
}

impl Terms<'_> {
    /// Soft and hard timeouts and graces, by kind.
    fn columns(&self) -> [Vec<Option<f64>>; 3] {
        let column = |of: fn(&KindTerms) -> Option<f64>| self.own.iter().map(of).collect();
        [
            column(|terms| terms.soft_seconds),
            column(|terms| terms.hard_seconds),
            column(|terms| terms.grace_seconds),
        ]
    }
}

impl Store {
    /// Claims due jobs by priority, the oldest first within each.
    ///
    /// # Errors
    /// When the database fails. If the answer of a claim is lost, its jobs come back when their leases
    /// expire.
    pub async fn claim(&self, request: &ClaimRequest<'_>) -> Result<Vec<Claimed>> {
        claim_in(self.claims(), request).await
    }

    /// The leases among these under which a job is still running.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn still_leased(&self, jobs: &[Uuid], leases: &[Uuid]) -> Result<HashSet<Uuid>> {
        let still_leased = sqlx::query_scalar!(
            "select lease_id from running where job_id = any($1) and lease_id = any($2)",
            jobs,
            leases
        );
        Ok(still_leased.fetch_all(self.pool()).await?.into_iter().collect())
    }

    /// The jobs that a worker has claimed and not ended, with their leases, including those whose claim's
    /// answer was lost.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claimed_by(&self, worker_id: &str) -> Result<Vec<(Uuid, Uuid)>> {
        let rows = sqlx::query!(
            r#"
            select
              job_id as "job_id!",
              lease_id as "lease_id!"
            from running
            where worker_id = $1
            union
            select j.id, j.lease_id
            from claim_batches b
            cross join unnest(b.jobs) as c (job_id)
            join jobs_live j on j.id = c.job_id and j.lease_id = b.lease_id and j.state = 'running'
            where b.worker_id = $1
            "#,
            worker_id
        )
        .fetch_all(self.pool())
        .await?;
        Ok(rows.into_iter().map(|row| (row.job_id, row.lease_id)).collect())
    }

    /// A transaction on one of the claim connections; others wait for it, so end it soon.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn claiming(&self) -> Result<Transaction<'static>> {
        Ok(self.claims().begin().await?)
    }
}

/// Claims on a connection of the caller's, also in its transaction.
///
/// # Errors
/// As [`Store::claim`].
pub async fn claim_in(executor: impl PgExecutor<'_>, request: &ClaimRequest<'_>) -> Result<Vec<Claimed>> {
    let priorities: Vec<i16> = (1..=9).collect();
    let run_ats: Vec<DateTime<Utc>> = request.cursor.iter().map(|position| position.run_at).collect();
    let ids: Vec<Uuid> = request.cursor.iter().map(|position| position.id).collect();
    let [softs, hards, graces] = request.terms.columns();
    let claimed = sqlx::query_file_as!(
        Claimed,
        "src/store/attempts/claim.sql",
        request.queue,
        request.kinds,
        &priorities,
        &run_ats,
        &ids,
        request.limit,
        request.worker_id,
        request.lease_ttl_seconds,
        request.picked,
        &softs as &[Option<f64>],
        &hards as &[Option<f64>],
        &graces as &[Option<f64>],
        request.terms.enforced,
        request.terms.short,
    )
    .fetch_all(executor)
    .await?;
    Ok(claimed)
}

/// The timeouts of a running attempt, as claimed and extended.
#[derive(Debug, Clone)]
pub struct Allowed {
    pub job_id: Uuid,
    /// The soft timeout from its start; `None` if it is never asked to stop.
    pub soft_timeout_seconds: Option<f64>,
    pub hard_timeout_seconds: f64,
    /// The time from which the sweep takes the job back.
    pub deadline_at: DateTime<Utc>,
}

/// The timeouts of the running attempts of these jobs.
///
/// # Errors
/// When the database fails.
pub async fn allowed_in(executor: impl PgExecutor<'_>, jobs: &[Uuid]) -> Result<Vec<Allowed>> {
    let allowed = sqlx::query_as!(
        Allowed,
        r#"
        select
          job_id,
          extract(epoch from soft_at - started_at)::double precision as soft_timeout_seconds,
          extract(epoch from coalesce(hard_at, deadline_at) - started_at)::double precision as "hard_timeout_seconds!",
          deadline_at
        from running
        where job_id = any($1)
        "#,
        jobs
    );
    Ok(allowed.fetch_all(executor).await?)
}
