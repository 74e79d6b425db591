-- Counters an hour beside those a minute, so that a week is read as fast as an hour.

create table stats_hours (
  hour timestamptz not null,
  queue text not null,
  kind text not null,
  outcome text not null,
  jobs bigint not null,
  waited interval not null default '0',
  ran interval not null default '0',
  ran_least interval,
  ran_most interval,
  primary key (hour, queue, kind, outcome)
) with (fillfactor = 70);
comment on table stats_hours is 'Counters an hour: the minutes of stats in sum, and kept for two years.';
comment on column stats_hours.hour is 'Beginning of the hour, of UTC whatever the session''s time zone.';
comment on column stats_hours.queue is 'The queue.';
comment on column stats_hours.kind is 'The kind.';
comment on column stats_hours.outcome is 'As in stats_deltas.';
comment on column stats_hours.jobs is 'How many.';
comment on column stats_hours.waited is 'How long they waited, together.';
comment on column stats_hours.ran is 'How long they ran, together.';
comment on column stats_hours.ran_least is 'How long the shortest of them ran; null if none did.';
comment on column stats_hours.ran_most is 'How long the longest of them ran; null if none did.';
comment on table stats is 'Counters a minute of the last 14 days, so that no page counts jobs.';

-- It knows no hours; until it is there again, what is counted stays in stats_deltas.
drop function if exists fold_stats(integer);

do $$
begin
  -- Waits for who folds at this moment.
  lock table stats in share row exclusive mode;
  insert into stats_hours (hour, queue, kind, outcome, jobs, waited, ran, ran_least, ran_most)
  select date_trunc('hour', minute, 'UTC'), queue, kind, outcome, sum(jobs), sum(waited), sum(ran), min(ran_least), max(ran_most)
  from stats
  group by 1, 2, 3, 4;
end
$$;
