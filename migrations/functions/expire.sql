-- Expiry: jobs that nobody started in time. The claim passes them over by itself; this tells.

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
          'message', format('nothing started it before it expired at %s',
            to_char(j.expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')));
        perform append_event(j.id, j.attempt, 'expired', jsonb_build_object('expires_at', j.expires_at));
        perform archive(j);
        return next j.id;
        moved := moved + 1;
      exception when others then
        -- One bad row never stops the rest.
        raise warning 'job % expired and could not be cancelled: %', j.id, sqlerrm;
        bad := bad || j.id;
      end;
    end loop;
    -- As the sweep passes over them.
    exit when cardinality(bad) = passed or moved >= p_limit or cardinality(bad) >= 20 * p_limit;
    passed := cardinality(bad);
  end loop;
end
$$;
comment on function expire(integer) is 'Cancels jobs that were not started before they expired; one that was started once goes on. Answers which; sweep() calls it.';
