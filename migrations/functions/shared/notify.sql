-- Notify: hints to the processes of this Tidemill, in one channel named after the schema. A hint names
-- a job or a queue to read, never its state; nothing depends on its arrival. The topics are written
-- here and in `src/store/db/wake.rs`; docs/architecture.md has the table of them.

-- In PL/pgSQL, which keeps its plans: Postgres plans an SQL function again in every statement that calls it.
create or replace function has_listener(p_queue text) returns boolean
language plpgsql
stable
set search_path from current
as $$
begin
  return exists (
    select
    from queue_listeners l
    where l.queue in (p_queue, '*')
      and not l.is_busy
      and (
        l.queue = p_queue
        or not exists (select from queue_listeners own where own.queue = p_queue and own.listener = l.listener)));
end
$$;
comment on function has_listener(text) is 'Whether a process waits for a notification when this queue gets a job.';

create or replace function notify_queue(p_queue text, p_grouped boolean default false) returns void
language plpgsql
set search_path from current
as $$
begin
  -- Who begins to listen looks at the queue once more: this statement cannot miss a listener that missed the job,
  -- unless the transaction stays open; then the listener's poll finds the job.
  if has_listener(p_queue) then
    perform pg_notify(current_schema(), case when p_grouped then 'group:' else 'queue:' end || p_queue);
  end if;
end
$$;
comment on function notify_queue(text, boolean) is 'Notifies workers that a queue has a job to claim, if one of them waits for that; with p_grouped a job of a group.';

create or replace function notify_capacity() returns void
language sql
as $$ select pg_notify(current_schema(), 'capacity:') $$;
comment on function notify_capacity() is 'Notifies workers that a job which counted against a limit ended.';

create or replace function notify_cancel(p_job uuid) returns void
language sql
as $$ select pg_notify(current_schema(), 'cancel:' || p_job) $$;
comment on function notify_cancel(uuid) is 'Notifies the worker of a running job that its cancel was requested.';

create or replace function notify_event(p_job uuid, p_seq bigint default 0) returns void
language sql
as $$ select pg_notify(current_schema(), format('event:%s:%s', p_job, p_seq)) $$;
comment on function notify_event(uuid, bigint) is 'Notifies readers that a job has events up to this number; 0 if its state changed.';

create or replace function notify_dependents() returns void
language sql
as $$ select pg_notify(current_schema(), 'dependents:') $$;
comment on function notify_dependents() is 'Notifies maintenance that a job ended that others wait for.';

create or replace function notify_settings() returns void
language sql
as $$ select pg_notify(current_schema(), 'settings:') $$;
comment on function notify_settings() is 'Notifies all processes that slots, limits, keys or schedules were changed.';
