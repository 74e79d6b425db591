-- Contact: when no process swept, so that an outage of the database counts against no lease; the limits
-- of each attempt as the worker that claimed it knows them; and queues that a worker had to leave out.

create table sweep_times (
  is_only boolean primary key default true,
  swept_at timestamptz not null,
  every interval not null,
  every_at timestamptz not null,
  server_started_at timestamptz not null,
  constraint sweep_times_has_one_row check (is_only)
) with (fillfactor = 50);
comment on table sweep_times is 'When a process last swept: one row. Whether the database was away since is judged by it.';
comment on column sweep_times.is_only is 'Always true.';
comment on column sweep_times.swept_at is 'When a process last looked for leases that expired.';
comment on column sweep_times.every is 'The shortest time from sweep to sweep of one process.';
comment on column sweep_times.every_at is 'When a process that sweeps so often last did.';
comment on column sweep_times.server_started_at is 'When the server started on which that was: another time says that it was restarted, or that a standby took its place.';

create table sweep_pauses (
  until timestamptz primary key,
  since timestamptz not null,
  constraint sweep_pauses_have_a_length check (since < until)
);
comment on table sweep_pauses is 'Times of the last day in which no process swept: the database was away, or all who sweep were. They count against no lease and no deadline.';
comment on column sweep_pauses.until is 'When the first sweep after it began.';
comment on column sweep_pauses.since is 'From when on no sweep came, though one was due.';

alter table running add column soft_at timestamptz;
alter table running add column hard_at timestamptz;
comment on column running.soft_at is 'When its soft timeout passes, as the worker that claimed it knows it; null if it has none.';
comment on column running.hard_at is 'When its hard timeout passes, as the worker that claimed it knows it.';

alter table workers add column other_queue_slots integer not null default 0;
comment on column workers.other_queue_slots is 'How many jobs of each queue that queues does not name it runs at once, as they come; 0: it takes none.';
alter table workers add column queues_left_out integer not null default 0;
comment on column workers.queues_left_out is 'In how many further queues jobs were due for it at its last look, while it followed as many as it can.';
