-- Functions by which people control a job.

create or replace function cancel_children(p_job jobs, p_reason text, p_by text, p_recorded boolean) returns void
language plpgsql
set search_path from current
as $$
begin
  -- Children that a fork took over are not its own. A unique child can be the work of other callers
  -- as well, who enqueued it or were given it.
  perform cancel_one(s.spawned_id, coalesce(p_reason, 'the job that spawned it is cancelled'), p_by, p_recorded)
  from steps s
  where s.job_id = p_job.id
    and s.spawned_id is not null
    and s.created_at >= p_job.created_at
    and not exists (select from jobs_live c where c.id = s.spawned_id and c.unique_key is not null)
  order by s.spawned_id;
end
$$;
comment on function cancel_children(jobs, text, text, boolean) is 'Cancels the children of a job that waits for them, or was about to.';

create or replace function cancel_one(p_job uuid, p_reason text, p_by text, p_recorded boolean) returns text
language plpgsql
set search_path from current
as $$
declare
  j jobs;
begin
  -- Before any job, as in every transaction that resolves dependencies.
  if exists (select from workflows where id = p_job)
    or exists (select from steps where job_id = p_job and spawned_id is not null)
  then
    perform lock_workflows();
  end if;
  j := lock_job(p_job);
  if j.id is null or j.finished_at is not null then
    return j.state::text;
  end if;
  if p_recorded then
    perform audit('cancel', 'job:' || p_job, jsonb_build_object('state', j.state), jsonb_strip_nulls(jsonb_build_object(
      'state', case when j.state = 'running' or j.kind = 'tidemill.workflow' then 'cancel_requested' else 'cancelled' end,
      'reason', p_reason)), p_by);
  end if;
  if j.kind = 'tidemill.workflow' then
    return cancel_workflow(p_job, p_reason, p_by);
  end if;
  if j.state = 'running' then
    if j.cancel_requested_at is null then
      update jobs_live set cancel_requested_at = clock_timestamp() where id = p_job;
      perform notify_event(p_job, append_event(p_job, j.attempt, 'cancel_requested',
        jsonb_strip_nulls(jsonb_build_object('by', p_by, 'reason', p_reason))));
    end if;
    perform notify_cancel(p_job);
    return 'cancel_requested';
  end if;
  j.state := 'cancelled';
  j.cancel_requested_at := coalesce(j.cancel_requested_at, clock_timestamp());
  perform cancel_children(j, p_reason, p_by, p_recorded);
  perform archive(j);
  perform notify_event(p_job, append_event(p_job, j.attempt, 'cancel_requested',
    jsonb_strip_nulls(jsonb_build_object('by', p_by, 'reason', p_reason))));
  return 'cancelled';
end
$$;
comment on function cancel_one(uuid, text, text, boolean) is 'Like cancel; the caller decides whether it is recorded as an action.';

create or replace function cancel(p_job uuid, p_reason text default null, p_by text default session_user) returns text
language sql
set search_path from current
as $$
  select cancel_one(p_job, p_reason, p_by, true)
$$;
comment on function cancel(uuid, text, text)
  is 'Cancels a job: at once if it does not run (cancelled), else by asking its worker (cancel_requested). Returns the state of a finished job, null if the job does not exist.';

create or replace function retry_one(p_job uuid, p_by text, p_recorded boolean) returns text
language plpgsql
set search_path from current
as $$
declare
  j jobs;
  before jsonb;
  answer text;
begin
  -- Before the job, as in every transaction that resolves dependencies.
  if exists (select from dependencies where p_job in (job_id, parent_id))
    or exists (select from workflows where id = p_job)
  then
    perform lock_workflows();
  end if;
  j := lock_job(p_job);
  if j.id is null then
    return null;
  elsif j.kind = 'tidemill.workflow' then
    answer := retry_workflow(p_job, p_by);
    if p_recorded then
      perform audit('retry', 'job:' || p_job, jsonb_build_object('state', j.state), jsonb_build_object('state', answer), p_by);
    end if;
    return answer;
  elsif j.finished_at is null then
    return run_now_one(p_job, p_by, p_recorded);
  end if;
  before := jsonb_strip_nulls(jsonb_build_object('state', j.state, 'error', j.error ->> 'message'));
  -- A job that never ran waits for the others as at first, and gets their results; if they failed,
  -- the person wants it to run without them.
  if wait_verdict(p_job, run_if_of(p_job)) in ('wait', 'run')
    and retry_blocked(p_job, p_by)
  then
    perform evaluate_wait_isolated(p_job);
    answer := (select state::text from jobs where id = p_job);
    if p_recorded then
      perform audit('retry', 'job:' || p_job, before, jsonb_build_object('state', answer), p_by);
    end if;
    return answer;
  end if;
  delete from jobs where id = p_job and finished_at = j.finished_at;
  j.state := 'available';
  -- In a bulk retry a job that was never due keeps its time; a job that is named alone is wanted
  -- now.
  j.run_at := case when p_recorded or j.started_at is not null then clock_timestamp() else greatest(j.run_at, clock_timestamp()) end;
  j.max_attempts := greatest(j.max_attempts, j.attempt + 1);
  j.finished_at := null;
  j.retain_until := null;
  j.cancel_requested_at := null;
  j.expires_at := null;
  j.result := null;
  if j.group_id is not null then
    j.state := 'waiting';
    j.due_at := j.run_at;
    j.run_at := 'infinity';
    perform enlist_group(j.queue, j.priority, j.group_id, j.concurrency_keys, j.due_at);
  end if;
  j.written_in := (pg_current_xact_id()::text)::numeric;
  insert into jobs_live select (j).*;
  if j.unique_key is not null then
    perform take_key_again(p_job, j.unique_key);
  end if;
  if j.awaited then
    perform reopen_dependents(p_job);
  end if;
  perform notify_event(p_job, append_event(p_job, j.attempt, 'retry', jsonb_build_object('by', p_by)));
  perform notify_queue(j.queue, j.group_id is not null);
  if p_recorded then
    perform audit('retry', 'job:' || p_job, before, jsonb_build_object('state', j.state), p_by);
  end if;
  return j.state::text;
end
$$;
comment on function retry_one(uuid, text, boolean) is 'Like retry; the caller decides whether it is recorded as an action.';

create or replace function retry(p_job uuid, p_by text default session_user) returns text
language sql
set search_path from current
as $$
  select retry_one(p_job, p_by, true)
$$;
comment on function retry(uuid, text)
  is 'Makes a finished job live again with at least one more attempt; a live job that is not due runs now. Returns its state, null if there is no such job.';

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

create or replace function delete_job_records(p_jobs uuid[]) returns void
language sql
set search_path from current
as $$
  delete from dependencies where job_id = any(p_jobs);
  delete from blocked_jobs where job_id = any(p_jobs);
  delete from workflows where id = any(p_jobs);
  delete from steps where job_id = any(p_jobs);
  delete from signals where job_id = any(p_jobs);
$$;
comment on function delete_job_records(uuid[]) is 'Removes the records of deleted jobs outside of their history.';

create or replace function delete_one(p_job uuid, p_recorded boolean) returns text
language plpgsql
set search_path from current
as $$
declare
  j jobs;
  robbed uuid[];
  known boolean := exists (select from dependencies where job_id = p_job or parent_id = p_job);
begin
  -- Before the job, as in every transaction that resolves dependencies.
  if known then
    perform lock_workflows();
  end if;
  j := lock_job(p_job);
  if j.id is null then
    return null;
  elsif j.state = 'running' or j.finished_at is null and j.kind = 'tidemill.workflow' then
    return 'running';
  end if;
  if p_recorded then
    perform audit('delete', 'job:' || p_job, jsonb_build_object('kind', j.kind, 'queue', j.queue, 'state', j.state, 'created_at', j.created_at), null);
  end if;
  -- Jobs that wait for it learn how it ended while that is known.
  while known and j.finished_at is not null and exists (select from finished_parents where job_id = p_job) loop
    perform resolve();
  end loop;
  -- A job that needs its result, and did not run yet, never gets it; nor does its workflow.
  with robbed as (
    update dependencies d
    set outcome = 'cancelled'
    from blocked_jobs w
    join jobs_live l on l.id = w.job_id
    where known
      and d.parent_id = p_job
      and (d.member or d.pass_as is not null)
      and d.outcome = 'completed'
      and w.job_id = d.job_id
      and l.started_at is null
    returning d.job_id
  )
  select array_agg(job_id) into robbed from robbed;
  delete from jobs where id = p_job;
  delete from task_ids where job_id = p_job;
  delete from events where job_id = p_job;
  delete from attempts where job_id = p_job;
  delete from progress where job_id = p_job;
  perform delete_job_records(array[p_job]);
  perform evaluate_wait_isolated(r.id) from unnest(robbed) as r (id);
  return 'deleted';
end
$$;
comment on function delete_one(uuid, boolean) is 'Like delete_job; the caller decides whether it is recorded as an action.';

create or replace function delete_job(p_job uuid) returns text
language sql
set search_path from current
as $$
  select delete_one(p_job, true)
$$;
comment on function delete_job(uuid) is 'Removes a job that does not run, with all its history. For jobs that wait for it while it is live, or that need its result after it completed, it counts as cancelled. Returns deleted, running, or null if there is no such job.';
