-- Logins: what a role cannot hand on to its members.

create or replace function make_reader(login text) returns void
language plpgsql
set search_path from current
as $$
declare
  setting text;
begin
  execute format('grant tidemill_reader to %I', login);
  -- Settings of a role are no settings of its members. In this database alone: the login may have others.
  foreach setting in array array[
    -- Whoever only looks never holds the horizon for long.
    'statement_timeout = ''30s''', 'idle_in_transaction_session_timeout = ''60s''', 'default_transaction_read_only = on', 'jit = off']
  loop
    execute format('alter role %I in database %I set %s', login, current_database(), setting);
  end loop;
end
$$;
comment on function make_reader(text)
  is 'Lets a login look: makes it a tidemill_reader whose sessions in this database read only and whose statements end after 30 s. For who may alter the login.';
