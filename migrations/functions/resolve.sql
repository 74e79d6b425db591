-- Resolve: applies the ends of jobs to the jobs that wait for them, exactly once for each end. An
-- ending is taken with its row, and each waiting job is checked again while it is locked, by all
-- ends recorded so far.

create or replace function outcome_of(p_job jobs) returns text
language sql
immutable
as $$
  select case
    when p_job.state = 'cancelled' and p_job.error ->> 'type' = 'skipped' then 'skipped'
    when p_job.finished_at is not null then p_job.state::text
  end
$$;
comment on function outcome_of(jobs) is 'How a job ended, for the jobs that wait for it; null while it is live.';

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

create or replace function workflow_result(p_workflow uuid) returns jsonb
language sql
stable
set search_path from current
as $$
  select case w.result_is
      when 'array' then coalesce(jsonb_agg(j.result order by d.ord) filter (where d.parent_id is not null), '[]')
      when 'last' then jsonb_agg(j.result order by d.ord desc) -> 0
      else coalesce(jsonb_object_agg(coalesce(d.name, d.parent_id::text), j.result) filter (where d.parent_id is not null), '{}')
    end
  from workflows w
  left join dependencies d on d.job_id = w.id and d.member
  left join jobs j on j.id = d.parent_id
  where w.id = p_workflow
  group by w.result_is
$$;
comment on function workflow_result(uuid) is 'The result of a workflow: the results of its members.';

create or replace function end_workflow(p_job jobs) returns void
language plpgsql
set search_path from current
as $$
declare
  members record;
begin
  select
    count(*) filter (where d.outcome in ('failed', 'cancelled')) as bad,
    count(*) filter (where d.outcome = 'failed') as failed,
    count(*) > 0 and count(*) = count(*) filter (where d.outcome = 'skipped') as skipped,
    string_agg(d.name, ', ' order by d.ord) filter (where d.nth_bad <= 5) as names
  into members
  from (
    select
      outcome, ord, coalesce(name, parent_id::text) as name,
      case when outcome in ('failed', 'cancelled') then
        row_number() over (partition by outcome in ('failed', 'cancelled') order by outcome = 'failed' desc, ord)
      end as nth_bad
    from dependencies
    where job_id = p_job.id
      and member
  ) d;
  if p_job.cancel_requested_at is not null then
    p_job.state := 'cancelled';
  elsif members.bad > 0 then
    p_job.state := case when members.failed > 0 then 'failed' else 'cancelled' end;
    p_job.error := jsonb_build_object('type', 'workflow_failed', 'permanent', true,
      'message', format('%s of its jobs did not complete: %s%s', members.bad, members.names, case when members.bad > 5 then ', …' else '' end));
  elsif members.skipped then
    p_job.state := 'cancelled';
    p_job.error := jsonb_build_object('type', 'skipped', 'permanent', true, 'message', 'none of its jobs was needed');
  else
    perform require_results(p_job.id);
    p_job.state := 'completed';
    p_job.result := workflow_result(p_job.id);
    perform note_references(p_job.id, p_job.result);
  end if;
  perform archive(p_job);
end
$$;
comment on function end_workflow(jobs) is 'Ends a locked workflow whose members have all ended: with their results, or with the members that did not complete.';

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
        'message', 'it was not needed: ' || case when verdict = 'skip' then 'none of the jobs that it waits for failed'
          else format('job %s was skipped', bad.name) end)
      else jsonb_build_object('type', 'dependency_failed', 'permanent', true, 'parent_id', bad.parent_id,
        'message', format('job %s, for which it waits, is %s', bad.name, bad.outcome))
    end;
    perform archive(j);
  end if;
  perform notify_event(p_job);
end
$$;
comment on function evaluate_wait(uuid) is 'Checks one job that waits for others, by all ends recorded so far: it continues to wait, is released, or ends.';

create or replace function note_progress(p_told uuid[]) returns void
language plpgsql
set search_path from current
as $$
declare
  flow workflows;
begin
  for flow in
    update workflows w
    set done = least(w.members, w.done + t.ended)
    from (select job_id, count(*) as ended from unnest(p_told) as t (job_id) group by job_id) t
    where w.id = t.job_id
      and exists (select from jobs_live l where l.id = w.id)
    returning w.*
  loop
    perform notify_event(flow.id, append_event(flow.id, 0, 'progress', jsonb_build_object(
      'percent', case when flow.members = 0 then 100 else round(100.0 * flow.done / flow.members, 2) end,
      'step', format('%s of %s', flow.done, flow.members))));
  end loop;
end
$$;
comment on function note_progress(uuid[]) is 'Counts ended members for their workflows: each element of the array is the workflow of one member.';

create or replace function stop_workflow(p_workflow uuid) returns void
language plpgsql
set search_path from current
as $$
declare
  member uuid;
  until timestamptz := statement_timestamp() + coalesce(nullif(current_setting('statement_timeout')::interval, '0') / 3, '10 seconds');
begin
  for member in
    with recursive cleaning (id) as (
      -- Jobs that clean up after a failure run, and continue. The first jobs of a nested workflow
      -- wait for the same jobs as the workflow.
      select e.job_id
      from dependencies m
      join dependencies e on e.parent_id = m.parent_id
      where m.job_id = p_workflow
        and m.member
        and not e.member
        and e.run_if in ('any_failed', 'all_finished')
      union
      select w.job_id
      from cleaning c
      join dependencies w on w.parent_id = c.id
      where w.member
    )
    select l.id
    from dependencies d
    join jobs_live l on l.id = d.parent_id
    where d.job_id = p_workflow
      and d.member
      and l.cancel_requested_at is null
      and l.id not in (select c.id from cleaning c)
    order by l.id
  loop
    perform cancel_one(member, 'another job of the workflow failed', 'workflow', false);
    -- The ends of these jobs lead here again.
    exit when clock_timestamp() > until;
  end loop;
end
$$;
comment on function stop_workflow(uuid)
  is 'Cancels the live members of a workflow, except those that run after failures; if it takes long, later calls cancel the rest.';

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

create or replace function is_transient(p_sqlstate text) returns boolean
language sql
immutable
set search_path from current
as $$
  -- Lack of memory does not: a transaction that needs too much needs it again.
  select p_sqlstate ~ '^(08|25|40|53[^2]|55|57)'
$$;
comment on function is_transient(text) is 'Whether the error of an SQLSTATE is temporary, so that the same statement can succeed a little later.';

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
    raise warning 'job % could not be told of an end: %', p_job, why;
    return;
  end if;
  j.state := 'failed';
  j.error := jsonb_build_object('type', 'unresolved', 'permanent', true,
    'message', format('what it waited for has ended, but it cannot go on: %s', why));
  perform archive(j);
  perform notify_event(p_job);
exception when others then
  if is_transient(sqlstate) then
    raise;
  end if;
  raise warning 'job % could neither be told of an end nor fail: %', p_job, sqlerrm;
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
  told uuid[];
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
    raise warning 'the waits whose time is over could not be ended: %', sqlerrm;
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
  select array_agg(job_id) into told from noted;
  perform note_progress(told);
  -- All of them first, in order; each later statement sees the ends that other transactions
  -- recorded before.
  children := array(select id from jobs_live where id = any(told) and state = 'waiting' order by id for update);
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
