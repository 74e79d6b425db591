-- Run now and snooze: change the time at which a job that does not run is due.

create or replace function run_now_one(p_job uuid, p_by text, p_recorded boolean) returns text
language plpgsql
set search_path from current
as $$
declare
  j jobs := lock_job(p_job);
begin
  if j.id is null or j.finished_at is not null then
    return j.state::text;
  end if;
  -- A blocked job has no due time.
  if (j.state = 'available' or j.group_id is not null and j.state = 'waiting')
    and coalesce(j.due_at, j.run_at) > clock_timestamp() and coalesce(j.due_at, j.run_at) < 'infinity' then
    perform queue_again(j, clock_timestamp());
    if p_recorded then
      perform audit('run_now', 'job:' || p_job, jsonb_build_object('run_at', coalesce(j.due_at, j.run_at)), jsonb_build_object('run_at', clock_timestamp()), p_by);
    end if;
    perform notify_event(p_job, append_event(p_job, j.attempt, 'retry',
      jsonb_build_object('by', p_by, 'was_due_at', coalesce(j.due_at, j.run_at))));
    perform notify_queue(j.queue, j.group_id is not null);
  end if;
  return j.state::text;
end
$$;
comment on function run_now_one(uuid, text, boolean) is 'Like run_now; the caller decides whether it is recorded as an action.';

create or replace function run_now(p_job uuid, p_by text default session_user) returns text
language sql
set search_path from current
as $$
  select run_now_one(p_job, p_by, true)
$$;
comment on function run_now(uuid, text) is 'Makes a scheduled or retrying job due at once. Returns its state, null if there is no such job.';

create or replace function snooze(p_job uuid, p_delay interval, p_by text default session_user) returns text
language plpgsql
set search_path from current
as $$
declare
  j jobs := lock_job(p_job);
  due timestamptz := clock_timestamp() + p_delay;
begin
  if j.id is null or j.finished_at is not null then
    return j.state::text;
  end if;
  if (j.state = 'available' or j.group_id is not null and j.state = 'waiting') and coalesce(j.due_at, j.run_at) < 'infinity' then
    perform queue_again(j, due);
    perform audit('snooze', 'job:' || p_job, jsonb_build_object('run_at', coalesce(j.due_at, j.run_at)), jsonb_build_object('run_at', due), p_by);
    perform notify_event(p_job, append_event(p_job, j.attempt, 'snoozed',
      jsonb_build_object('by', p_by, 'run_at', due)));
  end if;
  return j.state::text;
end
$$;
comment on function snooze(uuid, interval, text) is 'Puts off a job that does not run. Returns its state, null if there is no such job.';
