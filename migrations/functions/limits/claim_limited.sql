-- Claim under limits: first half of a claim from a queue with limits or with jobs that have keys. Locks
-- and counts the jobs; the claim follows in the same transaction.

create or replace function group_is_ready(p_queue text) returns boolean
language sql
volatile
set search_path from current
as $$
  select exists (
    select 1
    from generate_series(1, 9) as p (priority)
    cross join lateral (
      select 1
      from ready_groups t
      where t.queue = p_queue
        and t.priority = p.priority
        and t.ready_at <= clock_timestamp()
      limit 1
    ) ready
  )
$$;
comment on function group_is_ready(text) is 'Whether a group of the queue can have a job that can start.';

create or replace function enlist_group(p_queue text, p_priority smallint, p_group uuid, p_keys text[], p_due timestamptz) returns void
language sql
set search_path from current
as $$
  insert into ready_groups as t (queue, priority, group_id, concurrency_keys, ready_at)
  values (p_queue, p_priority, p_group, coalesce(p_keys, '{}'), p_due)
  on conflict (queue, priority, group_id) do update
  set ready_at = least(t.ready_at, excluded.ready_at)
$$;
comment on function enlist_group(text, smallint, uuid, text[], timestamptz) is 'Records that a group has a waiting job, ready from a given time on.';

create or replace function pick_in_order(
  p_queue text, p_kinds text[], p_room integer, p_ageing interval,
  p_priorities smallint[], p_run_ats timestamptz[], p_ids uuid[]
)
returns uuid[]
language sql
volatile
set search_path from current
as $$
  with ordered as materialized (
    select
      j.id,
      row_number() over (
        order by j.priority - coalesce(floor(extract(epoch from now() - j.run_at) / extract(epoch from p_ageing)), 0), j.run_at, j.id
      ) as ord
    from unnest(p_priorities, p_run_ats, p_ids) as c (priority, run_at, id)
    cross join lateral (
      select j.id, j.priority, j.run_at
      from jobs_live j
      where j.queue = p_queue
        and j.priority = c.priority
        and (j.run_at, j.id) > (c.run_at, c.id)
        and j.run_at <= statement_timestamp()
        and j.state = 'available'
        and j.kind = any(p_kinds)
        and (j.expires_at is null or j.expires_at > statement_timestamp() or j.started_at is not null)
      order by j.run_at, j.id
      limit p_room
    ) j
    order by ord
    limit p_room
  ),
  locked as materialized (
    select j.id, o.ord
    from ordered o
    join jobs_live j on j.id = o.id
    where j.state = 'available'
    for update of j skip locked
  )
  select coalesce(array_agg(l.id order by l.ord), '{}')
  from locked l
$$;
comment on function pick_in_order(text, text[], integer, interval, smallint[], timestamptz[], uuid[])
  is 'Locks due jobs without a group, by priority; each ageing interval for which a job has been due improves its priority by one.';

create or replace function claim_limited(
  p_queue text, p_kinds text[], p_room integer, p_worst_priority smallint, p_room_at_worst integer,
  p_priorities smallint[], p_run_ats timestamptz[], p_ids uuid[],
  out picked uuid[], out plain_room integer, out again_in_seconds double precision
)
language plpgsql
set search_path from current
as $$
declare
  q queues;
  l limits;
  tokens double precision;
  room integer := p_room;
  plain uuid[] := '{}';
begin
  picked := '{}';
  plain_room := 0;
  p_kinds := closed_kinds(p_kinds);
  select * into q from queues where name = p_queue;
  if q.paused_at is not null then
    return;
  end if;
  -- A started job must still be counted after a crash of the database.
  perform set_config('synchronous_commit', 'on', true);
  if q.limited then
    select * into l from limits where name = 'queue:' || p_queue;
  end if;
  if l.name is not null then
    -- Each statement after the lock sees the claims before it.
    perform pg_advisory_xact_lock(hashtext('tidemill queue ' || current_schema()), hashtext(p_queue));
    room := least(room, l.max_running - (select count(*) from running where queue = p_queue));
    if l.rate is not null then
      tokens := tokens_of(l.name, l);
      room := least(room, floor(tokens));
    end if;
  end if;
  if q.limited and room > 0 then
    plain := pick_in_order(p_queue, p_kinds, room, q.priority_ageing, p_priorities, p_run_ats, p_ids);
  end if;
  if room > 0 and group_is_ready(p_queue) then
    perform pg_advisory_xact_lock(hashtext('tidemill limits ' || current_schema()), 0);
    -- If both sorts wait, each gets half of the free slots.
    picked := pick_from_groups(
      p_queue, p_kinds, room - least(cardinality(plain), floor(room / 2.0 + random())::integer), p_worst_priority, p_room_at_worst);
  end if;
  if q.limited then
    picked := picked || plain[1:greatest(room, 0) - cardinality(picked)];
  else
    plain_room := room - cardinality(picked);
  end if;
  if l.rate is not null then
    perform take_tokens(l.name, l, cardinality(picked));
    again_in_seconds := extract(epoch from token_after(tokens - cardinality(picked), l));
  end if;
  -- A shared key without tokens delays its groups until the next token.
  again_in_seconds := least(again_in_seconds, (
    select min(extract(epoch from token_after(tokens_of(shared.name, shared), shared)))
    from limits shared
    where shared.rate is not null
      and shared.name not like 'queue:%'
      and tokens_of(shared.name, shared) < 1
  ));
end
$$;
comment on function claim_limited(text, text[], integer, smallint, integer, smallint[], timestamptz[], uuid[])
  is 'First half of a claim under limits: locks the jobs that can start now and returns how many others can; the caller claims them in the same transaction.';
