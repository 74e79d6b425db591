-- A deployment with a long past and a long backlog, straight into the tables: `large.finished` jobs over `large.days` days,
-- at most 30, and `large.waiting` unfinished ones, with what belongs to them. Run by page_costs.rs and by hand with psql, in
-- one transaction; must leave rows that the functions of the schema could have written.

set session_replication_role = replica;
set synchronous_commit = off;
set jit = off;
set client_min_messages = warning;
select set_config('large.now', now()::text, false);

create function pg_temp.finished() returns bigint language sql stable as $$ select current_setting('large.finished')::bigint $$;
create function pg_temp.waiting() returns bigint language sql stable as $$ select current_setting('large.waiting')::bigint $$;
create function pg_temp.now() returns timestamptz language sql stable as $$ select current_setting('large.now')::timestamptz $$;
create function pg_temp.finished_at(n bigint) returns timestamptz language sql stable
as $$ select pg_temp.now() - make_interval(days => current_setting('large.days')::integer) * ((pg_temp.finished() - n)::float8 / pg_temp.finished()) $$;
create function pg_temp.id_at(at timestamptz, n bigint) returns uuid language sql immutable
as $$ select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid $$;
-- The id of the nth finished job, and of the nth unfinished one.
create function pg_temp.past(n bigint) returns uuid language sql stable as $$ select pg_temp.id_at(pg_temp.finished_at(n), n) $$;
create function pg_temp.live(n bigint) returns uuid language sql stable
as $$ select pg_temp.id_at(pg_temp.now() - interval '1 hour' * ((pg_temp.waiting() - n)::float8 / pg_temp.waiting()), -n) $$;

-- The days of the past, as ensure_partitions makes those of the future.
do $$
declare
  today text := to_char(now() at time zone 'UTC', '_YYYY_MM_DD');
  day date;
  parent text;
  part text;
begin
  for day in select (now() at time zone 'UTC')::date - n from generate_series(2, 31) n loop
    foreach parent in array array['jobs', 'events', 'attempts'] loop
      part := parent || to_char(day, '_YYYY_MM_DD');
      execute format('create table %I (like %I including defaults including constraints including indexes)', part, parent || today);
      execute format('alter table %I drop constraint if exists %I', part, 'jobs' || today || '_day');
      execute format('alter table %I attach partition %I for values from (%L) to (%L)',
        replace(parent, 'jobs', 'jobs_finished'), part, day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
    end loop;
  end loop;
end
$$;

insert into jobs (
  id, kind, queue, state, attempt, created_at, run_at, started_at, finished_at, last_lease_id, last_worker_id,
  args, result, error, execution_id, tags, metadata, owner)
select
  pg_temp.past(n),
  case when n % 1000 = 0 then 'tidemill.workflow' when n = 42 then 'rare' else 'kind-' || n % 20 end,
  'queue-' || n / 7 % 10,
  case when n % 25 = 1 then 'failed' when n % 100 = 2 then 'cancelled' else 'completed' end::job_state,
  1, at - interval '3 seconds', at - interval '3 seconds', at - interval '1 second', at,
  md5(n::text)::uuid, 'worker-' || n % 50,
  jsonb_build_object('account_id', n % 100000, 'path', '/some/where/' || n, 'note', repeat('words of it ', 5)),
  case when n % 25 <> 1 and n % 100 <> 2 then '{"rows": 12}'::jsonb end,
  case when n % 25 = 1 then jsonb_build_object('type', 'Broken', 'message', 'the host ' || n % 100 || ' does not answer') end,
  case when n % 10 = 3 then 'name-' || n end,
  case when n % 10 = 4 then array['tag-' || n % 100] else '{}' end,
  case when n % 5 = 0 then jsonb_build_object('release', n % 50) end,
  case when n % 20 = 5 then 'owner-' || n % 1000 end
from (select n, pg_temp.finished_at(n) as at from generate_series(1, pg_temp.finished()) n) f;

insert into task_ids (execution_id, job_id)
select 'name-' || n, pg_temp.past(n) from generate_series(1, pg_temp.finished()) n where n % 10 = 3;

-- A workflow of five for each thousand jobs.
insert into workflows (id, name, members, done, created_at)
select pg_temp.past(n), 'nightly-' || n % 10, 5, 5, pg_temp.finished_at(n)
from generate_series(1000, pg_temp.finished(), 1000) n;
insert into dependencies (job_id, parent_id, ord, member, name, run_if, outcome, resolved_at)
select pg_temp.past(n), pg_temp.past(n - m), m, true, 'job-' || m, 'all_finished', 'completed', pg_temp.finished_at(n)
from generate_series(1000, pg_temp.finished(), 1000) n, generate_series(1, 5) m;

insert into attempts (job_id, attempt, lease_id, worker_id, outcome, error, started_at, finished_at, fingerprint, log_tail)
select
  pg_temp.past(n), 1, md5(n::text)::uuid, 'worker-' || n % 50, 'failed',
  jsonb_build_object('type', 'Broken', 'message', 'the host ' || n % 100 || ' does not answer'),
  pg_temp.finished_at(n) - interval '1 second', pg_temp.finished_at(n), md5('cause-' || n % 5000), 'the last lines'
from generate_series(1, pg_temp.finished(), 25) n;
insert into failure_causes (fingerprint, kind, type, message, failures, first_at, last_at, last_job_id)
select md5('cause-' || c), 'kind-' || c % 20, 'Broken', 'the host ' || c || ' does not answer', 80,
  now() - interval '30 days', now() - interval '1 minute' * c, pg_temp.past(pg_temp.finished())
from generate_series(0, 4999) c;

-- Events of the last two days.
insert into events (job_id, seq, attempt, type, data, at)
select pg_temp.past(n), s, 1, case s when 1 then 'progress' else 'log' end, '{"text": "a line of it", "stream": "stdout"}', pg_temp.finished_at(n)
from generate_series(pg_temp.finished() * 28 / 30, pg_temp.finished()) n, generate_series(1, 2) s;
insert into progress (job_id, last_seq, percent, updated_at)
select pg_temp.past(n), 2, 100, pg_temp.finished_at(n) from generate_series(pg_temp.finished() * 28 / 30, pg_temp.finished()) n;

-- Of ten unfinished jobs six are due, two are scheduled, one waits in a group and one for another job.
insert into jobs_live (id, kind, queue, state, created_at, run_at, args, tags, owner, fair_key, group_id, due_at, awaited)
select
  pg_temp.live(n), 'kind-' || n % 20,
  case when n % 10 = 8 then 'fair' else 'queue-' || n / 7 % 10 end,
  case when n % 10 >= 8 then 'waiting' else 'available' end::job_state,
  at, case when n % 10 >= 8 then 'infinity' when n % 10 >= 6 then now() + interval '1 day' + interval '1 second' * n else at end,
  jsonb_build_object('account_id', n % 100000, 'note', repeat('words of it ', 5)),
  case when n % 10 = 4 then array['tag-' || n % 100] else '{}' end,
  case when n % 20 = 5 then 'owner-' || n % 1000 end,
  case when n % 10 = 8 then 'tenant-' || n % 3000 end,
  case when n % 10 = 8 then md5('tenant-' || n % 3000)::uuid end,
  case when n % 10 = 8 then at end,
  case when n % 10 = 0 then true end
from (select n, pg_temp.now() - interval '1 hour' * ((pg_temp.waiting() - n)::float8 / pg_temp.waiting()) as at from generate_series(1, pg_temp.waiting()) n) f;
insert into ready_groups (queue, priority, group_id, ready_at)
select queue, priority, group_id, min(due_at) from jobs_live where group_id is not null group by 1, 2, 3;
insert into blocked_jobs (job_id) select pg_temp.live(n) from generate_series(9, pg_temp.waiting(), 10) n;
insert into dependencies (job_id, parent_id) select pg_temp.live(n), pg_temp.live(n - 9) from generate_series(19, pg_temp.waiting(), 10) n;

insert into workers (id, name, host, version, queues, kinds, lease_ttl)
select 'worker-' || n, 'worker-' || n, 'host-' || n, '1.0.0', '{"queue-0": 4, "queue-1": 4, "fair": 2}', array(select 'kind-' || k from generate_series(0, 9) k), '1 day'
from generate_series(0, 49) n;
insert into queues (name, slots, limited) select 'queue-' || n, 200, false from generate_series(0, 9) n;
insert into queues (name, slots, limited) values ('fair', 100, true);
insert into kinds (name, source, last_seen_at) select 'kind-' || n, 'command', now() from generate_series(0, 19) n;
-- Two hundred of those that are due run.
with taken as (
  update jobs_live j
  set state = 'running', attempt = 1, started_at = now(), lease_id = md5(id::text)::uuid, worker_id = 'worker-' || n % 50
  from (select n, pg_temp.live(n * 10 + 1) as live from generate_series(1, 200) n) r
  where j.id = r.live
  returning id, lease_id, worker_id, queue, kind, started_at
)
insert into running (job_id, lease_id, worker_id, attempt, queue, kind, started_at, lease_expires_at, deadline_at)
select id, lease_id, worker_id, 1, queue, kind, started_at, now() + interval '1 day', now() + interval '1 day' from taken;

-- The counters: each minute of 14 days, each hour of 30, and what is not folded yet.
insert into stats (minute, queue, kind, outcome, jobs, waited, ran, ran_least, ran_most)
select date_trunc('minute', now()) - interval '1 minute' * m, 'queue-' || k % 10, 'kind-' || k, outcome, 11, '22 s', '11 s', '1 s', '2 s'
from generate_series(1, least(14 * 1440, pg_temp.finished() / 500)) m, generate_series(0, 19) k, unnest(array['enqueued', 'completed', 'failed']) outcome;
insert into stats_hours (hour, queue, kind, outcome, jobs, waited, ran, ran_least, ran_most)
select date_trunc('hour', now()) - interval '1 hour' * h, 'queue-' || k % 10, 'kind-' || k, outcome, 660, '22 min', '11 min', '1 s', '2 s'
from generate_series(1, 720) h, generate_series(0, 19) k, unnest(array['enqueued', 'completed', 'failed']) outcome;
insert into stats_deltas (queue, kind, outcome, jobs, waited, ran)
select 'queue-' || n % 10, 'kind-' || n % 20, 'completed', 3, '6 s', '3 s' from generate_series(1, 5000) n;

insert into schedules (name, every, job, next_at) select 'schedule-' || n, '1 hour', '{"kind": "kind-1"}', now() + interval '1 day' from generate_series(1, 50) n;
insert into schedule_slots (schedule, slot, outcome, job_id, fired_at)
select 'schedule-' || n, date_trunc('hour', now()) - interval '1 hour' * h, 'enqueued', pg_temp.past(1), date_trunc('hour', now()) - interval '1 hour' * h
from generate_series(1, 50) n, generate_series(1, 720) h;
insert into operations (id, action, filter, who, state, created_at, ended_at, expected, done)
select pg_temp.id_at(now() - interval '1 hour' * n, n), 'retry', '{"state": "failed"}', 'somebody', 'done', now() - interval '1 hour' * n, now() - interval '1 hour' * n, 100, 100
from generate_series(1, 500) n;
insert into operation_jobs (operation_id, job_id, outcome)
select pg_temp.id_at(now() - interval '1 hour' * n, n), pg_temp.past(j), 'done' from generate_series(1, 500) n, generate_series(1, 100) j;
insert into audit_log (at, who, action, subject)
select now() - interval '1 minute' * n, 'somebody', 'pause', 'queue:queue-' || n % 10 from generate_series(100000, 1, -1) n;
insert into alert_rules (name, condition, above) values ('errors', 'error_rate', 0.5);
insert into alerts (id, rule, subject, value, above, message, since, fired_at, resolved_at)
select pg_temp.id_at(now() - interval '1 hour' * n, n), 'errors', 'kind:kind-' || n % 20, 0.6, 0.5, 'errors', now() - interval '1 hour' * n, now() - interval '1 hour' * n, now()
from generate_series(1, 2000) n;
insert into limits (name, max_running) values ('tenant', 10);
