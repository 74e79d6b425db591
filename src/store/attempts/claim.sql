-- Claim: takes due jobs of one queue under new leases and enters their attempts in `running`, those of short
-- kinds all together in `claim_batches`.
--
-- $1  text                    queue
-- $2  text[]                  kinds that the worker serves
-- $3  smallint[]              the priorities 1 to 9, each with its cursor position in $4 and $5
-- $4  timestamptz[]           run_at of the last row claimed at that priority
-- $5  uuid[]                  id of that row
-- $6  bigint                  the most jobs without a group; 0 if only $9 is claimed
-- $7  text                    worker
-- $8  double precision        seconds that a lease lasts without renewal
-- $9  uuid[]                  jobs that the transaction has locked and counted (claim_limited)
-- $10 double precision[]      soft timeouts in seconds, one for each kind of $2; empty: those stored in kinds
-- $11 double precision[]      hard timeouts, likewise
-- $12 double precision[]      stop graces, likewise
-- $13 boolean                 the sweep enforces the hard timeout itself, without one more lease of delay
-- $14 text[]                  short kinds: their attempts share one lease and are not entered in running yet
--
-- Indexes: jobs_live_claim (queue, priority, run_at, id), jobs_live_pkey; kinds, queues by primary key.
--
-- Why it is written so:
-- - Each priority is a bounded probe of its own, so that jobs due later are never in the way.
-- - The row comparison starts at run_at, the first index column that no equality fixes: the scan
--   starts at the cursor and skips dead rows at the head.
-- - Limit and lock are in a materialised CTE: a plain subquery may be evaluated again and lock more.
-- - The update changes no indexed column, so that it is a HOT update.
-- - Queues with limits are claimed through claim_limited, which counts running jobs first.
-- - The timeouts of a kind are looked up once, not for each of its jobs, which took an eighth of the claim.
-- - A row in `running` for each job takes a sixth of claim and completion; a short job ends before anybody asks.
-- - `offset 0` keeps the planner from computing a value once for each of its uses.
with served as materialized (
  -- As closed_kinds has it, without the price of a call.
  select array(
    select s.kind
    from unnest($2::text[]) as s (kind)
    where not exists (
      select 1
      from kinds b
      where b.name = s.kind
        and b.breaker_open_until > statement_timestamp())
  ) as kinds
),
-- The timeouts of each kind of $2, in its order.
terms as materialized (
  select
    array_agg(
      case
        when ($10::double precision[])[s.at] = 'infinity' then null
        else coalesce(make_interval(secs => ($10::double precision[])[s.at]), k.soft_timeout)
      end
      order by s.at) as soft,
    array_agg(coalesce(make_interval(secs => ($11::double precision[])[s.at]), k.hard_timeout) order by s.at) as hard,
    array_agg(
      coalesce(make_interval(secs => ($12::double precision[])[s.at]), k.stop_grace, '10 seconds')
        -- A worker that enforces the timeout itself gets one lease more: the sweep acts only if it failed.
        + make_interval(secs => case when $13 then 0 else $8::double precision end)
      order by s.at) as grace
  from unnest($2::text[]) with ordinality as s (kind, at)
  left join kinds k on k.name = s.kind
),
due as materialized (
  select d.id
  from unnest($3::smallint[], $4::timestamptz[], $5::uuid[]) as c (priority, run_at, id)
  cross join lateral (
    select j.id
    from jobs_live j
    where j.queue = $1
      and j.priority = c.priority
      and (j.run_at, j.id) > (c.run_at, c.id)
      and j.run_at <= statement_timestamp()
      and j.state = 'available'
      and j.kind = any((select s.kinds from served s)::text[])
      and (j.expires_at is null or j.expires_at > statement_timestamp() or j.started_at is not null)
    order by j.run_at, j.id
    limit $6
    for update skip locked
  ) d
  -- Jobs of a limited queue must be counted before they are claimed.
  where not exists (select 1 from queues q where q.name = $1 and (q.paused_at is not null or q.limited))
  limit $6
),
all_due as materialized (
  select id from due
  union all
  select unnest($9::uuid[])
),
shared_lease as materialized (
  select gen_random_uuid() as id
),
taken as (
  update jobs_live j
  set
    state = 'running',
    attempt = j.attempt + 1,
    lease_id = case when j.kind = any($14::text[]) then (select l.id from shared_lease l) else gen_random_uuid() end,
    worker_id = $7,
    started_at = clock_timestamp(),
    -- Changes only for a job of a group.
    run_at = case when j.state = 'waiting' then j.due_at else j.run_at end
  from all_due due
  where j.id = due.id
  returning
    j.id, j.lease_id, j.worker_id, j.kind, j.queue, j.priority, j.attempt, j.max_attempts, j.run_at, j.started_at,
    j.args, j.execution_id, j.metadata, j.soft_timeout, j.hard_timeout, j.concurrency_keys, j.group_id
),
registered as (
  insert into running (
    job_id, lease_id, worker_id, attempt, queue, kind, started_at, concurrency_keys, lease_expires_at,
    soft_at, hard_at, deadline_at)
  select
    t.id, t.lease_id, t.worker_id, t.attempt, t.queue, t.kind, t.started_at, t.concurrency_keys,
    clock_timestamp() + make_interval(secs => $8), t.started_at + coalesce(t.soft_timeout, k.soft[own.at]),
    l.hard_at, l.hard_at + coalesce(k.grace[own.at], '10 seconds')
  from taken t
  cross join terms k
  cross join lateral (
    select array_position($2::text[], t.kind) as at
    offset 0
  ) own
  cross join lateral (
    select t.started_at + coalesce(t.hard_timeout, k.hard[own.at], '24 hours') as hard_at
    offset 0
  ) l
  where t.kind <> all($14::text[])
),
entered_together as (
  insert into claim_batches (
    lease_id, worker_id, claimed_at, lease_expires_at, kinds, soft_timeouts, hard_timeouts, graces, jobs)
  select
    l.id, $7, statement_timestamp(), clock_timestamp() + make_interval(secs => $8), $2, k.soft, k.hard, k.grace, short.jobs
  from (
    select array_agg(t.id) as jobs
    from taken t
    where t.kind = any($14::text[])
  ) short
  cross join shared_lease l
  cross join terms k
  where short.jobs is not null
)
select
  t.id as "id!",
  t.lease_id as "lease_id!",
  t.kind as "kind!",
  t.queue as "queue!",
  t.priority as "priority!",
  t.attempt as "attempt!",
  t.max_attempts as "max_attempts!",
  t.args as "args!: Given",
  t.execution_id,
  t.run_at as "run_at!",
  extract(epoch from t.started_at - t.run_at)::double precision as "waited_seconds!",
  t.metadata ->> 'traceparent' as traceparent,
  t.group_id is not null as "grouped!",
  extract(epoch from t.soft_timeout)::double precision as soft_timeout_seconds,
  extract(epoch from t.hard_timeout)::double precision as hard_timeout_seconds,
  statement_timestamp() + make_interval(secs => $8) as "lease_expires_at!",
  t.kind <> all($14::text[]) as "registered!"
from taken t
order by t.priority, t.run_at, t.id
