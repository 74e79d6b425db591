-- Bounded queues: a queue with max_queued accepts no more jobs than that. Enqueues, claims and ends
-- are not counted one by one: an enqueue takes from the free capacity of the last count, and counts
-- again when that is used up. So jobs of other queues cost nothing, and no end of a job can be
-- missed.

create or replace function count_queued(p_queue text, p_most integer) returns integer
language sql
volatile
set search_path from current
as $$
  select count(*)::integer
  from (
    select
    from jobs_live
    where queue = p_queue
      and state in ('available', 'waiting')
      and kind <> 'tidemill.workflow'
    limit p_most
  ) waiting
$$;
comment on function count_queued(text, integer) is 'The number of jobs of the queue that do not run, counted up to a maximum.';

create or replace function reserve_capacity(p_queue text, p_most integer, p_requested integer, p_wait boolean) returns integer
language plpgsql
set search_path from current
as $$
declare
  r queue_capacity;
  began timestamptz;
  taken integer;
begin
  -- The row is made with the bound, unless the bound was set by hand.
  if not exists (select from queue_capacity where queue = p_queue) then
    insert into queue_capacity (queue) values (p_queue) on conflict do nothing;
  end if;
  -- Locked until the commit: other enqueues that are not committed yet are waited for, so that no
  -- count misses them.
  if p_wait then
    select * into r from queue_capacity where queue = p_queue for update;
  else
    select * into r from queue_capacity where queue = p_queue for update skip locked;
    if not found then
      return null;
    end if;
  end if;
  began := clock_timestamp();
  if (r.free < p_requested or r.counted_at < began - interval '10 seconds')
    -- A full queue is asked again and again: counting many jobs takes at most a tenth of the time.
    and (r.count_duration < interval '2 ms' or r.counted_at < began - 10 * r.count_duration)
  then
    r.free := p_most - count_queued(p_queue, p_most);
    r.counted_at := clock_timestamp();
    r.count_duration := r.counted_at - began;
  end if;
  taken := least(r.free, p_requested);
  update queue_capacity
  set free = r.free - taken, counted_at = r.counted_at, count_duration = r.count_duration
  where queue = p_queue;
  return taken;
end
$$;
comment on function reserve_capacity(text, integer, integer, boolean) is 'Reserves space for a number of jobs in a bounded queue, until the transaction ends; returns how many fit; without p_wait null if another transaction has locked the capacity at this moment.';

create or replace function time_until_space(p_queue text) returns interval
language plpgsql
stable
set search_path from current
as $$
declare
  since timestamptz := date_trunc('minute', clock_timestamp() - interval '4 minutes');
  ended bigint;
  first_seen timestamptz;
begin
  if exists (select from queues where name = p_queue and paused_at is not null) then
    return interval '60 seconds';
  end if;
  select sum(jobs) filter (where outcome in ('completed', 'failed', 'cancelled')), min(minute)
  into ended, first_seen
  from counters
  where minute >= since
    and queue = p_queue;
  -- Unknown for a queue from which no job went lately.
  return greatest(interval '1 second', least(interval '60 seconds',
    coalesce((clock_timestamp() - greatest(since, first_seen)) / nullif(ended, 0), interval '1 second')));
end
$$;
comment on function time_until_space(text) is 'The estimated time until a full queue accepts one more job, 1 to 60 s: by the number of its jobs that ended in the last minutes; 1 s if none did, 60 s while it is paused.';

create or replace function queue_overflow(
  p_kinds text[], p_queues text[], p_execution_ids text[], p_verdicts jsonb, p_wait boolean,
  out crowded bigint[], out busy bigint[]
)
language plpgsql
set search_path from current
as $$
declare
  request record;
  taken integer;
begin
  -- In order, so that no two transactions wait for each other's capacity rows.
  for request in
    select q.name, q.max_queued, array_agg(i.ord order by i.ord) as ords
    from unnest(p_kinds, p_queues, p_execution_ids) with ordinality as i (kind, queue, execution_id, ord)
    left join kinds k on k.name = i.kind
    join queues q on q.name = coalesce(i.queue, k.queue, 'default')
    left join jsonb_to_recordset(p_verdicts) as v (ord bigint, outcome text) on v.ord = i.ord
    where q.max_queued is not null
      and q.draining_at is null
      and i.kind not like 'tidemill.%'
      -- Those return the existing job.
      and v.outcome is null
      and not exists (select from task_ids t where t.execution_id = i.execution_id)
    group by q.name, q.max_queued
    order by q.name
  loop
    taken := reserve_capacity(request.name, request.max_queued, cardinality(request.ords), p_wait);
    crowded := nullif(crowded || request.ords[coalesce(taken, 0) + 1:], '{}');
    busy := case when taken is null then busy || request.ords else busy end;
  end loop;
end
$$;
comment on function queue_overflow(text[], text[], text[], jsonb, boolean) is 'The jobs of one call of insert_jobs, by their places, that do not fit into their queues, and those of them that were refused because another transaction has locked the capacity at this moment.';

create or replace function set_max_queued(p_queue text, p_most integer) returns void
language sql
set search_path from current
as $$
  insert into queues (name, max_queued)
  values (p_queue, p_most)
  on conflict (name) do update
  set max_queued = excluded.max_queued, updated_at = now()
  where queues.max_queued is distinct from excluded.max_queued;
  -- Here, so that no transaction waits for the first enqueue.
  insert into queue_capacity (queue)
  select p_queue
  where p_most is not null
  on conflict do nothing;
  -- The next enqueue counts again; the row stays, because other transactions can wait for it.
  update queue_capacity set counted_at = '-infinity', count_duration = '0', free = 0 where queue = p_queue;
$$;
comment on function set_max_queued(text, integer)
  is 'Bounds the number of jobs of the queue that can wait to run; more are refused (SQLSTATE 53TM1). Jobs that are retried or snoozed return all the same. Null: any number.';
