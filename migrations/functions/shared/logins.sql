-- Logins: settings that a role cannot pass on to its members.

create or replace function make_reader(login text) returns void
language plpgsql
set search_path from current
as $$
declare
  setting text;
begin
  if not exists (select from pg_roles where rolname = 'tidemill_reader') then
    raise exception 'the role tidemill_reader does not exist on this server' using
      errcode = 'undefined_object',
      hint = 'As a role that can make roles: create role tidemill_reader nologin; then run tidemill migrate, and call this again.';
  end if;
  if not exists (select from pg_roles where rolname = login) then
    raise exception 'the login % does not exist', login using
      errcode = 'undefined_object', hint = format('create role %I login; then call this again.', login);
  end if;
  -- A login that can grant the role can have done so already.
  if not exists (
    select
    from pg_auth_members m
    where m.roleid = 'tidemill_reader'::regrole
      and m.member = (select r.oid from pg_roles r where r.rolname = login))
  then
    begin
      execute format('grant tidemill_reader to %I', login);
    exception
      when insufficient_privilege then
        raise exception 'permission denied: % cannot grant tidemill_reader, which another role made', current_user using
          errcode = 'insufficient_privilege',
          hint = format('As a superuser or as the role that made it: grant tidemill_reader to %I; then call this again. Or once and for all: grant tidemill_reader to %I with admin option.', login, current_user);
    end;
  end if;
  -- Members of a role do not inherit its settings. Set in this database alone: the login can have
  -- others elsewhere.
  foreach setting in array array[
    -- A reader never holds the horizon for long.
    'statement_timeout = ''30s''', 'idle_in_transaction_session_timeout = ''60s''', 'default_transaction_read_only = on', 'jit = off']
  loop
    begin
      execute format('alter role %I in database %I set %s', login, current_database(), setting);
    exception
      when insufficient_privilege then
        raise exception 'permission denied: % cannot alter the login %', current_user, login using
          errcode = 'insufficient_privilege',
          hint = format('Call this as a superuser or as the role that made the login. Or once and for all, on 16 and later: grant %I to %I with admin option.', login, current_user);
    end;
  end loop;
end
$$;
comment on function make_reader(text)
  is 'Gives a login read access: makes it a tidemill_reader whose sessions in this database are read-only and whose statements end after 30 s. Needs the right to alter the login.';
