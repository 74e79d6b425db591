-- Artifacts: files of jobs in object storage.

create or replace function keep_artifact(
  p_path text, p_job uuid, p_lease uuid, p_name text, p_content_type text, p_bytes bigint
)
returns boolean
language plpgsql
set search_path from current
as $$
begin
  if p_lease is not null then
    perform from jobs_live where id = p_job and lease_id = p_lease and state = 'running' for share;
    if not found then
      return false;
    end if;
  end if;
  insert into artifacts as a (path, job_id, name, content_type, bytes)
  values (p_path, p_job, p_name, p_content_type, p_bytes)
  on conflict (path) do update
  set content_type = excluded.content_type, bytes = excluded.bytes, created_at = clock_timestamp(), unneeded_at = null;
  return true;
end
$$;
comment on function keep_artifact(text, uuid, uuid, text, text, bigint)
  is 'Records a file before it is written, so that every file in the storage has a record; false if the lease is lost. Without a lease the file belongs to a job that is about to be enqueued.';

create or replace function note_references(p_job uuid, p_value jsonb) returns void
language plpgsql
set search_path from current
as $$
declare
  owners uuid[];
begin
  -- Until the commit no other transaction dooms them; after it the row shows that they are needed.
  select array_agg(a.job_id) into owners
  from (
    select a.job_id
    from artifacts a
    where a.job_id = any(array(
        select case when r.reference ->> 'job' ~ '^[0-9a-f-]{36}$' then (r.reference ->> 'job')::uuid end
        from jsonb_path_query(p_value, 'strict $.** ? (exists (@."$stored"))."$stored"') as r (reference)))
      and a.job_id <> p_job
      and a.name in ('args.json', 'result.json')
      and a.unneeded_at is null
    order by a.path
    for key share
  ) a;
  insert into artifact_referrers (owner_id, job_id)
  select distinct o.id, p_job
  from unnest(owners) as o (id)
  order by o.id
  on conflict do nothing;
end
$$;
comment on function note_references(uuid, jsonb)
  is 'Records that a job refers to files of other jobs in the storage, so that these are kept as long as the job. Call it in the transaction that gives the job such args or such a result.';

create or replace function left_artifacts(p_limit integer) returns setof text
language plpgsql
set search_path from current
as $$
declare
  a artifacts;
  needed boolean;
begin
  for a in
    select *
    from artifacts
    where checked_at < now() - interval '1 hour'
    order by checked_at
    limit p_limit
    -- A job that refers to it at this moment has it locked, and is seen the next time.
    for update skip locked
  loop
    delete from artifact_referrers r
    where r.owner_id = a.job_id
      and not exists (select from jobs j where j.id = r.job_id);
    needed := a.unneeded_at is null and (
      exists (select from jobs j where j.id = a.job_id)
      or a.name in ('args.json', 'result.json') and exists (select from artifact_referrers r where r.owner_id = a.job_id)
      -- Its job can still be on its way, in an open transaction or waiting for space in its queue.
      or a.name = 'args.json' and a.created_at > now() - interval '31 days');
    update artifacts
    set checked_at = clock_timestamp(), unneeded_at = case when not needed then coalesce(unneeded_at, clock_timestamp()) end
    where path = a.path;
    if not needed then
      return next a.path;
    end if;
  end loop;
end
$$;
comment on function left_artifacts(integer) is 'Files that are no longer needed, among those that were not checked for an hour: their job is gone, and for args and results all jobs that refer to them too. These files are marked as unneeded and are returned again until drop_artifact; the others are marked as checked.';

create or replace function drop_artifact(p_path text) returns void
language sql
set search_path from current
as $$
  with gone as (
    delete from artifacts where path = p_path and unneeded_at is not null returning path, job_id
  )
  delete from artifact_referrers r
  using gone g
  where r.owner_id = g.job_id
    and not exists (select from artifacts a where a.job_id = g.job_id and a.path <> g.path)
$$;
comment on function drop_artifact(text) is 'Removes the record of an unneeded file, after the file was removed from the storage.';
