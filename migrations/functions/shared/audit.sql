-- Audit: who did what to jobs and settings, written in the transaction of the action. The engine's
-- own actions are not recorded here. They, and the parts of an action that is recorded as a whole,
-- call the functions whose names end in _one, which only the owner may call. No setting and no name
-- turns the record off.

create or replace function current_actor() returns text
language sql
stable
as $$ select coalesce(nullif(current_setting('tidemill.by', true), ''), session_user) $$;
comment on function current_actor() is 'The actor in this transaction: the setting tidemill.by, else the database user.';

create or replace function audit(p_action text, p_subject text, p_before jsonb, p_after jsonb, p_by text default null) returns void
language sql
set search_path from current
as $$
  insert into audit_log (who, action, subject, before, after)
  values (coalesce(p_by, current_actor()), p_action, p_subject, p_before, p_after)
$$;
comment on function audit(text, text, jsonb, jsonb, text) is 'Records an action of a person.';

create or replace function audit_change() returns trigger
language plpgsql
set search_path from current
as $$
declare
  ignored text[] := string_to_array(tg_argv[2], ',');
  old_row jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) - ignored end;
  new_row jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) - ignored end;
  changed_before jsonb;
  changed_after jsonb;
begin
  if old_row is not distinct from new_row then
    return null;
  end if;
  if tg_op = 'UPDATE' then
    -- Only what changed.
    select jsonb_object_agg(o.key, o.value), jsonb_object_agg(o.key, new_row -> o.key)
    into changed_before, changed_after
    from jsonb_each(old_row) o
    where o.value is distinct from new_row -> o.key;
  else
    changed_before := old_row;
    changed_after := jsonb_strip_nulls(new_row);
  end if;
  perform audit(
    case tg_op when 'INSERT' then 'make ' when 'UPDATE' then 'change ' else 'drop ' end || tg_argv[0],
    tg_argv[0] || ':' || (coalesce(new_row, old_row) ->> tg_argv[1]),
    changed_before, changed_after);
  perform notify_settings();
  return null;
end
$$;
comment on function audit_change() is 'Trigger: records the changed columns of a row of settings, and notifies of it. Arguments: the type of the row, its naming column, and columns that are ignored.';

create or replace trigger queues_audited after insert or update or delete on queues
for each row execute function audit_change('queue', 'name', 'updated_at,limited');
comment on trigger queues_audited on queues is 'Pauses, drains, slots and ageing are set by people, so changes are audited.';

create or replace trigger limits_audited after insert or update or delete on limits
for each row execute function audit_change('limit', 'name', 'updated_at');
comment on trigger limits_audited on limits is 'Limits are set by people, so changes are audited.';

create or replace trigger api_keys_audited after insert or update or delete on api_keys
for each row execute function audit_change('key', 'id', 'secret_hash,last_used_at');
comment on trigger api_keys_audited on api_keys is 'Keys are made and revoked by people, so changes are audited.';

create or replace trigger schedules_audited after insert or delete or update of cron, every, at, timezone, job, missed, missed_limit, overlap, jitter, paused_at on schedules
for each row execute function audit_change('schedule', 'name', 'anchor_at,next_at,upcoming,last_slot_at,unfinished,problem,updated_at');
comment on trigger schedules_audited on schedules is 'Schedules are made, changed and paused by people, so changes are audited.';
