-- The tables of one Tidemill. Names no schema: the connection's search_path decides where they go.

create type job_state as enum ('waiting', 'available', 'running', 'completed', 'failed', 'cancelled');
comment on type job_state is 'Stored states of a job; "scheduled" and "retrying" are shown for available ones, never stored.';

create table schema_compatibility (
  only_row boolean primary key default true check (only_row),
  oldest_binary integer not null,
  verbs_digest text
);
comment on table schema_compatibility is 'Which older binaries may still use this schema.';
comment on column schema_compatibility.only_row is 'Holds the table at one row.';
comment on column schema_compatibility.verbs_digest is 'SHA-256 of the functions and views that are installed.';
comment on column schema_compatibility.oldest_binary is 'A binary that knows migrations up to this number or later may run on this schema.';
insert into schema_compatibility (oldest_binary) values (1);

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
comment on table jobs_live is 'The jobs that are not finished: all that the hot path reads and writes.';
alter table jobs_live add primary key (id);
create index jobs_live_claim on jobs_live (queue, priority, run_at, id);
comment on index jobs_live_claim is 'The order in which jobs are claimed; must never name state, lease or worker.';
create index jobs_live_tags on jobs_live using gin (tags) where tags <> '{}';
comment on index jobs_live_tags is 'Finds live jobs by tag; untagged ones cost nothing.';

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
  deadline_at timestamptz not null
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
  updated_at timestamptz
) with (fillfactor = 50, autovacuum_vacuum_cost_delay = 0);
comment on table progress is 'How far each job is that ever reported; also allocates the numbers of its events, under its lock.';
comment on column progress.job_id is 'The job.';
comment on column progress.last_seq is 'Number of the job''s last event.';
comment on column progress.percent is 'From 0 to 100.';
comment on column progress.step is 'What the job does now.';
comment on column progress.data is 'Data of the handler''s own.';
comment on column progress.updated_at is 'When progress was last reported; null if only other events were.';

create table events (
  job_id uuid not null,
  seq bigint not null,
  attempt integer not null,
  type text not null,
  data jsonb not null,
  at timestamptz not null default clock_timestamp(),
  primary key (job_id, seq, at)
) partition by range (at);
comment on table events is 'The numbered log of each job: progress, log lines, failed attempts, manual acts. Partitioned by day.';
comment on column events.job_id is 'The job.';
comment on column events.seq is 'From 1, without gaps, in the order of commits.';
comment on column events.attempt is 'The try during which it happened.';
comment on column events.type is 'What happened: progress, log, attempt_failed, retry, snoozed, cancel_requested, lease_lost, or a handler''s own.';
comment on column events.data is 'The type''s own fields.';
comment on column events.at is 'When it was written.';

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

create table queues (
  name text primary key,
  paused_at timestamptz,
  paused_by text,
  draining_at timestamptz,
  draining_by text,
  slots integer,
  updated_at timestamptz not null default now(),
  constraint queues_are_named check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
  constraint queues_slots_are_not_negative check (slots >= 0)
);
comment on table queues is 'What people set for queues; a queue without a row has only defaults.';
comment on column queues.name is 'The queue.';
comment on column queues.paused_at is 'Since when nothing is claimed from it.';
comment on column queues.paused_by is 'Who paused it.';
comment on column queues.draining_at is 'Since when it takes no new jobs.';
comment on column queues.draining_by is 'Who drains it.';
comment on column queues.slots is 'How many of its jobs each worker runs at once, instead of the worker''s own setting.';
comment on column queues.updated_at is 'When somebody last changed the row.';

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
  constraint kinds_are_named check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
  constraint kinds_backoff_is_sane
    check (
      backoff_first between '0' and '100 years' and backoff_factor >= 1 and backoff_max between '0' and '100 years'
      and backoff_jitter between 0 and 1),
  constraint kinds_times_are_in_reach
    check (
      soft_timeout between '0' and '100 years' and hard_timeout between '0' and '100 years'
      and stop_grace between '0' and '100 years' and retain between '0' and '100 years')
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
