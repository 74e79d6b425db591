-- Retry: makes a finished job live again. Jobs that depend on others: retry_dependents.sql.

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
    perform resolve_parents(p_job);
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
