-- Dependencies: jobs that are blocked until other jobs end or a signal comes, and their release. A
-- transaction that locks several jobs locks them in the order of their ids.

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

create or replace function note_finished_parent() returns trigger
language plpgsql
set search_path from current
as $$
begin
  insert into finished_parents (job_id) values (old.id) on conflict do nothing;
  return null;
end
$$;
comment on function note_finished_parent() is 'Trigger: records that a job with dependents left the live jobs, whichever statement moved it, so that resolve() applies its end.';

create or replace trigger jobs_live_awaited
after delete on jobs_live
for each row
when (old.awaited)
execute function note_finished_parent();
comment on trigger jobs_live_awaited on jobs_live is 'Fires only for jobs that others wait for.';

create or replace function link_jobs(
  p_jobs uuid[], p_afters jsonb[], p_run_ifs text[], p_run_ats timestamptz[] default null, p_delays interval[] default null
)
returns void
language plpgsql
set search_path from current
as $$
declare
  parents uuid[] := array(select distinct p.id from unnest(p_afters) as a (after) cross join parents_of(a.after) p);
  unknown uuid;
begin
  -- A live parent stays live until the edge is committed, and its end is applied then.
  with live as materialized (
    select id, awaited
    from jobs_live
    where id = any(parents)
    order by id
    for no key update
  )
  update jobs_live j
  set awaited = true
  from live p
  where j.id = p.id
    and p.awaited is not true;
  select i.id into unknown
  from unnest(parents) as i (id)
  where i.id is null
    or not exists (select 1 from jobs j where j.id = i.id)
  limit 1;
  if found then
    raise exception 'the parent job % does not exist', unknown
      using errcode = '22TM1', hint = 'a job can only wait for jobs that are still stored';
  end if;
  insert into dependencies (job_id, parent_id, ord, member, name, pass_as, run_if, run_at, delay, outcome, resolved_at)
  select
    i.job_id, p.id, p.ord, p.member, p.name, p.pass_as, i.run_if, i.run_at, i.delay,
    outcome_of(j), case when j.finished_at is not null then clock_timestamp() end
  from unnest(p_jobs, p_afters, p_run_ifs, p_run_ats, p_delays) as i (job_id, after, run_if, run_at, delay)
  cross join parents_of(i.after) p
  join jobs j on j.id = p.id
  order by i.job_id, p.id
  on conflict (job_id, parent_id) do nothing;
end
$$;
comment on function link_jobs(uuid[], jsonb[], text[], timestamptz[], interval[])
  is 'Makes jobs wait for others, see parents_of. A parent that has ended counts at once. Raises an error if there is no such parent.';

create or replace function block_new_jobs(p_ids uuid[], p_run_ats timestamptz[], p_delay_seconds double precision[], p_options jsonb[]) returns void
language plpgsql
set search_path from current
as $$
declare
  held uuid[];
  refused uuid;
  far uuid;
begin
  select p.id into refused
  from unnest(p_options) as i (options)
  cross join parents_of(i.options -> 'after') p
  where p.id = any(p_ids)
    and not exists (select from jobs_live j where j.id = p.id)
  limit 1;
  if found then
    -- The caller of a workflow refuses all of it, and gives the reason.
    if exists (select from unnest(p_options) as i (options) where i.options ?| '{workflow_id,is_workflow}') then
      return;
    end if;
    raise exception 'job % is a dependency in this call but was not enqueued by it', refused
      using errcode = '22TM1', hint = 'enqueue it first; its queue can be full, or another job can have its execution id or unique key';
  end if;
  -- A time that could not be stored at the release is refused now.
  select i.id into far
  from unnest(p_ids, p_run_ats, p_delay_seconds, p_options) as i (id, run_at, delay_seconds, options)
  where i.options ? 'after'
    and greatest(i.run_at, clock_timestamp() + make_interval(secs => i.delay_seconds)) >= '10000-01-01 00:00+00'
  limit 1;
  if found then
    raise exception 'the start of job % is too far in the future', far
      using errcode = '22TM1', hint = 'name a time before the year 10000';
  end if;
  with held as (
    select i.*
    from unnest(p_ids, p_run_ats, p_delay_seconds, p_options) with ordinality as i (id, run_at, delay_seconds, options, ord)
    join jobs_live j on j.id = i.id
    where i.options ? 'after' or i.options ? 'is_workflow'
  )
  insert into blocked_jobs (job_id, run_if, run_at, delay)
  select
    h.id,
    coalesce(h.options ->> 'run_if', 'all_completed'),
    h.run_at,
    make_interval(secs => h.delay_seconds)
  from held h
  order by h.ord;
  held := array(
    select i.id
    from unnest(p_ids, p_options) with ordinality as i (id, options, ord)
    join blocked_jobs w on w.job_id = i.id
    order by i.ord);
  perform link_jobs(
    array_agg(i.id), array_agg(i.options -> 'after'), array_agg(w.run_if), array_agg(w.run_at), array_agg(w.delay))
  from unnest(p_ids, p_options) as i (id, options)
  join blocked_jobs w on w.job_id = i.id
  where i.options ? 'after'
  having count(*) > 0;
  -- The jobs that they wait for can have ended already.
  perform evaluate_wait(h.id) from unnest(held) as h (id);
end
$$;
comment on function block_new_jobs(uuid[], timestamptz[], double precision[], jsonb[])
  is 'Makes new jobs wait for the jobs that their options name; a delay counts from their release. insert_jobs calls it.';

create or replace function wait_verdict(p_job uuid, p_run_if text) returns text
language sql
stable
set search_path from current
as $$
  select case p_run_if
    when 'all_completed' then
      case
        when exists (select 1 from dependencies where job_id = p_job and outcome in ('failed', 'cancelled', 'skipped')) then 'cancel'
        when exists (select 1 from dependencies where job_id = p_job and outcome is null) then 'wait'
        else 'run'
      end
    when 'any_failed' then
      case
        when exists (select 1 from dependencies where job_id = p_job and outcome in ('failed', 'cancelled')) then 'run'
        when exists (select 1 from dependencies where job_id = p_job and outcome is null) then 'wait'
        else 'skip'
      end
    when 'any_completed' then
      case
        when exists (select 1 from dependencies where job_id = p_job and outcome = 'completed') then 'run'
        when exists (select 1 from dependencies where job_id = p_job and outcome is null) then 'wait'
        else 'cancel'
      end
    else
      case when exists (select 1 from dependencies where job_id = p_job and outcome is null) then 'wait' else 'run' end
  end
$$;
comment on function wait_verdict(uuid, text) is 'What happens now to a job that waits for others: wait, run, skip (it is not needed) or cancel (a required job did not complete).';

create or replace function block_on(p_job jobs, p_wait jsonb) returns text
language plpgsql
set search_path from current
as $$
declare
  parents jsonb := p_wait -> 'parents';
begin
  update jobs_live
  set
    state = 'waiting',
    run_at = 'infinity',
    due_at = case when p_job.group_id is not null then 'infinity'::timestamptz end,
    attempt = p_job.attempt,
    error = p_job.error,
    lease_id = null,
    worker_id = null,
    last_lease_id = coalesce(p_job.lease_id, p_job.last_lease_id),
    last_worker_id = coalesce(p_job.worker_id, p_job.last_worker_id)
  where id = p_job.id;
  delete from running where job_id = p_job.id;
  insert into blocked_jobs (job_id, run_if, signal, until)
  values (
    p_job.id,
    'all_finished',
    p_wait ->> 'signal',
    clock_timestamp() + make_interval(secs => (p_wait ->> 'timeout_seconds')::double precision))
  on conflict (job_id) do update
  set run_if = excluded.run_if, signal = excluded.signal, until = excluded.until, run_at = null, delay = null, since = clock_timestamp();
  if parents is not null then
    -- It waits for these jobs alone; older ones can have ended without being resolved yet.
    delete from dependencies where job_id = p_job.id and outcome is null;
    perform link_jobs(array[p_job.id], array[parents], array['all_finished']);
    -- A job that ended once and is live again has not ended.
    update dependencies d
    set outcome = null, resolved_at = null
    from parents_of(parents) p
    join jobs_live l on l.id = p.id
    where d.job_id = p_job.id
      and d.parent_id = p.id
      and d.outcome is not null;
  end if;
  -- The awaited signal or end can exist already.
  if (case
    when p_wait ? 'signal' then exists (select 1 from signals s where s.job_id = p_job.id and s.name = p_wait ->> 'signal')
    else wait_verdict(p_job.id, 'all_finished') <> 'wait'
  end) then
    perform unblock(p_job.id);
  end if;
  return (select state::text from jobs_live where id = p_job.id);
end
$$;
comment on function block_on(jobs, jsonb)
  is 'Makes a locked live job wait for {signal, timeout_seconds} or for the end of {parents}, and releases it at once if that has already happened. Returns its state.';

create or replace function unblock(p_job uuid) returns void
language plpgsql
set search_path from current
as $$
declare
  w blocked_jobs;
  j jobs;
begin
  delete from blocked_jobs where job_id = p_job returning * into w;
  select * into j from jobs_live where id = p_job and state = 'waiting' for update;
  if w.job_id is null or j.id is null then
    return;
  end if;
  perform queue_again(j, greatest(w.run_at, clock_timestamp() + coalesce(w.delay, '0')));
  perform notify_queue(j.queue, j.group_id is not null);
end
$$;
comment on function unblock(uuid) is 'Puts a waiting job into its queue; a job that does not wait is not changed.';
