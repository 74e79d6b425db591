-- Whose config wrote a row: several services share a schema, each with a config of its own, and a start of one must
-- not take away what another wrote.

create table deployments (
  name text primary key,
  revision bigint,
  declared_at timestamptz not null default now(),
  constraint deployments_are_named check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
  constraint deployments_revision_is_not_negative check (revision >= 0)
);
comment on table deployments is 'The deployments whose processes wrote what their configs declare: schedules, alert rules, limits, redacted keys.';
comment on column deployments.name is 'deployment.name of their configs.';
comment on column deployments.revision is 'The largest deployment.revision that was seen; a process with a smaller one changes nothing. Null: none has one.';
comment on column deployments.declared_at is 'When a process of it last started.';

alter table schedules add column owner text;
update schedules set owner = 'default' where source = 'config';
comment on column schedules.owner is 'The deployment whose config wrote it; null if none did.';

alter table alert_rules add column owner text;
update alert_rules set owner = 'default' where from_config;
comment on column alert_rules.owner is 'The deployment whose config wrote it; null if none did.';
comment on column alert_rules.from_config is 'True if a config names it.';

alter table redacted_keys add column deployment text not null default 'default';
alter table redacted_keys drop constraint redacted_keys_pkey, add primary key (deployment, key);
comment on column redacted_keys.deployment is 'The deployment whose config names the key; what one of them hides is hidden.';

-- Others have their names now, with one more parameter.
drop function if exists put_schedule(text, text, interval, timestamptz, text, jsonb, text, integer, text, interval, text, text);
drop function if exists keep_config_schedules(text[]);
drop function if exists set_alert(text, text, double precision, text, text, integer, interval, interval, text, text[], boolean);
drop function if exists keep_config_alerts(text[]);
