-- The tables of one Tidemill. Names no schema: the connection's search_path decides where they are
-- made.

create type job_state as enum ('waiting', 'available', 'running', 'completed', 'failed', 'cancelled');
comment on type job_state is 'Stored states of a job; "scheduled" and "retrying" are shown for available ones, never stored.';

-- Here, because tables check their names by it.
create function is_name(p_text text) returns boolean
language sql
immutable
-- A bounded repetition in the pattern would cost twenty times as much.
as $$ select length(p_text) <= 63 and p_text ~ '^[A-Za-z0-9][A-Za-z0-9._-]*$' $$;
comment on function is_name(text) is 'Whether a text can be the name of a queue, kind, limit, schedule, alert rule or deployment: 1 to 63 letters, digits, dots, dashes and underscores, with a letter or digit first.';

-- The columns of `jobs` whose values one check decides; see its constraints.
create domain job_kind as text constraint jobs_kind_is_named check (value <> '' and length(value) <= 63);
comment on domain job_kind is 'The kind of a job.';
create domain job_queue as text constraint jobs_queue_is_named check (value <> '' and length(value) <= 63);
comment on domain job_queue is 'The queue of a job.';
create domain job_priority as smallint constraint jobs_priority_is_1_to_9 check (value between 1 and 9);
comment on domain job_priority is 'The priority of a job; 1 is claimed first.';
create domain job_attempt as integer constraint jobs_attempts_count_up check (value >= 0);
comment on domain job_attempt is 'The number of an attempt; 0 before the first.';
create domain job_max_attempts as integer constraint jobs_attempts_count_up check (value >= 1);
comment on domain job_max_attempts is 'How many attempts a job can have.';
create domain job_args as jsonb constraint jobs_args_is_an_object check (jsonb_typeof(value) = 'object');
comment on domain job_args is 'The input of a job, a JSON object.';
create domain job_soft_timeout as interval constraint jobs_soft_timeout_is_in_reach check (value between '0' and '100 years');
comment on domain job_soft_timeout is 'The soft timeout of a job.';
create domain job_hard_timeout as interval constraint jobs_hard_timeout_is_in_reach check (value between '0' and '100 years');
comment on domain job_hard_timeout is 'The hard timeout of a job.';
create domain job_retain as interval constraint jobs_retain_is_in_reach check (value between '0' and '100 years');
comment on domain job_retain is 'How long a job is kept after its end.';
create domain job_owner as text
  constraint jobs_owner_is_short check (length(value) between 1 and 255 and value !~ '[\x01-\x1f\x7f-\x9f]');
comment on domain job_owner is 'The user for whom a job runs.';

create table schema_compatibility (
  only_row boolean primary key default true check (only_row),
  oldest_binary integer not null,
  verbs_digest text,
  shape text[],
  rights text[],
  foreign_until timestamptz
);
insert into schema_compatibility (oldest_binary) values (1);
comment on table schema_compatibility is 'Which older binaries can still use this schema.';
comment on column schema_compatibility.only_row is 'Keeps the table at one row.';
comment on column schema_compatibility.oldest_binary is 'A binary that knows migrations up to this number or later can run on this schema.';
comment on column schema_compatibility.verbs_digest is 'SHA-256 of the installed functions and views.';
comment on column schema_compatibility.shape is 'schema_shape() after the last migration, to find later changes by hand.';
comment on column schema_compatibility.rights
  is 'rights_now() after the last grants, to find grants that are missing since; null if none were made.';
comment on column schema_compatibility.foreign_until
  is 'Rows up to this time can carry transaction numbers of another cluster, from which they were restored or replicated; streams leave them out. Null if there are none.';

create table jobs (
  id uuid not null,
  kind job_kind not null,
  queue job_queue not null default 'default',
  state job_state not null default 'available',
  priority job_priority not null default 5,
  attempt job_attempt not null default 0,
  max_attempts job_max_attempts not null default 5,
  run_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  cancel_requested_at timestamptz,
  lease_id uuid,
  worker_id text,
  last_lease_id uuid,
  last_worker_id text,
  args job_args not null default '{}',
  result jsonb,
  error jsonb,
  execution_id text,
  tags text[] not null default '{}',
  metadata jsonb,
  soft_timeout job_soft_timeout,
  hard_timeout job_hard_timeout,
  retain job_retain,
  retain_until timestamptz,
  concurrency_keys text[],
  fair_key text,
  owner job_owner,
  group_id uuid,
  due_at timestamptz,
  expires_at timestamptz,
  unique_key text,
  workflow_id uuid,
  awaited boolean,
  -- A number and not xid8, for which BRIN has no operators. A number has no alignment: with a column
  -- of eight bytes after the args, a claim would write the args to the WAL again (88 bytes and all args
  -- more).
  written_in numeric not null default (pg_current_xact_id()::text)::numeric,
  -- Postgres parses every check of a table in each statement that writes to it: 16 kB of them cost
  -- an enqueue as much as the rest of its insert. So the checks of one column belong to its type, where a
  -- session keeps them, and those of several columns are short: 'completed' and the states after it are
  -- final, and a worker is named exactly where a lease is.
  constraint jobs_finished_at_marks_the_end check ((finished_at is null) = (state < 'completed')),
  constraint jobs_lease_while_running check ((lease_id is not null) = (state = 'running')),
  constraint jobs_worker_while_running check ((worker_id is null) = (lease_id is null)),
  constraint jobs_running_has_started check (lease_id is null or started_at is not null and attempt >= 1),
  constraint jobs_waiting_is_never_due check (state <> 'waiting' or run_at = 'infinity'),
  -- Times outside cannot be written as RFC 3339, and sums with them overflow.
  constraint jobs_run_at_is_in_reach
    check (run_at >= '1970-01-01 00:00+00' and (run_at < '10000-01-01 00:00+00' or state = 'waiting')),
  constraint jobs_result_means_completed check (result is null or state = 'completed')
-- In two steps: a statement that writes to a partition parses its whole constraint, and that of a default
-- partition beside the days names them all. With 77 days that more than doubled the price of an insert.
) partition by list ((finished_at is null));
comment on table jobs is 'Every job, live and finished. Live rows are in jobs_live; a finished job moves to the partition of its day.';
comment on column jobs.id is 'UUIDv7, made by the caller of the enqueue; its order is not reliable.';
comment on column jobs.kind is 'The name of the handler that runs it.';
comment on column jobs.queue is 'The queue from which it is claimed.';
comment on column jobs.state is 'The stored state; docs/lifecycle.md shows the transitions.';
comment on column jobs.priority is '1 is claimed first, 9 last; critical 1, high 3, normal 5, low 7.';
comment on column jobs.attempt is 'Number of the current or last attempt; 0 before the first. Snoozes and hand-backs do not count.';
comment on column jobs.max_attempts is 'No attempt has a higher number, unless the job is retried by hand.';
comment on column jobs.run_at is 'The job is not claimed before this time of the database''s clock; infinity while waiting.';
comment on column jobs.created_at is 'When it was enqueued.';
comment on column jobs.started_at is 'When the current or last attempt was claimed.';
comment on column jobs.finished_at is 'When it reached a final state; null exactly while it is live.';
comment on column jobs.cancel_requested_at is 'When a cancel was requested.';
comment on column jobs.lease_id is 'The right to run the current attempt; fences every write of its worker.';
comment on column jobs.worker_id is 'The worker that runs it now (workers.id).';
comment on column jobs.last_lease_id is 'The lease of the last attempt that ended; lets a worker repeat its last request.';
comment on column jobs.last_worker_id is 'The worker of the last attempt that ended.';
comment on column jobs.args is 'The input, a JSON object.';
comment on column jobs.result is 'The result of the handler; only when completed.';
comment on column jobs.error is 'The last failure: message, type, permanent, backtrace.';
comment on column jobs.execution_id is 'The caller''s own name for it; also in task_ids.';
comment on column jobs.tags is 'Labels for searching.';
comment on column jobs.metadata is 'Data of the caller that the handler does not need.';
comment on column jobs.soft_timeout is 'After this time an attempt is asked to stop; null: that of the kind.';
comment on column jobs.hard_timeout is 'After this time an attempt is ended; null: that of the kind.';
comment on column jobs.retain is 'How long it is kept after its end; null: the deployment''s retention.';
comment on column jobs.retain_until is 'When its own retention ends; null if the partition of its day decides.';
comment on column jobs.concurrency_keys is 'The limits that apply to it: each key is the name of a limit, or name:key to count each key separately.';
comment on column jobs.fair_key is 'The owner of the job for fairness; jobs of one queue and priority take turns between fair keys.';
comment on column jobs.owner is 'The user for whom it runs, an id that the application defines; tokens for this owner reach it. Null for most jobs.';
comment on column jobs.group_id is 'Hash of its concurrency keys and fair key; the jobs of one group wait in order. Null for most jobs.';
comment on column jobs.due_at is 'The time from which a job with a group can run; its run_at is infinity while it waits.';
comment on column jobs.expires_at is 'A job that has not started by then is cancelled.';
comment on column jobs.unique_key is 'The key that no second job can have at the same time; see unique_keys.';
comment on column jobs.workflow_id is 'The workflow of which it is a member; a workflow is a job itself. Null for most jobs.';
comment on column jobs.awaited is 'True if other jobs wait for its end.';
comment on column jobs.written_in
  is 'The transaction that put the row in its place: enqueued the job, made it live again, or finished it. No claim changes it.';

-- A low fillfactor leaves space for the claim's new version of every row on the same page, so that
-- a claim changes no index (a HOT update): no index below names a column that the claim changes.
-- Measured with batches of 500: at 60 % full 58 % of the claims were HOT, at 45 % 92 %, at 40 %
-- all, and the table ended smaller.
create table jobs_live partition of jobs (
  constraint jobs_live_is_unfinished check (finished_at is null)
) for values in (true) with (
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
-- Every claim of a job with a group counts its limits: such a job can never be available.
alter table jobs_live add constraint jobs_live_group_is_due_some_time check ((group_id is null) = (due_at is null));
alter table jobs_live add constraint jobs_live_group_takes_turns check (group_id is null or state <> 'available');
-- None of these names a column that a plain claim changes, so that claims stay HOT.
create index jobs_live_groups on jobs_live (queue, priority, group_id, due_at, id) where group_id is not null;
comment on index jobs_live_groups is 'The jobs of each group, in the order in which they are claimed.';
create index jobs_live_expiry on jobs_live (expires_at) where expires_at is not null;
comment on index jobs_live_expiry is 'Finds the jobs that did not start before they expired.';
-- Names a column that no update changes, so that claims stay HOT.
create index jobs_live_written on jobs_live using brin (written_in) with (pages_per_range = 16, autosummarize = on);
comment on index jobs_live_written is 'Finds jobs that were enqueued since a transaction; costs next to nothing to maintain.';
comment on table jobs_live is 'The unfinished jobs: all rows that the hot path reads and writes.';

create table jobs_finished partition of jobs for values in (false) partition by range (finished_at);
comment on table jobs_finished is 'The finished jobs, in one partition for each day (UTC).';

-- On every partition; a job without an owner costs nothing here.
create index jobs_owner on jobs (owner, id) where owner is not null;
comment on index jobs_owner is 'Finds the jobs of an owner, newest first; names no column that a claim changes.';
create index jobs_owner_finished on jobs (owner, finished_at) where owner is not null and finished_at is not null;
comment on index jobs_owner_finished is 'Finds the jobs of an owner that finished last; empty on jobs_live.';

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
comment on table running is 'The running attempts, one row for each; pages, limits and the sweep read this table and never the backlog. An attempt of a short kind is entered only after a second; see claim_batches.';
comment on column running.job_id is 'The job.';
comment on column running.lease_id is 'Its current lease, equal to jobs.lease_id.';
comment on column running.worker_id is 'The worker that has the lease.';
comment on column running.attempt is 'The number of the attempt.';
comment on column running.queue is 'The job''s queue.';
comment on column running.kind is 'The job''s kind.';
comment on column running.started_at is 'When it was claimed.';
comment on column running.seen_at is 'When its worker last named it in a heartbeat.';
comment on column running.lease_expires_at is 'From this time on the sweep can take the job back.';
comment on column running.deadline_at is 'From this time on the sweep takes the job back even from a live worker.';
comment on column running.concurrency_keys is 'The limits that apply to it, as in jobs.';
comment on column running.soft_at is 'When its soft timeout passes, as the worker that claimed it knows it; null if it has none.';
comment on column running.hard_at is 'When its hard timeout passes, as the worker that claimed it knows it.';
comment on column running.written_in is 'The transaction that claimed the job.';

-- One row for a claim instead of one in running for each of its attempts: nearly all of them end before anybody asks.
create table claim_batches (
  lease_id uuid primary key,
  worker_id text not null,
  claimed_at timestamptz not null,
  lease_expires_at timestamptz not null,
  kinds text[] not null,
  soft_timeouts interval[] not null,
  hard_timeouts interval[] not null,
  graces interval[] not null,
  jobs uuid[] not null
) with (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);
alter table claim_batches alter column jobs set storage external;
comment on table claim_batches is 'Claims of short jobs. Their attempts are entered in running only if they still run after a second, if their worker dies, or if somebody must see them there (register_attempts, register_claims); the worker removes a claim whose attempts have all ended or are entered.';
comment on column claim_batches.lease_id is 'The lease of all its attempts, equal to jobs.lease_id.';
comment on column claim_batches.worker_id is 'The worker that has the lease.';
comment on column claim_batches.claimed_at is 'When it was claimed.';
comment on column claim_batches.lease_expires_at is 'From this time on the sweep enters its attempts in running and can take their jobs back.';
comment on column claim_batches.kinds is 'The kinds that the worker serves; the next three columns have one element for each.';
comment on column claim_batches.soft_timeouts is 'The soft timeout of each kind, as the worker knows it; null if it has none.';
comment on column claim_batches.hard_timeouts is 'The hard timeout of each kind, likewise.';
comment on column claim_batches.graces is 'The time after the hard timeout from which the sweep takes the job back, likewise.';
comment on column claim_batches.jobs is 'The jobs; those of other kinds in the same claim are in running at once.';

-- Byte by byte: nobody asks for the order of these names, and a language's order costs more at each comparison.
create table task_ids (
  execution_id text collate "C" primary key,
  job_id uuid not null,
  constraint task_ids_are_short check (length(execution_id) between 1 and 255),
  constraint task_ids_hold_no_control_characters check (execution_id !~ '[\x01-\x1f\x7f-\x9f]')
);
create index task_ids_job on task_ids (job_id);
comment on table task_ids is 'The callers'' own names for jobs.';
comment on column task_ids.execution_id is 'The name, as the caller gave it.';
comment on column task_ids.job_id is 'The job with this name.';

create table progress (
  job_id uuid primary key,
  last_seq bigint not null,
  percent real,
  step text,
  data jsonb,
  updated_at timestamptz,
  last_report uuid
) with (fillfactor = 50, autovacuum_vacuum_cost_delay = 0);
comment on table progress is 'The progress of each job that has reported; also allocates the numbers of its events, under its lock.';
comment on column progress.job_id is 'The job.';
comment on column progress.last_seq is 'Number of the job''s last event.';
comment on column progress.percent is 'From 0 to 100.';
comment on column progress.step is 'What the job does now.';
comment on column progress.data is 'Data that the handler defines.';
comment on column progress.updated_at is 'When progress was last reported; null if only other events were.';
comment on column progress.last_report is 'The last stored report of a worker: if the answer to a report is lost, the worker repeats the report, and it is stored once.';

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
comment on table events is 'The numbered log of each job: progress, log lines, failed attempts, manual actions. Partitioned by day.';
comment on column events.job_id is 'The job.';
comment on column events.seq is 'From 1, without gaps, in the order of commits.';
comment on column events.attempt is 'The attempt during which it happened.';
comment on column events.type is 'What happened: progress, log, attempt_failed, retry, snoozed, released, waits, step, spawned, signal, forked, cancel_requested, lease_lost, replaced, extended, expired, or a handler''s own.';
comment on column events.data is 'Fields that depend on the type.';
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
comment on table attempts is 'Attempts that failed, and completed ones whose memory use or exit code is known. Partitioned by day.';
comment on column attempts.job_id is 'The job.';
comment on column attempts.attempt is 'Number of the attempt.';
comment on column attempts.lease_id is 'The lease under which it ran.';
comment on column attempts.worker_id is 'The worker that ran it.';
comment on column attempts.outcome is 'completed, failed, crashed (its worker died) or timed_out.';
comment on column attempts.error is 'message, type, permanent, backtrace.';
comment on column attempts.exit_code is 'Exit code of a command.';
comment on column attempts.signal is 'Signal that ended a command.';
comment on column attempts.out_of_memory is 'True if it was ended by a lack of memory.';
comment on column attempts.peak_memory_bytes is 'Largest resident memory, in bytes.';
comment on column attempts.started_at is 'When it was claimed.';
comment on column attempts.finished_at is 'When it ended.';
comment on column attempts.fingerprint is 'Hash of the cause: kind, class and message without the parts that differ from case to case. Null if it did not fail.';
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
  constraint workers_state_is_known check (state in ('running', 'draining', 'stopped')),
  constraint workers_moments_are_in_reach
    check (
      started_at >= '1970-01-01 00:00+00' and started_at < '10000-01-01 00:00+00'
      and seen_at >= '1970-01-01 00:00+00' and seen_at < '10000-01-01 00:00+00'
      and drain_requested_at >= '1970-01-01 00:00+00' and drain_requested_at < '10000-01-01 00:00+00'),
  constraint workers_kinds_are_no_nulls check (array_position(kinds, null) is null)
) with (fillfactor = 50);
comment on table workers is 'Processes that claim and run jobs, with their heartbeat.';
comment on column workers.id is 'Unique for each start of a worker: name, pid and a random part; a remote worker''s own name.';
comment on column workers.name is 'The name that people use.';
comment on column workers.host is 'The machine that it runs on.';
comment on column workers.pid is 'Its process id there.';
comment on column workers.version is 'The version of its binary or client.';
comment on column workers.state is 'running, draining (claims no more) or stopped (shut down in order).';
comment on column workers.queues is 'Slots by queue.';
comment on column workers.kinds is 'The kinds that it serves.';
comment on column workers.running is 'The number of its attempts at its last heartbeat.';
comment on column workers.started_at is 'When it started.';
comment on column workers.seen_at is 'Its last heartbeat.';
comment on column workers.lease_ttl is 'How long after a heartbeat its leases last.';
comment on column workers.drain_requested_at is 'When it was asked to claim no more.';
comment on column workers.clock_skew is 'How much its clock was ahead of the database''s at its last heartbeat.';
comment on column workers.shedding is 'Whether it stores less progress, because an old transaction keeps dead rows.';
comment on column workers.memory_bytes is 'Memory of its process at its last heartbeat; null if unknown.';
comment on column workers.cpu_seconds is 'Processor time of its process since its start; null if unknown.';
comment on column workers.containment is 'The method that ends processes which its commands leave in sessions of their own: cgroup, reaper (the worker is their sub-reaper), or group for none; null for remote workers and for programs that embed the library.';
comment on column workers.other_queue_slots is 'How many jobs of each queue that is not in queues it runs at once; 0: it takes none.';
comment on column workers.queues_left_out is 'The number of further queues with due jobs for it at its last poll, while it followed the maximum number of queues.';

-- A transaction that notifies holds a lock of the whole server up to the end of its commit, so that ten callers stored
-- half as many jobs a second. So an enqueue notifies only if somebody waits for it.
create table queue_listeners (
  queue text not null,
  listener text not null,
  is_busy boolean not null default false,
  seen_at timestamptz not null default clock_timestamp(),
  primary key (queue, listener)
) with (fillfactor = 50);
comment on table queue_listeners is 'The processes that wait for a notification when a queue gets a job; without such a process an enqueue sends none.';
comment on column queue_listeners.queue is 'The queue; * for all queues without a row of this listener.';
comment on column queue_listeners.listener is 'The worker (workers.id), or the API process whose remote workers wait.';
comment on column queue_listeners.is_busy is 'True while the listener polls the queue often by itself and needs no notification.';
comment on column queue_listeners.seen_at is 'When the listener last wrote the row; a row that is older than a few minutes is removed.';

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
  constraint queues_are_named check (is_name(name)),
  constraint queues_slots_are_not_negative check (slots >= 0),
  constraint queues_priority_ageing_is_in_reach check (priority_ageing > '0' and priority_ageing <= '1 year'),
  constraint queues_max_queued_is_sane check (max_queued between 0 and 100000000),
  constraint queues_moments_are_in_reach
    check (
      paused_at >= '1970-01-01 00:00+00' and paused_at < '10000-01-01 00:00+00'
      and draining_at >= '1970-01-01 00:00+00' and draining_at < '10000-01-01 00:00+00'
      and updated_at >= '1970-01-01 00:00+00' and updated_at < '10000-01-01 00:00+00')
);
comment on table queues is 'Settings of queues; a queue without a row has only defaults.';
comment on column queues.name is 'The queue.';
comment on column queues.paused_at is 'Since when no job is claimed from it.';
comment on column queues.paused_by is 'Who paused it.';
comment on column queues.draining_at is 'Since when it refuses new jobs.';
comment on column queues.draining_by is 'Who drains it.';
comment on column queues.slots is 'How many of its jobs each worker runs at once, instead of the worker''s own setting.';
comment on column queues.updated_at is 'When the row was last changed.';
comment on column queues.priority_ageing is 'A job that has been due for this time is claimed as if its priority were one better; null: never.';
comment on column queues.limited is 'True if claims must be counted: the queue has a limit of its own or ageing priorities.';
comment on column queues.max_queued is 'The maximum number of its jobs that wait to run; more are refused. Null: any number.';

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
  constraint kinds_are_named check (is_name(name)),
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
    and breaker_crashes >= 0),
  constraint kinds_moments_are_in_reach
    check (
      last_seen_at >= '1970-01-01 00:00+00' and last_seen_at < '10000-01-01 00:00+00'
      and breaker_crashed_at >= '1970-01-01 00:00+00' and breaker_crashed_at < '10000-01-01 00:00+00'
      and breaker_open_until >= '1970-01-01 00:00+00' and breaker_open_until < '10000-01-01 00:00+00'),
  constraint kinds_permanent_errors_are_no_nulls check (array_position(permanent_errors, null) is null)
);
comment on table kinds is 'Settings of each kind, written by the workers that serve it.';
comment on column kinds.name is 'The kind.';
comment on column kinds.source is 'command, url, rust or remote.';
comment on column kinds.queue is 'The queue of its jobs unless they name another.';
comment on column kinds.priority is 'The priority of its jobs unless they name another.';
comment on column kinds.max_attempts is 'The maximum number of attempts of its jobs unless they name another.';
comment on column kinds.soft_timeout is 'After this time an attempt is asked to stop.';
comment on column kinds.hard_timeout is 'After this time an attempt is ended.';
comment on column kinds.stop_grace is 'The time that an attempt has after it was asked to stop.';
comment on column kinds.backoff_first is 'Delay before the second attempt.';
comment on column kinds.backoff_factor is 'The factor by which each further delay is longer.';
comment on column kinds.backoff_max is 'The longest delay.';
comment on column kinds.backoff_jitter is 'The share of the delay by which it varies at random.';
comment on column kinds.retain is 'How long its finished jobs are kept.';
comment on column kinds.last_seen_at is 'When a worker last reported that it serves the kind.';
comment on column kinds.defaults is 'Defaults of its jobs: concurrency_keys, fair_key, unique, expires_in_seconds. {name} in a key stands for that arg.';
comment on column kinds.permanent_errors is 'Classes of errors (their type) that are not retried.';
comment on column kinds.breaker_after is 'After this number of crashes within breaker_window its jobs are not started for breaker_pause; null: never.';
comment on column kinds.breaker_window is 'Crashes further apart are not counted together.';
comment on column kinds.breaker_pause is 'How long its jobs are not started then; the time doubles with each further opening.';
comment on column kinds.breaker_crashes is 'The number of crashes that count now.';
comment on column kinds.breaker_crashed_at is 'When the last of them happened.';
comment on column kinds.breaker_openings is 'How often it opened without a window without crashes between.';
comment on column kinds.breaker_open_until is 'Until this time none of its jobs is started.';

create table idempotency_keys (
  key text primary key,
  request_hash bytea not null,
  answer jsonb,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null default now() + interval '24 hours'
);
create index idempotency_keys_expiry on idempotency_keys (expires_at);
comment on table idempotency_keys is 'The stored first answers to repeatable requests.';
comment on column idempotency_keys.key is 'Scope and Idempotency-Key of the request.';
comment on column idempotency_keys.request_hash is 'SHA-256 of the request as parsed.';
comment on column idempotency_keys.answer is 'The first answer.';
comment on column idempotency_keys.created_at is 'When the request first came.';
comment on column idempotency_keys.expires_at is 'From this time on the key can be removed.';

create table api_keys (
  id text primary key,
  name text not null,
  scopes text[] not null,
  secret_hash bytea not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  sessions_ended_until timestamptz,
  constraint api_keys_scopes_are_known
    check (scopes <> '{}' and scopes <@ array['enqueue', 'read', 'work', 'admin'])
);
comment on table api_keys is 'The keys of the HTTP API; as soon as one key exists, all requests need one.';
comment on column api_keys.id is 'The public part of the key.';
comment on column api_keys.name is 'The name that people use.';
comment on column api_keys.scopes is 'The permitted actions: enqueue, read, work, admin.';
comment on column api_keys.secret_hash is 'SHA-256 of the secret part, which is stored nowhere.';
comment on column api_keys.created_at is 'When it was made.';
comment on column api_keys.expires_at is 'From this time on it is refused.';
comment on column api_keys.revoked_at is 'When it was revoked.';
comment on column api_keys.last_used_at is 'When it was last used, to the minute.';
comment on column api_keys.sessions_ended_until is 'All its sessions that would end by this time are ended; set when too many sessions were ended one by one.';

create table ended_sessions (
  key_id text not null references api_keys on delete cascade,
  session text not null,
  ends_at timestamptz not null,
  primary key (key_id, session)
);
create index ended_sessions_ends_at on ended_sessions (ends_at);
comment on table ended_sessions is 'Sessions of the dashboard that were ended before their time.';
comment on column ended_sessions.key_id is 'The key whose rights it had.';
comment on column ended_sessions.session is 'The id of the session, which opens nothing.';
comment on column ended_sessions.ends_at is 'When it would have ended; from then on the row can be removed.';

create table token_secret (
  only_row boolean primary key default true check (only_row),
  secret bytea not null default sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
);
insert into token_secret default values;
comment on table token_secret is 'The secret from which the secrets of all tokens are computed; a new value ends every token.';
comment on column token_secret.only_row is 'Keeps the table at one row.';
comment on column token_secret.secret is '32 random bytes, made with the schema.';

create table extension_documents (
  extension text not null,
  name text not null,
  document jsonb not null,
  version bigint not null default 1,
  updated_at timestamptz not null default now(),
  primary key (extension, name)
);
comment on table extension_documents is 'JSON documents of extensions, under names that the extension chooses. Only the extension knows the meaning of a document; it records the actions of people on it in the audit log.';
comment on column extension_documents.extension is 'The extension whose document it is.';
comment on column extension_documents.name is 'Its name within the extension.';
comment on column extension_documents.document is 'The document.';
comment on column extension_documents.version is 'Grows by one with each write; a write names the version that it replaces.';
comment on column extension_documents.updated_at is 'When it was last written.';

create table limits (
  name text primary key,
  max_running integer,
  rate integer,
  rate_period interval,
  burst integer,
  on_full text not null default 'queue',
  updated_at timestamptz not null default now(),
  constraint limits_are_named check (is_name(regexp_replace(name, '^queue:', ''))),
  constraint limits_limit_something check (max_running is not null or rate is not null),
  constraint limits_max_running_is_not_negative check (max_running >= 0),
  constraint limits_rate_has_a_period check ((rate is null) = (rate_period is null) and (rate is null) = (burst is null)),
  constraint limits_rate_is_sane check (rate >= 1 and burst >= 1 and rate_period > '0' and rate_period <= '1 year'),
  constraint limits_on_full_is_known check (on_full in ('queue', 'cancel_newest', 'cancel_oldest')),
  constraint limits_cancel_counts check (on_full = 'queue' or (max_running >= 1 and name not like 'queue:%')),
  constraint limits_moments_are_in_reach
    check (
      updated_at >= '1970-01-01 00:00+00' and updated_at < '10000-01-01 00:00+00')
);
comment on table limits is 'How many jobs can run at once or start in a period, over all workers.';
comment on column limits.name is 'queue:NAME for a queue; else the part before the colon in the concurrency keys of jobs.';
comment on column limits.max_running is 'The maximum number of jobs that run at once for each key; null: any number.';
comment on column limits.rate is 'Jobs that can start in each period, on average; null: any number.';
comment on column limits.rate_period is 'The period.';
comment on column limits.burst is 'The maximum number of jobs that can start at one moment after a quiet time.';
comment on column limits.on_full is 'What happens to a new job when the limit is reached: queue, cancel_newest (the new job is cancelled) or cancel_oldest (the job that came first is cancelled).';
comment on column limits.updated_at is 'When a person last changed it.';

create table limit_buckets (
  key text primary key,
  tokens double precision not null,
  filled_at timestamptz not null
) with (fillfactor = 50);
comment on table limit_buckets is 'How many more jobs of a key with a rate can start now (a token bucket); a key without a row has a full bucket.';
comment on column limit_buckets.key is 'The concurrency key, or queue:NAME.';
comment on column limit_buckets.tokens is 'Tokens at filled_at; each start takes one.';
comment on column limit_buckets.filled_at is 'When the tokens were last counted.';

create table ready_groups (
  queue text not null,
  priority smallint not null,
  group_id uuid not null,
  concurrency_keys text[] not null default '{}',
  ready_at timestamptz not null,
  primary key (queue, priority, group_id)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
create index ready_groups_order on ready_groups (queue, priority, ready_at, group_id);
comment on table ready_groups is 'The groups of waiting jobs in each queue, one row each; the group with the oldest ready_at is next.';
comment on column ready_groups.queue is 'The queue.';
comment on column ready_groups.priority is 'The priority.';
comment on column ready_groups.group_id is 'The group, as in jobs.';
comment on column ready_groups.concurrency_keys is 'The limits that apply to the jobs of the group.';
comment on column ready_groups.ready_at is 'When to check the group next: its last claim, or when its next job or token is due; infinity when no job of the group waits.';

create table unique_keys (
  key text primary key,
  job_id uuid,
  supersedes uuid[] not null default '{}',
  seen_at timestamptz not null default now(),
  constraint unique_keys_are_short check (length(key) between 1 and 350)
) with (fillfactor = 70);
create index unique_keys_seen on unique_keys (seen_at);
comment on table unique_keys is 'The job that has each unique key; whether it still counts depends on the unique terms of the next job.';
comment on column unique_keys.key is 'The key, as in jobs.';
comment on column unique_keys.job_id is 'The last job that took it; null if none has yet.';
comment on column unique_keys.supersedes is 'Jobs with this key that still ran when it passed to another job, and must not return to the queue.';
comment on column unique_keys.seen_at is 'When a job took it, or maintenance last found that its job is kept.';

-- Schedules: jobs that are enqueued by the clock, and a record of each slot.
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
  constraint schedules_are_named check (is_name(name)),
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
      and is_name(coalesce(job ->> 'kind', ''))
      and coalesce(jsonb_typeof(job -> 'args'), 'object') = 'object'
      and coalesce(jsonb_typeof(job -> 'metadata'), 'object') = 'object'
      and coalesce(jsonb_typeof(job -> 'tags'), 'array') = 'array'
      and job - '{kind,args,queue,priority,max_attempts,soft_timeout,hard_timeout,tags,metadata,retain}'::text[] = '{}'),
  constraint schedules_missed_is_known check (missed in ('skip', 'one', 'all')),
  constraint schedules_missed_limit_is_1_to_1000 check (missed_limit between 1 and 1000),
  constraint schedules_overlap_is_known check (overlap in ('skip', 'queue', 'allow', 'cancel')),
  constraint schedules_jitter_is_in_reach check (jitter between '0' and '1 day'),
  constraint schedules_source_is_known check (source in ('config', 'api', 'sql')),
  constraint schedules_paused_by_somebody check ((paused_at is null) = (paused_by is null)),
  constraint schedules_moments_are_in_reach
    check (
      anchor_at >= '1970-01-01 00:00+00' and anchor_at < '10000-01-01 00:00+00'
      and last_slot_at >= '1970-01-01 00:00+00' and last_slot_at < '10000-01-01 00:00+00'
      and created_at >= '1970-01-01 00:00+00' and created_at < '10000-01-01 00:00+00'
      and updated_at >= '1970-01-01 00:00+00' and updated_at < '10000-01-01 00:00+00')
) with (fillfactor = 50);
create index schedules_due on schedules (next_at) where paused_at is null;
comment on index schedules_due is 'The schedule that is due next, without reading the others.';
comment on table schedules is 'Jobs that are enqueued by the clock; change rows through set_schedule and the related functions.';
comment on column schedules.name is 'The schedule.';
comment on column schedules.cron is 'Cron pattern of five fields, or six with seconds first; docs/schedules.md describes it.';
comment on column schedules.every is 'Time from slot to slot, counted from anchor_at.';
comment on column schedules.at is 'The one time at which it is due.';
comment on column schedules.timezone is 'Zone of the cron pattern, by its name in the tz database.';
comment on column schedules.job is 'The job that it enqueues, in the form that enqueue_many takes, without run_at, delay and execution_id.';
comment on column schedules.missed is 'Which missed slots fire: skip (none), one (the latest) or all (the latest missed_limit).';
comment on column schedules.missed_limit is 'The maximum number of missed slots that fire if missed is all.';
comment on column schedules.overlap is 'What happens to a slot while an earlier job is not finished: skip, queue (one waits), allow, or cancel (the earlier one).';
comment on column schedules.jitter is 'The maximum delay of a slot''s job after the slot; the share is fixed by name and slot.';
comment on column schedules.paused_at is 'Since when it does not fire.';
comment on column schedules.paused_by is 'The person who paused it.';
comment on column schedules.source is 'The interface that wrote it last: config, api or sql.';
comment on column schedules.anchor_at is 'Slots of an interval are this plus a multiple of it; the time when its times were last changed.';
comment on column schedules.next_at is 'The first slot that has not fired; null until it is computed, infinity if none comes.';
comment on column schedules.upcoming is 'The next five slots.';
comment on column schedules.last_slot_at is 'The last slot that was decided.';
comment on column schedules.unfinished is 'Its jobs that were not finished when it last enqueued one, at most 1,000.';
comment on column schedules.problem is 'Why its slots cannot be computed, or why its last slot could not be enqueued.';
comment on column schedules.created_at is 'When it was made.';
comment on column schedules.updated_at is 'When a person last changed it.';
comment on column schedules.owner is 'The deployment whose config wrote it; null if none did.';

create table schedule_slots (
  schedule text not null references schedules (name) on update cascade on delete cascade,
  slot timestamptz not null,
  outcome text not null,
  job_id uuid,
  reason text,
  fired_at timestamptz not null default clock_timestamp(),
  -- The guarantee: a slot fires once.
  primary key (schedule, slot),
  constraint schedule_slots_outcome_is_known check (outcome in ('enqueued', 'skipped', 'held', 'missed')),
  constraint schedule_slots_job_means_enqueued check ((job_id is not null) = (outcome = 'enqueued'))
);
create unique index schedule_slots_held on schedule_slots (schedule) where outcome = 'held';
comment on index schedule_slots_held is 'At most one slot of a schedule waits.';
comment on table schedule_slots is 'Each time at which a schedule was due, and its outcome; the last 1,000 slots are kept, and at least a day.';
comment on column schedule_slots.schedule is 'The schedule.';
comment on column schedule_slots.slot is 'The nominal time, before jitter.';
comment on column schedule_slots.outcome is 'enqueued, skipped, held (waits for the end of an earlier job), or missed (with all later slots up to the next row).';
comment on column schedule_slots.job_id is 'The job that was enqueued.';
comment on column schedule_slots.reason is 'Why no job was enqueued.';
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
  constraint workflows_are_done_once check (members >= 0 and done between 0 and members),
  constraint workflows_moments_are_in_reach
    check (
      created_at >= '1970-01-01 00:00+00' and created_at < '10000-01-01 00:00+00')
) with (fillfactor = 50);
comment on table workflows is 'Workflows and groups. Each is a job of the kind tidemill.workflow with the same id, which waits for its members and ends with them.';
comment on column workflows.id is 'The job that represents it.';
comment on column workflows.name is 'The name that people use.';
comment on column workflows.on_failure is 'continue: the members that do not depend on a failed one continue; cancel: all others are cancelled.';
comment on column workflows.result_is is 'Its result: an object of the members'' results by name, an array of them in order, or that of the last one.';
comment on column workflows.members is 'The number of jobs that it waits for.';
comment on column workflows.done is 'The number of them that have ended.';
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
comment on table dependencies is 'Which job waits for the end of which other job; a workflow waits for its members.';
comment on column dependencies.job_id is 'The job that waits.';
comment on column dependencies.parent_id is 'The job that it waits for.';
comment on column dependencies.ord is 'Order of the parents, from 1.';
comment on column dependencies.member is 'True if the waiting job is the workflow of its parent.';
comment on column dependencies.name is 'The name of the parent in the workflow.';
comment on column dependencies.pass_as is 'The arg under which the job gets the parent''s result; name[] gathers several into an array.';
comment on column dependencies.run_if is 'As in blocked_jobs; a retried job waits by it again.';
comment on column dependencies.outcome is 'How the parent ended: completed, failed, cancelled or skipped (it was not needed); null until it ends.';
comment on column dependencies.resolved_at is 'When that was recorded.';
comment on column dependencies.run_at is 'As in blocked_jobs; a retried job waits by it again.';
comment on column dependencies.delay is 'As in blocked_jobs; a retried job waits by it again.';

create table blocked_jobs (
  job_id uuid primary key,
  run_if text not null default 'all_completed',
  signal text,
  until timestamptz,
  run_at timestamptz,
  delay interval,
  since timestamptz not null default clock_timestamp(),
  constraint blocked_jobs_run_if_is_known check (run_if in ('all_completed', 'all_finished', 'any_completed', 'any_failed'))
);
create index blocked_jobs_until on blocked_jobs (until) where until is not null;
comment on table blocked_jobs is 'What each blocked job waits for, one row each: the end of the jobs in dependencies, or a signal.';
comment on column blocked_jobs.job_id is 'The job that waits.';
comment on column blocked_jobs.run_if is 'Which ends of its parents let it run: all_completed, all_finished, any_completed or any_failed.';
comment on column blocked_jobs.signal is 'The signal that it waits for; null if it waits for jobs.';
comment on column blocked_jobs.until is 'From this time on it continues without the signal.';
comment on column blocked_jobs.run_at is 'The job does not run before this time, even after its release.';
comment on column blocked_jobs.delay is 'The delay after its release.';
comment on column blocked_jobs.since is 'Since when it waits.';

create table finished_parents (
  job_id uuid primary key,
  at timestamptz not null default clock_timestamp()
);
comment on table finished_parents is 'Jobs that ended and whose dependents are not resolved yet; emptied by resolve().';
comment on column finished_parents.job_id is 'The job.';
comment on column finished_parents.at is 'When it ended.';

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
-- History that other jobs still need is kept, and kinds that the API refuses are refused in SQL as
-- well.
create index steps_spawned on steps (spawned_id) where spawned_id is not null;
comment on table steps is 'Checkpoints of jobs: a stored step does not run again.';
comment on column steps.job_id is 'The job.';
comment on column steps.name is 'The step, unique in the job.';
comment on column steps.attempt is 'The attempt that stored it.';
comment on column steps.output is 'The output of the step; for a cursor, the position of the job.';
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
  constraint signals_are_named check (name <> '' and length(name) <= 200),
  constraint signals_name_holds_no_control_characters check (name !~ '[\x01-\x1f\x7f-\x9f]')
);
comment on table signals is 'Messages to jobs, the first of each name; also those that came before the job waited for them.';
comment on column signals.job_id is 'The job.';
comment on column signals.name is 'The signal.';
comment on column signals.payload is 'The content of the message.';
comment on column signals.timed_out is 'True if no signal came in time; a later one changes nothing.';
comment on column signals.sent_at is 'When it came, or timed out.';
comment on column signals.sent_by is 'The sender.';

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
comment on table failure_causes is 'Causes of failed attempts: one row for each cause, counted from failure_deltas by maintenance.';
comment on column failure_causes.fingerprint is 'The cause, as in attempts.';
comment on column failure_causes.kind is 'Kind of the jobs.';
comment on column failure_causes.type is 'Class of the error.';
comment on column failure_causes.message is 'Message of the last failure.';
comment on column failure_causes.failures is 'The number of attempts that failed with this cause.';
comment on column failure_causes.first_at is 'The first of them.';
comment on column failure_causes.last_at is 'The last of them.';
comment on column failure_causes.last_job_id is 'An example job.';

create table failure_deltas (
  fingerprint text not null,
  kind text not null,
  type text,
  message text not null,
  job_id uuid not null,
  at timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000);
-- Every table has a replica identity, so that a publication of all tables blocks no statement.
-- These tables have no key, because one would cost every batch of jobs an index entry; whole rows
-- identify them as well. The grants of the roles are stored, so that a lost grant is found.
alter table failure_deltas replica identity full;
comment on table failure_deltas is 'Failures that are not counted in failure_causes yet, each written in the transaction that ends its attempt.';
comment on column failure_deltas.fingerprint is 'The cause.';
comment on column failure_deltas.kind is 'Kind of the job.';
comment on column failure_deltas.type is 'Class of the error.';
comment on column failure_deltas.message is 'The beginning of its message.';
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
comment on table stats_deltas is 'Counts that are not in stats yet: a few rows for each batch of jobs, in the transaction of the batch. Maintenance adds them to stats.';
comment on column stats_deltas.at is 'When it happened.';
comment on column stats_deltas.queue is 'The queue.';
comment on column stats_deltas.kind is 'The kind.';
comment on column stats_deltas.outcome is 'enqueued, completed, failed, cancelled, or retried (an attempt that failed and is retried).';
comment on column stats_deltas.jobs is 'The number of jobs.';
comment on column stats_deltas.waited is 'The sum of their waiting times before the last start.';
comment on column stats_deltas.ran is 'The sum of the run times of their last attempts.';
comment on column stats_deltas.ran_least is 'The shortest run time; null if none ran.';
comment on column stats_deltas.ran_most is 'The longest run time; null if none ran.';

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
comment on table stats is 'Counters for each minute of the last 14 days, so that no page counts jobs.';
comment on column stats.minute is 'Beginning of the minute.';
comment on column stats.queue is 'The queue.';
comment on column stats.kind is 'The kind.';
comment on column stats.outcome is 'As in stats_deltas.';
comment on column stats.jobs is 'The number of jobs.';
comment on column stats.waited is 'The sum of their waiting times.';
comment on column stats.ran is 'The sum of their run times.';
comment on column stats.ran_least is 'The shortest run time; null if none ran.';
comment on column stats.ran_most is 'The longest run time; null if none ran.';

create table audit_log (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  who text not null,
  db_user text not null default session_user,
  action text not null,
  subject text not null,
  before jsonb,
  after jsonb,
  constraint audit_log_moments_are_in_reach
    check (
      at >= '1970-01-01 00:00+00' and at < '10000-01-01 00:00+00')
);
create index audit_log_subject on audit_log (subject, id);
create index audit_log_at on audit_log (at);
comment on table audit_log is 'Actions of people on jobs, queues, limits, schedules and keys.';
comment on column audit_log.id is 'A running number.';
comment on column audit_log.at is 'When the action happened.';
comment on column audit_log.who is 'The actor, as the caller named it: the name of the API key, or the database user.';
comment on column audit_log.db_user is 'The database user of the session.';
comment on column audit_log.action is 'The action.';
comment on column audit_log.subject is 'The object: job:ID, queue:NAME, limit:NAME, schedule:NAME, workflow:ID, kind:NAME, key:ID.';
comment on column audit_log.before is 'The values before the action.';
comment on column audit_log.after is 'The values after the action.';

-- Values that are too large for a row, and values that people must not read.
create table artifacts (
  path text primary key,
  job_id uuid not null,
  name text not null,
  content_type text not null,
  bytes bigint not null,
  created_at timestamptz not null default clock_timestamp(),
  checked_at timestamptz not null default clock_timestamp(),
  unneeded_at timestamptz
);
create index artifacts_job on artifacts (job_id, name, created_at);
create index artifacts_checked on artifacts (checked_at);
comment on table artifacts is 'Files of jobs in object storage: files of handlers, and args and results that are too large for a row. Removed after their job.';
comment on column artifacts.path is 'The path below the storage''s address.';
comment on column artifacts.job_id is 'The job that owns it.';
comment on column artifacts.name is 'Its name within the job; the newest of a name counts.';
comment on column artifacts.content_type is 'The type of the content, such as image/png.';
comment on column artifacts.bytes is 'Its size.';
comment on column artifacts.created_at is 'When it was stored.';
comment on column artifacts.checked_at is 'When its job was last found to exist.';
comment on column artifacts.unneeded_at is 'Since when no job can need it and it is being removed; no row refers to it from then on.';

create table redacted_keys (
  key text not null,
  deployment text not null default 'default',
  primary key (deployment, key)
);
comment on table redacted_keys is 'Names of keys whose values no view and no answer shows; written by the processes from their config.';
comment on column redacted_keys.key is 'Lower case, without underscores and hyphens; outer.url hides a part of the address in outer.';
comment on column redacted_keys.deployment is 'The deployment whose config names the key; a key is hidden if any deployment names it.';

create table queue_capacity (
  queue text primary key,
  free integer not null default 0,
  counted_at timestamptz not null default '-infinity',
  count_duration interval not null default '0'
) with (fillfactor = 50);
comment on table queue_capacity is 'How many more jobs each bounded queue accepts before its jobs are counted again. An enqueue into the queue locks its row.';
comment on column queue_capacity.queue is 'The queue.';
comment on column queue_capacity.free is 'The number of jobs that still fit.';
comment on column queue_capacity.counted_at is 'When its jobs were last counted.';
comment on column queue_capacity.count_duration is 'The duration of that count; a count of many jobs is repeated no sooner than ten times this duration later.';

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
  constraint alert_rules_are_named check (is_name(name)),
  constraint alert_rules_condition_is_known check (condition in (
    'error_rate', 'average_time', 'queue_depth', 'no_worker', 'stuck_jobs',
    'database_latency', 'database_size', 'database_horizon')),
  constraint alert_rules_above_is_not_negative check (above >= 0 and above < 'infinity'),
  constraint alert_rules_at_least_is_positive check (at_least >= 1),
  constraint alert_rules_over_is_in_reach check (over between '1 minute' and '14 days'),
  constraint alert_rules_hold_is_in_reach check (hold between '0' and '1 day'),
  constraint alert_rules_kind_has_a_meaning check (kind is null or condition in ('error_rate', 'average_time', 'stuck_jobs')),
  constraint alert_rules_queue_has_a_meaning check (queue is null or condition not like 'database%'),
  constraint alert_rules_webhook_is_an_address check (webhook ~ '^https?://[^[:space:][:cntrl:]]+$'),
  constraint alert_rules_moments_are_in_reach
    check (
      updated_at >= '1970-01-01 00:00+00' and updated_at < '10000-01-01 00:00+00'),
  constraint alert_rules_email_has_no_nulls check (array_position(email, null) is null)
);
comment on table alert_rules is 'Rules that say when people are notified.';
comment on column alert_rules.name is 'The name of the rule.';
comment on column alert_rules.condition is 'The measured value: error_rate, average_time, queue_depth, no_worker, stuck_jobs, database_latency, database_size or database_horizon.';
comment on column alert_rules.kind is 'Only jobs of this kind; null: each kind by itself.';
comment on column alert_rules.queue is 'Only this queue; null: all of them.';
comment on column alert_rules.above is 'The rule fires above this value: a share, seconds, jobs or bytes; for no_worker it fires if there are at most this many workers.';
comment on column alert_rules.at_least is 'With fewer attempts than this in the window the rule does not apply.';
comment on column alert_rules.over is 'The window of error_rate and average_time.';
comment on column alert_rules.hold is 'The rule fires when the value was too high for this time, and is resolved when it was not too high for this time.';
comment on column alert_rules.webhook is 'The URL that is called when it fires and when it is resolved; null: none.';
comment on column alert_rules.email is 'The addresses that get a mail then.';
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
  constraint alerts_fire_before_they_are_resolved check (resolved_at is null or fired_at is not null),
  constraint alerts_moments_are_in_reach
    check (
      since >= '1970-01-01 00:00+00' and since < '10000-01-01 00:00+00'
      and fired_at >= '1970-01-01 00:00+00' and fired_at < '10000-01-01 00:00+00'
      and clear_since >= '1970-01-01 00:00+00' and clear_since < '10000-01-01 00:00+00'
      and resolved_at >= '1970-01-01 00:00+00' and resolved_at < '10000-01-01 00:00+00')
);
create unique index alerts_open on alerts (rule, subject) where resolved_at is null;
comment on index alerts_open is 'A rule has one open alert for each subject, so none fires twice.';
create index alerts_fired on alerts (fired_at, id);
comment on table alerts is 'The alerts of the rules: pending until fired_at, firing until resolved_at. Kept for 90 days.';
comment on column alerts.id is 'UUIDv7.';
comment on column alerts.rule is 'The rule.';
comment on column alerts.subject is 'The subject: kind:NAME, queue:NAME, workers, jobs or database.';
comment on column alerts.value is 'The last measured value while it was too high.';
comment on column alerts.above is 'The value that the rule allowed.';
comment on column alerts.message is 'A text that describes the alert.';
comment on column alerts.since is 'Since when the value is too high.';
comment on column alerts.fired_at is 'When it fired; null while it is pending.';
comment on column alerts.clear_since is 'Since when the value is no longer too high.';
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
comment on table alert_notices is 'Notices of alerts, one for each receiver: written in the transaction in which the alert fires or is resolved, marked when delivered.';
comment on column alert_notices.id is 'UUIDv7; the receiver of a webhook sees it as webhook-id, the same at each attempt.';
comment on column alert_notices.alert_id is 'The alert.';
comment on column alert_notices.event is 'fired or resolved.';
comment on column alert_notices.channel is 'log, webhook or email.';
comment on column alert_notices.target is 'The address.';
comment on column alert_notices.due_at is 'It is not sent before this time; a process that takes it moves the time forward.';
comment on column alert_notices.attempts is 'The number of attempts to send it.';
comment on column alert_notices.sent_at is 'When it was delivered.';
comment on column alert_notices.error is 'Why the last attempt failed.';

create table artifact_referrers (
  owner_id uuid not null,
  job_id uuid not null,
  primary key (owner_id, job_id)
);
comment on table artifact_referrers is 'Jobs whose args or result are stored as those of another job: a fork, or a job that received results or took over args. The stored values are kept until the last of these jobs is gone.';
comment on column artifact_referrers.owner_id is 'The job that owned the args or the result first.';
comment on column artifact_referrers.job_id is 'The job that refers to it.';

-- Counters for each hour in addition to those for each minute, so that a week is read as fast as an
-- hour.
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
comment on table stats_hours is 'Counters for each hour: the sums of the minutes of stats, kept for two years.';
comment on column stats_hours.hour is 'Beginning of the hour, in UTC whatever the session''s time zone is.';
comment on column stats_hours.queue is 'The queue.';
comment on column stats_hours.kind is 'The kind.';
comment on column stats_hours.outcome is 'As in stats_deltas.';
comment on column stats_hours.jobs is 'The number of jobs.';
comment on column stats_hours.waited is 'The sum of their waiting times.';
comment on column stats_hours.ran is 'The sum of their run times.';
comment on column stats_hours.ran_least is 'The shortest run time; null if none ran.';
comment on column stats_hours.ran_most is 'The longest run time; null if none ran.';

-- Contact: times without a sweep, so that an outage of the database counts against no lease; the
-- timeouts of each attempt as the claiming worker knows them; and queues that a worker had to leave
-- out.
create table sweep_times (
  is_only boolean primary key default true,
  swept_at timestamptz not null,
  every interval not null,
  every_at timestamptz not null,
  server_started_at timestamptz not null,
  constraint sweep_times_has_one_row check (is_only)
) with (fillfactor = 50);
comment on table sweep_times is 'The time of the last sweep by any process: one row. It shows whether the database was away since.';
comment on column sweep_times.is_only is 'Always true.';
comment on column sweep_times.swept_at is 'When a process last searched for expired leases.';
comment on column sweep_times.every is 'The shortest time between two sweeps of one process.';
comment on column sweep_times.every_at is 'When a process with that period last swept.';
comment on column sweep_times.server_started_at is 'The start time of the server at that sweep: another start time means that it restarted, or that a standby took over.';

create table sweep_pauses (
  until timestamptz primary key,
  since timestamptz not null,
  constraint sweep_pauses_have_a_length check (since < until)
);
comment on table sweep_pauses is 'Periods of the last day in which no process swept: the database was away, or all processes that sweep were. They count against no lease and no deadline.';
comment on column sweep_pauses.until is 'When the first sweep after the pause began.';
comment on column sweep_pauses.since is 'Since when no sweep came, though one was due.';

-- The deployment whose config wrote a row: several services share a schema, each with its own
-- config, and a start of one must not remove rows of another.
create table deployments (
  name text primary key,
  revision bigint,
  declared_at timestamptz not null default now(),
  constraint deployments_are_named check (is_name(name)),
  constraint deployments_revision_is_not_negative check (revision >= 0)
);
comment on table deployments is 'The deployments whose processes wrote the declarations of their configs: schedules, alert rules, limits, redacted keys.';
comment on column deployments.name is 'deployment.name of their configs.';
comment on column deployments.revision is 'The largest deployment.revision so far; a process with a smaller one changes nothing. Null: none has one.';
comment on column deployments.declared_at is 'When one of its processes last started.';

-- Whether args must be encrypted before they are stored, by every interface.
create table sealing (
  required boolean not null,
  is_only_row boolean primary key default true check (is_only_row)
);
comment on table sealing is 'Whether jobs with unencrypted args are refused; no row means that they are accepted. Written by the processes from their config.';
comment on column sealing.required is 'True if insert_jobs refuses args that are neither encrypted nor empty.';
comment on column sealing.is_only_row is 'There is at most one row.';

-- Acts on all jobs that match a filter, which maintenance carries out in batches of one transaction each.
create table operations (
  id uuid primary key,
  action text not null,
  filter jsonb not null,
  queue text,
  priority smallint,
  rate text,
  who text not null,
  state text not null default 'running',
  created_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  expected integer,
  done integer not null default 0,
  skipped jsonb not null default '{}',
  failed integer not null default 0,
  last_job uuid,
  due_at timestamptz not null default clock_timestamp(),
  problem text,
  undoes uuid references operations on delete cascade,
  constraint operations_action_is_known
    check (action in ('cancel', 'retry', 'run_now', 'delete', 'set_priority', 'move', 'undo')),
  constraint operations_state_is_known check (state in ('running', 'done', 'cancelled')),
  constraint operations_end_with_their_state check ((ended_at is null) = (state = 'running')),
  constraint operations_move_to_a_queue check ((action = 'move') = (queue is not null) or action in ('retry', 'undo')),
  constraint operations_set_a_priority check ((action = 'set_priority') = (priority is not null) or action = 'undo'),
  constraint operations_priority_is_1_to_9 check (priority between 1 and 9),
  constraint operations_undo_another check ((action = 'undo') = (undoes is not null)),
  constraint operations_moments_are_in_reach
    check (
      created_at >= '1970-01-01 00:00+00' and created_at < '10000-01-01 00:00+00'
      and ended_at >= '1970-01-01 00:00+00' and ended_at < '10000-01-01 00:00+00')
);
create index operations_due on operations (due_at) where state = 'running';
create unique index operations_undone_once on operations (undoes) where state <> 'cancelled';
comment on index operations_undone_once is 'Two requests never undo the same operation.';
comment on table operations is 'Operations on all jobs that match a filter, each with its report. Kept for 30 days after the end.';
comment on column operations.id is 'UUIDv7.';
comment on column operations.action is 'cancel, retry, run_now, delete, set_priority, move, or undo of another operation.';
comment on column operations.filter is 'The filter in the format of act_on_jobs. Only jobs enqueued before the operation match.';
comment on column operations.queue is 'The queue into which move, and perhaps retry, puts the jobs.';
comment on column operations.priority is 'The priority that set_priority gives.';
comment on column operations.rate is 'The maximum rate, such as 200/min; null: as fast as possible.';
comment on column operations.who is 'The actor.';
comment on column operations.state is 'running, done or cancelled.';
comment on column operations.created_at is 'When it was started.';
comment on column operations.ended_at is 'When it ended.';
comment on column operations.expected is 'The number of jobs on which it could act at its start; null: more than 100,000.';
comment on column operations.done is 'The number of jobs on which it acted.';
comment on column operations.skipped is 'The number of jobs that it left as they were, by reason.';
comment on column operations.failed is 'The number of jobs on which the action failed.';
comment on column operations.last_job is 'The last job that it looked at; the next batch continues after it.';
comment on column operations.due_at is 'The next batch does not begin before this time.';
comment on column operations.problem is 'Why the last batch could not be carried out; null if it could.';
comment on column operations.undoes is 'The operation that this one undoes.';

create table operation_jobs (
  operation_id uuid not null references operations on delete cascade,
  job_id uuid not null,
  outcome text not null,
  reason text,
  before jsonb,
  at timestamptz not null default clock_timestamp(),
  primary key (operation_id, job_id),
  constraint operation_jobs_outcome_is_known check (outcome in ('done', 'skipped', 'failed'))
);
comment on table operation_jobs is 'The jobs of an operation: all on which it acted, if that can be undone, and the first 1,000 that it skipped or on which it failed.';
comment on column operation_jobs.operation_id is 'The operation.';
comment on column operation_jobs.job_id is 'The job.';
comment on column operation_jobs.outcome is 'done, skipped or failed.';
comment on column operation_jobs.reason is 'Why it was skipped or why the action failed.';
comment on column operation_jobs.before is 'What the undo needs: how the job was before the action.';
comment on column operation_jobs.at is 'When it was looked at.';
