-- Events and progress: each job's events are numbered under the lock of its progress row.

create or replace function ensure_today() returns void
language plpgsql
set search_path from current
as $$
begin
  if to_regclass(to_char(clock_timestamp() at time zone 'UTC', '"events_"YYYY_MM_DD')) is null then
    perform ensure_partitions();
  end if;
end
$$;
comment on function ensure_today() is 'Makes the partitions of today if maintenance has not made them ahead.';

create or replace function append_events(
  p_jobs uuid[], p_attempts integer[], p_types text[], p_data jsonb[], p_report uuid default null
)
returns table (job_id uuid, last_seq bigint)
language plpgsql
set search_path from current
as $$
#variable_conflict use_column
begin
  perform ensure_today();
  return query
  with input as materialized (
    select i.*, row_number() over (partition by i.job_id order by i.ord) as nth
    from unnest(p_jobs, p_attempts, p_types, p_data)
      with ordinality as i (job_id, attempt, type, data, ord)
  ),
  latest as materialized (
    select
      i.job_id,
      count(*) as added,
      count(*) filter (where i.type = 'progress') > 0 as progressed,
      (array_agg((i.data ->> 'percent')::real order by i.ord desc)
        filter (where i.type = 'progress' and i.data ? 'percent'))[1] as percent,
      (array_agg(i.data ->> 'step' order by i.ord desc)
        filter (where i.type = 'progress' and i.data ? 'step'))[1] as step,
      (array_agg(i.data -> 'data' order by i.ord desc)
        filter (where i.type = 'progress' and i.data ? 'data'))[1] as data
    from input i
    group by i.job_id
  ),
  -- The lock on the progress row lasts until the commit: numbers have no gaps and follow the order
  -- of commits.
  numbered as (
    insert into progress as p (job_id, last_seq, percent, step, data, updated_at, last_report)
    select l.job_id, l.added, l.percent, l.step, l.data, case when l.progressed then clock_timestamp() end, p_report
    from latest l
    order by l.job_id
    on conflict (job_id) do update
    set
      last_seq = p.last_seq + excluded.last_seq,
      percent = coalesce(excluded.percent, p.percent),
      step = coalesce(excluded.step, p.step),
      data = coalesce(excluded.data, p.data),
      updated_at = coalesce(excluded.updated_at, p.updated_at),
      last_report = coalesce(excluded.last_report, p.last_report)
    -- Checked on the locked row, so that this also holds if the first call has just committed.
    where p_report is null
      or p.last_report is distinct from p_report
    returning p.job_id, p.last_seq
  ),
  stored as (
    insert into events (job_id, seq, attempt, type, data)
    select i.job_id, n.last_seq - l.added + i.nth, i.attempt, i.type, i.data
    from input i
    join latest l on l.job_id = i.job_id
    join numbered n on n.job_id = i.job_id
    order by i.ord
  )
  select l.job_id, coalesce(n.last_seq, p.last_seq, 0)
  from latest l
  left join numbered n on n.job_id = l.job_id
  left join progress p on p.job_id = l.job_id;
end
$$;
comment on function append_events(uuid[], integer[], text[], jsonb[], uuid)
  is 'Writes events in the given order, numbers them per job and updates each job''s progress; returns the last number of each job. If a report repeats the last one, its events are already stored and not written again.';

create or replace function append_event(p_job uuid, p_attempt integer, p_type text, p_data jsonb) returns bigint
language sql
set search_path from current
as $$ select last_seq from append_events(array[p_job], array[p_attempt], array[p_type], array[p_data]) $$;
comment on function append_event(uuid, integer, text, jsonb) is 'Writes one event and returns its number.';
