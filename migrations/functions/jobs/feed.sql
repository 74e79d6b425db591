-- Changes committed since an earlier poll: the source of the streams of kinds, of queues and of all
-- jobs.

create or replace function database_history() returns text
language plpgsql
stable
set search_path from current
as $$
begin
  -- The timeline grows by one at every promotion and every restore to a point in time.
  return format('%s/%s', (select system_identifier from pg_control_system()), left(pg_walfile_name(pg_current_wal_lsn()), 8));
exception when others then
  -- Some managed databases show neither.
  return '';
end
$$;
comment on function database_history() is 'An identifier of the database''s history: it changes when a standby takes over or the database is restored.';

create or replace function oldest_day() returns timestamptz
language sql
stable
set search_path from current
as $$
  select min(to_date(right(c.relname, 10), 'YYYY_MM_DD'))::timestamp at time zone 'UTC'
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
  where i.inhparent in ('jobs_finished'::regclass, 'events'::regclass)
    and c.relname ~ '_\d{4}_\d{2}_\d{2}$'
$$;
comment on function oldest_day() is 'The beginning of the oldest day of history that is still stored.';

create or replace function written_since(p_since timestamptz) returns bigint
language sql
stable
set search_path from current
as $$
  select least(
    (select min(written_in)::bigint from jobs where finished_at >= p_since),
    (select min(written_in) from events where at >= p_since),
    (select min(written_in)::bigint from jobs_live where finished_at is null and created_at >= p_since),
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint)
$$;
comment on function written_since(timestamptz) is 'The first transaction that wrote anything since a time, or the next one.';

create or replace function note_foreign_rows() returns timestamptz
language plpgsql
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = on
set jit = off
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
  noted timestamptz := (select coalesce(foreign_until, '-infinity') from schema_compatibility);
  day timestamptz;
  live timestamptz;
  history timestamptz;
begin
  -- Each statement reads the next number with its own snapshot: rows that commit between two
  -- statements are not foreign.
  select greatest(
    (
      select max(l.created_at)
      from jobs_live l
      where l.finished_at is null
        and l.created_at > noted
        and l.written_in >= (select pg_snapshot_xmax(pg_current_snapshot())::text::bigint)
    ),
    (
      select max(r.started_at)
      from running r
      where r.started_at > noted
        and r.written_in >= (select pg_snapshot_xmax(pg_current_snapshot())::text::bigint)
    ))
  into live;
  -- The latest day that has such rows is enough.
  for day in
    select *
    from generate_series(
      date_trunc('day', now(), 'UTC'),
      date_trunc('day', greatest(coalesce(oldest_day(), now()), noted), 'UTC'),
      interval '-24 hours')
  loop
    select greatest(
      (
        select max(j.finished_at)
        from jobs j
        where j.finished_at >= day
          and j.finished_at < day + interval '24 hours'
          and j.finished_at > noted
          and j.written_in >= (select pg_snapshot_xmax(pg_current_snapshot())::text::bigint)
      ),
      (
        select max(e.at)
        from events e
        where e.at >= day
          and e.at < day + interval '24 hours'
          and e.at > noted
          and e.written_in >= (select pg_snapshot_xmax(pg_current_snapshot())::text::bigint)
      ))
    into history;
    exit when history is not null;
  end loop;
  if live is null and history is null then
    return null;
  end if;
  -- A time ahead would leave out new work.
  noted := least(greatest(live, history), clock_timestamp());
  update schema_compatibility
  set foreign_until = greatest(foreign_until, noted);
  return noted;
end
$$;
comment on function note_foreign_rows()
  is 'Records the time of the latest row whose transaction number this cluster has not yet given out; returns it, null if there is no new one. Such rows come from another cluster (a restored dump, logical replication), and this cluster will give out their numbers later.';

-- Finds rows by transaction, whatever the statistics say; days out of range are left out when the
-- plan is made.
create or replace function changes(
  p_behind bigint, p_open bigint[], p_before bigint, p_hidden bigint[], p_floor timestamptz,
  p_kinds text[], p_queues text[], p_all boolean, p_most integer, p_seen text
)
returns table (what text, job_id uuid, seq bigint, attempt integer, at timestamptz, written_in bigint, note text)
language plpgsql
stable
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = on
set jit = off
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
  -- A constant to the planner, so that the partitions made ahead cost nothing.
  ceiling timestamptz := statement_timestamp() + interval '1 hour';
  native_since timestamptz;
begin
  if pg_current_snapshot()::text = p_seen then
    return query
    select 'look', null::uuid, 0::bigint, 0, statement_timestamp(), null::bigint, p_seen || ' ' || database_history();
    return;
  end if;
  -- Rows of another cluster have numbers that say nothing here: those that this cluster has not yet
  -- given out, and those of the rows that note_foreign_rows found before.
  p_before := least(p_before, pg_snapshot_xmax(pg_current_snapshot())::text::bigint);
  native_since := coalesce((select foreign_until + interval '1 microsecond' from schema_compatibility), '-infinity');
  p_floor := greatest(p_floor, native_since);
  return query
  with ended as materialized (
    select j.id, j.kind, j.queue, j.attempt, j.finished_at, j.written_in::bigint as written_in
    from jobs j
    where j.finished_at >= p_floor
      and j.finished_at < ceiling
      and (j.written_in >= p_behind or j.written_in = any(p_open::numeric[]))
      and j.written_in < p_before
      and j.written_in <> all(p_hidden::numeric[])
    limit p_most + 1
  ),
  queued as materialized (
    select j.id, j.kind, j.queue, j.attempt, j.created_at, j.written_in::bigint as written_in
    from jobs_live j
    where j.finished_at is null
      -- A job that is retried keeps its time; its event shows it.
      and j.created_at >= native_since
      and (j.written_in >= p_behind or j.written_in = any(p_open::numeric[]))
      and j.written_in < p_before
      and j.written_in <> all(p_hidden::numeric[])
    limit p_most + 1
  ),
  logged as materialized (
    select e.job_id, e.seq, e.attempt, e.at, e.written_in
    from events e
    where e.at >= p_floor
      and e.at < ceiling
      and (e.written_in >= p_behind or e.written_in = any(p_open))
      and e.written_in < p_before
      and e.written_in <> all(p_hidden)
    limit p_most + 1
  ),
  of_jobs as materialized (
    select t.job_id
    from (select distinct job_id from logged) t
    where p_all
      or exists (
        select
        from jobs_live l
        where l.id = t.job_id
          and (l.kind = any(p_kinds) or l.queue = any(p_queues)))
      -- The caller checks itself whether a job has finished: a check here would read each day of
      -- history.
      or not exists (select from jobs_live l where l.id = t.job_id)
  )
  select
    'look', null::uuid,
    (select greatest((select count(*) from ended), (select count(*) from queued), (select count(*) from logged))),
    0, statement_timestamp(),
    greatest((select max(written_in) from ended), (select max(written_in) from queued), (select max(written_in) from logged)),
    pg_current_snapshot()::text || ' ' || database_history()
  union all
  select 'ended', e.id, coalesce(p.last_seq, 0), e.attempt, e.finished_at, e.written_in, null
  from ended e
  left join progress p on p.job_id = e.id
  where p_all
    or e.kind = any(p_kinds)
    or e.queue = any(p_queues)
  union all
  select 'queued', q.id, 0, q.attempt, q.created_at, q.written_in, null
  from queued q
  where p_all
    or q.kind = any(p_kinds)
    or q.queue = any(p_queues)
  union all
  select 'started', r.job_id, 0, r.attempt, r.started_at, r.written_in, null
  from (
    select r.*
    from running r
    where (r.written_in >= p_behind or r.written_in = any(p_open))
      and r.written_in < p_before
      and r.written_in <> all(p_hidden)
      and r.started_at >= native_since
      and (p_all or r.kind = any(p_kinds) or r.queue = any(p_queues))
    limit p_most
  ) r
  union all
  select 'event', t.job_id, t.seq, t.attempt, t.at, t.written_in, null
  from logged t
  join of_jobs o on o.job_id = t.job_id;
end
$$;
comment on function changes(bigint, bigint[], bigint, bigint[], timestamptz, text[], text[], boolean, integer, text)
  is 'The rows that were written by transactions not visible at an earlier poll: transaction numbers from p_behind on and those of p_open, below p_before and without p_hidden; none before p_floor, and none of another cluster. The first row is the poll itself, with its snapshot; it is the only row if the snapshot equals p_seen.';
