-- Redaction: what views show of the JSON of jobs.

create or replace function shown_address(p_address text) returns text
language sql
immutable
set search_path from current
as $$
  select regexp_replace(
    regexp_replace(p_address, '[?#].*$', '?[redacted]'),
    '^\s*([[:alnum:]+.-]*:)?([/\\]*)[^/\\?]*@',
    '\1\2')
$$;
comment on function shown_address(text) is 'An address without user, query and fragment.';

create or replace function redact(p_value jsonb) returns jsonb
language plpgsql
stable
set search_path from current
as $$
declare
  hidden text[] := array(select distinct key from redacted_keys);
begin
  -- Most values have no such key anywhere: one search of the text avoids the walk.
  if p_value is null
    or not exists (
      select
      from unnest(hidden) as h (key)
      where strpos(translate(lower(p_value::text), '_-', ''), split_part(h.key, '.', 1)) > 0)
  then
    return p_value;
  end if;
  return redact_within(p_value, hidden);
end
$$;
comment on function redact(jsonb) is 'The value with "[redacted]" instead of the values of redacted_keys, at any depth. For a key outer.url the address in outer is as shown_address returns it.';

create or replace function redact_address(p_url text) returns text
language sql
immutable
set search_path from current
as $$
  -- A backslash ends a host like a slash.
  select coalesce(substring(p_url from '^https?://'), '') || coalesce(substring(p_url from '^https?://(?:[^/?#\\]*@)?([^/?#\\@]*)'), '') || '/…'
  where p_url is not null
$$;
comment on function redact_address(text) is 'The address without parts that can be a token: its scheme and host.';

create or replace function redact_webhook(p_value jsonb) returns jsonb
language sql
immutable
set search_path from current
as $$
  select case when p_value ->> 'webhook' is null then p_value
    else p_value || jsonb_build_object('webhook', redact_address(p_value ->> 'webhook')) end
$$;
comment on function redact_webhook(jsonb) is 'An alert rule that shows only the scheme and host of its webhook.';

create or replace function redact_within(p_value jsonb, p_hidden text[]) returns jsonb
language plpgsql
immutable
set search_path from current
as $$
begin
  return case jsonb_typeof(p_value)
    when 'object' then (
      select coalesce(jsonb_object_agg(
        f.key,
        case
          when translate(lower(f.key), '_-', '') = any(p_hidden) and f.value <> 'null' then '"[redacted]"'
          when translate(lower(f.key), '_-', '') || '.url' = any(p_hidden) and jsonb_typeof(f.value -> 'url') = 'string'
            then redact_within(jsonb_set(f.value, '{url}', to_jsonb(shown_address(f.value ->> 'url'))), p_hidden)
          else redact_within(f.value, p_hidden)
        end), '{}')
      from jsonb_each(p_value) f)
    when 'array' then (
      select coalesce(jsonb_agg(redact_within(e.value, p_hidden) order by e.ord), '[]')
      from jsonb_array_elements(p_value) with ordinality as e (value, ord))
    else p_value
  end;
end
$$;
comment on function redact_within(jsonb, text[]) is 'Like redact, for the given keys.';

create or replace function has_text(p_value jsonb, p_text text) returns boolean
language sql
stable
set search_path from current
as $$
  -- Large values are not read, so that a search of many jobs keeps to its time. Most values do not have the text, and are
  -- not redacted for nothing.
  select pg_column_size(p_value) <= 32768 and position(p_text in lower(p_value::text)) > 0 and position(p_text in lower(redact(p_value)::text)) > 0
$$;
comment on function has_text(jsonb, text) is 'Whether a value of at most 32 kB contains a text, given in lower case, where redaction does not hide it.';

create or replace function has_member(p_value jsonb, p_path text[], p_text text) returns boolean
language sql
stable
set search_path from current
as $$
  select pg_column_size(p_value) <= 32768 and p_value #>> p_path = p_text and redact(p_value) #>> p_path = p_text
$$;
comment on function has_member(jsonb, text[], text) is 'Whether the member at a path of a value of at most 32 kB has a value, written as text, that redaction does not hide.';
