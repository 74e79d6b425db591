-- Uniqueness: no second job while another one has its key. Checked at the enqueue of the next job,
-- by its unique terms and the current state of the job that has the key; the end of a job costs
-- nothing and frees nothing. Keys are locked before jobs, in order; a job that another transaction
-- has locked is never waited for.

create or replace function unique_terms(p_request jsonb) returns jsonb
language plpgsql
immutable
as $$
declare
  known constant text[] := '{scheduled,available,waiting,retrying,running,completed,failed,cancelled}';
  fields constant text[] := '{args,run_at,priority,max_attempts,tags,metadata}';
  terms jsonb := jsonb_strip_nulls(p_request);
  lasting text;
  fault text;
begin
  fault := case
    when jsonb_typeof(terms) is distinct from 'object' then 'it is not an object'
    when not array(select jsonb_object_keys(terms)) <@ '{key,by,args,states,window,period,on_conflict,replace}'
      then 'its fields are key, by, args, states, window, period, on_conflict and replace'
    when exists (
        select from jsonb_each(terms) f
        where f.key in ('by', 'args', 'states', 'replace') and jsonb_typeof(f.value) <> 'array')
      then 'by, args, states and replace are lists'
    when terms ? 'key' and (terms ? 'by' or terms ? 'args') then 'key cannot be combined with by or args'
    when terms ? 'key' and length(terms ->> 'key') not between 1 and 255 then 'the key has 1 to 255 characters'
    when not coalesce(terms -> 'by', '[]') <@ '["kind", "queue", "args"]' then 'by can name kind, queue and args'
    when terms ? 'args' and not coalesce(terms -> 'by', '["args"]') ? 'args' then 'args needs args in by'
    when terms ? 'args' and terms -> 'args' = '[]' then 'args must name at least one arg'
    when not coalesce(terms -> 'states', '[]') <@ to_jsonb(known) then 'states can be ' || array_to_string(known, ', ')
    when terms ? 'states' and not terms -> 'states' @> '["scheduled", "available", "waiting"]'
      then 'scheduled, available and waiting must be among the states'
    when coalesce(terms ->> 'on_conflict', 'keep') not in ('keep', 'reject', 'replace', 'next_period')
      then 'on_conflict must be keep, reject, replace or next_period'
    when terms ->> 'on_conflict' = 'next_period' and not terms ? 'period' then 'next_period needs a period'
    when (coalesce(terms ->> 'on_conflict', 'keep') = 'replace') <> (terms ? 'replace')
      then 'on_conflict = replace needs the list replace, and the list needs it'
    when not coalesce(terms -> 'replace', '[]') <@ to_jsonb(fields) then 'replace can name ' || array_to_string(fields, ', ')
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
comment on function unique_terms(jsonb)
  is 'The unique terms {key, by, args, states, window, period, on_conflict, replace} with defaults filled in and times in seconds; refuses invalid ones.';

create or replace function unique_key(p_terms jsonb, p_kind text, p_queue text, p_args jsonb, p_run_at timestamptz) returns text
language plpgsql
immutable
set search_path from current
as $$
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
    -- 1.0 equals 1, however it is written.
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
$$;
comment on function unique_key(jsonb, text, text, jsonb, timestamptz)
  is 'The key of a job under the given terms: its own text with {name} filled in, or a hash of its kind and the fields that the terms name; with a period, followed by its start and length.';

create or replace function next_period(p_terms jsonb, p_run_at timestamptz) returns timestamptz
language sql
immutable
as $$
  select to_timestamp((floor(extract(epoch from p_run_at) / (p_terms ->> 'period')::numeric) + 1) * (p_terms ->> 'period')::numeric)
$$;
comment on function next_period(jsonb, timestamptz) is 'The beginning of the period after that of the given time.';

create or replace function unique_key_holder(p_key text, p_terms jsonb, p_new uuid, p_batch uuid[]) returns uuid
language plpgsql
set search_path from current
as $$
declare
  held unique_keys;
  j jobs;
  status text;
begin
  select * into held from unique_keys where key = p_key;
  -- A job of the same call is not stored yet, but will be.
  if held.job_id is null or held.job_id = any(p_batch) then
    return held.job_id;
  end if;
  select * into j from jobs_live where id = held.job_id;
  if not found then
    -- All partitions in one statement: the job can be moving from one table to the other.
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
    -- It runs, or is just being claimed, and must not return to the queue; settle_attempt checks
    -- this.
    update unique_keys
    set supersedes = array(select l.id from jobs_live l where l.id = any(supersedes || j.id))
    where key = p_key;
  end if;
  return null;
end
$$;
comment on function unique_key_holder(text, jsonb, uuid, uuid[])
  is 'Returns the job that already has this locked key and blocks the new one, or null. If it is null, an older job that the terms do not count is superseded.';

create or replace function superseder_of(p_job jobs) returns uuid
language plpgsql
set search_path from current
set lock_timeout = '2s'
as $$
declare
  held unique_keys;
begin
  -- Waits for a transaction that is taking the key.
  select * into held from unique_keys where key = p_job.unique_key for share;
  return case when p_job.id = any(held.supersedes) then held.job_id end;
exception when lock_not_available then
  -- But another open transaction must not delay a worker: this job can run once more, and is
  -- superseded after that.
  return null;
end
$$;
comment on function superseder_of(jobs) is 'The job that took the key of this running one, which therefore must not run again; null if none did.';

create or replace function replace_fields(p_job uuid, p_fields jsonb, p_by text default session_user) returns boolean
language plpgsql
set search_path from current
as $$
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
    -- A blocked job has no due time until it is released.
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
    perform enlist_group(j.queue, j.priority, j.group_id, j.concurrency_keys, j.due_at);
  end if;
  perform notify_event(j.id, append_event(j.id, j.attempt, 'replaced',
    jsonb_build_object('by', p_by, 'fields', array(select jsonb_object_keys(p_fields)))));
  perform notify_queue(j.queue, j.group_id is not null);
  return true;
end
$$;
comment on function replace_fields(uuid, jsonb, text)
  is 'Gives a job that does not run other args, run_at, priority, max_attempts, tags or metadata; a blocked job keeps its time. False if it runs, is finished or is being claimed.';

create or replace function unique_requests(
  p_ids uuid[], p_kinds text[], p_args jsonb[], p_queues text[], p_priorities smallint[],
  p_run_ats timestamptz[], p_delay_seconds double precision[], p_max_attempts integer[],
  p_execution_ids text[], p_tags jsonb[], p_metadata jsonb[], p_strict boolean, p_options jsonb[]
)
returns setof jsonb
language sql
stable
set search_path from current
as $$
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
      nullif(coalesce(i.options -> 'unique', k.defaults -> 'unique'), 'null') as request
  ) d
  cross join lateral unique_terms(d.request) as t (terms)
  cross join lateral (
    select case when t.terms ->> 'on_conflict' = 'next_period' then next_period(t.terms, d.run_at) end as run_at
  ) n
  left join queues q on q.name = d.queue
  where jsonb_typeof(d.request) <> 'null'
    and not (p_strict and k.name is null)
    and q.draining_at is null
  order by i.ord
$$;
comment on function unique_requests(uuid[], text[], jsonb[], text[], smallint[], timestamptz[], double precision[], integer[], text[], jsonb[], jsonb[], boolean, jsonb[])
  is 'Those jobs of one call of insert_jobs that have unique terms and are not refused for another reason, in order, with their terms, their key and, if the terms need them, the key of the next period and the fields to replace.';

create or replace function take_unique_keys(p_requests jsonb[], p_ids uuid[]) returns jsonb
language plpgsql
set search_path from current
as $$
declare
  request jsonb;
  verdicts jsonb[] := '{}';
  taken text;
  due timestamptz;
  holder uuid;
  outcome text;
  named text[] := '{}';
begin
  -- Before any job, as in every transaction that resolves dependencies: a superseded job is
  -- cancelled.
  perform lock_workflows_of(array(
    select u.job_id
    from unnest(p_requests) as w (request)
    join unique_keys u on u.key in (w.request ->> 'key', w.request ->> 'next_key')
    where not w.request -> 'terms' -> 'states' ? 'retrying'));
  -- From here to the commit no other transaction takes these keys. In order, so that no two batches
  -- wait for one another.
  insert into unique_keys as u (key)
  select distinct k.key
  from unnest(p_requests) as w (request)
  cross join lateral (values (w.request ->> 'key'), (w.request ->> 'next_key')) as k (key)
  where k.key is not null
  order by k.key
  on conflict (key) do update set job_id = u.job_id;

  foreach request in array p_requests loop
    taken := request ->> 'key';
    due := null;
    outcome := null;
    holder := unique_key_holder(taken, request -> 'terms', (request ->> 'id')::uuid, p_ids);
    if holder is not null and request ->> 'next_key' is not null then
      taken := request ->> 'next_key';
      due := request ->> 'next_run_at';
      holder := unique_key_holder(taken, request -> 'terms', (request ->> 'id')::uuid, p_ids);
    end if;
    if holder is null then
      -- A job that is not stored takes no key.
      continue when request ->> 'execution_id' = any(named)
        or exists (select from task_ids where execution_id = request ->> 'execution_id');
      named := named || (request ->> 'execution_id');
      update unique_keys set job_id = (request ->> 'id')::uuid, seen_at = clock_timestamp() where key = taken;
    elsif request -> 'terms' ->> 'on_conflict' = 'reject' then
      outcome := 'conflict';
    elsif request -> 'terms' ->> 'on_conflict' = 'replace'
      and (holder = any(p_ids) or replace_fields(holder, request -> 'fields'))
    then
      outcome := 'replaced';
    else
      outcome := 'existing';
    end if;
    verdicts := verdicts || jsonb_build_object(
      'ord', request -> 'ord', 'outcome', outcome, 'holder', holder, 'unique_key', taken, 'run_at', due,
      'fields', case when outcome = 'replaced' and holder = any(p_ids) then request -> 'fields' end);
  end loop;
  return to_jsonb(verdicts);
end
$$;
comment on function take_unique_keys(jsonb[], uuid[])
  is 'Decides in order which jobs of one call of insert_jobs can be stored: [{ord, unique_key, run_at}], with outcome existing, conflict or replaced and the existing job for those that cannot; fields of a job of the same call are replaced later.';

create or replace function take_key_again(p_job uuid, p_key text) returns void
language plpgsql
set search_path from current
as $$
begin
  insert into unique_keys (key) values (p_key) on conflict do nothing;
  -- A transaction that has locked a job waits for no key: another transaction is taking it.
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
comment on function take_key_again(uuid, text) is 'Gives its key back to a job that is live again, unless another live job has it by now; then both keep running.';

create or replace function prune_unique_keys(p_limit integer) returns bigint
language sql
set search_path from current
as $$
  -- The keys that were not checked for the longest time, so that all are checked in turn and each
  -- round is short.
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
comment on function prune_unique_keys(integer) is 'Checks the given number of unique keys and removes those whose job is gone; returns how many.';
