-- A history of {days} days with {finished} jobs, and {live} live ones, as if they had all been worked off here.
set search_path = tidemill;

do $$
declare
  parent text;
  part text;
  day date;
begin
  foreach parent in array array['jobs', 'events', 'attempts'] loop
    for day in select generate_series(current_date - 31, current_date - 1, interval '1 day')::date loop
      part := format('%s_%s', parent, to_char(day, 'YYYY_MM_DD'));
      continue when to_regclass(part) is not null;
      execute format('create table %I (like %I including defaults including constraints including comments)', part, parent);
      if parent = 'jobs' then
        execute format(
          'alter table %I add constraint %I check (finished_at is not null and finished_at >= %L and finished_at < %L)',
          part, part || '_day', day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
        execute format('create unique index on %I (id)', part);
        execute format('create index on %I using brin (finished_at)', part);
        execute format('create index on %I (retain_until) where retain_until is not null', part);
        execute format('create index on %I using gin (tags) where tags <> ''{}''', part);
      end if;
      execute format(
        'alter table %I attach partition %I for values from (%L) to (%L)',
        parent, part, day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
    end loop;
  end loop;
end
$$;

-- An id of version 7 of another time.
create function public.id_of(t timestamptz) returns uuid
language sql
volatile
as $$
  select encode(
    set_bit(
      set_bit(
        overlay(uuid_send(gen_random_uuid()) placing substring(int8send(floor(extract(epoch from t) * 1000)::bigint) from 3) from 1 for 6),
        52, 1),
      53, 1),
    'hex')::uuid
$$;

insert into jobs (id, kind, queue, state, priority, attempt, created_at, run_at, started_at, finished_at, args, result, error, tags)
select
  public.id_of(f - interval '5 s'),
  case when n % {rare} = 7 then 'rare' else 'kind-' || n % 20 end,
  'queue-' || n % 7,
  case when n % 50 = 0 then 'failed' when n % 97 = 0 then 'cancelled' else 'completed' end::job_state,
  1 + n % 9,
  1,
  f - interval '5 s',
  f - interval '5 s',
  f - interval '1 s',
  f,
  jsonb_build_object('n', n),
  case when n % 50 <> 0 and n % 97 <> 0 then to_jsonb(n) end,
  case when n % 50 = 0 then jsonb_build_object('type', 'x', 'message', 'connection refused by host ' || n % 13) end,
  case when n % 1000 = 0 then array['tagged'] else '{}' end
from (
  select n, now() - n * ({days} * interval '1 day' / {finished}) as f
  from generate_series(1, {finished}) n
) x;

insert into jobs_live (id, kind, queue, priority, run_at, created_at, args)
select
  public.id_of(now() - n * interval '1 ms'), 'kind-' || n % 20, 'queue-' || n % 7, 1 + n % 9,
  now() - n * interval '1 ms', now() - n * interval '1 ms', jsonb_build_object('n', n)
from generate_series(1, {live}) n;

analyze jobs, jobs_live;
