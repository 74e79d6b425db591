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
