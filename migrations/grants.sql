-- Grants of the three roles for the people and processes of every Tidemill of this server. A login becomes
-- one by "select make_reader('ann')" or "grant tidemill_admin to ann". Applied after functions and views, each time that
-- they are replaced or a grant is missing. Without the right to make roles everything works, but only for the owner of
-- the schema; the roles that are there get what is theirs.
do $$
declare
  schema text := current_schema();
  role text;
  verb text;
  -- The roles that read, act and work, as lists of those that exist; null if none does.
  readers text;
  admins text;
  workers text;
  all_roles text;
begin
  foreach role in array array['tidemill_admin', 'tidemill_worker', 'tidemill_reader'] loop
    if not exists (select from pg_roles where rolname = role) then
      begin
        execute format('create role %I nologin', role);
      exception
        when insufficient_privilege then
          raise notice 'role % does not exist and cannot be made by %; grants to it are left out', role, current_user;
        when duplicate_object or unique_violation then
          -- Another Tidemill of this server made it at the same time.
          null;
      end;
    end if;
  end loop;
  select
    string_agg(rolname, ', ') filter (where rolname in ('tidemill_reader', 'tidemill_admin')),
    string_agg(rolname, ', ') filter (where rolname = 'tidemill_admin'),
    string_agg(rolname, ', ') filter (where rolname = 'tidemill_worker'),
    string_agg(rolname, ', ')
  into readers, admins, workers, all_roles
  from pg_roles
  where rolname in ('tidemill_admin', 'tidemill_worker', 'tidemill_reader');

  -- No other role calls a function, and no function depends on the settings of its caller.
  execute format('revoke all on all functions in schema %I from public', schema);
  -- Temporary tables come last for every function, also those that a verb calls with the rights of the owner.
  for verb in
    select p.oid::regprocedure::text
    from pg_proc p
    where p.pronamespace = schema::regnamespace
      and exists (select from unnest(p.proconfig) as c (setting) where c.setting like 'search_path=%')
  loop
    execute format('alter function %s set search_path = %I, pg_temp', verb, schema);
  end loop;
  -- A literal with a backslash is read when the function runs.
  for verb in
    select p.oid::regprocedure::text
    from pg_proc p
    where p.pronamespace = schema::regnamespace
      and p.proconfig is not null
      and position(chr(92) in p.prosrc) > 0
  loop
    execute format('alter function %s set standard_conforming_strings = on', verb);
  end loop;
  -- Verbs run with the rights of the owner, so that their callers need no right to write tables. Temporary
  -- tables come last in their search path, so that a caller's table never takes the place of ours.
  for verb in
    select p.oid::regprocedure::text
    from pg_proc p
    where p.pronamespace = schema::regnamespace
      and p.proname in (
        'explain', 'expected_start', 'doctor', 'health_report', 'queue_keys', 'time_until_space',
        'enqueue', 'enqueue_many', 'create_workflow', 'cancel', 'retry', 'run_now', 'snooze', 'change_job', 'delete_job', 'signal', 'fork',
        'act_on_jobs', 'retry_jobs', 'preview_operation', 'start_operation', 'cancel_operation', 'undo_operation', 'pause_queue', 'resume_queue', 'drain_queue', 'purge_queue', 'set_slots', 'set_max_queued', 'set_limit', 'drop_limit',
        'set_priority_ageing', 'set_schedule', 'delete_schedule', 'pause_schedule', 'resume_schedule', 'run_schedule', 'reset_breaker', 'drain_worker',
        'set_alert', 'drop_alert', 'test_alert', 'create_token', 'evaluate_alerts', 'sweep', 'resolve', 'ensure_partitions',
        'drop_partition', 'ensure_today', 'should_shed')
  loop
    execute format('alter function %s security definer set search_path = %I, pg_temp set timezone = %L set datestyle = %L, %L', verb, schema, 'UTC', 'ISO', 'MDY')
      || ' set intervalstyle = postgres set extra_float_digits = 1 set standard_conforming_strings = on set jit = off';
    if admins is not null then
      execute format('grant execute on function %s to %s', verb, admins);
    end if;
  end loop;
  -- Functions of workers that cancel jobs, remove rows or record actions run with the rights of the owner.
  for verb in
    select p.oid::regprocedure::text
    from pg_proc p
    where p.pronamespace = schema::regnamespace
      and p.proname in ('insert_jobs', 'insert_plain_job', 'settle_attempt', 'fire_schedule', 'release_slot', 'step_operation', 'delay_operation', 'prune', 'drop_day', 'audit')
  loop
    -- So no table of a caller, with its triggers, comes before ours.
    execute format('alter function %s security definer set search_path = %I, pg_temp', verb, schema);
  end loop;

  if all_roles is not null then
    execute format('grant usage on schema %I to %s', schema, all_roles);
    -- Readers see views, and nothing of the tables but what the views compute limits from.
    for verb in select format('%I.%I', v.schemaname, v.viewname) from pg_views v where v.schemaname = schema loop
      execute format('grant select on %s to %s', verb, all_roles);
    end loop;
  end if;
  if readers is not null then
    -- What the API reads before it redacts.
    execute format('revoke all on job_documents from %s', readers);
    execute format('grant select on limits, limit_buckets, redacted_keys to %s', readers);
    execute format('grant execute on function shown_state(job_state, integer, timestamptz, timestamptz), tokens_of(text, limits), format_utc(timestamptz), redact(jsonb), redact_within(jsonb, text[]), shown_address(text), redact_address(text), redact_webhook(jsonb) to %s', readers);
    for verb in
      select p.oid::regprocedure::text
      from pg_proc p
      where p.pronamespace = schema::regnamespace
        and p.proname in ('explain', 'expected_start', 'doctor', 'health_report', 'queue_keys', 'time_until_space')
    loop
      execute format('grant execute on function %s to %s', verb, readers);
    end loop;
  end if;
  if workers is not null then
    -- Workers and the API write tables by their own statements; they make no tables and see no keys.
    execute format('grant select, insert, update, delete on all tables in schema %I to %s', schema, workers);
    execute format('grant usage on all sequences in schema %I to %s', schema, workers);
    execute format('grant execute on all functions in schema %I to %s', schema, workers);
    -- But no verb past its record.
    for verb in
      select p.oid::regprocedure::text
      from pg_proc p
      where p.pronamespace = schema::regnamespace
        and p.proname in ('cancel_one', 'cancel_children', 'retry_one', 'retry_blocked', 'retry_members', 'run_now_one', 'delete_one', 'cancel_workflow', 'retry_workflow', 'stop_workflow', 'create_token', 'token_key', 'evaluate_waits', 'evaluate_wait_isolated', 'operate_on_one', 'undo_on_one', 'operate_safely')
    loop
      execute format('revoke all on function %s from %s', verb, workers);
    end loop;
    execute format('revoke all on api_keys, ended_sessions, token_secret from %s', workers);
    execute format('revoke insert, update, delete on audit_log, operations, operation_jobs from %s', workers);
  end if;
  update schema_compatibility set rights = rights_now();
end
$$;
