-- Every table has a replica identity, so that a publication of all tables stands in no statement's way; and what
-- the roles were granted is kept, so that a grant that was lost is seen.

-- They have no key, for one would cost every batch of jobs an index entry; whole rows identify them as well.
alter table failure_deltas replica identity full;
alter table stats_deltas replica identity full;

do $$
declare
  day record;
begin
  for day in
    select c.oid::regclass as part, i.relname as key
    from pg_inherits h
    join pg_class c on c.oid = h.inhrelid
    join pg_index x on x.indrelid = c.oid and x.indisunique and x.indpred is null
    join pg_class i on i.oid = x.indexrelid
    where h.inhparent = 'jobs'::regclass
      and c.relname ~ '_\d{4}_\d{2}_\d{2}$'
    order by c.relname
  loop
    execute format('alter table %s replica identity using index %I', day.part, day.key);
  end loop;
end
$$;

alter table schema_compatibility add column rights text[];
comment on column schema_compatibility.rights
  is 'rights_now() behind the last grants, to see which of them are missing since; null if none were made.';
comment on column schema_compatibility.shape is 'schema_shape() behind the last migration, to see what was changed by hand since.';
