-- Resolve: tells the jobs that wait of the ends of others. Exactly once for each end: an ending is taken
-- with its row, and each waiting job is judged anew while it is locked, by all that was told so far.

create or replace function outcome_of(p_job jobs) returns text
language sql
immutable
as $$
  select case
    when p_job.state = 'cancelled' and p_job.error ->> 'type' = 'skipped' then 'skipped'
    when p_job.finished_at is not null then p_job.state::text
  end
$$;
comment on function outcome_of(jobs) is 'How a job ended, for those that wait for it; null while it is live.';

create or replace function passed_args(p_job uuid) returns jsonb
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
  ) p
$$;
comment on function passed_args(uuid) is 'The results of a job''s parents under the names that it wants them as.';

create or replace function end_workflow(p_job jobs) returns void
language plpgsql
set search_path from current
as $$
declare
  bad text;
  how_many bigint;
begin
  select string_agg(coalesce(d.name, d.parent_id::text), ', ' order by d.ord) filter (where d.nth <= 5), max(d.nth)
  into bad, how_many
  from (
    select *, row_number() over (order by ord) as nth
    from dependencies
    where job_id = p_job.id
      and outcome in ('failed', 'cancelled')
  ) d;
  p_job.state := case
    when p_job.cancel_requested_at is not null then 'cancelled'
    when bad is not null then 'failed'
    else 'completed'
  end;
  if p_job.state = 'completed' then
    select case w.result_is
        when 'array' then coalesce(jsonb_agg(j.result order by d.ord) filter (where d.parent_id is not null), '[]')
        else coalesce(jsonb_object_agg(coalesce(d.name, d.parent_id::text), j.result) filter (where d.parent_id is not null), '{}')
      end
    into p_job.result
    from workflows w
    left join dependencies d on d.job_id = w.id
    left join jobs j on j.id = d.parent_id
    where w.id = p_job.id
    group by w.result_is;
  elsif bad is not null then
    p_job.error := jsonb_build_object('type', 'workflow_failed', 'permanent', true,
      'message', format('%s of its jobs did not complete: %s%s', how_many, bad, case when how_many > 5 then ', …' else '' end));
  end if;
  perform archive(p_job);
end
$$;
comment on function end_workflow(jobs) is 'Ends a locked workflow whose members have all ended: with their results, or with those that failed.';

create or replace function resolve_one(p_job uuid, p_ended uuid[]) returns void
language plpgsql
set search_path from current
as $$
declare
  j jobs;
  w waits;
  verdict text;
  bad record;
begin
  select * into j from jobs_live where id = p_job and state = 'waiting' for update;
  select * into w from waits where job_id = p_job;
  if j.id is null or w.job_id is null or w.signal is not null then
    return;
  end if;
  verdict := wait_verdict(p_job, w.run_if);
  if verdict = 'wait' then
    return;
  elsif j.kind = 'tidemill.workflow' then
    perform end_workflow(j);
  elsif verdict = 'run' then
    if j.attempt = 0 then
      update jobs_live set args = args || passed_args(p_job) where id = p_job;
    end if;
    perform let_go(p_job);
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
  perform tell(format('e:%s:0', p_job));
end
$$;
comment on function resolve_one(uuid, uuid[]) is 'Judges one job that waits for others, by all that was told so far: goes on waiting, is let go, or ends.';

create or replace function resolve(p_limit integer default 500) returns integer
language plpgsql
set search_path from current
as $$
declare
  ended uuid[];
  since timestamptz;
  children uuid[];
begin
  with taken as (
    delete from endings
    where job_id in (select job_id from endings order by at limit p_limit for update skip locked)
    returning job_id, at
  )
  select array_agg(job_id), min(at) - interval '1 hour' into ended, since from taken;
  if ended is null then
    return 0;
  end if;
  -- One that somebody retries meanwhile waits for us or is live again, and tells of its end later.
  with parents as materialized (
    select j.id, outcome_of(j) as outcome
    from jobs j
    where j.id = any(ended)
      and j.finished_at >= since
    order by j.id
    for share
  ),
  told as (
    update dependencies d
    set outcome = coalesce(p.outcome, 'cancelled'), resolved_at = clock_timestamp()
    from unnest(ended) as e (id)
    left join parents p on p.id = e.id
    where d.parent_id = e.id
      and d.outcome is null
      and (p.id is not null or not exists (select 1 from jobs j where j.id = e.id))
    returning d.job_id
  ),
  counted as (
    update workflows w
    set done = least(w.members, w.done + t.ended)
    from (select job_id, count(*) as ended from told group by job_id) t
    where w.id = t.job_id
  )
  select array_agg(distinct job_id) into children from told;
  -- All of them first, in order; each statement from here on sees what others told before.
  children := array(select id from jobs_live where id = any(children) and state = 'waiting' order by id for update);
  perform resolve_one(j.id, ended)
  from (select * from jobs_live where id = any(children) order by queue, priority, group_id, id) j;
  return cardinality(ended);
end
$$;
comment on function resolve(integer)
  is 'Tells the jobs that wait of the ends of up to so many others: lets them go, or ends them where what they need did not come. Answers how many ends it told; safe to run anywhere, any time. Repeat until 0.';
