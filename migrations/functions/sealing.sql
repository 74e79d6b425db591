-- Sealing: the database's part of encryption. Only the processes have the keys.

create or replace function check_sealed(p_args jsonb[], p_options jsonb[]) returns void
language plpgsql
set search_path from current
as $$
declare
  open bigint;
begin
  select i.ord into open
  from unnest(p_args, p_options) with ordinality as i (args, options, ord)
  where coalesce(i.options -> 'sealed', i.args, '{}') <> '{}'
    and not coalesce(i.options -> 'sealed', i.args) ?| '{$sealed,$stored}'
    -- It represents a workflow, and no worker runs it.
    and not coalesce(i.options, '{}') ? 'container'
  limit 1;
  if found then
    raise exception 'the args of job % of the call are not encrypted, and encryption.require is on', open
      using
        errcode = '22TM1',
        hint = 'enqueue over REST, the command line or the Rust library, whose processes have the keys; SQL can enqueue only jobs without args';
  end if;
end
$$;
comment on function check_sealed(jsonb[], jsonb[]) is 'Refuses jobs whose args are not encrypted if the config requires encryption; insert_jobs calls it then.';

create or replace function with_sealed(p_schedule schedules, p_sealed jsonb) returns schedules
language plpgsql
set search_path from current
as $$
begin
  if p_sealed is null then
    return p_schedule;
  end if;
  if p_sealed ->> 'of' is distinct from md5((p_schedule.job -> 'args')::text) then
    raise exception 'the args of schedule % have changed meanwhile', p_schedule.name using errcode = 'serialization_failure';
  end if;
  p_schedule.job := p_schedule.job || jsonb_build_object('sealed', p_sealed -> 'as');
  return p_schedule;
end
$$;
comment on function with_sealed(schedules, jsonb) is 'The schedule with its job''s args as a scheduler encrypted them ({of: md5 of the args, as: the stored form}), for this firing alone.';
