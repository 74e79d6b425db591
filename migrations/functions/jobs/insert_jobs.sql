-- Insert: the way into the jobs table, for every interface; `insert_plain_job` (enqueue.sql) is its
-- short form, for one job of SQL without rare options. `insert_jobs` asks one question after the other:
-- may these jobs be stored (check_new_jobs), with which values (decide_jobs), and what follows
-- (finish_new_jobs). Functions here that have no search_path of their own are part of the
-- statement that calls them: Postgres inlines them, so that they cost no call.

create or replace function job_defaults(
  p_ids uuid[], p_kinds text[], p_args jsonb[], p_queues text[], p_priorities smallint[],
  p_run_ats timestamptz[], p_delay_seconds double precision[], p_max_attempts integer[],
  p_soft_timeout_seconds double precision[], p_hard_timeout_seconds double precision[],
  p_execution_ids text[], p_tags jsonb[], p_metadata jsonb[], p_retain_seconds double precision[], p_options jsonb[]
)
returns table (
  ord bigint, id uuid, kind text, args jsonb, execution_id text, metadata jsonb, queue text, priority smallint,
  max_attempts integer, run_at timestamptz, soft_timeout interval, hard_timeout interval, retain interval,
  tags text[], is_unknown_kind boolean, options jsonb)
language sql
stable
as $$
  select
    i.ord, i.id, i.kind, i.args, i.execution_id, i.metadata,
    coalesce(i.queue, k.queue, 'default'),
    coalesce(i.priority, k.priority, 5::smallint),
    coalesce(i.max_attempts, k.max_attempts, 5),
    coalesce(i.run_at, now() + make_interval(secs => coalesce(i.delay_seconds, 0))),
    make_interval(secs => i.soft_timeout_seconds),
    make_interval(secs => i.hard_timeout_seconds),
    coalesce(make_interval(secs => i.retain_seconds), k.retain),
    case when i.tags is null then '{}'::text[] else array_remove(array(select jsonb_array_elements_text(i.tags)), null) end,
    k.name is null,
    coalesce(k.defaults || i.options, k.defaults, i.options)
  from unnest(
      p_ids, p_kinds, p_args, p_queues, p_priorities, p_run_ats, p_delay_seconds, p_max_attempts,
      p_soft_timeout_seconds, p_hard_timeout_seconds, p_execution_ids, p_tags, p_metadata, p_retain_seconds, p_options)
    with ordinality as i (
      id, kind, args, queue, priority, run_at, delay_seconds, max_attempts,
      soft_timeout_seconds, hard_timeout_seconds, execution_id, tags, metadata, retain_seconds, options, ord)
  left join kinds k on k.name = i.kind
$$;
comment on function job_defaults(uuid[], text[], jsonb[], text[], smallint[], timestamptz[], double precision[], integer[], double precision[], double precision[], text[], jsonb[], jsonb[], double precision[], jsonb[])
  is 'The jobs of one call of insert_jobs, by their places, with the defaults of their kinds filled in.';

create or replace function rare_options(p_options jsonb, p_args jsonb)
returns table (
  concurrency_keys text[], fair_key text, group_id uuid, expires_at timestamptz, is_blocked boolean, is_workflow boolean,
  workflow_id uuid, awaited boolean, owner text)
language sql
stable
as $$
  select
    o.concurrency_keys, o.fair_key, group_of(o.concurrency_keys, o.fair_key), o.expires_at,
    p_options ?| '{after,is_workflow}', p_options ? 'is_workflow', (p_options ->> 'workflow_id')::uuid,
    nullif(p_options ? 'workflow_id', false), p_options ->> 'owner'
  from (
    select
      fill_keys(nullif(p_options -> 'concurrency_keys', 'null'), p_args) as concurrency_keys,
      fill_key(p_options ->> 'fair_key', p_args) as fair_key,
      -- A time after year 9999 never comes. One before 1970 has passed, whichever it is.
      nullif(
        least(
          coalesce(
            case
              when (p_options ->> 'expires_at')::timestamptz < '1970-01-01 00:00+00' then '1970-01-01 00:00+00'
              else (p_options ->> 'expires_at')::timestamptz
            end,
            now() + make_interval(secs => (p_options ->> 'expires_in_seconds')::double precision)),
          '10000-01-01 00:00+00'),
        '10000-01-01 00:00+00') as expires_at
    where p_options is not null
    -- Each is computed once, however often it is used.
    offset 0
  ) o
  offset 0
$$;
comment on function rare_options(jsonb, jsonb) is 'The options of a job that most jobs do not have, computed from its args; no row if the job has none.';

create or replace function decide_jobs(
  p_ids uuid[], p_kinds text[], p_args jsonb[], p_queues text[], p_priorities smallint[],
  p_run_ats timestamptz[], p_delay_seconds double precision[], p_max_attempts integer[],
  p_soft_timeout_seconds double precision[], p_hard_timeout_seconds double precision[],
  p_execution_ids text[], p_tags jsonb[], p_metadata jsonb[], p_retain_seconds double precision[],
  p_strict boolean, p_options jsonb[], p_verdicts jsonb, p_orphaned bigint[], p_crowded bigint[], p_busy bigint[]
)
returns table (
  ord bigint, id uuid, kind text, args jsonb, execution_id text, metadata jsonb, queue text, priority smallint,
  max_attempts integer, run_at timestamptz, soft_timeout interval, hard_timeout interval, retain interval,
  tags text[], concurrency_keys text[], fair_key text, group_id uuid, expires_at timestamptz, is_blocked boolean,
  workflow_id uuid, awaited boolean, owner text, unique_key text, verdict text, holder uuid, refusal text)
language sql
stable
as $$
  select
    d.ord, d.id, d.kind, coalesce(d.options -> 'sealed', d.args), d.execution_id, d.metadata, d.queue, d.priority,
    d.max_attempts, coalesce(v.run_at, d.run_at), d.soft_timeout, d.hard_timeout, d.retain,
    d.tags, o.concurrency_keys, o.fair_key, o.group_id, o.expires_at, coalesce(o.is_blocked, false),
    o.workflow_id, o.awaited, o.owner, v.unique_key, v.outcome, v.holder,
    case
      when d.kind like 'tidemill.%' and o.is_workflow is not true then 'reserved_kind'
      when p_strict and d.is_unknown_kind and o.is_workflow is not true then 'unknown_kind'
      when d.ord = any(p_orphaned) then 'unknown_parent'
      when q.draining_at is not null then 'queue_draining'
      when d.ord = any(p_busy) then 'queue_busy'
      when d.ord = any(p_crowded) then 'queue_full'
      else v.outcome
    end
  from job_defaults(
    p_ids, p_kinds, p_args, p_queues, p_priorities, p_run_ats, p_delay_seconds, p_max_attempts,
    p_soft_timeout_seconds, p_hard_timeout_seconds, p_execution_ids, p_tags, p_metadata, p_retain_seconds, p_options) d
  left join lateral rare_options(d.options, d.args) o on true
  left join jsonb_to_recordset(p_verdicts) as v (ord bigint, unique_key text, run_at timestamptz, outcome text, holder uuid)
    on v.ord = d.ord
  left join queues q on q.name = d.queue
$$;
comment on function decide_jobs(uuid[], text[], jsonb[], text[], smallint[], timestamptz[], double precision[], integer[], double precision[], double precision[], text[], jsonb[], jsonb[], double precision[], boolean, jsonb[], jsonb, bigint[], bigint[], bigint[])
  is 'The jobs of one call of insert_jobs with all their values, and for those that cannot be stored the reason and the existing job.';

create or replace function missing_parents(p_ids uuid[], p_options jsonb[]) returns bigint[]
language sql
stable
set search_path from current
as $$
  select array_agg(i.ord)
  from unnest(p_options) with ordinality as i (options, ord)
  where i.options ? 'after'
    and exists (
      select
      from parents_of(i.options -> 'after') p
      where p.id is null
        or p.id <> all(p_ids) and not exists (select from jobs x where x.id = p.id))
$$;
comment on function missing_parents(uuid[], jsonb[]) is 'The new jobs, by their places, that would wait for a job that does not exist.';

create or replace function check_capacity(
  p_ids uuid[], p_kinds text[], p_queues text[], p_execution_ids text[], p_verdicts jsonb, p_wait boolean,
  out crowded bigint[], out busy bigint[]
)
language plpgsql
set search_path from current
as $$
begin
  select o.crowded, o.busy into crowded, busy
  from queue_overflow(p_kinds, p_queues, p_execution_ids, p_verdicts, p_wait) o;
  if crowded is null or p_verdicts is null then
    return;
  end if;
  -- A caller never gets a job that does not fit: jobs with the same key are refused with it.
  select crowded || array_agg(v.ord), busy || array_agg(v.ord) filter (where h.ord = any(busy))
  into crowded, busy
  from jsonb_to_recordset(p_verdicts) as v (ord bigint, holder uuid)
  join unnest(p_ids) with ordinality as h (id, ord) on h.id = v.holder
  where h.ord = any(crowded);
end
$$;
comment on function check_capacity(uuid[], text[], text[], text[], jsonb, boolean)
  is 'Reserves capacity in bounded queues; returns the new jobs, by their places, that do not fit, and those of them whose queue has a locked capacity.';

create or replace function apply_limits(
  p_ids uuid[], p_kinds text[], p_args jsonb[], p_options jsonb[], p_verdicts jsonb, p_crowded bigint[]
)
returns uuid[]
language sql
set search_path from current
as $$
  -- A job that is not stored needs no space.
  select coalesce(
    cancel_for_limit(
      array_agg(i.id order by i.ord), array_agg(i.kind order by i.ord), array_agg(i.args order by i.ord),
      array_agg(i.options order by i.ord)),
    '{}')
  from unnest(p_ids, p_kinds, p_args, p_options) with ordinality as i (id, kind, args, options, ord)
  left join jsonb_to_recordset(p_verdicts) as v (ord bigint, outcome text) on v.ord = i.ord
  where v.outcome is null
    and (i.ord = any(p_crowded)) is not true
$$;
comment on function apply_limits(uuid[], text[], jsonb[], jsonb[], jsonb, bigint[])
  is 'Lets full limits cancel older jobs; returns the new jobs that must be cancelled instead.';

create or replace function check_new_jobs(
  p_ids uuid[], p_kinds text[], p_args jsonb[], p_queues text[], p_priorities smallint[],
  p_run_ats timestamptz[], p_delay_seconds double precision[], p_max_attempts integer[],
  p_execution_ids text[], p_tags jsonb[], p_metadata jsonb[], p_strict boolean, p_options jsonb[], p_wait boolean,
  out verdicts jsonb, out orphaned bigint[], out crowded bigint[], out busy bigint[], out rejected uuid[]
)
language plpgsql
set search_path from current
as $$
declare
  -- Whether there is anything to check; in one statement, for most calls have nothing.
  must_seal boolean;
  limits_cancel boolean;
  has_parents boolean;
  has_unique boolean;
  has_bound boolean;
  bad_kind text;
begin
  select
    exists (select from sealing where required),
    exists (select from limits where on_full <> 'queue'),
    exists (select from unnest(p_options) as o (options) where o.options ? 'after'),
    exists (select from unnest(p_options) as o (options) where o.options ? 'unique')
      or exists (select from kinds k where k.defaults ? 'unique' and k.name = any(p_kinds)),
    exists (select from queues q where q.max_queued is not null),
    (select k.kind from unnest(p_kinds) as k (kind) where not is_name(k.kind) limit 1)
  into must_seal, limits_cancel, has_parents, has_unique, has_bound, bad_kind;
  if must_seal then
    perform check_sealed(p_args, p_options);
  end if;
  if bad_kind is not null then
    perform check_name(bad_kind, 'kind');
  end if;
  if limits_cancel then
    perform lock_for_limit_cancel(p_kinds, p_args, p_options);
  end if;
  if has_parents then
    orphaned := missing_parents(p_ids, p_options);
  end if;
  if has_unique then
    verdicts := take_unique_keys(
      array(
        select r.request
        from unique_requests(
          p_ids, p_kinds, p_args, p_queues, p_priorities, p_run_ats, p_delay_seconds, p_max_attempts,
          p_execution_ids, p_tags, p_metadata, p_strict, p_options) as r (request)
        where ((r.request ->> 'ord')::bigint = any(orphaned)) is not true
        order by (r.request ->> 'ord')::bigint),
      p_ids);
  end if;
  if has_bound then
    select c.crowded, c.busy into crowded, busy
    from check_capacity(p_ids, p_kinds, p_queues, p_execution_ids, verdicts, p_wait) c;
  end if;
  if limits_cancel then
    rejected := apply_limits(p_ids, p_kinds, p_args, p_options, verdicts, crowded);
  end if;
end
$$;
comment on function check_new_jobs(uuid[], text[], jsonb[], text[], smallint[], timestamptz[], double precision[], integer[], text[], jsonb[], jsonb[], boolean, jsonb[], boolean)
  is 'First part of insert_jobs: takes unique keys and capacity, applies limits that cancel. Returns by their places the jobs that are not unique (verdicts, see take_unique_keys), wait for a missing job (orphaned) or do not fit (crowded, busy), and the ids of those that a full limit rejects.';

create or replace function finish_new_jobs(
  p_ids uuid[], p_run_ats timestamptz[], p_delay_seconds double precision[], p_options jsonb[], p_verdicts jsonb, p_rejected uuid[]
)
returns void
language plpgsql
set search_path from current
as $$
begin
  if exists (select from unnest(p_options) as o (options) where o.options ?| '{after,is_workflow}') then
    perform block_new_jobs(p_ids, p_run_ats, p_delay_seconds, p_options);
  end if;
  -- Args in the object storage can be stored under the id of another job.
  perform note_references(i.id, i.options -> 'sealed')
  from unnest(p_ids, p_options) as i (id, options)
  where i.options -> 'sealed' ? '$stored'
    and i.options #>> '{sealed,$stored,job}' <> i.id::text
    and exists (select from jobs_live j where j.id = i.id);
  -- Jobs that replace fields of jobs of the same call.
  perform replace_fields(v.holder, v.fields)
  from jsonb_to_recordset(p_verdicts) as v (ord bigint, holder uuid, fields jsonb)
  where v.fields is not null
  order by v.ord;
  perform cancel_one(r.id, 'a limit is full and cancels the newest', 'limit', false)
  from unnest(p_rejected) as r (id);
end
$$;
comment on function finish_new_jobs(uuid[], timestamptz[], double precision[], jsonb[], jsonb, uuid[])
  is 'Last part of insert_jobs: makes the stored jobs wait for others, notes their stored args, replaces fields, and cancels the jobs that a full limit rejects.';

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
  checked record;
begin
  checked := check_new_jobs(
    p_ids, p_kinds, p_args, p_queues, p_priorities, p_run_ats, p_delay_seconds, p_max_attempts,
    p_execution_ids, p_tags, p_metadata, p_strict, p_options, p_wait);
  return query
  with decided as materialized (
    select d.* from decide_jobs(
      p_ids, p_kinds, p_args, p_queues, p_priorities, p_run_ats, p_delay_seconds, p_max_attempts,
      p_soft_timeout_seconds, p_hard_timeout_seconds, p_execution_ids, p_tags, p_metadata, p_retain_seconds,
      p_strict, p_options, checked.verdicts, checked.orphaned, checked.crowded, checked.busy) d
  ),
  named as (
    insert into task_ids (execution_id, job_id)
    select d.execution_id, d.id
    from decided d
    where d.execution_id is not null and d.refusal is null
    order by d.execution_id collate "C"
    on conflict do nothing
    returning job_id
  ),
  inserted as (
    insert into jobs_live (
      id, kind, queue, state, priority, max_attempts, run_at, args, execution_id, tags, metadata,
      soft_timeout, hard_timeout, retain, concurrency_keys, fair_key, group_id, due_at, expires_at, unique_key,
      workflow_id, awaited, owner)
    select
      d.id, d.kind, d.queue,
      case when d.group_id is null and not d.is_blocked then 'available' else 'waiting' end::job_state,
      d.priority, d.max_attempts,
      case when d.group_id is null and not d.is_blocked then d.run_at else 'infinity' end,
      d.args, d.execution_id, d.tags, d.metadata,
      d.soft_timeout, d.hard_timeout, d.retain, d.concurrency_keys, d.fair_key, d.group_id,
      case when d.group_id is not null then case when d.is_blocked then 'infinity' else d.run_at end end,
      d.expires_at, d.unique_key, d.workflow_id, d.awaited, d.owner
    from decided d
    where d.refusal is null
      and (d.execution_id is null or d.id in (select n.job_id from named n))
    order by d.ord
    returning id, created_at, state, queue, kind, priority, group_id, concurrency_keys, due_at
  ),
  counted as (
    insert into stats_deltas (queue, kind, outcome, jobs)
    select n.queue, n.kind, 'enqueued', count(*) from inserted n where n.kind <> 'tidemill.workflow' group by n.queue, n.kind
  ),
  enlisted as (
    insert into ready_groups as g (queue, priority, group_id, concurrency_keys, ready_at)
    select n.queue, n.priority, n.group_id, coalesce(n.concurrency_keys, '{}'), min(n.due_at)
    from inserted n
    where n.group_id is not null and n.due_at < 'infinity'
    group by n.queue, n.priority, n.group_id, n.concurrency_keys
    order by n.queue, n.priority, n.group_id
    on conflict (queue, priority, group_id) do update set ready_at = least(g.ready_at, excluded.ready_at)
  )
  select
    d.ord, case when d.refusal = d.verdict then d.holder else d.id end,
    coalesce(d.refusal, case when n.id is null then 'execution_id_taken' else 'created' end),
    d.queue, d.priority, d.max_attempts, d.run_at, n.created_at,
    case when d.id = any(checked.rejected) then 'cancelled' else n.state end, d.concurrency_keys, d.fair_key, d.expires_at
  from decided d
  left join inserted n on n.id = d.id
  order by d.ord;
  if checked.verdicts is not null or checked.rejected <> '{}'
    or exists (select from unnest(p_options) as o (options) where o.options ?| '{after,is_workflow,sealed}')
  then
    perform finish_new_jobs(p_ids, p_run_ats, p_delay_seconds, p_options, checked.verdicts, checked.rejected);
  end if;
end
$$;
comment on function insert_jobs(uuid[], text[], jsonb[], text[], smallint[], timestamptz[], double precision[], integer[], double precision[], double precision[], text[], jsonb[], jsonb[], double precision[], boolean, jsonb[], boolean)
  is 'The way into the jobs table: fills defaults from the kind; refuses draining and full queues, taken execution ids and jobs that would not be unique (their id is that of the existing job); sends no hint. p_options has for each job null or {unique, concurrency_keys, fair_key, expires_at, expires_in_seconds, after, run_if, workflow_id, is_workflow, sealed, owner}; sealed are the args in stored form, if they must not be readable in the row; an explicit null turns off what the kind says. Without p_wait a job is refused (queue_busy) if another open transaction has locked the capacity of its queue.';
