-- Whether args must be sealed before they are stored, whoever enqueues.

create table sealing (
  required boolean not null,
  is_only_row boolean primary key default true check (is_only_row)
);
comment on table sealing is 'Whether jobs are refused whose args lie open; no row means that they are not. Written by the processes from their config.';
comment on column sealing.required is 'True if insert_jobs refuses args that are neither sealed nor empty.';
comment on column sealing.is_only_row is 'There is one row at most.';
