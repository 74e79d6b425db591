-- What is too large for a row, and what people shall not read.

create table artifacts (
  path text primary key,
  job_id uuid not null,
  name text not null,
  content_type text not null,
  bytes bigint not null,
  created_at timestamptz not null default clock_timestamp(),
  checked_at timestamptz not null default clock_timestamp()
);
create index artifacts_job on artifacts (job_id, name, created_at);
create index artifacts_checked on artifacts (checked_at);
comment on table artifacts is 'Files of jobs in object storage: what handlers kept, and args and results that are too large for a row. Removed after their job.';
comment on column artifacts.path is 'Where it lies below the storage''s address.';
comment on column artifacts.job_id is 'Whose it is.';
comment on column artifacts.name is 'Its name within the job; the newest of a name counts.';
comment on column artifacts.content_type is 'What it is, such as image/png.';
comment on column artifacts.bytes is 'Its size.';
comment on column artifacts.created_at is 'When it was kept.';
comment on column artifacts.checked_at is 'When it was last seen that its job is still there.';

create table redacted_keys (
  key text primary key
);
comment on table redacted_keys is 'Names of keys whose values no view and no answer shows; written by the processes from their config.';
comment on column redacted_keys.key is 'Lower case, without underscores and hyphens.';

alter table workers add column shedding boolean not null default false;
comment on column workers.shedding is 'Whether it stores less progress, because an old transaction keeps dead rows.';
