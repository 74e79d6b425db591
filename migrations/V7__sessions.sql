-- What long work tells of itself under a name of its caller's, such as a crawl.

create table sessions (
  id text primary key check (char_length(id) between 1 and 100),
  job_id uuid not null,
  base_url text not null,
  status text not null check (status in ('queued', 'starting', 'running', 'completed', 'failed')),
  pages_crawled integer not null default 0,
  bugs_found integer not null default 0,
  error text,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null
);
create index sessions_expires on sessions (expires_at);
create index sessions_job on sessions (job_id);
comment on table sessions is 'Sessions: what a crawl tells of itself while it runs. Read session_status, which also knows what became of the job.';
comment on column sessions.id is 'The caller''s name for it.';
comment on column sessions.job_id is 'The job that does the work; no other may write here.';
comment on column sessions.base_url is 'What is crawled.';
comment on column sessions.status is 'queued, starting, running, completed or failed, as the job last said.';
comment on column sessions.pages_crawled is 'How many pages are done.';
comment on column sessions.bugs_found is 'How many bugs were found on them.';
comment on column sessions.error is 'What the last attempt failed of.';
comment on column sessions.created_at is 'When it began.';
comment on column sessions.updated_at is 'When the job last said something.';
comment on column sessions.expires_at is 'When it is forgotten; each word of the job puts it off.';
