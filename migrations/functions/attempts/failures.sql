-- Failures: the common causes of failures, and breakers that stop a kind for a time.

create or replace function fingerprint(p_kind text, p_error jsonb) returns text
language sql
immutable
as $$
  -- Parts that differ from case to case are replaced: quoted texts, ids, addresses, times, numbers.
  select left(md5(concat_ws(e'\x1f',
    p_kind,
    p_error ->> 'type',
    regexp_replace(
      regexp_replace(
        regexp_replace(
          regexp_replace(left(p_error ->> 'message', 2000), '(''[^'']*''|"[^"]*"|`[^`]*`)', '<text>', 'g'),
          '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}', '<id>', 'g'),
        '\m(0x)?[0-9a-fA-F]*[0-9][0-9a-fA-F]{7,}\M', '<hex>', 'g'),
      '[0-9]+([.,:/_T-][0-9]+)*', '<n>', 'g'),
    (regexp_match(p_error ->> 'backtrace', '^\s*(\S.*)$', 'n'))[1])), 16)
$$;
comment on function fingerprint(text, jsonb) is 'Hash of the cause of a failure: its kind, class, message without the parts that differ from case to case, and first line of its backtrace.';

create or replace function log_tail(p_job uuid, p_attempt integer) returns text
language sql
stable
set search_path from current
as $$
  select right(string_agg(line, e'\n' order by seq), 4096)
  from (
    select e.seq, e.data ->> 'line' as line
    from events e
    where e.job_id = p_job
      and e.attempt = p_attempt
      and e.type = 'log'
      and e.seq > (select p.last_seq - 200 from progress p where p.job_id = p_job)
    order by e.seq desc
    limit 20
  ) last_lines
$$;
comment on function log_tail(uuid, integer) is 'The last 20 log lines of an attempt, at most 4 KiB; null if there are none.';

create or replace function note_crash(p_kind text) returns void
language plpgsql
set search_path from current
as $$
declare
  k kinds;
  quiet boolean;
begin
  select * into k from kinds where name = p_kind and breaker_after is not null for no key update;
  if not found then
    return;
  end if;
  quiet := coalesce(greatest(k.breaker_crashed_at, k.breaker_open_until) < clock_timestamp() - k.breaker_window, true);
  k.breaker_crashes := case when quiet then 1 else k.breaker_crashes + 1 end;
  k.breaker_openings := case when quiet then 0 else k.breaker_openings end;
  -- Jobs that were running when it opened do not open it again.
  if k.breaker_crashes >= k.breaker_after and coalesce(k.breaker_open_until < clock_timestamp(), true) then
    k.breaker_open_until := clock_timestamp() + least(k.breaker_pause * (2 ^ least(k.breaker_openings, 20)), '1 day');
    k.breaker_openings := k.breaker_openings + 1;
    raise warning 'the circuit breaker of kind % is open until %, after % crashes', p_kind, k.breaker_open_until, k.breaker_crashes;
  end if;
  update kinds
  set
    breaker_crashes = k.breaker_crashes,
    breaker_openings = k.breaker_openings,
    breaker_open_until = k.breaker_open_until,
    breaker_crashed_at = clock_timestamp()
  where name = p_kind;
end
$$;
comment on function note_crash(text) is 'Counts a crash of a kind''s job. Opens its breaker when there are too many; when the breaker is half open, one more crash opens it for twice as long, until a window without a crash closes it.';

create or replace function reset_breaker(p_kind text) returns boolean
language plpgsql
set search_path from current
as $$
declare
  k kinds;
begin
  select * into k from kinds where name = p_kind for no key update;
  if not found then
    return false;
  end if;
  update kinds
  set breaker_crashes = 0, breaker_openings = 0, breaker_open_until = null, breaker_crashed_at = null
  where name = p_kind;
  perform audit(
    'reset_breaker', 'kind:' || p_kind,
    jsonb_build_object('crashes', k.breaker_crashes, 'openings', k.breaker_openings, 'open_until', k.breaker_open_until),
    '{"crashes": 0, "openings": 0, "open_until": null}', null);
  perform notify_queue(queue) from kinds where name = p_kind;
  return true;
end
$$;
comment on function reset_breaker(text) is 'Closes the breaker of a kind, so that its jobs start again, and resets its crashes. False if there is no such kind.';

create or replace function closed_kinds(p_kinds text[]) returns text[]
language sql
volatile
set search_path from current
as $$
  select coalesce(array_agg(k.name), '{}')
  from unnest(p_kinds) as k (name)
  where not exists (select 1 from kinds b where b.name = k.name and b.breaker_open_until > clock_timestamp())
$$;
comment on function closed_kinds(text[]) is 'Those of the kinds whose jobs can start: their breakers are not open.';

create or replace function aggregate_failures(p_limit integer default 5000) returns integer
language plpgsql
set search_path from current
as $$
declare
  folded integer;
begin
  with taken as materialized (
    delete from failure_deltas
    where ctid in (select ctid from failure_deltas limit p_limit for update skip locked)
    returning *
  ),
  causes as (
    insert into failure_causes as c (fingerprint, kind, type, message, failures, first_at, last_at, last_job_id)
    select
      t.fingerprint, max(t.kind), max(t.type), (array_agg(t.message order by t.at desc))[1], count(*),
      min(t.at), max(t.at), (array_agg(t.job_id order by t.at desc))[1]
    from taken t
    group by t.fingerprint
    order by t.fingerprint
    on conflict (fingerprint) do update
    set
      failures = c.failures + excluded.failures,
      first_at = least(c.first_at, excluded.first_at),
      message = case when excluded.last_at >= c.last_at then excluded.message else c.message end,
      last_job_id = case when excluded.last_at >= c.last_at then excluded.last_job_id else c.last_job_id end,
      last_at = greatest(c.last_at, excluded.last_at)
  )
  select count(*) into folded from taken;
  return folded;
end
$$;
comment on function aggregate_failures(integer) is 'Counts failures into their causes; returns how many. Safe to run anywhere, any time; repeat until 0.';
