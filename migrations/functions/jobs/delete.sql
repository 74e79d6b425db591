-- Delete: removes a job that does not run, with everything that is stored about it.

create or replace function delete_job_records(p_jobs uuid[]) returns void
language sql
set search_path from current
as $$
  delete from dependencies where job_id = any(p_jobs);
  delete from blocked_jobs where job_id = any(p_jobs);
  delete from workflows where id = any(p_jobs);
  delete from steps where job_id = any(p_jobs);
  delete from signals where job_id = any(p_jobs);
$$;
comment on function delete_job_records(uuid[]) is 'Removes the records of deleted jobs outside of their history.';

create or replace function delete_one(p_job uuid, p_recorded boolean) returns text
language plpgsql
set search_path from current
as $$
declare
  j jobs;
  affected uuid[];
  known boolean := exists (select from dependencies where job_id = p_job or parent_id = p_job);
begin
  -- Before the job, as in every transaction that resolves dependencies.
  if known then
    perform lock_workflows();
  end if;
  j := lock_job(p_job);
  if j.id is null then
    return null;
  elsif j.state = 'running' or j.finished_at is null and j.kind = 'tidemill.workflow' then
    return 'running';
  end if;
  if p_recorded then
    perform audit('delete', 'job:' || p_job, jsonb_build_object('kind', j.kind, 'queue', j.queue, 'state', j.state, 'created_at', j.created_at), null);
  end if;
  -- Jobs that wait for it learn how it ended while that is known.
  while known and j.finished_at is not null and exists (select from finished_parents where job_id = p_job) loop
    perform resolve();
  end loop;
  -- A job that needs its result, and did not run yet, never gets it; nor does its workflow.
  with affected as (
    update dependencies d
    set outcome = 'cancelled'
    from blocked_jobs w
    join jobs_live l on l.id = w.job_id
    where known
      and d.parent_id = p_job
      and (d.member or d.pass_as is not null)
      and d.outcome = 'completed'
      and w.job_id = d.job_id
      and l.started_at is null
    returning d.job_id
  )
  select array_agg(job_id) into affected from affected;
  delete from jobs where id = p_job;
  delete from task_ids where job_id = p_job;
  delete from events where job_id = p_job;
  delete from attempts where job_id = p_job;
  delete from progress where job_id = p_job;
  perform delete_job_records(array[p_job]);
  perform evaluate_wait_isolated(r.id) from unnest(affected) as r (id);
  return 'deleted';
end
$$;
comment on function delete_one(uuid, boolean) is 'Like delete_job; the caller decides whether it is recorded as an action.';

create or replace function delete_job(p_job uuid) returns text
language sql
set search_path from current
as $$
  select delete_one(p_job, true)
$$;
comment on function delete_job(uuid) is 'Removes a job that does not run, with all its history. For jobs that wait for it while it is live, or that need its result after it completed, it counts as cancelled. Returns deleted, running, or null if there is no such job.';
