-- Limits: how many jobs can run or start, counted over all workers; the effect of a full limit on a
-- new job; and the functions by which people set limits.

create or replace function limit_of(p_key text) returns limits
language sql
stable
set search_path from current
as $$
  select l
  from limits l
  where l.name in (p_key, split_part(p_key, ':', 1))
    and l.name not like 'queue:%'
  order by l.name = p_key desc
  limit 1
$$;
comment on function limit_of(text) is 'The limit that applies to a concurrency key; all null if there is none.';

create or replace function tokens_of(p_key text, p_limit limits) returns double precision
language sql
volatile
set search_path from current
as $$
  -- A token bucket: it fills evenly, and never above its burst. A clock that steps back fills
  -- nothing.
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
comment on function tokens_of(text, limits) is 'How many jobs of the key can start at this moment; a fraction is a token that is still filling.';

create or replace function token_after(p_tokens double precision, p_limit limits) returns interval
language sql
immutable
set search_path from current
as $$
  select make_interval(secs => greatest(1 - p_tokens, 0) * extract(epoch from p_limit.rate_period)::double precision / p_limit.rate)
$$;
comment on function token_after(double precision, limits) is 'The time until this number of tokens has grown to one.';

create or replace function take_tokens(p_key text, p_limit limits, p_count bigint) returns void
language sql
set search_path from current
as $$
  insert into limit_buckets (key, tokens, filled_at)
  values (p_key, tokens_of(p_key, p_limit) - p_count, clock_timestamp())
  on conflict (key) do update
  set tokens = excluded.tokens, filled_at = excluded.filled_at
$$;
comment on function take_tokens(text, limits, bigint) is 'Takes tokens of a key; the caller holds the lock under which they were counted.';

create or replace function unfinished_of(p_key text) returns table (id uuid, created_at timestamptz)
language sql
volatile
set search_path from current
as $$
  select j.id, j.created_at
  from running r
  join jobs_live j on j.id = r.job_id
  where r.concurrency_keys @> array[p_key]
    and j.cancel_requested_at is null
  union all
  select j.id, j.created_at
  from ready_groups t
  join jobs_live j on j.queue = t.queue and j.priority = t.priority and j.group_id = t.group_id
  where t.concurrency_keys @> array[p_key]
    and j.state = 'waiting'
$$;
comment on function unfinished_of(text) is 'Jobs of a concurrency key that wait or run and are not being cancelled.';

create or replace function limits_that_cancel(p_kinds text[], p_args jsonb[], p_options jsonb[])
returns table (ord bigint, key text, rule limits)
language sql
stable
set search_path from current
as $$
  select i.ord, k.key, l.rule
  from unnest(p_kinds, p_args, p_options) with ordinality as i (kind, args, options, ord)
  left join kinds d on d.name = i.kind
  cross join unnest(fill_keys(nullif(coalesce(i.options -> 'concurrency_keys', d.defaults -> 'concurrency_keys'), 'null'), i.args)) as k (key)
  cross join lateral (select limit_of(k.key) as rule) l
  where (l.rule).on_full <> 'queue'
$$;
comment on function limits_that_cancel(text[], jsonb[], jsonb[]) is 'The limits of new jobs that cancel when they are full, by the jobs'' places and keys.';

create or replace function lock_for_limit_cancel(p_kinds text[], p_args jsonb[], p_options jsonb[]) returns void
language sql
set search_path from current
as $$
  select lock_workflows_of(array(
    select u.id
    from (select distinct key from limits_that_cancel(p_kinds, p_args, p_options) where (rule).on_full = 'cancel_oldest') k
    cross join lateral unfinished_of(k.key) u))
$$;
comment on function lock_for_limit_cancel(text[], jsonb[], jsonb[])
  is 'Call before taking any other lock: takes the dependency lock if cancel_for_limit can cancel a job that has dependents.';

create or replace function lock_before_enqueue(p_request jsonb) returns void
language plpgsql
set search_path from current
as $$
begin
  if exists (select from limits where on_full = 'cancel_oldest')
    or p_request @? '$.**.unique.states'
    or exists (select from kinds k where k.defaults -> 'unique' ? 'states')
  then
    perform lock_workflows();
  end if;
end
$$;
comment on function lock_before_enqueue(jsonb)
  is 'Like lock_for_limit_cancel, for a transaction that locks a job and enqueues another one: call it before that lock. Covers any job that the new one could cancel.';

create or replace function cancel_for_limit(p_ids uuid[], p_kinds text[], p_args jsonb[], p_options jsonb[]) returns uuid[]
language plpgsql
set search_path from current
as $$
declare
  request record;
  victim uuid;
  accepted jsonb := '{}';
  rejected uuid[] := '{}';
begin
  perform pg_advisory_xact_lock(hashtext('tidemill key ' || current_schema()), hashtext(k.key))
  from (select distinct key from limits_that_cancel(p_kinds, p_args, p_options) order by key) k;
  for request in
    select p_ids[l.ord] as id, l.key, l.rule
    from limits_that_cancel(p_kinds, p_args, p_options) l
    order by l.ord, l.key
  loop
    continue when request.id = any(rejected);
    while (select count(*) from unfinished_of(request.key)) + jsonb_array_length(coalesce(accepted -> request.key, '[]'))
      >= (request.rule).max_running
    loop
      if (request.rule).on_full = 'cancel_newest' then
        rejected := rejected || request.id;
        exit;
      end if;
      select u.id into victim from unfinished_of(request.key) u order by u.created_at, u.id limit 1;
      if found then
        perform cancel_one(
          victim, format('superseded by job %s: the limit %s cancels the oldest', request.id, (request.rule).name), 'limit', false);
      else
        -- The oldest one came with the same call.
        rejected := rejected || (accepted -> request.key ->> 0)::uuid;
        accepted := jsonb_set(accepted, array[request.key], (accepted -> request.key) - 0);
      end if;
    end loop;
    if not request.id = any(rejected) then
      accepted := accepted || jsonb_build_object(request.key, coalesce(accepted -> request.key, '[]') || to_jsonb(request.id));
    end if;
  end loop;
  return rejected;
end
$$;
comment on function cancel_for_limit(uuid[], text[], jsonb[], jsonb[])
  is 'Called before jobs are inserted: cancels the oldest jobs if a full limit requires that; returns those of the new jobs that must be cancelled themselves.';

create or replace function set_limit(
  name text, max_running integer default null, rate integer default null, per interval default '1 minute',
  burst integer default null, on_full text default 'queue'
)
returns void
language plpgsql
set search_path from current
as $$
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
$$;
comment on function set_limit(text, integer, integer, interval, integer, text)
  is 'Limits the jobs of a queue (queue:NAME) or of each concurrency key that begins with the name: select set_limit(''tenant'', max_running => 2, rate => 100, per => ''1 hour''). Replaces the earlier setting.';

create or replace function drop_limit(p_name text) returns boolean
language plpgsql
set search_path from current
as $$
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
comment on function drop_limit(text) is 'Removes a limit; false if there is no limit of that name. Its jobs continue without it.';

create or replace function set_priority_ageing(p_queue text, p_ageing interval) returns void
language plpgsql
set search_path from current
as $$
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
comment on function set_priority_ageing(text, interval) is 'A job of the queue that has been due for this time is claimed as if its priority were one better, and so on; null: never.';

create or replace function limits_changed(p_name text) returns void
language plpgsql
set search_path from current
as $$
declare
  queue_name text := substring(p_name from '^queue:(.*)$');
begin
  if queue_name is not null then
    insert into queues (name) values (queue_name) on conflict do nothing;
    update queues q
    set limited = q.priority_ageing is not null or exists (select 1 from limits l where l.name = p_name)
    where q.name = queue_name;
    -- Claims without a limit may have left their attempts out.
    perform register_claims();
  else
    -- Groups that the old limit delayed are checked again.
    update ready_groups t
    set ready_at = clock_timestamp()
    where t.ready_at > clock_timestamp()
      and exists (select 1 from unnest(t.concurrency_keys) k (key) where p_name in (k.key, split_part(k.key, ':', 1)));
  end if;
  perform notify_settings();
end
$$;
comment on function limits_changed(text) is 'Called after a limit was set or dropped: claims begin or stop counting, and workers claim again.';
