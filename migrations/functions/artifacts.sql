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
  set content_type = excluded.content_type, bytes = excluded.bytes, created_at = clock_timestamp();
  return true;
end
$$;
comment on function keep_artifact(text, uuid, uuid, text, text, bigint)
  is 'Notes a file before it is written, so that none is ever forgotten in the storage; false if the lease is lost. Without a lease it is one of a job that is about to be enqueued.';

create or replace function left_artifacts(p_limit integer) returns setof text
language plpgsql
set search_path from current
as $$
declare
  a record;
begin
  for a in
    select path, job_id, name, created_at
    from artifacts
    where checked_at < now() - interval '1 hour'
    order by checked_at
    limit p_limit
    for update skip locked
  loop
    -- Args and results may be those of others by now: of a fork, of who got them passed or took them over.
    if exists (select from jobs j where j.id = a.job_id)
      or a.name in ('args.json', 'result.json') and a.created_at > now() - interval '31 days'
    then
      update artifacts set checked_at = clock_timestamp() where path = a.path;
    else
      return next a.path;
    end if;
  end loop;
end
$$;
comment on function left_artifacts(integer) is 'Files whose job is gone (args and results only after 31 days, for other jobs may refer to them), among those that were not looked at for an hour; the others are marked as looked at.';
