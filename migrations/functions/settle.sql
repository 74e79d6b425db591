-- Ends of attempts that did not complete, and the sweep that takes back the jobs of dead workers.

create or replace function archive(p_job jobs) returns void
language plpgsql
set search_path from current
as $$
declare
  -- A job that ends between two attempts neither ran nor waited for this end.
  ran_now boolean := p_job.lease_id is not null;
  ran interval;
begin
  perform ensure_today();
  p_job.finished_at := clock_timestamp();
  p_job.retain_until := p_job.finished_at + p_job.retain;
  p_job.last_lease_id := coalesce(p_job.lease_id, p_job.last_lease_id);
  p_job.last_worker_id := coalesce(p_job.worker_id, p_job.last_worker_id);
  p_job.lease_id := null;
  p_job.worker_id := null;
  p_job.due_at := case when p_job.due_at is not null then least(p_job.due_at, p_job.finished_at) end;
  if p_job.run_at = 'infinity' then
    p_job.run_at := coalesce(p_job.due_at, p_job.finished_at);
  end if;
  -- Delete and insert, not an update that moves the row: a statement that waits for the row then
  -- sees it gone and gets no error.
  delete from running where job_id = p_job.id;
  delete from jobs_live where id = p_job.id;
  p_job.written_in := (pg_current_xact_id()::text)::numeric;
  insert into jobs select (p_job).*;
  -- A workflow is counted by its jobs.
  if p_job.kind <> 'tidemill.workflow' then
    ran := case when ran_now then p_job.finished_at - p_job.started_at end;
    insert into stats_deltas (queue, kind, outcome, jobs, waited, ran, ran_least, ran_most)
    values (
      p_job.queue, p_job.kind, p_job.state::text, 1, coalesce(case when ran_now then p_job.started_at - p_job.run_at end, '0'),
      coalesce(ran, '0'), ran, ran);
  end if;
  delete from blocked_jobs where job_id = p_job.id;
  if p_job.awaited then
    perform notify_dependents();
  end if;
end
$$;
comment on function archive(jobs) is 'Moves a locked live job to the history of today, in the final state of the given row.';

create or replace function queue_again(p_job jobs, p_due timestamptz) returns void
language plpgsql
set search_path from current
as $$
begin
  p_job.state := case when p_job.group_id is null then 'available' else 'waiting' end;
  p_job.run_at := case when p_job.group_id is null then p_due else 'infinity' end;
  p_job.due_at := case when p_job.group_id is not null then p_due end;
  update jobs_live
  set
    state = p_job.state,
    run_at = p_job.run_at,
    due_at = p_job.due_at,
    attempt = p_job.attempt,
    error = p_job.error,
    lease_id = null,
    worker_id = null,
    last_lease_id = coalesce(p_job.lease_id, p_job.last_lease_id),
    last_worker_id = coalesce(p_job.worker_id, p_job.last_worker_id)
  where id = p_job.id;
  delete from running where job_id = p_job.id;
  if p_job.group_id is not null then
    perform enlist_group(p_job.queue, p_job.priority, p_job.group_id, p_job.concurrency_keys, p_due);
  end if;
end
$$;
comment on function queue_again(jobs, timestamptz) is 'Puts a locked live job back into its queue, due at a given time; a job with a group returns to its group.';

create or replace function settle_attempt(
  p_job uuid, p_lease uuid, p_outcome text, p_error jsonb default null, p_delay interval default null, p_usage jsonb default null,
  p_wait jsonb default null
)
returns text
language plpgsql
set search_path from current
as $$
declare
  j jobs;
  k kinds;
  failed boolean := p_outcome in ('failed', 'crashed', 'timed_out');
  permanent boolean := coalesce((p_error ->> 'permanent')::boolean, false);
  cause text;
  noted bigint;
  superseder uuid;
  ran interval;
begin
  -- Before any job, as in every transaction that cancels other jobs with it.
  if p_outcome = 'waits' and exists (select from jobs_live where id = p_job and cancel_requested_at is not null) then
    perform lock_workflows();
  end if;
  -- The fence: a worker that lost the lease changes nothing.
  select * into j from jobs_live where id = p_job and lease_id = p_lease and state = 'running' for update;
  if not found then
    return null;
  end if;
  select * into k from kinds where name = j.kind;

  if failed then
    -- A worker that names the time of the retry has applied its own rules for the kind.
    permanent := permanent or p_delay is null and coalesce(p_error ->> 'type' = any(k.permanent_errors), false);
    cause := fingerprint(j.kind, p_error);
    perform ensure_today();
    insert into attempts (
      job_id, attempt, lease_id, worker_id, outcome, error, exit_code, signal, out_of_memory, peak_memory_bytes, started_at,
      fingerprint, log_tail)
    values (j.id, j.attempt, j.lease_id, j.worker_id, p_outcome, p_error,
      (p_usage ->> 'exit_code')::integer, (p_usage ->> 'signal')::integer,
      coalesce((p_usage ->> 'out_of_memory')::boolean, false), (p_usage ->> 'peak_memory_bytes')::bigint, j.started_at,
      cause, log_tail(j.id, j.attempt));
    insert into failure_deltas (fingerprint, kind, type, message, job_id)
    values (cause, j.kind, p_error ->> 'type', left(coalesce(p_error ->> 'message', ''), 500), j.id);
    -- The job crashed its worker or its process.
    if p_outcome = 'crashed' or p_error ->> 'type' in ('signal', 'out_of_memory') then
      perform note_crash(j.kind);
    end if;
    j.error := case when permanent then p_error || '{"permanent": true}' else p_error end;
  end if;

  if p_outcome = 'cancelled' or j.cancel_requested_at is not null then
    j.state := 'cancelled';
    -- A moment later the job would have waited for its children, and a cancel would have cancelled
    -- them.
    if p_outcome = 'waits' then
      perform cancel_children(j, null, 'tidemill', false);
    end if;
  elsif failed and (permanent or j.attempt >= j.max_attempts) then
    j.state := 'failed';
  else
    superseder := case when j.unique_key is not null then superseder_of(j) end;
    j.state := case when superseder is null then 'available' else 'cancelled' end;
  end if;

  if p_outcome = 'crashed' then
    noted := append_event(j.id, j.attempt, 'lease_lost', jsonb_build_object('worker_id', j.worker_id, 'error', p_error));
  elsif failed then
    noted := append_event(j.id, j.attempt, 'attempt_failed', jsonb_build_object('error', p_error, 'outcome', p_outcome));
  end if;

  if superseder is not null then
    j.cancel_requested_at := clock_timestamp();
    noted := append_event(j.id, j.attempt, 'cancel_requested',
      jsonb_build_object('by', 'tidemill', 'reason', format('superseded by %s', superseder)));
  end if;

  if j.state <> 'available' then
    perform archive(j);
    return j.state::text;
  end if;

  if failed then
    j.run_at := clock_timestamp() + coalesce(p_delay, make_interval(secs => (p_error ->> 'retry_after_seconds')::double precision), backoff(j.attempt,
      coalesce(k.backoff_first, '5 seconds'), coalesce(k.backoff_factor, 2),
      coalesce(k.backoff_max, '1 hour'), coalesce(k.backoff_jitter, 0.2)));
    noted := append_event(j.id, j.attempt, 'retry', jsonb_build_object('run_at', j.run_at));
    ran := clock_timestamp() - j.started_at;
    insert into stats_deltas (queue, kind, outcome, jobs, ran, ran_least, ran_most)
    values (j.queue, j.kind, 'retried', 1, ran, ran, ran);
  else
    -- A job that is handed back keeps its place; it was due already.
    if p_outcome <> 'released' then
      j.run_at := clock_timestamp() + coalesce(p_delay, '0');
    end if;
    -- The lease is void from here on; it distinguishes a repeated snooze from another one.
    noted := append_event(j.id, j.attempt, p_outcome, jsonb_strip_nulls(jsonb_build_object(
      'run_at', case when p_outcome <> 'waits' then j.run_at end,
      'delay_seconds', extract(epoch from p_delay), 'lease_id', p_lease, 'for', p_wait)));
    j.attempt := j.attempt - 1;
  end if;
  if p_outcome = 'waits' then
    return block_on(j, p_wait);
  end if;
  perform queue_again(j, j.run_at);
  return case when j.group_id is null then 'available' else 'waiting' end;
end
$$;
comment on function settle_attempt(uuid, uuid, text, jsonb, interval, jsonb, jsonb)
  is 'Ends an attempt that did not complete: failed, timed_out, crashed, snoozed, released, waits (see block_on) or cancelled. Decides between a retry and the end; returns the new state, null if the lease is lost.';

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
      select min(started_at), at
      from running
      having min(started_at) < at
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
