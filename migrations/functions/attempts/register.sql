-- Register: enters attempts of short kinds in running, which their claim did not: those that turn out
-- to be long, that outlived their worker, or that a limit must count. Never waits for a lock.

create or replace function register_attempts(p_jobs uuid[], p_leases uuid[]) returns setof uuid
language plpgsql
set search_path from current
as $$
begin
  with found as materialized (
    select
      j.id, j.lease_id, j.worker_id, j.attempt, j.queue, j.kind, j.started_at, b.claimed_at, j.concurrency_keys,
      b.lease_expires_at, j.started_at + coalesce(j.soft_timeout, b.soft_timeouts[own.at]) as soft_at,
      j.started_at + coalesce(j.hard_timeout, b.hard_timeouts[own.at], '24 hours') as hard_at,
      coalesce(b.graces[own.at], '10 seconds') as grace
    from unnest(p_jobs, p_leases) as i (job_id, lease_id)
    join claim_batches b on b.lease_id = i.lease_id
    join jobs_live j on j.id = i.job_id and j.lease_id = i.lease_id and j.state = 'running'
    cross join lateral (
      select array_position(b.kinds, j.kind) as at
    ) own
    where not exists (select from running r where r.job_id = j.id)
    -- A row that is locked is about to end its attempt, or to change it: then it is entered the next time.
    for no key update of j skip locked
  )
  insert into running (
    job_id, lease_id, worker_id, attempt, queue, kind, started_at, seen_at, concurrency_keys, lease_expires_at,
    soft_at, hard_at, deadline_at)
  select
    id, lease_id, worker_id, attempt, queue, kind, started_at, claimed_at, concurrency_keys, lease_expires_at,
    soft_at, hard_at, hard_at + grace
  from found
  on conflict (job_id) do nothing;
  return query
  select r.job_id
  from unnest(p_jobs, p_leases) as i (job_id, lease_id)
  join running r on r.job_id = i.job_id and r.lease_id = i.lease_id;
end
$$;
comment on function register_attempts(uuid[], uuid[])
  is 'Enters running attempts, given by job and lease, in running; returns the jobs of those that are there now. Attempts whose job another transaction has locked are left out.';

create or replace function register_claims(p_until timestamptz default 'infinity') returns void
language plpgsql
set search_path from current
as $$
declare
  b record;
begin
  for b in
    select lease_id, jobs, array_fill(lease_id, array[cardinality(jobs)]) as leases
    from claim_batches
    where lease_expires_at <= p_until
    order by lease_expires_at
    for update skip locked
  loop
    perform register_attempts(b.jobs, b.leases);
    delete from claim_batches c
    where c.lease_id = b.lease_id
      and not exists (
        select
        from jobs_live j
        where j.id = any(b.jobs)
          and j.lease_id = b.lease_id
          and j.state = 'running'
          and not exists (select from running r where r.job_id = j.id));
  end loop;
end
$$;
comment on function register_claims(timestamptz)
  is 'Enters the attempts of all claims whose lease ends until then in running.';
