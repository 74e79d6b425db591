-- Explain: why a job does not run, with the reasons in the order in which to resolve them, and when
-- it can start. All reads are bounded: no backlog is counted beyond some thousand rows.

create or replace function format_utc(p_at timestamptz) returns text
language sql
immutable
as $$ select to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') $$;
comment on function format_utc(timestamptz) is 'A time as messages show it: UTC, to the second.';

create or replace function explain_waits(p_job jobs)
returns table (code text, message text, until timestamptz, details jsonb)
language plpgsql
stable
set search_path from current
as $$
#variable_conflict use_column
declare
  w blocked_jobs;
  parents record;
begin
  select * into w from blocked_jobs where job_id = p_job.id;
  if w.job_id is null then
    return;
  elsif w.signal is not null then
    return query select
      'waits_for_signal',
      format('the job waits for the signal %s since %s%s', w.signal, format_utc(w.since),
        case when w.until is not null then format(', at most until %s', format_utc(w.until)) else '' end),
      w.until, jsonb_build_object('signal', w.signal);
    return;
  end if;
  select count(*) as open, (array_agg(coalesce(d.name, d.parent_id::text) order by d.ord))[1:5] as names, (array_agg(d.parent_id order by d.ord))[1:5] as ids
  into parents
  from (select * from dependencies d where d.job_id = p_job.id and d.outcome is null order by d.ord limit 5000) d;
  return query select
    'waits_for_jobs',
    format('the job waits for %s of its jobs: %s%s', parents.open, array_to_string(parents.names, ', '), case when parents.open > 5 then ', …' else '' end),
    null::timestamptz,
    jsonb_build_object('open', parents.open, 'run_if', w.run_if, 'jobs', to_jsonb(parents.ids));
end
$$;
comment on function explain_waits(jobs) is 'What a blocked job waits for.';

create or replace function explain_limits(p_job jobs)
returns table (code text, message text, until timestamptz, details jsonb)
language sql
volatile
set search_path from current
as $$
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
    case when (k.rule).max_running = 0 then format('the limit %s allows no job to run', k.key)
      else format('the limit %s is full: %s of %s jobs run', k.key, h.running, (k.rule).max_running) end,
    null::timestamptz,
    jsonb_build_object('limit', k.key, 'max_running', (k.rule).max_running, 'running', coalesce(h.running, 0), 'held_by', coalesce(to_jsonb(h.jobs), '[]'))
  from keys k
  left join holders h on h.key = k.key
  where coalesce(h.running, 0) >= (k.rule).max_running
  union all
  select
    'rate_reached',
    format('the rate of %s (%s in %s) is reached; the next job can start at %s', k.key, (k.rule).rate, (k.rule).rate_period, format_utc(now() + wait.until)),
    now() + wait.until,
    jsonb_build_object('limit', k.key, 'rate', (k.rule).rate, 'seconds_each', extract(epoch from (k.rule).rate_period) / (k.rule).rate)
  from keys k
  cross join lateral (select token_after(tokens_of(k.key, k.rule), k.rule) as until) wait
  where (k.rule).rate is not null
    and wait.until > '0'
$$;
comment on function explain_limits(jobs) is 'The limits that keep a job from starting now, and the jobs that use them.';

create or replace function explain_workers(p_job jobs)
returns table (code text, message text, until timestamptz, details jsonb)
language plpgsql
stable
set search_path from current
as $$
#variable_conflict use_column
declare
  w record;
  line record;
begin
  select
    count(*) as all_of_them,
    count(*) filter (where l.state = 'draining' and l.serves_queue) as draining,
    count(*) filter (where l.serves_queue) as here,
    coalesce(sum(l.slots) filter (where l.serves_queue and l.state <> 'draining'), 0) as slots,
    (array_agg(l.id))[1:5] as ids
  into w
  from live_workers(p_job.kind, p_job.queue) l;
  if w.all_of_them = 0 then
    return query select 'no_worker', format('no live worker serves the kind %s', p_job.kind), null::timestamptz,
      jsonb_build_object('last_seen_at', (select k.last_seen_at from kinds k where k.name = p_job.kind));
    return;
  elsif w.here = 0 then
    return query select 'no_worker_in_queue',
      format('no worker that serves the kind %s claims from the queue %s', p_job.kind, p_job.queue), null::timestamptz,
      jsonb_build_object('workers', to_jsonb(w.ids));
    return;
  elsif w.draining = w.here then
    return query select 'workers_draining', 'all workers that serve the job are draining', null::timestamptz, jsonb_build_object('workers', to_jsonb(w.ids));
    return;
  end if;
  if w.slots = 0 then
    return query select 'no_slots', format('the workers that serve the job have no slots for the queue %s', p_job.queue), null::timestamptz, jsonb_build_object('workers', to_jsonb(w.ids));
    return;
  elsif coalesce(p_job.due_at, p_job.run_at) > now() then
    -- A job that is not due yet is in no queue of due jobs.
    return;
  end if;
  line := place_in_queue(p_job);
  -- The jobs ahead take the free slots.
  if line.busy + line.ahead >= line.slots then
    return query select 'workers_busy',
      format('jobs ahead: %s; slots taken: %s of %s', case when line.ahead >= 5000 then '5000 or more' else line.ahead::text end, line.busy, line.slots),
      null::timestamptz,
      jsonb_build_object('ahead', line.ahead, 'running', line.busy, 'slots', line.slots, 'priority', p_job.priority);
  end if;
end
$$;
comment on function explain_workers(jobs) is 'The workers that could run a job, and why they do not.';

create or replace function explain_started(p_job jobs)
returns table (code text, message text, until timestamptz, details jsonb)
language plpgsql
stable
set search_path from current
as $$
#variable_conflict use_column
declare
  r running;
  p progress;
begin
  if p_job.finished_at is not null then
    return query select
      'finished',
      format('the job is %s since %s%s', p_job.state, format_utc(p_job.finished_at), coalesce(': ' || (redact(p_job.error) ->> 'message'), '')),
      null::timestamptz,
      jsonb_strip_nulls(jsonb_build_object('state', p_job.state, 'finished_at', p_job.finished_at, 'error', redact(p_job.error)));
    return;
  end if;
  select * into r from running where job_id = p_job.id;
  select * into p from progress where job_id = p_job.id;
  return query select
    'running',
    format('worker %s runs the job since %s; its last heartbeat was at %s%s', p_job.worker_id, format_utc(p_job.started_at),
      format_utc(coalesce(r.seen_at, p_job.started_at)), case when p.percent is not null then format(' (%s %%)', p.percent) else '' end),
    null::timestamptz,
    jsonb_strip_nulls(jsonb_build_object('worker_id', p_job.worker_id, 'started_at', p_job.started_at, 'seen_at', coalesce(r.seen_at, p_job.started_at),
      'deadline_at', r.deadline_at, 'percent', p.percent, 'step', p.step, 'cancel_requested_at', p_job.cancel_requested_at));
end
$$;
comment on function explain_started(jobs) is 'How a finished job ended, or who runs a running one.';

create or replace function turns_before(p_job jobs) returns bigint
language sql
stable
set search_path from current
as $$
  select count(*)
  from (
    select
    from ready_groups t
    -- One row of each: the planner would read every job of the queue for an "exists".
    cross join lateral (
      select
      from jobs_live o
      where o.queue = t.queue
        and o.priority = t.priority
        and o.group_id = t.group_id
        and o.state = 'waiting'
        and o.due_at <= now()
      order by o.due_at, o.id
      limit 1
    ) first
    where t.queue = p_job.queue
      and t.priority <= p_job.priority
      and t.group_id <> p_job.group_id
      and t.ready_at <= now()
    limit 1000
  ) others
$$;
comment on function turns_before(jobs) is 'The number of other groups of the queue that have a due job, up to 1,000; those come before the group of the job.';

create or replace function explain(p_job uuid)
returns table (ord bigint, code text, message text, until timestamptz, details jsonb)
language plpgsql
volatile
set search_path from current
as $$
#variable_conflict use_column
declare
  j jobs;
  q queues;
  k kinds;
  due timestamptz;
begin
  select * into j from jobs where id = p_job;
  if j.id is null then
    return;
  elsif j.finished_at is not null or j.state = 'running' then
    return query select 1::bigint, e.* from explain_started(j) e;
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
      case when j.attempt > 0 then format('attempt %s failed (%s); the next attempt is due at %s', j.attempt, coalesce(left(redact(j.error) ->> 'message', 200), 'no message'), format_utc(due))
        else format('the job is not due until %s', format_utc(due)) end,
      due, jsonb_build_object('run_at', due, 'attempt', j.attempt)
    where due > now()
    union all
    select 3, 'queue_paused', format('the queue %s is paused since %s by %s', q.name, format_utc(q.paused_at), coalesce(q.paused_by, 'somebody')),
      null, jsonb_build_object('queue', q.name, 'paused_at', q.paused_at, 'paused_by', q.paused_by)
    where q.paused_at is not null
    union all
    select 4, 'breaker_open', format('the circuit breaker of the kind %s is open until %s, because its jobs crash in a loop', k.name, format_utc(k.breaker_open_until)),
      k.breaker_open_until, jsonb_build_object('kind', k.name, 'crashes', k.breaker_crashes)
    where k.breaker_open_until > now()
    union all
    select 5, e.code, e.message, e.until, e.details from explain_limits(j) e
    union all
    select 6, e.code, e.message, e.until, e.details from explain_workers(j) e
    where j.kind <> 'tidemill.workflow'
    union all
    select 7, 'takes_turns', format('%s other groups of the queue come before the group of the job', t.others), null, jsonb_build_object('others', t.others, 'fair_key', j.fair_key)
    from (select turns_before(j) as others offset 0) t
    where j.group_id is not null and j.due_at <= now() and t.others > 0
      -- With free slots for all of them no job waits for its turn.
      and t.others >= (select l.slots - l.busy from place_in_queue(j) l)
    union all
    select 8, 'expires', format('the job is cancelled if no worker starts it by %s', format_utc(j.expires_at)), j.expires_at, jsonb_build_object('expires_at', j.expires_at)
    where j.expires_at is not null and j.started_at is null
  ),
  all_found as (
    select f.place, f.code, f.message, f.until, f.details from found f
    union all
    select 9, 'starting', 'nothing blocks the job; it starts at any moment', null, '{}'::jsonb
    where due <= now()
      and not exists (select 1 from found f where f.code <> 'expires')
  )
  select
    -- Of several full limits, those of the job come before that of its queue.
    row_number() over (order by f.place, f.details ->> 'limit' like 'queue:%', f.details ->> 'limit'),
    f.code, f.message, f.until, f.details
  from all_found f;
end
$$;
comment on function explain(uuid)
  is 'Why a job does not run: the reasons in the order in which to resolve them, each with a code, a message, its end if that is known, and details. No row if there is no such job.';

create or replace function expected_start(p_job uuid, out at timestamptz, out based_on text)
language plpgsql
volatile
set search_path from current
as $$
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
      -- Someone must act first, or a job that uses the limit must end, at an unknown time.
      return;
    elsif e.code = 'rate_reached' then
      -- The next starts of the limit go to the jobs that come before it.
      holds_until := greatest(holds_until, e.until + make_interval(secs => (e.details ->> 'seconds_each')::double precision * (
        select count(*)
        from due_before(j) d
        where e.details ->> 'limit' = any(d.concurrency_keys || ('queue:' || j.queue)))));
    elsif e.code <> 'expires' then
      holds_until := greatest(holds_until, e.until);
    end if;
    if e.code = 'workers_busy' then
      select (e.details ->> 'ahead')::bigint as ahead, (e.details ->> 'running')::bigint as busy, (e.details ->> 'slots')::bigint as slots into line;
    end if;
  end loop;
  if line is null then
    line := place_in_queue(j);
  end if;
  waits := line.busy + line.ahead >= line.slots;
  -- By the counters: a day of the history may have no such job, and be long.
  select extract(epoch from sum(c.ran) / nullif(sum(c.jobs), 0)) into seconds
  from hourly_counters c
  where c.hour > now() - interval '1 day'
    and c.kind = j.kind
    and c.outcome = 'completed';
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
comment on function expected_start(uuid)
  is 'An estimate of when a job starts, and its basis: the jobs ahead are assumed to run as long as jobs of its own kind did. Null if it is unknown or someone must act first.';
