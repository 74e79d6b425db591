-- Made by `make schema` from a fresh migration, on Postgres 15. Do not edit.
CREATE SCHEMA tidemill;

CREATE TYPE tidemill.job_state AS ENUM (
    'waiting',
    'available',
    'running',
    'completed',
    'failed',
    'cancelled'
);

COMMENT ON TYPE tidemill.job_state IS 'Stored states of a job; "scheduled" and "retrying" are shown for available ones, never stored.';

CREATE FUNCTION tidemill.admit(p_queue text, p_kinds text[], p_room integer, p_worst_priority smallint, p_room_at_worst integer, p_priorities smallint[], p_run_ats timestamp with time zone[], p_ids uuid[], OUT picked uuid[], OUT plain_room integer, OUT again_in_seconds double precision) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
declare
  q queues;
  l limits;
  tokens double precision;
  room integer := p_room;
  plain uuid[] := '{}';
begin
  picked := '{}';
  plain_room := 0;
  select * into q from queues where name = p_queue;
  if q.paused_at is not null then
    return;
  end if;
  -- Whoever was let in must still be counted after a crash of the database.
  perform set_config('synchronous_commit', 'on', true);
  if q.limited then
    select * into l from limits where name = 'queue:' || p_queue;
  end if;
  if l.name is not null then
    -- Each statement after the lock sees what the claims before it took.
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
  if room > 0 and turn_is_ready(p_queue) then
    perform pg_advisory_xact_lock(hashtext('tidemill limits ' || current_schema()), 0);
    -- Where both sorts wait each has half of the room.
    picked := pick_turns(
      p_queue, p_kinds, room - least(cardinality(plain), floor(room / 2.0 + random())::integer), p_worst_priority, p_room_at_worst);
  end if;
  if q.limited then
    picked := picked || plain[1:greatest(room, 0) - cardinality(picked)];
  else
    plain_room := room - cardinality(picked);
  end if;
  if l.rate is not null then
    perform spend(l.name, l, cardinality(picked));
    again_in_seconds := extract(epoch from token_after(tokens - cardinality(picked), l));
  end if;
  -- A shared key that is out of tokens holds its groups back until the next one.
  again_in_seconds := least(again_in_seconds, (
    select min(extract(epoch from token_after(tokens_of(shared.name, shared), shared)))
    from limits shared
    where shared.rate is not null
      and shared.name not like 'queue:%'
      and tokens_of(shared.name, shared) < 1
  ));
end
$$;

COMMENT ON FUNCTION tidemill.admit(p_queue text, p_kinds text[], p_room integer, p_worst_priority smallint, p_room_at_worst integer, p_priorities smallint[], p_run_ats timestamp with time zone[], p_ids uuid[], OUT picked uuid[], OUT plain_room integer, OUT again_in_seconds double precision) IS 'The door of a claim that must be counted: locks the jobs that may start now and says how many others may; the caller claims them in the same transaction.';

CREATE FUNCTION tidemill.append_event(p_job uuid, p_attempt integer, p_type text, p_data jsonb) RETURNS bigint
    LANGUAGE sql
    SET search_path TO 'tidemill'
    AS $$ select last_seq from append_events(array[p_job], array[p_attempt], array[p_type], array[p_data]) $$;

COMMENT ON FUNCTION tidemill.append_event(p_job uuid, p_attempt integer, p_type text, p_data jsonb) IS 'Writes one event and answers its number.';

CREATE FUNCTION tidemill.append_events(p_jobs uuid[], p_attempts integer[], p_types text[], p_data jsonb[], p_report uuid DEFAULT NULL::uuid) RETURNS TABLE(job_id uuid, last_seq bigint)
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
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
    insert into progress as p (job_id, last_seq, percent, step, data, updated_at, last_report)
    select l.job_id, l.added, l.percent, l.step, l.data, case when l.progressed then clock_timestamp() end, p_report
    from latest l
    order by l.job_id
    on conflict (job_id) do update
    set
      last_seq = p.last_seq + excluded.last_seq,
      percent = coalesce(excluded.percent, p.percent),
      step = coalesce(excluded.step, p.step),
      data = coalesce(excluded.data, p.data),
      updated_at = coalesce(excluded.updated_at, p.updated_at),
      last_report = coalesce(excluded.last_report, p.last_report)
    -- Judged on the locked row, so also when the first call has just committed.
    where p_report is null
      or p.last_report is distinct from p_report
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
  select l.job_id, coalesce(n.last_seq, p.last_seq, 0)
  from latest l
  left join numbered n on n.job_id = l.job_id
  left join progress p on p.job_id = l.job_id;
end
$$;

COMMENT ON FUNCTION tidemill.append_events(p_jobs uuid[], p_attempts integer[], p_types text[], p_data jsonb[], p_report uuid) IS 'Writes events in the given order, numbers them per job and keeps each job''s progress; answers the last number of each job. Those of a report that the job had last are stored already.';

CREATE TABLE tidemill.jobs (
    id uuid NOT NULL,
    kind text NOT NULL,
    queue text DEFAULT 'default'::text NOT NULL,
    state tidemill.job_state DEFAULT 'available'::tidemill.job_state NOT NULL,
    priority smallint DEFAULT 5 NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    max_attempts integer DEFAULT 5 NOT NULL,
    run_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    lease_id uuid,
    worker_id text,
    last_lease_id uuid,
    last_worker_id text,
    args jsonb DEFAULT '{}'::jsonb NOT NULL,
    result jsonb,
    error jsonb,
    execution_id text,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    metadata jsonb,
    soft_timeout interval,
    hard_timeout interval,
    retain interval,
    retain_until timestamp with time zone,
    concurrency_keys text[],
    fair_key text,
    group_id uuid,
    due_at timestamp with time zone,
    expires_at timestamp with time zone,
    unique_key text,
    workflow_id uuid,
    awaited boolean,
    CONSTRAINT jobs_args_is_an_object CHECK ((jsonb_typeof(args) = 'object'::text)),
    CONSTRAINT jobs_attempts_count_up CHECK (((attempt >= 0) AND (max_attempts >= 1))),
    CONSTRAINT jobs_finished_at_marks_the_end CHECK (((finished_at IS NOT NULL) = (state = ANY (ARRAY['completed'::tidemill.job_state, 'failed'::tidemill.job_state, 'cancelled'::tidemill.job_state])))),
    CONSTRAINT jobs_hard_timeout_is_in_reach CHECK (((hard_timeout >= '00:00:00'::interval) AND (hard_timeout <= '100 years'::interval))),
    CONSTRAINT jobs_kind_is_named CHECK (((kind <> ''::text) AND (length(kind) <= 63))),
    CONSTRAINT jobs_lease_while_running CHECK (((lease_id IS NOT NULL) = (state = 'running'::tidemill.job_state))),
    CONSTRAINT jobs_priority_is_1_to_9 CHECK (((priority >= 1) AND (priority <= 9))),
    CONSTRAINT jobs_queue_is_named CHECK (((queue <> ''::text) AND (length(queue) <= 63))),
    CONSTRAINT jobs_result_means_completed CHECK (((result IS NULL) OR (state = 'completed'::tidemill.job_state))),
    CONSTRAINT jobs_retain_is_in_reach CHECK (((retain >= '00:00:00'::interval) AND (retain <= '100 years'::interval))),
    CONSTRAINT jobs_run_at_is_in_reach CHECK (((run_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND ((run_at < '10000-01-01 00:00:00+00'::timestamp with time zone) OR (state = 'waiting'::tidemill.job_state)))),
    CONSTRAINT jobs_running_has_started CHECK (((state <> 'running'::tidemill.job_state) OR ((started_at IS NOT NULL) AND (attempt >= 1)))),
    CONSTRAINT jobs_soft_timeout_is_in_reach CHECK (((soft_timeout >= '00:00:00'::interval) AND (soft_timeout <= '100 years'::interval))),
    CONSTRAINT jobs_waiting_is_never_due CHECK (((state <> 'waiting'::tidemill.job_state) OR (run_at = 'infinity'::timestamp with time zone))),
    CONSTRAINT jobs_worker_while_running CHECK (((worker_id IS NOT NULL) = (state = 'running'::tidemill.job_state)))
)
PARTITION BY RANGE (finished_at);

COMMENT ON TABLE tidemill.jobs IS 'Every job, live and finished. Live rows sit in jobs_live; a finished one moves to the partition of its day.';

COMMENT ON COLUMN tidemill.jobs.id IS 'UUIDv7 made by whoever enqueued it; its order promises nothing.';

COMMENT ON COLUMN tidemill.jobs.kind IS 'Which handler runs it.';

COMMENT ON COLUMN tidemill.jobs.queue IS 'The lane that it is claimed from.';

COMMENT ON COLUMN tidemill.jobs.state IS 'Where it is in its life; docs/lifecycle.md draws it.';

COMMENT ON COLUMN tidemill.jobs.priority IS '1 is claimed first, 9 last; critical 1, high 3, normal 5, low 7.';

COMMENT ON COLUMN tidemill.jobs.attempt IS 'Ordinal of the present or last try; 0 before the first. Snoozes and hand-backs do not count.';

COMMENT ON COLUMN tidemill.jobs.max_attempts IS 'No try has a higher ordinal, unless retried by hand.';

COMMENT ON COLUMN tidemill.jobs.run_at IS 'Not claimed before this time of the database''s clock; infinity while waiting.';

COMMENT ON COLUMN tidemill.jobs.created_at IS 'When it was enqueued.';

COMMENT ON COLUMN tidemill.jobs.started_at IS 'When the present or last attempt was claimed.';

COMMENT ON COLUMN tidemill.jobs.finished_at IS 'When it reached a final state; null exactly while it is live.';

COMMENT ON COLUMN tidemill.jobs.cancel_requested_at IS 'When somebody asked to cancel it.';

COMMENT ON COLUMN tidemill.jobs.lease_id IS 'The right to run the present attempt; fences every write of its worker.';

COMMENT ON COLUMN tidemill.jobs.worker_id IS 'The worker that runs it now (workers.id).';

COMMENT ON COLUMN tidemill.jobs.last_lease_id IS 'The lease of the last attempt that ended; lets a worker repeat its last word.';

COMMENT ON COLUMN tidemill.jobs.last_worker_id IS 'The worker of the last attempt that ended.';

COMMENT ON COLUMN tidemill.jobs.args IS 'The input, a JSON object.';

COMMENT ON COLUMN tidemill.jobs.result IS 'What the handler gave back; only when completed.';

COMMENT ON COLUMN tidemill.jobs.error IS 'The last failure: message, type, permanent, backtrace.';

COMMENT ON COLUMN tidemill.jobs.execution_id IS 'The caller''s own name for it; also in task_ids.';

COMMENT ON COLUMN tidemill.jobs.tags IS 'Words to find it by.';

COMMENT ON COLUMN tidemill.jobs.metadata IS 'Data of the caller that the handler does not need.';

COMMENT ON COLUMN tidemill.jobs.soft_timeout IS 'After this an attempt is asked to stop; the kind''s own if null.';

COMMENT ON COLUMN tidemill.jobs.hard_timeout IS 'After this an attempt is ended; the kind''s own if null.';

COMMENT ON COLUMN tidemill.jobs.retain IS 'How long it stays once finished; the deployment''s retention if null.';

COMMENT ON COLUMN tidemill.jobs.retain_until IS 'When its own retention ends; null if the day''s partition decides.';

COMMENT ON COLUMN tidemill.jobs.concurrency_keys IS 'The limits that it counts for: each is the name of a limit, or name:key to be counted apart for each key.';

COMMENT ON COLUMN tidemill.jobs.fair_key IS 'Whose job it is; jobs of one queue and priority take turns between fair keys.';

COMMENT ON COLUMN tidemill.jobs.group_id IS 'Hash of its concurrency keys and fair key; jobs of one group wait in one line. Null for most jobs.';

COMMENT ON COLUMN tidemill.jobs.due_at IS 'From when on a job with a group may run; its run_at is infinity while it waits for its turn.';

COMMENT ON COLUMN tidemill.jobs.expires_at IS 'A job that was not started by then is cancelled.';

COMMENT ON COLUMN tidemill.jobs.unique_key IS 'What no second job may have at the same time; see unique_keys.';

COMMENT ON COLUMN tidemill.jobs.workflow_id IS 'The workflow that it belongs to, which is a job itself; null for most jobs.';

COMMENT ON COLUMN tidemill.jobs.awaited IS 'True if its end is to be told to jobs that wait for it.';

CREATE FUNCTION tidemill.archive(p_job tidemill.jobs) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
begin
  perform ensure_today();
  p_job.finished_at := clock_timestamp();
  p_job.retain_until := p_job.finished_at + p_job.retain;
  p_job.last_lease_id := coalesce(p_job.lease_id, p_job.last_lease_id);
  p_job.last_worker_id := coalesce(p_job.worker_id, p_job.last_worker_id);
  p_job.lease_id := null;
  p_job.worker_id := null;
  p_job.due_at := case when p_job.due_at is not null then least(p_job.due_at, p_job.finished_at) end;
  if p_job.run_at = 'infinity' then
    p_job.run_at := coalesce(p_job.due_at, p_job.finished_at);
  end if;
  -- Delete and insert, not an update that moves the row: whoever waits for it then sees it gone
  -- and gets no error.
  delete from running where job_id = p_job.id;
  delete from jobs_live where id = p_job.id;
  insert into jobs select (p_job).*;
  delete from waits where job_id = p_job.id;
  if p_job.awaited then
    perform tell('d:');
  end if;
end
$$;

COMMENT ON FUNCTION tidemill.archive(p_job tidemill.jobs) IS 'Moves a locked live job to the history of today, in the final state that the given row says.';

CREATE FUNCTION tidemill.backoff(p_attempt integer, p_first interval, p_factor double precision, p_max interval, p_jitter double precision) RETURNS interval
    LANGUAGE sql
    AS $$
  -- The exponent is capped where the power reaches e^500, so that no attempt and no factor overflows.
  select make_interval(secs => least(
    extract(epoch from p_first)::double precision
      * power(p_factor, least(greatest(p_attempt, 1) - 1, 500 / nullif(ln(p_factor), 0))),
    extract(epoch from p_max)::double precision)) * (1 + p_jitter * (2 * random() - 1))
$$;

COMMENT ON FUNCTION tidemill.backoff(p_attempt integer, p_first interval, p_factor double precision, p_max interval, p_jitter double precision) IS 'Delay after the given attempt failed: first * factor^(attempt - 1), at most max, varied by the share jitter.';

CREATE FUNCTION tidemill.cancel(p_job uuid, p_reason text DEFAULT NULL::text, p_by text DEFAULT SESSION_USER) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
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

COMMENT ON FUNCTION tidemill.cancel(p_job uuid, p_reason text, p_by text) IS 'Cancels a job: at once if it does not run (cancelled), else by asking its worker (cancel_requested). Answers the state of one that is finished, null for one that does not exist.';

CREATE FUNCTION tidemill.delete_job(p_job uuid) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
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

COMMENT ON FUNCTION tidemill.delete_job(p_job uuid) IS 'Removes a job that does not run, with all its history. Answers deleted, running, or null if there is no such job.';

CREATE FUNCTION tidemill.delete_schedule(p_name text) RETURNS boolean
    LANGUAGE sql
    SET search_path TO 'tidemill'
    AS $$
  with gone as (delete from schedules where name = p_name returning name)
  select exists (select from gone)
$$;

COMMENT ON FUNCTION tidemill.delete_schedule(p_name text) IS 'Removes a schedule and its slots; its jobs stay. Answers whether there was one.';

CREATE FUNCTION tidemill.drain_queue(p_queue text, p_by text DEFAULT SESSION_USER) RETURNS void
    LANGUAGE sql
    SET search_path TO 'tidemill'
    AS $$
  insert into queues (name, draining_at, draining_by)
  values (p_queue, now(), p_by)
  on conflict (name) do update
  set draining_at = coalesce(queues.draining_at, now()), draining_by = coalesce(queues.draining_by, excluded.draining_by), updated_at = now()
$$;

COMMENT ON FUNCTION tidemill.drain_queue(p_queue text, p_by text) IS 'The queue takes no new jobs until it is resumed; what is there runs to its end.';

CREATE FUNCTION tidemill.drop_limit(p_name text) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
begin
  delete from limits where name = p_name;
  if not found then
    return false;
  end if;
  delete from limit_buckets where key = p_name or split_part(key, ':', 1) = p_name;
  perform limits_changed(p_name);
  return true;
end
$$;

COMMENT ON FUNCTION tidemill.drop_limit(p_name text) IS 'Removes a limit; false if there is none of that name. Its jobs go on without.';

CREATE FUNCTION tidemill.drop_partition(p_retention interval) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    SET lock_timeout TO '500ms'
    AS $_$
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
$_$;

COMMENT ON FUNCTION tidemill.drop_partition(p_retention interval) IS 'Drops the oldest day of history that the retention has passed and nobody reads; answers its name, null if there is none. Never waits longer than half a second for a lock; commit at once.';

CREATE FUNCTION tidemill.end_workflow(p_job tidemill.jobs) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
declare
  bad text;
  how_many bigint;
begin
  select string_agg(coalesce(d.name, d.parent_id::text), ', ' order by d.ord) filter (where d.nth <= 5), max(d.nth)
  into bad, how_many
  from (
    select *, row_number() over (order by ord) as nth
    from dependencies
    where job_id = p_job.id
      and outcome in ('failed', 'cancelled')
  ) d;
  p_job.state := case
    when p_job.cancel_requested_at is not null then 'cancelled'
    when bad is not null then 'failed'
    else 'completed'
  end;
  if p_job.state = 'completed' then
    select case w.result_is
        when 'array' then coalesce(jsonb_agg(j.result order by d.ord) filter (where d.parent_id is not null), '[]')
        else coalesce(jsonb_object_agg(coalesce(d.name, d.parent_id::text), j.result) filter (where d.parent_id is not null), '{}')
      end
    into p_job.result
    from workflows w
    left join dependencies d on d.job_id = w.id
    left join jobs j on j.id = d.parent_id
    where w.id = p_job.id
    group by w.result_is;
  elsif bad is not null then
    p_job.error := jsonb_build_object('type', 'workflow_failed', 'permanent', true,
      'message', format('%s of its jobs did not complete: %s%s', how_many, bad, case when how_many > 5 then ', …' else '' end));
  end if;
  perform archive(p_job);
end
$$;

COMMENT ON FUNCTION tidemill.end_workflow(p_job tidemill.jobs) IS 'Ends a locked workflow whose members have all ended: with their results, or with those that failed.';

CREATE FUNCTION tidemill.enqueue(kind text, args jsonb DEFAULT '{}'::jsonb, queue text DEFAULT NULL::text, priority integer DEFAULT NULL::integer, run_at timestamp with time zone DEFAULT NULL::timestamp with time zone, delay interval DEFAULT NULL::interval, max_attempts integer DEFAULT NULL::integer, soft_timeout interval DEFAULT NULL::interval, hard_timeout interval DEFAULT NULL::interval, execution_id text DEFAULT NULL::text, tags text[] DEFAULT NULL::text[], metadata jsonb DEFAULT NULL::jsonb, retain interval DEFAULT NULL::interval, concurrency_key text[] DEFAULT NULL::text[], fair_key text DEFAULT NULL::text, unique_by jsonb DEFAULT NULL::jsonb, expires_at timestamp with time zone DEFAULT NULL::timestamp with time zone, expires_in interval DEFAULT NULL::interval) RETURNS uuid
    LANGUAGE sql
    SET search_path TO 'tidemill'
    AS $$
  select enqueue_many(jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
    'kind', kind, 'queue', queue, 'priority', priority, 'run_at', run_at, 'delay', delay,
    'max_attempts', max_attempts, 'soft_timeout', soft_timeout, 'hard_timeout', hard_timeout,
    'execution_id', execution_id, 'tags', to_jsonb(tags), 'retain', retain,
    'concurrency_key', to_jsonb(concurrency_key), 'fair_key', fair_key,
    'unique', unique_by, 'expires_at', expires_at, 'expires_in', expires_in))
    -- Outside of the stripping: nulls inside args and metadata are the caller's.
    || jsonb_build_object('args', args)
    || case when metadata is null then '{}'::jsonb else jsonb_build_object('metadata', metadata) end))
$$;

COMMENT ON FUNCTION tidemill.enqueue(kind text, args jsonb, queue text, priority integer, run_at timestamp with time zone, delay interval, max_attempts integer, soft_timeout interval, hard_timeout interval, execution_id text, tags text[], metadata jsonb, retain interval, concurrency_key text[], fair_key text, unique_by jsonb, expires_at timestamp with time zone, expires_in interval) IS 'Enqueues one job in your transaction: it commits or vanishes with it. select enqueue(''send-mail'', ''{"to": "x"}'', delay => ''5 min'').';

CREATE FUNCTION tidemill.enqueue_many(p_jobs jsonb) RETURNS SETOF uuid
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
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
        tags jsonb, metadata jsonb, retain interval, concurrency_key jsonb, fair_key text,
        "unique" jsonb, expires_at timestamptz, expires_in interval)
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
        array_agg(extract(epoch from retain)::double precision order by ord) as retains,
        array_agg(options_of(concurrency_key, fair_key, "unique", expires_at, expires_in) order by ord) as options
      from wished
    ) w
    cross join lateral insert_jobs(
      w.ids, w.kinds, w.args, w.queues, w.priorities, w.run_ats, w.delays, w.max_attempts,
      w.soft_timeouts, w.hard_timeouts, w.execution_ids, w.tags, w.metadata, w.retains, false, w.options) i
    order by i.ord
  loop
    if made.outcome not in ('created', 'existing', 'replaced') then
      raise exception 'job % of the call was refused: %', made.ord, made.outcome
        using errcode = case made.outcome when 'conflict' then 'unique_violation' else 'invalid_parameter_value' end,
          hint = case made.outcome
            when 'queue_draining' then format('queue %s takes no new jobs; select resume_queue(%L)', made.queue, made.queue)
            when 'conflict' then format('job %s has its unique key; on_conflict = keep answers that one', made.id)
            when 'execution_id_taken' then 'another job has this execution id; find it in task_ids'
          end;
    end if;
    -- Equal messages of one transaction are sent once.
    if made.outcome = 'created' then
      perform tell(case when made.state = 'available' then 'q:' else 'g:' end || made.queue);
    end if;
    return next made.id;
  end loop;
end
$$;

COMMENT ON FUNCTION tidemill.enqueue_many(p_jobs jsonb) IS 'Enqueues an array of {kind, args, queue, priority, run_at, delay, max_attempts, soft_timeout, hard_timeout, execution_id, tags, metadata, retain, concurrency_key, fair_key, unique, expires_at, expires_in} in your transaction, all or none; answers their ids in order, for one that is not unique that of the existing job.';

CREATE TABLE tidemill.schedules (
    name text NOT NULL,
    cron text,
    every interval,
    at timestamp with time zone,
    timezone text DEFAULT 'UTC'::text NOT NULL,
    job jsonb NOT NULL,
    missed text DEFAULT 'one'::text NOT NULL,
    missed_limit integer DEFAULT 10 NOT NULL,
    overlap text DEFAULT 'skip'::text NOT NULL,
    jitter interval DEFAULT '00:00:00'::interval NOT NULL,
    paused_at timestamp with time zone,
    paused_by text,
    source text DEFAULT 'sql'::text NOT NULL,
    anchor_at timestamp with time zone DEFAULT now() NOT NULL,
    next_at timestamp with time zone,
    upcoming timestamp with time zone[] DEFAULT '{}'::timestamp with time zone[] NOT NULL,
    last_slot_at timestamp with time zone,
    unfinished uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    problem text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT schedules_are_named CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'::text)),
    CONSTRAINT schedules_at_is_in_reach CHECK (((at >= '2000-01-01 00:00:00+00'::timestamp with time zone) AND (at < '2200-01-01 00:00:00+00'::timestamp with time zone))),
    CONSTRAINT schedules_cron_is_short CHECK (((length(cron) >= 1) AND (length(cron) <= 255))),
    CONSTRAINT schedules_every_is_1_second_to_10_years_without_months CHECK ((((every >= '00:00:01'::interval) AND (every <= '3660 days'::interval)) AND (EXTRACT(year FROM every) = (0)::numeric) AND (EXTRACT(month FROM every) = (0)::numeric))),
    CONSTRAINT schedules_have_one_of_cron_every_at CHECK ((num_nonnulls(cron, every, at) = 1)),
    CONSTRAINT schedules_jitter_is_in_reach CHECK (((jitter >= '00:00:00'::interval) AND (jitter <= '1 day'::interval))),
    CONSTRAINT schedules_job_is_a_template CHECK (((jsonb_typeof(job) = 'object'::text) AND (COALESCE((job ->> 'kind'::text), ''::text) ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'::text) AND (COALESCE(jsonb_typeof((job -> 'args'::text)), 'object'::text) = 'object'::text) AND (COALESCE(jsonb_typeof((job -> 'metadata'::text)), 'object'::text) = 'object'::text) AND (COALESCE(jsonb_typeof((job -> 'tags'::text)), 'array'::text) = 'array'::text) AND ((job - '{kind,args,queue,priority,max_attempts,soft_timeout,hard_timeout,tags,metadata,retain}'::text[]) = '{}'::jsonb))),
    CONSTRAINT schedules_missed_is_known CHECK ((missed = ANY (ARRAY['skip'::text, 'one'::text, 'all'::text]))),
    CONSTRAINT schedules_missed_limit_is_1_to_1000 CHECK (((missed_limit >= 1) AND (missed_limit <= 1000))),
    CONSTRAINT schedules_overlap_is_known CHECK ((overlap = ANY (ARRAY['skip'::text, 'queue'::text, 'allow'::text, 'cancel'::text]))),
    CONSTRAINT schedules_paused_by_somebody CHECK (((paused_at IS NULL) = (paused_by IS NULL))),
    CONSTRAINT schedules_source_is_known CHECK ((source = ANY (ARRAY['config'::text, 'api'::text, 'sql'::text]))),
    CONSTRAINT schedules_timezone_is_short CHECK (((length(timezone) >= 1) AND (length(timezone) <= 63)))
)
WITH (fillfactor='50');

COMMENT ON TABLE tidemill.schedules IS 'What is enqueued by the clock; act on it through set_schedule and its siblings.';

COMMENT ON COLUMN tidemill.schedules.name IS 'The schedule.';

COMMENT ON COLUMN tidemill.schedules.cron IS 'Cron text of five fields, or six with seconds first; docs/schedules.md says how it is read.';

COMMENT ON COLUMN tidemill.schedules.every IS 'Time from slot to slot, counted from anchor_at.';

COMMENT ON COLUMN tidemill.schedules.at IS 'The one time at which it falls due.';

COMMENT ON COLUMN tidemill.schedules.timezone IS 'Zone of the cron text, by its name in the tz database.';

COMMENT ON COLUMN tidemill.schedules.job IS 'The job that it makes, as enqueue_many takes it, without run_at, delay and execution_id.';

COMMENT ON COLUMN tidemill.schedules.missed IS 'Which slots fire that nobody looked at in time: skip (none), one (the latest) or all (the latest missed_limit).';

COMMENT ON COLUMN tidemill.schedules.missed_limit IS 'How many missed slots fire at most, where missed is all.';

COMMENT ON COLUMN tidemill.schedules.overlap IS 'What happens to a slot while an earlier job is not finished: skip, queue (one is held), allow, or cancel (the earlier one).';

COMMENT ON COLUMN tidemill.schedules.jitter IS 'By up to so much later a slot''s job may start; the share is fixed by name and slot.';

COMMENT ON COLUMN tidemill.schedules.paused_at IS 'Since when it does not fire.';

COMMENT ON COLUMN tidemill.schedules.paused_by IS 'Who paused it.';

COMMENT ON COLUMN tidemill.schedules.source IS 'Who wrote it last: config, api or sql.';

COMMENT ON COLUMN tidemill.schedules.anchor_at IS 'Slots of an interval are this plus a multiple of it; when its times were last changed.';

COMMENT ON COLUMN tidemill.schedules.next_at IS 'The first slot that has not fired; null until it is computed, infinity if none comes.';

COMMENT ON COLUMN tidemill.schedules.upcoming IS 'The next five slots.';

COMMENT ON COLUMN tidemill.schedules.last_slot_at IS 'The last slot that was judged.';

COMMENT ON COLUMN tidemill.schedules.unfinished IS 'Its jobs that were not finished when it last enqueued one, at most 1,000.';

COMMENT ON COLUMN tidemill.schedules.problem IS 'Why it cannot be computed, or why its last slot could not be enqueued.';

COMMENT ON COLUMN tidemill.schedules.created_at IS 'When it was made.';

COMMENT ON COLUMN tidemill.schedules.updated_at IS 'When somebody last changed it.';

CREATE FUNCTION tidemill.enqueue_scheduled(p_schedule tidemill.schedules, p_metadata jsonb, p_run_at timestamp with time zone) RETURNS uuid
    LANGUAGE sql
    SET search_path TO 'tidemill'
    AS $$
  select id
  from enqueue_many(jsonb_build_array(
    p_schedule.job
    || jsonb_build_object(
      'metadata', coalesce(p_schedule.job -> 'metadata', '{}') || jsonb_build_object('schedule', p_schedule.name) || p_metadata,
      'run_at', p_run_at))) as id
$$;

COMMENT ON FUNCTION tidemill.enqueue_scheduled(p_schedule tidemill.schedules, p_metadata jsonb, p_run_at timestamp with time zone) IS 'Enqueues a schedule''s job, marked with the schedule; answers its id.';

CREATE FUNCTION tidemill.ensure_partitions(p_days_ahead integer DEFAULT 14) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    SET lock_timeout TO '500ms'
    AS $$
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

COMMENT ON FUNCTION tidemill.ensure_partitions(p_days_ahead integer) IS 'Makes the day partitions of jobs, events and attempts up to the given number of days ahead (UTC days); answers how many were new.';

CREATE FUNCTION tidemill.ensure_today() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
begin
  if to_regclass(to_char(clock_timestamp() at time zone 'UTC', '"events_"YYYY_MM_DD')) is null then
    perform ensure_partitions();
  end if;
end
$$;

COMMENT ON FUNCTION tidemill.ensure_today() IS 'Makes the partitions of today if no keeper made them ahead.';

CREATE FUNCTION tidemill.expire(p_limit integer DEFAULT 500) RETURNS SETOF uuid
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
declare
  j jobs;
begin
  for j in
    select *
    from jobs_live
    where expires_at < clock_timestamp()
      and started_at is null
      and state in ('available', 'waiting')
    order by expires_at
    limit p_limit
    for update skip locked
  loop
    begin
      j.state := 'cancelled';
      j.cancel_requested_at := coalesce(j.cancel_requested_at, clock_timestamp());
      j.error := jsonb_build_object('type', 'expired', 'permanent', true,
        'message', format('nothing started it before it expired at %s',
          to_char(j.expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')));
      perform append_event(j.id, j.attempt, 'expired', jsonb_build_object('expires_at', j.expires_at));
      perform archive(j);
      return next j.id;
    exception when others then
      -- One bad row never stops the rest.
      raise warning 'job % expired and could not be cancelled: %', j.id, sqlerrm;
    end;
  end loop;
end
$$;

COMMENT ON FUNCTION tidemill.expire(p_limit integer) IS 'Cancels jobs that were not started before they expired; one that was started once goes on. Answers which; sweep() calls it.';

CREATE FUNCTION tidemill.extend_attempt(p_job uuid, p_lease uuid, p_by interval) RETURNS timestamp with time zone
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
declare
  j jobs;
  due timestamptz;
begin
  -- The fence: whoever lost the lease changes nothing.
  update jobs_live l
  set
    hard_timeout = least(coalesce(l.hard_timeout, k.hard_timeout, '24 hours') + p_by, '100 years'),
    soft_timeout = least(coalesce(l.soft_timeout, k.soft_timeout) + p_by, '100 years')
  from (select) as one
  left join kinds k on k.name = (select kind from jobs_live where id = p_job)
  where l.id = p_job
    and l.lease_id = p_lease
    and l.state = 'running'
  returning l.* into j;
  if j.id is null then
    return null;
  end if;
  update running
  set deadline_at = deadline_at + p_by
  where job_id = p_job
    and lease_id = p_lease
  returning deadline_at into due;
  perform append_event(j.id, j.attempt, 'extended', jsonb_build_object(
    'by_seconds', extract(epoch from p_by),
    'hard_timeout_seconds', extract(epoch from j.hard_timeout),
    'soft_timeout_seconds', extract(epoch from j.soft_timeout)));
  return due;
end
$$;

COMMENT ON FUNCTION tidemill.extend_attempt(p_job uuid, p_lease uuid, p_by interval) IS 'Gives a running attempt that much more time before its soft and its hard timeout; answers from when on the sweep would end it, null if the lease is lost.';

CREATE FUNCTION tidemill.fill_key(p_template text, p_args jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    AS $$
declare
  named text[];
begin
  if strpos(p_template, '{') = 0 then
    return p_template;
  end if;
  for named in select regexp_matches(p_template, '\{([A-Za-z0-9_.-]+)\}', 'g') loop
    p_template := replace(p_template, '{' || named[1] || '}', coalesce(p_args ->> named[1], ''));
  end loop;
  return p_template;
end
$$;

COMMENT ON FUNCTION tidemill.fill_key(p_template text, p_args jsonb) IS 'A key with {name} replaced by that arg: tenant:{tenant_id}.';

CREATE FUNCTION tidemill.fill_keys(p_templates jsonb, p_args jsonb) RETURNS text[]
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'tidemill'
    AS $$
  select array_agg(distinct key order by key)
  from jsonb_array_elements_text(p_templates) as t (template)
  cross join lateral fill_key(t.template, p_args) as f (key)
$$;

COMMENT ON FUNCTION tidemill.fill_keys(p_templates jsonb, p_args jsonb) IS 'All keys of an array, filled from the args, each once and in order; null if there are none.';

CREATE FUNCTION tidemill.fire_schedule(p_name text, p_slot timestamp with time zone, p_next_at timestamp with time zone, p_upcoming timestamp with time zone[], p_missed text DEFAULT NULL::text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
declare
  s schedules;
begin
  if p_next_at <= p_slot then
    raise exception 'the slot after % cannot be %', p_slot, p_next_at using errcode = 'invalid_parameter_value';
  end if;
  perform release_slot(p_name);
  -- Whoever has the row locked fires it; waiting would keep this scheduler from the others.
  select * into s
  from schedules
  where name = p_name
    and next_at = p_slot
    and paused_at is null
    and next_at <= clock_timestamp()
  for update skip locked;
  if not found then
    return null;
  end if;
  update schedules
  set next_at = coalesce(p_next_at, 'infinity'), upcoming = p_upcoming, last_slot_at = p_slot
  where name = p_name;
  if exists (select from schedule_slots where schedule = p_name and slot = p_slot) then
    return 'repeated';
  end if;
  delete from schedule_slots
  where schedule = p_name
    and slot < p_slot - greatest(interval '1 day', 1000 * (p_next_at - p_slot))
    and outcome <> 'held';
  if p_missed is not null then
    insert into schedule_slots (schedule, slot, outcome, reason) values (p_name, p_slot, 'missed', p_missed);
    return 'missed';
  end if;
  return judge_slot(s, p_slot);
end
$$;

COMMENT ON FUNCTION tidemill.fire_schedule(p_name text, p_slot timestamp with time zone, p_next_at timestamp with time zone, p_upcoming timestamp with time zone[], p_missed text) IS 'Fires a slot that is due and moves the schedule on to the next, or records it as missed for the given reason. Answers what became of it, repeated if it fired before, null if it is not its turn.';

CREATE FUNCTION tidemill.full_keys() RETURNS text[]
    LANGUAGE sql
    SET search_path TO 'tidemill'
    SET enable_hashjoin TO 'on'
    AS $$
  select coalesce(array_agg(full_key.key), '{}')
  from (
    select busy.key
    from (
      select k.key, count(*) as running
      from running r
      cross join unnest(r.concurrency_keys) as k (key)
      where r.concurrency_keys is not null
      group by k.key
    ) busy
    left join limits exact on exact.name = busy.key
    left join limits class on class.name = split_part(busy.key, ':', 1)
    -- As limit_of has it.
    where busy.running >= case when exact.name is not null then exact.max_running else class.max_running end
      and busy.key not like 'queue:%'
    union all
    -- Shared by many groups, each of which would be looked at in vain.
    select l.name
    from limits l
    where l.rate is not null
      and l.name not like 'queue:%'
      and tokens_of(l.name, l) < 1
  ) full_key
$$;

COMMENT ON FUNCTION tidemill.full_keys() IS 'The concurrency keys of which no more job may start now, as far as they are cheap to tell.';

CREATE FUNCTION tidemill.group_of(p_concurrency_keys text[], p_fair_key text) RETURNS uuid
    LANGUAGE sql IMMUTABLE
    AS $$
  -- The separators cannot stand in keys.
  select case
    when p_concurrency_keys is not null or p_fair_key is not null
      then md5(concat(p_fair_key, e'\x1e', array_to_string(p_concurrency_keys, e'\x1f')))::uuid
  end
$$;

COMMENT ON FUNCTION tidemill.group_of(p_concurrency_keys text[], p_fair_key text) IS 'The group of jobs with these keys; null if there are none.';

CREATE FUNCTION tidemill.held_by(p_key text, p_terms jsonb, p_new uuid, p_batch uuid[]) RETURNS uuid
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
declare
  held unique_keys;
  j jobs;
  status text;
begin
  select * into held from unique_keys where key = p_key;
  -- One of the same call is not there yet, and will be.
  if held.job_id is null or held.job_id = any(p_batch) then
    return held.job_id;
  end if;
  select * into j from jobs_live where id = held.job_id;
  if not found then
    -- All partitions in one look: it may just move from the one to the other.
    select * into j from jobs where id = held.job_id;
  end if;
  if j.id is null or j.unique_key is distinct from p_key
    or j.created_at <= now() - make_interval(secs => (p_terms ->> 'window')::double precision)
  then
    return null;
  end if;
  status := shown_state(j.state, j.attempt, j.run_at, j.due_at);
  if p_terms -> 'states' ? status then
    return j.id;
  end if;
  if status = 'running' then
    -- It must not come back into the queue; settle_attempt looks here.
    update unique_keys
    set supersedes = array(select r.job_id from running r where r.job_id = any(supersedes || j.id))
    where key = p_key;
  elsif status = 'retrying' then
    perform from jobs_live where id = j.id and state <> 'running' for update skip locked;
    if found then
      perform cancel(j.id, format('superseded by %s', p_new), 'tidemill');
    end if;
  end if;
  return null;
end
$$;

COMMENT ON FUNCTION tidemill.held_by(p_key text, p_terms jsonb, p_new uuid, p_batch uuid[]) IS 'The job for whose sake a new one with this locked key cannot be, null if there is none; then an older one that the terms let pass gives way.';

CREATE FUNCTION tidemill.held_slots() RETURNS TABLE(schedule text, slot timestamp with time zone, is_ready boolean)
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill'
    AS $$
  select h.schedule, h.slot, s.overlap in ('allow', 'cancel') or unfinished_jobs(s) = '{}'
  from schedule_slots h
  join schedules s on s.name = h.schedule
  where h.outcome = 'held'
    and s.paused_at is null
$$;

COMMENT ON FUNCTION tidemill.held_slots() IS 'The slots that wait for the end of an earlier job, and whether it has ended.';

CREATE FUNCTION tidemill.hold(p_job tidemill.jobs, p_wait jsonb) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
declare
  parents uuid[] := array(select jsonb_array_elements_text(p_wait -> 'parents')::uuid);
begin
  update jobs_live
  set
    state = 'waiting',
    run_at = 'infinity',
    due_at = case when p_job.group_id is not null then 'infinity'::timestamptz end,
    attempt = p_job.attempt,
    error = p_job.error,
    lease_id = null,
    worker_id = null,
    last_lease_id = coalesce(p_job.lease_id, p_job.last_lease_id),
    last_worker_id = coalesce(p_job.worker_id, p_job.last_worker_id)
  where id = p_job.id;
  delete from running where job_id = p_job.id;
  insert into waits (job_id, run_if, signal, until)
  values (
    p_job.id,
    coalesce(p_wait ->> 'run_if', 'all_finished'),
    p_wait ->> 'signal',
    clock_timestamp() + make_interval(secs => (p_wait ->> 'timeout_seconds')::double precision))
  on conflict (job_id) do update
  set run_if = excluded.run_if, signal = excluded.signal, until = excluded.until, run_at = null, delay = null, since = clock_timestamp();
  perform link_jobs(array_fill(p_job.id, array[cardinality(parents)]), parents)
  where cardinality(parents) > 0;
  -- What it waits for may be there already.
  if (case
    when p_wait ? 'signal' then exists (select 1 from signals s where s.job_id = p_job.id and s.name = p_wait ->> 'signal')
    else wait_verdict(p_job.id, coalesce(p_wait ->> 'run_if', 'all_finished')) <> 'wait'
  end) then
    perform let_go(p_job.id);
  end if;
  return (select state::text from jobs_live where id = p_job.id);
end
$$;

COMMENT ON FUNCTION tidemill.hold(p_job tidemill.jobs, p_wait jsonb) IS 'Makes a locked live job wait for {signal, timeout_seconds} or {parents, run_if}, and goes on at once if that is there. Answers its state.';

CREATE FUNCTION tidemill.insert_jobs(p_ids uuid[], p_kinds text[], p_args jsonb[], p_queues text[], p_priorities smallint[], p_run_ats timestamp with time zone[], p_delay_seconds double precision[], p_max_attempts integer[], p_soft_timeout_seconds double precision[], p_hard_timeout_seconds double precision[], p_execution_ids text[], p_tags jsonb[], p_metadata jsonb[], p_retain_seconds double precision[], p_strict boolean, p_options jsonb[] DEFAULT NULL::jsonb[]) RETURNS TABLE(ord bigint, id uuid, outcome text, queue text, priority smallint, max_attempts integer, run_at timestamp with time zone, created_at timestamp with time zone, state tidemill.job_state, concurrency_keys text[], fair_key text, expires_at timestamp with time zone)
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
#variable_conflict use_column
declare
  verdicts jsonb;
  -- What a full limit does not let in.
  doomed uuid[];
begin
  -- Only who asks for it pays for it.
  if exists (select from unnest(p_options) as o (options) where o.options ? 'unique')
    or exists (select from kinds k where k.defaults ? 'unique' and k.name = any(p_kinds))
  then
    verdicts := take_unique_keys(
      array(
        select unique_wishes(
          p_ids, p_kinds, p_args, p_queues, p_priorities, p_run_ats, p_delay_seconds, p_max_attempts,
          p_execution_ids, p_tags, p_metadata, p_strict, p_options)),
      p_ids);
  end if;
  if verdicts is null then
    doomed := make_room(p_ids, p_kinds, p_args, p_options);
  else
    -- A job that will not be needs no room.
    select make_room(
      array_agg(i.id order by i.ord), array_agg(i.kind order by i.ord), array_agg(i.args order by i.ord),
      array_agg(i.options order by i.ord))
    into doomed
    from unnest(p_ids, p_kinds, p_args, p_options) with ordinality as i (id, kind, args, options, ord)
    left join jsonb_to_recordset(verdicts) as v (ord bigint, outcome text) on v.ord = i.ord
    where v.outcome is null;
  end if;
  return query
  with input as materialized (
    select
      i.ord, i.id, i.kind, i.args, i.execution_id, i.metadata,
      coalesce(i.queue, k.queue, 'default') as queue,
      coalesce(i.priority, k.priority, 5::smallint) as priority,
      coalesce(i.max_attempts, k.max_attempts, 5) as max_attempts,
      coalesce(v.run_at, i.run_at, now() + make_interval(secs => coalesce(i.delay_seconds, 0))) as run_at,
      make_interval(secs => i.soft_timeout_seconds) as soft_timeout,
      make_interval(secs => i.hard_timeout_seconds) as hard_timeout,
      coalesce(make_interval(secs => i.retain_seconds), k.retain) as retain,
      case when i.tags is null then '{}'::text[] else array(select jsonb_array_elements_text(i.tags)) end as tags,
      k.name is null as unknown_kind,
      v.unique_key,
      v.outcome as verdict,
      v.holder,
      coalesce(k.defaults || i.options, k.defaults, i.options) as options
    from unnest(
        p_ids, p_kinds, p_args, p_queues, p_priorities, p_run_ats, p_delay_seconds, p_max_attempts,
        p_soft_timeout_seconds, p_hard_timeout_seconds, p_execution_ids, p_tags, p_metadata, p_retain_seconds, p_options)
      with ordinality as i (
        id, kind, args, queue, priority, run_at, delay_seconds, max_attempts,
        soft_timeout_seconds, hard_timeout_seconds, execution_id, tags, metadata, retain_seconds, options, ord)
    left join kinds k on k.name = i.kind
    left join jsonb_to_recordset(verdicts) as v (ord bigint, unique_key text, run_at timestamptz, outcome text, holder uuid)
      on v.ord = i.ord
  ),
  -- What most jobs do not have.
  optional as materialized (
    select o.*, group_of(o.concurrency_keys, o.fair_key) as group_id
    from (
      select
        i.ord,
        fill_keys(i.options -> 'concurrency_keys', i.args) as concurrency_keys,
        fill_key(i.options ->> 'fair_key', i.args) as fair_key,
        coalesce(
          (i.options ->> 'expires_at')::timestamptz,
          now() + make_interval(secs => (i.options ->> 'expires_in_seconds')::double precision)) as expires_at
      from input i
      where i.options is not null
    ) o
  ),
  judged as materialized (
    select
      i.*,
      o.concurrency_keys,
      o.fair_key,
      o.expires_at,
      o.group_id,
      case
        when p_strict and i.unknown_kind then 'unknown_kind'
        when q.draining_at is not null then 'queue_draining'
        else i.verdict
      end as refusal
    from input i
    left join optional o on o.ord = i.ord
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
      id, kind, queue, state, priority, max_attempts, run_at, args, execution_id, tags, metadata,
      soft_timeout, hard_timeout, retain, concurrency_keys, fair_key, group_id, due_at, expires_at, unique_key)
    select
      j.id, j.kind, j.queue,
      case when j.group_id is null then 'available' else 'waiting' end::job_state,
      j.priority, j.max_attempts,
      case when j.group_id is null then j.run_at else 'infinity' end,
      j.args, j.execution_id, j.tags, j.metadata,
      j.soft_timeout, j.hard_timeout, j.retain, j.concurrency_keys, j.fair_key, j.group_id,
      case when j.group_id is not null then j.run_at end,
      j.expires_at, j.unique_key
    from judged j
    where j.refusal is null
      and (j.execution_id is null or j.id in (select n.job_id from named n))
    order by j.ord
    returning id, created_at, state, queue, priority, group_id, concurrency_keys, due_at
  ),
  lined_up as (
    insert into turns as t (queue, priority, group_id, concurrency_keys, ready_at)
    select n.queue, n.priority, n.group_id, coalesce(n.concurrency_keys, '{}'), min(n.due_at)
    from inserted n
    where n.group_id is not null
    group by n.queue, n.priority, n.group_id, n.concurrency_keys
    order by n.queue, n.priority, n.group_id
    on conflict (queue, priority, group_id) do update
    set ready_at = least(t.ready_at, excluded.ready_at)
  )
  select
    j.ord, coalesce(j.holder, j.id),
    coalesce(j.refusal, case when n.id is null then 'execution_id_taken' else 'created' end),
    j.queue, j.priority, j.max_attempts, j.run_at, n.created_at,
    case when j.id = any(doomed) then 'cancelled' else n.state end,
    j.concurrency_keys, j.fair_key, j.expires_at
  from judged j
  left join inserted n on n.id = j.id
  order by j.ord;
  -- What replaces fields of jobs that came in the same call.
  perform replace_fields(v.holder, v.fields)
  from jsonb_to_recordset(verdicts) as v (ord bigint, holder uuid, fields jsonb)
  where v.fields is not null
  order by v.ord;
  perform cancel(d.id, 'a limit is full and cancels the newest', 'limit')
  from unnest(doomed) as d (id);
end
$$;

COMMENT ON FUNCTION tidemill.insert_jobs(p_ids uuid[], p_kinds text[], p_args jsonb[], p_queues text[], p_priorities smallint[], p_run_ats timestamp with time zone[], p_delay_seconds double precision[], p_max_attempts integer[], p_soft_timeout_seconds double precision[], p_hard_timeout_seconds double precision[], p_execution_ids text[], p_tags jsonb[], p_metadata jsonb[], p_retain_seconds double precision[], p_strict boolean, p_options jsonb[]) IS 'The one way into the jobs table: fills defaults from the kind, refuses draining queues, taken execution ids and jobs that would not be unique (their id is that of the existing job); wakes nobody. p_options has for each job null or {unique, concurrency_keys, fair_key, expires_at, expires_in_seconds}.';

CREATE FUNCTION tidemill.judge_slot(p_schedule tidemill.schedules, p_slot timestamp with time zone) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
declare
  open uuid[] := unfinished_jobs(p_schedule);
  busy text := format('job %s is not finished', open[cardinality(open)]);
  -- The same for the same slot, on every machine.
  share double precision := (hashtextextended(p_schedule.name || extract(epoch from p_slot)::text, 0) & 9007199254740991) / 9007199254740992.0;
  made uuid;
  failure text;
  verdict text := 'enqueued';
begin
  if open <> '{}' and p_schedule.overlap = 'skip' then
    verdict := 'skipped';
  elsif open <> '{}' and p_schedule.overlap = 'queue' then
    verdict := 'held';
    if exists (select from schedule_slots where schedule = p_schedule.name and outcome = 'held') then
      verdict := 'skipped';
      busy := busy || ', and an earlier slot waits for it';
    end if;
  else
    begin
      if p_schedule.overlap = 'cancel' then
        perform cancel(u.id, format('schedule %s is due again', p_schedule.name), 'schedule ' || p_schedule.name)
        from unnest(open) as u (id);
      end if;
      made := enqueue_scheduled(p_schedule, jsonb_build_object('slot', p_slot), p_slot + p_schedule.jitter * share);
      open := open || made;
    exception when others then
      -- What passes by itself must not cost the slot: it is tried again.
      if left(sqlstate, 2) in ('08', '25', '40', '53', '55', '57', '58') then
        raise;
      end if;
      verdict := 'skipped';
      failure := sqlerrm;
    end;
  end if;
  -- If the slot is there already, this fails and takes the job with it.
  insert into schedule_slots (schedule, slot, outcome, job_id, reason)
  values (p_schedule.name, p_slot, verdict, made, case when verdict <> 'enqueued' then coalesce(failure, busy) end);
  update schedules set unfinished = open, problem = failure where name = p_schedule.name;
  return verdict;
end
$$;

COMMENT ON FUNCTION tidemill.judge_slot(p_schedule tidemill.schedules, p_slot timestamp with time zone) IS 'Decides by the overlap policy what becomes of a slot that is due, does it and records it. For a schedule whose row the caller has locked.';

CREATE FUNCTION tidemill.keep_config_schedules(p_names text[]) RETURNS SETOF text
    LANGUAGE sql
    SET search_path TO 'tidemill'
    AS $$
  delete from schedules where source = 'config' and name <> all (p_names) returning name
$$;

COMMENT ON FUNCTION tidemill.keep_config_schedules(p_names text[]) IS 'Removes the schedules that came from a config and are not among these; answers their names.';

CREATE FUNCTION tidemill.let_go(p_job uuid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
declare
  w waits;
  j jobs;
begin
  delete from waits where job_id = p_job returning * into w;
  select * into j from jobs_live where id = p_job and state = 'waiting' for update;
  if w.job_id is null or j.id is null then
    return;
  end if;
  perform queue_again(j, greatest(w.run_at, clock_timestamp() + coalesce(w.delay, '0')));
  perform tell(case when j.group_id is null then 'q:' else 'g:' end || j.queue);
end
$$;

COMMENT ON FUNCTION tidemill.let_go(p_job uuid) IS 'Puts a job that waited into its queue; one that does not wait stays as it is.';

CREATE TABLE tidemill.limits (
    name text NOT NULL,
    max_running integer,
    rate integer,
    rate_period interval,
    burst integer,
    on_full text DEFAULT 'queue'::text NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT limits_are_named CHECK ((name ~ '^(queue:)?[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'::text)),
    CONSTRAINT limits_cancel_counts CHECK (((on_full = 'queue'::text) OR ((max_running >= 1) AND (name !~~ 'queue:%'::text)))),
    CONSTRAINT limits_limit_something CHECK (((max_running IS NOT NULL) OR (rate IS NOT NULL))),
    CONSTRAINT limits_max_running_is_not_negative CHECK ((max_running >= 0)),
    CONSTRAINT limits_on_full_is_known CHECK ((on_full = ANY (ARRAY['queue'::text, 'cancel_newest'::text, 'cancel_oldest'::text]))),
    CONSTRAINT limits_rate_has_a_period CHECK ((((rate IS NULL) = (rate_period IS NULL)) AND ((rate IS NULL) = (burst IS NULL)))),
    CONSTRAINT limits_rate_is_sane CHECK (((rate >= 1) AND (burst >= 1) AND (rate_period > '00:00:00'::interval) AND (rate_period <= '1 year'::interval)))
);

COMMENT ON TABLE tidemill.limits IS 'How many jobs may run at once or start in a time, over all workers.';

COMMENT ON COLUMN tidemill.limits.name IS 'queue:NAME for a queue; else what stands before the colon in the concurrency keys of jobs.';

COMMENT ON COLUMN tidemill.limits.max_running IS 'Most jobs that run at once for each key; null: any number.';

COMMENT ON COLUMN tidemill.limits.rate IS 'Jobs that may start in each period, on average; null: any number.';

COMMENT ON COLUMN tidemill.limits.rate_period IS 'The period.';

COMMENT ON COLUMN tidemill.limits.burst IS 'Most jobs that may start at one moment after a quiet time.';

COMMENT ON COLUMN tidemill.limits.on_full IS 'What a new job does when the limit is reached: queue, cancel_newest (itself) or cancel_oldest (the one that came first).';

COMMENT ON COLUMN tidemill.limits.updated_at IS 'When somebody last changed it.';

CREATE FUNCTION tidemill.limit_of(p_key text) RETURNS tidemill.limits
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill'
    AS $$
  select l
  from limits l
  where l.name in (p_key, split_part(p_key, ':', 1))
    and l.name not like 'queue:%'
  order by l.name = p_key desc
  limit 1
$$;

COMMENT ON FUNCTION tidemill.limit_of(p_key text) IS 'The limit that a concurrency key counts for; all null if there is none.';

CREATE FUNCTION tidemill.limits_changed(p_name text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $_$
declare
  queue_name text := substring(p_name from '^queue:(.*)$');
begin
  if queue_name is not null then
    insert into queues (name) values (queue_name) on conflict do nothing;
    update queues q
    set limited = q.priority_ageing is not null or exists (select 1 from limits l where l.name = p_name)
    where q.name = queue_name;
  else
    -- Groups that were put off by the old limit look again.
    update turns t
    set ready_at = clock_timestamp()
    where t.ready_at > clock_timestamp()
      and exists (select 1 from unnest(t.concurrency_keys) k (key) where p_name in (k.key, split_part(k.key, ':', 1)));
  end if;
  perform tell('w:');
end
$_$;

COMMENT ON FUNCTION tidemill.limits_changed(p_name text) IS 'After a limit was set or dropped: claims begin or end to count, and workers look again.';

CREATE FUNCTION tidemill.line_up(p_queue text, p_priority smallint, p_group uuid, p_keys text[], p_due timestamp with time zone) RETURNS void
    LANGUAGE sql
    SET search_path TO 'tidemill'
    AS $$
  insert into turns as t (queue, priority, group_id, concurrency_keys, ready_at)
  values (p_queue, p_priority, p_group, coalesce(p_keys, '{}'), p_due)
  on conflict (queue, priority, group_id) do update
  set ready_at = least(t.ready_at, excluded.ready_at)
$$;

COMMENT ON FUNCTION tidemill.line_up(p_queue text, p_priority smallint, p_group uuid, p_keys text[], p_due timestamp with time zone) IS 'Notes that a group has a job that waits, from a time on.';

CREATE FUNCTION tidemill.link_jobs(p_jobs uuid[], p_parents uuid[], p_ords integer[] DEFAULT NULL::integer[], p_names text[] DEFAULT NULL::text[], p_pass_as text[] DEFAULT NULL::text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
declare
  unknown uuid;
begin
  -- A parent that is live stays so until the edge is committed, and tells of its end then.
  with parents as materialized (
    select id, awaited
    from jobs_live
    where id = any(p_parents)
    order by id
    for no key update
  )
  update jobs_live j
  set awaited = true
  from parents p
  where j.id = p.id
    and p.awaited is not true;
  select i.parent_id into unknown
  from unnest(p_parents) as i (parent_id)
  where not exists (select 1 from jobs j where j.id = i.parent_id)
  limit 1;
  if found then
    raise exception 'there is no job % to wait for', unknown
      using errcode = 'no_data_found', hint = 'a job can only wait for jobs that are kept';
  end if;
  insert into dependencies as d (job_id, parent_id, ord, name, pass_as, outcome, resolved_at)
  select
    i.job_id, i.parent_id, coalesce(i.ord, i.nth), i.name, i.pass_as,
    outcome_of(j), case when j.finished_at is not null then clock_timestamp() end
  from unnest(p_jobs, p_parents, p_ords, p_names, p_pass_as) with ordinality as i (job_id, parent_id, ord, name, pass_as, nth)
  join jobs j on j.id = i.parent_id
  order by i.job_id, i.parent_id
  on conflict (job_id, parent_id) do nothing;
end
$$;

COMMENT ON FUNCTION tidemill.link_jobs(p_jobs uuid[], p_parents uuid[], p_ords integer[], p_names text[], p_pass_as text[]) IS 'Makes jobs wait for others: job n of the arrays for parent n. A parent that has ended counts at once. Raises an error if there is no such parent.';

CREATE FUNCTION tidemill.lock_job(p_job uuid) RETURNS tidemill.jobs
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
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

COMMENT ON FUNCTION tidemill.lock_job(p_job uuid) IS 'The job, live or finished, locked so that it stays where it is; all null if there is none.';

CREATE FUNCTION tidemill.make_room(p_ids uuid[], p_kinds text[], p_args jsonb[], p_options jsonb[]) RETURNS uuid[]
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
declare
  wish record;
  victim uuid;
  admitted jsonb := '{}';
  doomed uuid[] := '{}';
begin
  -- Nothing to do, and nothing to pay, unless some limit cancels.
  if not exists (select 1 from limits where on_full <> 'queue') then
    return doomed;
  end if;
  perform pg_advisory_xact_lock(hashtext('tidemill key ' || current_schema()), hashtext(k.key))
  from (
    select distinct k.key
    from unnest(p_kinds, p_args, p_options) as i (kind, args, options)
    left join kinds d on d.name = i.kind
    cross join unnest(fill_keys(coalesce(i.options -> 'concurrency_keys', d.defaults -> 'concurrency_keys'), i.args)) as k (key)
    where (limit_of(k.key)).on_full <> 'queue'
    order by k.key
  ) k;
  for wish in
    select i.id, k.key, limit_of(k.key) as rule
    from unnest(p_ids, p_kinds, p_args, p_options) with ordinality as i (id, kind, args, options, ord)
    left join kinds d on d.name = i.kind
    cross join unnest(fill_keys(coalesce(i.options -> 'concurrency_keys', d.defaults -> 'concurrency_keys'), i.args)) as k (key)
    where (limit_of(k.key)).on_full <> 'queue'
    order by i.ord, k.key
  loop
    continue when wish.id = any(doomed);
    while (select count(*) from unfinished_of(wish.key)) + jsonb_array_length(coalesce(admitted -> wish.key, '[]'))
      >= (wish.rule).max_running
    loop
      if (wish.rule).on_full = 'cancel_newest' then
        doomed := doomed || wish.id;
        exit;
      end if;
      select u.id into victim from unfinished_of(wish.key) u order by u.created_at, u.id limit 1;
      if found then
        perform cancel(victim, format('superseded by job %s: the limit %s cancels the oldest', wish.id, (wish.rule).name), 'limit');
      else
        -- The oldest one came with the same call.
        doomed := doomed || (admitted -> wish.key ->> 0)::uuid;
        admitted := jsonb_set(admitted, array[wish.key], (admitted -> wish.key) - 0);
      end if;
    end loop;
    if not wish.id = any(doomed) then
      admitted := admitted || jsonb_build_object(wish.key, coalesce(admitted -> wish.key, '[]') || to_jsonb(wish.id));
    end if;
  end loop;
  return doomed;
end
$$;

COMMENT ON FUNCTION tidemill.make_room(p_ids uuid[], p_kinds text[], p_args jsonb[], p_options jsonb[]) IS 'Before jobs are inserted: cancels the oldest ones where a full limit says so; answers which of the new ones are to be cancelled themselves.';

CREATE FUNCTION tidemill.new_job_id() RETURNS uuid
    LANGUAGE sql
    AS $$
  -- UUIDv7 (RFC 9562): 48 bits of milliseconds since 1970, then random bits.
  select encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid())
        placing substring(int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
        from 1 for 6),
      52, 1), 53, 1),
    'hex')::uuid
$$;

COMMENT ON FUNCTION tidemill.new_job_id() IS 'A new UUIDv7.';

CREATE FUNCTION tidemill.next_period(p_terms jsonb, p_run_at timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE
    AS $$
  select to_timestamp((floor(extract(epoch from p_run_at) / (p_terms ->> 'period')::numeric) + 1) * (p_terms ->> 'period')::numeric)
$$;

COMMENT ON FUNCTION tidemill.next_period(p_terms jsonb, p_run_at timestamp with time zone) IS 'When the period after that of the given time begins.';

CREATE FUNCTION tidemill.note_ending() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
begin
  insert into endings (job_id) values (old.id) on conflict do nothing;
  return null;
end
$$;

COMMENT ON FUNCTION tidemill.note_ending() IS 'Notes that a job left the live ones for which others wait, whoever moved it, so that resolve() tells them.';

CREATE FUNCTION tidemill.options_of(p_concurrency_key jsonb, p_fair_key text, p_unique jsonb, p_expires_at timestamp with time zone, p_expires_in interval) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
  select nullif(
    jsonb_strip_nulls(jsonb_build_object(
      'concurrency_keys',
      case when jsonb_typeof(p_concurrency_key) = 'array' then p_concurrency_key
        when p_concurrency_key is not null then jsonb_build_array(p_concurrency_key) end,
      'fair_key', p_fair_key,
      'unique', p_unique,
      'expires_at', p_expires_at,
      'expires_in_seconds', extract(epoch from p_expires_in))),
    '{}')
$$;

COMMENT ON FUNCTION tidemill.options_of(p_concurrency_key jsonb, p_fair_key text, p_unique jsonb, p_expires_at timestamp with time zone, p_expires_in interval) IS 'What most jobs do not have, as insert_jobs takes it.';

CREATE FUNCTION tidemill.outcome_of(p_job tidemill.jobs) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
  select case
    when p_job.state = 'cancelled' and p_job.error ->> 'type' = 'skipped' then 'skipped'
    when p_job.finished_at is not null then p_job.state::text
  end
$$;

COMMENT ON FUNCTION tidemill.outcome_of(p_job tidemill.jobs) IS 'How a job ended, for those that wait for it; null while it is live.';

CREATE FUNCTION tidemill.passed_args(p_job uuid) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill'
    AS $$
  select coalesce(jsonb_object_agg(p.name, p.value), '{}')
  from (
    select
      rtrim(d.pass_as, '[]') as name,
      case
        when d.pass_as like '%[]' then jsonb_agg(j.result order by d.ord)
        else (jsonb_agg(j.result order by d.ord desc)) -> 0
      end as value
    from dependencies d
    left join jobs j on j.id = d.parent_id
    where d.job_id = p_job
      and d.pass_as is not null
    group by d.pass_as
  ) p
$$;

COMMENT ON FUNCTION tidemill.passed_args(p_job uuid) IS 'The results of a job''s parents under the names that it wants them as.';

CREATE FUNCTION tidemill.pause_queue(p_queue text, p_by text DEFAULT SESSION_USER) RETURNS void
    LANGUAGE sql
    SET search_path TO 'tidemill'
    AS $$
  insert into queues (name, paused_at, paused_by)
  values (p_queue, now(), p_by)
  on conflict (name) do update
  set paused_at = coalesce(queues.paused_at, now()), paused_by = coalesce(queues.paused_by, excluded.paused_by), updated_at = now()
$$;

COMMENT ON FUNCTION tidemill.pause_queue(p_queue text, p_by text) IS 'Nothing is claimed from the queue until it is resumed; what runs goes on.';

CREATE FUNCTION tidemill.pause_schedule(p_name text, p_by text DEFAULT SESSION_USER) RETURNS boolean
    LANGUAGE sql
    SET search_path TO 'tidemill'
    AS $$
  with paused as (
    update schedules
    set paused_at = coalesce(paused_at, now()), paused_by = coalesce(paused_by, p_by), updated_at = now()
    where name = p_name
    returning name
  )
  select exists (select from paused)
$$;

COMMENT ON FUNCTION tidemill.pause_schedule(p_name text, p_by text) IS 'The schedule does not fire until it is resumed. Answers whether there is one.';

CREATE FUNCTION tidemill.pick_in_order(p_queue text, p_kinds text[], p_room integer, p_ageing interval, p_priorities smallint[], p_run_ats timestamp with time zone[], p_ids uuid[]) RETURNS uuid[]
    LANGUAGE sql
    SET search_path TO 'tidemill'
    AS $$
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

COMMENT ON FUNCTION tidemill.pick_in_order(p_queue text, p_kinds text[], p_room integer, p_ageing interval, p_priorities smallint[], p_run_ats timestamp with time zone[], p_ids uuid[]) IS 'Locks due jobs without a group, by priority; each ageing interval that a job is due makes it one better.';

CREATE FUNCTION tidemill.pick_turns(p_queue text, p_kinds text[], p_room integer, p_worst_priority smallint, p_room_at_worst integer) RETURNS uuid[]
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    SET enable_hashjoin TO 'on'
    AS $$
declare
  began_at timestamptz := clock_timestamp();
  full_now text[] := full_keys();
  priorities smallint[];
  groups uuid[];
  -- Each group gets its share of the room before any gets more.
  share integer;
  picked uuid[];
begin
  -- Locked first, so that the next statement sees all that was lined up before; what is being lined up
  -- now is passed over, and its wake-up comes after its commit.
  select array_agg(t.priority), array_agg(t.group_id)
  into priorities, groups
  from (
    select t.priority, t.group_id
    from generate_series(1, p_worst_priority) as p (priority)
    cross join lateral (
      select t.priority, t.group_id
      from turns t
      where t.queue = p_queue
        and t.priority = p.priority
        and t.ready_at <= clock_timestamp()
        -- Written so that the full keys are looked up in a hash, however many there are.
        and not exists (select 1 from unnest(t.concurrency_keys) as k (key) where k.key in (select unnest(full_now)))
      order by t.ready_at, t.group_id
      limit p_room
      for no key update skip locked
    ) t
    limit p_room
  ) t;
  if groups is null then
    return '{}';
  end if;
  share := ceil(p_room::double precision / cardinality(groups));

  with visited as materialized (
    select v.priority, v.group_id, v.ord, t.concurrency_keys
    from unnest(priorities, groups) with ordinality as v (priority, group_id, ord)
    join turns t on t.queue = p_queue and t.priority = v.priority and t.group_id = v.group_id
  ),
  candidates as materialized (
    select v.priority, v.group_id, v.ord, v.concurrency_keys, c.id, c.nth
    from visited v
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
        limit share
        for update skip locked
      ) l
    ) c
  ),
  ranked as materialized (
    select c.id, k.key, row_number() over (partition by k.key order by c.priority, c.nth, c.ord) as nth
    from candidates c
    cross join unnest(c.concurrency_keys) as k (key)
  ),
  busy as materialized (
    select k.key, count(*) as running
    from running r
    cross join unnest(r.concurrency_keys) as k (key)
    where r.concurrency_keys is not null
    group by k.key
  ),
  rooms as materialized (
    select
      k.key,
      l.rule,
      case when (l.rule).rate is not null then tokens_of(k.key, l.rule) end as tokens,
      (l.rule).max_running - coalesce(b.running, 0) as slots
    from (select r.key from ranked r group by r.key) k
    left join busy b on b.key = k.key
    left join lateral (
      -- As limit_of has it, without a call for each.
      select l as rule
      from limits l
      where l.name in (k.key, split_part(k.key, ':', 1))
        and l.name not like 'queue:%'
      order by l.name = k.key desc
      limit 1
    ) l on true
  ),
  -- A job is counted for all its keys, also where one of them holds it back: never too many are let in.
  allowed as materialized (
    select c.id, c.priority, c.nth, c.ord, c.concurrency_keys
    from (
      select c.*, row_number() over (partition by c.priority order by c.nth, c.ord) as nth_of_priority
      from candidates c
      where not exists (
        select 1
        from ranked r
        join rooms m on m.key = r.key
        where r.id = c.id
          and (r.nth > m.slots or r.nth > floor(m.tokens))
      )
    ) c
    where c.priority < p_worst_priority
      or c.nth_of_priority <= p_room_at_worst
    order by c.priority, c.nth, c.ord
    limit p_room
  ),
  used as materialized (
    select k.key, count(*) as jobs
    from allowed a
    cross join unnest(a.concurrency_keys) as k (key)
    group by k.key
  ),
  spent as materialized (
    select count(spend(m.key, m.rule, u.jobs))
    from rooms m
    join used u on u.key = m.key
    where (m.rule).rate is not null
  ),
  seen as materialized (
    select c.ord, count(a.id) as jobs
    from candidates c
    left join allowed a on a.id = c.id
    group by c.ord
  ),
  -- How long the rates of its own keys hold a group back.
  holds as materialized (
    select
      v.ord,
      max(case
        when (m.rule).max_running = 0 then interval '1 minute'
        when (m.rule).name <> m.key then token_after(m.tokens - coalesce(u.jobs, 0), m.rule)
      end) as until
    from visited v
    cross join unnest(v.concurrency_keys) as k (key)
    join rooms m on m.key = k.key
    left join used u on u.key = m.key
    group by v.ord
  ),
  -- When each group is to be looked at again: behind all others once it had its turn, or when its next job
  -- or token falls due. One that is only kept waiting by full limits keeps its place.
  turned as (
    update turns t
    set ready_at = case
      when next.due_at is null then 'infinity'
      when next.due_at > began_at then next.due_at
      else began_at + coalesce(h.until, '0') + make_interval(secs => v.ord / 1e6)
        + case when s.jobs > 0 and h.until is not null then interval '1 millisecond' else '0' end
    end
    from visited v
    left join seen s on s.ord = v.ord
    left join holds h on h.ord = v.ord
    left join lateral (
      select j.due_at
      from jobs_live j
      where j.queue = p_queue
        and j.priority = v.priority
        and j.group_id = v.group_id
        and j.state = 'waiting'
        and (j.id in (select a.id from allowed a)) is not true
      order by j.due_at, j.id
      limit 1
    ) next on true
    where t.queue = p_queue
      and t.priority = v.priority
      and t.group_id = v.group_id
      and (s.jobs > 0 or s.ord is null or h.until > '0' or next.due_at is null or next.due_at > began_at)
  )
  select coalesce(array_agg(a.id), '{}')
  into picked
  from allowed a
  where (select count(*) from spent) = 1;
  return picked;
end
$$;

COMMENT ON FUNCTION tidemill.pick_turns(p_queue text, p_kinds text[], p_room integer, p_worst_priority smallint, p_room_at_worst integer) IS 'Locks jobs of groups whose turn it is and whose limits have room, and counts them; the caller claims them in the same transaction, under the lock of all limits.';

CREATE FUNCTION tidemill.prune(p_limit integer DEFAULT 5000) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
declare
  pruned bigint;
begin
  delete from idempotency_keys
  where key in (select key from idempotency_keys where expires_at < now() limit p_limit for update skip locked);
  perform prune_unique_keys(p_limit);
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

COMMENT ON FUNCTION tidemill.prune(p_limit integer) IS 'Removes finished jobs whose own retention ended, old idempotency keys, unique keys of jobs that are gone, and workers gone for a day; answers how many jobs. Repeat until 0.';

CREATE FUNCTION tidemill.prune_unique_keys(p_limit integer) RETURNS bigint
    LANGUAGE sql
    SET search_path TO 'tidemill'
    AS $$
  -- Those that nobody looked at for the longest time, so that all come round and each round is short.
  with oldest as materialized (
    select u.key, u.job_id
    from unique_keys u
    where u.seen_at < now() - interval '1 hour'
    order by u.seen_at
    limit p_limit
    for update skip locked
  ),
  kept as (
    update unique_keys u
    set seen_at = now()
    from oldest o
    where u.key = o.key
      and exists (select from jobs j where j.id = o.job_id)
  ),
  gone as (
    delete from unique_keys u
    using oldest o
    where u.key = o.key
      and not exists (select from jobs j where j.id = o.job_id)
    returning u.key
  )
  select count(*) from gone
$$;

COMMENT ON FUNCTION tidemill.prune_unique_keys(p_limit integer) IS 'Looks at the given number of unique keys and removes those whose job is gone; answers how many.';

CREATE FUNCTION tidemill.purge_queue(p_queue text, p_limit integer DEFAULT 10000, p_by text DEFAULT SESSION_USER) RETURNS bigint
    LANGUAGE sql
    SET search_path TO 'tidemill'
    AS $$
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

COMMENT ON FUNCTION tidemill.purge_queue(p_queue text, p_limit integer, p_by text) IS 'Cancels up to the given number of jobs of the queue that do not run; answers how many. Repeat until 0.';

CREATE FUNCTION tidemill.put_schedule(p_name text, p_cron text, p_every interval, p_at timestamp with time zone, p_timezone text, p_job jsonb, p_missed text, p_missed_limit integer, p_overlap text, p_jitter interval, p_source text, p_paused_by text DEFAULT NULL::text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'tidemill'
    AS $$
  insert into schedules as s (
    name, cron, every, at, timezone, job, missed, missed_limit, overlap, jitter, source, paused_by, paused_at)
  values (
    p_name, p_cron, p_every, p_at, p_timezone, p_job, p_missed, p_missed_limit, p_overlap, p_jitter, p_source,
    p_paused_by, case when p_paused_by is not null then now() end)
  on conflict (name) do update
  set
    cron = excluded.cron,
    every = excluded.every,
    at = excluded.at,
    timezone = excluded.timezone,
    job = excluded.job,
    missed = excluded.missed,
    missed_limit = excluded.missed_limit,
    overlap = excluded.overlap,
    jitter = excluded.jitter,
    source = excluded.source,
    updated_at = now()
  where (s.cron, s.every, s.at, s.timezone, s.job, s.missed, s.missed_limit, s.overlap, s.jitter, s.source)
    is distinct from (
      excluded.cron, excluded.every, excluded.at, excluded.timezone, excluded.job, excluded.missed,
      excluded.missed_limit, excluded.overlap, excluded.jitter, excluded.source)
$$;

COMMENT ON FUNCTION tidemill.put_schedule(p_name text, p_cron text, p_every interval, p_at timestamp with time zone, p_timezone text, p_job jsonb, p_missed text, p_missed_limit integer, p_overlap text, p_jitter interval, p_source text, p_paused_by text) IS 'Writes a schedule whole, for every face. A new one is paused if somebody is named for that; one that is there keeps its pause or none, and its slots if its times stay.';

CREATE FUNCTION tidemill.queue_again(p_job tidemill.jobs, p_due timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
begin
  p_job.state := case when p_job.group_id is null then 'available' else 'waiting' end;
  p_job.run_at := case when p_job.group_id is null then p_due else 'infinity' end;
  p_job.due_at := case when p_job.group_id is not null then p_due end;
  update jobs_live
  set
    state = p_job.state,
    run_at = p_job.run_at,
    due_at = p_job.due_at,
    attempt = p_job.attempt,
    error = p_job.error,
    lease_id = null,
    worker_id = null,
    last_lease_id = coalesce(p_job.lease_id, p_job.last_lease_id),
    last_worker_id = coalesce(p_job.worker_id, p_job.last_worker_id)
  where id = p_job.id;
  delete from running where job_id = p_job.id;
  if p_job.group_id is not null then
    perform line_up(p_job.queue, p_job.priority, p_job.group_id, p_job.concurrency_keys, p_due);
  end if;
end
$$;

COMMENT ON FUNCTION tidemill.queue_again(p_job tidemill.jobs, p_due timestamp with time zone) IS 'Puts a locked live job back into its queue, due at a time; one of a group goes to its line.';

CREATE FUNCTION tidemill.release_slot(p_name text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
declare
  s schedules;
  held timestamptz;
begin
  select slot into held from schedule_slots where schedule = p_name and outcome = 'held';
  if not found then
    return null;
  end if;
  select * into s from schedules where name = p_name and paused_at is null for update skip locked;
  if not found or not exists (select from held_slots() h where h.schedule = p_name and h.is_ready) then
    return null;
  end if;
  delete from schedule_slots where schedule = p_name and slot = held and outcome = 'held';
  -- Somebody else may have released it before the row was ours.
  return case when found then judge_slot(s, held) end;
end
$$;

COMMENT ON FUNCTION tidemill.release_slot(p_name text) IS 'Enqueues the slot that a schedule holds, if the job before it has ended. Answers what became of it, null if it is not its turn.';

CREATE FUNCTION tidemill.replace_fields(p_job uuid, p_fields jsonb, p_by text DEFAULT SESSION_USER) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
declare
  j jobs;
begin
  update jobs_live
  set
    args = coalesce(p_fields -> 'args', args),
    priority = coalesce((p_fields ->> 'priority')::smallint, priority),
    max_attempts = coalesce((p_fields ->> 'max_attempts')::integer, max_attempts),
    tags = case when p_fields ? 'tags' then array(select jsonb_array_elements_text(p_fields -> 'tags')) else tags end,
    metadata = case when p_fields ? 'metadata' then nullif(p_fields -> 'metadata', 'null') else metadata end,
    run_at = case when state = 'available' then coalesce((p_fields ->> 'run_at')::timestamptz, run_at) else run_at end,
    due_at = case when group_id is not null then coalesce((p_fields ->> 'run_at')::timestamptz, due_at) end
  where id = (select id from jobs_live where id = p_job and state <> 'running' for update skip locked)
  returning * into j;
  if j.id is null then
    return false;
  end if;
  if j.group_id is not null then
    perform line_up(j.queue, j.priority, j.group_id, j.concurrency_keys, j.due_at);
  end if;
  perform tell(format('e:%s:%s', j.id, append_event(j.id, j.attempt, 'replaced',
    jsonb_build_object('by', p_by, 'fields', array(select jsonb_object_keys(p_fields))))));
  perform tell(case when j.group_id is null then 'q:' else 'g:' end || j.queue);
  return true;
end
$$;

COMMENT ON FUNCTION tidemill.replace_fields(p_job uuid, p_fields jsonb, p_by text) IS 'Gives a job that does not run other args, run_at, priority, max_attempts, tags or metadata; false if it runs, is finished or is being taken.';

CREATE FUNCTION tidemill.resolve(p_limit integer DEFAULT 500) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
declare
  ended uuid[];
  since timestamptz;
  children uuid[];
begin
  with taken as (
    delete from endings
    where job_id in (select job_id from endings order by at limit p_limit for update skip locked)
    returning job_id, at
  )
  select array_agg(job_id), min(at) - interval '1 hour' into ended, since from taken;
  if ended is null then
    return 0;
  end if;
  -- One that somebody retries meanwhile waits for us or is live again, and tells of its end later.
  with parents as materialized (
    select j.id, outcome_of(j) as outcome
    from jobs j
    where j.id = any(ended)
      and j.finished_at >= since
    order by j.id
    for share
  ),
  told as (
    update dependencies d
    set outcome = coalesce(p.outcome, 'cancelled'), resolved_at = clock_timestamp()
    from unnest(ended) as e (id)
    left join parents p on p.id = e.id
    where d.parent_id = e.id
      and d.outcome is null
      and (p.id is not null or not exists (select 1 from jobs j where j.id = e.id))
    returning d.job_id
  ),
  counted as (
    update workflows w
    set done = least(w.members, w.done + t.ended)
    from (select job_id, count(*) as ended from told group by job_id) t
    where w.id = t.job_id
  )
  select array_agg(distinct job_id) into children from told;
  -- All of them first, in order; each statement from here on sees what others told before.
  children := array(select id from jobs_live where id = any(children) and state = 'waiting' order by id for update);
  perform resolve_one(j.id, ended)
  from (select * from jobs_live where id = any(children) order by queue, priority, group_id, id) j;
  return cardinality(ended);
end
$$;

COMMENT ON FUNCTION tidemill.resolve(p_limit integer) IS 'Tells the jobs that wait of the ends of up to so many others: lets them go, or ends them where what they need did not come. Answers how many ends it told; safe to run anywhere, any time. Repeat until 0.';

CREATE FUNCTION tidemill.resolve_one(p_job uuid, p_ended uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
declare
  j jobs;
  w waits;
  verdict text;
  bad record;
begin
  select * into j from jobs_live where id = p_job and state = 'waiting' for update;
  select * into w from waits where job_id = p_job;
  if j.id is null or w.job_id is null or w.signal is not null then
    return;
  end if;
  verdict := wait_verdict(p_job, w.run_if);
  if verdict = 'wait' then
    return;
  elsif j.kind = 'tidemill.workflow' then
    perform end_workflow(j);
  elsif verdict = 'run' then
    if j.attempt = 0 then
      update jobs_live set args = args || passed_args(p_job) where id = p_job;
    end if;
    perform let_go(p_job);
    return;
  else
    j.state := 'cancelled';
    select coalesce(d.name, d.parent_id::text) as name, d.parent_id, d.outcome
    into bad
    from dependencies d
    where d.job_id = p_job
      and d.outcome in ('failed', 'cancelled', 'skipped')
    order by d.outcome = 'failed' desc, d.ord
    limit 1;
    j.error := case
      when verdict = 'skip' or bad.outcome = 'skipped' then jsonb_build_object('type', 'skipped', 'permanent', true,
        'message', 'it was not needed: ' || case when verdict = 'skip' then 'none of the jobs that it waits for failed'
          else format('job %s was skipped', bad.name) end)
      else jsonb_build_object('type', 'dependency_failed', 'permanent', true, 'parent_id', bad.parent_id,
        'message', format('job %s, for which it waits, is %s', bad.name, bad.outcome))
    end;
    perform archive(j);
  end if;
  perform tell(format('e:%s:0', p_job));
end
$$;

COMMENT ON FUNCTION tidemill.resolve_one(p_job uuid, p_ended uuid[]) IS 'Judges one job that waits for others, by all that was told so far: goes on waiting, is let go, or ends.';

CREATE FUNCTION tidemill.resume_queue(p_queue text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'tidemill'
    AS $$
  insert into queues (name)
  values (p_queue)
  on conflict (name) do update
  set paused_at = null, paused_by = null, draining_at = null, draining_by = null, updated_at = now();
  select tell('q:' || p_queue);
$$;

COMMENT ON FUNCTION tidemill.resume_queue(p_queue text) IS 'Ends a pause or a drain.';

CREATE FUNCTION tidemill.resume_schedule(p_name text) RETURNS boolean
    LANGUAGE sql
    SET search_path TO 'tidemill'
    AS $$
  with resumed as (
    update schedules
    -- What fell due during the pause was not missed, it was not wanted.
    set
      paused_at = null,
      paused_by = null,
      next_at = case when next_at > clock_timestamp() then next_at end,
      updated_at = now()
    where name = p_name
      and paused_at is not null
    returning name
  )
  select exists (select from resumed) or exists (select from schedules where name = p_name)
$$;

COMMENT ON FUNCTION tidemill.resume_schedule(p_name text) IS 'Ends a pause; slots that passed during it do not fire. Answers whether there is such a schedule.';

CREATE FUNCTION tidemill.retry(p_job uuid, p_by text DEFAULT SESSION_USER) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
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
  j.expires_at := null;
  j.result := null;
  if j.group_id is not null then
    j.state := 'waiting';
    j.due_at := j.run_at;
    j.run_at := 'infinity';
    perform line_up(j.queue, j.priority, j.group_id, j.concurrency_keys, j.due_at);
  end if;
  insert into jobs_live select (j).*;
  perform tell(format('e:%s:%s', p_job, append_event(p_job, j.attempt, 'retry', jsonb_build_object('by', p_by))));
  perform tell(case when j.group_id is null then 'q:' else 'g:' end || j.queue);
  return j.state::text;
end
$$;

COMMENT ON FUNCTION tidemill.retry(p_job uuid, p_by text) IS 'Makes a finished job live again with at least one more attempt; a live one that is not due runs now. Answers its state, null if there is no such job.';

CREATE FUNCTION tidemill.run_now(p_job uuid, p_by text DEFAULT SESSION_USER) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
declare
  j jobs := lock_job(p_job);
begin
  if j.id is null or j.finished_at is not null then
    return j.state::text;
  end if;
  -- One that is held back has no time at which it is due.
  if (j.state = 'available' or j.group_id is not null and j.state = 'waiting')
    and coalesce(j.due_at, j.run_at) > clock_timestamp() and coalesce(j.due_at, j.run_at) < 'infinity' then
    perform queue_again(j, clock_timestamp());
    perform tell(format('e:%s:%s', p_job, append_event(p_job, j.attempt, 'retry',
      jsonb_build_object('by', p_by, 'was_due_at', coalesce(j.due_at, j.run_at)))));
    perform tell(case when j.group_id is null then 'q:' else 'g:' end || j.queue);
  end if;
  return j.state::text;
end
$$;

COMMENT ON FUNCTION tidemill.run_now(p_job uuid, p_by text) IS 'Makes a scheduled or retrying job due at once. Answers its state, null if there is no such job.';

CREATE FUNCTION tidemill.run_schedule(p_name text, p_by text DEFAULT SESSION_USER) RETURNS uuid
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
declare
  s schedules;
  made uuid;
begin
  select * into s from schedules where name = p_name for update;
  if not found then
    return null;
  end if;
  made := enqueue_scheduled(s, jsonb_build_object('by', p_by), clock_timestamp());
  update schedules set unfinished = unfinished_jobs(s) || made where name = p_name;
  return made;
end
$$;

COMMENT ON FUNCTION tidemill.run_schedule(p_name text, p_by text) IS 'Enqueues a schedule''s job now, outside of its slots, paused or not. Answers the job''s id, null if there is no such schedule.';

CREATE FUNCTION tidemill.schedule_written() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
begin
  if tg_op = 'INSERT' or new.job is distinct from old.job then
    -- Refuses what no job could be made from, when it is written and not when it falls due.
    perform j.kind
    from jsonb_to_record(new.job) as j (
      kind text, args jsonb, queue text, priority smallint, max_attempts integer,
      soft_timeout interval, hard_timeout interval, tags jsonb, metadata jsonb, retain interval);
  end if;
  if tg_op = 'UPDATE'
    and (new.cron, new.every, new.at, new.timezone) is distinct from (old.cron, old.every, old.at, old.timezone)
  then
    new.anchor_at := now();
    new.next_at := null;
    new.upcoming := '{}';
    new.problem := null;
  end if;
  if new.next_at is null and new.problem is null or (tg_op = 'UPDATE' and old.paused_at is distinct from new.paused_at) then
    perform tell('w:');
  end if;
  return new;
end
$$;

COMMENT ON FUNCTION tidemill.schedule_written() IS 'Trigger: checks a schedule''s job, and has its slots computed anew when its times were changed.';

CREATE FUNCTION tidemill.set_limit(name text, max_running integer DEFAULT NULL::integer, rate integer DEFAULT NULL::integer, per interval DEFAULT '00:01:00'::interval, burst integer DEFAULT NULL::integer, on_full text DEFAULT 'queue'::text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $_$
#variable_conflict use_column
begin
  insert into limits as l (name, max_running, rate, rate_period, burst, on_full)
  values ($1, $2, $3, case when $3 is not null then $4 end, case when $3 is not null then coalesce($5, $3) end, $6)
  on conflict (name) do update
  set
    max_running = excluded.max_running,
    rate = excluded.rate,
    rate_period = excluded.rate_period,
    burst = excluded.burst,
    on_full = excluded.on_full,
    updated_at = now()
  where (l.max_running, l.rate, l.rate_period, l.burst, l.on_full)
    is distinct from (excluded.max_running, excluded.rate, excluded.rate_period, excluded.burst, excluded.on_full);
  if found then
    perform limits_changed($1);
  end if;
end
$_$;

COMMENT ON FUNCTION tidemill.set_limit(name text, max_running integer, rate integer, per interval, burst integer, on_full text) IS 'Limits the jobs of a queue (queue:NAME) or of each concurrency key that begins with the name: select set_limit(''tenant'', max_running => 2, rate => 100, per => ''1 hour''). Replaces what was set before.';

CREATE FUNCTION tidemill.set_priority_ageing(p_queue text, p_ageing interval) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
begin
  insert into queues (name, priority_ageing)
  values (p_queue, p_ageing)
  on conflict (name) do update
  set priority_ageing = excluded.priority_ageing, updated_at = now()
  where queues.priority_ageing is distinct from excluded.priority_ageing;
  if found then
    perform limits_changed('queue:' || p_queue);
  end if;
end
$$;

COMMENT ON FUNCTION tidemill.set_priority_ageing(p_queue text, p_ageing interval) IS 'A job of the queue that is due this long is claimed as if its priority were one better, and so on; null: never.';

CREATE FUNCTION tidemill.set_schedule(name text, kind text, args jsonb DEFAULT '{}'::jsonb, cron text DEFAULT NULL::text, every interval DEFAULT NULL::interval, at timestamp with time zone DEFAULT NULL::timestamp with time zone, timezone text DEFAULT 'UTC'::text, queue text DEFAULT NULL::text, priority integer DEFAULT NULL::integer, max_attempts integer DEFAULT NULL::integer, soft_timeout interval DEFAULT NULL::interval, hard_timeout interval DEFAULT NULL::interval, tags text[] DEFAULT NULL::text[], metadata jsonb DEFAULT NULL::jsonb, retain interval DEFAULT NULL::interval, missed text DEFAULT 'one'::text, missed_limit integer DEFAULT 10, overlap text DEFAULT 'skip'::text, jitter interval DEFAULT '00:00:00'::interval) RETURNS void
    LANGUAGE sql
    SET search_path TO 'tidemill'
    AS $$
  select put_schedule(
    name, cron, every, at, timezone,
    jsonb_strip_nulls(jsonb_build_object(
      'kind', kind, 'queue', queue, 'priority', priority, 'max_attempts', max_attempts, 'soft_timeout', soft_timeout,
      'hard_timeout', hard_timeout, 'tags', to_jsonb(tags), 'retain', retain))
    -- Outside of the stripping: nulls inside args and metadata are the caller's.
    || jsonb_build_object('args', args)
    || case when metadata is null then '{}'::jsonb else jsonb_build_object('metadata', metadata) end,
    missed, missed_limit, overlap, jitter, 'sql')
$$;

COMMENT ON FUNCTION tidemill.set_schedule(name text, kind text, args jsonb, cron text, every interval, at timestamp with time zone, timezone text, queue text, priority integer, max_attempts integer, soft_timeout interval, hard_timeout interval, tags text[], metadata jsonb, retain interval, missed text, missed_limit integer, overlap text, jitter interval) IS 'Makes or replaces a schedule. select set_schedule(''nightly'', ''backup'', cron => ''30 4 * * *'', timezone => ''Europe/Berlin'').';

CREATE FUNCTION tidemill.set_slots(p_queue text, p_slots integer) RETURNS void
    LANGUAGE sql
    SET search_path TO 'tidemill'
    AS $$
  insert into queues (name, slots)
  values (p_queue, p_slots)
  on conflict (name) do update
  set slots = excluded.slots, updated_at = now();
  select tell('w:');
$$;

COMMENT ON FUNCTION tidemill.set_slots(p_queue text, p_slots integer) IS 'How many jobs of the queue each worker runs at once; null gives the choice back to the workers.';

CREATE FUNCTION tidemill.settle_attempt(p_job uuid, p_lease uuid, p_outcome text, p_error jsonb DEFAULT NULL::jsonb, p_delay interval DEFAULT NULL::interval, p_usage jsonb DEFAULT NULL::jsonb, p_wait jsonb DEFAULT NULL::jsonb) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
declare
  j jobs;
  k kinds;
  failed boolean := p_outcome in ('failed', 'crashed', 'timed_out');
  permanent boolean := coalesce((p_error ->> 'permanent')::boolean, false);
  noted bigint;
  superseder uuid;
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
    superseder := case when j.unique_key is not null then superseder_of(j) end;
    j.state := case when superseder is null then 'available' else 'cancelled' end;
  end if;

  if p_outcome = 'crashed' then
    noted := append_event(j.id, j.attempt, 'lease_lost', jsonb_build_object('worker_id', j.worker_id, 'error', p_error));
  elsif failed then
    noted := append_event(j.id, j.attempt, 'attempt_failed', jsonb_build_object('error', p_error, 'outcome', p_outcome));
  end if;

  if superseder is not null then
    j.cancel_requested_at := clock_timestamp();
    noted := append_event(j.id, j.attempt, 'cancel_requested',
      jsonb_build_object('by', 'tidemill', 'reason', format('superseded by %s', superseder)));
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
      'run_at', case when p_outcome <> 'waits' then j.run_at end,
      'delay_seconds', extract(epoch from p_delay), 'lease_id', p_lease, 'for', p_wait)));
    j.attempt := j.attempt - 1;
  end if;
  if p_outcome = 'waits' then
    return hold(j, p_wait);
  end if;
  perform queue_again(j, j.run_at);
  return case when j.group_id is null then 'available' else 'waiting' end;
end
$$;

COMMENT ON FUNCTION tidemill.settle_attempt(p_job uuid, p_lease uuid, p_outcome text, p_error jsonb, p_delay interval, p_usage jsonb, p_wait jsonb) IS 'Ends an attempt that did not complete: failed, timed_out, crashed, snoozed, released, waits (see hold) or cancelled. Decides between retry and the end; answers the new state, null if the lease is lost.';

CREATE FUNCTION tidemill.shown_state(p_state tidemill.job_state, p_attempt integer, p_run_at timestamp with time zone, p_due_at timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE
    AS $$
  select case
    when p_state not in ('available', 'waiting') or p_state = 'waiting' and coalesce(p_due_at, 'infinity') = 'infinity' then p_state::text
    when p_attempt > 0 then 'retrying'
    when coalesce(p_due_at, p_run_at) > now() then 'scheduled'
    else p_state::text
  end
$$;

COMMENT ON FUNCTION tidemill.shown_state(p_state tidemill.job_state, p_attempt integer, p_run_at timestamp with time zone, p_due_at timestamp with time zone) IS 'The state as people see it: available and waiting jobs that are not due are scheduled, or retrying after a first attempt.';

CREATE FUNCTION tidemill.snooze(p_job uuid, p_delay interval, p_by text DEFAULT SESSION_USER) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
declare
  j jobs := lock_job(p_job);
  due timestamptz := clock_timestamp() + p_delay;
begin
  if j.id is null or j.finished_at is not null then
    return j.state::text;
  end if;
  if (j.state = 'available' or j.group_id is not null and j.state = 'waiting') and coalesce(j.due_at, j.run_at) < 'infinity' then
    perform queue_again(j, due);
    perform tell(format('e:%s:%s', p_job, append_event(p_job, j.attempt, 'snoozed',
      jsonb_build_object('by', p_by, 'run_at', due))));
  end if;
  return j.state::text;
end
$$;

COMMENT ON FUNCTION tidemill.snooze(p_job uuid, p_delay interval, p_by text) IS 'Puts off a job that does not run. Answers its state, null if there is no such job.';

CREATE FUNCTION tidemill.spend(p_key text, p_limit tidemill.limits, p_count bigint) RETURNS void
    LANGUAGE sql
    SET search_path TO 'tidemill'
    AS $$
  insert into limit_buckets (key, tokens, filled_at)
  values (p_key, tokens_of(p_key, p_limit) - p_count, clock_timestamp())
  on conflict (key) do update
  set tokens = excluded.tokens, filled_at = excluded.filled_at
$$;

COMMENT ON FUNCTION tidemill.spend(p_key text, p_limit tidemill.limits, p_count bigint) IS 'Takes tokens of a key; the caller holds the lock under which they were counted.';

CREATE FUNCTION tidemill.superseder_of(p_job tidemill.jobs) RETURNS uuid
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    SET lock_timeout TO '2s'
    AS $$
declare
  held unique_keys;
begin
  -- Waits for whoever just takes the key.
  select * into held from unique_keys where key = p_job.unique_key for share;
  return case when p_job.id = any(held.supersedes) then held.job_id end;
exception when lock_not_available then
  -- But somebody's open transaction must not hold up a worker: this job may run once more, and gives way
  -- after that.
  return null;
end
$$;

COMMENT ON FUNCTION tidemill.superseder_of(p_job tidemill.jobs) IS 'The job that took the key of this running one, which therefore must not run again; null if none did.';

CREATE FUNCTION tidemill.sweep(p_limit integer DEFAULT 500) RETURNS TABLE(job_id uuid, lease_id uuid, state text, reason text)
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
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
    -- As those who take unique keys and line groups up do.
    order by j.unique_key, j.queue, j.priority, j.group_id
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
  -- Groups whose line is empty.
  delete from turns where ready_at = 'infinity';
  -- No foreign key guards these rows: what hands left behind is cleared here, for it would stand in
  -- the way of the job's next claim.
  delete from running r
  where not exists (select 1 from jobs_live j where j.id = r.job_id and j.lease_id = r.lease_id);
  return query
  select e.id, null::uuid, 'cancelled', 'expired'
  from expire(p_limit) as e (id);
end
$$;

COMMENT ON FUNCTION tidemill.sweep(p_limit integer) IS 'Takes back the jobs whose lease expired or whose deadline passed, and cancels those that nobody started in time; safe to run anywhere, any time.';

CREATE FUNCTION tidemill.take_unique_keys(p_wishes jsonb[], p_ids uuid[]) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO 'tidemill'
    AS $$
declare
  wish jsonb;
  verdicts jsonb[] := '{}';
  taken text;
  due timestamptz;
  holder uuid;
  outcome text;
  named text[] := '{}';
begin
  -- From here to the commit nobody else takes these keys. In order, so that no two batches wait for
  -- one another.
  insert into unique_keys as u (key)
  select distinct k.key
  from unnest(p_wishes) as w (wish)
  cross join lateral (values (w.wish ->> 'key'), (w.wish ->> 'next_key')) as k (key)
  where k.key is not null
  order by k.key
  on conflict (key) do update set job_id = u.job_id;

  foreach wish in array p_wishes loop
    taken := wish ->> 'key';
    due := null;
    outcome := null;
    holder := held_by(taken, wish -> 'terms', (wish ->> 'id')::uuid, p_ids);
    if holder is not null and wish ->> 'next_key' is not null then
      taken := wish ->> 'next_key';
      due := wish ->> 'next_run_at';
      holder := held_by(taken, wish -> 'terms', (wish ->> 'id')::uuid, p_ids);
    end if;
    if holder is null then
      -- A job that will not be takes no key.
      continue when wish ->> 'execution_id' = any(named)
        or exists (select from task_ids where execution_id = wish ->> 'execution_id');
      named := named || (wish ->> 'execution_id');
      update unique_keys set job_id = (wish ->> 'id')::uuid, seen_at = clock_timestamp() where key = taken;
    elsif wish -> 'terms' ->> 'on_conflict' = 'reject' then
      outcome := 'conflict';
    elsif wish -> 'terms' ->> 'on_conflict' = 'replace'
      and (holder = any(p_ids) or replace_fields(holder, wish -> 'fields'))
    then
      outcome := 'replaced';
    else
      outcome := 'existing';
    end if;
    verdicts := verdicts || jsonb_build_object(
      'ord', wish -> 'ord', 'outcome', outcome, 'holder', holder, 'unique_key', taken, 'run_at', due,
      'fields', case when outcome = 'replaced' and holder = any(p_ids) then wish -> 'fields' end);
  end loop;
  return to_jsonb(verdicts);
end
$$;

COMMENT ON FUNCTION tidemill.take_unique_keys(p_wishes jsonb[], p_ids uuid[]) IS 'Judges the wishes of one call of insert_jobs in order: [{ord, unique_key, run_at}] for those that may be, with outcome existing, conflict or replaced and the holder for those that may not; fields are still to be replaced in a holder of the same call.';

CREATE FUNCTION tidemill.tell(p_message text) RETURNS void
    LANGUAGE sql
    AS $$ select pg_notify(current_schema(), p_message) $$;

COMMENT ON FUNCTION tidemill.tell(p_message text) IS 'Sends a wake-up hint to all processes of this Tidemill: q:<queue>, g:<queue> (a job that takes turns), f: (a limit has room), c:<job to cancel>, e:<job>:<seq>, d: (a job ended for which others wait), w: (settings changed).';

CREATE FUNCTION tidemill.token_after(p_tokens double precision, p_limit tidemill.limits) RETURNS interval
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'tidemill'
    AS $$
  select make_interval(secs => greatest(1 - p_tokens, 0) * extract(epoch from p_limit.rate_period)::double precision / p_limit.rate)
$$;

COMMENT ON FUNCTION tidemill.token_after(p_tokens double precision, p_limit tidemill.limits) IS 'How long it takes until so many tokens are a whole one.';

CREATE FUNCTION tidemill.tokens_of(p_key text, p_limit tidemill.limits) RETURNS double precision
    LANGUAGE sql
    SET search_path TO 'tidemill'
    AS $$
  -- A token bucket: it fills evenly, and never above its burst. A clock that steps back fills nothing.
  select least(
    p_limit.burst,
    coalesce(
      (select b.tokens
          + p_limit.rate * greatest(extract(epoch from clock_timestamp() - b.filled_at), 0)
            / extract(epoch from p_limit.rate_period)
        from limit_buckets b
        where b.key = p_key),
      p_limit.burst))
$$;

COMMENT ON FUNCTION tidemill.tokens_of(p_key text, p_limit tidemill.limits) IS 'How many jobs of the key may start at this moment; a fraction is a token that is still filling.';

CREATE FUNCTION tidemill.turn_is_ready(p_queue text) RETURNS boolean
    LANGUAGE sql
    SET search_path TO 'tidemill'
    AS $$
  select exists (
    select 1
    from generate_series(1, 9) as p (priority)
    cross join lateral (
      select 1
      from turns t
      where t.queue = p_queue
        and t.priority = p.priority
        and t.ready_at <= clock_timestamp()
      limit 1
    ) ready
  )
$$;

COMMENT ON FUNCTION tidemill.turn_is_ready(p_queue text) IS 'Whether some group of the queue may have a job that can start.';

CREATE FUNCTION tidemill.unfinished_jobs(p_schedule tidemill.schedules) RETURNS uuid[]
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill'
    AS $$
  select coalesce(array_agg(id order by ord), '{}')
  from (
    select u.id, u.ord
    from unnest(p_schedule.unfinished) with ordinality as u (id, ord)
    where exists (select from jobs_live j where j.id = u.id)
    order by u.ord desc
    limit 999
  ) latest
$$;

COMMENT ON FUNCTION tidemill.unfinished_jobs(p_schedule tidemill.schedules) IS 'The latest jobs of a schedule that are not finished, at most 999.';

CREATE FUNCTION tidemill.unfinished_of(p_key text) RETURNS TABLE(id uuid, created_at timestamp with time zone)
    LANGUAGE sql
    SET search_path TO 'tidemill'
    AS $$
  select j.id, j.created_at
  from running r
  join jobs_live j on j.id = r.job_id
  where r.concurrency_keys @> array[p_key]
    and j.cancel_requested_at is null
  union all
  select j.id, j.created_at
  from turns t
  join jobs_live j on j.queue = t.queue and j.priority = t.priority and j.group_id = t.group_id
  where t.concurrency_keys @> array[p_key]
    and j.state = 'waiting'
$$;

COMMENT ON FUNCTION tidemill.unfinished_of(p_key text) IS 'Jobs of a concurrency key that wait or run and are not being cancelled.';

CREATE FUNCTION tidemill.unique_key(p_terms jsonb, p_kind text, p_queue text, p_args jsonb, p_run_at timestamp with time zone) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'tidemill'
    AS $$
declare
  chosen jsonb := p_args;
  key text;
  period numeric := p_terms ->> 'period';
begin
  if p_terms ? 'key' then
    key := fill_key(p_terms ->> 'key', p_args);
    key := 'key:' || case when length(key) <= 255 then key else encode(sha256(convert_to(key, 'UTF8')), 'hex') end;
  else
    if p_terms ? 'args' then
      select coalesce(jsonb_object_agg(a.key, a.value), '{}') into chosen
      from jsonb_each(p_args) a
      where p_terms -> 'args' ? a.key;
    end if;
    key := 'sha256:' || encode(sha256(convert_to(jsonb_build_array(
      p_kind,
      case when p_terms -> 'by' ? 'queue' then p_queue end,
      case when p_terms -> 'by' ? 'args' or p_terms ? 'args' then chosen end)::text, 'UTF8')), 'hex');
  end if;
  return key || coalesce('@' || trim_scale(floor(extract(epoch from p_run_at) / period) * period) || '/' || trim_scale(period), '');
end
$$;

COMMENT ON FUNCTION tidemill.unique_key(p_terms jsonb, p_kind text, p_queue text, p_args jsonb, p_run_at timestamp with time zone) IS 'The key of a job under the given terms: its own text with {name} filled in, or a hash of its kind and what the terms name; with a period its start and length stand behind it.';

CREATE FUNCTION tidemill.unique_terms(p_wish jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    AS $$
declare
  known constant text[] := '{scheduled,available,waiting,retrying,running,completed,failed,cancelled}';
  fields constant text[] := '{args,run_at,priority,max_attempts,tags,metadata}';
  terms jsonb := jsonb_strip_nulls(p_wish);
  lasting text;
  fault text;
begin
  fault := case
    when jsonb_typeof(terms) is distinct from 'object' then 'it is no object'
    when not array(select jsonb_object_keys(terms)) <@ '{key,by,args,states,window,period,on_conflict,replace}'
      then 'there are only key, by, args, states, window, period, on_conflict and replace'
    when exists (
        select from jsonb_each(terms) f
        where f.key in ('by', 'args', 'states', 'replace') and jsonb_typeof(f.value) <> 'array')
      then 'by, args, states and replace are lists'
    when terms ? 'key' and (terms ? 'by' or terms ? 'args') then 'a key of its own stands alone, without by and args'
    when terms ? 'key' and length(terms ->> 'key') not between 1 and 255 then 'the key has 1 to 255 characters'
    when not coalesce(terms -> 'by', '[]') <@ '["kind", "queue", "args"]' then 'by names kind, queue and args'
    when terms ? 'args' and not coalesce(terms -> 'by', '["args"]') ? 'args' then 'args are chosen and by does not name args'
    when terms ? 'args' and terms -> 'args' = '[]' then 'args names at least one arg'
    when not coalesce(terms -> 'states', '[]') <@ to_jsonb(known) then 'states are ' || array_to_string(known, ', ')
    when terms ? 'states' and not terms -> 'states' @> '["scheduled", "available", "waiting"]'
      then 'scheduled, available and waiting must be among the states'
    when coalesce(terms ->> 'on_conflict', 'keep') not in ('keep', 'reject', 'replace', 'next_period')
      then 'on_conflict is keep, reject, replace or next_period'
    when terms ->> 'on_conflict' = 'next_period' and not terms ? 'period' then 'next_period needs a period'
    when (coalesce(terms ->> 'on_conflict', 'keep') = 'replace') <> (terms ? 'replace')
      then 'on_conflict = replace and the list replace need one another'
    when not coalesce(terms -> 'replace', '[]') <@ to_jsonb(fields) then 'replace names ' || array_to_string(fields, ', ')
  end;
  foreach lasting in array array['window', 'period'] loop
    continue when fault is not null or not terms ? lasting;
    -- A number is seconds.
    terms := terms || jsonb_build_object(lasting, case jsonb_typeof(terms -> lasting)
      when 'number' then (terms ->> lasting)::numeric
      else extract(epoch from (terms ->> lasting)::interval) end);
    if (terms ->> lasting)::numeric not between 1 and 10 * 366 * 86400 then
      fault := lasting || ' is 1 second to 10 years';
    end if;
  end loop;
  if fault is not null then
    raise exception 'unique cannot be used: %', fault using errcode = 'invalid_parameter_value';
  end if;
  return jsonb_build_object(
    'by', '["kind", "args"]'::jsonb,
    'states', '["scheduled", "available", "waiting", "retrying", "running"]'::jsonb
      || case when terms ? 'window' or terms ? 'period' then '["completed"]' else '[]' end::jsonb,
    'on_conflict', 'keep') || terms;
end
$$;

COMMENT ON FUNCTION tidemill.unique_terms(p_wish jsonb) IS 'A wish {key, by, args, states, window, period, on_conflict, replace} with its defaults filled in and its times in seconds; refuses one that makes no sense.';

CREATE FUNCTION tidemill.unique_wishes(p_ids uuid[], p_kinds text[], p_args jsonb[], p_queues text[], p_priorities smallint[], p_run_ats timestamp with time zone[], p_delay_seconds double precision[], p_max_attempts integer[], p_execution_ids text[], p_tags jsonb[], p_metadata jsonb[], p_strict boolean, p_options jsonb[]) RETURNS SETOF jsonb
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill'
    AS $$
  select jsonb_build_object(
    'ord', i.ord, 'id', i.id, 'execution_id', i.execution_id, 'terms', t.terms,
    'key', unique_key(t.terms, i.kind, d.queue, i.args, d.run_at),
    'next_key', case when n.run_at is not null then unique_key(t.terms, i.kind, d.queue, i.args, n.run_at) end,
    'next_run_at', n.run_at,
    'fields', (
      select jsonb_object_agg(f.key, f.value)
      from jsonb_each(jsonb_build_object(
        'args', i.args, 'run_at', d.run_at, 'priority', coalesce(i.priority, k.priority, 5),
        'max_attempts', coalesce(i.max_attempts, k.max_attempts, 5),
        'tags', coalesce(i.tags, '[]'), 'metadata', i.metadata)) f
      where t.terms -> 'replace' ? f.key))
  from unnest(
      p_ids, p_kinds, p_args, p_queues, p_priorities, p_run_ats, p_delay_seconds, p_max_attempts,
      p_execution_ids, p_tags, p_metadata, p_options)
    with ordinality as i (
      id, kind, args, queue, priority, run_at, delay_seconds, max_attempts, execution_id, tags, metadata, options, ord)
  left join kinds k on k.name = i.kind
  cross join lateral (
    select
      coalesce(i.queue, k.queue, 'default') as queue,
      coalesce(i.run_at, now() + make_interval(secs => coalesce(i.delay_seconds, 0))) as run_at,
      coalesce(i.options -> 'unique', k.defaults -> 'unique') as wish
  ) d
  cross join lateral unique_terms(d.wish) as t (terms)
  cross join lateral (
    select case when t.terms ->> 'on_conflict' = 'next_period' then next_period(t.terms, d.run_at) end as run_at
  ) n
  left join queues q on q.name = d.queue
  where jsonb_typeof(d.wish) <> 'null'
    and not (p_strict and k.name is null)
    and q.draining_at is null
  order by i.ord
$$;

COMMENT ON FUNCTION tidemill.unique_wishes(p_ids uuid[], p_kinds text[], p_args jsonb[], p_queues text[], p_priorities smallint[], p_run_ats timestamp with time zone[], p_delay_seconds double precision[], p_max_attempts integer[], p_execution_ids text[], p_tags jsonb[], p_metadata jsonb[], p_strict boolean, p_options jsonb[]) IS 'Those jobs of one call of insert_jobs that shall be unique and are not refused for another reason, in order, with their terms, their key and, where the terms ask for them, the key of the next period and the fields to replace.';

CREATE FUNCTION tidemill.wait_verdict(p_job uuid, p_run_if text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill'
    AS $$
  select case p_run_if
    when 'all_completed' then
      case
        when exists (select 1 from dependencies where job_id = p_job and outcome in ('failed', 'cancelled', 'skipped')) then 'cancel'
        when exists (select 1 from dependencies where job_id = p_job and outcome is null) then 'wait'
        else 'run'
      end
    when 'any_failed' then
      case
        when exists (select 1 from dependencies where job_id = p_job and outcome in ('failed', 'cancelled')) then 'run'
        when exists (select 1 from dependencies where job_id = p_job and outcome is null) then 'wait'
        else 'skip'
      end
    when 'any_completed' then
      case
        when exists (select 1 from dependencies where job_id = p_job and outcome = 'completed') then 'run'
        when exists (select 1 from dependencies where job_id = p_job and outcome is null) then 'wait'
        else 'cancel'
      end
    else
      case when exists (select 1 from dependencies where job_id = p_job and outcome is null) then 'wait' else 'run' end
  end
$$;

COMMENT ON FUNCTION tidemill.wait_verdict(p_job uuid, p_run_if text) IS 'What a job that waits for others does now: wait, run, skip (it is not needed) or cancel (what it needs did not come).';

CREATE TABLE tidemill.api_keys (
    id text NOT NULL,
    name text NOT NULL,
    scopes text[] NOT NULL,
    secret_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    last_used_at timestamp with time zone,
    CONSTRAINT api_keys_scopes_are_known CHECK (((scopes <> '{}'::text[]) AND (scopes <@ ARRAY['enqueue'::text, 'read'::text, 'work'::text, 'admin'::text])))
);

COMMENT ON TABLE tidemill.api_keys IS 'Who may speak to the HTTP API; as soon as one key exists all requests need one.';

COMMENT ON COLUMN tidemill.api_keys.id IS 'The public part of the key.';

COMMENT ON COLUMN tidemill.api_keys.name IS 'What people call it.';

COMMENT ON COLUMN tidemill.api_keys.scopes IS 'What it allows: enqueue, read, work, admin.';

COMMENT ON COLUMN tidemill.api_keys.secret_hash IS 'SHA-256 of the secret part, which is stored nowhere.';

COMMENT ON COLUMN tidemill.api_keys.created_at IS 'When it was made.';

COMMENT ON COLUMN tidemill.api_keys.expires_at IS 'From then on it is refused.';

COMMENT ON COLUMN tidemill.api_keys.revoked_at IS 'When it was revoked.';

COMMENT ON COLUMN tidemill.api_keys.last_used_at IS 'When it was last used, to the minute.';

CREATE TABLE tidemill.attempts (
    job_id uuid NOT NULL,
    attempt integer NOT NULL,
    lease_id uuid NOT NULL,
    worker_id text NOT NULL,
    outcome text NOT NULL,
    error jsonb,
    exit_code integer,
    signal integer,
    out_of_memory boolean DEFAULT false NOT NULL,
    peak_memory_bytes bigint,
    started_at timestamp with time zone,
    finished_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    fingerprint text,
    log_tail text
)
PARTITION BY RANGE (finished_at);

COMMENT ON TABLE tidemill.attempts IS 'Attempts that failed, and completed ones of which the use of memory or an exit code is known. Partitioned by day.';

COMMENT ON COLUMN tidemill.attempts.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.attempts.attempt IS 'Ordinal of the try.';

COMMENT ON COLUMN tidemill.attempts.lease_id IS 'The lease under which it ran.';

COMMENT ON COLUMN tidemill.attempts.worker_id IS 'Who ran it.';

COMMENT ON COLUMN tidemill.attempts.outcome IS 'completed, failed, crashed (its worker died) or timed_out.';

COMMENT ON COLUMN tidemill.attempts.error IS 'message, type, permanent, backtrace.';

COMMENT ON COLUMN tidemill.attempts.exit_code IS 'Exit code of a command.';

COMMENT ON COLUMN tidemill.attempts.signal IS 'Signal that ended a command.';

COMMENT ON COLUMN tidemill.attempts.out_of_memory IS 'True if it was ended for want of memory.';

COMMENT ON COLUMN tidemill.attempts.peak_memory_bytes IS 'Largest resident memory, in bytes.';

COMMENT ON COLUMN tidemill.attempts.started_at IS 'When it was claimed.';

COMMENT ON COLUMN tidemill.attempts.finished_at IS 'When it ended.';

COMMENT ON COLUMN tidemill.attempts.fingerprint IS 'Hash of the cause: kind, class and message without what differs from case to case. Null if it did not fail.';

COMMENT ON COLUMN tidemill.attempts.log_tail IS 'Its last log lines, if it failed.';

CREATE TABLE tidemill.audit_log (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    who text NOT NULL,
    db_user text DEFAULT SESSION_USER NOT NULL,
    act text NOT NULL,
    subject text NOT NULL,
    before jsonb,
    after jsonb
);

COMMENT ON TABLE tidemill.audit_log IS 'What people did to jobs, queues, limits, schedules and keys.';

COMMENT ON COLUMN tidemill.audit_log.id IS 'Counts up.';

COMMENT ON COLUMN tidemill.audit_log.at IS 'When.';

COMMENT ON COLUMN tidemill.audit_log.who IS 'Who, as the caller said: the API key''s name, or the database user.';

COMMENT ON COLUMN tidemill.audit_log.db_user IS 'The database user of the session.';

COMMENT ON COLUMN tidemill.audit_log.act IS 'The verb.';

COMMENT ON COLUMN tidemill.audit_log.subject IS 'On what: job:ID, queue:NAME, limit:NAME, schedule:NAME, workflow:ID, kind:NAME, key:ID.';

COMMENT ON COLUMN tidemill.audit_log.before IS 'How it was.';

COMMENT ON COLUMN tidemill.audit_log.after IS 'How it is since.';

ALTER TABLE tidemill.audit_log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME tidemill.audit_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE tidemill.dependencies (
    job_id uuid NOT NULL,
    parent_id uuid NOT NULL,
    ord integer DEFAULT 1 NOT NULL,
    name text,
    pass_as text,
    outcome text,
    resolved_at timestamp with time zone,
    CONSTRAINT dependencies_are_of_two_jobs CHECK ((job_id <> parent_id)),
    CONSTRAINT dependencies_are_resolved_once CHECK (((outcome IS NULL) = (resolved_at IS NULL))),
    CONSTRAINT dependencies_outcome_is_known CHECK ((outcome = ANY (ARRAY['completed'::text, 'failed'::text, 'cancelled'::text, 'skipped'::text])))
)
WITH (fillfactor='70');

COMMENT ON TABLE tidemill.dependencies IS 'Which job waits for the end of which; the members of a workflow are the jobs that it waits for.';

COMMENT ON COLUMN tidemill.dependencies.job_id IS 'The job that waits.';

COMMENT ON COLUMN tidemill.dependencies.parent_id IS 'The job that it waits for.';

COMMENT ON COLUMN tidemill.dependencies.ord IS 'Order of the parents, from 1.';

COMMENT ON COLUMN tidemill.dependencies.name IS 'What the parent is called in the workflow.';

COMMENT ON COLUMN tidemill.dependencies.pass_as IS 'The arg under which the job gets the parent''s result; name[] gathers several into an array.';

COMMENT ON COLUMN tidemill.dependencies.outcome IS 'How the parent ended: completed, failed, cancelled or skipped (it was not needed); null until it did.';

COMMENT ON COLUMN tidemill.dependencies.resolved_at IS 'When that was noted.';

CREATE TABLE tidemill.endings (
    job_id uuid NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

COMMENT ON TABLE tidemill.endings IS 'Jobs that ended and whose dependents were not told yet; emptied by resolve().';

COMMENT ON COLUMN tidemill.endings.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.endings.at IS 'When it ended.';

CREATE TABLE tidemill.events (
    job_id uuid NOT NULL,
    seq bigint NOT NULL,
    attempt integer NOT NULL,
    type text NOT NULL,
    data jsonb NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
)
PARTITION BY RANGE (at);

COMMENT ON TABLE tidemill.events IS 'The numbered log of each job: progress, log lines, failed attempts, manual acts. Partitioned by day.';

COMMENT ON COLUMN tidemill.events.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.events.seq IS 'From 1, without gaps, in the order of commits.';

COMMENT ON COLUMN tidemill.events.attempt IS 'The try during which it happened.';

COMMENT ON COLUMN tidemill.events.type IS 'What happened: progress, log, attempt_failed, retry, snoozed, released, cancel_requested, lease_lost, replaced, extended, expired, or a handler''s own.';

COMMENT ON COLUMN tidemill.events.data IS 'The type''s own fields.';

COMMENT ON COLUMN tidemill.events.at IS 'When it was written.';

CREATE TABLE tidemill.failure_causes (
    fingerprint text NOT NULL,
    kind text NOT NULL,
    type text,
    message text NOT NULL,
    failures bigint DEFAULT 0 NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    last_job_id uuid
)
WITH (fillfactor='70');

COMMENT ON TABLE tidemill.failure_causes IS 'What attempts failed of: one row a cause, counted from stats_deltas by the keeper.';

COMMENT ON COLUMN tidemill.failure_causes.fingerprint IS 'The cause, as in attempts.';

COMMENT ON COLUMN tidemill.failure_causes.kind IS 'Kind of the jobs.';

COMMENT ON COLUMN tidemill.failure_causes.type IS 'Class of the error.';

COMMENT ON COLUMN tidemill.failure_causes.message IS 'Message of the last failure.';

COMMENT ON COLUMN tidemill.failure_causes.failures IS 'How many attempts failed of it.';

COMMENT ON COLUMN tidemill.failure_causes.first_at IS 'The first of them.';

COMMENT ON COLUMN tidemill.failure_causes.last_at IS 'The last of them.';

COMMENT ON COLUMN tidemill.failure_causes.last_job_id IS 'A job to look at.';

CREATE VIEW tidemill.failures AS
 SELECT failed.kind,
    (failed.error ->> 'type'::text) AS type,
    "left"((failed.error ->> 'message'::text), 120) AS message,
    count(*) AS attempts,
    count(DISTINCT failed.job_id) AS jobs,
    min(failed.finished_at) AS first_at,
    max(failed.finished_at) AS last_at
   FROM ( SELECT a.job_id,
            a.attempt,
            a.lease_id,
            a.worker_id,
            a.outcome,
            a.error,
            a.exit_code,
            a.signal,
            a.out_of_memory,
            a.peak_memory_bytes,
            a.started_at,
            a.finished_at,
            a.fingerprint,
            a.log_tail,
            j.kind
           FROM (tidemill.attempts a
             LEFT JOIN tidemill.jobs j ON ((j.id = a.job_id)))
          WHERE ((a.finished_at > (now() - '1 day'::interval)) AND (a.outcome <> 'completed'::text))) failed
  GROUP BY failed.kind, (failed.error ->> 'type'::text), ("left"((failed.error ->> 'message'::text), 120));

COMMENT ON VIEW tidemill.failures IS 'Failed attempts of the last day, grouped by their cause.';

CREATE TABLE tidemill.idempotency_keys (
    key text NOT NULL,
    request_hash bytea NOT NULL,
    answer jsonb,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone DEFAULT (now() + '24:00:00'::interval) NOT NULL
);

COMMENT ON TABLE tidemill.idempotency_keys IS 'The stored first answers to requests that may be repeated.';

COMMENT ON COLUMN tidemill.idempotency_keys.key IS 'Scope and Idempotency-Key of the request.';

COMMENT ON COLUMN tidemill.idempotency_keys.request_hash IS 'SHA-256 of the request as parsed.';

COMMENT ON COLUMN tidemill.idempotency_keys.answer IS 'The first answer.';

COMMENT ON COLUMN tidemill.idempotency_keys.created_at IS 'When the request came first.';

COMMENT ON COLUMN tidemill.idempotency_keys.expires_at IS 'From then on the key may be forgotten.';

CREATE TABLE tidemill.progress (
    job_id uuid NOT NULL,
    last_seq bigint NOT NULL,
    percent real,
    step text,
    data jsonb,
    updated_at timestamp with time zone,
    last_report uuid
)
WITH (fillfactor='50', autovacuum_vacuum_cost_delay='0');

COMMENT ON TABLE tidemill.progress IS 'How far each job is that ever reported; also allocates the numbers of its events, under its lock.';

COMMENT ON COLUMN tidemill.progress.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.progress.last_seq IS 'Number of the job''s last event.';

COMMENT ON COLUMN tidemill.progress.percent IS 'From 0 to 100.';

COMMENT ON COLUMN tidemill.progress.step IS 'What the job does now.';

COMMENT ON COLUMN tidemill.progress.data IS 'Data of the handler''s own.';

COMMENT ON COLUMN tidemill.progress.updated_at IS 'When progress was last reported; null if only other events were.';

COMMENT ON COLUMN tidemill.progress.last_report IS 'The last report of a worker that was stored: one whose answer was cut off is repeated, and stored once.';

CREATE VIEW tidemill.job_documents AS
 SELECT j.id,
    j.kind,
    j.queue,
    j.state,
    j.priority,
    j.attempt,
    j.max_attempts,
    j.run_at,
    j.created_at,
    j.started_at,
    j.finished_at,
    j.cancel_requested_at,
    j.lease_id,
    j.worker_id,
    j.last_lease_id,
    j.last_worker_id,
    j.args,
    j.result,
    j.error,
    j.execution_id,
    j.tags,
    j.metadata,
    j.soft_timeout,
    j.hard_timeout,
    j.retain,
    j.retain_until,
    j.concurrency_keys,
    j.fair_key,
    j.group_id,
    j.due_at,
    j.expires_at,
    j.unique_key,
    j.workflow_id,
    j.awaited,
    tidemill.shown_state(j.state, j.attempt, j.run_at, j.due_at) AS status,
    p.percent,
    p.step,
    p.data AS progress_data,
    p.last_seq,
    p.updated_at AS progress_at
   FROM (tidemill.jobs j
     LEFT JOIN tidemill.progress p ON ((p.job_id = j.id)));

COMMENT ON VIEW tidemill.job_documents IS 'Each job with its progress: what the HTTP API shows.';

CREATE VIEW tidemill.job_history AS
 SELECT jobs.id,
    jobs.kind,
    jobs.queue,
    jobs.state,
    jobs.priority,
    jobs.attempt,
    jobs.created_at,
    jobs.started_at,
    jobs.finished_at,
    (jobs.started_at - jobs.created_at) AS waited,
    (jobs.finished_at - jobs.started_at) AS ran,
    jobs.last_worker_id AS worker_id,
    jobs.execution_id,
    jobs.tags,
    jobs.args,
    jobs.result,
    jobs.error
   FROM tidemill.jobs
  WHERE (jobs.finished_at IS NOT NULL);

COMMENT ON VIEW tidemill.job_history IS 'Finished jobs; ask with a range of finished_at to read only those days.';

CREATE TABLE tidemill.jobs_live (
    id uuid NOT NULL,
    kind text NOT NULL,
    queue text DEFAULT 'default'::text NOT NULL,
    state tidemill.job_state DEFAULT 'available'::tidemill.job_state NOT NULL,
    priority smallint DEFAULT 5 NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    max_attempts integer DEFAULT 5 NOT NULL,
    run_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    lease_id uuid,
    worker_id text,
    last_lease_id uuid,
    last_worker_id text,
    args jsonb DEFAULT '{}'::jsonb NOT NULL,
    result jsonb,
    error jsonb,
    execution_id text,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    metadata jsonb,
    soft_timeout interval,
    hard_timeout interval,
    retain interval,
    retain_until timestamp with time zone,
    concurrency_keys text[],
    fair_key text,
    group_id uuid,
    due_at timestamp with time zone,
    expires_at timestamp with time zone,
    unique_key text,
    workflow_id uuid,
    awaited boolean,
    CONSTRAINT jobs_args_is_an_object CHECK ((jsonb_typeof(args) = 'object'::text)),
    CONSTRAINT jobs_attempts_count_up CHECK (((attempt >= 0) AND (max_attempts >= 1))),
    CONSTRAINT jobs_finished_at_marks_the_end CHECK (((finished_at IS NOT NULL) = (state = ANY (ARRAY['completed'::tidemill.job_state, 'failed'::tidemill.job_state, 'cancelled'::tidemill.job_state])))),
    CONSTRAINT jobs_hard_timeout_is_in_reach CHECK (((hard_timeout >= '00:00:00'::interval) AND (hard_timeout <= '100 years'::interval))),
    CONSTRAINT jobs_kind_is_named CHECK (((kind <> ''::text) AND (length(kind) <= 63))),
    CONSTRAINT jobs_lease_while_running CHECK (((lease_id IS NOT NULL) = (state = 'running'::tidemill.job_state))),
    CONSTRAINT jobs_live_group_is_due_some_time CHECK (((group_id IS NULL) = (due_at IS NULL))),
    CONSTRAINT jobs_live_group_takes_turns CHECK (((group_id IS NULL) OR (state <> 'available'::tidemill.job_state))),
    CONSTRAINT jobs_live_is_unfinished CHECK ((finished_at IS NULL)),
    CONSTRAINT jobs_priority_is_1_to_9 CHECK (((priority >= 1) AND (priority <= 9))),
    CONSTRAINT jobs_queue_is_named CHECK (((queue <> ''::text) AND (length(queue) <= 63))),
    CONSTRAINT jobs_result_means_completed CHECK (((result IS NULL) OR (state = 'completed'::tidemill.job_state))),
    CONSTRAINT jobs_retain_is_in_reach CHECK (((retain >= '00:00:00'::interval) AND (retain <= '100 years'::interval))),
    CONSTRAINT jobs_run_at_is_in_reach CHECK (((run_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND ((run_at < '10000-01-01 00:00:00+00'::timestamp with time zone) OR (state = 'waiting'::tidemill.job_state)))),
    CONSTRAINT jobs_running_has_started CHECK (((state <> 'running'::tidemill.job_state) OR ((started_at IS NOT NULL) AND (attempt >= 1)))),
    CONSTRAINT jobs_soft_timeout_is_in_reach CHECK (((soft_timeout >= '00:00:00'::interval) AND (soft_timeout <= '100 years'::interval))),
    CONSTRAINT jobs_waiting_is_never_due CHECK (((state <> 'waiting'::tidemill.job_state) OR (run_at = 'infinity'::timestamp with time zone))),
    CONSTRAINT jobs_worker_while_running CHECK (((worker_id IS NOT NULL) = (state = 'running'::tidemill.job_state)))
)
WITH (fillfactor='40', autovacuum_vacuum_scale_factor='0.0', autovacuum_vacuum_threshold='10000', autovacuum_analyze_scale_factor='0.0', autovacuum_analyze_threshold='50000', autovacuum_vacuum_cost_delay='0');

COMMENT ON TABLE tidemill.jobs_live IS 'The jobs that are not finished: all that the hot path reads and writes.';

CREATE VIEW tidemill.jobs_now AS
 SELECT jobs_live.id,
    jobs_live.kind,
    jobs_live.queue,
    tidemill.shown_state(jobs_live.state, jobs_live.attempt, jobs_live.run_at, jobs_live.due_at) AS status,
    jobs_live.priority,
    jobs_live.attempt,
    jobs_live.max_attempts,
    NULLIF(COALESCE(NULLIF(jobs_live.run_at, 'infinity'::timestamp with time zone), jobs_live.due_at), 'infinity'::timestamp with time zone) AS run_at,
    jobs_live.created_at,
    jobs_live.started_at,
    jobs_live.worker_id,
    jobs_live.execution_id,
    jobs_live.tags,
    jobs_live.args,
    (jobs_live.error ->> 'message'::text) AS last_error,
    jobs_live.cancel_requested_at,
    jobs_live.concurrency_keys,
    jobs_live.fair_key,
    jobs_live.expires_at
   FROM tidemill.jobs_live;

COMMENT ON VIEW tidemill.jobs_now IS 'Live jobs with their shown state.';

CREATE VIEW tidemill.kind_stats AS
 SELECT jobs.kind,
    date_trunc('hour'::text, jobs.finished_at) AS hour,
    count(*) FILTER (WHERE (jobs.state = 'completed'::tidemill.job_state)) AS completed,
    count(*) FILTER (WHERE (jobs.state = 'failed'::tidemill.job_state)) AS failed,
    count(*) FILTER (WHERE (jobs.state = 'cancelled'::tidemill.job_state)) AS cancelled,
    avg((jobs.finished_at - jobs.started_at)) AS average_run,
    percentile_cont((0.95)::double precision) WITHIN GROUP (ORDER BY (jobs.finished_at - jobs.started_at)) AS p95_run,
    avg((jobs.started_at - jobs.created_at)) AS average_wait
   FROM tidemill.jobs
  WHERE (jobs.finished_at > (now() - '1 day'::interval))
  GROUP BY jobs.kind, (date_trunc('hour'::text, jobs.finished_at));

COMMENT ON VIEW tidemill.kind_stats IS 'Finished jobs of the last day by kind and hour.';

CREATE TABLE tidemill.kinds (
    name text NOT NULL,
    source text NOT NULL,
    queue text DEFAULT 'default'::text NOT NULL,
    priority smallint DEFAULT 5 NOT NULL,
    max_attempts integer DEFAULT 5 NOT NULL,
    soft_timeout interval,
    hard_timeout interval DEFAULT '24:00:00'::interval NOT NULL,
    stop_grace interval DEFAULT '00:00:10'::interval NOT NULL,
    backoff_first interval DEFAULT '00:00:05'::interval NOT NULL,
    backoff_factor double precision DEFAULT 2 NOT NULL,
    backoff_max interval DEFAULT '01:00:00'::interval NOT NULL,
    backoff_jitter double precision DEFAULT 0.2 NOT NULL,
    retain interval,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    defaults jsonb,
    permanent_errors text[] DEFAULT '{}'::text[] NOT NULL,
    breaker_after integer,
    breaker_window interval DEFAULT '00:10:00'::interval NOT NULL,
    breaker_pause interval DEFAULT '00:01:00'::interval NOT NULL,
    breaker_crashes integer DEFAULT 0 NOT NULL,
    breaker_since timestamp with time zone,
    breaker_open_until timestamp with time zone,
    CONSTRAINT kinds_are_named CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'::text)),
    CONSTRAINT kinds_backoff_is_sane CHECK ((((backoff_first >= '00:00:00'::interval) AND (backoff_first <= '100 years'::interval)) AND (backoff_factor >= (1)::double precision) AND ((backoff_max >= '00:00:00'::interval) AND (backoff_max <= '100 years'::interval)) AND ((backoff_jitter >= (0)::double precision) AND (backoff_jitter <= (1)::double precision)))),
    CONSTRAINT kinds_breaker_is_sane CHECK (((breaker_after >= 1) AND ((breaker_window >= '00:00:01'::interval) AND (breaker_window <= '1 year'::interval)) AND ((breaker_pause >= '00:00:01'::interval) AND (breaker_pause <= '1 year'::interval)) AND (breaker_crashes >= 0))),
    CONSTRAINT kinds_defaults_is_an_object CHECK ((jsonb_typeof(defaults) = 'object'::text)),
    CONSTRAINT kinds_times_are_in_reach CHECK ((((soft_timeout >= '00:00:00'::interval) AND (soft_timeout <= '100 years'::interval)) AND ((hard_timeout >= '00:00:00'::interval) AND (hard_timeout <= '100 years'::interval)) AND ((stop_grace >= '00:00:00'::interval) AND (stop_grace <= '100 years'::interval)) AND ((retain >= '00:00:00'::interval) AND (retain <= '100 years'::interval))))
);

COMMENT ON TABLE tidemill.kinds IS 'What is known of each kind, written by the workers that serve it.';

COMMENT ON COLUMN tidemill.kinds.name IS 'The kind.';

COMMENT ON COLUMN tidemill.kinds.source IS 'command, url, rust or remote.';

COMMENT ON COLUMN tidemill.kinds.queue IS 'Where its jobs go unless they say otherwise.';

COMMENT ON COLUMN tidemill.kinds.priority IS 'Priority of its jobs unless they say otherwise.';

COMMENT ON COLUMN tidemill.kinds.max_attempts IS 'Attempts of its jobs unless they say otherwise.';

COMMENT ON COLUMN tidemill.kinds.soft_timeout IS 'After this an attempt is asked to stop.';

COMMENT ON COLUMN tidemill.kinds.hard_timeout IS 'After this an attempt is ended.';

COMMENT ON COLUMN tidemill.kinds.stop_grace IS 'How long an attempt that was asked to stop may take.';

COMMENT ON COLUMN tidemill.kinds.backoff_first IS 'Delay before the second attempt.';

COMMENT ON COLUMN tidemill.kinds.backoff_factor IS 'By how much each further delay is longer.';

COMMENT ON COLUMN tidemill.kinds.backoff_max IS 'The longest delay.';

COMMENT ON COLUMN tidemill.kinds.backoff_jitter IS 'Share of the delay by which it randomly varies.';

COMMENT ON COLUMN tidemill.kinds.retain IS 'How long its finished jobs stay.';

COMMENT ON COLUMN tidemill.kinds.last_seen_at IS 'When a worker last said that it serves the kind.';

COMMENT ON COLUMN tidemill.kinds.defaults IS 'What its jobs have unless they say otherwise: concurrency_keys, fair_key, unique, expires_in_seconds. {name} in a key stands for that arg.';

COMMENT ON COLUMN tidemill.kinds.permanent_errors IS 'Classes of errors (their type) that no further attempt can mend.';

COMMENT ON COLUMN tidemill.kinds.breaker_after IS 'After so many crashes within breaker_window its jobs are not started for a while; null: never.';

COMMENT ON COLUMN tidemill.kinds.breaker_window IS 'Crashes further apart are not counted together.';

COMMENT ON COLUMN tidemill.kinds.breaker_pause IS 'How long its jobs are not started then; twice as long each time that it goes on.';

COMMENT ON COLUMN tidemill.kinds.breaker_crashes IS 'Crashes that count now.';

COMMENT ON COLUMN tidemill.kinds.breaker_since IS 'When the first of them was.';

COMMENT ON COLUMN tidemill.kinds.breaker_open_until IS 'Until then none of its jobs is started.';

CREATE TABLE tidemill.limit_buckets (
    key text NOT NULL,
    tokens double precision NOT NULL,
    filled_at timestamp with time zone NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE tidemill.limit_buckets IS 'How many more jobs of a key with a rate may start now (a token bucket); a key without a row has a full one.';

COMMENT ON COLUMN tidemill.limit_buckets.key IS 'The concurrency key, or queue:NAME.';

COMMENT ON COLUMN tidemill.limit_buckets.tokens IS 'Tokens at filled_at; each start takes one.';

COMMENT ON COLUMN tidemill.limit_buckets.filled_at IS 'When it was last counted.';

CREATE TABLE tidemill.running (
    job_id uuid NOT NULL,
    lease_id uuid NOT NULL,
    worker_id text NOT NULL,
    attempt integer NOT NULL,
    queue text NOT NULL,
    kind text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    lease_expires_at timestamp with time zone NOT NULL,
    deadline_at timestamp with time zone NOT NULL,
    concurrency_keys text[]
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0.0', autovacuum_vacuum_threshold='10000', autovacuum_vacuum_cost_delay='0');

COMMENT ON TABLE tidemill.running IS 'What runs now, one row a lease; pages, limits and the sweep look here and never through the backlog.';

COMMENT ON COLUMN tidemill.running.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.running.lease_id IS 'Its present lease, equal to jobs.lease_id.';

COMMENT ON COLUMN tidemill.running.worker_id IS 'Who holds the lease.';

COMMENT ON COLUMN tidemill.running.attempt IS 'Which try this is.';

COMMENT ON COLUMN tidemill.running.queue IS 'The job''s queue.';

COMMENT ON COLUMN tidemill.running.kind IS 'The job''s kind.';

COMMENT ON COLUMN tidemill.running.started_at IS 'When it was claimed.';

COMMENT ON COLUMN tidemill.running.seen_at IS 'When its worker last named it in a heartbeat.';

COMMENT ON COLUMN tidemill.running.lease_expires_at IS 'From then on the sweep may take the job back.';

COMMENT ON COLUMN tidemill.running.deadline_at IS 'From then on the sweep takes the job back even from a worker that is alive.';

COMMENT ON COLUMN tidemill.running.concurrency_keys IS 'The limits that it counts for, as in jobs.';

CREATE VIEW tidemill.limit_stats AS
 SELECT l.name,
    l.max_running,
    l.rate,
    l.rate_period,
    l.burst,
    l.on_full,
    k.key,
    COALESCE(r.running, (0)::bigint) AS running,
        CASE
            WHEN (l.rate IS NOT NULL) THEN floor(tidemill.tokens_of(k.key, l.*))
            ELSE NULL::double precision
        END AS tokens,
    l.updated_at
   FROM ((tidemill.limits l
     LEFT JOIN LATERAL ( SELECT t.key
           FROM (tidemill.running r_1
             CROSS JOIN LATERAL unnest(r_1.concurrency_keys) t(key))
          WHERE ((l.name = t.key) OR (l.name = split_part(t.key, ':'::text, 1)))
        UNION
         SELECT b.key
           FROM tidemill.limit_buckets b
          WHERE (((l.name = b.key) OR (l.name = split_part(b.key, ':'::text, 1))) AND (l.name !~~ 'queue:%'::text))
        UNION
         SELECT l.name
          WHERE (l.name ~~ 'queue:%'::text)) k ON (true))
     LEFT JOIN LATERAL ( SELECT count(*) AS running
           FROM tidemill.running r_1
          WHERE ((k.key = ANY (r_1.concurrency_keys)) OR (k.key = ('queue:'::text || r_1.queue)))) r ON (true));

COMMENT ON VIEW tidemill.limit_stats IS 'Each limit and the keys that use it now: how many run, how many may start at this moment.';

CREATE VIEW tidemill.progress_now AS
 SELECT r.job_id,
    r.kind,
    r.queue,
    p.percent,
    p.step,
    p.data,
    p.updated_at,
    (now() - r.started_at) AS running_for,
    r.worker_id
   FROM (tidemill.running r
     LEFT JOIN tidemill.progress p ON ((p.job_id = r.job_id)))
  ORDER BY r.started_at;

COMMENT ON VIEW tidemill.progress_now IS 'What runs now and how far it is.';

CREATE TABLE tidemill.queues (
    name text NOT NULL,
    paused_at timestamp with time zone,
    paused_by text,
    draining_at timestamp with time zone,
    draining_by text,
    slots integer,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    priority_ageing interval,
    limited boolean DEFAULT false NOT NULL,
    CONSTRAINT queues_are_named CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'::text)),
    CONSTRAINT queues_priority_ageing_is_in_reach CHECK (((priority_ageing > '00:00:00'::interval) AND (priority_ageing <= '1 year'::interval))),
    CONSTRAINT queues_slots_are_not_negative CHECK ((slots >= 0))
);

COMMENT ON TABLE tidemill.queues IS 'What people set for queues; a queue without a row has only defaults.';

COMMENT ON COLUMN tidemill.queues.name IS 'The queue.';

COMMENT ON COLUMN tidemill.queues.paused_at IS 'Since when nothing is claimed from it.';

COMMENT ON COLUMN tidemill.queues.paused_by IS 'Who paused it.';

COMMENT ON COLUMN tidemill.queues.draining_at IS 'Since when it takes no new jobs.';

COMMENT ON COLUMN tidemill.queues.draining_by IS 'Who drains it.';

COMMENT ON COLUMN tidemill.queues.slots IS 'How many of its jobs each worker runs at once, instead of the worker''s own setting.';

COMMENT ON COLUMN tidemill.queues.updated_at IS 'When somebody last changed the row.';

COMMENT ON COLUMN tidemill.queues.priority_ageing IS 'A job that is due this long is claimed as if its priority were one better; null: never.';

COMMENT ON COLUMN tidemill.queues.limited IS 'True if claims must be counted: the queue has a limit of its own or priorities that age.';

CREATE TABLE tidemill.workers (
    id text NOT NULL,
    name text NOT NULL,
    host text NOT NULL,
    pid integer,
    version text NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    queues jsonb DEFAULT '{}'::jsonb NOT NULL,
    kinds text[] DEFAULT '{}'::text[] NOT NULL,
    running integer DEFAULT 0 NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    lease_ttl interval NOT NULL,
    drain_requested_at timestamp with time zone,
    CONSTRAINT workers_state_is_known CHECK ((state = ANY (ARRAY['running'::text, 'draining'::text, 'stopped'::text])))
)
WITH (fillfactor='50');

COMMENT ON TABLE tidemill.workers IS 'Processes that claim and run, with their heartbeat.';

COMMENT ON COLUMN tidemill.workers.id IS 'Unique for each start of a worker: name, pid and a random part; a remote worker''s own name.';

COMMENT ON COLUMN tidemill.workers.name IS 'What people call it.';

COMMENT ON COLUMN tidemill.workers.host IS 'The machine that it runs on.';

COMMENT ON COLUMN tidemill.workers.pid IS 'Its process id there.';

COMMENT ON COLUMN tidemill.workers.version IS 'The version of its binary or client.';

COMMENT ON COLUMN tidemill.workers.state IS 'running, draining (claims no more) or stopped (said goodbye).';

COMMENT ON COLUMN tidemill.workers.queues IS 'Slots by queue.';

COMMENT ON COLUMN tidemill.workers.kinds IS 'The kinds that it serves.';

COMMENT ON COLUMN tidemill.workers.running IS 'How many attempts it held at its last heartbeat.';

COMMENT ON COLUMN tidemill.workers.started_at IS 'When it started.';

COMMENT ON COLUMN tidemill.workers.seen_at IS 'Its last heartbeat.';

COMMENT ON COLUMN tidemill.workers.lease_ttl IS 'How long after a heartbeat its leases last.';

COMMENT ON COLUMN tidemill.workers.drain_requested_at IS 'When somebody asked it to claim no more.';

CREATE VIEW tidemill.queue_names AS
 WITH RECURSIVE seen AS (
        ( SELECT jobs_live.queue
           FROM tidemill.jobs_live
          ORDER BY jobs_live.queue
         LIMIT 1)
        UNION ALL
         SELECT ( SELECT j.queue
                   FROM tidemill.jobs_live j
                  WHERE (j.queue > s.queue)
                  ORDER BY j.queue
                 LIMIT 1) AS queue
           FROM seen s
          WHERE (s.queue IS NOT NULL)
        )
 SELECT seen.queue AS name
   FROM seen
  WHERE (seen.queue IS NOT NULL)
UNION
 SELECT queues.name
   FROM tidemill.queues
UNION
 SELECT kinds.queue AS name
   FROM tidemill.kinds
UNION
 SELECT jsonb_object_keys(workers.queues) AS name
   FROM tidemill.workers
  WHERE ((workers.state <> 'stopped'::text) AND (workers.seen_at > (now() - workers.lease_ttl)));

COMMENT ON VIEW tidemill.queue_names IS 'Every queue that has live jobs, settings, a kind or a worker.';

CREATE VIEW tidemill.queue_stats AS
 SELECT n.name AS queue,
    q.paused_at,
    q.paused_by,
    q.draining_at,
    q.slots,
    l.max_running,
    l.rate,
    l.rate_period,
    l.burst,
    q.priority_ageing,
    ( SELECT count(*) AS count
           FROM tidemill.running r
          WHERE (r.queue = n.name)) AS running,
    ( SELECT count(*) AS count
           FROM ( SELECT 1 AS "?column?"
                   FROM tidemill.jobs_live j
                  WHERE ((j.queue = n.name) AND (j.group_id IS NOT NULL) AND (j.state = 'waiting'::tidemill.job_state))
                 LIMIT 10000) waiting) AS waiting_at_most_10000,
    ( SELECT count(*) AS count
           FROM ( SELECT 1 AS "?column?"
                   FROM tidemill.jobs_live j
                  WHERE ((j.queue = n.name) AND (j.run_at <= now()) AND (j.state = 'available'::tidemill.job_state))
                 LIMIT 10000) due) AS due_at_most_10000,
    ( SELECT min(due.run_at) AS min
           FROM ( SELECT ( SELECT j.run_at
                           FROM tidemill.jobs_live j
                          WHERE ((j.queue = n.name) AND (j.priority = p.priority) AND (j.run_at <= now()) AND (j.state = 'available'::tidemill.job_state))
                          ORDER BY j.run_at, j.id
                         LIMIT 1) AS run_at
                   FROM generate_series(1, 9) p(priority)) due) AS oldest_due_at
   FROM ((tidemill.queue_names n
     LEFT JOIN tidemill.queues q ON ((q.name = n.name)))
     LEFT JOIN tidemill.limits l ON ((l.name = ('queue:'::text || n.name))));

COMMENT ON VIEW tidemill.queue_stats IS 'Each queue: paused or not, its limits, what runs, how much waits for its turn or is due (counted up to 10,000, never more).';

CREATE TABLE tidemill.refinery_schema_history (
    version integer NOT NULL,
    name character varying(255),
    applied_on character varying(255),
    checksum character varying(255)
);

CREATE VIEW tidemill.schedule_next AS
 SELECT s.name,
    n.slot AS fires_at,
    (n.slot - now()) AS fires_in,
    (s.job ->> 'kind'::text) AS kind,
    (s.job ->> 'queue'::text) AS queue,
    COALESCE(s.cron, (s.every)::text, (s.at)::text) AS times,
    s.timezone,
    s.paused_at,
    s.problem
   FROM (tidemill.schedules s
     LEFT JOIN LATERAL unnest(s.upcoming) n(slot) ON ((n.slot > now())));

COMMENT ON VIEW tidemill.schedule_next IS 'The next five slots of every schedule; one without a slot shows why.';

CREATE TABLE tidemill.schedule_slots (
    schedule text NOT NULL,
    slot timestamp with time zone NOT NULL,
    outcome text NOT NULL,
    job_id uuid,
    reason text,
    fired_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT schedule_slots_job_means_enqueued CHECK (((job_id IS NOT NULL) = (outcome = 'enqueued'::text))),
    CONSTRAINT schedule_slots_outcome_is_known CHECK ((outcome = ANY (ARRAY['enqueued'::text, 'skipped'::text, 'held'::text, 'missed'::text])))
);

COMMENT ON TABLE tidemill.schedule_slots IS 'Each time at which a schedule fell due, and what came of it; kept for 1,000 slots, and a day at least.';

COMMENT ON COLUMN tidemill.schedule_slots.schedule IS 'The schedule.';

COMMENT ON COLUMN tidemill.schedule_slots.slot IS 'The nominal time, before jitter.';

COMMENT ON COLUMN tidemill.schedule_slots.outcome IS 'enqueued, skipped, held (waits for the end of an earlier job), or missed (with all after it, up to the next row).';

COMMENT ON COLUMN tidemill.schedule_slots.job_id IS 'The job that it became.';

COMMENT ON COLUMN tidemill.schedule_slots.reason IS 'Why it became none.';

COMMENT ON COLUMN tidemill.schedule_slots.fired_at IS 'When that was decided.';

CREATE TABLE tidemill.schema_compatibility (
    only_row boolean DEFAULT true NOT NULL,
    oldest_binary integer NOT NULL,
    verbs_digest text,
    CONSTRAINT schema_compatibility_only_row_check CHECK (only_row)
);

COMMENT ON TABLE tidemill.schema_compatibility IS 'Which older binaries may still use this schema.';

COMMENT ON COLUMN tidemill.schema_compatibility.only_row IS 'Holds the table at one row.';

COMMENT ON COLUMN tidemill.schema_compatibility.oldest_binary IS 'A binary that knows migrations up to this number or later may run on this schema.';

COMMENT ON COLUMN tidemill.schema_compatibility.verbs_digest IS 'Release of the binary that installed the functions and views, and their SHA-256; an older one leaves them alone.';

CREATE TABLE tidemill.signals (
    job_id uuid NOT NULL,
    name text NOT NULL,
    payload jsonb,
    timed_out boolean DEFAULT false NOT NULL,
    sent_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    sent_by text,
    CONSTRAINT signals_are_named CHECK (((name <> ''::text) AND (length(name) <= 200)))
);

COMMENT ON TABLE tidemill.signals IS 'Messages to jobs, the first of each name; also those that came before the job waited for them.';

COMMENT ON COLUMN tidemill.signals.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.signals.name IS 'The signal.';

COMMENT ON COLUMN tidemill.signals.payload IS 'What it says.';

COMMENT ON COLUMN tidemill.signals.timed_out IS 'True if none came in time; one that comes later changes nothing.';

COMMENT ON COLUMN tidemill.signals.sent_at IS 'When it came, or was given up.';

COMMENT ON COLUMN tidemill.signals.sent_by IS 'Who sent it.';

CREATE TABLE tidemill.stats (
    minute timestamp with time zone NOT NULL,
    queue text NOT NULL,
    kind text NOT NULL,
    outcome text NOT NULL,
    jobs bigint NOT NULL,
    waited interval DEFAULT '00:00:00'::interval NOT NULL,
    ran interval DEFAULT '00:00:00'::interval NOT NULL
)
WITH (fillfactor='70');

COMMENT ON TABLE tidemill.stats IS 'Counters a minute, so that no page counts jobs.';

COMMENT ON COLUMN tidemill.stats.minute IS 'Beginning of the minute.';

COMMENT ON COLUMN tidemill.stats.queue IS 'The queue.';

COMMENT ON COLUMN tidemill.stats.kind IS 'The kind.';

COMMENT ON COLUMN tidemill.stats.outcome IS 'As in stats_deltas.';

COMMENT ON COLUMN tidemill.stats.jobs IS 'How many.';

COMMENT ON COLUMN tidemill.stats.waited IS 'How long they waited, together.';

COMMENT ON COLUMN tidemill.stats.ran IS 'How long they ran, together.';

CREATE TABLE tidemill.stats_deltas (
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    queue text NOT NULL,
    kind text NOT NULL,
    outcome text NOT NULL,
    jobs bigint NOT NULL,
    waited interval DEFAULT '00:00:00'::interval NOT NULL,
    ran interval DEFAULT '00:00:00'::interval NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0.0', autovacuum_vacuum_threshold='1000');

COMMENT ON TABLE tidemill.stats_deltas IS 'What was counted and is not in stats yet: a few rows for each batch of jobs, in the transaction of the batch. Folded by the keeper.';

COMMENT ON COLUMN tidemill.stats_deltas.at IS 'When it happened.';

COMMENT ON COLUMN tidemill.stats_deltas.queue IS 'The queue.';

COMMENT ON COLUMN tidemill.stats_deltas.kind IS 'The kind.';

COMMENT ON COLUMN tidemill.stats_deltas.outcome IS 'enqueued, completed, failed, cancelled, or retried (an attempt that failed and is tried again).';

COMMENT ON COLUMN tidemill.stats_deltas.jobs IS 'How many.';

COMMENT ON COLUMN tidemill.stats_deltas.waited IS 'How long they waited for their last start, together.';

COMMENT ON COLUMN tidemill.stats_deltas.ran IS 'How long their last attempts ran, together.';

CREATE TABLE tidemill.steps (
    job_id uuid NOT NULL,
    name text NOT NULL,
    attempt integer NOT NULL,
    output jsonb,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT steps_are_named CHECK (((name <> ''::text) AND (length(name) <= 200)))
)
WITH (fillfactor='70');

COMMENT ON TABLE tidemill.steps IS 'Checkpoints of jobs: a step that is here is not run again.';

COMMENT ON COLUMN tidemill.steps.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.steps.name IS 'The step, unique in the job.';

COMMENT ON COLUMN tidemill.steps.attempt IS 'The try that did it.';

COMMENT ON COLUMN tidemill.steps.output IS 'What it gave back; for a cursor, how far the job is.';

COMMENT ON COLUMN tidemill.steps.created_at IS 'When it was first stored; the order of the steps.';

COMMENT ON COLUMN tidemill.steps.updated_at IS 'When it was last stored.';

CREATE VIEW tidemill.stuck_jobs AS
 SELECT running.job_id,
    running.kind,
    running.queue,
    running.worker_id,
    running.attempt,
    (now() - running.started_at) AS running_for,
    (now() - running.seen_at) AS last_seen,
    (running.lease_expires_at < now()) AS lease_expired,
    (running.deadline_at < now()) AS past_deadline
   FROM tidemill.running
  WHERE ((running.seen_at < (now() - '00:05:00'::interval)) OR (running.lease_expires_at < now()) OR (running.deadline_at < now()));

COMMENT ON VIEW tidemill.stuck_jobs IS 'Attempts without a sign of life; the sweep takes them back within seconds if it runs.';

CREATE TABLE tidemill.task_ids (
    execution_id text NOT NULL,
    job_id uuid NOT NULL,
    CONSTRAINT task_ids_are_short CHECK (((length(execution_id) >= 1) AND (length(execution_id) <= 255)))
);

COMMENT ON TABLE tidemill.task_ids IS 'The callers'' own names for pieces of work.';

COMMENT ON COLUMN tidemill.task_ids.execution_id IS 'The name, as the caller gave it.';

COMMENT ON COLUMN tidemill.task_ids.job_id IS 'The job that it stands for.';

CREATE VIEW tidemill.throughput AS
 SELECT date_trunc('minute'::text, jobs.finished_at) AS minute,
    jobs.queue,
    count(*) AS finished,
    count(*) FILTER (WHERE (jobs.state = 'failed'::tidemill.job_state)) AS failed
   FROM tidemill.jobs
  WHERE (jobs.finished_at > (now() - '01:00:00'::interval))
  GROUP BY (date_trunc('minute'::text, jobs.finished_at)), jobs.queue;

COMMENT ON VIEW tidemill.throughput IS 'Finished jobs of the last hour by minute and queue.';

CREATE TABLE tidemill.turns (
    queue text NOT NULL,
    priority smallint NOT NULL,
    group_id uuid NOT NULL,
    concurrency_keys text[] DEFAULT '{}'::text[] NOT NULL,
    ready_at timestamp with time zone NOT NULL
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0.0', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_cost_delay='0');

COMMENT ON TABLE tidemill.turns IS 'Whose turn it is: one row for each group of jobs that wait in a queue, oldest ready_at first.';

COMMENT ON COLUMN tidemill.turns.queue IS 'The queue.';

COMMENT ON COLUMN tidemill.turns.priority IS 'The priority.';

COMMENT ON COLUMN tidemill.turns.group_id IS 'The group, as in jobs.';

COMMENT ON COLUMN tidemill.turns.concurrency_keys IS 'The limits that the jobs of the group count for.';

COMMENT ON COLUMN tidemill.turns.ready_at IS 'From when on it is worth to look at the group: its last turn, or when its next job or token falls due; infinity when its line is empty.';

CREATE TABLE tidemill.unique_keys (
    key text NOT NULL,
    job_id uuid,
    supersedes uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT unique_keys_are_short CHECK (((length(key) >= 1) AND (length(key) <= 350)))
)
WITH (fillfactor='70');

COMMENT ON TABLE tidemill.unique_keys IS 'Which job has a unique key; it counts only as long as the wish of the next job says.';

COMMENT ON COLUMN tidemill.unique_keys.key IS 'The key, as in jobs.';

COMMENT ON COLUMN tidemill.unique_keys.job_id IS 'The last job that took it; null if none has yet.';

COMMENT ON COLUMN tidemill.unique_keys.supersedes IS 'Jobs with this key that still ran when it passed on, and must not come back into the queue.';

COMMENT ON COLUMN tidemill.unique_keys.seen_at IS 'When a job took it, or the keeper last found that its job is kept.';

CREATE TABLE tidemill.waits (
    job_id uuid NOT NULL,
    run_if text DEFAULT 'all_completed'::text NOT NULL,
    signal text,
    until timestamp with time zone,
    run_at timestamp with time zone,
    delay interval,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT waits_run_if_is_known CHECK ((run_if = ANY (ARRAY['all_completed'::text, 'all_finished'::text, 'any_completed'::text, 'any_failed'::text])))
);

COMMENT ON TABLE tidemill.waits IS 'What each job that is held back waits for, one row each: the end of the jobs in dependencies, or a signal.';

COMMENT ON COLUMN tidemill.waits.job_id IS 'The job that waits.';

COMMENT ON COLUMN tidemill.waits.run_if IS 'Which ends of its parents let it run: all_completed, all_finished, any_completed or any_failed.';

COMMENT ON COLUMN tidemill.waits.signal IS 'The signal that it waits for; null if it waits for jobs.';

COMMENT ON COLUMN tidemill.waits.until IS 'From then on it goes on without the signal.';

COMMENT ON COLUMN tidemill.waits.run_at IS 'Not before this time, also when nothing holds it back any more.';

COMMENT ON COLUMN tidemill.waits.delay IS 'So long after nothing holds it back any more.';

COMMENT ON COLUMN tidemill.waits.since IS 'Since when it waits.';

CREATE VIEW tidemill.worker_status AS
 SELECT workers.id,
    workers.name,
    workers.host,
    workers.pid,
    workers.version,
        CASE
            WHEN ((workers.state <> 'stopped'::text) AND (workers.seen_at < (now() - workers.lease_ttl))) THEN 'lost'::text
            ELSE workers.state
        END AS state,
    workers.running,
    workers.queues,
    workers.kinds,
    workers.started_at,
    (now() - workers.seen_at) AS last_seen
   FROM tidemill.workers
  ORDER BY workers.started_at DESC;

COMMENT ON VIEW tidemill.worker_status IS 'Workers; "lost" ones stopped sending heartbeats.';

CREATE TABLE tidemill.workflows (
    id uuid NOT NULL,
    name text NOT NULL,
    on_failure text DEFAULT 'continue'::text NOT NULL,
    result_is text DEFAULT 'object'::text NOT NULL,
    members integer NOT NULL,
    done integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT workflows_are_done_once CHECK (((members >= 0) AND ((done >= 0) AND (done <= members)))),
    CONSTRAINT workflows_are_named CHECK (((name <> ''::text) AND (length(name) <= 200))),
    CONSTRAINT workflows_on_failure_is_known CHECK ((on_failure = ANY (ARRAY['continue'::text, 'cancel'::text]))),
    CONSTRAINT workflows_result_is_known CHECK ((result_is = ANY (ARRAY['object'::text, 'array'::text])))
)
WITH (fillfactor='50');

COMMENT ON TABLE tidemill.workflows IS 'Workflows and groups. Each is a job of the kind tidemill.workflow with the same id, which waits for its members and ends with them.';

COMMENT ON COLUMN tidemill.workflows.id IS 'The job that stands for it.';

COMMENT ON COLUMN tidemill.workflows.name IS 'What people call it.';

COMMENT ON COLUMN tidemill.workflows.on_failure IS 'continue: the members that do not depend on a failed one go on; cancel: all others are cancelled.';

COMMENT ON COLUMN tidemill.workflows.result_is IS 'Its result: an object of the members'' results by name, or an array of them in order.';

COMMENT ON COLUMN tidemill.workflows.members IS 'How many jobs it waits for.';

COMMENT ON COLUMN tidemill.workflows.done IS 'How many of them ended.';

COMMENT ON COLUMN tidemill.workflows.created_at IS 'When it was made.';

ALTER TABLE ONLY tidemill.jobs ATTACH PARTITION tidemill.jobs_live DEFAULT;

ALTER TABLE ONLY tidemill.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tidemill.attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (job_id, lease_id, finished_at);

ALTER TABLE ONLY tidemill.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tidemill.dependencies
    ADD CONSTRAINT dependencies_pkey PRIMARY KEY (job_id, parent_id);

ALTER TABLE ONLY tidemill.endings
    ADD CONSTRAINT endings_pkey PRIMARY KEY (job_id);

ALTER TABLE ONLY tidemill.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (job_id, seq, at);

ALTER TABLE ONLY tidemill.failure_causes
    ADD CONSTRAINT failure_causes_pkey PRIMARY KEY (fingerprint);

ALTER TABLE ONLY tidemill.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (key);

ALTER TABLE ONLY tidemill.jobs_live
    ADD CONSTRAINT jobs_live_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tidemill.kinds
    ADD CONSTRAINT kinds_pkey PRIMARY KEY (name);

ALTER TABLE ONLY tidemill.limit_buckets
    ADD CONSTRAINT limit_buckets_pkey PRIMARY KEY (key);

ALTER TABLE ONLY tidemill.limits
    ADD CONSTRAINT limits_pkey PRIMARY KEY (name);

ALTER TABLE ONLY tidemill.progress
    ADD CONSTRAINT progress_pkey PRIMARY KEY (job_id);

ALTER TABLE ONLY tidemill.queues
    ADD CONSTRAINT queues_pkey PRIMARY KEY (name);

ALTER TABLE ONLY tidemill.refinery_schema_history
    ADD CONSTRAINT refinery_schema_history_pkey PRIMARY KEY (version);

ALTER TABLE ONLY tidemill.running
    ADD CONSTRAINT running_pkey PRIMARY KEY (job_id);

ALTER TABLE ONLY tidemill.schedule_slots
    ADD CONSTRAINT schedule_slots_pkey PRIMARY KEY (schedule, slot);

ALTER TABLE ONLY tidemill.schedules
    ADD CONSTRAINT schedules_pkey PRIMARY KEY (name);

ALTER TABLE ONLY tidemill.schema_compatibility
    ADD CONSTRAINT schema_compatibility_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY tidemill.signals
    ADD CONSTRAINT signals_pkey PRIMARY KEY (job_id, name);

ALTER TABLE ONLY tidemill.stats
    ADD CONSTRAINT stats_pkey PRIMARY KEY (minute, queue, kind, outcome);

ALTER TABLE ONLY tidemill.steps
    ADD CONSTRAINT steps_pkey PRIMARY KEY (job_id, name);

ALTER TABLE ONLY tidemill.task_ids
    ADD CONSTRAINT task_ids_pkey PRIMARY KEY (execution_id);

ALTER TABLE ONLY tidemill.turns
    ADD CONSTRAINT turns_pkey PRIMARY KEY (queue, priority, group_id);

ALTER TABLE ONLY tidemill.unique_keys
    ADD CONSTRAINT unique_keys_pkey PRIMARY KEY (key);

ALTER TABLE ONLY tidemill.waits
    ADD CONSTRAINT waits_pkey PRIMARY KEY (job_id);

ALTER TABLE ONLY tidemill.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tidemill.workflows
    ADD CONSTRAINT workflows_pkey PRIMARY KEY (id);

CREATE INDEX audit_log_at ON tidemill.audit_log USING btree (at);

CREATE INDEX audit_log_subject ON tidemill.audit_log USING btree (subject, id);

CREATE INDEX dependencies_bad ON tidemill.dependencies USING btree (job_id) WHERE (outcome = ANY (ARRAY['failed'::text, 'cancelled'::text, 'skipped'::text]));

CREATE INDEX dependencies_open ON tidemill.dependencies USING btree (job_id) WHERE (outcome IS NULL);

CREATE INDEX dependencies_parent ON tidemill.dependencies USING btree (parent_id);

CREATE INDEX failure_causes_last ON tidemill.failure_causes USING btree (last_at);

CREATE INDEX idempotency_keys_expiry ON tidemill.idempotency_keys USING btree (expires_at);

CREATE INDEX jobs_live_claim ON tidemill.jobs_live USING btree (queue, priority, run_at, id);

COMMENT ON INDEX tidemill.jobs_live_claim IS 'The order in which jobs are claimed; must never name state, lease or worker.';

CREATE INDEX jobs_live_expiry ON tidemill.jobs_live USING btree (expires_at) WHERE (expires_at IS NOT NULL);

COMMENT ON INDEX tidemill.jobs_live_expiry IS 'Finds the jobs that nobody started in time.';

CREATE INDEX jobs_live_groups ON tidemill.jobs_live USING btree (queue, priority, group_id, due_at, id) WHERE (group_id IS NOT NULL);

COMMENT ON INDEX tidemill.jobs_live_groups IS 'The line of each group, in the order in which its jobs are claimed.';

CREATE INDEX jobs_live_tags ON tidemill.jobs_live USING gin (tags) WHERE (tags <> '{}'::text[]);

COMMENT ON INDEX tidemill.jobs_live_tags IS 'Finds live jobs by tag; untagged ones cost nothing.';

CREATE UNIQUE INDEX schedule_slots_held ON tidemill.schedule_slots USING btree (schedule) WHERE (outcome = 'held'::text);

COMMENT ON INDEX tidemill.schedule_slots_held IS 'At most one slot of a schedule is held.';

CREATE INDEX schedules_due ON tidemill.schedules USING btree (next_at) WHERE (paused_at IS NULL);

COMMENT ON INDEX tidemill.schedules_due IS 'Which schedule is due next, without a look at the others.';

CREATE INDEX task_ids_job ON tidemill.task_ids USING btree (job_id);

CREATE INDEX turns_order ON tidemill.turns USING btree (queue, priority, ready_at, group_id);

CREATE INDEX unique_keys_seen ON tidemill.unique_keys USING btree (seen_at);

CREATE INDEX waits_until ON tidemill.waits USING btree (until) WHERE (until IS NOT NULL);

CREATE TRIGGER jobs_live_awaited AFTER DELETE ON tidemill.jobs_live FOR EACH ROW WHEN (old.awaited) EXECUTE FUNCTION tidemill.note_ending();

COMMENT ON TRIGGER jobs_live_awaited ON tidemill.jobs_live IS 'Fires for jobs alone for which others wait.';

CREATE TRIGGER schedule_written BEFORE INSERT OR UPDATE ON tidemill.schedules FOR EACH ROW EXECUTE FUNCTION tidemill.schedule_written();

ALTER TABLE ONLY tidemill.schedule_slots
    ADD CONSTRAINT schedule_slots_schedule_fkey FOREIGN KEY (schedule) REFERENCES tidemill.schedules(name) ON UPDATE CASCADE ON DELETE CASCADE;
