-- Alerts: the maintenance of one process at a time measures the rules. An alert fires once and is
-- resolved once. Its notices are written in the same transaction, so that a crash loses none.

create or replace function measure_attempts(p_rule alert_rules) returns table (subject text, value double precision, message text)
language plpgsql
stable
set search_path from current
as $$
#variable_conflict use_column
declare
  opens timestamptz := date_trunc('minute', clock_timestamp() - p_rule.over);
  -- A long window reads minutes only before its first whole hour; a short window reads minutes
  -- only.
  by_hours timestamptz := case
    when p_rule.over > interval '6 hours' then date_trunc('hour', opens, 'UTC') + interval '1 hour' else 'infinity' end;
begin
  -- Not in the language SQL, because the views are made after the functions.
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
comment on function measure_attempts(alert_rules) is 'The kinds that fail too often or run too long on average, by the counters of the rule''s window.';

create or replace function measure_database(p_condition text, p_latency_seconds double precision) returns double precision
language sql
volatile
set search_path from current
as $$
  select case p_condition
    when 'database_latency' then p_latency_seconds
    when 'database_size' then pg_database_size(current_database())::double precision
    else (select extract(epoch from clock_timestamp() - min(h.since))::double precision from horizon_holders() h)
  end
$$;
comment on function measure_database(text, double precision) is 'Seconds of the last answer, bytes of the database, or seconds of the oldest transaction that keeps dead rows; null if unknown or none.';

create or replace function breaches(p_rule alert_rules, p_latency_seconds double precision)
returns table (subject text, value double precision, message text)
language plpgsql
set search_path from current
as $$
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
comment on function breaches(alert_rules, double precision) is 'The subjects that exceed a rule at this moment: the subject, the measured value, and a message.';

create or replace function write_notices(p_alerts uuid[], p_event text) returns void
language sql
set search_path from current
as $$
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
comment on function write_notices(uuid[], text) is 'Writes the notices of alerts that fired or are resolved; each notice is written once.';

create or replace function evaluate_alert(p_rule alert_rules, p_latency_seconds double precision) returns void
language plpgsql
set search_path from current
as $$
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
      -- A process that waited for the database for that time knows when the slowness began.
      moment - case when p_rule.condition = 'database_latency' then make_interval(secs => f.value) else '0' end
    from found f
    on conflict (rule, subject) where resolved_at is null do update
    set value = excluded.value, above = excluded.above, message = excluded.message, clear_since = null
  )
  select coalesce(array_agg(f.subject), '{}') into found_subjects from found f;
  -- An alert that ends before it fires is dropped.
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
  perform write_notices(changed, 'fired');
  with resolved as (
    update alerts
    set resolved_at = moment
    where rule = p_rule.name and resolved_at is null and clear_since <= moment - p_rule.hold
    returning id
  )
  select array_agg(id) into changed from resolved;
  perform write_notices(changed, 'resolved');
end
$$;
comment on function evaluate_alert(alert_rules, double precision) is 'Measures a rule: opens, fires and resolves its alerts, each only after the time that the rule''s hold sets.';

create or replace function evaluate_alerts(p_latency_seconds double precision default null) returns boolean
language plpgsql
set search_path from current
as $$
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
      -- A rule that cannot be measured does not block the others.
      raise warning 'alert rule % could not be measured: %', r.name, sqlerrm;
    end;
  end loop;
  delete from alerts where resolved_at < now() - interval '90 days';
  return true;
end
$$;
comment on function evaluate_alerts(double precision) is 'Measures all rules; false if another process is doing so. The argument is the time in seconds that the database took to answer the caller.';

create or replace function has_notices() returns boolean
language sql
volatile
set search_path from current
as $$
  select exists (
    select
    from alert_notices
    where sent_at is null
      and due_at <= clock_timestamp()
      and attempts < 20)
$$;
comment on function has_notices() is 'Whether take_notices() may find something.';

create or replace function take_notices(p_limit integer default 20)
returns table (id uuid, event text, channel text, target text, attempts integer, alert jsonb)
language sql
set search_path from current
as $$
  with due as materialized (
    select n.id
    from alert_notices n
    where n.sent_at is null
      and n.due_at <= clock_timestamp()
      and n.attempts < 20
      -- A notice that an alert is resolved waits until the notice that it fired is delivered.
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
    -- No other process takes it while it is being sent; if the sender dies, or the receiver is
    -- away, it is sent again.
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
comment on function take_notices(integer) is 'Takes due notices for sending. A notice belongs to the caller for 30 s, then it is due again unless notice_sent reports it as delivered. After 20 tries it is given up. A notice that an alert is resolved waits until its receiver got the notice that it fired.';

create or replace function notice_sent(p_notice uuid, p_error text) returns void
language sql
set search_path from current
as $$
  update alert_notices
  set sent_at = case when p_error is null then clock_timestamp() end, error = p_error
  where id = p_notice
$$;
comment on function notice_sent(uuid, text) is 'Marks a notice as delivered, or records why it could not be sent.';

create or replace function set_alert(
  name text, condition text, above double precision default 0, kind text default null, queue text default null,
  at_least integer default 1, over interval default '15 minutes', hold interval default '1 minute',
  webhook text default null, email text[] default '{}', from_config boolean default false,
  owner text default null
)
returns void
language sql
set search_path from current
as $$
  insert into alert_rules as r (name, condition, above, kind, queue, at_least, over, hold, webhook, email, from_config, owner)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, coalesce($10, '{}'), $11, case when $11 then coalesce($12, 'default') end)
  on conflict (name) do update
  set
    condition = excluded.condition, above = excluded.above, kind = excluded.kind, queue = excluded.queue,
    at_least = excluded.at_least, over = excluded.over, hold = excluded.hold, webhook = excluded.webhook,
    email = excluded.email, from_config = excluded.from_config, owner = excluded.owner, updated_at = now()
  where to_jsonb(r) - 'updated_at' <> to_jsonb(excluded) - 'updated_at'
$$;
comment on function set_alert(text, text, double precision, text, text, integer, interval, interval, text, text[], boolean, text)
  is 'Makes or replaces an alert rule: select set_alert(''errors'', ''error_rate'', above => 0.1, over => ''1 hour'', email => array[''ops@example.org'']).';

create or replace function drop_alert(p_name text) returns boolean
language plpgsql
set search_path from current
as $$
declare
  closed uuid[];
begin
  -- No other process measures the rule meanwhile, or opens another alert of it.
  perform pg_advisory_xact_lock(hashtext('tidemill alerts'), hashtext(current_schema()));
  delete from alerts where rule = p_name and fired_at is null;
  with resolved as (
    update alerts set resolved_at = clock_timestamp() where rule = p_name and resolved_at is null returning id
  )
  select array_agg(id) into closed from resolved;
  perform write_notices(closed, 'resolved');
  delete from alert_rules where name = p_name;
  return found;
end
$$;
comment on function drop_alert(text) is 'Removes an alert rule and resolves the alerts that it fired; false if there is no rule of that name.';

create or replace function test_alert(p_name text) returns uuid
language plpgsql
set search_path from current
as $$
declare
  made uuid;
  moment constant timestamptz := clock_timestamp();
begin
  -- Resolved from the beginning, so that it is no open alert of the rule.
  insert into alerts (id, rule, subject, value, above, message, since, fired_at, resolved_at)
  select new_job_id(), r.name, 'test', r.above, r.above, format('a test of the alert rule %s: nothing is wrong', r.name), moment, moment, moment
  from alert_rules r
  where r.name = p_name
  returning id into made;
  if made is not null then
    perform write_notices(array[made], 'fired');
    perform audit('test', 'alert:' || p_name, null, null);
  end if;
  return made;
end
$$;
comment on function test_alert(text) is 'Sends a notice to the addresses of an alert rule, which says that it is a test; returns the id of the alert, null if there is no rule of that name.';

create or replace function keep_config_alerts(p_names text[], p_owner text default null) returns setof text
language sql
set search_path from current
as $$
  with gone as materialized (
    select r.name
    from alert_rules r
    where r.from_config
      and r.owner = p_owner
      and r.name <> all(p_names)
  )
  select g.name from gone g where drop_alert(g.name)
$$;
comment on function keep_config_alerts(text[], text) is 'Removes the rules of a deployment that its config no longer has; returns their names. Without a deployment it removes none.';

create or replace trigger alert_rules_audited after insert or update or delete on alert_rules
for each row execute function audit_change('alert', 'name', 'updated_at');
comment on trigger alert_rules_audited on alert_rules is 'People make and drop rules, so changes are audited.';
