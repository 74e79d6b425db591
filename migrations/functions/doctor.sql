-- Doctor: what is wrong with this installation, or soon will be, and what to do about it.

create or replace function schema_shape() returns text[]
language sql
stable
set search_path from current
as $$
  select array_agg(line order by line)
  from (
    select format('column %s.%s %s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), case when a.attnotnull then ' not null' else '' end) as line
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = current_schema()::regnamespace
      and c.relkind in ('r', 'p')
      and c.relname !~ '_\d{4}_\d{2}_\d{2}$'
    union all
    select format('index %s %s', i.relname, regexp_replace(pg_get_indexdef(i.oid), '^.* USING ', ''))
    from pg_index x
    join pg_class i on i.oid = x.indexrelid
    join pg_class c on c.oid = x.indrelid
    where c.relnamespace = current_schema()::regnamespace
      and c.relname !~ '_\d{4}_\d{2}_\d{2}$'
    union all
    select format('constraint %s.%s %s', c.relname, o.conname, pg_get_constraintdef(o.oid))
    from pg_constraint o
    join pg_class c on c.oid = o.conrelid
    where c.relnamespace = current_schema()::regnamespace
      and c.relname !~ '_\d{4}_\d{2}_\d{2}$'
    union all
    select format('trigger %s.%s', c.relname, t.tgname)
    from pg_trigger t
    join pg_class c on c.oid = t.tgrelid
    where c.relnamespace = current_schema()::regnamespace
      and not t.tgisinternal
      and t.tgenabled <> 'D'
      and c.relname !~ '_\d{4}_\d{2}_\d{2}$'
    union all
    select format('function %s(%s) %s', p.proname, pg_get_function_identity_arguments(p.oid), md5(p.prosrc))
    from pg_proc p
    where p.pronamespace = current_schema()::regnamespace
    union all
    select format('view %s %s', v.viewname, md5(v.definition))
    from pg_views v
    where v.schemaname = current_schema()
  ) shape
$$;
comment on function schema_shape() is 'Every column, index, constraint, trigger, function and view of the schema, one line each.';

create or replace function horizon_holders()
returns table (what text, who text, since timestamptz, details jsonb)
language sql
stable
set search_path from current
as $$
  select
    'session',
    format('session %s of %s (%s, %s)', a.pid, coalesce(a.usename, '?'), coalesce(nullif(a.application_name, ''), 'no name'), a.state),
    a.xact_start,
    jsonb_build_object('pid', a.pid, 'user', a.usename, 'application', a.application_name, 'state', a.state)
  from pg_stat_activity a
  where a.backend_xmin is not null
    and a.xact_start is not null
    and a.backend_type = 'client backend'
    and a.pid <> pg_backend_pid()
  union all
  select 'replication slot', format('replication slot %s (%s)', s.slot_name, case when s.active then 'active' else 'nobody reads it' end), null,
    jsonb_build_object('slot', s.slot_name, 'active', s.active)
  from pg_replication_slots s
  where s.xmin is not null
    or s.catalog_xmin is not null and s.database = current_database()
  union all
  select 'prepared transaction', format('prepared transaction %s of %s', p.gid, p.owner), p.prepared, jsonb_build_object('gid', p.gid, 'owner', p.owner)
  from pg_prepared_xacts p
  where p.database = current_database()
  union all
  select 'standby', format('standby %s', coalesce(nullif(r.application_name, ''), r.client_addr::text)), r.backend_start,
    jsonb_build_object('application', r.application_name, 'address', r.client_addr)
  from pg_stat_replication r
  where r.backend_xmin is not null
$$;
comment on function horizon_holders() is 'Who keeps vacuum from removing dead rows: open transactions, slots, prepared transactions, standbys.';

create or replace function dead_rows() returns bigint
language sql
stable
set search_path from current
as $$
  select coalesce(sum(n_dead_tup), 0)::bigint
  from pg_stat_user_tables
  where schemaname = current_schema()
    and relname in ('jobs_live', 'running', 'progress', 'turns')
$$;
comment on function dead_rows() is 'Dead rows of the hot tables, as the statistics have it.';

create or replace function shall_shed() returns boolean
language sql
stable
set search_path from current
as $$
  select dead_rows() > 20000
    and exists (select 1 from horizon_holders() h where h.since < now() - interval '1 minute' or h.what = 'replication slot')
$$;
comment on function shall_shed() is 'Whether dead rows pile up behind somebody who keeps them: then workers store progress less often.';

create or replace function doctor_database()
returns table ("check" text, severity text, message text, advice text, details jsonb)
language sql
stable
set search_path from current
as $$
  select
    'horizon',
    case when h.since < now() - interval '10 minutes' and dead_rows() > 100000 then 'critical'
      when h.since < now() - interval '1 minute' or h.what = 'replication slot' then 'warning' else 'info' end,
    format('%s keeps dead rows from being removed%s; %s are there, and every claim has to pass some of them', h.who,
      coalesce(' since ' || moment(h.since), ''), dead_rows()),
    case h.what
      when 'session' then format('end its transaction, or select pg_terminate_backend(%s)', h.details ->> 'pid')
      when 'replication slot' then format('let its reader catch up, or select pg_drop_replication_slot(%L)', h.details ->> 'slot')
      when 'prepared transaction' then format('commit prepared %L, or rollback prepared', h.details ->> 'gid')
      else 'end the long query there, or set hot_standby_feedback = off' end,
    h.details || jsonb_build_object('what', h.what, 'since', h.since, 'dead_rows', dead_rows())
  from horizon_holders() h
  where h.since < now() - interval '10 seconds'
    or h.what = 'replication slot'
  union all
  select 'bloat', 'warning', format('%s has %s dead rows beside %s live ones (%s)', t.relname, t.n_dead_tup, t.n_live_tup, pg_size_pretty(pg_relation_size(t.relid))),
    format('look who holds the horizon; then vacuum %I', t.relname),
    jsonb_build_object('table', t.relname, 'dead', t.n_dead_tup, 'live', t.n_live_tup, 'bytes', pg_relation_size(t.relid))
  from pg_stat_user_tables t
  where t.schemaname = current_schema()
    and t.relname in ('jobs_live', 'running', 'progress', 'turns', 'workers', 'dependencies')
    and t.n_dead_tup > 50000
    and t.n_dead_tup > 5 * t.n_live_tup
  union all
  select 'settings', 'critical', format('%s is %s: a crash of the machine may lose jobs that were acknowledged', s.name, s.setting), format('set %s = on', s.name), jsonb_build_object('setting', s.name, 'value', s.setting)
  from pg_settings s
  where s.name in ('fsync', 'full_page_writes') and s.setting = 'off'
  union all
  select 'settings', 'warning', 'synchronous_commit is off for others; Tidemill sets it itself where it must', 'leave it on if you enqueue in your own transactions', jsonb_build_object('setting', s.name, 'value', s.setting)
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
  select 'connections', case when free.left < 5 then 'critical' else 'warning' end, format('%s connections are left of %s', free.left, current_setting('max_connections')),
    'raise max_connections, or put a pooler in front (database.pgbouncer)', jsonb_build_object('left', free.left)
  from (select current_setting('max_connections')::integer - count(*) as left from pg_stat_activity where backend_type = 'client backend') free
  where free.left < 15
  union all
  select 'wraparound', case when age(d.datfrozenxid) > 1800000000 then 'critical' else 'warning' end,
    format('the oldest transaction id of the database is %s old', age(d.datfrozenxid)), 'vacuum (freeze) the oldest tables', jsonb_build_object('age', age(d.datfrozenxid))
  from pg_database d
  where d.datname = current_database() and age(d.datfrozenxid) > 1200000000
  union all
  select 'wal', 'warning', format('replication slot %s keeps %s of WAL', s.slot_name, pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn))),
    'let its reader catch up, or drop it', jsonb_build_object('slot', s.slot_name)
  from pg_replication_slots s
  where not pg_is_in_recovery()
    and pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn) > 1073741824
$$;
comment on function doctor_database() is 'What the database has that hurts a queue.';

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
  select 'schema', 'warning', case when d.now_there then 'not made by a migration: ' else 'missing or changed: ' end || d.line,
    case when d.now_there then 'drop it, or leave it if it is yours' else 'put it back; docs/schema.sql has it' end, jsonb_build_object('line', d.line)
  from (
    select coalesce(then_there.line, now_there.line) as line, then_there.line is null as now_there
    from (select s.line from schema_compatibility c cross join unnest(c.shape) as s (line)) then_there
    full join (
      select s.line from schema_compatibility c cross join unnest(schema_shape()) as s (line) where c.shape is not null
    ) now_there on now_there.line = then_there.line
    where then_there.line is null and now_there.line !~ '^(function|view) '
      or now_there.line is null
  ) d
  union all
  select 'workers', 'warning', format('worker %s on %s is lost: its last heartbeat was at %s', w.id, w.host, moment(w.seen_at)), 'look at its log; its jobs went to others', jsonb_build_object('worker', w.id)
  from workers w
  where w.state <> 'stopped' and w.seen_at < now() - w.lease_ttl
  union all
  select 'clocks', 'warning', format('the clock of worker %s is off by %s', w.id, w.clock_skew), 'let it keep time by NTP; leases do not depend on it, its log''s times do', jsonb_build_object('worker', w.id, 'seconds', extract(epoch from w.clock_skew))
  from workers w
  where w.state <> 'stopped' and w.seen_at > now() - w.lease_ttl and abs(extract(epoch from w.clock_skew)) > 5
  union all
  select 'versions', 'info', format('workers of several versions run: %s', string_agg(distinct w.version, ', ')), 'two versions beside one another are fine while you deploy', to_jsonb(array_agg(distinct w.version))
  from workers w
  where w.state <> 'stopped' and w.seen_at > now() - w.lease_ttl
  having count(distinct w.version) > 1
  union all
  select 'listeners', 'warning', 'workers run, but nobody listens for notifications: everything works by polling, slower', 'set database.listen_url to a direct connection', '{}'
  where exists (select 1 from workers w where w.state <> 'stopped' and w.seen_at > now() - w.lease_ttl and w.pid is not null)
    and not exists (select 1 from pg_stat_activity a where a.datname = current_database() and a.query ilike 'listen %')
  union all
  select 'schedules', 'warning', format('schedule %s cannot fire: %s', s.name, s.problem), 'correct it', jsonb_build_object('schedule', s.name)
  from schedules s
  where s.problem is not null
  union all
  select 'delay', 'warning', format('the oldest due job of queue %s waits since %s', q.queue, moment(q.oldest_due_at)), 'select * from explain(…) for it; add workers or slots', jsonb_build_object('queue', q.queue, 'oldest_due_at', q.oldest_due_at)
  from queue_stats q
  where q.oldest_due_at < now() - interval '5 minutes' and q.paused_at is null
  union all
  select 'breakers', 'warning', format('jobs of kind %s are not started until %s: they crash in a loop', k.name, moment(k.breaker_open_until)), format('mend it, then select reset_breaker(%L)', k.name), jsonb_build_object('kind', k.name)
  from kinds k
  where k.breaker_open_until > now()
  union all
  select 'endings', 'warning', format('%s ends of jobs were not told to those that wait for them, since %s', count(*), moment(min(e.at))), 'run tidemill serve or a worker, which tell them', '{}'
  from endings e
  where e.at < now() - interval '30 seconds'
  having count(*) > 0;
end
$$;
comment on function doctor_tidemill() is 'What is wrong with the schema, the workers and the queues.';

create or replace function doctor()
returns table ("check" text, severity text, message text, advice text, details jsonb)
language sql
stable
set search_path from current
as $$
  select *
  from (select * from doctor_database() union all select * from doctor_tidemill()) found
  order by array_position(array['critical', 'warning', 'info'], found.severity), found."check", found.message
$$;
comment on function doctor() is 'All that is wrong, the worst first, each with what to do about it; no row if nothing is.';
