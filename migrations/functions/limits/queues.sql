-- Functions by which people control a queue.

create or replace function pause_queue(p_queue text, p_by text default session_user) returns void
language sql
set search_path from current
as $$
  insert into queues (name, paused_at, paused_by)
  values (p_queue, now(), p_by)
  on conflict (name) do update
  set paused_at = coalesce(queues.paused_at, now()), paused_by = coalesce(queues.paused_by, excluded.paused_by), updated_at = now()
$$;
comment on function pause_queue(text, text) is 'No job is claimed from the queue until it is resumed; running jobs continue.';

create or replace function resume_queue(p_queue text) returns void
language sql
set search_path from current
as $$
  insert into queues (name)
  values (p_queue)
  on conflict (name) do update
  set paused_at = null, paused_by = null, draining_at = null, draining_by = null, updated_at = now();
  select notify_queue(p_queue);
$$;
comment on function resume_queue(text) is 'Ends a pause or a drain.';

create or replace function drain_queue(p_queue text, p_by text default session_user) returns void
language sql
set search_path from current
as $$
  insert into queues (name, draining_at, draining_by)
  values (p_queue, now(), p_by)
  on conflict (name) do update
  set draining_at = coalesce(queues.draining_at, now()), draining_by = coalesce(queues.draining_by, excluded.draining_by), updated_at = now()
$$;
comment on function drain_queue(text, text) is 'The queue refuses new jobs until it is resumed; its present jobs run to their end.';

create or replace function set_slots(p_queue text, p_slots integer) returns void
language sql
set search_path from current
as $$
  insert into queues (name, slots)
  values (p_queue, p_slots)
  on conflict (name) do update
  set slots = excluded.slots, updated_at = now();
  select notify_settings();
$$;
comment on function set_slots(text, integer) is 'Sets how many jobs of the queue each worker runs at once; with null each worker''s own setting applies again.';

create or replace function purge_queue(p_queue text, p_limit integer default 10000, p_by text default session_user) returns bigint
language plpgsql
set search_path from current
as $$
declare
  purged bigint;
begin
  -- Before any job, as in every transaction that resolves dependencies.
  perform lock_workflows();
  -- Recorded as one action.
  with victims as materialized (
    select id
    from jobs_live
    where queue = p_queue
      and state in ('available', 'waiting')
      and kind <> 'tidemill.workflow'
    order by id
    limit p_limit
    for update skip locked
  )
  select count(cancel_one(id, 'queue purged', p_by, false)) into purged
  from victims;
  if purged > 0 then
    perform audit('purge', 'queue:' || p_queue, null, jsonb_build_object('cancelled', purged), p_by);
  end if;
  return purged;
end
$$;
comment on function purge_queue(text, integer, text) is 'Cancels up to the given number of jobs of the queue that do not run; returns how many. Repeat until 0.';

create or replace function count_queue(p_queue text, p_most bigint, out waiting bigint, out due bigint)
language sql
stable
set search_path from current
as $$
  -- By the index alone: of the due jobs only the running ones are not available.
  select
    (select count(*) from (
      select
      from jobs_live j
      where j.queue = p_queue
        and j.group_id is not null
        and j.state = 'waiting'
      limit p_most
    ) waiting),
    greatest(0, (select count(*) from (
      select
      from generate_series(1, 9) as p (priority)
      cross join lateral (
        select
        from jobs_live j
        where j.queue = p_queue
          and j.priority = p.priority
          and j.run_at <= now()
        limit p_most + r.running
      ) one
      limit p_most + r.running
    ) due) - r.running)
  from (select count(*) as running from running where queue = p_queue) r
$$;
comment on function count_queue(text, bigint, out bigint, out bigint) is 'The waiting and the due jobs of a queue, each counted up to a number.';

create or replace function count_queues(p_queue text, out queue text, out waiting bigint, out due bigint, out counted_to bigint)
returns setof record
language plpgsql
stable
set search_path from current
as $$
#variable_conflict use_column
begin
  -- A count reads its jobs one by one, about 5 ms for 10,000. So all queues are counted to 1,000 first, and those that have
  -- more share 100,000: dozens of long queues cost no more than ten.
  return query
  with first as materialized (
    select n.name, c.waiting, c.due, c.waiting >= 1000 or c.due >= 1000 as is_long
    from queue_names n
    cross join lateral count_queue(n.name, 1000) c
    where p_queue is null
      or n.name = p_queue
  ),
  share as materialized (
    select least(10000, greatest(1000, 100000 / greatest(1, count(*)) / 1000 * 1000)) as most
    from first
    where is_long
  )
  select f.name, coalesce(more.waiting, f.waiting), coalesce(more.due, f.due), s.most
  from first f
  cross join share s
  left join lateral count_queue(f.name, s.most) more on f.is_long and s.most > 1000;
end
$$;
comment on function count_queues(text, out text, out bigint, out bigint, out bigint)
  is 'The waiting and the due jobs of a queue, or of all, and how far they are counted: up to 10,000, or less, at least 1,000, where more than ten queues are so long.';

create or replace function queue_keys(
  queue text, most integer default 20,
  out fair_key text, out concurrency_keys text[], out waiting integer, out running integer, out oldest_due_at timestamptz
)
returns setof record
language sql
stable
set search_path from current
as $$
  -- Two counts, each with a bound of its own, so that the costs depend on the number of keys that are shown and not on the
  -- backlog: first all keys up to a hundred jobs, then the largest up to ten thousand.
  -- Both by the index alone: the jobs of a key wait, but for the few that run.
  with seen as materialized (
    select g.priority, g.group_id, g.ready_at, c.jobs
    from (select r.priority, r.group_id, r.ready_at from ready_groups r where r.queue = queue_keys.queue limit 2000) g
    cross join lateral (
      select count(*) as jobs
      from (
        select
        from jobs_live j
        where j.queue = queue_keys.queue
          and j.priority = g.priority
          and j.group_id = g.group_id
        limit 100
      ) few
    ) c
  ),
  busy as materialized (
    select j.group_id, count(*) as jobs
    from running r
    join jobs_live j on j.id = r.job_id
    where r.queue = queue_keys.queue
      and j.group_id is not null
    group by j.group_id
  ),
  largest as materialized (
    select s.group_id, array_agg(s.priority) as priorities, coalesce(min(b.jobs), 0) as busy
    from seen s
    left join busy b on b.group_id = s.group_id
    group by s.group_id
    having sum(s.jobs) > coalesce(min(b.jobs), 0)
    order by sum(s.jobs) - coalesce(min(b.jobs), 0) desc, min(s.ready_at), s.group_id
    limit least(most, 100)
  )
  select one.fair_key, one.concurrency_keys, (c.jobs - l.busy)::integer, l.busy::integer, nullif(o.due_at, 'infinity')
  from largest l
  cross join lateral (
    select j.fair_key, j.concurrency_keys
    from jobs_live j
    where j.queue = queue_keys.queue
      and j.priority = any(l.priorities)
      and j.group_id = l.group_id
    limit 1
  ) one
  cross join lateral (
    select count(*) as jobs
    from (
      select
      from jobs_live j
      where j.queue = queue_keys.queue
        and j.priority = any(l.priorities)
        and j.group_id = l.group_id
      limit 10000 + l.busy
    ) many
  ) c
  cross join lateral (
    select min(first.due_at) as due_at
    from unnest(l.priorities) as p (priority)
    cross join lateral (
      select j.due_at
      from jobs_live j
      where j.queue = queue_keys.queue
        and j.priority = p.priority
        and j.group_id = l.group_id
        and j.state = 'waiting'
      order by j.due_at, j.id
      limit 1
    ) first
  ) o
  order by c.jobs - l.busy desc, o.due_at
$$;
comment on function queue_keys(text, integer) is 'The fair keys and limits of a queue with the most waiting jobs: how many wait (counted up to 10,000), how many run, and since when the oldest is due. select * from queue_keys(''default'');';
