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
