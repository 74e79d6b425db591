-- The health report: one verdict on whether work starts (flow), succeeds (execution) and is known
-- (liveness), the same for SQL, the API and the command line. Decides by the rules of explain(), the
-- alerts and the sweep, and must never scan jobs: it reads the first due jobs of each queue only.

create or replace function report_heads() returns table (queue text, kind text, job_id uuid, due_at timestamptz)
language plpgsql
volatile
set search_path from current
as $$
#variable_conflict use_column
begin
  return query
  select heads.*
  from (
    select distinct on (n.name, h.kind) n.name, h.kind::text, h.id, h.due
    from (select name from queue_names order by name limit 100) n
    cross join lateral (
      select j.id, j.kind, j.run_at as due
      from generate_series(1, 9) as p (priority)
      cross join lateral (
        select l.id, l.kind, l.run_at
        from jobs_live l
        where l.queue = n.name
          and l.priority = p.priority
          and l.run_at <= now()
          and l.state = 'available'
        order by l.run_at, l.id
        limit 50
      ) j
      union all
      select j.id, j.kind, j.due_at
      from (select * from ready_groups t where t.queue = n.name order by t.priority, t.ready_at, t.group_id limit 50) t
      cross join lateral (
        select l.id, l.kind, l.due_at
        from jobs_live l
        where l.queue = t.queue
          and l.priority = t.priority
          and l.group_id = t.group_id
          and l.state = 'waiting'
          and l.due_at <= now()
        order by l.due_at, l.id
        limit 1
      ) j
    ) h
    order by n.name, h.kind, h.due, h.id
  ) heads
  order by heads.due, heads.name, heads.kind
  limit 25;
end
$$;
comment on function report_heads() is 'The longest due job of each queue and kind, of the first 50 due jobs of each priority and the first 50 groups; of at most 100 queues; the 25 that have been due longest.';

create or replace function report_deployment() returns text
language sql
stable
set search_path from current
as $$
  -- A worker of the binary reports how it contains commands, a remote one has no process id.
  select coalesce(
    (
      select case when w.containment is not null then 'binary' when w.pid is not null then 'embedded' else 'remote' end
      from workers w
      order by w.state <> 'stopped' and w.seen_at > now() - w.lease_ttl desc, w.seen_at desc, w.id
      limit 1
    ),
    'unknown')
$$;
comment on function report_deployment() is 'The deployment that runs the jobs: binary (tidemill dev or tidemill worker), embedded (a program with the library), remote (a worker over HTTP) or unknown; by the newest live worker, else the last.';

create or replace function report_remedy(p_code text, p_name text, p_deployment text) returns jsonb
language sql
immutable
set search_path from current
as $$
  select jsonb_build_object('advice', r.advice, 'api', r.api, 'command', r.command)
  from (
    select
      case
        when p_code in ('no_worker', 'no_worker_in_queue', 'worker_lost') then
          case p_deployment
            when 'embedded' then 'start the program that embeds the worker, and register the kind and its queue there'
            when 'remote' then 'start the remote worker, and let its claim name the kind and the queue'
            when 'binary' then 'start tidemill worker, or tidemill dev, with the kind and the queue in its config'
            else 'start a worker for it: tidemill worker, a program with the library, or a remote worker'
          end
        when p_code = 'workers_draining' then 'start new workers; a draining worker takes no more jobs'
        when p_code in ('workers_busy', 'takes_turns', 'no_slots') then
          case p_deployment
            when 'embedded' then 'raise the slots of the queue, or start the program on more machines'
            else 'raise the slots of the queue, or start more workers'
          end
        when p_code = 'queue_paused' then 'resume the queue when its reason is gone'
        when p_code = 'breaker_open' then 'fix the cause of the crashes, then reset the breaker'
        when p_code in ('limit_full', 'rate_reached') then 'raise the limit, or wait until its jobs end'
        when p_code = 'not_claimed' then 'read the log of the workers, and the checks of tidemill doctor'
        when p_code = 'failing' then 'look at the causes of the failures'
        when p_code = 'slow' then 'compare the running jobs with earlier ones, and what they call'
        when p_code = 'alert' then 'look at the alert and its rule'
        when p_code in ('sweep_overdue', 'stats_overdue') then
          case p_deployment
            when 'embedded' then 'start the program that runs the maintenance, or tidemill serve, and check that it reaches the database'
            else 'start tidemill serve or a worker, and check that they reach the database'
          end
      end as advice,
      case
        when p_code in ('no_worker', 'no_worker_in_queue', 'worker_lost', 'workers_draining') then 'GET /api/v1/workers'
        when p_code in ('workers_busy', 'takes_turns', 'no_slots') then format('PATCH /api/v1/queues/%s', p_name)
        when p_code = 'queue_paused' then format('POST /api/v1/queues/%s/resume', p_name)
        when p_code = 'breaker_open' then format('POST /api/v1/kinds/%s/reset-breaker', p_name)
        when p_code in ('limit_full', 'rate_reached') and p_name like 'queue:%' then format('PATCH /api/v1/queues/%s', substr(p_name, 7))
        when p_code in ('limit_full', 'rate_reached') then format('PUT /api/v1/limits/%s', split_part(p_name, ':', 1))
        when p_code = 'failing' then 'GET /api/v1/failures'
        when p_code = 'slow' then 'GET /api/v1/stats/kinds'
        when p_code = 'alert' then 'GET /api/v1/alerts'
        else 'GET /api/v1/doctor'
      end as api,
      case
        when p_code in ('no_worker', 'no_worker_in_queue', 'worker_lost', 'workers_draining') then 'tidemill workers list'
        when p_code in ('workers_busy', 'takes_turns', 'no_slots') then format('tidemill queues set %s', p_name)
        when p_code = 'queue_paused' then format('tidemill queues resume %s', p_name)
        when p_code = 'breaker_open' then format('tidemill kinds reset-breaker %s', p_name)
        when p_code in ('limit_full', 'rate_reached') and p_name like 'queue:%' then format('tidemill queues set %s', substr(p_name, 7))
        when p_code in ('limit_full', 'rate_reached') then format('tidemill limits set %s', split_part(p_name, ':', 1))
        when p_code = 'failing' then 'tidemill failures'
        when p_code = 'slow' then 'tidemill stats'
        when p_code = 'alert' then 'tidemill alerts list'
        else 'tidemill doctor'
      end as command
  ) r
$$;
comment on function report_remedy(text, text, text) is 'The advice for a finding of the health report in a deployment, with the API path and the command that act.';

create or replace function report_flow() returns table (code text, severity text, object text, name text, message text, figures jsonb)
language plpgsql
volatile
set search_path from current
as $$
#variable_conflict use_column
declare
  h record;
  e record;
begin
  for h in select * from report_heads() loop
    select x.code, x.message, x.details into e
    from explain(h.job_id) x
    where x.code <> 'expires'
    order by x.ord
    limit 1;
    -- Changed meanwhile, or about to start.
    if e.code is null or e.code in ('finished', 'running') or e.code = 'starting' and h.due_at > now() - interval '30 seconds' then
      continue;
    elsif e.code = 'starting' then
      e.code := 'not_claimed';
      e.message := format('nothing blocks the oldest due job of queue %s, but no worker takes it', h.queue);
    end if;
    code := e.code;
    message := e.message;
    object := case when e.code in ('limit_full', 'rate_reached') then 'limit' when e.code in ('no_worker', 'breaker_open') then 'kind' else 'queue' end;
    name := case object when 'limit' then e.details ->> 'limit' when 'kind' then h.kind else h.queue end;
    -- A worker that restarts, and work that only has to wait for its turn, are not worth a call.
    severity := case
      when e.code = 'breaker_open' then 'attention'
      when e.code in ('no_worker', 'no_worker_in_queue', 'workers_draining', 'no_slots')
        and h.due_at < now() - interval '15 seconds' then 'attention'
      when h.due_at < now() - interval '5 minutes' then 'attention'
      else 'info'
    end;
    figures := jsonb_build_array(
      jsonb_build_object('name', 'oldest_due', 'value', round(extract(epoch from now() - h.due_at)::numeric, 3), 'unit', 'seconds'));
    return next;
  end loop;
end
$$;
comment on function report_flow() is 'Why the first due jobs of each queue and kind do not start: the first reason of explain() of each. A cause needs attention after 15 s if someone has to act, else after five minutes.';

create or replace function report_execution() returns table (code text, severity text, object text, name text, message text, figures jsonb)
language plpgsql
stable
set search_path from current
as $$
#variable_conflict use_column
begin
  return query
  with recent as materialized (
    select
      kind,
      coalesce(sum(jobs) filter (where outcome in ('completed', 'failed', 'retried')), 0) as ended,
      coalesce(sum(jobs) filter (where outcome in ('failed', 'retried')), 0) as failed,
      sum(jobs) filter (where outcome = 'completed') as completed,
      extract(epoch from sum(ran) filter (where outcome = 'completed'))::numeric as ran
    from counters
    where minute > now() - interval '15 minutes'
    group by kind
    order by 2 desc, 1
    limit 200
  ),
  past as materialized (
    select
      h.kind,
      sum(jobs) filter (where outcome in ('completed', 'failed', 'retried')) as ended,
      coalesce(sum(jobs) filter (where outcome in ('failed', 'retried')), 0) as failed,
      sum(jobs) filter (where outcome = 'completed') as completed,
      extract(epoch from sum(ran) filter (where outcome = 'completed'))::numeric as ran
    from stats_hours h
    where h.hour > now() - interval '7 days'
      and h.hour < date_trunc('hour', now() - interval '15 minutes', 'UTC')
      and h.kind in (select r.kind from recent r)
    group by h.kind
  ),
  compared as materialized (
    select
      r.kind,
      r.ended,
      r.failed,
      r.failed / nullif(r.ended, 0) as rate,
      case when p.ended >= 20 then p.failed / p.ended end as past_rate,
      case when r.completed >= 5 then r.ran / r.completed end as run,
      case when p.completed >= 20 then p.ran / p.completed end as past_run
    from recent r
    left join past p on p.kind = r.kind
  )
  select
    'failing', 'attention', 'kind', c.kind,
    format('%s of %s attempts of kind %s failed in the last 15 minutes; %s', c.failed, c.ended, c.kind,
      case when c.past_rate is null then 'its past is too short to compare' else format('in the past 7 days %s %%', round(c.past_rate * 100, 1)) end),
    jsonb_build_array(
      jsonb_build_object('name', 'error_rate', 'value', round(c.rate, 4), 'unit', 'share'),
      jsonb_build_object('name', 'past_error_rate', 'value', round(c.past_rate, 4), 'unit', 'share'))
  from compared c
  where c.failed >= 5
    and c.rate > greatest(0.2, 2 * coalesce(c.past_rate, 0.25))
  union all
  select
    'slow', 'attention', 'kind', c.kind,
    format('jobs of kind %s ran %s s on average in the last 15 minutes; in the past 7 days %s s', c.kind, round(c.run, 3), round(c.past_run, 3)),
    jsonb_build_array(
      jsonb_build_object('name', 'average_run', 'value', round(c.run, 3), 'unit', 'seconds'),
      jsonb_build_object('name', 'past_average_run', 'value', round(c.past_run, 3), 'unit', 'seconds'))
  from compared c
  where c.run > 3 * c.past_run
    and c.run - c.past_run > 0.1;
end
$$;
comment on function report_execution() is 'The kinds that failed or ran worse in the last 15 minutes than in the past seven days, by counters: five failures and twice the past failure rate (at least a fifth), or three times the past average run time.';

create or replace function report_liveness() returns table (code text, severity text, object text, name text, message text, figures jsonb)
language plpgsql
volatile
set search_path from current
as $$
#variable_conflict use_column
declare
  since timestamptz;
begin
  select coalesce(open_pause(), (select s.swept_at from sweep_times s)) into since;
  if since is null or open_pause() is not null then
    return query select
      'sweep_overdue', 'stale', 'database', current_schema()::text,
      case when since is null then 'no process has ever run the maintenance of this database'
        else format('no process has swept since %s', format_utc(since)) end,
      case when since is null then '[]'
        else jsonb_build_array(jsonb_build_object('name', 'sweep_age', 'value', round(extract(epoch from clock_timestamp() - since)::numeric, 3), 'unit', 'seconds')) end;
  end if;
  select min(d.at) into since from (select at from stats_deltas limit 10000) d;
  if since < clock_timestamp() - interval '2 minutes' then
    return query select
      'stats_overdue', 'stale', 'database', current_schema()::text,
      format('counts since %s are not added to the statistics', format_utc(since)),
      jsonb_build_array(jsonb_build_object('name', 'stats_age', 'value', round(extract(epoch from clock_timestamp() - since)::numeric, 3), 'unit', 'seconds'));
  end if;
  return query
  select
    'worker_lost', 'attention', 'worker', w.id, format('worker %s on %s is lost; its last heartbeat was at %s', w.id, w.host, format_utc(w.seen_at)),
    jsonb_build_array(jsonb_build_object('name', 'heartbeat_age', 'value', round(extract(epoch from now() - w.seen_at)::numeric, 3), 'unit', 'seconds'))
  from worker_status s
  join workers w on w.id = s.id
  where s.state = 'lost'
    and w.seen_at > now() - interval '1 day'
  order by w.seen_at desc, w.id
  limit 20;
end
$$;
comment on function report_liveness() is 'The stale data of the report: an overdue sweep, overdue statistics, and workers that were lost within a day. Severity stale makes the other parts unknown.';

create or replace function report_alerts() returns table (part text, code text, severity text, object text, name text, message text, figures jsonb)
language sql
stable
set search_path from current
as $$
  select
    case
      when r.condition in ('error_rate', 'average_time', 'stuck_jobs') then 'execution'
      when r.condition in ('queue_depth', 'no_worker') then 'flow'
      else 'liveness'
    end,
    'alert', 'attention', 'alert', a.rule, format('alert %s fires since %s: %s', a.rule, format_utc(a.fired_at), a.message),
    jsonb_build_array(jsonb_build_object('name', r.condition, 'value', round(a.value::numeric, 3), 'unit', 'as in the rule'))
  from alerts a
  join alert_rules r on r.name = a.rule
  where a.fired_at is not null
    and a.resolved_at is null
  order by a.fired_at, a.rule, a.subject
  limit 20
$$;
comment on function report_alerts() is 'The first 20 alerts that fire, each with the part of the report that its condition belongs to.';

create or replace function health_report() returns jsonb
language plpgsql
volatile
set search_path from current
as $$
#variable_conflict use_column
declare
  deployment text := report_deployment();
  stale boolean;
  findings jsonb;
  states jsonb;
begin
  with live as materialized (select 'liveness' as part, l.* from report_liveness() l),
  fresh as materialized (select not exists (select from live where severity = 'stale') as is_fresh),
  found as (
    select * from live
    union all
    select x.* from fresh f cross join lateral (
      select 'flow', w.* from report_flow() w
      union all
      select 'execution', e.* from report_execution() e
      union all
      select * from report_alerts()
    ) x (part, code, severity, object, name, message, figures)
    where f.is_fresh
  ),
  -- One row for each cause, with the job that waits longest.
  causes as (
    select distinct on (part, code, object, name) f.*
    from found f
    order by part, code, object, name, (figures -> 0 ->> 'value')::numeric desc nulls last, message
  ),
  ordered as (
    select
      jsonb_build_object(
        'part', c.part, 'code', c.code, 'severity', c.severity, 'object', jsonb_build_object('type', c.object, 'name', c.name),
        'message', c.message, 'figures', c.figures,
        -- Advice from stale data is left out; advice about the stale data itself stays.
        'remedy', report_remedy(c.code, c.name, deployment)) as finding,
      row_number() over (
        order by array_position(array['stale', 'attention', 'info'], c.severity), array_position(array['liveness', 'flow', 'execution'], c.part),
          c.code, c.object, c.name) as place
    from causes c
  )
  select coalesce(jsonb_agg(finding order by place) filter (where place <= 50), '[]') into findings from ordered;
  stale := findings @> '[{"severity": "stale"}]';
  select jsonb_object_agg(p.part, case
    when stale then case p.part when 'liveness' then 'attention' else 'unknown' end
    when findings @> jsonb_build_array(jsonb_build_object('part', p.part, 'severity', 'attention')) then 'attention'
    else 'ok' end)
  into states
  from unnest(array['flow', 'execution', 'liveness']) as p (part);
  return jsonb_build_object(
    'verdict', case when stale then 'unknown' when states @> '{"flow": "ok", "execution": "ok", "liveness": "ok"}' then 'ok' else 'attention' end,
    'message', case
      when stale then 'nothing certain is known: ' || (findings -> 0 ->> 'message')
      when states @> '{"flow": "ok", "execution": "ok", "liveness": "ok"}' then 'work starts and succeeds as usual'
      else findings -> 0 ->> 'message' end,
    'parts', states, 'deployment', deployment, 'findings', findings);
end
$$;
comment on function health_report()
  is 'Whether work starts (flow), succeeds (execution) and is known (liveness): the verdict ok, attention or unknown, the state of each part, and at most 50 findings, the worst first, each with a code, its object, a message, figures and a remedy. With stale data flow and execution are unknown and have no findings.';
