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

create or replace function first_id(p_time timestamptz) returns uuid
language sql
immutable
strict
set search_path from current
as $$
  select rpad(lpad(to_hex(least(greatest(extract(epoch from p_time) * 1000, 0), 281474976710655)::bigint), 12, '0'), 32, '0')::uuid
$$;
comment on function first_id(timestamptz) is 'The smallest id of a time. Ids begin with the milliseconds of the clock that made them, which can be off by a day.';

create or replace function operation_range(p_action text, p_filter jsonb, out condition text, out first uuid)
language sql
stable
set search_path from current
as $$
  -- Whole days: a bound within one would let a stretch look for its end in all of it.
  select
    concat_ws(' and ',
      case when p_action = 'retry' then 'j.finished_at is not null' when p_action <> 'delete' then 'j.finished_at is null' else 'true' end,
      'j.finished_at >= ' || quote_literal(date_trunc('day', greatest(t.finished_after, case when p_action = 'retry' then t.created_after end), 'UTC')),
      'j.finished_at < ' || quote_literal(date_trunc('day', t.finished_before, 'UTC') + interval '1 day'),
      'j.id < ' || quote_literal(first_id(t.created_before + interval '1 day'))),
    first_id(t.created_after - interval '1 day')
  from jsonb_to_record(p_filter)
    as t (created_after timestamptz, created_before timestamptz, finished_after timestamptz, finished_before timestamptz)
$$;
comment on function operation_range(text, jsonb, out text, out uuid)
  is 'The part of all jobs j through which an operation has to look, as a condition on their days, and an id before all of them.';

create or replace function preview_stretch(
  p_action text, p_condition text, p_queue text, p_priority smallint, p_after uuid, p_last uuid, p_most integer,
  out jobs integer, out matched integer, out skipped jsonb, out sample uuid[], out last uuid
)
language plpgsql
stable
set search_path from current
as $$
begin
  execute format('
    with looked as (
      select j.id, why_skipped($1, j, $2, $3) as reason
      from jobs j
      where %s
        and j.created_at <= clock_timestamp()
        and j.id > $4
        and ($5 is null or j.id <= $5)
      order by j.id
      limit $6
    )
    select
      (select count(*) from looked),
      (select count(*) from looked l where l.reason is null),
      (select coalesce(jsonb_object_agg(r.reason, r.jobs), ''{}'')
       from (select l.reason, count(*) as jobs from looked l where l.reason is not null group by 1) r),
      array(select l.id from looked l where l.reason is null order by l.id limit 20),
      (select l.id from looked l order by l.id desc limit 1)',
    p_condition)
    into jobs, matched, skipped, sample, last
    using p_action, p_queue, p_priority, p_after, p_last, p_most;
end
$$;
comment on function preview_stretch(text, text, text, smallint, uuid, uuid, integer, out integer, out integer, out jsonb, out uuid[], out uuid)
  is 'preview_operation for the jobs j after one id up to another that meet a condition, the first of them up to a number.';

create or replace function preview_operation(
  action text, filter jsonb, queue text default null, priority smallint default null, after uuid default null,
  out matched integer, out skipped jsonb, out sample uuid[], out complete boolean, out looked_to uuid
)
returns record
language plpgsql
stable
set search_path from current
as $$
#variable_conflict use_variable
declare
  most integer := 100000; -- jobs that match
  until constant timestamptz := clock_timestamp() + interval '100 ms';
  largest constant integer := case when filter ? 'search' then 2000 else 4000 end;
  -- Rows. Values are read for a search: shorter stretches keep to the time.
  stretch integer := largest / 4;
  wanted text;
  range record;
  seen uuid;
  last uuid;
  part record;
begin
  perform check_operation(action, queue, priority, null);
  wanted := job_filter(filter);
  perform check_search(filter);
  range := operation_range(action, filter);
  seen := coalesce(after, range.first, '00000000-0000-0000-0000-000000000000');
  matched := 0;
  skipped := '{}';
  sample := '{}';
  -- Longer and longer stretches, so that a filter that few jobs pass reads no long history for one answer.
  loop
    execute format('select j.id from jobs j where %s and j.id > $1 order by j.id offset $2 limit 1', range.condition)
      into last using seen, stretch;
    part := preview_stretch(action, concat_ws(' and ', range.condition, operation_scope(action), wanted), queue, priority, seen, last, most);
    matched := matched + part.matched;
    sample := (sample || part.sample)[:20];
    skipped := (
      select coalesce(jsonb_object_agg(r.reason, r.jobs), '{}')
      from (
        select f.key as reason, sum(f.value::integer) as jobs
        from (select * from jsonb_each_text(skipped) union all select * from jsonb_each_text(part.skipped)) f
        group by 1
      ) r);
    most := most - part.jobs;
    looked_to := case when most <= 0 then part.last else last end;
    exit when looked_to is null or most <= 0 or clock_timestamp() > until;
    seen := last;
    stretch := least(stretch * 2, largest);
  end loop;
  complete := looked_to is null;
end
$$;
comment on function preview_operation(text, jsonb, text, smallint, uuid)
  is 'What an operation would do now: the number of jobs that it acts on, and those that it skips by reason. Looks at 100,000 jobs that match, and for a fifth of a second, at most; complete says whether these are all, else another call goes on after looked_to. select * from preview_operation(''retry'', ''{"kind": "mail"}'');';

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
