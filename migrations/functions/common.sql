-- Small tools that the verbs share. The verbs of all files here are replaced whole after the versioned
-- migrations; every face (REST, Rust, psql) calls them. Each function pins the search_path of the schema
-- that it was made in, so that it works from any session.

comment on column schema_compatibility.verbs_digest
  is 'Release of the binary that installed the functions and views, and their SHA-256; an older one leaves them alone.';

create or replace function tell(p_message text) returns void
language sql
as $$ select pg_notify(current_schema(), p_message) $$;
comment on function tell(text) is 'Sends a wake-up hint to all processes of this Tidemill: q:<queue>, c:<job to cancel>, e:<job>:<seq>, w: (settings changed).';

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
  is 'Delay after the given attempt failed: first * factor^(attempt - 1), at most max, varied by the share jitter.';

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
    -- It may have moved from the one to the other between the two looks.
    exit when not exists (select from jobs where id = p_job);
  end loop;
  return j;
end
$$;
comment on function lock_job(uuid) is 'The job, live or finished, locked so that it stays where it is; all null if there is none.';
