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
        case parent when 'jobs' then 'jobs_finished' else parent end, part, day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
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

-- What the functions would have counted and noted on the way, in shares as a busy mill has them.

-- One live job of a hundred runs, at most 500 do.
with taken as (
  select id from jobs_live order by run_at limit least(500, greatest({live} / 100, 1))
),
begun as (
  update jobs_live j
  set state = 'running', attempt = 1, lease_id = gen_random_uuid(), worker_id = 'worker-1', started_at = now() - interval '10 s'
  from taken t
  where j.id = t.id
  returning j.*
)
insert into running (job_id, lease_id, worker_id, attempt, queue, kind, started_at, lease_expires_at, deadline_at)
select id, lease_id, worker_id, attempt, queue, kind, started_at, now() + interval '1 hour', now() + interval '1 day'
from begun;

-- One of twenty more waits for its next attempt, is put off, or takes turns.
update jobs_live
set attempt = 1, run_at = now() + interval '1 hour', error = '{"type": "x", "message": "connection refused by host 7"}'
where state = 'available' and (args ->> 'n')::bigint % 60 = 1;
update jobs_live set run_at = now() + interval '1 day' where state = 'available' and (args ->> 'n')::bigint % 60 = 2;
update jobs_live
set state = 'waiting', due_at = run_at, run_at = 'infinity', fair_key = 'tenant:' || (args ->> 'n')::bigint % 1000,
  group_id = group_of(null, 'tenant:' || (args ->> 'n')::bigint % 1000)
where state = 'available' and (args ->> 'n')::bigint % 60 = 3;
insert into ready_groups (queue, priority, group_id, ready_at)
select distinct queue, priority, group_id, now() from jobs_live where group_id is not null;

-- One of ten reported how far it is, thrice; what failed left an attempt.
insert into progress (job_id, last_seq, percent, step, updated_at)
select id, 3, 100, 'done', finished_at from jobs where finished_at is not null and (args ->> 'n')::bigint % 10 = 0
union all
select job_id, 3, 40, 'some', now() from running;
insert into events (job_id, seq, attempt, type, data, at)
select id, e, 1, 'progress', jsonb_build_object('percent', e * 33, 'step', 'step ' || e), finished_at - (4 - e) * interval '200 ms'
from jobs
cross join generate_series(1, 3) e
where finished_at is not null
  and (args ->> 'n')::bigint % 10 = 0;
insert into attempts (job_id, attempt, lease_id, worker_id, outcome, error, started_at, finished_at, fingerprint, log_tail)
select id, 1, gen_random_uuid(), 'worker-' || (args ->> 'n')::bigint % 40, 'failed', error, started_at, finished_at, fingerprint(kind, error), 'a line'
from jobs
where finished_at is not null
  and state = 'failed';
insert into failure_causes (fingerprint, kind, type, message, failures, first_at, last_at, last_job_id)
select fingerprint, 'kind-1', 'x', 'connection refused', count(*), min(finished_at), max(finished_at), (array_agg(job_id))[1]
from attempts
group by fingerprint
union all
select md5(n::text), 'kind-' || n % 20, 'x', 'cause ' || n, n, now() - interval '20 days', now() - n * interval '1 minute', null
from generate_series(1, 2000) n;
insert into failure_deltas (fingerprint, kind, type, message, job_id)
select md5((n % 100)::text), 'kind-' || n % 20, 'x', 'cause ' || n % 100, gen_random_uuid() from generate_series(1, 1000) n;

-- Minutes of the last 14 days, hours of all, and what is not folded yet.
insert into stats (minute, queue, kind, outcome, jobs, waited, ran, ran_least, ran_most)
select c.minute, c.queue, c.kind, o.outcome, sum(c.jobs), sum(c.jobs) * interval '4 s', sum(c.jobs) * interval '1 s', '1 s', '1 s'
from (
  select
    date_trunc('minute', finished_at) as minute,
    queue, kind, state::text as outcome, count(*) as jobs
  from jobs
  where finished_at is not null
  group by 1, 2, 3, 4
) c
cross join lateral (
  select c.outcome
  union all
  select 'enqueued'
) o (outcome)
group by 1, 2, 3, 4;
insert into stats_hours (hour, queue, kind, outcome, jobs, waited, ran, ran_least, ran_most)
select date_trunc('hour', minute, 'UTC'), queue, kind, outcome, sum(jobs), sum(waited), sum(ran), min(ran_least), max(ran_most)
from stats
group by 1, 2, 3, 4;
select prune_stats();
insert into stats_deltas (at, queue, kind, outcome, jobs, waited, ran, ran_least, ran_most)
select now() - n * interval '1 ms', 'queue-' || n % 7, 'kind-' || n % 20, (array['enqueued', 'completed', 'retried'])[1 + n % 3], 20, '4 s', '1 s', '1 s', '1 s'
from generate_series(1, 5000) n;

-- A workflow of ten members for every 10,000 jobs.
create temp table flows as
select w, public.id_of(at) as id, at
from (select w, now() - w * ({days} * interval '1 day' / greatest({finished} / 10000, 1)) as at from generate_series(1, greatest({finished} / 10000, 1)) w) x;
insert into jobs (id, kind, state, created_at, run_at, finished_at, args, result)
select id, 'tidemill.workflow', 'completed', at - interval '1 minute', at - interval '1 minute', at, '{}', '{}' from flows;
insert into workflows (id, name, members, done, created_at)
select id, 'flow-' || w % 9, 10, 10, at - interval '1 minute' from flows;
create temp table members as
select f.id as flow, m, public.id_of(f.at - interval '1 minute') as id, f.at - m * interval '1 s' as at from flows f cross join generate_series(1, 10) m;
insert into jobs (id, kind, state, attempt, created_at, run_at, started_at, finished_at, args, workflow_id)
select id, 'member', 'completed', 1, at - interval '1 minute', at - interval '1 minute', at - interval '1 s', at, '{}', flow from members;
insert into dependencies (job_id, parent_id, ord, member, name, outcome, resolved_at)
select flow, id, m, true, 'member-' || m, 'completed', at from members;

-- What people did, and what they set.
insert into audit_log (at, who, action, subject, before, after)
select now() - n * interval '5 minutes', 'ann', 'retry', 'job:' || gen_random_uuid(), '{"state": "failed"}', null
from generate_series(1, greatest({finished} / 100, 10)) n;
insert into kinds (name, source) select 'kind-' || n, 'rust' from generate_series(0, 19) n on conflict do nothing;
select set_alert('rule-' || n, 'queue_depth', above => 1000, queue => 'queue-' || n % 7) from generate_series(1, 20) n;
insert into alerts (id, rule, subject, value, above, message, since, fired_at, resolved_at)
select
  public.id_of(now() - n * interval '1 hour'), 'rule-' || n % 20, 'queue:queue-' || n % 7, 2000, 1000, 'too many', now() - n * interval '1 hour',
  now() - n * interval '1 hour', now() - n * interval '50 minutes'
from generate_series(1, 2000) n;
select set_schedule('schedule-' || n, 'kind-' || n % 20, every => '1 hour') from generate_series(1, 500) n;
insert into schedule_slots (schedule, slot, outcome, job_id, fired_at)
select 'schedule-' || n, date_trunc('hour', now()) - h * interval '1 hour', 'enqueued', gen_random_uuid(), now() - h * interval '1 hour'
from generate_series(1, 500) n
cross join generate_series(1, 100) h;
insert into workers (id, name, host, version, queues, kinds, seen_at, lease_ttl)
select
  'worker-' || n, 'worker', 'host-' || n, '0.1.0', '{"queue-1": 10, "queue-2": 10}', array['kind-1', 'kind-2'],
  case when n <= 40 then now() + interval '1 hour' else now() - interval '1 hour' end, '30 s'
from generate_series(1, 60) n;

drop table flows, members;
