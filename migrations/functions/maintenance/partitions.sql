-- Partitions: the days of jobs, events and attempts, made ahead.

create or replace function ensure_partitions(p_days_ahead integer default 14) returns integer
language plpgsql
set search_path from current
set lock_timeout = '500ms'
set default_table_access_method = 'heap'
as $$
declare
  parent text;
  name text;
  part text;
  key text;
  first_day date := (now() at time zone 'UTC')::date;
  day date;
  made integer := 0;
begin
  perform pg_advisory_xact_lock(hashtext('tidemill partitions'), hashtext(current_schema()));
  foreach parent in array array['jobs_finished', 'events', 'attempts'] loop
    name := replace(parent, '_finished', '');
    for day in select generate_series(first_day - 1, first_day + p_days_ahead, interval '1 day')::date loop
      part := format('%s_%s', name, to_char(day, 'YYYY_MM_DD'));
      continue when to_regclass(part) is not null;
      -- The partition is made separately and then attached: that lets reads and writes of the others pass, and
      -- the CHECK avoids a scan.
      execute format('create table %I (like %I including defaults including constraints including comments)', part, parent);
      execute format('alter table %I set (autovacuum_vacuum_insert_scale_factor = 0.5)', part);
      if name = 'jobs' then
        execute format('alter table %I add constraint %I check (finished_at is not null and finished_at >= %L and finished_at < %L)',
          part, part || '_day', day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
        key := part || '_id_idx';
        execute format('create unique index %I on %I (id)', key, part);
        -- Otherwise no row of the day could be deleted once a publication sends its changes.
        execute format('alter table %I replica identity using index %I', part, key);
        execute format('create index on %I using brin (finished_at)', part);
        execute format('create index on %I (retain_until) where retain_until is not null', part);
        execute format('create index on %I using gin (tags) where tags <> ''{}''', part);
      end if;
      if name in ('jobs', 'events') then
        execute format('create index on %I using brin (written_in) with (pages_per_range = 32, autosummarize = on)', part);
      end if;
      execute format('alter table %I attach partition %I for values from (%L) to (%L)',
        parent, part, day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
      made := made + 1;
    end loop;
  end loop;
  return made;
end
$$;
comment on function ensure_partitions(integer) is 'Makes the daily partitions of jobs, events and attempts up to the given number of days ahead (UTC days); returns the number of new ones.';
