-- Due: what the periodic tasks would find. One statement asks for all of them, so that an idle system costs little.

create or replace function work_due(
  out schedule_seconds double precision, out operation_seconds double precision, out deadline_seconds double precision,
  out has_dependents boolean
)
language sql
volatile
set search_path from current
as $$
  select
    least(
      (select 0 where exists (select from schedules where next_at is null and problem is null)),
      (
        select extract(epoch from min(next_at) - clock_timestamp())::double precision
        from schedules
        where paused_at is null
          and next_at < 'infinity'
      ),
      -- A held slot waits for the end of a job, which sends no notification.
      (
        select case when bool_or(is_ready) then 0 else 1 end
        from held_slots()
        having count(*) > 0
      )),
    (
      select extract(epoch from min(due_at) - clock_timestamp())::double precision
      from operations
      where state = 'running'
    ),
    (
      select extract(epoch from min(deadline_at) - clock_timestamp())::double precision
      from running
    ),
    exists (select from finished_parents)
      or exists (select from blocked_jobs where until < clock_timestamp())
$$;
comment on function work_due(out double precision, out double precision, out double precision, out boolean)
  is 'The seconds until a schedule, an operation and the deadline of an attempt fall due (0 or less: now, null: never), and whether dependents wait for resolve().';

create or replace function sweep_would_find() returns boolean
language sql
volatile
set search_path from current
as $$
  select
    exists (select from running where lease_expires_at < clock_timestamp() or deadline_at < clock_timestamp())
    or exists (select from claim_batches where lease_expires_at < clock_timestamp())
    or exists (
      select
      from jobs_live
      where expires_at < clock_timestamp()
        and started_at is null
        and state in ('available', 'waiting'))
    -- Left over: its attempt ended while it was entered, or a hand removed the job.
    or exists (
      select
      from running r
      where not exists (select from jobs_live j where j.id = r.job_id and j.lease_id = r.lease_id))
$$;
comment on function sweep_would_find()
  is 'Whether a sweep may take something back, or has rows to remove.';
