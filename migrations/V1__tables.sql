-- The tables of one Tidemill. Names no schema: the connection's search_path decides where they go.

create type job_state as enum ('waiting', 'available', 'running', 'completed', 'failed', 'cancelled');
comment on type job_state is 'Stored states of a job; "scheduled" and "retrying" are shown for available ones, never stored.';

create table schema_compatibility (
  only_row boolean primary key default true check (only_row),
  oldest_binary integer not null,
  verbs_digest text,
  shape text[],
  rights text[]
);
insert into schema_compatibility (oldest_binary) values (1);
comment on table schema_compatibility is 'Which older binaries may still use this schema.';
comment on column schema_compatibility.only_row is 'Holds the table at one row.';
comment on column schema_compatibility.oldest_binary is 'A binary that knows migrations up to this number or later may run on this schema.';
comment on column schema_compatibility.verbs_digest is 'SHA-256 of the functions and views that are installed.';
comment on column schema_compatibility.shape is 'schema_shape() behind the last migration, to see what was changed by hand since.';
comment on column schema_compatibility.rights
  is 'rights_now() behind the last grants, to see which of them are missing since; null if none were made.';

create table jobs (
  id uuid not null,
  kind text not null,
  queue text not null default 'default',
  state job_state not null default 'available',
  priority smallint not null default 5,
  attempt integer not null default 0,
  max_attempts integer not null default 5,
  run_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  cancel_requested_at timestamptz,
  lease_id uuid,
  worker_id text,
  last_lease_id uuid,
  last_worker_id text,
  args jsonb not null default '{}',
  result jsonb,
  error jsonb,
  execution_id text,
  tags text[] not null default '{}',
  metadata jsonb,
  soft_timeout interval,
  hard_timeout interval,
  retain interval,
  retain_until timestamptz,
  concurrency_keys text[],
  fair_key text,
  group_id uuid,
  due_at timestamptz,
  expires_at timestamptz,
  unique_key text,
  workflow_id uuid,
  awaited boolean,
  -- As a number and not as xid8, for which BRIN has no operators. This one has no alignment: with one of eight bytes behind
  -- the args, a claim would log them again (88 bytes of WAL more, and all args; so 8).
  written_in numeric not null default (pg_current_xact_id()::text)::numeric,
  constraint jobs_kind_is_named check (kind <> '' and length(kind) <= 63),
  constraint jobs_queue_is_named check (queue <> '' and length(queue) <= 63),
  constraint jobs_priority_is_1_to_9 check (priority between 1 and 9),
  constraint jobs_attempts_count_up check (attempt >= 0 and max_attempts >= 1),
  constraint jobs_args_is_an_object check (jsonb_typeof(args) = 'object'),
  constraint jobs_finished_at_marks_the_end
    check ((finished_at is not null) = (state in ('completed', 'failed', 'cancelled'))),
  constraint jobs_lease_while_running check ((lease_id is not null) = (state = 'running')),
  constraint jobs_worker_while_running check ((worker_id is not null) = (state = 'running')),
  constraint jobs_running_has_started check (state <> 'running' or (started_at is not null and attempt >= 1)),
  constraint jobs_waiting_is_never_due check (state <> 'waiting' or run_at = 'infinity'),
  -- What lies outside cannot be written as RFC 3339, and sums with it overflow.
  constraint jobs_run_at_is_in_reach
    check (run_at >= '1970-01-01 00:00+00' and (run_at < '10000-01-01 00:00+00' or state = 'waiting')),
  constraint jobs_soft_timeout_is_in_reach check (soft_timeout between '0' and '100 years'),
  constraint jobs_hard_timeout_is_in_reach check (hard_timeout between '0' and '100 years'),
  constraint jobs_retain_is_in_reach check (retain between '0' and '100 years'),
  constraint jobs_result_means_completed check (result is null or state = 'completed')
) partition by range (finished_at);
comment on table jobs is 'Every job, live and finished. Live rows sit in jobs_live; a finished one moves to the partition of its day.';
comment on column jobs.id is 'UUIDv7 made by whoever enqueued it; its order promises nothing.';
comment on column jobs.kind is 'Which handler runs it.';
comment on column jobs.queue is 'The lane that it is claimed from.';
comment on column jobs.state is 'Where it is in its life; docs/lifecycle.md draws it.';
comment on column jobs.priority is '1 is claimed first, 9 last; critical 1, high 3, normal 5, low 7.';
comment on column jobs.attempt is 'Ordinal of the present or last try; 0 before the first. Snoozes and hand-backs do not count.';
comment on column jobs.max_attempts is 'No try has a higher ordinal, unless retried by hand.';
comment on column jobs.run_at is 'Not claimed before this time of the database''s clock; infinity while waiting.';
comment on column jobs.created_at is 'When it was enqueued.';
comment on column jobs.started_at is 'When the present or last attempt was claimed.';
comment on column jobs.finished_at is 'When it reached a final state; null exactly while it is live.';
comment on column jobs.cancel_requested_at is 'When somebody asked to cancel it.';
comment on column jobs.lease_id is 'The right to run the present attempt; fences every write of its worker.';
comment on column jobs.worker_id is 'The worker that runs it now (workers.id).';
comment on column jobs.last_lease_id is 'The lease of the last attempt that ended; lets a worker repeat its last word.';
comment on column jobs.last_worker_id is 'The worker of the last attempt that ended.';
comment on column jobs.args is 'The input, a JSON object.';
comment on column jobs.result is 'What the handler gave back; only when completed.';
comment on column jobs.error is 'The last failure: message, type, permanent, backtrace.';
comment on column jobs.execution_id is 'The caller''s own name for it; also in task_ids.';
comment on column jobs.tags is 'Words to find it by.';
comment on column jobs.metadata is 'Data of the caller that the handler does not need.';
comment on column jobs.soft_timeout is 'After this an attempt is asked to stop; the kind''s own if null.';
comment on column jobs.hard_timeout is 'After this an attempt is ended; the kind''s own if null.';
comment on column jobs.retain is 'How long it stays once finished; the deployment''s retention if null.';
comment on column jobs.retain_until is 'When its own retention ends; null if the day''s partition decides.';
comment on column jobs.concurrency_keys is 'The limits that it counts for: each is the name of a limit, or name:key to be counted apart for each key.';
comment on column jobs.fair_key is 'Whose job it is; jobs of one queue and priority take turns between fair keys.';
comment on column jobs.group_id is 'Hash of its concurrency keys and fair key; jobs of one group wait in one line. Null for most jobs.';
comment on column jobs.due_at is 'From when on a job with a group may run; its run_at is infinity while it waits for its turn.';
comment on column jobs.expires_at is 'A job that was not started by then is cancelled.';
comment on column jobs.unique_key is 'What no second job may have at the same time; see unique_keys.';
comment on column jobs.workflow_id is 'The workflow that it belongs to, which is a job itself; null for most jobs.';
comment on column jobs.awaited is 'True if its end is to be told to jobs that wait for it.';
comment on column jobs.written_in
  is 'The transaction that put the row where it is: enqueued the job, made it live again, or finished it. No claim changes it.';

-- A low fillfactor leaves room for the claim's new version of every row on the same page, so that
-- taking a job touches no index (a HOT update): no index below names a column that the claim changes.
-- Measured with batches of 500: at 60 % full 58 % of the claims were HOT, at 45 % 92 %, at 40 % all,
-- and the table ended smaller.
create table jobs_live partition of jobs (
  constraint jobs_live_is_unfinished check (finished_at is null)
) default with (
  fillfactor = 40,
  autovacuum_vacuum_scale_factor = 0.0,
  autovacuum_vacuum_threshold = 10000,
  autovacuum_analyze_scale_factor = 0.0,
  autovacuum_analyze_threshold = 50000,
  autovacuum_vacuum_cost_delay = 0
);
alter table jobs_live add primary key (id);
create index jobs_live_claim on jobs_live (queue, priority, run_at, id);
comment on index jobs_live_claim is 'The order in which jobs are claimed; must never name state, lease or worker.';
create index jobs_live_tags on jobs_live using gin (tags) where tags <> '{}';
comment on index jobs_live_tags is 'Finds live jobs by tag; untagged ones cost nothing.';
-- Every claim of a job with a group goes through the count of its limits: it can never be plainly available.
alter table jobs_live add constraint jobs_live_group_is_due_some_time check ((group_id is null) = (due_at is null));
alter table jobs_live add constraint jobs_live_group_takes_turns check (group_id is null or state <> 'available');
-- None of these names a column that a plain claim changes, so that claims stay HOT.
create index jobs_live_groups on jobs_live (queue, priority, group_id, due_at, id) where group_id is not null;
comment on index jobs_live_groups is 'The line of each group, in the order in which its jobs are claimed.';
create index jobs_live_expiry on jobs_live (expires_at) where expires_at is not null;
comment on index jobs_live_expiry is 'Finds the jobs that nobody started in time.';
-- Names a column that no update changes, so that claims stay HOT.
create index jobs_live_written on jobs_live using brin (written_in) with (pages_per_range = 16, autosummarize = on);
comment on index jobs_live_written is 'Finds what was enqueued since a transaction; costs next to nothing to keep.';
comment on table jobs_live is 'The jobs that are not finished: all that the hot path reads and writes.';

create table running (
  job_id uuid primary key,
  lease_id uuid not null,
  worker_id text not null,
  attempt integer not null,
  queue text not null,
  kind text not null,
  started_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  lease_expires_at timestamptz not null,
  deadline_at timestamptz not null,
  concurrency_keys text[],
  soft_at timestamptz,
  hard_at timestamptz,
  written_in bigint not null default (pg_current_xact_id()::text)::bigint
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);
comment on table running is 'What runs now, one row a lease; pages, limits and the sweep look here and never through the backlog.';
comment on column running.job_id is 'The job.';
comment on column running.lease_id is 'Its present lease, equal to jobs.lease_id.';
comment on column running.worker_id is 'Who holds the lease.';
comment on column running.attempt is 'Which try this is.';
comment on column running.queue is 'The job''s queue.';
comment on column running.kind is 'The job''s kind.';
comment on column running.started_at is 'When it was claimed.';
comment on column running.seen_at is 'When its worker last named it in a heartbeat.';
comment on column running.lease_expires_at is 'From then on the sweep may take the job back.';
comment on column running.deadline_at is 'From then on the sweep takes the job back even from a worker that is alive.';
comment on column running.concurrency_keys is 'The limits that it counts for, as in jobs.';
comment on column running.soft_at is 'When its soft timeout passes, as the worker that claimed it knows it; null if it has none.';
comment on column running.hard_at is 'When its hard timeout passes, as the worker that claimed it knows it.';
comment on column running.written_in is 'The transaction that claimed the job.';

create table task_ids (
  execution_id text primary key,
  job_id uuid not null,
  constraint task_ids_are_short check (length(execution_id) between 1 and 255)
);
create index task_ids_job on task_ids (job_id);
comment on table task_ids is 'The callers'' own names for pieces of work.';
comment on column task_ids.execution_id is 'The name, as the caller gave it.';
comment on column task_ids.job_id is 'The job that it stands for.';

create table progress (
  job_id uuid primary key,
  last_seq bigint not null,
  percent real,
  step text,
  data jsonb,
  updated_at timestamptz,
  last_report uuid
) with (fillfactor = 50, autovacuum_vacuum_cost_delay = 0);
comment on table progress is 'How far each job is that ever reported; also allocates the numbers of its events, under its lock.';
comment on column progress.job_id is 'The job.';
comment on column progress.last_seq is 'Number of the job''s last event.';
comment on column progress.percent is 'From 0 to 100.';
comment on column progress.step is 'What the job does now.';
comment on column progress.data is 'Data of the handler''s own.';
comment on column progress.updated_at is 'When progress was last reported; null if only other events were.';
comment on column progress.last_report is 'The last report of a worker that was stored: one whose answer was cut off is repeated, and stored once.';

create table events (
  job_id uuid not null,
  seq bigint not null,
  attempt integer not null,
  type text not null,
  data jsonb not null,
  at timestamptz not null default clock_timestamp(),
  written_in bigint not null default (pg_current_xact_id()::text)::bigint,
  primary key (job_id, seq, at)
) partition by range (at);
comment on table events is 'The numbered log of each job: progress, log lines, failed attempts, manual acts. Partitioned by day.';
comment on column events.job_id is 'The job.';
comment on column events.seq is 'From 1, without gaps, in the order of commits.';
comment on column events.attempt is 'The try during which it happened.';
comment on column events.type is 'What happened: progress, log, attempt_failed, retry, snoozed, released, waits, step, spawned, signal, forked, cancel_requested, lease_lost, replaced, extended, expired, or a handler''s own.';
comment on column events.data is 'The type''s own fields.';
comment on column events.at is 'When it was written.';
comment on column events.written_in is 'The transaction that wrote the event.';

create table attempts (
  job_id uuid not null,
  attempt integer not null,
  lease_id uuid not null,
  worker_id text not null,
  outcome text not null,
  error jsonb,
  exit_code integer,
  signal integer,
  out_of_memory boolean not null default false,
  peak_memory_bytes bigint,
  started_at timestamptz,
  finished_at timestamptz not null default clock_timestamp(),
  fingerprint text,
  log_tail text,
  primary key (job_id, lease_id, finished_at)
) partition by range (finished_at);
comment on table attempts is 'Attempts that failed, and completed ones of which the use of memory or an exit code is known. Partitioned by day.';
comment on column attempts.job_id is 'The job.';
comment on column attempts.attempt is 'Ordinal of the try.';
comment on column attempts.lease_id is 'The lease under which it ran.';
comment on column attempts.worker_id is 'Who ran it.';
comment on column attempts.outcome is 'completed, failed, crashed (its worker died) or timed_out.';
comment on column attempts.error is 'message, type, permanent, backtrace.';
comment on column attempts.exit_code is 'Exit code of a command.';
comment on column attempts.signal is 'Signal that ended a command.';
comment on column attempts.out_of_memory is 'True if it was ended for want of memory.';
comment on column attempts.peak_memory_bytes is 'Largest resident memory, in bytes.';
comment on column attempts.started_at is 'When it was claimed.';
comment on column attempts.finished_at is 'When it ended.';
comment on column attempts.fingerprint is 'Hash of the cause: kind, class and message without what differs from case to case. Null if it did not fail.';
comment on column attempts.log_tail is 'Its last log lines, if it failed.';

create table workers (
  id text primary key,
  name text not null,
  host text not null,
  pid integer,
  version text not null,
  state text not null default 'running',
  queues jsonb not null default '{}',
  kinds text[] not null default '{}',
  running integer not null default 0,
  started_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  lease_ttl interval not null,
  drain_requested_at timestamptz,
  clock_skew interval,
  shedding boolean not null default false,
  memory_bytes bigint,
  cpu_seconds double precision,
  containment text check (containment in ('cgroup', 'reaper', 'group')),
  other_queue_slots integer not null default 0,
  queues_left_out integer not null default 0,
  constraint workers_state_is_known check (state in ('running', 'draining', 'stopped'))
) with (fillfactor = 50);
comment on table workers is 'Processes that claim and run, with their heartbeat.';
comment on column workers.id is 'Unique for each start of a worker: name, pid and a random part; a remote worker''s own name.';
comment on column workers.name is 'What people call it.';
comment on column workers.host is 'The machine that it runs on.';
comment on column workers.pid is 'Its process id there.';
comment on column workers.version is 'The version of its binary or client.';
comment on column workers.state is 'running, draining (claims no more) or stopped (said goodbye).';
comment on column workers.queues is 'Slots by queue.';
comment on column workers.kinds is 'The kinds that it serves.';
comment on column workers.running is 'How many attempts it held at its last heartbeat.';
comment on column workers.started_at is 'When it started.';
comment on column workers.seen_at is 'Its last heartbeat.';
comment on column workers.lease_ttl is 'How long after a heartbeat its leases last.';
comment on column workers.drain_requested_at is 'When somebody asked it to claim no more.';
comment on column workers.clock_skew is 'How much its clock was ahead of the database''s at its last heartbeat.';
comment on column workers.shedding is 'Whether it stores less progress, because an old transaction keeps dead rows.';
comment on column workers.memory_bytes is 'What its process had in memory at its last heartbeat; null if unknown.';
comment on column workers.cpu_seconds is 'Processor time of its process since its start; null if unknown.';
comment on column workers.containment is 'What ends processes that its commands leave in sessions of their own: cgroup, reaper (it is their sub-reaper), or group for nothing; null of remote workers and of a program that holds Tidemill as a library.';
comment on column workers.other_queue_slots is 'How many jobs of each queue that queues does not name it runs at once, as they come; 0: it takes none.';
comment on column workers.queues_left_out is 'In how many further queues jobs were due for it at its last look, while it followed as many as it can.';

create table queues (
  name text primary key,
  paused_at timestamptz,
  paused_by text,
  draining_at timestamptz,
  draining_by text,
  slots integer,
  updated_at timestamptz not null default now(),
  priority_ageing interval,
  limited boolean not null default false,
  max_queued integer,
  constraint queues_are_named check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
  constraint queues_slots_are_not_negative check (slots >= 0),
  constraint queues_priority_ageing_is_in_reach check (priority_ageing > '0' and priority_ageing <= '1 year'),
  constraint queues_max_queued_is_sane check (max_queued between 0 and 100000000)
);
comment on table queues is 'What people set for queues; a queue without a row has only defaults.';
comment on column queues.name is 'The queue.';
comment on column queues.paused_at is 'Since when nothing is claimed from it.';
comment on column queues.paused_by is 'Who paused it.';
comment on column queues.draining_at is 'Since when it takes no new jobs.';
comment on column queues.draining_by is 'Who drains it.';
comment on column queues.slots is 'How many of its jobs each worker runs at once, instead of the worker''s own setting.';
comment on column queues.updated_at is 'When somebody last changed the row.';
comment on column queues.priority_ageing is 'A job that is due this long is claimed as if its priority were one better; null: never.';
comment on column queues.limited is 'True if claims must be counted: the queue has a limit of its own or priorities that age.';
comment on column queues.max_queued is 'Most of its jobs that wait to run; more are refused. Null: any number.';

create table kinds (
  name text primary key,
  source text not null,
  queue text not null default 'default',
  priority smallint not null default 5,
  max_attempts integer not null default 5,
  soft_timeout interval,
  hard_timeout interval not null default '24 hours',
  stop_grace interval not null default '10 seconds',
  backoff_first interval not null default '5 seconds',
  backoff_factor double precision not null default 2,
  backoff_max interval not null default '1 hour',
  backoff_jitter double precision not null default 0.2,
  retain interval,
  last_seen_at timestamptz not null default now(),
  defaults jsonb,
  permanent_errors text[] not null default '{}',
  breaker_after integer,
  breaker_window interval not null default '10 minutes',
  breaker_pause interval not null default '1 minute',
  breaker_crashes integer not null default 0,
  breaker_crashed_at timestamptz,
  breaker_openings integer not null default 0,
  breaker_open_until timestamptz,
  constraint kinds_are_named check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
  constraint kinds_backoff_is_sane
    check (
      backoff_first between '0' and '100 years' and backoff_factor >= 1 and backoff_max between '0' and '100 years'
      and backoff_jitter between 0 and 1),
  constraint kinds_times_are_in_reach
    check (
      soft_timeout between '0' and '100 years' and hard_timeout between '0' and '100 years'
      and stop_grace between '0' and '100 years' and retain between '0' and '100 years'),
  constraint kinds_defaults_is_an_object check (jsonb_typeof(defaults) = 'object'),
  constraint kinds_breaker_is_sane
  check (
    breaker_after >= 1 and breaker_window between '1 second' and '1 year' and breaker_pause between '1 second' and '1 year'
    and breaker_crashes >= 0)
);
comment on table kinds is 'What is known of each kind, written by the workers that serve it.';
comment on column kinds.name is 'The kind.';
comment on column kinds.source is 'command, url, rust or remote.';
comment on column kinds.queue is 'Where its jobs go unless they say otherwise.';
comment on column kinds.priority is 'Priority of its jobs unless they say otherwise.';
comment on column kinds.max_attempts is 'Attempts of its jobs unless they say otherwise.';
comment on column kinds.soft_timeout is 'After this an attempt is asked to stop.';
comment on column kinds.hard_timeout is 'After this an attempt is ended.';
comment on column kinds.stop_grace is 'How long an attempt that was asked to stop may take.';
comment on column kinds.backoff_first is 'Delay before the second attempt.';
comment on column kinds.backoff_factor is 'By how much each further delay is longer.';
comment on column kinds.backoff_max is 'The longest delay.';
comment on column kinds.backoff_jitter is 'Share of the delay by which it randomly varies.';
comment on column kinds.retain is 'How long its finished jobs stay.';
comment on column kinds.last_seen_at is 'When a worker last said that it serves the kind.';
comment on column kinds.defaults is 'What its jobs have unless they say otherwise: concurrency_keys, fair_key, unique, expires_in_seconds. {name} in a key stands for that arg.';
comment on column kinds.permanent_errors is 'Classes of errors (their type) that no further attempt can mend.';
comment on column kinds.breaker_after is 'After so many crashes within breaker_window its jobs are not started for a while; null: never.';
comment on column kinds.breaker_window is 'Crashes further apart are not counted together.';
comment on column kinds.breaker_pause is 'How long its jobs are not started then; twice as long each time that it goes on.';
comment on column kinds.breaker_crashes is 'Crashes that count now.';
comment on column kinds.breaker_crashed_at is 'When the last of them was.';
comment on column kinds.breaker_openings is 'How often it opened without a quiet window between.';
comment on column kinds.breaker_open_until is 'Until then none of its jobs is started.';

create table idempotency_keys (
  key text primary key,
  request_hash bytea not null,
  answer jsonb,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null default now() + interval '24 hours'
);
create index idempotency_keys_expiry on idempotency_keys (expires_at);
comment on table idempotency_keys is 'The stored first answers to requests that may be repeated.';
comment on column idempotency_keys.key is 'Scope and Idempotency-Key of the request.';
comment on column idempotency_keys.request_hash is 'SHA-256 of the request as parsed.';
comment on column idempotency_keys.answer is 'The first answer.';
comment on column idempotency_keys.created_at is 'When the request came first.';
comment on column idempotency_keys.expires_at is 'From then on the key may be forgotten.';

create table api_keys (
  id text primary key,
  name text not null,
  scopes text[] not null,
  secret_hash bytea not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  constraint api_keys_scopes_are_known
    check (scopes <> '{}' and scopes <@ array['enqueue', 'read', 'work', 'admin'])
);
comment on table api_keys is 'Who may speak to the HTTP API; as soon as one key exists all requests need one.';
comment on column api_keys.id is 'The public part of the key.';
comment on column api_keys.name is 'What people call it.';
comment on column api_keys.scopes is 'What it allows: enqueue, read, work, admin.';
comment on column api_keys.secret_hash is 'SHA-256 of the secret part, which is stored nowhere.';
comment on column api_keys.created_at is 'When it was made.';
comment on column api_keys.expires_at is 'From then on it is refused.';
comment on column api_keys.revoked_at is 'When it was revoked.';
comment on column api_keys.last_used_at is 'When it was last used, to the minute.';

create table limits (
  name text primary key,
  max_running integer,
  rate integer,
  rate_period interval,
  burst integer,
  on_full text not null default 'queue',
  updated_at timestamptz not null default now(),
  constraint limits_are_named check (name ~ '^(queue:)?[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
  constraint limits_limit_something check (max_running is not null or rate is not null),
  constraint limits_max_running_is_not_negative check (max_running >= 0),
  constraint limits_rate_has_a_period check ((rate is null) = (rate_period is null) and (rate is null) = (burst is null)),
  constraint limits_rate_is_sane check (rate >= 1 and burst >= 1 and rate_period > '0' and rate_period <= '1 year'),
  constraint limits_on_full_is_known check (on_full in ('queue', 'cancel_newest', 'cancel_oldest')),
  constraint limits_cancel_counts check (on_full = 'queue' or (max_running >= 1 and name not like 'queue:%'))
);
comment on table limits is 'How many jobs may run at once or start in a time, over all workers.';
comment on column limits.name is 'queue:NAME for a queue; else what stands before the colon in the concurrency keys of jobs.';
comment on column limits.max_running is 'Most jobs that run at once for each key; null: any number.';
comment on column limits.rate is 'Jobs that may start in each period, on average; null: any number.';
comment on column limits.rate_period is 'The period.';
comment on column limits.burst is 'Most jobs that may start at one moment after a quiet time.';
comment on column limits.on_full is 'What a new job does when the limit is reached: queue, cancel_newest (itself) or cancel_oldest (the one that came first).';
comment on column limits.updated_at is 'When somebody last changed it.';

create table limit_buckets (
  key text primary key,
  tokens double precision not null,
  filled_at timestamptz not null
) with (fillfactor = 50);
comment on table limit_buckets is 'How many more jobs of a key with a rate may start now (a token bucket); a key without a row has a full one.';
comment on column limit_buckets.key is 'The concurrency key, or queue:NAME.';
comment on column limit_buckets.tokens is 'Tokens at filled_at; each start takes one.';
comment on column limit_buckets.filled_at is 'When it was last counted.';

create table turns (
  queue text not null,
  priority smallint not null,
  group_id uuid not null,
  concurrency_keys text[] not null default '{}',
  ready_at timestamptz not null,
  primary key (queue, priority, group_id)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
create index turns_order on turns (queue, priority, ready_at, group_id);
comment on table turns is 'Whose turn it is: one row for each group of jobs that wait in a queue, oldest ready_at first.';
comment on column turns.queue is 'The queue.';
comment on column turns.priority is 'The priority.';
comment on column turns.group_id is 'The group, as in jobs.';
comment on column turns.concurrency_keys is 'The limits that the jobs of the group count for.';
comment on column turns.ready_at is 'From when on it is worth to look at the group: its last turn, or when its next job or token falls due; infinity when its line is empty.';

create table unique_keys (
  key text primary key,
  job_id uuid,
  supersedes uuid[] not null default '{}',
  seen_at timestamptz not null default now(),
  constraint unique_keys_are_short check (length(key) between 1 and 350)
) with (fillfactor = 70);
create index unique_keys_seen on unique_keys (seen_at);
comment on table unique_keys is 'Which job has a unique key; it counts only as long as the wish of the next job says.';
comment on column unique_keys.key is 'The key, as in jobs.';
comment on column unique_keys.job_id is 'The last job that took it; null if none has yet.';
comment on column unique_keys.supersedes is 'Jobs with this key that still ran when it passed on, and must not come back into the queue.';
comment on column unique_keys.seen_at is 'When a job took it, or the keeper last found that its job is kept.';

-- Schedules: what is enqueued by the clock, and each time at which it was.
create table schedules (
  name text primary key,
  cron text,
  every interval,
  at timestamptz,
  timezone text not null default 'UTC',
  job jsonb not null,
  missed text not null default 'one',
  missed_limit integer not null default 10,
  overlap text not null default 'skip',
  jitter interval not null default '0',
  paused_at timestamptz,
  paused_by text,
  source text not null default 'sql',
  anchor_at timestamptz not null default now(),
  next_at timestamptz,
  upcoming timestamptz[] not null default '{}',
  last_slot_at timestamptz,
  unfinished uuid[] not null default '{}',
  problem text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  owner text,
  constraint schedules_are_named check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
  constraint schedules_have_one_of_cron_every_at check (num_nonnulls(cron, every, at) = 1),
  constraint schedules_cron_is_short check (length(cron) between 1 and 255),
  constraint schedules_every_is_1_second_to_10_years_without_months
    check (
      every between '1 second' and '3660 days'
      and extract(year from every) = 0 and extract(month from every) = 0),
  constraint schedules_at_is_in_reach check (at >= '2000-01-01 00:00+00' and at < '2200-01-01 00:00+00'),
  constraint schedules_timezone_is_short check (length(timezone) between 1 and 63),
  constraint schedules_job_is_a_template
    check (
      jsonb_typeof(job) = 'object'
      and coalesce(job ->> 'kind', '') ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'
      and coalesce(jsonb_typeof(job -> 'args'), 'object') = 'object'
      and coalesce(jsonb_typeof(job -> 'metadata'), 'object') = 'object'
      and coalesce(jsonb_typeof(job -> 'tags'), 'array') = 'array'
      and job - '{kind,args,queue,priority,max_attempts,soft_timeout,hard_timeout,tags,metadata,retain}'::text[] = '{}'),
  constraint schedules_missed_is_known check (missed in ('skip', 'one', 'all')),
  constraint schedules_missed_limit_is_1_to_1000 check (missed_limit between 1 and 1000),
  constraint schedules_overlap_is_known check (overlap in ('skip', 'queue', 'allow', 'cancel')),
  constraint schedules_jitter_is_in_reach check (jitter between '0' and '1 day'),
  constraint schedules_source_is_known check (source in ('config', 'api', 'sql')),
  constraint schedules_paused_by_somebody check ((paused_at is null) = (paused_by is null))
) with (fillfactor = 50);
create index schedules_due on schedules (next_at) where paused_at is null;
comment on index schedules_due is 'Which schedule is due next, without a look at the others.';
comment on table schedules is 'What is enqueued by the clock; act on it through set_schedule and its siblings.';
comment on column schedules.name is 'The schedule.';
comment on column schedules.cron is 'Cron text of five fields, or six with seconds first; docs/schedules.md says how it is read.';
comment on column schedules.every is 'Time from slot to slot, counted from anchor_at.';
comment on column schedules.at is 'The one time at which it falls due.';
comment on column schedules.timezone is 'Zone of the cron text, by its name in the tz database.';
comment on column schedules.job is 'The job that it makes, as enqueue_many takes it, without run_at, delay and execution_id.';
comment on column schedules.missed is 'Which slots fire that nobody looked at in time: skip (none), one (the latest) or all (the latest missed_limit).';
comment on column schedules.missed_limit is 'How many missed slots fire at most, where missed is all.';
comment on column schedules.overlap is 'What happens to a slot while an earlier job is not finished: skip, queue (one is held), allow, or cancel (the earlier one).';
comment on column schedules.jitter is 'By up to so much later a slot''s job may start; the share is fixed by name and slot.';
comment on column schedules.paused_at is 'Since when it does not fire.';
comment on column schedules.paused_by is 'Who paused it.';
comment on column schedules.source is 'Who wrote it last: config, api or sql.';
comment on column schedules.anchor_at is 'Slots of an interval are this plus a multiple of it; when its times were last changed.';
comment on column schedules.next_at is 'The first slot that has not fired; null until it is computed, infinity if none comes.';
comment on column schedules.upcoming is 'The next five slots.';
comment on column schedules.last_slot_at is 'The last slot that was judged.';
comment on column schedules.unfinished is 'Its jobs that were not finished when it last enqueued one, at most 1,000.';
comment on column schedules.problem is 'Why it cannot be computed, or why its last slot could not be enqueued.';
comment on column schedules.created_at is 'When it was made.';
comment on column schedules.updated_at is 'When somebody last changed it.';
comment on column schedules.owner is 'The deployment whose config wrote it; null if none did.';

create table schedule_slots (
  schedule text not null references schedules (name) on update cascade on delete cascade,
  slot timestamptz not null,
  outcome text not null,
  job_id uuid,
  reason text,
  fired_at timestamptz not null default clock_timestamp(),
  -- The promise: a slot fires once.
  primary key (schedule, slot),
  constraint schedule_slots_outcome_is_known check (outcome in ('enqueued', 'skipped', 'held', 'missed')),
  constraint schedule_slots_job_means_enqueued check ((job_id is not null) = (outcome = 'enqueued'))
);
create unique index schedule_slots_held on schedule_slots (schedule) where outcome = 'held';
comment on index schedule_slots_held is 'At most one slot of a schedule is held.';
comment on table schedule_slots is 'Each time at which a schedule fell due, and what came of it; kept for 1,000 slots, and a day at least.';
comment on column schedule_slots.schedule is 'The schedule.';
comment on column schedule_slots.slot is 'The nominal time, before jitter.';
comment on column schedule_slots.outcome is 'enqueued, skipped, held (waits for the end of an earlier job), or missed (with all after it, up to the next row).';
comment on column schedule_slots.job_id is 'The job that it became.';
comment on column schedule_slots.reason is 'Why it became none.';
comment on column schedule_slots.fired_at is 'When that was decided.';

create table workflows (
  id uuid primary key,
  name text not null,
  on_failure text not null default 'continue',
  result_is text not null default 'object',
  members integer not null,
  done integer not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  constraint workflows_are_named check (name <> '' and length(name) <= 200),
  constraint workflows_on_failure_is_known check (on_failure in ('continue', 'cancel')),
  constraint workflows_result_is_known check (result_is in ('object', 'array', 'last')),
  constraint workflows_are_done_once check (members >= 0 and done between 0 and members)
) with (fillfactor = 50);
comment on table workflows is 'Workflows and groups. Each is a job of the kind tidemill.workflow with the same id, which waits for its members and ends with them.';
comment on column workflows.id is 'The job that stands for it.';
comment on column workflows.name is 'What people call it.';
comment on column workflows.on_failure is 'continue: the members that do not depend on a failed one go on; cancel: all others are cancelled.';
comment on column workflows.result_is is 'Its result: an object of the members'' results by name, an array of them in order, or the last one''s.';
comment on column workflows.members is 'How many jobs it waits for.';
comment on column workflows.done is 'How many of them ended.';
comment on column workflows.created_at is 'When it was made.';

create table dependencies (
  job_id uuid not null,
  parent_id uuid not null,
  ord integer not null default 1,
  member boolean not null default false,
  name text,
  pass_as text,
  run_if text not null default 'all_completed',
  outcome text,
  resolved_at timestamptz,
  run_at timestamptz,
  delay interval,
  primary key (job_id, parent_id),
  constraint dependencies_outcome_is_known check (outcome in ('completed', 'failed', 'cancelled', 'skipped')),
  constraint dependencies_are_resolved_once check ((outcome is null) = (resolved_at is null)),
  constraint dependencies_are_of_two_jobs check (job_id <> parent_id)
) with (fillfactor = 70);
create index dependencies_parent on dependencies (parent_id);
create index dependencies_open on dependencies (job_id) where outcome is null;
create index dependencies_bad on dependencies (job_id) where outcome in ('failed', 'cancelled', 'skipped');
comment on table dependencies is 'Which job waits for the end of which; the members of a workflow are the jobs that it waits for.';
comment on column dependencies.job_id is 'The job that waits.';
comment on column dependencies.parent_id is 'The job that it waits for.';
comment on column dependencies.ord is 'Order of the parents, from 1.';
comment on column dependencies.member is 'True if the one that waits is the workflow of its parent.';
comment on column dependencies.name is 'What the parent is called in the workflow.';
comment on column dependencies.pass_as is 'The arg under which the job gets the parent''s result; name[] gathers several into an array.';
comment on column dependencies.run_if is 'As in waits; what is retried waits by it again.';
comment on column dependencies.outcome is 'How the parent ended: completed, failed, cancelled or skipped (it was not needed); null until it did.';
comment on column dependencies.resolved_at is 'When that was noted.';
comment on column dependencies.run_at is 'As in waits; what is retried waits by it again.';
comment on column dependencies.delay is 'As in waits; what is retried waits by it again.';

create table waits (
  job_id uuid primary key,
  run_if text not null default 'all_completed',
  signal text,
  until timestamptz,
  run_at timestamptz,
  delay interval,
  since timestamptz not null default clock_timestamp(),
  constraint waits_run_if_is_known check (run_if in ('all_completed', 'all_finished', 'any_completed', 'any_failed'))
);
create index waits_until on waits (until) where until is not null;
comment on table waits is 'What each job that is held back waits for, one row each: the end of the jobs in dependencies, or a signal.';
comment on column waits.job_id is 'The job that waits.';
comment on column waits.run_if is 'Which ends of its parents let it run: all_completed, all_finished, any_completed or any_failed.';
comment on column waits.signal is 'The signal that it waits for; null if it waits for jobs.';
comment on column waits.until is 'From then on it goes on without the signal.';
comment on column waits.run_at is 'Not before this time, also when nothing holds it back any more.';
comment on column waits.delay is 'So long after nothing holds it back any more.';
comment on column waits.since is 'Since when it waits.';

create table endings (
  job_id uuid primary key,
  at timestamptz not null default clock_timestamp()
);
comment on table endings is 'Jobs that ended and whose dependents were not told yet; emptied by resolve().';
comment on column endings.job_id is 'The job.';
comment on column endings.at is 'When it ended.';

create table steps (
  job_id uuid not null,
  name text not null,
  attempt integer not null,
  output jsonb,
  spawned_id uuid,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  primary key (job_id, name),
  constraint steps_are_named check (name <> '' and length(name) <= 200)
) with (fillfactor = 70);
-- What others still need stays, and kinds that the API refuses are refused in SQL as well.
create index steps_spawned on steps (spawned_id) where spawned_id is not null;
comment on table steps is 'Checkpoints of jobs: a step that is here is not run again.';
comment on column steps.job_id is 'The job.';
comment on column steps.name is 'The step, unique in the job.';
comment on column steps.attempt is 'The try that did it.';
comment on column steps.output is 'What it gave back; for a cursor, how far the job is.';
comment on column steps.spawned_id is 'The job that the step enqueued.';
comment on column steps.created_at is 'When it was first stored; the order of the steps.';
comment on column steps.updated_at is 'When it was last stored.';

create table signals (
  job_id uuid not null,
  name text not null,
  payload jsonb,
  timed_out boolean not null default false,
  sent_at timestamptz not null default clock_timestamp(),
  sent_by text,
  primary key (job_id, name),
  constraint signals_are_named check (name <> '' and length(name) <= 200)
);
comment on table signals is 'Messages to jobs, the first of each name; also those that came before the job waited for them.';
comment on column signals.job_id is 'The job.';
comment on column signals.name is 'The signal.';
comment on column signals.payload is 'What it says.';
comment on column signals.timed_out is 'True if none came in time; one that comes later changes nothing.';
comment on column signals.sent_at is 'When it came, or was given up.';
comment on column signals.sent_by is 'Who sent it.';

create table failure_causes (
  fingerprint text primary key,
  kind text not null,
  type text,
  message text not null,
  failures bigint not null default 0,
  first_at timestamptz not null,
  last_at timestamptz not null,
  last_job_id uuid
) with (fillfactor = 70);
create index failure_causes_last on failure_causes (last_at);
comment on table failure_causes is 'What attempts failed of: one row a cause, counted from failure_deltas by the keeper.';
comment on column failure_causes.fingerprint is 'The cause, as in attempts.';
comment on column failure_causes.kind is 'Kind of the jobs.';
comment on column failure_causes.type is 'Class of the error.';
comment on column failure_causes.message is 'Message of the last failure.';
comment on column failure_causes.failures is 'How many attempts failed of it.';
comment on column failure_causes.first_at is 'The first of them.';
comment on column failure_causes.last_at is 'The last of them.';
comment on column failure_causes.last_job_id is 'A job to look at.';

create table failure_deltas (
  fingerprint text not null,
  kind text not null,
  type text,
  message text not null,
  job_id uuid not null,
  at timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000);
-- Every table has a replica identity, so that a publication of all tables stands in no statement's way; and what
-- the roles were granted is kept, so that a grant that was lost is seen.
-- They have no key, for one would cost every batch of jobs an index entry; whole rows identify them as well.
alter table failure_deltas replica identity full;
comment on table failure_deltas is 'Failures that are not counted in failure_causes yet, each written in the transaction of its attempt''s end.';
comment on column failure_deltas.fingerprint is 'The cause.';
comment on column failure_deltas.kind is 'Kind of the job.';
comment on column failure_deltas.type is 'Class of the error.';
comment on column failure_deltas.message is 'Beginning of its message.';
comment on column failure_deltas.job_id is 'The job.';
comment on column failure_deltas.at is 'When.';

create table stats_deltas (
  at timestamptz not null default clock_timestamp(),
  queue text not null,
  kind text not null,
  outcome text not null,
  jobs bigint not null,
  waited interval not null default '0',
  ran interval not null default '0',
  ran_least interval,
  ran_most interval
) with (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000);
alter table stats_deltas replica identity full;
comment on table stats_deltas is 'What was counted and is not in stats yet: a few rows for each batch of jobs, in the transaction of the batch. Folded by the keeper.';
comment on column stats_deltas.at is 'When it happened.';
comment on column stats_deltas.queue is 'The queue.';
comment on column stats_deltas.kind is 'The kind.';
comment on column stats_deltas.outcome is 'enqueued, completed, failed, cancelled, or retried (an attempt that failed and is tried again).';
comment on column stats_deltas.jobs is 'How many.';
comment on column stats_deltas.waited is 'How long they waited for their last start, together.';
comment on column stats_deltas.ran is 'How long their last attempts ran, together.';
comment on column stats_deltas.ran_least is 'How long the shortest of them ran; null if none did.';
comment on column stats_deltas.ran_most is 'How long the longest of them ran; null if none did.';

create table stats (
  minute timestamptz not null,
  queue text not null,
  kind text not null,
  outcome text not null,
  jobs bigint not null,
  waited interval not null default '0',
  ran interval not null default '0',
  ran_least interval,
  ran_most interval,
  primary key (minute, queue, kind, outcome)
) with (fillfactor = 70);
comment on table stats is 'Counters a minute of the last 14 days, so that no page counts jobs.';
comment on column stats.minute is 'Beginning of the minute.';
comment on column stats.queue is 'The queue.';
comment on column stats.kind is 'The kind.';
comment on column stats.outcome is 'As in stats_deltas.';
comment on column stats.jobs is 'How many.';
comment on column stats.waited is 'How long they waited, together.';
comment on column stats.ran is 'How long they ran, together.';
comment on column stats.ran_least is 'How long the shortest of them ran; null if none did.';
comment on column stats.ran_most is 'How long the longest of them ran; null if none did.';

create table audit_log (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  who text not null,
  db_user text not null default session_user,
  act text not null,
  subject text not null,
  before jsonb,
  after jsonb
);
create index audit_log_subject on audit_log (subject, id);
create index audit_log_at on audit_log (at);
comment on table audit_log is 'What people did to jobs, queues, limits, schedules and keys.';
comment on column audit_log.id is 'Counts up.';
comment on column audit_log.at is 'When.';
comment on column audit_log.who is 'Who, as the caller said: the API key''s name, or the database user.';
comment on column audit_log.db_user is 'The database user of the session.';
comment on column audit_log.act is 'The verb.';
comment on column audit_log.subject is 'On what: job:ID, queue:NAME, limit:NAME, schedule:NAME, workflow:ID, kind:NAME, key:ID.';
comment on column audit_log.before is 'How it was.';
comment on column audit_log.after is 'How it is since.';

-- What is too large for a row, and what people shall not read.
create table artifacts (
  path text primary key,
  job_id uuid not null,
  name text not null,
  content_type text not null,
  bytes bigint not null,
  created_at timestamptz not null default clock_timestamp(),
  checked_at timestamptz not null default clock_timestamp(),
  doomed_at timestamptz
);
create index artifacts_job on artifacts (job_id, name, created_at);
create index artifacts_checked on artifacts (checked_at);
comment on table artifacts is 'Files of jobs in object storage: what handlers kept, and args and results that are too large for a row. Removed after their job.';
comment on column artifacts.path is 'Where it lies below the storage''s address.';
comment on column artifacts.job_id is 'Whose it is.';
comment on column artifacts.name is 'Its name within the job; the newest of a name counts.';
comment on column artifacts.content_type is 'What it is, such as image/png.';
comment on column artifacts.bytes is 'Its size.';
comment on column artifacts.created_at is 'When it was kept.';
comment on column artifacts.checked_at is 'When it was last seen that its job is still there.';
comment on column artifacts.doomed_at is 'Since when nobody can need it any more and it is being removed; nothing refers to it from then on.';

create table redacted_keys (
  key text not null,
  deployment text not null default 'default',
  primary key (deployment, key)
);
comment on table redacted_keys is 'Names of keys whose values no view and no answer shows; written by the processes from their config.';
comment on column redacted_keys.key is 'Lower case, without underscores and hyphens.';
comment on column redacted_keys.deployment is 'The deployment whose config names the key; what one of them hides is hidden.';

create table queue_room (
  queue text primary key,
  room integer not null default 0,
  counted_at timestamptz not null default '-infinity',
  count_took interval not null default '0'
) with (fillfactor = 50);
comment on table queue_room is 'How many more jobs each queue with a bound takes before its jobs are counted again. Its row is locked by whoever takes some.';
comment on column queue_room.queue is 'The queue.';
comment on column queue_room.room is 'So many more.';
comment on column queue_room.counted_at is 'When its jobs were last counted.';
comment on column queue_room.count_took is 'How long that took; the next count of many comes no sooner than ten times later.';

create table alert_rules (
  name text primary key,
  condition text not null,
  kind text,
  queue text,
  above double precision not null default 0,
  at_least integer not null default 1,
  over interval not null default '15 minutes',
  hold interval not null default '1 minute',
  webhook text,
  email text[] not null default '{}',
  from_config boolean not null default false,
  updated_at timestamptz not null default now(),
  owner text,
  constraint alert_rules_are_named check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
  constraint alert_rules_condition_is_known check (condition in (
    'error_rate', 'average_time', 'queue_depth', 'no_worker', 'stuck_jobs',
    'database_latency', 'database_size', 'database_horizon')),
  constraint alert_rules_above_is_not_negative check (above >= 0 and above < 'infinity'),
  constraint alert_rules_at_least_is_positive check (at_least >= 1),
  constraint alert_rules_over_is_in_reach check (over between '1 minute' and '14 days'),
  constraint alert_rules_hold_is_in_reach check (hold between '0' and '1 day'),
  constraint alert_rules_kind_has_a_meaning check (kind is null or condition in ('error_rate', 'average_time', 'stuck_jobs')),
  constraint alert_rules_queue_has_a_meaning check (queue is null or condition not like 'database%'),
  constraint alert_rules_webhook_is_an_address check (webhook ~ '^https?://.+')
);
comment on table alert_rules is 'When somebody shall be told.';
comment on column alert_rules.name is 'What the rule is called.';
comment on column alert_rules.condition is 'What is measured: error_rate, average_time, queue_depth, no_worker, stuck_jobs, database_latency, database_size or database_horizon.';
comment on column alert_rules.kind is 'Only jobs of this kind; null: each kind by itself.';
comment on column alert_rules.queue is 'Only this queue; null: all of them.';
comment on column alert_rules.above is 'It is too much above this: a share, seconds, jobs or bytes; of no_worker: up to so many workers are too few.';
comment on column alert_rules.at_least is 'Fewer attempts than this in the window say nothing.';
comment on column alert_rules.over is 'The window of error_rate and average_time.';
comment on column alert_rules.hold is 'It fires when it was too much for so long, and is resolved when it was not for so long.';
comment on column alert_rules.webhook is 'Called when it fires and when it is resolved; null: nobody.';
comment on column alert_rules.email is 'Who is written to then.';
comment on column alert_rules.from_config is 'True if a config names it.';
comment on column alert_rules.updated_at is 'When it was last changed.';
comment on column alert_rules.owner is 'The deployment whose config wrote it; null if none did.';

create table alerts (
  id uuid primary key,
  rule text not null,
  subject text not null,
  value double precision not null,
  above double precision not null,
  message text not null,
  since timestamptz not null,
  fired_at timestamptz,
  clear_since timestamptz,
  resolved_at timestamptz,
  constraint alerts_fire_before_they_are_resolved check (resolved_at is null or fired_at is not null)
);
create unique index alerts_open on alerts (rule, subject) where resolved_at is null;
comment on index alerts_open is 'A rule has one open alert a subject, so none fires twice.';
create index alerts_fired on alerts (fired_at, id);
comment on table alerts is 'What the rules found: pending until fired_at, firing until resolved_at. Kept 90 days.';
comment on column alerts.id is 'UUIDv7.';
comment on column alerts.rule is 'The rule.';
comment on column alerts.subject is 'What it is about: kind:NAME, queue:NAME, workers, jobs or database.';
comment on column alerts.value is 'What was measured last while it was too much.';
comment on column alerts.above is 'What the rule allowed.';
comment on column alerts.message is 'That in words.';
comment on column alerts.since is 'Since when it is too much.';
comment on column alerts.fired_at is 'When it fired; null while it is pending.';
comment on column alerts.clear_since is 'Since when it is not too much any more.';
comment on column alerts.resolved_at is 'When it was resolved.';

create table alert_notices (
  id uuid primary key,
  alert_id uuid not null references alerts on delete cascade,
  event text not null,
  channel text not null,
  target text not null default '',
  due_at timestamptz not null default clock_timestamp(),
  attempts integer not null default 0,
  sent_at timestamptz,
  error text,
  constraint alert_notices_event_is_known check (event in ('fired', 'resolved')),
  constraint alert_notices_channel_is_known check (channel in ('log', 'webhook', 'email'))
);
create unique index alert_notices_once on alert_notices (alert_id, event, channel, target);
create index alert_notices_due on alert_notices (due_at) where sent_at is null;
comment on table alert_notices is 'Whom to tell of which alert: written in the transaction in which it fires or is resolved, ticked off when it was told.';
comment on column alert_notices.id is 'UUIDv7; the receiver of a webhook sees it as webhook-id, the same at each try.';
comment on column alert_notices.alert_id is 'The alert.';
comment on column alert_notices.event is 'fired or resolved.';
comment on column alert_notices.channel is 'log, webhook or email.';
comment on column alert_notices.target is 'The address.';
comment on column alert_notices.due_at is 'Not tried before; moved ahead by whoever takes it.';
comment on column alert_notices.attempts is 'How often it was tried.';
comment on column alert_notices.sent_at is 'When it was told.';
comment on column alert_notices.error is 'Why the last try failed.';

-- What long work tells of itself under a name of its caller's, such as a crawl.
create table sessions (
  id text primary key check (char_length(id) between 1 and 100),
  job_id uuid not null,
  base_url text not null,
  status text not null check (status in ('queued', 'starting', 'running', 'completed', 'failed')),
  pages_crawled integer not null default 0,
  bugs_found integer not null default 0,
  error text,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null
);
create index sessions_expires on sessions (expires_at);
create index sessions_job on sessions (job_id);
comment on table sessions is 'Sessions: what a crawl tells of itself while it runs. Read session_status, which also knows what became of the job.';
comment on column sessions.id is 'The caller''s name for it.';
comment on column sessions.job_id is 'The job that does the work; no other may write here.';
comment on column sessions.base_url is 'What is crawled.';
comment on column sessions.status is 'queued, starting, running, completed or failed, as the job last said.';
comment on column sessions.pages_crawled is 'How many pages are done.';
comment on column sessions.bugs_found is 'How many bugs were found on them.';
comment on column sessions.error is 'What the last attempt failed of.';
comment on column sessions.created_at is 'When it began.';
comment on column sessions.updated_at is 'When the job last said something.';
comment on column sessions.expires_at is 'When it is forgotten; each word of the job puts it off.';

create table artifact_referrers (
  owner_id uuid not null,
  job_id uuid not null,
  primary key (owner_id, job_id)
);
comment on table artifact_referrers is 'Jobs whose args or result lie in the storage as those of another one: of a fork, of who got results passed or took args over. They stay until the last of these jobs is gone.';
comment on column artifact_referrers.owner_id is 'Whose args or result it was.';
comment on column artifact_referrers.job_id is 'Who refers to it.';

-- Counters an hour beside those a minute, so that a week is read as fast as an hour.
create table stats_hours (
  hour timestamptz not null,
  queue text not null,
  kind text not null,
  outcome text not null,
  jobs bigint not null,
  waited interval not null default '0',
  ran interval not null default '0',
  ran_least interval,
  ran_most interval,
  primary key (hour, queue, kind, outcome)
) with (fillfactor = 70);
comment on table stats_hours is 'Counters an hour: the minutes of stats in sum, and kept for two years.';
comment on column stats_hours.hour is 'Beginning of the hour, of UTC whatever the session''s time zone.';
comment on column stats_hours.queue is 'The queue.';
comment on column stats_hours.kind is 'The kind.';
comment on column stats_hours.outcome is 'As in stats_deltas.';
comment on column stats_hours.jobs is 'How many.';
comment on column stats_hours.waited is 'How long they waited, together.';
comment on column stats_hours.ran is 'How long they ran, together.';
comment on column stats_hours.ran_least is 'How long the shortest of them ran; null if none did.';
comment on column stats_hours.ran_most is 'How long the longest of them ran; null if none did.';

-- Contact: when no process swept, so that an outage of the database counts against no lease; the limits
-- of each attempt as the worker that claimed it knows them; and queues that a worker had to leave out.
create table sweep_times (
  is_only boolean primary key default true,
  swept_at timestamptz not null,
  every interval not null,
  every_at timestamptz not null,
  server_started_at timestamptz not null,
  constraint sweep_times_has_one_row check (is_only)
) with (fillfactor = 50);
comment on table sweep_times is 'When a process last swept: one row. Whether the database was away since is judged by it.';
comment on column sweep_times.is_only is 'Always true.';
comment on column sweep_times.swept_at is 'When a process last looked for leases that expired.';
comment on column sweep_times.every is 'The shortest time from sweep to sweep of one process.';
comment on column sweep_times.every_at is 'When a process that sweeps so often last did.';
comment on column sweep_times.server_started_at is 'When the server started on which that was: another time says that it was restarted, or that a standby took its place.';

create table sweep_pauses (
  until timestamptz primary key,
  since timestamptz not null,
  constraint sweep_pauses_have_a_length check (since < until)
);
comment on table sweep_pauses is 'Times of the last day in which no process swept: the database was away, or all who sweep were. They count against no lease and no deadline.';
comment on column sweep_pauses.until is 'When the first sweep after it began.';
comment on column sweep_pauses.since is 'From when on no sweep came, though one was due.';

-- Whose config wrote a row: several services share a schema, each with a config of its own, and a start of one must
-- not take away what another wrote.
create table deployments (
  name text primary key,
  revision bigint,
  declared_at timestamptz not null default now(),
  constraint deployments_are_named check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
  constraint deployments_revision_is_not_negative check (revision >= 0)
);
comment on table deployments is 'The deployments whose processes wrote what their configs declare: schedules, alert rules, limits, redacted keys.';
comment on column deployments.name is 'deployment.name of their configs.';
comment on column deployments.revision is 'The largest deployment.revision that was seen; a process with a smaller one changes nothing. Null: none has one.';
comment on column deployments.declared_at is 'When a process of it last started.';

-- Whether args must be sealed before they are stored, whoever enqueues.
create table sealing (
  required boolean not null,
  is_only_row boolean primary key default true check (is_only_row)
);
comment on table sealing is 'Whether jobs are refused whose args lie open; no row means that they are not. Written by the processes from their config.';
comment on column sealing.required is 'True if insert_jobs refuses args that are neither sealed nor empty.';
comment on column sealing.is_only_row is 'There is one row at most.';
