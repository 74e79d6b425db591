-- Sealing: the database's part of encryption. Only the processes have the keys.

create or replace function is_sealed_form(p_key text, p_form jsonb, p_field text) returns boolean
language plpgsql
immutable
set search_path from current
as $$
begin
  if jsonb_typeof(p_form) is distinct from 'object' then
    return false;
  elsif p_key = '$sealed' then
    return p_form ?& '{key,of,data}'
      and p_form - '{key,of,data}'::text[] = '{}'
      and jsonb_typeof(p_form -> 'key') = 'string'
      and p_form ->> 'key' <> ''
      and p_form -> 'of' = to_jsonb(p_field)
      and jsonb_typeof(p_form -> 'data') = 'string'
      -- Base64 of the nonce, the tag and at least one byte.
      and length(p_form ->> 'data') >= 40
      and length(p_form ->> 'data') % 4 = 0
      and p_form ->> 'data' ~ '^[A-Za-z0-9+/]+={0,2}$';
  end if;
  return p_key = '$stored'
    and p_form ?& '{bytes,href,job,name}'
    and p_form - '{bytes,href,job,name}'::text[] = '{}'
    and jsonb_typeof(p_form -> 'bytes') = 'number'
    and p_form ->> 'bytes' ~ '^[0-9]+$'
    and jsonb_typeof(p_form -> 'job') = 'string'
    and p_form ->> 'job' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
    and p_form -> 'name' = to_jsonb(p_field || '.json')
    and jsonb_typeof(p_form -> 'href') = 'string'
    -- A deployment below a path has that path before it.
    and p_form ->> 'href' ~ format('^(/[A-Za-z0-9._-]+)*/api/v1/jobs/%s/artifacts/%s[.]json$', p_form ->> 'job', p_field);
end
$$;
comment on function is_sealed_form(text, jsonb, text)
  is 'Whether a key and its value are exactly what the processes write for an encrypted value ($sealed) or one in object storage ($stored). p_field: args or result.';

create or replace function is_sealed_result(p_value jsonb) returns boolean
language plpgsql
immutable
set search_path from current
as $$
begin
  if jsonb_typeof(p_value) = 'array' then
    return not exists (select from jsonb_array_elements(p_value) as i (item) where not is_sealed_result(i.item));
  elsif jsonb_typeof(p_value) <> 'object' then
    return p_value = 'null';
  elsif p_value ?| '{$sealed,$stored}' then
    return (select count(*) = 1 and bool_and(is_sealed_form(f.key, f.value, 'result')) from jsonb_each(p_value) as f (key, value));
  end if;
  return not exists (select from jsonb_each(p_value) as f (key, value) where not is_sealed_result(f.value));
end
$$;
comment on function is_sealed_result(jsonb) is 'Whether a result that was passed to a job has nothing readable: it is encrypted or in object storage, or a workflow''s collection of such results.';

create or replace function are_sealed_args(p_args jsonb) returns boolean
language sql
immutable
set search_path from current
as $$
  select
    count(*) filter (where f.key in ('$sealed', '$stored')) = 1
    -- The args of a fork have the results that were passed to its original.
    and bool_and(case
      when f.key in ('$sealed', '$stored') then is_sealed_form(f.key, f.value, 'args')
      else is_sealed_result(f.value)
    end)
  from jsonb_each(case when jsonb_typeof(p_args) = 'object' then p_args else '{}' end) as f (key, value)
$$;
comment on function are_sealed_args(jsonb) is 'Whether args are encrypted or in object storage, in exactly the form that the processes write; results passed to the job can be added.';

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
    and not are_sealed_args(coalesce(i.options -> 'sealed', i.args))
    -- It represents a workflow, and no worker runs it.
    and not coalesce(i.options, '{}') ? 'is_workflow'
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
