-- Operations, the functions for people: preview, start, cancel, undo. steps.sql carries them out.

create or replace function check_operation(p_action text, p_queue text, p_priority smallint, p_rate text) returns void
language plpgsql
set search_path from current
as $$
begin
  perform per_minute(p_rate);
  perform check_name(p_queue, 'queue');
  if operation_scope(p_action) is null then
    raise exception 'the action % does not exist', to_jsonb(p_action)
      using errcode = '22TM1', hint = 'use cancel, retry, run_now, delete, set_priority or move';
  elsif p_action = 'move' and p_queue is null or p_queue is not null and p_action not in ('move', 'retry') then
    raise exception 'the queue belongs to the actions move and retry'
      using errcode = '22TM1', hint = 'give a queue to move, perhaps to retry, and to no other action';
  elsif (p_action = 'set_priority') <> (p_priority is not null) or p_priority not between 1 and 9 then
    raise exception 'the priority belongs to the action set_priority and is 1 to 9'
      using errcode = '22TM1', hint = 'give a priority to set_priority and to no other action';
  elsif exists (select from queues where name = p_queue and draining_at is not null) then
    raise exception 'queue % is draining and takes no new jobs', p_queue
      using errcode = '22TM1', hint = format('select resume_queue(%L)', p_queue);
  end if;
end
$$;
comment on function check_operation(text, text, smallint, text) is 'Refuses an operation that cannot apply to any job.';

create or replace function preview_operation(
  action text, filter jsonb, queue text default null, priority smallint default null,
  out matched integer, out skipped jsonb, out sample uuid[], out complete boolean
)
returns record
language plpgsql
stable
set search_path from current
as $$
#variable_conflict use_variable
declare
  most constant integer := 100000;
begin
  perform check_operation(action, queue, priority, null);
  execute format('
    with looked as (
      select j.id, why_skipped($1, j, $2, $3) as reason
      from jobs j
      where %s
        and %s
        and j.created_at <= clock_timestamp()
      order by j.id
      limit %s
    )
    select
      (select count(*) from looked l where l.reason is null),
      (select coalesce(jsonb_object_agg(r.reason, r.jobs), ''{}'')
       from (select l.reason, count(*) as jobs from looked l where l.reason is not null group by 1) r),
      array(select l.id from looked l where l.reason is null order by l.id limit 20),
      (select count(*) from looked l) < %s',
    operation_scope(action), job_filter(filter), most, most)
    into matched, skipped, sample, complete
    using action, queue, priority;
end
$$;
comment on function preview_operation(text, jsonb, text, smallint)
  is 'What an operation would do now: the number of jobs that it acts on, and those that it skips by reason. Looks at 100,000 jobs at most; complete says whether these are all. select * from preview_operation(''retry'', ''{"kind": "mail"}'');';

create or replace function start_operation(
  action text, filter jsonb, queue text default null, priority smallint default null, rate text default null,
  p_by text default session_user
)
returns uuid
language plpgsql
set search_path from current
as $$
#variable_conflict use_variable
declare
  made uuid := new_job_id();
  found_now record;
begin
  perform check_operation(action, queue, priority, rate);
  found_now := preview_operation(action, filter, queue, priority);
  insert into operations (id, action, filter, queue, priority, rate, who, expected)
  values (made, action, filter, queue, priority, rate, p_by, case when found_now.complete then found_now.matched end);
  perform audit('start operation', 'operation:' || made, null, jsonb_strip_nulls(jsonb_build_object(
    'action', action, 'filter', filter, 'queue', queue, 'priority', priority, 'rate', rate)), p_by);
  perform notify_settings();
  return made;
end
$$;
comment on function start_operation(text, jsonb, text, smallint, text, text)
  is 'Acts on all jobs that match a filter (cancel, retry, run_now, delete, set_priority, move) in the background, no faster than the rate; returns the id. select start_operation(''retry'', ''{"kind": "mail", "error": "timeout"}'', rate => ''200/min''); then look at operation_status.';

create or replace function cancel_operation(operation uuid, p_by text default session_user) returns text
language plpgsql
set search_path from current
as $$
declare
  o operations;
begin
  select * into o from operations where id = operation for update;
  if o.state = 'running' then
    update operations set state = 'cancelled', ended_at = clock_timestamp() where id = operation;
    perform audit('cancel operation', 'operation:' || operation, jsonb_build_object('state', o.state),
      jsonb_build_object('done', o.done, 'skipped', o.skipped, 'failed', o.failed), p_by);
    return 'cancelled';
  end if;
  return o.state;
end
$$;
comment on function cancel_operation(uuid, text) is 'Stops an operation after its current batch; jobs that it has already changed stay changed. Returns its state, null if there is no such operation.';

create or replace function undo_operation(operation uuid, rate text default null, p_by text default session_user) returns uuid
language plpgsql
set search_path from current
as $$
#variable_conflict use_variable
declare
  o operations;
  made uuid := new_job_id();
begin
  perform per_minute(rate);
  select * into o from operations where id = operation for update;
  if not found then
    return null;
  elsif o.action not in ('cancel', 'set_priority', 'move') then
    raise exception 'the action % cannot be undone', o.action
      using errcode = '22TM1', hint = 'only cancel, set_priority and move can';
  elsif o.state = 'running' then
    raise exception 'the operation still runs' using errcode = '22TM1', hint = 'cancel it first';
  elsif exists (select from operations u where u.undoes = operation and u.state <> 'cancelled') then
    raise exception 'the operation is undone already' using errcode = '22TM1', hint = 'look at the operation that undoes it';
  end if;
  insert into operations (id, action, filter, rate, who, expected, undoes)
  values (made, 'undo', o.filter, rate, p_by, o.done, operation);
  perform audit('start operation', 'operation:' || made, null,
    jsonb_strip_nulls(jsonb_build_object('action', 'undo', 'undoes', operation, 'rate', rate)), p_by);
  perform notify_settings();
  return made;
end
$$;
comment on function undo_operation(uuid, text, text)
  is 'Restores the jobs that an operation changed and that have not changed since: cancelled jobs that did not run are live again, priorities and queues are as before. Returns the id of the operation that does it, null if there is no such operation.';
