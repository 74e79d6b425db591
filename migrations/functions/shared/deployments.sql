-- Deployments: which config may write the rows that all processes share.

create or replace function declare_deployment(p_name text, p_revision bigint) returns boolean
language sql
set search_path from current
as $$
  insert into deployments as d (name, revision)
  values (p_name, p_revision)
  on conflict (name) do update
  set revision = greatest(d.revision, excluded.revision), declared_at = now()
  returning revision is not distinct from p_revision
$$;
comment on function declare_deployment(text, bigint)
  is 'Called when a process of the deployment starts. Returns whether its config may be written: false if a later revision was seen, or if any revision was seen and this process has none.';
