-- Limits over all workers, fairness, uniqueness and expiry. What a job without any of them costs stays
-- as it was: its new columns are null, and no index below holds it.

-- Older binaries do not know these columns and need not: they never claim a job that waits for a limit.
alter table jobs add column concurrency_keys text[];
alter table jobs add column fair_key text;
alter table jobs add column group_id uuid;
alter table jobs add column due_at timestamptz;
alter table jobs add column expires_at timestamptz;
alter table jobs add column unique_key text;
comment on column jobs.concurrency_keys is 'The limits that it counts for: each is the name of a limit, or name:key to be counted apart for each key.';
comment on column jobs.fair_key is 'Whose job it is; jobs of one queue and priority take turns between fair keys.';
comment on column jobs.group_id is 'Hash of its concurrency keys and fair key; jobs of one group wait in one line. Null for most jobs.';
comment on column jobs.due_at is 'From when on a job with a group may run; its run_at is infinity while it waits for its turn.';
comment on column jobs.expires_at is 'A job that was not started by then is cancelled.';
comment on column jobs.unique_key is 'What no second job may have at the same time; see unique_keys.';

-- Every claim of a job with a group goes through the count of its limits: it can never be plainly available.
alter table jobs_live add constraint jobs_live_group_is_due_some_time check ((group_id is null) = (due_at is null));
alter table jobs_live add constraint jobs_live_group_takes_turns check (group_id is null or state <> 'available');
-- None of these names a column that a plain claim changes, so that claims stay HOT.
create index jobs_live_groups on jobs_live (queue, priority, group_id, due_at, id) where group_id is not null;
comment on index jobs_live_groups is 'The line of each group, in the order in which its jobs are claimed.';
create index jobs_live_expiry on jobs_live (expires_at) where expires_at is not null;
comment on index jobs_live_expiry is 'Finds the jobs that nobody started in time.';

alter table running add column concurrency_keys text[];
comment on column running.concurrency_keys is 'The limits that it counts for, as in jobs.';

alter table progress add column last_report uuid;
comment on column progress.last_report is 'The last report of a worker that was stored: one whose answer was cut off is repeated, and stored once.';

alter table kinds add column defaults jsonb;
comment on column kinds.defaults is 'What its jobs have unless they say otherwise: concurrency_keys, fair_key, unique, expires_in_seconds. {name} in a key stands for that arg.';
alter table kinds add constraint kinds_defaults_is_an_object check (jsonb_typeof(defaults) = 'object');

alter table queues add column priority_ageing interval;
alter table queues add column limited boolean not null default false;
alter table queues add constraint queues_priority_ageing_is_in_reach check (priority_ageing > '0' and priority_ageing <= '1 year');
comment on column queues.priority_ageing is 'A job that is due this long is claimed as if its priority were one better; null: never.';
comment on column queues.limited is 'True if claims must be counted: the queue has a limit of its own or priorities that age.';

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
comment on column events.type is 'What happened: progress, log, attempt_failed, retry, snoozed, released, cancel_requested, lease_lost, replaced, extended, expired, or a handler''s own.';
