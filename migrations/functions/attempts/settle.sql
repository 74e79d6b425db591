-- Settle: the ends of attempts that did not complete.

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

create or replace function record_failure(p_job jobs, p_outcome text, p_error jsonb, p_usage jsonb) returns void
language plpgsql
set search_path from current
as $$
declare
  cause text := fingerprint(p_job.kind, p_error);
begin
  perform ensure_today();
  insert into attempts (
    job_id, attempt, lease_id, worker_id, outcome, error, exit_code, signal, out_of_memory, peak_memory_bytes, started_at,
    fingerprint, log_tail)
  values (
    p_job.id, p_job.attempt, p_job.lease_id, p_job.worker_id, p_outcome, p_error,
    (p_usage ->> 'exit_code')::integer, (p_usage ->> 'signal')::integer,
    coalesce((p_usage ->> 'out_of_memory')::boolean, false), (p_usage ->> 'peak_memory_bytes')::bigint, p_job.started_at,
    cause, log_tail(p_job.id, p_job.attempt));
  insert into failure_deltas (fingerprint, kind, type, message, job_id)
  values (cause, p_job.kind, p_error ->> 'type', left(coalesce(p_error ->> 'message', ''), 500), p_job.id);
  -- The job crashed its worker or its process.
  if p_outcome = 'crashed' or p_error ->> 'type' in ('signal', 'out_of_memory') then
    perform note_crash(p_job.kind);
  end if;
end
$$;
comment on function record_failure(jobs, text, jsonb, jsonb)
  is 'Records a failed attempt of a locked running job and its cause; counts a crash for the breaker of its kind.';

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
    perform record_failure(j, p_outcome, p_error, p_usage);
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
