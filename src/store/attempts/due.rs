//! Due: which queues have work for a worker, and when the next job falls due. One statement for all
//! queues, so that an idle worker sends one query a second; claims nothing.

use crate::store::{Result, Store};

/// The work of one queue for a worker.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "the row of a statement; each is a fact of its own")]
pub struct Due {
    /// The queue.
    pub queue: String,
    /// True if jobs can be claimed now; in a long queue, perhaps.
    pub now: bool,
    /// True if a job of a group may have its turn.
    pub turn: bool,
    /// True if all claims of the queue go through limits.
    pub limited: bool,
    /// Seconds until the next job falls due, if one is scheduled.
    pub next_in_seconds: Option<f64>,
    /// The slots set for each worker, if any.
    pub slots: Option<i32>,
    /// True while the queue is paused.
    pub paused: bool,
}

impl Store {
    /// Reads the head of each queue and priority. With `discover` it also finds unnamed queues with live
    /// jobs, with one jump along the claim index for each.
    ///
    /// # Errors
    /// When the database fails.
    #[expect(clippy::too_many_lines, reason = "one statement, which is best read in one piece")]
    pub async fn due(&self, queues: &[String], kinds: &[String], discover: bool) -> Result<Vec<Due>> {
        let rows = sqlx::query_as!(
            Due,
            r#"
            with recursive jumps as (
              (select queue from jobs_live where $3 order by queue limit 1)
              union all
              select (select j.queue from jobs_live j where j.queue > s.queue order by j.queue limit 1)
              from jumps s
              where s.queue is not null
            )
            select
              n.name as "queue!",
              exists (
                select 1
                from generate_series(1, 9) as p (priority)
                cross join lateral (
                  select
                    bool_or(near.state = 'available' and near.kind = any(c.kinds)) as found,
                    count(*) as seen
                  from (
                    select
                      case when j.expires_at <= statement_timestamp() and j.started_at is null then null else j.state end as state,
                      j.kind
                    from jobs_live j
                    where j.queue = n.name
                      and j.priority = p.priority
                      and j.run_at <= statement_timestamp()
                    order by j.run_at, j.id
                    limit 1000
                  ) near
                ) ready
                -- Behind a thousand jobs of other kinds there may be one of ours; the claim finds out, and
                -- spends a bounded share of its time on that.
                where ready.found
                  or ready.seen = 1000
              ) as "now!",
              turn_is_ready(n.name) as "turn!",
              coalesce(q.limited, false) as "limited!",
              (
                select extract(epoch from min(later.run_at) - clock_timestamp())::double precision
                from generate_series(1, 9) as p (priority)
                cross join lateral (
                  (
                    select j.run_at
                    from jobs_live j
                    where j.queue = n.name
                      and j.priority = p.priority
                      and j.run_at > statement_timestamp()
                      and j.run_at < 'infinity'
                    order by j.run_at
                    limit 1
                  )
                  union all
                  (
                    select t.ready_at
                    from turns t
                    where t.queue = n.name
                      and t.priority = p.priority
                      and t.ready_at > statement_timestamp()
                      and t.ready_at < 'infinity'
                    order by t.ready_at
                    limit 1
                  )
                ) later
              ) as next_in_seconds,
              q.slots,
              q.paused_at is not null as "paused!"
            from (
              select unnest($1::text[])
              union
              select queue from jumps where queue is not null
            ) as n (name)
            cross join (select closed_kinds($2) as kinds) c
            left join queues q on q.name = n.name
            "#,
            queues,
            kinds,
            discover,
        )
        .fetch_all(self.claims())
        .await?;
        Ok(rows)
    }
}
