-- Completes an attempt within the caller's own transaction.

create or replace function complete(p_job uuid, p_lease uuid, p_result jsonb default null) returns boolean
language plpgsql
set search_path from current
as $$
declare
  j jobs;
begin
  select * into j from jobs_live where id = p_job and lease_id = p_lease and state = 'running' for update;
  if not found then
    return false;
  end if;
  j.state := 'completed';
  j.result := p_result;
  perform archive(j);
  perform notify_event(j.id);
  perform notify_capacity();
  return true;
end
$$;
comment on function complete(uuid, uuid, jsonb)
  is 'Completes an attempt in your transaction: its end and your writes commit or roll back together. False if the lease is lost: roll back then.';
