-- Durable code: checkpoints of running jobs, sleeps, signals, and forks. Every write of a worker
-- here is fenced by its lease on the locked row.

create or replace function lock_lease(p_job uuid, p_lease uuid) returns integer
language plpgsql
set search_path from current
as $$
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
comment on function lock_lease(uuid, uuid) is 'Locks a running job for its worker and renews the lease; returns the number of the attempt, null if the lease is lost.';

create or replace function save_step(p_job uuid, p_lease uuid, p_name text, p_output jsonb, p_replace boolean default false) returns jsonb
language plpgsql
set search_path from current
as $$
declare
  tried integer := lock_lease(p_job, p_lease);
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
    -- The first output counts, except for a cursor.
    output = case when p_replace then excluded.output else s.output end,
    attempt = case when p_replace then excluded.attempt else s.attempt end,
    updated_at = case when p_replace then clock_timestamp() else s.updated_at end
  returning output, xmax = 0 into kept, is_new;
  if is_new and not p_replace then
    perform notify_event(p_job, append_event(p_job, tried, 'step', jsonb_build_object('name', p_name)));
  end if;
  return jsonb_build_object('output', kept);
end
$$;
comment on function save_step(uuid, uuid, text, jsonb, boolean)
  is 'Stores the output of a step of a running attempt; returns {output}: the one that was stored first, or with p_replace the new one. Null if the lease is lost.';

create or replace function sleep_step(p_job uuid, p_lease uuid, p_name text, p_seconds double precision) returns double precision
language sql
set search_path from current
as $$
  -- The time to wake up is fixed at the first call, by the database's clock.
  select extract(epoch from (s #>> '{output,sleep_until}')::timestamptz - clock_timestamp())::double precision
  from save_step(p_job, p_lease, p_name, jsonb_build_object('sleep_until', clock_timestamp() + make_interval(secs => p_seconds))) as s
$$;
comment on function sleep_step(uuid, uuid, text, double precision)
  is 'The seconds that a durable sleep still lasts, 0 or less when it has ended; null if the lease is lost.';

create or replace function signal(p_job uuid, p_name text, p_payload jsonb default null, p_by text default session_user) returns text
language plpgsql
set search_path from current
as $$
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
  perform notify_event(p_job, append_event(p_job, j.attempt, 'signal',
    jsonb_strip_nulls(jsonb_build_object('name', p_name, 'by', p_by))));
  if exists (select from blocked_jobs w where w.job_id = p_job and w.signal = p_name) then
    perform unblock(p_job);
  end if;
  return 'delivered';
end
$$;
comment on function signal(uuid, text, jsonb, text)
  is 'Sends a message to a job, which can wait for it now or later. Returns delivered; ignored if a signal of that name came, or timed out, before; the state of a job that has ended; null if there is none.';

create or replace function release_timed_out(p_limit integer default 500) returns integer
language plpgsql
set search_path from current
as $$
declare
  late record;
  woken integer := 0;
begin
  for late in
    select w.job_id, w.signal
    from blocked_jobs w
    join jobs_live j on j.id = w.job_id
    where w.until < clock_timestamp()
    order by w.until
    limit p_limit
    for update of j skip locked
  loop
    if late.signal is not null then
      insert into signals (job_id, name, timed_out) values (late.job_id, late.signal, true) on conflict do nothing;
    end if;
    perform unblock(late.job_id);
    woken := woken + 1;
  end loop;
  return woken;
end
$$;
comment on function release_timed_out(integer) is 'Releases jobs whose signal did not come in time; returns how many. resolve() calls it.';

create or replace function fork(p_job uuid, p_from_step text default null, p_by text default session_user) returns uuid
language plpgsql
set search_path from current
as $$
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
    retain => j.retain, concurrency_key => j.concurrency_keys, fair_key => j.fair_key, owner => j.owner,
    -- Even if the kind makes its jobs unique, this one is enqueued.
    unique_by => (
      select jsonb_build_object('key', 'fork:' || gen_random_uuid()) from kinds k where k.name = j.kind and k.defaults ? 'unique'));
  perform note_references(forked, j.args);
  perform audit('fork', 'job:' || p_job, null, jsonb_strip_nulls(jsonb_build_object('job_id', forked, 'from_step', p_from_step)), p_by);
  insert into steps (job_id, name, attempt, output, spawned_id, created_at, updated_at)
  select forked, s.name, s.attempt, s.output, s.spawned_id, s.created_at, s.updated_at
  from steps s
  where s.job_id = p_job
    -- A cursor that advanced after the cut has another value than at the cut, and starts over.
    and (cut is null or s.updated_at < cut)
    -- A child that retention has removed is spawned again.
    and (s.spawned_id is null or exists (select from jobs c where c.id = s.spawned_id));
  insert into signals (job_id, name, payload, timed_out, sent_at, sent_by)
  select forked, name, payload, timed_out, sent_at, sent_by
  from signals
  where job_id = p_job
    and (cut is null or sent_at < cut);
  perform notify_event(forked, append_event(forked, 0, 'forked', jsonb_strip_nulls(jsonb_build_object(
    'by', p_by, 'job_id', p_job, 'from_step', p_from_step))));
  return forked;
end
$$;
comment on function fork(uuid, text, text)
  is 'Enqueues the same work again as a new job that keeps the state from before a step (checkpoints, children, received signals) and runs from there. Returns its id, null if there is no such job.';
