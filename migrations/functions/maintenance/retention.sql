-- Retention: days of history are dropped when their time has passed, except the rows that live jobs
-- still need; leftovers are removed.

create or replace function still_needed(p_jobs uuid[], p_since timestamptz default null) returns setof uuid
language sql
stable
set search_path from current
as $$
  with recursive above (id, job_id, member) as (
    select d.parent_id, d.job_id, d.member
    from unnest(p_jobs) as i (id)
    join dependencies d on d.parent_id = i.id
    union
    -- Members of a nested workflow also belong to the workflow around it.
    select a.id, d.job_id, true
    from above a
    join dependencies d on d.parent_id = a.job_id
    where a.member
      and d.member
  ),
  around as materialized (select distinct job_id from above where member),
  readers as (
    select l.id
    from above a
    join jobs_live l on l.id = a.job_id
    union
    select r.job_id
    from around r
    where exists (select from jobs j where j.id = r.job_id and j.finished_at >= p_since)
  )
  select a.id
  from above a
  join readers r on r.id = a.job_id
  union
  -- The job that spawned it has not yet asked how it ended.
  select s.spawned_id
  from unnest(p_jobs) as i (id)
  join steps s on s.spawned_id = i.id
  join jobs_live l on l.id = s.job_id
$$;
comment on function still_needed(uuid[], timestamptz)
  is 'Those of the given finished jobs that others still need: a live job waits for them, spawned them or is their workflow, or with p_since their workflow ended since then.';

create or replace function trim_day(p_part text, p_since timestamptz) returns text
language plpgsql
set search_path from current
set lock_timeout = '500ms'
as $$
declare
  needed uuid[];
  stays bigint;
  every bigint;
begin
  execute format('
    select array(
      select still_needed(array(
        select j.id from %I j where j.awaited or exists (select from steps s where s.spawned_id = j.id)), $1))', p_part)
  into needed
  using p_since;
  if needed = '{}' then
    return 'drop';
  end if;
  -- A transaction that would change one of them waits meanwhile; readers continue until the copy is
  -- made.
  execute format('lock table %I in share row exclusive mode', p_part);
  execute format('create unlogged table %I as select j.* from %I j join unnest($1) as n (id) on n.id = j.id', p_part || '_kept', p_part)
  using needed;
  execute format('select (select count(*) from %I), (select count(*) from %I)', p_part || '_kept', p_part) into stays, every;
  if stays = every then
    execute format('drop table %I', p_part || '_kept');
    return 'keep';
  end if;
  execute format('select delete_day_records(array(select j.id from %I j where not exists (select from unnest($1) as n (id) where n.id = j.id)))', p_part)
  using needed;
  execute format('truncate %I', p_part);
  execute format('insert into %I select * from %I', p_part, p_part || '_kept');
  execute format('drop table %I', p_part || '_kept');
  return 'thinned';
end
$$;
comment on function trim_day(text, timestamptz)
  is 'Removes from a day of jobs the rows that are not needed, if others need some rows of it: thinned. keep: all rows are needed; drop: none is needed, and nothing was done.';

create or replace function delete_day_records(p_jobs uuid[]) returns void
language sql
set search_path from current
as $$
  delete from task_ids t
  where t.job_id = any(p_jobs)
    and not exists (select from jobs_live l where l.id = t.job_id);
  select delete_job_records(array(select i.id from unnest(p_jobs) as i (id) where not exists (select from jobs_live l where l.id = i.id)));
  delete from progress p
  where p.job_id = any(p_jobs)
    and not exists (select from jobs_live l where l.id = p.job_id);
$$;
comment on function delete_day_records(uuid[]) is 'Removes names and keys of jobs whose day of history is dropped, except for jobs that are live again.';

create or replace function drop_oldest_day(p_retention interval) returns text
language plpgsql
set search_path from current
set lock_timeout = '500ms'
as $$
declare
  old record;
  outcome text;
begin
  for old in
    select p.relname as parent, c.relname as part
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    join pg_class p on p.oid = i.inhparent
    where p.oid in ('jobs_finished'::regclass, 'events'::regclass, 'attempts'::regclass)
      and c.relname ~ '_\d{4}_\d{2}_\d{2}$'
      and (to_date(right(c.relname, 10), 'YYYY_MM_DD') + 1)::timestamp at time zone 'UTC' < now() - p_retention
    order by right(c.relname, 10), c.relname
  loop
    begin
      if old.parent = 'jobs_finished' then
        outcome := trim_day(old.part, now() - p_retention);
        continue when outcome = 'keep';
        if outcome = 'thinned' then
          return old.part;
        end if;
        execute format('select delete_day_records(array(select j.id from %I j))', old.part);
      end if;
      -- From here to the commit, completions wait: nothing slow may follow.
      execute format('alter table %I detach partition %I', old.parent, old.part);
      execute format('drop table %I', old.part);
      return old.part;
    exception when lock_not_available then
      -- Another session reads the table; completions must not wait behind this lock. The next
      -- round tries again.
      raise notice 'partition % is in use and is dropped later', old.part;
    end;
  end loop;
  return null;
end
$$;
comment on function drop_oldest_day(interval) is 'The shared part of drop_day and drop_partition. Jobs of the day that others still need are kept.';

create or replace function drop_day(p_retention interval) returns text
language plpgsql
set search_path from current
as $$
begin
  -- It has the rights of the owner and makes no audit entry: the least value that keeper.retention
  -- can have.
  if p_retention is null or p_retention < interval '1 hour' then
    raise exception 'history of less than an hour ago cannot be dropped here'
      using errcode = '22TM1', hint = 'use drop_partition, which drops any day and writes an audit entry';
  end if;
  return drop_oldest_day(p_retention);
end
$$;
comment on function drop_day(interval) is 'Like drop_partition, for maintenance; not audited, and never less than an hour after the day.';

create or replace function drop_partition(p_retention interval) returns text
language plpgsql
set search_path from current
as $$
declare
  dropped text := drop_oldest_day(p_retention);
begin
  if dropped is not null then
    perform audit('drop', 'partition:' || dropped, null, jsonb_build_object('retention', p_retention));
  end if;
  return dropped;
end
$$;
comment on function drop_partition(interval) is 'Drops the oldest day of history whose retention has ended and that no session reads, except for jobs that others still need; returns its name, null if there is none. Never waits longer than half a second for a lock; commit at once.';

create or replace function prune(p_limit integer default 5000) returns bigint
language plpgsql
set search_path from current
as $$
declare
  pruned uuid[];
begin
  delete from idempotency_keys
  where key in (select key from idempotency_keys where expires_at < now() limit p_limit for update skip locked);
  perform prune_unique_keys(p_limit);
  perform prune_stats();
  delete from audit_log where at < now() - interval '1 year';
  delete from failure_causes where last_at < now() - interval '90 days';
  delete from operations where ended_at < now() - interval '30 days';
  delete from workers
  where seen_at < now() - interval '1 day' - lease_ttl;
  delete from queue_listeners where seen_at < now() - interval '3 minutes';
  with old as materialized (
    select j.id
    from jobs j
    where j.finished_at is not null
      and j.retain_until < now()
      -- A job that waits for its result, or has not read it yet, is live.
      and (
        (j.awaited or exists (select from steps s where s.spawned_id = j.id)) is not true
        or not exists (select from still_needed(array[j.id])))
    limit p_limit
  ),
  -- A job that is retried meanwhile is not gone, and keeps its records.
  gone as materialized (
    delete from jobs j using old where j.id = old.id and j.finished_at is not null returning j.id
  ),
  names as (delete from task_ids t using gone where t.job_id = gone.id),
  logs as (delete from events e using gone where e.job_id = gone.id),
  tries as (delete from attempts a using gone where a.job_id = gone.id),
  reports as (delete from progress p using gone where p.job_id = gone.id)
  select array_agg(id) into pruned from gone;
  perform delete_job_records(pruned);
  return coalesce(cardinality(pruned), 0);
end
$$;
comment on function prune(integer) is 'Removes finished jobs whose own retention ended, old idempotency keys, unique keys of jobs that are gone, and workers gone for a day; returns the number of jobs. Repeat until 0.';
