-- Statistics: exact counters for each minute. Each batch of jobs writes a few rows in its own
-- transaction; they are summed later into minutes and hours. No page counts jobs.

create or replace function aggregate_stats(p_limit integer default 20000) returns integer
language plpgsql
set search_path from current
as $$
declare
  folded integer;
begin
  with taken as materialized (
    delete from stats_deltas
    where ctid in (select ctid from stats_deltas limit p_limit for update skip locked)
    returning *
  ),
  minutes as (
    insert into stats as s (minute, queue, kind, outcome, jobs, waited, ran, ran_least, ran_most)
    select date_trunc('minute', t.at), t.queue, t.kind, t.outcome, sum(t.jobs), sum(t.waited), sum(t.ran), min(t.ran_least), max(t.ran_most)
    from taken t
    group by 1, 2, 3, 4
    order by 1, 2, 3, 4
    on conflict (minute, queue, kind, outcome) do update
    set
      jobs = s.jobs + excluded.jobs,
      waited = s.waited + excluded.waited,
      ran = s.ran + excluded.ran,
      ran_least = least(s.ran_least, excluded.ran_least),
      ran_most = greatest(s.ran_most, excluded.ran_most)
  ),
  hours as (
    insert into stats_hours as s (hour, queue, kind, outcome, jobs, waited, ran, ran_least, ran_most)
    select date_trunc('hour', t.at, 'UTC'), t.queue, t.kind, t.outcome, sum(t.jobs), sum(t.waited), sum(t.ran), min(t.ran_least), max(t.ran_most)
    from taken t
    group by 1, 2, 3, 4
    order by 1, 2, 3, 4
    on conflict (hour, queue, kind, outcome) do update
    set
      jobs = s.jobs + excluded.jobs,
      waited = s.waited + excluded.waited,
      ran = s.ran + excluded.ran,
      ran_least = least(s.ran_least, excluded.ran_least),
      ran_most = greatest(s.ran_most, excluded.ran_most)
  )
  select count(*) into folded from taken;
  return folded;
end
$$;
comment on function aggregate_stats(integer) is 'Adds new counts to their minutes and hours; returns the number of rows that it added. Safe to run anywhere, any time; repeat until 0.';

create or replace function prune_stats() returns void
language sql
set search_path from current
as $$
  delete from stats where minute < now() - interval '14 days';
  delete from stats_hours where hour < now() - interval '2 years';
$$;
comment on function prune_stats() is 'Removes minutes older than 14 days, whose hours are kept, and hours older than two years.';
