-- Complete: moves a batch of completed attempts from the live jobs to the history of today.
--
-- $1 uuid[]    jobs
-- $2 uuid[]    their leases; a job whose lease is lost is not changed and is missing from the answer
-- $3 jsonb[]   results
-- $4 jsonb[]   what their processes used, or null: {exit_code, signal, out_of_memory, peak_memory_bytes}
--
-- Indexes: jobs_live_pkey, running_pkey.
--
-- Why it is written so:
-- - Delete and insert, not an update that moves the row: a statement that waits for the row finds it
--   gone and gets no error.
-- - One statement for the whole batch, without a call for each job. `archive` does the same for the
--   other ends, one job at a time; a new column of jobs belongs in both.
-- - Counts go to stats_deltas, one row for each queue and kind, so that no two batches wait for one row.
with input as materialized (
  select *
  from unnest($1::uuid[], $2::uuid[], $3::jsonb[], $4::jsonb[]) as i (job_id, lease_id, result, usage)
),
gone as (
  delete from jobs_live j
  using input i
  where j.id = i.job_id
    and j.lease_id = i.lease_id
    and j.state = 'running'
  returning j.*, i.result as new_result, i.usage
),
released as (
  delete from running r
  using gone g
  where r.job_id = g.id
),
-- Exit code and memory of the attempt's process.
recorded as (
  insert into attempts (
    job_id, attempt, lease_id, worker_id, outcome, exit_code, signal, out_of_memory, peak_memory_bytes,
    started_at)
  select
    g.id, g.attempt, g.lease_id, g.worker_id, 'completed', (g.usage ->> 'exit_code')::integer,
    (g.usage ->> 'signal')::integer, coalesce((g.usage ->> 'out_of_memory')::boolean, false),
    (g.usage ->> 'peak_memory_bytes')::bigint, g.started_at
  from gone g
  where g.usage is not null
),
counted as (
  insert into stats_deltas (queue, kind, outcome, jobs, waited, ran, ran_least, ran_most)
  select g.queue, g.kind, 'completed', count(*), sum(g.started_at - g.run_at), sum(g.ran), min(g.ran), max(g.ran)
  from (select queue, kind, run_at, started_at, clock_timestamp() - started_at as ran from gone) g
  group by g.queue, g.kind
)
insert into jobs (
  id, kind, queue, state, priority, attempt, max_attempts, run_at, created_at, started_at, finished_at,
  cancel_requested_at, last_lease_id, last_worker_id, args, result, error, execution_id, tags, metadata,
  soft_timeout, hard_timeout, retain, retain_until, concurrency_keys, fair_key, group_id, due_at, expires_at,
  unique_key, workflow_id, awaited, owner)
select
  g.id, g.kind, g.queue, 'completed', g.priority, g.attempt, g.max_attempts, g.run_at, g.created_at,
  g.started_at, clock_timestamp(), g.cancel_requested_at, g.lease_id, g.worker_id, g.args, g.new_result,
  g.error, g.execution_id, g.tags, g.metadata, g.soft_timeout, g.hard_timeout, g.retain,
  clock_timestamp() + g.retain, g.concurrency_keys, g.fair_key, g.group_id, g.due_at, g.expires_at,
  g.unique_key, g.workflow_id, g.awaited, g.owner
from gone g
returning
  id as "id!",
  last_lease_id as "lease_id!",
  awaited,
  kind as "kind!",
  queue as "queue!",
  started_at as "started_at!",
  finished_at as "ended_at!",
  attempt as "attempt!",
  metadata ->> 'traceparent' as traceparent
