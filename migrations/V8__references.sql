-- What outlives its own job because others refer to it, and what a job that is retried waits by again.

alter table artifacts add column doomed_at timestamptz;
comment on column artifacts.doomed_at is 'Since when nobody can need it any more and it is being removed; nothing refers to it from then on.';

create table artifact_referrers (
  owner_id uuid not null,
  job_id uuid not null,
  primary key (owner_id, job_id)
);
comment on table artifact_referrers is 'Jobs whose args or result lie in the storage as those of another one: of a fork, of who got results passed or took args over. They stay until the last of these jobs is gone.';
comment on column artifact_referrers.owner_id is 'Whose args or result it was.';
comment on column artifact_referrers.job_id is 'Who refers to it.';

-- Where nothing lies in storage the jobs are not even read.
insert into artifact_referrers (owner_id, job_id)
select distinct a.job_id, j.id
from jobs j
cross join lateral jsonb_path_query(jsonb_build_array(j.args, j.result), 'strict $.** ? (exists (@."$stored"))."$stored"') as r (reference)
join artifacts a on a.job_id::text = r.reference ->> 'job'
where exists (select from artifacts)
  and concat(j.args, j.result) like '%"$stored"%'
  and a.job_id <> j.id;

alter table dependencies add column run_at timestamptz;
alter table dependencies add column delay interval;
comment on column dependencies.run_at is 'As in waits; what is retried waits by it again.';
comment on column dependencies.delay is 'As in waits; what is retried waits by it again.';

-- Jobs that still wait know it; those that were let go before have forgotten it.
update dependencies d
set run_at = w.run_at, delay = w.delay
from waits w
where w.job_id = d.job_id
  and (w.run_at is not null or w.delay is not null);

-- Before anybody enqueues.
insert into queue_room (queue)
select name
from queues
where max_queued is not null
on conflict do nothing;
