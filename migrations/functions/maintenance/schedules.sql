-- Schedules: the functions by which people control them, and the firing of slots. The scheduler
-- computes the next due time; the functions here decide by the database's clock whether it has
-- come.

create or replace function schedule_written() returns trigger
language plpgsql
set search_path from current
as $$
begin
  if tg_op = 'INSERT' or new.job is distinct from old.job then
    -- Refuses a job that could not be enqueued when the schedule is written, not when it is due.
    perform j.kind
    from jsonb_to_record(new.job) as j (
      kind text, args jsonb, queue text, priority smallint, max_attempts integer,
      soft_timeout interval, hard_timeout interval, tags jsonb, metadata jsonb, retain interval);
  end if;
  if tg_op = 'UPDATE'
    and (new.cron, new.every, new.at, new.timezone) is distinct from (old.cron, old.every, old.at, old.timezone)
  then
    new.anchor_at := now();
    new.next_at := null;
    new.upcoming := '{}';
    new.problem := null;
  end if;
  if new.next_at is null and new.problem is null or (tg_op = 'UPDATE' and old.paused_at is distinct from new.paused_at) then
    perform notify_settings();
  end if;
  return new;
end
$$;
comment on function schedule_written() is 'Trigger: checks a schedule''s job, and has its slots computed again when its times change.';

create or replace trigger schedule_written before insert or update on schedules
for each row execute function schedule_written();

create or replace function put_schedule(
  p_name text, p_cron text, p_every interval, p_at timestamptz, p_timezone text, p_job jsonb,
  p_missed text, p_missed_limit integer, p_overlap text, p_jitter interval, p_source text,
  p_paused_by text default null, p_owner text default null
)
returns void
language sql
set search_path from current
as $$
  select check_json(p_job -> 'args', 'args');
  select check_json(p_job -> 'metadata', 'metadata');
  insert into schedules as s (
    name, cron, every, at, timezone, job, missed, missed_limit, overlap, jitter, source, paused_by, paused_at, owner)
  values (
    p_name, p_cron, p_every, p_at, p_timezone, p_job, p_missed, p_missed_limit, p_overlap, p_jitter, p_source,
    p_paused_by, case when p_paused_by is not null then now() end,
    case when p_source = 'config' then coalesce(p_owner, 'default') end)
  on conflict (name) do update
  set
    cron = excluded.cron,
    every = excluded.every,
    at = excluded.at,
    timezone = excluded.timezone,
    job = excluded.job,
    missed = excluded.missed,
    missed_limit = excluded.missed_limit,
    overlap = excluded.overlap,
    jitter = excluded.jitter,
    source = excluded.source,
    owner = excluded.owner,
    updated_at = now()
  where (s.cron, s.every, s.at, s.timezone, s.job, s.missed, s.missed_limit, s.overlap, s.jitter, s.source, s.owner)
    is distinct from (
      excluded.cron, excluded.every, excluded.at, excluded.timezone, excluded.job, excluded.missed,
      excluded.missed_limit, excluded.overlap, excluded.jitter, excluded.source, excluded.owner)
$$;
comment on function put_schedule(text, text, interval, timestamptz, text, jsonb, text, integer, text, interval, text, text, text)
  is 'Writes a whole schedule, for every interface; a schedule from a config belongs to the deployment that is the last argument. A new schedule is paused if p_paused_by is set; an existing one keeps its pause state, and keeps its slots if its times do not change.';

create or replace function set_schedule(
  name text, kind text, args jsonb default '{}', cron text default null, every interval default null,
  at timestamptz default null, timezone text default 'UTC', queue text default null, priority integer default null,
  max_attempts integer default null, soft_timeout interval default null, hard_timeout interval default null,
  tags text[] default null, metadata jsonb default null, retain interval default null,
  missed text default 'one', missed_limit integer default 10, overlap text default 'skip', jitter interval default '0'
)
returns void
language sql
set search_path from current
as $$
  select put_schedule(
    name, cron, every, at, timezone,
    jsonb_strip_nulls(jsonb_build_object(
      'kind', kind, 'queue', queue, 'priority', priority, 'max_attempts', max_attempts, 'soft_timeout', soft_timeout,
      'hard_timeout', hard_timeout, 'tags', to_jsonb(tags), 'retain', retain))
    -- Outside of the stripping: nulls inside args and metadata belong to the caller.
    || jsonb_build_object('args', args)
    || case when metadata is null then '{}'::jsonb else jsonb_build_object('metadata', metadata) end,
    missed, missed_limit, overlap, jitter, 'sql')
$$;
comment on function set_schedule(text, text, jsonb, text, interval, timestamptz, text, text, integer, integer, interval, interval, text[], jsonb, interval, text, integer, text, interval)
  is 'Makes or replaces a schedule. select set_schedule(''nightly'', ''backup'', cron => ''30 4 * * *'', timezone => ''Europe/Berlin'').';

create or replace function delete_schedule(p_name text) returns boolean
language sql
set search_path from current
as $$
  with gone as (delete from schedules where name = p_name returning name)
  select exists (select from gone)
$$;
comment on function delete_schedule(text) is 'Removes a schedule and its slots; its jobs are kept. Returns whether it existed.';

create or replace function pause_schedule(p_name text, p_by text default session_user) returns boolean
language sql
set search_path from current
as $$
  with paused as (
    update schedules
    set paused_at = coalesce(paused_at, now()), paused_by = coalesce(paused_by, p_by), updated_at = now()
    where name = p_name
    returning name
  )
  select exists (select from paused)
$$;
comment on function pause_schedule(text, text) is 'The schedule does not fire until it is resumed. Returns whether it exists.';

create or replace function resume_schedule(p_name text) returns boolean
language sql
set search_path from current
as $$
  with resumed as (
    update schedules
    -- Slots during the pause do not count as missed.
    set
      paused_at = null,
      paused_by = null,
      next_at = case when next_at > clock_timestamp() then next_at end,
      updated_at = now()
    where name = p_name
      and paused_at is not null
    returning name
  )
  select exists (select from resumed) or exists (select from schedules where name = p_name)
$$;
comment on function resume_schedule(text) is 'Ends a pause; slots that passed during it do not fire. Returns whether there is such a schedule.';

create or replace function enqueue_scheduled(p_schedule schedules, p_metadata jsonb, p_run_at timestamptz) returns uuid
language sql
set search_path from current
as $$
  select id
  from enqueue_many(jsonb_build_array(
    p_schedule.job
    || jsonb_build_object(
      'metadata', coalesce(p_schedule.job -> 'metadata', '{}') || jsonb_build_object('schedule', p_schedule.name) || p_metadata,
      'run_at', p_run_at))) as id
$$;
comment on function enqueue_scheduled(schedules, jsonb, timestamptz) is 'Enqueues a schedule''s job, marked with the schedule; returns its id.';

create or replace function run_schedule(p_name text, p_by text default session_user, p_sealed jsonb default null) returns uuid
language plpgsql
set search_path from current
as $$
declare
  s schedules;
  made uuid;
begin
  select * into s from schedules where name = p_name for update;
  if not found then
    return null;
  end if;
  made := enqueue_scheduled(with_sealed(s, p_sealed), jsonb_build_object('by', p_by), clock_timestamp());
  update schedules set unfinished = unfinished_jobs(s) || made where name = p_name;
  perform audit('run', 'schedule:' || p_name, null, jsonb_build_object('job_id', made), p_by);
  return made;
end
$$;
comment on function run_schedule(text, text, jsonb) is 'Enqueues a schedule''s job now, outside of its slots, paused or not; p_sealed is in the form that with_sealed takes. Returns the job''s id, null if there is no such schedule.';

create or replace function unfinished_jobs(p_schedule schedules) returns uuid[]
language sql
stable
set search_path from current
as $$
  select coalesce(array_agg(id order by ord), '{}')
  from (
    select u.id, u.ord
    from unnest(p_schedule.unfinished) with ordinality as u (id, ord)
    where exists (select from jobs_live j where j.id = u.id)
    order by u.ord desc
    limit 999
  ) latest
$$;
comment on function unfinished_jobs(schedules) is 'The latest unfinished jobs of a schedule, at most 999.';

create or replace function decide_slot(p_schedule schedules, p_slot timestamptz) returns text
language plpgsql
set search_path from current
as $$
declare
  open uuid[] := unfinished_jobs(p_schedule);
  busy text := format('job %s is not finished', open[cardinality(open)]);
  -- The same for the same slot, on every machine.
  share double precision := (hashtextextended(p_schedule.name || extract(epoch from p_slot)::text, 0) & 9007199254740991) / 9007199254740992.0;
  made uuid;
  failure text;
  verdict text := 'enqueued';
begin
  if open <> '{}' and p_schedule.overlap = 'skip' then
    verdict := 'skipped';
  elsif open <> '{}' and p_schedule.overlap = 'queue' then
    verdict := 'held';
    if exists (select from schedule_slots where schedule = p_schedule.name and outcome = 'held') then
      verdict := 'skipped';
      busy := busy || ', and an earlier slot waits for it';
    end if;
  else
    begin
      if p_schedule.overlap = 'cancel' then
        -- Before any job, as in every transaction that resolves dependencies.
        perform lock_workflows_of(open);
        perform cancel_one(u.id, format('schedule %s is due again', p_schedule.name), 'schedule ' || p_schedule.name, false)
        from unnest(open) as u (id);
      end if;
      made := enqueue_scheduled(p_schedule, jsonb_build_object('slot', p_slot), p_slot + p_schedule.jitter * share);
      open := open || made;
    exception when others then
      -- A temporary error must not lose the slot: it is tried again.
      if left(sqlstate, 2) in ('08', '25', '40', '53', '55', '57', '58') then
        raise;
      end if;
      verdict := 'skipped';
      failure := sqlerrm;
    end;
  end if;
  -- If the slot exists already, this fails and rolls the job back.
  insert into schedule_slots (schedule, slot, outcome, job_id, reason)
  values (p_schedule.name, p_slot, verdict, made, case when verdict <> 'enqueued' then coalesce(failure, busy) end);
  update schedules set unfinished = open, problem = failure where name = p_schedule.name;
  return verdict;
end
$$;
comment on function decide_slot(schedules, timestamptz) is 'Applies the overlap policy to a due slot and records the outcome. For a schedule whose row the caller has locked.';

create or replace function held_slots() returns table (schedule text, slot timestamptz, is_ready boolean)
language sql
stable
set search_path from current
as $$
  select h.schedule, h.slot, s.overlap in ('allow', 'cancel') or unfinished_jobs(s) = '{}'
  from schedule_slots h
  join schedules s on s.name = h.schedule
  where h.outcome = 'held'
    and s.paused_at is null
$$;
comment on function held_slots() is 'The slots that wait for the end of an earlier job, and whether it has ended.';

create or replace function release_slot(p_name text, p_sealed jsonb default null) returns text
language plpgsql
set search_path from current
as $$
declare
  s schedules;
  held timestamptz;
begin
  select slot into held from schedule_slots where schedule = p_name and outcome = 'held';
  if not found then
    return null;
  end if;
  select * into s from schedules where name = p_name and paused_at is null for update skip locked;
  if not found or not exists (select from held_slots() h where h.schedule = p_name and h.is_ready) then
    return null;
  end if;
  delete from schedule_slots where schedule = p_name and slot = held and outcome = 'held';
  -- Another process can have released it before this one locked the row.
  return case when found then decide_slot(with_sealed(s, p_sealed), held) end;
end
$$;
comment on function release_slot(text, jsonb) is 'Enqueues the waiting slot of a schedule if the job before it has ended; p_sealed is in the form that with_sealed takes. Returns the outcome, null if the slot cannot be released yet.';

create or replace function fire_schedule(
  p_name text, p_slot timestamptz, p_next_at timestamptz, p_upcoming timestamptz[], p_missed text default null,
  p_sealed jsonb default null
)
returns text
language plpgsql
set search_path from current
as $$
declare
  s schedules;
begin
  if p_next_at <= p_slot then
    raise exception 'the next slot must be later than %, not %', p_slot, p_next_at using errcode = 'invalid_parameter_value';
  end if;
  perform release_slot(p_name, p_sealed);
  -- The process that has locked the row fires it; waiting would keep this scheduler from other
  -- schedules.
  select * into s
  from schedules
  where name = p_name
    and next_at = p_slot
    and paused_at is null
    and next_at <= clock_timestamp()
  for update skip locked;
  if not found then
    return null;
  end if;
  update schedules
  set next_at = coalesce(p_next_at, 'infinity'), upcoming = p_upcoming, last_slot_at = p_slot
  where name = p_name;
  if exists (select from schedule_slots where schedule = p_name and slot = p_slot) then
    return 'repeated';
  end if;
  delete from schedule_slots
  where schedule = p_name
    and slot < p_slot - greatest(interval '1 day', 1000 * (p_next_at - p_slot))
    and outcome <> 'held';
  if p_missed is not null then
    insert into schedule_slots (schedule, slot, outcome, reason) values (p_name, p_slot, 'missed', p_missed);
    return 'missed';
  end if;
  return decide_slot(with_sealed(s, p_sealed), p_slot);
end
$$;
comment on function fire_schedule(text, timestamptz, timestamptz, timestamptz[], text, jsonb)
  is 'Fires a due slot and moves the schedule to the next one, or records the slot as missed with the given reason; p_sealed is in the form that with_sealed takes. Returns the outcome, repeated if it fired before, null if it is not due.';

create or replace function keep_config_schedules(p_names text[], p_owner text default null) returns setof text
language sql
set search_path from current
as $$
  delete from schedules
  where source = 'config'
    and owner = p_owner
    and name <> all (p_names)
  returning name
$$;
comment on function keep_config_schedules(text[], text) is 'Removes the schedules of a deployment''s config that are not among these; returns their names. Without a deployment it removes none.';
