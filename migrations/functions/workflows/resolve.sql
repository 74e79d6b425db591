-- Resolve: applies the ends of jobs to the jobs that wait for them, exactly once for each end. An
-- ending is taken with its row, and each waiting job is checked again while it is locked, by all
-- ends recorded so far.

create or replace function passed_args(p_job uuid, p_since timestamptz) returns jsonb
language sql
stable
set search_path from current
as $$
  select coalesce(jsonb_object_agg(p.name, p.value), '{}')
  from (
    select
      rtrim(d.pass_as, '[]') as name,
      case
        when d.pass_as like '%[]' then jsonb_agg(j.result order by d.ord)
        else (jsonb_agg(j.result order by d.ord desc)) -> 0
      end as value
    from dependencies d
    left join jobs j on j.id = d.parent_id
    where d.job_id = p_job
      and d.pass_as is not null
    group by d.pass_as
    having max(d.resolved_at) >= p_since
  ) p
$$;
comment on function passed_args(uuid, timestamptz) is 'The results of a job''s parents under their arg names, limited to the names of which a parent ended since a time.';

create or replace function require_results(p_job uuid, p_since timestamptz default '-infinity') returns void
language plpgsql
stable
set search_path from current
as $$
declare
  lost text;
begin
  select coalesce(d.name, d.parent_id::text) into lost
  from dependencies d
  where d.job_id = p_job
    and d.outcome = 'completed'
    and (d.member or d.pass_as is not null)
    and not exists (select from jobs j where j.id = d.parent_id)
    and (p_since = '-infinity' or exists (
      select
      from dependencies o
      where o.job_id = p_job
        and o.pass_as = d.pass_as
        and o.resolved_at >= p_since))
  order by d.ord
  limit 1;
  if found then
    raise exception 'job % completed, but it and its result are no longer stored', lost
      using errcode = '22TM1', hint = 'enqueue it again, with the jobs that wait for it';
  end if;
end
$$;
comment on function require_results(uuid, timestamptz)
  is 'Raises an error if a result that a job must get now, as passed_args or workflow_result returns it, is no longer stored: a missing result is never passed as null.';

create or replace function evaluate_wait(p_job uuid) returns void
language plpgsql
set search_path from current
as $$
declare
  j jobs;
  w blocked_jobs;
  verdict text;
  passed jsonb;
  since timestamptz;
  bad record;
begin
  select * into j from jobs_live where id = p_job and state = 'waiting' for update;
  select * into w from blocked_jobs where job_id = p_job;
  if j.id is null or w.job_id is null or w.signal is not null then
    return;
  end if;
  verdict := wait_verdict(p_job, w.run_if);
  if verdict = 'wait' then
    return;
  elsif j.kind = 'tidemill.workflow' and verdict = 'run' then
    perform end_workflow(j);
  elsif verdict = 'run' then
    -- A job that ran before already has the results that were passed to it then.
    since := case when j.started_at is null then '-infinity' else w.since end;
    perform require_results(p_job, since);
    passed := passed_args(p_job, since);
    if passed <> '{}' then
      update jobs_live set args = args || passed where id = p_job;
      perform note_references(p_job, passed);
    end if;
    perform unblock(p_job);
    return;
  else
    j.state := 'cancelled';
    select coalesce(d.name, d.parent_id::text) as name, d.parent_id, d.outcome
    into bad
    from dependencies d
    where d.job_id = p_job
      and d.outcome in ('failed', 'cancelled', 'skipped')
    order by d.outcome = 'failed' desc, d.ord
    limit 1;
    j.error := case
      when verdict = 'skip' or bad.outcome = 'skipped' then jsonb_build_object('type', 'skipped', 'permanent', true,
        'message', 'the job was not needed: ' || case when verdict = 'skip' then 'none of its parents failed'
          else format('job %s was skipped', bad.name) end)
      else jsonb_build_object('type', 'dependency_failed', 'permanent', true, 'parent_id', bad.parent_id,
        'message', format('the required job %s is %s', bad.name, bad.outcome))
    end;
    perform archive(j);
  end if;
  perform notify_event(p_job);
end
$$;
comment on function evaluate_wait(uuid) is 'Checks one job that waits for others, by all ends recorded so far: it continues to wait, is released, or ends.';

create or replace function evaluate_waits(p_jobs uuid[]) returns void
language plpgsql
set search_path from current
as $$
begin
  perform stop_workflow(w.id)
  from workflows w
  where w.id = any(p_jobs)
    and w.on_failure = 'cancel'
    and exists (select from dependencies d where d.job_id = w.id and d.member and d.outcome = 'failed');
  perform evaluate_wait(j.id)
  from (select * from jobs_live where id = any(p_jobs) order by queue, priority, group_id, id) j;
end
$$;
comment on function evaluate_waits(uuid[]) is 'Checks jobs that wait for others, by all ends recorded so far; first stops workflows whose on_failure is cancel and that have a failure.';

create or replace function evaluate_wait_isolated(p_job uuid) returns void
language plpgsql
set search_path from current
as $$
declare
  j jobs;
  why text;
begin
  begin
    perform evaluate_waits(array[p_job]);
    return;
  exception when others then
    if is_transient(sqlstate) then
      raise;
    end if;
    why := sqlerrm;
  end;
  select l.* into j
  from jobs_live l
  join blocked_jobs w on w.job_id = l.id
  where l.id = p_job
    and l.state = 'waiting'
    and w.signal is null
    and wait_verdict(l.id, w.run_if) <> 'wait'
  for update of l;
  if not found then
    raise warning 'the dependencies of job % could not be evaluated: %', p_job, why;
    return;
  end if;
  j.state := 'failed';
  j.error := jsonb_build_object('type', 'unresolved', 'permanent', true,
    'message', format('its parents have ended, but the job cannot continue: %s', why));
  perform archive(j);
  perform notify_event(p_job);
exception when others then
  if is_transient(sqlstate) then
    raise;
  end if;
  raise warning 'job % could neither be resolved nor failed: %', p_job, sqlerrm;
end
$$;
comment on function evaluate_wait_isolated(uuid) is 'Like evaluate_waits for one job, but an error becomes the job''s own failure and does not block other jobs.';

create or replace function resolve(p_limit integer default 500) returns integer
language plpgsql
set search_path from current
as $$
declare
  ended uuid[];
  since timestamptz;
  waiting uuid[];
  children uuid[];
begin
  if not exists (select from finished_parents) then
    perform release_timed_out(p_limit);
    return 0;
  end if;
  -- One transaction at a time, and none together with a transaction that cancels or retries whole
  -- workflows.
  perform lock_workflows();
  begin
    perform release_timed_out(p_limit);
  exception when others then
    if is_transient(sqlstate) then
      raise;
    end if;
    -- Jobs that wait for signals do not delay jobs that wait for other jobs.
    raise warning 'jobs whose signal did not come in time could not be released: %', sqlerrm;
  end;
  with taken as (
    delete from finished_parents
    where job_id in (select job_id from finished_parents order by at limit p_limit for update skip locked)
    returning job_id, at
  )
  select array_agg(job_id), min(at) - interval '1 hour' into ended, since from taken;
  if ended is null then
    return 0;
  end if;
  -- A job that was retried meanwhile is live again and has its end later.
  with parents as materialized (
    select j.id, outcome_of(j) as outcome
    from jobs j
    where j.id = any(ended)
      and j.finished_at >= since
  ),
  noted as (
    update dependencies d
    set outcome = coalesce(p.outcome, 'cancelled'), resolved_at = clock_timestamp()
    from unnest(ended) as e (id)
    left join parents p on p.id = e.id
    where d.parent_id = e.id
      and d.outcome is null
      and (p.id is not null or not exists (select 1 from jobs j where j.id = e.id))
    returning d.job_id
  )
  select array_agg(job_id) into waiting from noted;
  perform note_progress(waiting);
  -- All of them first, in order; each later statement sees the ends that other transactions
  -- recorded before.
  children := array(select id from jobs_live where id = any(waiting) and state = 'waiting' order by id for update);
  begin
    perform evaluate_waits(children);
  exception when others then
    if is_transient(sqlstate) then
      raise;
    end if;
    -- A row that fails does not block the others.
    perform evaluate_wait_isolated(j.id)
    from (select * from jobs_live where id = any(children) order by queue, priority, group_id, id) j;
  end;
  return cardinality(ended);
end
$$;
comment on function resolve(integer)
  is 'Applies the ends of up to the given number of jobs to the jobs that wait for them: releases those, or ends them if a required job did not complete. Returns the number of ends; safe to run anywhere, any time. Repeat until 0.';

create or replace function resolve_parents(p_job uuid) returns void
language plpgsql
set search_path from current
as $$
begin
  while exists (
    select
    from dependencies d
    join finished_parents e on e.job_id = d.parent_id
    where d.job_id = p_job)
  loop
    exit when resolve() = 0;
  end loop;
end
$$;
comment on function resolve_parents(uuid) is 'Applies the stored ends of the jobs that a job waits for, or waited for, so that an action on it uses their present outcomes.';
