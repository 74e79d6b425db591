-- Made by `make schema` from a fresh migration, on Postgres 15. Do not edit.
CREATE SCHEMA tidemill;

CREATE TYPE tidemill.job_state AS ENUM (
    'waiting',
    'available',
    'running',
    'completed',
    'failed',
    'cancelled'
);

COMMENT ON TYPE tidemill.job_state IS 'Stored states of a job; "scheduled" and "retrying" are shown for available ones, never stored.';

COMMENT ON FUNCTION tidemill.act_on_jobs(p_verb text, p_filter jsonb, p_limit integer, p_dry_run boolean, p_queue text, p_by text, p_after uuid) IS 'Does a verb (retry, cancel, run_now, delete) to up to so many jobs that a filter finds, or with p_dry_run only looks. What is retried may go to another queue. Answers the last one, behind which the next call goes on: what refused is found again by one that begins anew.';

COMMENT ON FUNCTION tidemill.acting() IS 'Who acts in this transaction: what the setting tidemill.by says, else the database user.';

COMMENT ON FUNCTION tidemill.admit(p_queue text, p_kinds text[], p_room integer, p_worst_priority smallint, p_room_at_worst integer, p_priorities smallint[], p_run_ats timestamp with time zone[], p_ids uuid[], OUT picked uuid[], OUT plain_room integer, OUT again_in_seconds double precision) IS 'The door of a claim that must be counted: locks the jobs that may start now and says how many others may; the caller claims them in the same transaction.';

COMMENT ON FUNCTION tidemill.append_event(p_job uuid, p_attempt integer, p_type text, p_data jsonb) IS 'Writes one event and answers its number.';

COMMENT ON FUNCTION tidemill.append_events(p_jobs uuid[], p_attempts integer[], p_types text[], p_data jsonb[], p_report uuid) IS 'Writes events in the given order, numbers them per job and keeps each job''s progress; answers the last number of each job. Those of a report that the job had last are stored already.';

CREATE TABLE tidemill.jobs (
    id uuid NOT NULL,
    kind text NOT NULL,
    queue text DEFAULT 'default'::text NOT NULL,
    state tidemill.job_state DEFAULT 'available'::tidemill.job_state NOT NULL,
    priority smallint DEFAULT 5 NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    max_attempts integer DEFAULT 5 NOT NULL,
    run_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    lease_id uuid,
    worker_id text,
    last_lease_id uuid,
    last_worker_id text,
    args jsonb DEFAULT '{}'::jsonb NOT NULL,
    result jsonb,
    error jsonb,
    execution_id text,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    metadata jsonb,
    soft_timeout interval,
    hard_timeout interval,
    retain interval,
    retain_until timestamp with time zone,
    concurrency_keys text[],
    fair_key text,
    group_id uuid,
    due_at timestamp with time zone,
    expires_at timestamp with time zone,
    unique_key text,
    workflow_id uuid,
    awaited boolean,
    written_in numeric DEFAULT ((pg_current_xact_id())::text)::numeric NOT NULL,
    CONSTRAINT jobs_args_is_an_object CHECK ((jsonb_typeof(args) = 'object'::text)),
    CONSTRAINT jobs_attempts_count_up CHECK (((attempt >= 0) AND (max_attempts >= 1))),
    CONSTRAINT jobs_finished_at_marks_the_end CHECK (((finished_at IS NOT NULL) = (state = ANY (ARRAY['completed'::tidemill.job_state, 'failed'::tidemill.job_state, 'cancelled'::tidemill.job_state])))),
    CONSTRAINT jobs_hard_timeout_is_in_reach CHECK (((hard_timeout >= '00:00:00'::interval) AND (hard_timeout <= '100 years'::interval))),
    CONSTRAINT jobs_kind_is_named CHECK (((kind <> ''::text) AND (length(kind) <= 63))),
    CONSTRAINT jobs_lease_while_running CHECK (((lease_id IS NOT NULL) = (state = 'running'::tidemill.job_state))),
    CONSTRAINT jobs_priority_is_1_to_9 CHECK (((priority >= 1) AND (priority <= 9))),
    CONSTRAINT jobs_queue_is_named CHECK (((queue <> ''::text) AND (length(queue) <= 63))),
    CONSTRAINT jobs_result_means_completed CHECK (((result IS NULL) OR (state = 'completed'::tidemill.job_state))),
    CONSTRAINT jobs_retain_is_in_reach CHECK (((retain >= '00:00:00'::interval) AND (retain <= '100 years'::interval))),
    CONSTRAINT jobs_run_at_is_in_reach CHECK (((run_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND ((run_at < '10000-01-01 00:00:00+00'::timestamp with time zone) OR (state = 'waiting'::tidemill.job_state)))),
    CONSTRAINT jobs_running_has_started CHECK (((state <> 'running'::tidemill.job_state) OR ((started_at IS NOT NULL) AND (attempt >= 1)))),
    CONSTRAINT jobs_soft_timeout_is_in_reach CHECK (((soft_timeout >= '00:00:00'::interval) AND (soft_timeout <= '100 years'::interval))),
    CONSTRAINT jobs_waiting_is_never_due CHECK (((state <> 'waiting'::tidemill.job_state) OR (run_at = 'infinity'::timestamp with time zone))),
    CONSTRAINT jobs_worker_while_running CHECK (((worker_id IS NOT NULL) = (state = 'running'::tidemill.job_state)))
)
PARTITION BY RANGE (finished_at);

COMMENT ON TABLE tidemill.jobs IS 'Every job, live and finished. Live rows sit in jobs_live; a finished one moves to the partition of its day.';

COMMENT ON COLUMN tidemill.jobs.id IS 'UUIDv7 made by whoever enqueued it; its order promises nothing.';

COMMENT ON COLUMN tidemill.jobs.kind IS 'Which handler runs it.';

COMMENT ON COLUMN tidemill.jobs.queue IS 'The lane that it is claimed from.';

COMMENT ON COLUMN tidemill.jobs.state IS 'Where it is in its life; docs/lifecycle.md draws it.';

COMMENT ON COLUMN tidemill.jobs.priority IS '1 is claimed first, 9 last; critical 1, high 3, normal 5, low 7.';

COMMENT ON COLUMN tidemill.jobs.attempt IS 'Ordinal of the present or last try; 0 before the first. Snoozes and hand-backs do not count.';

COMMENT ON COLUMN tidemill.jobs.max_attempts IS 'No try has a higher ordinal, unless retried by hand.';

COMMENT ON COLUMN tidemill.jobs.run_at IS 'Not claimed before this time of the database''s clock; infinity while waiting.';

COMMENT ON COLUMN tidemill.jobs.created_at IS 'When it was enqueued.';

COMMENT ON COLUMN tidemill.jobs.started_at IS 'When the present or last attempt was claimed.';

COMMENT ON COLUMN tidemill.jobs.finished_at IS 'When it reached a final state; null exactly while it is live.';

COMMENT ON COLUMN tidemill.jobs.cancel_requested_at IS 'When somebody asked to cancel it.';

COMMENT ON COLUMN tidemill.jobs.lease_id IS 'The right to run the present attempt; fences every write of its worker.';

COMMENT ON COLUMN tidemill.jobs.worker_id IS 'The worker that runs it now (workers.id).';

COMMENT ON COLUMN tidemill.jobs.last_lease_id IS 'The lease of the last attempt that ended; lets a worker repeat its last word.';

COMMENT ON COLUMN tidemill.jobs.last_worker_id IS 'The worker of the last attempt that ended.';

COMMENT ON COLUMN tidemill.jobs.args IS 'The input, a JSON object.';

COMMENT ON COLUMN tidemill.jobs.result IS 'What the handler gave back; only when completed.';

COMMENT ON COLUMN tidemill.jobs.error IS 'The last failure: message, type, permanent, backtrace.';

COMMENT ON COLUMN tidemill.jobs.execution_id IS 'The caller''s own name for it; also in task_ids.';

COMMENT ON COLUMN tidemill.jobs.tags IS 'Words to find it by.';

COMMENT ON COLUMN tidemill.jobs.metadata IS 'Data of the caller that the handler does not need.';

COMMENT ON COLUMN tidemill.jobs.soft_timeout IS 'After this an attempt is asked to stop; the kind''s own if null.';

COMMENT ON COLUMN tidemill.jobs.hard_timeout IS 'After this an attempt is ended; the kind''s own if null.';

COMMENT ON COLUMN tidemill.jobs.retain IS 'How long it stays once finished; the deployment''s retention if null.';

COMMENT ON COLUMN tidemill.jobs.retain_until IS 'When its own retention ends; null if the day''s partition decides.';

COMMENT ON COLUMN tidemill.jobs.concurrency_keys IS 'The limits that it counts for: each is the name of a limit, or name:key to be counted apart for each key.';

COMMENT ON COLUMN tidemill.jobs.fair_key IS 'Whose job it is; jobs of one queue and priority take turns between fair keys.';

COMMENT ON COLUMN tidemill.jobs.group_id IS 'Hash of its concurrency keys and fair key; jobs of one group wait in one line. Null for most jobs.';

COMMENT ON COLUMN tidemill.jobs.due_at IS 'From when on a job with a group may run; its run_at is infinity while it waits for its turn.';

COMMENT ON COLUMN tidemill.jobs.expires_at IS 'A job that was not started by then is cancelled.';

COMMENT ON COLUMN tidemill.jobs.unique_key IS 'What no second job may have at the same time; see unique_keys.';

COMMENT ON COLUMN tidemill.jobs.workflow_id IS 'The workflow that it belongs to, which is a job itself; null for most jobs.';

COMMENT ON COLUMN tidemill.jobs.awaited IS 'True if its end is to be told to jobs that wait for it.';

COMMENT ON COLUMN tidemill.jobs.written_in IS 'The transaction that put the row where it is: enqueued the job, made it live again, or finished it. No claim changes it.';

COMMENT ON FUNCTION tidemill.archive(p_job tidemill.jobs) IS 'Moves a locked live job to the history of today, in the final state that the given row says.';

COMMENT ON FUNCTION tidemill.are_sealed_args(p_args jsonb) IS 'Whether args are encrypted or in object storage, in exactly the form that the processes write; results passed to the job can be added.';

COMMENT ON FUNCTION tidemill.audit(p_act text, p_subject text, p_before jsonb, p_after jsonb, p_by text) IS 'Records an act of a person.';

COMMENT ON FUNCTION tidemill.audit_change() IS 'Records what was changed of a row of settings. Arguments: what the row is, its naming column, and columns that do not count.';

COMMENT ON FUNCTION tidemill.backoff(p_attempt integer, p_first interval, p_factor double precision, p_max interval, p_jitter double precision) IS 'Delay after the given attempt failed: first * factor^(attempt - 1), at most max, varied by the share jitter.';

COMMENT ON FUNCTION tidemill.bad_workflow(p_path text, p_message text, p_hint text) IS 'Refuses a workflow: where, why, and what to do.';

COMMENT ON FUNCTION tidemill.bare(p_text text) IS 'A condition as Postgres prints it, without brackets.';

CREATE TABLE tidemill.alert_rules (
    name text NOT NULL,
    condition text NOT NULL,
    kind text,
    queue text,
    above double precision DEFAULT 0 NOT NULL,
    at_least integer DEFAULT 1 NOT NULL,
    over interval DEFAULT '00:15:00'::interval NOT NULL,
    hold interval DEFAULT '00:01:00'::interval NOT NULL,
    webhook text,
    email text[] DEFAULT '{}'::text[] NOT NULL,
    from_config boolean DEFAULT false NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    owner text,
    CONSTRAINT alert_rules_above_is_not_negative CHECK (((above >= (0)::double precision) AND (above < 'Infinity'::double precision))),
    CONSTRAINT alert_rules_are_named CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'::text)),
    CONSTRAINT alert_rules_at_least_is_positive CHECK ((at_least >= 1)),
    CONSTRAINT alert_rules_condition_is_known CHECK ((condition = ANY (ARRAY['error_rate'::text, 'average_time'::text, 'queue_depth'::text, 'no_worker'::text, 'stuck_jobs'::text, 'database_latency'::text, 'database_size'::text, 'database_horizon'::text]))),
    CONSTRAINT alert_rules_hold_is_in_reach CHECK (((hold >= '00:00:00'::interval) AND (hold <= '1 day'::interval))),
    CONSTRAINT alert_rules_kind_has_a_meaning CHECK (((kind IS NULL) OR (condition = ANY (ARRAY['error_rate'::text, 'average_time'::text, 'stuck_jobs'::text])))),
    CONSTRAINT alert_rules_over_is_in_reach CHECK (((over >= '00:01:00'::interval) AND (over <= '14 days'::interval))),
    CONSTRAINT alert_rules_queue_has_a_meaning CHECK (((queue IS NULL) OR (condition !~~ 'database%'::text))),
    CONSTRAINT alert_rules_webhook_is_an_address CHECK ((webhook ~ '^https?://.+'::text))
);

COMMENT ON TABLE tidemill.alert_rules IS 'When somebody shall be told.';

COMMENT ON COLUMN tidemill.alert_rules.name IS 'What the rule is called.';

COMMENT ON COLUMN tidemill.alert_rules.condition IS 'What is measured: error_rate, average_time, queue_depth, no_worker, stuck_jobs, database_latency, database_size or database_horizon.';

COMMENT ON COLUMN tidemill.alert_rules.kind IS 'Only jobs of this kind; null: each kind by itself.';

COMMENT ON COLUMN tidemill.alert_rules.queue IS 'Only this queue; null: all of them.';

COMMENT ON COLUMN tidemill.alert_rules.above IS 'It is too much above this: a share, seconds, jobs or bytes; of no_worker: up to so many workers are too few.';

COMMENT ON COLUMN tidemill.alert_rules.at_least IS 'Fewer attempts than this in the window say nothing.';

COMMENT ON COLUMN tidemill.alert_rules.over IS 'The window of error_rate and average_time.';

COMMENT ON COLUMN tidemill.alert_rules.hold IS 'It fires when it was too much for so long, and is resolved when it was not for so long.';

COMMENT ON COLUMN tidemill.alert_rules.webhook IS 'Called when it fires and when it is resolved; null: nobody.';

COMMENT ON COLUMN tidemill.alert_rules.email IS 'Who is written to then.';

COMMENT ON COLUMN tidemill.alert_rules.from_config IS 'True if a config names it.';

COMMENT ON COLUMN tidemill.alert_rules.updated_at IS 'When it was last changed.';

COMMENT ON COLUMN tidemill.alert_rules.owner IS 'The deployment whose config wrote it; null if none did.';

COMMENT ON FUNCTION tidemill.breaches(p_rule tidemill.alert_rules, p_latency_seconds double precision) IS 'What is too much by a rule at this moment: what it is about, what was measured, and that in words.';

COMMENT ON FUNCTION tidemill.cancel(p_job uuid, p_reason text, p_by text) IS 'Cancels a job: at once if it does not run (cancelled), else by asking its worker (cancel_requested). Answers the state of one that is finished, null for one that does not exist.';

COMMENT ON FUNCTION tidemill.cancel_children(p_job tidemill.jobs, p_reason text, p_by text, p_recorded boolean) IS 'Cancels what a job spawned that waits for it, or was about to.';

COMMENT ON FUNCTION tidemill.cancel_one(p_job uuid, p_reason text, p_by text, p_recorded boolean) IS 'As cancel; whether it is recorded as an act says the caller.';

COMMENT ON FUNCTION tidemill.cancel_workflow(p_workflow uuid, p_reason text, p_by text) IS 'Cancels what is live of a workflow and of all that is nested in it; it ends when the last of them has.';

COMMENT ON FUNCTION tidemill.change_job(p_job uuid, p_change jsonb, p_by text) IS 'Gives a job that does not run other terms: {priority, queue, run_at, max_attempts, tags, metadata}, what is left out stays. Answers its state, null if there is no such job; one that runs or has ended stays as it is.';

COMMENT ON FUNCTION tidemill.changes(p_behind bigint, p_open bigint[], p_before bigint, p_hidden bigint[], p_floor timestamp with time zone, p_kinds text[], p_queues text[], p_all boolean, p_most integer, p_seen text) IS 'What transactions wrote that were not there at an earlier look: numbers from p_behind on and those of p_open, below p_before and without p_hidden; none before p_floor. The first row is the look itself, with its snapshot; the only one if that is p_seen.';

COMMENT ON FUNCTION tidemill.check_json(p_value jsonb, p_what text) IS 'Refuses JSON that no worker could read as it is.';

COMMENT ON FUNCTION tidemill.check_members(p_path text, p_names text[], p_nodes jsonb[], p_afters jsonb[]) IS 'Refuses names that are not unique, unknown or wait in a circle.';

COMMENT ON FUNCTION tidemill.check_sealed(p_args jsonb[], p_options jsonb[]) IS 'Refuses jobs whose args would lie open where the config wants all sealed; insert_jobs calls it then.';

COMMENT ON FUNCTION tidemill.check_spec(p_path text, p_spec jsonb) IS 'Refuses what a workflow says of itself that nobody knows.';

COMMENT ON FUNCTION tidemill.check_wishes(p_jobs jsonb) IS 'Refuses what is no array of jobs, fields that nobody knows, and args that no worker could read.';

COMMENT ON FUNCTION tidemill.clear_sessions(p_limit integer) IS 'Removes sessions that are over their time, a bounded number; answers how many.';

COMMENT ON FUNCTION tidemill.closed_kinds(p_kinds text[]) IS 'Those of the kinds whose jobs may start: their breakers are not open.';

COMMENT ON FUNCTION tidemill.complete(p_job uuid, p_lease uuid, p_result jsonb) IS 'Completes an attempt in your transaction: its end and what you write commit or vanish together. False if the lease is lost: roll back then.';

COMMENT ON FUNCTION tidemill.count_queued(p_queue text, p_most integer) IS 'How many jobs of the queue do not run, counted up to a number.';

COMMENT ON FUNCTION tidemill.create_workflow(p_spec jsonb) IS 'Enqueues a whole graph of jobs in your transaction: {name, on_failure: continue | cancel, jobs: [{name, kind, args, after: [name or {job, as}], run_if, …}]}, or group: [jobs], or chain: [jobs]; each may be nested instead of a kind, and a group may have then: job. Answers the id of the job that stands for it.';

COMMENT ON FUNCTION tidemill.crowded_out(p_kinds text[], p_queues text[], p_execution_ids text[], p_verdicts jsonb, p_wait boolean, OUT crowded bigint[], OUT busy bigint[]) IS 'Those jobs of one call of insert_jobs, by their places, for which their queues have no room, and which of them because somebody else has the room at this moment.';

COMMENT ON FUNCTION tidemill.dead_rows() IS 'Dead rows of the hot tables, as the statistics have it.';

COMMENT ON FUNCTION tidemill.declare_deployment(p_name text, p_revision bigint) IS 'A process of the deployment starts. Answers whether its config may be written: false if a later revision was seen, or one at all and this has none.';

COMMENT ON FUNCTION tidemill.delete_job(p_job uuid) IS 'Removes a job that does not run, with all its history; for those that wait for a live one, or for the result of one that completed, it is cancelled. Answers deleted, running, or null if there is no such job.';

COMMENT ON FUNCTION tidemill.delete_one(p_job uuid, p_recorded boolean) IS 'As delete_job; whether it is recorded as an act says the caller.';

COMMENT ON FUNCTION tidemill.delete_schedule(p_name text) IS 'Removes a schedule and its slots; its jobs stay. Answers whether there was one.';

COMMENT ON FUNCTION tidemill.doctor() IS 'All that is wrong, the worst first, each with what to do about it; no row if nothing is.';

COMMENT ON FUNCTION tidemill.doctor_database() IS 'What the database has that hurts a queue.';

COMMENT ON FUNCTION tidemill.doctor_replication() IS 'Tables whose changes a publication sends without knowing their rows.';

COMMENT ON FUNCTION tidemill.doctor_rights() IS 'What somebody may do who should not, and what the roles may not do who should.';

COMMENT ON FUNCTION tidemill.doctor_schema() IS 'What of the schema is not as a migration made it; at most 21 rows.';

COMMENT ON FUNCTION tidemill.doctor_tidemill() IS 'What is wrong with the schema, the workers and the queues.';

COMMENT ON FUNCTION tidemill.drain_queue(p_queue text, p_by text) IS 'The queue takes no new jobs until it is resumed; what is there runs to its end.';

COMMENT ON FUNCTION tidemill.drain_worker(p_worker text, p_by text) IS 'Asks a worker to claim no more; it finishes what it has. False if there is no such worker.';

COMMENT ON FUNCTION tidemill.drop_alert(p_name text) IS 'Removes an alert rule and resolves what it fired; false if there is none of that name.';

COMMENT ON FUNCTION tidemill.drop_artifact(p_path text) IS 'Forgets a doomed file, after it was removed from the storage.';

COMMENT ON FUNCTION tidemill.drop_day(p_retention interval) IS 'As drop_partition, by whoever keeps house; not recorded as an act, and never less than an hour after the day.';

COMMENT ON FUNCTION tidemill.drop_limit(p_name text) IS 'Removes a limit; false if there is none of that name. Its jobs go on without.';

COMMENT ON FUNCTION tidemill.drop_oldest_day(p_retention interval) IS 'What drop_day and drop_partition have in common. Of a day of jobs those stay that others still need.';

COMMENT ON FUNCTION tidemill.drop_partition(p_retention interval) IS 'Drops the oldest day of history that the retention has passed and nobody reads, but for jobs that others still need; answers its name, null if there is none. Never waits longer than half a second for a lock; commit at once.';

COMMENT ON FUNCTION tidemill.due_before(p_job tidemill.jobs) IS 'The due jobs of its queue that come before a job, at most 20,000.';

COMMENT ON FUNCTION tidemill.end_workflow(p_job tidemill.jobs) IS 'Ends a locked workflow whose members have all ended: with their results, or with those that did not complete.';

COMMENT ON FUNCTION tidemill.enqueue(kind text, args jsonb, queue text, priority integer, run_at timestamp with time zone, delay interval, max_attempts integer, soft_timeout interval, hard_timeout interval, execution_id text, tags text[], metadata jsonb, retain interval, concurrency_key text[], fair_key text, unique_by jsonb, expires_at timestamp with time zone, expires_in interval, after uuid[], run_if text) IS 'Enqueues one job in your transaction: it commits or vanishes with it. select enqueue(''send-mail'', ''{"to": "x"}'', delay => ''5 min'').';

COMMENT ON FUNCTION tidemill.enqueue_many(p_jobs jsonb) IS 'Enqueues an array of {kind, args, queue, priority, run_at, delay, max_attempts, soft_timeout, hard_timeout, execution_id, tags, metadata, retain, concurrency_key, fair_key, unique, expires_at, expires_in, after, run_if} in your transaction, all or none; answers their ids in order, for one that is not unique that of the existing job.';

CREATE TABLE tidemill.schedules (
    name text NOT NULL,
    cron text,
    every interval,
    at timestamp with time zone,
    timezone text DEFAULT 'UTC'::text NOT NULL,
    job jsonb NOT NULL,
    missed text DEFAULT 'one'::text NOT NULL,
    missed_limit integer DEFAULT 10 NOT NULL,
    overlap text DEFAULT 'skip'::text NOT NULL,
    jitter interval DEFAULT '00:00:00'::interval NOT NULL,
    paused_at timestamp with time zone,
    paused_by text,
    source text DEFAULT 'sql'::text NOT NULL,
    anchor_at timestamp with time zone DEFAULT now() NOT NULL,
    next_at timestamp with time zone,
    upcoming timestamp with time zone[] DEFAULT '{}'::timestamp with time zone[] NOT NULL,
    last_slot_at timestamp with time zone,
    unfinished uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    problem text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    owner text,
    CONSTRAINT schedules_are_named CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'::text)),
    CONSTRAINT schedules_at_is_in_reach CHECK (((at >= '2000-01-01 00:00:00+00'::timestamp with time zone) AND (at < '2200-01-01 00:00:00+00'::timestamp with time zone))),
    CONSTRAINT schedules_cron_is_short CHECK (((length(cron) >= 1) AND (length(cron) <= 255))),
    CONSTRAINT schedules_every_is_1_second_to_10_years_without_months CHECK ((((every >= '00:00:01'::interval) AND (every <= '3660 days'::interval)) AND (EXTRACT(year FROM every) = (0)::numeric) AND (EXTRACT(month FROM every) = (0)::numeric))),
    CONSTRAINT schedules_have_one_of_cron_every_at CHECK ((num_nonnulls(cron, every, at) = 1)),
    CONSTRAINT schedules_jitter_is_in_reach CHECK (((jitter >= '00:00:00'::interval) AND (jitter <= '1 day'::interval))),
    CONSTRAINT schedules_job_is_a_template CHECK (((jsonb_typeof(job) = 'object'::text) AND (COALESCE((job ->> 'kind'::text), ''::text) ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'::text) AND (COALESCE(jsonb_typeof((job -> 'args'::text)), 'object'::text) = 'object'::text) AND (COALESCE(jsonb_typeof((job -> 'metadata'::text)), 'object'::text) = 'object'::text) AND (COALESCE(jsonb_typeof((job -> 'tags'::text)), 'array'::text) = 'array'::text) AND ((job - '{kind,args,queue,priority,max_attempts,soft_timeout,hard_timeout,tags,metadata,retain}'::text[]) = '{}'::jsonb))),
    CONSTRAINT schedules_missed_is_known CHECK ((missed = ANY (ARRAY['skip'::text, 'one'::text, 'all'::text]))),
    CONSTRAINT schedules_missed_limit_is_1_to_1000 CHECK (((missed_limit >= 1) AND (missed_limit <= 1000))),
    CONSTRAINT schedules_overlap_is_known CHECK ((overlap = ANY (ARRAY['skip'::text, 'queue'::text, 'allow'::text, 'cancel'::text]))),
    CONSTRAINT schedules_paused_by_somebody CHECK (((paused_at IS NULL) = (paused_by IS NULL))),
    CONSTRAINT schedules_source_is_known CHECK ((source = ANY (ARRAY['config'::text, 'api'::text, 'sql'::text]))),
    CONSTRAINT schedules_timezone_is_short CHECK (((length(timezone) >= 1) AND (length(timezone) <= 63)))
)
WITH (fillfactor='50');

COMMENT ON TABLE tidemill.schedules IS 'What is enqueued by the clock; act on it through set_schedule and its siblings.';

COMMENT ON COLUMN tidemill.schedules.name IS 'The schedule.';

COMMENT ON COLUMN tidemill.schedules.cron IS 'Cron text of five fields, or six with seconds first; docs/schedules.md says how it is read.';

COMMENT ON COLUMN tidemill.schedules.every IS 'Time from slot to slot, counted from anchor_at.';

COMMENT ON COLUMN tidemill.schedules.at IS 'The one time at which it falls due.';

COMMENT ON COLUMN tidemill.schedules.timezone IS 'Zone of the cron text, by its name in the tz database.';

COMMENT ON COLUMN tidemill.schedules.job IS 'The job that it makes, as enqueue_many takes it, without run_at, delay and execution_id.';

COMMENT ON COLUMN tidemill.schedules.missed IS 'Which slots fire that nobody looked at in time: skip (none), one (the latest) or all (the latest missed_limit).';

COMMENT ON COLUMN tidemill.schedules.missed_limit IS 'How many missed slots fire at most, where missed is all.';

COMMENT ON COLUMN tidemill.schedules.overlap IS 'What happens to a slot while an earlier job is not finished: skip, queue (one is held), allow, or cancel (the earlier one).';

COMMENT ON COLUMN tidemill.schedules.jitter IS 'By up to so much later a slot''s job may start; the share is fixed by name and slot.';

COMMENT ON COLUMN tidemill.schedules.paused_at IS 'Since when it does not fire.';

COMMENT ON COLUMN tidemill.schedules.paused_by IS 'Who paused it.';

COMMENT ON COLUMN tidemill.schedules.source IS 'Who wrote it last: config, api or sql.';

COMMENT ON COLUMN tidemill.schedules.anchor_at IS 'Slots of an interval are this plus a multiple of it; when its times were last changed.';

COMMENT ON COLUMN tidemill.schedules.next_at IS 'The first slot that has not fired; null until it is computed, infinity if none comes.';

COMMENT ON COLUMN tidemill.schedules.upcoming IS 'The next five slots.';

COMMENT ON COLUMN tidemill.schedules.last_slot_at IS 'The last slot that was judged.';

COMMENT ON COLUMN tidemill.schedules.unfinished IS 'Its jobs that were not finished when it last enqueued one, at most 1,000.';

COMMENT ON COLUMN tidemill.schedules.problem IS 'Why it cannot be computed, or why its last slot could not be enqueued.';

COMMENT ON COLUMN tidemill.schedules.created_at IS 'When it was made.';

COMMENT ON COLUMN tidemill.schedules.updated_at IS 'When somebody last changed it.';

COMMENT ON COLUMN tidemill.schedules.owner IS 'The deployment whose config wrote it; null if none did.';

COMMENT ON FUNCTION tidemill.enqueue_scheduled(p_schedule tidemill.schedules, p_metadata jsonb, p_run_at timestamp with time zone) IS 'Enqueues a schedule''s job, marked with the schedule; answers its id.';

COMMENT ON FUNCTION tidemill.enqueue_wishes(p_jobs jsonb, p_ids uuid[], p_options jsonb[]) IS 'What enqueue_many and create_workflow have in common: with p_ids and p_options the jobs have these ids and wait for one another.';

COMMENT ON FUNCTION tidemill.ensure_partitions(p_days_ahead integer) IS 'Makes the day partitions of jobs, events and attempts up to the given number of days ahead (UTC days); answers how many were new.';

COMMENT ON FUNCTION tidemill.ensure_today() IS 'Makes the partitions of today if no keeper made them ahead.';

COMMENT ON FUNCTION tidemill.era() IS 'Which course of history the database is on: changes when a standby takes over or the database is restored.';

COMMENT ON FUNCTION tidemill.evaluate_alert(p_rule tidemill.alert_rules, p_latency_seconds double precision) IS 'Measures a rule: opens, fires and resolves its alerts, each only when it held for so long as the rule says.';

COMMENT ON FUNCTION tidemill.evaluate_alerts(p_latency_seconds double precision) IS 'Measures all rules; false if another process does so at this moment. Takes how long the database took to answer the caller, in seconds.';

COMMENT ON FUNCTION tidemill.expected_start(p_job uuid, OUT at timestamp with time zone, OUT based_on text) IS 'An estimate of when a job starts, and what it rests on: those ahead of it are taken to run as long as those of its own kind did. Null if nobody can say or somebody has to act first.';

COMMENT ON FUNCTION tidemill.expire(p_limit integer) IS 'Cancels jobs that were not started before they expired; one that was started once goes on. Answers which; sweep() calls it.';

COMMENT ON FUNCTION tidemill.explain(p_job uuid) IS 'Why a job does not run: the reasons in the order in which to see to them, each with a code, a message, until when it holds if that is known, and details. No row if there is no such job.';

COMMENT ON FUNCTION tidemill.explain_limits(p_job tidemill.jobs) IS 'The limits that keep a job from starting now, and who holds them.';

COMMENT ON FUNCTION tidemill.explain_waits(p_job tidemill.jobs) IS 'What a job that is held back waits for.';

COMMENT ON FUNCTION tidemill.explain_workers(p_job tidemill.jobs) IS 'Who could run a job, and what they do instead.';

COMMENT ON FUNCTION tidemill.extend_attempt(p_job uuid, p_lease uuid, p_by interval) IS 'Gives a running attempt that much more time before its soft and its hard timeout; answers from when on the sweep would end it, null if the lease is lost.';

COMMENT ON FUNCTION tidemill.fill_key(p_template text, p_args jsonb) IS 'A key with {name} replaced by that arg: tenant:{tenant_id}.';

COMMENT ON FUNCTION tidemill.fill_keys(p_templates jsonb, p_args jsonb) IS 'All keys of an array, filled from the args, each once and in order; null if there are none.';

COMMENT ON FUNCTION tidemill.fingerprint(p_kind text, p_error jsonb) IS 'Hash of the cause of a failure: its kind, class, message without what differs from case to case, and first line of its backtrace.';

COMMENT ON FUNCTION tidemill.fire_schedule(p_name text, p_slot timestamp with time zone, p_next_at timestamp with time zone, p_upcoming timestamp with time zone[], p_missed text, p_sealed jsonb) IS 'Fires a slot that is due and moves the schedule on to the next, or records it as missed for the given reason; p_sealed as with_sealed takes it. Answers what became of it, repeated if it fired before, null if it is not its turn.';

COMMENT ON FUNCTION tidemill.fold_failures(p_limit integer) IS 'Counts failures into their causes; answers how many. Safe to run anywhere, any time; repeat until 0.';

COMMENT ON FUNCTION tidemill.fold_stats(p_limit integer) IS 'Adds what was counted to its minutes and hours; answers how many rows it folded. Safe to run anywhere, any time; repeat until 0.';

COMMENT ON FUNCTION tidemill.forget(p_jobs uuid[]) IS 'Removes what is known of jobs that are gone, beside their history.';

COMMENT ON FUNCTION tidemill.forget_names(p_jobs uuid[]) IS 'Removes what is known of jobs whose day of history goes, but for those that live again.';

COMMENT ON FUNCTION tidemill.fork(p_job uuid, p_from_step text, p_by text) IS 'Enqueues the same work again as a new job that keeps what was before a step (checkpoints, children, signals that had come) and runs from there. Answers its id, null if there is no such job.';

COMMENT ON FUNCTION tidemill.full_keys() IS 'The concurrency keys of which no more job may start now, as far as they are cheap to tell.';

COMMENT ON FUNCTION tidemill.group_of(p_concurrency_keys text[], p_fair_key text) IS 'The group of jobs with these keys; null if there are none.';

COMMENT ON FUNCTION tidemill.heals(p_sqlstate text) IS 'Whether what an SQLSTATE says passes by itself, so that the same may succeed a little later.';

COMMENT ON FUNCTION tidemill.held_by(p_key text, p_terms jsonb, p_new uuid, p_batch uuid[]) IS 'The job for whose sake a new one with this locked key cannot be, null if there is none; then an older one that the terms let pass gives way.';

COMMENT ON FUNCTION tidemill.held_slots() IS 'The slots that wait for the end of an earlier job, and whether it has ended.';

COMMENT ON FUNCTION tidemill.hidden_sessions() IS 'Of how many sessions of this database the caller may not see what they do.';

COMMENT ON FUNCTION tidemill.hold(p_job tidemill.jobs, p_wait jsonb) IS 'Makes a locked live job wait for {signal, timeout_seconds} or for the end of {parents}, and goes on at once if that is there. Answers its state.';

COMMENT ON FUNCTION tidemill.hold_lease(p_job uuid, p_lease uuid) IS 'Locks a running job for its worker and renews the lease; answers the ordinal of the attempt, null if the lease is lost.';

COMMENT ON FUNCTION tidemill.hold_new(p_ids uuid[], p_run_ats timestamp with time zone[], p_delay_seconds double precision[], p_options jsonb[]) IS 'Makes new jobs wait for the others that their options name; a delay counts from then on. insert_jobs calls it.';

COMMENT ON FUNCTION tidemill.horizon_holders() IS 'Who may keep vacuum from removing dead rows of this database: open transactions, prepared ones, slots, standbys; since when if that is known, how many transactions back, and whether it is a slot that nobody reads, which stays there.';

COMMENT ON FUNCTION tidemill.horizon_severity(p_since timestamp with time zone, p_transactions bigint, p_dead bigint) IS 'How bad it is that somebody holds the horizon, by time if its start is known, else by transactions; null if it is nothing yet.';

COMMENT ON FUNCTION tidemill.insert_jobs(p_ids uuid[], p_kinds text[], p_args jsonb[], p_queues text[], p_priorities smallint[], p_run_ats timestamp with time zone[], p_delay_seconds double precision[], p_max_attempts integer[], p_soft_timeout_seconds double precision[], p_hard_timeout_seconds double precision[], p_execution_ids text[], p_tags jsonb[], p_metadata jsonb[], p_retain_seconds double precision[], p_strict boolean, p_options jsonb[], p_wait boolean) IS 'The one way into the jobs table: fills defaults from the kind, refuses draining and full queues, taken execution ids and jobs that would not be unique (their id is that of the existing job); wakes nobody. p_options has for each job null or {unique, concurrency_keys, fair_key, expires_at, expires_in_seconds, after, run_if, workflow_id, container, sealed}; sealed are the args as they are stored, where they shall not be read in the row. Without p_wait a job is refused (queue_busy) if an open transaction of somebody else holds the room of its queue.';

COMMENT ON FUNCTION tidemill.is_kept(p_number numeric) IS 'Whether a worker reads the number as it is: an integer of 64 bits, or what a double holds exactly as it is written.';

COMMENT ON FUNCTION tidemill.is_sealed_form(p_key text, p_form jsonb, p_field text) IS 'Whether a key and its value are exactly what the processes write for an encrypted value ($sealed) or one in object storage ($stored). p_field: args or result.';

COMMENT ON FUNCTION tidemill.is_sealed_result(p_value jsonb) IS 'Whether a result that was passed to a job has nothing readable: it is encrypted or in object storage, or a workflow''s collection of such results.';

COMMENT ON FUNCTION tidemill.jobs_ahead(p_job tidemill.jobs) IS 'How many due jobs of its queue are claimed before it by the workers that serve it; 5000 means that or more. Of at most 20,000 due ones those count whose kind they serve and whose breaker and limits let them start.';

COMMENT ON FUNCTION tidemill.json_flaw(p_value jsonb) IS 'Why no worker could read this JSON as it is; null if each can.';

COMMENT ON FUNCTION tidemill.judge(p_jobs uuid[]) IS 'Judges jobs that wait for others, by all that was told so far; stops workflows first that a failure stops.';

COMMENT ON FUNCTION tidemill.judge_apart(p_job uuid) IS 'As judge for one job, but what stands in the way of it is its own failure and stops nobody else.';

COMMENT ON FUNCTION tidemill.judge_slot(p_schedule tidemill.schedules, p_slot timestamp with time zone) IS 'Decides by the overlap policy what becomes of a slot that is due, does it and records it. For a schedule whose row the caller has locked.';

COMMENT ON FUNCTION tidemill.keep_artifact(p_path text, p_job uuid, p_lease uuid, p_name text, p_content_type text, p_bytes bigint) IS 'Notes a file before it is written, so that none is ever forgotten in the storage; false if the lease is lost. Without a lease it is one of a job that is about to be enqueued.';

COMMENT ON FUNCTION tidemill.keep_config_alerts(p_names text[], p_owner text) IS 'Removes the rules of a config of the deployment that it no longer has; answers their names. Without a deployment none.';

COMMENT ON FUNCTION tidemill.keep_config_schedules(p_names text[], p_owner text) IS 'Removes the schedules that came from a config of the deployment and are not among these; answers their names. Without a deployment none.';

COMMENT ON FUNCTION tidemill.keep_shape(p_all boolean) IS 'Remembers the shape of the schema: all of it behind a migration, else that of functions and views.';

COMMENT ON FUNCTION tidemill.kind_name(p_name text) IS 'The name of a kind as it is, or a refusal.';

COMMENT ON FUNCTION tidemill.lacks_grants() IS 'Whether grants are to be made now: some were never made or are gone, everybody may call a function, or a role is missing that the caller may make.';

COMMENT ON FUNCTION tidemill.left_artifacts(p_limit integer) IS 'Files that nobody needs any more, among those that were not looked at for an hour: their job is gone, and of args and results all jobs that refer to them as well. They are doomed from then on, and come again until drop_artifact; the others are marked as looked at.';

COMMENT ON FUNCTION tidemill.let_go(p_job uuid) IS 'Puts a job that waited into its queue; one that does not wait stays as it is.';

CREATE TABLE tidemill.limits (
    name text NOT NULL,
    max_running integer,
    rate integer,
    rate_period interval,
    burst integer,
    on_full text DEFAULT 'queue'::text NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT limits_are_named CHECK ((name ~ '^(queue:)?[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'::text)),
    CONSTRAINT limits_cancel_counts CHECK (((on_full = 'queue'::text) OR ((max_running >= 1) AND (name !~~ 'queue:%'::text)))),
    CONSTRAINT limits_limit_something CHECK (((max_running IS NOT NULL) OR (rate IS NOT NULL))),
    CONSTRAINT limits_max_running_is_not_negative CHECK ((max_running >= 0)),
    CONSTRAINT limits_on_full_is_known CHECK ((on_full = ANY (ARRAY['queue'::text, 'cancel_newest'::text, 'cancel_oldest'::text]))),
    CONSTRAINT limits_rate_has_a_period CHECK ((((rate IS NULL) = (rate_period IS NULL)) AND ((rate IS NULL) = (burst IS NULL)))),
    CONSTRAINT limits_rate_is_sane CHECK (((rate >= 1) AND (burst >= 1) AND (rate_period > '00:00:00'::interval) AND (rate_period <= '1 year'::interval)))
);

COMMENT ON TABLE tidemill.limits IS 'How many jobs may run at once or start in a time, over all workers.';

COMMENT ON COLUMN tidemill.limits.name IS 'queue:NAME for a queue; else what stands before the colon in the concurrency keys of jobs.';

COMMENT ON COLUMN tidemill.limits.max_running IS 'Most jobs that run at once for each key; null: any number.';

COMMENT ON COLUMN tidemill.limits.rate IS 'Jobs that may start in each period, on average; null: any number.';

COMMENT ON COLUMN tidemill.limits.rate_period IS 'The period.';

COMMENT ON COLUMN tidemill.limits.burst IS 'Most jobs that may start at one moment after a quiet time.';

COMMENT ON COLUMN tidemill.limits.on_full IS 'What a new job does when the limit is reached: queue, cancel_newest (itself) or cancel_oldest (the one that came first).';

COMMENT ON COLUMN tidemill.limits.updated_at IS 'When somebody last changed it.';

COMMENT ON FUNCTION tidemill.limit_of(p_key text) IS 'The limit that a concurrency key counts for; all null if there is none.';

COMMENT ON FUNCTION tidemill.limits_changed(p_name text) IS 'After a limit was set or dropped: claims begin or end to count, and workers look again.';

COMMENT ON FUNCTION tidemill.limits_that_cancel(p_kinds text[], p_args jsonb[], p_options jsonb[]) IS 'The limits of new jobs that cancel when they are full, by the jobs'' places and keys.';

COMMENT ON FUNCTION tidemill.line_of(p_job tidemill.jobs, OUT ahead bigint, OUT busy bigint, OUT slots bigint) IS 'The line that a job stands in: how many are ahead of it, and how many slots of the workers that could take it are taken, of how many.';

COMMENT ON FUNCTION tidemill.line_up(p_queue text, p_priority smallint, p_group uuid, p_keys text[], p_due timestamp with time zone) IS 'Notes that a group has a job that waits, from a time on.';

COMMENT ON FUNCTION tidemill.link_jobs(p_jobs uuid[], p_afters jsonb[], p_run_ifs text[], p_run_ats timestamp with time zone[], p_delays interval[]) IS 'Makes jobs wait for others, see parents_of. A parent that has ended counts at once. Raises an error if there is no such parent.';

COMMENT ON FUNCTION tidemill.live_workers(p_kind text, p_queue text) IS 'The workers with a heartbeat that serve a kind, and how many slots each has for a queue.';

COMMENT ON FUNCTION tidemill.lock_before_enqueue(p_wish jsonb) IS 'As lock_before_room, for whoever locks a job and enqueues another one: before that, and for anything that the new one could cancel.';

COMMENT ON FUNCTION tidemill.lock_before_room(p_kinds text[], p_args jsonb[], p_options jsonb[]) IS 'Before anything else is locked: keeps those off who tell jobs of others, if make_room may cancel one of whom others know.';

COMMENT ON FUNCTION tidemill.lock_job(p_job uuid) IS 'The job, live or finished, locked so that it stays where it is; all null if there is none.';

COMMENT ON FUNCTION tidemill.lock_workflows() IS 'Until the end of the transaction nobody else tells jobs of ends, or cancels or retries what others wait for.';

COMMENT ON FUNCTION tidemill.lock_workflows_of(p_jobs uuid[]) IS 'As lock_workflows, if others know of one of these jobs: they wait for it, or it for them. Before any job, for whoever cancels several, or one with other locks held.';

COMMENT ON FUNCTION tidemill.log_tail(p_job uuid, p_attempt integer) IS 'The last 20 log lines of an attempt, at most 4 KiB; null if it said nothing.';

COMMENT ON FUNCTION tidemill.make_reader(login text) IS 'Lets a login look: makes it a tidemill_reader whose sessions in this database read only and whose statements end after 30 s. For who may alter the login.';

COMMENT ON FUNCTION tidemill.make_room(p_ids uuid[], p_kinds text[], p_args jsonb[], p_options jsonb[]) IS 'Before jobs are inserted: cancels the oldest ones where a full limit says so; answers which of the new ones are to be cancelled themselves.';

COMMENT ON FUNCTION tidemill.matching_jobs(p_verb text, p_filter jsonb, p_limit integer, p_after uuid) IS 'Jobs behind a job, in the order of their ids, on which a verb (retry, cancel, run_now, delete) can act and that a filter finds: {state, queue, kind, tag, created_after, created_before, finished_after, finished_before, error, fingerprint, workflow}, or {"all": true}.';

COMMENT ON FUNCTION tidemill.measure_attempts(p_rule tidemill.alert_rules) IS 'Which kinds fail too often or run too long on average, by the counters of the rule''s window.';

COMMENT ON FUNCTION tidemill.measure_database(p_condition text, p_latency_seconds double precision) IS 'Seconds of the last answer, bytes of the database, or seconds of the oldest transaction that keeps dead rows; null if unknown or none.';

COMMENT ON FUNCTION tidemill.members_of(p_spec jsonb, p_path text) IS 'The jobs of one workflow, group or chain, each with its name and the names of those that it waits for.';

COMMENT ON FUNCTION tidemill.missing_grants() IS 'What the roles that are there were granted, or are to be, and may not do now.';

COMMENT ON FUNCTION tidemill.missing_roles() IS 'Those of the three roles that this server does not have.';

COMMENT ON FUNCTION tidemill.moment(p_at timestamp with time zone) IS 'A time as it stands in messages: UTC, to the second.';

COMMENT ON FUNCTION tidemill.move_job(p_job uuid, p_queue text) IS 'Puts a job that does not run into another queue.';

COMMENT ON FUNCTION tidemill.new_job_id() IS 'A new UUIDv7.';

COMMENT ON FUNCTION tidemill.next_period(p_terms jsonb, p_run_at timestamp with time zone) IS 'When the period after that of the given time begins.';

COMMENT ON FUNCTION tidemill.note_crash(p_kind text) IS 'Counts a crash of a kind''s job. Opens its breaker when there are too many; half open later, one more opens it for twice as long, until a quiet window closes it.';

COMMENT ON FUNCTION tidemill.note_ending() IS 'Notes that a job left the live ones for which others wait, whoever moved it, so that resolve() tells them.';

COMMENT ON FUNCTION tidemill.note_progress(p_told uuid[]) IS 'Counts members that ended for their workflows: each element of the array is the workflow of one.';

COMMENT ON FUNCTION tidemill.note_references(p_job uuid, p_value jsonb) IS 'Notes that a job refers to what others keep in the storage, so that it stays as long as the job. For whoever gives it args or a result that may be those of others, in the same transaction.';

COMMENT ON FUNCTION tidemill.note_session(p_job uuid, p_lease uuid, p_session text, p_base_url text, p_status text, p_pages integer, p_bugs integer, p_error text, p_ttl interval) IS 'What a running attempt says of its session; false if the lease is lost.';

COMMENT ON FUNCTION tidemill.note_sweep(p_every interval) IS 'Notes that a process sweeps now, and will again after p_every. A sweep that comes far later than that, or on another start of the server, ends a pause, which is kept in sweep_pauses.';

COMMENT ON FUNCTION tidemill.notice_sent(p_notice uuid, p_error text) IS 'Ticks a notice off, or notes why it could not be sent.';

COMMENT ON FUNCTION tidemill.oldest_day() IS 'When the oldest day of history that is still there begins.';

COMMENT ON FUNCTION tidemill.open_functions() IS 'Functions that everybody may call who may use the schema.';

COMMENT ON FUNCTION tidemill.open_pause() IS 'From when on a sweep is overdue that nobody made; null if none is.';

COMMENT ON FUNCTION tidemill.options_of(p_concurrency_key jsonb, p_fair_key text, p_unique jsonb, p_expires_at timestamp with time zone, p_expires_in interval, p_after jsonb, p_run_if text, p_sealed jsonb) IS 'What most jobs do not have, as insert_jobs takes it.';

COMMENT ON FUNCTION tidemill.outcome_of(p_job tidemill.jobs) IS 'How a job ended, for those that wait for it; null while it is live.';

COMMENT ON FUNCTION tidemill.parents_of(p_after jsonb) IS 'Reads what a job waits for: an array of job ids or execution:NAME, or of {job, as, name, member}.';

COMMENT ON FUNCTION tidemill.passed_args(p_job uuid, p_since timestamp with time zone) IS 'The results of a job''s parents under the names that it wants them as, of those names to which one ended since a time.';

COMMENT ON FUNCTION tidemill.pause_queue(p_queue text, p_by text) IS 'Nothing is claimed from the queue until it is resumed; what runs goes on.';

COMMENT ON FUNCTION tidemill.pause_schedule(p_name text, p_by text) IS 'The schedule does not fire until it is resumed. Answers whether there is one.';

COMMENT ON FUNCTION tidemill.pick_in_order(p_queue text, p_kinds text[], p_room integer, p_ageing interval, p_priorities smallint[], p_run_ats timestamp with time zone[], p_ids uuid[]) IS 'Locks due jobs without a group, by priority; each ageing interval that a job is due makes it one better.';

COMMENT ON FUNCTION tidemill.pick_turns(p_queue text, p_kinds text[], p_room integer, p_worst_priority smallint, p_room_at_worst integer) IS 'Locks jobs of groups whose turn it is and whose limits have room, and counts them; the caller claims them in the same transaction, under the lock of all limits.';

COMMENT ON FUNCTION tidemill.plan_workflow(p_spec jsonb, p_id uuid, p_path text, p_after jsonb, p_run_if text, p_depth integer) IS 'The jobs of a workflow and of all that is nested in it, as enqueue_wishes takes them; notes the workflows themselves.';

COMMENT ON FUNCTION tidemill.priority_of(p_name text) IS 'A priority by its name, in any case, or its number: select enqueue(''k'', priority => priority_of(''HIGH'')).';

COMMENT ON FUNCTION tidemill.prune(p_limit integer) IS 'Removes finished jobs whose own retention ended, old idempotency keys, unique keys of jobs that are gone, and workers gone for a day; answers how many jobs. Repeat until 0.';

COMMENT ON FUNCTION tidemill.prune_stats() IS 'Removes minutes of more than 14 days ago, whose hours are kept, and hours of more than two years ago.';

COMMENT ON FUNCTION tidemill.prune_unique_keys(p_limit integer) IS 'Looks at the given number of unique keys and removes those whose job is gone; answers how many.';

COMMENT ON FUNCTION tidemill.purge_queue(p_queue text, p_limit integer, p_by text) IS 'Cancels up to the given number of jobs of the queue that do not run; answers how many. Repeat until 0.';

COMMENT ON FUNCTION tidemill.put_schedule(p_name text, p_cron text, p_every interval, p_at timestamp with time zone, p_timezone text, p_job jsonb, p_missed text, p_missed_limit integer, p_overlap text, p_jitter interval, p_source text, p_paused_by text, p_owner text) IS 'Writes a schedule whole, for every face; one of a config belongs to the deployment that is named last. A new one is paused if somebody is named for that; one that is there keeps its pause or none, and its slots if its times stay.';

COMMENT ON FUNCTION tidemill.queue_again(p_job tidemill.jobs, p_due timestamp with time zone) IS 'Puts a locked live job back into its queue, due at a time; one of a group goes to its line.';

COMMENT ON FUNCTION tidemill.queue_name(p_name text) IS 'The name of a queue as it is, or a refusal.';

COMMENT ON FUNCTION tidemill.redact(p_value jsonb) IS 'The value with "[redacted]" in place of what stands under a key of redacted_keys, at any depth, and the url of session_data as shown_address has it.';

COMMENT ON FUNCTION tidemill.redact_within(p_value jsonb, p_hidden text[]) IS 'What redact does, for these keys.';

COMMENT ON FUNCTION tidemill.release_slot(p_name text, p_sealed jsonb) IS 'Enqueues the slot that a schedule holds, if the job before it has ended; p_sealed as with_sealed takes it. Answers what became of it, null if it is not its turn.';

COMMENT ON FUNCTION tidemill.renew_shape() IS 'Remembers the shape as this version of Postgres prints it, if nothing but the printing is another.';

COMMENT ON FUNCTION tidemill.reopen(p_job uuid) IS 'After a finished job became live again: those that it took down with it, and those that wait for others as well, wait for it once more, and its workflow goes on.';

COMMENT ON FUNCTION tidemill.replace_fields(p_job uuid, p_fields jsonb, p_by text) IS 'Gives a job that does not run other args, run_at, priority, max_attempts, tags or metadata; one that is held keeps its time. False if it runs, is finished or is being taken.';

COMMENT ON FUNCTION tidemill.require_results(p_job uuid, p_since timestamp with time zone) IS 'Raises an error if a result that a job is to get now, as passed_args or workflow_result gives it, is gone: nothing is not what its parent brought.';

COMMENT ON FUNCTION tidemill.reset_breaker(p_kind text) IS 'Lets the jobs of a kind start again, and forgets its crashes. False if there is no such kind.';

COMMENT ON FUNCTION tidemill.resolve(p_limit integer) IS 'Tells the jobs that wait of the ends of up to so many others: lets them go, or ends them where what they need did not come. Answers how many ends it told; safe to run anywhere, any time. Repeat until 0.';

COMMENT ON FUNCTION tidemill.resolve_one(p_job uuid) IS 'Judges one job that waits for others, by all that was told so far: goes on waiting, is let go, or ends.';

COMMENT ON FUNCTION tidemill.resume_queue(p_queue text) IS 'Ends a pause or a drain.';

COMMENT ON FUNCTION tidemill.resume_schedule(p_name text) IS 'Ends a pause; slots that passed during it do not fire. Answers whether there is such a schedule.';

COMMENT ON FUNCTION tidemill.retry(p_job uuid, p_by text) IS 'Makes a finished job live again with at least one more attempt; a live one that is not due runs now. Answers its state, null if there is no such job.';

COMMENT ON FUNCTION tidemill.retry_held(p_job uuid, p_by text) IS 'Makes a job that ended before it ever ran, or some of whose parents did not complete, wait for the others as at first; false, and nothing is done, for any other. The caller has it judged when all are live again that are retried with it.';

COMMENT ON FUNCTION tidemill.retry_jobs(filter jsonb, max_jobs integer, dry_run boolean, to_queue text) IS 'Redrives failed jobs: select * from retry_jobs(''{"kind": "send-mail"}'', dry_run => true). Repeat until nothing is done.';

COMMENT ON FUNCTION tidemill.retry_members(p_workflow uuid, p_by text) IS 'Makes live what failed or was cancelled of a workflow and of all that is nested in it. Answers those that wait for others again, which the caller has judged when all are live.';

COMMENT ON FUNCTION tidemill.retry_one(p_job uuid, p_by text, p_recorded boolean) IS 'As retry; whether it is recorded as an act says the caller.';

COMMENT ON FUNCTION tidemill.retry_workflow(p_workflow uuid, p_by text) IS 'Runs again what failed or was cancelled of a workflow and of all that is nested in it, and what waited for that; what completed stays. Answers its state.';

COMMENT ON FUNCTION tidemill.rights_now() IS 'What the three roles may do in this schema, one line each.';

COMMENT ON FUNCTION tidemill.room_expected(p_queue text) IS 'About how long until a full queue takes one more job, 1 to 60 s: by how many of its jobs ended in the last minutes; 1 s if none did, 60 s while it is paused.';

COMMENT ON FUNCTION tidemill.run_now(p_job uuid, p_by text) IS 'Makes a scheduled or retrying job due at once. Answers its state, null if there is no such job.';

COMMENT ON FUNCTION tidemill.run_now_one(p_job uuid, p_by text, p_recorded boolean) IS 'As run_now; whether it is recorded as an act says the caller.';

COMMENT ON FUNCTION tidemill.run_schedule(p_name text, p_by text, p_sealed jsonb) IS 'Enqueues a schedule''s job now, outside of its slots, paused or not; p_sealed as with_sealed takes it. Answers the job''s id, null if there is no such schedule.';

COMMENT ON FUNCTION tidemill.runs_functions() IS 'Answers whether functions run at all: a server whose programs were upgraded under it cannot load their language.';

COMMENT ON FUNCTION tidemill.save_step(p_job uuid, p_lease uuid, p_name text, p_output jsonb, p_replace boolean) IS 'Stores the output of a step of a running attempt; answers {output}: the one that was stored first, or with p_replace the new one. Null if the lease is lost.';

COMMENT ON FUNCTION tidemill.schedule_written() IS 'Trigger: checks a schedule''s job, and has its slots computed anew when its times were changed.';

COMMENT ON FUNCTION tidemill.schema_drift() IS 'What of the schema is not as the last migration left it: how it was then, and is now; null where it was not there.';

COMMENT ON FUNCTION tidemill.schema_shape() IS 'Every column, index, constraint, trigger, function and view of the schema, one line each: what it is, and how it is made.';

COMMENT ON FUNCTION tidemill.set_alert(name text, condition text, above double precision, kind text, queue text, at_least integer, over interval, hold interval, webhook text, email text[], from_config boolean, owner text) IS 'Makes or replaces an alert rule: select set_alert(''errors'', ''error_rate'', above => 0.1, over => ''1 hour'', email => array[''ops@example.org'']).';

COMMENT ON FUNCTION tidemill.set_limit(name text, max_running integer, rate integer, per interval, burst integer, on_full text) IS 'Limits the jobs of a queue (queue:NAME) or of each concurrency key that begins with the name: select set_limit(''tenant'', max_running => 2, rate => 100, per => ''1 hour''). Replaces what was set before.';

COMMENT ON FUNCTION tidemill.set_max_queued(p_queue text, p_most integer) IS 'Bounds how many jobs of the queue may wait to run; more are refused (SQLSTATE 53TM1). What is retried or put off comes back all the same. Null: any number.';

COMMENT ON FUNCTION tidemill.set_priority_ageing(p_queue text, p_ageing interval) IS 'A job of the queue that is due this long is claimed as if its priority were one better, and so on; null: never.';

COMMENT ON FUNCTION tidemill.set_schedule(name text, kind text, args jsonb, cron text, every interval, at timestamp with time zone, timezone text, queue text, priority integer, max_attempts integer, soft_timeout interval, hard_timeout interval, tags text[], metadata jsonb, retain interval, missed text, missed_limit integer, overlap text, jitter interval) IS 'Makes or replaces a schedule. select set_schedule(''nightly'', ''backup'', cron => ''30 4 * * *'', timezone => ''Europe/Berlin'').';

COMMENT ON FUNCTION tidemill.set_slots(p_queue text, p_slots integer) IS 'How many jobs of the queue each worker runs at once; null gives the choice back to the workers.';

COMMENT ON FUNCTION tidemill.settle_attempt(p_job uuid, p_lease uuid, p_outcome text, p_error jsonb, p_delay interval, p_usage jsonb, p_wait jsonb) IS 'Ends an attempt that did not complete: failed, timed_out, crashed, snoozed, released, waits (see hold) or cancelled. Decides between retry and the end; answers the new state, null if the lease is lost.';

COMMENT ON FUNCTION tidemill.severity_of(p_check text, p_number double precision, p_beside double precision) IS 'How bad a number is for a check of doctor(); null if it is fine.';

COMMENT ON FUNCTION tidemill.shall_shed() IS 'Whether dead rows pile up behind somebody who keeps them: then workers store progress less often. The setting tidemill.shed_after says after which time; a minute by default.';

COMMENT ON FUNCTION tidemill.shown_address(p_address text) IS 'An address without user, query and fragment.';

COMMENT ON FUNCTION tidemill.shown_state(p_state tidemill.job_state, p_attempt integer, p_run_at timestamp with time zone, p_due_at timestamp with time zone) IS 'The state as people see it: available and waiting jobs that are not due are scheduled, or retrying after a first attempt.';

COMMENT ON FUNCTION tidemill.signal(p_job uuid, p_name text, p_payload jsonb, p_by text) IS 'Sends a message to a job, which may wait for it now or later: delivered; ignored if one of the name came, or was given up, before; the state of a job that has ended; null if there is none.';

COMMENT ON FUNCTION tidemill.sleep_step(p_job uuid, p_lease uuid, p_name text, p_seconds double precision) IS 'How many seconds a durable sleep still lasts, 0 or less when it is over; null if the lease is lost.';

COMMENT ON FUNCTION tidemill.slowest_look(OUT queue text, OUT milliseconds numeric) IS 'What dead rows cost: the queue in which the look of a claim from the head takes longest, and how long it took right now; of the first twenty queues.';

COMMENT ON FUNCTION tidemill.snooze(p_job uuid, p_delay interval, p_by text) IS 'Puts off a job that does not run. Answers its state, null if there is no such job.';

COMMENT ON FUNCTION tidemill.spawn_child(p_job uuid, p_lease uuid, p_name text, p_wish jsonb, p_is_workflow boolean) IS 'Enqueues a job, or a workflow, for a running attempt: once for each name, also when the attempt is repeated. Answers its id, null if the lease is lost.';

COMMENT ON FUNCTION tidemill.spend(p_key text, p_limit tidemill.limits, p_count bigint) IS 'Takes tokens of a key; the caller holds the lock under which they were counted.';

COMMENT ON FUNCTION tidemill.start_session(p_session text, p_base_url text, p_wish jsonb, p_ttl interval) IS 'Enqueues a job, as enqueue_many takes it, and begins its session, both or none; answers the job''s id.';

COMMENT ON FUNCTION tidemill.stop_workflow(p_workflow uuid) IS 'Cancels the members of a workflow that are live, but for those that run after failures; when it takes long, the rest of them in later calls.';

COMMENT ON FUNCTION tidemill.superseder_of(p_job tidemill.jobs) IS 'The job that took the key of this running one, which therefore must not run again; null if none did.';

COMMENT ON FUNCTION tidemill.sweep(p_limit integer) IS 'Takes back the jobs whose lease expired or whose deadline passed (time in which nobody could sweep does not count), and cancels those that nobody started in time; safe to run anywhere, any time.';

COMMENT ON FUNCTION tidemill.take_key_again(p_job uuid, p_key text) IS 'Gives its key back to a job that is live again, unless another live one has it by now; then neither gives way.';

COMMENT ON FUNCTION tidemill.take_notices(p_limit integer) IS 'Takes notices that are due, to send them now: each is whoever takes it for 30 s, and then comes again unless notice_sent says that it was told. After 20 tries it is given up. That an alert is resolved is for nobody who is still to be told that it fired.';

COMMENT ON FUNCTION tidemill.take_room(p_queue text, p_most integer, p_wished integer, p_wait boolean) IS 'Takes room for so many jobs in a queue with a bound, until the transaction ends; answers for how many there was, without p_wait null if somebody else has the room at this moment.';

COMMENT ON FUNCTION tidemill.take_unique_keys(p_wishes jsonb[], p_ids uuid[]) IS 'Judges the wishes of one call of insert_jobs in order: [{ord, unique_key, run_at}] for those that may be, with outcome existing, conflict or replaced and the holder for those that may not; fields are still to be replaced in a holder of the same call.';

COMMENT ON FUNCTION tidemill.tell(p_message text) IS 'Sends a wake-up hint to all processes of this Tidemill: q:<queue>, g:<queue> (a job that takes turns), f: (a limit has room), c:<job to cancel>, e:<job>:<seq>, d: (a job ended for which others wait), w: (settings changed).';

COMMENT ON FUNCTION tidemill.tell_of_alerts(p_alerts uuid[], p_event text) IS 'Writes whom to tell that alerts fired or are resolved; each is written once.';

COMMENT ON FUNCTION tidemill.terms_of(p_job uuid) IS 'Which ends of those that it waited for let a finished job run again; null if it waited for none.';

COMMENT ON FUNCTION tidemill.thin_out_day(p_part text, p_since timestamp with time zone) IS 'Takes out of a day of jobs what nobody needs, if others need some of it: thinned. keep: they need all of it; drop: nobody needs any, and nothing was done.';

COMMENT ON FUNCTION tidemill.time_off(p_from timestamp with time zone, p_open timestamp with time zone) IS 'How much of the time since p_from does not count, for nobody could sweep; p_open is what open_pause() says.';

COMMENT ON FUNCTION tidemill.token_after(p_tokens double precision, p_limit tidemill.limits) IS 'How long it takes until so many tokens are a whole one.';

COMMENT ON FUNCTION tidemill.tokens_of(p_key text, p_limit tidemill.limits) IS 'How many jobs of the key may start at this moment; a fraction is a token that is still filling.';

COMMENT ON FUNCTION tidemill.turn_is_ready(p_queue text) IS 'Whether some group of the queue may have a job that can start.';

COMMENT ON FUNCTION tidemill.unfinished_jobs(p_schedule tidemill.schedules) IS 'The latest jobs of a schedule that are not finished, at most 999.';

COMMENT ON FUNCTION tidemill.unfinished_of(p_key text) IS 'Jobs of a concurrency key that wait or run and are not being cancelled.';

COMMENT ON FUNCTION tidemill.unique_key(p_terms jsonb, p_kind text, p_queue text, p_args jsonb, p_run_at timestamp with time zone) IS 'The key of a job under the given terms: its own text with {name} filled in, or a hash of its kind and what the terms name; with a period its start and length stand behind it.';

COMMENT ON FUNCTION tidemill.unique_terms(p_wish jsonb) IS 'A wish {key, by, args, states, window, period, on_conflict, replace} with its defaults filled in and its times in seconds; refuses one that makes no sense.';

COMMENT ON FUNCTION tidemill.unique_wishes(p_ids uuid[], p_kinds text[], p_args jsonb[], p_queues text[], p_priorities smallint[], p_run_ats timestamp with time zone[], p_delay_seconds double precision[], p_max_attempts integer[], p_execution_ids text[], p_tags jsonb[], p_metadata jsonb[], p_strict boolean, p_options jsonb[]) IS 'Those jobs of one call of insert_jobs that shall be unique and are not refused for another reason, in order, with their terms, their key and, where the terms ask for them, the key of the next period and the fields to replace.';

COMMENT ON FUNCTION tidemill.veil_webhook(p_value jsonb) IS 'An alert rule whose webhook is only shown by its scheme and host.';

COMMENT ON FUNCTION tidemill.veiled_address(p_url text) IS 'The address without what may be a token: its scheme and host.';

COMMENT ON FUNCTION tidemill.wait_again(p_job tidemill.jobs, p_event jsonb) IS 'Makes a locked finished job, which waited for others, wait for them once more, by the terms that it had.';

COMMENT ON FUNCTION tidemill.wait_verdict(p_job uuid, p_run_if text) IS 'What a job that waits for others does now: wait, run, skip (it is not needed) or cancel (what it needs did not come).';

COMMENT ON FUNCTION tidemill.wake_waits(p_limit integer) IS 'Lets jobs go on without the signal that did not come in time; answers how many. resolve() calls it.';

COMMENT ON FUNCTION tidemill.wanted(p_jobs uuid[], p_since timestamp with time zone) IS 'Those of the given finished jobs that others still need: a live one waits for them, spawned them or is their workflow, or with p_since their workflow ended since then.';

COMMENT ON FUNCTION tidemill.with_plain_numbers(p_value jsonb) IS 'The same JSON with its numbers without zeros behind the last digit, so that equal ones are written alike.';

COMMENT ON FUNCTION tidemill.with_sealed(p_schedule tidemill.schedules, p_sealed jsonb) IS 'The schedule with its job''s args as a scheduler sealed them ({of: md5 of the args, as: what is stored}), for this firing alone.';

COMMENT ON FUNCTION tidemill.workflow_result(p_workflow uuid) IS 'What a workflow brought: the results of its members.';

COMMENT ON FUNCTION tidemill.written_since(p_since timestamp with time zone) IS 'The first transaction that wrote anything since a time, or the next one.';

CREATE TABLE tidemill.alert_notices (
    id uuid NOT NULL,
    alert_id uuid NOT NULL,
    event text NOT NULL,
    channel text NOT NULL,
    target text DEFAULT ''::text NOT NULL,
    due_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    sent_at timestamp with time zone,
    error text,
    CONSTRAINT alert_notices_channel_is_known CHECK ((channel = ANY (ARRAY['log'::text, 'webhook'::text, 'email'::text]))),
    CONSTRAINT alert_notices_event_is_known CHECK ((event = ANY (ARRAY['fired'::text, 'resolved'::text])))
);

COMMENT ON TABLE tidemill.alert_notices IS 'Whom to tell of which alert: written in the transaction in which it fires or is resolved, ticked off when it was told.';

COMMENT ON COLUMN tidemill.alert_notices.id IS 'UUIDv7; the receiver of a webhook sees it as webhook-id, the same at each try.';

COMMENT ON COLUMN tidemill.alert_notices.alert_id IS 'The alert.';

COMMENT ON COLUMN tidemill.alert_notices.event IS 'fired or resolved.';

COMMENT ON COLUMN tidemill.alert_notices.channel IS 'log, webhook or email.';

COMMENT ON COLUMN tidemill.alert_notices.target IS 'The address.';

COMMENT ON COLUMN tidemill.alert_notices.due_at IS 'Not tried before; moved ahead by whoever takes it.';

COMMENT ON COLUMN tidemill.alert_notices.attempts IS 'How often it was tried.';

COMMENT ON COLUMN tidemill.alert_notices.sent_at IS 'When it was told.';

COMMENT ON COLUMN tidemill.alert_notices.error IS 'Why the last try failed.';

CREATE TABLE tidemill.alerts (
    id uuid NOT NULL,
    rule text NOT NULL,
    subject text NOT NULL,
    value double precision NOT NULL,
    above double precision NOT NULL,
    message text NOT NULL,
    since timestamp with time zone NOT NULL,
    fired_at timestamp with time zone,
    clear_since timestamp with time zone,
    resolved_at timestamp with time zone,
    CONSTRAINT alerts_fire_before_they_are_resolved CHECK (((resolved_at IS NULL) OR (fired_at IS NOT NULL)))
);

COMMENT ON TABLE tidemill.alerts IS 'What the rules found: pending until fired_at, firing until resolved_at. Kept 90 days.';

COMMENT ON COLUMN tidemill.alerts.id IS 'UUIDv7.';

COMMENT ON COLUMN tidemill.alerts.rule IS 'The rule.';

COMMENT ON COLUMN tidemill.alerts.subject IS 'What it is about: kind:NAME, queue:NAME, workers, jobs or database.';

COMMENT ON COLUMN tidemill.alerts.value IS 'What was measured last while it was too much.';

COMMENT ON COLUMN tidemill.alerts.above IS 'What the rule allowed.';

COMMENT ON COLUMN tidemill.alerts.message IS 'That in words.';

COMMENT ON COLUMN tidemill.alerts.since IS 'Since when it is too much.';

COMMENT ON COLUMN tidemill.alerts.fired_at IS 'When it fired; null while it is pending.';

COMMENT ON COLUMN tidemill.alerts.clear_since IS 'Since when it is not too much any more.';

COMMENT ON COLUMN tidemill.alerts.resolved_at IS 'When it was resolved.';

CREATE VIEW tidemill.alert_log AS
 SELECT a.id,
    a.rule,
    a.subject,
        CASE
            WHEN (a.resolved_at IS NOT NULL) THEN 'resolved'::text
            WHEN (a.fired_at IS NOT NULL) THEN 'firing'::text
            ELSE 'pending'::text
        END AS state,
    a.value,
    a.above,
    a.message,
    a.since,
    a.fired_at,
    a.resolved_at,
    ( SELECT count(*) AS count
           FROM tidemill.alert_notices n
          WHERE ((n.alert_id = a.id) AND (n.sent_at IS NULL))) AS untold,
    ( SELECT max(n.error) AS max
           FROM tidemill.alert_notices n
          WHERE ((n.alert_id = a.id) AND (n.sent_at IS NULL))) AS last_error
   FROM tidemill.alerts a;

COMMENT ON VIEW tidemill.alert_log IS 'What alert rules found: pending, firing or resolved, and how many were not told of it yet.';

CREATE VIEW tidemill.alert_rule_status AS
 SELECT r.name,
    r.condition,
    r.above,
    r.kind,
    r.queue,
    r.at_least,
    r.over,
    r.hold,
    tidemill.veiled_address(r.webhook) AS webhook,
    r.email,
    r.from_config,
    r.updated_at,
    ( SELECT count(*) AS count
           FROM tidemill.alerts a
          WHERE ((a.rule = r.name) AND (a.fired_at IS NOT NULL) AND (a.resolved_at IS NULL))) AS firing,
    ( SELECT max(a.fired_at) AS max
           FROM tidemill.alerts a
          WHERE (a.rule = r.name)) AS last_fired_at
   FROM tidemill.alert_rules r;

COMMENT ON VIEW tidemill.alert_rule_status IS 'When somebody is told, and how many alerts of each rule fire. Of a webhook only the host is shown: the rest may be a token.';

CREATE VIEW tidemill.all_jobs AS
 SELECT jobs.id,
    jobs.kind,
    jobs.queue,
    tidemill.shown_state(jobs.state, jobs.attempt, jobs.run_at, jobs.due_at) AS status,
    jobs.priority,
    jobs.attempt,
    jobs.max_attempts,
    NULLIF(COALESCE(NULLIF(jobs.run_at, 'infinity'::timestamp with time zone), jobs.due_at), 'infinity'::timestamp with time zone) AS run_at,
    jobs.created_at,
    jobs.started_at,
    jobs.finished_at,
    COALESCE(jobs.worker_id, jobs.last_worker_id) AS worker_id,
    jobs.execution_id,
    jobs.workflow_id,
    jobs.tags,
    tidemill.redact(jobs.metadata) AS metadata,
    tidemill.redact(jobs.args) AS args,
    tidemill.redact(jobs.result) AS result,
    tidemill.redact(jobs.error) AS error
   FROM tidemill.jobs;

COMMENT ON VIEW tidemill.all_jobs IS 'Every job, live or finished, to look it up by its id.';

CREATE TABLE tidemill.api_keys (
    id text NOT NULL,
    name text NOT NULL,
    scopes text[] NOT NULL,
    secret_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    last_used_at timestamp with time zone,
    CONSTRAINT api_keys_scopes_are_known CHECK (((scopes <> '{}'::text[]) AND (scopes <@ ARRAY['enqueue'::text, 'read'::text, 'work'::text, 'admin'::text])))
);

COMMENT ON TABLE tidemill.api_keys IS 'Who may speak to the HTTP API; as soon as one key exists all requests need one.';

COMMENT ON COLUMN tidemill.api_keys.id IS 'The public part of the key.';

COMMENT ON COLUMN tidemill.api_keys.name IS 'What people call it.';

COMMENT ON COLUMN tidemill.api_keys.scopes IS 'What it allows: enqueue, read, work, admin.';

COMMENT ON COLUMN tidemill.api_keys.secret_hash IS 'SHA-256 of the secret part, which is stored nowhere.';

COMMENT ON COLUMN tidemill.api_keys.created_at IS 'When it was made.';

COMMENT ON COLUMN tidemill.api_keys.expires_at IS 'From then on it is refused.';

COMMENT ON COLUMN tidemill.api_keys.revoked_at IS 'When it was revoked.';

COMMENT ON COLUMN tidemill.api_keys.last_used_at IS 'When it was last used, to the minute.';

CREATE TABLE tidemill.artifact_referrers (
    owner_id uuid NOT NULL,
    job_id uuid NOT NULL
);

COMMENT ON TABLE tidemill.artifact_referrers IS 'Jobs whose args or result lie in the storage as those of another one: of a fork, of who got results passed or took args over. They stay until the last of these jobs is gone.';

COMMENT ON COLUMN tidemill.artifact_referrers.owner_id IS 'Whose args or result it was.';

COMMENT ON COLUMN tidemill.artifact_referrers.job_id IS 'Who refers to it.';

CREATE TABLE tidemill.artifacts (
    path text NOT NULL,
    job_id uuid NOT NULL,
    name text NOT NULL,
    content_type text NOT NULL,
    bytes bigint NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    checked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    doomed_at timestamp with time zone
);

COMMENT ON TABLE tidemill.artifacts IS 'Files of jobs in object storage: what handlers kept, and args and results that are too large for a row. Removed after their job.';

COMMENT ON COLUMN tidemill.artifacts.path IS 'Where it lies below the storage''s address.';

COMMENT ON COLUMN tidemill.artifacts.job_id IS 'Whose it is.';

COMMENT ON COLUMN tidemill.artifacts.name IS 'Its name within the job; the newest of a name counts.';

COMMENT ON COLUMN tidemill.artifacts.content_type IS 'What it is, such as image/png.';

COMMENT ON COLUMN tidemill.artifacts.bytes IS 'Its size.';

COMMENT ON COLUMN tidemill.artifacts.created_at IS 'When it was kept.';

COMMENT ON COLUMN tidemill.artifacts.checked_at IS 'When it was last seen that its job is still there.';

COMMENT ON COLUMN tidemill.artifacts.doomed_at IS 'Since when nobody can need it any more and it is being removed; nothing refers to it from then on.';

CREATE TABLE tidemill.attempts (
    job_id uuid NOT NULL,
    attempt integer NOT NULL,
    lease_id uuid NOT NULL,
    worker_id text NOT NULL,
    outcome text NOT NULL,
    error jsonb,
    exit_code integer,
    signal integer,
    out_of_memory boolean DEFAULT false NOT NULL,
    peak_memory_bytes bigint,
    started_at timestamp with time zone,
    finished_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    fingerprint text,
    log_tail text
)
PARTITION BY RANGE (finished_at);

COMMENT ON TABLE tidemill.attempts IS 'Attempts that failed, and completed ones of which the use of memory or an exit code is known. Partitioned by day.';

COMMENT ON COLUMN tidemill.attempts.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.attempts.attempt IS 'Ordinal of the try.';

COMMENT ON COLUMN tidemill.attempts.lease_id IS 'The lease under which it ran.';

COMMENT ON COLUMN tidemill.attempts.worker_id IS 'Who ran it.';

COMMENT ON COLUMN tidemill.attempts.outcome IS 'completed, failed, crashed (its worker died) or timed_out.';

COMMENT ON COLUMN tidemill.attempts.error IS 'message, type, permanent, backtrace.';

COMMENT ON COLUMN tidemill.attempts.exit_code IS 'Exit code of a command.';

COMMENT ON COLUMN tidemill.attempts.signal IS 'Signal that ended a command.';

COMMENT ON COLUMN tidemill.attempts.out_of_memory IS 'True if it was ended for want of memory.';

COMMENT ON COLUMN tidemill.attempts.peak_memory_bytes IS 'Largest resident memory, in bytes.';

COMMENT ON COLUMN tidemill.attempts.started_at IS 'When it was claimed.';

COMMENT ON COLUMN tidemill.attempts.finished_at IS 'When it ended.';

COMMENT ON COLUMN tidemill.attempts.fingerprint IS 'Hash of the cause: kind, class and message without what differs from case to case. Null if it did not fail.';

COMMENT ON COLUMN tidemill.attempts.log_tail IS 'Its last log lines, if it failed.';

CREATE TABLE tidemill.audit_log (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    who text NOT NULL,
    db_user text DEFAULT SESSION_USER NOT NULL,
    act text NOT NULL,
    subject text NOT NULL,
    before jsonb,
    after jsonb
);

COMMENT ON TABLE tidemill.audit_log IS 'What people did to jobs, queues, limits, schedules and keys.';

COMMENT ON COLUMN tidemill.audit_log.id IS 'Counts up.';

COMMENT ON COLUMN tidemill.audit_log.at IS 'When.';

COMMENT ON COLUMN tidemill.audit_log.who IS 'Who, as the caller said: the API key''s name, or the database user.';

COMMENT ON COLUMN tidemill.audit_log.db_user IS 'The database user of the session.';

COMMENT ON COLUMN tidemill.audit_log.act IS 'The verb.';

COMMENT ON COLUMN tidemill.audit_log.subject IS 'On what: job:ID, queue:NAME, limit:NAME, schedule:NAME, workflow:ID, kind:NAME, key:ID.';

COMMENT ON COLUMN tidemill.audit_log.before IS 'How it was.';

COMMENT ON COLUMN tidemill.audit_log.after IS 'How it is since.';

ALTER TABLE tidemill.audit_log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME tidemill.audit_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW tidemill.audit_trail AS
 SELECT audit_log.at,
    audit_log.who,
    audit_log.db_user,
    audit_log.act,
    audit_log.subject,
        CASE
            WHEN (audit_log.subject ~~ 'alert:%'::text) THEN tidemill.veil_webhook(audit_log.before)
            ELSE tidemill.redact(audit_log.before)
        END AS before,
        CASE
            WHEN (audit_log.subject ~~ 'alert:%'::text) THEN tidemill.veil_webhook(audit_log.after)
            ELSE tidemill.redact(audit_log.after)
        END AS after
   FROM tidemill.audit_log;

COMMENT ON VIEW tidemill.audit_trail IS 'What people did to jobs and settings, with who and how it was before.';

CREATE TABLE tidemill.stats (
    minute timestamp with time zone NOT NULL,
    queue text NOT NULL,
    kind text NOT NULL,
    outcome text NOT NULL,
    jobs bigint NOT NULL,
    waited interval DEFAULT '00:00:00'::interval NOT NULL,
    ran interval DEFAULT '00:00:00'::interval NOT NULL,
    ran_least interval,
    ran_most interval
)
WITH (fillfactor='70');

COMMENT ON TABLE tidemill.stats IS 'Counters a minute of the last 14 days, so that no page counts jobs.';

COMMENT ON COLUMN tidemill.stats.minute IS 'Beginning of the minute.';

COMMENT ON COLUMN tidemill.stats.queue IS 'The queue.';

COMMENT ON COLUMN tidemill.stats.kind IS 'The kind.';

COMMENT ON COLUMN tidemill.stats.outcome IS 'As in stats_deltas.';

COMMENT ON COLUMN tidemill.stats.jobs IS 'How many.';

COMMENT ON COLUMN tidemill.stats.waited IS 'How long they waited, together.';

COMMENT ON COLUMN tidemill.stats.ran IS 'How long they ran, together.';

COMMENT ON COLUMN tidemill.stats.ran_least IS 'How long the shortest of them ran; null if none did.';

COMMENT ON COLUMN tidemill.stats.ran_most IS 'How long the longest of them ran; null if none did.';

CREATE TABLE tidemill.stats_deltas (
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    queue text NOT NULL,
    kind text NOT NULL,
    outcome text NOT NULL,
    jobs bigint NOT NULL,
    waited interval DEFAULT '00:00:00'::interval NOT NULL,
    ran interval DEFAULT '00:00:00'::interval NOT NULL,
    ran_least interval,
    ran_most interval
)
WITH (autovacuum_vacuum_scale_factor='0.0', autovacuum_vacuum_threshold='1000');

ALTER TABLE ONLY tidemill.stats_deltas REPLICA IDENTITY FULL;

COMMENT ON TABLE tidemill.stats_deltas IS 'What was counted and is not in stats yet: a few rows for each batch of jobs, in the transaction of the batch. Folded by the keeper.';

COMMENT ON COLUMN tidemill.stats_deltas.at IS 'When it happened.';

COMMENT ON COLUMN tidemill.stats_deltas.queue IS 'The queue.';

COMMENT ON COLUMN tidemill.stats_deltas.kind IS 'The kind.';

COMMENT ON COLUMN tidemill.stats_deltas.outcome IS 'enqueued, completed, failed, cancelled, or retried (an attempt that failed and is tried again).';

COMMENT ON COLUMN tidemill.stats_deltas.jobs IS 'How many.';

COMMENT ON COLUMN tidemill.stats_deltas.waited IS 'How long they waited for their last start, together.';

COMMENT ON COLUMN tidemill.stats_deltas.ran IS 'How long their last attempts ran, together.';

COMMENT ON COLUMN tidemill.stats_deltas.ran_least IS 'How long the shortest of them ran; null if none did.';

COMMENT ON COLUMN tidemill.stats_deltas.ran_most IS 'How long the longest of them ran; null if none did.';

CREATE VIEW tidemill.counters AS
 SELECT stats.minute,
    stats.queue,
    stats.kind,
    stats.outcome,
    stats.jobs,
    stats.waited,
    stats.ran,
    stats.ran_least,
    stats.ran_most
   FROM tidemill.stats
UNION ALL
 SELECT date_trunc('minute'::text, stats_deltas.at) AS minute,
    stats_deltas.queue,
    stats_deltas.kind,
    stats_deltas.outcome,
    stats_deltas.jobs,
    stats_deltas.waited,
    stats_deltas.ran,
    stats_deltas.ran_least,
    stats_deltas.ran_most
   FROM tidemill.stats_deltas;

COMMENT ON VIEW tidemill.counters IS 'What was counted in the last 14 days, a minute a row or several: outcome is enqueued, completed, failed, cancelled or retried.';

CREATE TABLE tidemill.dependencies (
    job_id uuid NOT NULL,
    parent_id uuid NOT NULL,
    ord integer DEFAULT 1 NOT NULL,
    member boolean DEFAULT false NOT NULL,
    name text,
    pass_as text,
    run_if text DEFAULT 'all_completed'::text NOT NULL,
    outcome text,
    resolved_at timestamp with time zone,
    run_at timestamp with time zone,
    delay interval,
    CONSTRAINT dependencies_are_of_two_jobs CHECK ((job_id <> parent_id)),
    CONSTRAINT dependencies_are_resolved_once CHECK (((outcome IS NULL) = (resolved_at IS NULL))),
    CONSTRAINT dependencies_outcome_is_known CHECK ((outcome = ANY (ARRAY['completed'::text, 'failed'::text, 'cancelled'::text, 'skipped'::text])))
)
WITH (fillfactor='70');

COMMENT ON TABLE tidemill.dependencies IS 'Which job waits for the end of which; the members of a workflow are the jobs that it waits for.';

COMMENT ON COLUMN tidemill.dependencies.job_id IS 'The job that waits.';

COMMENT ON COLUMN tidemill.dependencies.parent_id IS 'The job that it waits for.';

COMMENT ON COLUMN tidemill.dependencies.ord IS 'Order of the parents, from 1.';

COMMENT ON COLUMN tidemill.dependencies.member IS 'True if the one that waits is the workflow of its parent.';

COMMENT ON COLUMN tidemill.dependencies.name IS 'What the parent is called in the workflow.';

COMMENT ON COLUMN tidemill.dependencies.pass_as IS 'The arg under which the job gets the parent''s result; name[] gathers several into an array.';

COMMENT ON COLUMN tidemill.dependencies.run_if IS 'As in waits; what is retried waits by it again.';

COMMENT ON COLUMN tidemill.dependencies.outcome IS 'How the parent ended: completed, failed, cancelled or skipped (it was not needed); null until it did.';

COMMENT ON COLUMN tidemill.dependencies.resolved_at IS 'When that was noted.';

COMMENT ON COLUMN tidemill.dependencies.run_at IS 'As in waits; what is retried waits by it again.';

COMMENT ON COLUMN tidemill.dependencies.delay IS 'As in waits; what is retried waits by it again.';

CREATE TABLE tidemill.deployments (
    name text NOT NULL,
    revision bigint,
    declared_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT deployments_are_named CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'::text)),
    CONSTRAINT deployments_revision_is_not_negative CHECK ((revision >= 0))
);

COMMENT ON TABLE tidemill.deployments IS 'The deployments whose processes wrote what their configs declare: schedules, alert rules, limits, redacted keys.';

COMMENT ON COLUMN tidemill.deployments.name IS 'deployment.name of their configs.';

COMMENT ON COLUMN tidemill.deployments.revision IS 'The largest deployment.revision that was seen; a process with a smaller one changes nothing. Null: none has one.';

COMMENT ON COLUMN tidemill.deployments.declared_at IS 'When a process of it last started.';

CREATE TABLE tidemill.endings (
    job_id uuid NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

COMMENT ON TABLE tidemill.endings IS 'Jobs that ended and whose dependents were not told yet; emptied by resolve().';

COMMENT ON COLUMN tidemill.endings.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.endings.at IS 'When it ended.';

CREATE TABLE tidemill.events (
    job_id uuid NOT NULL,
    seq bigint NOT NULL,
    attempt integer NOT NULL,
    type text NOT NULL,
    data jsonb NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    written_in bigint DEFAULT ((pg_current_xact_id())::text)::bigint NOT NULL
)
PARTITION BY RANGE (at);

COMMENT ON TABLE tidemill.events IS 'The numbered log of each job: progress, log lines, failed attempts, manual acts. Partitioned by day.';

COMMENT ON COLUMN tidemill.events.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.events.seq IS 'From 1, without gaps, in the order of commits.';

COMMENT ON COLUMN tidemill.events.attempt IS 'The try during which it happened.';

COMMENT ON COLUMN tidemill.events.type IS 'What happened: progress, log, attempt_failed, retry, snoozed, released, waits, step, spawned, signal, forked, cancel_requested, lease_lost, replaced, extended, expired, or a handler''s own.';

COMMENT ON COLUMN tidemill.events.data IS 'The type''s own fields.';

COMMENT ON COLUMN tidemill.events.at IS 'When it was written.';

COMMENT ON COLUMN tidemill.events.written_in IS 'The transaction that wrote the event.';

CREATE TABLE tidemill.failure_causes (
    fingerprint text NOT NULL,
    kind text NOT NULL,
    type text,
    message text NOT NULL,
    failures bigint DEFAULT 0 NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    last_job_id uuid
)
WITH (fillfactor='70');

COMMENT ON TABLE tidemill.failure_causes IS 'What attempts failed of: one row a cause, counted from failure_deltas by the keeper.';

COMMENT ON COLUMN tidemill.failure_causes.fingerprint IS 'The cause, as in attempts.';

COMMENT ON COLUMN tidemill.failure_causes.kind IS 'Kind of the jobs.';

COMMENT ON COLUMN tidemill.failure_causes.type IS 'Class of the error.';

COMMENT ON COLUMN tidemill.failure_causes.message IS 'Message of the last failure.';

COMMENT ON COLUMN tidemill.failure_causes.failures IS 'How many attempts failed of it.';

COMMENT ON COLUMN tidemill.failure_causes.first_at IS 'The first of them.';

COMMENT ON COLUMN tidemill.failure_causes.last_at IS 'The last of them.';

COMMENT ON COLUMN tidemill.failure_causes.last_job_id IS 'A job to look at.';

CREATE TABLE tidemill.failure_deltas (
    fingerprint text NOT NULL,
    kind text NOT NULL,
    type text,
    message text NOT NULL,
    job_id uuid NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0.0', autovacuum_vacuum_threshold='1000');

ALTER TABLE ONLY tidemill.failure_deltas REPLICA IDENTITY FULL;

COMMENT ON TABLE tidemill.failure_deltas IS 'Failures that are not counted in failure_causes yet, each written in the transaction of its attempt''s end.';

COMMENT ON COLUMN tidemill.failure_deltas.fingerprint IS 'The cause.';

COMMENT ON COLUMN tidemill.failure_deltas.kind IS 'Kind of the job.';

COMMENT ON COLUMN tidemill.failure_deltas.type IS 'Class of the error.';

COMMENT ON COLUMN tidemill.failure_deltas.message IS 'Beginning of its message.';

COMMENT ON COLUMN tidemill.failure_deltas.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.failure_deltas.at IS 'When.';

CREATE VIEW tidemill.failures AS
 SELECT known.fingerprint,
    max(known.kind) AS kind,
    max(known.type) AS type,
    (tidemill.redact(jsonb_build_object('message', (array_agg("left"(known.message, 200) ORDER BY known.last_at DESC))[1])) ->> 'message'::text) AS message,
    (sum(known.failures))::bigint AS failures,
    min(known.first_at) AS first_at,
    max(known.last_at) AS last_at,
    (array_agg(known.last_job_id ORDER BY known.last_at DESC))[1] AS last_job_id
   FROM ( SELECT failure_causes.fingerprint,
            failure_causes.kind,
            failure_causes.type,
            failure_causes.message,
            failure_causes.failures,
            failure_causes.first_at,
            failure_causes.last_at,
            failure_causes.last_job_id
           FROM tidemill.failure_causes
        UNION ALL
         SELECT failure_deltas.fingerprint,
            failure_deltas.kind,
            failure_deltas.type,
            failure_deltas.message,
            1,
            failure_deltas.at,
            failure_deltas.at,
            failure_deltas.job_id
           FROM tidemill.failure_deltas) known
  GROUP BY known.fingerprint;

COMMENT ON VIEW tidemill.failures IS 'What attempts failed of: one row a cause, with how often, since when and a job to look at.';

CREATE TABLE tidemill.stats_hours (
    hour timestamp with time zone NOT NULL,
    queue text NOT NULL,
    kind text NOT NULL,
    outcome text NOT NULL,
    jobs bigint NOT NULL,
    waited interval DEFAULT '00:00:00'::interval NOT NULL,
    ran interval DEFAULT '00:00:00'::interval NOT NULL,
    ran_least interval,
    ran_most interval
)
WITH (fillfactor='70');

COMMENT ON TABLE tidemill.stats_hours IS 'Counters an hour: the minutes of stats in sum, and kept for two years.';

COMMENT ON COLUMN tidemill.stats_hours.hour IS 'Beginning of the hour, of UTC whatever the session''s time zone.';

COMMENT ON COLUMN tidemill.stats_hours.queue IS 'The queue.';

COMMENT ON COLUMN tidemill.stats_hours.kind IS 'The kind.';

COMMENT ON COLUMN tidemill.stats_hours.outcome IS 'As in stats_deltas.';

COMMENT ON COLUMN tidemill.stats_hours.jobs IS 'How many.';

COMMENT ON COLUMN tidemill.stats_hours.waited IS 'How long they waited, together.';

COMMENT ON COLUMN tidemill.stats_hours.ran IS 'How long they ran, together.';

COMMENT ON COLUMN tidemill.stats_hours.ran_least IS 'How long the shortest of them ran; null if none did.';

COMMENT ON COLUMN tidemill.stats_hours.ran_most IS 'How long the longest of them ran; null if none did.';

CREATE VIEW tidemill.hourly_counters AS
 SELECT stats_hours.hour,
    stats_hours.queue,
    stats_hours.kind,
    stats_hours.outcome,
    stats_hours.jobs,
    stats_hours.waited,
    stats_hours.ran,
    stats_hours.ran_least,
    stats_hours.ran_most
   FROM tidemill.stats_hours
UNION ALL
 SELECT date_trunc('hour'::text, stats_deltas.at, 'UTC'::text) AS hour,
    stats_deltas.queue,
    stats_deltas.kind,
    stats_deltas.outcome,
    stats_deltas.jobs,
    stats_deltas.waited,
    stats_deltas.ran,
    stats_deltas.ran_least,
    stats_deltas.ran_most
   FROM tidemill.stats_deltas;

COMMENT ON VIEW tidemill.hourly_counters IS 'What was counted in the last two years, an hour a row or several: outcome as in counters.';

CREATE TABLE tidemill.idempotency_keys (
    key text NOT NULL,
    request_hash bytea NOT NULL,
    answer jsonb,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone DEFAULT (now() + '24:00:00'::interval) NOT NULL
);

COMMENT ON TABLE tidemill.idempotency_keys IS 'The stored first answers to requests that may be repeated.';

COMMENT ON COLUMN tidemill.idempotency_keys.key IS 'Scope and Idempotency-Key of the request.';

COMMENT ON COLUMN tidemill.idempotency_keys.request_hash IS 'SHA-256 of the request as parsed.';

COMMENT ON COLUMN tidemill.idempotency_keys.answer IS 'The first answer.';

COMMENT ON COLUMN tidemill.idempotency_keys.created_at IS 'When the request came first.';

COMMENT ON COLUMN tidemill.idempotency_keys.expires_at IS 'From then on the key may be forgotten.';

CREATE VIEW tidemill.job_artifacts AS
 SELECT DISTINCT ON (artifacts.job_id, artifacts.name) artifacts.job_id,
    artifacts.name,
    artifacts.content_type,
    artifacts.bytes,
    artifacts.created_at
   FROM tidemill.artifacts
  WHERE (artifacts.doomed_at IS NULL)
  ORDER BY artifacts.job_id, artifacts.name, artifacts.created_at DESC;

COMMENT ON VIEW tidemill.job_artifacts IS 'The files of each job in object storage, the newest of each name; ask with a job_id.';

CREATE VIEW tidemill.job_attempts AS
 SELECT attempts.job_id,
    attempts.attempt,
    attempts.outcome,
    attempts.worker_id,
    tidemill.redact(attempts.error) AS error,
    attempts.exit_code,
    attempts.signal,
    attempts.out_of_memory,
    attempts.peak_memory_bytes,
    attempts.fingerprint,
    attempts.log_tail,
    attempts.started_at,
    attempts.finished_at
   FROM tidemill.attempts;

COMMENT ON VIEW tidemill.job_attempts IS 'The tries of each job that failed, and of the others those with an exit code or memory; ask with a job_id.';

CREATE TABLE tidemill.progress (
    job_id uuid NOT NULL,
    last_seq bigint NOT NULL,
    percent real,
    step text,
    data jsonb,
    updated_at timestamp with time zone,
    last_report uuid
)
WITH (fillfactor='50', autovacuum_vacuum_cost_delay='0');

COMMENT ON TABLE tidemill.progress IS 'How far each job is that ever reported; also allocates the numbers of its events, under its lock.';

COMMENT ON COLUMN tidemill.progress.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.progress.last_seq IS 'Number of the job''s last event.';

COMMENT ON COLUMN tidemill.progress.percent IS 'From 0 to 100.';

COMMENT ON COLUMN tidemill.progress.step IS 'What the job does now.';

COMMENT ON COLUMN tidemill.progress.data IS 'Data of the handler''s own.';

COMMENT ON COLUMN tidemill.progress.updated_at IS 'When progress was last reported; null if only other events were.';

COMMENT ON COLUMN tidemill.progress.last_report IS 'The last report of a worker that was stored: one whose answer was cut off is repeated, and stored once.';

CREATE VIEW tidemill.job_documents AS
 SELECT j.id,
    j.kind,
    j.queue,
    j.state,
    j.priority,
    j.attempt,
    j.max_attempts,
    j.run_at,
    j.created_at,
    j.started_at,
    j.finished_at,
    j.cancel_requested_at,
    j.lease_id,
    j.worker_id,
    j.last_lease_id,
    j.last_worker_id,
    j.args,
    j.result,
    j.error,
    j.execution_id,
    j.tags,
    j.metadata,
    j.soft_timeout,
    j.hard_timeout,
    j.retain,
    j.retain_until,
    j.concurrency_keys,
    j.fair_key,
    j.group_id,
    j.due_at,
    j.expires_at,
    j.unique_key,
    j.workflow_id,
    j.awaited,
    j.written_in,
    tidemill.shown_state(j.state, j.attempt, j.run_at, j.due_at) AS status,
    p.percent,
    p.step,
    p.data AS progress_data,
    p.last_seq,
    p.updated_at AS progress_at
   FROM (tidemill.jobs j
     LEFT JOIN tidemill.progress p ON ((p.job_id = j.id)));

COMMENT ON VIEW tidemill.job_documents IS 'Each job with its progress: what the HTTP API shows.';

CREATE VIEW tidemill.job_events AS
 SELECT events.job_id,
    events.seq,
    events.at,
    events.attempt,
    events.type,
    tidemill.redact(events.data) AS data
   FROM tidemill.events;

COMMENT ON VIEW tidemill.job_events IS 'What happened to each job; ask with a job_id.';

CREATE VIEW tidemill.job_history AS
 SELECT jobs.id,
    jobs.kind,
    jobs.queue,
    jobs.state,
    jobs.priority,
    jobs.attempt,
    jobs.created_at,
    jobs.started_at,
    jobs.finished_at,
    (jobs.started_at - jobs.created_at) AS waited,
    (jobs.finished_at - jobs.started_at) AS ran,
    jobs.last_worker_id AS worker_id,
    jobs.execution_id,
    jobs.tags,
    tidemill.redact(jobs.args) AS args,
    tidemill.redact(jobs.result) AS result,
    tidemill.redact(jobs.error) AS error
   FROM tidemill.jobs
  WHERE (jobs.finished_at IS NOT NULL);

COMMENT ON VIEW tidemill.job_history IS 'Finished jobs; ask with a range of finished_at to read only those days.';

CREATE VIEW tidemill.job_links AS
 SELECT dependencies.job_id,
    dependencies.parent_id,
    dependencies.ord,
    dependencies.name,
    dependencies.pass_as,
    dependencies.member,
    dependencies.run_if,
    dependencies.outcome,
    dependencies.resolved_at
   FROM tidemill.dependencies;

COMMENT ON VIEW tidemill.job_links IS 'Which job waits for which, and how that ended; the members of a workflow are its parents.';

CREATE TABLE tidemill.task_ids (
    execution_id text NOT NULL,
    job_id uuid NOT NULL,
    CONSTRAINT task_ids_are_short CHECK (((length(execution_id) >= 1) AND (length(execution_id) <= 255)))
);

COMMENT ON TABLE tidemill.task_ids IS 'The callers'' own names for pieces of work.';

COMMENT ON COLUMN tidemill.task_ids.execution_id IS 'The name, as the caller gave it.';

COMMENT ON COLUMN tidemill.task_ids.job_id IS 'The job that it stands for.';

CREATE VIEW tidemill.job_names AS
 SELECT task_ids.execution_id,
    task_ids.job_id
   FROM tidemill.task_ids;

COMMENT ON VIEW tidemill.job_names IS 'The callers'' own names and the jobs that they stand for.';

CREATE TABLE tidemill.signals (
    job_id uuid NOT NULL,
    name text NOT NULL,
    payload jsonb,
    timed_out boolean DEFAULT false NOT NULL,
    sent_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    sent_by text,
    CONSTRAINT signals_are_named CHECK (((name <> ''::text) AND (length(name) <= 200)))
);

COMMENT ON TABLE tidemill.signals IS 'Messages to jobs, the first of each name; also those that came before the job waited for them.';

COMMENT ON COLUMN tidemill.signals.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.signals.name IS 'The signal.';

COMMENT ON COLUMN tidemill.signals.payload IS 'What it says.';

COMMENT ON COLUMN tidemill.signals.timed_out IS 'True if none came in time; one that comes later changes nothing.';

COMMENT ON COLUMN tidemill.signals.sent_at IS 'When it came, or was given up.';

COMMENT ON COLUMN tidemill.signals.sent_by IS 'Who sent it.';

CREATE VIEW tidemill.job_signals AS
 SELECT signals.job_id,
    signals.name,
    tidemill.redact(signals.payload) AS payload,
    signals.timed_out,
    signals.sent_by,
    signals.sent_at
   FROM tidemill.signals;

COMMENT ON VIEW tidemill.job_signals IS 'The messages to each job.';

CREATE TABLE tidemill.steps (
    job_id uuid NOT NULL,
    name text NOT NULL,
    attempt integer NOT NULL,
    output jsonb,
    spawned_id uuid,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT steps_are_named CHECK (((name <> ''::text) AND (length(name) <= 200)))
)
WITH (fillfactor='70');

COMMENT ON TABLE tidemill.steps IS 'Checkpoints of jobs: a step that is here is not run again.';

COMMENT ON COLUMN tidemill.steps.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.steps.name IS 'The step, unique in the job.';

COMMENT ON COLUMN tidemill.steps.attempt IS 'The try that did it.';

COMMENT ON COLUMN tidemill.steps.output IS 'What it gave back; for a cursor, how far the job is.';

COMMENT ON COLUMN tidemill.steps.spawned_id IS 'The job that the step enqueued.';

COMMENT ON COLUMN tidemill.steps.created_at IS 'When it was first stored; the order of the steps.';

COMMENT ON COLUMN tidemill.steps.updated_at IS 'When it was last stored.';

CREATE VIEW tidemill.job_steps AS
 SELECT steps.job_id,
    steps.name,
    steps.attempt,
    tidemill.redact(steps.output) AS output,
    steps.spawned_id,
    steps.created_at,
    steps.updated_at
   FROM tidemill.steps;

COMMENT ON VIEW tidemill.job_steps IS 'The checkpoints of each job, and the jobs that it spawned.';

CREATE TABLE tidemill.jobs_live (
    id uuid NOT NULL,
    kind text NOT NULL,
    queue text DEFAULT 'default'::text NOT NULL,
    state tidemill.job_state DEFAULT 'available'::tidemill.job_state NOT NULL,
    priority smallint DEFAULT 5 NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    max_attempts integer DEFAULT 5 NOT NULL,
    run_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    lease_id uuid,
    worker_id text,
    last_lease_id uuid,
    last_worker_id text,
    args jsonb DEFAULT '{}'::jsonb NOT NULL,
    result jsonb,
    error jsonb,
    execution_id text,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    metadata jsonb,
    soft_timeout interval,
    hard_timeout interval,
    retain interval,
    retain_until timestamp with time zone,
    concurrency_keys text[],
    fair_key text,
    group_id uuid,
    due_at timestamp with time zone,
    expires_at timestamp with time zone,
    unique_key text,
    workflow_id uuid,
    awaited boolean,
    written_in numeric DEFAULT ((pg_current_xact_id())::text)::numeric NOT NULL,
    CONSTRAINT jobs_args_is_an_object CHECK ((jsonb_typeof(args) = 'object'::text)),
    CONSTRAINT jobs_attempts_count_up CHECK (((attempt >= 0) AND (max_attempts >= 1))),
    CONSTRAINT jobs_finished_at_marks_the_end CHECK (((finished_at IS NOT NULL) = (state = ANY (ARRAY['completed'::tidemill.job_state, 'failed'::tidemill.job_state, 'cancelled'::tidemill.job_state])))),
    CONSTRAINT jobs_hard_timeout_is_in_reach CHECK (((hard_timeout >= '00:00:00'::interval) AND (hard_timeout <= '100 years'::interval))),
    CONSTRAINT jobs_kind_is_named CHECK (((kind <> ''::text) AND (length(kind) <= 63))),
    CONSTRAINT jobs_lease_while_running CHECK (((lease_id IS NOT NULL) = (state = 'running'::tidemill.job_state))),
    CONSTRAINT jobs_live_group_is_due_some_time CHECK (((group_id IS NULL) = (due_at IS NULL))),
    CONSTRAINT jobs_live_group_takes_turns CHECK (((group_id IS NULL) OR (state <> 'available'::tidemill.job_state))),
    CONSTRAINT jobs_live_is_unfinished CHECK ((finished_at IS NULL)),
    CONSTRAINT jobs_priority_is_1_to_9 CHECK (((priority >= 1) AND (priority <= 9))),
    CONSTRAINT jobs_queue_is_named CHECK (((queue <> ''::text) AND (length(queue) <= 63))),
    CONSTRAINT jobs_result_means_completed CHECK (((result IS NULL) OR (state = 'completed'::tidemill.job_state))),
    CONSTRAINT jobs_retain_is_in_reach CHECK (((retain >= '00:00:00'::interval) AND (retain <= '100 years'::interval))),
    CONSTRAINT jobs_run_at_is_in_reach CHECK (((run_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND ((run_at < '10000-01-01 00:00:00+00'::timestamp with time zone) OR (state = 'waiting'::tidemill.job_state)))),
    CONSTRAINT jobs_running_has_started CHECK (((state <> 'running'::tidemill.job_state) OR ((started_at IS NOT NULL) AND (attempt >= 1)))),
    CONSTRAINT jobs_soft_timeout_is_in_reach CHECK (((soft_timeout >= '00:00:00'::interval) AND (soft_timeout <= '100 years'::interval))),
    CONSTRAINT jobs_waiting_is_never_due CHECK (((state <> 'waiting'::tidemill.job_state) OR (run_at = 'infinity'::timestamp with time zone))),
    CONSTRAINT jobs_worker_while_running CHECK (((worker_id IS NOT NULL) = (state = 'running'::tidemill.job_state)))
)
WITH (fillfactor='40', autovacuum_vacuum_scale_factor='0.0', autovacuum_vacuum_threshold='10000', autovacuum_analyze_scale_factor='0.0', autovacuum_analyze_threshold='50000', autovacuum_vacuum_cost_delay='0');

COMMENT ON TABLE tidemill.jobs_live IS 'The jobs that are not finished: all that the hot path reads and writes.';

CREATE VIEW tidemill.jobs_now AS
 SELECT jobs_live.id,
    jobs_live.kind,
    jobs_live.queue,
    tidemill.shown_state(jobs_live.state, jobs_live.attempt, jobs_live.run_at, jobs_live.due_at) AS status,
    jobs_live.priority,
    jobs_live.attempt,
    jobs_live.max_attempts,
    NULLIF(COALESCE(NULLIF(jobs_live.run_at, 'infinity'::timestamp with time zone), jobs_live.due_at), 'infinity'::timestamp with time zone) AS run_at,
    jobs_live.created_at,
    jobs_live.started_at,
    jobs_live.worker_id,
    jobs_live.execution_id,
    jobs_live.tags,
    tidemill.redact(jobs_live.args) AS args,
    (tidemill.redact(jobs_live.error) ->> 'message'::text) AS last_error,
    jobs_live.cancel_requested_at,
    jobs_live.concurrency_keys,
    jobs_live.fair_key,
    jobs_live.expires_at
   FROM tidemill.jobs_live;

COMMENT ON VIEW tidemill.jobs_now IS 'Live jobs with their shown state.';

CREATE VIEW tidemill.kind_stats AS
 SELECT hourly_counters.kind,
    hourly_counters.hour,
    (COALESCE(sum(hourly_counters.jobs) FILTER (WHERE (hourly_counters.outcome = 'enqueued'::text)), (0)::numeric))::bigint AS enqueued,
    (COALESCE(sum(hourly_counters.jobs) FILTER (WHERE (hourly_counters.outcome = 'completed'::text)), (0)::numeric))::bigint AS completed,
    (COALESCE(sum(hourly_counters.jobs) FILTER (WHERE (hourly_counters.outcome = 'failed'::text)), (0)::numeric))::bigint AS failed,
    (COALESCE(sum(hourly_counters.jobs) FILTER (WHERE (hourly_counters.outcome = 'cancelled'::text)), (0)::numeric))::bigint AS cancelled,
    (COALESCE(sum(hourly_counters.jobs) FILTER (WHERE (hourly_counters.outcome = 'retried'::text)), (0)::numeric))::bigint AS retried,
    (sum(hourly_counters.ran) FILTER (WHERE (hourly_counters.outcome = 'completed'::text)) / (NULLIF(sum(hourly_counters.jobs) FILTER (WHERE (hourly_counters.outcome = 'completed'::text)), (0)::numeric))::double precision) AS average_run,
    (sum(hourly_counters.waited) FILTER (WHERE (hourly_counters.outcome = 'completed'::text)) / (NULLIF(sum(hourly_counters.jobs) FILTER (WHERE (hourly_counters.outcome = 'completed'::text)), (0)::numeric))::double precision) AS average_wait
   FROM tidemill.hourly_counters
  WHERE (hourly_counters.hour > (now() - '1 day'::interval))
  GROUP BY hourly_counters.kind, hourly_counters.hour;

COMMENT ON VIEW tidemill.kind_stats IS 'What became of the jobs of the last day, by kind and hour.';

CREATE TABLE tidemill.kinds (
    name text NOT NULL,
    source text NOT NULL,
    queue text DEFAULT 'default'::text NOT NULL,
    priority smallint DEFAULT 5 NOT NULL,
    max_attempts integer DEFAULT 5 NOT NULL,
    soft_timeout interval,
    hard_timeout interval DEFAULT '24:00:00'::interval NOT NULL,
    stop_grace interval DEFAULT '00:00:10'::interval NOT NULL,
    backoff_first interval DEFAULT '00:00:05'::interval NOT NULL,
    backoff_factor double precision DEFAULT 2 NOT NULL,
    backoff_max interval DEFAULT '01:00:00'::interval NOT NULL,
    backoff_jitter double precision DEFAULT 0.2 NOT NULL,
    retain interval,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    defaults jsonb,
    permanent_errors text[] DEFAULT '{}'::text[] NOT NULL,
    breaker_after integer,
    breaker_window interval DEFAULT '00:10:00'::interval NOT NULL,
    breaker_pause interval DEFAULT '00:01:00'::interval NOT NULL,
    breaker_crashes integer DEFAULT 0 NOT NULL,
    breaker_crashed_at timestamp with time zone,
    breaker_openings integer DEFAULT 0 NOT NULL,
    breaker_open_until timestamp with time zone,
    CONSTRAINT kinds_are_named CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'::text)),
    CONSTRAINT kinds_backoff_is_sane CHECK ((((backoff_first >= '00:00:00'::interval) AND (backoff_first <= '100 years'::interval)) AND (backoff_factor >= (1)::double precision) AND ((backoff_max >= '00:00:00'::interval) AND (backoff_max <= '100 years'::interval)) AND ((backoff_jitter >= (0)::double precision) AND (backoff_jitter <= (1)::double precision)))),
    CONSTRAINT kinds_breaker_is_sane CHECK (((breaker_after >= 1) AND ((breaker_window >= '00:00:01'::interval) AND (breaker_window <= '1 year'::interval)) AND ((breaker_pause >= '00:00:01'::interval) AND (breaker_pause <= '1 year'::interval)) AND (breaker_crashes >= 0))),
    CONSTRAINT kinds_defaults_is_an_object CHECK ((jsonb_typeof(defaults) = 'object'::text)),
    CONSTRAINT kinds_times_are_in_reach CHECK ((((soft_timeout >= '00:00:00'::interval) AND (soft_timeout <= '100 years'::interval)) AND ((hard_timeout >= '00:00:00'::interval) AND (hard_timeout <= '100 years'::interval)) AND ((stop_grace >= '00:00:00'::interval) AND (stop_grace <= '100 years'::interval)) AND ((retain >= '00:00:00'::interval) AND (retain <= '100 years'::interval))))
);

COMMENT ON TABLE tidemill.kinds IS 'What is known of each kind, written by the workers that serve it.';

COMMENT ON COLUMN tidemill.kinds.name IS 'The kind.';

COMMENT ON COLUMN tidemill.kinds.source IS 'command, url, rust or remote.';

COMMENT ON COLUMN tidemill.kinds.queue IS 'Where its jobs go unless they say otherwise.';

COMMENT ON COLUMN tidemill.kinds.priority IS 'Priority of its jobs unless they say otherwise.';

COMMENT ON COLUMN tidemill.kinds.max_attempts IS 'Attempts of its jobs unless they say otherwise.';

COMMENT ON COLUMN tidemill.kinds.soft_timeout IS 'After this an attempt is asked to stop.';

COMMENT ON COLUMN tidemill.kinds.hard_timeout IS 'After this an attempt is ended.';

COMMENT ON COLUMN tidemill.kinds.stop_grace IS 'How long an attempt that was asked to stop may take.';

COMMENT ON COLUMN tidemill.kinds.backoff_first IS 'Delay before the second attempt.';

COMMENT ON COLUMN tidemill.kinds.backoff_factor IS 'By how much each further delay is longer.';

COMMENT ON COLUMN tidemill.kinds.backoff_max IS 'The longest delay.';

COMMENT ON COLUMN tidemill.kinds.backoff_jitter IS 'Share of the delay by which it randomly varies.';

COMMENT ON COLUMN tidemill.kinds.retain IS 'How long its finished jobs stay.';

COMMENT ON COLUMN tidemill.kinds.last_seen_at IS 'When a worker last said that it serves the kind.';

COMMENT ON COLUMN tidemill.kinds.defaults IS 'What its jobs have unless they say otherwise: concurrency_keys, fair_key, unique, expires_in_seconds. {name} in a key stands for that arg.';

COMMENT ON COLUMN tidemill.kinds.permanent_errors IS 'Classes of errors (their type) that no further attempt can mend.';

COMMENT ON COLUMN tidemill.kinds.breaker_after IS 'After so many crashes within breaker_window its jobs are not started for a while; null: never.';

COMMENT ON COLUMN tidemill.kinds.breaker_window IS 'Crashes further apart are not counted together.';

COMMENT ON COLUMN tidemill.kinds.breaker_pause IS 'How long its jobs are not started then; twice as long each time that it goes on.';

COMMENT ON COLUMN tidemill.kinds.breaker_crashes IS 'Crashes that count now.';

COMMENT ON COLUMN tidemill.kinds.breaker_crashed_at IS 'When the last of them was.';

COMMENT ON COLUMN tidemill.kinds.breaker_openings IS 'How often it opened without a quiet window between.';

COMMENT ON COLUMN tidemill.kinds.breaker_open_until IS 'Until then none of its jobs is started.';

CREATE TABLE tidemill.limit_buckets (
    key text NOT NULL,
    tokens double precision NOT NULL,
    filled_at timestamp with time zone NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE tidemill.limit_buckets IS 'How many more jobs of a key with a rate may start now (a token bucket); a key without a row has a full one.';

COMMENT ON COLUMN tidemill.limit_buckets.key IS 'The concurrency key, or queue:NAME.';

COMMENT ON COLUMN tidemill.limit_buckets.tokens IS 'Tokens at filled_at; each start takes one.';

COMMENT ON COLUMN tidemill.limit_buckets.filled_at IS 'When it was last counted.';

CREATE TABLE tidemill.running (
    job_id uuid NOT NULL,
    lease_id uuid NOT NULL,
    worker_id text NOT NULL,
    attempt integer NOT NULL,
    queue text NOT NULL,
    kind text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    lease_expires_at timestamp with time zone NOT NULL,
    deadline_at timestamp with time zone NOT NULL,
    concurrency_keys text[],
    soft_at timestamp with time zone,
    hard_at timestamp with time zone,
    written_in bigint DEFAULT ((pg_current_xact_id())::text)::bigint NOT NULL
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0.0', autovacuum_vacuum_threshold='10000', autovacuum_vacuum_cost_delay='0');

COMMENT ON TABLE tidemill.running IS 'What runs now, one row a lease; pages, limits and the sweep look here and never through the backlog.';

COMMENT ON COLUMN tidemill.running.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.running.lease_id IS 'Its present lease, equal to jobs.lease_id.';

COMMENT ON COLUMN tidemill.running.worker_id IS 'Who holds the lease.';

COMMENT ON COLUMN tidemill.running.attempt IS 'Which try this is.';

COMMENT ON COLUMN tidemill.running.queue IS 'The job''s queue.';

COMMENT ON COLUMN tidemill.running.kind IS 'The job''s kind.';

COMMENT ON COLUMN tidemill.running.started_at IS 'When it was claimed.';

COMMENT ON COLUMN tidemill.running.seen_at IS 'When its worker last named it in a heartbeat.';

COMMENT ON COLUMN tidemill.running.lease_expires_at IS 'From then on the sweep may take the job back.';

COMMENT ON COLUMN tidemill.running.deadline_at IS 'From then on the sweep takes the job back even from a worker that is alive.';

COMMENT ON COLUMN tidemill.running.concurrency_keys IS 'The limits that it counts for, as in jobs.';

COMMENT ON COLUMN tidemill.running.soft_at IS 'When its soft timeout passes, as the worker that claimed it knows it; null if it has none.';

COMMENT ON COLUMN tidemill.running.hard_at IS 'When its hard timeout passes, as the worker that claimed it knows it.';

COMMENT ON COLUMN tidemill.running.written_in IS 'The transaction that claimed the job.';

CREATE VIEW tidemill.limit_stats AS
 SELECT l.name,
    l.max_running,
    l.rate,
    l.rate_period,
    l.burst,
    l.on_full,
    k.key,
    COALESCE(r.running, (0)::bigint) AS running,
        CASE
            WHEN (l.rate IS NOT NULL) THEN floor(tidemill.tokens_of(k.key, l.*))
            ELSE NULL::double precision
        END AS tokens,
    l.updated_at
   FROM ((tidemill.limits l
     LEFT JOIN LATERAL ( SELECT t.key
           FROM (tidemill.running r_1
             CROSS JOIN LATERAL unnest(r_1.concurrency_keys) t(key))
          WHERE ((l.name = t.key) OR (l.name = split_part(t.key, ':'::text, 1)))
        UNION
         SELECT b.key
           FROM tidemill.limit_buckets b
          WHERE (((l.name = b.key) OR (l.name = split_part(b.key, ':'::text, 1))) AND (l.name !~~ 'queue:%'::text))
        UNION
         SELECT l.name
          WHERE (l.name ~~ 'queue:%'::text)) k ON (true))
     LEFT JOIN LATERAL ( SELECT count(*) AS running
           FROM tidemill.running r_1
          WHERE ((k.key = ANY (r_1.concurrency_keys)) OR (k.key = ('queue:'::text || r_1.queue)))) r ON (true));

COMMENT ON VIEW tidemill.limit_stats IS 'Each limit and the keys that use it now: how many run, how many may start at this moment.';

CREATE VIEW tidemill.progress_now AS
 SELECT r.job_id,
    r.kind,
    r.queue,
    p.percent,
    p.step,
    tidemill.redact(p.data) AS data,
    p.updated_at,
    (now() - r.started_at) AS running_for,
    r.worker_id
   FROM (tidemill.running r
     LEFT JOIN tidemill.progress p ON ((p.job_id = r.job_id)))
  ORDER BY r.started_at;

COMMENT ON VIEW tidemill.progress_now IS 'What runs now and how far it is.';

CREATE TABLE tidemill.queues (
    name text NOT NULL,
    paused_at timestamp with time zone,
    paused_by text,
    draining_at timestamp with time zone,
    draining_by text,
    slots integer,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    priority_ageing interval,
    limited boolean DEFAULT false NOT NULL,
    max_queued integer,
    CONSTRAINT queues_are_named CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'::text)),
    CONSTRAINT queues_max_queued_is_sane CHECK (((max_queued >= 0) AND (max_queued <= 100000000))),
    CONSTRAINT queues_priority_ageing_is_in_reach CHECK (((priority_ageing > '00:00:00'::interval) AND (priority_ageing <= '1 year'::interval))),
    CONSTRAINT queues_slots_are_not_negative CHECK ((slots >= 0))
);

COMMENT ON TABLE tidemill.queues IS 'What people set for queues; a queue without a row has only defaults.';

COMMENT ON COLUMN tidemill.queues.name IS 'The queue.';

COMMENT ON COLUMN tidemill.queues.paused_at IS 'Since when nothing is claimed from it.';

COMMENT ON COLUMN tidemill.queues.paused_by IS 'Who paused it.';

COMMENT ON COLUMN tidemill.queues.draining_at IS 'Since when it takes no new jobs.';

COMMENT ON COLUMN tidemill.queues.draining_by IS 'Who drains it.';

COMMENT ON COLUMN tidemill.queues.slots IS 'How many of its jobs each worker runs at once, instead of the worker''s own setting.';

COMMENT ON COLUMN tidemill.queues.updated_at IS 'When somebody last changed the row.';

COMMENT ON COLUMN tidemill.queues.priority_ageing IS 'A job that is due this long is claimed as if its priority were one better; null: never.';

COMMENT ON COLUMN tidemill.queues.limited IS 'True if claims must be counted: the queue has a limit of its own or priorities that age.';

COMMENT ON COLUMN tidemill.queues.max_queued IS 'Most of its jobs that wait to run; more are refused. Null: any number.';

CREATE TABLE tidemill.workers (
    id text NOT NULL,
    name text NOT NULL,
    host text NOT NULL,
    pid integer,
    version text NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    queues jsonb DEFAULT '{}'::jsonb NOT NULL,
    kinds text[] DEFAULT '{}'::text[] NOT NULL,
    running integer DEFAULT 0 NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    lease_ttl interval NOT NULL,
    drain_requested_at timestamp with time zone,
    clock_skew interval,
    shedding boolean DEFAULT false NOT NULL,
    memory_bytes bigint,
    cpu_seconds double precision,
    containment text,
    other_queue_slots integer DEFAULT 0 NOT NULL,
    queues_left_out integer DEFAULT 0 NOT NULL,
    CONSTRAINT workers_containment_check CHECK ((containment = ANY (ARRAY['cgroup'::text, 'reaper'::text, 'group'::text]))),
    CONSTRAINT workers_state_is_known CHECK ((state = ANY (ARRAY['running'::text, 'draining'::text, 'stopped'::text])))
)
WITH (fillfactor='50');

COMMENT ON TABLE tidemill.workers IS 'Processes that claim and run, with their heartbeat.';

COMMENT ON COLUMN tidemill.workers.id IS 'Unique for each start of a worker: name, pid and a random part; a remote worker''s own name.';

COMMENT ON COLUMN tidemill.workers.name IS 'What people call it.';

COMMENT ON COLUMN tidemill.workers.host IS 'The machine that it runs on.';

COMMENT ON COLUMN tidemill.workers.pid IS 'Its process id there.';

COMMENT ON COLUMN tidemill.workers.version IS 'The version of its binary or client.';

COMMENT ON COLUMN tidemill.workers.state IS 'running, draining (claims no more) or stopped (said goodbye).';

COMMENT ON COLUMN tidemill.workers.queues IS 'Slots by queue.';

COMMENT ON COLUMN tidemill.workers.kinds IS 'The kinds that it serves.';

COMMENT ON COLUMN tidemill.workers.running IS 'How many attempts it held at its last heartbeat.';

COMMENT ON COLUMN tidemill.workers.started_at IS 'When it started.';

COMMENT ON COLUMN tidemill.workers.seen_at IS 'Its last heartbeat.';

COMMENT ON COLUMN tidemill.workers.lease_ttl IS 'How long after a heartbeat its leases last.';

COMMENT ON COLUMN tidemill.workers.drain_requested_at IS 'When somebody asked it to claim no more.';

COMMENT ON COLUMN tidemill.workers.clock_skew IS 'How much its clock was ahead of the database''s at its last heartbeat.';

COMMENT ON COLUMN tidemill.workers.shedding IS 'Whether it stores less progress, because an old transaction keeps dead rows.';

COMMENT ON COLUMN tidemill.workers.memory_bytes IS 'What its process had in memory at its last heartbeat; null if unknown.';

COMMENT ON COLUMN tidemill.workers.cpu_seconds IS 'Processor time of its process since its start; null if unknown.';

COMMENT ON COLUMN tidemill.workers.containment IS 'What ends processes that its commands leave in sessions of their own: cgroup, reaper (it is their sub-reaper), or group for nothing; null of remote workers and of a program that holds Tidemill as a library.';

COMMENT ON COLUMN tidemill.workers.other_queue_slots IS 'How many jobs of each queue that queues does not name it runs at once, as they come; 0: it takes none.';

COMMENT ON COLUMN tidemill.workers.queues_left_out IS 'In how many further queues jobs were due for it at its last look, while it followed as many as it can.';

CREATE VIEW tidemill.queue_names AS
 WITH RECURSIVE seen AS (
        ( SELECT jobs_live.queue
           FROM tidemill.jobs_live
          ORDER BY jobs_live.queue
         LIMIT 1)
        UNION ALL
         SELECT ( SELECT j.queue
                   FROM tidemill.jobs_live j
                  WHERE (j.queue > s.queue)
                  ORDER BY j.queue
                 LIMIT 1) AS queue
           FROM seen s
          WHERE (s.queue IS NOT NULL)
        )
 SELECT seen.queue AS name
   FROM seen
  WHERE (seen.queue IS NOT NULL)
UNION
 SELECT queues.name
   FROM tidemill.queues
UNION
 SELECT kinds.queue AS name
   FROM tidemill.kinds
UNION
 SELECT jsonb_object_keys(workers.queues) AS name
   FROM tidemill.workers
  WHERE ((workers.state <> 'stopped'::text) AND (workers.seen_at > (now() - workers.lease_ttl)));

COMMENT ON VIEW tidemill.queue_names IS 'Every queue that has live jobs, settings, a kind or a worker.';

CREATE TABLE tidemill.queue_room (
    queue text NOT NULL,
    room integer DEFAULT 0 NOT NULL,
    counted_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    count_took interval DEFAULT '00:00:00'::interval NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE tidemill.queue_room IS 'How many more jobs each queue with a bound takes before its jobs are counted again. Its row is locked by whoever takes some.';

COMMENT ON COLUMN tidemill.queue_room.queue IS 'The queue.';

COMMENT ON COLUMN tidemill.queue_room.room IS 'So many more.';

COMMENT ON COLUMN tidemill.queue_room.counted_at IS 'When its jobs were last counted.';

COMMENT ON COLUMN tidemill.queue_room.count_took IS 'How long that took; the next count of many comes no sooner than ten times later.';

CREATE VIEW tidemill.queue_stats AS
 SELECT n.name AS queue,
    q.paused_at,
    q.paused_by,
    q.draining_at,
    q.slots,
    q.max_queued,
    l.max_running,
    l.rate,
    l.rate_period,
    l.burst,
    q.priority_ageing,
    r.running,
    ( SELECT count(*) AS count
           FROM ( SELECT 1 AS "?column?"
                   FROM tidemill.jobs_live j
                  WHERE ((j.queue = n.name) AND (j.group_id IS NOT NULL) AND (j.state = 'waiting'::tidemill.job_state))
                 LIMIT 10000) waiting) AS waiting_at_most_10000,
    GREATEST((0)::bigint, (( SELECT count(*) AS count
           FROM ( SELECT
                   FROM (generate_series(1, 9) p(priority)
                     CROSS JOIN LATERAL ( SELECT
                           FROM tidemill.jobs_live j
                          WHERE ((j.queue = n.name) AND (j.priority = p.priority) AND (j.run_at <= now()))
                         LIMIT (10000 + r.running)) one)
                 LIMIT (10000 + r.running)) due) - r.running)) AS due_at_most_10000,
    ( SELECT min(due.run_at) AS min
           FROM ( SELECT ( SELECT j.run_at
                           FROM tidemill.jobs_live j
                          WHERE ((j.queue = n.name) AND (j.priority = p.priority) AND (j.run_at <= now()) AND (j.state = 'available'::tidemill.job_state))
                          ORDER BY j.run_at, j.id
                         LIMIT 1) AS run_at
                   FROM generate_series(1, 9) p(priority)) due) AS oldest_due_at,
    ( SELECT sum(COALESCE(q.slots, ((w.queues ->> n.name))::integer)) AS sum
           FROM tidemill.workers w
          WHERE ((w.queues ? n.name) AND (w.state <> 'stopped'::text) AND (w.seen_at > (now() - w.lease_ttl)))) AS worker_slots
   FROM (((tidemill.queue_names n
     CROSS JOIN LATERAL ( SELECT count(*) AS running
           FROM tidemill.running
          WHERE (running.queue = n.name)) r)
     LEFT JOIN tidemill.queues q ON ((q.name = n.name)))
     LEFT JOIN tidemill.limits l ON ((l.name = ('queue:'::text || n.name))));

COMMENT ON VIEW tidemill.queue_stats IS 'Each queue: paused or not, its limits, what runs, how much waits for its turn or is due (counted up to 10,000, never more).';

CREATE TABLE tidemill.redacted_keys (
    key text NOT NULL,
    deployment text DEFAULT 'default'::text NOT NULL
);

COMMENT ON TABLE tidemill.redacted_keys IS 'Names of keys whose values no view and no answer shows; written by the processes from their config.';

COMMENT ON COLUMN tidemill.redacted_keys.key IS 'Lower case, without underscores and hyphens.';

COMMENT ON COLUMN tidemill.redacted_keys.deployment IS 'The deployment whose config names the key; what one of them hides is hidden.';

CREATE TABLE tidemill.refinery_schema_history (
    version integer NOT NULL,
    name character varying(255),
    applied_on character varying(255),
    checksum character varying(255)
);

CREATE TABLE tidemill.schedule_slots (
    schedule text NOT NULL,
    slot timestamp with time zone NOT NULL,
    outcome text NOT NULL,
    job_id uuid,
    reason text,
    fired_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT schedule_slots_job_means_enqueued CHECK (((job_id IS NOT NULL) = (outcome = 'enqueued'::text))),
    CONSTRAINT schedule_slots_outcome_is_known CHECK ((outcome = ANY (ARRAY['enqueued'::text, 'skipped'::text, 'held'::text, 'missed'::text])))
);

COMMENT ON TABLE tidemill.schedule_slots IS 'Each time at which a schedule fell due, and what came of it; kept for 1,000 slots, and a day at least.';

COMMENT ON COLUMN tidemill.schedule_slots.schedule IS 'The schedule.';

COMMENT ON COLUMN tidemill.schedule_slots.slot IS 'The nominal time, before jitter.';

COMMENT ON COLUMN tidemill.schedule_slots.outcome IS 'enqueued, skipped, held (waits for the end of an earlier job), or missed (with all after it, up to the next row).';

COMMENT ON COLUMN tidemill.schedule_slots.job_id IS 'The job that it became.';

COMMENT ON COLUMN tidemill.schedule_slots.reason IS 'Why it became none.';

COMMENT ON COLUMN tidemill.schedule_slots.fired_at IS 'When that was decided.';

CREATE VIEW tidemill.schedule_log AS
 SELECT schedule_slots.schedule,
    schedule_slots.slot,
    schedule_slots.outcome,
    schedule_slots.job_id,
    schedule_slots.reason,
    schedule_slots.fired_at
   FROM tidemill.schedule_slots;

COMMENT ON VIEW tidemill.schedule_log IS 'What became of the slots of every schedule.';

CREATE VIEW tidemill.schedule_next AS
 SELECT s.name,
    n.slot AS fires_at,
    (n.slot - now()) AS fires_in,
    (s.job ->> 'kind'::text) AS kind,
    (s.job ->> 'queue'::text) AS queue,
    COALESCE(s.cron, (s.every)::text, (s.at)::text) AS times,
    s.timezone,
    s.paused_at,
    s.problem
   FROM (tidemill.schedules s
     LEFT JOIN LATERAL unnest(s.upcoming) n(slot) ON ((n.slot > now())));

COMMENT ON VIEW tidemill.schedule_next IS 'The next five slots of every schedule; one without a slot shows why.';

CREATE TABLE tidemill.schema_compatibility (
    only_row boolean DEFAULT true NOT NULL,
    oldest_binary integer NOT NULL,
    verbs_digest text,
    shape text[],
    rights text[],
    CONSTRAINT schema_compatibility_only_row_check CHECK (only_row)
);

COMMENT ON TABLE tidemill.schema_compatibility IS 'Which older binaries may still use this schema.';

COMMENT ON COLUMN tidemill.schema_compatibility.only_row IS 'Holds the table at one row.';

COMMENT ON COLUMN tidemill.schema_compatibility.oldest_binary IS 'A binary that knows migrations up to this number or later may run on this schema.';

COMMENT ON COLUMN tidemill.schema_compatibility.verbs_digest IS 'Release of the binary that installed the functions and views, and their SHA-256; an older one leaves them alone.';

COMMENT ON COLUMN tidemill.schema_compatibility.shape IS 'schema_shape() behind the last migration, to see what was changed by hand since.';

COMMENT ON COLUMN tidemill.schema_compatibility.rights IS 'rights_now() behind the last grants, to see which of them are missing since; null if none were made.';

CREATE TABLE tidemill.sealing (
    required boolean NOT NULL,
    is_only_row boolean DEFAULT true NOT NULL,
    CONSTRAINT sealing_is_only_row_check CHECK (is_only_row)
);

COMMENT ON TABLE tidemill.sealing IS 'Whether jobs are refused whose args lie open; no row means that they are not. Written by the processes from their config.';

COMMENT ON COLUMN tidemill.sealing.required IS 'True if insert_jobs refuses args that are neither sealed nor empty.';

COMMENT ON COLUMN tidemill.sealing.is_only_row IS 'There is one row at most.';

CREATE TABLE tidemill.sessions (
    id text NOT NULL,
    job_id uuid NOT NULL,
    base_url text NOT NULL,
    status text NOT NULL,
    pages_crawled integer DEFAULT 0 NOT NULL,
    bugs_found integer DEFAULT 0 NOT NULL,
    error text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT sessions_id_check CHECK (((char_length(id) >= 1) AND (char_length(id) <= 100))),
    CONSTRAINT sessions_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'starting'::text, 'running'::text, 'completed'::text, 'failed'::text])))
);

COMMENT ON TABLE tidemill.sessions IS 'Sessions: what a crawl tells of itself while it runs. Read session_status, which also knows what became of the job.';

COMMENT ON COLUMN tidemill.sessions.id IS 'The caller''s name for it.';

COMMENT ON COLUMN tidemill.sessions.job_id IS 'The job that does the work; no other may write here.';

COMMENT ON COLUMN tidemill.sessions.base_url IS 'What is crawled.';

COMMENT ON COLUMN tidemill.sessions.status IS 'queued, starting, running, completed or failed, as the job last said.';

COMMENT ON COLUMN tidemill.sessions.pages_crawled IS 'How many pages are done.';

COMMENT ON COLUMN tidemill.sessions.bugs_found IS 'How many bugs were found on them.';

COMMENT ON COLUMN tidemill.sessions.error IS 'What the last attempt failed of.';

COMMENT ON COLUMN tidemill.sessions.created_at IS 'When it began.';

COMMENT ON COLUMN tidemill.sessions.updated_at IS 'When the job last said something.';

COMMENT ON COLUMN tidemill.sessions.expires_at IS 'When it is forgotten; each word of the job puts it off.';

CREATE VIEW tidemill.session_status AS
 SELECT s.id,
    s.job_id,
    s.base_url,
        CASE
            WHEN (j.state = ANY (ARRAY['failed'::tidemill.job_state, 'cancelled'::tidemill.job_state])) THEN 'failed'::text
            ELSE s.status
        END AS status,
    s.pages_crawled,
    s.bugs_found,
        CASE
            WHEN (j.state = 'cancelled'::tidemill.job_state) THEN COALESCE(s.error, 'the job was cancelled'::text)
            WHEN (j.state = 'failed'::tidemill.job_state) THEN COALESCE((tidemill.redact(j.error) ->> 'message'::text), s.error)
            ELSE s.error
        END AS error,
    s.created_at,
    s.updated_at,
    s.expires_at
   FROM (tidemill.sessions s
     LEFT JOIN tidemill.jobs j ON ((j.id = s.job_id)))
  WHERE (s.expires_at > now());

COMMENT ON VIEW tidemill.session_status IS 'Sessions that are not forgotten, each as far as its job is or with what became of it.';

CREATE VIEW tidemill.stuck_jobs AS
 SELECT running.job_id,
    running.kind,
    running.queue,
    running.worker_id,
    running.attempt,
    (now() - running.started_at) AS running_for,
    (now() - running.seen_at) AS last_seen,
    (running.lease_expires_at < now()) AS lease_expired,
    (running.deadline_at < now()) AS past_deadline
   FROM tidemill.running
  WHERE ((running.seen_at < (now() - '00:05:00'::interval)) OR (running.lease_expires_at < now()) OR (running.deadline_at < now()));

COMMENT ON VIEW tidemill.stuck_jobs IS 'Attempts without a sign of life; the sweep takes them back within seconds if it runs.';

CREATE TABLE tidemill.sweep_pauses (
    until timestamp with time zone NOT NULL,
    since timestamp with time zone NOT NULL,
    CONSTRAINT sweep_pauses_have_a_length CHECK ((since < until))
);

COMMENT ON TABLE tidemill.sweep_pauses IS 'Times of the last day in which no process swept: the database was away, or all who sweep were. They count against no lease and no deadline.';

COMMENT ON COLUMN tidemill.sweep_pauses.until IS 'When the first sweep after it began.';

COMMENT ON COLUMN tidemill.sweep_pauses.since IS 'From when on no sweep came, though one was due.';

CREATE TABLE tidemill.sweep_times (
    is_only boolean DEFAULT true NOT NULL,
    swept_at timestamp with time zone NOT NULL,
    every interval NOT NULL,
    every_at timestamp with time zone NOT NULL,
    server_started_at timestamp with time zone NOT NULL,
    CONSTRAINT sweep_times_has_one_row CHECK (is_only)
)
WITH (fillfactor='50');

COMMENT ON TABLE tidemill.sweep_times IS 'When a process last swept: one row. Whether the database was away since is judged by it.';

COMMENT ON COLUMN tidemill.sweep_times.is_only IS 'Always true.';

COMMENT ON COLUMN tidemill.sweep_times.swept_at IS 'When a process last looked for leases that expired.';

COMMENT ON COLUMN tidemill.sweep_times.every IS 'The shortest time from sweep to sweep of one process.';

COMMENT ON COLUMN tidemill.sweep_times.every_at IS 'When a process that sweeps so often last did.';

COMMENT ON COLUMN tidemill.sweep_times.server_started_at IS 'When the server started on which that was: another time says that it was restarted, or that a standby took its place.';

CREATE VIEW tidemill.throughput AS
 SELECT counters.minute,
    counters.queue,
    (COALESCE(sum(counters.jobs) FILTER (WHERE (counters.outcome = 'enqueued'::text)), (0)::numeric))::bigint AS enqueued,
    (COALESCE(sum(counters.jobs) FILTER (WHERE (counters.outcome = ANY (ARRAY['completed'::text, 'failed'::text, 'cancelled'::text]))), (0)::numeric))::bigint AS finished,
    (COALESCE(sum(counters.jobs) FILTER (WHERE (counters.outcome = 'failed'::text)), (0)::numeric))::bigint AS failed
   FROM tidemill.counters
  WHERE (counters.minute > (now() - '01:00:00'::interval))
  GROUP BY counters.minute, counters.queue;

COMMENT ON VIEW tidemill.throughput IS 'Jobs in and out in the last hour, by minute and queue.';

CREATE TABLE tidemill.turns (
    queue text NOT NULL,
    priority smallint NOT NULL,
    group_id uuid NOT NULL,
    concurrency_keys text[] DEFAULT '{}'::text[] NOT NULL,
    ready_at timestamp with time zone NOT NULL
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0.0', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_cost_delay='0');

COMMENT ON TABLE tidemill.turns IS 'Whose turn it is: one row for each group of jobs that wait in a queue, oldest ready_at first.';

COMMENT ON COLUMN tidemill.turns.queue IS 'The queue.';

COMMENT ON COLUMN tidemill.turns.priority IS 'The priority.';

COMMENT ON COLUMN tidemill.turns.group_id IS 'The group, as in jobs.';

COMMENT ON COLUMN tidemill.turns.concurrency_keys IS 'The limits that the jobs of the group count for.';

COMMENT ON COLUMN tidemill.turns.ready_at IS 'From when on it is worth to look at the group: its last turn, or when its next job or token falls due; infinity when its line is empty.';

CREATE TABLE tidemill.unique_keys (
    key text NOT NULL,
    job_id uuid,
    supersedes uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT unique_keys_are_short CHECK (((length(key) >= 1) AND (length(key) <= 350)))
)
WITH (fillfactor='70');

COMMENT ON TABLE tidemill.unique_keys IS 'Which job has a unique key; it counts only as long as the wish of the next job says.';

COMMENT ON COLUMN tidemill.unique_keys.key IS 'The key, as in jobs.';

COMMENT ON COLUMN tidemill.unique_keys.job_id IS 'The last job that took it; null if none has yet.';

COMMENT ON COLUMN tidemill.unique_keys.supersedes IS 'Jobs with this key that still ran when it passed on, and must not come back into the queue.';

COMMENT ON COLUMN tidemill.unique_keys.seen_at IS 'When a job took it, or the keeper last found that its job is kept.';

CREATE VIEW tidemill.unique_holders AS
 SELECT unique_keys.key,
    unique_keys.job_id,
    unique_keys.seen_at
   FROM tidemill.unique_keys;

COMMENT ON VIEW tidemill.unique_holders IS 'Which job took each unique key last; it holds it as long as the wish of the next job says.';

CREATE VIEW tidemill.waiting_groups AS
 SELECT turns.queue,
    turns.priority,
    turns.group_id,
    turns.concurrency_keys,
    NULLIF(turns.ready_at, 'infinity'::timestamp with time zone) AS ready_at
   FROM tidemill.turns;

COMMENT ON VIEW tidemill.waiting_groups IS 'Whose turn it is: the groups of jobs that wait in each queue, the oldest ready_at first.';

CREATE TABLE tidemill.waits (
    job_id uuid NOT NULL,
    run_if text DEFAULT 'all_completed'::text NOT NULL,
    signal text,
    until timestamp with time zone,
    run_at timestamp with time zone,
    delay interval,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT waits_run_if_is_known CHECK ((run_if = ANY (ARRAY['all_completed'::text, 'all_finished'::text, 'any_completed'::text, 'any_failed'::text])))
);

COMMENT ON TABLE tidemill.waits IS 'What each job that is held back waits for, one row each: the end of the jobs in dependencies, or a signal.';

COMMENT ON COLUMN tidemill.waits.job_id IS 'The job that waits.';

COMMENT ON COLUMN tidemill.waits.run_if IS 'Which ends of its parents let it run: all_completed, all_finished, any_completed or any_failed.';

COMMENT ON COLUMN tidemill.waits.signal IS 'The signal that it waits for; null if it waits for jobs.';

COMMENT ON COLUMN tidemill.waits.until IS 'From then on it goes on without the signal.';

COMMENT ON COLUMN tidemill.waits.run_at IS 'Not before this time, also when nothing holds it back any more.';

COMMENT ON COLUMN tidemill.waits.delay IS 'So long after nothing holds it back any more.';

COMMENT ON COLUMN tidemill.waits.since IS 'Since when it waits.';

CREATE VIEW tidemill.waiting_jobs AS
 SELECT w.job_id,
    j.kind,
    j.queue,
    w.signal,
    w.run_if,
    ( SELECT count(*) AS count
           FROM ( SELECT
                   FROM tidemill.dependencies d
                  WHERE ((d.job_id = w.job_id) AND (d.outcome IS NULL))
                 LIMIT 1000) open) AS open_at_most_1000,
    w.until,
    (now() - w.since) AS waits_for
   FROM (tidemill.waits w
     JOIN tidemill.jobs_live j ON ((j.id = w.job_id)));

COMMENT ON VIEW tidemill.waiting_jobs IS 'Jobs that are held back, each with the signal or the number of jobs that it waits for.';

CREATE VIEW tidemill.worker_status AS
 SELECT workers.id,
    workers.name,
    workers.host,
    workers.pid,
    workers.version,
        CASE
            WHEN ((workers.state <> 'stopped'::text) AND (workers.seen_at < (now() - workers.lease_ttl))) THEN 'lost'::text
            ELSE workers.state
        END AS state,
    workers.running,
    workers.queues,
    workers.kinds,
    workers.started_at,
    (now() - workers.seen_at) AS last_seen,
    workers.memory_bytes,
    workers.cpu_seconds
   FROM tidemill.workers
  ORDER BY workers.started_at DESC;

COMMENT ON VIEW tidemill.worker_status IS 'Workers; "lost" ones stopped sending heartbeats.';

CREATE TABLE tidemill.workflows (
    id uuid NOT NULL,
    name text NOT NULL,
    on_failure text DEFAULT 'continue'::text NOT NULL,
    result_is text DEFAULT 'object'::text NOT NULL,
    members integer NOT NULL,
    done integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT workflows_are_done_once CHECK (((members >= 0) AND ((done >= 0) AND (done <= members)))),
    CONSTRAINT workflows_are_named CHECK (((name <> ''::text) AND (length(name) <= 200))),
    CONSTRAINT workflows_on_failure_is_known CHECK ((on_failure = ANY (ARRAY['continue'::text, 'cancel'::text]))),
    CONSTRAINT workflows_result_is_known CHECK ((result_is = ANY (ARRAY['object'::text, 'array'::text, 'last'::text])))
)
WITH (fillfactor='50');

COMMENT ON TABLE tidemill.workflows IS 'Workflows and groups. Each is a job of the kind tidemill.workflow with the same id, which waits for its members and ends with them.';

COMMENT ON COLUMN tidemill.workflows.id IS 'The job that stands for it.';

COMMENT ON COLUMN tidemill.workflows.name IS 'What people call it.';

COMMENT ON COLUMN tidemill.workflows.on_failure IS 'continue: the members that do not depend on a failed one go on; cancel: all others are cancelled.';

COMMENT ON COLUMN tidemill.workflows.result_is IS 'Its result: an object of the members'' results by name, an array of them in order, or the last one''s.';

COMMENT ON COLUMN tidemill.workflows.members IS 'How many jobs it waits for.';

COMMENT ON COLUMN tidemill.workflows.done IS 'How many of them ended.';

COMMENT ON COLUMN tidemill.workflows.created_at IS 'When it was made.';

CREATE VIEW tidemill.workflow_status AS
 SELECT w.id,
    w.name,
    tidemill.shown_state(j.state, j.attempt, j.run_at, j.due_at) AS status,
    w.done,
    w.members,
    (tidemill.redact(j.error) ->> 'message'::text) AS error,
    w.created_at,
    j.finished_at
   FROM (tidemill.workflows w
     JOIN tidemill.jobs j ON ((j.id = w.id)))
  WHERE (j.workflow_id IS NULL);

COMMENT ON VIEW tidemill.workflow_status IS 'Workflows that are no part of others, and how many of their jobs have ended.';

ALTER TABLE ONLY tidemill.jobs ATTACH PARTITION tidemill.jobs_live DEFAULT;

ALTER TABLE ONLY tidemill.alert_notices
    ADD CONSTRAINT alert_notices_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tidemill.alert_rules
    ADD CONSTRAINT alert_rules_pkey PRIMARY KEY (name);

ALTER TABLE ONLY tidemill.alerts
    ADD CONSTRAINT alerts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tidemill.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tidemill.artifact_referrers
    ADD CONSTRAINT artifact_referrers_pkey PRIMARY KEY (owner_id, job_id);

ALTER TABLE ONLY tidemill.artifacts
    ADD CONSTRAINT artifacts_pkey PRIMARY KEY (path);

ALTER TABLE ONLY tidemill.attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (job_id, lease_id, finished_at);

ALTER TABLE ONLY tidemill.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tidemill.dependencies
    ADD CONSTRAINT dependencies_pkey PRIMARY KEY (job_id, parent_id);

ALTER TABLE ONLY tidemill.deployments
    ADD CONSTRAINT deployments_pkey PRIMARY KEY (name);

ALTER TABLE ONLY tidemill.endings
    ADD CONSTRAINT endings_pkey PRIMARY KEY (job_id);

ALTER TABLE ONLY tidemill.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (job_id, seq, at);

ALTER TABLE ONLY tidemill.failure_causes
    ADD CONSTRAINT failure_causes_pkey PRIMARY KEY (fingerprint);

ALTER TABLE ONLY tidemill.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (key);

ALTER TABLE ONLY tidemill.jobs_live
    ADD CONSTRAINT jobs_live_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tidemill.kinds
    ADD CONSTRAINT kinds_pkey PRIMARY KEY (name);

ALTER TABLE ONLY tidemill.limit_buckets
    ADD CONSTRAINT limit_buckets_pkey PRIMARY KEY (key);

ALTER TABLE ONLY tidemill.limits
    ADD CONSTRAINT limits_pkey PRIMARY KEY (name);

ALTER TABLE ONLY tidemill.progress
    ADD CONSTRAINT progress_pkey PRIMARY KEY (job_id);

ALTER TABLE ONLY tidemill.queue_room
    ADD CONSTRAINT queue_room_pkey PRIMARY KEY (queue);

ALTER TABLE ONLY tidemill.queues
    ADD CONSTRAINT queues_pkey PRIMARY KEY (name);

ALTER TABLE ONLY tidemill.redacted_keys
    ADD CONSTRAINT redacted_keys_pkey PRIMARY KEY (deployment, key);

ALTER TABLE ONLY tidemill.refinery_schema_history
    ADD CONSTRAINT refinery_schema_history_pkey PRIMARY KEY (version);

ALTER TABLE ONLY tidemill.running
    ADD CONSTRAINT running_pkey PRIMARY KEY (job_id);

ALTER TABLE ONLY tidemill.schedule_slots
    ADD CONSTRAINT schedule_slots_pkey PRIMARY KEY (schedule, slot);

ALTER TABLE ONLY tidemill.schedules
    ADD CONSTRAINT schedules_pkey PRIMARY KEY (name);

ALTER TABLE ONLY tidemill.schema_compatibility
    ADD CONSTRAINT schema_compatibility_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY tidemill.sealing
    ADD CONSTRAINT sealing_pkey PRIMARY KEY (is_only_row);

ALTER TABLE ONLY tidemill.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tidemill.signals
    ADD CONSTRAINT signals_pkey PRIMARY KEY (job_id, name);

ALTER TABLE ONLY tidemill.stats_hours
    ADD CONSTRAINT stats_hours_pkey PRIMARY KEY (hour, queue, kind, outcome);

ALTER TABLE ONLY tidemill.stats
    ADD CONSTRAINT stats_pkey PRIMARY KEY (minute, queue, kind, outcome);

ALTER TABLE ONLY tidemill.steps
    ADD CONSTRAINT steps_pkey PRIMARY KEY (job_id, name);

ALTER TABLE ONLY tidemill.sweep_pauses
    ADD CONSTRAINT sweep_pauses_pkey PRIMARY KEY (until);

ALTER TABLE ONLY tidemill.sweep_times
    ADD CONSTRAINT sweep_times_pkey PRIMARY KEY (is_only);

ALTER TABLE ONLY tidemill.task_ids
    ADD CONSTRAINT task_ids_pkey PRIMARY KEY (execution_id);

ALTER TABLE ONLY tidemill.turns
    ADD CONSTRAINT turns_pkey PRIMARY KEY (queue, priority, group_id);

ALTER TABLE ONLY tidemill.unique_keys
    ADD CONSTRAINT unique_keys_pkey PRIMARY KEY (key);

ALTER TABLE ONLY tidemill.waits
    ADD CONSTRAINT waits_pkey PRIMARY KEY (job_id);

ALTER TABLE ONLY tidemill.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tidemill.workflows
    ADD CONSTRAINT workflows_pkey PRIMARY KEY (id);

CREATE INDEX alert_notices_due ON tidemill.alert_notices USING btree (due_at) WHERE (sent_at IS NULL);

CREATE UNIQUE INDEX alert_notices_once ON tidemill.alert_notices USING btree (alert_id, event, channel, target);

CREATE INDEX alerts_fired ON tidemill.alerts USING btree (fired_at, id);

CREATE UNIQUE INDEX alerts_open ON tidemill.alerts USING btree (rule, subject) WHERE (resolved_at IS NULL);

COMMENT ON INDEX tidemill.alerts_open IS 'A rule has one open alert a subject, so none fires twice.';

CREATE INDEX artifacts_checked ON tidemill.artifacts USING btree (checked_at);

CREATE INDEX artifacts_job ON tidemill.artifacts USING btree (job_id, name, created_at);

CREATE INDEX audit_log_at ON tidemill.audit_log USING btree (at);

CREATE INDEX audit_log_subject ON tidemill.audit_log USING btree (subject, id);

CREATE INDEX dependencies_bad ON tidemill.dependencies USING btree (job_id) WHERE (outcome = ANY (ARRAY['failed'::text, 'cancelled'::text, 'skipped'::text]));

CREATE INDEX dependencies_open ON tidemill.dependencies USING btree (job_id) WHERE (outcome IS NULL);

CREATE INDEX dependencies_parent ON tidemill.dependencies USING btree (parent_id);

CREATE INDEX failure_causes_last ON tidemill.failure_causes USING btree (last_at);

CREATE INDEX idempotency_keys_expiry ON tidemill.idempotency_keys USING btree (expires_at);

CREATE INDEX jobs_live_claim ON tidemill.jobs_live USING btree (queue, priority, run_at, id);

COMMENT ON INDEX tidemill.jobs_live_claim IS 'The order in which jobs are claimed; must never name state, lease or worker.';

CREATE INDEX jobs_live_expiry ON tidemill.jobs_live USING btree (expires_at) WHERE (expires_at IS NOT NULL);

COMMENT ON INDEX tidemill.jobs_live_expiry IS 'Finds the jobs that nobody started in time.';

CREATE INDEX jobs_live_groups ON tidemill.jobs_live USING btree (queue, priority, group_id, due_at, id) WHERE (group_id IS NOT NULL);

COMMENT ON INDEX tidemill.jobs_live_groups IS 'The line of each group, in the order in which its jobs are claimed.';

CREATE INDEX jobs_live_tags ON tidemill.jobs_live USING gin (tags) WHERE (tags <> '{}'::text[]);

COMMENT ON INDEX tidemill.jobs_live_tags IS 'Finds live jobs by tag; untagged ones cost nothing.';

CREATE INDEX jobs_live_written ON tidemill.jobs_live USING brin (written_in) WITH (pages_per_range='16', autosummarize='on');

COMMENT ON INDEX tidemill.jobs_live_written IS 'Finds what was enqueued since a transaction; costs next to nothing to keep.';

CREATE UNIQUE INDEX schedule_slots_held ON tidemill.schedule_slots USING btree (schedule) WHERE (outcome = 'held'::text);

COMMENT ON INDEX tidemill.schedule_slots_held IS 'At most one slot of a schedule is held.';

CREATE INDEX schedules_due ON tidemill.schedules USING btree (next_at) WHERE (paused_at IS NULL);

COMMENT ON INDEX tidemill.schedules_due IS 'Which schedule is due next, without a look at the others.';

CREATE INDEX sessions_expires ON tidemill.sessions USING btree (expires_at);

CREATE INDEX sessions_job ON tidemill.sessions USING btree (job_id);

CREATE INDEX steps_spawned ON tidemill.steps USING btree (spawned_id) WHERE (spawned_id IS NOT NULL);

CREATE INDEX task_ids_job ON tidemill.task_ids USING btree (job_id);

CREATE INDEX turns_order ON tidemill.turns USING btree (queue, priority, ready_at, group_id);

CREATE INDEX unique_keys_seen ON tidemill.unique_keys USING btree (seen_at);

CREATE INDEX waits_until ON tidemill.waits USING btree (until) WHERE (until IS NOT NULL);

CREATE TRIGGER alert_rules_audited AFTER INSERT OR DELETE OR UPDATE ON tidemill.alert_rules FOR EACH ROW EXECUTE FUNCTION tidemill.audit_change('alert', 'name', 'updated_at');

COMMENT ON TRIGGER alert_rules_audited ON tidemill.alert_rules IS 'Rules are made and dropped by people.';

CREATE TRIGGER api_keys_audited AFTER INSERT OR DELETE OR UPDATE ON tidemill.api_keys FOR EACH ROW EXECUTE FUNCTION tidemill.audit_change('key', 'id', 'secret_hash,last_used_at');

COMMENT ON TRIGGER api_keys_audited ON tidemill.api_keys IS 'Keys are made and revoked by people.';

CREATE TRIGGER jobs_live_awaited AFTER DELETE ON tidemill.jobs_live FOR EACH ROW WHEN (old.awaited) EXECUTE FUNCTION tidemill.note_ending();

COMMENT ON TRIGGER jobs_live_awaited ON tidemill.jobs_live IS 'Fires for jobs alone for which others wait.';

CREATE TRIGGER limits_audited AFTER INSERT OR DELETE OR UPDATE ON tidemill.limits FOR EACH ROW EXECUTE FUNCTION tidemill.audit_change('limit', 'name', 'updated_at');

COMMENT ON TRIGGER limits_audited ON tidemill.limits IS 'Limits are set by people.';

CREATE TRIGGER queues_audited AFTER INSERT OR DELETE OR UPDATE ON tidemill.queues FOR EACH ROW EXECUTE FUNCTION tidemill.audit_change('queue', 'name', 'updated_at,limited');

COMMENT ON TRIGGER queues_audited ON tidemill.queues IS 'Pauses, drains, slots and ageing are acts of people.';

CREATE TRIGGER schedule_written BEFORE INSERT OR UPDATE ON tidemill.schedules FOR EACH ROW EXECUTE FUNCTION tidemill.schedule_written();

CREATE TRIGGER schedules_audited AFTER INSERT OR DELETE OR UPDATE OF cron, every, at, timezone, job, missed, missed_limit, overlap, jitter, paused_at ON tidemill.schedules FOR EACH ROW EXECUTE FUNCTION tidemill.audit_change('schedule', 'name', 'anchor_at,next_at,upcoming,last_slot_at,unfinished,problem,updated_at');

COMMENT ON TRIGGER schedules_audited ON tidemill.schedules IS 'Schedules are made, changed and paused by people.';

ALTER TABLE ONLY tidemill.alert_notices
    ADD CONSTRAINT alert_notices_alert_id_fkey FOREIGN KEY (alert_id) REFERENCES tidemill.alerts(id) ON DELETE CASCADE;

ALTER TABLE ONLY tidemill.schedule_slots
    ADD CONSTRAINT schedule_slots_schedule_fkey FOREIGN KEY (schedule) REFERENCES tidemill.schedules(name) ON UPDATE CASCADE ON DELETE CASCADE;
