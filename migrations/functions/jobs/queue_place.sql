-- The place of a job in its queue, for explanations and estimates: the workers that could take it and
-- the jobs before it. Reads are bounded: of a backlog, only the jobs before the job are read. All in plpgsql, which keeps
-- its plans: a report explains many jobs.

create or replace function live_workers(p_kind text, p_queue text)
returns table (id text, state text, serves_queue boolean, slots integer)
language plpgsql
stable
set search_path from current
as $$
#variable_conflict use_column
begin
  return query
  select
    w.id,
    case when w.drain_requested_at is not null then 'draining' else w.state end,
    w.queues ? p_queue or w.other_queue_slots > 0,
    coalesce(q.slots, (w.queues ->> p_queue)::integer, w.other_queue_slots)
  from workers w
  left join queues q on q.name = p_queue
  where w.state <> 'stopped'
    and w.seen_at > now() - w.lease_ttl
    and p_kind = any(w.kinds);
end
$$;
comment on function live_workers(text, text) is 'The workers with a heartbeat that serve a kind, and the number of slots that each has for a queue.';

create or replace function due_before(p_job jobs) returns table (kind text, concurrency_keys text[])
language plpgsql
volatile
set search_path from current
as $$
#variable_conflict use_column
begin
  return query
  -- Each priority on its own and up to the job's place: of a backlog, only the jobs before it are read.
  select a.kind::text, a.concurrency_keys
  from (
    select p.priority, case when p.priority < p_job.priority then now() else least(now(), coalesce(p_job.due_at, p_job.run_at)) end as until
    from generate_series(1, p_job.priority) as p (priority)
  ) p
  cross join lateral (
    select j.*
    from jobs_live j
    where j.queue = p_job.queue
      and j.priority = p.priority
      and j.run_at <= p.until
      and j.state = 'available'
      and j.group_id is null
    union all
    select j.*
    from ready_groups t
    join jobs_live j on j.queue = t.queue and j.priority = t.priority and j.group_id = t.group_id
    where t.queue = p_job.queue
      and t.priority = p.priority
      and j.state = 'waiting'
      and j.due_at <= p.until
  ) a
  where a.id <> p_job.id
    and (
      a.priority < p_job.priority
      or (coalesce(a.due_at, a.run_at), a.id) < (coalesce(p_job.due_at, p_job.run_at), p_job.id))
    and (a.expires_at is null or a.expires_at > now() or a.started_at is not null)
  limit 10000;
end
$$;
comment on function due_before(jobs) is 'The due jobs of its queue that come before a job, at most 10,000.';

create or replace function jobs_ahead(p_job jobs) returns bigint
language plpgsql
volatile
set search_path from current
as $$
begin
  return (
    with served as materialized (
      select array(
        select distinct k.kind
        from live_workers(p_job.kind, p_job.queue) l
        join workers w on w.id = l.id
        cross join unnest(w.kinds) as k (kind)
        where l.serves_queue
          and l.state <> 'draining'
          and not exists (select 1 from kinds b where b.name = k.kind and b.breaker_open_until > now())
      ) as kinds,
      full_keys() as full_now
    )
    select count(*)
    from (
      select 1
      from due_before(p_job) d
      cross join served s
      where d.kind = any(s.kinds)
        and not coalesce(d.concurrency_keys && s.full_now, false)
      limit 5000
    ) ahead);
end
$$;
comment on function jobs_ahead(jobs)
  is 'The number of due jobs of its queue that are claimed before it by the workers that serve it; 5000 means that number or more. Of at most 10,000 due jobs, those count whose kind these workers serve and whose breaker and limits let them start.';

create or replace function place_in_queue(p_job jobs, out ahead bigint, out busy bigint, out slots bigint)
language plpgsql
volatile
set search_path from current
as $$
#variable_conflict use_column
begin
  with free_workers as materialized (
    select l.id, l.slots
    from live_workers(p_job.kind, p_job.queue) l
    where l.serves_queue
      and l.state <> 'draining'
  )
  select
    jobs_ahead(p_job),
    (select count(*) from running r where r.queue = p_job.queue and r.worker_id in (select w.id from free_workers w)),
    (select coalesce(sum(w.slots), 0) from free_workers w)
  into ahead, busy, slots;
end
$$;
comment on function place_in_queue(jobs, out bigint, out bigint, out bigint)
  is 'The place of a job in its queue: the number of jobs ahead of it, and the taken and total slots of the workers that could take it.';
