-- Workflows: graphs of jobs, stored as a whole or not at all. A workflow, a group and a chain are
-- each a job of the kind tidemill.workflow that waits for its members; no worker runs it.

create or replace function bad_workflow(p_path text, p_message text, p_hint text) returns void
language plpgsql
as $$
begin
  raise exception '%: %', coalesce(nullif(p_path, ''), 'workflow'), p_message
    -- Class 22 is bad data; TM marks the message as Tidemill's own.
    using errcode = '22TM1', hint = p_hint;
end
$$;
comment on function bad_workflow(text, text, text) is 'Refuses a workflow: the place, the reason, and the remedy.';

create or replace function check_spec(p_path text, p_spec jsonb) returns void
language plpgsql
set search_path from current
as $$
declare
  known constant text[] := '{name,on_failure,jobs,group,chain,as,then,result,after,run_if,queue,execution_id,tags,metadata,retain,owner}';
  wrong text;
begin
  select k into wrong from jsonb_object_keys(p_spec) as k where k <> all(known) limit 1;
  if found then
    perform bad_workflow(p_path, format('it has the unknown field %s', wrong), 'use ' || array_to_string(known, ', '));
  elsif p_spec ->> 'on_failure' not in ('continue', 'cancel') then
    perform bad_workflow(p_path, format('on_failure is %s', p_spec ->> 'on_failure'), 'use continue or cancel');
  elsif p_spec ? 'result' and (p_spec ? 'then' or p_spec ->> 'result' not in ('object', 'array', 'last')) then
    perform bad_workflow(p_path, 'its result cannot be as it says', 'use object, array or last; with then it is the last one''s');
  end if;
end
$$;
comment on function check_spec(text, jsonb) is 'Refuses unknown fields and values in the options of a workflow.';

create or replace function members_of(p_spec jsonb, p_path text) returns table (ord bigint, name text, node jsonb, after jsonb)
language plpgsql
set search_path from current
as $$
#variable_conflict use_column
declare
  form text;
  forms bigint;
begin
  select max(k), count(*) into form, forms
  from jsonb_object_keys(p_spec) as k
  where k in ('jobs', 'group', 'chain');
  if forms <> 1 or jsonb_typeof(p_spec -> form) <> 'array' then
    perform bad_workflow(p_path, 'it has not exactly one of jobs, group and chain', 'send one of them, an array of jobs');
  end if;
  if exists (select from jsonb_array_elements(p_spec -> form) as e (node) where jsonb_typeof(e.node -> 'after') <> 'array') then
    perform bad_workflow(p_path, 'the after of one of its jobs is no array', 'send an array of names');
  end if;
  if form <> 'jobs' and jsonb_path_exists(p_spec -> form, '$[*].after') then
    perform bad_workflow(p_path, format('a job of a %s has after', form), 'write after in jobs; a group has no order, a chain has its own');
  end if;
  return query
  with named as (
    select e.ord, coalesce(e.value ->> 'name', e.ord::text) as name, e.value as node
    from jsonb_array_elements(p_spec -> form) with ordinality as e (value, ord)
  )
  select
    n.ord, n.name, n.node,
    case form
      when 'jobs' then (
        select jsonb_agg(case when jsonb_typeof(a.value) = 'string' then jsonb_build_object('job', a.value) else a.value end order by a.ord)
        from jsonb_array_elements(n.node -> 'after') with ordinality as a (value, ord))
      when 'chain' then
        case when n.ord > 1 then
          jsonb_build_array(jsonb_strip_nulls(jsonb_build_object('job', lag(n.name) over (order by n.ord), 'as', p_spec -> 'as')))
        end
    end
  from named n
  order by n.ord;
end
$$;
comment on function members_of(jsonb, text) is 'The jobs of one workflow, group or chain, each with its name and the names of those that it waits for.';

create or replace function check_members(p_path text, p_names text[], p_nodes jsonb[], p_afters jsonb[]) returns void
language plpgsql
set search_path from current
as $$
declare
  wrong text;
  -- The jobs that can be reached, and their number in the round before.
  settled text[] := '{}';
  before integer := -1;
begin
  select name into wrong from unnest(p_names) as n (name) group by name having count(*) > 1 limit 1;
  if found then
    perform bad_workflow(p_path, format('two jobs are called %s', wrong), 'give each a name of its own');
  end if;
  select n.name into wrong
  from unnest(p_names, p_nodes) as n (name, node)
  where jsonb_typeof(n.node) <> 'object'
    or (n.node ? 'kind')::integer + (n.node ? 'jobs')::integer + (n.node ? 'group')::integer + (n.node ? 'chain')::integer <> 1
  limit 1;
  if found then
    perform bad_workflow(p_path, format('%s has not exactly one of kind, jobs, group and chain', wrong), 'send one of them');
  end if;
  select n.name into wrong
  from unnest(p_names, p_nodes, p_afters) as n (name, node, after)
  where n.node ? 'run_if'
    and (coalesce(jsonb_array_length(n.after), 0) = 0
      or n.node ->> 'run_if' not in ('all_completed', 'all_finished', 'any_completed', 'any_failed'))
  limit 1;
  if found then
    perform bad_workflow(p_path, format('the run_if of %s is of no use', wrong),
      'use all_completed, all_finished, any_completed or any_failed, and only where the job waits for others');
  end if;
  select a.value ->> 'job' into wrong
  from unnest(p_afters) as n (after)
  cross join jsonb_array_elements(n.after) as a (value)
  where (a.value ->> 'job' = any(p_names)) is not true
  limit 1;
  if found then
    perform bad_workflow(p_path, format('after names %s, which is none of its jobs', coalesce(wrong, 'nothing')), 'name a job of the same list');
  end if;
  if coalesce(cardinality(array_remove(p_afters, null)), 0) = 0 then
    return;
  end if;
  while cardinality(settled) > before and cardinality(settled) < cardinality(p_names) loop
    before := cardinality(settled);
    select settled || coalesce(array_agg(n.name), '{}') into settled
    from unnest(p_names, p_afters) as n (name, after)
    where n.name <> all(settled)
      and not exists (select from jsonb_array_elements(n.after) as a (value) where a.value ->> 'job' <> all(settled));
  end loop;
  if cardinality(settled) < cardinality(p_names) then
    select string_agg(n.name, ', ') into wrong from unnest(p_names) as n (name) where n.name <> all(settled);
    perform bad_workflow(p_path, format('these jobs wait for one another: %s', wrong), 'take out one of the edges');
  end if;
end
$$;
comment on function check_members(text, text[], jsonb[], jsonb[]) is 'Refuses names that are not unique, are unknown or form a cycle.';

create or replace function with_owner(p_node jsonb, p_spec jsonb) returns jsonb
language plpgsql
set search_path from current
as $$
begin
  if p_spec ->> 'owner' is null or jsonb_typeof(p_node) <> 'object' then
    return p_node;
  elsif p_node ->> 'owner' <> p_spec ->> 'owner' then
    perform bad_workflow('', 'one of its jobs has another owner than the workflow', 'give the owner of the workflow only');
  end if;
  return p_node || jsonb_build_object('owner', p_spec -> 'owner');
end
$$;
comment on function with_owner(jsonb, jsonb) is 'A job of a workflow with the owner of the workflow, which every job of it has.';

create or replace function plan_workflow(p_spec jsonb, p_id uuid, p_path text, p_after jsonb, p_run_if text, p_depth integer default 0)
returns table (id uuid, job jsonb, options jsonb)
language plpgsql
set search_path from current
as $$
#variable_conflict use_column
declare
  m record;
  ids uuid[];
  names text[];
  nodes jsonb[];
  afters jsonb[];
  waits_for jsonb;
  node_run_if text;
begin
  if p_depth > 8 then
    perform bad_workflow(p_path, 'it is nested more than 8 deep', 'make it flatter');
  end if;
  perform check_spec(p_path, p_spec);
  if p_spec ? 'then' then
    -- A group with a job in then is a workflow of the two.
    p_spec := jsonb_build_object(
      'name', p_spec -> 'name', 'on_failure', p_spec -> 'on_failure', 'owner', p_spec -> 'owner', 'result', to_jsonb('last'::text),
      'jobs', jsonb_build_array(
        (p_spec - 'then' - 'after' - 'run_if' - 'on_failure') || '{"name": "members"}',
        (p_spec -> 'then') - 'as' || jsonb_build_object('name', 'then', 'after', jsonb_build_array(
          jsonb_build_object('job', 'members', 'as', coalesce(p_spec #> '{then,as}', '"results"'))))));
  end if;
  select array_agg(new_job_id() order by ord), array_agg(name order by ord), array_agg(with_owner(node, p_spec) order by ord), array_agg(after order by ord)
  into ids, names, nodes, afters
  from members_of(p_spec, p_path);
  perform check_members(p_path, names, nodes, afters);
  insert into workflows (id, name, on_failure, result_is, members)
  values (
    p_id, coalesce(p_spec ->> 'name', nullif(p_path, ''), 'workflow'), coalesce(p_spec ->> 'on_failure', 'continue'),
    coalesce(p_spec ->> 'result', case when p_spec ? 'group' then 'array' when p_spec ? 'chain' then 'last' else 'object' end),
    coalesce(cardinality(ids), 0));
  for m in
    select * from unnest(ids, names, nodes, afters) with ordinality as m (id, name, node, after, ord)
  loop
    -- The first jobs of a nested workflow wait for the same jobs as the workflow.
    waits_for := case
      when m.after is null then p_after
      else (
        select jsonb_agg(a.value || jsonb_build_object('job', ids[array_position(names, a.value ->> 'job')], 'name', a.value -> 'job') order by a.ord)
        from jsonb_array_elements(m.after) with ordinality as a (value, ord))
    end;
    node_run_if := case when m.after is null then p_run_if else m.node ->> 'run_if' end;
    if m.node ? 'kind' then
      return query select
        m.id,
        m.node - 'name' - 'after' - 'run_if',
        jsonb_strip_nulls(jsonb_build_object('workflow_id', p_id, 'after', nullif(waits_for, '[]'), 'run_if', node_run_if));
    else
      return query
      select p.id, p.job, case when p.id = m.id then p.options || jsonb_build_object('workflow_id', p_id) else p.options end
      from plan_workflow(m.node, m.id, concat_ws('.', nullif(p_path, ''), m.name), waits_for, node_run_if, p_depth + 1) p;
    end if;
  end loop;
  return query select
    p_id,
    jsonb_build_object('kind', 'tidemill.workflow', 'args', '{}'::jsonb)
      || jsonb_strip_nulls(jsonb_build_object(
        'queue', p_spec -> 'queue', 'execution_id', p_spec -> 'execution_id', 'tags', p_spec -> 'tags',
        'metadata', p_spec -> 'metadata', 'retain', p_spec -> 'retain', 'owner', p_spec -> 'owner')),
    jsonb_strip_nulls(jsonb_build_object(
      'is_workflow', true,
      'run_if', case when ids is null then p_run_if else 'all_finished' end,
      -- Without members it ends when its turn comes.
      'after', case when ids is null then p_after else (
        select jsonb_agg(jsonb_build_object('job', n.id, 'name', n.name, 'member', true) order by n.ord)
        from unnest(ids, names) with ordinality as n (id, name, ord)) end));
end
$$;
comment on function plan_workflow(jsonb, uuid, text, jsonb, text, integer)
  is 'The jobs of a workflow, with all nested ones, in the form that enqueue_requests takes; records the workflows themselves.';

create or replace function create_workflow(p_spec jsonb) returns uuid
language plpgsql
set search_path from current
as $$
declare
  workflow uuid := new_job_id();
  ids uuid[];
  requests jsonb;
  options jsonb[];
begin
  if jsonb_typeof(p_spec) is distinct from 'object' then
    perform bad_workflow('', 'it is no JSON object', 'send {name, jobs: [{name, kind, args, after}, …]}');
  end if;
  select array_agg(p.id), jsonb_agg(p.job), array_agg(p.options)
  into ids, requests, options
  from plan_workflow(p_spec, workflow, '', null, null) p;
  if cardinality(ids) > 10000 then
    perform bad_workflow('', format('it has %s jobs', cardinality(ids)), 'a workflow may have 10,000; let its jobs spawn others');
  end if;
  perform enqueue_requests(requests, ids, options);
  -- Equal messages of one transaction are sent once.
  perform notify_queue(queue, state <> 'available')
  from (select distinct state, queue from jobs_live where id = any(ids)) made;
  return workflow;
end
$$;
comment on function create_workflow(jsonb)
  is 'Enqueues a whole graph of jobs in your transaction: {name, on_failure: continue | cancel, jobs: [{name, kind, args, after: [name or {job, as}], run_if, …}]}, or group: [jobs], or chain: [jobs]; each can be nested instead of a kind, and a group can have then: job. Returns the id of the job that represents it.';

create or replace function cancel_workflow(p_workflow uuid, p_reason text, p_by text) returns text
language plpgsql
set search_path from current
as $$
declare
  j jobs;
  members uuid[];
begin
  perform lock_workflows();
  j := lock_job(p_workflow);
  if j.finished_at is not null then
    return j.state::text;
  end if;
  update jobs_live set cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()) where id = p_workflow;
  members := array(
    select l.id
    from dependencies d
    join jobs_live l on l.id = d.parent_id
    where d.job_id = p_workflow
      and d.member
    order by l.id);
  perform append_event(p_workflow, 0, 'cancel_requested', jsonb_strip_nulls(jsonb_build_object('by', p_by, 'reason', p_reason)));
  if cardinality(members) = 0 then
    j.cancel_requested_at := coalesce(j.cancel_requested_at, clock_timestamp());
    j.state := 'cancelled';
    perform archive(j);
    perform notify_event(p_workflow);
    return 'cancelled';
  end if;
  -- The caller records it as one action.
  perform cancel_one(m.id, coalesce(p_reason, 'the workflow is cancelled'), p_by, false) from unnest(members) as m (id);
  perform notify_event(p_workflow);
  return 'cancel_requested';
end
$$;
comment on function cancel_workflow(uuid, text, text) is 'Cancels the live members of a workflow, also nested ones; it ends when the last of them has ended.';

create or replace function spawn_child(p_job uuid, p_lease uuid, p_name text, p_request jsonb, p_is_workflow boolean default false) returns uuid
language plpgsql
set search_path from current
as $$
declare
  j jobs;
  child uuid;
begin
  perform lock_before_enqueue(p_request);
  -- The fence: a worker that lost the lease changes nothing.
  select * into j from jobs_live where id = p_job and lease_id = p_lease and state = 'running' for update;
  if not found then
    return null;
  end if;
  select spawned_id into child from steps where job_id = p_job and name = p_name;
  if child is not null then
    return child;
  end if;
  p_request := jsonb_strip_nulls(jsonb_build_object('owner', j.owner)) || p_request;
  child := case when p_is_workflow then create_workflow(p_request) else (select enqueue_many(jsonb_build_array(p_request))) end;
  insert into steps (job_id, name, attempt, spawned_id) values (p_job, p_name, j.attempt, child);
  perform notify_event(p_job, append_event(p_job, j.attempt, 'spawned', jsonb_build_object('name', p_name, 'job_id', child)));
  return child;
end
$$;
comment on function spawn_child(uuid, uuid, text, jsonb, boolean)
  is 'Enqueues a job, or a workflow, for a running attempt: once for each name, even if the attempt is repeated. Returns its id, null if the lease is lost.';
