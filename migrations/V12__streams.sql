-- Which transaction wrote a row, so that a stream of a kind, of a queue or of all jobs finds what committed
-- since its last look, whatever runs now.

-- As a number and not as xid8, for which BRIN has no operators. That of jobs has no alignment: with one of eight bytes behind
-- the args, a claim would log them again (88 bytes of WAL more, and all args; so 8).
alter table jobs add column written_in numeric not null default (pg_current_xact_id()::text)::numeric;
comment on column jobs.written_in
  is 'The transaction that put the row where it is: enqueued the job, made it live again, or finished it. No claim changes it.';
alter table running add column written_in bigint not null default (pg_current_xact_id()::text)::bigint;
comment on column running.written_in is 'The transaction that claimed the job.';
alter table events add column written_in bigint not null default (pg_current_xact_id()::text)::bigint;
comment on column events.written_in is 'The transaction that wrote the event.';

-- Names a column that no update changes, so that claims stay HOT.
create index jobs_live_written on jobs_live using brin (written_in) with (pages_per_range = 16, autosummarize = on);
comment on index jobs_live_written is 'Finds what was enqueued since a transaction; costs next to nothing to keep.';

-- Days that are there already; ensure_partitions makes it with every further one. What is older nobody has begun to follow.
do $$
declare
  part text;
begin
  for part in
    select c.relname
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    where i.inhparent in ('jobs'::regclass, 'events'::regclass)
      and c.relname ~ '_\d{4}_\d{2}_\d{2}$'
      and to_date(right(c.relname, 10), 'YYYY_MM_DD') >= (now() at time zone 'UTC')::date - 1
  loop
    execute format('create index on %I using brin (written_in) with (pages_per_range = 32, autosummarize = on)', part);
  end loop;
end
$$;
