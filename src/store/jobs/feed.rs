//! Feed: the changes of a queue, a kind or all jobs that were committed since an earlier read. A
//! position is a Postgres snapshot: the transactions that had finished at that read. Must never
//! place a position after a transaction that a crash could undo, because its number would be
//! assigned again.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::events::Event;
use crate::store::db::lossy_json::Readable;
use crate::store::words::{Words, words};
use crate::store::{Error, Result, Store};

/// How long before a read an unseen change may have been written: a transaction that stays open for longer
/// is not shown when it finally commits.
const LONGEST_TRANSACTION: TimeDelta = TimeDelta::days(1);

/// The jobs of a feed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Selection {
    /// Jobs of these queues,
    pub queues: Vec<String>,
    /// and jobs of these kinds,
    pub kinds: Vec<String>,
    /// or all jobs.
    pub all: bool,
}

/// Transactions below `below`, except those in `open`, are seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Horizon {
    /// The first unseen number.
    pub below: i64,
    /// The unfinished transactions below it, in order.
    pub open: Vec<i64>,
}

words! {
    /// The kind of a change.
    #[derive(PartialOrd, Ord)]
    pub enum What, "the kind of a change" {
        /// The job was enqueued.
        Queued = "queued",
        /// An attempt started.
        Started = "started",
        /// A numbered event of its log.
        Event = "event",
        /// The job finished.
        Ended = "ended",
    }
}

/// One change.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    pub what: What,
    pub job_id: Uuid,
    /// The number of the event, or of the last event before the end.
    pub seq: i64,
    pub attempt: i32,
    pub at: DateTime<Utc>,
    pub written_in: i64,
}

/// The result of one read.
#[derive(Debug)]
pub struct FeedRead {
    /// All changes, in no order.
    pub changes: Vec<Change>,
    /// The transactions that have finished now.
    pub horizon: Horizon,
    /// The newest transaction whose rows were found, including rows of other jobs.
    pub newest: Option<i64>,
    /// There is more than the limit, so `changes` is incomplete.
    pub too_many: bool,
    /// The database's clock.
    pub at: DateTime<Utc>,
    /// The timeline of the database.
    pub era: String,
    /// The snapshot as text; a read with the same text has no changes.
    pub snapshot: String,
}

/// The range to read.
#[derive(Debug)]
pub struct Range<'a> {
    /// After the seen transactions,
    pub behind: &'a Horizon,
    /// below this number,
    pub before: i64,
    /// without these.
    pub hidden: &'a [i64],
    /// The time of the read that `behind` comes from.
    pub since: DateTime<Utc>,
    /// The most rows of each table.
    pub most: i32,
    /// The snapshot of the last read.
    pub seen: Option<&'a str>,
}

impl Horizon {
    /// Parses the text of a `pg_snapshot`.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = || Error::Database(sqlx::Error::Protocol(format!("{text} is not a snapshot")));
        let mut parts = text.split(':');
        let (Some(_), Some(below), Some(open)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad());
        };
        let below = below.parse().map_err(|_| bad())?;
        let open = open.split(',').filter(|number| !number.is_empty());
        let open = open.map(|number| number.parse().map_err(|_| bad())).collect::<Result<_>>()?;
        Ok(Self { below, open })
    }

    /// The same, limited to transactions below a number.
    #[must_use]
    pub fn cut(&self, below: i64) -> Self {
        Self { below, open: self.open.iter().copied().filter(|number| *number < below).collect() }
    }
}

impl Store {
    /// The start of a feed: all finished transactions are seen, and no crash can undo them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn horizon(&self) -> Result<FeedRead> {
        let range = Range {
            behind: &Horizon { below: i64::MAX, open: Vec::new() },
            before: i64::MAX,
            hidden: &[],
            since: Utc::now(),
            most: 1,
            seen: None,
        };
        let found = self.changes(&Selection::default(), &range).await?;
        // A commit that waits for this server's disk, and so for the log of all earlier transactions. It
        // waits for no standby.
        let durable = sqlx::query!(
            r#"
            select
              set_config('synchronous_commit', 'local', true) as "set",
              pg_logical_emit_message(true, 'tidemill', '')::text as "at"
            "#
        );
        durable.fetch_one(self.pool()).await?;
        Ok(found)
    }

    /// The changes in a range.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn changes(&self, selection: &Selection, range: &Range<'_>) -> Result<FeedRead> {
        let rows = sqlx::query!(
            r#"
            select
              what as "what!",
              job_id,
              seq as "seq!",
              attempt as "attempt!",
              at as "at!",
              written_in,
              note
            from changes($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            "#,
            range.behind.below,
            &range.behind.open,
            range.before,
            range.hidden,
            range.since - LONGEST_TRANSACTION,
            &selection.kinds,
            &selection.queues,
            selection.all,
            range.most,
            range.seen,
        )
        .fetch_all(self.pool())
        .await?;
        let head = rows.iter().find(|row| row.what == "look");
        let head = head.ok_or_else(|| Error::Database(sqlx::Error::RowNotFound))?;
        let (snapshot, era) = head.note.as_deref().unwrap_or_default().split_once(' ').unwrap_or_default();
        let changes = rows.iter().filter(|row| row.what != "look").filter_map(|row| {
            let (job_id, written_in) = (row.job_id?, row.written_in?);
            let change =
                |what| Change { what, job_id, seq: row.seq, attempt: row.attempt, at: row.at, written_in };
            Some(What::decode(&row.what).map(change))
        });
        Ok(FeedRead {
            changes: changes.collect::<Result<_>>()?,
            horizon: Horizon::parse(snapshot)?,
            newest: head.written_in,
            too_many: head.seq > i64::from(range.most),
            at: head.at,
            era: era.to_owned(),
            snapshot: snapshot.to_owned(),
        })
    }

    /// The first transaction with a write since a time.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn written_since(&self, since: DateTime<Utc>) -> Result<i64> {
        let first = sqlx::query_scalar!(r#"select written_since($1) as "first!""#, since);
        Ok(first.fetch_one(self.pool()).await?)
    }

    /// The number that the next transaction gets, at the least.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next_transaction(&self) -> Result<i64> {
        let next: i64 = sqlx::query_scalar("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
            .fetch_one(self.pool())
            .await?;
        Ok(next)
    }

    /// Records up to when rows carry transaction numbers of another cluster, so that no feed takes them for new when this
    /// cluster gives out the same numbers. Returns that time if there are such rows that were not recorded before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_foreign_rows(&self) -> Result<Option<DateTime<Utc>>> {
        let mut transaction = self.pool().begin().await?;
        // Right after a restore it reads all that is live, and a day of history.
        sqlx::query("set local statement_timeout = 0").execute(transaction.connection()).await?;
        let until: Option<DateTime<Utc>> =
            sqlx::query_scalar("select note_foreign_rows()").fetch_one(transaction.connection()).await?;
        transaction.commit().await?;
        Ok(until)
    }

    /// When the oldest day of history that is still there begins.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn oldest_day(&self) -> Result<Option<DateTime<Utc>>> {
        Ok(sqlx::query_scalar!("select oldest_day()").fetch_one(self.pool()).await?)
    }

    /// The newest transaction that wrote one of these events of jobs; missing events do not count.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn newest_writer(&self, events: &[(Uuid, i64)]) -> Result<Option<i64>> {
        let (jobs, numbers): (Vec<Uuid>, Vec<i64>) = events.iter().copied().unzip();
        let newest = sqlx::query_scalar!(
            r#"
            select max(e.written_in)
            from unnest($1::uuid[], $2::bigint[]) as w (job_id, seq)
            join events e on e.job_id = w.job_id
              and e.seq = w.seq
            "#,
            &jobs,
            &numbers,
        );
        Ok(newest.fetch_one(self.pool()).await?)
    }

    /// These events of jobs; events that do not exist are left out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn events_numbered(&self, events: &[(Uuid, i64)]) -> Result<Vec<Event>> {
        let (jobs, numbers): (Vec<Uuid>, Vec<i64>) = events.iter().copied().unzip();
        let events = sqlx::query_as!(
            Event,
            r#"
            select
              e.job_id,
              e.seq,
              e.attempt,
              e.type as kind,
              e.data as "data!: Readable",
              e.at
            from unnest($1::uuid[], $2::bigint[]) as w (job_id, seq)
            join events e on e.job_id = w.job_id
              and e.seq = w.seq
            "#,
            &jobs,
            &numbers,
        )
        .fetch_all(self.pool())
        .await?;
        Ok(self.redacted(events))
    }

    /// The running jobs, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn running_jobs(&self, selection: &Selection, limit: i64) -> Result<Vec<Uuid>> {
        Ok(sqlx::query_scalar!(
            r#"
            select job_id
            from running
            where $1
              or queue = any($2)
              or kind = any($3)
            order by started_at desc
            limit $4
            "#,
            selection.all,
            &selection.queues,
            &selection.kinds,
            limit,
        )
        .fetch_all(self.pool())
        .await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_read_and_cut() {
        let horizon = Horizon::parse("10:20:10,15,19").unwrap();
        assert_eq!(horizon, Horizon { below: 20, open: vec![10, 15, 19] });
        assert_eq!(horizon.cut(15), Horizon { below: 15, open: vec![10] });
        assert_eq!(Horizon::parse("10:10:").unwrap(), Horizon { below: 10, open: vec![] });
        assert!(Horizon::parse("").is_err() && Horizon::parse("1:x:").is_err());
    }
}
