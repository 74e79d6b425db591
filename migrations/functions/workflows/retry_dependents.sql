-- Retry of jobs that depend on others: a finished job becomes live again and waits for the same
-- jobs by the same terms. All jobs of one retry become live before any of them is checked.

create or replace function run_if_of(p_job uuid) returns text
language sql
stable
set search_path from current
as $$
  -- A job that waited for its children as well no longer has its first terms.
  select case when min(run_if) = max(run_if) then min(run_if) else 'all_finished' end
  from dependencies
  where job_id = p_job
$$;
comment on function run_if_of(uuid) is 'The run_if terms by which a finished job waited for other jobs; null if it waited for none.';

create or replace function block_again(p_job jobs, p_event jsonb) returns void
language plpgsql
set search_path from current
as $$
declare
  edge dependencies;
begin
  select * into edge
  from dependencies
  where job_id = p_job.id
  order by run_at is null and delay is null
  limit 1;
  delete from jobs where id = p_job.id and finished_at = p_job.finished_at;
  p_job.state := 'waiting';
  p_job.run_at := 'infinity';
  p_job.due_at := case when p_job.group_id is not null then 'infinity'::timestamptz end;
  p_job.finished_at := null;
  p_job.retain_until := null;
  p_job.cancel_requested_at := null;
  p_job.expires_at := null;
  p_job.error := null;
  p_job.result := null;
  p_job.max_attempts := greatest(p_job.max_attempts, p_job.attempt + 1);
  p_job.written_in := (pg_current_xact_id()::text)::numeric;
  insert into jobs_live select (p_job).*;
  if p_job.unique_key is not null then
    perform take_key_again(p_job.id, p_job.unique_key);
  end if;
  insert into blocked_jobs (job_id, run_if, run_at, delay)
  values (p_job.id, run_if_of(p_job.id), edge.run_at, edge.delay)
  on conflict do nothing;
  perform notify_event(p_job.id, append_event(p_job.id, p_job.attempt, 'retry', p_event));
end
$$;
comment on function block_again(jobs, jsonb) is 'Makes a locked finished job, which had waited for other jobs, wait for them again by the same terms.';

create or replace function reopen_dependents(p_job uuid) returns void
language plpgsql
set search_path from current
as $$
declare
  child record;
  j jobs;
begin
  delete from finished_parents where job_id = p_job;
  -- A retry of a member means that the whole workflow continues, even if it was about to end.
  with recursive around (id) as (
    select job_id
    from dependencies
    where parent_id = p_job
      and member
    union
    select d.job_id
    from around a
    join dependencies d on d.parent_id = a.id
    where d.member
  )
  update jobs_live l
  set cancel_requested_at = null
  from around a
  where l.id = a.id
    and l.cancel_requested_at is not null;
  for child in
    update dependencies d
    set outcome = null, resolved_at = null
    where d.parent_id = p_job
      and (
        d.outcome in ('failed', 'cancelled', 'skipped')
        -- A job that still waits for others also waits for this one, unless it already had the
        -- result.
        or d.outcome = 'completed' and exists (
          select
          from blocked_jobs w
          join jobs_live l on l.id = w.job_id
          where w.job_id = d.job_id
            and w.signal is null
            and (l.started_at is null or d.resolved_at >= w.since)))
    returning d.job_id, d.member
  loop
    if child.member then
      update workflows set done = greatest(done - 1, 0) where id = child.job_id;
    end if;
    j := lock_job(child.job_id);
    continue when j.id is null
      or j.finished_at is null
      or j.state = 'completed'
      or (j.kind = 'tidemill.workflow' or j.error ->> 'type' in ('dependency_failed', 'skipped')) is not true;
    perform block_again(j, jsonb_build_object('by', 'tidemill', 'parent_id', p_job));
    perform reopen_dependents(j.id);
  end loop;
end
$$;
comment on function reopen_dependents(uuid) is 'Called after a finished job became live again: jobs that failed or were cancelled because of it, and jobs that still wait for others, wait for it again, and its workflow continues.';

create or replace function retry_blocked(p_job uuid, p_by text) returns boolean
language plpgsql
set search_path from current
as $$
declare
  j jobs := lock_job(p_job);
begin
  if j.finished_at is null
    or j.kind = 'tidemill.workflow'
    or not exists (
      select
      from dependencies d
      where d.job_id = p_job
        and (j.started_at is null or d.outcome is distinct from 'completed'))
  then
    return false;
  end if;
  perform block_again(j, jsonb_build_object('by', p_by));
  perform reopen_dependents(p_job);
  return true;
end
$$;
comment on function retry_blocked(uuid, text)
  is 'Makes a job wait again as at first if it ended before its first start or if some of its parents did not complete; otherwise does nothing and returns false. The caller checks the job when all jobs of the retry are live.';

create or replace function retry_members(p_workflow uuid, p_by text) returns uuid[]
language plpgsql
set search_path from current
as $$
declare
  member record;
  j jobs;
  held uuid[] := '{}';
begin
  for member in
    select f.id, f.kind
    from dependencies d
    join jobs f on f.id = d.parent_id
    where d.job_id = p_workflow
      and d.member
      -- A nested workflow can continue although some of its jobs failed.
      and (f.state in ('failed', 'cancelled') or f.finished_at is null and f.kind = 'tidemill.workflow')
      -- Jobs that were cancelled because of others follow those.
      and (f.error ->> 'type' in ('dependency_failed', 'skipped')) is not true
    order by d.ord
  loop
    -- The caller records it as one action.
    if member.kind = 'tidemill.workflow' then
      held := held || retry_members(member.id, p_by);
    elsif retry_blocked(member.id, p_by) then
      held := held || member.id;
    else
      perform retry_one(member.id, p_by, false);
    end if;
  end loop;
  j := lock_job(p_workflow);
  -- Its members completed, but the workflow did not.
  if j.finished_at is not null
    and j.state <> 'completed'
    and not exists (select from dependencies where job_id = p_workflow and outcome in ('failed', 'cancelled'))
  then
    perform block_again(j, jsonb_build_object('by', p_by));
    perform reopen_dependents(p_workflow);
    held := held || p_workflow;
  end if;
  return held;
end
$$;
comment on function retry_members(uuid, text)
  is 'Makes the failed and cancelled members of a workflow live again, also nested ones. Returns the members that wait for others again; the caller checks them when all are live.';

create or replace function retry_workflow(p_workflow uuid, p_by text default session_user) returns text
language plpgsql
set search_path from current
as $$
begin
  perform lock_workflows();
  -- The jobs that they wait for can be finished, and remain so.
  perform evaluate_wait_isolated(h.id) from unnest(retry_members(p_workflow, p_by)) as h (id);
  return (select state::text from jobs where id = p_workflow);
end
$$;
comment on function retry_workflow(uuid, text) is 'Runs the failed and cancelled members of a workflow again, also nested ones, and the members that waited for them; completed members stay completed. Returns the workflow''s state.';
