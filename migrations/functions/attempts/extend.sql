-- Extend: a running attempt asks for more time.

create or replace function extend_attempt(p_job uuid, p_lease uuid, p_by interval) returns timestamptz
language plpgsql
set search_path from current
as $$
declare
  j jobs;
  due timestamptz;
begin
  perform register_attempts(array[p_job], array[p_lease]);
  -- The fence: an attempt that lost its lease changes nothing.
  update jobs_live l
  set
    -- The timeouts as the claiming worker knows them.
    hard_timeout = least(coalesce(l.hard_timeout, r.hard_at - r.started_at, '24 hours') + p_by, '100 years'),
    soft_timeout = least(coalesce(l.soft_timeout, r.soft_at - r.started_at) + p_by, '100 years')
  from (select) as one
  left join running r on r.job_id = p_job and r.lease_id = p_lease
  where l.id = p_job
    and l.lease_id = p_lease
    and l.state = 'running'
  returning l.* into j;
  if j.id is null then
    return null;
  end if;
  update running
  set
    deadline_at = deadline_at + p_by,
    soft_at = soft_at + p_by,
    hard_at = hard_at + p_by
  where job_id = p_job
    and lease_id = p_lease
  returning deadline_at into due;
  perform append_event(j.id, j.attempt, 'extended', jsonb_build_object(
    'by_seconds', extract(epoch from p_by),
    'hard_timeout_seconds', extract(epoch from j.hard_timeout),
    'soft_timeout_seconds', extract(epoch from j.soft_timeout)));
  return due;
end
$$;
comment on function extend_attempt(uuid, uuid, interval)
  is 'Adds time before the soft and the hard timeout of a running attempt; returns the time from which the sweep would end it, null if the lease is lost.';
