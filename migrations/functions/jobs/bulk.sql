-- Bulk actions: one action on all jobs that match a filter, a bounded number at a time.

create or replace function search_condition(p_search text) returns text
language sql
immutable
set search_path from current
as $$
  -- Written out like the filter: `customer.id=42` is a member with its value, everything else is text.
  select case
    when m.parts is not null then format('(has_member(j.args, %1$L, %2$L) or has_member(j.metadata, %1$L, %2$L))',
      string_to_array(m.parts[1], '.'), m.parts[2])
    else format('(has_text(j.args, %1$L) or has_text(j.metadata, %1$L) or position(%1$L in lower(j.error ->> ''message'')) > 0)',
      lower(p_search))
  end
  from regexp_match(p_search, '^([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)=(.+)$') as m (parts)
$$;
comment on function search_condition(text) is 'The condition on a job j that a search by a value in its args, metadata or error means, as in GET /jobs.';

create or replace function check_search(p_filter jsonb) returns void
language plpgsql
stable
set search_path from current
as $$
declare
  -- No index serves a search: it reads the jobs of its window one by one.
  longest constant interval := '31 days';
begin
  if p_filter ? 'search' and char_length(p_filter ->> 'search') < 2 then
    raise exception 'the search is shorter than two characters' using errcode = '22TM1', hint = 'send more of the value';
  elsif p_filter ? 'search'
    and coalesce((p_filter ->> 'created_before')::timestamptz, clock_timestamp()) - (p_filter ->> 'created_after')::timestamptz
      <= longest is not true
  then
    raise exception 'a search without a beginning, or of more than 31 days, could read every job'
      using errcode = '22TM1', hint = 'add created_after, at most 31 days before created_before or now';
  end if;
end
$$;
comment on function check_search(jsonb) is 'Refuses a filter whose search has no window of time, or a longer one than a month.';

create or replace function job_filter(p_filter jsonb) returns text
language plpgsql
stable
set search_path from current
as $$
declare
  known constant text[] :=
    '{state,queue,kind,tag,priority,owner,created_after,created_before,finished_after,finished_before,error,fingerprint,search,workflow}';
  wrong text;
begin
  -- An empty filter, perhaps forgotten, never means all jobs.
  if jsonb_typeof(p_filter) is distinct from 'object' or p_filter = '{}' then
    raise exception 'the filter is empty'
      using errcode = '22TM1', hint = 'send {"all": true} to act on every job on which the action can act';
  end if;
  select k into wrong from jsonb_object_keys(p_filter) as k where k <> all(known) and k <> 'all' limit 1;
  if found then
    raise exception 'the filter has an unknown field %', wrong
      using errcode = '22TM1', hint = 'use ' || array_to_string(known, ', ');
  end if;
  select f.key into wrong
  from jsonb_each(p_filter) as f
  where case when f.key = 'all' then f.value <> 'true' else jsonb_typeof(f.value) <> 'string' end
  limit 1;
  if found then
    raise exception 'the filter field % needs a non-empty text', wrong
      using errcode = '22TM1', hint = 'send a non-empty text; the field all needs the value true';
  end if;
  -- Written out, so that days of history that cannot match are not read.
  return (
    select coalesce(string_agg(
      case f.key
        when 'state' then case
          when f.value in ('scheduled', 'retrying')
            then format('j.finished_at is null and shown_state(j.state, j.attempt, j.run_at, j.due_at) = %L', f.value)
          else format('j.state = %L::job_state', f.value) end
        when 'tag' then format('j.tags @> array[%L]', f.value)
        when 'priority' then format('j.priority = priority_of(%L)', f.value)
        when 'created_after' then format('j.created_at >= %L::timestamptz', f.value)
        when 'created_before' then format('j.created_at < %L::timestamptz', f.value)
        when 'finished_after' then format('j.finished_at >= %L::timestamptz', f.value)
        when 'finished_before' then format('j.finished_at < %L::timestamptz', f.value)
        when 'error' then format('position(lower(%L) in lower(j.error ->> ''message'')) > 0', f.value)
        when 'search' then search_condition(f.value)
        when 'fingerprint' then format('fingerprint(j.kind, j.error) = %L', f.value)
        when 'workflow' then format('j.workflow_id = %L::uuid', f.value)
        else format('j.%I = %L', f.key, f.value)
      end,
      ' and '), 'true')
    from jsonb_each_text(p_filter) as f
    where f.key <> 'all');
end
$$;
comment on function job_filter(jsonb) is 'The condition on a job j that a filter means. The filter is {state, queue, kind, tag, priority, owner, created_after, created_before, finished_after, finished_before, error, fingerprint, search, workflow}, all texts, or {"all": true}.';

create or replace function matching_jobs(p_verb text, p_filter jsonb, p_limit integer, p_after uuid default null) returns setof uuid
language plpgsql
volatile
set search_path from current
as $$
declare
  -- The jobs on which the action can act.
  fits text := case p_verb
    -- Jobs that ended because of another job follow that job, and can do nothing without it.
    when 'retry' then 'finished_at is not null and state in (''failed'', ''cancelled'')
      and (error ->> ''type'' in (''dependency_failed'', ''skipped'')) is not true'
    when 'cancel' then 'finished_at is null and cancel_requested_at is null'
    when 'run_now' then 'finished_at is null and state in (''available'', ''waiting'') and coalesce(nullif(run_at, ''infinity''), due_at) > now()
      and coalesce(nullif(run_at, ''infinity''), due_at) < ''infinity'''
    when 'delete' then 'state <> ''running'' and not (finished_at is null and kind = ''tidemill.workflow'')'
  end;
begin
  if fits is null then
    raise exception 'the action % does not exist', p_verb using errcode = '22TM1', hint = 'use retry, cancel, run_now or delete';
  end if;
  if p_filter ? 'search' then
    raise exception 'a search reads too many jobs for one statement'
      using errcode = '22TM1', hint = 'start an operation, which reads them in steps';
  end if;
  if p_limit is null then
    raise exception 'the maximum number of jobs is missing' using errcode = '22TM1', hint = 'give the maximum number of jobs';
  end if;
  return query execute format('
    select j.id
    from jobs j
    where %s
      and %s
      and ($2 is null or j.id > $2)
    order by j.id
    limit $1',
    fits, job_filter(p_filter))
    using p_limit, p_after;
end
$$;
comment on function matching_jobs(text, jsonb, integer, uuid)
  is 'Jobs after a given job, in the order of their ids, that match a filter in the format of job_filter and on which an action (retry, cancel, run_now, delete) can act.';

create or replace function lock_workflows_for(p_jobs uuid[], p_also_of_waiting boolean) returns void
language plpgsql
set search_path from current
as $$
begin
  -- Before any job, as in every transaction that resolves dependencies.
  if exists (select from dependencies where parent_id = any(p_jobs))
    or p_also_of_waiting and exists (select from dependencies where job_id = any(p_jobs))
    or exists (select from workflows where id = any(p_jobs))
    or exists (select from steps where job_id = any(p_jobs) and spawned_id is not null)
  then
    perform lock_workflows();
  end if;
end
$$;
comment on function lock_workflows_for(uuid[], boolean)
  is 'Takes the lock of lock_workflows before an action on these jobs, if others wait for one of them, or, for a retry or delete, if one of them waits for others.';

create or replace function act_on_jobs(
  p_verb text, p_filter jsonb, p_limit integer default 500, p_dry_run boolean default false,
  p_queue text default null, p_by text default session_user, p_after uuid default null
)
returns table (matched integer, done integer, refused integer, sample uuid[], last uuid)
language plpgsql
set search_path from current
as $$
declare
  found_ids uuid[] := array(select matching_jobs(p_verb, p_filter, p_limit, p_after));
  one uuid;
  answer text;
  held uuid[] := '{}';
begin
  matched := cardinality(found_ids);
  sample := found_ids[1:20];
  last := found_ids[matched];
  done := 0;
  refused := 0;
  if p_dry_run then
    return next;
    return;
  end if;
  perform lock_workflows_for(found_ids, p_verb in ('retry', 'delete'));
  -- Recorded as one action.
  foreach one in array found_ids loop
    begin
      answer := case p_verb
        when 'retry' then case when retry_blocked(one, p_by) then 'held' else retry_one(one, p_by, false) end
        when 'cancel' then cancel_one(one, 'cancelled with others', p_by, false)
        when 'run_now' then run_now_one(one, p_by, false)
        when 'delete' then delete_one(one, false)
      end;
      if p_verb = 'retry' and p_queue is not null then
        perform move_job(one, p_queue);
      end if;
      if answer = 'held' then
        held := held || one;
      end if;
      if answer is null or p_verb = 'delete' and answer = 'running' then
        refused := refused + 1;
      else
        done := done + 1;
      end if;
    exception when others then
      -- A job on which the action fails does not block the others.
      raise notice 'job %: %', one, sqlerrm;
      refused := refused + 1;
    end;
  end loop;
  -- The jobs that they wait for can be finished, unless they are retried as well.
  perform evaluate_wait_isolated(h.id) from unnest(held) as h (id);
  if matched > 0 then
    perform audit(p_verb || ' many', 'jobs', p_filter, jsonb_strip_nulls(jsonb_build_object('done', done, 'refused', refused, 'queue', p_queue)), p_by);
  end if;
  return next;
end
$$;
comment on function act_on_jobs(text, jsonb, integer, boolean, text, text, uuid)
  is 'Applies an action (retry, cancel, run_now, delete) to at most the given number of jobs that match a filter; with p_dry_run it only counts them. Retried jobs can go to another queue. Returns the last job, after which the next call continues: a call that starts over finds the refused jobs again.';

create or replace function move_job(p_job uuid, p_queue text) returns void
language plpgsql
set search_path from current
as $$
declare
  j jobs;
begin
  perform check_name(p_queue, 'queue');
  if exists (select from queues where name = p_queue and draining_at is not null) then
    raise exception 'queue % is draining and takes no new jobs', p_queue
      using errcode = '22TM1', hint = format('select resume_queue(%L)', p_queue);
  end if;
  update jobs_live set queue = p_queue where id = p_job and state in ('available', 'waiting') returning * into j;
  if j.id is null then
    return;
  end if;
  if j.group_id is not null and j.due_at < 'infinity' then
    perform enlist_group(j.queue, j.priority, j.group_id, j.concurrency_keys, j.due_at);
  end if;
  perform notify_queue(p_queue, j.group_id is not null);
end
$$;
comment on function move_job(uuid, text) is 'Moves a job that does not run into another queue.';

create or replace function retry_jobs(filter jsonb, max_jobs integer default 500, dry_run boolean default false, to_queue text default null)
returns table (matched integer, done integer, refused integer, sample uuid[])
language sql
set search_path from current
as $$
  select a.matched, a.done, a.refused, a.sample
  from act_on_jobs('retry', filter, max_jobs, dry_run, to_queue) a
$$;
comment on function retry_jobs(jsonb, integer, boolean, text)
  is 'Redrives failed jobs: select * from retry_jobs(''{"kind": "send-mail"}'', dry_run => true). Repeat until it retries none.';
