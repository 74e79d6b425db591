-- Helpers that the other functions share. All functions are replaced as a whole after the versioned
-- migrations; every interface (REST, Rust, psql) calls them. Each function pins the search_path of
-- the schema in which it was made, so that it works from any session.

comment on column schema_compatibility.verbs_digest
  is 'Release of the binary that installed the functions and views, and their SHA-256; an older release does not replace them.';

create or replace function backoff(p_attempt integer, p_first interval, p_factor double precision, p_max interval, p_jitter double precision)
returns interval
language sql
volatile
as $$
  -- The exponent is capped where the power reaches e^500, so that no attempt and no factor overflows.
  select make_interval(secs => least(
    extract(epoch from p_first)::double precision
      * power(p_factor, least(greatest(p_attempt, 1) - 1, 500 / nullif(ln(p_factor), 0))),
    extract(epoch from p_max)::double precision)) * (1 + p_jitter * (2 * random() - 1))
$$;
comment on function backoff(integer, interval, double precision, interval, double precision)
  is 'The delay after the given attempt failed: first * factor^(attempt - 1), at most max, varied by the share jitter.';

create or replace function new_job_id() returns uuid
language sql
volatile
as $$
  -- UUIDv7 (RFC 9562): 48 bits of milliseconds since 1970, then random bits.
  select encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid())
        placing substring(int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
        from 1 for 6),
      52, 1), 53, 1),
    'hex')::uuid
$$;
comment on function new_job_id() is 'A new UUIDv7.';

create or replace function lock_job(p_job uuid) returns jobs
language plpgsql
set search_path from current
as $$
declare
  j jobs;
begin
  loop
    select * into j from jobs_live where id = p_job for update;
    exit when found;
    select * into j from jobs where id = p_job and finished_at is not null for update;
    exit when found;
    -- The job can have moved from one table to the other between the two reads.
    exit when not exists (select from jobs where id = p_job);
  end loop;
  return j;
end
$$;
comment on function lock_job(uuid) is 'Returns a job, live or finished, locked so that it does not move; all null if there is none.';

create or replace function lock_workflows() returns void
language sql
set search_path from current
as $$
  select pg_advisory_xact_lock(hashtext('tidemill workflows ' || current_schema()), 0)
$$;
comment on function lock_workflows() is 'Takes the dependency lock for this transaction: no other transaction resolves dependencies, or cancels or retries jobs that others wait for.';

create or replace function lock_workflows_of(p_jobs uuid[]) returns void
language plpgsql
set search_path from current
as $$
begin
  if p_jobs <> '{}'
    and (
      exists (
        select
        from jobs_live j
        where j.id = any(p_jobs)
          and (j.awaited or j.workflow_id is not null or j.kind = 'tidemill.workflow'))
      or exists (select from blocked_jobs where job_id = any(p_jobs))
      or exists (select from steps where job_id = any(p_jobs) and spawned_id is not null))
  then
    perform lock_workflows();
  end if;
end
$$;
comment on function lock_workflows_of(uuid[]) is 'Takes the lock of lock_workflows if one of these jobs has dependents or waits for others. Call it before locking any job if you cancel several jobs, or one job with other locks held.';

create or replace function fill_key(p_template text, p_args jsonb) returns text
language plpgsql
immutable
as $$
declare
  named text[];
begin
  if strpos(p_template, '{') = 0 then
    return p_template;
  end if;
  for named in select regexp_matches(p_template, '\{([A-Za-z0-9_.-]+)\}', 'g') loop
    p_template := replace(p_template, '{' || named[1] || '}', coalesce(p_args ->> named[1], ''));
  end loop;
  return p_template;
end
$$;
comment on function fill_key(text, jsonb) is 'A key with {name} replaced by that arg: tenant:{tenant_id}.';

create or replace function fill_keys(p_templates jsonb, p_args jsonb) returns text[]
language sql
immutable
set search_path from current
as $$
  select array_agg(distinct key order by key)
  from jsonb_array_elements_text(p_templates) as t (template)
  cross join lateral fill_key(t.template, p_args) as f (key)
  where key is not null
$$;
comment on function fill_keys(jsonb, jsonb) is 'All keys of an array, filled from the args, each once and in order; null if there are none.';

create or replace function group_of(p_concurrency_keys text[], p_fair_key text) returns uuid
language sql
immutable
as $$
  -- Keys cannot contain the separators.
  select case
    when p_concurrency_keys is not null or p_fair_key is not null
      then md5(concat(p_fair_key, e'\x1e', array_to_string(p_concurrency_keys, e'\x1f')))::uuid
  end
$$;
comment on function group_of(text[], text) is 'The group of jobs with these keys; null if there are none.';

create or replace function options_of(
  p_concurrency_key jsonb, p_fair_key text, p_unique jsonb, p_expires_at timestamptz, p_expires_in interval,
  p_after jsonb, p_run_if text, p_sealed jsonb, p_owner text
)
returns jsonb
language sql
stable
as $$
  select nullif(
    jsonb_strip_nulls(jsonb_build_object(
      'concurrency_keys',
      case when jsonb_typeof(p_concurrency_key) = 'array' then p_concurrency_key
        when p_concurrency_key is not null then jsonb_build_array(p_concurrency_key) end,
      'fair_key', p_fair_key,
      'unique', p_unique,
      'expires_at', p_expires_at,
      'expires_in_seconds', extract(epoch from p_expires_in),
      'after', nullif(p_after, '[]'),
      'run_if', p_run_if,
      'sealed', p_sealed,
      'owner', p_owner)),
    '{}')
$$;
comment on function options_of(jsonb, text, jsonb, timestamptz, interval, jsonb, text, jsonb, text) is 'The rarely used options of a job, in the form that insert_jobs takes.';

create or replace function turned_off(p_job jsonb) returns jsonb
language sql
immutable
set search_path from current
as $$
  select jsonb_object_agg(o.option, null::text)
  from (
    values
      ('concurrency_key', 'concurrency_keys'), ('fair_key', 'fair_key'), ('unique', 'unique'),
      ('expires_in', 'expires_in_seconds')
  ) as o (field, option)
  where p_job -> o.field = 'null'
$$;
comment on function turned_off(jsonb) is 'The defaults of its kind that a job of enqueue_many turns off by an explicit null, in the form that insert_jobs takes; null if there are none.';

create or replace function shown_state(p_state job_state, p_attempt integer, p_run_at timestamptz, p_due_at timestamptz) returns text
language sql
stable
as $$
  select case
    when p_state not in ('available', 'waiting') or p_state = 'waiting' and coalesce(p_due_at, 'infinity') = 'infinity' then p_state::text
    when p_attempt > 0 then 'retrying'
    when coalesce(p_due_at, p_run_at) > now() then 'scheduled'
    else p_state::text
  end
$$;
comment on function shown_state(job_state, integer, timestamptz, timestamptz) is 'The state that people see: available and waiting jobs that are not due are scheduled, or retrying after a first attempt.';

create or replace function priority_of(p_name text) returns smallint
language sql
immutable
as $$
  select case lower(p_name)
    when 'critical' then 1
    when 'high' then 3
    when 'normal' then 5
    when 'low' then 7
    else p_name::smallint
  end
$$;
comment on function priority_of(text) is 'A priority by its name, in any case, or its number: select enqueue(''k'', priority => priority_of(''HIGH'')).';

create or replace function clamp_time(p_at timestamptz) returns timestamptz
language sql
immutable
as $$
  select case
    when p_at < '1970-01-01 00:00+00' then '1970-01-01 00:00+00'
    when p_at >= '10000-01-01 00:00+00' then '9999-12-31 23:59:59+00'
    else p_at
  end
$$;
comment on function clamp_time(timestamptz) is 'The time, moved into the years that RFC 3339 can write: a row that was written by hand must not make a list unreadable.';

create or replace function is_exact_number(p_number numeric) returns boolean
language sql
immutable
set search_path from current
-- A double, written with all of its digits.
set extra_float_digits = 1
as $$
  select case
    -- Without a point: one with a point is read as a double.
    when scale(p_number) = 0 and p_number between -9223372036854775808 and 18446744073709551615 then true
    when p_number <> 0 and abs(p_number) not between 5e-324 and 1.7976931348623157e308 then false
    else p_number::double precision::text::numeric = p_number
  end
$$;
comment on function is_exact_number(numeric) is 'Whether a worker reads the number exactly: an integer of 64 bits, or a number that a double represents exactly as written.';

create or replace function json_flaw(p_value jsonb) returns text
language plpgsql
immutable
set search_path from current
as $$
declare
  written text := p_value::text;
  lost numeric;
begin
  if length(written) > 128 and p_value @? 'strict $.**{64}' then
    return 'it is nested deeper than 64 levels';
  end if;
  -- Shorter numbers are kept.
  if written ~ '[0-9.]{17}' then
    select n.value::numeric into lost
    from jsonb_path_query(p_value, 'strict $.** ? (@.type() == "number")') as n (value)
    where not is_exact_number(n.value::numeric)
    limit 1;
    if found then
      return format('the number %s cannot be kept as it is', left(lost::text, 60));
    end if;
  end if;
  return null;
end
$$;
comment on function json_flaw(jsonb) is 'Why no worker could read this JSON exactly; null if every worker can.';

create or replace function check_json(p_value jsonb, p_what text) returns void
language plpgsql
immutable
set search_path from current
as $$
declare
  flaw text := json_flaw(p_value);
begin
  if flaw is not null then
    raise exception '% cannot be used: %', p_what, flaw
      using errcode = '22TM1', hint = 'store long numbers as texts, in quotes, and flatten deeply nested values';
  end if;
end
$$;
comment on function check_json(jsonb, text) is 'Refuses JSON that no worker could read exactly.';

create or replace function check_name(p_name text, p_what text) returns text
language plpgsql
immutable
as $$
begin
  if not is_name(p_name) then
    raise exception '% is not a valid %', to_jsonb(p_name), p_what
      using errcode = '22TM1', hint = 'use 1 to 63 letters, digits, dots, dashes and underscores, with a letter or digit first';
  end if;
  return p_name;
end
$$;
comment on function check_name(text, text) is 'Returns a name unchanged, or refuses it; null is no name and stays null.';

create or replace function with_plain_numbers(p_value jsonb) returns jsonb
language sql
immutable
set search_path from current
as $$
  select case jsonb_typeof(p_value)
    when 'number' then to_jsonb(trim_scale(p_value::numeric))
    when 'array' then (
      select coalesce(jsonb_agg(with_plain_numbers(a.value) order by a.ord), '[]')
      from jsonb_array_elements(p_value) with ordinality as a (value, ord))
    when 'object' then (
      select coalesce(jsonb_object_agg(o.key, with_plain_numbers(o.value)), '{}')
      from jsonb_each(p_value) o)
    else p_value
  end
$$;
comment on function with_plain_numbers(jsonb) is 'The same JSON without trailing zeros in its numbers, so that equal numbers are written the same way.';

create or replace function is_transient(p_sqlstate text) returns boolean
language sql
immutable
set search_path from current
as $$
  -- Lack of memory does not: a transaction that needs too much needs it again.
  select p_sqlstate ~ '^(08|25|40|53[^2]|55|57)'
$$;
comment on function is_transient(text) is 'Whether the error of an SQLSTATE is temporary, so that the same statement can succeed a little later.';

create or replace function runs_functions() returns boolean
language plpgsql
stable
set search_path from current
as $$
begin
  return true;
end
$$;
comment on function runs_functions() is 'Returns whether functions run at all: a server whose programs were upgraded while it ran cannot load their language.';

create or replace function parents_of(p_after jsonb)
returns table (id uuid, ord integer, name text, pass_as text, member boolean)
language sql
stable
set search_path from current
as $$
  select
    case
      when e.job like 'execution:%' then (select t.job_id from task_ids t where t.execution_id = substr(e.job, 11))
      else e.job::uuid
    end,
    e.ord::integer,
    e.value ->> 'name',
    e.value ->> 'as',
    coalesce((e.value ->> 'member')::boolean, false)
  from (
    select value, ord, case jsonb_typeof(value) when 'object' then value ->> 'job' else value #>> '{}' end as job
    from jsonb_array_elements(p_after) with ordinality as a (value, ord)
  ) e
$$;
comment on function parents_of(jsonb) is 'Reads the jobs that a job waits for: an array of job ids or execution:NAME, or of {job, as, name, member}.';
