-- Waits: jobs that are held back until other jobs end or a signal comes, and how they are let go.
-- Whoever locks several jobs locks them in the order of their ids.

create or replace function note_ending() returns trigger
language plpgsql
set search_path from current
as $$
begin
  insert into endings (job_id) values (old.id) on conflict do nothing;
  return null;
end
$$;
comment on function note_ending() is 'Notes that a job left the live ones for which others wait, whoever moved it, so that resolve() tells them.';

create or replace trigger jobs_live_awaited
after delete on jobs_live
for each row
when (old.awaited)
execute function note_ending();
comment on trigger jobs_live_awaited on jobs_live is 'Fires for jobs alone for which others wait.';

create or replace function link_jobs(
  p_jobs uuid[], p_parents uuid[], p_ords integer[] default null, p_names text[] default null, p_pass_as text[] default null
)
returns void
language plpgsql
set search_path from current
as $$
declare
  unknown uuid;
begin
  -- A parent that is live stays so until the edge is committed, and tells of its end then.
  with parents as materialized (
    select id, awaited
    from jobs_live
    where id = any(p_parents)
    order by id
    for no key update
  )
  update jobs_live j
  set awaited = true
  from parents p
  where j.id = p.id
    and p.awaited is not true;
  select i.parent_id into unknown
  from unnest(p_parents) as i (parent_id)
  where not exists (select 1 from jobs j where j.id = i.parent_id)
  limit 1;
  if found then
    raise exception 'there is no job % to wait for', unknown
      using errcode = 'no_data_found', hint = 'a job can only wait for jobs that are kept';
  end if;
  insert into dependencies as d (job_id, parent_id, ord, name, pass_as, outcome, resolved_at)
  select
    i.job_id, i.parent_id, coalesce(i.ord, i.nth), i.name, i.pass_as,
    outcome_of(j), case when j.finished_at is not null then clock_timestamp() end
  from unnest(p_jobs, p_parents, p_ords, p_names, p_pass_as) with ordinality as i (job_id, parent_id, ord, name, pass_as, nth)
  join jobs j on j.id = i.parent_id
  order by i.job_id, i.parent_id
  on conflict (job_id, parent_id) do nothing;
end
$$;
comment on function link_jobs(uuid[], uuid[], integer[], text[], text[])
  is 'Makes jobs wait for others: job n of the arrays for parent n. A parent that has ended counts at once. Raises an error if there is no such parent.';

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
comment on function wait_verdict(uuid, text) is 'What a job that waits for others does now: wait, run, skip (it is not needed) or cancel (what it needs did not come).';

create or replace function hold(p_job jobs, p_wait jsonb) returns text
language plpgsql
set search_path from current
as $$
declare
  parents uuid[] := array(select jsonb_array_elements_text(p_wait -> 'parents')::uuid);
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
  insert into waits (job_id, run_if, signal, until)
  values (
    p_job.id,
    coalesce(p_wait ->> 'run_if', 'all_finished'),
    p_wait ->> 'signal',
    clock_timestamp() + make_interval(secs => (p_wait ->> 'timeout_seconds')::double precision))
  on conflict (job_id) do update
  set run_if = excluded.run_if, signal = excluded.signal, until = excluded.until, run_at = null, delay = null, since = clock_timestamp();
  perform link_jobs(array_fill(p_job.id, array[cardinality(parents)]), parents)
  where cardinality(parents) > 0;
  -- What it waits for may be there already.
  if (case
    when p_wait ? 'signal' then exists (select 1 from signals s where s.job_id = p_job.id and s.name = p_wait ->> 'signal')
    else wait_verdict(p_job.id, coalesce(p_wait ->> 'run_if', 'all_finished')) <> 'wait'
  end) then
    perform let_go(p_job.id);
  end if;
  return (select state::text from jobs_live where id = p_job.id);
end
$$;
comment on function hold(jobs, jsonb)
  is 'Makes a locked live job wait for {signal, timeout_seconds} or {parents, run_if}, and goes on at once if that is there. Answers its state.';

create or replace function let_go(p_job uuid) returns void
language plpgsql
set search_path from current
as $$
declare
  w waits;
  j jobs;
begin
  delete from waits where job_id = p_job returning * into w;
  select * into j from jobs_live where id = p_job and state = 'waiting' for update;
  if w.job_id is null or j.id is null then
    return;
  end if;
  perform queue_again(j, greatest(w.run_at, clock_timestamp() + coalesce(w.delay, '0')));
  perform tell(case when j.group_id is null then 'q:' else 'g:' end || j.queue);
end
$$;
comment on function let_go(uuid) is 'Puts a job that waited into its queue; one that does not wait stays as it is.';
