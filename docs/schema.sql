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

CREATE FUNCTION tidemill.act_on_jobs(p_verb text, p_filter jsonb, p_limit integer DEFAULT 500, p_dry_run boolean DEFAULT false, p_queue text DEFAULT NULL::text, p_by text DEFAULT SESSION_USER, p_after uuid DEFAULT NULL::uuid) RETURNS TABLE(matched integer, done integer, refused integer, sample uuid[], last uuid)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
declare
  found_ids uuid[] := array(select matching_jobs(p_verb, p_filter, p_limit, p_after));
  one uuid;
  answer text;
  held uuid[] := '{}';
begin
  matched := cardinality(found_ids);
  sample := found_ids[1:20];
  last := found_ids[matched];
  done := 0;
  refused := 0;
  if p_dry_run then
    return next;
    return;
  end if;
  -- Before any job, as everybody does who tells others of jobs.
  if exists (select from dependencies where parent_id = any(found_ids))
    or p_verb in ('retry', 'delete') and exists (select from dependencies where job_id = any(found_ids))
    or exists (select from workflows where id = any(found_ids))
    or exists (select from steps where job_id = any(found_ids) and spawned_id is not null)
  then
    perform lock_workflows();
  end if;
  -- Recorded as one act.
  foreach one in array found_ids loop
    begin
      answer := case p_verb
        when 'retry' then case when retry_held(one, p_by) then 'held' else retry_one(one, p_by, false) end
        when 'cancel' then cancel_one(one, 'cancelled with others', p_by, false)
        when 'run_now' then run_now_one(one, p_by, false)
        when 'delete' then delete_one(one, false)
      end;
      if p_verb = 'retry' and p_queue is not null then
        perform move_job(one, p_queue);
      end if;
      if answer = 'held' then
        held := held || one;
      end if;
      if answer is null or p_verb = 'delete' and answer = 'running' then
        refused := refused + 1;
      else
        done := done + 1;
      end if;
    exception when others then
      -- One that cannot be done never stops the rest.
      raise notice 'job %: %', one, sqlerrm;
      refused := refused + 1;
    end;
  end loop;
  -- What they wait for may be over, unless it is retried as well.
  perform judge_apart(h.id) from unnest(held) as h (id);
  if matched > 0 then
    perform audit(p_verb || ' many', 'jobs', p_filter, jsonb_strip_nulls(jsonb_build_object('done', done, 'refused', refused, 'queue', p_queue)), p_by);
  end if;
  return next;
end
$$;

COMMENT ON FUNCTION tidemill.act_on_jobs(p_verb text, p_filter jsonb, p_limit integer, p_dry_run boolean, p_queue text, p_by text, p_after uuid) IS 'Does a verb (retry, cancel, run_now, delete) to up to so many jobs that a filter finds, or with p_dry_run only looks. What is retried may go to another queue. Answers the last one, behind which the next call goes on: what refused is found again by one that begins anew.';

CREATE FUNCTION tidemill.acting() RETURNS text
    LANGUAGE sql STABLE
    AS $$ select coalesce(nullif(current_setting('tidemill.by', true), ''), session_user) $$;

COMMENT ON FUNCTION tidemill.acting() IS 'Who acts in this transaction: what the setting tidemill.by says, else the database user.';

CREATE FUNCTION tidemill.admit(p_queue text, p_kinds text[], p_room integer, p_worst_priority smallint, p_room_at_worst integer, p_priorities smallint[], p_run_ats timestamp with time zone[], p_ids uuid[], OUT picked uuid[], OUT plain_room integer, OUT again_in_seconds double precision) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
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
  p_kinds := closed_kinds(p_kinds);
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
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$ select last_seq from append_events(array[p_job], array[p_attempt], array[p_type], array[p_data]) $$;

COMMENT ON FUNCTION tidemill.append_event(p_job uuid, p_attempt integer, p_type text, p_data jsonb) IS 'Writes one event and answers its number.';

CREATE FUNCTION tidemill.append_events(p_jobs uuid[], p_attempts integer[], p_types text[], p_data jsonb[], p_report uuid DEFAULT NULL::uuid) RETURNS TABLE(job_id uuid, last_seq bigint)
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
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
    written_in numeric DEFAULT ((pg_current_xact_id())::text)::numeric NOT NULL,
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

COMMENT ON COLUMN tidemill.jobs.written_in IS 'The transaction that put the row where it is: enqueued the job, made it live again, or finished it. No claim changes it.';

CREATE FUNCTION tidemill.archive(p_job tidemill.jobs) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  -- One that ends between two attempts neither ran nor waited for this end.
  ran_now boolean := p_job.lease_id is not null;
  ran interval;
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
  p_job.written_in := (pg_current_xact_id()::text)::numeric;
  insert into jobs select (p_job).*;
  -- A workflow is counted by its jobs.
  if p_job.kind <> 'tidemill.workflow' then
    ran := case when ran_now then p_job.finished_at - p_job.started_at end;
    insert into stats_deltas (queue, kind, outcome, jobs, waited, ran, ran_least, ran_most)
    values (
      p_job.queue, p_job.kind, p_job.state::text, 1, coalesce(case when ran_now then p_job.started_at - p_job.run_at end, '0'),
      coalesce(ran, '0'), ran, ran);
  end if;
  delete from waits where job_id = p_job.id;
  if p_job.awaited then
    perform tell('d:');
  end if;
end
$$;

COMMENT ON FUNCTION tidemill.archive(p_job tidemill.jobs) IS 'Moves a locked live job to the history of today, in the final state that the given row says.';

CREATE FUNCTION tidemill.audit(p_act text, p_subject text, p_before jsonb, p_after jsonb, p_by text DEFAULT NULL::text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  insert into audit_log (who, act, subject, before, after)
  values (coalesce(p_by, acting()), p_act, p_subject, p_before, p_after)
$$;

COMMENT ON FUNCTION tidemill.audit(p_act text, p_subject text, p_before jsonb, p_after jsonb, p_by text) IS 'Records an act of a person.';

CREATE FUNCTION tidemill.audit_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  ignored text[] := string_to_array(tg_argv[2], ',');
  old_row jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) - ignored end;
  new_row jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) - ignored end;
  changed_before jsonb;
  changed_after jsonb;
begin
  if old_row is not distinct from new_row then
    return null;
  end if;
  if tg_op = 'UPDATE' then
    -- Only what changed.
    select jsonb_object_agg(o.key, o.value), jsonb_object_agg(o.key, new_row -> o.key)
    into changed_before, changed_after
    from jsonb_each(old_row) o
    where o.value is distinct from new_row -> o.key;
  else
    changed_before := old_row;
    changed_after := jsonb_strip_nulls(new_row);
  end if;
  perform audit(
    case tg_op when 'INSERT' then 'make ' when 'UPDATE' then 'change ' else 'drop ' end || tg_argv[0],
    tg_argv[0] || ':' || (coalesce(new_row, old_row) ->> tg_argv[1]),
    changed_before, changed_after);
  return null;
end
$$;

COMMENT ON FUNCTION tidemill.audit_change() IS 'Records what was changed of a row of settings. Arguments: what the row is, its naming column, and columns that do not count.';

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

CREATE FUNCTION tidemill.bad_workflow(p_path text, p_message text, p_hint text) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
  raise exception '%: %', coalesce(nullif(p_path, ''), 'workflow'), p_message
    -- Class 22 is bad data; TM tells the words as ours.
    using errcode = '22TM1', hint = p_hint;
end
$$;

COMMENT ON FUNCTION tidemill.bad_workflow(p_path text, p_message text, p_hint text) IS 'Refuses a workflow: where, why, and what to do.';

CREATE FUNCTION tidemill.bare(p_text text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
  -- A condition that went through a dump has other brackets, though it means the same.
  select translate(p_text, '()', '')
$$;

COMMENT ON FUNCTION tidemill.bare(p_text text) IS 'A condition as Postgres prints it, without brackets.';

CREATE TABLE tidemill.alert_rules (
    name text NOT NULL,
    condition text NOT NULL,
    kind text,
    queue text,
    above double precision DEFAULT 0 NOT NULL,
    at_least integer DEFAULT 1 NOT NULL,
    over interval DEFAULT '00:15:00'::interval NOT NULL,
    hold interval DEFAULT '00:01:00'::interval NOT NULL,
    webhook text,
    email text[] DEFAULT '{}'::text[] NOT NULL,
    from_config boolean DEFAULT false NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    owner text,
    CONSTRAINT alert_rules_above_is_not_negative CHECK (((above >= (0)::double precision) AND (above < 'Infinity'::double precision))),
    CONSTRAINT alert_rules_are_named CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'::text)),
    CONSTRAINT alert_rules_at_least_is_positive CHECK ((at_least >= 1)),
    CONSTRAINT alert_rules_condition_is_known CHECK ((condition = ANY (ARRAY['error_rate'::text, 'average_time'::text, 'queue_depth'::text, 'no_worker'::text, 'stuck_jobs'::text, 'database_latency'::text, 'database_size'::text, 'database_horizon'::text]))),
    CONSTRAINT alert_rules_hold_is_in_reach CHECK (((hold >= '00:00:00'::interval) AND (hold <= '1 day'::interval))),
    CONSTRAINT alert_rules_kind_has_a_meaning CHECK (((kind IS NULL) OR (condition = ANY (ARRAY['error_rate'::text, 'average_time'::text, 'stuck_jobs'::text])))),
    CONSTRAINT alert_rules_over_is_in_reach CHECK (((over >= '00:01:00'::interval) AND (over <= '14 days'::interval))),
    CONSTRAINT alert_rules_queue_has_a_meaning CHECK (((queue IS NULL) OR (condition !~~ 'database%'::text))),
    CONSTRAINT alert_rules_webhook_is_an_address CHECK ((webhook ~ '^https?://.+'::text))
);

COMMENT ON TABLE tidemill.alert_rules IS 'When somebody shall be told.';

COMMENT ON COLUMN tidemill.alert_rules.name IS 'What the rule is called.';

COMMENT ON COLUMN tidemill.alert_rules.condition IS 'What is measured: error_rate, average_time, queue_depth, no_worker, stuck_jobs, database_latency, database_size or database_horizon.';

COMMENT ON COLUMN tidemill.alert_rules.kind IS 'Only jobs of this kind; null: each kind by itself.';

COMMENT ON COLUMN tidemill.alert_rules.queue IS 'Only this queue; null: all of them.';

COMMENT ON COLUMN tidemill.alert_rules.above IS 'It is too much above this: a share, seconds, jobs or bytes; of no_worker: up to so many workers are too few.';

COMMENT ON COLUMN tidemill.alert_rules.at_least IS 'Fewer attempts than this in the window say nothing.';

COMMENT ON COLUMN tidemill.alert_rules.over IS 'The window of error_rate and average_time.';

COMMENT ON COLUMN tidemill.alert_rules.hold IS 'It fires when it was too much for so long, and is resolved when it was not for so long.';

COMMENT ON COLUMN tidemill.alert_rules.webhook IS 'Called when it fires and when it is resolved; null: nobody.';

COMMENT ON COLUMN tidemill.alert_rules.email IS 'Who is written to then.';

COMMENT ON COLUMN tidemill.alert_rules.from_config IS 'True if a config names it.';

COMMENT ON COLUMN tidemill.alert_rules.updated_at IS 'When it was last changed.';

COMMENT ON COLUMN tidemill.alert_rules.owner IS 'The deployment whose config wrote it; null if none did.';

CREATE FUNCTION tidemill.breaches(p_rule tidemill.alert_rules, p_latency_seconds double precision) RETURNS TABLE(subject text, value double precision, message text)
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  measured double precision;
begin
  case
    when p_rule.condition in ('error_rate', 'average_time') then
      return query select * from measure_attempts(p_rule);
    when p_rule.condition = 'queue_depth' then
      return query
      select 'queue:' || q.queue, d.depth::double precision, format('%s jobs of queue %s wait', d.depth, q.queue)
      from queue_stats q
      cross join lateral (select q.due_at_most_10000 + q.waiting_at_most_10000 as depth) d
      where (p_rule.queue is null or q.queue = p_rule.queue)
        and d.depth > p_rule.above;
    when p_rule.condition = 'no_worker' then
      select count(*) into measured
      from worker_status s
      join workers w on w.id = s.id
      where s.state = 'running'
        and (p_rule.queue is null or w.queues ? p_rule.queue or w.other_queue_slots > 0);
      if measured <= p_rule.above then
        return query select
          coalesce('queue:' || p_rule.queue, 'workers'), measured,
          format('%s workers are there%s', measured, coalesce(' for queue ' || p_rule.queue, ''));
      end if;
    when p_rule.condition = 'stuck_jobs' then
      select count(*) into measured
      from stuck_jobs s
      where (p_rule.kind is null or s.kind = p_rule.kind)
        and (p_rule.queue is null or s.queue = p_rule.queue);
      if measured > p_rule.above then
        return query select 'jobs', measured, format('%s running jobs give no sign of life', measured);
      end if;
    else
      measured := measure_database(p_rule.condition, p_latency_seconds);
      if measured > p_rule.above then
        return query select 'database', measured, case p_rule.condition
          when 'database_latency' then format('the database took %s s to answer', round(measured::numeric, 3))
          when 'database_size' then format('the database has %s', pg_size_pretty(measured::bigint))
          else format('a transaction of %s s keeps dead rows in the database', round(measured::numeric))
        end;
      end if;
  end case;
end
$$;

COMMENT ON FUNCTION tidemill.breaches(p_rule tidemill.alert_rules, p_latency_seconds double precision) IS 'What is too much by a rule at this moment: what it is about, what was measured, and that in words.';

CREATE FUNCTION tidemill.cancel(p_job uuid, p_reason text DEFAULT NULL::text, p_by text DEFAULT SESSION_USER) RETURNS text
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
  select cancel_one(p_job, p_reason, p_by, true)
$$;

COMMENT ON FUNCTION tidemill.cancel(p_job uuid, p_reason text, p_by text) IS 'Cancels a job: at once if it does not run (cancelled), else by asking its worker (cancel_requested). Answers the state of one that is finished, null for one that does not exist.';

CREATE FUNCTION tidemill.cancel_children(p_job tidemill.jobs, p_reason text, p_by text, p_recorded boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
begin
  -- Those that a fork took over are not its own, and a unique one may be the work of others as well, who were
  -- answered with it or whose job it was.
  perform cancel_one(s.spawned_id, coalesce(p_reason, 'the job that spawned it is cancelled'), p_by, p_recorded)
  from steps s
  where s.job_id = p_job.id
    and s.spawned_id is not null
    and s.created_at >= p_job.created_at
    and not exists (select from jobs_live c where c.id = s.spawned_id and c.unique_key is not null)
  order by s.spawned_id;
end
$$;

COMMENT ON FUNCTION tidemill.cancel_children(p_job tidemill.jobs, p_reason text, p_by text, p_recorded boolean) IS 'Cancels what a job spawned that waits for it, or was about to.';

CREATE FUNCTION tidemill.cancel_one(p_job uuid, p_reason text, p_by text, p_recorded boolean) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  j jobs;
begin
  -- Before any job, as everybody does who tells jobs of others.
  if exists (select from workflows where id = p_job)
    or exists (select from steps where job_id = p_job and spawned_id is not null)
  then
    perform lock_workflows();
  end if;
  j := lock_job(p_job);
  if j.id is null or j.finished_at is not null then
    return j.state::text;
  end if;
  if p_recorded then
    perform audit('cancel', 'job:' || p_job, jsonb_build_object('state', j.state), jsonb_strip_nulls(jsonb_build_object(
      'state', case when j.state = 'running' or j.kind = 'tidemill.workflow' then 'cancel_requested' else 'cancelled' end,
      'reason', p_reason)), p_by);
  end if;
  if j.kind = 'tidemill.workflow' then
    return cancel_workflow(p_job, p_reason, p_by);
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
  perform cancel_children(j, p_reason, p_by, p_recorded);
  perform archive(j);
  perform tell(format('e:%s:%s', p_job, append_event(p_job, j.attempt, 'cancel_requested',
    jsonb_strip_nulls(jsonb_build_object('by', p_by, 'reason', p_reason)))));
  return 'cancelled';
end
$$;

COMMENT ON FUNCTION tidemill.cancel_one(p_job uuid, p_reason text, p_by text, p_recorded boolean) IS 'As cancel; whether it is recorded as an act says the caller.';

CREATE FUNCTION tidemill.cancel_workflow(p_workflow uuid, p_reason text, p_by text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  j jobs;
  members uuid[];
begin
  perform lock_workflows();
  j := lock_job(p_workflow);
  if j.finished_at is not null then
    return j.state::text;
  end if;
  update jobs_live set cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()) where id = p_workflow;
  members := array(
    select l.id
    from dependencies d
    join jobs_live l on l.id = d.parent_id
    where d.job_id = p_workflow
      and d.member
    order by l.id);
  perform append_event(p_workflow, 0, 'cancel_requested', jsonb_strip_nulls(jsonb_build_object('by', p_by, 'reason', p_reason)));
  if cardinality(members) = 0 then
    j.cancel_requested_at := coalesce(j.cancel_requested_at, clock_timestamp());
    j.state := 'cancelled';
    perform archive(j);
    perform tell(format('e:%s:0', p_workflow));
    return 'cancelled';
  end if;
  -- Recorded as one act, by whoever calls this.
  perform cancel_one(m.id, coalesce(p_reason, 'the workflow is cancelled'), p_by, false) from unnest(members) as m (id);
  perform tell(format('e:%s:0', p_workflow));
  return 'cancel_requested';
end
$$;

COMMENT ON FUNCTION tidemill.cancel_workflow(p_workflow uuid, p_reason text, p_by text) IS 'Cancels what is live of a workflow and of all that is nested in it; it ends when the last of them has.';

CREATE FUNCTION tidemill.change_job(p_job uuid, p_change jsonb, p_by text DEFAULT SESSION_USER) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
declare
  known constant text[] := '{priority,queue,run_at,max_attempts,tags,metadata}';
  j jobs := lock_job(p_job);
  before jsonb;
  wrong text;
begin
  select k into wrong from jsonb_object_keys(p_change) as k where k <> all(known) limit 1;
  if found then
    raise exception 'a job has no field % that can be changed', wrong
      using errcode = '22TM1', hint = 'change ' || array_to_string(known, ', ');
  end if;
  if j.id is null or j.finished_at is not null or j.state = 'running' then
    return j.state::text;
  end if;
  if j.kind like 'tidemill.%' then
    raise exception 'job % is a workflow and cannot be changed', p_job
      using errcode = '22TM1', hint = 'change its jobs';
  end if;
  if p_change ? 'run_at' and coalesce(j.due_at, j.run_at) = 'infinity' then
    raise exception 'job % waits for others and has no time at which it is due', p_job
      using errcode = '22TM1', hint = 'leave run_at out';
  end if;
  if (p_change ->> 'max_attempts')::integer <= j.attempt then
    raise exception 'job % has had % attempts', p_job, j.attempt
      using errcode = '22TM1', hint = 'give it more max_attempts, or cancel it';
  end if;
  perform check_json(p_change -> 'metadata', 'metadata');
  before := jsonb_build_object(
    'priority', j.priority, 'queue', j.queue, 'run_at', coalesce(j.due_at, j.run_at), 'max_attempts', j.max_attempts,
    'tags', j.tags, 'metadata', j.metadata);
  perform replace_fields(p_job, p_change - 'queue', p_by);
  if p_change ->> 'queue' <> j.queue then
    perform move_job(p_job, p_change ->> 'queue');
  end if;
  perform audit('change', 'job:' || p_job, (select jsonb_object_agg(k, before -> k) from jsonb_object_keys(p_change) as k), p_change, p_by);
  return j.state::text;
end
$$;

COMMENT ON FUNCTION tidemill.change_job(p_job uuid, p_change jsonb, p_by text) IS 'Gives a job that does not run other terms: {priority, queue, run_at, max_attempts, tags, metadata}, what is left out stays. Answers its state, null if there is no such job; one that runs or has ended stays as it is.';

CREATE FUNCTION tidemill.changes(p_behind bigint, p_open bigint[], p_before bigint, p_hidden bigint[], p_floor timestamp with time zone, p_kinds text[], p_queues text[], p_all boolean, p_most integer, p_seen text) RETURNS TABLE(what text, job_id uuid, seq bigint, attempt integer, at timestamp with time zone, written_in bigint, note text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'on'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
#variable_conflict use_column
declare
  -- A constant to the planner, so that the days made ahead cost nothing.
  ceiling timestamptz := statement_timestamp() + interval '1 hour';
begin
  if pg_current_snapshot()::text = p_seen then
    return query
    select 'look', null::uuid, 0::bigint, 0, statement_timestamp(), null::bigint, p_seen || ' ' || era();
    return;
  end if;
  return query
  with ended as materialized (
    select j.id, j.kind, j.queue, j.attempt, j.finished_at, j.written_in::bigint as written_in
    from jobs j
    where j.finished_at >= p_floor
      and j.finished_at < ceiling
      and (j.written_in >= p_behind or j.written_in = any(p_open::numeric[]))
      and j.written_in < p_before
      and j.written_in <> all(p_hidden::numeric[])
    limit p_most + 1
  ),
  queued as materialized (
    select j.id, j.kind, j.queue, j.attempt, j.created_at, j.written_in::bigint as written_in
    from jobs_live j
    where j.finished_at is null
      and (j.written_in >= p_behind or j.written_in = any(p_open::numeric[]))
      and j.written_in < p_before
      and j.written_in <> all(p_hidden::numeric[])
    limit p_most + 1
  ),
  told as materialized (
    select e.job_id, e.seq, e.attempt, e.at, e.written_in
    from events e
    where e.at >= p_floor
      and e.at < ceiling
      and (e.written_in >= p_behind or e.written_in = any(p_open))
      and e.written_in < p_before
      and e.written_in <> all(p_hidden)
    limit p_most + 1
  ),
  of_jobs as materialized (
    select t.job_id
    from (select distinct job_id from told) t
    where p_all
      or exists (
        select
        from jobs_live l
        where l.id = t.job_id
          and (l.kind = any(p_kinds) or l.queue = any(p_queues)))
      -- Of a finished job the caller finds out itself: here each day of history would be looked through.
      or not exists (select from jobs_live l where l.id = t.job_id)
  )
  select
    'look', null::uuid,
    (select greatest((select count(*) from ended), (select count(*) from queued), (select count(*) from told))),
    0, statement_timestamp(),
    greatest((select max(written_in) from ended), (select max(written_in) from queued), (select max(written_in) from told)),
    pg_current_snapshot()::text || ' ' || era()
  union all
  select 'ended', e.id, coalesce(p.last_seq, 0), e.attempt, e.finished_at, e.written_in, null
  from ended e
  left join progress p on p.job_id = e.id
  where p_all
    or e.kind = any(p_kinds)
    or e.queue = any(p_queues)
  union all
  select 'queued', q.id, 0, q.attempt, q.created_at, q.written_in, null
  from queued q
  where p_all
    or q.kind = any(p_kinds)
    or q.queue = any(p_queues)
  union all
  select 'started', r.job_id, 0, r.attempt, r.started_at, r.written_in, null
  from (
    select r.*
    from running r
    where (r.written_in >= p_behind or r.written_in = any(p_open))
      and r.written_in < p_before
      and r.written_in <> all(p_hidden)
      and (p_all or r.kind = any(p_kinds) or r.queue = any(p_queues))
    limit p_most
  ) r
  union all
  select 'event', t.job_id, t.seq, t.attempt, t.at, t.written_in, null
  from told t
  join of_jobs o on o.job_id = t.job_id;
end
$$;

COMMENT ON FUNCTION tidemill.changes(p_behind bigint, p_open bigint[], p_before bigint, p_hidden bigint[], p_floor timestamp with time zone, p_kinds text[], p_queues text[], p_all boolean, p_most integer, p_seen text) IS 'What transactions wrote that were not there at an earlier look: numbers from p_behind on and those of p_open, below p_before and without p_hidden; none before p_floor. The first row is the look itself, with its snapshot; the only one if that is p_seen.';

CREATE FUNCTION tidemill.check_json(p_value jsonb, p_what text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  flaw text := json_flaw(p_value);
begin
  if flaw is not null then
    raise exception '% cannot be used: %', p_what, flaw
      using errcode = '22TM1', hint = 'store long numbers as texts, in quotes, and flatten what is deep';
  end if;
end
$$;

COMMENT ON FUNCTION tidemill.check_json(p_value jsonb, p_what text) IS 'Refuses JSON that no worker could read as it is.';

CREATE FUNCTION tidemill.check_members(p_path text, p_names text[], p_nodes jsonb[], p_afters jsonb[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  wrong text;
  -- Those that can come to their turn, and how many that were the round before.
  settled text[] := '{}';
  before integer := -1;
begin
  select name into wrong from unnest(p_names) as n (name) group by name having count(*) > 1 limit 1;
  if found then
    perform bad_workflow(p_path, format('two jobs are called %s', wrong), 'give each a name of its own');
  end if;
  select n.name into wrong
  from unnest(p_names, p_nodes) as n (name, node)
  where jsonb_typeof(n.node) <> 'object'
    or (n.node ? 'kind')::integer + (n.node ? 'jobs')::integer + (n.node ? 'group')::integer + (n.node ? 'chain')::integer <> 1
  limit 1;
  if found then
    perform bad_workflow(p_path, format('%s has not exactly one of kind, jobs, group and chain', wrong), 'send one of them');
  end if;
  select n.name into wrong
  from unnest(p_names, p_nodes, p_afters) as n (name, node, after)
  where n.node ? 'run_if'
    and (coalesce(jsonb_array_length(n.after), 0) = 0
      or n.node ->> 'run_if' not in ('all_completed', 'all_finished', 'any_completed', 'any_failed'))
  limit 1;
  if found then
    perform bad_workflow(p_path, format('the run_if of %s is of no use', wrong),
      'use all_completed, all_finished, any_completed or any_failed, and only where the job waits for others');
  end if;
  select a.value ->> 'job' into wrong
  from unnest(p_afters) as n (after)
  cross join jsonb_array_elements(n.after) as a (value)
  where (a.value ->> 'job' = any(p_names)) is not true
  limit 1;
  if found then
    perform bad_workflow(p_path, format('after names %s, which is none of its jobs', coalesce(wrong, 'nothing')), 'name a job of the same list');
  end if;
  if coalesce(cardinality(array_remove(p_afters, null)), 0) = 0 then
    return;
  end if;
  while cardinality(settled) > before and cardinality(settled) < cardinality(p_names) loop
    before := cardinality(settled);
    select settled || coalesce(array_agg(n.name), '{}') into settled
    from unnest(p_names, p_afters) as n (name, after)
    where n.name <> all(settled)
      and not exists (select from jsonb_array_elements(n.after) as a (value) where a.value ->> 'job' <> all(settled));
  end loop;
  if cardinality(settled) < cardinality(p_names) then
    select string_agg(n.name, ', ') into wrong from unnest(p_names) as n (name) where n.name <> all(settled);
    perform bad_workflow(p_path, format('these jobs wait for one another: %s', wrong), 'take out one of the edges');
  end if;
end
$$;

COMMENT ON FUNCTION tidemill.check_members(p_path text, p_names text[], p_nodes jsonb[], p_afters jsonb[]) IS 'Refuses names that are not unique, unknown or wait in a circle.';

CREATE FUNCTION tidemill.check_sealed(p_args jsonb[], p_options jsonb[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $_$
declare
  open bigint;
begin
  select i.ord into open
  from unnest(p_args, p_options) with ordinality as i (args, options, ord)
  where coalesce(i.options -> 'sealed', i.args, '{}') <> '{}'
    and not coalesce(i.options -> 'sealed', i.args) ?| '{$sealed,$stored}'
    -- It stands for a workflow, and nothing runs it.
    and not coalesce(i.options, '{}') ? 'container'
  limit 1;
  if found then
    raise exception 'the args of job % of the call are not sealed, and encryption.require is on', open
      using
        errcode = '22TM1',
        hint = 'enqueue over REST, by the command line or by the Rust library, whose processes have the keys; from SQL only jobs without args';
  end if;
end
$_$;

COMMENT ON FUNCTION tidemill.check_sealed(p_args jsonb[], p_options jsonb[]) IS 'Refuses jobs whose args would lie open where the config wants all sealed; insert_jobs calls it then.';

CREATE FUNCTION tidemill.check_spec(p_path text, p_spec jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  known constant text[] := '{name,on_failure,jobs,group,chain,as,then,result,after,run_if,queue,execution_id,tags,metadata,retain}';
  wrong text;
begin
  select k into wrong from jsonb_object_keys(p_spec) as k where k <> all(known) limit 1;
  if found then
    perform bad_workflow(p_path, format('it has the unknown field %s', wrong), 'use ' || array_to_string(known, ', '));
  elsif p_spec ->> 'on_failure' not in ('continue', 'cancel') then
    perform bad_workflow(p_path, format('on_failure is %s', p_spec ->> 'on_failure'), 'use continue or cancel');
  elsif p_spec ? 'result' and (p_spec ? 'then' or p_spec ->> 'result' not in ('object', 'array', 'last')) then
    perform bad_workflow(p_path, 'its result cannot be as it says', 'use object, array or last; with then it is the last one''s');
  end if;
end
$$;

COMMENT ON FUNCTION tidemill.check_spec(p_path text, p_spec jsonb) IS 'Refuses what a workflow says of itself that nobody knows.';

CREATE FUNCTION tidemill.check_wishes(p_jobs jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  known constant text[] := '{kind,args,queue,priority,run_at,delay,max_attempts,soft_timeout,hard_timeout,execution_id,tags,metadata,retain,concurrency_key,fair_key,unique,expires_at,expires_in,after,run_if,sealed}';
  wrong text;
begin
  if jsonb_typeof(p_jobs) is distinct from 'array' then
    raise exception 'enqueue_many takes a JSON array of jobs' using errcode = 'invalid_parameter_value';
  end if;
  select k into wrong
  from jsonb_array_elements(p_jobs) as j (job)
  cross join jsonb_object_keys(j.job) as k
  where k <> all(known)
  limit 1;
  if found then
    raise exception 'a job has the unknown field %', wrong
      using errcode = '22TM1', hint = 'use ' || array_to_string(known[:20], ', ');
  end if;
  -- One look at all of them; only where there is a flaw, whose it is.
  if json_flaw(p_jobs) is not null then
    perform check_json(j.job -> 'args', 'args'), check_json(j.job -> 'metadata', 'metadata')
    from jsonb_array_elements(p_jobs) as j (job);
  end if;
end
$$;

COMMENT ON FUNCTION tidemill.check_wishes(p_jobs jsonb) IS 'Refuses what is no array of jobs, fields that nobody knows, and args that no worker could read.';

CREATE FUNCTION tidemill.clear_sessions(p_limit integer DEFAULT 1000) RETURNS integer
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
  with old as (
    select id
    from sessions
    where expires_at <= clock_timestamp()
    order by expires_at
    limit p_limit
    for update skip locked
  ),
  gone as (
    delete from sessions s
    using old
    where s.id = old.id
    returning 1
  )
  select count(*)::integer from gone
$$;

COMMENT ON FUNCTION tidemill.clear_sessions(p_limit integer) IS 'Removes sessions that are over their time, a bounded number; answers how many.';

CREATE FUNCTION tidemill.closed_kinds(p_kinds text[]) RETURNS text[]
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select coalesce(array_agg(k.name), '{}')
  from unnest(p_kinds) as k (name)
  where not exists (select 1 from kinds b where b.name = k.name and b.breaker_open_until > clock_timestamp())
$$;

COMMENT ON FUNCTION tidemill.closed_kinds(p_kinds text[]) IS 'Those of the kinds whose jobs may start: their breakers are not open.';

CREATE FUNCTION tidemill.complete(p_job uuid, p_lease uuid, p_result jsonb DEFAULT NULL::jsonb) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  j jobs;
begin
  select * into j from jobs_live where id = p_job and lease_id = p_lease and state = 'running' for update;
  if not found then
    return false;
  end if;
  j.state := 'completed';
  j.result := p_result;
  perform archive(j);
  perform tell(format('e:%s:0', j.id));
  perform tell('f:');
  return true;
end
$$;

COMMENT ON FUNCTION tidemill.complete(p_job uuid, p_lease uuid, p_result jsonb) IS 'Completes an attempt in your transaction: its end and what you write commit or vanish together. False if the lease is lost: roll back then.';

CREATE FUNCTION tidemill.count_queued(p_queue text, p_most integer) RETURNS integer
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select count(*)::integer
  from (
    select
    from jobs_live
    where queue = p_queue
      and state in ('available', 'waiting')
      and kind <> 'tidemill.workflow'
    limit p_most
  ) waiting
$$;

COMMENT ON FUNCTION tidemill.count_queued(p_queue text, p_most integer) IS 'How many jobs of the queue do not run, counted up to a number.';

CREATE FUNCTION tidemill.create_workflow(p_spec jsonb) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
declare
  workflow uuid := new_job_id();
  ids uuid[];
  wishes jsonb;
  options jsonb[];
begin
  if jsonb_typeof(p_spec) is distinct from 'object' then
    perform bad_workflow('', 'it is no JSON object', 'send {name, jobs: [{name, kind, args, after}, …]}');
  end if;
  select array_agg(p.id), jsonb_agg(p.job), array_agg(p.options)
  into ids, wishes, options
  from plan_workflow(p_spec, workflow, '', null, null) p;
  if cardinality(ids) > 10000 then
    perform bad_workflow('', format('it has %s jobs', cardinality(ids)), 'a workflow may have 10,000; let its jobs spawn others');
  end if;
  perform enqueue_wishes(wishes, ids, options);
  -- Equal messages of one transaction are sent once.
  perform tell(case when state = 'available' then 'q:' else 'g:' end || queue)
  from (select distinct state, queue from jobs_live where id = any(ids)) made;
  return workflow;
end
$$;

COMMENT ON FUNCTION tidemill.create_workflow(p_spec jsonb) IS 'Enqueues a whole graph of jobs in your transaction: {name, on_failure: continue | cancel, jobs: [{name, kind, args, after: [name or {job, as}], run_if, …}]}, or group: [jobs], or chain: [jobs]; each may be nested instead of a kind, and a group may have then: job. Answers the id of the job that stands for it.';

CREATE FUNCTION tidemill.crowded_out(p_kinds text[], p_queues text[], p_execution_ids text[], p_verdicts jsonb, p_wait boolean, OUT crowded bigint[], OUT busy bigint[]) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  wish record;
  taken integer;
begin
  -- In order, so that no two transactions wait for each other's rooms.
  for wish in
    select q.name, q.max_queued, array_agg(i.ord order by i.ord) as ords
    from unnest(p_kinds, p_queues, p_execution_ids) with ordinality as i (kind, queue, execution_id, ord)
    left join kinds k on k.name = i.kind
    join queues q on q.name = coalesce(i.queue, k.queue, 'default')
    left join jsonb_to_recordset(p_verdicts) as v (ord bigint, outcome text) on v.ord = i.ord
    where q.max_queued is not null
      and q.draining_at is null
      and i.kind not like 'tidemill.%'
      -- Those are answered with the job that is there.
      and v.outcome is null
      and not exists (select from task_ids t where t.execution_id = i.execution_id)
    group by q.name, q.max_queued
    order by q.name
  loop
    taken := take_room(wish.name, wish.max_queued, cardinality(wish.ords), p_wait);
    crowded := nullif(crowded || wish.ords[coalesce(taken, 0) + 1:], '{}');
    busy := case when taken is null then busy || wish.ords else busy end;
  end loop;
end
$$;

COMMENT ON FUNCTION tidemill.crowded_out(p_kinds text[], p_queues text[], p_execution_ids text[], p_verdicts jsonb, p_wait boolean, OUT crowded bigint[], OUT busy bigint[]) IS 'Those jobs of one call of insert_jobs, by their places, for which their queues have no room, and which of them because somebody else has the room at this moment.';

CREATE FUNCTION tidemill.dead_rows() RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select coalesce(sum(n_dead_tup), 0)::bigint
  from pg_stat_user_tables
  where schemaname = current_schema()
    and relname in ('jobs_live', 'running', 'progress', 'turns')
$$;

COMMENT ON FUNCTION tidemill.dead_rows() IS 'Dead rows of the hot tables, as the statistics have it.';

CREATE FUNCTION tidemill.declare_deployment(p_name text, p_revision bigint) RETURNS boolean
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  insert into deployments as d (name, revision)
  values (p_name, p_revision)
  on conflict (name) do update
  set revision = greatest(d.revision, excluded.revision), declared_at = now()
  returning revision is not distinct from p_revision
$$;

COMMENT ON FUNCTION tidemill.declare_deployment(p_name text, p_revision bigint) IS 'A process of the deployment starts. Answers whether its config may be written: false if a later revision was seen, or one at all and this has none.';

CREATE FUNCTION tidemill.delete_job(p_job uuid) RETURNS text
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
  select delete_one(p_job, true)
$$;

COMMENT ON FUNCTION tidemill.delete_job(p_job uuid) IS 'Removes a job that does not run, with all its history; for those that wait for a live one, or for the result of one that completed, it is cancelled. Answers deleted, running, or null if there is no such job.';

CREATE FUNCTION tidemill.delete_one(p_job uuid, p_recorded boolean) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  j jobs;
  robbed uuid[];
  known boolean := exists (select from dependencies where job_id = p_job or parent_id = p_job);
begin
  -- Before the job, as everybody does who tells others of it.
  if known then
    perform lock_workflows();
  end if;
  j := lock_job(p_job);
  if j.id is null then
    return null;
  elsif j.state = 'running' or j.finished_at is null and j.kind = 'tidemill.workflow' then
    return 'running';
  end if;
  if p_recorded then
    perform audit('delete', 'job:' || p_job, jsonb_build_object('kind', j.kind, 'queue', j.queue, 'state', j.state, 'created_at', j.created_at), null);
  end if;
  -- Who waits for it hears how it ended while that is known.
  while known and j.finished_at is not null and exists (select from endings where job_id = p_job) loop
    perform resolve();
  end loop;
  -- And who wants its result, and did not run yet, never gets it; nor does its workflow.
  with robbed as (
    update dependencies d
    set outcome = 'cancelled'
    from waits w
    join jobs_live l on l.id = w.job_id
    where known
      and d.parent_id = p_job
      and (d.member or d.pass_as is not null)
      and d.outcome = 'completed'
      and w.job_id = d.job_id
      and l.started_at is null
    returning d.job_id
  )
  select array_agg(job_id) into robbed from robbed;
  delete from jobs where id = p_job;
  delete from task_ids where job_id = p_job;
  delete from events where job_id = p_job;
  delete from attempts where job_id = p_job;
  delete from progress where job_id = p_job;
  perform forget(array[p_job]);
  perform judge_apart(r.id) from unnest(robbed) as r (id);
  return 'deleted';
end
$$;

COMMENT ON FUNCTION tidemill.delete_one(p_job uuid, p_recorded boolean) IS 'As delete_job; whether it is recorded as an act says the caller.';

CREATE FUNCTION tidemill.delete_schedule(p_name text) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
  with gone as (delete from schedules where name = p_name returning name)
  select exists (select from gone)
$$;

COMMENT ON FUNCTION tidemill.delete_schedule(p_name text) IS 'Removes a schedule and its slots; its jobs stay. Answers whether there was one.';

CREATE FUNCTION tidemill.doctor() RETURNS TABLE("check" text, severity text, message text, advice text, details jsonb)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
  select *
  from (
    select * from doctor_database()
    union all select * from doctor_rights()
    union all select * from doctor_replication()
    union all select * from doctor_schema()
    union all select * from doctor_tidemill()
  ) found
  order by array_position(array['critical', 'warning', 'info'], found.severity), found."check", found.message
$$;

COMMENT ON FUNCTION tidemill.doctor() IS 'All that is wrong, the worst first, each with what to do about it; no row if nothing is.';

CREATE FUNCTION tidemill.doctor_database() RETURNS TABLE("check" text, severity text, message text, advice text, details jsonb)
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  with dead as materialized (select dead_rows() as rows),
  look as materialized (select l.queue, l.milliseconds from slowest_look() l)
  select
    'horizon',
    coalesce(horizon_severity(h.since, h.transactions, dead.rows), 'warning'),
    format('%s keeps what died from being removed %s; %s dead rows are in the hot tables%s', h.who,
      coalesce('since ' || moment(h.since), format('for %s transactions', h.transactions)), dead.rows,
      (select format(', and a claim from the head of queue %s takes %s ms to look past those in its way', look.queue, look.milliseconds)
        from look where look.queue is not null)),
    case h.what
      when 'session' then format('end its transaction, or select pg_terminate_backend(%s)', h.details ->> 'pid')
      when 'replication slot' then
        case when (h.details ->> 'active')::boolean then 'end the long query on its standby, or set hot_standby_feedback = off there'
          else format('let its reader catch up, or select pg_drop_replication_slot(%L)', h.details ->> 'slot') end
      when 'prepared transaction' then format('commit prepared %L, or rollback prepared', h.details ->> 'gid')
      else 'end the long query there, or set hot_standby_feedback = off' end,
    h.details || jsonb_build_object('what', h.what, 'since', h.since, 'transactions', h.transactions, 'dead_rows', dead.rows,
      'look_milliseconds', (select look.milliseconds from look))
  from horizon_holders() h
  cross join dead
  where h.unread
    or horizon_severity(h.since, h.transactions, dead.rows) is not null
  union all
  select 'rights', 'warning', format('what %s sessions of this database do is hidden from %s: who keeps dead rows since when, and who listens, is not known', n.hidden, current_user),
    format('grant pg_read_all_stats to %I', current_user), jsonb_build_object('hidden', n.hidden)
  from (select hidden_sessions() as hidden) n
  where n.hidden > 0
  union all
  select 'slots', 'info', format('nobody reads the replication slot %s: it keeps WAL, and dead rows of the system''s catalogs (none of a queue)', s.slot_name),
    format('let its reader come back, or select pg_drop_replication_slot(%L)', s.slot_name), jsonb_build_object('slot', s.slot_name)
  from pg_replication_slots s
  where not s.active
    and s.catalog_xmin is not null
    and s.xmin is null
  union all
  select 'bloat', severity_of('bloat', t.n_dead_tup, t.n_live_tup),
    format('%s has %s dead rows beside %s live ones (%s)', t.relname, t.n_dead_tup, t.n_live_tup, pg_size_pretty(pg_relation_size(t.relid))),
    format('look who holds the horizon; then vacuum %I', t.relname),
    jsonb_build_object('table', t.relname, 'dead', t.n_dead_tup, 'live', t.n_live_tup, 'bytes', pg_relation_size(t.relid))
  from pg_stat_user_tables t
  where t.schemaname = current_schema()
    and t.relname in ('jobs_live', 'running', 'progress', 'turns', 'workers', 'dependencies')
    and severity_of('bloat', t.n_dead_tup, t.n_live_tup) is not null
  union all
  select 'settings', 'critical', format('%s is %s: a crash of the machine may lose jobs that were acknowledged', s.name, s.setting), format('set %s = on', s.name), jsonb_build_object('setting', s.name, 'value', s.setting)
  from pg_settings s
  where s.name in ('fsync', 'full_page_writes') and s.setting = 'off'
  union all
  select 'settings', 'warning', 'synchronous_commit is off for others; Tidemill sets it itself where it must', 'leave it on if you enqueue in your own transactions', jsonb_build_object('setting', s.name, 'value', s.setting)
  from pg_settings s
  where s.name = 'synchronous_commit' and s.reset_val in ('off', 'local')
  union all
  select 'settings', 'critical', 'autovacuum is off', 'set autovacuum = on', '{}'
  from pg_settings s
  where s.name = 'autovacuum' and s.setting = 'off'
  union all
  select 'settings', 'critical', format('table %s is unlogged: a crash empties it', c.relname), format('alter table %I set logged', c.relname), jsonb_build_object('table', c.relname)
  from pg_class c
  where c.relnamespace = current_schema()::regnamespace and c.relpersistence = 'u' and c.relkind in ('r', 'p')
  union all
  select 'connections', severity_of('connections', free.left), format('%s connections are left of %s', free.left, current_setting('max_connections')),
    'raise max_connections, or put a pooler in front (database.pgbouncer)', jsonb_build_object('left', free.left)
  -- Which kind a session of others is may be hidden; one of a user's takes a connection.
  from (
    select current_setting('max_connections')::integer - count(*) as left
    from pg_stat_activity a
    where a.backend_type = 'client backend' or a.backend_type is null and a.usesysid is not null
  ) free
  where severity_of('connections', free.left) is not null
  union all
  select 'wraparound', severity_of('wraparound', age(d.datfrozenxid)),
    format('the oldest transaction id of the database is %s old', age(d.datfrozenxid)), 'vacuum (freeze) the oldest tables', jsonb_build_object('age', age(d.datfrozenxid))
  from pg_database d
  where d.datname = current_database()
    and severity_of('wraparound', age(d.datfrozenxid)) is not null
  union all
  select 'wal', severity_of('wal', kept.bytes), format('replication slot %s keeps %s of WAL', kept.slot_name, pg_size_pretty(kept.bytes::bigint)),
    'let its reader catch up, or drop it', jsonb_build_object('slot', kept.slot_name, 'bytes', kept.bytes)
  from (
    select s.slot_name, pg_wal_lsn_diff(case when not pg_is_in_recovery() then pg_current_wal_lsn() end, s.restart_lsn)::double precision as bytes
    from pg_replication_slots s
  ) kept
  where severity_of('wal', kept.bytes) is not null
$$;

COMMENT ON FUNCTION tidemill.doctor_database() IS 'What the database has that hurts a queue.';

CREATE FUNCTION tidemill.doctor_replication() RETURNS TABLE("check" text, severity text, message text, advice text, details jsonb)
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select 'replication', 'critical',
    format('publication %s sends changes of table %s, which has no replica identity: deletes and updates of its rows fail', p.pubname, c.relname),
    format('alter table %I.%I replica identity full', current_schema(), c.relname), jsonb_build_object('publication', p.pubname, 'table', c.relname)
  from pg_publication_tables t
  join pg_publication p on p.pubname = t.pubname
  -- A partitioned table needs none, its partitions do; a plain table is in no tree.
  cross join lateral (select format('%I.%I', t.schemaname, t.tablename)::regclass as oid) named
  left join lateral pg_partition_tree(named.oid) leaf on true
  join pg_class c on c.oid = coalesce(leaf.relid, named.oid) and c.relkind = 'r'
  where t.schemaname = current_schema()
    and (p.pubupdate or p.pubdelete)
    and case c.relreplident
      when 'd' then not exists (select from pg_index x where x.indrelid = c.oid and x.indisprimary)
      when 'i' then not exists (select from pg_index x where x.indrelid = c.oid and x.indisreplident)
      else c.relreplident = 'n'
    end
$$;

COMMENT ON FUNCTION tidemill.doctor_replication() IS 'Tables whose changes a publication sends without knowing their rows.';

CREATE FUNCTION tidemill.doctor_rights() RETURNS TABLE("check" text, severity text, message text, advice text, details jsonb)
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  with open as materialized (
    select count(*) as functions, count(*) filter (where p.prosecdef) as definers
    from open_functions() f (name)
    join pg_proc p on p.oid = f.name::regprocedure
  )
  select 'rights', 'critical',
    format('everybody who may use the schema may call %s of its functions, %s of them with the rights of the owner', open.functions, open.definers),
    'run tidemill migrate, which takes that back', jsonb_build_object('functions', open.functions, 'security_definer', open.definers)
  from open
  where open.functions > 0
  union all
  select 'rights', 'warning', format('%s %s missing on this server: who is to look, work or act has no right to',
      string_agg('role ' || m.name, ', ' order by m.name), case when count(*) = 1 then 'is' else 'are' end),
    'as a role that may make roles: ' || string_agg(format('create role %I', m.name), '; ' order by m.name) || '; then run tidemill migrate',
    jsonb_build_object('roles', jsonb_agg(m.name))
  from missing_roles() m (name)
  having count(*) > 0
  union all
  select 'rights', 'warning', format('%s grants to the roles are missing, such as: %s', count(*), min(g.line)), 'run tidemill migrate',
    jsonb_build_object('count', count(*))
  from missing_grants() g (line)
  -- They cannot be made before the role is, which stands above.
  where not exists (select from missing_roles() m (name) where g.line like '% to ' || m.name)
  having count(*) > 0
$$;

COMMENT ON FUNCTION tidemill.doctor_rights() IS 'What somebody may do who should not, and what the roles may not do who should.';

CREATE FUNCTION tidemill.doctor_schema() RETURNS TABLE("check" text, severity text, message text, advice text, details jsonb)
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  with drift as materialized (
    select d.*, row_number() over (order by d.what) as number, count(*) over () as of_all,
      case when d.was is null then 'not made by a migration: ' when d.is_now is null then 'missing: ' else 'changed: ' end || d.what
        || case when d.was is not null and d.is_now is not null and d.what ~ '^(column|index|constraint) ' then format(' is now "%s", was "%s"', d.is_now, d.was)
          when d.what ~ '^(column|index|constraint) ' then ' ' || coalesce(d.is_now, d.was) else '' end as words
    from schema_drift() d
  )
  select 'schema', 'warning', d.words,
    case when d.was is null then 'drop it, or leave it if it is yours'
      else 'put it back; docs/schema.sql has it' end,
    jsonb_build_object('what', d.what, 'was', d.was, 'now', d.is_now)
  from drift d
  where d.number <= 20
  union all
  -- So that they hide nothing that is worse.
  select 'schema', 'warning', format('%s more parts of the schema are not as a migration made them', d.of_all - 20),
    'select * from schema_drift() lists them', jsonb_build_object('count', d.of_all - 20)
  from drift d
  where d.number = 21
$$;

COMMENT ON FUNCTION tidemill.doctor_schema() IS 'What of the schema is not as a migration made it; at most 21 rows.';

CREATE FUNCTION tidemill.doctor_tidemill() RETURNS TABLE("check" text, severity text, message text, advice text, details jsonb)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
  return query
  select 'partitions', case when p.day <= (now() at time zone 'UTC')::date then 'critical' else 'warning' end,
    format('there is no partition %s_%s', p.parent, to_char(p.day, 'YYYY_MM_DD')), 'select ensure_partitions(); and run tidemill serve or a worker, which make them ahead',
    jsonb_build_object('table', p.parent, 'day', p.day)
  from (
    select parent, (now() at time zone 'UTC')::date + ahead as day
    from unnest(array['jobs', 'events', 'attempts']) as t (parent)
    cross join generate_series(0, 1) as ahead
  ) p
  where to_regclass(format('%I.%I', current_schema(), p.parent || to_char(p.day, '_YYYY_MM_DD'))) is null
  union all
  select 'workers', 'warning', format('worker %s on %s is lost: its last heartbeat was at %s', w.id, w.host, moment(w.seen_at)), 'look at its log; its jobs went to others', jsonb_build_object('worker', w.id)
  from workers w
  where w.state <> 'stopped' and w.seen_at < now() - w.lease_ttl
  union all
  select 'queues', 'warning',
    format('worker %s claims from as many queues as it can, and jobs of %s further ones are due: they take turns', w.id, w.queues_left_out),
    'start more workers, or name in the settings of each which queues it serves', jsonb_build_object('worker', w.id, 'left_out', w.queues_left_out)
  from workers w
  where w.state <> 'stopped' and w.seen_at > now() - w.lease_ttl and w.queues_left_out > 0
  union all
  select 'clocks', 'warning', format('the clock of worker %s is off by %s', w.id, w.clock_skew), 'let it keep time by NTP; leases do not depend on it, its log''s times do', jsonb_build_object('worker', w.id, 'seconds', extract(epoch from w.clock_skew))
  from workers w
  where w.state <> 'stopped' and w.seen_at > now() - w.lease_ttl and abs(extract(epoch from w.clock_skew)) > 5
  union all
  select 'versions', 'info', format('workers of several versions run: %s', string_agg(distinct w.version, ', ')), 'two versions beside one another are fine while you deploy', to_jsonb(array_agg(distinct w.version))
  from workers w
  where w.state <> 'stopped' and w.seen_at > now() - w.lease_ttl
  having count(distinct w.version) > 1
  union all
  select 'containment', case when w.containment = 'group' then 'warning' else 'info' end,
    case w.containment
      when 'cgroup' then format('worker %s ends all that its commands start: each attempt has a cgroup', w.id)
      when 'reaper' then format('worker %s ends what its commands leave behind as their sub-reaper', w.id)
      else format('worker %s ends only what stays in the process group of its command', w.id)
    end,
    case w.containment
      when 'group' then 'set worker.containment = "auto", or let no command start a process in a session of its own'
      else 'nothing is to be done'
    end,
    jsonb_build_object('worker', w.id, 'containment', w.containment)
  from workers w
  where w.state <> 'stopped' and w.seen_at > now() - w.lease_ttl and w.containment is not null
  union all
  select 'listeners', 'warning', 'workers run, but nobody listens for notifications: everything works by polling, slower', 'set database.listen_url to a direct connection', '{}'
  where exists (select 1 from workers w where w.state <> 'stopped' and w.seen_at > now() - w.lease_ttl and w.pid is not null)
    -- Others of the database listen to what is theirs.
    and not exists (
      select 1
      from pg_stat_activity a
      where a.datname = current_database()
        and a.query ilike 'listen %'
        and btrim(substr(a.query, 8), ' ";') = current_schema())
    -- Nobody can say, and doctor_database says so.
    and hidden_sessions() = 0
  union all
  select 'schedules', 'warning', format('schedule %s cannot fire: %s', s.name, s.problem), 'correct it', jsonb_build_object('schedule', s.name)
  from schedules s
  where s.problem is not null
  union all
  select 'delay', 'warning', format('the oldest due job of queue %s waits since %s', q.queue, moment(q.oldest_due_at)), 'select * from explain(…) for it; add workers or slots', jsonb_build_object('queue', q.queue, 'oldest_due_at', q.oldest_due_at)
  from queue_stats q
  where q.oldest_due_at < now() - interval '5 minutes' and q.paused_at is null
  union all
  select 'breakers', 'warning', format('jobs of kind %s are not started until %s: they crash in a loop', k.name, moment(k.breaker_open_until)), format('mend it, then select reset_breaker(%L)', k.name), jsonb_build_object('kind', k.name)
  from kinds k
  where k.breaker_open_until > now()
  union all
  select 'endings', 'warning', format('%s ends of jobs were not told to those that wait for them, since %s', count(*), moment(min(e.at))), 'run tidemill serve or a worker, which tell them', '{}'
  from endings e
  where e.at < now() - interval '30 seconds'
  having count(*) > 0;
end
$$;

COMMENT ON FUNCTION tidemill.doctor_tidemill() IS 'What is wrong with the schema, the workers and the queues.';

CREATE FUNCTION tidemill.drain_queue(p_queue text, p_by text DEFAULT SESSION_USER) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
  insert into queues (name, draining_at, draining_by)
  values (p_queue, now(), p_by)
  on conflict (name) do update
  set draining_at = coalesce(queues.draining_at, now()), draining_by = coalesce(queues.draining_by, excluded.draining_by), updated_at = now()
$$;

COMMENT ON FUNCTION tidemill.drain_queue(p_queue text, p_by text) IS 'The queue takes no new jobs until it is resumed; what is there runs to its end.';

CREATE FUNCTION tidemill.drain_worker(p_worker text, p_by text DEFAULT NULL::text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
declare
  w workers;
begin
  select * into w from workers where id = p_worker for no key update;
  if w.id is null then
    return false;
  elsif w.drain_requested_at is null then
    w.drain_requested_at := clock_timestamp();
    update workers set drain_requested_at = w.drain_requested_at where id = p_worker;
    perform audit(
      'drain worker', 'worker:' || p_worker, jsonb_build_object('state', w.state), jsonb_build_object('drain_requested_at', w.drain_requested_at), p_by);
  end if;
  return true;
end
$$;

COMMENT ON FUNCTION tidemill.drain_worker(p_worker text, p_by text) IS 'Asks a worker to claim no more; it finishes what it has. False if there is no such worker.';

CREATE FUNCTION tidemill.drop_alert(p_name text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
declare
  closed uuid[];
begin
  -- Nobody measures it meanwhile, or opens another alert of it.
  perform pg_advisory_xact_lock(hashtext('tidemill alerts'), hashtext(current_schema()));
  delete from alerts where rule = p_name and fired_at is null;
  with resolved as (
    update alerts set resolved_at = clock_timestamp() where rule = p_name and resolved_at is null returning id
  )
  select array_agg(id) into closed from resolved;
  perform tell_of_alerts(closed, 'resolved');
  delete from alert_rules where name = p_name;
  return found;
end
$$;

COMMENT ON FUNCTION tidemill.drop_alert(p_name text) IS 'Removes an alert rule and resolves what it fired; false if there is none of that name.';

CREATE FUNCTION tidemill.drop_artifact(p_path text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  with gone as (
    delete from artifacts where path = p_path and doomed_at is not null returning path, job_id
  )
  delete from artifact_referrers r
  using gone g
  where r.owner_id = g.job_id
    and not exists (select from artifacts a where a.job_id = g.job_id and a.path <> g.path)
$$;

COMMENT ON FUNCTION tidemill.drop_artifact(p_path text) IS 'Forgets a doomed file, after it was removed from the storage.';

CREATE FUNCTION tidemill.drop_day(p_retention interval) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
begin
  -- It has the rights of the owner and leaves no record: the least that keeper.retention may be.
  if p_retention is null or p_retention < interval '1 hour' then
    raise exception 'history of less than an hour ago is kept'
      using errcode = '22TM1', hint = 'drop_partition drops any day, on the record';
  end if;
  return drop_oldest_day(p_retention);
end
$$;

COMMENT ON FUNCTION tidemill.drop_day(p_retention interval) IS 'As drop_partition, by whoever keeps house; not recorded as an act, and never less than an hour after the day.';

CREATE FUNCTION tidemill.drop_limit(p_name text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
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

CREATE FUNCTION tidemill.drop_oldest_day(p_retention interval) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    SET lock_timeout TO '500ms'
    SET standard_conforming_strings TO 'on'
    AS $_$
declare
  old record;
  fate text;
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
        fate := thin_out_day(old.part, now() - p_retention);
        continue when fate = 'keep';
        if fate = 'thinned' then
          return old.part;
        end if;
        execute format('select forget_names(array(select j.id from %I j))', old.part);
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

COMMENT ON FUNCTION tidemill.drop_oldest_day(p_retention interval) IS 'What drop_day and drop_partition have in common. Of a day of jobs those stay that others still need.';

CREATE FUNCTION tidemill.drop_partition(p_retention interval) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
declare
  dropped text := drop_oldest_day(p_retention);
begin
  if dropped is not null then
    perform audit('drop', 'partition:' || dropped, null, jsonb_build_object('retention', p_retention));
  end if;
  return dropped;
end
$$;

COMMENT ON FUNCTION tidemill.drop_partition(p_retention interval) IS 'Drops the oldest day of history that the retention has passed and nobody reads, but for jobs that others still need; answers its name, null if there is none. Never waits longer than half a second for a lock; commit at once.';

CREATE FUNCTION tidemill.due_before(p_job tidemill.jobs) RETURNS TABLE(kind text, concurrency_keys text[])
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select a.kind, a.concurrency_keys
  from jobs_live a
  where a.queue = p_job.queue
    and a.priority <= p_job.priority
    and a.id <> p_job.id
    and case
      when a.group_id is null then a.state = 'available' and a.run_at <= now()
      else a.state = 'waiting' and a.due_at <= now()
    end
    and (
      a.priority < p_job.priority
      or (coalesce(a.due_at, a.run_at), a.id) < (coalesce(p_job.due_at, p_job.run_at), p_job.id))
    and (a.expires_at is null or a.expires_at > now() or a.started_at is not null)
  limit 20000
$$;

COMMENT ON FUNCTION tidemill.due_before(p_job tidemill.jobs) IS 'The due jobs of its queue that come before a job, at most 20,000.';

CREATE FUNCTION tidemill.end_workflow(p_job tidemill.jobs) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  members record;
begin
  select
    count(*) filter (where d.outcome in ('failed', 'cancelled')) as bad,
    count(*) filter (where d.outcome = 'failed') as failed,
    count(*) > 0 and count(*) = count(*) filter (where d.outcome = 'skipped') as skipped,
    string_agg(d.name, ', ' order by d.ord) filter (where d.nth_bad <= 5) as names
  into members
  from (
    select
      outcome, ord, coalesce(name, parent_id::text) as name,
      case when outcome in ('failed', 'cancelled') then
        row_number() over (partition by outcome in ('failed', 'cancelled') order by outcome = 'failed' desc, ord)
      end as nth_bad
    from dependencies
    where job_id = p_job.id
      and member
  ) d;
  if p_job.cancel_requested_at is not null then
    p_job.state := 'cancelled';
  elsif members.bad > 0 then
    p_job.state := case when members.failed > 0 then 'failed' else 'cancelled' end;
    p_job.error := jsonb_build_object('type', 'workflow_failed', 'permanent', true,
      'message', format('%s of its jobs did not complete: %s%s', members.bad, members.names, case when members.bad > 5 then ', …' else '' end));
  elsif members.skipped then
    p_job.state := 'cancelled';
    p_job.error := jsonb_build_object('type', 'skipped', 'permanent', true, 'message', 'none of its jobs was needed');
  else
    perform require_results(p_job.id);
    p_job.state := 'completed';
    p_job.result := workflow_result(p_job.id);
    perform note_references(p_job.id, p_job.result);
  end if;
  perform archive(p_job);
end
$$;

COMMENT ON FUNCTION tidemill.end_workflow(p_job tidemill.jobs) IS 'Ends a locked workflow whose members have all ended: with their results, or with those that did not complete.';

CREATE FUNCTION tidemill.enqueue(kind text, args jsonb DEFAULT '{}'::jsonb, queue text DEFAULT NULL::text, priority integer DEFAULT NULL::integer, run_at timestamp with time zone DEFAULT NULL::timestamp with time zone, delay interval DEFAULT NULL::interval, max_attempts integer DEFAULT NULL::integer, soft_timeout interval DEFAULT NULL::interval, hard_timeout interval DEFAULT NULL::interval, execution_id text DEFAULT NULL::text, tags text[] DEFAULT NULL::text[], metadata jsonb DEFAULT NULL::jsonb, retain interval DEFAULT NULL::interval, concurrency_key text[] DEFAULT NULL::text[], fair_key text DEFAULT NULL::text, unique_by jsonb DEFAULT NULL::jsonb, expires_at timestamp with time zone DEFAULT NULL::timestamp with time zone, expires_in interval DEFAULT NULL::interval, after uuid[] DEFAULT NULL::uuid[], run_if text DEFAULT NULL::text) RETURNS uuid
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
  select enqueue_many(jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
    'kind', kind, 'queue', queue, 'priority', priority, 'run_at', run_at, 'delay', delay,
    'max_attempts', max_attempts, 'soft_timeout', soft_timeout, 'hard_timeout', hard_timeout,
    'execution_id', execution_id, 'tags', to_jsonb(tags), 'retain', retain,
    'concurrency_key', to_jsonb(concurrency_key), 'fair_key', fair_key,
    'unique', unique_by, 'expires_at', expires_at, 'expires_in', expires_in,
    'after', to_jsonb(after), 'run_if', run_if))
    -- Outside of the stripping: nulls inside args and metadata are the caller's.
    || jsonb_build_object('args', args)
    || case when metadata is null then '{}'::jsonb else jsonb_build_object('metadata', metadata) end))
$$;

COMMENT ON FUNCTION tidemill.enqueue(kind text, args jsonb, queue text, priority integer, run_at timestamp with time zone, delay interval, max_attempts integer, soft_timeout interval, hard_timeout interval, execution_id text, tags text[], metadata jsonb, retain interval, concurrency_key text[], fair_key text, unique_by jsonb, expires_at timestamp with time zone, expires_in interval, after uuid[], run_if text) IS 'Enqueues one job in your transaction: it commits or vanishes with it. select enqueue(''send-mail'', ''{"to": "x"}'', delay => ''5 min'').';

CREATE FUNCTION tidemill.enqueue_many(p_jobs jsonb) RETURNS SETOF uuid
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
  select enqueue_wishes(p_jobs)
$$;

COMMENT ON FUNCTION tidemill.enqueue_many(p_jobs jsonb) IS 'Enqueues an array of {kind, args, queue, priority, run_at, delay, max_attempts, soft_timeout, hard_timeout, execution_id, tags, metadata, retain, concurrency_key, fair_key, unique, expires_at, expires_in, after, run_if} in your transaction, all or none; answers their ids in order, for one that is not unique that of the existing job.';

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
    owner text,
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

COMMENT ON COLUMN tidemill.schedules.owner IS 'The deployment whose config wrote it; null if none did.';

CREATE FUNCTION tidemill.enqueue_scheduled(p_schedule tidemill.schedules, p_metadata jsonb, p_run_at timestamp with time zone) RETURNS uuid
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select id
  from enqueue_many(jsonb_build_array(
    p_schedule.job
    || jsonb_build_object(
      'metadata', coalesce(p_schedule.job -> 'metadata', '{}') || jsonb_build_object('schedule', p_schedule.name) || p_metadata,
      'run_at', p_run_at))) as id
$$;

COMMENT ON FUNCTION tidemill.enqueue_scheduled(p_schedule tidemill.schedules, p_metadata jsonb, p_run_at timestamp with time zone) IS 'Enqueues a schedule''s job, marked with the schedule; answers its id.';

CREATE FUNCTION tidemill.enqueue_wishes(p_jobs jsonb, p_ids uuid[] DEFAULT NULL::uuid[], p_options jsonb[] DEFAULT NULL::jsonb[]) RETURNS SETOF uuid
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  made record;
begin
  perform check_wishes(p_jobs);
  for made in
    with wished as (
      select w.*, coalesce(p_ids[item.ord], new_job_id()) as id, item.ord
      from jsonb_array_elements(p_jobs) with ordinality as item (value, ord)
      cross join lateral jsonb_to_record(item.value) as w (
        kind text, args jsonb, queue text, priority text, run_at timestamptz, delay interval,
        max_attempts integer, soft_timeout interval, hard_timeout interval, execution_id text,
        tags jsonb, metadata jsonb, retain interval, concurrency_key jsonb, fair_key text,
        "unique" jsonb, expires_at timestamptz, expires_in interval, after jsonb, run_if text, sealed jsonb)
    )
    select i.*
    from (
      select
        array_agg(id order by ord) as ids, array_agg(kind order by ord) as kinds,
        array_agg(coalesce(args, '{}') order by ord) as args, array_agg(queue_name(queue) order by ord) as queues,
        array_agg(priority_of(priority) order by ord) as priorities, array_agg(run_at order by ord) as run_ats,
        array_agg(extract(epoch from delay)::double precision order by ord) as delays,
        array_agg(max_attempts order by ord) as max_attempts,
        array_agg(extract(epoch from soft_timeout)::double precision order by ord) as soft_timeouts,
        array_agg(extract(epoch from hard_timeout)::double precision order by ord) as hard_timeouts,
        array_agg(execution_id order by ord) as execution_ids, array_agg(tags order by ord) as tags,
        array_agg(metadata order by ord) as metadata,
        array_agg(extract(epoch from retain)::double precision order by ord) as retains,
        array_agg(
          case
            when p_options is null then options_of(concurrency_key, fair_key, "unique", expires_at, expires_in, after, run_if, sealed)
            else
              coalesce(options_of(concurrency_key, fair_key, "unique", expires_at, expires_in, null, null, sealed), '{}')
              || p_options[ord]
          end
          order by ord) as options
      from wished
    ) w
    cross join lateral insert_jobs(
      w.ids, w.kinds, w.args, w.queues, w.priorities, w.run_ats, w.delays, w.max_attempts,
      w.soft_timeouts, w.hard_timeouts, w.execution_ids, w.tags, w.metadata, w.retains, false, w.options) i
    order by i.ord
  loop
    if made.outcome not in ('created', 'existing', 'replaced') or p_ids is not null and made.outcome <> 'created' then
      raise exception 'job % of the call was refused: %', made.ord, made.outcome
        using
          errcode = case made.outcome when 'conflict' then 'unique_violation' when 'queue_full' then '53TM1' else '22TM1' end,
          detail = format('queue: %s', made.queue),
          hint = case made.outcome
            when 'queue_full' then format(
              'queue %s has as many jobs waiting as its max_queued allows; try again in %s s',
              made.queue, ceil(extract(epoch from room_expected(made.queue))))
            when 'queue_draining' then format('queue %s takes no new jobs; select resume_queue(%L)', made.queue, made.queue)
            when 'conflict' then format('job %s has its unique key; on_conflict = keep answers that one', made.id)
            when 'execution_id_taken' then 'another job has this execution id; find it in task_ids'
            when 'unknown_parent' then 'a job can only wait for jobs that are kept'
            when 'existing' then 'a job of a workflow is a new one: it cannot be unique with another'
            when 'replaced' then 'a job of a workflow is a new one: it cannot be unique with another'
            when 'reserved_kind' then 'kinds that begin with tidemill. are Tidemill''s own; create_workflow makes workflows'
          end;
    end if;
    -- Equal messages of one transaction are sent once.
    if made.outcome = 'created' and p_options is null then
      perform tell(case when made.state = 'available' then 'q:' else 'g:' end || made.queue);
    end if;
    return next made.id;
  end loop;
end
$$;

COMMENT ON FUNCTION tidemill.enqueue_wishes(p_jobs jsonb, p_ids uuid[], p_options jsonb[]) IS 'What enqueue_many and create_workflow have in common: with p_ids and p_options the jobs have these ids and wait for one another.';

CREATE FUNCTION tidemill.ensure_partitions(p_days_ahead integer DEFAULT 14) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET lock_timeout TO '500ms'
    SET default_table_access_method TO 'heap'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
declare
  parent text;
  part text;
  key text;
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
        key := part || '_id_idx';
        execute format('create unique index %I on %I (id)', key, part);
        -- Else nothing of the day could be deleted once a publication sends its changes.
        execute format('alter table %I replica identity using index %I', part, key);
        execute format('create index on %I using brin (finished_at)', part);
        execute format('create index on %I (retain_until) where retain_until is not null', part);
        execute format('create index on %I using gin (tags) where tags <> ''{}''', part);
      end if;
      if parent in ('jobs', 'events') then
        execute format('create index on %I using brin (written_in) with (pages_per_range = 32, autosummarize = on)', part);
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
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
begin
  if to_regclass(to_char(clock_timestamp() at time zone 'UTC', '"events_"YYYY_MM_DD')) is null then
    perform ensure_partitions();
  end if;
end
$$;

COMMENT ON FUNCTION tidemill.ensure_today() IS 'Makes the partitions of today if no keeper made them ahead.';

CREATE FUNCTION tidemill.era() RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
begin
  -- The timeline grows by one at every promotion and every restore to a point in time.
  return format('%s/%s', (select system_identifier from pg_control_system()), left(pg_walfile_name(pg_current_wal_lsn()), 8));
exception when others then
  -- Some managed databases show neither.
  return '';
end
$$;

COMMENT ON FUNCTION tidemill.era() IS 'Which course of history the database is on: changes when a standby takes over or the database is restored.';

CREATE FUNCTION tidemill.evaluate_alert(p_rule tidemill.alert_rules, p_latency_seconds double precision) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  moment timestamptz := clock_timestamp();
  found_subjects text[];
  changed uuid[];
begin
  with found as materialized (
    select b.* from breaches(p_rule, p_latency_seconds) b
  ),
  seen as (
    insert into alerts (id, rule, subject, value, above, message, since)
    select new_job_id(), p_rule.name, f.subject, f.value, p_rule.above, f.message,
      -- Who waited so long for the database knows since when it is slow.
      moment - case when p_rule.condition = 'database_latency' then make_interval(secs => f.value) else '0' end
    from found f
    on conflict (rule, subject) where resolved_at is null do update
    set value = excluded.value, above = excluded.above, message = excluded.message, clear_since = null
  )
  select coalesce(array_agg(f.subject), '{}') into found_subjects from found f;
  -- What passed before it fired was nothing.
  delete from alerts
  where rule = p_rule.name and fired_at is null and subject <> all(found_subjects);
  update alerts
  set clear_since = coalesce(clear_since, moment)
  where rule = p_rule.name and resolved_at is null and subject <> all(found_subjects);
  with fired as (
    update alerts
    set fired_at = moment
    where rule = p_rule.name and fired_at is null and since <= moment - p_rule.hold
    returning id
  )
  select array_agg(id) into changed from fired;
  perform tell_of_alerts(changed, 'fired');
  with resolved as (
    update alerts
    set resolved_at = moment
    where rule = p_rule.name and resolved_at is null and clear_since <= moment - p_rule.hold
    returning id
  )
  select array_agg(id) into changed from resolved;
  perform tell_of_alerts(changed, 'resolved');
end
$$;

COMMENT ON FUNCTION tidemill.evaluate_alert(p_rule tidemill.alert_rules, p_latency_seconds double precision) IS 'Measures a rule: opens, fires and resolves its alerts, each only when it held for so long as the rule says.';

CREATE FUNCTION tidemill.evaluate_alerts(p_latency_seconds double precision DEFAULT NULL::double precision) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
declare
  r alert_rules;
begin
  if not pg_try_advisory_xact_lock(hashtext('tidemill alerts'), hashtext(current_schema())) then
    return false;
  end if;
  for r in select * from alert_rules order by name loop
    begin
      perform evaluate_alert(r, p_latency_seconds);
    exception when others then
      -- One rule that cannot be measured never stops the rest.
      raise warning 'alert rule % could not be measured: %', r.name, sqlerrm;
    end;
  end loop;
  delete from alerts where resolved_at < now() - interval '90 days';
  return true;
end
$$;

COMMENT ON FUNCTION tidemill.evaluate_alerts(p_latency_seconds double precision) IS 'Measures all rules; false if another process does so at this moment. Takes how long the database took to answer the caller, in seconds.';

CREATE FUNCTION tidemill.expected_start(p_job uuid, OUT at timestamp with time zone, OUT based_on text) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
declare
  j jobs;
  e record;
  holds_until timestamptz := now();
  line record;
  waits boolean;
  seconds double precision;
begin
  select * into j from jobs_live where id = p_job and state in ('available', 'waiting');
  if j.id is null then
    return;
  end if;
  for e in select * from explain(p_job) loop
    if e.code in (
      'waits_for_jobs', 'waits_for_signal', 'queue_paused', 'limit_full', 'no_worker', 'no_worker_in_queue', 'workers_draining', 'no_slots')
    then
      -- Somebody has to do something first, or who holds the limit has to end, and nobody knows when.
      return;
    elsif e.code = 'rate_reached' then
      -- Those of the limit that come before it have its next starts.
      holds_until := greatest(holds_until, e.until + make_interval(secs => (e.details ->> 'seconds_each')::double precision * (
        select count(*)
        from due_before(j) d
        where e.details ->> 'limit' = any(d.concurrency_keys || ('queue:' || j.queue)))));
    elsif e.code <> 'expires' then
      holds_until := greatest(holds_until, e.until);
    end if;
  end loop;
  line := line_of(j);
  waits := line.busy + line.ahead >= line.slots;
  select avg(extract(epoch from f.finished_at - f.started_at)) into seconds
  from (
    select h.finished_at, h.started_at from jobs h
    where h.finished_at > now() - interval '1 day' and h.kind = j.kind and h.state = 'completed'
    limit 200
  ) f;
  if waits and seconds is null then
    return;
  end if;
  at := holds_until + make_interval(secs => case
    when waits then ((line.busy + line.ahead - line.slots) / nullif(line.slots, 0) + 1) * seconds
    else 0
  end);
  based_on := format('%s jobs ahead, %s of %s slots taken, %s', line.ahead, line.busy, line.slots,
    case when seconds is null then 'no run of this kind in the last day'
      else format('%s s a run of this kind on average', round(seconds::numeric, 1)) end);
end
$$;

COMMENT ON FUNCTION tidemill.expected_start(p_job uuid, OUT at timestamp with time zone, OUT based_on text) IS 'An estimate of when a job starts, and what it rests on: those ahead of it are taken to run as long as those of its own kind did. Null if nobody can say or somebody has to act first.';

CREATE FUNCTION tidemill.expire(p_limit integer DEFAULT 500) RETURNS SETOF uuid
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  j jobs;
  moved integer := 0;
  bad uuid[] := '{}';
  passed integer := 0;
begin
  loop
    for j in
      select *
      from jobs_live
      where expires_at < clock_timestamp()
        and started_at is null
        and state in ('available', 'waiting')
        and id <> all(bad)
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
        moved := moved + 1;
      exception when others then
        -- One bad row never stops the rest.
        raise warning 'job % expired and could not be cancelled: %', j.id, sqlerrm;
        bad := bad || j.id;
      end;
    end loop;
    -- As the sweep passes over them.
    exit when cardinality(bad) = passed or moved >= p_limit or cardinality(bad) >= 20 * p_limit;
    passed := cardinality(bad);
  end loop;
end
$$;

COMMENT ON FUNCTION tidemill.expire(p_limit integer) IS 'Cancels jobs that were not started before they expired; one that was started once goes on. Answers which; sweep() calls it.';

CREATE FUNCTION tidemill.explain(p_job uuid) RETURNS TABLE(ord bigint, code text, message text, until timestamp with time zone, details jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
declare
  j jobs;
  r running;
  p progress;
  q queues;
  k kinds;
  due timestamptz;
begin
  select * into j from jobs where id = p_job;
  if j.id is null then
    return;
  elsif j.finished_at is not null then
    return query select 1::bigint, 'finished', format('it is %s since %s%s', j.state, moment(j.finished_at), coalesce(': ' || (redact(j.error) ->> 'message'), '')),
      null::timestamptz, jsonb_strip_nulls(jsonb_build_object('state', j.state, 'finished_at', j.finished_at, 'error', redact(j.error)));
    return;
  elsif j.state = 'running' then
    select * into r from running where job_id = p_job;
    select * into p from progress where job_id = p_job;
    return query select 1::bigint, 'running',
      format('%s runs it since %s; its last sign of life was at %s%s', j.worker_id, moment(j.started_at), moment(r.seen_at), coalesce(format(' (%s %%)', p.percent), '')),
      null::timestamptz,
      jsonb_strip_nulls(jsonb_build_object('worker_id', j.worker_id, 'started_at', j.started_at, 'seen_at', r.seen_at,
        'deadline_at', r.deadline_at, 'percent', p.percent, 'step', p.step, 'cancel_requested_at', j.cancel_requested_at));
    return;
  end if;
  select * into q from queues where name = j.queue;
  select * into k from kinds where name = j.kind;
  due := nullif(coalesce(j.due_at, j.run_at), 'infinity');
  return query
  with found as materialized (
    select 1 as place, e.code, e.message, e.until, e.details from explain_waits(j) e
    union all
    select 2, case when j.attempt > 0 then 'retrying' else 'not_due' end,
      case when j.attempt > 0 then format('attempt %s failed (%s); the next is due at %s', j.attempt, coalesce(left(redact(j.error) ->> 'message', 200), 'no message'), moment(due))
        else format('it is not due until %s', moment(due)) end,
      due, jsonb_build_object('run_at', due, 'attempt', j.attempt)
    where due > now()
    union all
    select 3, 'queue_paused', format('the queue %s is paused since %s by %s', q.name, moment(q.paused_at), coalesce(q.paused_by, 'somebody')),
      null, jsonb_build_object('queue', q.name, 'paused_at', q.paused_at, 'paused_by', q.paused_by)
    where q.paused_at is not null
    union all
    select 4, 'breaker_open', format('jobs of the kind %s crash in a loop and are not started until %s', k.name, moment(k.breaker_open_until)),
      k.breaker_open_until, jsonb_build_object('kind', k.name, 'crashes', k.breaker_crashes)
    where k.breaker_open_until > now()
    union all
    select 5, e.code, e.message, e.until, e.details from explain_limits(j) e
    union all
    select 6, e.code, e.message, e.until, e.details from explain_workers(j) e
    -- Who is not due yet stands in no line.
    where j.kind <> 'tidemill.workflow' and (e.code <> 'workers_busy' or due <= now())
    union all
    select 7, 'takes_turns', format('%s other groups of the queue wait for their turn', t.others), null, jsonb_build_object('others', t.others, 'fair_key', j.fair_key)
    from (
      select count(*) as others
      from (
        select 1 from turns t
        where t.queue = j.queue and t.priority <= j.priority and t.group_id <> j.group_id and t.ready_at <= now()
          and exists (
            select 1 from jobs_live o
            where o.queue = t.queue and o.priority = t.priority and o.group_id = t.group_id and o.state = 'waiting' and o.due_at <= now())
        limit 1000
      ) t
    ) t
    where j.group_id is not null and j.due_at <= now() and t.others > 0
      -- With room for all of them nobody waits for a turn.
      and t.others >= (select l.slots - l.busy from line_of(j) l)
    union all
    select 8, 'expires', format('it is cancelled if nothing starts it by %s', moment(j.expires_at)), j.expires_at, jsonb_build_object('expires_at', j.expires_at)
    where j.expires_at is not null and j.started_at is null
  ),
  all_found as (
    select f.place, f.code, f.message, f.until, f.details from found f
    union all
    select 9, 'starting', 'nothing holds it back; it starts at any moment', null, '{}'::jsonb
    where due <= now()
      and not exists (select 1 from found f where f.code <> 'expires')
  )
  select
    -- Of several full limits the job's own come before that of its queue.
    row_number() over (order by f.place, f.details ->> 'limit' like 'queue:%', f.details ->> 'limit'),
    f.code, f.message, f.until, f.details
  from all_found f;
end
$$;

COMMENT ON FUNCTION tidemill.explain(p_job uuid) IS 'Why a job does not run: the reasons in the order in which to see to them, each with a code, a message, until when it holds if that is known, and details. No row if there is no such job.';

CREATE FUNCTION tidemill.explain_limits(p_job tidemill.jobs) RETURNS TABLE(code text, message text, until timestamp with time zone, details jsonb)
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  with keys as materialized (
    select k.key, k.rule
    from (
      select k.key, limit_of(k.key) as rule from unnest(p_job.concurrency_keys) as k (key)
      union all
      select 'queue:' || p_job.queue, l from limits l where l.name = 'queue:' || p_job.queue
    ) k
    where (k.rule).name is not null
  ),
  holders as materialized (
    select k.key, count(*) as running, (array_agg(r.job_id order by r.started_at))[1:5] as jobs
    from keys k
    join running r on k.key = any(r.concurrency_keys) or k.key = 'queue:' || r.queue
    group by k.key
  )
  select
    'limit_full',
    case when (k.rule).max_running = 0 then format('the limit %s lets none run', k.key)
      else format('the limit %s is full: %s of %s run', k.key, h.running, (k.rule).max_running) end,
    null::timestamptz,
    jsonb_build_object('limit', k.key, 'max_running', (k.rule).max_running, 'running', coalesce(h.running, 0), 'held_by', coalesce(to_jsonb(h.jobs), '[]'))
  from keys k
  left join holders h on h.key = k.key
  where coalesce(h.running, 0) >= (k.rule).max_running
  union all
  select
    'rate_reached',
    format('the rate of %s (%s in %s) is reached; the next may start at %s', k.key, (k.rule).rate, (k.rule).rate_period, moment(now() + wait.until)),
    now() + wait.until,
    jsonb_build_object('limit', k.key, 'rate', (k.rule).rate, 'seconds_each', extract(epoch from (k.rule).rate_period) / (k.rule).rate)
  from keys k
  cross join lateral (select token_after(tokens_of(k.key, k.rule), k.rule) as until) wait
  where (k.rule).rate is not null
    and wait.until > '0'
$$;

COMMENT ON FUNCTION tidemill.explain_limits(p_job tidemill.jobs) IS 'The limits that keep a job from starting now, and who holds them.';

CREATE FUNCTION tidemill.explain_waits(p_job tidemill.jobs) RETURNS TABLE(code text, message text, until timestamp with time zone, details jsonb)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  w waits;
  parents record;
begin
  select * into w from waits where job_id = p_job.id;
  if w.job_id is null then
    return;
  elsif w.signal is not null then
    return query select
      'waits_for_signal',
      format('it waits for the signal %s since %s%s', w.signal, moment(w.since),
        case when w.until is not null then format(', at most until %s', moment(w.until)) else '' end),
      w.until, jsonb_build_object('signal', w.signal);
    return;
  end if;
  select count(*) as open, (array_agg(coalesce(d.name, d.parent_id::text) order by d.ord))[1:5] as names, (array_agg(d.parent_id order by d.ord))[1:5] as ids
  into parents
  from (select * from dependencies d where d.job_id = p_job.id and d.outcome is null order by d.ord limit 5000) d;
  return query select
    'waits_for_jobs',
    format('it waits for %s of its jobs: %s%s', parents.open, array_to_string(parents.names, ', '), case when parents.open > 5 then ', …' else '' end),
    null::timestamptz,
    jsonb_build_object('open', parents.open, 'run_if', w.run_if, 'jobs', to_jsonb(parents.ids));
end
$$;

COMMENT ON FUNCTION tidemill.explain_waits(p_job tidemill.jobs) IS 'What a job that is held back waits for.';

CREATE FUNCTION tidemill.explain_workers(p_job tidemill.jobs) RETURNS TABLE(code text, message text, until timestamp with time zone, details jsonb)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  w record;
  line record;
begin
  select
    count(*) as all_of_them,
    count(*) filter (where l.state = 'draining' and l.serves_queue) as draining,
    count(*) filter (where l.serves_queue) as here,
    (array_agg(l.id))[1:5] as ids
  into w
  from live_workers(p_job.kind, p_job.queue) l;
  if w.all_of_them = 0 then
    return query select 'no_worker', format('no worker that lives serves the kind %s', p_job.kind), null::timestamptz,
      jsonb_build_object('last_seen_at', (select k.last_seen_at from kinds k where k.name = p_job.kind));
    return;
  elsif w.here = 0 then
    return query select 'no_worker_in_queue',
      format('no worker that serves the kind %s takes jobs from the queue %s', p_job.kind, p_job.queue), null::timestamptz,
      jsonb_build_object('workers', to_jsonb(w.ids));
    return;
  elsif w.draining = w.here then
    return query select 'workers_draining', 'all workers that serve it are draining', null::timestamptz, jsonb_build_object('workers', to_jsonb(w.ids));
    return;
  end if;
  line := line_of(p_job);
  if line.slots = 0 then
    return query select 'no_slots', format('its workers have no slots for the queue %s', p_job.queue), null::timestamptz, jsonb_build_object('workers', to_jsonb(w.ids));
    return;
  end if;
  -- Those ahead take the slots that are free.
  if line.busy + line.ahead >= line.slots then
    return query select 'workers_busy',
      format('jobs ahead of it: %s; slots taken: %s of %s', case when line.ahead >= 5000 then '5000 or more' else line.ahead::text end, line.busy, line.slots),
      null::timestamptz,
      jsonb_build_object('ahead', line.ahead, 'running', line.busy, 'slots', line.slots, 'priority', p_job.priority);
  end if;
end
$$;

COMMENT ON FUNCTION tidemill.explain_workers(p_job tidemill.jobs) IS 'Who could run a job, and what they do instead.';

CREATE FUNCTION tidemill.extend_attempt(p_job uuid, p_lease uuid, p_by interval) RETURNS timestamp with time zone
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  j jobs;
  due timestamptz;
begin
  -- The fence: whoever lost the lease changes nothing.
  update jobs_live l
  set
    -- As the worker that claimed it knows them.
    hard_timeout = least(coalesce(l.hard_timeout, r.hard_at - r.started_at, '24 hours') + p_by, '100 years'),
    soft_timeout = least(coalesce(l.soft_timeout, r.soft_at - r.started_at) + p_by, '100 years')
  from (select) as one
  left join running r on r.job_id = p_job and r.lease_id = p_lease
  where l.id = p_job
    and l.lease_id = p_lease
    and l.state = 'running'
  returning l.* into j;
  if j.id is null then
    return null;
  end if;
  update running
  set
    deadline_at = deadline_at + p_by,
    soft_at = soft_at + p_by,
    hard_at = hard_at + p_by
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
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select array_agg(distinct key order by key)
  from jsonb_array_elements_text(p_templates) as t (template)
  cross join lateral fill_key(t.template, p_args) as f (key)
  where key is not null
$$;

COMMENT ON FUNCTION tidemill.fill_keys(p_templates jsonb, p_args jsonb) IS 'All keys of an array, filled from the args, each once and in order; null if there are none.';

CREATE FUNCTION tidemill.fingerprint(p_kind text, p_error jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $_$
  -- What differs from case to case counts as one: quoted texts, ids, addresses, times, numbers.
  select left(md5(concat_ws(e'\x1f',
    p_kind,
    p_error ->> 'type',
    regexp_replace(
      regexp_replace(
        regexp_replace(
          regexp_replace(left(p_error ->> 'message', 2000), '(''[^'']*''|"[^"]*"|`[^`]*`)', '<text>', 'g'),
          '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}', '<id>', 'g'),
        '\m(0x)?[0-9a-fA-F]*[0-9][0-9a-fA-F]{7,}\M', '<hex>', 'g'),
      '[0-9]+([.,:/_T-][0-9]+)*', '<n>', 'g'),
    (regexp_match(p_error ->> 'backtrace', '^\s*(\S.*)$', 'n'))[1])), 16)
$_$;

COMMENT ON FUNCTION tidemill.fingerprint(p_kind text, p_error jsonb) IS 'Hash of the cause of a failure: its kind, class, message without what differs from case to case, and first line of its backtrace.';

CREATE FUNCTION tidemill.fire_schedule(p_name text, p_slot timestamp with time zone, p_next_at timestamp with time zone, p_upcoming timestamp with time zone[], p_missed text DEFAULT NULL::text, p_sealed jsonb DEFAULT NULL::jsonb) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  s schedules;
begin
  if p_next_at <= p_slot then
    raise exception 'the slot after % cannot be %', p_slot, p_next_at using errcode = 'invalid_parameter_value';
  end if;
  perform release_slot(p_name, p_sealed);
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
  return judge_slot(with_sealed(s, p_sealed), p_slot);
end
$$;

COMMENT ON FUNCTION tidemill.fire_schedule(p_name text, p_slot timestamp with time zone, p_next_at timestamp with time zone, p_upcoming timestamp with time zone[], p_missed text, p_sealed jsonb) IS 'Fires a slot that is due and moves the schedule on to the next, or records it as missed for the given reason; p_sealed as with_sealed takes it. Answers what became of it, repeated if it fired before, null if it is not its turn.';

CREATE FUNCTION tidemill.fold_failures(p_limit integer DEFAULT 5000) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  folded integer;
begin
  with taken as materialized (
    delete from failure_deltas
    where ctid in (select ctid from failure_deltas limit p_limit for update skip locked)
    returning *
  ),
  causes as (
    insert into failure_causes as c (fingerprint, kind, type, message, failures, first_at, last_at, last_job_id)
    select
      t.fingerprint, max(t.kind), max(t.type), (array_agg(t.message order by t.at desc))[1], count(*),
      min(t.at), max(t.at), (array_agg(t.job_id order by t.at desc))[1]
    from taken t
    group by t.fingerprint
    order by t.fingerprint
    on conflict (fingerprint) do update
    set
      failures = c.failures + excluded.failures,
      first_at = least(c.first_at, excluded.first_at),
      message = case when excluded.last_at >= c.last_at then excluded.message else c.message end,
      last_job_id = case when excluded.last_at >= c.last_at then excluded.last_job_id else c.last_job_id end,
      last_at = greatest(c.last_at, excluded.last_at)
  )
  select count(*) into folded from taken;
  return folded;
end
$$;

COMMENT ON FUNCTION tidemill.fold_failures(p_limit integer) IS 'Counts failures into their causes; answers how many. Safe to run anywhere, any time; repeat until 0.';

CREATE FUNCTION tidemill.fold_stats(p_limit integer DEFAULT 20000) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  folded integer;
begin
  with taken as materialized (
    delete from stats_deltas
    where ctid in (select ctid from stats_deltas limit p_limit for update skip locked)
    returning *
  ),
  minutes as (
    insert into stats as s (minute, queue, kind, outcome, jobs, waited, ran, ran_least, ran_most)
    select date_trunc('minute', t.at), t.queue, t.kind, t.outcome, sum(t.jobs), sum(t.waited), sum(t.ran), min(t.ran_least), max(t.ran_most)
    from taken t
    group by 1, 2, 3, 4
    order by 1, 2, 3, 4
    on conflict (minute, queue, kind, outcome) do update
    set
      jobs = s.jobs + excluded.jobs,
      waited = s.waited + excluded.waited,
      ran = s.ran + excluded.ran,
      ran_least = least(s.ran_least, excluded.ran_least),
      ran_most = greatest(s.ran_most, excluded.ran_most)
  ),
  hours as (
    insert into stats_hours as s (hour, queue, kind, outcome, jobs, waited, ran, ran_least, ran_most)
    select date_trunc('hour', t.at, 'UTC'), t.queue, t.kind, t.outcome, sum(t.jobs), sum(t.waited), sum(t.ran), min(t.ran_least), max(t.ran_most)
    from taken t
    group by 1, 2, 3, 4
    order by 1, 2, 3, 4
    on conflict (hour, queue, kind, outcome) do update
    set
      jobs = s.jobs + excluded.jobs,
      waited = s.waited + excluded.waited,
      ran = s.ran + excluded.ran,
      ran_least = least(s.ran_least, excluded.ran_least),
      ran_most = greatest(s.ran_most, excluded.ran_most)
  )
  select count(*) into folded from taken;
  return folded;
end
$$;

COMMENT ON FUNCTION tidemill.fold_stats(p_limit integer) IS 'Adds what was counted to its minutes and hours; answers how many rows it folded. Safe to run anywhere, any time; repeat until 0.';

CREATE FUNCTION tidemill.forget(p_jobs uuid[]) RETURNS void
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  delete from dependencies where job_id = any(p_jobs);
  delete from waits where job_id = any(p_jobs);
  delete from workflows where id = any(p_jobs);
  delete from steps where job_id = any(p_jobs);
  delete from signals where job_id = any(p_jobs);
$$;

COMMENT ON FUNCTION tidemill.forget(p_jobs uuid[]) IS 'Removes what is known of jobs that are gone, beside their history.';

CREATE FUNCTION tidemill.forget_names(p_jobs uuid[]) RETURNS void
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  delete from task_ids t
  where t.job_id = any(p_jobs)
    and not exists (select from jobs_live l where l.id = t.job_id);
  select forget(array(select i.id from unnest(p_jobs) as i (id) where not exists (select from jobs_live l where l.id = i.id)));
  delete from progress p
  where p.job_id = any(p_jobs)
    and not exists (select from jobs_live l where l.id = p.job_id);
$$;

COMMENT ON FUNCTION tidemill.forget_names(p_jobs uuid[]) IS 'Removes what is known of jobs whose day of history goes, but for those that live again.';

CREATE FUNCTION tidemill.fork(p_job uuid, p_from_step text DEFAULT NULL::text, p_by text DEFAULT SESSION_USER) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
declare
  j jobs;
  cut timestamptz;
  forked uuid;
begin
  perform lock_before_enqueue('{}');
  j := lock_job(p_job);
  if j.id is null then
    return null;
  end if;
  if j.kind like 'tidemill.%' then
    raise exception 'job % is a workflow and cannot be forked', p_job
      using errcode = '22TM1', hint = 'retry it, or fork one of its jobs';
  end if;
  select created_at into cut from steps where job_id = p_job and name = p_from_step;
  if p_from_step is not null and cut is null then
    raise exception 'job % has no step %', p_job, p_from_step
      using errcode = '22TM1', hint = 'name one of its steps, or none to keep all of them';
  end if;
  forked := enqueue(
    j.kind, j.args, j.queue, j.priority::integer, max_attempts => j.max_attempts, soft_timeout => j.soft_timeout,
    hard_timeout => j.hard_timeout, tags => j.tags, metadata => coalesce(j.metadata, '{}') || jsonb_build_object('forked_from', p_job),
    retain => j.retain, concurrency_key => j.concurrency_keys, fair_key => j.fair_key,
    -- Where the kind wants its jobs unique this one is all the same.
    unique_by => (
      select jsonb_build_object('key', 'fork:' || gen_random_uuid()) from kinds k where k.name = j.kind and k.defaults ? 'unique'));
  perform note_references(forked, j.args);
  perform audit('fork', 'job:' || p_job, null, jsonb_strip_nulls(jsonb_build_object('job_id', forked, 'from_step', p_from_step)), p_by);
  insert into steps (job_id, name, attempt, output, spawned_id, created_at, updated_at)
  select forked, s.name, s.attempt, s.output, s.spawned_id, s.created_at, s.updated_at
  from steps s
  where s.job_id = p_job
    -- A cursor that went on behind the cut is not what it was there, and begins anew.
    and (cut is null or s.updated_at < cut)
    -- A child that is kept no more is spawned again.
    and (s.spawned_id is null or exists (select from jobs c where c.id = s.spawned_id));
  insert into signals (job_id, name, payload, timed_out, sent_at, sent_by)
  select forked, name, payload, timed_out, sent_at, sent_by
  from signals
  where job_id = p_job
    and (cut is null or sent_at < cut);
  perform tell(format('e:%s:%s', forked, append_event(forked, 0, 'forked', jsonb_strip_nulls(jsonb_build_object(
    'by', p_by, 'job_id', p_job, 'from_step', p_from_step)))));
  return forked;
end
$$;

COMMENT ON FUNCTION tidemill.fork(p_job uuid, p_from_step text, p_by text) IS 'Enqueues the same work again as a new job that keeps what was before a step (checkpoints, children, signals that had come) and runs from there. Answers its id, null if there is no such job.';

CREATE FUNCTION tidemill.full_keys() RETURNS text[]
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
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

CREATE FUNCTION tidemill.heals(p_sqlstate text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  -- Want of memory does not: whoever needs too much needs it again.
  select p_sqlstate ~ '^(08|25|40|53[^2]|55|57)'
$$;

COMMENT ON FUNCTION tidemill.heals(p_sqlstate text) IS 'Whether what an SQLSTATE says passes by itself, so that the same may succeed a little later.';

CREATE FUNCTION tidemill.held_by(p_key text, p_terms jsonb, p_new uuid, p_batch uuid[]) RETURNS uuid
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
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
  if status = 'retrying' then
    perform from jobs_live where id = j.id and state <> 'running' for update skip locked;
    if found then
      perform cancel_one(j.id, format('superseded by %s', p_new), 'unique key', false);
      return null;
    end if;
  end if;
  if status in ('running', 'retrying') then
    -- It runs, or somebody just takes it, and must not come back into the queue; settle_attempt looks here.
    update unique_keys
    set supersedes = array(select l.id from jobs_live l where l.id = any(supersedes || j.id))
    where key = p_key;
  end if;
  return null;
end
$$;

COMMENT ON FUNCTION tidemill.held_by(p_key text, p_terms jsonb, p_new uuid, p_batch uuid[]) IS 'The job for whose sake a new one with this locked key cannot be, null if there is none; then an older one that the terms let pass gives way.';

CREATE FUNCTION tidemill.held_slots() RETURNS TABLE(schedule text, slot timestamp with time zone, is_ready boolean)
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select h.schedule, h.slot, s.overlap in ('allow', 'cancel') or unfinished_jobs(s) = '{}'
  from schedule_slots h
  join schedules s on s.name = h.schedule
  where h.outcome = 'held'
    and s.paused_at is null
$$;

COMMENT ON FUNCTION tidemill.held_slots() IS 'The slots that wait for the end of an earlier job, and whether it has ended.';

CREATE FUNCTION tidemill.hidden_sessions() RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select count(*)
  from pg_stat_activity a
  where a.datname = current_database()
    and a.backend_type is null
    -- Autovacuum's workers are nobody's.
    and a.usesysid is not null
$$;

COMMENT ON FUNCTION tidemill.hidden_sessions() IS 'Of how many sessions of this database the caller may not see what they do.';

CREATE FUNCTION tidemill.hold(p_job tidemill.jobs, p_wait jsonb) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  parents jsonb := p_wait -> 'parents';
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
    'all_finished',
    p_wait ->> 'signal',
    clock_timestamp() + make_interval(secs => (p_wait ->> 'timeout_seconds')::double precision))
  on conflict (job_id) do update
  set run_if = excluded.run_if, signal = excluded.signal, until = excluded.until, run_at = null, delay = null, since = clock_timestamp();
  if parents is not null then
    -- It waits for these alone; what was open before may be over and just not told.
    delete from dependencies where job_id = p_job.id and outcome is null;
    perform link_jobs(array[p_job.id], array[parents], array['all_finished']);
    -- One that ended once and is live again has not ended.
    update dependencies d
    set outcome = null, resolved_at = null
    from parents_of(parents) p
    join jobs_live l on l.id = p.id
    where d.job_id = p_job.id
      and d.parent_id = p.id
      and d.outcome is not null;
  end if;
  -- What it waits for may be there already.
  if (case
    when p_wait ? 'signal' then exists (select 1 from signals s where s.job_id = p_job.id and s.name = p_wait ->> 'signal')
    else wait_verdict(p_job.id, 'all_finished') <> 'wait'
  end) then
    perform let_go(p_job.id);
  end if;
  return (select state::text from jobs_live where id = p_job.id);
end
$$;

COMMENT ON FUNCTION tidemill.hold(p_job tidemill.jobs, p_wait jsonb) IS 'Makes a locked live job wait for {signal, timeout_seconds} or for the end of {parents}, and goes on at once if that is there. Answers its state.';

CREATE FUNCTION tidemill.hold_lease(p_job uuid, p_lease uuid) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  tried integer;
begin
  select attempt into tried from jobs_live where id = p_job and lease_id = p_lease and state = 'running' for update;
  if not found then
    return null;
  end if;
  -- A checkpoint is a sign of life.
  update running r
  set
    seen_at = clock_timestamp(),
    lease_expires_at = greatest(r.lease_expires_at, clock_timestamp() + coalesce(w.lease_ttl, '30 seconds'))
  from (select) as one
  left join workers w on w.id = (select worker_id from running where job_id = p_job)
  where r.job_id = p_job
    and r.lease_id = p_lease;
  return tried;
end
$$;

COMMENT ON FUNCTION tidemill.hold_lease(p_job uuid, p_lease uuid) IS 'Locks a running job for its worker and renews the lease; answers the ordinal of the attempt, null if the lease is lost.';

CREATE FUNCTION tidemill.hold_new(p_ids uuid[], p_run_ats timestamp with time zone[], p_delay_seconds double precision[], p_options jsonb[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  held uuid[];
  refused uuid;
  far uuid;
begin
  select p.id into refused
  from unnest(p_options) as i (options)
  cross join parents_of(i.options -> 'after') p
  where p.id = any(p_ids)
    and not exists (select from jobs_live j where j.id = p.id)
  limit 1;
  if found then
    -- The caller of a workflow refuses all, and says why.
    if exists (select from unnest(p_options) as i (options) where i.options ?| '{workflow_id,container}') then
      return;
    end if;
    raise exception 'job %, for which others of the call wait, is none that was enqueued by it', refused
      using errcode = '22TM1', hint = 'enqueue it first; its queue may be full, or another job have its execution id or unique key';
  end if;
  -- What cannot be stored when they are let go is refused now.
  select i.id into far
  from unnest(p_ids, p_run_ats, p_delay_seconds, p_options) as i (id, run_at, delay_seconds, options)
  where i.options ? 'after'
    and greatest(i.run_at, clock_timestamp() + make_interval(secs => i.delay_seconds)) >= '10000-01-01 00:00+00'
  limit 1;
  if found then
    raise exception 'job % would run at a time that lies too far ahead', far
      using errcode = '22TM1', hint = 'name a time before the year 10000';
  end if;
  with held as (
    select i.*
    from unnest(p_ids, p_run_ats, p_delay_seconds, p_options) with ordinality as i (id, run_at, delay_seconds, options, ord)
    join jobs_live j on j.id = i.id
    where i.options ? 'after' or i.options ? 'container'
  )
  insert into waits (job_id, run_if, run_at, delay)
  select
    h.id,
    coalesce(h.options ->> 'run_if', 'all_completed'),
    h.run_at,
    make_interval(secs => h.delay_seconds)
  from held h
  order by h.ord;
  held := array(
    select i.id
    from unnest(p_ids, p_options) with ordinality as i (id, options, ord)
    join waits w on w.job_id = i.id
    order by i.ord);
  perform link_jobs(
    array_agg(i.id), array_agg(i.options -> 'after'), array_agg(w.run_if), array_agg(w.run_at), array_agg(w.delay))
  from unnest(p_ids, p_options) as i (id, options)
  join waits w on w.job_id = i.id
  where i.options ? 'after'
  having count(*) > 0;
  -- What they wait for may be over already.
  perform resolve_one(h.id) from unnest(held) as h (id);
end
$$;

COMMENT ON FUNCTION tidemill.hold_new(p_ids uuid[], p_run_ats timestamp with time zone[], p_delay_seconds double precision[], p_options jsonb[]) IS 'Makes new jobs wait for the others that their options name; a delay counts from then on. insert_jobs calls it.';

CREATE FUNCTION tidemill.horizon_holders() RETURNS TABLE(what text, who text, since timestamp with time zone, transactions bigint, unread boolean, details jsonb)
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select
    'session',
    format('session %s of %s (%s, %s)', a.pid, coalesce(a.usename, '?'), coalesce(nullif(a.application_name, ''), 'no name'),
      coalesce(a.state, 'what it does is hidden')),
    a.xact_start,
    greatest(age(a.backend_xid), age(a.backend_xmin))::bigint,
    false,
    jsonb_build_object('pid', a.pid, 'user', a.usename, 'application', a.application_name, 'state', a.state)
  from pg_stat_activity a
  -- One that wrote holds by its own transaction id, one that reads by its snapshot; those of other databases
  -- hold nothing here.
  where coalesce(a.backend_xid, a.backend_xmin) is not null
    and a.datname = current_database()
    and a.leader_pid is null
    and a.pid <> pg_backend_pid()
    -- Vacuum does not stand in its own way.
    and not exists (select 1 from pg_stat_progress_vacuum v where v.pid = a.pid)
    -- Its standby is below.
    and not exists (select 1 from pg_stat_get_wal_senders() w where w.pid = a.pid)
  union all
  select 'prepared transaction', format('prepared transaction %s of %s', p.gid, p.owner), p.prepared, age(p.transaction)::bigint, false,
    jsonb_build_object('gid', p.gid, 'owner', p.owner)
  from pg_prepared_xacts p
  where p.database = current_database()
  union all
  -- A logical slot has a catalog_xmin alone, which keeps no row of a queue. The rows below belong to no database.
  select 'replication slot', format('replication slot %s (%s)', s.slot_name, case when s.active then 'active' else 'nobody reads it' end), null,
    age(s.xmin)::bigint, not s.active, jsonb_build_object('slot', s.slot_name, 'active', s.active)
  from pg_replication_slots s
  where s.xmin is not null
  union all
  select 'standby', format('standby %s', coalesce(nullif(r.application_name, ''), r.client_addr::text, r.pid::text)), null,
    age(r.backend_xmin)::bigint, false, jsonb_build_object('application', r.application_name, 'address', r.client_addr)
  from pg_stat_replication r
  where r.backend_xmin is not null
$$;

COMMENT ON FUNCTION tidemill.horizon_holders() IS 'Who may keep vacuum from removing dead rows of this database: open transactions, prepared ones, slots, standbys; since when if that is known, how many transactions back, and whether it is a slot that nobody reads, which stays there.';

CREATE FUNCTION tidemill.horizon_severity(p_since timestamp with time zone, p_transactions bigint, p_dead bigint) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select case
    when p_since is null then severity_of('horizon by transactions', p_transactions, p_dead)
    else severity_of('horizon', extract(epoch from now() - p_since)::double precision, p_dead)
  end
$$;

COMMENT ON FUNCTION tidemill.horizon_severity(p_since timestamp with time zone, p_transactions bigint, p_dead bigint) IS 'How bad it is that somebody holds the horizon, by time if its start is known, else by transactions; null if it is nothing yet.';

CREATE FUNCTION tidemill.insert_jobs(p_ids uuid[], p_kinds text[], p_args jsonb[], p_queues text[], p_priorities smallint[], p_run_ats timestamp with time zone[], p_delay_seconds double precision[], p_max_attempts integer[], p_soft_timeout_seconds double precision[], p_hard_timeout_seconds double precision[], p_execution_ids text[], p_tags jsonb[], p_metadata jsonb[], p_retain_seconds double precision[], p_strict boolean, p_options jsonb[] DEFAULT NULL::jsonb[], p_wait boolean DEFAULT true) RETURNS TABLE(ord bigint, id uuid, outcome text, queue text, priority smallint, max_attempts integer, run_at timestamp with time zone, created_at timestamp with time zone, state tidemill.job_state, concurrency_keys text[], fair_key text, expires_at timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    AS $_$
#variable_conflict use_column
declare
  -- What would wait for a job that is not there.
  in_vain bigint[];
  verdicts jsonb;
  -- For what queues with a bound have no room.
  crowded bigint[];
  -- Those of them of whose room nothing is known.
  busy bigint[];
  -- What a full limit does not let in.
  doomed uuid[] := '{}';
  -- Nothing to do, and nothing to pay, unless some limit cancels.
  limits_cancel boolean := exists (select from limits where on_full <> 'queue');
begin
  if exists (select from sealing where required) then
    perform check_sealed(p_args, p_options);
  end if;
  perform kind_name(k.kind) from unnest(p_kinds) as k (kind) where k.kind !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$';
  if limits_cancel then
    perform lock_before_room(p_kinds, p_args, p_options);
  end if;
  -- Only who asks for it pays for it.
  if exists (select from unnest(p_options) as o (options) where o.options ? 'after') then
    in_vain := array(
      select i.ord
      from unnest(p_options) with ordinality as i (options, ord)
      where i.options ? 'after'
        and exists (
          select
          from parents_of(i.options -> 'after') p
          where p.id is null
            or p.id <> all(p_ids) and not exists (select from jobs x where x.id = p.id)));
  end if;
  if exists (select from unnest(p_options) as o (options) where o.options ? 'unique')
    or exists (select from kinds k where k.defaults ? 'unique' and k.name = any(p_kinds))
  then
    verdicts := take_unique_keys(
      array(
        select w.wish
        from unique_wishes(
          p_ids, p_kinds, p_args, p_queues, p_priorities, p_run_ats, p_delay_seconds, p_max_attempts,
          p_execution_ids, p_tags, p_metadata, p_strict, p_options) as w (wish)
        where ((w.wish ->> 'ord')::bigint = any(in_vain)) is not true
        order by (w.wish ->> 'ord')::bigint),
      p_ids);
  end if;
  if exists (select from queues q where q.max_queued is not null) then
    select c.crowded, c.busy into crowded, busy
    from crowded_out(p_kinds, p_queues, p_execution_ids, verdicts, p_wait) c;
    if crowded is not null and verdicts is not null then
      -- Nobody is answered with a job for which there is no room: who has its key shares its fate.
      select crowded || array_agg(v.ord), busy || array_agg(v.ord) filter (where h.ord = any(busy))
      into crowded, busy
      from jsonb_to_recordset(verdicts) as v (ord bigint, holder uuid)
      join unnest(p_ids) with ordinality as h (id, ord) on h.id = v.holder
      where h.ord = any(crowded);
    end if;
  end if;
  if not limits_cancel then
    null;
  elsif verdicts is null and crowded is null then
    doomed := make_room(p_ids, p_kinds, p_args, p_options);
  else
    -- A job that will not be needs no room.
    select make_room(
      array_agg(i.id order by i.ord), array_agg(i.kind order by i.ord), array_agg(i.args order by i.ord),
      array_agg(i.options order by i.ord))
    into doomed
    from unnest(p_ids, p_kinds, p_args, p_options) with ordinality as i (id, kind, args, options, ord)
    left join jsonb_to_recordset(verdicts) as v (ord bigint, outcome text) on v.ord = i.ord
    where v.outcome is null
      and (i.ord = any(crowded)) is not true;
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
      case when i.tags is null then '{}'::text[] else array_remove(array(select jsonb_array_elements_text(i.tags)), null) end as tags,
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
    select
      o.*,
      group_of(o.concurrency_keys, o.fair_key) as group_id
    from (
      select
        i.ord,
        fill_keys(i.options -> 'concurrency_keys', i.args) as concurrency_keys,
        fill_key(i.options ->> 'fair_key', i.args) as fair_key,
        -- One that lies beyond every calendar never comes.
        nullif(
          least(
            coalesce(
              (i.options ->> 'expires_at')::timestamptz,
              now() + make_interval(secs => (i.options ->> 'expires_in_seconds')::double precision)),
            '10000-01-01 00:00+00'),
          '10000-01-01 00:00+00') as expires_at,
        i.options ? 'after' or i.options ? 'container' as held,
        i.options ? 'container' as container,
        (i.options ->> 'workflow_id')::uuid as workflow_id,
        nullif(i.options ? 'workflow_id', false) as awaited
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
      coalesce(o.held, false) as held,
      o.workflow_id,
      o.awaited,
      case
        when i.kind like 'tidemill.%' and o.container is not true then 'reserved_kind'
        when p_strict and i.unknown_kind and o.container is not true then 'unknown_kind'
        when i.ord = any(in_vain) then 'unknown_parent'
        when q.draining_at is not null then 'queue_draining'
        when i.ord = any(busy) then 'queue_busy'
        when i.ord = any(crowded) then 'queue_full'
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
      soft_timeout, hard_timeout, retain, concurrency_keys, fair_key, group_id, due_at, expires_at, unique_key,
      workflow_id, awaited)
    select
      j.id, j.kind, j.queue,
      case when j.group_id is null and not j.held then 'available' else 'waiting' end::job_state,
      j.priority, j.max_attempts,
      case when j.group_id is null and not j.held then j.run_at else 'infinity' end,
      coalesce(j.options -> 'sealed', j.args), j.execution_id, j.tags, j.metadata,
      j.soft_timeout, j.hard_timeout, j.retain, j.concurrency_keys, j.fair_key, j.group_id,
      case when j.group_id is not null then case when j.held then 'infinity' else j.run_at end end,
      j.expires_at, j.unique_key, j.workflow_id, j.awaited
    from judged j
    where j.refusal is null
      and (j.execution_id is null or j.id in (select n.job_id from named n))
    order by j.ord
    returning id, created_at, state, queue, kind, priority, group_id, concurrency_keys, due_at
  ),
  counted as (
    insert into stats_deltas (queue, kind, outcome, jobs)
    select n.queue, n.kind, 'enqueued', count(*)
    from inserted n
    where n.kind <> 'tidemill.workflow'
    group by n.queue, n.kind
  ),
  lined_up as (
    insert into turns as t (queue, priority, group_id, concurrency_keys, ready_at)
    select n.queue, n.priority, n.group_id, coalesce(n.concurrency_keys, '{}'), min(n.due_at)
    from inserted n
    where n.group_id is not null
      and n.due_at < 'infinity'
    group by n.queue, n.priority, n.group_id, n.concurrency_keys
    order by n.queue, n.priority, n.group_id
    on conflict (queue, priority, group_id) do update
    set ready_at = least(t.ready_at, excluded.ready_at)
  )
  select
    j.ord, case when j.refusal = j.verdict then j.holder else j.id end,
    coalesce(j.refusal, case when n.id is null then 'execution_id_taken' else 'created' end),
    j.queue, j.priority, j.max_attempts, j.run_at, n.created_at,
    case when j.id = any(doomed) then 'cancelled' else n.state end,
    j.concurrency_keys, j.fair_key, j.expires_at
  from judged j
  left join inserted n on n.id = j.id
  order by j.ord;
  -- Only who waits for others pays for it, or whose args lie in the storage, perhaps under another id.
  if exists (select from unnest(p_options) as o (options) where o.options ?| '{after,container,sealed}') then
    if exists (select from unnest(p_options) as o (options) where o.options ?| '{after,container}') then
      perform hold_new(p_ids, p_run_ats, p_delay_seconds, p_options);
    end if;
    perform note_references(i.id, i.options -> 'sealed')
    from unnest(p_ids, p_options) as i (id, options)
    where i.options -> 'sealed' ? '$stored'
      and i.options #>> '{sealed,$stored,job}' <> i.id::text
      and exists (select from jobs_live j where j.id = i.id);
  end if;
  -- What replaces fields of jobs that came in the same call.
  perform replace_fields(v.holder, v.fields)
  from jsonb_to_recordset(verdicts) as v (ord bigint, holder uuid, fields jsonb)
  where v.fields is not null
  order by v.ord;
  perform cancel_one(d.id, 'a limit is full and cancels the newest', 'limit', false)
  from unnest(doomed) as d (id);
end
$_$;

COMMENT ON FUNCTION tidemill.insert_jobs(p_ids uuid[], p_kinds text[], p_args jsonb[], p_queues text[], p_priorities smallint[], p_run_ats timestamp with time zone[], p_delay_seconds double precision[], p_max_attempts integer[], p_soft_timeout_seconds double precision[], p_hard_timeout_seconds double precision[], p_execution_ids text[], p_tags jsonb[], p_metadata jsonb[], p_retain_seconds double precision[], p_strict boolean, p_options jsonb[], p_wait boolean) IS 'The one way into the jobs table: fills defaults from the kind, refuses draining and full queues, taken execution ids and jobs that would not be unique (their id is that of the existing job); wakes nobody. p_options has for each job null or {unique, concurrency_keys, fair_key, expires_at, expires_in_seconds, after, run_if, workflow_id, container, sealed}; sealed are the args as they are stored, where they shall not be read in the row. Without p_wait a job is refused (queue_busy) if an open transaction of somebody else holds the room of its queue.';

CREATE FUNCTION tidemill.is_kept(p_number numeric) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'tidemill', 'pg_temp'
    SET extra_float_digits TO '1'
    AS $$
  select case
    when p_number = trunc(p_number) and p_number between -9223372036854775808 and 18446744073709551615 then true
    when p_number <> 0 and abs(p_number) not between 5e-324 and 1.7976931348623157e308 then false
    else p_number::double precision::text::numeric = p_number
  end
$$;

COMMENT ON FUNCTION tidemill.is_kept(p_number numeric) IS 'Whether a worker reads the number as it is: an integer of 64 bits, or what a double holds exactly as it is written.';

CREATE FUNCTION tidemill.jobs_ahead(p_job tidemill.jobs) RETURNS bigint
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  with served as materialized (
    select array(
      select distinct k.kind
      from live_workers(p_job.kind, p_job.queue) l
      join workers w on w.id = l.id
      cross join unnest(w.kinds) as k (kind)
      where l.serves_queue
        and l.state <> 'draining'
        and not exists (select 1 from kinds b where b.name = k.kind and b.breaker_open_until > now())
    ) as kinds,
    full_keys() as full_now
  )
  select count(*)
  from (
    select 1
    from due_before(p_job) d
    cross join served s
    where d.kind = any(s.kinds)
      and not coalesce(d.concurrency_keys && s.full_now, false)
    limit 5000
  ) ahead
$$;

COMMENT ON FUNCTION tidemill.jobs_ahead(p_job tidemill.jobs) IS 'How many due jobs of its queue are claimed before it by the workers that serve it; 5000 means that or more. Of at most 20,000 due ones those count whose kind they serve and whose breaker and limits let them start.';

CREATE FUNCTION tidemill.json_flaw(p_value jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $_$
declare
  written text := p_value::text;
  lost numeric;
begin
  if length(written) > 128 and p_value @? 'strict $.**{64}' then
    return 'it is nested deeper than 64 levels';
  end if;
  -- Shorter ones are kept.
  if written ~ '[0-9.]{17}' then
    select n.value::numeric into lost
    from jsonb_path_query(p_value, 'strict $.** ? (@.type() == "number")') as n (value)
    where not is_kept(n.value::numeric)
    limit 1;
    if found then
      return format('the number %s cannot be kept as it is', left(lost::text, 60));
    end if;
  end if;
  return null;
end
$_$;

COMMENT ON FUNCTION tidemill.json_flaw(p_value jsonb) IS 'Why no worker could read this JSON as it is; null if each can.';

CREATE FUNCTION tidemill.judge(p_jobs uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
begin
  perform stop_workflow(w.id)
  from workflows w
  where w.id = any(p_jobs)
    and w.on_failure = 'cancel'
    and exists (select from dependencies d where d.job_id = w.id and d.member and d.outcome = 'failed');
  perform resolve_one(j.id)
  from (select * from jobs_live where id = any(p_jobs) order by queue, priority, group_id, id) j;
end
$$;

COMMENT ON FUNCTION tidemill.judge(p_jobs uuid[]) IS 'Judges jobs that wait for others, by all that was told so far; stops workflows first that a failure stops.';

CREATE FUNCTION tidemill.judge_apart(p_job uuid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  j jobs;
  why text;
begin
  begin
    perform judge(array[p_job]);
    return;
  exception when others then
    if heals(sqlstate) then
      raise;
    end if;
    why := sqlerrm;
  end;
  select l.* into j
  from jobs_live l
  join waits w on w.job_id = l.id
  where l.id = p_job
    and l.state = 'waiting'
    and w.signal is null
    and wait_verdict(l.id, w.run_if) <> 'wait'
  for update of l;
  if not found then
    raise warning 'job % could not be told of an end: %', p_job, why;
    return;
  end if;
  j.state := 'failed';
  j.error := jsonb_build_object('type', 'unresolved', 'permanent', true,
    'message', format('what it waited for has ended, but it cannot go on: %s', why));
  perform archive(j);
  perform tell(format('e:%s:0', p_job));
exception when others then
  if heals(sqlstate) then
    raise;
  end if;
  raise warning 'job % could neither be told of an end nor fail: %', p_job, sqlerrm;
end
$$;

COMMENT ON FUNCTION tidemill.judge_apart(p_job uuid) IS 'As judge for one job, but what stands in the way of it is its own failure and stops nobody else.';

CREATE FUNCTION tidemill.judge_slot(p_schedule tidemill.schedules, p_slot timestamp with time zone) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
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
        -- Before any job, as everybody does who tells others of jobs.
        perform lock_workflows_of(open);
        perform cancel_one(u.id, format('schedule %s is due again', p_schedule.name), 'schedule ' || p_schedule.name, false)
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

CREATE FUNCTION tidemill.keep_artifact(p_path text, p_job uuid, p_lease uuid, p_name text, p_content_type text, p_bytes bigint) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
begin
  if p_lease is not null then
    perform from jobs_live where id = p_job and lease_id = p_lease and state = 'running' for share;
    if not found then
      return false;
    end if;
  end if;
  insert into artifacts as a (path, job_id, name, content_type, bytes)
  values (p_path, p_job, p_name, p_content_type, p_bytes)
  on conflict (path) do update
  set content_type = excluded.content_type, bytes = excluded.bytes, created_at = clock_timestamp(), doomed_at = null;
  return true;
end
$$;

COMMENT ON FUNCTION tidemill.keep_artifact(p_path text, p_job uuid, p_lease uuid, p_name text, p_content_type text, p_bytes bigint) IS 'Notes a file before it is written, so that none is ever forgotten in the storage; false if the lease is lost. Without a lease it is one of a job that is about to be enqueued.';

CREATE FUNCTION tidemill.keep_config_alerts(p_names text[], p_owner text DEFAULT NULL::text) RETURNS SETOF text
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  with gone as materialized (
    select r.name
    from alert_rules r
    where r.from_config
      and r.owner = p_owner
      and r.name <> all(p_names)
  )
  select g.name from gone g where drop_alert(g.name)
$$;

COMMENT ON FUNCTION tidemill.keep_config_alerts(p_names text[], p_owner text) IS 'Removes the rules of a config of the deployment that it no longer has; answers their names. Without a deployment none.';

CREATE FUNCTION tidemill.keep_config_schedules(p_names text[], p_owner text DEFAULT NULL::text) RETURNS SETOF text
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  delete from schedules
  where source = 'config'
    and owner = p_owner
    and name <> all (p_names)
  returning name
$$;

COMMENT ON FUNCTION tidemill.keep_config_schedules(p_names text[], p_owner text) IS 'Removes the schedules that came from a config of the deployment and are not among these; answers their names. Without a deployment none.';

CREATE FUNCTION tidemill.keep_shape(p_all boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
begin
  -- Where no table was to be changed, those that somebody else changed stay what they were.
  update schema_compatibility c
  set shape = case
    when p_all or not coalesce(exists (select from unnest(c.shape) as s (line) where s.line like 'text of view %'), false) then schema_shape()
    else (
      select array_agg(l.line order by l.line collate "C")
      from (
        select s.line from unnest(c.shape) as s (line) where s.line !~ '^(function|view|text of view) '
        union all
        select s.line from unnest(schema_shape()) as s (line) where s.line ~ '^(function|view|text of view) '
      ) l)
    end;
end
$$;

COMMENT ON FUNCTION tidemill.keep_shape(p_all boolean) IS 'Remembers the shape of the schema: all of it behind a migration, else that of functions and views.';

CREATE FUNCTION tidemill.kind_name(p_name text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $_$
begin
  if p_name !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$' then
    raise exception 'no kind can be called %', to_jsonb(p_name)
      using errcode = '22TM1', hint = 'use 1 to 63 letters, digits, points, dashes and underscores, a letter or digit first';
  end if;
  return p_name;
end
$_$;

COMMENT ON FUNCTION tidemill.kind_name(p_name text) IS 'The name of a kind as it is, or a refusal.';

CREATE FUNCTION tidemill.lacks_grants() RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select exists (select from open_functions())
    -- A role that is gone cannot get them.
    or exists (
      select
      from missing_grants() g (line)
      where not exists (select from missing_roles() m (name) where g.line like '% to ' || m.name))
    or exists (select from missing_roles()) and (select r.rolcreaterole or r.rolsuper from pg_roles r where r.rolname = current_user)
$$;

COMMENT ON FUNCTION tidemill.lacks_grants() IS 'Whether grants are to be made now: some were never made or are gone, everybody may call a function, or a role is missing that the caller may make.';

CREATE FUNCTION tidemill.left_artifacts(p_limit integer) RETURNS SETOF text
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  a artifacts;
  needed boolean;
begin
  for a in
    select *
    from artifacts
    where checked_at < now() - interval '1 hour'
    order by checked_at
    limit p_limit
    -- Who just refers to it holds it, and is seen the next time.
    for update skip locked
  loop
    delete from artifact_referrers r
    where r.owner_id = a.job_id
      and not exists (select from jobs j where j.id = r.job_id);
    needed := a.doomed_at is null and (
      exists (select from jobs j where j.id = a.job_id)
      or a.name in ('args.json', 'result.json') and exists (select from artifact_referrers r where r.owner_id = a.job_id)
      -- Its job may be on its way still, in an open transaction or waiting for room.
      or a.name = 'args.json' and a.created_at > now() - interval '31 days');
    update artifacts
    set checked_at = clock_timestamp(), doomed_at = case when not needed then coalesce(doomed_at, clock_timestamp()) end
    where path = a.path;
    if not needed then
      return next a.path;
    end if;
  end loop;
end
$$;

COMMENT ON FUNCTION tidemill.left_artifacts(p_limit integer) IS 'Files that nobody needs any more, among those that were not looked at for an hour: their job is gone, and of args and results all jobs that refer to them as well. They are doomed from then on, and come again until drop_artifact; the others are marked as looked at.';

CREATE FUNCTION tidemill.let_go(p_job uuid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
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
    SET search_path TO 'tidemill', 'pg_temp'
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
    SET search_path TO 'tidemill', 'pg_temp'
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

CREATE FUNCTION tidemill.limits_that_cancel(p_kinds text[], p_args jsonb[], p_options jsonb[]) RETURNS TABLE(ord bigint, key text, rule tidemill.limits)
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select i.ord, k.key, l.rule
  from unnest(p_kinds, p_args, p_options) with ordinality as i (kind, args, options, ord)
  left join kinds d on d.name = i.kind
  cross join unnest(fill_keys(coalesce(i.options -> 'concurrency_keys', d.defaults -> 'concurrency_keys'), i.args)) as k (key)
  cross join lateral (select limit_of(k.key) as rule) l
  where (l.rule).on_full <> 'queue'
$$;

COMMENT ON FUNCTION tidemill.limits_that_cancel(p_kinds text[], p_args jsonb[], p_options jsonb[]) IS 'The limits of new jobs that cancel when they are full, by the jobs'' places and keys.';

CREATE FUNCTION tidemill.line_of(p_job tidemill.jobs, OUT ahead bigint, OUT busy bigint, OUT slots bigint) RETURNS record
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  with free_workers as materialized (
    select l.id, l.slots
    from live_workers(p_job.kind, p_job.queue) l
    where l.serves_queue
      and l.state <> 'draining'
  )
  select
    jobs_ahead(p_job),
    (select count(*) from running r where r.queue = p_job.queue and r.worker_id in (select w.id from free_workers w)),
    (select coalesce(sum(w.slots), 0) from free_workers w)
$$;

COMMENT ON FUNCTION tidemill.line_of(p_job tidemill.jobs, OUT ahead bigint, OUT busy bigint, OUT slots bigint) IS 'The line that a job stands in: how many are ahead of it, and how many slots of the workers that could take it are taken, of how many.';

CREATE FUNCTION tidemill.line_up(p_queue text, p_priority smallint, p_group uuid, p_keys text[], p_due timestamp with time zone) RETURNS void
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  insert into turns as t (queue, priority, group_id, concurrency_keys, ready_at)
  values (p_queue, p_priority, p_group, coalesce(p_keys, '{}'), p_due)
  on conflict (queue, priority, group_id) do update
  set ready_at = least(t.ready_at, excluded.ready_at)
$$;

COMMENT ON FUNCTION tidemill.line_up(p_queue text, p_priority smallint, p_group uuid, p_keys text[], p_due timestamp with time zone) IS 'Notes that a group has a job that waits, from a time on.';

CREATE FUNCTION tidemill.link_jobs(p_jobs uuid[], p_afters jsonb[], p_run_ifs text[], p_run_ats timestamp with time zone[] DEFAULT NULL::timestamp with time zone[], p_delays interval[] DEFAULT NULL::interval[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  parents uuid[] := array(select distinct p.id from unnest(p_afters) as a (after) cross join parents_of(a.after) p);
  unknown uuid;
begin
  -- A parent that is live stays so until the edge is committed, and tells of its end then.
  with live as materialized (
    select id, awaited
    from jobs_live
    where id = any(parents)
    order by id
    for no key update
  )
  update jobs_live j
  set awaited = true
  from live p
  where j.id = p.id
    and p.awaited is not true;
  select i.id into unknown
  from unnest(parents) as i (id)
  where i.id is null
    or not exists (select 1 from jobs j where j.id = i.id)
  limit 1;
  if found then
    raise exception 'there is no job % to wait for', unknown
      using errcode = '22TM1', hint = 'a job can only wait for jobs that are kept';
  end if;
  insert into dependencies (job_id, parent_id, ord, member, name, pass_as, run_if, run_at, delay, outcome, resolved_at)
  select
    i.job_id, p.id, p.ord, p.member, p.name, p.pass_as, i.run_if, i.run_at, i.delay,
    outcome_of(j), case when j.finished_at is not null then clock_timestamp() end
  from unnest(p_jobs, p_afters, p_run_ifs, p_run_ats, p_delays) as i (job_id, after, run_if, run_at, delay)
  cross join parents_of(i.after) p
  join jobs j on j.id = p.id
  order by i.job_id, p.id
  on conflict (job_id, parent_id) do nothing;
end
$$;

COMMENT ON FUNCTION tidemill.link_jobs(p_jobs uuid[], p_afters jsonb[], p_run_ifs text[], p_run_ats timestamp with time zone[], p_delays interval[]) IS 'Makes jobs wait for others, see parents_of. A parent that has ended counts at once. Raises an error if there is no such parent.';

CREATE FUNCTION tidemill.live_workers(p_kind text, p_queue text) RETURNS TABLE(id text, state text, serves_queue boolean, slots integer)
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select
    w.id,
    case when w.drain_requested_at is not null then 'draining' else w.state end,
    w.queues ? p_queue or w.other_queue_slots > 0,
    coalesce(q.slots, (w.queues ->> p_queue)::integer, w.other_queue_slots)
  from workers w
  left join queues q on q.name = p_queue
  where w.state <> 'stopped'
    and w.seen_at > now() - w.lease_ttl
    and p_kind = any(w.kinds)
$$;

COMMENT ON FUNCTION tidemill.live_workers(p_kind text, p_queue text) IS 'The workers with a heartbeat that serve a kind, and how many slots each has for a queue.';

CREATE FUNCTION tidemill.lock_before_enqueue(p_wish jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $_$
begin
  if exists (select from limits where on_full = 'cancel_oldest')
    or p_wish @? '$.**.unique.states'
    or exists (select from kinds k where k.defaults -> 'unique' ? 'states')
  then
    perform lock_workflows();
  end if;
end
$_$;

COMMENT ON FUNCTION tidemill.lock_before_enqueue(p_wish jsonb) IS 'As lock_before_room, for whoever locks a job and enqueues another one: before that, and for anything that the new one could cancel.';

CREATE FUNCTION tidemill.lock_before_room(p_kinds text[], p_args jsonb[], p_options jsonb[]) RETURNS void
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select lock_workflows_of(array(
    select u.id
    from (select distinct key from limits_that_cancel(p_kinds, p_args, p_options) where (rule).on_full = 'cancel_oldest') k
    cross join lateral unfinished_of(k.key) u))
$$;

COMMENT ON FUNCTION tidemill.lock_before_room(p_kinds text[], p_args jsonb[], p_options jsonb[]) IS 'Before anything else is locked: keeps those off who tell jobs of others, if make_room may cancel one of whom others know.';

CREATE FUNCTION tidemill.lock_job(p_job uuid) RETURNS tidemill.jobs
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
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

CREATE FUNCTION tidemill.lock_workflows() RETURNS void
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select pg_advisory_xact_lock(hashtext('tidemill workflows ' || current_schema()), 0)
$$;

COMMENT ON FUNCTION tidemill.lock_workflows() IS 'Until the end of the transaction nobody else tells jobs of ends, or cancels or retries what others wait for.';

CREATE FUNCTION tidemill.lock_workflows_of(p_jobs uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
begin
  if p_jobs <> '{}'
    and (
      exists (
        select
        from jobs_live j
        where j.id = any(p_jobs)
          and (j.awaited or j.workflow_id is not null or j.kind = 'tidemill.workflow'))
      or exists (select from waits where job_id = any(p_jobs))
      or exists (select from steps where job_id = any(p_jobs) and spawned_id is not null))
  then
    perform lock_workflows();
  end if;
end
$$;

COMMENT ON FUNCTION tidemill.lock_workflows_of(p_jobs uuid[]) IS 'As lock_workflows, if others know of one of these jobs: they wait for it, or it for them. Before any job, for whoever cancels several, or one with other locks held.';

CREATE FUNCTION tidemill.log_tail(p_job uuid, p_attempt integer) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    AS $$
  select right(string_agg(line, e'\n' order by seq), 4096)
  from (
    select e.seq, e.data ->> 'line' as line
    from events e
    where e.job_id = p_job
      and e.attempt = p_attempt
      and e.type = 'log'
      and e.seq > (select p.last_seq - 200 from progress p where p.job_id = p_job)
    order by e.seq desc
    limit 20
  ) last_lines
$$;

COMMENT ON FUNCTION tidemill.log_tail(p_job uuid, p_attempt integer) IS 'The last 20 log lines of an attempt, at most 4 KiB; null if it said nothing.';

CREATE FUNCTION tidemill.make_reader(login text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  setting text;
begin
  if not exists (select from pg_roles where rolname = 'tidemill_reader') then
    raise exception 'there is no role tidemill_reader on this server' using
      errcode = 'undefined_object',
      hint = 'As a role that may make roles: create role tidemill_reader nologin; then run tidemill migrate, and this again.';
  end if;
  if not exists (select from pg_roles where rolname = login) then
    raise exception 'there is no login %', login using
      errcode = 'undefined_object', hint = format('create role %I login; then this again.', login);
  end if;
  -- Somebody who may grant it may have done so already.
  if not exists (
    select
    from pg_auth_members m
    where m.roleid = 'tidemill_reader'::regrole
      and m.member = (select r.oid from pg_roles r where r.rolname = login))
  then
    begin
      execute format('grant tidemill_reader to %I', login);
    exception
      when insufficient_privilege then
        raise exception 'permission denied: % may not grant tidemill_reader, which another role made', current_user using
          errcode = 'insufficient_privilege',
          hint = format('As a superuser or who made it: grant tidemill_reader to %I; then this again. Or once and for all: grant tidemill_reader to %I with admin option.', login, current_user);
    end;
  end if;
  -- Settings of a role are no settings of its members. In this database alone: the login may have others.
  foreach setting in array array[
    -- Whoever only looks never holds the horizon for long.
    'statement_timeout = ''30s''', 'idle_in_transaction_session_timeout = ''60s''', 'default_transaction_read_only = on', 'jit = off']
  loop
    begin
      execute format('alter role %I in database %I set %s', login, current_database(), setting);
    exception
      when insufficient_privilege then
        raise exception 'permission denied: % may not alter the login %', current_user, login using
          errcode = 'insufficient_privilege',
          hint = format('Call this as a superuser or as who made the login. Or once and for all, on 16 and later: grant %I to %I with admin option.', login, current_user);
    end;
  end loop;
end
$$;

COMMENT ON FUNCTION tidemill.make_reader(login text) IS 'Lets a login look: makes it a tidemill_reader whose sessions in this database read only and whose statements end after 30 s. For who may alter the login.';

CREATE FUNCTION tidemill.make_room(p_ids uuid[], p_kinds text[], p_args jsonb[], p_options jsonb[]) RETURNS uuid[]
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  wish record;
  victim uuid;
  admitted jsonb := '{}';
  doomed uuid[] := '{}';
begin
  perform pg_advisory_xact_lock(hashtext('tidemill key ' || current_schema()), hashtext(k.key))
  from (select distinct key from limits_that_cancel(p_kinds, p_args, p_options) order by key) k;
  for wish in
    select p_ids[l.ord] as id, l.key, l.rule
    from limits_that_cancel(p_kinds, p_args, p_options) l
    order by l.ord, l.key
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
        perform cancel_one(
          victim, format('superseded by job %s: the limit %s cancels the oldest', wish.id, (wish.rule).name), 'limit', false);
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

CREATE FUNCTION tidemill.matching_jobs(p_verb text, p_filter jsonb, p_limit integer, p_after uuid DEFAULT NULL::uuid) RETURNS SETOF uuid
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $_$
declare
  known constant text[] := '{state,queue,kind,tag,created_after,created_before,finished_after,finished_before,error,fingerprint,workflow}';
  -- What the verb can do something about.
  fits text := case p_verb
    -- What others took down with them follows them, and can do nothing without.
    when 'retry' then 'finished_at is not null and state in (''failed'', ''cancelled'')
      and (error ->> ''type'' in (''dependency_failed'', ''skipped'')) is not true'
    when 'cancel' then 'finished_at is null and cancel_requested_at is null'
    when 'run_now' then 'finished_at is null and state in (''available'', ''waiting'') and coalesce(nullif(run_at, ''infinity''), due_at) > now()
      and coalesce(nullif(run_at, ''infinity''), due_at) < ''infinity'''
    when 'delete' then 'state <> ''running'' and not (finished_at is null and kind = ''tidemill.workflow'')'
  end;
  wrong text;
begin
  if fits is null then
    raise exception 'there is no verb %', p_verb using errcode = '22TM1', hint = 'use retry, cancel, run_now or delete';
  end if;
  -- A filter that was forgotten never means everything.
  if jsonb_typeof(p_filter) is distinct from 'object' or p_filter = '{}' then
    raise exception 'the filter is empty'
      using errcode = '22TM1', hint = 'send {"all": true} to act on every job that the verb fits';
  end if;
  select k into wrong from jsonb_object_keys(p_filter) as k where k <> all(known) and k <> 'all' limit 1;
  if found then
    raise exception 'the filter has an unknown field %', wrong
      using errcode = '22TM1', hint = 'use ' || array_to_string(known, ', ');
  end if;
  select f.key into wrong
  from jsonb_each(p_filter) as f
  where case when f.key = 'all' then f.value <> 'true' else jsonb_typeof(f.value) <> 'string' end
  limit 1;
  if found then
    raise exception 'the filter says nothing of use of %', wrong
      using errcode = '22TM1', hint = 'send a text, or for all true';
  end if;
  if p_limit is null then
    raise exception 'there is no limit' using errcode = '22TM1', hint = 'say how many jobs at most';
  end if;
  return query execute format('
    select j.id
    from jobs j
    where %s
      and ($1 ->> ''state'' is null or j.state = ($1 ->> ''state'')::job_state)
      and ($1 ->> ''queue'' is null or j.queue = $1 ->> ''queue'')
      and ($1 ->> ''kind'' is null or j.kind = $1 ->> ''kind'')
      and ($1 ->> ''tag'' is null or j.tags @> array[$1 ->> ''tag''])
      and ($1 ->> ''created_after'' is null or j.created_at >= ($1 ->> ''created_after'')::timestamptz)
      and ($1 ->> ''created_before'' is null or j.created_at < ($1 ->> ''created_before'')::timestamptz)
      %s %s
      and ($1 ->> ''error'' is null or position(lower($1 ->> ''error'') in lower(j.error ->> ''message'')) > 0)
      and ($1 ->> ''fingerprint'' is null or fingerprint(j.kind, j.error) = $1 ->> ''fingerprint'')
      and ($1 ->> ''workflow'' is null or j.workflow_id = ($1 ->> ''workflow'')::uuid)
      and ($3 is null or j.id > $3)
    order by j.id
    limit $2',
    fits,
    -- Written out, so that other days are not read.
    case when p_filter ? 'finished_after' then format('and j.finished_at >= %L::timestamptz', p_filter ->> 'finished_after') end,
    case when p_filter ? 'finished_before' then format('and j.finished_at < %L::timestamptz', p_filter ->> 'finished_before') end)
  using p_filter, p_limit, p_after;
end
$_$;

COMMENT ON FUNCTION tidemill.matching_jobs(p_verb text, p_filter jsonb, p_limit integer, p_after uuid) IS 'Jobs behind a job, in the order of their ids, on which a verb (retry, cancel, run_now, delete) can act and that a filter finds: {state, queue, kind, tag, created_after, created_before, finished_after, finished_before, error, fingerprint, workflow}, or {"all": true}.';

CREATE FUNCTION tidemill.measure_attempts(p_rule tidemill.alert_rules) RETURNS TABLE(subject text, value double precision, message text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  opens timestamptz := date_trunc('minute', clock_timestamp() - p_rule.over);
  -- Of a long window only what is before its first whole hour is read by minutes; of a short one all.
  by_hours timestamptz := case
    when p_rule.over > interval '6 hours' then date_trunc('hour', opens, 'UTC') + interval '1 hour' else 'infinity' end;
begin
  -- Not of the language SQL: the views are made after the functions.
  return query
  select
    'kind:' || c.kind,
    c.measured,
    case p_rule.condition
      when 'error_rate' then format('%s of %s attempts of kind %s failed', c.failed, c.executions, c.kind)
      else format('jobs of kind %s ran %s s on average', c.kind, round(c.measured::numeric, 3))
    end
  from (
    select
      kind,
      sum(jobs) filter (where outcome in ('completed', 'failed', 'retried')) as executions,
      coalesce(sum(jobs) filter (where outcome in ('failed', 'retried')), 0) as failed,
      case p_rule.condition
        when 'error_rate' then
          (coalesce(sum(jobs) filter (where outcome in ('failed', 'retried')), 0)
            / nullif(sum(jobs) filter (where outcome in ('completed', 'failed', 'retried')), 0))::double precision
        else
          (extract(epoch from sum(ran) filter (where outcome = 'completed'))
            / nullif(sum(jobs) filter (where outcome = 'completed'), 0))::double precision
      end as measured
    from (
      select kind, queue, outcome, jobs, ran
      from counters
      where minute >= opens
        and minute < by_hours
      union all
      select kind, queue, outcome, jobs, ran
      from hourly_counters
      where hour >= by_hours
    ) counted
    where (p_rule.kind is null or kind = p_rule.kind)
      and (p_rule.queue is null or queue = p_rule.queue)
    group by kind
  ) c
  where c.executions >= p_rule.at_least
    and c.measured > p_rule.above;
end
$$;

COMMENT ON FUNCTION tidemill.measure_attempts(p_rule tidemill.alert_rules) IS 'Which kinds fail too often or run too long on average, by the counters of the rule''s window.';

CREATE FUNCTION tidemill.measure_database(p_condition text, p_latency_seconds double precision) RETURNS double precision
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select case p_condition
    when 'database_latency' then p_latency_seconds
    when 'database_size' then pg_database_size(current_database())::double precision
    else (select extract(epoch from clock_timestamp() - min(h.since))::double precision from horizon_holders() h)
  end
$$;

COMMENT ON FUNCTION tidemill.measure_database(p_condition text, p_latency_seconds double precision) IS 'Seconds of the last answer, bytes of the database, or seconds of the oldest transaction that keeps dead rows; null if unknown or none.';

CREATE FUNCTION tidemill.members_of(p_spec jsonb, p_path text) RETURNS TABLE(ord bigint, name text, node jsonb, after jsonb)
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $_$
#variable_conflict use_column
declare
  form text;
  forms bigint;
begin
  select max(k), count(*) into form, forms
  from jsonb_object_keys(p_spec) as k
  where k in ('jobs', 'group', 'chain');
  if forms <> 1 or jsonb_typeof(p_spec -> form) <> 'array' then
    perform bad_workflow(p_path, 'it has not exactly one of jobs, group and chain', 'send one of them, an array of jobs');
  end if;
  if exists (select from jsonb_array_elements(p_spec -> form) as e (node) where jsonb_typeof(e.node -> 'after') <> 'array') then
    perform bad_workflow(p_path, 'the after of one of its jobs is no array', 'send an array of names');
  end if;
  if form <> 'jobs' and jsonb_path_exists(p_spec -> form, '$[*].after') then
    perform bad_workflow(p_path, format('a job of a %s has after', form), 'write after in jobs; a group has no order, a chain has its own');
  end if;
  return query
  with named as (
    select e.ord, coalesce(e.value ->> 'name', e.ord::text) as name, e.value as node
    from jsonb_array_elements(p_spec -> form) with ordinality as e (value, ord)
  )
  select
    n.ord, n.name, n.node,
    case form
      when 'jobs' then (
        select jsonb_agg(case when jsonb_typeof(a.value) = 'string' then jsonb_build_object('job', a.value) else a.value end order by a.ord)
        from jsonb_array_elements(n.node -> 'after') with ordinality as a (value, ord))
      when 'chain' then
        case when n.ord > 1 then
          jsonb_build_array(jsonb_strip_nulls(jsonb_build_object('job', lag(n.name) over (order by n.ord), 'as', p_spec -> 'as')))
        end
    end
  from named n
  order by n.ord;
end
$_$;

COMMENT ON FUNCTION tidemill.members_of(p_spec jsonb, p_path text) IS 'The jobs of one workflow, group or chain, each with its name and the names of those that it waits for.';

CREATE FUNCTION tidemill.missing_grants() RETURNS SETOF text
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  with now_there as materialized (select unnest(rights_now()) as line)
  select r.line
  from schema_compatibility c
  cross join unnest(c.rights) as r (line)
  where r.line not in (select n.line from now_there n)
  union all
  -- It came when the grants had been made.
  select format('usage schema %s to %s', current_schema(), r.rolname)
  from pg_roles r
  where r.rolname in ('tidemill_admin', 'tidemill_worker', 'tidemill_reader')
    and not exists (
      select
      from schema_compatibility c
      cross join unnest(c.rights) as g (line)
      where g.line = format('usage schema %s to %s', current_schema(), r.rolname))
$$;

COMMENT ON FUNCTION tidemill.missing_grants() IS 'What the roles that are there were granted, or are to be, and may not do now.';

CREATE FUNCTION tidemill.missing_roles() RETURNS SETOF text
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select wanted.name
  from unnest(array['tidemill_admin', 'tidemill_worker', 'tidemill_reader']) as wanted (name)
  where not exists (select from pg_roles r where r.rolname = wanted.name)
$$;

COMMENT ON FUNCTION tidemill.missing_roles() IS 'Those of the three roles that this server does not have.';

CREATE FUNCTION tidemill.moment(p_at timestamp with time zone) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$ select to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') $$;

COMMENT ON FUNCTION tidemill.moment(p_at timestamp with time zone) IS 'A time as it stands in messages: UTC, to the second.';

CREATE FUNCTION tidemill.move_job(p_job uuid, p_queue text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  j jobs;
begin
  perform queue_name(p_queue);
  if exists (select from queues where name = p_queue and draining_at is not null) then
    raise exception 'queue % takes no new jobs', p_queue
      using errcode = '22TM1', hint = format('select resume_queue(%L)', p_queue);
  end if;
  update jobs_live set queue = p_queue where id = p_job and state in ('available', 'waiting') returning * into j;
  if j.id is null then
    return;
  end if;
  if j.group_id is not null and j.due_at < 'infinity' then
    perform line_up(j.queue, j.priority, j.group_id, j.concurrency_keys, j.due_at);
  end if;
  perform tell(case when j.group_id is null then 'q:' else 'g:' end || p_queue);
end
$$;

COMMENT ON FUNCTION tidemill.move_job(p_job uuid, p_queue text) IS 'Puts a job that does not run into another queue.';

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

CREATE FUNCTION tidemill.note_crash(p_kind text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  k kinds;
  quiet boolean;
begin
  select * into k from kinds where name = p_kind and breaker_after is not null for no key update;
  if not found then
    return;
  end if;
  quiet := coalesce(greatest(k.breaker_crashed_at, k.breaker_open_until) < clock_timestamp() - k.breaker_window, true);
  k.breaker_crashes := case when quiet then 1 else k.breaker_crashes + 1 end;
  k.breaker_openings := case when quiet then 0 else k.breaker_openings end;
  -- What still ran when it opened does not open it again.
  if k.breaker_crashes >= k.breaker_after and coalesce(k.breaker_open_until < clock_timestamp(), true) then
    k.breaker_open_until := clock_timestamp() + least(k.breaker_pause * (2 ^ least(k.breaker_openings, 20)), '1 day');
    k.breaker_openings := k.breaker_openings + 1;
    raise warning 'jobs of kind % are not started until %: % crashes', p_kind, k.breaker_open_until, k.breaker_crashes;
  end if;
  update kinds
  set
    breaker_crashes = k.breaker_crashes,
    breaker_openings = k.breaker_openings,
    breaker_open_until = k.breaker_open_until,
    breaker_crashed_at = clock_timestamp()
  where name = p_kind;
end
$$;

COMMENT ON FUNCTION tidemill.note_crash(p_kind text) IS 'Counts a crash of a kind''s job. Opens its breaker when there are too many; half open later, one more opens it for twice as long, until a quiet window closes it.';

CREATE FUNCTION tidemill.note_ending() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
begin
  insert into endings (job_id) values (old.id) on conflict do nothing;
  return null;
end
$$;

COMMENT ON FUNCTION tidemill.note_ending() IS 'Notes that a job left the live ones for which others wait, whoever moved it, so that resolve() tells them.';

CREATE FUNCTION tidemill.note_progress(p_told uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  flow workflows;
begin
  for flow in
    update workflows w
    set done = least(w.members, w.done + t.ended)
    from (select job_id, count(*) as ended from unnest(p_told) as t (job_id) group by job_id) t
    where w.id = t.job_id
      and exists (select from jobs_live l where l.id = w.id)
    returning w.*
  loop
    perform tell(format('e:%s:%s', flow.id, append_event(flow.id, 0, 'progress', jsonb_build_object(
      'percent', case when flow.members = 0 then 100 else round(100.0 * flow.done / flow.members, 2) end,
      'step', format('%s of %s', flow.done, flow.members)))));
  end loop;
end
$$;

COMMENT ON FUNCTION tidemill.note_progress(p_told uuid[]) IS 'Counts members that ended for their workflows: each element of the array is the workflow of one.';

CREATE FUNCTION tidemill.note_references(p_job uuid, p_value jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $_$
declare
  owners uuid[];
begin
  -- Until the commit nobody dooms them; from then on the row says that they are needed.
  select array_agg(a.job_id) into owners
  from (
    select a.job_id
    from artifacts a
    where a.job_id = any(array(
        select case when r.reference ->> 'job' ~ '^[0-9a-f-]{36}$' then (r.reference ->> 'job')::uuid end
        from jsonb_path_query(p_value, 'strict $.** ? (exists (@."$stored"))."$stored"') as r (reference)))
      and a.job_id <> p_job
      and a.name in ('args.json', 'result.json')
      and a.doomed_at is null
    order by a.path
    for key share
  ) a;
  insert into artifact_referrers (owner_id, job_id)
  select distinct o.id, p_job
  from unnest(owners) as o (id)
  order by o.id
  on conflict do nothing;
end
$_$;

COMMENT ON FUNCTION tidemill.note_references(p_job uuid, p_value jsonb) IS 'Notes that a job refers to what others keep in the storage, so that it stays as long as the job. For whoever gives it args or a result that may be those of others, in the same transaction.';

CREATE FUNCTION tidemill.note_session(p_job uuid, p_lease uuid, p_session text, p_base_url text, p_status text, p_pages integer, p_bugs integer, p_error text, p_ttl interval) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
begin
  perform from jobs_live where id = p_job and lease_id = p_lease and state = 'running' for share;
  if not found then
    return false;
  end if;
  insert into sessions as s (id, job_id, base_url, status, pages_crawled, bugs_found, error, expires_at)
  values (p_session, p_job, p_base_url, p_status, p_pages, p_bugs, p_error, clock_timestamp() + p_ttl)
  on conflict (id) do update
  set
    job_id = excluded.job_id,
    base_url = excluded.base_url,
    status = excluded.status,
    pages_crawled = excluded.pages_crawled,
    bugs_found = excluded.bugs_found,
    error = excluded.error,
    updated_at = clock_timestamp(),
    expires_at = excluded.expires_at
  where s.job_id = p_job
    or s.expires_at <= clock_timestamp();
  if not found then
    raise exception 'the session % is another job''s', p_session
      using errcode = '22TM1', hint = 'use another session_id, or leave it out';
  end if;
  return true;
end
$$;

COMMENT ON FUNCTION tidemill.note_session(p_job uuid, p_lease uuid, p_session text, p_base_url text, p_status text, p_pages integer, p_bugs integer, p_error text, p_ttl interval) IS 'What a running attempt says of its session; false if the lease is lost.';

CREATE FUNCTION tidemill.note_sweep(p_every interval DEFAULT NULL::interval) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  s sweep_times;
  at timestamptz;
  overdue_from timestamptz;
begin
  -- Nobody waits here: who holds the row notes the same.
  select * into s from sweep_times for update skip locked;
  at := clock_timestamp();
  if not found then
    insert into sweep_times (swept_at, every, every_at, server_started_at)
    values (at, coalesce(p_every, '1 hour'), at, pg_postmaster_start_time())
    on conflict do nothing;
    return;
  end if;
  overdue_from := open_pause();
  if overdue_from < at then
    insert into sweep_pauses (since, until) values (overdue_from, at) on conflict do nothing;
    delete from sweep_pauses where until < at - interval '1 day';
  elsif at < s.swept_at then
    -- The clock went back: no pause lasts into the future, or leases would not expire until then.
    delete from sweep_pauses where since >= at;
    update sweep_pauses set until = at where until > at;
  end if;
  -- The shortest time counts, until nobody has swept so often for a while.
  if p_every <= s.every or at not between s.every_at and s.every_at + 3 * s.every then
    s.every := coalesce(p_every, greatest(at - s.swept_at, s.every));
    s.every_at := at;
  end if;
  update sweep_times
  set swept_at = at, every = s.every, every_at = s.every_at, server_started_at = pg_postmaster_start_time();
end
$$;

COMMENT ON FUNCTION tidemill.note_sweep(p_every interval) IS 'Notes that a process sweeps now, and will again after p_every. A sweep that comes far later than that, or on another start of the server, ends a pause, which is kept in sweep_pauses.';

CREATE FUNCTION tidemill.notice_sent(p_notice uuid, p_error text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  update alert_notices
  set sent_at = case when p_error is null then clock_timestamp() end, error = p_error
  where id = p_notice
$$;

COMMENT ON FUNCTION tidemill.notice_sent(p_notice uuid, p_error text) IS 'Ticks a notice off, or notes why it could not be sent.';

CREATE FUNCTION tidemill.oldest_day() RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    AS $_$
  select min(to_date(right(c.relname, 10), 'YYYY_MM_DD'))::timestamp at time zone 'UTC'
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
  where i.inhparent in ('jobs'::regclass, 'events'::regclass)
    and c.relname ~ '_\d{4}_\d{2}_\d{2}$'
$_$;

COMMENT ON FUNCTION tidemill.oldest_day() IS 'When the oldest day of history that is still there begins.';

CREATE FUNCTION tidemill.open_functions() RETURNS SETOF text
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select p.oid::regprocedure::text
  from pg_proc p
  where p.pronamespace = current_schema()::regnamespace
    and exists (
      select
      from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
      where a.grantee = 0 and a.privilege_type = 'EXECUTE')
$$;

COMMENT ON FUNCTION tidemill.open_functions() IS 'Functions that everybody may call who may use the schema.';

CREATE FUNCTION tidemill.open_pause() RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select case
    when s.swept_at > clock_timestamp() then null
    -- Restarted, or a standby took over: since when it was away is not known.
    when s.server_started_at <> pg_postmaster_start_time() then s.swept_at
    -- Late by more than the chance of timers and a moment's load.
    when s.swept_at + 1.5 * s.every + interval '500 ms' < clock_timestamp() then s.swept_at + s.every
  end
  from sweep_times s
$$;

COMMENT ON FUNCTION tidemill.open_pause() IS 'From when on a sweep is overdue that nobody made; null if none is.';

CREATE FUNCTION tidemill.options_of(p_concurrency_key jsonb, p_fair_key text, p_unique jsonb, p_expires_at timestamp with time zone, p_expires_in interval, p_after jsonb, p_run_if text, p_sealed jsonb) RETURNS jsonb
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
      'expires_in_seconds', extract(epoch from p_expires_in),
      'after', nullif(p_after, '[]'),
      'run_if', p_run_if,
      'sealed', p_sealed)),
    '{}')
$$;

COMMENT ON FUNCTION tidemill.options_of(p_concurrency_key jsonb, p_fair_key text, p_unique jsonb, p_expires_at timestamp with time zone, p_expires_in interval, p_after jsonb, p_run_if text, p_sealed jsonb) IS 'What most jobs do not have, as insert_jobs takes it.';

CREATE FUNCTION tidemill.outcome_of(p_job tidemill.jobs) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
  select case
    when p_job.state = 'cancelled' and p_job.error ->> 'type' = 'skipped' then 'skipped'
    when p_job.finished_at is not null then p_job.state::text
  end
$$;

COMMENT ON FUNCTION tidemill.outcome_of(p_job tidemill.jobs) IS 'How a job ended, for those that wait for it; null while it is live.';

CREATE FUNCTION tidemill.parents_of(p_after jsonb) RETURNS TABLE(id uuid, ord integer, name text, pass_as text, member boolean)
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select
    case
      when e.job like 'execution:%' then (select t.job_id from task_ids t where t.execution_id = substr(e.job, 11))
      else e.job::uuid
    end,
    e.ord::integer,
    e.value ->> 'name',
    e.value ->> 'as',
    coalesce((e.value ->> 'member')::boolean, false)
  from (
    select value, ord, case jsonb_typeof(value) when 'object' then value ->> 'job' else value #>> '{}' end as job
    from jsonb_array_elements(p_after) with ordinality as a (value, ord)
  ) e
$$;

COMMENT ON FUNCTION tidemill.parents_of(p_after jsonb) IS 'Reads what a job waits for: an array of job ids or execution:NAME, or of {job, as, name, member}.';

CREATE FUNCTION tidemill.passed_args(p_job uuid, p_since timestamp with time zone) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
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
    having max(d.resolved_at) >= p_since
  ) p
$$;

COMMENT ON FUNCTION tidemill.passed_args(p_job uuid, p_since timestamp with time zone) IS 'The results of a job''s parents under the names that it wants them as, of those names to which one ended since a time.';

CREATE FUNCTION tidemill.pause_queue(p_queue text, p_by text DEFAULT SESSION_USER) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
  insert into queues (name, paused_at, paused_by)
  values (p_queue, now(), p_by)
  on conflict (name) do update
  set paused_at = coalesce(queues.paused_at, now()), paused_by = coalesce(queues.paused_by, excluded.paused_by), updated_at = now()
$$;

COMMENT ON FUNCTION tidemill.pause_queue(p_queue text, p_by text) IS 'Nothing is claimed from the queue until it is resumed; what runs goes on.';

CREATE FUNCTION tidemill.pause_schedule(p_name text, p_by text DEFAULT SESSION_USER) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
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
    SET search_path TO 'tidemill', 'pg_temp'
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
    SET search_path TO 'tidemill', 'pg_temp'
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

CREATE FUNCTION tidemill.plan_workflow(p_spec jsonb, p_id uuid, p_path text, p_after jsonb, p_run_if text, p_depth integer DEFAULT 0) RETURNS TABLE(id uuid, job jsonb, options jsonb)
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  m record;
  ids uuid[];
  names text[];
  nodes jsonb[];
  afters jsonb[];
  waits_for jsonb;
  node_run_if text;
begin
  if p_depth > 8 then
    perform bad_workflow(p_path, 'it is nested more than 8 deep', 'make it flatter');
  end if;
  perform check_spec(p_path, p_spec);
  if p_spec ? 'then' then
    -- A group with what follows it is a workflow of the two.
    p_spec := jsonb_build_object(
      'name', p_spec -> 'name', 'on_failure', p_spec -> 'on_failure', 'result', to_jsonb('last'::text),
      'jobs', jsonb_build_array(
        (p_spec - 'then' - 'after' - 'run_if' - 'on_failure') || '{"name": "members"}',
        (p_spec -> 'then') - 'as' || jsonb_build_object('name', 'then', 'after', jsonb_build_array(
          jsonb_build_object('job', 'members', 'as', coalesce(p_spec #> '{then,as}', '"results"'))))));
  end if;
  select array_agg(new_job_id() order by ord), array_agg(name order by ord), array_agg(node order by ord), array_agg(after order by ord)
  into ids, names, nodes, afters
  from members_of(p_spec, p_path);
  perform check_members(p_path, names, nodes, afters);
  insert into workflows (id, name, on_failure, result_is, members)
  values (
    p_id, coalesce(p_spec ->> 'name', nullif(p_path, ''), 'workflow'), coalesce(p_spec ->> 'on_failure', 'continue'),
    coalesce(p_spec ->> 'result', case when p_spec ? 'group' then 'array' when p_spec ? 'chain' then 'last' else 'object' end),
    coalesce(cardinality(ids), 0));
  for m in
    select * from unnest(ids, names, nodes, afters) with ordinality as m (id, name, node, after, ord)
  loop
    -- The first jobs of a nested one wait for what it waits for.
    waits_for := case
      when m.after is null then p_after
      else (
        select jsonb_agg(a.value || jsonb_build_object('job', ids[array_position(names, a.value ->> 'job')], 'name', a.value -> 'job') order by a.ord)
        from jsonb_array_elements(m.after) with ordinality as a (value, ord))
    end;
    node_run_if := case when m.after is null then p_run_if else m.node ->> 'run_if' end;
    if m.node ? 'kind' then
      return query select
        m.id,
        m.node - 'name' - 'after' - 'run_if',
        jsonb_strip_nulls(jsonb_build_object('workflow_id', p_id, 'after', nullif(waits_for, '[]'), 'run_if', node_run_if));
    else
      return query
      select p.id, p.job, case when p.id = m.id then p.options || jsonb_build_object('workflow_id', p_id) else p.options end
      from plan_workflow(m.node, m.id, concat_ws('.', nullif(p_path, ''), m.name), waits_for, node_run_if, p_depth + 1) p;
    end if;
  end loop;
  return query select
    p_id,
    jsonb_build_object('kind', 'tidemill.workflow', 'args', '{}'::jsonb)
      || jsonb_strip_nulls(jsonb_build_object(
        'queue', p_spec -> 'queue', 'execution_id', p_spec -> 'execution_id', 'tags', p_spec -> 'tags',
        'metadata', p_spec -> 'metadata', 'retain', p_spec -> 'retain')),
    jsonb_strip_nulls(jsonb_build_object(
      'container', true,
      'run_if', case when ids is null then p_run_if else 'all_finished' end,
      -- Without members it is over when its turn comes.
      'after', case when ids is null then p_after else (
        select jsonb_agg(jsonb_build_object('job', n.id, 'name', n.name, 'member', true) order by n.ord)
        from unnest(ids, names) with ordinality as n (id, name, ord)) end));
end
$$;

COMMENT ON FUNCTION tidemill.plan_workflow(p_spec jsonb, p_id uuid, p_path text, p_after jsonb, p_run_if text, p_depth integer) IS 'The jobs of a workflow and of all that is nested in it, as enqueue_wishes takes them; notes the workflows themselves.';

CREATE FUNCTION tidemill.priority_of(p_name text) RETURNS smallint
    LANGUAGE sql IMMUTABLE
    AS $$
  select case lower(p_name)
    when 'critical' then 1
    when 'high' then 3
    when 'normal' then 5
    when 'low' then 7
    else p_name::smallint
  end
$$;

COMMENT ON FUNCTION tidemill.priority_of(p_name text) IS 'A priority by its name, in any case, or its number: select enqueue(''k'', priority => priority_of(''HIGH'')).';

CREATE FUNCTION tidemill.prune(p_limit integer DEFAULT 5000) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  pruned uuid[];
begin
  delete from idempotency_keys
  where key in (select key from idempotency_keys where expires_at < now() limit p_limit for update skip locked);
  perform prune_unique_keys(p_limit);
  perform prune_stats();
  delete from audit_log where at < now() - interval '1 year';
  delete from failure_causes where last_at < now() - interval '90 days';
  delete from workers
  where seen_at < now() - interval '1 day' - lease_ttl;
  with old as materialized (
    select j.id
    from jobs j
    where j.finished_at is not null
      and j.retain_until < now()
      -- Somebody who waits for its result, or has not read it yet, is live.
      and (
        (j.awaited or exists (select from steps s where s.spawned_id = j.id)) is not true
        or not exists (select from wanted(array[j.id])))
    limit p_limit
  ),
  -- A job that somebody retries meanwhile is not gone, and keeps all that is known of it.
  gone as materialized (
    delete from jobs j using old where j.id = old.id and j.finished_at is not null returning j.id
  ),
  names as (delete from task_ids t using gone where t.job_id = gone.id),
  logs as (delete from events e using gone where e.job_id = gone.id),
  tries as (delete from attempts a using gone where a.job_id = gone.id),
  reports as (delete from progress p using gone where p.job_id = gone.id)
  select array_agg(id) into pruned from gone;
  perform forget(pruned);
  return coalesce(cardinality(pruned), 0);
end
$$;

COMMENT ON FUNCTION tidemill.prune(p_limit integer) IS 'Removes finished jobs whose own retention ended, old idempotency keys, unique keys of jobs that are gone, and workers gone for a day; answers how many jobs. Repeat until 0.';

CREATE FUNCTION tidemill.prune_stats() RETURNS void
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  delete from stats where minute < now() - interval '14 days';
  delete from stats_hours where hour < now() - interval '2 years';
$$;

COMMENT ON FUNCTION tidemill.prune_stats() IS 'Removes minutes of more than 14 days ago, whose hours are kept, and hours of more than two years ago.';

CREATE FUNCTION tidemill.prune_unique_keys(p_limit integer) RETURNS bigint
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
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
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
declare
  purged bigint;
begin
  -- Before any job, as everybody does who tells others of jobs.
  perform lock_workflows();
  -- Recorded as one act.
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

COMMENT ON FUNCTION tidemill.purge_queue(p_queue text, p_limit integer, p_by text) IS 'Cancels up to the given number of jobs of the queue that do not run; answers how many. Repeat until 0.';

CREATE FUNCTION tidemill.put_schedule(p_name text, p_cron text, p_every interval, p_at timestamp with time zone, p_timezone text, p_job jsonb, p_missed text, p_missed_limit integer, p_overlap text, p_jitter interval, p_source text, p_paused_by text DEFAULT NULL::text, p_owner text DEFAULT NULL::text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select check_json(p_job -> 'args', 'args');
  select check_json(p_job -> 'metadata', 'metadata');
  insert into schedules as s (
    name, cron, every, at, timezone, job, missed, missed_limit, overlap, jitter, source, paused_by, paused_at, owner)
  values (
    p_name, p_cron, p_every, p_at, p_timezone, p_job, p_missed, p_missed_limit, p_overlap, p_jitter, p_source,
    p_paused_by, case when p_paused_by is not null then now() end,
    case when p_source = 'config' then coalesce(p_owner, 'default') end)
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
    owner = excluded.owner,
    updated_at = now()
  where (s.cron, s.every, s.at, s.timezone, s.job, s.missed, s.missed_limit, s.overlap, s.jitter, s.source, s.owner)
    is distinct from (
      excluded.cron, excluded.every, excluded.at, excluded.timezone, excluded.job, excluded.missed,
      excluded.missed_limit, excluded.overlap, excluded.jitter, excluded.source, excluded.owner)
$$;

COMMENT ON FUNCTION tidemill.put_schedule(p_name text, p_cron text, p_every interval, p_at timestamp with time zone, p_timezone text, p_job jsonb, p_missed text, p_missed_limit integer, p_overlap text, p_jitter interval, p_source text, p_paused_by text, p_owner text) IS 'Writes a schedule whole, for every face; one of a config belongs to the deployment that is named last. A new one is paused if somebody is named for that; one that is there keeps its pause or none, and its slots if its times stay.';

CREATE FUNCTION tidemill.queue_again(p_job tidemill.jobs, p_due timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
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

CREATE FUNCTION tidemill.queue_name(p_name text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    AS $_$
begin
  if p_name !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$' then
    raise exception 'no queue can be called %', p_name
      using errcode = '22TM1', hint = 'use 1 to 63 letters, digits, points, dashes and underscores, a letter or digit first';
  end if;
  return p_name;
end
$_$;

COMMENT ON FUNCTION tidemill.queue_name(p_name text) IS 'The name of a queue as it is, or a refusal.';

CREATE FUNCTION tidemill.redact(p_value jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  hidden text[] := array(select distinct key from redacted_keys);
begin
  -- Most values have no such key anywhere: one look at the text spares the walk.
  if p_value is null
    or not exists (
      select
      from unnest(hidden || text 'sessiondata') as h (key)
      where strpos(translate(lower(p_value::text), '_-', ''), h.key) > 0)
  then
    return p_value;
  end if;
  return redact_within(p_value, hidden);
end
$$;

COMMENT ON FUNCTION tidemill.redact(p_value jsonb) IS 'The value with "[redacted]" in place of what stands under a key of redacted_keys, at any depth, and the url of session_data as shown_address has it.';

CREATE FUNCTION tidemill.redact_within(p_value jsonb, p_hidden text[]) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
begin
  return case jsonb_typeof(p_value)
    when 'object' then (
      select coalesce(jsonb_object_agg(
        f.key,
        case
          when translate(lower(f.key), '_-', '') = any(p_hidden) and f.value <> 'null' then '"[redacted]"'
          when translate(lower(f.key), '_-', '') = 'sessiondata' and jsonb_typeof(f.value -> 'url') = 'string'
            then redact_within(jsonb_set(f.value, '{url}', to_jsonb(shown_address(f.value ->> 'url'))), p_hidden)
          else redact_within(f.value, p_hidden)
        end), '{}')
      from jsonb_each(p_value) f)
    when 'array' then (
      select coalesce(jsonb_agg(redact_within(e.value, p_hidden) order by e.ord), '[]')
      from jsonb_array_elements(p_value) with ordinality as e (value, ord))
    else p_value
  end;
end
$$;

COMMENT ON FUNCTION tidemill.redact_within(p_value jsonb, p_hidden text[]) IS 'What redact does, for these keys.';

CREATE FUNCTION tidemill.release_slot(p_name text, p_sealed jsonb DEFAULT NULL::jsonb) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
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
  return case when found then judge_slot(with_sealed(s, p_sealed), held) end;
end
$$;

COMMENT ON FUNCTION tidemill.release_slot(p_name text, p_sealed jsonb) IS 'Enqueues the slot that a schedule holds, if the job before it has ended; p_sealed as with_sealed takes it. Answers what became of it, null if it is not its turn.';

CREATE FUNCTION tidemill.renew_shape() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
begin
  update schema_compatibility c
  set shape = schema_shape()
  where c.shape is distinct from schema_shape()
    and not exists (select from schema_drift());
end
$$;

COMMENT ON FUNCTION tidemill.renew_shape() IS 'Remembers the shape as this version of Postgres prints it, if nothing but the printing is another.';

CREATE FUNCTION tidemill.reopen(p_job uuid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  child record;
  j jobs;
begin
  delete from endings where job_id = p_job;
  -- Who makes a part live again wants the whole to go on, also one that was to end.
  with recursive around (id) as (
    select job_id
    from dependencies
    where parent_id = p_job
      and member
    union
    select d.job_id
    from around a
    join dependencies d on d.parent_id = a.id
    where d.member
  )
  update jobs_live l
  set cancel_requested_at = null
  from around a
  where l.id = a.id
    and l.cancel_requested_at is not null;
  for child in
    update dependencies d
    set outcome = null, resolved_at = null
    where d.parent_id = p_job
      and (
        d.outcome in ('failed', 'cancelled', 'skipped')
        -- Who still waits for others waits for this one as well, unless it had the result before.
        or d.outcome = 'completed' and exists (
          select
          from waits w
          join jobs_live l on l.id = w.job_id
          where w.job_id = d.job_id
            and w.signal is null
            and (l.started_at is null or d.resolved_at >= w.since)))
    returning d.job_id, d.member
  loop
    if child.member then
      update workflows set done = greatest(done - 1, 0) where id = child.job_id;
    end if;
    j := lock_job(child.job_id);
    continue when j.id is null
      or j.finished_at is null
      or j.state = 'completed'
      or (j.kind = 'tidemill.workflow' or j.error ->> 'type' in ('dependency_failed', 'skipped')) is not true;
    perform wait_again(j, jsonb_build_object('by', 'tidemill', 'parent_id', p_job));
    perform reopen(j.id);
  end loop;
end
$$;

COMMENT ON FUNCTION tidemill.reopen(p_job uuid) IS 'After a finished job became live again: those that it took down with it, and those that wait for others as well, wait for it once more, and its workflow goes on.';

CREATE FUNCTION tidemill.replace_fields(p_job uuid, p_fields jsonb, p_by text DEFAULT SESSION_USER) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $_$
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
    -- One that is held has no time until it is let go.
    due_at = case when due_at < 'infinity' then coalesce((p_fields ->> 'run_at')::timestamptz, due_at) else due_at end
  where id = (select id from jobs_live where id = p_job and state <> 'running' for update skip locked)
  returning * into j;
  if j.id is null then
    return false;
  end if;
  if p_fields -> 'args' ? '$stored' then
    perform note_references(j.id, j.args);
  end if;
  if j.due_at < 'infinity' then
    perform line_up(j.queue, j.priority, j.group_id, j.concurrency_keys, j.due_at);
  end if;
  perform tell(format('e:%s:%s', j.id, append_event(j.id, j.attempt, 'replaced',
    jsonb_build_object('by', p_by, 'fields', array(select jsonb_object_keys(p_fields))))));
  perform tell(case when j.group_id is null then 'q:' else 'g:' end || j.queue);
  return true;
end
$_$;

COMMENT ON FUNCTION tidemill.replace_fields(p_job uuid, p_fields jsonb, p_by text) IS 'Gives a job that does not run other args, run_at, priority, max_attempts, tags or metadata; one that is held keeps its time. False if it runs, is finished or is being taken.';

CREATE FUNCTION tidemill.require_results(p_job uuid, p_since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  lost text;
begin
  select coalesce(d.name, d.parent_id::text) into lost
  from dependencies d
  where d.job_id = p_job
    and d.outcome = 'completed'
    and (d.member or d.pass_as is not null)
    and not exists (select from jobs j where j.id = d.parent_id)
    and (p_since = '-infinity' or exists (
      select
      from dependencies o
      where o.job_id = p_job
        and o.pass_as = d.pass_as
        and o.resolved_at >= p_since))
  order by d.ord
  limit 1;
  if found then
    raise exception 'job % completed, but is kept no more, and its result with it', lost
      using errcode = '22TM1', hint = 'enqueue it again, with those that wait for it';
  end if;
end
$$;

COMMENT ON FUNCTION tidemill.require_results(p_job uuid, p_since timestamp with time zone) IS 'Raises an error if a result that a job is to get now, as passed_args or workflow_result gives it, is gone: nothing is not what its parent brought.';

CREATE FUNCTION tidemill.reset_breaker(p_kind text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
declare
  k kinds;
begin
  select * into k from kinds where name = p_kind for no key update;
  if not found then
    return false;
  end if;
  update kinds
  set breaker_crashes = 0, breaker_openings = 0, breaker_open_until = null, breaker_crashed_at = null
  where name = p_kind;
  perform audit(
    'reset_breaker', 'kind:' || p_kind,
    jsonb_build_object('crashes', k.breaker_crashes, 'openings', k.breaker_openings, 'open_until', k.breaker_open_until),
    '{"crashes": 0, "openings": 0, "open_until": null}', null);
  perform tell('q:' || queue) from kinds where name = p_kind;
  return true;
end
$$;

COMMENT ON FUNCTION tidemill.reset_breaker(p_kind text) IS 'Lets the jobs of a kind start again, and forgets its crashes. False if there is no such kind.';

CREATE FUNCTION tidemill.resolve(p_limit integer DEFAULT 500) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
declare
  ended uuid[];
  since timestamptz;
  told uuid[];
  children uuid[];
begin
  if not exists (select from endings) then
    perform wake_waits(p_limit);
    return 0;
  end if;
  -- One at a time, and none beside those who cancel or retry whole workflows.
  perform lock_workflows();
  begin
    perform wake_waits(p_limit);
  exception when others then
    if heals(sqlstate) then
      raise;
    end if;
    -- Who waits for signals holds up nobody who waits for jobs.
    raise warning 'the waits whose time is over could not be ended: %', sqlerrm;
  end;
  with taken as (
    delete from endings
    where job_id in (select job_id from endings order by at limit p_limit for update skip locked)
    returning job_id, at
  )
  select array_agg(job_id), min(at) - interval '1 hour' into ended, since from taken;
  if ended is null then
    return 0;
  end if;
  -- One that was retried meanwhile is live again and tells of its end later.
  with parents as materialized (
    select j.id, outcome_of(j) as outcome
    from jobs j
    where j.id = any(ended)
      and j.finished_at >= since
  ),
  noted as (
    update dependencies d
    set outcome = coalesce(p.outcome, 'cancelled'), resolved_at = clock_timestamp()
    from unnest(ended) as e (id)
    left join parents p on p.id = e.id
    where d.parent_id = e.id
      and d.outcome is null
      and (p.id is not null or not exists (select 1 from jobs j where j.id = e.id))
    returning d.job_id
  )
  select array_agg(job_id) into told from noted;
  perform note_progress(told);
  -- All of them first, in order; each statement from here on sees what others told before.
  children := array(select id from jobs_live where id = any(told) and state = 'waiting' order by id for update);
  begin
    perform judge(children);
  exception when others then
    if heals(sqlstate) then
      raise;
    end if;
    -- One bad row never stops the rest.
    perform judge_apart(j.id)
    from (select * from jobs_live where id = any(children) order by queue, priority, group_id, id) j;
  end;
  return cardinality(ended);
end
$$;

COMMENT ON FUNCTION tidemill.resolve(p_limit integer) IS 'Tells the jobs that wait of the ends of up to so many others: lets them go, or ends them where what they need did not come. Answers how many ends it told; safe to run anywhere, any time. Repeat until 0.';

CREATE FUNCTION tidemill.resolve_one(p_job uuid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  j jobs;
  w waits;
  verdict text;
  passed jsonb;
  since timestamptz;
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
  elsif j.kind = 'tidemill.workflow' and verdict = 'run' then
    perform end_workflow(j);
  elsif verdict = 'run' then
    -- What ran before has what was passed to it then.
    since := case when j.started_at is null then '-infinity' else w.since end;
    perform require_results(p_job, since);
    passed := passed_args(p_job, since);
    if passed <> '{}' then
      update jobs_live set args = args || passed where id = p_job;
      perform note_references(p_job, passed);
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

COMMENT ON FUNCTION tidemill.resolve_one(p_job uuid) IS 'Judges one job that waits for others, by all that was told so far: goes on waiting, is let go, or ends.';

CREATE FUNCTION tidemill.resume_queue(p_queue text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
  insert into queues (name)
  values (p_queue)
  on conflict (name) do update
  set paused_at = null, paused_by = null, draining_at = null, draining_by = null, updated_at = now();
  select tell('q:' || p_queue);
$$;

COMMENT ON FUNCTION tidemill.resume_queue(p_queue text) IS 'Ends a pause or a drain.';

CREATE FUNCTION tidemill.resume_schedule(p_name text) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
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
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
  select retry_one(p_job, p_by, true)
$$;

COMMENT ON FUNCTION tidemill.retry(p_job uuid, p_by text) IS 'Makes a finished job live again with at least one more attempt; a live one that is not due runs now. Answers its state, null if there is no such job.';

CREATE FUNCTION tidemill.retry_held(p_job uuid, p_by text) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  j jobs := lock_job(p_job);
begin
  if j.finished_at is null
    or j.kind = 'tidemill.workflow'
    or not exists (
      select
      from dependencies d
      where d.job_id = p_job
        and (j.started_at is null or d.outcome is distinct from 'completed'))
  then
    return false;
  end if;
  perform wait_again(j, jsonb_build_object('by', p_by));
  perform reopen(p_job);
  return true;
end
$$;

COMMENT ON FUNCTION tidemill.retry_held(p_job uuid, p_by text) IS 'Makes a job that ended before it ever ran, or some of whose parents did not complete, wait for the others as at first; false, and nothing is done, for any other. The caller has it judged when all are live again that are retried with it.';

CREATE FUNCTION tidemill.retry_jobs(filter jsonb, max_jobs integer DEFAULT 500, dry_run boolean DEFAULT false, to_queue text DEFAULT NULL::text) RETURNS TABLE(matched integer, done integer, refused integer, sample uuid[])
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
  select a.matched, a.done, a.refused, a.sample
  from act_on_jobs('retry', filter, max_jobs, dry_run, to_queue) a
$$;

COMMENT ON FUNCTION tidemill.retry_jobs(filter jsonb, max_jobs integer, dry_run boolean, to_queue text) IS 'Redrives failed jobs: select * from retry_jobs(''{"kind": "send-mail"}'', dry_run => true). Repeat until nothing is done.';

CREATE FUNCTION tidemill.retry_members(p_workflow uuid, p_by text) RETURNS uuid[]
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  member record;
  j jobs;
  held uuid[] := '{}';
begin
  for member in
    select f.id, f.kind
    from dependencies d
    join jobs f on f.id = d.parent_id
    where d.job_id = p_workflow
      and d.member
      -- A nested one may go on while some of its jobs failed.
      and (f.state in ('failed', 'cancelled') or f.finished_at is null and f.kind = 'tidemill.workflow')
      -- What was cancelled because of others follows them.
      and (f.error ->> 'type' in ('dependency_failed', 'skipped')) is not true
    order by d.ord
  loop
    -- Recorded as one act, by whoever calls this.
    if member.kind = 'tidemill.workflow' then
      held := held || retry_members(member.id, p_by);
    elsif retry_held(member.id, p_by) then
      held := held || member.id;
    else
      perform retry_one(member.id, p_by, false);
    end if;
  end loop;
  j := lock_job(p_workflow);
  -- Its members completed, and still it did not.
  if j.finished_at is not null
    and j.state <> 'completed'
    and not exists (select from dependencies where job_id = p_workflow and outcome in ('failed', 'cancelled'))
  then
    perform wait_again(j, jsonb_build_object('by', p_by));
    perform reopen(p_workflow);
    held := held || p_workflow;
  end if;
  return held;
end
$$;

COMMENT ON FUNCTION tidemill.retry_members(p_workflow uuid, p_by text) IS 'Makes live what failed or was cancelled of a workflow and of all that is nested in it. Answers those that wait for others again, which the caller has judged when all are live.';

CREATE FUNCTION tidemill.retry_one(p_job uuid, p_by text, p_recorded boolean) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  j jobs;
  before jsonb;
  answer text;
begin
  -- Before the job, as everybody does who tells others of it.
  if exists (select from dependencies where p_job in (job_id, parent_id))
    or exists (select from workflows where id = p_job)
  then
    perform lock_workflows();
  end if;
  j := lock_job(p_job);
  if j.id is null then
    return null;
  elsif j.kind = 'tidemill.workflow' then
    answer := retry_workflow(p_job, p_by);
    if p_recorded then
      perform audit('retry', 'job:' || p_job, jsonb_build_object('state', j.state), jsonb_build_object('state', answer), p_by);
    end if;
    return answer;
  elsif j.finished_at is null then
    return run_now_one(p_job, p_by, p_recorded);
  end if;
  before := jsonb_strip_nulls(jsonb_build_object('state', j.state, 'error', j.error ->> 'message'));
  -- What never ran waits for others as at first, and gets what they pass on; if they failed, a person wants it to run without.
  if wait_verdict(p_job, terms_of(p_job)) in ('wait', 'run')
    and retry_held(p_job, p_by)
  then
    perform judge_apart(p_job);
    answer := (select state::text from jobs where id = p_job);
    if p_recorded then
      perform audit('retry', 'job:' || p_job, before, jsonb_build_object('state', answer), p_by);
    end if;
    return answer;
  end if;
  delete from jobs where id = p_job and finished_at = j.finished_at;
  j.state := 'available';
  -- One of many that was never due has its time before it; who names a job wants it now.
  j.run_at := case when p_recorded or j.started_at is not null then clock_timestamp() else greatest(j.run_at, clock_timestamp()) end;
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
  j.written_in := (pg_current_xact_id()::text)::numeric;
  insert into jobs_live select (j).*;
  if j.unique_key is not null then
    perform take_key_again(p_job, j.unique_key);
  end if;
  if j.awaited then
    perform reopen(p_job);
  end if;
  perform tell(format('e:%s:%s', p_job, append_event(p_job, j.attempt, 'retry', jsonb_build_object('by', p_by))));
  perform tell(case when j.group_id is null then 'q:' else 'g:' end || j.queue);
  if p_recorded then
    perform audit('retry', 'job:' || p_job, before, jsonb_build_object('state', j.state), p_by);
  end if;
  return j.state::text;
end
$$;

COMMENT ON FUNCTION tidemill.retry_one(p_job uuid, p_by text, p_recorded boolean) IS 'As retry; whether it is recorded as an act says the caller.';

CREATE FUNCTION tidemill.retry_workflow(p_workflow uuid, p_by text DEFAULT SESSION_USER) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
begin
  perform lock_workflows();
  -- What they wait for may be over, and stays so.
  perform judge_apart(h.id) from unnest(retry_members(p_workflow, p_by)) as h (id);
  return (select state::text from jobs where id = p_workflow);
end
$$;

COMMENT ON FUNCTION tidemill.retry_workflow(p_workflow uuid, p_by text) IS 'Runs again what failed or was cancelled of a workflow and of all that is nested in it, and what waited for that; what completed stays. Answers its state.';

CREATE FUNCTION tidemill.rights_now() RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    AS $_$
  select coalesce(array_agg(granted.line order by granted.line collate "C"), '{}')
  from (
    select format('%s %s to %s', lower(a.privilege_type), o.what, r.rolname) as line
    from (
      select format('schema %s', n.nspname) as what, n.nspacl as acl
      from pg_namespace n
      where n.nspname = current_schema()
      union all
      select format('table %s', c.relname), c.relacl
      from pg_class c
      where c.relnamespace = current_schema()::regnamespace
        and c.relkind in ('r', 'p', 'v', 'S')
        -- Days come and go; who reads them reads the whole.
        and c.relname !~ '_\d{4}_\d{2}_\d{2}$'
      union all
      select format('function %s(%s)', p.proname, pg_get_function_identity_arguments(p.oid)), p.proacl
      from pg_proc p
      where p.pronamespace = current_schema()::regnamespace
    ) o
    cross join lateral aclexplode(o.acl) a
    join pg_roles r on r.oid = a.grantee
    where r.rolname in ('tidemill_admin', 'tidemill_worker', 'tidemill_reader')
  ) granted
$_$;

COMMENT ON FUNCTION tidemill.rights_now() IS 'What the three roles may do in this schema, one line each.';

CREATE FUNCTION tidemill.room_expected(p_queue text) RETURNS interval
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
declare
  since timestamptz := date_trunc('minute', clock_timestamp() - interval '4 minutes');
  ended bigint;
  first_seen timestamptz;
begin
  if exists (select from queues where name = p_queue and paused_at is not null) then
    return interval '60 seconds';
  end if;
  select sum(jobs) filter (where outcome in ('completed', 'failed', 'cancelled')), min(minute)
  into ended, first_seen
  from counters
  where minute >= since
    and queue = p_queue;
  -- Nobody knows of a queue from which nothing went lately.
  return greatest(interval '1 second', least(interval '60 seconds',
    coalesce((clock_timestamp() - greatest(since, first_seen)) / nullif(ended, 0), interval '1 second')));
end
$$;

COMMENT ON FUNCTION tidemill.room_expected(p_queue text) IS 'About how long until a full queue takes one more job, 1 to 60 s: by how many of its jobs ended in the last minutes; 1 s if none did, 60 s while it is paused.';

CREATE FUNCTION tidemill.run_now(p_job uuid, p_by text DEFAULT SESSION_USER) RETURNS text
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
  select run_now_one(p_job, p_by, true)
$$;

COMMENT ON FUNCTION tidemill.run_now(p_job uuid, p_by text) IS 'Makes a scheduled or retrying job due at once. Answers its state, null if there is no such job.';

CREATE FUNCTION tidemill.run_now_one(p_job uuid, p_by text, p_recorded boolean) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
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
    if p_recorded then
      perform audit('run_now', 'job:' || p_job, jsonb_build_object('run_at', coalesce(j.due_at, j.run_at)), jsonb_build_object('run_at', clock_timestamp()), p_by);
    end if;
    perform tell(format('e:%s:%s', p_job, append_event(p_job, j.attempt, 'retry',
      jsonb_build_object('by', p_by, 'was_due_at', coalesce(j.due_at, j.run_at)))));
    perform tell(case when j.group_id is null then 'q:' else 'g:' end || j.queue);
  end if;
  return j.state::text;
end
$$;

COMMENT ON FUNCTION tidemill.run_now_one(p_job uuid, p_by text, p_recorded boolean) IS 'As run_now; whether it is recorded as an act says the caller.';

CREATE FUNCTION tidemill.run_schedule(p_name text, p_by text DEFAULT SESSION_USER, p_sealed jsonb DEFAULT NULL::jsonb) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
declare
  s schedules;
  made uuid;
begin
  select * into s from schedules where name = p_name for update;
  if not found then
    return null;
  end if;
  made := enqueue_scheduled(with_sealed(s, p_sealed), jsonb_build_object('by', p_by), clock_timestamp());
  update schedules set unfinished = unfinished_jobs(s) || made where name = p_name;
  perform audit('run', 'schedule:' || p_name, null, jsonb_build_object('job_id', made), p_by);
  return made;
end
$$;

COMMENT ON FUNCTION tidemill.run_schedule(p_name text, p_by text, p_sealed jsonb) IS 'Enqueues a schedule''s job now, outside of its slots, paused or not; p_sealed as with_sealed takes it. Answers the job''s id, null if there is no such schedule.';

CREATE FUNCTION tidemill.runs_functions() RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
begin
  return true;
end
$$;

COMMENT ON FUNCTION tidemill.runs_functions() IS 'Answers whether functions run at all: a server whose programs were upgraded under it cannot load their language.';

CREATE FUNCTION tidemill.save_step(p_job uuid, p_lease uuid, p_name text, p_output jsonb, p_replace boolean DEFAULT false) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  tried integer := hold_lease(p_job, p_lease);
  kept jsonb;
  is_new boolean;
begin
  if tried is null then
    return null;
  end if;
  insert into steps as s (job_id, name, attempt, output)
  values (p_job, p_name, tried, p_output)
  on conflict (job_id, name) do update
  set
    -- The first word counts, but for a cursor.
    output = case when p_replace then excluded.output else s.output end,
    attempt = case when p_replace then excluded.attempt else s.attempt end,
    updated_at = case when p_replace then clock_timestamp() else s.updated_at end
  returning output, xmax = 0 into kept, is_new;
  if is_new and not p_replace then
    perform tell(format('e:%s:%s', p_job, append_event(p_job, tried, 'step', jsonb_build_object('name', p_name))));
  end if;
  return jsonb_build_object('output', kept);
end
$$;

COMMENT ON FUNCTION tidemill.save_step(p_job uuid, p_lease uuid, p_name text, p_output jsonb, p_replace boolean) IS 'Stores the output of a step of a running attempt; answers {output}: the one that was stored first, or with p_replace the new one. Null if the lease is lost.';

CREATE FUNCTION tidemill.schedule_written() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
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

CREATE FUNCTION tidemill.schema_drift() RETURNS TABLE(what text, was text, is_now text)
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    AS $$
  with lines as (
    select split_part(l.line, ': ', 1) as what, nullif(substr(l.line, length(split_part(l.line, ': ', 1)) + 3), '') as how, l.kept
    from (
      select k.line, true as kept
      from schema_compatibility c
      cross join unnest(c.shape) as k (line)
      union all
      select n.line, false
      from schema_compatibility c
      cross join unnest(schema_shape()) as n (line)
      where c.shape is not null
    ) l
  ),
  pairs as (
    select what, max(how) filter (where kept) as was, max(how) filter (where not kept) as is_now, bool_or(kept) as kept, bool_or(not kept) as there
    from lines
    group by what
  )
  select p.what, case when p.kept then coalesce(p.was, '') end, case when p.there then coalesce(p.is_now, '') end
  from pairs p
  where (p.kept, p.was) is distinct from (p.there, p.is_now)
    -- Functions and views of somebody's own do no harm, and a text tells nothing beside that of another version.
    and case
      when p.what ~ '^(function|view) ' then p.kept
      when p.what ~ '^text of view ' then p.kept and p.there and split_part(p.was, ' ', 2) = split_part(p.is_now, ' ', 2)
      else true
    end
$$;

COMMENT ON FUNCTION tidemill.schema_drift() IS 'What of the schema is not as the last migration left it: how it was then, and is now; null where it was not there.';

CREATE FUNCTION tidemill.schema_shape() RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET bytea_output TO 'hex'
    SET extra_float_digits TO '1'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    AS $_$
  with tables as materialized (
    select c.oid, c.relname
    from pg_class c
    where c.relnamespace = current_schema()::regnamespace
      and c.relkind in ('r', 'p')
      and c.relname !~ '_\d{4}_\d{2}_\d{2}$'
  )
  select array_agg(line order by line collate "C")
  from (
    select format('column %s.%s: %s%s', t.relname, a.attname, format_type(a.atttypid, a.atttypmod), case when a.attnotnull then ' not null' else '' end) as line
    from tables t
    join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
    union all
    select format('index %s: %s%s', i.relname, case when x.indisunique then 'unique ' else '' end,
      bare(regexp_replace(pg_get_indexdef(i.oid), '^.* USING ', '')))
    from tables t
    join pg_index x on x.indrelid = t.oid
    join pg_class i on i.oid = x.indexrelid
    union all
    select format('constraint %s.%s: %s', t.relname, o.conname, bare(pg_get_constraintdef(o.oid)))
    from tables t
    join pg_constraint o on o.conrelid = t.oid
    -- From 18 on "not null" is one too; the columns above have it.
    where o.contype <> 'n'
    union all
    select format('trigger %s.%s', t.relname, g.tgname)
    from tables t
    join pg_trigger g on g.tgrelid = t.oid
    where not g.tgisinternal
      and g.tgenabled <> 'D'
    union all
    select format('function %s(%s): %s', p.proname, pg_get_function_identity_arguments(p.oid), md5(p.prosrc))
    from pg_proc p
    where p.pronamespace = current_schema()::regnamespace
    union all
    -- The columns of a view, and all columns that it reads.
    select format('view %s: %s', v.relname, md5(
      (select string_agg(format('%s %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' order by a.attnum) from pg_attribute a where a.attrelid = v.oid and a.attnum > 0)
      || coalesce((
        select string_agg(distinct format('%s.%s', c.relname, a.attname) collate "C", ', ' order by format('%s.%s', c.relname, a.attname) collate "C")
        from pg_rewrite r
        join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
        join pg_class c on c.oid = d.refobjid
        join pg_attribute a on a.attrelid = c.oid and a.attnum = d.refobjsubid
        where r.ev_class = v.oid
          and c.oid <> v.oid), '')))
    from pg_class v
    where v.relnamespace = current_schema()::regnamespace and v.relkind = 'v'
    union all
    -- Each version of Postgres prints it in words of its own.
    select format('text of view %s: on %s %s', v.viewname, current_setting('server_version_num')::integer / 10000, md5(bare(v.definition)))
    from pg_views v
    where v.schemaname = current_schema()
  ) shape
$_$;

COMMENT ON FUNCTION tidemill.schema_shape() IS 'Every column, index, constraint, trigger, function and view of the schema, one line each: what it is, and how it is made.';

CREATE FUNCTION tidemill.set_alert(name text, condition text, above double precision DEFAULT 0, kind text DEFAULT NULL::text, queue text DEFAULT NULL::text, at_least integer DEFAULT 1, over interval DEFAULT '00:15:00'::interval, hold interval DEFAULT '00:01:00'::interval, webhook text DEFAULT NULL::text, email text[] DEFAULT '{}'::text[], from_config boolean DEFAULT false, owner text DEFAULT NULL::text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $_$
  insert into alert_rules as r (name, condition, above, kind, queue, at_least, over, hold, webhook, email, from_config, owner)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, coalesce($10, '{}'), $11, case when $11 then coalesce($12, 'default') end)
  on conflict (name) do update
  set
    condition = excluded.condition, above = excluded.above, kind = excluded.kind, queue = excluded.queue,
    at_least = excluded.at_least, over = excluded.over, hold = excluded.hold, webhook = excluded.webhook,
    email = excluded.email, from_config = excluded.from_config, owner = excluded.owner, updated_at = now()
  where to_jsonb(r) - 'updated_at' <> to_jsonb(excluded) - 'updated_at'
$_$;

COMMENT ON FUNCTION tidemill.set_alert(name text, condition text, above double precision, kind text, queue text, at_least integer, over interval, hold interval, webhook text, email text[], from_config boolean, owner text) IS 'Makes or replaces an alert rule: select set_alert(''errors'', ''error_rate'', above => 0.1, over => ''1 hour'', email => array[''ops@example.org'']).';

CREATE FUNCTION tidemill.set_limit(name text, max_running integer DEFAULT NULL::integer, rate integer DEFAULT NULL::integer, per interval DEFAULT '00:01:00'::interval, burst integer DEFAULT NULL::integer, on_full text DEFAULT 'queue'::text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
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

CREATE FUNCTION tidemill.set_max_queued(p_queue text, p_most integer) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
  insert into queues (name, max_queued)
  values (p_queue, p_most)
  on conflict (name) do update
  set max_queued = excluded.max_queued, updated_at = now()
  where queues.max_queued is distinct from excluded.max_queued;
  -- Here, so that nobody waits for whoever enqueues first.
  insert into queue_room (queue)
  select p_queue
  where p_most is not null
  on conflict do nothing;
  -- Counted anew by whoever comes next; the row stays, for others may wait for it.
  update queue_room set counted_at = '-infinity', count_took = '0', room = 0 where queue = p_queue;
$$;

COMMENT ON FUNCTION tidemill.set_max_queued(p_queue text, p_most integer) IS 'Bounds how many jobs of the queue may wait to run; more are refused (SQLSTATE 53TM1). What is retried or put off comes back all the same. Null: any number.';

CREATE FUNCTION tidemill.set_priority_ageing(p_queue text, p_ageing interval) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
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
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
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
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
  insert into queues (name, slots)
  values (p_queue, p_slots)
  on conflict (name) do update
  set slots = excluded.slots, updated_at = now();
  select tell('w:');
$$;

COMMENT ON FUNCTION tidemill.set_slots(p_queue text, p_slots integer) IS 'How many jobs of the queue each worker runs at once; null gives the choice back to the workers.';

CREATE FUNCTION tidemill.settle_attempt(p_job uuid, p_lease uuid, p_outcome text, p_error jsonb DEFAULT NULL::jsonb, p_delay interval DEFAULT NULL::interval, p_usage jsonb DEFAULT NULL::jsonb, p_wait jsonb DEFAULT NULL::jsonb) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  j jobs;
  k kinds;
  failed boolean := p_outcome in ('failed', 'crashed', 'timed_out');
  permanent boolean := coalesce((p_error ->> 'permanent')::boolean, false);
  cause text;
  noted bigint;
  superseder uuid;
  ran interval;
begin
  -- Before any job, as everybody does who cancels others with it.
  if p_outcome = 'waits' and exists (select from jobs_live where id = p_job and cancel_requested_at is not null) then
    perform lock_workflows();
  end if;
  -- The fence: whoever lost the lease changes nothing.
  select * into j from jobs_live where id = p_job and lease_id = p_lease and state = 'running' for update;
  if not found then
    return null;
  end if;
  select * into k from kinds where name = j.kind;

  if failed then
    -- A worker that says when to try again has judged by its own rules for the kind.
    permanent := permanent or p_delay is null and coalesce(p_error ->> 'type' = any(k.permanent_errors), false);
    cause := fingerprint(j.kind, p_error);
    perform ensure_today();
    insert into attempts (
      job_id, attempt, lease_id, worker_id, outcome, error, exit_code, signal, out_of_memory, peak_memory_bytes, started_at,
      fingerprint, log_tail)
    values (j.id, j.attempt, j.lease_id, j.worker_id, p_outcome, p_error,
      (p_usage ->> 'exit_code')::integer, (p_usage ->> 'signal')::integer,
      coalesce((p_usage ->> 'out_of_memory')::boolean, false), (p_usage ->> 'peak_memory_bytes')::bigint, j.started_at,
      cause, log_tail(j.id, j.attempt));
    insert into failure_deltas (fingerprint, kind, type, message, job_id)
    values (cause, j.kind, p_error ->> 'type', left(coalesce(p_error ->> 'message', ''), 500), j.id);
    -- It took its worker, or its process, down with it.
    if p_outcome = 'crashed' or p_error ->> 'type' in ('signal', 'out_of_memory') then
      perform note_crash(j.kind);
    end if;
    j.error := case when permanent then p_error || '{"permanent": true}' else p_error end;
  end if;

  if p_outcome = 'cancelled' or j.cancel_requested_at is not null then
    j.state := 'cancelled';
    -- A moment later it would have waited for them, and taken them with it.
    if p_outcome = 'waits' then
      perform cancel_children(j, null, 'tidemill', false);
    end if;
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
    j.run_at := clock_timestamp() + coalesce(p_delay, make_interval(secs => (p_error ->> 'retry_after_seconds')::double precision), backoff(j.attempt,
      coalesce(k.backoff_first, '5 seconds'), coalesce(k.backoff_factor, 2),
      coalesce(k.backoff_max, '1 hour'), coalesce(k.backoff_jitter, 0.2)));
    noted := append_event(j.id, j.attempt, 'retry', jsonb_build_object('run_at', j.run_at));
    ran := clock_timestamp() - j.started_at;
    insert into stats_deltas (queue, kind, outcome, jobs, ran, ran_least, ran_most)
    values (j.queue, j.kind, 'retried', 1, ran, ran, ran);
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

CREATE FUNCTION tidemill.severity_of(p_check text, p_number double precision, p_beside double precision DEFAULT 0) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select case p_check
    -- Seconds that somebody holds the horizon, beside the dead rows of the hot tables.
    when 'horizon' then
      case when p_number > 600 and p_beside > 100000 then 'critical' when p_number > 60 then 'warning' when p_number > 10 then 'info' end
    -- The same in transactions. A standby that feeds back is always some behind.
    when 'horizon by transactions' then
      case when p_number > 1000000 and p_beside > 100000 then 'critical' when p_number > 50000 then 'warning' end
    -- Dead rows of a table, beside its live ones.
    when 'bloat' then case when p_number > 50000 and p_number > 5 * p_beside then 'warning' end
    -- Connections that are left.
    when 'connections' then case when p_number < 5 then 'critical' when p_number < 15 then 'warning' end
    -- Age of the oldest transaction id; at two billion nothing can be written.
    when 'wraparound' then case when p_number > 1800000000 then 'critical' when p_number > 1200000000 then 'warning' end
    -- Bytes that a slot keeps.
    when 'wal' then case when p_number > 1073741824 then 'warning' end
  end
$$;

COMMENT ON FUNCTION tidemill.severity_of(p_check text, p_number double precision, p_beside double precision) IS 'How bad a number is for a check of doctor(); null if it is fine.';

CREATE FUNCTION tidemill.shall_shed() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
  select dead_rows() > 20000
    and exists (
      select 1
      from horizon_holders() h
      where case
        when h.since is null then horizon_severity(h.since, h.transactions, 0) is not null or h.unread
        else h.since <= now() - coalesce(nullif(current_setting('tidemill.shed_after', true), '')::interval, '1 minute')
      end)
$$;

COMMENT ON FUNCTION tidemill.shall_shed() IS 'Whether dead rows pile up behind somebody who keeps them: then workers store progress less often. The setting tidemill.shed_after says after which time; a minute by default.';

CREATE FUNCTION tidemill.shown_address(p_address text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'tidemill', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    AS $_$
  select regexp_replace(
    regexp_replace(p_address, '[?#].*$', '?[redacted]'),
    '^\s*([[:alnum:]+.-]*:)?([/\\]*)[^/\\?]*@',
    '\1\2')
$_$;

COMMENT ON FUNCTION tidemill.shown_address(p_address text) IS 'An address without user, query and fragment.';

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

CREATE FUNCTION tidemill.signal(p_job uuid, p_name text, p_payload jsonb DEFAULT NULL::jsonb, p_by text DEFAULT SESSION_USER) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
declare
  j jobs := lock_job(p_job);
begin
  if j.id is null or j.finished_at is not null then
    return j.state::text;
  end if;
  perform check_json(p_payload, 'the payload');
  insert into signals (job_id, name, payload, sent_by)
  values (p_job, p_name, p_payload, p_by)
  on conflict do nothing;
  if not found then
    return 'ignored';
  end if;
  perform audit('signal', 'job:' || p_job, null, jsonb_build_object('name', p_name), p_by);
  perform tell(format('e:%s:%s', p_job, append_event(p_job, j.attempt, 'signal',
    jsonb_strip_nulls(jsonb_build_object('name', p_name, 'by', p_by)))));
  if exists (select from waits w where w.job_id = p_job and w.signal = p_name) then
    perform let_go(p_job);
  end if;
  return 'delivered';
end
$$;

COMMENT ON FUNCTION tidemill.signal(p_job uuid, p_name text, p_payload jsonb, p_by text) IS 'Sends a message to a job, which may wait for it now or later: delivered; ignored if one of the name came, or was given up, before; the state of a job that has ended; null if there is none.';

CREATE FUNCTION tidemill.sleep_step(p_job uuid, p_lease uuid, p_name text, p_seconds double precision) RETURNS double precision
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  -- The time to wake up is fixed at the first call, by the database's clock.
  select extract(epoch from (s #>> '{output,sleep_until}')::timestamptz - clock_timestamp())::double precision
  from save_step(p_job, p_lease, p_name, jsonb_build_object('sleep_until', clock_timestamp() + make_interval(secs => p_seconds))) as s
$$;

COMMENT ON FUNCTION tidemill.sleep_step(p_job uuid, p_lease uuid, p_name text, p_seconds double precision) IS 'How many seconds a durable sleep still lasts, 0 or less when it is over; null if the lease is lost.';

CREATE FUNCTION tidemill.slowest_look(OUT queue text, OUT milliseconds numeric) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  name text;
  began timestamptz;
  took numeric;
begin
  for name in select n.name from queue_names n order by n.name limit 20 loop
    began := clock_timestamp();
    perform j.id
    from generate_series(1, 9) as p (priority)
    cross join lateral (
      select l.id
      from jobs_live l
      where l.queue = name
        and l.priority = p.priority
        and l.run_at <= now()
        and l.state = 'available'
      order by l.run_at, l.id
      limit 1
    ) j;
    took := round(extract(epoch from clock_timestamp() - began) * 1000, 1);
    if milliseconds is null or took > milliseconds then
      queue := name;
      milliseconds := took;
    end if;
  end loop;
end
$$;

COMMENT ON FUNCTION tidemill.slowest_look(OUT queue text, OUT milliseconds numeric) IS 'What dead rows cost: the queue in which the look of a claim from the head takes longest, and how long it took right now; of the first twenty queues.';

CREATE FUNCTION tidemill.snooze(p_job uuid, p_delay interval, p_by text DEFAULT SESSION_USER) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
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
    perform audit('snooze', 'job:' || p_job, jsonb_build_object('run_at', coalesce(j.due_at, j.run_at)), jsonb_build_object('run_at', due), p_by);
    perform tell(format('e:%s:%s', p_job, append_event(p_job, j.attempt, 'snoozed',
      jsonb_build_object('by', p_by, 'run_at', due))));
  end if;
  return j.state::text;
end
$$;

COMMENT ON FUNCTION tidemill.snooze(p_job uuid, p_delay interval, p_by text) IS 'Puts off a job that does not run. Answers its state, null if there is no such job.';

CREATE FUNCTION tidemill.spawn_child(p_job uuid, p_lease uuid, p_name text, p_wish jsonb, p_is_workflow boolean DEFAULT false) RETURNS uuid
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  j jobs;
  child uuid;
begin
  perform lock_before_enqueue(p_wish);
  -- The fence: whoever lost the lease changes nothing.
  select * into j from jobs_live where id = p_job and lease_id = p_lease and state = 'running' for update;
  if not found then
    return null;
  end if;
  select spawned_id into child from steps where job_id = p_job and name = p_name;
  if child is not null then
    return child;
  end if;
  child := case when p_is_workflow then create_workflow(p_wish) else (select enqueue_many(jsonb_build_array(p_wish))) end;
  insert into steps (job_id, name, attempt, spawned_id) values (p_job, p_name, j.attempt, child);
  perform tell(format('e:%s:%s', p_job, append_event(p_job, j.attempt, 'spawned', jsonb_build_object('name', p_name, 'job_id', child))));
  return child;
end
$$;

COMMENT ON FUNCTION tidemill.spawn_child(p_job uuid, p_lease uuid, p_name text, p_wish jsonb, p_is_workflow boolean) IS 'Enqueues a job, or a workflow, for a running attempt: once for each name, also when the attempt is repeated. Answers its id, null if the lease is lost.';

CREATE FUNCTION tidemill.spend(p_key text, p_limit tidemill.limits, p_count bigint) RETURNS void
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  insert into limit_buckets (key, tokens, filled_at)
  values (p_key, tokens_of(p_key, p_limit) - p_count, clock_timestamp())
  on conflict (key) do update
  set tokens = excluded.tokens, filled_at = excluded.filled_at
$$;

COMMENT ON FUNCTION tidemill.spend(p_key text, p_limit tidemill.limits, p_count bigint) IS 'Takes tokens of a key; the caller holds the lock under which they were counted.';

CREATE FUNCTION tidemill.start_session(p_session text, p_base_url text, p_wish jsonb, p_ttl interval DEFAULT '24:00:00'::interval) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
declare
  job uuid := (select enqueue_many(jsonb_build_array(p_wish)));
begin
  insert into sessions as s (id, job_id, base_url, status, expires_at)
  values (p_session, job, p_base_url, 'queued', clock_timestamp() + p_ttl)
  on conflict (id) do update
  set
    job_id = excluded.job_id,
    base_url = excluded.base_url,
    status = excluded.status,
    pages_crawled = 0,
    bugs_found = 0,
    error = null,
    created_at = clock_timestamp(),
    updated_at = clock_timestamp(),
    expires_at = excluded.expires_at
  -- One that is forgotten leaves its name to others.
  where s.expires_at <= clock_timestamp();
  if not found then
    raise exception 'the session % is another job''s', p_session
      using errcode = '22TM1', hint = 'use another session_id, or leave it out';
  end if;
  return job;
end
$$;

COMMENT ON FUNCTION tidemill.start_session(p_session text, p_base_url text, p_wish jsonb, p_ttl interval) IS 'Enqueues a job, as enqueue_many takes it, and begins its session, both or none; answers the job''s id.';

CREATE FUNCTION tidemill.stop_workflow(p_workflow uuid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  member uuid;
  until timestamptz := statement_timestamp() + coalesce(nullif(current_setting('statement_timeout')::interval, '0') / 3, '10 seconds');
begin
  for member in
    with recursive cleaning (id) as (
      -- What there is to clean up after a failure runs, and goes on. Of a nested workflow the first jobs wait for what it waits for.
      select e.job_id
      from dependencies m
      join dependencies e on e.parent_id = m.parent_id
      where m.job_id = p_workflow
        and m.member
        and not e.member
        and e.run_if in ('any_failed', 'all_finished')
      union
      select w.job_id
      from cleaning c
      join dependencies w on w.parent_id = c.id
      where w.member
    )
    select l.id
    from dependencies d
    join jobs_live l on l.id = d.parent_id
    where d.job_id = p_workflow
      and d.member
      and l.cancel_requested_at is null
      and l.id not in (select c.id from cleaning c)
    order by l.id
  loop
    perform cancel_one(member, 'another job of the workflow failed', 'workflow', false);
    -- The ends of these lead here again.
    exit when clock_timestamp() > until;
  end loop;
end
$$;

COMMENT ON FUNCTION tidemill.stop_workflow(p_workflow uuid) IS 'Cancels the members of a workflow that are live, but for those that run after failures; when it takes long, the rest of them in later calls.';

CREATE FUNCTION tidemill.superseder_of(p_job tidemill.jobs) RETURNS uuid
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
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
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tidemill', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET standard_conforming_strings TO 'on'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
declare
  taken record;
  moved integer := 0;
  bad uuid[] := '{}';
  passed integer := 0;
  -- What was taken back by then is kept, however slow the database is: a statement that is cancelled keeps nothing.
  until timestamptz := clock_timestamp() + coalesce(nullif(current_setting('statement_timeout')::interval, '0') / 3, '10 seconds');
  open_since timestamptz := open_pause();
  paused boolean;
begin
  -- Nobody swept for long: called by hand, or before the keeper noted it.
  if open_since is not null then
    perform note_sweep();
    open_since := open_pause();
  end if;
  paused := open_since is not null or exists (select from sweep_pauses);
  loop
    -- Judged and locked in one statement; the job's row first, as every other writer does. A row that
    -- somebody else holds is passed over and seen by the next sweep.
    for taken in
      select r.job_id, r.lease_id, r.worker_id,
        case
          when r.lease_expires_at + case when paused then time_off(r.seen_at, open_since) else '0' end < clock_timestamp() then 'lease_expired'
          else 'deadline_passed'
        end as reason
      from running r
      join jobs_live j on j.id = r.job_id and j.lease_id = r.lease_id
      -- Time in which nobody could sweep, and no worker renew, is added.
      where (
          r.lease_expires_at < clock_timestamp()
            and (not paused or r.lease_expires_at + time_off(r.seen_at, open_since) < clock_timestamp())
          or r.deadline_at < clock_timestamp()
            and (not paused or r.deadline_at + time_off(r.started_at, open_since) < clock_timestamp()))
        and r.job_id <> all(bad)
      -- As those who take unique keys and line groups up do.
      order by j.unique_key, j.queue, j.priority, j.group_id
      limit p_limit
      for update of j, r skip locked
    loop
      exit when clock_timestamp() > until;
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
        moved := moved + 1;
      exception when others then
        -- One bad row never stops the rest; it is tried again by the next sweep, and told in the log.
        raise warning 'sweep could not take back job %: %', taken.job_id, sqlerrm;
        bad := bad || taken.job_id;
      end;
    end loop;
    -- Bad rows may have filled the batch: then whoever lies behind them has his turn.
    exit when cardinality(bad) = passed or moved >= p_limit or cardinality(bad) >= 20 * p_limit or clock_timestamp() > until;
    passed := cardinality(bad);
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

COMMENT ON FUNCTION tidemill.sweep(p_limit integer) IS 'Takes back the jobs whose lease expired or whose deadline passed (time in which nobody could sweep does not count), and cancels those that nobody started in time; safe to run anywhere, any time.';

CREATE FUNCTION tidemill.take_key_again(p_job uuid, p_key text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
begin
  insert into unique_keys (key) values (p_key) on conflict do nothing;
  -- Who holds a job waits for no key: somebody just takes it.
  perform from unique_keys where key = p_key for update skip locked;
  if found then
    update unique_keys u
    set
      job_id = case when exists (select from jobs_live l where l.id = u.job_id) then u.job_id else p_job end,
      supersedes = array_remove(u.supersedes, p_job),
      seen_at = clock_timestamp()
    where u.key = p_key;
  end if;
end
$$;

COMMENT ON FUNCTION tidemill.take_key_again(p_job uuid, p_key text) IS 'Gives its key back to a job that is live again, unless another live one has it by now; then neither gives way.';

CREATE FUNCTION tidemill.take_notices(p_limit integer DEFAULT 20) RETURNS TABLE(id uuid, event text, channel text, target text, attempts integer, alert jsonb)
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  with due as materialized (
    select n.id
    from alert_notices n
    where n.sent_at is null
      and n.due_at <= clock_timestamp()
      and n.attempts < 20
      -- Nobody hears that it is over before that it began: that is still to be told, or is being told.
      and (n.event = 'fired' or not exists (
        select
        from alert_notices f
        where f.alert_id = n.alert_id
          and f.event = 'fired'
          and f.channel = n.channel
          and f.target = n.target
          and f.sent_at is null
          and (f.attempts < 20 or f.due_at > clock_timestamp())))
    order by n.due_at
    limit p_limit
    for update skip locked
  ),
  taken as (
    update alert_notices n
    -- Nobody else takes it while it is being sent; if the sender dies, or the receiver is away, it comes again.
    set due_at = clock_timestamp() + least(interval '30 seconds' * (2 ^ n.attempts), interval '1 hour'), attempts = n.attempts + 1
    from due d
    where n.id = d.id
    returning n.*
  )
  select
    t.id, t.event, t.channel, t.target, t.attempts,
    jsonb_build_object(
      'id', a.id, 'rule', a.rule, 'subject', a.subject, 'value', a.value, 'above', a.above, 'message', a.message,
      'since', a.since, 'fired_at', a.fired_at, 'resolved_at', a.resolved_at)
  from taken t
  join alerts a on a.id = t.alert_id
  order by t.id
$$;

COMMENT ON FUNCTION tidemill.take_notices(p_limit integer) IS 'Takes notices that are due, to send them now: each is whoever takes it for 30 s, and then comes again unless notice_sent says that it was told. After 20 tries it is given up. That an alert is resolved is for nobody who is still to be told that it fired.';

CREATE FUNCTION tidemill.take_room(p_queue text, p_most integer, p_wished integer, p_wait boolean) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  r queue_room;
  began timestamptz;
  taken integer;
begin
  -- Its row comes with its bound, unless that was set by hand.
  if not exists (select from queue_room where queue = p_queue) then
    insert into queue_room (queue) values (p_queue) on conflict do nothing;
  end if;
  -- Held until the commit: what others took and have not committed yet is waited for, so that no count misses it.
  if p_wait then
    select * into r from queue_room where queue = p_queue for update;
  else
    select * into r from queue_room where queue = p_queue for update skip locked;
    if not found then
      return null;
    end if;
  end if;
  began := clock_timestamp();
  if (r.room < p_wished or r.counted_at < began - interval '10 seconds')
    -- A full queue is asked for room again and again: counting many jobs takes at most a tenth of the time.
    and (r.count_took < interval '2 ms' or r.counted_at < began - 10 * r.count_took)
  then
    r.room := p_most - count_queued(p_queue, p_most);
    r.counted_at := clock_timestamp();
    r.count_took := r.counted_at - began;
  end if;
  taken := least(r.room, p_wished);
  update queue_room
  set room = r.room - taken, counted_at = r.counted_at, count_took = r.count_took
  where queue = p_queue;
  return taken;
end
$$;

COMMENT ON FUNCTION tidemill.take_room(p_queue text, p_most integer, p_wished integer, p_wait boolean) IS 'Takes room for so many jobs in a queue with a bound, until the transaction ends; answers for how many there was, without p_wait null if somebody else has the room at this moment.';

CREATE FUNCTION tidemill.take_unique_keys(p_wishes jsonb[], p_ids uuid[]) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
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
  -- Before any job, as everybody does who tells others of jobs: an older one that gives way is cancelled.
  perform lock_workflows_of(array(
    select u.job_id
    from unnest(p_wishes) as w (wish)
    join unique_keys u on u.key in (w.wish ->> 'key', w.wish ->> 'next_key')
    where not w.wish -> 'terms' -> 'states' ? 'retrying'));
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

CREATE FUNCTION tidemill.tell_of_alerts(p_alerts uuid[], p_event text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  insert into alert_notices (id, alert_id, event, channel, target)
  select new_job_id(), a.id, p_event, t.channel, t.target
  from alerts a
  left join alert_rules r on r.name = a.rule
  cross join lateral (
    select 'log' as channel, '' as target
    union all
    select 'webhook', r.webhook where r.webhook is not null
    union all
    select 'email', address from unnest(r.email) as e (address)
  ) t
  where a.id = any(p_alerts)
  on conflict do nothing
$$;

COMMENT ON FUNCTION tidemill.tell_of_alerts(p_alerts uuid[], p_event text) IS 'Writes whom to tell that alerts fired or are resolved; each is written once.';

CREATE FUNCTION tidemill.terms_of(p_job uuid) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  -- One that waited for its children as well is past the terms that it had at first.
  select case when min(run_if) = max(run_if) then min(run_if) else 'all_finished' end
  from dependencies
  where job_id = p_job
$$;

COMMENT ON FUNCTION tidemill.terms_of(p_job uuid) IS 'Which ends of those that it waited for let a finished job run again; null if it waited for none.';

CREATE FUNCTION tidemill.thin_out_day(p_part text, p_since timestamp with time zone) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    SET lock_timeout TO '500ms'
    AS $_$
declare
  needed uuid[];
  stays bigint;
  every bigint;
begin
  execute format('
    select array(
      select wanted(array(
        select j.id from %I j where j.awaited or exists (select from steps s where s.spawned_id = j.id)), $1))', p_part)
  into needed
  using p_since;
  if needed = '{}' then
    return 'drop';
  end if;
  -- Who would change one of them meanwhile waits; readers go on until the copy is made.
  execute format('lock table %I in share row exclusive mode', p_part);
  execute format('create unlogged table %I as select j.* from %I j join unnest($1) as n (id) on n.id = j.id', p_part || '_kept', p_part)
  using needed;
  execute format('select (select count(*) from %I), (select count(*) from %I)', p_part || '_kept', p_part) into stays, every;
  if stays = every then
    execute format('drop table %I', p_part || '_kept');
    return 'keep';
  end if;
  execute format('select forget_names(array(select j.id from %I j where not exists (select from unnest($1) as n (id) where n.id = j.id)))', p_part)
  using needed;
  execute format('truncate %I', p_part);
  execute format('insert into %I select * from %I', p_part, p_part || '_kept');
  execute format('drop table %I', p_part || '_kept');
  return 'thinned';
end
$_$;

COMMENT ON FUNCTION tidemill.thin_out_day(p_part text, p_since timestamp with time zone) IS 'Takes out of a day of jobs what nobody needs, if others need some of it: thinned. keep: they need all of it; drop: nobody needs any, and nothing was done.';

CREATE FUNCTION tidemill.time_off(p_from timestamp with time zone, p_open timestamp with time zone) RETURNS interval
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select coalesce(sum(p.until - greatest(p.since, p_from)), '0')
  from (
    select since, until
    from sweep_pauses
    where until > p_from
    union all
    select p_open, clock_timestamp()
    where p_open is not null
  ) p
  where p.until > p_from
$$;

COMMENT ON FUNCTION tidemill.time_off(p_from timestamp with time zone, p_open timestamp with time zone) IS 'How much of the time since p_from does not count, for nobody could sweep; p_open is what open_pause() says.';

CREATE FUNCTION tidemill.token_after(p_tokens double precision, p_limit tidemill.limits) RETURNS interval
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select make_interval(secs => greatest(1 - p_tokens, 0) * extract(epoch from p_limit.rate_period)::double precision / p_limit.rate)
$$;

COMMENT ON FUNCTION tidemill.token_after(p_tokens double precision, p_limit tidemill.limits) IS 'How long it takes until so many tokens are a whole one.';

CREATE FUNCTION tidemill.tokens_of(p_key text, p_limit tidemill.limits) RETURNS double precision
    LANGUAGE sql
    SET search_path TO 'tidemill', 'pg_temp'
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
    SET search_path TO 'tidemill', 'pg_temp'
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
    SET search_path TO 'tidemill', 'pg_temp'
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
    SET search_path TO 'tidemill', 'pg_temp'
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
    SET search_path TO 'tidemill', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    AS $_$
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
    -- 1.0 is 1, however it is written.
    if chosen::text ~ '\.[0-9]*0([^0-9]|$)' then
      chosen := with_plain_numbers(chosen);
    end if;
    key := 'sha256:' || encode(sha256(convert_to(jsonb_build_array(
      p_kind,
      case when p_terms -> 'by' ? 'queue' then p_queue end,
      case when p_terms -> 'by' ? 'args' or p_terms ? 'args' then chosen end)::text, 'UTF8')), 'hex');
  end if;
  return key || coalesce('@' || trim_scale(floor(extract(epoch from p_run_at) / period) * period) || '/' || trim_scale(period), '');
end
$_$;

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
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select jsonb_build_object(
    'ord', i.ord, 'id', i.id, 'execution_id', i.execution_id, 'terms', t.terms,
    'key', unique_key(t.terms, i.kind, d.queue, i.args, d.run_at),
    'next_key', case when n.run_at is not null then unique_key(t.terms, i.kind, d.queue, i.args, n.run_at) end,
    'next_run_at', n.run_at,
    'fields', (
      select jsonb_object_agg(f.key, f.value)
      from jsonb_each(jsonb_build_object(
        'args', coalesce(i.options -> 'sealed', i.args), 'run_at', d.run_at, 'priority', coalesce(i.priority, k.priority, 5),
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

CREATE FUNCTION tidemill.veil_webhook(p_value jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select case when p_value ->> 'webhook' is null then p_value
    else p_value || jsonb_build_object('webhook', veiled_address(p_value ->> 'webhook')) end
$$;

COMMENT ON FUNCTION tidemill.veil_webhook(p_value jsonb) IS 'An alert rule whose webhook is only shown by its scheme and host.';

CREATE FUNCTION tidemill.veiled_address(p_url text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'tidemill', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    AS $$
  -- A backslash ends a host as a slash does.
  select coalesce(substring(p_url from '^https?://'), '') || coalesce(substring(p_url from '^https?://(?:[^/?#\\]*@)?([^/?#\\@]*)'), '') || '/…'
  where p_url is not null
$$;

COMMENT ON FUNCTION tidemill.veiled_address(p_url text) IS 'The address without what may be a token: its scheme and host.';

CREATE FUNCTION tidemill.wait_again(p_job tidemill.jobs, p_event jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  edge dependencies;
begin
  select * into edge
  from dependencies
  where job_id = p_job.id
  order by run_at is null and delay is null
  limit 1;
  delete from jobs where id = p_job.id and finished_at = p_job.finished_at;
  p_job.state := 'waiting';
  p_job.run_at := 'infinity';
  p_job.due_at := case when p_job.group_id is not null then 'infinity'::timestamptz end;
  p_job.finished_at := null;
  p_job.retain_until := null;
  p_job.cancel_requested_at := null;
  p_job.expires_at := null;
  p_job.error := null;
  p_job.result := null;
  p_job.max_attempts := greatest(p_job.max_attempts, p_job.attempt + 1);
  p_job.written_in := (pg_current_xact_id()::text)::numeric;
  insert into jobs_live select (p_job).*;
  if p_job.unique_key is not null then
    perform take_key_again(p_job.id, p_job.unique_key);
  end if;
  insert into waits (job_id, run_if, run_at, delay)
  values (p_job.id, terms_of(p_job.id), edge.run_at, edge.delay)
  on conflict do nothing;
  perform tell(format('e:%s:%s', p_job.id, append_event(p_job.id, p_job.attempt, 'retry', p_event)));
end
$$;

COMMENT ON FUNCTION tidemill.wait_again(p_job tidemill.jobs, p_event jsonb) IS 'Makes a locked finished job, which waited for others, wait for them once more, by the terms that it had.';

CREATE FUNCTION tidemill.wait_verdict(p_job uuid, p_run_if text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
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

CREATE FUNCTION tidemill.wake_waits(p_limit integer DEFAULT 500) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
declare
  late record;
  woken integer := 0;
begin
  for late in
    select w.job_id, w.signal
    from waits w
    join jobs_live j on j.id = w.job_id
    where w.until < clock_timestamp()
    order by w.until
    limit p_limit
    for update of j skip locked
  loop
    if late.signal is not null then
      insert into signals (job_id, name, timed_out) values (late.job_id, late.signal, true) on conflict do nothing;
    end if;
    perform let_go(late.job_id);
    woken := woken + 1;
  end loop;
  return woken;
end
$$;

COMMENT ON FUNCTION tidemill.wake_waits(p_limit integer) IS 'Lets jobs go on without the signal that did not come in time; answers how many. resolve() calls it.';

CREATE FUNCTION tidemill.wanted(p_jobs uuid[], p_since timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS SETOF uuid
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  with recursive above (id, job_id, member) as (
    select d.parent_id, d.job_id, d.member
    from unnest(p_jobs) as i (id)
    join dependencies d on d.parent_id = i.id
    union
    -- What belongs to a nested workflow belongs to the one around it as well.
    select a.id, d.job_id, true
    from above a
    join dependencies d on d.parent_id = a.job_id
    where a.member
      and d.member
  ),
  around as materialized (select distinct job_id from above where member),
  readers as (
    select l.id
    from above a
    join jobs_live l on l.id = a.job_id
    union
    select r.job_id
    from around r
    where exists (select from jobs j where j.id = r.job_id and j.finished_at >= p_since)
  )
  select a.id
  from above a
  join readers r on r.id = a.job_id
  union
  -- Who spawned it has not asked yet how it ended.
  select s.spawned_id
  from unnest(p_jobs) as i (id)
  join steps s on s.spawned_id = i.id
  join jobs_live l on l.id = s.job_id
$$;

COMMENT ON FUNCTION tidemill.wanted(p_jobs uuid[], p_since timestamp with time zone) IS 'Those of the given finished jobs that others still need: a live one waits for them, spawned them or is their workflow, or with p_since their workflow ended since then.';

CREATE FUNCTION tidemill.with_plain_numbers(p_value jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select case jsonb_typeof(p_value)
    when 'number' then to_jsonb(trim_scale(p_value::numeric))
    when 'array' then (
      select coalesce(jsonb_agg(with_plain_numbers(a.value) order by a.ord), '[]')
      from jsonb_array_elements(p_value) with ordinality as a (value, ord))
    when 'object' then (
      select coalesce(jsonb_object_agg(o.key, with_plain_numbers(o.value)), '{}')
      from jsonb_each(p_value) o)
    else p_value
  end
$$;

COMMENT ON FUNCTION tidemill.with_plain_numbers(p_value jsonb) IS 'The same JSON with its numbers without zeros behind the last digit, so that equal ones are written alike.';

CREATE FUNCTION tidemill.with_sealed(p_schedule tidemill.schedules, p_sealed jsonb) RETURNS tidemill.schedules
    LANGUAGE plpgsql
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
begin
  if p_sealed is null then
    return p_schedule;
  end if;
  if p_sealed ->> 'of' is distinct from md5((p_schedule.job -> 'args')::text) then
    raise exception 'the args of schedule % were changed meanwhile', p_schedule.name using errcode = 'serialization_failure';
  end if;
  p_schedule.job := p_schedule.job || jsonb_build_object('sealed', p_sealed -> 'as');
  return p_schedule;
end
$$;

COMMENT ON FUNCTION tidemill.with_sealed(p_schedule tidemill.schedules, p_sealed jsonb) IS 'The schedule with its job''s args as a scheduler sealed them ({of: md5 of the args, as: what is stored}), for this firing alone.';

CREATE FUNCTION tidemill.workflow_result(p_workflow uuid) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select case w.result_is
      when 'array' then coalesce(jsonb_agg(j.result order by d.ord) filter (where d.parent_id is not null), '[]')
      when 'last' then jsonb_agg(j.result order by d.ord desc) -> 0
      else coalesce(jsonb_object_agg(coalesce(d.name, d.parent_id::text), j.result) filter (where d.parent_id is not null), '{}')
    end
  from workflows w
  left join dependencies d on d.job_id = w.id and d.member
  left join jobs j on j.id = d.parent_id
  where w.id = p_workflow
  group by w.result_is
$$;

COMMENT ON FUNCTION tidemill.workflow_result(p_workflow uuid) IS 'What a workflow brought: the results of its members.';

CREATE FUNCTION tidemill.written_since(p_since timestamp with time zone) RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path TO 'tidemill', 'pg_temp'
    AS $$
  select least(
    (select min(written_in)::bigint from jobs where finished_at >= p_since),
    (select min(written_in) from events where at >= p_since),
    (select min(written_in)::bigint from jobs_live where finished_at is null and created_at >= p_since),
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint)
$$;

COMMENT ON FUNCTION tidemill.written_since(p_since timestamp with time zone) IS 'The first transaction that wrote anything since a time, or the next one.';

CREATE TABLE tidemill.alert_notices (
    id uuid NOT NULL,
    alert_id uuid NOT NULL,
    event text NOT NULL,
    channel text NOT NULL,
    target text DEFAULT ''::text NOT NULL,
    due_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    sent_at timestamp with time zone,
    error text,
    CONSTRAINT alert_notices_channel_is_known CHECK ((channel = ANY (ARRAY['log'::text, 'webhook'::text, 'email'::text]))),
    CONSTRAINT alert_notices_event_is_known CHECK ((event = ANY (ARRAY['fired'::text, 'resolved'::text])))
);

COMMENT ON TABLE tidemill.alert_notices IS 'Whom to tell of which alert: written in the transaction in which it fires or is resolved, ticked off when it was told.';

COMMENT ON COLUMN tidemill.alert_notices.id IS 'UUIDv7; the receiver of a webhook sees it as webhook-id, the same at each try.';

COMMENT ON COLUMN tidemill.alert_notices.alert_id IS 'The alert.';

COMMENT ON COLUMN tidemill.alert_notices.event IS 'fired or resolved.';

COMMENT ON COLUMN tidemill.alert_notices.channel IS 'log, webhook or email.';

COMMENT ON COLUMN tidemill.alert_notices.target IS 'The address.';

COMMENT ON COLUMN tidemill.alert_notices.due_at IS 'Not tried before; moved ahead by whoever takes it.';

COMMENT ON COLUMN tidemill.alert_notices.attempts IS 'How often it was tried.';

COMMENT ON COLUMN tidemill.alert_notices.sent_at IS 'When it was told.';

COMMENT ON COLUMN tidemill.alert_notices.error IS 'Why the last try failed.';

CREATE TABLE tidemill.alerts (
    id uuid NOT NULL,
    rule text NOT NULL,
    subject text NOT NULL,
    value double precision NOT NULL,
    above double precision NOT NULL,
    message text NOT NULL,
    since timestamp with time zone NOT NULL,
    fired_at timestamp with time zone,
    clear_since timestamp with time zone,
    resolved_at timestamp with time zone,
    CONSTRAINT alerts_fire_before_they_are_resolved CHECK (((resolved_at IS NULL) OR (fired_at IS NOT NULL)))
);

COMMENT ON TABLE tidemill.alerts IS 'What the rules found: pending until fired_at, firing until resolved_at. Kept 90 days.';

COMMENT ON COLUMN tidemill.alerts.id IS 'UUIDv7.';

COMMENT ON COLUMN tidemill.alerts.rule IS 'The rule.';

COMMENT ON COLUMN tidemill.alerts.subject IS 'What it is about: kind:NAME, queue:NAME, workers, jobs or database.';

COMMENT ON COLUMN tidemill.alerts.value IS 'What was measured last while it was too much.';

COMMENT ON COLUMN tidemill.alerts.above IS 'What the rule allowed.';

COMMENT ON COLUMN tidemill.alerts.message IS 'That in words.';

COMMENT ON COLUMN tidemill.alerts.since IS 'Since when it is too much.';

COMMENT ON COLUMN tidemill.alerts.fired_at IS 'When it fired; null while it is pending.';

COMMENT ON COLUMN tidemill.alerts.clear_since IS 'Since when it is not too much any more.';

COMMENT ON COLUMN tidemill.alerts.resolved_at IS 'When it was resolved.';

CREATE VIEW tidemill.alert_log AS
 SELECT a.id,
    a.rule,
    a.subject,
        CASE
            WHEN (a.resolved_at IS NOT NULL) THEN 'resolved'::text
            WHEN (a.fired_at IS NOT NULL) THEN 'firing'::text
            ELSE 'pending'::text
        END AS state,
    a.value,
    a.above,
    a.message,
    a.since,
    a.fired_at,
    a.resolved_at,
    ( SELECT count(*) AS count
           FROM tidemill.alert_notices n
          WHERE ((n.alert_id = a.id) AND (n.sent_at IS NULL))) AS untold,
    ( SELECT max(n.error) AS max
           FROM tidemill.alert_notices n
          WHERE ((n.alert_id = a.id) AND (n.sent_at IS NULL))) AS last_error
   FROM tidemill.alerts a;

COMMENT ON VIEW tidemill.alert_log IS 'What alert rules found: pending, firing or resolved, and how many were not told of it yet.';

CREATE VIEW tidemill.alert_rule_status AS
 SELECT r.name,
    r.condition,
    r.above,
    r.kind,
    r.queue,
    r.at_least,
    r.over,
    r.hold,
    tidemill.veiled_address(r.webhook) AS webhook,
    r.email,
    r.from_config,
    r.updated_at,
    ( SELECT count(*) AS count
           FROM tidemill.alerts a
          WHERE ((a.rule = r.name) AND (a.fired_at IS NOT NULL) AND (a.resolved_at IS NULL))) AS firing,
    ( SELECT max(a.fired_at) AS max
           FROM tidemill.alerts a
          WHERE (a.rule = r.name)) AS last_fired_at
   FROM tidemill.alert_rules r;

COMMENT ON VIEW tidemill.alert_rule_status IS 'When somebody is told, and how many alerts of each rule fire. Of a webhook only the host is shown: the rest may be a token.';

CREATE VIEW tidemill.all_jobs AS
 SELECT jobs.id,
    jobs.kind,
    jobs.queue,
    tidemill.shown_state(jobs.state, jobs.attempt, jobs.run_at, jobs.due_at) AS status,
    jobs.priority,
    jobs.attempt,
    jobs.max_attempts,
    NULLIF(COALESCE(NULLIF(jobs.run_at, 'infinity'::timestamp with time zone), jobs.due_at), 'infinity'::timestamp with time zone) AS run_at,
    jobs.created_at,
    jobs.started_at,
    jobs.finished_at,
    COALESCE(jobs.worker_id, jobs.last_worker_id) AS worker_id,
    jobs.execution_id,
    jobs.workflow_id,
    jobs.tags,
    tidemill.redact(jobs.metadata) AS metadata,
    tidemill.redact(jobs.args) AS args,
    tidemill.redact(jobs.result) AS result,
    tidemill.redact(jobs.error) AS error
   FROM tidemill.jobs;

COMMENT ON VIEW tidemill.all_jobs IS 'Every job, live or finished, to look it up by its id.';

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

CREATE TABLE tidemill.artifact_referrers (
    owner_id uuid NOT NULL,
    job_id uuid NOT NULL
);

COMMENT ON TABLE tidemill.artifact_referrers IS 'Jobs whose args or result lie in the storage as those of another one: of a fork, of who got results passed or took args over. They stay until the last of these jobs is gone.';

COMMENT ON COLUMN tidemill.artifact_referrers.owner_id IS 'Whose args or result it was.';

COMMENT ON COLUMN tidemill.artifact_referrers.job_id IS 'Who refers to it.';

CREATE TABLE tidemill.artifacts (
    path text NOT NULL,
    job_id uuid NOT NULL,
    name text NOT NULL,
    content_type text NOT NULL,
    bytes bigint NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    checked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    doomed_at timestamp with time zone
);

COMMENT ON TABLE tidemill.artifacts IS 'Files of jobs in object storage: what handlers kept, and args and results that are too large for a row. Removed after their job.';

COMMENT ON COLUMN tidemill.artifacts.path IS 'Where it lies below the storage''s address.';

COMMENT ON COLUMN tidemill.artifacts.job_id IS 'Whose it is.';

COMMENT ON COLUMN tidemill.artifacts.name IS 'Its name within the job; the newest of a name counts.';

COMMENT ON COLUMN tidemill.artifacts.content_type IS 'What it is, such as image/png.';

COMMENT ON COLUMN tidemill.artifacts.bytes IS 'Its size.';

COMMENT ON COLUMN tidemill.artifacts.created_at IS 'When it was kept.';

COMMENT ON COLUMN tidemill.artifacts.checked_at IS 'When it was last seen that its job is still there.';

COMMENT ON COLUMN tidemill.artifacts.doomed_at IS 'Since when nobody can need it any more and it is being removed; nothing refers to it from then on.';

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

CREATE VIEW tidemill.audit_trail AS
 SELECT audit_log.at,
    audit_log.who,
    audit_log.db_user,
    audit_log.act,
    audit_log.subject,
        CASE
            WHEN (audit_log.subject ~~ 'alert:%'::text) THEN tidemill.veil_webhook(audit_log.before)
            ELSE tidemill.redact(audit_log.before)
        END AS before,
        CASE
            WHEN (audit_log.subject ~~ 'alert:%'::text) THEN tidemill.veil_webhook(audit_log.after)
            ELSE tidemill.redact(audit_log.after)
        END AS after
   FROM tidemill.audit_log;

COMMENT ON VIEW tidemill.audit_trail IS 'What people did to jobs and settings, with who and how it was before.';

CREATE TABLE tidemill.stats (
    minute timestamp with time zone NOT NULL,
    queue text NOT NULL,
    kind text NOT NULL,
    outcome text NOT NULL,
    jobs bigint NOT NULL,
    waited interval DEFAULT '00:00:00'::interval NOT NULL,
    ran interval DEFAULT '00:00:00'::interval NOT NULL,
    ran_least interval,
    ran_most interval
)
WITH (fillfactor='70');

COMMENT ON TABLE tidemill.stats IS 'Counters a minute of the last 14 days, so that no page counts jobs.';

COMMENT ON COLUMN tidemill.stats.minute IS 'Beginning of the minute.';

COMMENT ON COLUMN tidemill.stats.queue IS 'The queue.';

COMMENT ON COLUMN tidemill.stats.kind IS 'The kind.';

COMMENT ON COLUMN tidemill.stats.outcome IS 'As in stats_deltas.';

COMMENT ON COLUMN tidemill.stats.jobs IS 'How many.';

COMMENT ON COLUMN tidemill.stats.waited IS 'How long they waited, together.';

COMMENT ON COLUMN tidemill.stats.ran IS 'How long they ran, together.';

COMMENT ON COLUMN tidemill.stats.ran_least IS 'How long the shortest of them ran; null if none did.';

COMMENT ON COLUMN tidemill.stats.ran_most IS 'How long the longest of them ran; null if none did.';

CREATE TABLE tidemill.stats_deltas (
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    queue text NOT NULL,
    kind text NOT NULL,
    outcome text NOT NULL,
    jobs bigint NOT NULL,
    waited interval DEFAULT '00:00:00'::interval NOT NULL,
    ran interval DEFAULT '00:00:00'::interval NOT NULL,
    ran_least interval,
    ran_most interval
)
WITH (autovacuum_vacuum_scale_factor='0.0', autovacuum_vacuum_threshold='1000');

ALTER TABLE ONLY tidemill.stats_deltas REPLICA IDENTITY FULL;

COMMENT ON TABLE tidemill.stats_deltas IS 'What was counted and is not in stats yet: a few rows for each batch of jobs, in the transaction of the batch. Folded by the keeper.';

COMMENT ON COLUMN tidemill.stats_deltas.at IS 'When it happened.';

COMMENT ON COLUMN tidemill.stats_deltas.queue IS 'The queue.';

COMMENT ON COLUMN tidemill.stats_deltas.kind IS 'The kind.';

COMMENT ON COLUMN tidemill.stats_deltas.outcome IS 'enqueued, completed, failed, cancelled, or retried (an attempt that failed and is tried again).';

COMMENT ON COLUMN tidemill.stats_deltas.jobs IS 'How many.';

COMMENT ON COLUMN tidemill.stats_deltas.waited IS 'How long they waited for their last start, together.';

COMMENT ON COLUMN tidemill.stats_deltas.ran IS 'How long their last attempts ran, together.';

COMMENT ON COLUMN tidemill.stats_deltas.ran_least IS 'How long the shortest of them ran; null if none did.';

COMMENT ON COLUMN tidemill.stats_deltas.ran_most IS 'How long the longest of them ran; null if none did.';

CREATE VIEW tidemill.counters AS
 SELECT stats.minute,
    stats.queue,
    stats.kind,
    stats.outcome,
    stats.jobs,
    stats.waited,
    stats.ran,
    stats.ran_least,
    stats.ran_most
   FROM tidemill.stats
UNION ALL
 SELECT date_trunc('minute'::text, stats_deltas.at) AS minute,
    stats_deltas.queue,
    stats_deltas.kind,
    stats_deltas.outcome,
    stats_deltas.jobs,
    stats_deltas.waited,
    stats_deltas.ran,
    stats_deltas.ran_least,
    stats_deltas.ran_most
   FROM tidemill.stats_deltas;

COMMENT ON VIEW tidemill.counters IS 'What was counted in the last 14 days, a minute a row or several: outcome is enqueued, completed, failed, cancelled or retried.';

CREATE TABLE tidemill.dependencies (
    job_id uuid NOT NULL,
    parent_id uuid NOT NULL,
    ord integer DEFAULT 1 NOT NULL,
    member boolean DEFAULT false NOT NULL,
    name text,
    pass_as text,
    run_if text DEFAULT 'all_completed'::text NOT NULL,
    outcome text,
    resolved_at timestamp with time zone,
    run_at timestamp with time zone,
    delay interval,
    CONSTRAINT dependencies_are_of_two_jobs CHECK ((job_id <> parent_id)),
    CONSTRAINT dependencies_are_resolved_once CHECK (((outcome IS NULL) = (resolved_at IS NULL))),
    CONSTRAINT dependencies_outcome_is_known CHECK ((outcome = ANY (ARRAY['completed'::text, 'failed'::text, 'cancelled'::text, 'skipped'::text])))
)
WITH (fillfactor='70');

COMMENT ON TABLE tidemill.dependencies IS 'Which job waits for the end of which; the members of a workflow are the jobs that it waits for.';

COMMENT ON COLUMN tidemill.dependencies.job_id IS 'The job that waits.';

COMMENT ON COLUMN tidemill.dependencies.parent_id IS 'The job that it waits for.';

COMMENT ON COLUMN tidemill.dependencies.ord IS 'Order of the parents, from 1.';

COMMENT ON COLUMN tidemill.dependencies.member IS 'True if the one that waits is the workflow of its parent.';

COMMENT ON COLUMN tidemill.dependencies.name IS 'What the parent is called in the workflow.';

COMMENT ON COLUMN tidemill.dependencies.pass_as IS 'The arg under which the job gets the parent''s result; name[] gathers several into an array.';

COMMENT ON COLUMN tidemill.dependencies.run_if IS 'As in waits; what is retried waits by it again.';

COMMENT ON COLUMN tidemill.dependencies.outcome IS 'How the parent ended: completed, failed, cancelled or skipped (it was not needed); null until it did.';

COMMENT ON COLUMN tidemill.dependencies.resolved_at IS 'When that was noted.';

COMMENT ON COLUMN tidemill.dependencies.run_at IS 'As in waits; what is retried waits by it again.';

COMMENT ON COLUMN tidemill.dependencies.delay IS 'As in waits; what is retried waits by it again.';

CREATE TABLE tidemill.deployments (
    name text NOT NULL,
    revision bigint,
    declared_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT deployments_are_named CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'::text)),
    CONSTRAINT deployments_revision_is_not_negative CHECK ((revision >= 0))
);

COMMENT ON TABLE tidemill.deployments IS 'The deployments whose processes wrote what their configs declare: schedules, alert rules, limits, redacted keys.';

COMMENT ON COLUMN tidemill.deployments.name IS 'deployment.name of their configs.';

COMMENT ON COLUMN tidemill.deployments.revision IS 'The largest deployment.revision that was seen; a process with a smaller one changes nothing. Null: none has one.';

COMMENT ON COLUMN tidemill.deployments.declared_at IS 'When a process of it last started.';

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
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    written_in bigint DEFAULT ((pg_current_xact_id())::text)::bigint NOT NULL
)
PARTITION BY RANGE (at);

COMMENT ON TABLE tidemill.events IS 'The numbered log of each job: progress, log lines, failed attempts, manual acts. Partitioned by day.';

COMMENT ON COLUMN tidemill.events.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.events.seq IS 'From 1, without gaps, in the order of commits.';

COMMENT ON COLUMN tidemill.events.attempt IS 'The try during which it happened.';

COMMENT ON COLUMN tidemill.events.type IS 'What happened: progress, log, attempt_failed, retry, snoozed, released, waits, step, spawned, signal, forked, cancel_requested, lease_lost, replaced, extended, expired, or a handler''s own.';

COMMENT ON COLUMN tidemill.events.data IS 'The type''s own fields.';

COMMENT ON COLUMN tidemill.events.at IS 'When it was written.';

COMMENT ON COLUMN tidemill.events.written_in IS 'The transaction that wrote the event.';

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

COMMENT ON TABLE tidemill.failure_causes IS 'What attempts failed of: one row a cause, counted from failure_deltas by the keeper.';

COMMENT ON COLUMN tidemill.failure_causes.fingerprint IS 'The cause, as in attempts.';

COMMENT ON COLUMN tidemill.failure_causes.kind IS 'Kind of the jobs.';

COMMENT ON COLUMN tidemill.failure_causes.type IS 'Class of the error.';

COMMENT ON COLUMN tidemill.failure_causes.message IS 'Message of the last failure.';

COMMENT ON COLUMN tidemill.failure_causes.failures IS 'How many attempts failed of it.';

COMMENT ON COLUMN tidemill.failure_causes.first_at IS 'The first of them.';

COMMENT ON COLUMN tidemill.failure_causes.last_at IS 'The last of them.';

COMMENT ON COLUMN tidemill.failure_causes.last_job_id IS 'A job to look at.';

CREATE TABLE tidemill.failure_deltas (
    fingerprint text NOT NULL,
    kind text NOT NULL,
    type text,
    message text NOT NULL,
    job_id uuid NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0.0', autovacuum_vacuum_threshold='1000');

ALTER TABLE ONLY tidemill.failure_deltas REPLICA IDENTITY FULL;

COMMENT ON TABLE tidemill.failure_deltas IS 'Failures that are not counted in failure_causes yet, each written in the transaction of its attempt''s end.';

COMMENT ON COLUMN tidemill.failure_deltas.fingerprint IS 'The cause.';

COMMENT ON COLUMN tidemill.failure_deltas.kind IS 'Kind of the job.';

COMMENT ON COLUMN tidemill.failure_deltas.type IS 'Class of the error.';

COMMENT ON COLUMN tidemill.failure_deltas.message IS 'Beginning of its message.';

COMMENT ON COLUMN tidemill.failure_deltas.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.failure_deltas.at IS 'When.';

CREATE VIEW tidemill.failures AS
 SELECT known.fingerprint,
    max(known.kind) AS kind,
    max(known.type) AS type,
    (tidemill.redact(jsonb_build_object('message', (array_agg("left"(known.message, 200) ORDER BY known.last_at DESC))[1])) ->> 'message'::text) AS message,
    (sum(known.failures))::bigint AS failures,
    min(known.first_at) AS first_at,
    max(known.last_at) AS last_at,
    (array_agg(known.last_job_id ORDER BY known.last_at DESC))[1] AS last_job_id
   FROM ( SELECT failure_causes.fingerprint,
            failure_causes.kind,
            failure_causes.type,
            failure_causes.message,
            failure_causes.failures,
            failure_causes.first_at,
            failure_causes.last_at,
            failure_causes.last_job_id
           FROM tidemill.failure_causes
        UNION ALL
         SELECT failure_deltas.fingerprint,
            failure_deltas.kind,
            failure_deltas.type,
            failure_deltas.message,
            1,
            failure_deltas.at,
            failure_deltas.at,
            failure_deltas.job_id
           FROM tidemill.failure_deltas) known
  GROUP BY known.fingerprint;

COMMENT ON VIEW tidemill.failures IS 'What attempts failed of: one row a cause, with how often, since when and a job to look at.';

CREATE TABLE tidemill.stats_hours (
    hour timestamp with time zone NOT NULL,
    queue text NOT NULL,
    kind text NOT NULL,
    outcome text NOT NULL,
    jobs bigint NOT NULL,
    waited interval DEFAULT '00:00:00'::interval NOT NULL,
    ran interval DEFAULT '00:00:00'::interval NOT NULL,
    ran_least interval,
    ran_most interval
)
WITH (fillfactor='70');

COMMENT ON TABLE tidemill.stats_hours IS 'Counters an hour: the minutes of stats in sum, and kept for two years.';

COMMENT ON COLUMN tidemill.stats_hours.hour IS 'Beginning of the hour, of UTC whatever the session''s time zone.';

COMMENT ON COLUMN tidemill.stats_hours.queue IS 'The queue.';

COMMENT ON COLUMN tidemill.stats_hours.kind IS 'The kind.';

COMMENT ON COLUMN tidemill.stats_hours.outcome IS 'As in stats_deltas.';

COMMENT ON COLUMN tidemill.stats_hours.jobs IS 'How many.';

COMMENT ON COLUMN tidemill.stats_hours.waited IS 'How long they waited, together.';

COMMENT ON COLUMN tidemill.stats_hours.ran IS 'How long they ran, together.';

COMMENT ON COLUMN tidemill.stats_hours.ran_least IS 'How long the shortest of them ran; null if none did.';

COMMENT ON COLUMN tidemill.stats_hours.ran_most IS 'How long the longest of them ran; null if none did.';

CREATE VIEW tidemill.hourly_counters AS
 SELECT stats_hours.hour,
    stats_hours.queue,
    stats_hours.kind,
    stats_hours.outcome,
    stats_hours.jobs,
    stats_hours.waited,
    stats_hours.ran,
    stats_hours.ran_least,
    stats_hours.ran_most
   FROM tidemill.stats_hours
UNION ALL
 SELECT date_trunc('hour'::text, stats_deltas.at, 'UTC'::text) AS hour,
    stats_deltas.queue,
    stats_deltas.kind,
    stats_deltas.outcome,
    stats_deltas.jobs,
    stats_deltas.waited,
    stats_deltas.ran,
    stats_deltas.ran_least,
    stats_deltas.ran_most
   FROM tidemill.stats_deltas;

COMMENT ON VIEW tidemill.hourly_counters IS 'What was counted in the last two years, an hour a row or several: outcome as in counters.';

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

CREATE VIEW tidemill.job_artifacts AS
 SELECT DISTINCT ON (artifacts.job_id, artifacts.name) artifacts.job_id,
    artifacts.name,
    artifacts.content_type,
    artifacts.bytes,
    artifacts.created_at
   FROM tidemill.artifacts
  WHERE (artifacts.doomed_at IS NULL)
  ORDER BY artifacts.job_id, artifacts.name, artifacts.created_at DESC;

COMMENT ON VIEW tidemill.job_artifacts IS 'The files of each job in object storage, the newest of each name; ask with a job_id.';

CREATE VIEW tidemill.job_attempts AS
 SELECT attempts.job_id,
    attempts.attempt,
    attempts.outcome,
    attempts.worker_id,
    tidemill.redact(attempts.error) AS error,
    attempts.exit_code,
    attempts.signal,
    attempts.out_of_memory,
    attempts.peak_memory_bytes,
    attempts.fingerprint,
    attempts.log_tail,
    attempts.started_at,
    attempts.finished_at
   FROM tidemill.attempts;

COMMENT ON VIEW tidemill.job_attempts IS 'The tries of each job that failed, and of the others those with an exit code or memory; ask with a job_id.';

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
    j.written_in,
    tidemill.shown_state(j.state, j.attempt, j.run_at, j.due_at) AS status,
    p.percent,
    p.step,
    p.data AS progress_data,
    p.last_seq,
    p.updated_at AS progress_at
   FROM (tidemill.jobs j
     LEFT JOIN tidemill.progress p ON ((p.job_id = j.id)));

COMMENT ON VIEW tidemill.job_documents IS 'Each job with its progress: what the HTTP API shows.';

CREATE VIEW tidemill.job_events AS
 SELECT events.job_id,
    events.seq,
    events.at,
    events.attempt,
    events.type,
    tidemill.redact(events.data) AS data
   FROM tidemill.events;

COMMENT ON VIEW tidemill.job_events IS 'What happened to each job; ask with a job_id.';

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
    tidemill.redact(jobs.args) AS args,
    tidemill.redact(jobs.result) AS result,
    tidemill.redact(jobs.error) AS error
   FROM tidemill.jobs
  WHERE (jobs.finished_at IS NOT NULL);

COMMENT ON VIEW tidemill.job_history IS 'Finished jobs; ask with a range of finished_at to read only those days.';

CREATE VIEW tidemill.job_links AS
 SELECT dependencies.job_id,
    dependencies.parent_id,
    dependencies.ord,
    dependencies.name,
    dependencies.pass_as,
    dependencies.member,
    dependencies.run_if,
    dependencies.outcome,
    dependencies.resolved_at
   FROM tidemill.dependencies;

COMMENT ON VIEW tidemill.job_links IS 'Which job waits for which, and how that ended; the members of a workflow are its parents.';

CREATE TABLE tidemill.task_ids (
    execution_id text NOT NULL,
    job_id uuid NOT NULL,
    CONSTRAINT task_ids_are_short CHECK (((length(execution_id) >= 1) AND (length(execution_id) <= 255)))
);

COMMENT ON TABLE tidemill.task_ids IS 'The callers'' own names for pieces of work.';

COMMENT ON COLUMN tidemill.task_ids.execution_id IS 'The name, as the caller gave it.';

COMMENT ON COLUMN tidemill.task_ids.job_id IS 'The job that it stands for.';

CREATE VIEW tidemill.job_names AS
 SELECT task_ids.execution_id,
    task_ids.job_id
   FROM tidemill.task_ids;

COMMENT ON VIEW tidemill.job_names IS 'The callers'' own names and the jobs that they stand for.';

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

CREATE VIEW tidemill.job_signals AS
 SELECT signals.job_id,
    signals.name,
    tidemill.redact(signals.payload) AS payload,
    signals.timed_out,
    signals.sent_by,
    signals.sent_at
   FROM tidemill.signals;

COMMENT ON VIEW tidemill.job_signals IS 'The messages to each job.';

CREATE TABLE tidemill.steps (
    job_id uuid NOT NULL,
    name text NOT NULL,
    attempt integer NOT NULL,
    output jsonb,
    spawned_id uuid,
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

COMMENT ON COLUMN tidemill.steps.spawned_id IS 'The job that the step enqueued.';

COMMENT ON COLUMN tidemill.steps.created_at IS 'When it was first stored; the order of the steps.';

COMMENT ON COLUMN tidemill.steps.updated_at IS 'When it was last stored.';

CREATE VIEW tidemill.job_steps AS
 SELECT steps.job_id,
    steps.name,
    steps.attempt,
    tidemill.redact(steps.output) AS output,
    steps.spawned_id,
    steps.created_at,
    steps.updated_at
   FROM tidemill.steps;

COMMENT ON VIEW tidemill.job_steps IS 'The checkpoints of each job, and the jobs that it spawned.';

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
    written_in numeric DEFAULT ((pg_current_xact_id())::text)::numeric NOT NULL,
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
    tidemill.redact(jobs_live.args) AS args,
    (tidemill.redact(jobs_live.error) ->> 'message'::text) AS last_error,
    jobs_live.cancel_requested_at,
    jobs_live.concurrency_keys,
    jobs_live.fair_key,
    jobs_live.expires_at
   FROM tidemill.jobs_live;

COMMENT ON VIEW tidemill.jobs_now IS 'Live jobs with their shown state.';

CREATE VIEW tidemill.kind_stats AS
 SELECT hourly_counters.kind,
    hourly_counters.hour,
    (COALESCE(sum(hourly_counters.jobs) FILTER (WHERE (hourly_counters.outcome = 'enqueued'::text)), (0)::numeric))::bigint AS enqueued,
    (COALESCE(sum(hourly_counters.jobs) FILTER (WHERE (hourly_counters.outcome = 'completed'::text)), (0)::numeric))::bigint AS completed,
    (COALESCE(sum(hourly_counters.jobs) FILTER (WHERE (hourly_counters.outcome = 'failed'::text)), (0)::numeric))::bigint AS failed,
    (COALESCE(sum(hourly_counters.jobs) FILTER (WHERE (hourly_counters.outcome = 'cancelled'::text)), (0)::numeric))::bigint AS cancelled,
    (COALESCE(sum(hourly_counters.jobs) FILTER (WHERE (hourly_counters.outcome = 'retried'::text)), (0)::numeric))::bigint AS retried,
    (sum(hourly_counters.ran) FILTER (WHERE (hourly_counters.outcome = 'completed'::text)) / (NULLIF(sum(hourly_counters.jobs) FILTER (WHERE (hourly_counters.outcome = 'completed'::text)), (0)::numeric))::double precision) AS average_run,
    (sum(hourly_counters.waited) FILTER (WHERE (hourly_counters.outcome = 'completed'::text)) / (NULLIF(sum(hourly_counters.jobs) FILTER (WHERE (hourly_counters.outcome = 'completed'::text)), (0)::numeric))::double precision) AS average_wait
   FROM tidemill.hourly_counters
  WHERE (hourly_counters.hour > (now() - '1 day'::interval))
  GROUP BY hourly_counters.kind, hourly_counters.hour;

COMMENT ON VIEW tidemill.kind_stats IS 'What became of the jobs of the last day, by kind and hour.';

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
    breaker_crashed_at timestamp with time zone,
    breaker_openings integer DEFAULT 0 NOT NULL,
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

COMMENT ON COLUMN tidemill.kinds.breaker_crashed_at IS 'When the last of them was.';

COMMENT ON COLUMN tidemill.kinds.breaker_openings IS 'How often it opened without a quiet window between.';

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
    concurrency_keys text[],
    soft_at timestamp with time zone,
    hard_at timestamp with time zone,
    written_in bigint DEFAULT ((pg_current_xact_id())::text)::bigint NOT NULL
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

COMMENT ON COLUMN tidemill.running.soft_at IS 'When its soft timeout passes, as the worker that claimed it knows it; null if it has none.';

COMMENT ON COLUMN tidemill.running.hard_at IS 'When its hard timeout passes, as the worker that claimed it knows it.';

COMMENT ON COLUMN tidemill.running.written_in IS 'The transaction that claimed the job.';

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
    tidemill.redact(p.data) AS data,
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
    max_queued integer,
    CONSTRAINT queues_are_named CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'::text)),
    CONSTRAINT queues_max_queued_is_sane CHECK (((max_queued >= 0) AND (max_queued <= 100000000))),
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

COMMENT ON COLUMN tidemill.queues.max_queued IS 'Most of its jobs that wait to run; more are refused. Null: any number.';

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
    clock_skew interval,
    shedding boolean DEFAULT false NOT NULL,
    memory_bytes bigint,
    cpu_seconds double precision,
    containment text,
    other_queue_slots integer DEFAULT 0 NOT NULL,
    queues_left_out integer DEFAULT 0 NOT NULL,
    CONSTRAINT workers_containment_check CHECK ((containment = ANY (ARRAY['cgroup'::text, 'reaper'::text, 'group'::text]))),
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

COMMENT ON COLUMN tidemill.workers.clock_skew IS 'How much its clock was ahead of the database''s at its last heartbeat.';

COMMENT ON COLUMN tidemill.workers.shedding IS 'Whether it stores less progress, because an old transaction keeps dead rows.';

COMMENT ON COLUMN tidemill.workers.memory_bytes IS 'What its process had in memory at its last heartbeat; null if unknown.';

COMMENT ON COLUMN tidemill.workers.cpu_seconds IS 'Processor time of its process since its start; null if unknown.';

COMMENT ON COLUMN tidemill.workers.containment IS 'What ends processes that its commands leave in sessions of their own: cgroup, reaper (it is their sub-reaper), or group for nothing; null of remote workers and of a program that holds Tidemill as a library.';

COMMENT ON COLUMN tidemill.workers.other_queue_slots IS 'How many jobs of each queue that queues does not name it runs at once, as they come; 0: it takes none.';

COMMENT ON COLUMN tidemill.workers.queues_left_out IS 'In how many further queues jobs were due for it at its last look, while it followed as many as it can.';

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

CREATE TABLE tidemill.queue_room (
    queue text NOT NULL,
    room integer DEFAULT 0 NOT NULL,
    counted_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    count_took interval DEFAULT '00:00:00'::interval NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE tidemill.queue_room IS 'How many more jobs each queue with a bound takes before its jobs are counted again. Its row is locked by whoever takes some.';

COMMENT ON COLUMN tidemill.queue_room.queue IS 'The queue.';

COMMENT ON COLUMN tidemill.queue_room.room IS 'So many more.';

COMMENT ON COLUMN tidemill.queue_room.counted_at IS 'When its jobs were last counted.';

COMMENT ON COLUMN tidemill.queue_room.count_took IS 'How long that took; the next count of many comes no sooner than ten times later.';

CREATE VIEW tidemill.queue_stats AS
 SELECT n.name AS queue,
    q.paused_at,
    q.paused_by,
    q.draining_at,
    q.slots,
    q.max_queued,
    l.max_running,
    l.rate,
    l.rate_period,
    l.burst,
    q.priority_ageing,
    r.running,
    ( SELECT count(*) AS count
           FROM ( SELECT 1 AS "?column?"
                   FROM tidemill.jobs_live j
                  WHERE ((j.queue = n.name) AND (j.group_id IS NOT NULL) AND (j.state = 'waiting'::tidemill.job_state))
                 LIMIT 10000) waiting) AS waiting_at_most_10000,
    GREATEST((0)::bigint, (( SELECT count(*) AS count
           FROM ( SELECT
                   FROM (generate_series(1, 9) p(priority)
                     CROSS JOIN LATERAL ( SELECT
                           FROM tidemill.jobs_live j
                          WHERE ((j.queue = n.name) AND (j.priority = p.priority) AND (j.run_at <= now()))
                         LIMIT (10000 + r.running)) one)
                 LIMIT (10000 + r.running)) due) - r.running)) AS due_at_most_10000,
    ( SELECT min(due.run_at) AS min
           FROM ( SELECT ( SELECT j.run_at
                           FROM tidemill.jobs_live j
                          WHERE ((j.queue = n.name) AND (j.priority = p.priority) AND (j.run_at <= now()) AND (j.state = 'available'::tidemill.job_state))
                          ORDER BY j.run_at, j.id
                         LIMIT 1) AS run_at
                   FROM generate_series(1, 9) p(priority)) due) AS oldest_due_at,
    ( SELECT sum(COALESCE(q.slots, ((w.queues ->> n.name))::integer)) AS sum
           FROM tidemill.workers w
          WHERE ((w.queues ? n.name) AND (w.state <> 'stopped'::text) AND (w.seen_at > (now() - w.lease_ttl)))) AS worker_slots
   FROM (((tidemill.queue_names n
     CROSS JOIN LATERAL ( SELECT count(*) AS running
           FROM tidemill.running
          WHERE (running.queue = n.name)) r)
     LEFT JOIN tidemill.queues q ON ((q.name = n.name)))
     LEFT JOIN tidemill.limits l ON ((l.name = ('queue:'::text || n.name))));

COMMENT ON VIEW tidemill.queue_stats IS 'Each queue: paused or not, its limits, what runs, how much waits for its turn or is due (counted up to 10,000, never more).';

CREATE TABLE tidemill.redacted_keys (
    key text NOT NULL,
    deployment text DEFAULT 'default'::text NOT NULL
);

COMMENT ON TABLE tidemill.redacted_keys IS 'Names of keys whose values no view and no answer shows; written by the processes from their config.';

COMMENT ON COLUMN tidemill.redacted_keys.key IS 'Lower case, without underscores and hyphens.';

COMMENT ON COLUMN tidemill.redacted_keys.deployment IS 'The deployment whose config names the key; what one of them hides is hidden.';

CREATE TABLE tidemill.refinery_schema_history (
    version integer NOT NULL,
    name character varying(255),
    applied_on character varying(255),
    checksum character varying(255)
);

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

CREATE VIEW tidemill.schedule_log AS
 SELECT schedule_slots.schedule,
    schedule_slots.slot,
    schedule_slots.outcome,
    schedule_slots.job_id,
    schedule_slots.reason,
    schedule_slots.fired_at
   FROM tidemill.schedule_slots;

COMMENT ON VIEW tidemill.schedule_log IS 'What became of the slots of every schedule.';

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

CREATE TABLE tidemill.schema_compatibility (
    only_row boolean DEFAULT true NOT NULL,
    oldest_binary integer NOT NULL,
    verbs_digest text,
    shape text[],
    rights text[],
    CONSTRAINT schema_compatibility_only_row_check CHECK (only_row)
);

COMMENT ON TABLE tidemill.schema_compatibility IS 'Which older binaries may still use this schema.';

COMMENT ON COLUMN tidemill.schema_compatibility.only_row IS 'Holds the table at one row.';

COMMENT ON COLUMN tidemill.schema_compatibility.oldest_binary IS 'A binary that knows migrations up to this number or later may run on this schema.';

COMMENT ON COLUMN tidemill.schema_compatibility.verbs_digest IS 'Release of the binary that installed the functions and views, and their SHA-256; an older one leaves them alone.';

COMMENT ON COLUMN tidemill.schema_compatibility.shape IS 'schema_shape() behind the last migration, to see what was changed by hand since.';

COMMENT ON COLUMN tidemill.schema_compatibility.rights IS 'rights_now() behind the last grants, to see which of them are missing since; null if none were made.';

CREATE TABLE tidemill.sealing (
    required boolean NOT NULL,
    is_only_row boolean DEFAULT true NOT NULL,
    CONSTRAINT sealing_is_only_row_check CHECK (is_only_row)
);

COMMENT ON TABLE tidemill.sealing IS 'Whether jobs are refused whose args lie open; no row means that they are not. Written by the processes from their config.';

COMMENT ON COLUMN tidemill.sealing.required IS 'True if insert_jobs refuses args that are neither sealed nor empty.';

COMMENT ON COLUMN tidemill.sealing.is_only_row IS 'There is one row at most.';

CREATE TABLE tidemill.sessions (
    id text NOT NULL,
    job_id uuid NOT NULL,
    base_url text NOT NULL,
    status text NOT NULL,
    pages_crawled integer DEFAULT 0 NOT NULL,
    bugs_found integer DEFAULT 0 NOT NULL,
    error text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT sessions_id_check CHECK (((char_length(id) >= 1) AND (char_length(id) <= 100))),
    CONSTRAINT sessions_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'starting'::text, 'running'::text, 'completed'::text, 'failed'::text])))
);

COMMENT ON TABLE tidemill.sessions IS 'Sessions: what a crawl tells of itself while it runs. Read session_status, which also knows what became of the job.';

COMMENT ON COLUMN tidemill.sessions.id IS 'The caller''s name for it.';

COMMENT ON COLUMN tidemill.sessions.job_id IS 'The job that does the work; no other may write here.';

COMMENT ON COLUMN tidemill.sessions.base_url IS 'What is crawled.';

COMMENT ON COLUMN tidemill.sessions.status IS 'queued, starting, running, completed or failed, as the job last said.';

COMMENT ON COLUMN tidemill.sessions.pages_crawled IS 'How many pages are done.';

COMMENT ON COLUMN tidemill.sessions.bugs_found IS 'How many bugs were found on them.';

COMMENT ON COLUMN tidemill.sessions.error IS 'What the last attempt failed of.';

COMMENT ON COLUMN tidemill.sessions.created_at IS 'When it began.';

COMMENT ON COLUMN tidemill.sessions.updated_at IS 'When the job last said something.';

COMMENT ON COLUMN tidemill.sessions.expires_at IS 'When it is forgotten; each word of the job puts it off.';

CREATE VIEW tidemill.session_status AS
 SELECT s.id,
    s.job_id,
    s.base_url,
        CASE
            WHEN (j.state = ANY (ARRAY['failed'::tidemill.job_state, 'cancelled'::tidemill.job_state])) THEN 'failed'::text
            ELSE s.status
        END AS status,
    s.pages_crawled,
    s.bugs_found,
        CASE
            WHEN (j.state = 'cancelled'::tidemill.job_state) THEN COALESCE(s.error, 'the job was cancelled'::text)
            WHEN (j.state = 'failed'::tidemill.job_state) THEN COALESCE((tidemill.redact(j.error) ->> 'message'::text), s.error)
            ELSE s.error
        END AS error,
    s.created_at,
    s.updated_at,
    s.expires_at
   FROM (tidemill.sessions s
     LEFT JOIN tidemill.jobs j ON ((j.id = s.job_id)))
  WHERE (s.expires_at > now());

COMMENT ON VIEW tidemill.session_status IS 'Sessions that are not forgotten, each as far as its job is or with what became of it.';

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

CREATE TABLE tidemill.sweep_pauses (
    until timestamp with time zone NOT NULL,
    since timestamp with time zone NOT NULL,
    CONSTRAINT sweep_pauses_have_a_length CHECK ((since < until))
);

COMMENT ON TABLE tidemill.sweep_pauses IS 'Times of the last day in which no process swept: the database was away, or all who sweep were. They count against no lease and no deadline.';

COMMENT ON COLUMN tidemill.sweep_pauses.until IS 'When the first sweep after it began.';

COMMENT ON COLUMN tidemill.sweep_pauses.since IS 'From when on no sweep came, though one was due.';

CREATE TABLE tidemill.sweep_times (
    is_only boolean DEFAULT true NOT NULL,
    swept_at timestamp with time zone NOT NULL,
    every interval NOT NULL,
    every_at timestamp with time zone NOT NULL,
    server_started_at timestamp with time zone NOT NULL,
    CONSTRAINT sweep_times_has_one_row CHECK (is_only)
)
WITH (fillfactor='50');

COMMENT ON TABLE tidemill.sweep_times IS 'When a process last swept: one row. Whether the database was away since is judged by it.';

COMMENT ON COLUMN tidemill.sweep_times.is_only IS 'Always true.';

COMMENT ON COLUMN tidemill.sweep_times.swept_at IS 'When a process last looked for leases that expired.';

COMMENT ON COLUMN tidemill.sweep_times.every IS 'The shortest time from sweep to sweep of one process.';

COMMENT ON COLUMN tidemill.sweep_times.every_at IS 'When a process that sweeps so often last did.';

COMMENT ON COLUMN tidemill.sweep_times.server_started_at IS 'When the server started on which that was: another time says that it was restarted, or that a standby took its place.';

CREATE VIEW tidemill.throughput AS
 SELECT counters.minute,
    counters.queue,
    (COALESCE(sum(counters.jobs) FILTER (WHERE (counters.outcome = 'enqueued'::text)), (0)::numeric))::bigint AS enqueued,
    (COALESCE(sum(counters.jobs) FILTER (WHERE (counters.outcome = ANY (ARRAY['completed'::text, 'failed'::text, 'cancelled'::text]))), (0)::numeric))::bigint AS finished,
    (COALESCE(sum(counters.jobs) FILTER (WHERE (counters.outcome = 'failed'::text)), (0)::numeric))::bigint AS failed
   FROM tidemill.counters
  WHERE (counters.minute > (now() - '01:00:00'::interval))
  GROUP BY counters.minute, counters.queue;

COMMENT ON VIEW tidemill.throughput IS 'Jobs in and out in the last hour, by minute and queue.';

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

CREATE VIEW tidemill.unique_holders AS
 SELECT unique_keys.key,
    unique_keys.job_id,
    unique_keys.seen_at
   FROM tidemill.unique_keys;

COMMENT ON VIEW tidemill.unique_holders IS 'Which job took each unique key last; it holds it as long as the wish of the next job says.';

CREATE VIEW tidemill.waiting_groups AS
 SELECT turns.queue,
    turns.priority,
    turns.group_id,
    turns.concurrency_keys,
    NULLIF(turns.ready_at, 'infinity'::timestamp with time zone) AS ready_at
   FROM tidemill.turns;

COMMENT ON VIEW tidemill.waiting_groups IS 'Whose turn it is: the groups of jobs that wait in each queue, the oldest ready_at first.';

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

CREATE VIEW tidemill.waiting_jobs AS
 SELECT w.job_id,
    j.kind,
    j.queue,
    w.signal,
    w.run_if,
    ( SELECT count(*) AS count
           FROM ( SELECT
                   FROM tidemill.dependencies d
                  WHERE ((d.job_id = w.job_id) AND (d.outcome IS NULL))
                 LIMIT 1000) open) AS open_at_most_1000,
    w.until,
    (now() - w.since) AS waits_for
   FROM (tidemill.waits w
     JOIN tidemill.jobs_live j ON ((j.id = w.job_id)));

COMMENT ON VIEW tidemill.waiting_jobs IS 'Jobs that are held back, each with the signal or the number of jobs that it waits for.';

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
    (now() - workers.seen_at) AS last_seen,
    workers.memory_bytes,
    workers.cpu_seconds
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
    CONSTRAINT workflows_result_is_known CHECK ((result_is = ANY (ARRAY['object'::text, 'array'::text, 'last'::text])))
)
WITH (fillfactor='50');

COMMENT ON TABLE tidemill.workflows IS 'Workflows and groups. Each is a job of the kind tidemill.workflow with the same id, which waits for its members and ends with them.';

COMMENT ON COLUMN tidemill.workflows.id IS 'The job that stands for it.';

COMMENT ON COLUMN tidemill.workflows.name IS 'What people call it.';

COMMENT ON COLUMN tidemill.workflows.on_failure IS 'continue: the members that do not depend on a failed one go on; cancel: all others are cancelled.';

COMMENT ON COLUMN tidemill.workflows.result_is IS 'Its result: an object of the members'' results by name, an array of them in order, or the last one''s.';

COMMENT ON COLUMN tidemill.workflows.members IS 'How many jobs it waits for.';

COMMENT ON COLUMN tidemill.workflows.done IS 'How many of them ended.';

COMMENT ON COLUMN tidemill.workflows.created_at IS 'When it was made.';

CREATE VIEW tidemill.workflow_status AS
 SELECT w.id,
    w.name,
    tidemill.shown_state(j.state, j.attempt, j.run_at, j.due_at) AS status,
    w.done,
    w.members,
    (tidemill.redact(j.error) ->> 'message'::text) AS error,
    w.created_at,
    j.finished_at
   FROM (tidemill.workflows w
     JOIN tidemill.jobs j ON ((j.id = w.id)))
  WHERE (j.workflow_id IS NULL);

COMMENT ON VIEW tidemill.workflow_status IS 'Workflows that are no part of others, and how many of their jobs have ended.';

ALTER TABLE ONLY tidemill.jobs ATTACH PARTITION tidemill.jobs_live DEFAULT;

ALTER TABLE ONLY tidemill.alert_notices
    ADD CONSTRAINT alert_notices_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tidemill.alert_rules
    ADD CONSTRAINT alert_rules_pkey PRIMARY KEY (name);

ALTER TABLE ONLY tidemill.alerts
    ADD CONSTRAINT alerts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tidemill.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tidemill.artifact_referrers
    ADD CONSTRAINT artifact_referrers_pkey PRIMARY KEY (owner_id, job_id);

ALTER TABLE ONLY tidemill.artifacts
    ADD CONSTRAINT artifacts_pkey PRIMARY KEY (path);

ALTER TABLE ONLY tidemill.attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (job_id, lease_id, finished_at);

ALTER TABLE ONLY tidemill.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tidemill.dependencies
    ADD CONSTRAINT dependencies_pkey PRIMARY KEY (job_id, parent_id);

ALTER TABLE ONLY tidemill.deployments
    ADD CONSTRAINT deployments_pkey PRIMARY KEY (name);

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

ALTER TABLE ONLY tidemill.queue_room
    ADD CONSTRAINT queue_room_pkey PRIMARY KEY (queue);

ALTER TABLE ONLY tidemill.queues
    ADD CONSTRAINT queues_pkey PRIMARY KEY (name);

ALTER TABLE ONLY tidemill.redacted_keys
    ADD CONSTRAINT redacted_keys_pkey PRIMARY KEY (deployment, key);

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

ALTER TABLE ONLY tidemill.sealing
    ADD CONSTRAINT sealing_pkey PRIMARY KEY (is_only_row);

ALTER TABLE ONLY tidemill.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tidemill.signals
    ADD CONSTRAINT signals_pkey PRIMARY KEY (job_id, name);

ALTER TABLE ONLY tidemill.stats_hours
    ADD CONSTRAINT stats_hours_pkey PRIMARY KEY (hour, queue, kind, outcome);

ALTER TABLE ONLY tidemill.stats
    ADD CONSTRAINT stats_pkey PRIMARY KEY (minute, queue, kind, outcome);

ALTER TABLE ONLY tidemill.steps
    ADD CONSTRAINT steps_pkey PRIMARY KEY (job_id, name);

ALTER TABLE ONLY tidemill.sweep_pauses
    ADD CONSTRAINT sweep_pauses_pkey PRIMARY KEY (until);

ALTER TABLE ONLY tidemill.sweep_times
    ADD CONSTRAINT sweep_times_pkey PRIMARY KEY (is_only);

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

CREATE INDEX alert_notices_due ON tidemill.alert_notices USING btree (due_at) WHERE (sent_at IS NULL);

CREATE UNIQUE INDEX alert_notices_once ON tidemill.alert_notices USING btree (alert_id, event, channel, target);

CREATE INDEX alerts_fired ON tidemill.alerts USING btree (fired_at, id);

CREATE UNIQUE INDEX alerts_open ON tidemill.alerts USING btree (rule, subject) WHERE (resolved_at IS NULL);

COMMENT ON INDEX tidemill.alerts_open IS 'A rule has one open alert a subject, so none fires twice.';

CREATE INDEX artifacts_checked ON tidemill.artifacts USING btree (checked_at);

CREATE INDEX artifacts_job ON tidemill.artifacts USING btree (job_id, name, created_at);

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

CREATE INDEX jobs_live_written ON tidemill.jobs_live USING brin (written_in) WITH (pages_per_range='16', autosummarize='on');

COMMENT ON INDEX tidemill.jobs_live_written IS 'Finds what was enqueued since a transaction; costs next to nothing to keep.';

CREATE UNIQUE INDEX schedule_slots_held ON tidemill.schedule_slots USING btree (schedule) WHERE (outcome = 'held'::text);

COMMENT ON INDEX tidemill.schedule_slots_held IS 'At most one slot of a schedule is held.';

CREATE INDEX schedules_due ON tidemill.schedules USING btree (next_at) WHERE (paused_at IS NULL);

COMMENT ON INDEX tidemill.schedules_due IS 'Which schedule is due next, without a look at the others.';

CREATE INDEX sessions_expires ON tidemill.sessions USING btree (expires_at);

CREATE INDEX sessions_job ON tidemill.sessions USING btree (job_id);

CREATE INDEX steps_spawned ON tidemill.steps USING btree (spawned_id) WHERE (spawned_id IS NOT NULL);

CREATE INDEX task_ids_job ON tidemill.task_ids USING btree (job_id);

CREATE INDEX turns_order ON tidemill.turns USING btree (queue, priority, ready_at, group_id);

CREATE INDEX unique_keys_seen ON tidemill.unique_keys USING btree (seen_at);

CREATE INDEX waits_until ON tidemill.waits USING btree (until) WHERE (until IS NOT NULL);

CREATE TRIGGER alert_rules_audited AFTER INSERT OR DELETE OR UPDATE ON tidemill.alert_rules FOR EACH ROW EXECUTE FUNCTION tidemill.audit_change('alert', 'name', 'updated_at');

COMMENT ON TRIGGER alert_rules_audited ON tidemill.alert_rules IS 'Rules are made and dropped by people.';

CREATE TRIGGER api_keys_audited AFTER INSERT OR DELETE OR UPDATE ON tidemill.api_keys FOR EACH ROW EXECUTE FUNCTION tidemill.audit_change('key', 'id', 'secret_hash,last_used_at');

COMMENT ON TRIGGER api_keys_audited ON tidemill.api_keys IS 'Keys are made and revoked by people.';

CREATE TRIGGER jobs_live_awaited AFTER DELETE ON tidemill.jobs_live FOR EACH ROW WHEN (old.awaited) EXECUTE FUNCTION tidemill.note_ending();

COMMENT ON TRIGGER jobs_live_awaited ON tidemill.jobs_live IS 'Fires for jobs alone for which others wait.';

CREATE TRIGGER limits_audited AFTER INSERT OR DELETE OR UPDATE ON tidemill.limits FOR EACH ROW EXECUTE FUNCTION tidemill.audit_change('limit', 'name', 'updated_at');

COMMENT ON TRIGGER limits_audited ON tidemill.limits IS 'Limits are set by people.';

CREATE TRIGGER queues_audited AFTER INSERT OR DELETE OR UPDATE ON tidemill.queues FOR EACH ROW EXECUTE FUNCTION tidemill.audit_change('queue', 'name', 'updated_at,limited');

COMMENT ON TRIGGER queues_audited ON tidemill.queues IS 'Pauses, drains, slots and ageing are acts of people.';

CREATE TRIGGER schedule_written BEFORE INSERT OR UPDATE ON tidemill.schedules FOR EACH ROW EXECUTE FUNCTION tidemill.schedule_written();

CREATE TRIGGER schedules_audited AFTER INSERT OR DELETE OR UPDATE OF cron, every, at, timezone, job, missed, missed_limit, overlap, jitter, paused_at ON tidemill.schedules FOR EACH ROW EXECUTE FUNCTION tidemill.audit_change('schedule', 'name', 'anchor_at,next_at,upcoming,last_slot_at,unfinished,problem,updated_at');

COMMENT ON TRIGGER schedules_audited ON tidemill.schedules IS 'Schedules are made, changed and paused by people.';

ALTER TABLE ONLY tidemill.alert_notices
    ADD CONSTRAINT alert_notices_alert_id_fkey FOREIGN KEY (alert_id) REFERENCES tidemill.alerts(id) ON DELETE CASCADE;

ALTER TABLE ONLY tidemill.schedule_slots
    ADD CONSTRAINT schedule_slots_schedule_fkey FOREIGN KEY (schedule) REFERENCES tidemill.schedules(name) ON UPDATE CASCADE ON DELETE CASCADE;
