-- Tokens: short-lived rights for browsers, signed with a secret of the API key that makes them. The
-- server checks them without a table, so nothing here stores a token.

create or replace function hmac_sha256(p_key bytea, p_data bytea) returns bytea
language sql
immutable
set search_path from current
as $$
  -- RFC 2104, for keys of at most 64 bytes.
  select sha256(pads.outside || sha256(pads.inside || p_data))
  from (
    select
      string_agg(set_byte('\x00'::bytea, 0, k.byte # 54), ''::bytea order by k.place) as inside,
      string_agg(set_byte('\x00'::bytea, 0, k.byte # 92), ''::bytea order by k.place) as outside
    from (
      select i as place, case when i < length(p_key) then get_byte(p_key, i) else 0 end as byte
      from generate_series(0, 63) as i
    ) k
  ) pads
$$;
comment on function hmac_sha256(bytea, bytea) is 'HMAC with SHA-256 (RFC 2104) for keys of at most 64 bytes.';

create or replace function base64url(p_data bytea) returns text
language sql
immutable
set search_path from current
as $$ select rtrim(translate(encode(p_data, 'base64'), e'+/\n', '-_'), '=') $$;
comment on function base64url(bytea) is 'Base64 for addresses and headers, without padding (RFC 4648, section 5).';

create or replace function token_key(p_secret_hash bytea) returns bytea
language sql
stable
set search_path from current
as $$ select hmac_sha256(t.secret, p_secret_hash) from token_secret t $$;
comment on function token_key(bytea) is 'The secret that signs the tokens of an API key.';

create or replace function create_token(
  key_id text, scopes text[], job uuid default null, owner text default null, kinds text[] default null,
  expires_in interval default '15 minutes'
)
returns text
language plpgsql
set search_path from current
as $$
#variable_conflict use_column
declare
  k api_keys;
  content text;
  problem text;
begin
  select * into k
  from api_keys a
  where a.id = create_token.key_id
    and a.revoked_at is null
    and coalesce(a.expires_at > now(), true);
  problem := case
    when k.id is null then 'the API key does not exist, is revoked or expired'
    when coalesce(cardinality(create_token.scopes), 0) = 0 or not create_token.scopes <@ '{read,enqueue,cancel,retry,signal}'
      then 'the scopes are not some of read, enqueue, cancel, retry and signal'
    when not k.scopes && '{enqueue,admin}' and not (create_token.scopes = '{read}' and k.scopes && '{read}')
      then 'the API key does not have these scopes itself'
    when num_nonnulls(create_token.job, create_token.owner, create_token.kinds) = 0
      then 'it is for no job, owner or kinds'
    when create_token.job is not null
      and (num_nonnulls(create_token.owner, create_token.kinds) > 0 or 'enqueue' = any(create_token.scopes))
      then 'a token for one job has neither owner, kinds nor the scope enqueue'
    when length(create_token.owner) not between 1 and 255 or create_token.owner ~ '[\x01-\x1f\x7f-\x9f]'
      then 'the owner is not a text of 1 to 255 characters'
    when cardinality(create_token.kinds) not between 1 and 50
      or (select bool_and(is_name(n.kind)) from unnest(create_token.kinds) as n (kind)) is not true and create_token.kinds is not null
      then 'the kinds are not 1 to 50 names'
    when (create_token.expires_in between '1 second' and '24 hours') is not true
      then 'it does not last 1 second to 24 hours'
  end;
  if problem is not null then
    raise exception 'no token: %', problem using errcode = '22TM1', hint = 'see docs/browsers.md';
  end if;
  content := base64url(convert_to(
    jsonb_strip_nulls(jsonb_build_object(
      'key', k.id, 'scopes', create_token.scopes, 'job', create_token.job, 'owner', create_token.owner,
      'kinds', create_token.kinds,
      'expires', floor(extract(epoch from clock_timestamp() + create_token.expires_in))::bigint))::text,
    'UTF8'));
  return 'tmt_' || content || '.' || base64url(hmac_sha256(token_key(k.secret_hash), convert_to(content, 'UTF8')));
end
$$;
comment on function create_token(text, text[], uuid, text, text[], interval)
  is 'A token for a browser, made in the name of an API key: for one job, or for the jobs of an owner, of kinds, or of both. It ends with its key. select create_token(''<key id>'', ''{read,cancel}'', owner => ''42'').';
