-- Expiry: jobs that did not start in time. The claim skips them by itself; this function cancels
-- them.

create or replace function expire(p_limit integer default 500) returns setof uuid
language plpgsql
set search_path from current
as $$
declare
  j jobs;
  moved integer := 0;
  bad uuid[] := '{}';
  passed integer := 0;
begin
  loop
    for j in
      select *
      from jobs_live
      where expires_at < clock_timestamp()
        and started_at is null
        and state in ('available', 'waiting')
        and id <> all(bad)
      order by expires_at
      limit p_limit
      for update skip locked
    loop
      begin
        j.state := 'cancelled';
        j.cancel_requested_at := coalesce(j.cancel_requested_at, clock_timestamp());
        j.error := jsonb_build_object('type', 'expired', 'permanent', true,
          'message', format('no worker started the job before it expired at %s',
            to_char(j.expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')));
        perform append_event(j.id, j.attempt, 'expired', jsonb_build_object('expires_at', j.expires_at));
        perform archive(j);
        return next j.id;
        moved := moved + 1;
      exception when others then
        -- A row that fails does not block the others.
        raise warning 'job % expired and could not be cancelled: %', j.id, sqlerrm;
        bad := bad || j.id;
      end;
    end loop;
    -- They are skipped, as in the sweep.
    exit when cardinality(bad) = passed or moved >= p_limit or cardinality(bad) >= 20 * p_limit;
    passed := cardinality(bad);
  end loop;
end
$$;
comment on function expire(integer) is 'Cancels jobs that did not start before they expired; a job that has started once does not expire. Returns their ids; sweep() calls it.';
