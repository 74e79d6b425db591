-- Cancel: ends a job that does not run, and asks the worker of one that runs.

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
