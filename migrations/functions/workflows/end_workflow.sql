-- End of a workflow: its progress, its result, its own end, and the stop after a failure.

create or replace function workflow_result(p_workflow uuid) returns jsonb
language sql
stable
set search_path from current
as $$
  select case w.result_is
      when 'array' then coalesce(jsonb_agg(j.result order by d.ord) filter (where d.parent_id is not null), '[]')
      when 'last' then jsonb_agg(j.result order by d.ord desc) -> 0
      else coalesce(jsonb_object_agg(coalesce(d.name, d.parent_id::text), j.result) filter (where d.parent_id is not null), '{}')
    end
  from workflows w
  left join dependencies d on d.job_id = w.id and d.member
  left join jobs j on j.id = d.parent_id
  where w.id = p_workflow
  group by w.result_is
$$;
comment on function workflow_result(uuid) is 'The result of a workflow: the results of its members.';

create or replace function end_workflow(p_job jobs) returns void
language plpgsql
set search_path from current
as $$
declare
  members record;
begin
  select
    count(*) filter (where d.outcome in ('failed', 'cancelled')) as bad,
    count(*) filter (where d.outcome = 'failed') as failed,
    count(*) > 0 and count(*) = count(*) filter (where d.outcome = 'skipped') as skipped,
    string_agg(d.name, ', ' order by d.ord) filter (where d.nth_bad <= 5) as names
  into members
  from (
    select
      outcome, ord, coalesce(name, parent_id::text) as name,
      case when outcome in ('failed', 'cancelled') then
        row_number() over (partition by outcome in ('failed', 'cancelled') order by outcome = 'failed' desc, ord)
      end as nth_bad
    from dependencies
    where job_id = p_job.id
      and member
  ) d;
  if p_job.cancel_requested_at is not null then
    p_job.state := 'cancelled';
  elsif members.bad > 0 then
    p_job.state := case when members.failed > 0 then 'failed' else 'cancelled' end;
    p_job.error := jsonb_build_object('type', 'workflow_failed', 'permanent', true,
      'message', format('%s members did not complete: %s%s', members.bad, members.names, case when members.bad > 5 then ', …' else '' end));
  elsif members.skipped then
    p_job.state := 'cancelled';
    p_job.error := jsonb_build_object('type', 'skipped', 'permanent', true, 'message', 'none of its members was needed');
  else
    perform require_results(p_job.id);
    p_job.state := 'completed';
    p_job.result := workflow_result(p_job.id);
    perform note_references(p_job.id, p_job.result);
  end if;
  perform archive(p_job);
end
$$;
comment on function end_workflow(jobs) is 'Ends a locked workflow whose members have all ended: with their results, or with the members that did not complete.';

create or replace function note_progress(p_workflows uuid[]) returns void
language plpgsql
set search_path from current
as $$
declare
  flow workflows;
begin
  for flow in
    update workflows w
    set done = least(w.members, w.done + t.ended)
    from (select job_id, count(*) as ended from unnest(p_workflows) as t (job_id) group by job_id) t
    where w.id = t.job_id
      and exists (select from jobs_live l where l.id = w.id)
    returning w.*
  loop
    perform notify_event(flow.id, append_event(flow.id, 0, 'progress', jsonb_build_object(
      'percent', case when flow.members = 0 then 100 else round(100.0 * flow.done / flow.members, 2) end,
      'step', format('%s of %s', flow.done, flow.members))));
  end loop;
end
$$;
comment on function note_progress(uuid[]) is 'Counts ended members for their workflows: each element of the array is the workflow of one member.';

create or replace function stop_workflow(p_workflow uuid) returns void
language plpgsql
set search_path from current
as $$
declare
  member uuid;
  until timestamptz := statement_timestamp() + coalesce(nullif(current_setting('statement_timeout')::interval, '0') / 3, '10 seconds');
begin
  for member in
    with recursive cleaning (id) as (
      -- Jobs that clean up after a failure run, and continue. The first jobs of a nested workflow
      -- wait for the same jobs as the workflow.
      select e.job_id
      from dependencies m
      join dependencies e on e.parent_id = m.parent_id
      where m.job_id = p_workflow
        and m.member
        and not e.member
        and e.run_if in ('any_failed', 'all_finished')
      union
      select w.job_id
      from cleaning c
      join dependencies w on w.parent_id = c.id
      where w.member
    )
    select l.id
    from dependencies d
    join jobs_live l on l.id = d.parent_id
    where d.job_id = p_workflow
      and d.member
      and l.cancel_requested_at is null
      and l.id not in (select c.id from cleaning c)
    order by l.id
  loop
    perform cancel_one(member, 'another job of the workflow failed', 'workflow', false);
    -- The ends of these jobs lead here again.
    exit when clock_timestamp() > until;
  end loop;
end
$$;
comment on function stop_workflow(uuid)
  is 'Cancels the live members of a workflow, except those that run after failures; if it takes long, later calls cancel the rest.';
