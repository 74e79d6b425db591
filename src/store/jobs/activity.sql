-- Activity: the jobs of an owner that changed, each with the time of its last change; the newest change first.
--
-- $1 text         the owner
-- $2 text[]       only jobs of these kinds; null for all
-- $3 timestamptz  the time of the read before: what changed since then; null for the newest changes of all
-- $4 bigint       the oldest transaction that had not ended then: what a later one wrote counts too; null if unknown
-- $5 bigint       the most unfinished jobs that are looked at, and the most finished ones
--
-- Indexes: jobs_owner on jobs_live, jobs_owner_finished on the days of history; progress and events by primary key.
--
-- Why it is written so:
-- - No index has the time of a live job's last change, because no claim and no event may write one. A user has few
--   unfinished jobs, so all are looked at, each with its last event.
-- - An hour before $3 covers transactions that lasted that long. Of these, $4 shows which had not ended.
-- - A claim and an event commit at once, but their times are not those of their ends: five seconds are read twice.
with live as materialized (
  select j.id, j.kind, j.written_in, j.created_at, j.started_at, j.cancel_requested_at
  from jobs_live j
  where j.owner = $1
  order by j.id desc
  limit $5
),
changed as (
  select
    l.id,
    l.kind,
    l.written_in,
    greatest(clamp_time(l.created_at), clamp_time(l.started_at), clamp_time(l.cancel_requested_at), e.at) as at
  from live l
  left join progress p on p.job_id = l.id
  left join lateral (
    select e.at
    from events e
    where e.job_id = l.id
      and e.seq = p.last_seq
      and e.at >= coalesce($3::timestamptz - interval '1 hour', '-infinity')
  ) e on true
),
finished as materialized (
  select j.id, j.kind, j.written_in, j.finished_at as at
  from jobs j
  where j.owner = $1
    and j.finished_at >= coalesce($3::timestamptz - interval '1 hour', '-infinity')
  order by j.finished_at desc
  limit $5
)
select
  a.id as "id!",
  a.at as "at!",
  (select count(*) from live) >= $5 or (select count(*) from finished) >= $5 as "is_cut!"
from (
  select * from changed
  union all
  select * from finished
) a
where ($2::text[] is null or a.kind = any($2))
  and ($3::timestamptz is null or a.at >= $3::timestamptz - interval '5 seconds' or a.written_in >= $4::bigint)
order by a.at desc, a.id desc
