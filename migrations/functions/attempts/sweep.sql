-- Sweep: takes back the jobs of workers that died and of attempts that ran past their deadline. Time in
-- which no process could sweep does not count against a lease.

create or replace function open_pause() returns timestamptz
language sql
stable
set search_path from current
as $$
  select case
    when s.swept_at > clock_timestamp() then null
    -- The server restarted, or a standby took over: the beginning of the outage is unknown.
    when s.server_started_at <> pg_postmaster_start_time() then s.swept_at
    -- Later than timer jitter and a short load peak explain.
    when s.swept_at + 1.5 * s.every + interval '500 ms' < clock_timestamp() then s.swept_at + s.every
  end
  from sweep_times s
$$;
comment on function open_pause() is 'The time since which a sweep is overdue; null if none is.';

create or replace function note_sweep(p_every interval default null) returns void
language plpgsql
set search_path from current
as $$
declare
  s sweep_times;
  at timestamptz;
  overdue_from timestamptz;
begin
  -- No waiting here: the transaction that has locked the row records the same.
  select * into s from sweep_times for update skip locked;
  at := clock_timestamp();
  if not found then
    insert into sweep_times (swept_at, every, every_at, server_started_at)
    values (at, coalesce(p_every, '1 hour'), at, pg_postmaster_start_time())
    on conflict do nothing;
    if found then
      -- This is the first sweep, so the whole time of the running attempts can have been an outage.
      insert into sweep_pauses (since, until)
      select min(r.started_at), at
      from (
        select started_at from running
        union all
        select claimed_at from claim_batches
      ) r
      having min(r.started_at) < at
      on conflict do nothing;
    end if;
    return;
  end if;
  overdue_from := open_pause();
  if overdue_from < at then
    insert into sweep_pauses (since, until) values (overdue_from, at) on conflict do nothing;
    delete from sweep_pauses where until < at - interval '1 day';
  elsif at < s.swept_at then
    -- The clock stepped back: no pause lasts into the future, or leases would not expire until
    -- then.
    delete from sweep_pauses where since >= at;
    update sweep_pauses set until = at where until > at;
  end if;
  -- The shortest period counts, until no process has swept that often for a while.
  if p_every <= s.every or at not between s.every_at and s.every_at + 3 * s.every then
    s.every := coalesce(p_every, greatest(at - s.swept_at, s.every));
    s.every_at := at;
  end if;
  update sweep_times
  set swept_at = at, every = s.every, every_at = s.every_at, server_started_at = pg_postmaster_start_time();
end
$$;
comment on function note_sweep(interval)
  is 'Records that a process sweeps now, and will again after p_every. A sweep that comes far later than that, or after another start of the server, ends a pause, which is stored in sweep_pauses.';

create or replace function paused_time(p_from timestamptz, p_open timestamptz) returns interval
language sql
stable
set search_path from current
as $$
  select coalesce(sum(p.until - greatest(p.since, p_from)), '0')
  from (
    select since, until
    from sweep_pauses
    where until > p_from
    union all
    select p_open, clock_timestamp()
    where p_open is not null
  ) p
  where p.until > p_from
$$;
comment on function paused_time(timestamptz, timestamptz) is 'How much of the time since p_from does not count because no process could sweep; p_open is the result of open_pause().';

create or replace function sweep(p_limit integer default 500) returns table (job_id uuid, lease_id uuid, state text, reason text)
language plpgsql
set search_path from current
as $$
#variable_conflict use_column
declare
  taken record;
  moved integer := 0;
  bad uuid[] := '{}';
  passed integer := 0;
  -- The jobs that were taken back by then are kept, however slow the database is: a cancelled
  -- statement keeps nothing.
  until timestamptz := clock_timestamp() + coalesce(nullif(current_setting('statement_timeout')::interval, '0') / 3, '10 seconds');
  open_since timestamptz := open_pause();
  paused boolean;
begin
  -- No process has swept for long: this was called by hand, or before maintenance recorded it.
  if open_since is not null then
    perform note_sweep();
    open_since := open_pause();
  end if;
  paused := open_since is not null or exists (select from sweep_pauses);
  perform register_claims(clock_timestamp());
  loop
    -- Checked and locked in one statement; the job's row first, as in every other write. A row that
    -- another transaction has locked is skipped and seen by the next sweep.
    for taken in
      select r.job_id, r.lease_id, r.worker_id,
        case
          when r.lease_expires_at + case when paused then paused_time(r.seen_at, open_since) else '0' end < clock_timestamp() then 'lease_expired'
          else 'deadline_passed'
        end as reason
      from running r
      join jobs_live j on j.id = r.job_id and j.lease_id = r.lease_id
      -- Time in which no process could sweep, and no worker renew, is added.
      where (
          r.lease_expires_at < clock_timestamp()
            and (not paused or r.lease_expires_at + paused_time(r.seen_at, open_since) < clock_timestamp())
          or r.deadline_at < clock_timestamp()
            and (not paused or r.deadline_at + paused_time(r.started_at, open_since) < clock_timestamp()))
        and r.job_id <> all(bad)
      -- In the order in which unique keys and groups are locked elsewhere.
      order by j.unique_key, j.queue, j.priority, j.group_id
      limit p_limit
      for update of j, r skip locked
    loop
      exit when clock_timestamp() > until;
      begin
        return query
        select taken.job_id, taken.lease_id,
          settle_attempt(taken.job_id, taken.lease_id,
            case taken.reason when 'lease_expired' then 'crashed' else 'timed_out' end,
            case taken.reason
              when 'lease_expired' then jsonb_build_object('type', 'lease_expired', 'permanent', false,
                'message', format('worker %s stopped sending heartbeats; it crashed or lost its connection', taken.worker_id))
              else jsonb_build_object('type', 'timeout', 'permanent', false,
                'message', 'the attempt ran past its hard timeout and its worker did not end it')
            end),
          taken.reason;
        moved := moved + 1;
      exception when others then
        -- A row that fails does not block the others; it is logged, and the next sweep tries it
        -- again.
        raise warning 'sweep could not take back job %: %', taken.job_id, sqlerrm;
        bad := bad || taken.job_id;
      end;
    end loop;
    -- Rows that fail can fill the batch: then the rows after them are next.
    exit when cardinality(bad) = passed or moved >= p_limit or cardinality(bad) >= 20 * p_limit or clock_timestamp() > until;
    passed := cardinality(bad);
  end loop;
  -- Groups without waiting jobs.
  delete from ready_groups where ready_at = 'infinity';
  -- No foreign key protects these rows: rows that were left over by hand edits are removed here,
  -- because they would block the job's next claim.
  delete from running r
  where not exists (select 1 from jobs_live j where j.id = r.job_id and j.lease_id = r.lease_id);
  return query
  select e.id, null::uuid, 'cancelled', 'expired'
  from expire(p_limit) as e (id);
end
$$;
comment on function sweep(integer) is 'Takes back the jobs whose lease expired or whose deadline passed (time in which no process could sweep does not count), and cancels the jobs that did not start before they expired; safe to run anywhere, any time.';
