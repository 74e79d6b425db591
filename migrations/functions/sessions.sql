-- Sessions: the state of long work under a name that its caller chose, fenced by the lease of its
-- job.

create or replace function start_session(p_session text, p_base_url text, p_wish jsonb, p_ttl interval default '24 hours') returns uuid
language plpgsql
set search_path from current
as $$
declare
  job uuid := (select enqueue_many(jsonb_build_array(p_wish)));
begin
  insert into sessions as s (id, job_id, base_url, status, expires_at)
  values (p_session, job, p_base_url, 'queued', clock_timestamp() + p_ttl)
  on conflict (id) do update
  set
    job_id = excluded.job_id,
    base_url = excluded.base_url,
    status = excluded.status,
    pages_crawled = 0,
    bugs_found = 0,
    error = null,
    created_at = clock_timestamp(),
    updated_at = clock_timestamp(),
    expires_at = excluded.expires_at
  -- The name of an expired session is free again.
  where s.expires_at <= clock_timestamp();
  if not found then
    raise exception 'the session % belongs to another job', p_session
      using errcode = '22TM1', hint = 'use another session_id, or leave it out';
  end if;
  return job;
end
$$;
comment on function start_session(text, text, jsonb, interval)
  is 'Enqueues a job, in the form that enqueue_many takes, and starts its session, both or none; returns the job''s id.';

create or replace function note_session(
  p_job uuid, p_lease uuid, p_session text, p_base_url text, p_status text, p_pages integer, p_bugs integer, p_error text, p_ttl interval
)
returns boolean
language plpgsql
set search_path from current
as $$
begin
  perform from jobs_live where id = p_job and lease_id = p_lease and state = 'running' for share;
  if not found then
    return false;
  end if;
  insert into sessions as s (id, job_id, base_url, status, pages_crawled, bugs_found, error, expires_at)
  values (p_session, p_job, p_base_url, p_status, p_pages, p_bugs, p_error, clock_timestamp() + p_ttl)
  on conflict (id) do update
  set
    job_id = excluded.job_id,
    base_url = excluded.base_url,
    status = excluded.status,
    pages_crawled = excluded.pages_crawled,
    bugs_found = excluded.bugs_found,
    error = excluded.error,
    updated_at = clock_timestamp(),
    expires_at = excluded.expires_at
  where s.job_id = p_job
    or s.expires_at <= clock_timestamp();
  if not found then
    raise exception 'the session % belongs to another job', p_session
      using errcode = '22TM1', hint = 'use another session_id, or leave it out';
  end if;
  return true;
end
$$;
comment on function note_session(uuid, uuid, text, text, text, integer, integer, text, interval)
  is 'Stores the state that a running attempt reports for its session; false if the lease is lost.';

create or replace function clear_sessions(p_limit integer default 1000) returns integer
language sql
set search_path from current
as $$
  with old as (
    select id
    from sessions
    where expires_at <= clock_timestamp()
    order by expires_at
    limit p_limit
    for update skip locked
  ),
  gone as (
    delete from sessions s
    using old
    where s.id = old.id
    returning 1
  )
  select count(*)::integer from gone
$$;
comment on function clear_sessions(integer) is 'Removes a bounded number of expired sessions; returns how many.';
