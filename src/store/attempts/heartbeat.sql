-- Heartbeat: renews leases of one worker; returns the leases that it still has and their cancels.
--
-- $1 text               worker
-- $2 uuid[]             leases
-- $3 double precision   seconds that a lease lasts without renewal
--
-- Indexes: running_pkey, jobs_live_pkey. `running` is small and has no index on its worker: it is read
-- whole, once.
--
-- Why it is written so:
-- - Locked rows are skipped, not waited for: a transaction that ends many attempts in another order,
--   and waits here with locks of its own, would deadlock. Such a lease is returned, but not renewed.
-- - A lease that the sweep took back has no row in `running` and is missing from the answer.
with named as materialized (
  select job_id, lease_id, soft_at
  from running
  where worker_id = $1
    -- Written so that it is looked up in a hash, however many there are.
    and (lease_id in (select unnest($2::uuid[]))) is true
),
-- Locked rows are skipped; see above.
free as materialized (
  select r.job_id
  from named n
  join running r on r.job_id = n.job_id and r.lease_id = n.lease_id
  for no key update of r skip locked
),
renewed as (
  update running r
  set
    seen_at = clock_timestamp(),
    lease_expires_at = clock_timestamp() + make_interval(secs => $3)
  from free f
  where r.job_id = f.job_id
  returning r.job_id
)
select
  n.job_id as "job_id!",
  n.lease_id as "lease_id!",
  j.cancel_requested_at is not null as "cancel!",
  coalesce(n.soft_at < clock_timestamp(), false) as "overdue!",
  n.job_id in (select job_id from renewed) as "renewed!"
from named n
join jobs_live j on j.id = n.job_id and j.lease_id = n.lease_id
