-- Settle: ends a batch of attempts that did not complete, and returns the new state of each job, in order.
--
-- $1 uuid[]              jobs
-- $2 uuid[]              their leases; the state of a job whose lease is lost is null
-- $3 text[]              outcomes
-- $4 jsonb[]             errors, or null
-- $5 double precision[]  seconds until the next attempt, or null
-- $6 jsonb[]             what their processes used, or null
-- $7 jsonb[]             the waits of the jobs, or null
--
-- Indexes: jobs_live_pkey; those of settle_attempt.
--
-- Why it is written so:
-- - The statement returns the rows as they were before, because settle_attempt moves or clears them.
with ends as materialized (
  select i.*, j.queue, j.kind, j.started_at, j.attempt, j.metadata ->> 'traceparent' as traceparent
  from unnest($1::uuid[], $2::uuid[], $3::text[], $4::jsonb[], $5::double precision[], $6::jsonb[], $7::jsonb[])
    with ordinality as i (job_id, lease_id, outcome, error, delay_seconds, usage, wait, ord)
  left join jobs_live j on j.id = i.job_id
  -- The order in which unique keys and groups are locked elsewhere, to avoid deadlocks.
  order by j.unique_key, j.queue, j.priority, j.group_id, i.ord
),
settled as materialized (
  select
    w.ord,
    w.queue,
    w.kind,
    w.attempt,
    w.started_at,
    w.traceparent,
    settle_attempt(
      w.job_id, w.lease_id, w.outcome, w.error, make_interval(secs => w.delay_seconds), w.usage, w.wait) as state
  from ends w
)
select
  state,
  queue as "queue?",
  kind as "kind?",
  attempt as "attempt?",
  started_at as "started_at?",
  clock_timestamp() as "ended_at!",
  traceparent
from settled
order by ord
