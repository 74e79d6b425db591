-- Rights: which roles exist, what they were granted, and which grants are missing, by the current
-- state of the database. A role can be made later than the schema, and a dump can be restored
-- without roles or without privileges.

create or replace function missing_roles() returns setof text
language sql
stable
set search_path from current
as $$
  select wanted.name
  from unnest(array['tidemill_admin', 'tidemill_worker', 'tidemill_reader']) as wanted (name)
  where not exists (select from pg_roles r where r.rolname = wanted.name)
$$;
comment on function missing_roles() is 'Those of the three roles that this server does not have.';

create or replace function rights_now() returns text[]
language sql
stable
set search_path from current
set quote_all_identifiers = off
as $$
  select coalesce(array_agg(granted.line order by granted.line collate "C"), '{}')
  from (
    select format('%s %s to %s', lower(a.privilege_type), o.what, r.rolname) as line
    from (
      select format('schema %s', n.nspname) as what, n.nspacl as acl
      from pg_namespace n
      where n.nspname = current_schema()
      union all
      select format('table %s', c.relname), c.relacl
      from pg_class c
      where c.relnamespace = current_schema()::regnamespace
        and c.relkind in ('r', 'p', 'v', 'S')
        -- Partitions come and go; readers read the whole table.
        and c.relname !~ '_\d{4}_\d{2}_\d{2}$'
      union all
      select format('function %s(%s)', p.proname, pg_get_function_identity_arguments(p.oid)), p.proacl
      from pg_proc p
      where p.pronamespace = current_schema()::regnamespace
    ) o
    cross join lateral aclexplode(o.acl) a
    join pg_roles r on r.oid = a.grantee
    where r.rolname in ('tidemill_admin', 'tidemill_worker', 'tidemill_reader')
  ) granted
$$;
comment on function rights_now() is 'The rights of the three roles in this schema, one line each.';

create or replace function open_functions() returns setof text
language sql
stable
set search_path from current
as $$
  select p.oid::regprocedure::text
  from pg_proc p
  where p.pronamespace = current_schema()::regnamespace
    and exists (
      select
      from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
      where a.grantee = 0 and a.privilege_type = 'EXECUTE')
$$;
comment on function open_functions() is 'Functions that every login with access to the schema can call.';

create or replace function missing_grants() returns setof text
language sql
stable
set search_path from current
as $$
  -- As a query of its own, for the planner calls a bare function too, to estimate its rows.
  with now_there as materialized (select unnest((select rights_now())) as line)
  select r.line
  from schema_compatibility c
  cross join unnest(c.rights) as r (line)
  where r.line not in (select n.line from now_there n)
  union all
  -- It was made after the grants.
  select format('usage schema %s to %s', current_schema(), r.rolname)
  from pg_roles r
  where r.rolname in ('tidemill_admin', 'tidemill_worker', 'tidemill_reader')
    and not exists (
      select
      from schema_compatibility c
      cross join unnest(c.rights) as g (line)
      where g.line = format('usage schema %s to %s', current_schema(), r.rolname))
$$;
comment on function missing_grants() is 'The grants of the existing roles that are missing now.';

create or replace function lacks_grants() returns boolean
language sql
stable
set search_path from current
as $$
  select exists (select from open_functions())
    -- A role that is gone cannot get them.
    or exists (
      select
      from missing_grants() g (line)
      where not exists (select from missing_roles() m (name) where g.line like '% to ' || m.name))
    or exists (select from missing_roles()) and (select r.rolcreaterole or r.rolsuper from pg_roles r where r.rolname = current_user)
$$;
comment on function lacks_grants() is 'Whether grants must be made now: some were never made or are gone, every login can call a function, or a role is missing that the caller can make.';

create or replace function doctor_rights()
returns table ("check" text, severity text, message text, advice text, details jsonb)
language sql
stable
set search_path from current
as $$
  with open as materialized (
    select count(*) as functions, count(*) filter (where p.prosecdef) as definers
    from open_functions() f (name)
    join pg_proc p on p.oid = f.name::regprocedure
  )
  select 'rights', 'critical',
    format('every role that can use the schema can call %s of its functions, %s of them with the rights of the owner', open.functions, open.definers),
    'run tidemill migrate, which takes that back', jsonb_build_object('functions', open.functions, 'security_definer', open.definers)
  from open
  where open.functions > 0
  union all
  select 'rights', 'warning', format('%s %s missing on this server, so their members cannot read, work or act',
      string_agg('role ' || m.name, ', ' order by m.name), case when count(*) = 1 then 'is' else 'are' end),
    'as a role that may make roles: ' || string_agg(format('create role %I', m.name), '; ' order by m.name) || '; then run tidemill migrate',
    jsonb_build_object('roles', jsonb_agg(m.name))
  from missing_roles() m (name)
  having count(*) > 0
  union all
  select 'rights', 'warning', format('%s grants to the roles are missing, such as: %s', count(*), min(g.line)), 'run tidemill migrate',
    jsonb_build_object('count', count(*))
  from missing_grants() g (line)
  -- They cannot be granted before the role exists, which is reported above.
  where not exists (select from missing_roles() m (name) where g.line like '% to ' || m.name)
  having count(*) > 0
$$;
comment on function doctor_rights() is 'Rights that a role has but should not have, and rights that it should have but lacks.';

create or replace function doctor_replication()
returns table ("check" text, severity text, message text, advice text, details jsonb)
language sql
stable
set search_path from current
as $$
  select 'replication', 'critical',
    format('publication %s sends changes of table %s, which has no replica identity: deletes and updates of its rows fail', p.pubname, c.relname),
    format('alter table %I.%I replica identity full', current_schema(), c.relname), jsonb_build_object('publication', p.pubname, 'table', c.relname)
  from pg_publication_tables t
  join pg_publication p on p.pubname = t.pubname
  -- A partitioned table needs none, its partitions do; a plain table is in no tree.
  cross join lateral (select format('%I.%I', t.schemaname, t.tablename)::regclass as oid) named
  left join lateral pg_partition_tree(named.oid) leaf on true
  join pg_class c on c.oid = coalesce(leaf.relid, named.oid) and c.relkind = 'r'
  where t.schemaname = current_schema()
    and (p.pubupdate or p.pubdelete)
    and case c.relreplident
      when 'd' then not exists (select from pg_index x where x.indrelid = c.oid and x.indisprimary)
      when 'i' then not exists (select from pg_index x where x.indrelid = c.oid and x.indisreplident)
      else c.relreplident = 'n'
    end
$$;
comment on function doctor_replication() is 'Published tables without a replica identity.';
