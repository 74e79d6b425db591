-- What depends on what: jobs that wait for others or for a signal, checkpoints, failures and their
-- causes, counters, the record of what people did. What a job without any of them costs stays as it was.

alter table jobs add column workflow_id uuid;
alter table jobs add column awaited boolean;
comment on column jobs.workflow_id is 'The workflow that it belongs to, which is a job itself; null for most jobs.';
comment on column jobs.awaited is 'True if its end is to be told to jobs that wait for it.';

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
comment on column dependencies.run_if is 'As in waits; what is retried waits by it again.';
comment on column dependencies.name is 'What the parent is called in the workflow.';
comment on column dependencies.pass_as is 'The arg under which the job gets the parent''s result; name[] gathers several into an array.';
comment on column dependencies.outcome is 'How the parent ended: completed, failed, cancelled or skipped (it was not needed); null until it did.';
comment on column dependencies.resolved_at is 'When that was noted.';

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

alter table workers add column clock_skew interval;
comment on column workers.clock_skew is 'How much its clock was ahead of the database''s at its last heartbeat.';

alter table schema_compatibility add column shape text[];
comment on column schema_compatibility.shape is 'schema_shape() behind the last migration, to see what was changed by hand since.';

-- One bad job in a loop must not take all workers down with it.
alter table kinds add column permanent_errors text[] not null default '{}';
alter table kinds add column breaker_after integer;
alter table kinds add column breaker_window interval not null default '10 minutes';
alter table kinds add column breaker_pause interval not null default '1 minute';
alter table kinds add column breaker_crashes integer not null default 0;
alter table kinds add column breaker_crashed_at timestamptz;
alter table kinds add column breaker_openings integer not null default 0;
alter table kinds add column breaker_open_until timestamptz;
alter table kinds add constraint kinds_breaker_is_sane
  check (
    breaker_after >= 1 and breaker_window between '1 second' and '1 year' and breaker_pause between '1 second' and '1 year'
    and breaker_crashes >= 0);
comment on column kinds.permanent_errors is 'Classes of errors (their type) that no further attempt can mend.';
comment on column kinds.breaker_after is 'After so many crashes within breaker_window its jobs are not started for a while; null: never.';
comment on column kinds.breaker_window is 'Crashes further apart are not counted together.';
comment on column kinds.breaker_pause is 'How long its jobs are not started then; twice as long each time that it goes on.';
comment on column kinds.breaker_crashes is 'Crashes that count now.';
comment on column kinds.breaker_crashed_at is 'When the last of them was.';
comment on column kinds.breaker_openings is 'How often it opened without a quiet window between.';
comment on column kinds.breaker_open_until is 'Until then none of its jobs is started.';

alter table attempts add column fingerprint text;
alter table attempts add column log_tail text;
comment on column attempts.fingerprint is 'Hash of the cause: kind, class and message without what differs from case to case. Null if it did not fail.';
comment on column attempts.log_tail is 'Its last log lines, if it failed.';

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
  ran interval not null default '0'
) with (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000);
comment on table stats_deltas is 'What was counted and is not in stats yet: a few rows for each batch of jobs, in the transaction of the batch. Folded by the keeper.';
comment on column stats_deltas.at is 'When it happened.';
comment on column stats_deltas.queue is 'The queue.';
comment on column stats_deltas.kind is 'The kind.';
comment on column stats_deltas.outcome is 'enqueued, completed, failed, cancelled, or retried (an attempt that failed and is tried again).';
comment on column stats_deltas.jobs is 'How many.';
comment on column stats_deltas.waited is 'How long they waited for their last start, together.';
comment on column stats_deltas.ran is 'How long their last attempts ran, together.';

create table stats (
  minute timestamptz not null,
  queue text not null,
  kind text not null,
  outcome text not null,
  jobs bigint not null,
  waited interval not null default '0',
  ran interval not null default '0',
  primary key (minute, queue, kind, outcome)
) with (fillfactor = 70);
comment on table stats is 'Counters a minute, so that no page counts jobs.';
comment on column stats.minute is 'Beginning of the minute.';
comment on column stats.queue is 'The queue.';
comment on column stats.kind is 'The kind.';
comment on column stats.outcome is 'As in stats_deltas.';
comment on column stats.jobs is 'How many.';
comment on column stats.waited is 'How long they waited, together.';
comment on column stats.ran is 'How long they ran, together.';

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

comment on column events.type is 'What happened: progress, log, attempt_failed, retry, snoozed, released, waits, step, spawned, signal, forked, cancel_requested, lease_lost, replaced, extended, expired, or a handler''s own.';
