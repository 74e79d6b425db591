-- Operations, carried out: one batch of jobs per transaction, with the position of the next batch. If a process dies, its
-- batch is rolled back, so that no job is acted on twice and none is left out.

create or replace function per_minute(p_rate text) returns double precision
language plpgsql
immutable
set search_path from current
as $$
declare
  parts text[] := regexp_match(p_rate, '^([1-9][0-9]{0,6})/(s|min|h)$');
begin
  if p_rate is not null and parts is null then
    raise exception '% is not a rate', to_jsonb(p_rate)
      using errcode = '22TM1', hint = 'write jobs per s, min or h, such as 200/min';
  end if;
  return parts[1]::double precision * case parts[2] when 's' then 60 when 'min' then 1 else 1.0 / 60 end;
end
$$;
comment on function per_minute(text) is 'The jobs per minute of a rate such as 5/s, 200/min or 1000/h; null if there is none.';

create or replace function operation_scope(p_action text) returns text
language sql
immutable
set search_path from current
as $$
  select case
    when p_action = 'retry' then 'j.finished_at is not null and j.state in (''failed'', ''cancelled'')'
    when p_action in ('cancel', 'run_now', 'set_priority', 'move') then 'j.finished_at is null'
    when p_action = 'delete' then 'true'
  end
$$;
comment on function operation_scope(text) is 'The condition on a job j that an action can apply to; other jobs are neither changed nor reported as skipped. Null if there is no such action.';

create or replace function why_skipped(p_action text, p_job jobs, p_queue text, p_priority smallint) returns text
language sql
stable
set search_path from current
as $$
  select case
    when (p_job).id is null then 'is_gone'
    when p_action = 'retry' then case
      when (p_job).finished_at is null then 'has_not_ended'
      when (p_job).state = 'completed' then 'has_completed'
      when (p_job).error ->> 'type' in ('dependency_failed', 'skipped') then 'follows_another_job'
    end
    when p_action = 'delete' then case
      when (p_job).state = 'running' then 'is_running'
      when (p_job).finished_at is null and (p_job).kind = 'tidemill.workflow' then 'is_a_workflow'
    end
    when (p_job).finished_at is not null then 'has_ended'
    when p_action = 'cancel' then case when (p_job).cancel_requested_at is not null then 'is_being_cancelled' end
    when (p_job).state = 'running' then 'is_running'
    when (p_job).kind like 'tidemill.%' then 'is_a_workflow'
    when p_action = 'run_now' then case
      when coalesce(nullif((p_job).run_at, 'infinity'), (p_job).due_at, 'infinity') = 'infinity' then 'waits_for_others'
      when coalesce(nullif((p_job).run_at, 'infinity'), (p_job).due_at) <= now() then 'is_due'
    end
    when p_action = 'move' and (p_job).queue = p_queue or p_action = 'set_priority' and (p_job).priority = p_priority
      then 'has_it_already'
  end
$$;
comment on function why_skipped(text, jobs, text, smallint) is 'Why an operation skips a job; null if it acts on it.';

create or replace function why_not_undone(p_undone operations, p_before jsonb, p_job jobs) returns text
language sql
stable
set search_path from current
as $$
  select case
    when (p_job).id is null then 'is_gone'
    when (p_undone).action = 'cancel' then case
      when p_before ->> 'state' = 'running' then 'was_running'
      when (p_job).finished_at is distinct from (p_before ->> 'ended_at')::timestamptz then 'has_changed'
    end
    when (p_job).finished_at is not null then 'has_ended'
    when (p_job).state = 'running' then 'is_running'
    when (p_undone).action = 'move' and (p_job).queue <> (p_undone).queue
      or (p_undone).action = 'set_priority' and (p_job).priority <> (p_undone).priority then 'has_changed'
  end
$$;
comment on function why_not_undone(operations, jsonb, jobs) is 'Why the undo of an operation skips a job; null if it restores it.';

create or replace function operate_on_one(p_operation operations, p_job uuid) returns operation_jobs
language plpgsql
set search_path from current
as $$
declare
  j jobs := lock_job(p_job);
  looked operation_jobs;
begin
  looked.operation_id := (p_operation).id;
  looked.job_id := p_job;
  looked.at := clock_timestamp();
  looked.reason := why_skipped((p_operation).action, j, (p_operation).queue, (p_operation).priority);
  if looked.reason is not null then
    looked.outcome := 'skipped';
    return looked;
  end if;
  looked.outcome := 'done';
  case (p_operation).action
    when 'cancel' then
      perform cancel_one(p_job, 'cancelled with others', (p_operation).who, false);
      looked.before := jsonb_build_object('state', j.state, 'ended_at', (select finished_at from jobs where id = p_job));
    when 'retry' then
      -- The jobs that it waits for can be retried as well; the batch judges it at its end.
      if retry_blocked(p_job, (p_operation).who) then
        looked.reason := 'waits_again';
      else
        perform retry_one(p_job, (p_operation).who, false);
      end if;
      if (p_operation).queue is not null then
        perform move_job(p_job, (p_operation).queue);
      end if;
    when 'run_now' then
      perform run_now_one(p_job, (p_operation).who, false);
    when 'delete' then
      perform delete_one(p_job, false);
    when 'set_priority' then
      looked.before := jsonb_build_object('priority', j.priority);
      perform replace_fields(p_job, jsonb_build_object('priority', (p_operation).priority), (p_operation).who);
    when 'move' then
      looked.before := jsonb_build_object('queue', j.queue);
      perform move_job(p_job, (p_operation).queue);
  end case;
  return looked;
end
$$;
comment on function operate_on_one(operations, uuid) is 'Applies the action of an operation to one job, or says why not.';

create or replace function undo_on_one(p_operation operations, p_undone operations, p_job uuid) returns operation_jobs
language plpgsql
set search_path from current
as $$
declare
  j jobs := lock_job(p_job);
  looked operation_jobs;
  was jsonb := (select before from operation_jobs where operation_id = (p_undone).id and job_id = p_job);
begin
  looked.operation_id := (p_operation).id;
  looked.job_id := p_job;
  looked.at := clock_timestamp();
  looked.reason := why_not_undone(p_undone, was, j);
  looked.outcome := case when looked.reason is null then 'done' else 'skipped' end;
  if looked.outcome = 'skipped' then
    return looked;
  end if;
  case (p_undone).action
    when 'cancel' then
      if retry_blocked(p_job, (p_operation).who) then
        looked.reason := 'waits_again';
      else
        perform retry_one(p_job, (p_operation).who, false);
      end if;
    when 'set_priority' then
      perform replace_fields(p_job, jsonb_build_object('priority', was -> 'priority'), (p_operation).who);
    when 'move' then
      perform move_job(p_job, was ->> 'queue');
  end case;
  return looked;
end
$$;
comment on function undo_on_one(operations, operations, uuid) is 'Restores one job to its state before an operation, or says why not.';

create or replace function operation_batch(p_operation operations, p_most integer, out ids uuid[], out looked_to uuid)
language plpgsql
set search_path from current
as $$
declare
  -- A filter that few jobs pass looks for no longer at once, for a statement has a limit of time.
  until constant timestamptz := clock_timestamp() + interval '100 ms';
  stretch constant integer := case when (p_operation).filter ? 'search' then 1000 else 4000 end; -- rows
  range record;
  wanted text;
  found_ids uuid[];
begin
  ids := '{}';
  looked_to := (p_operation).last_job;
  if (p_operation).action = 'undo' then
    ids := array(
      select d.job_id
      from operation_jobs d
      where d.operation_id = (p_operation).undoes
        and d.outcome = 'done'
        and (looked_to is null or d.job_id > looked_to)
      order by d.job_id
      limit p_most);
    looked_to := case when cardinality(ids) = p_most then ids[p_most] end;
    return;
  end if;
  range := operation_range((p_operation).action, (p_operation).filter);
  wanted := concat_ws(' and ', range.condition, operation_scope((p_operation).action), job_filter((p_operation).filter));
  looked_to := coalesce(looked_to, range.first, '00000000-0000-0000-0000-000000000000');
  loop
    execute format('
      with stretch as (
        select (select j.id from jobs j where %1$s and j.id > $1 order by j.id offset $2 limit 1) as last
      )
      select s.last, array(
        select j.id
        from jobs j
        where %2$s
          and j.created_at <= $3
          and j.id > $1
          and (s.last is null or j.id <= s.last)
        order by j.id
        limit $4)
      from stretch s',
      range.condition, wanted)
      into looked_to, found_ids
      using looked_to, stretch, (p_operation).created_at, p_most - cardinality(ids);
    ids := ids || found_ids;
    if cardinality(ids) = p_most then
      looked_to := ids[p_most];
      return;
    end if;
    exit when looked_to is null or clock_timestamp() > until;
  end loop;
end
$$;
comment on function operation_batch(operations, integer, out uuid[], out uuid)
  is 'The next jobs of an operation, in the order of their ids, and the id to which it has looked; null once it has looked at all.';

create or replace function note_step(p_operation operations, p_looked operation_jobs) returns operations
language plpgsql
set search_path from current
as $$
declare
  o operations := p_operation;
  reported bigint := o.failed + (select coalesce(sum(s.value::integer), 0) from jsonb_each_text(o.skipped) as s);
begin
  if (p_looked).outcome = 'done' then
    o.done := o.done + 1;
  elsif (p_looked).outcome = 'failed' then
    o.failed := o.failed + 1;
  else
    o.skipped := o.skipped
      || jsonb_build_object((p_looked).reason, coalesce((o.skipped ->> (p_looked).reason)::integer, 0) + 1);
  end if;
  if (p_looked).outcome = 'done' and o.action in ('cancel', 'set_priority', 'move')
    or (p_looked).outcome <> 'done' and reported < 1000
  then
    insert into operation_jobs select (p_looked).*;
  end if;
  return o;
end
$$;
comment on function note_step(operations, operation_jobs) is 'Counts a job in the report of an operation, which the caller stores, and records what the undo and the report need.';

create or replace function operate_safely(p_operation operations, p_undone operations, p_job uuid) returns operation_jobs
language plpgsql
set search_path from current
as $$
declare
  looked operation_jobs;
begin
  begin
    if (p_operation).action = 'undo' then
      return undo_on_one(p_operation, p_undone, p_job);
    end if;
    return operate_on_one(p_operation, p_job);
  exception when others then
    -- The whole batch is done again.
    if is_transient(sqlstate) then
      raise;
    end if;
    looked.reason := left(sqlerrm, 500);
  end;
  looked.operation_id := (p_operation).id;
  looked.job_id := p_job;
  looked.outcome := 'failed';
  looked.at := clock_timestamp();
  return looked;
end
$$;
comment on function operate_safely(operations, operations, uuid) is 'Like operate_on_one or undo_on_one; a permanent error is the outcome of this job, and does not stop the others.';

create or replace function step_operation(p_operation uuid, p_most integer default 200) returns integer
language plpgsql
set search_path from current
as $$
declare
  o operations;
  undone operations;
  allowed double precision;
  batch record;
  one uuid;
  looked operation_jobs;
  held uuid[] := '{}';
  acted integer;
begin
  -- The lock is the right to carry it out, and ends with the process that has it.
  select * into o
  from operations
  where id = p_operation
    and state = 'running'
    and due_at <= clock_timestamp()
  for update skip locked;
  if not found then
    return null;
  end if;
  select * into undone from operations where id = o.undoes;
  allowed := per_minute(o.rate);
  -- With a rate, what is due in two seconds.
  if allowed is not null then
    p_most := least(p_most, greatest(1, floor(allowed / 30)))::integer;
  end if;
  batch := operation_batch(o, p_most);
  perform lock_workflows_for(batch.ids, true);
  acted := o.done + o.failed;
  foreach one in array batch.ids loop
    looked := operate_safely(o, undone, one);
    o := note_step(o, looked);
    if looked.reason = 'waits_again' then
      held := held || one;
    end if;
  end loop;
  acted := o.done + o.failed - acted;
  perform evaluate_wait_isolated(h.id) from unnest(held) as h (id);
  o.last_job := coalesce(batch.looked_to, o.last_job);
  -- Spread at random, and never above the rate.
  o.due_at := clock_timestamp() + coalesce(make_interval(secs => 60 * acted / allowed * (1 + 0.2 * random())), '0');
  if batch.looked_to is null then
    o.state := 'done';
    o.ended_at := clock_timestamp();
    perform audit('end operation', 'operation:' || o.id, null,
      jsonb_build_object('done', o.done, 'skipped', o.skipped, 'failed', o.failed), o.who);
  end if;
  update operations
  set (state, ended_at, done, skipped, failed, last_job, due_at, problem)
    = (o.state, o.ended_at, o.done, o.skipped, o.failed, o.last_job, o.due_at, null)
  where id = o.id;
  return cardinality(batch.ids);
end
$$;
comment on function step_operation(uuid, integer) is 'Carries out the next batch of an operation; returns the number of jobs that it came to, null if the operation is not due, has ended, or is carried out by another session. Several sessions can call it at once.';

create or replace function delay_operation(p_operation uuid, p_problem text) returns void
language sql
set search_path from current
as $$
  update operations
  set problem = left(p_problem, 500), due_at = clock_timestamp() + interval '5 seconds'
  where id = p_operation
    and state = 'running'
$$;
comment on function delay_operation(uuid, text) is 'Records why a batch could not be carried out, and tries again a little later.';
