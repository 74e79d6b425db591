-- Pick from groups: the jobs with keys that a claim under limits takes. Running jobs are counted from
-- `running` alone, so a slot is free again as soon as its row is gone, whichever statement removed it.
-- Called under the lock of all limits.

create or replace function running_keys() returns table (key text, running bigint)
language sql
volatile
set search_path from current
as $$
  select k.key, count(*)
  from running r
  cross join unnest(r.concurrency_keys) as k (key)
  where r.concurrency_keys is not null
  group by k.key
$$;
comment on function running_keys() is 'The concurrency keys of running jobs, each with the number of its jobs.';

create or replace function full_keys() returns text[]
language sql
volatile
set search_path from current
set enable_hashjoin = on
as $$
  select coalesce(array_agg(full_key.key), '{}')
  from (
    select busy.key
    from running_keys() busy
    left join limits exact on exact.name = busy.key
    left join limits class on class.name = split_part(busy.key, ':', 1)
    -- The same rule as in limit_of.
    where busy.running >= case when exact.name is not null then exact.max_running else class.max_running end
      and busy.key not like 'queue:%'
    union all
    -- Shared by many groups, none of which could start.
    select l.name
    from limits l
    where l.rate is not null
      and l.name not like 'queue:%'
      and tokens_of(l.name, l) < 1
  ) full_key
$$;
comment on function full_keys() is 'The concurrency keys of which no more jobs can start now, as far as that is cheap to find out.';

create or replace function key_rule(p_key text) returns table (key text, rule limits)
language sql
stable
as $$
  -- The same rule as in limit_of. Without a search_path of its own, so that Postgres inlines it.
  select p_key, l
  from limits l
  where l.name in (p_key, split_part(p_key, ':', 1))
    and l.name not like 'queue:%'
  order by l.name = p_key desc
  limit 1
$$;
comment on function key_rule(text) is 'The limit that applies to a concurrency key, as in limit_of; no row if there is none.';

create or replace function lock_ready_groups(
  p_queue text, p_limit integer, p_worst_priority smallint, out priorities smallint[], out groups uuid[]
)
language plpgsql
set search_path from current
set enable_hashjoin = on
as $$
declare
  full_now text[] := full_keys();
begin
  select array_agg(g.priority), array_agg(g.group_id)
  into priorities, groups
  from (
    select g.priority, g.group_id
    from generate_series(1, p_worst_priority) as p (priority)
    cross join lateral (
      select g.priority, g.group_id
      from ready_groups g
      where g.queue = p_queue
        and g.priority = p.priority
        and g.ready_at <= clock_timestamp()
        -- Written so that the full keys are looked up in a hash, however many there are.
        and not exists (select 1 from unnest(g.concurrency_keys) as k (key) where k.key in (select unnest(full_now)))
      order by g.ready_at, g.group_id
      limit p_limit
      for no key update skip locked
    ) g
    limit p_limit
  ) g;
end
$$;
comment on function lock_ready_groups(text, integer, smallint, out smallint[], out uuid[])
  is 'Locks the groups of a queue that are next, by priority and ready_at, except those with a full key. Groups that another transaction is adding are skipped; their notification comes after its commit.';

create or replace function lock_candidates(
  p_queue text, p_kinds text[], p_priorities smallint[], p_groups uuid[], p_share integer,
  out ids uuid[], out ords bigint[], out nths bigint[]
)
language plpgsql
set search_path from current
as $$
begin
  select array_agg(c.id), array_agg(v.ord), array_agg(c.nth)
  into ids, ords, nths
  from unnest(p_priorities, p_groups) with ordinality as v (priority, group_id, ord)
  cross join lateral (
    select l.id, row_number() over (order by l.due_at, l.id) as nth
    from (
      select j.id, j.due_at
      from jobs_live j
      where j.queue = p_queue
        and j.priority = v.priority
        and j.group_id = v.group_id
        and j.due_at <= clock_timestamp()
        and j.state = 'waiting'
        and j.kind = any(p_kinds)
        and (j.expires_at is null or j.expires_at > clock_timestamp() or j.started_at is not null)
      order by j.due_at, j.id
      limit p_share
      for update skip locked
    ) l
  ) c;
end
$$;
comment on function lock_candidates(text, text[], smallint[], uuid[], integer, out uuid[], out bigint[], out bigint[])
  is 'Locks the first due jobs of each group, at most p_share of each; returns them with the place of their group and their place in it.';

create or replace function allow_candidates(
  p_queue text, p_priorities smallint[], p_groups uuid[], p_ids uuid[], p_ords bigint[], p_nths bigint[],
  p_limit integer, p_worst_priority smallint, p_limit_at_worst integer,
  out picked uuid[], out picked_ords bigint[], out delayed_keys text[], out delays interval[]
)
language plpgsql
set search_path from current
-- The candidates are joined with themselves, which no index supports.
set enable_hashjoin = on
as $$
begin
  with candidates as materialized (
    select c.id, c.ord, c.nth, g.priority, g.concurrency_keys
    from unnest(p_ids, p_ords, p_nths) as c (id, ord, nth)
    -- One row of each: a hash join would read all groups of the queue.
    cross join lateral (
      select g.priority, g.concurrency_keys
      from ready_groups g
      where g.queue = p_queue
        and g.priority = p_priorities[c.ord]
        and g.group_id = p_groups[c.ord]
      limit 1
    ) g
  ),
  ranked as materialized (
    select c.id, k.key, row_number() over (partition by k.key order by c.priority, c.nth, c.ord) as nth
    from candidates c
    cross join unnest(c.concurrency_keys) as k (key)
  ),
  capacity as materialized (
    select
      k.key, k.rule, case when (k.rule).rate is not null then tokens_of(k.key, k.rule) end as tokens,
      (k.rule).max_running - coalesce(b.running, 0) as slots
    from (select distinct r.key from ranked r) d
    cross join lateral key_rule(d.key) k
    left join running_keys() b on b.key = k.key
  ),
  -- A job counts for all its keys, even if one of them blocks it: so never too many jobs start.
  allowed as materialized (
    select c.id, c.priority, c.nth, c.ord, c.concurrency_keys
    from (
      select c.*, row_number() over (partition by c.priority order by c.nth, c.ord) as nth_of_priority
      from candidates c
      -- Written so that it is looked up in a hash, however many there are.
      where c.id not in (
        select r.id
        from ranked r
        join capacity m on m.key = r.key
        where r.nth > m.slots or r.nth > floor(m.tokens)
      )
    ) c
    where c.priority < p_worst_priority
      or c.nth_of_priority <= p_limit_at_worst
    order by c.priority, c.nth, c.ord
    limit p_limit
  ),
  used as materialized (
    select k.key, count(*) as jobs
    from allowed a
    cross join unnest(a.concurrency_keys) as k (key)
    group by k.key
  ),
  taken as materialized (
    select count(take_tokens(m.key, m.rule, u.jobs))
    from capacity m
    join used u on u.key = m.key
    where (m.rule).rate is not null
  ),
  -- How long a limit of 0 delays a group, or a rate that counts its key alone.
  delayed as materialized (
    select
      m.key,
      case when (m.rule).max_running = 0 then interval '1 minute' else token_after(m.tokens - coalesce(u.jobs, 0), m.rule) end as delay
    from capacity m
    left join used u on u.key = m.key
    where (m.rule).max_running = 0
      or (m.rule).rate is not null and (m.rule).name <> m.key
  )
  select coalesce(array_agg(a.id), '{}'), array_agg(a.ord),
    (select array_agg(d.key) from delayed d), (select array_agg(d.delay) from delayed d)
  into picked, picked_ords, delayed_keys, delays
  from allowed a
  where (select count(*) from taken) = 1;
end
$$;
comment on function allow_candidates(text, smallint[], uuid[], uuid[], bigint[], bigint[], integer, smallint, integer)
  is 'Picks those of the candidates that all limits of their keys allow now and takes their tokens. Returns them with the places of their groups, and the keys that delay their groups, each with its delay.';

create or replace function reschedule_groups(
  p_queue text, p_priorities smallint[], p_groups uuid[], p_candidate_ords bigint[], p_picked uuid[], p_picked_ords bigint[],
  p_delayed_keys text[], p_delays interval[], p_began_at timestamptz
)
returns void
language plpgsql
set search_path from current
set enable_hashjoin = on
as $$
begin
  with visited as materialized (
    select
      v.priority, v.group_id, v.ord, g.concurrency_keys,
      -- Written so that they are looked up in a hash, however many there are.
      (v.ord in (select unnest(p_candidate_ords))) is true as has_candidates,
      (v.ord in (select unnest(p_picked_ords))) is true as was_picked
    from unnest(p_priorities, p_groups) with ordinality as v (priority, group_id, ord)
    -- One row of each: a hash join would read all groups of the queue.
    cross join lateral (
      select g.concurrency_keys
      from ready_groups g
      where g.queue = p_queue
        and g.priority = v.priority
        and g.group_id = v.group_id
      limit 1
    ) g
  ),
  delays as materialized (
    select v.ord, max(d.delay) as delay
    from visited v
    cross join unnest(v.concurrency_keys) as k (key)
    join unnest(p_delayed_keys, p_delays) as d (key, delay) on d.key = k.key
    group by v.ord
  )
  update ready_groups g
  set ready_at = case
    when next.due_at is null then 'infinity'
    when next.due_at > p_began_at then next.due_at
    else p_began_at + coalesce(d.delay, '0') + make_interval(secs => v.ord / 1e6)
      + case when v.was_picked and d.delay is not null then interval '1 millisecond' else '0' end
  end
  from visited v
  left join delays d on d.ord = v.ord
  left join lateral (
    select j.due_at
    from jobs_live j
    where j.queue = p_queue
      and j.priority = v.priority
      and j.group_id = v.group_id
      and j.state = 'waiting'
      and (j.id in (select unnest(p_picked))) is not true
    order by j.due_at, j.id
    limit 1
  ) next on true
  where g.queue = p_queue
    and g.priority = v.priority
    and g.group_id = v.group_id
    and (v.was_picked or not v.has_candidates or d.delay > '0' or next.due_at is null or next.due_at > p_began_at);
end
$$;
comment on function reschedule_groups(text, smallint[], uuid[], bigint[], uuid[], bigint[], text[], interval[], timestamptz)
  is 'Sets when each group is checked again: after all others once it had its turn, or when its next job or token is due. A group that only waits for full limits keeps its place.';

create or replace function pick_from_groups(
  p_queue text, p_kinds text[], p_limit integer, p_worst_priority smallint, p_limit_at_worst integer
)
returns uuid[]
language plpgsql
set search_path from current
as $$
declare
  began_at timestamptz := clock_timestamp();
  v record;
  c record;
  a record;
begin
  -- Locked first, so that the next statements see all groups that were added before.
  v := lock_ready_groups(p_queue, p_limit, p_worst_priority);
  if v.groups is null then
    return '{}';
  end if;
  -- Each group gets its share of the free slots before any gets more.
  c := lock_candidates(
    p_queue, p_kinds, v.priorities, v.groups, ceil(p_limit::double precision / cardinality(v.groups))::integer);
  a := allow_candidates(
    p_queue, v.priorities, v.groups, c.ids, c.ords, c.nths, p_limit, p_worst_priority, p_limit_at_worst);
  perform reschedule_groups(
    p_queue, v.priorities, v.groups, c.ords, a.picked, a.picked_ords, a.delayed_keys, a.delays, began_at);
  return a.picked;
end
$$;
comment on function pick_from_groups(text, text[], integer, smallint, integer)
  is 'Locks jobs of the groups that are next and whose limits have free capacity, and counts them; the caller claims them in the same transaction, under the lock of all limits.';
