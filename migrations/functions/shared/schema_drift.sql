-- Shape: the parts of the schema, as lines that do not depend on the settings of the session, on a
-- dump and restore, or on the version of Postgres; and the parts that differ from those of a
-- migration.

create or replace function without_brackets(p_text text) returns text
language sql
immutable
as $$
  -- A condition that went through a dump has other brackets, though it means the same.
  select translate(p_text, '()', '')
$$;
comment on function without_brackets(text) is 'A condition as Postgres prints it, without brackets.';

create or replace function schema_shape() returns text[]
language sql
stable
set search_path from current
set timezone = 'UTC'
set datestyle = 'ISO, MDY'
set intervalstyle = 'postgres'
set bytea_output = 'hex'
set extra_float_digits = 1
set quote_all_identifiers = off
set standard_conforming_strings = on
as $$
  with tables as materialized (
    select c.oid, c.relname
    from pg_class c
    where c.relnamespace = current_schema()::regnamespace
      and c.relkind in ('r', 'p')
      and c.relname !~ '_\d{4}_\d{2}_\d{2}$'
  )
  select array_agg(line order by line collate "C")
  from (
    select format('column %s.%s: %s%s', t.relname, a.attname, format_type(a.atttypid, a.atttypmod), case when a.attnotnull then ' not null' else '' end) as line
    from tables t
    join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
    union all
    select format('index %s: %s%s', i.relname, case when x.indisunique then 'unique ' else '' end,
      without_brackets(regexp_replace(pg_get_indexdef(i.oid), '^.* USING ', '')))
    from tables t
    join pg_index x on x.indrelid = t.oid
    join pg_class i on i.oid = x.indexrelid
    union all
    select format('constraint %s.%s: %s', t.relname, o.conname, without_brackets(pg_get_constraintdef(o.oid)))
    from tables t
    join pg_constraint o on o.conrelid = t.oid
    -- From 18 on "not null" is a constraint too; the columns above include it.
    where o.contype <> 'n'
    union all
    select format('domain %s: %s', d.typname, without_brackets(pg_get_constraintdef(o.oid)))
    from pg_type d
    join pg_constraint o on o.contypid = d.oid
    where d.typnamespace = current_schema()::regnamespace
    union all
    select format('trigger %s.%s', t.relname, g.tgname)
    from tables t
    join pg_trigger g on g.tgrelid = t.oid
    where not g.tgisinternal
      and g.tgenabled <> 'D'
    union all
    select format('function %s(%s): %s', p.proname, pg_get_function_identity_arguments(p.oid), md5(p.prosrc))
    from pg_proc p
    where p.pronamespace = current_schema()::regnamespace
    union all
    -- The columns of a view, and all columns that it reads.
    select format('view %s: %s', v.relname, md5(
      (select string_agg(format('%s %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' order by a.attnum) from pg_attribute a where a.attrelid = v.oid and a.attnum > 0)
      || coalesce((
        select string_agg(distinct format('%s.%s', c.relname, a.attname) collate "C", ', ' order by format('%s.%s', c.relname, a.attname) collate "C")
        from pg_rewrite r
        join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
        join pg_class c on c.oid = d.refobjid
        join pg_attribute a on a.attrelid = c.oid and a.attnum = d.refobjsubid
        where r.ev_class = v.oid
          and c.oid <> v.oid), '')))
    from pg_class v
    where v.relnamespace = current_schema()::regnamespace and v.relkind = 'v'
    union all
    -- Each version of Postgres prints it differently.
    select format('text of view %s: on %s %s', v.viewname, current_setting('server_version_num')::integer / 10000, md5(without_brackets(v.definition)))
    from pg_views v
    where v.schemaname = current_schema()
  ) shape
$$;
comment on function schema_shape() is 'Every column, index, constraint, trigger, function and view of the schema, one line each, with its definition.';

create or replace function schema_drift()
returns table (what text, was text, is_now text)
language sql
stable
set search_path from current
set standard_conforming_strings = on
as $$
  with lines as (
    select split_part(l.line, ': ', 1) as what, nullif(substr(l.line, length(split_part(l.line, ': ', 1)) + 3), '') as how, l.kept
    from (
      select k.line, true as kept
      from schema_compatibility c
      cross join unnest(c.shape) as k (line)
      union all
      select n.line, false
      from schema_compatibility c
      -- As a query of its own, for the planner calls a bare function too, to estimate its rows.
      cross join unnest((select schema_shape())) as n (line)
      where c.shape is not null
    ) l
  ),
  pairs as (
    select what, max(how) filter (where kept) as was, max(how) filter (where not kept) as is_now, bool_or(kept) as kept, bool_or(not kept) as there
    from lines
    group by what
  )
  select p.what, case when p.kept then coalesce(p.was, '') end, case when p.there then coalesce(p.is_now, '') end
  from pairs p
  where (p.kept, p.was) is distinct from (p.there, p.is_now)
    -- Functions and views that others added do no harm, and texts of two Postgres versions cannot
    -- be compared.
    and case
      when p.what ~ '^(function|view) ' then p.kept
      when p.what ~ '^text of view ' then p.kept and p.there and split_part(p.was, ' ', 2) = split_part(p.is_now, ' ', 2)
      else true
    end
$$;
comment on function schema_drift() is 'The parts of the schema that differ from those of the last migration: the definition then, and now; null if the part did not exist.';

create or replace function keep_shape(p_all boolean) returns void
language plpgsql
set search_path from current
as $$
begin
  -- If no table was to be changed, tables that were changed by hand keep their recorded shape.
  update schema_compatibility c
  set shape = case
    when p_all or not coalesce(exists (select from unnest(c.shape) as s (line) where s.line like 'text of view %'), false) then schema_shape()
    else (
      select array_agg(l.line order by l.line collate "C")
      from (
        select s.line from unnest(c.shape) as s (line) where s.line !~ '^(function|view|text of view) '
        union all
        select s.line from unnest((select schema_shape())) as s (line) where s.line ~ '^(function|view|text of view) '
      ) l)
    end;
end
$$;
comment on function keep_shape(boolean) is 'Stores the shape of the schema: all of it after a migration, else only that of functions and views.';

create or replace function renew_shape() returns void
language plpgsql
set search_path from current
as $$
begin
  update schema_compatibility c
  set shape = schema_shape()
  where c.shape is distinct from schema_shape()
    and not exists (select from schema_drift());
end
$$;
comment on function renew_shape() is 'Stores the shape as this version of Postgres prints it, if only the printed form differs.';

create or replace function doctor_schema()
returns table ("check" text, severity text, message text, advice text, details jsonb)
language sql
stable
set search_path from current
as $$
  with drift as materialized (
    select d.*, row_number() over (order by d.what) as number, count(*) over () as of_all,
      case when d.was is null then 'not made by a migration: ' when d.is_now is null then 'missing: ' else 'changed: ' end || d.what
        || case when d.was is not null and d.is_now is not null and d.what ~ '^(column|index|constraint) ' then format(' is now "%s", was "%s"', d.is_now, d.was)
          when d.what ~ '^(column|index|constraint) ' then ' ' || coalesce(d.is_now, d.was) else '' end as words
    from schema_drift() d
  )
  select 'schema', 'warning', d.words,
    case when d.was is null then 'drop it, or keep it if it is yours'
      else 'restore it; docs/schema.sql has its definition' end,
    jsonb_build_object('what', d.what, 'was', d.was, 'now', d.is_now)
  from drift d
  where d.number <= 20
  union all
  -- So that they hide no worse problem.
  select 'schema', 'warning', format('%s more parts of the schema differ from the last migration', d.of_all - 20),
    'select * from schema_drift() lists them', jsonb_build_object('count', d.of_all - 20)
  from drift d
  where d.number = 21
$$;
comment on function doctor_schema() is 'The parts of the schema that differ from those of a migration; at most 21 rows.';
