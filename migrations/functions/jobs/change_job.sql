-- Changes options of a job that does not run.

create or replace function change_job(p_job uuid, p_change jsonb, p_by text default session_user) returns text
language plpgsql
set search_path from current
as $$
declare
  known constant text[] := '{priority,queue,run_at,max_attempts,tags,metadata}';
  j jobs := lock_job(p_job);
  before jsonb;
  wrong text;
begin
  select k into wrong from jsonb_object_keys(p_change) as k where k <> all(known) limit 1;
  if found then
    raise exception 'the field % of a job cannot be changed', wrong
      using errcode = '22TM1', hint = 'change ' || array_to_string(known, ', ');
  end if;
  if j.id is null or j.finished_at is not null or j.state = 'running' then
    return j.state::text;
  end if;
  if j.kind like 'tidemill.%' then
    raise exception 'job % is a workflow and cannot be changed', p_job
      using errcode = '22TM1', hint = 'change its jobs';
  end if;
  if p_change ? 'run_at' and coalesce(j.due_at, j.run_at) = 'infinity' then
    raise exception 'job % waits for other jobs or a signal and has no due time', p_job
      using errcode = '22TM1', hint = 'leave run_at out';
  end if;
  if (p_change ->> 'max_attempts')::integer <= j.attempt then
    raise exception 'job % has already had % attempts', p_job, j.attempt
      using errcode = '22TM1', hint = 'give it more max_attempts, or cancel it';
  end if;
  perform check_json(p_change -> 'metadata', 'metadata');
  before := jsonb_build_object(
    'priority', j.priority, 'queue', j.queue, 'run_at', coalesce(j.due_at, j.run_at), 'max_attempts', j.max_attempts,
    'tags', j.tags, 'metadata', j.metadata);
  perform replace_fields(p_job, p_change - 'queue', p_by);
  if p_change ->> 'queue' <> j.queue then
    perform move_job(p_job, p_change ->> 'queue');
  end if;
  perform audit('change', 'job:' || p_job, (select jsonb_object_agg(k, before -> k) from jsonb_object_keys(p_change) as k), p_change, p_by);
  return j.state::text;
end
$$;
comment on function change_job(uuid, jsonb, text)
  is 'Changes options of a job that does not run: {priority, queue, run_at, max_attempts, tags, metadata}; absent fields stay the same. Returns its state, null if there is no such job; a running or finished job is not changed.';
