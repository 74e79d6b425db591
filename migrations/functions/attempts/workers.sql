-- Functions by which people control a worker.

create or replace function drain_worker(p_worker text, p_by text default null) returns boolean
language plpgsql
set search_path from current
as $$
declare
  w workers;
begin
  select * into w from workers where id = p_worker for no key update;
  if w.id is null then
    return false;
  elsif w.drain_requested_at is null then
    w.drain_requested_at := clock_timestamp();
    update workers set drain_requested_at = w.drain_requested_at where id = p_worker;
    perform audit(
      'drain worker', 'worker:' || p_worker, jsonb_build_object('state', w.state), jsonb_build_object('drain_requested_at', w.drain_requested_at), p_by);
    perform notify_settings();
  end if;
  return true;
end
$$;
comment on function drain_worker(text, text) is 'Asks a worker to claim no more; it finishes its present jobs. False if there is no such worker.';
