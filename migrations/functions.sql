-- The verbs. Replaced whole after the versioned migrations; every face (REST, Rust, psql) calls these.
-- Each function pins the search_path of the schema that it was made in, so that it works from any session.

create or replace function tell(p_message text) returns void
language sql
as $$ select pg_notify(current_schema(), p_message) $$;
comment on function tell(text) is 'Sends a wake-up hint to all processes of this Tidemill: q:<queue>, c:<job to cancel>, e:<job>:<seq>, w: (settings changed).';

create or replace function backoff(p_attempt integer, p_first interval, p_factor double precision, p_max interval, p_jitter double precision)
returns interval
language sql
volatile
as $$
  -- The exponent is capped where the power reaches e^500, so that no attempt and no factor overflows.
  select make_interval(secs => least(
    extract(epoch from p_first)::double precision
      * power(p_factor, least(greatest(p_attempt, 1) - 1, 500 / nullif(ln(p_factor), 0))),
    extract(epoch from p_max)::double precision)) * (1 + p_jitter * (2 * random() - 1))
$$;
comment on function backoff(integer, interval, double precision, interval, double precision)
  is 'Delay after the given attempt failed: first * factor^(attempt - 1), at most max, varied by the share jitter.';

create or replace function ensure_today() returns void
language plpgsql
set search_path from current
as $$
begin
  if to_regclass(to_char(clock_timestamp() at time zone 'UTC', '"events_"YYYY_MM_DD')) is null then
    perform ensure_partitions();
  end if;
end
$$;
comment on function ensure_today() is 'Makes the partitions of today if no keeper made them ahead.';

create or replace function append_events(p_jobs uuid[], p_attempts integer[], p_types text[], p_data jsonb[])
returns table (job_id uuid, last_seq bigint)
language plpgsql
set search_path from current
as $$
#variable_conflict use_column
begin
  perform ensure_today();
  return query
  with input as materialized (
    select i.*, row_number() over (partition by i.job_id order by i.ord) as nth
    from unnest(p_jobs, p_attempts, p_types, p_data)
      with ordinality as i (job_id, attempt, type, data, ord)
  ),
  latest as materialized (
    select
      i.job_id,
      count(*) as added,
      count(*) filter (where i.type = 'progress') > 0 as progressed,
      (array_agg((i.data ->> 'percent')::real order by i.ord desc)
        filter (where i.type = 'progress' and i.data ? 'percent'))[1] as percent,
      (array_agg(i.data ->> 'step' order by i.ord desc)
        filter (where i.type = 'progress' and i.data ? 'step'))[1] as step,
      (array_agg(i.data -> 'data' order by i.ord desc)
        filter (where i.type = 'progress' and i.data ? 'data'))[1] as data
    from input i
    group by i.job_id
  ),
  -- The lock on the progress row is held to the commit: numbers have no gaps and follow commit order.
  numbered as (
    insert into progress as p (job_id, last_seq, percent, step, data, updated_at)
    select l.job_id, l.added, l.percent, l.step, l.data, case when l.progressed then clock_timestamp() end
    from latest l
    order by l.job_id
    on conflict (job_id) do update
    set
      last_seq = p.last_seq + excluded.last_seq,
      percent = coalesce(excluded.percent, p.percent),
      step = coalesce(excluded.step, p.step),
      data = coalesce(excluded.data, p.data),
      updated_at = coalesce(excluded.updated_at, p.updated_at)
    returning p.job_id, p.last_seq
  ),
  stored as (
    insert into events (job_id, seq, attempt, type, data)
    select i.job_id, n.last_seq - l.added + i.nth, i.attempt, i.type, i.data
    from input i
    join latest l on l.job_id = i.job_id
    join numbered n on n.job_id = i.job_id
    order by i.ord
  )
  select n.job_id, n.last_seq
  from numbered n;
end
$$;
comment on function append_events(uuid[], integer[], text[], jsonb[])
  is 'Writes events in the given order, numbers them per job and keeps each job''s progress; answers the last number of each job.';

create or replace function append_event(p_job uuid, p_attempt integer, p_type text, p_data jsonb) returns bigint
language sql
set search_path from current
as $$ select last_seq from append_events(array[p_job], array[p_attempt], array[p_type], array[p_data]) $$;
comment on function append_event(uuid, integer, text, jsonb) is 'Writes one event and answers its number.';

create or replace function archive(p_job jobs) returns void
language plpgsql
set search_path from current
as $$
begin
  perform ensure_today();
  p_job.finished_at := clock_timestamp();
  p_job.retain_until := p_job.finished_at + p_job.retain;
  p_job.last_lease_id := coalesce(p_job.lease_id, p_job.last_lease_id);
  p_job.last_worker_id := coalesce(p_job.worker_id, p_job.last_worker_id);
  p_job.lease_id := null;
  p_job.worker_id := null;
  if p_job.run_at = 'infinity' then
    p_job.run_at := p_job.finished_at;
  end if;
  -- Delete and insert, not an update that moves the row: whoever waits for it then sees it gone
  -- and gets no error.
  delete from running where job_id = p_job.id;
  delete from jobs_live where id = p_job.id;
  insert into jobs select (p_job).*;
end
$$;
comment on function archive(jobs) is 'Moves a locked live job to the history of today, in the final state that the given row says.';

create or replace function insert_jobs(
  p_ids uuid[], p_kinds text[], p_args jsonb[], p_queues text[], p_priorities smallint[],
  p_run_ats timestamptz[], p_delay_seconds double precision[], p_max_attempts integer[],
  p_soft_timeout_seconds double precision[], p_hard_timeout_seconds double precision[],
  p_execution_ids text[], p_tags jsonb[], p_metadata jsonb[], p_retain_seconds double precision[],
  p_strict boolean
)
returns table (ord bigint, id uuid, outcome text, queue text, priority smallint, max_attempts integer, run_at timestamptz, created_at timestamptz)
language plpgsql
set search_path from current
as $$
#variable_conflict use_column
begin
  return query
  with input as materialized (
    select
      i.ord, i.id, i.kind, i.args, i.execution_id, i.metadata,
      coalesce(i.queue, k.queue, 'default') as queue,
      coalesce(i.priority, k.priority, 5::smallint) as priority,
      coalesce(i.max_attempts, k.max_attempts, 5) as max_attempts,
      coalesce(i.run_at, now() + make_interval(secs => coalesce(i.delay_seconds, 0))) as run_at,
      make_interval(secs => i.soft_timeout_seconds) as soft_timeout,
      make_interval(secs => i.hard_timeout_seconds) as hard_timeout,
      coalesce(make_interval(secs => i.retain_seconds), k.retain) as retain,
      case when i.tags is null then '{}'::text[] else array(select jsonb_array_elements_text(i.tags)) end as tags,
      k.name is null as unknown_kind
    from unnest(
        p_ids, p_kinds, p_args, p_queues, p_priorities, p_run_ats, p_delay_seconds, p_max_attempts,
        p_soft_timeout_seconds, p_hard_timeout_seconds, p_execution_ids, p_tags, p_metadata, p_retain_seconds)
      with ordinality as i (
        id, kind, args, queue, priority, run_at, delay_seconds, max_attempts,
        soft_timeout_seconds, hard_timeout_seconds, execution_id, tags, metadata, retain_seconds, ord)
    left join kinds k on k.name = i.kind
  ),
  judged as materialized (
    select
      i.*,
      case
        when p_strict and i.unknown_kind then 'unknown_kind'
        when q.draining_at is not null then 'queue_draining'
      end as refusal
    from input i
    left join queues q on q.name = i.queue
  ),
  named as (
    insert into task_ids (execution_id, job_id)
    select j.execution_id, j.id
    from judged j
    where j.execution_id is not null
      and j.refusal is null
    order by j.execution_id
    on conflict do nothing
    returning job_id
  ),
  inserted as (
    insert into jobs_live (
      id, kind, queue, priority, max_attempts, run_at, args, execution_id, tags, metadata,
      soft_timeout, hard_timeout, retain)
    select
      j.id, j.kind, j.queue, j.priority, j.max_attempts, j.run_at, j.args, j.execution_id, j.tags, j.metadata,
      j.soft_timeout, j.hard_timeout, j.retain
    from judged j
    where j.refusal is null
      and (j.execution_id is null or j.id in (select n.job_id from named n))
    order by j.ord
    returning id, created_at
  )
  select
    j.ord, j.id,
    coalesce(j.refusal, case when n.id is null then 'execution_id_taken' else 'created' end),
    j.queue, j.priority, j.max_attempts, j.run_at, n.created_at
  from judged j
  left join inserted n on n.id = j.id
  order by j.ord;
end
$$;
comment on function insert_jobs(uuid[], text[], jsonb[], text[], smallint[], timestamptz[], double precision[], integer[], double precision[], double precision[], text[], jsonb[], jsonb[], double precision[], boolean)
  is 'The one way into the jobs table: fills defaults from the kind, refuses draining queues and taken execution ids; wakes nobody.';

create or replace function new_job_id() returns uuid
language sql
volatile
as $$
  -- UUIDv7 (RFC 9562): 48 bits of milliseconds since 1970, then random bits.
  select encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid())
        placing substring(int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
        from 1 for 6),
      52, 1), 53, 1),
    'hex')::uuid
$$;
comment on function new_job_id() is 'A new UUIDv7.';

create or replace function enqueue_many(p_jobs jsonb) returns setof uuid
language plpgsql
set search_path from current
as $$
declare
  refused record;
  made record;
begin
  if jsonb_typeof(p_jobs) is distinct from 'array' then
    raise exception 'enqueue_many takes a JSON array of jobs' using errcode = 'invalid_parameter_value';
  end if;
  for made in
    with wished as (
      select w.*, new_job_id() as id, item.ord
      from jsonb_array_elements(p_jobs) with ordinality as item (value, ord)
      cross join lateral jsonb_to_record(item.value) as w (
        kind text, args jsonb, queue text, priority smallint, run_at timestamptz, delay interval,
        max_attempts integer, soft_timeout interval, hard_timeout interval, execution_id text,
        tags jsonb, metadata jsonb, retain interval)
    )
    select i.*
    from (
      select
        array_agg(id order by ord) as ids, array_agg(kind order by ord) as kinds,
        array_agg(coalesce(args, '{}') order by ord) as args, array_agg(queue order by ord) as queues,
        array_agg(priority order by ord) as priorities, array_agg(run_at order by ord) as run_ats,
        array_agg(extract(epoch from delay)::double precision order by ord) as delays,
        array_agg(max_attempts order by ord) as max_attempts,
        array_agg(extract(epoch from soft_timeout)::double precision order by ord) as soft_timeouts,
        array_agg(extract(epoch from hard_timeout)::double precision order by ord) as hard_timeouts,
        array_agg(execution_id order by ord) as execution_ids, array_agg(tags order by ord) as tags,
        array_agg(metadata order by ord) as metadata,
        array_agg(extract(epoch from retain)::double precision order by ord) as retains
      from wished
    ) w
    cross join lateral insert_jobs(
      w.ids, w.kinds, w.args, w.queues, w.priorities, w.run_ats, w.delays, w.max_attempts,
      w.soft_timeouts, w.hard_timeouts, w.execution_ids, w.tags, w.metadata, w.retains, false) i
    order by i.ord
  loop
    if made.outcome <> 'created' then
      raise exception 'job % of the call was refused: %', made.ord, made.outcome
        using errcode = 'invalid_parameter_value',
          hint = case made.outcome
            when 'queue_draining' then format('queue %s takes no new jobs; select resume_queue(%L)', made.queue, made.queue)
            when 'execution_id_taken' then 'another job has this execution id; find it in task_ids'
          end;
    end if;
    -- Equal messages of one transaction are sent once.
    perform tell('q:' || made.queue);
    return next made.id;
  end loop;
end
$$;
comment on function enqueue_many(jsonb)
  is 'Enqueues an array of {kind, args, queue, priority, run_at, delay, max_attempts, soft_timeout, hard_timeout, execution_id, tags, metadata, retain} in your transaction, all or none; answers their ids in order.';

create or replace function enqueue(
  kind text, args jsonb default '{}', queue text default null, priority integer default null,
  run_at timestamptz default null, delay interval default null, max_attempts integer default null,
  soft_timeout interval default null, hard_timeout interval default null, execution_id text default null,
  tags text[] default null, metadata jsonb default null, retain interval default null
)
returns uuid
language sql
set search_path from current
as $$
  select enqueue_many(jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
    'kind', kind, 'queue', queue, 'priority', priority, 'run_at', run_at, 'delay', delay,
    'max_attempts', max_attempts, 'soft_timeout', soft_timeout, 'hard_timeout', hard_timeout,
    'execution_id', execution_id, 'tags', to_jsonb(tags), 'retain', retain))
    -- Outside of the stripping: nulls inside args and metadata are the caller's.
    || jsonb_build_object('args', args)
    || case when metadata is null then '{}'::jsonb else jsonb_build_object('metadata', metadata) end))
$$;
comment on function enqueue(text, jsonb, text, integer, timestamptz, interval, integer, interval, interval, text, text[], jsonb, interval)
  is 'Enqueues one job in your transaction: it commits or vanishes with it. select enqueue(''send-mail'', ''{"to": "x"}'', delay => ''5 min'').';

create or replace function lock_job(p_job uuid) returns jobs
language plpgsql
set search_path from current
as $$
declare
  j jobs;
begin
  loop
    select * into j from jobs_live where id = p_job for update;
    exit when found;
    select * into j from jobs where id = p_job and finished_at is not null for update;
    exit when found;
    -- It may have moved from the one to the other between the two looks.
    exit when not exists (select from jobs where id = p_job);
  end loop;
  return j;
end
$$;
comment on function lock_job(uuid) is 'The job, live or finished, locked so that it stays where it is; all null if there is none.';

create or replace function cancel(p_job uuid, p_reason text default null, p_by text default session_user) returns text
language plpgsql
set search_path from current
as $$
declare
  j jobs := lock_job(p_job);
begin
  if j.id is null or j.finished_at is not null then
    return j.state::text;
  end if;
  if j.state = 'running' then
    if j.cancel_requested_at is null then
      update jobs_live set cancel_requested_at = clock_timestamp() where id = p_job;
      perform tell(format('e:%s:%s', p_job, append_event(p_job, j.attempt, 'cancel_requested',
        jsonb_strip_nulls(jsonb_build_object('by', p_by, 'reason', p_reason)))));
    end if;
    perform tell('c:' || p_job);
    return 'cancel_requested';
  end if;
  j.state := 'cancelled';
  j.cancel_requested_at := coalesce(j.cancel_requested_at, clock_timestamp());
  perform archive(j);
  perform tell(format('e:%s:%s', p_job, append_event(p_job, j.attempt, 'cancel_requested',
    jsonb_strip_nulls(jsonb_build_object('by', p_by, 'reason', p_reason)))));
  return 'cancelled';
end
$$;
comment on function cancel(uuid, text, text)
  is 'Cancels a job: at once if it does not run (cancelled), else by asking its worker (cancel_requested). Answers the state of one that is finished, null for one that does not exist.';

create or replace function retry(p_job uuid, p_by text default session_user) returns text
language plpgsql
set search_path from current
as $$
declare
  j jobs := lock_job(p_job);
begin
  if j.finished_at is null then
    return run_now(p_job, p_by);
  end if;
  delete from jobs where id = p_job and finished_at = j.finished_at;
  j.state := 'available';
  j.run_at := clock_timestamp();
  j.max_attempts := greatest(j.max_attempts, j.attempt + 1);
  j.finished_at := null;
  j.retain_until := null;
  j.cancel_requested_at := null;
  j.result := null;
  insert into jobs_live select (j).*;
  perform tell(format('e:%s:%s', p_job, append_event(p_job, j.attempt, 'retry', jsonb_build_object('by', p_by))));
  perform tell('q:' || j.queue);
  return 'available';
end
$$;
comment on function retry(uuid, text)
  is 'Makes a finished job live again with at least one more attempt; a live one that is not due runs now. Answers its state, null if there is no such job.';

create or replace function run_now(p_job uuid, p_by text default session_user) returns text
language plpgsql
set search_path from current
as $$
declare
  j jobs := lock_job(p_job);
begin
  if j.id is null or j.finished_at is not null then
    return j.state::text;
  end if;
  if j.state = 'available' and j.run_at > clock_timestamp() then
    update jobs_live set run_at = clock_timestamp() where id = p_job;
    perform tell(format('e:%s:%s', p_job, append_event(p_job, j.attempt, 'retry', jsonb_build_object('by', p_by, 'was_due_at', j.run_at))));
    perform tell('q:' || j.queue);
  end if;
  return j.state::text;
end
$$;
comment on function run_now(uuid, text) is 'Makes a scheduled or retrying job due at once. Answers its state, null if there is no such job.';

create or replace function snooze(p_job uuid, p_delay interval, p_by text default session_user) returns text
language plpgsql
set search_path from current
as $$
declare
  j jobs := lock_job(p_job);
  due timestamptz := clock_timestamp() + p_delay;
begin
  if j.id is null or j.finished_at is not null then
    return j.state::text;
  end if;
  if j.state = 'available' then
    update jobs_live set run_at = due where id = p_job;
    perform tell(format('e:%s:%s', p_job, append_event(p_job, j.attempt, 'snoozed',
      jsonb_build_object('by', p_by, 'run_at', due))));
  end if;
  return j.state::text;
end
$$;
comment on function snooze(uuid, interval, text) is 'Puts off a job that does not run. Answers its state, null if there is no such job.';

create or replace function delete_job(p_job uuid) returns text
language plpgsql
set search_path from current
as $$
declare
  j jobs := lock_job(p_job);
begin
  if j.id is null then
    return null;
  elsif j.state = 'running' then
    return 'running';
  end if;
  delete from jobs where id = p_job;
  delete from task_ids where job_id = p_job;
  delete from events where job_id = p_job;
  delete from attempts where job_id = p_job;
  delete from progress where job_id = p_job;
  return 'deleted';
end
$$;
comment on function delete_job(uuid) is 'Removes a job that does not run, with all its history. Answers deleted, running, or null if there is no such job.';

create or replace function settle_attempt(
  p_job uuid, p_lease uuid, p_outcome text, p_error jsonb default null, p_delay interval default null, p_usage jsonb default null
)
returns text
language plpgsql
set search_path from current
as $$
declare
  j jobs;
  k kinds;
  failed boolean := p_outcome in ('failed', 'crashed', 'timed_out');
  permanent boolean := coalesce((p_error ->> 'permanent')::boolean, false);
  noted bigint;
begin
  -- The fence: whoever lost the lease changes nothing.
  select * into j from jobs_live where id = p_job and lease_id = p_lease and state = 'running' for update;
  if not found then
    return null;
  end if;
  select * into k from kinds where name = j.kind;

  if failed then
    perform ensure_today();
    insert into attempts (job_id, attempt, lease_id, worker_id, outcome, error, exit_code, signal, out_of_memory, peak_memory_bytes, started_at)
    values (j.id, j.attempt, j.lease_id, j.worker_id, p_outcome, p_error,
      (p_usage ->> 'exit_code')::integer, (p_usage ->> 'signal')::integer,
      coalesce((p_usage ->> 'out_of_memory')::boolean, false), (p_usage ->> 'peak_memory_bytes')::bigint, j.started_at);
    j.error := p_error;
  end if;

  if p_outcome = 'cancelled' or j.cancel_requested_at is not null then
    j.state := 'cancelled';
  elsif failed and (permanent or j.attempt >= j.max_attempts) then
    j.state := 'failed';
  else
    j.state := 'available';
  end if;

  if p_outcome = 'crashed' then
    noted := append_event(j.id, j.attempt, 'lease_lost', jsonb_build_object('worker_id', j.worker_id, 'error', p_error));
  elsif failed then
    noted := append_event(j.id, j.attempt, 'attempt_failed', jsonb_build_object('error', p_error, 'outcome', p_outcome));
  end if;

  if j.state <> 'available' then
    perform archive(j);
    return j.state::text;
  end if;

  if failed then
    j.run_at := clock_timestamp() + coalesce(p_delay, backoff(j.attempt,
      coalesce(k.backoff_first, '5 seconds'), coalesce(k.backoff_factor, 2),
      coalesce(k.backoff_max, '1 hour'), coalesce(k.backoff_jitter, 0.2)));
    noted := append_event(j.id, j.attempt, 'retry', jsonb_build_object('run_at', j.run_at));
  else
    -- A job that is handed back keeps its place; it was due already.
    if p_outcome <> 'released' then
      j.run_at := clock_timestamp() + coalesce(p_delay, '0');
    end if;
    -- The lease is void from here on; it tells a repeated snooze from another one.
    noted := append_event(j.id, j.attempt, p_outcome, jsonb_strip_nulls(jsonb_build_object(
      'run_at', j.run_at, 'delay_seconds', extract(epoch from p_delay), 'lease_id', p_lease)));
    j.attempt := j.attempt - 1;
  end if;
  update jobs_live
  set state = 'available', run_at = j.run_at, attempt = j.attempt, error = j.error,
    lease_id = null, worker_id = null, last_lease_id = j.lease_id, last_worker_id = j.worker_id
  where id = j.id;
  delete from running where job_id = j.id;
  return 'available';
end
$$;
comment on function settle_attempt(uuid, uuid, text, jsonb, interval, jsonb)
  is 'Ends an attempt that did not complete: failed, timed_out, crashed, snoozed, released or cancelled. Decides between retry and the end; answers the new state, null if the lease is lost.';

create or replace function sweep(p_limit integer default 500) returns table (job_id uuid, lease_id uuid, state text, reason text)
language plpgsql
set search_path from current
as $$
#variable_conflict use_column
declare
  taken record;
begin
  -- Judged and locked in one statement; the job's row first, as every other writer does. A row that
  -- somebody else holds is passed over and seen by the next sweep.
  for taken in
    select r.job_id, r.lease_id, r.worker_id,
      case when r.lease_expires_at < clock_timestamp() then 'lease_expired' else 'deadline_passed' end as reason
    from running r
    join jobs_live j on j.id = r.job_id and j.lease_id = r.lease_id
    where r.lease_expires_at < clock_timestamp()
      or r.deadline_at < clock_timestamp()
    limit p_limit
    for update of j, r skip locked
  loop
    begin
      return query
      select taken.job_id, taken.lease_id,
        settle_attempt(taken.job_id, taken.lease_id,
          case taken.reason when 'lease_expired' then 'crashed' else 'timed_out' end,
          case taken.reason
            when 'lease_expired' then jsonb_build_object('type', 'lease_expired', 'permanent', false,
              'message', format('worker %s stopped sending heartbeats; it crashed or lost its connection', taken.worker_id))
            else jsonb_build_object('type', 'timeout', 'permanent', false,
              'message', 'the attempt ran past its hard timeout and its worker did not end it')
          end),
        taken.reason;
    exception when others then
      -- One bad row never stops the rest; it is tried again by the next sweep, and told in the log.
      raise warning 'sweep could not take back job %: %', taken.job_id, sqlerrm;
    end;
  end loop;
  -- No foreign key guards these rows: what hands left behind is cleared here, for it would stand in
  -- the way of the job's next claim.
  delete from running r
  where not exists (select 1 from jobs_live j where j.id = r.job_id and j.lease_id = r.lease_id);
end
$$;
comment on function sweep(integer) is 'Takes back the jobs whose lease expired or whose deadline passed; safe to run anywhere, any time.';

create or replace function pause_queue(p_queue text, p_by text default session_user) returns void
language sql
set search_path from current
as $$
  insert into queues (name, paused_at, paused_by)
  values (p_queue, now(), p_by)
  on conflict (name) do update
  set paused_at = coalesce(queues.paused_at, now()), paused_by = coalesce(queues.paused_by, excluded.paused_by), updated_at = now()
$$;
comment on function pause_queue(text, text) is 'Nothing is claimed from the queue until it is resumed; what runs goes on.';

create or replace function resume_queue(p_queue text) returns void
language sql
set search_path from current
as $$
  insert into queues (name)
  values (p_queue)
  on conflict (name) do update
  set paused_at = null, paused_by = null, draining_at = null, draining_by = null, updated_at = now();
  select tell('q:' || p_queue);
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
comment on function drain_queue(text, text) is 'The queue takes no new jobs until it is resumed; what is there runs to its end.';

create or replace function set_slots(p_queue text, p_slots integer) returns void
language sql
set search_path from current
as $$
  insert into queues (name, slots)
  values (p_queue, p_slots)
  on conflict (name) do update
  set slots = excluded.slots, updated_at = now();
  select tell('w:');
$$;
comment on function set_slots(text, integer) is 'How many jobs of the queue each worker runs at once; null gives the choice back to the workers.';

create or replace function purge_queue(p_queue text, p_limit integer default 10000, p_by text default session_user) returns bigint
language sql
set search_path from current
as $$
  with victims as materialized (
    select id
    from jobs_live
    where queue = p_queue
      and state in ('available', 'waiting')
    limit p_limit
    for update skip locked
  )
  select count(cancel(id, 'queue purged', p_by))
  from victims
$$;
comment on function purge_queue(text, integer, text) is 'Cancels up to the given number of jobs of the queue that do not run; answers how many. Repeat until 0.';

create or replace function ensure_partitions(p_days_ahead integer default 14) returns integer
language plpgsql
set search_path from current
set lock_timeout = '500ms'
as $$
declare
  parent text;
  part text;
  first_day date := (now() at time zone 'UTC')::date;
  day date;
  made integer := 0;
begin
  perform pg_advisory_xact_lock(hashtext('tidemill partitions'), hashtext(current_schema()));
  foreach parent in array array['jobs', 'events', 'attempts'] loop
    for day in select generate_series(first_day - 1, first_day + p_days_ahead, interval '1 day')::date loop
      part := format('%s_%s', parent, to_char(day, 'YYYY_MM_DD'));
      continue when to_regclass(part) is not null;
      -- Made apart and then attached: that locks jobs_live only for a moment, since its CHECK spares it
      -- a scan.
      execute format('create table %I (like %I including defaults including constraints including comments)', part, parent);
      execute format('alter table %I set (autovacuum_vacuum_insert_scale_factor = 0.5)', part);
      if parent = 'jobs' then
        execute format('alter table %I add constraint %I check (finished_at is not null and finished_at >= %L and finished_at < %L)',
          part, part || '_day', day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
        execute format('create unique index on %I (id)', part);
        execute format('create index on %I using brin (finished_at)', part);
        execute format('create index on %I (retain_until) where retain_until is not null', part);
        execute format('create index on %I using gin (tags) where tags <> ''{}''', part);
      end if;
      execute format('alter table %I attach partition %I for values from (%L) to (%L)',
        parent, part, day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
      made := made + 1;
    end loop;
  end loop;
  return made;
end
$$;
comment on function ensure_partitions(integer) is 'Makes the day partitions of jobs, events and attempts up to the given number of days ahead (UTC days); answers how many were new.';

create or replace function drop_partition(p_retention interval) returns text
language plpgsql
set search_path from current
set lock_timeout = '500ms'
as $$
declare
  old record;
begin
  for old in
    select p.relname as parent, c.relname as part
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    join pg_class p on p.oid = i.inhparent
    where p.oid in ('jobs'::regclass, 'events'::regclass, 'attempts'::regclass)
      and c.relname ~ '_\d{4}_\d{2}_\d{2}$'
      and (to_date(right(c.relname, 10), 'YYYY_MM_DD') + 1)::timestamp at time zone 'UTC' < now() - p_retention
    order by right(c.relname, 10), c.relname
  loop
    begin
      if old.parent = 'jobs' then
        execute format('delete from task_ids t using %I j where t.job_id = j.id and not exists (select 1 from jobs_live l where l.id = j.id)', old.part);
        execute format('delete from progress p using %I j where p.job_id = j.id and not exists (select 1 from jobs_live l where l.id = j.id)', old.part);
      end if;
      -- From here to the commit enqueue and claim wait: nothing slow may follow.
      execute format('alter table %I detach partition %I', old.parent, old.part);
      execute format('drop table %I', old.part);
      return old.part;
    exception when lock_not_available then
      -- Somebody reads it; enqueue and claim must not queue up behind us. The next round tries again.
      raise notice 'partition % is in use, left for the next round', old.part;
    end;
  end loop;
  return null;
end
$$;
comment on function drop_partition(interval) is 'Drops the oldest day of history that the retention has passed and nobody reads; answers its name, null if there is none. Never waits longer than half a second for a lock; commit at once.';

create or replace function prune(p_limit integer default 5000) returns bigint
language plpgsql
set search_path from current
as $$
declare
  pruned bigint;
begin
  delete from idempotency_keys
  where key in (select key from idempotency_keys where expires_at < now() limit p_limit for update skip locked);
  delete from workers
  where seen_at < now() - interval '1 day' - lease_ttl;
  with old as materialized (
    select id from jobs where finished_at is not null and retain_until < now() limit p_limit
  ),
  -- A job that somebody retries meanwhile is not gone, and keeps all that is known of it.
  gone as materialized (
    delete from jobs j using old where j.id = old.id and j.finished_at is not null returning j.id
  ),
  names as (delete from task_ids t using gone where t.job_id = gone.id),
  logs as (delete from events e using gone where e.job_id = gone.id),
  tries as (delete from attempts a using gone where a.job_id = gone.id),
  reports as (delete from progress p using gone where p.job_id = gone.id)
  select count(*) into pruned from gone;
  return pruned;
end
$$;
comment on function prune(integer) is 'Removes finished jobs whose own retention ended, old idempotency keys and workers gone for a day; answers how many jobs. Repeat until 0.';
