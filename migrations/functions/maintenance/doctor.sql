-- Doctor: problems of this installation, present or soon, each with a remedy.

create or replace function horizon_holders()
returns table (what text, who text, since timestamptz, transactions bigint, unread boolean, details jsonb)
language sql
stable
set search_path from current
as $$
  select
    'session',
    format('session %s of %s (%s, %s)', a.pid, coalesce(a.usename, '?'), coalesce(nullif(a.application_name, ''), 'no name'),
      coalesce(a.state, 'what it does is hidden')),
    a.xact_start,
    greatest(age(a.backend_xid), age(a.backend_xmin))::bigint,
    false,
    jsonb_build_object('pid', a.pid, 'user', a.usename, 'application', a.application_name, 'state', a.state)
  from pg_stat_activity a
  -- A transaction that wrote holds rows by its own transaction id, one that reads by its snapshot;
  -- those of other databases hold nothing here.
  where coalesce(a.backend_xid, a.backend_xmin) is not null
    and a.datname = current_database()
    and a.leader_pid is null
    and a.pid <> pg_backend_pid()
    -- Vacuum does not block itself.
    and not exists (select 1 from pg_stat_progress_vacuum v where v.pid = a.pid)
    -- Its standby is listed below.
    and not exists (select 1 from pg_stat_get_wal_senders() w where w.pid = a.pid)
  union all
  select 'prepared transaction', format('prepared transaction %s of %s', p.gid, p.owner), p.prepared, age(p.transaction)::bigint, false,
    jsonb_build_object('gid', p.gid, 'owner', p.owner)
  from pg_prepared_xacts p
  where p.database = current_database()
  union all
  -- A logical slot has only a catalog_xmin, which keeps no row of a queue. The rows below belong to
  -- no database.
  select 'replication slot', format('replication slot %s (%s)', s.slot_name, case when s.active then 'active' else 'no reader' end), null,
    age(s.xmin)::bigint, not s.active, jsonb_build_object('slot', s.slot_name, 'active', s.active)
  from pg_replication_slots s
  where s.xmin is not null
  union all
  select 'standby', format('standby %s', coalesce(nullif(r.application_name, ''), r.client_addr::text, r.pid::text)), null,
    age(r.backend_xmin)::bigint, false, jsonb_build_object('application', r.application_name, 'address', r.client_addr)
  from pg_stat_replication r
  where r.backend_xmin is not null
$$;
comment on function horizon_holders()
  is 'Sessions that can keep vacuum from removing dead rows of this database: open transactions, prepared ones, slots, standbys; with their start if it is known, their age in transactions, and whether it is a slot without a reader, which never advances.';

create or replace function severity_of(p_check text, p_number double precision, p_other double precision default 0) returns text
language sql
immutable
set search_path from current
as $$
  select case p_check
    -- Seconds that a session has held the horizon, in addition to the dead rows of the hot tables.
    when 'horizon' then
      case when p_number > 600 and p_other > 100000 then 'critical' when p_number > 60 then 'warning' when p_number > 10 then 'info' end
    -- The same in transactions. A standby with feedback always lags a little.
    when 'horizon by transactions' then
      case when p_number > 1000000 and p_other > 100000 then 'critical' when p_number > 50000 then 'warning' end
    -- Dead rows of a table, compared with its live ones.
    when 'bloat' then case when p_number > 50000 and p_number > 5 * p_other then 'warning' end
    -- Connections that are left.
    when 'connections' then case when p_number < 5 then 'critical' when p_number < 15 then 'warning' end
    -- Age of the oldest transaction id; at two billion the database accepts no writes.
    when 'wraparound' then case when p_number > 1800000000 then 'critical' when p_number > 1200000000 then 'warning' end
    -- Bytes that a slot keeps.
    when 'wal' then case when p_number > 1073741824 then 'warning' end
  end
$$;
comment on function severity_of(text, double precision, double precision) is 'How bad a number is for a check of doctor(); null if it is fine.';

create or replace function horizon_severity(p_since timestamptz, p_transactions bigint, p_dead bigint) returns text
language sql
stable
set search_path from current
as $$
  select case
    when p_since is null then severity_of('horizon by transactions', p_transactions, p_dead)
    else severity_of('horizon', extract(epoch from now() - p_since)::double precision, p_dead)
  end
$$;
comment on function horizon_severity(timestamptz, bigint, bigint) is 'How bad it is that a session holds the horizon: by time if its start is known, else by transactions; null if it is not bad yet.';

create or replace function hidden_sessions() returns bigint
language sql
stable
set search_path from current
as $$
  select count(*)
  from pg_stat_activity a
  where a.datname = current_database()
    and (a.backend_type is null or a.state = 'disabled')
    -- Autovacuum's workers belong to no user.
    and a.usesysid is not null
$$;
comment on function hidden_sessions() is 'The number of sessions of this database whose activity the caller cannot see, or that track none (track_activities).';

create or replace function dead_rows() returns bigint
language sql
stable
set search_path from current
as $$
  select coalesce(sum(n_dead_tup), 0)::bigint
  from pg_stat_user_tables
  where schemaname = current_schema()
    and relname in ('jobs_live', 'running', 'progress', 'ready_groups')
$$;
comment on function dead_rows() is 'Dead rows of the hot tables, according to the statistics.';

create or replace function should_shed() returns boolean
language sql
stable
set search_path from current
as $$
  select dead_rows() > 20000
    and exists (
      select 1
      from horizon_holders() h
      where case
        when h.since is null then horizon_severity(h.since, h.transactions, 0) is not null or h.unread
        else h.since <= now() - coalesce(nullif(current_setting('tidemill.shed_after', true), '')::interval, '1 minute')
      end)
$$;
comment on function should_shed()
  is 'Whether dead rows pile up because of a session that holds them: then workers store progress less often. The setting tidemill.shed_after sets the time after which this applies; a minute by default.';

create or replace function slowest_claim_scan(out queue text, out milliseconds numeric)
language plpgsql
volatile
set search_path from current
as $$
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
comment on function slowest_claim_scan(out text, out numeric)
  is 'The cost of dead rows: of the first twenty queues, the one in which a claim from the oldest job takes longest, and how long it took now.';

create or replace function doctor_horizon()
returns table ("check" text, severity text, message text, advice text, details jsonb)
language sql
volatile
set search_path from current
as $$
  with dead as materialized (select dead_rows() as rows),
  look as materialized (select l.queue, l.milliseconds from slowest_claim_scan() l)
  select
    'horizon',
    coalesce(horizon_severity(h.since, h.transactions, dead.rows), 'warning'),
    format('%s keeps dead rows from being removed %s; the hot tables have %s dead rows%s', h.who,
      coalesce('since ' || format_utc(h.since), format('for %s transactions', h.transactions)), dead.rows,
      (select format(', and a claim from the head of queue %s takes %s ms to skip them', look.queue, look.milliseconds)
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
  select 'rights', 'warning', format('the activity of %s sessions of this database is hidden from %s; the sessions that keep dead rows or listen are unknown', n.hidden, current_user),
    format('grant pg_read_all_stats to %I', current_user), jsonb_build_object('hidden', n.hidden)
  from (select hidden_sessions() as hidden) n
  where n.hidden > 0
  union all
  select 'slots', 'info', format('no reader is connected to replication slot %s; it keeps WAL and dead rows of the system catalogs, but none of a queue', s.slot_name),
    format('reconnect its reader, or select pg_drop_replication_slot(%L)', s.slot_name), jsonb_build_object('slot', s.slot_name)
  from pg_replication_slots s
  where not s.active
    and s.catalog_xmin is not null
    and s.xmin is null
  union all
  select 'bloat', severity_of('bloat', t.n_dead_tup, t.n_live_tup),
    format('%s has %s dead rows and %s live rows (%s)', t.relname, t.n_dead_tup, t.n_live_tup, pg_size_pretty(pg_relation_size(t.relid))),
    format('end the sessions that the check horizon lists; then vacuum %I', t.relname),
    jsonb_build_object('table', t.relname, 'dead', t.n_dead_tup, 'live', t.n_live_tup, 'bytes', pg_relation_size(t.relid))
  from pg_stat_user_tables t
  where t.schemaname = current_schema()
    and t.relname in ('jobs_live', 'running', 'progress', 'ready_groups', 'workers', 'dependencies')
    and severity_of('bloat', t.n_dead_tup, t.n_live_tup) is not null
$$;
comment on function doctor_horizon() is 'Sessions, slots and settings that keep dead rows from being removed, and tables with many of them.';

create or replace function doctor_server()
returns table ("check" text, severity text, message text, advice text, details jsonb)
language sql
volatile
set search_path from current
as $$
  select 'settings', 'critical', format('%s is %s: a crash of the machine can lose acknowledged jobs', s.name, s.setting), format('set %s = on', s.name), jsonb_build_object('setting', s.name, 'value', s.setting)
  from pg_settings s
  where s.name in ('fsync', 'full_page_writes') and s.setting = 'off'
  union all
  select 'settings', 'warning', 'synchronous_commit is off by default; Tidemill sets it where it needs it', 'turn it on if you enqueue in your own transactions', jsonb_build_object('setting', s.name, 'value', s.setting)
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
  select 'connections', severity_of('connections', free.left), format('%s of %s connections are free', free.left, current_setting('max_connections')),
    'raise max_connections, or put a pooler in front (database.pgbouncer)', jsonb_build_object('left', free.left)
  -- The type of another user's session can be hidden; a user's session takes a connection.
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
    'let its reader catch up, or drop the slot', jsonb_build_object('slot', kept.slot_name, 'bytes', kept.bytes)
  from (
    select s.slot_name, pg_wal_lsn_diff(case when not pg_is_in_recovery() then pg_current_wal_lsn() end, s.restart_lsn)::double precision as bytes
    from pg_replication_slots s
  ) kept
  where severity_of('wal', kept.bytes) is not null
$$;
comment on function doctor_server() is 'Settings and limits of the server that endanger jobs.';

create or replace function doctor_workers()
returns table ("check" text, severity text, message text, advice text, details jsonb)
language plpgsql
stable
set search_path from current
as $$
#variable_conflict use_column
begin
  return query
  select 'workers', 'warning', format('worker %s on %s is lost; its last heartbeat was at %s', w.id, w.host, format_utc(w.seen_at)), 'read its log; its jobs return to their queues', jsonb_build_object('worker', w.id)
  from workers w
  where w.state <> 'stopped' and w.seen_at < now() - w.lease_ttl
  union all
  select 'queues', 'warning',
    format('worker %s claims from the most queues that it can; %s more queues with due jobs take turns', w.id, w.queues_left_out),
    'start more workers, or name the queues of each worker in its settings', jsonb_build_object('worker', w.id, 'left_out', w.queues_left_out)
  from workers w
  where w.state <> 'stopped' and w.seen_at > now() - w.lease_ttl and w.queues_left_out > 0
  union all
  select 'clocks', 'warning', format('the clock of worker %s is off by %s', w.id, w.clock_skew), 'synchronise it by NTP; leases do not depend on it, the times in its log do', jsonb_build_object('worker', w.id, 'seconds', extract(epoch from w.clock_skew))
  from workers w
  where w.state <> 'stopped' and w.seen_at > now() - w.lease_ttl and abs(extract(epoch from w.clock_skew)) > 5
  union all
  select 'versions', 'info', format('workers of several versions run: %s', string_agg(distinct w.version, ', ')), 'two versions at a time are fine during a deployment', to_jsonb(array_agg(distinct w.version))
  from workers w
  where w.state <> 'stopped' and w.seen_at > now() - w.lease_ttl
  having count(distinct w.version) > 1
  union all
  select 'containment', case when w.containment = 'group' then 'warning' else 'info' end,
    case w.containment
      when 'cgroup' then format('worker %s ends all processes that its commands start: each attempt has a cgroup', w.id)
      when 'reaper' then format('worker %s ends processes that its commands leave behind, as their sub-reaper', w.id)
      else format('worker %s ends only processes that stay in the process group of their command', w.id)
    end,
    case w.containment
      when 'group' then 'set worker.containment = "auto", or start no process in a session of its own'
      else 'nothing needs to be done'
    end,
    jsonb_build_object('worker', w.id, 'containment', w.containment)
  from workers w
  where w.state <> 'stopped' and w.seen_at > now() - w.lease_ttl and w.containment is not null
  union all
  select 'listeners', 'warning', 'workers run, but no process listens for notifications; everything works by polling, slower', 'set database.listen_url to a direct connection', '{}'
  where exists (select 1 from workers w where w.state <> 'stopped' and w.seen_at > now() - w.lease_ttl and w.pid is not null)
    -- Other programs in the database listen on their own channels.
    and not exists (
      select 1
      from pg_stat_activity a
      where a.datname = current_database()
        and a.query ilike 'listen %'
        and btrim(substr(a.query, 8), ' ";') = current_schema())
    -- This cannot be known, and doctor_horizon reports that.
    and hidden_sessions() = 0;
end
$$;
comment on function doctor_workers() is 'Problems of the workers: lost, overloaded, of several versions, or without notifications.';

create or replace function doctor_tidemill()
returns table ("check" text, severity text, message text, advice text, details jsonb)
language plpgsql
stable
set search_path from current
as $$
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
  select 'schedules', 'warning', format('schedule %s cannot fire: %s', s.name, s.problem), 'correct the schedule', jsonb_build_object('schedule', s.name)
  from schedules s
  where s.problem is not null
  union all
  select 'delay', 'warning', format('the oldest due job of queue %s has waited since %s', q.queue, format_utc(q.oldest_due_at)), 'select * from explain(…) for it; add workers or slots', jsonb_build_object('queue', q.queue, 'oldest_due_at', q.oldest_due_at)
  from queue_stats q
  where q.oldest_due_at < now() - interval '5 minutes' and q.paused_at is null
  union all
  select 'breakers', 'warning', format('the circuit breaker of kind %s is open until %s, because its jobs crash in a loop', k.name, format_utc(k.breaker_open_until)), format('fix the cause, then select reset_breaker(%L)', k.name), jsonb_build_object('kind', k.name)
  from kinds k
  where k.breaker_open_until > now()
  union all
  select 'endings', 'warning', format('%s jobs have ended since %s without their dependents being resolved', count(*), format_utc(min(e.at))), 'run tidemill serve or a worker, which resolve them', '{}'
  from finished_parents e
  where e.at < now() - interval '30 seconds'
  having count(*) > 0;
end
$$;
comment on function doctor_tidemill() is 'Problems of partitions, schedules, queues, breakers and dependencies.';

create or replace function doctor()
returns table ("check" text, severity text, message text, advice text, details jsonb)
language sql
volatile
set search_path from current
as $$
  select *
  from (
    select * from doctor_horizon()
    union all select * from doctor_server()
    union all select * from doctor_rights()
    union all select * from doctor_replication()
    union all select * from doctor_schema()
    union all select * from doctor_workers()
    union all select * from doctor_tidemill()
  ) found
  order by array_position(array['critical', 'warning', 'info'], found.severity), found."check", found.message
$$;
comment on function doctor() is 'All problems, the worst first, each with a remedy; no row if there is none.';
