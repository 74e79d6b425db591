-- Enqueue: the only way into the jobs table, for every interface.

create or replace function insert_jobs(
  p_ids uuid[], p_kinds text[], p_args jsonb[], p_queues text[], p_priorities smallint[],
  p_run_ats timestamptz[], p_delay_seconds double precision[], p_max_attempts integer[],
  p_soft_timeout_seconds double precision[], p_hard_timeout_seconds double precision[],
  p_execution_ids text[], p_tags jsonb[], p_metadata jsonb[], p_retain_seconds double precision[],
  p_strict boolean, p_options jsonb[] default null, p_wait boolean default true
)
returns table (
  ord bigint, id uuid, outcome text, queue text, priority smallint, max_attempts integer, run_at timestamptz,
  created_at timestamptz, state job_state, concurrency_keys text[], fair_key text, expires_at timestamptz)
language plpgsql
set search_path from current
as $$
#variable_conflict use_column
declare
  -- Jobs that would wait for a missing job.
  in_vain bigint[];
  verdicts jsonb;
  -- Jobs that do not fit into bounded queues.
  crowded bigint[];
  -- Those of them whose queue has a locked capacity.
  busy bigint[];
  -- Jobs that a full limit does not admit.
  doomed uuid[] := '{}';
  -- There is nothing to do, at no cost, unless some limit cancels.
  limits_cancel boolean := exists (select from limits where on_full <> 'queue');
begin
  if exists (select from sealing where required) then
    perform check_sealed(p_args, p_options);
  end if;
  perform kind_name(k.kind) from unnest(p_kinds) as k (kind) where k.kind !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$';
  if limits_cancel then
    perform lock_for_limit_cancel(p_kinds, p_args, p_options);
  end if;
  -- Only jobs with unique pay for it.
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
        from unique_requests(
          p_ids, p_kinds, p_args, p_queues, p_priorities, p_run_ats, p_delay_seconds, p_max_attempts,
          p_execution_ids, p_tags, p_metadata, p_strict, p_options) as w (wish)
        where ((w.wish ->> 'ord')::bigint = any(in_vain)) is not true
        order by (w.wish ->> 'ord')::bigint),
      p_ids);
  end if;
  if exists (select from queues q where q.max_queued is not null) then
    select c.crowded, c.busy into crowded, busy
    from queue_overflow(p_kinds, p_queues, p_execution_ids, verdicts, p_wait) c;
    if crowded is not null and verdicts is not null then
      -- A caller never gets a job that does not fit: jobs with the same key are refused with it.
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
    doomed := cancel_for_limit(p_ids, p_kinds, p_args, p_options);
  else
    -- A job that is not stored needs no space.
    select cancel_for_limit(
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
  -- The rarely used options.
  optional as materialized (
    select
      o.*,
      group_of(o.concurrency_keys, o.fair_key) as group_id
    from (
      select
        i.ord,
        fill_keys(i.options -> 'concurrency_keys', i.args) as concurrency_keys,
        fill_key(i.options ->> 'fair_key', i.args) as fair_key,
        -- A time beyond every calendar never comes.
        nullif(
          least(
            coalesce(
              -- One that is over for long is over.
              case
                when (i.options ->> 'expires_at')::timestamptz < '1970-01-01 00:00+00' then '1970-01-01 00:00+00'
                else (i.options ->> 'expires_at')::timestamptz
              end,
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
    insert into ready_groups as t (queue, priority, group_id, concurrency_keys, ready_at)
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
  -- Only jobs that wait for others pay for it, or jobs whose args are in the storage, perhaps under
  -- another id.
  if exists (select from unnest(p_options) as o (options) where o.options ?| '{after,container,sealed}') then
    if exists (select from unnest(p_options) as o (options) where o.options ?| '{after,container}') then
      perform block_new_jobs(p_ids, p_run_ats, p_delay_seconds, p_options);
    end if;
    perform note_references(i.id, i.options -> 'sealed')
    from unnest(p_ids, p_options) as i (id, options)
    where i.options -> 'sealed' ? '$stored'
      and i.options #>> '{sealed,$stored,job}' <> i.id::text
      and exists (select from jobs_live j where j.id = i.id);
  end if;
  -- Jobs that replace fields of jobs of the same call.
  perform replace_fields(v.holder, v.fields)
  from jsonb_to_recordset(verdicts) as v (ord bigint, holder uuid, fields jsonb)
  where v.fields is not null
  order by v.ord;
  perform cancel_one(d.id, 'a limit is full and cancels the newest', 'limit', false)
  from unnest(doomed) as d (id);
end
$$;
comment on function insert_jobs(uuid[], text[], jsonb[], text[], smallint[], timestamptz[], double precision[], integer[], double precision[], double precision[], text[], jsonb[], jsonb[], double precision[], boolean, jsonb[], boolean)
  is 'The only way into the jobs table: fills defaults from the kind; refuses draining and full queues, taken execution ids and jobs that would not be unique (their id is that of the existing job); sends no hint. p_options has for each job null or {unique, concurrency_keys, fair_key, expires_at, expires_in_seconds, after, run_if, workflow_id, container, sealed}; sealed are the args in stored form, if they must not be readable in the row. Without p_wait a job is refused (queue_busy) if another open transaction has locked the capacity of its queue.';

create or replace function check_requests(p_jobs jsonb) returns void
language plpgsql
set search_path from current
as $$
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
  -- One check of all jobs; only if there is a flaw, find the job that has it.
  if json_flaw(p_jobs) is not null then
    perform check_json(j.job -> 'args', 'args'), check_json(j.job -> 'metadata', 'metadata')
    from jsonb_array_elements(p_jobs) as j (job);
  end if;
end
$$;
comment on function check_requests(jsonb) is 'Refuses input that is not an array of jobs, unknown fields, and args that no worker could read exactly.';

create or replace function enqueue_requests(p_jobs jsonb, p_ids uuid[] default null, p_options jsonb[] default null) returns setof uuid
language plpgsql
set search_path from current
as $$
declare
  made record;
begin
  perform check_requests(p_jobs);
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
      perform notify_queue(made.queue, made.state <> 'available');
    end if;
    return next made.id;
  end loop;
end
$$;
comment on function enqueue_requests(jsonb, uuid[], jsonb[])
  is 'The shared part of enqueue_many and create_workflow: with p_ids and p_options the jobs have these ids and wait for one another.';

create or replace function enqueue_many(p_jobs jsonb) returns setof uuid
language sql
set search_path from current
as $$
  select enqueue_requests(p_jobs)
$$;
comment on function enqueue_many(jsonb)
  is 'Enqueues an array of {kind, args, queue, priority, run_at, delay, max_attempts, soft_timeout, hard_timeout, execution_id, tags, metadata, retain, concurrency_key, fair_key, unique, expires_at, expires_in, after, run_if} in your transaction, all or none; returns their ids in order, and for a job that is not unique the id of the existing job.';

create or replace function enqueue(
  kind text, args jsonb default '{}', queue text default null, priority integer default null,
  run_at timestamptz default null, delay interval default null, max_attempts integer default null,
  soft_timeout interval default null, hard_timeout interval default null, execution_id text default null,
  tags text[] default null, metadata jsonb default null, retain interval default null,
  concurrency_key text[] default null, fair_key text default null,
  unique_by jsonb default null, expires_at timestamptz default null, expires_in interval default null,
  after uuid[] default null, run_if text default null
)
returns uuid
language sql
set search_path from current
as $$
  select enqueue_many(jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
    'kind', kind, 'queue', queue, 'priority', priority, 'run_at', run_at, 'delay', delay,
    'max_attempts', max_attempts, 'soft_timeout', soft_timeout, 'hard_timeout', hard_timeout,
    'execution_id', execution_id, 'tags', to_jsonb(tags), 'retain', retain,
    'concurrency_key', to_jsonb(concurrency_key), 'fair_key', fair_key,
    'unique', unique_by, 'expires_at', expires_at, 'expires_in', expires_in,
    'after', to_jsonb(after), 'run_if', run_if))
    -- Outside of the stripping: nulls inside args and metadata belong to the caller.
    || jsonb_build_object('args', args)
    || case when metadata is null then '{}'::jsonb else jsonb_build_object('metadata', metadata) end))
$$;
comment on function enqueue(text, jsonb, text, integer, timestamptz, interval, integer, interval, interval, text, text[], jsonb, interval, text[], text, jsonb, timestamptz, interval, uuid[], text)
  is 'Enqueues one job in your transaction: it commits or rolls back with it. select enqueue(''send-mail'', ''{"to": "x"}'', delay => ''5 min'').';
