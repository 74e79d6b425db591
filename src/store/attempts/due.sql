-- Due: which queues have work for a worker, and when their next job falls due. Claims nothing.
--
-- $1 text[]    queues that the worker names
-- $2 text[]    kinds that it serves
-- $3 boolean   also find queues that it does not name
--
-- Indexes: jobs_live_claim, ready_groups_order; queues and kinds by primary key.
--
-- Why it is written so:
-- - One statement for all queues: an idle worker sends one query a second.
-- - Unnamed queues are found by one index jump for each (a loose index scan), not by a distinct.
-- - Each priority reads at most a thousand rows. If all of them are of other kinds, the answer is
--   "perhaps": the claim finds out, and the worker bounds the time that it spends on that.
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
    -- Behind a thousand jobs of other kinds there may be one of this worker's kinds; the claim searches
    -- for it, within a bounded share of its time.
    where ready.found
      or ready.seen = 1000
  ) as "now!",
  group_is_ready(n.name) as "turn!",
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
        from ready_groups t
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
