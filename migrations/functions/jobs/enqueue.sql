-- Enqueue: jobs as people and programs describe them, in their own transaction.

create or replace function check_requests(p_jobs jsonb) returns void
language plpgsql
set search_path from current
as $$
declare
  -- The last two are for Tidemill's own programs: args in stored form, and an id that the program has made.
  known constant text[] := '{kind,args,queue,priority,run_at,delay,max_attempts,soft_timeout,hard_timeout,execution_id,tags,metadata,retain,concurrency_key,fair_key,unique,expires_at,expires_in,after,run_if,owner,sealed,id}';
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
      using errcode = '22TM1', hint = 'use ' || array_to_string(known[:21], ', ');
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
  last_notified text;
begin
  perform check_requests(p_jobs);
  for made in
    with requested as (
      select
        w.*, coalesce(p_ids[item.ord], w.id, new_job_id()) as job_id, item.ord,
        case when item.value ?| '{concurrency_key,fair_key,unique,expires_in}' then turned_off(item.value) end as off
      from jsonb_array_elements(p_jobs) with ordinality as item (value, ord)
      cross join lateral jsonb_to_record(item.value) as w (
        kind text, args jsonb, queue text, priority text, run_at timestamptz, delay interval,
        max_attempts integer, soft_timeout interval, hard_timeout interval, execution_id text,
        tags jsonb, metadata jsonb, retain interval, concurrency_key jsonb, fair_key text,
        "unique" jsonb, expires_at timestamptz, expires_in interval, after jsonb, run_if text, sealed jsonb,
        owner text, id uuid)
    )
    select i.*
    from (
      select
        array_agg(job_id order by ord) as ids, array_agg(kind order by ord) as kinds,
        array_agg(coalesce(args, '{}') order by ord) as args, array_agg(check_name(queue, 'queue') order by ord) as queues,
        array_agg(priority_of(priority) order by ord) as priorities, array_agg(run_at order by ord) as run_ats,
        array_agg(extract(epoch from delay)::double precision order by ord) as delays, array_agg(max_attempts order by ord) as max_attempts,
        array_agg(extract(epoch from soft_timeout)::double precision order by ord) as soft_timeouts,
        array_agg(extract(epoch from hard_timeout)::double precision order by ord) as hard_timeouts,
        array_agg(execution_id order by ord) as execution_ids, array_agg(tags order by ord) as tags,
        array_agg(metadata order by ord) as metadata,
        array_agg(extract(epoch from retain)::double precision order by ord) as retains,
        array_agg(
          case
            when p_options is not null then
              coalesce(options_of(concurrency_key, fair_key, "unique", expires_at, expires_in, null, null, sealed, owner), '{}') || coalesce(off, '{}') || p_options[ord]
            when off is null then options_of(concurrency_key, fair_key, "unique", expires_at, expires_in, after, run_if, sealed, owner)
            else coalesce(options_of(concurrency_key, fair_key, "unique", expires_at, expires_in, after, run_if, sealed, owner), '{}') || off
          end
          order by ord) as options
      from requested
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
              made.queue, ceil(extract(epoch from time_until_space(made.queue))))
            when 'queue_draining' then format('queue %s takes no new jobs; select resume_queue(%L)', made.queue, made.queue)
            when 'conflict' then format('job %s has the unique key; on_conflict = keep returns that job', made.id)
            when 'execution_id_taken' then 'another job has this execution id; task_ids has its id'
            when 'unknown_parent' then 'a job can only wait for jobs that are still stored'
            when 'existing' then 'a member of a workflow is always a new job; leave out unique'
            when 'replaced' then 'a member of a workflow is always a new job; leave out unique'
            when 'reserved_kind' then 'kinds that begin with tidemill. are Tidemill''s own; create_workflow makes workflows'
          end;
    end if;
    -- Equal messages of one transaction are sent once; but to ask who listens has its price.
    if made.outcome = 'created' and p_options is null and concat(made.state, made.queue) is distinct from last_notified then
      perform notify_queue(made.queue, made.state <> 'available');
      last_notified := concat(made.state, made.queue);
    end if;
    return next made.id;
  end loop;
end
$$;
comment on function enqueue_requests(jsonb, uuid[], jsonb[])
  is 'The shared part of enqueue_many and create_workflow: with p_ids and p_options the jobs have these ids and wait for one another.';

create or replace function insert_plain_job(
  p_id uuid, p_kind text, p_args jsonb, p_queue text, p_priority smallint, p_run_at timestamptz, p_delay interval,
  p_max_attempts integer, p_soft_timeout interval, p_hard_timeout interval, p_execution_id text, p_tags text[],
  p_metadata jsonb, p_retain interval, p_notify boolean, out made_id uuid, out made_queue text, out made_priority smallint,
  out made_max_attempts integer, out made_run_at timestamptz, out made_at timestamptz
)
language plpgsql
set search_path from current
as $$
declare
  kind_retain interval;
  somebody_listens boolean;
begin
  -- The clauses of this "where" are all that insert_jobs can ask of such a job.
  select
    coalesce(p_queue, k.queue, 'default'), coalesce(p_priority, k.priority, 5::smallint), coalesce(p_max_attempts, k.max_attempts, 5),
    k.retain,
    p_notify and exists (select from queue_listeners where not is_busy)
  into made_queue, made_priority, made_max_attempts, kind_retain, somebody_listens
  from (values (1)) one
  left join kinds k on k.name = p_kind
  left join queues q on q.name = coalesce(p_queue, k.queue, 'default')
  where k.defaults is null
    and q.draining_at is null
    and q.max_queued is null
    and is_name(p_kind)
    and p_kind not like 'tidemill.%'
    and not exists (select from sealing where required);
  if not found then
    return;
  end if;
  if p_execution_id is not null then
    insert into task_ids (execution_id, job_id) values (p_execution_id, p_id) on conflict do nothing;
    if not found then
      return;
    end if;
  end if;
  -- Small statements: to start one with five parts costs more than to run them.
  insert into jobs_live (
    id, kind, queue, priority, max_attempts, run_at, args, execution_id, tags, metadata, soft_timeout, hard_timeout, retain)
  values (
    p_id, p_kind, made_queue, made_priority, made_max_attempts,
    coalesce(p_run_at, now() + make_interval(secs => coalesce(extract(epoch from p_delay)::double precision, 0))),
    coalesce(nullif(p_args, 'null'), '{}'), p_execution_id, coalesce(array_remove(p_tags, null), '{}'),
    nullif(p_metadata, 'null'),
    make_interval(secs => extract(epoch from p_soft_timeout)::double precision),
    make_interval(secs => extract(epoch from p_hard_timeout)::double precision),
    coalesce(make_interval(secs => extract(epoch from p_retain)::double precision), kind_retain))
  returning id, run_at, created_at into made_id, made_run_at, made_at;
  insert into stats_deltas (queue, kind, outcome, jobs) values (made_queue, p_kind, 'enqueued', 1);
  -- The table is small, and one look at it is enough: to ask has_listener each time would cost as much as the insert.
  if somebody_listens then
    perform notify_queue(made_queue, false);
  end if;
end
$$;
comment on function insert_plain_job(uuid, text, jsonb, text, smallint, timestamptz, interval, integer, interval, interval, text, text[], jsonb, interval, boolean)
  is 'Stores a job that has none of the rare options and returns its stored values. If its kind or queue has further rules, or the job must be refused, nothing is stored and made_id is null: then insert_jobs decides. With p_notify it notifies as notify_queue does.';

create or replace function enqueue_many(p_jobs jsonb) returns setof uuid
language plpgsql
set search_path from current
as $$
declare
  made uuid;
begin
  if jsonb_typeof(p_jobs) = 'array' and jsonb_array_length(p_jobs) = 1
    and not p_jobs -> 0 ?| '{concurrency_key,fair_key,unique,expires_at,expires_in,after,run_if,owner,sealed}'
  then
    perform check_requests(p_jobs);
    select p.made_id
    into made
    from jsonb_to_record(p_jobs -> 0) as w (
      kind text, args jsonb, queue text, priority text, run_at timestamptz, delay interval,
      max_attempts integer, soft_timeout interval, hard_timeout interval, execution_id text,
      tags jsonb, metadata jsonb, retain interval, id uuid)
    cross join lateral insert_plain_job(
      coalesce(w.id, new_job_id()), w.kind, w.args, check_name(w.queue, 'queue'), priority_of(w.priority), w.run_at,
      w.delay, w.max_attempts, w.soft_timeout, w.hard_timeout, w.execution_id,
      case when w.tags is not null then array(select jsonb_array_elements_text(w.tags)) end, w.metadata, w.retain, true) p;
  end if;
  if made is not null then
    return next made;
  else
    return query select enqueue_requests(p_jobs);
  end if;
end
$$;
comment on function enqueue_many(jsonb)
  is 'Enqueues an array of {kind, args, queue, priority, run_at, delay, max_attempts, soft_timeout, hard_timeout, execution_id, tags, metadata, retain, concurrency_key, fair_key, unique, expires_at, expires_in, after, run_if, owner} in your transaction, all or none; an explicit null as concurrency_key, fair_key, unique or expires_in turns off that of the kind; returns their ids in order, and for a job that is not unique the id of the existing job.';

create or replace function nulls_of(p_turn_off text[]) returns jsonb
language plpgsql
immutable
set search_path from current
as $$
declare
  wrong text;
begin
  select o into wrong
  from unnest(p_turn_off) as o
  where o is null
    or o <> all('{unique,concurrency_key,fair_key,expires_in}')
  limit 1;
  if found then
    raise exception 'turn_off has %, which no job can turn off', coalesce(wrong, 'null')
      using errcode = 'invalid_parameter_value', hint = 'use unique, concurrency_key, fair_key or expires_in';
  end if;
  return (select coalesce(jsonb_object_agg(o, null::text), '{}') from unnest(p_turn_off) as o);
end
$$;
comment on function nulls_of(text[]) is 'The defaults of its kind that a job of enqueue turns off, as the explicit nulls that enqueue_many takes.';

create or replace function enqueue(
  kind text, args jsonb default '{}', queue text default null, priority integer default null,
  run_at timestamptz default null, delay interval default null, max_attempts integer default null,
  soft_timeout interval default null, hard_timeout interval default null, execution_id text default null,
  tags text[] default null, metadata jsonb default null, retain interval default null,
  concurrency_key text[] default null, fair_key text default null,
  unique_by jsonb default null, expires_at timestamptz default null, expires_in interval default null,
  after uuid[] default null, run_if text default null, owner text default null, turn_off text[] default null
)
returns uuid
language plpgsql
set search_path from current
as $$
declare
  -- Assigned, and not selected from the function: that would cost a scan.
  plain record;
  made uuid;
begin
  if concurrency_key is null and fair_key is null and unique_by is null and expires_at is null and expires_in is null
    and after is null and run_if is null and owner is null and turn_off is null
  then
    perform check_json(args, 'args'), check_json(metadata, 'metadata');
    plain := insert_plain_job(
      new_job_id(), kind, args, check_name(queue, 'queue'), priority_of(priority::text), run_at, delay, max_attempts,
      soft_timeout, hard_timeout, execution_id, tags, metadata, retain, true);
    made := plain.made_id;
  end if;
  if made is null then
    select enqueue_requests(jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
      'kind', kind, 'queue', queue, 'priority', priority, 'run_at', run_at, 'delay', delay,
      'max_attempts', max_attempts, 'soft_timeout', soft_timeout, 'hard_timeout', hard_timeout,
      'execution_id', execution_id, 'tags', to_jsonb(tags), 'retain', retain,
      'concurrency_key', to_jsonb(concurrency_key), 'fair_key', fair_key,
      'unique', unique_by, 'expires_at', expires_at, 'expires_in', expires_in,
      'after', to_jsonb(after), 'run_if', run_if, 'owner', owner))
      -- Outside of the stripping: nulls inside args and metadata belong to the caller.
      || jsonb_build_object('args', args)
      || case when metadata is null then '{}'::jsonb else jsonb_build_object('metadata', metadata) end
      || nulls_of(turn_off)))
    into made;
  end if;
  return made;
end
$$;
comment on function enqueue(text, jsonb, text, integer, timestamptz, interval, integer, interval, interval, text, text[], jsonb, interval, text[], text, jsonb, timestamptz, interval, uuid[], text, text, text[])
  is 'Enqueues one job in your transaction: it commits or rolls back with it. select enqueue(''send-mail'', ''{"to": "x"}'', delay => ''5 min''). turn_off names what the job does without although its kind has it: unique, concurrency_key, fair_key, expires_in.';
