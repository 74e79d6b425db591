-- Bounded queues: a queue with max_queued takes no more jobs than that. Nobody counts what is enqueued, claimed
-- or ended: whoever enqueues takes from what room the last count left, and counts anew when that is used up. So
-- jobs of other queues cost nothing, and no end of a job can be forgotten.

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
comment on function count_queued(text, integer) is 'How many jobs of the queue do not run, counted up to a number.';

create or replace function take_room(p_queue text, p_most integer, p_wished integer, p_wait boolean) returns integer
language plpgsql
set search_path from current
as $$
declare
  r queue_room;
  began timestamptz;
  taken integer;
begin
  -- Its row comes with its bound, unless that was set by hand.
  if not exists (select from queue_room where queue = p_queue) then
    insert into queue_room (queue) values (p_queue) on conflict do nothing;
  end if;
  -- Held until the commit: what others took and have not committed yet is waited for, so that no count misses it.
  if p_wait then
    select * into r from queue_room where queue = p_queue for update;
  else
    select * into r from queue_room where queue = p_queue for update skip locked;
    if not found then
      return null;
    end if;
  end if;
  began := clock_timestamp();
  if (r.room < p_wished or r.counted_at < began - interval '10 seconds')
    -- A full queue is asked for room again and again: counting many jobs takes at most a tenth of the time.
    and (r.count_took < interval '2 ms' or r.counted_at < began - 10 * r.count_took)
  then
    r.room := p_most - count_queued(p_queue, p_most);
    r.counted_at := clock_timestamp();
    r.count_took := r.counted_at - began;
  end if;
  taken := least(r.room, p_wished);
  update queue_room
  set room = r.room - taken, counted_at = r.counted_at, count_took = r.count_took
  where queue = p_queue;
  return taken;
end
$$;
comment on function take_room(text, integer, integer, boolean) is 'Takes room for so many jobs in a queue with a bound, until the transaction ends; answers for how many there was, without p_wait null if somebody else has the room at this moment.';

create or replace function room_expected(p_queue text) returns interval
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
  -- Nobody knows of a queue from which nothing went lately.
  return greatest(interval '1 second', least(interval '60 seconds',
    coalesce((clock_timestamp() - greatest(since, first_seen)) / nullif(ended, 0), interval '1 second')));
end
$$;
comment on function room_expected(text) is 'About how long until a full queue takes one more job, 1 to 60 s: by how many of its jobs ended in the last minutes; 1 s if none did, 60 s while it is paused.';

create or replace function crowded_out(
  p_kinds text[], p_queues text[], p_execution_ids text[], p_verdicts jsonb, p_wait boolean,
  out crowded bigint[], out busy bigint[]
)
language plpgsql
set search_path from current
as $$
declare
  wish record;
  taken integer;
begin
  -- In order, so that no two transactions wait for each other's rooms.
  for wish in
    select q.name, q.max_queued, array_agg(i.ord order by i.ord) as ords
    from unnest(p_kinds, p_queues, p_execution_ids) with ordinality as i (kind, queue, execution_id, ord)
    left join kinds k on k.name = i.kind
    join queues q on q.name = coalesce(i.queue, k.queue, 'default')
    left join jsonb_to_recordset(p_verdicts) as v (ord bigint, outcome text) on v.ord = i.ord
    where q.max_queued is not null
      and q.draining_at is null
      and i.kind not like 'tidemill.%'
      -- Those are answered with the job that is there.
      and v.outcome is null
      and not exists (select from task_ids t where t.execution_id = i.execution_id)
    group by q.name, q.max_queued
    order by q.name
  loop
    taken := take_room(wish.name, wish.max_queued, cardinality(wish.ords), p_wait);
    crowded := nullif(crowded || wish.ords[coalesce(taken, 0) + 1:], '{}');
    busy := case when taken is null then busy || wish.ords else busy end;
  end loop;
end
$$;
comment on function crowded_out(text[], text[], text[], jsonb, boolean) is 'Those jobs of one call of insert_jobs, by their places, for which their queues have no room, and which of them because somebody else has the room at this moment.';

create or replace function set_max_queued(p_queue text, p_most integer) returns void
language sql
set search_path from current
as $$
  insert into queues (name, max_queued)
  values (p_queue, p_most)
  on conflict (name) do update
  set max_queued = excluded.max_queued, updated_at = now()
  where queues.max_queued is distinct from excluded.max_queued;
  -- Here, so that nobody waits for whoever enqueues first.
  insert into queue_room (queue)
  select p_queue
  where p_most is not null
  on conflict do nothing;
  -- Counted anew by whoever comes next; the row stays, for others may wait for it.
  update queue_room set counted_at = '-infinity', count_took = '0', room = 0 where queue = p_queue;
$$;
comment on function set_max_queued(text, integer)
  is 'Bounds how many jobs of the queue may wait to run; more are refused (SQLSTATE 53TM1). What is retried or put off comes back all the same. Null: any number.';
