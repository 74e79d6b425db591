-- The views: read access for people and dashboards. Dropped and made again after the versioned
-- migrations.

create view jobs_now as
select
  id,
  kind,
  queue,
  shown_state(state, attempt, run_at, due_at) as status,
  priority,
  attempt,
  max_attempts,
  nullif(coalesce(nullif(run_at, 'infinity'), due_at), 'infinity') as run_at,
  created_at,
  started_at,
  worker_id,
  execution_id,
  tags,
  redact(args) as args,
  redact(error) ->> 'message' as last_error,
  cancel_requested_at,
  concurrency_keys,
  fair_key,
  expires_at
from jobs_live;
comment on view jobs_now is 'Live jobs with their shown state.';

create view job_history as
select
  id,
  kind,
  queue,
  state,
  priority,
  attempt,
  created_at,
  started_at,
  finished_at,
  started_at - created_at as waited,
  finished_at - started_at as ran,
  last_worker_id as worker_id,
  execution_id,
  tags,
  redact(args) as args,
  redact(result) as result,
  redact(error) as error
from jobs
where finished_at is not null;
comment on view job_history is 'Finished jobs; restrict finished_at to a range to read only those days.';

create view all_jobs as
select
  id,
  kind,
  queue,
  shown_state(state, attempt, run_at, due_at) as status,
  priority,
  attempt,
  max_attempts,
  nullif(coalesce(nullif(run_at, 'infinity'), due_at), 'infinity') as run_at,
  created_at,
  started_at,
  finished_at,
  coalesce(worker_id, last_worker_id) as worker_id,
  execution_id,
  workflow_id,
  tags,
  redact(metadata) as metadata,
  redact(args) as args,
  redact(result) as result,
  redact(error) as error
from jobs;
comment on view all_jobs is 'Every job, live or finished, to find one by its id.';

create view job_names as
select execution_id, job_id
from task_ids;
comment on view job_names is 'The callers'' own names for jobs.';

create view job_events as
select job_id, seq, at, attempt, type, redact(data) as data
from events;
comment on view job_events is 'The events of each job; restrict job_id.';

create view job_attempts as
select
  job_id,
  attempt,
  outcome,
  worker_id,
  redact(error) as error,
  exit_code,
  signal,
  out_of_memory,
  peak_memory_bytes,
  fingerprint,
  log_tail,
  started_at,
  finished_at
from attempts;
comment on view job_attempts is 'The failed attempts of each job, and other attempts with an exit code or known memory use; restrict job_id.';

create view job_steps as
select job_id, name, attempt, redact(output) as output, spawned_id, created_at, updated_at
from steps;
comment on view job_steps is 'The checkpoints of each job, and the jobs that it spawned.';

create view job_signals as
select job_id, name, redact(payload) as payload, timed_out, sent_by, sent_at
from signals;
comment on view job_signals is 'The signals to each job.';

create view job_artifacts as
select distinct on (job_id, name) job_id, name, content_type, bytes, created_at
from artifacts
where unneeded_at is null
order by job_id, name, created_at desc;
comment on view job_artifacts is 'The files of each job in object storage, the newest of each name; restrict job_id.';

create view job_links as
select job_id, parent_id, ord, name, pass_as, member, run_if, outcome, resolved_at
from dependencies;
comment on view job_links is 'Which job waits for which, and the outcome; the members of a workflow are its parents.';

create view unique_holders as
select key, job_id, seen_at
from unique_keys;
comment on view unique_holders is 'The job that last took each unique key; the terms of the next job decide whether it still counts.';

create view progress_now as
select
  r.job_id,
  r.kind,
  r.queue,
  p.percent,
  p.step,
  redact(p.data) as data,
  p.updated_at,
  now() - r.started_at as running_for,
  r.worker_id
from running r
left join progress p on p.job_id = r.job_id
order by r.started_at;
comment on view progress_now is 'The running jobs and their progress.';

create view worker_status as
select
  id,
  name,
  host,
  pid,
  version,
  case when state <> 'stopped' and seen_at < now() - lease_ttl then 'lost' else state end as state,
  running,
  queues,
  kinds,
  started_at,
  now() - seen_at as last_seen,
  memory_bytes,
  cpu_seconds
from workers
order by started_at desc;
comment on view worker_status is 'Workers; "lost" ones stopped sending heartbeats.';

create view stuck_jobs as
select
  job_id,
  kind,
  queue,
  worker_id,
  attempt,
  now() - started_at as running_for,
  now() - seen_at as last_seen,
  lease_expires_at < now() as lease_expired,
  deadline_at < now() as past_deadline
from running
where seen_at < now() - interval '5 minutes'
  or lease_expires_at < now()
  or deadline_at < now();
comment on view stuck_jobs is 'Attempts without a sign of life; if the sweep runs, it takes them back within seconds.';

create view queue_names as
with recursive seen as (
  -- Jumps from queue to queue along the claim index; reads one row a queue, however many jobs.
  (select queue from jobs_live order by queue limit 1)
  union all
  select (select j.queue from jobs_live j where j.queue > s.queue order by j.queue limit 1)
  from seen s
  where s.queue is not null
)
select queue as name from seen where queue is not null
union
select name from queues
union
select queue from kinds
union
select jsonb_object_keys(queues) from workers where state <> 'stopped' and seen_at > now() - lease_ttl;
comment on view queue_names is 'Every queue that has live jobs, settings, a kind or a worker.';

create view queue_stats as
select
  n.name as queue,
  q.paused_at,
  q.paused_by,
  q.draining_at,
  q.slots,
  q.max_queued,
  l.max_running,
  l.rate,
  l.rate_period,
  l.burst,
  q.priority_ageing,
  r.running,
  (select count(*) from (
    select 1 from jobs_live j where j.queue = n.name and j.group_id is not null and j.state = 'waiting' limit 10000
  ) waiting) as waiting_at_most_10000,
  -- By the index alone: of the due jobs only the running ones are not available.
  greatest(0, (select count(*) from (
    select
    from generate_series(1, 9) as p (priority)
    cross join lateral (
      select
      from jobs_live j
      where j.queue = n.name
        and j.priority = p.priority
        and j.run_at <= now()
      limit 10000 + r.running
    ) one
    limit 10000 + r.running
  ) due) - r.running) as due_at_most_10000,
  (select min(due.run_at) from (
    select (select j.run_at from jobs_live j
      where j.queue = n.name and j.priority = p.priority and j.run_at <= now() and j.state = 'available'
      order by j.run_at, j.id limit 1) as run_at
    from generate_series(1, 9) as p (priority)
  ) due) as oldest_due_at,
  (
    select sum(coalesce(q.slots, (w.queues ->> n.name)::integer))
    from workers w
    where w.queues ? n.name
      and w.state <> 'stopped'
      and w.seen_at > now() - w.lease_ttl
  ) as worker_slots
from queue_names n
cross join lateral (select count(*) as running from running where queue = n.name) r
left join queues q on q.name = n.name
left join limits l on l.name = 'queue:' || n.name;
comment on view queue_stats is 'Each queue: whether it is paused, its limits, the number of running jobs, and of jobs that wait or are due (counted up to 10,000).';

create view limit_stats as
select
  l.name,
  l.max_running,
  l.rate,
  l.rate_period,
  l.burst,
  l.on_full,
  k.key,
  coalesce(r.running, 0) as running,
  case when l.rate is not null then floor(tokens_of(k.key, l)) end as tokens,
  l.updated_at
from limits l
left join lateral (
  select t.key
  from running r
  cross join unnest(r.concurrency_keys) as t (key)
  where l.name in (t.key, split_part(t.key, ':', 1))
  union
  select b.key
  from limit_buckets b
  where l.name in (b.key, split_part(b.key, ':', 1))
    and l.name not like 'queue:%'
  union
  select l.name
  where l.name like 'queue:%'
) k on true
left join lateral (
  select count(*) as running
  from running r
  where k.key = any(r.concurrency_keys)
    or k.key = 'queue:' || r.queue
) r on true;
comment on view limit_stats is 'Each limit and the keys that use it now: how many jobs run, and how many can start at this moment.';

create view waiting_groups as
select
  queue,
  priority,
  group_id,
  concurrency_keys,
  nullif(ready_at, 'infinity') as ready_at
from ready_groups;
comment on view waiting_groups is 'The groups of waiting jobs in each queue; the group with the oldest ready_at is next.';

create view counters as
select minute, queue, kind, outcome, jobs, waited, ran, ran_least, ran_most
from stats
union all
-- Counts that are not added to stats yet.
select date_trunc('minute', at), queue, kind, outcome, jobs, waited, ran, ran_least, ran_most
from stats_deltas;
comment on view counters is 'The counts of the last 14 days, one or more rows for each minute: outcome is enqueued, completed, failed, cancelled or retried.';

create view hourly_counters as
select hour, queue, kind, outcome, jobs, waited, ran, ran_least, ran_most
from stats_hours
union all
select date_trunc('hour', at, 'UTC'), queue, kind, outcome, jobs, waited, ran, ran_least, ran_most
from stats_deltas;
comment on view hourly_counters is 'The counts of the last two years, one or more rows for each hour: outcome as in counters.';

create view kind_stats as
select
  kind,
  hour,
  coalesce(sum(jobs) filter (where outcome = 'enqueued'), 0)::bigint as enqueued,
  coalesce(sum(jobs) filter (where outcome = 'completed'), 0)::bigint as completed,
  coalesce(sum(jobs) filter (where outcome = 'failed'), 0)::bigint as failed,
  coalesce(sum(jobs) filter (where outcome = 'cancelled'), 0)::bigint as cancelled,
  coalesce(sum(jobs) filter (where outcome = 'retried'), 0)::bigint as retried,
  sum(ran) filter (where outcome = 'completed') / nullif(sum(jobs) filter (where outcome = 'completed'), 0) as average_run,
  sum(waited) filter (where outcome = 'completed') / nullif(sum(jobs) filter (where outcome = 'completed'), 0) as average_wait
from hourly_counters
where hour > now() - interval '1 day'
group by kind, hour;
comment on view kind_stats is 'The outcomes of the jobs of the last day, by kind and hour.';

create view throughput as
select
  minute,
  queue,
  coalesce(sum(jobs) filter (where outcome = 'enqueued'), 0)::bigint as enqueued,
  coalesce(sum(jobs) filter (where outcome in ('completed', 'failed', 'cancelled')), 0)::bigint as finished,
  coalesce(sum(jobs) filter (where outcome = 'failed'), 0)::bigint as failed
from counters
where minute > now() - interval '1 hour'
group by minute, queue;
comment on view throughput is 'Jobs in and out in the last hour, by minute and queue.';

create view failures as
select
  fingerprint,
  kind,
  type,
  -- Out here, so that only the rows that are shown pay for it.
  redact(jsonb_build_object('message', message)) ->> 'message' as message,
  failures,
  first_at,
  last_at,
  last_job_id
from (
  select
    fingerprint,
    max(kind) as kind,
    max(type) as type,
    (array_agg(left(message, 200) order by last_at desc))[1] as message,
    sum(failures)::bigint as failures,
    min(first_at) as first_at,
    max(last_at) as last_at,
    (array_agg(last_job_id order by last_at desc))[1] as last_job_id
  from (
    select fingerprint, kind, type, message, failures, first_at, last_at, last_job_id from failure_causes
    union all
    -- Failures that are not counted yet.
    select fingerprint, kind, type, message, 1, at, at, job_id from failure_deltas
  ) known
  group by fingerprint
) causes;
comment on view failures is 'The causes of failed attempts: one row for each cause, with its count, its first and last time, and an example job.';

create view job_documents as
select
  j.id,
  j.kind,
  j.queue,
  j.state,
  j.priority,
  j.attempt,
  j.max_attempts,
  j.run_at,
  clamp_time(j.created_at) as created_at,
  clamp_time(j.started_at) as started_at,
  j.finished_at,
  clamp_time(j.cancel_requested_at) as cancel_requested_at,
  j.lease_id,
  j.worker_id,
  j.last_lease_id,
  j.last_worker_id,
  j.args,
  j.result,
  j.error,
  j.execution_id,
  j.tags,
  j.metadata,
  j.soft_timeout,
  j.hard_timeout,
  j.retain,
  j.retain_until,
  j.concurrency_keys,
  j.fair_key,
  j.owner,
  j.group_id,
  j.due_at,
  clamp_time(j.expires_at) as expires_at,
  j.unique_key,
  j.workflow_id,
  j.awaited,
  j.written_in,
  shown_state(j.state, j.attempt, j.run_at, j.due_at) as status,
  p.percent,
  p.step,
  p.data as progress_data,
  p.last_seq,
  p.updated_at as progress_at
from jobs j
left join progress p on p.job_id = j.id;
comment on view job_documents is 'Each job with its progress, as the HTTP API shows it.';

create view schedule_next as
select
  s.name,
  n.slot as fires_at,
  n.slot - now() as fires_in,
  s.job ->> 'kind' as kind,
  s.job ->> 'queue' as queue,
  coalesce(s.cron, s.every::text, s.at::text) as times,
  s.timezone,
  s.paused_at,
  s.problem
from schedules s
left join lateral unnest(s.upcoming) as n (slot) on n.slot > now();
comment on view schedule_next is 'The next five slots of every schedule; a schedule without slots shows the reason.';

create view schedule_log as
select schedule, slot, outcome, job_id, reason, fired_at
from schedule_slots;
comment on view schedule_log is 'The outcome of the slots of every schedule.';

create view audit_trail as
select
  at,
  who,
  db_user,
  action,
  subject,
  case when subject like 'alert:%' then redact_webhook(before) else redact(before) end as before,
  case when subject like 'alert:%' then redact_webhook(after) else redact(after) end as after
from audit_log;
comment on view audit_trail is 'Actions of people on jobs and settings, with the actor and the values before and after.';

create view workflow_status as
select
  w.id,
  w.name,
  shown_state(j.state, j.attempt, j.run_at, j.due_at) as status,
  w.done,
  w.members,
  redact(j.error) ->> 'message' as error,
  w.created_at,
  j.finished_at
from workflows w
join jobs j on j.id = w.id
where j.workflow_id is null;
comment on view workflow_status is 'Workflows that are not nested in others, and how many of their jobs have ended.';

create view waiting_jobs as
select
  w.job_id,
  j.kind,
  j.queue,
  w.signal,
  w.run_if,
  (select count(*) from (select from dependencies d where d.job_id = w.job_id and d.outcome is null limit 1000) open) as open_at_most_1000,
  w.until,
  now() - w.since as waits_for
from blocked_jobs w
join jobs_live j on j.id = w.job_id;
comment on view waiting_jobs is 'Blocked jobs, each with the signal or the number of jobs that it waits for.';

create view alert_log as
select
  a.id,
  a.rule,
  a.subject,
  case when a.resolved_at is not null then 'resolved' when a.fired_at is not null then 'firing' else 'pending' end as state,
  a.value,
  a.above,
  a.message,
  a.since,
  a.fired_at,
  a.resolved_at,
  (select count(*) from alert_notices n where n.alert_id = a.id and n.sent_at is null) as undelivered,
  (select max(n.error) from alert_notices n where n.alert_id = a.id and n.sent_at is null) as last_error
from alerts a;
comment on view alert_log is 'The alerts of the rules: pending, firing or resolved, and the number of notices that are not delivered yet.';

create view alert_rule_status as
select
  r.name,
  r.condition,
  r.above,
  r.kind,
  r.queue,
  r.at_least,
  r.over,
  r.hold,
  redact_address(r.webhook) as webhook,
  r.email,
  r.from_config,
  r.updated_at,
  (select count(*) from alerts a where a.rule = r.name and a.fired_at is not null and a.resolved_at is null) as firing,
  (select max(a.fired_at) from alerts a where a.rule = r.name) as last_fired_at
from alert_rules r;
comment on view alert_rule_status is 'The alert rules, and how many alerts of each rule fire. Only the host of a webhook is shown, because the rest can be a token.';

create view operation_status as
select
  o.id,
  o.action,
  o.filter,
  o.queue,
  o.priority,
  o.rate,
  o.who,
  o.state,
  o.created_at,
  o.ended_at,
  o.expected,
  o.done,
  o.skipped,
  o.failed,
  o.problem,
  o.undoes,
  (select u.id from operations u where u.undoes = o.id and u.state <> 'cancelled') as undone_by,
  o.action in ('cancel', 'set_priority', 'move') and o.state <> 'running' and o.done > 0
    and not exists (select from operations u where u.undoes = o.id and u.state <> 'cancelled') as can_be_undone
from operations o;
comment on view operation_status is 'Operations on all jobs that match a filter, with their outcomes: select * from operation_status order by created_at desc.';

create view operation_log as
select operation_id, job_id, outcome, reason, at
from operation_jobs;
comment on view operation_log is 'The jobs that operations skipped or failed on, at most 1,000 of each, and those that an undo would put back.';
