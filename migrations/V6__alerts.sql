-- Queues with a bound, the extremes of run times, and alerts.

-- Older binaries do not know these columns and need not.
alter table queues add column max_queued integer;
alter table queues add constraint queues_max_queued_is_sane check (max_queued between 0 and 100000000);
comment on column queues.max_queued is 'Most of its jobs that wait to run; more are refused. Null: any number.';

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

alter table stats_deltas add column ran_least interval;
alter table stats_deltas add column ran_most interval;
comment on column stats_deltas.ran_least is 'How long the shortest of them ran; null if none did.';
comment on column stats_deltas.ran_most is 'How long the longest of them ran; null if none did.';
alter table stats add column ran_least interval;
alter table stats add column ran_most interval;
comment on column stats.ran_least is 'How long the shortest of them ran; null if none did.';
comment on column stats.ran_most is 'How long the longest of them ran; null if none did.';

alter table workers add column memory_bytes bigint;
alter table workers add column cpu_seconds double precision;
comment on column workers.memory_bytes is 'What its process had in memory at its last heartbeat; null if unknown.';
comment on column workers.cpu_seconds is 'Processor time of its process since its start; null if unknown.';

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
comment on column alert_rules.from_config is 'True if a config names it; it goes when no config does.';
comment on column alert_rules.updated_at is 'When it was last changed.';

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
