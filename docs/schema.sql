-- Made by `make schema` from a fresh migration, on Postgres 15. Do not edit.
CREATE SCHEMA tidemill;

CREATE DOMAIN tidemill.job_args AS jsonb
	CONSTRAINT jobs_args_is_an_object CHECK ((jsonb_typeof(VALUE) = 'object'::text));

COMMENT ON DOMAIN tidemill.job_args IS 'The input of a job, a JSON object.';

CREATE DOMAIN tidemill.job_attempt AS integer
	CONSTRAINT jobs_attempts_count_up CHECK ((VALUE >= 0));

COMMENT ON DOMAIN tidemill.job_attempt IS 'The number of an attempt; 0 before the first.';

CREATE DOMAIN tidemill.job_hard_timeout AS interval
	CONSTRAINT jobs_hard_timeout_is_in_reach CHECK (((VALUE >= '00:00:00'::interval) AND (VALUE <= '100 years'::interval)));

COMMENT ON DOMAIN tidemill.job_hard_timeout IS 'The hard timeout of a job.';

CREATE DOMAIN tidemill.job_kind AS text
	CONSTRAINT jobs_kind_is_named CHECK (((VALUE <> ''::text) AND (length(VALUE) <= 63)));

COMMENT ON DOMAIN tidemill.job_kind IS 'The kind of a job.';

CREATE DOMAIN tidemill.job_max_attempts AS integer
	CONSTRAINT jobs_attempts_count_up CHECK ((VALUE >= 1));

COMMENT ON DOMAIN tidemill.job_max_attempts IS 'How many attempts a job can have.';

CREATE DOMAIN tidemill.job_owner AS text
	CONSTRAINT jobs_owner_is_short CHECK ((((length(VALUE) >= 1) AND (length(VALUE) <= 255)) AND (VALUE !~ '[\x01-\x1f\x7f-\x9f]'::text)));

COMMENT ON DOMAIN tidemill.job_owner IS 'The user for whom a job runs.';

CREATE DOMAIN tidemill.job_priority AS smallint
	CONSTRAINT jobs_priority_is_1_to_9 CHECK (((VALUE >= 1) AND (VALUE <= 9)));

COMMENT ON DOMAIN tidemill.job_priority IS 'The priority of a job; 1 is claimed first.';

CREATE DOMAIN tidemill.job_queue AS text
	CONSTRAINT jobs_queue_is_named CHECK (((VALUE <> ''::text) AND (length(VALUE) <= 63)));

COMMENT ON DOMAIN tidemill.job_queue IS 'The queue of a job.';

CREATE DOMAIN tidemill.job_retain AS interval
	CONSTRAINT jobs_retain_is_in_reach CHECK (((VALUE >= '00:00:00'::interval) AND (VALUE <= '100 years'::interval)));

COMMENT ON DOMAIN tidemill.job_retain IS 'How long a job is kept after its end.';

CREATE DOMAIN tidemill.job_soft_timeout AS interval
	CONSTRAINT jobs_soft_timeout_is_in_reach CHECK (((VALUE >= '00:00:00'::interval) AND (VALUE <= '100 years'::interval)));

COMMENT ON DOMAIN tidemill.job_soft_timeout IS 'The soft timeout of a job.';

CREATE TYPE tidemill.job_state AS ENUM (
    'waiting',
    'available',
    'running',
    'completed',
    'failed',
    'cancelled'
);

COMMENT ON TYPE tidemill.job_state IS 'Stored states of a job; "scheduled" and "retrying" are shown for available ones, never stored.';

COMMENT ON FUNCTION tidemill.act_on_jobs(p_verb text, p_filter jsonb, p_limit integer, p_dry_run boolean, p_queue text, p_by text, p_after uuid) IS 'Applies an action (retry, cancel, run_now, delete) to at most the given number of jobs that match a filter; with p_dry_run it only counts them. Retried jobs can go to another queue. Returns the last job, after which the next call continues: a call that starts over finds the refused jobs again.';

COMMENT ON FUNCTION tidemill.aggregate_failures(p_limit integer) IS 'Counts failures into their causes; returns how many. Safe to run anywhere, any time; repeat until 0.';

COMMENT ON FUNCTION tidemill.aggregate_stats(p_limit integer) IS 'Adds new counts to their minutes and hours; returns the number of rows that it added. Safe to run anywhere, any time; repeat until 0.';

COMMENT ON FUNCTION tidemill.allow_candidates(p_queue text, p_priorities smallint[], p_groups uuid[], p_ids uuid[], p_ords bigint[], p_nths bigint[], p_limit integer, p_worst_priority smallint, p_limit_at_worst integer, OUT picked uuid[], OUT picked_ords bigint[], OUT delayed_keys text[], OUT delays interval[]) IS 'Picks those of the candidates that all limits of their keys allow now and takes their tokens. Returns them with the places of their groups, and the keys that delay their groups, each with its delay.';

COMMENT ON FUNCTION tidemill.append_event(p_job uuid, p_attempt integer, p_type text, p_data jsonb) IS 'Writes one event and returns its number.';

COMMENT ON FUNCTION tidemill.append_events(p_jobs uuid[], p_attempts integer[], p_types text[], p_data jsonb[], p_report uuid) IS 'Writes events in the given order, numbers them per job and updates each job''s progress; returns the last number of each job. If a report repeats the last one, its events are already stored and not written again.';

COMMENT ON FUNCTION tidemill.apply_limits(p_ids uuid[], p_kinds text[], p_args jsonb[], p_options jsonb[], p_verdicts jsonb, p_crowded bigint[]) IS 'Lets full limits cancel older jobs; returns the new jobs that must be cancelled instead.';

CREATE TABLE tidemill.jobs (
    id uuid NOT NULL,
    kind tidemill.job_kind NOT NULL,
    queue tidemill.job_queue DEFAULT 'default'::text NOT NULL,
    state tidemill.job_state DEFAULT 'available'::tidemill.job_state NOT NULL,
    priority tidemill.job_priority DEFAULT 5 NOT NULL,
    attempt tidemill.job_attempt DEFAULT 0 NOT NULL,
    max_attempts tidemill.job_max_attempts DEFAULT 5 NOT NULL,
    run_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    lease_id uuid,
    worker_id text,
    last_lease_id uuid,
    last_worker_id text,
    args tidemill.job_args DEFAULT '{}'::jsonb NOT NULL,
    result jsonb,
    error jsonb,
    execution_id text,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    metadata jsonb,
    soft_timeout tidemill.job_soft_timeout,
    hard_timeout tidemill.job_hard_timeout,
    retain tidemill.job_retain,
    retain_until timestamp with time zone,
    concurrency_keys text[],
    fair_key text,
    owner tidemill.job_owner,
    group_id uuid,
    due_at timestamp with time zone,
    expires_at timestamp with time zone,
    unique_key text,
    workflow_id uuid,
    awaited boolean,
    written_in numeric DEFAULT ((pg_current_xact_id())::text)::numeric NOT NULL,
    CONSTRAINT jobs_finished_at_marks_the_end CHECK (((finished_at IS NULL) = (state < 'completed'::tidemill.job_state))),
    CONSTRAINT jobs_lease_while_running CHECK (((lease_id IS NOT NULL) = (state = 'running'::tidemill.job_state))),
    CONSTRAINT jobs_result_means_completed CHECK (((result IS NULL) OR (state = 'completed'::tidemill.job_state))),
    CONSTRAINT jobs_run_at_is_in_reach CHECK (((run_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND ((run_at < '10000-01-01 00:00:00+00'::timestamp with time zone) OR (state = 'waiting'::tidemill.job_state)))),
    CONSTRAINT jobs_running_has_started CHECK (((lease_id IS NULL) OR ((started_at IS NOT NULL) AND ((attempt)::integer >= 1)))),
    CONSTRAINT jobs_waiting_is_never_due CHECK (((state <> 'waiting'::tidemill.job_state) OR (run_at = 'infinity'::timestamp with time zone))),
    CONSTRAINT jobs_worker_while_running CHECK (((worker_id IS NULL) = (lease_id IS NULL)))
)
PARTITION BY LIST (((finished_at IS NULL)));

COMMENT ON TABLE tidemill.jobs IS 'Every job, live and finished. Live rows are in jobs_live; a finished job moves to the partition of its day.';

COMMENT ON COLUMN tidemill.jobs.id IS 'UUIDv7, made by the caller of the enqueue; its order is not reliable.';

COMMENT ON COLUMN tidemill.jobs.kind IS 'The name of the handler that runs it.';

COMMENT ON COLUMN tidemill.jobs.queue IS 'The queue from which it is claimed.';

COMMENT ON COLUMN tidemill.jobs.state IS 'The stored state; docs/lifecycle.md shows the transitions.';

COMMENT ON COLUMN tidemill.jobs.priority IS '1 is claimed first, 9 last; critical 1, high 3, normal 5, low 7.';

COMMENT ON COLUMN tidemill.jobs.attempt IS 'Number of the current or last attempt; 0 before the first. Snoozes and hand-backs do not count.';

COMMENT ON COLUMN tidemill.jobs.max_attempts IS 'No attempt has a higher number, unless the job is retried by hand.';

COMMENT ON COLUMN tidemill.jobs.run_at IS 'The job is not claimed before this time of the database''s clock; infinity while waiting.';

COMMENT ON COLUMN tidemill.jobs.created_at IS 'When it was enqueued.';

COMMENT ON COLUMN tidemill.jobs.started_at IS 'When the current or last attempt was claimed.';

COMMENT ON COLUMN tidemill.jobs.finished_at IS 'When it reached a final state; null exactly while it is live.';

COMMENT ON COLUMN tidemill.jobs.cancel_requested_at IS 'When a cancel was requested.';

COMMENT ON COLUMN tidemill.jobs.lease_id IS 'The right to run the current attempt; fences every write of its worker.';

COMMENT ON COLUMN tidemill.jobs.worker_id IS 'The worker that runs it now (workers.id).';

COMMENT ON COLUMN tidemill.jobs.last_lease_id IS 'The lease of the last attempt that ended; lets a worker repeat its last request.';

COMMENT ON COLUMN tidemill.jobs.last_worker_id IS 'The worker of the last attempt that ended.';

COMMENT ON COLUMN tidemill.jobs.args IS 'The input, a JSON object.';

COMMENT ON COLUMN tidemill.jobs.result IS 'The result of the handler; only when completed.';

COMMENT ON COLUMN tidemill.jobs.error IS 'The last failure: message, type, permanent, backtrace.';

COMMENT ON COLUMN tidemill.jobs.execution_id IS 'The caller''s own name for it; also in task_ids.';

COMMENT ON COLUMN tidemill.jobs.tags IS 'Labels for searching.';

COMMENT ON COLUMN tidemill.jobs.metadata IS 'Data of the caller that the handler does not need.';

COMMENT ON COLUMN tidemill.jobs.soft_timeout IS 'After this time an attempt is asked to stop; null: that of the kind.';

COMMENT ON COLUMN tidemill.jobs.hard_timeout IS 'After this time an attempt is ended; null: that of the kind.';

COMMENT ON COLUMN tidemill.jobs.retain IS 'How long it is kept after its end; null: the deployment''s retention.';

COMMENT ON COLUMN tidemill.jobs.retain_until IS 'When its own retention ends; null if the partition of its day decides.';

COMMENT ON COLUMN tidemill.jobs.concurrency_keys IS 'The limits that apply to it: each key is the name of a limit, or name:key to count each key separately.';

COMMENT ON COLUMN tidemill.jobs.fair_key IS 'The owner of the job for fairness; jobs of one queue and priority take turns between fair keys.';

COMMENT ON COLUMN tidemill.jobs.owner IS 'The user for whom it runs, an id that the application defines; tokens for this owner reach it. Null for most jobs.';

COMMENT ON COLUMN tidemill.jobs.group_id IS 'Hash of its concurrency keys and fair key; the jobs of one group wait in order. Null for most jobs.';

COMMENT ON COLUMN tidemill.jobs.due_at IS 'The time from which a job with a group can run; its run_at is infinity while it waits.';

COMMENT ON COLUMN tidemill.jobs.expires_at IS 'A job that has not started by then is cancelled.';

COMMENT ON COLUMN tidemill.jobs.unique_key IS 'The key that no second job can have at the same time; see unique_keys.';

COMMENT ON COLUMN tidemill.jobs.workflow_id IS 'The workflow of which it is a member; a workflow is a job itself. Null for most jobs.';

COMMENT ON COLUMN tidemill.jobs.awaited IS 'True if other jobs wait for its end.';

COMMENT ON COLUMN tidemill.jobs.written_in IS 'The transaction that put the row in its place: enqueued the job, made it live again, or finished it. No claim changes it.';

COMMENT ON FUNCTION tidemill.archive(p_job tidemill.jobs) IS 'Moves a locked live job to the history of today, in the final state of the given row.';

COMMENT ON FUNCTION tidemill.are_sealed_args(p_args jsonb) IS 'Whether args are encrypted or in object storage, in exactly the form that the processes write; results passed to the job can be added.';

COMMENT ON FUNCTION tidemill.audit(p_action text, p_subject text, p_before jsonb, p_after jsonb, p_by text) IS 'Records an action of a person.';

COMMENT ON FUNCTION tidemill.audit_change() IS 'Trigger: records the changed columns of a row of settings, and notifies of it. Arguments: the type of the row, its naming column, and columns that are ignored.';

COMMENT ON FUNCTION tidemill.backoff(p_attempt integer, p_first interval, p_factor double precision, p_max interval, p_jitter double precision) IS 'The delay after the given attempt failed: first * factor^(attempt - 1), at most max, varied by the share jitter.';

COMMENT ON FUNCTION tidemill.bad_workflow(p_path text, p_message text, p_hint text) IS 'Refuses a workflow: the place, the reason, and the remedy.';

COMMENT ON FUNCTION tidemill.base64url(p_data bytea) IS 'Base64 for addresses and headers, without padding (RFC 4648, section 5).';

COMMENT ON FUNCTION tidemill.block_again(p_job tidemill.jobs, p_event jsonb) IS 'Makes a locked finished job, which had waited for other jobs, wait for them again by the same terms.';

COMMENT ON FUNCTION tidemill.block_new_jobs(p_ids uuid[], p_run_ats timestamp with time zone[], p_delay_seconds double precision[], p_options jsonb[]) IS 'Makes new jobs wait for the jobs that their options name; a delay counts from their release. insert_jobs calls it.';

COMMENT ON FUNCTION tidemill.block_on(p_job tidemill.jobs, p_wait jsonb) IS 'Makes a locked live job wait for {signal, timeout_seconds} or for the end of {parents}, and releases it at once if that has already happened. Returns its state.';

COMMENT ON FUNCTION tidemill.is_name(p_text text) IS 'Whether a text can be the name of a queue, kind, limit, schedule, alert rule or deployment: 1 to 63 letters, digits, dots, dashes and underscores, with a letter or digit first.';

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
    CONSTRAINT alert_rules_are_named CHECK (tidemill.is_name(name)),
    CONSTRAINT alert_rules_at_least_is_positive CHECK ((at_least >= 1)),
    CONSTRAINT alert_rules_condition_is_known CHECK ((condition = ANY (ARRAY['error_rate'::text, 'average_time'::text, 'queue_depth'::text, 'no_worker'::text, 'stuck_jobs'::text, 'database_latency'::text, 'database_size'::text, 'database_horizon'::text]))),
    CONSTRAINT alert_rules_email_has_no_nulls CHECK ((array_position(email, NULL::text) IS NULL)),
    CONSTRAINT alert_rules_hold_is_in_reach CHECK (((hold >= '00:00:00'::interval) AND (hold <= '1 day'::interval))),
    CONSTRAINT alert_rules_kind_has_a_meaning CHECK (((kind IS NULL) OR (condition = ANY (ARRAY['error_rate'::text, 'average_time'::text, 'stuck_jobs'::text])))),
    CONSTRAINT alert_rules_moments_are_in_reach CHECK (((updated_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (updated_at < '10000-01-01 00:00:00+00'::timestamp with time zone))),
    CONSTRAINT alert_rules_over_is_in_reach CHECK (((over >= '00:01:00'::interval) AND (over <= '14 days'::interval))),
    CONSTRAINT alert_rules_queue_has_a_meaning CHECK (((queue IS NULL) OR (condition !~~ 'database%'::text))),
    CONSTRAINT alert_rules_webhook_is_an_address CHECK ((webhook ~ '^https?://[^[:space:][:cntrl:]]+$'::text))
);

COMMENT ON TABLE tidemill.alert_rules IS 'Rules that say when people are notified.';

COMMENT ON COLUMN tidemill.alert_rules.name IS 'The name of the rule.';

COMMENT ON COLUMN tidemill.alert_rules.condition IS 'The measured value: error_rate, average_time, queue_depth, no_worker, stuck_jobs, database_latency, database_size or database_horizon.';

COMMENT ON COLUMN tidemill.alert_rules.kind IS 'Only jobs of this kind; null: each kind by itself.';

COMMENT ON COLUMN tidemill.alert_rules.queue IS 'Only this queue; null: all of them.';

COMMENT ON COLUMN tidemill.alert_rules.above IS 'The rule fires above this value: a share, seconds, jobs or bytes; for no_worker it fires if there are at most this many workers.';

COMMENT ON COLUMN tidemill.alert_rules.at_least IS 'With fewer attempts than this in the window the rule does not apply.';

COMMENT ON COLUMN tidemill.alert_rules.over IS 'The window of error_rate and average_time.';

COMMENT ON COLUMN tidemill.alert_rules.hold IS 'The rule fires when the value was too high for this time, and is resolved when it was not too high for this time.';

COMMENT ON COLUMN tidemill.alert_rules.webhook IS 'The URL that is called when it fires and when it is resolved; null: none.';

COMMENT ON COLUMN tidemill.alert_rules.email IS 'The addresses that get a mail then.';

COMMENT ON COLUMN tidemill.alert_rules.from_config IS 'True if a config names it.';

COMMENT ON COLUMN tidemill.alert_rules.updated_at IS 'When it was last changed.';

COMMENT ON COLUMN tidemill.alert_rules.owner IS 'The deployment whose config wrote it; null if none did.';

COMMENT ON FUNCTION tidemill.breaches(p_rule tidemill.alert_rules, p_latency_seconds double precision) IS 'The subjects that exceed a rule at this moment: the subject, the measured value, and a message.';

COMMENT ON FUNCTION tidemill.cancel(p_job uuid, p_reason text, p_by text) IS 'Cancels a job: at once if it does not run (cancelled), else by asking its worker (cancel_requested). Returns the state of a finished job, null if the job does not exist.';

COMMENT ON FUNCTION tidemill.cancel_children(p_job tidemill.jobs, p_reason text, p_by text, p_recorded boolean) IS 'Cancels the children of a job that waits for them, or was about to.';

COMMENT ON FUNCTION tidemill.cancel_for_limit(p_ids uuid[], p_kinds text[], p_args jsonb[], p_options jsonb[]) IS 'Called before jobs are inserted: cancels the oldest jobs if a full limit requires that; returns those of the new jobs that must be cancelled themselves.';

COMMENT ON FUNCTION tidemill.cancel_one(p_job uuid, p_reason text, p_by text, p_recorded boolean) IS 'Like cancel; the caller decides whether it is recorded as an action.';

COMMENT ON FUNCTION tidemill.cancel_operation(operation uuid, p_by text) IS 'Stops an operation after its current batch; jobs that it has already changed stay changed. Returns its state, null if there is no such operation.';

COMMENT ON FUNCTION tidemill.cancel_workflow(p_workflow uuid, p_reason text, p_by text) IS 'Cancels the live members of a workflow, also nested ones; it ends when the last of them has ended.';

COMMENT ON FUNCTION tidemill.change_job(p_job uuid, p_change jsonb, p_by text) IS 'Changes options of a job that does not run: {priority, queue, run_at, max_attempts, tags, metadata}; absent fields stay the same. Returns its state, null if there is no such job; a running or finished job is not changed.';

COMMENT ON FUNCTION tidemill.changes(p_behind bigint, p_open bigint[], p_before bigint, p_hidden bigint[], p_floor timestamp with time zone, p_kinds text[], p_queues text[], p_all boolean, p_most integer, p_seen text) IS 'The rows that were written by transactions not visible at an earlier poll: transaction numbers from p_behind on and those of p_open, below p_before and without p_hidden; none before p_floor, and none of another cluster. The first row is the poll itself, with its snapshot; it is the only row if the snapshot equals p_seen.';

COMMENT ON FUNCTION tidemill.check_capacity(p_ids uuid[], p_kinds text[], p_queues text[], p_execution_ids text[], p_verdicts jsonb, p_wait boolean, OUT crowded bigint[], OUT busy bigint[]) IS 'Reserves capacity in bounded queues; returns the new jobs, by their places, that do not fit, and those of them whose queue has a locked capacity.';

COMMENT ON FUNCTION tidemill.check_json(p_value jsonb, p_what text) IS 'Refuses JSON that no worker could read exactly.';

COMMENT ON FUNCTION tidemill.check_members(p_path text, p_names text[], p_nodes jsonb[], p_afters jsonb[]) IS 'Refuses names that are not unique, are unknown or form a cycle.';

COMMENT ON FUNCTION tidemill.check_name(p_name text, p_what text) IS 'Returns a name unchanged, or refuses it; null is no name and stays null.';

COMMENT ON FUNCTION tidemill.check_new_jobs(p_ids uuid[], p_kinds text[], p_args jsonb[], p_queues text[], p_priorities smallint[], p_run_ats timestamp with time zone[], p_delay_seconds double precision[], p_max_attempts integer[], p_execution_ids text[], p_tags jsonb[], p_metadata jsonb[], p_strict boolean, p_options jsonb[], p_wait boolean, OUT verdicts jsonb, OUT orphaned bigint[], OUT crowded bigint[], OUT busy bigint[], OUT rejected uuid[]) IS 'First part of insert_jobs: takes unique keys and capacity, applies limits that cancel. Returns by their places the jobs that are not unique (verdicts, see take_unique_keys), wait for a missing job (orphaned) or do not fit (crowded, busy), and the ids of those that a full limit rejects.';

COMMENT ON FUNCTION tidemill.check_operation(p_action text, p_queue text, p_priority smallint, p_rate text) IS 'Refuses an operation that cannot apply to any job.';

COMMENT ON FUNCTION tidemill.check_requests(p_jobs jsonb) IS 'Refuses input that is not an array of jobs, unknown fields, and args that no worker could read exactly.';

COMMENT ON FUNCTION tidemill.check_sealed(p_args jsonb[], p_options jsonb[]) IS 'Refuses jobs whose args are not encrypted if the config requires encryption; insert_jobs calls it then.';

COMMENT ON FUNCTION tidemill.check_search(p_filter jsonb) IS 'Refuses a filter whose search has no window of time, or a longer one than a month.';

COMMENT ON FUNCTION tidemill.check_spec(p_path text, p_spec jsonb) IS 'Refuses unknown fields and values in the options of a workflow.';

COMMENT ON FUNCTION tidemill.claim_limited(p_queue text, p_kinds text[], p_room integer, p_worst_priority smallint, p_room_at_worst integer, p_priorities smallint[], p_run_ats timestamp with time zone[], p_ids uuid[], OUT picked uuid[], OUT plain_room integer, OUT again_in_seconds double precision) IS 'First half of a claim under limits: locks the jobs that can start now and returns how many others can; the caller claims them in the same transaction.';

COMMENT ON FUNCTION tidemill.clamp_time(p_at timestamp with time zone) IS 'The time, moved into the years that RFC 3339 can write: a row that was written by hand must not make a list unreadable.';

COMMENT ON FUNCTION tidemill.closed_kinds(p_kinds text[]) IS 'Those of the kinds whose jobs can start: their breakers are not open.';

COMMENT ON FUNCTION tidemill.complete(p_job uuid, p_lease uuid, p_result jsonb) IS 'Completes an attempt in your transaction: its end and your writes commit or roll back together. False if the lease is lost: roll back then.';

COMMENT ON FUNCTION tidemill.count_queue(p_queue text, p_most bigint, OUT waiting bigint, OUT due bigint) IS 'The waiting and the due jobs of a queue, each counted up to a number.';

COMMENT ON FUNCTION tidemill.count_queued(p_queue text, p_most integer) IS 'The number of jobs of the queue that do not run, counted up to a maximum.';

COMMENT ON FUNCTION tidemill.count_queues(p_queue text, OUT queue text, OUT waiting bigint, OUT due bigint, OUT counted_to bigint) IS 'The waiting and the due jobs of a queue, or of all, and how far they are counted: up to 10,000, or less, at least 1,000, where more than ten queues are so long.';

COMMENT ON FUNCTION tidemill.create_token(key_id text, scopes text[], job uuid, owner text, kinds text[], expires_in interval) IS 'A token for a browser, made in the name of an API key: for one job, or for the jobs of an owner, of kinds, or of both. It ends with its key. select create_token(''<key id>'', ''{read,cancel}'', owner => ''42'').';

COMMENT ON FUNCTION tidemill.create_workflow(p_spec jsonb) IS 'Enqueues a whole graph of jobs in your transaction: {name, on_failure: continue | cancel, jobs: [{name, kind, args, after: [name or {job, as}], run_if, …}]}, or group: [jobs], or chain: [jobs]; each can be nested instead of a kind, and a group can have then: job. Returns the id of the job that represents it.';

COMMENT ON FUNCTION tidemill.current_actor() IS 'The actor in this transaction: the setting tidemill.by, else the database user.';

COMMENT ON FUNCTION tidemill.database_history() IS 'An identifier of the database''s history: it changes when a standby takes over or the database is restored.';

COMMENT ON FUNCTION tidemill.dead_rows() IS 'Dead rows of the hot tables, according to the statistics.';

COMMENT ON FUNCTION tidemill.decide_jobs(p_ids uuid[], p_kinds text[], p_args jsonb[], p_queues text[], p_priorities smallint[], p_run_ats timestamp with time zone[], p_delay_seconds double precision[], p_max_attempts integer[], p_soft_timeout_seconds double precision[], p_hard_timeout_seconds double precision[], p_execution_ids text[], p_tags jsonb[], p_metadata jsonb[], p_retain_seconds double precision[], p_strict boolean, p_options jsonb[], p_verdicts jsonb, p_orphaned bigint[], p_crowded bigint[], p_busy bigint[]) IS 'The jobs of one call of insert_jobs with all their values, and for those that cannot be stored the reason and the existing job.';

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
    CONSTRAINT schedules_are_named CHECK (tidemill.is_name(name)),
    CONSTRAINT schedules_at_is_in_reach CHECK (((at >= '2000-01-01 00:00:00+00'::timestamp with time zone) AND (at < '2200-01-01 00:00:00+00'::timestamp with time zone))),
    CONSTRAINT schedules_cron_is_short CHECK (((length(cron) >= 1) AND (length(cron) <= 255))),
    CONSTRAINT schedules_every_is_1_second_to_10_years_without_months CHECK ((((every >= '00:00:01'::interval) AND (every <= '3660 days'::interval)) AND (EXTRACT(year FROM every) = (0)::numeric) AND (EXTRACT(month FROM every) = (0)::numeric))),
    CONSTRAINT schedules_have_one_of_cron_every_at CHECK ((num_nonnulls(cron, every, at) = 1)),
    CONSTRAINT schedules_jitter_is_in_reach CHECK (((jitter >= '00:00:00'::interval) AND (jitter <= '1 day'::interval))),
    CONSTRAINT schedules_job_is_a_template CHECK (((jsonb_typeof(job) = 'object'::text) AND tidemill.is_name(COALESCE((job ->> 'kind'::text), ''::text)) AND (COALESCE(jsonb_typeof((job -> 'args'::text)), 'object'::text) = 'object'::text) AND (COALESCE(jsonb_typeof((job -> 'metadata'::text)), 'object'::text) = 'object'::text) AND (COALESCE(jsonb_typeof((job -> 'tags'::text)), 'array'::text) = 'array'::text) AND ((job - '{kind,args,queue,priority,max_attempts,soft_timeout,hard_timeout,tags,metadata,retain}'::text[]) = '{}'::jsonb))),
    CONSTRAINT schedules_missed_is_known CHECK ((missed = ANY (ARRAY['skip'::text, 'one'::text, 'all'::text]))),
    CONSTRAINT schedules_missed_limit_is_1_to_1000 CHECK (((missed_limit >= 1) AND (missed_limit <= 1000))),
    CONSTRAINT schedules_moments_are_in_reach CHECK (((anchor_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (anchor_at < '10000-01-01 00:00:00+00'::timestamp with time zone) AND (last_slot_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (last_slot_at < '10000-01-01 00:00:00+00'::timestamp with time zone) AND (created_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (created_at < '10000-01-01 00:00:00+00'::timestamp with time zone) AND (updated_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (updated_at < '10000-01-01 00:00:00+00'::timestamp with time zone))),
    CONSTRAINT schedules_overlap_is_known CHECK ((overlap = ANY (ARRAY['skip'::text, 'queue'::text, 'allow'::text, 'cancel'::text]))),
    CONSTRAINT schedules_paused_by_somebody CHECK (((paused_at IS NULL) = (paused_by IS NULL))),
    CONSTRAINT schedules_source_is_known CHECK ((source = ANY (ARRAY['config'::text, 'api'::text, 'sql'::text]))),
    CONSTRAINT schedules_timezone_is_short CHECK (((length(timezone) >= 1) AND (length(timezone) <= 63)))
)
WITH (fillfactor='50');

COMMENT ON TABLE tidemill.schedules IS 'Jobs that are enqueued by the clock; change rows through set_schedule and the related functions.';

COMMENT ON COLUMN tidemill.schedules.name IS 'The schedule.';

COMMENT ON COLUMN tidemill.schedules.cron IS 'Cron pattern of five fields, or six with seconds first; docs/schedules.md describes it.';

COMMENT ON COLUMN tidemill.schedules.every IS 'Time from slot to slot, counted from anchor_at.';

COMMENT ON COLUMN tidemill.schedules.at IS 'The one time at which it is due.';

COMMENT ON COLUMN tidemill.schedules.timezone IS 'Zone of the cron pattern, by its name in the tz database.';

COMMENT ON COLUMN tidemill.schedules.job IS 'The job that it enqueues, in the form that enqueue_many takes, without run_at, delay and execution_id.';

COMMENT ON COLUMN tidemill.schedules.missed IS 'Which missed slots fire: skip (none), one (the latest) or all (the latest missed_limit).';

COMMENT ON COLUMN tidemill.schedules.missed_limit IS 'The maximum number of missed slots that fire if missed is all.';

COMMENT ON COLUMN tidemill.schedules.overlap IS 'What happens to a slot while an earlier job is not finished: skip, queue (one waits), allow, or cancel (the earlier one).';

COMMENT ON COLUMN tidemill.schedules.jitter IS 'The maximum delay of a slot''s job after the slot; the share is fixed by name and slot.';

COMMENT ON COLUMN tidemill.schedules.paused_at IS 'Since when it does not fire.';

COMMENT ON COLUMN tidemill.schedules.paused_by IS 'The person who paused it.';

COMMENT ON COLUMN tidemill.schedules.source IS 'The interface that wrote it last: config, api or sql.';

COMMENT ON COLUMN tidemill.schedules.anchor_at IS 'Slots of an interval are this plus a multiple of it; the time when its times were last changed.';

COMMENT ON COLUMN tidemill.schedules.next_at IS 'The first slot that has not fired; null until it is computed, infinity if none comes.';

COMMENT ON COLUMN tidemill.schedules.upcoming IS 'The next five slots.';

COMMENT ON COLUMN tidemill.schedules.last_slot_at IS 'The last slot that was decided.';

COMMENT ON COLUMN tidemill.schedules.unfinished IS 'Its jobs that were not finished when it last enqueued one, at most 1,000.';

COMMENT ON COLUMN tidemill.schedules.problem IS 'Why its slots cannot be computed, or why its last slot could not be enqueued.';

COMMENT ON COLUMN tidemill.schedules.created_at IS 'When it was made.';

COMMENT ON COLUMN tidemill.schedules.updated_at IS 'When a person last changed it.';

COMMENT ON COLUMN tidemill.schedules.owner IS 'The deployment whose config wrote it; null if none did.';

COMMENT ON FUNCTION tidemill.decide_slot(p_schedule tidemill.schedules, p_slot timestamp with time zone) IS 'Applies the overlap policy to a due slot and records the outcome. For a schedule whose row the caller has locked.';

COMMENT ON FUNCTION tidemill.declare_deployment(p_name text, p_revision bigint) IS 'Called when a process of the deployment starts. Returns whether its config may be written: false if a later revision was seen, or if any revision was seen and this process has none.';

COMMENT ON FUNCTION tidemill.delay_operation(p_operation uuid, p_problem text) IS 'Records why a batch could not be carried out, and tries again a little later.';

COMMENT ON FUNCTION tidemill.delete_day_records(p_jobs uuid[]) IS 'Removes names and keys of jobs whose day of history is dropped, except for jobs that are live again.';

COMMENT ON FUNCTION tidemill.delete_job(p_job uuid) IS 'Removes a job that does not run, with all its history. For jobs that wait for it while it is live, or that need its result after it completed, it counts as cancelled. Returns deleted, running, or null if there is no such job.';

COMMENT ON FUNCTION tidemill.delete_job_records(p_jobs uuid[]) IS 'Removes the records of deleted jobs outside of their history.';

COMMENT ON FUNCTION tidemill.delete_one(p_job uuid, p_recorded boolean) IS 'Like delete_job; the caller decides whether it is recorded as an action.';

COMMENT ON FUNCTION tidemill.delete_schedule(p_name text) IS 'Removes a schedule and its slots; its jobs are kept. Returns whether it existed.';

COMMENT ON FUNCTION tidemill.doctor() IS 'All problems, the worst first, each with a remedy; no row if there is none.';

COMMENT ON FUNCTION tidemill.doctor_horizon() IS 'Sessions, slots and settings that keep dead rows from being removed, and tables with many of them.';

COMMENT ON FUNCTION tidemill.doctor_replication() IS 'Published tables without a replica identity.';

COMMENT ON FUNCTION tidemill.doctor_rights() IS 'Rights that a role has but should not have, and rights that it should have but lacks.';

COMMENT ON FUNCTION tidemill.doctor_schema() IS 'The parts of the schema that differ from those of a migration; at most 21 rows.';

COMMENT ON FUNCTION tidemill.doctor_server() IS 'Settings and limits of the server that endanger jobs.';

COMMENT ON FUNCTION tidemill.doctor_tidemill() IS 'Problems of partitions, schedules, queues, breakers and dependencies.';

COMMENT ON FUNCTION tidemill.doctor_workers() IS 'Problems of the workers: lost, overloaded, of several versions, or without notifications.';

COMMENT ON FUNCTION tidemill.drain_queue(p_queue text, p_by text) IS 'The queue refuses new jobs until it is resumed; its present jobs run to their end.';

COMMENT ON FUNCTION tidemill.drain_worker(p_worker text, p_by text) IS 'Asks a worker to claim no more; it finishes its present jobs. False if there is no such worker.';

COMMENT ON FUNCTION tidemill.drop_alert(p_name text) IS 'Removes an alert rule and resolves the alerts that it fired; false if there is no rule of that name.';

COMMENT ON FUNCTION tidemill.drop_artifact(p_path text) IS 'Removes the record of an unneeded file, after the file was removed from the storage.';

COMMENT ON FUNCTION tidemill.drop_day(p_retention interval) IS 'Like drop_partition, for maintenance; not audited, and never less than an hour after the day.';

COMMENT ON FUNCTION tidemill.drop_limit(p_name text) IS 'Removes a limit; false if there is no limit of that name. Its jobs continue without it.';

COMMENT ON FUNCTION tidemill.drop_oldest_day(p_retention interval) IS 'The shared part of drop_day and drop_partition. Jobs of the day that others still need are kept.';

COMMENT ON FUNCTION tidemill.drop_partition(p_retention interval) IS 'Drops the oldest day of history whose retention has ended and that no session reads, except for jobs that others still need; returns its name, null if there is none. Never waits longer than half a second for a lock; commit at once.';

COMMENT ON FUNCTION tidemill.due_before(p_job tidemill.jobs) IS 'The due jobs of its queue that come before a job, at most 10,000.';

COMMENT ON FUNCTION tidemill.end_workflow(p_job tidemill.jobs) IS 'Ends a locked workflow whose members have all ended: with their results, or with the members that did not complete.';

COMMENT ON FUNCTION tidemill.enlist_group(p_queue text, p_priority smallint, p_group uuid, p_keys text[], p_due timestamp with time zone) IS 'Records that a group has a waiting job, ready from a given time on.';

COMMENT ON FUNCTION tidemill.enqueue(kind text, args jsonb, queue text, priority integer, run_at timestamp with time zone, delay interval, max_attempts integer, soft_timeout interval, hard_timeout interval, execution_id text, tags text[], metadata jsonb, retain interval, concurrency_key text[], fair_key text, unique_by jsonb, expires_at timestamp with time zone, expires_in interval, after uuid[], run_if text, owner text, turn_off text[]) IS 'Enqueues one job in your transaction: it commits or rolls back with it. select enqueue(''send-mail'', ''{"to": "x"}'', delay => ''5 min''). turn_off names what the job does without although its kind has it: unique, concurrency_key, fair_key, expires_in.';

COMMENT ON FUNCTION tidemill.enqueue_many(p_jobs jsonb) IS 'Enqueues an array of {kind, args, queue, priority, run_at, delay, max_attempts, soft_timeout, hard_timeout, execution_id, tags, metadata, retain, concurrency_key, fair_key, unique, expires_at, expires_in, after, run_if, owner} in your transaction, all or none; an explicit null as concurrency_key, fair_key, unique or expires_in turns off that of the kind; returns their ids in order, and for a job that is not unique the id of the existing job.';

COMMENT ON FUNCTION tidemill.enqueue_requests(p_jobs jsonb, p_ids uuid[], p_options jsonb[]) IS 'The shared part of enqueue_many and create_workflow: with p_ids and p_options the jobs have these ids and wait for one another.';

COMMENT ON FUNCTION tidemill.enqueue_scheduled(p_schedule tidemill.schedules, p_metadata jsonb, p_run_at timestamp with time zone) IS 'Enqueues a schedule''s job, marked with the schedule; returns its id.';

COMMENT ON FUNCTION tidemill.ensure_partitions(p_days_ahead integer) IS 'Makes the daily partitions of jobs, events and attempts up to the given number of days ahead (UTC days); returns the number of new ones.';

COMMENT ON FUNCTION tidemill.ensure_today() IS 'Makes the partitions of today if maintenance has not made them ahead.';

COMMENT ON FUNCTION tidemill.evaluate_alert(p_rule tidemill.alert_rules, p_latency_seconds double precision) IS 'Measures a rule: opens, fires and resolves its alerts, each only after the time that the rule''s hold sets.';

COMMENT ON FUNCTION tidemill.evaluate_alerts(p_latency_seconds double precision) IS 'Measures all rules; false if another process is doing so. The argument is the time in seconds that the database took to answer the caller.';

COMMENT ON FUNCTION tidemill.evaluate_wait(p_job uuid) IS 'Checks one job that waits for others, by all ends recorded so far: it continues to wait, is released, or ends.';

COMMENT ON FUNCTION tidemill.evaluate_wait_isolated(p_job uuid) IS 'Like evaluate_waits for one job, but an error becomes the job''s own failure and does not block other jobs.';

COMMENT ON FUNCTION tidemill.evaluate_waits(p_jobs uuid[]) IS 'Checks jobs that wait for others, by all ends recorded so far; first stops workflows whose on_failure is cancel and that have a failure.';

COMMENT ON FUNCTION tidemill.expected_start(p_job uuid, OUT at timestamp with time zone, OUT based_on text) IS 'An estimate of when a job starts, and its basis: the jobs ahead are assumed to run as long as jobs of its own kind did. Null if it is unknown or someone must act first.';

COMMENT ON FUNCTION tidemill.expire(p_limit integer) IS 'Cancels jobs that did not start before they expired; a job that has started once does not expire. Returns their ids; sweep() calls it.';

COMMENT ON FUNCTION tidemill.explain(p_job uuid) IS 'Why a job does not run: the reasons in the order in which to resolve them, each with a code, a message, its end if that is known, and details. No row if there is no such job.';

COMMENT ON FUNCTION tidemill.explain_limits(p_job tidemill.jobs) IS 'The limits that keep a job from starting now, and the jobs that use them.';

COMMENT ON FUNCTION tidemill.explain_started(p_job tidemill.jobs) IS 'How a finished job ended, or who runs a running one.';

COMMENT ON FUNCTION tidemill.explain_waits(p_job tidemill.jobs) IS 'What a blocked job waits for.';

COMMENT ON FUNCTION tidemill.explain_workers(p_job tidemill.jobs) IS 'The workers that could run a job, and why they do not.';

COMMENT ON FUNCTION tidemill.extend_attempt(p_job uuid, p_lease uuid, p_by interval) IS 'Adds time before the soft and the hard timeout of a running attempt; returns the time from which the sweep would end it, null if the lease is lost.';

COMMENT ON FUNCTION tidemill.fill_key(p_template text, p_args jsonb) IS 'A key with {name} replaced by that arg: tenant:{tenant_id}.';

COMMENT ON FUNCTION tidemill.fill_keys(p_templates jsonb, p_args jsonb) IS 'All keys of an array, filled from the args, each once and in order; null if there are none.';

COMMENT ON FUNCTION tidemill.fingerprint(p_kind text, p_error jsonb) IS 'Hash of the cause of a failure: its kind, class, message without the parts that differ from case to case, and first line of its backtrace.';

COMMENT ON FUNCTION tidemill.finish_new_jobs(p_ids uuid[], p_run_ats timestamp with time zone[], p_delay_seconds double precision[], p_options jsonb[], p_verdicts jsonb, p_rejected uuid[]) IS 'Last part of insert_jobs: makes the stored jobs wait for others, notes their stored args, replaces fields, and cancels the jobs that a full limit rejects.';

COMMENT ON FUNCTION tidemill.fire_schedule(p_name text, p_slot timestamp with time zone, p_next_at timestamp with time zone, p_upcoming timestamp with time zone[], p_missed text, p_sealed jsonb) IS 'Fires a due slot and moves the schedule to the next one, or records the slot as missed with the given reason; p_sealed is in the form that with_sealed takes. Returns the outcome, repeated if it fired before, null if it is not due.';

COMMENT ON FUNCTION tidemill.first_id(p_time timestamp with time zone) IS 'The smallest id of a time. Ids begin with the milliseconds of the clock that made them, which can be off by a day.';

COMMENT ON FUNCTION tidemill.fork(p_job uuid, p_from_step text, p_by text) IS 'Enqueues the same work again as a new job that keeps the state from before a step (checkpoints, children, received signals) and runs from there. Returns its id, null if there is no such job.';

COMMENT ON FUNCTION tidemill.format_utc(p_at timestamp with time zone) IS 'A time as messages show it: UTC, to the second.';

COMMENT ON FUNCTION tidemill.full_keys() IS 'The concurrency keys of which no more jobs can start now, as far as that is cheap to find out.';

COMMENT ON FUNCTION tidemill.group_is_ready(p_queue text) IS 'Whether a group of the queue can have a job that can start.';

COMMENT ON FUNCTION tidemill.group_of(p_concurrency_keys text[], p_fair_key text) IS 'The group of jobs with these keys; null if there are none.';

COMMENT ON FUNCTION tidemill.has_listener(p_queue text) IS 'Whether a process waits for a notification when this queue gets a job.';

COMMENT ON FUNCTION tidemill.has_member(p_value jsonb, p_path text[], p_text text) IS 'Whether the member at a path of a value of at most 32 kB has a value, written as text, that redaction does not hide.';

COMMENT ON FUNCTION tidemill.has_notices() IS 'Whether take_notices() may find something.';

COMMENT ON FUNCTION tidemill.has_text(p_value jsonb, p_text text) IS 'Whether a value of at most 32 kB contains a text, given in lower case, where redaction does not hide it.';

COMMENT ON FUNCTION tidemill.health_report() IS 'Whether work starts (flow), succeeds (execution) and is known (liveness): the verdict ok, attention or unknown, the state of each part, and at most 50 findings, the worst first, each with a code, its object, a message, figures and a remedy. With stale data flow and execution are unknown and have no findings.';

COMMENT ON FUNCTION tidemill.held_slots() IS 'The slots that wait for the end of an earlier job, and whether it has ended.';

COMMENT ON FUNCTION tidemill.hidden_sessions() IS 'The number of sessions of this database whose activity the caller cannot see, or that track none (track_activities).';

COMMENT ON FUNCTION tidemill.hmac_sha256(p_key bytea, p_data bytea) IS 'HMAC with SHA-256 (RFC 2104) for keys of at most 64 bytes.';

COMMENT ON FUNCTION tidemill.horizon_holders() IS 'Sessions that can keep vacuum from removing dead rows of this database: open transactions, prepared ones, slots, standbys; with their start if it is known, their age in transactions, and whether it is a slot without a reader, which never advances.';

COMMENT ON FUNCTION tidemill.horizon_severity(p_since timestamp with time zone, p_transactions bigint, p_dead bigint) IS 'How bad it is that a session holds the horizon: by time if its start is known, else by transactions; null if it is not bad yet.';

COMMENT ON FUNCTION tidemill.insert_jobs(p_ids uuid[], p_kinds text[], p_args jsonb[], p_queues text[], p_priorities smallint[], p_run_ats timestamp with time zone[], p_delay_seconds double precision[], p_max_attempts integer[], p_soft_timeout_seconds double precision[], p_hard_timeout_seconds double precision[], p_execution_ids text[], p_tags jsonb[], p_metadata jsonb[], p_retain_seconds double precision[], p_strict boolean, p_options jsonb[], p_wait boolean) IS 'The way into the jobs table: fills defaults from the kind; refuses draining and full queues, taken execution ids and jobs that would not be unique (their id is that of the existing job); sends no hint. p_options has for each job null or {unique, concurrency_keys, fair_key, expires_at, expires_in_seconds, after, run_if, workflow_id, is_workflow, sealed, owner}; sealed are the args in stored form, if they must not be readable in the row; an explicit null turns off what the kind says. Without p_wait a job is refused (queue_busy) if another open transaction has locked the capacity of its queue.';

COMMENT ON FUNCTION tidemill.insert_plain_job(p_id uuid, p_kind text, p_args jsonb, p_queue text, p_priority smallint, p_run_at timestamp with time zone, p_delay interval, p_max_attempts integer, p_soft_timeout interval, p_hard_timeout interval, p_execution_id text, p_tags text[], p_metadata jsonb, p_retain interval, p_notify boolean, OUT made_id uuid, OUT made_queue text, OUT made_priority smallint, OUT made_max_attempts integer, OUT made_run_at timestamp with time zone, OUT made_at timestamp with time zone) IS 'Stores a job that has none of the rare options and returns its stored values. If its kind or queue has further rules, or the job must be refused, nothing is stored and made_id is null: then insert_jobs decides. With p_notify it notifies as notify_queue does.';

COMMENT ON FUNCTION tidemill.is_exact_number(p_number numeric) IS 'Whether a worker reads the number exactly: an integer of 64 bits, or a number that a double represents exactly as written.';

COMMENT ON FUNCTION tidemill.is_sealed_form(p_key text, p_form jsonb, p_field text) IS 'Whether a key and its value are exactly what the processes write for an encrypted value ($sealed) or one in object storage ($stored). p_field: args or result.';

COMMENT ON FUNCTION tidemill.is_sealed_result(p_value jsonb) IS 'Whether a result that was passed to a job has nothing readable: it is encrypted or in object storage, or a workflow''s collection of such results.';

COMMENT ON FUNCTION tidemill.is_transient(p_sqlstate text) IS 'Whether the error of an SQLSTATE is temporary, so that the same statement can succeed a little later.';

COMMENT ON FUNCTION tidemill.job_defaults(p_ids uuid[], p_kinds text[], p_args jsonb[], p_queues text[], p_priorities smallint[], p_run_ats timestamp with time zone[], p_delay_seconds double precision[], p_max_attempts integer[], p_soft_timeout_seconds double precision[], p_hard_timeout_seconds double precision[], p_execution_ids text[], p_tags jsonb[], p_metadata jsonb[], p_retain_seconds double precision[], p_options jsonb[]) IS 'The jobs of one call of insert_jobs, by their places, with the defaults of their kinds filled in.';

COMMENT ON FUNCTION tidemill.job_filter(p_filter jsonb) IS 'The condition on a job j that a filter means. The filter is {state, queue, kind, tag, priority, owner, created_after, created_before, finished_after, finished_before, error, fingerprint, search, workflow}, all texts, or {"all": true}.';

COMMENT ON FUNCTION tidemill.jobs_ahead(p_job tidemill.jobs) IS 'The number of due jobs of its queue that are claimed before it by the workers that serve it; 5000 means that number or more. Of at most 10,000 due jobs, those count whose kind these workers serve and whose breaker and limits let them start.';

COMMENT ON FUNCTION tidemill.json_flaw(p_value jsonb) IS 'Why no worker could read this JSON exactly; null if every worker can.';

COMMENT ON FUNCTION tidemill.keep_artifact(p_path text, p_job uuid, p_lease uuid, p_name text, p_content_type text, p_bytes bigint) IS 'Records a file before it is written, so that every file in the storage has a record; false if the lease is lost. Without a lease the file belongs to a job that is about to be enqueued.';

COMMENT ON FUNCTION tidemill.keep_config_alerts(p_names text[], p_owner text) IS 'Removes the rules of a deployment that its config no longer has; returns their names. Without a deployment it removes none.';

COMMENT ON FUNCTION tidemill.keep_config_schedules(p_names text[], p_owner text) IS 'Removes the schedules of a deployment''s config that are not among these; returns their names. Without a deployment it removes none.';

COMMENT ON FUNCTION tidemill.keep_shape(p_all boolean) IS 'Stores the shape of the schema: all of it after a migration, else only that of functions and views.';

CREATE TABLE tidemill.limits (
    name text NOT NULL,
    max_running integer,
    rate integer,
    rate_period interval,
    burst integer,
    on_full text DEFAULT 'queue'::text NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT limits_are_named CHECK (tidemill.is_name(regexp_replace(name, '^queue:'::text, ''::text))),
    CONSTRAINT limits_cancel_counts CHECK (((on_full = 'queue'::text) OR ((max_running >= 1) AND (name !~~ 'queue:%'::text)))),
    CONSTRAINT limits_limit_something CHECK (((max_running IS NOT NULL) OR (rate IS NOT NULL))),
    CONSTRAINT limits_max_running_is_not_negative CHECK ((max_running >= 0)),
    CONSTRAINT limits_moments_are_in_reach CHECK (((updated_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (updated_at < '10000-01-01 00:00:00+00'::timestamp with time zone))),
    CONSTRAINT limits_on_full_is_known CHECK ((on_full = ANY (ARRAY['queue'::text, 'cancel_newest'::text, 'cancel_oldest'::text]))),
    CONSTRAINT limits_rate_has_a_period CHECK ((((rate IS NULL) = (rate_period IS NULL)) AND ((rate IS NULL) = (burst IS NULL)))),
    CONSTRAINT limits_rate_is_sane CHECK (((rate >= 1) AND (burst >= 1) AND (rate_period > '00:00:00'::interval) AND (rate_period <= '1 year'::interval)))
);

COMMENT ON TABLE tidemill.limits IS 'How many jobs can run at once or start in a period, over all workers.';

COMMENT ON COLUMN tidemill.limits.name IS 'queue:NAME for a queue; else the part before the colon in the concurrency keys of jobs.';

COMMENT ON COLUMN tidemill.limits.max_running IS 'The maximum number of jobs that run at once for each key; null: any number.';

COMMENT ON COLUMN tidemill.limits.rate IS 'Jobs that can start in each period, on average; null: any number.';

COMMENT ON COLUMN tidemill.limits.rate_period IS 'The period.';

COMMENT ON COLUMN tidemill.limits.burst IS 'The maximum number of jobs that can start at one moment after a quiet time.';

COMMENT ON COLUMN tidemill.limits.on_full IS 'What happens to a new job when the limit is reached: queue, cancel_newest (the new job is cancelled) or cancel_oldest (the job that came first is cancelled).';

COMMENT ON COLUMN tidemill.limits.updated_at IS 'When a person last changed it.';

COMMENT ON FUNCTION tidemill.key_rule(p_key text) IS 'The limit that applies to a concurrency key, as in limit_of; no row if there is none.';

COMMENT ON FUNCTION tidemill.lacks_grants() IS 'Whether grants must be made now: some were never made or are gone, every login can call a function, or a role is missing that the caller can make.';

COMMENT ON FUNCTION tidemill.left_artifacts(p_limit integer) IS 'Files that are no longer needed, among those that were not checked for an hour: their job is gone, and for args and results all jobs that refer to them too. These files are marked as unneeded and are returned again until drop_artifact; the others are marked as checked.';

COMMENT ON FUNCTION tidemill.limit_of(p_key text) IS 'The limit that applies to a concurrency key; all null if there is none.';

COMMENT ON FUNCTION tidemill.limits_changed(p_name text) IS 'Called after a limit was set or dropped: claims begin or stop counting, and workers claim again.';

COMMENT ON FUNCTION tidemill.limits_that_cancel(p_kinds text[], p_args jsonb[], p_options jsonb[]) IS 'The limits of new jobs that cancel when they are full, by the jobs'' places and keys.';

COMMENT ON FUNCTION tidemill.link_jobs(p_jobs uuid[], p_afters jsonb[], p_run_ifs text[], p_run_ats timestamp with time zone[], p_delays interval[]) IS 'Makes jobs wait for others, see parents_of. A parent that has ended counts at once. Raises an error if there is no such parent.';

COMMENT ON FUNCTION tidemill.live_workers(p_kind text, p_queue text) IS 'The workers with a heartbeat that serve a kind, and the number of slots that each has for a queue.';

COMMENT ON FUNCTION tidemill.lock_before_enqueue(p_request jsonb) IS 'Like lock_for_limit_cancel, for a transaction that locks a job and enqueues another one: call it before that lock. Covers any job that the new one could cancel.';

COMMENT ON FUNCTION tidemill.lock_candidates(p_queue text, p_kinds text[], p_priorities smallint[], p_groups uuid[], p_share integer, OUT ids uuid[], OUT ords bigint[], OUT nths bigint[]) IS 'Locks the first due jobs of each group, at most p_share of each; returns them with the place of their group and their place in it.';

COMMENT ON FUNCTION tidemill.lock_for_limit_cancel(p_kinds text[], p_args jsonb[], p_options jsonb[]) IS 'Call before taking any other lock: takes the dependency lock if cancel_for_limit can cancel a job that has dependents.';

COMMENT ON FUNCTION tidemill.lock_job(p_job uuid) IS 'Returns a job, live or finished, locked so that it does not move; all null if there is none.';

COMMENT ON FUNCTION tidemill.lock_lease(p_job uuid, p_lease uuid) IS 'Locks a running job for its worker and renews the lease; returns the number of the attempt, null if the lease is lost.';

COMMENT ON FUNCTION tidemill.lock_ready_groups(p_queue text, p_limit integer, p_worst_priority smallint, OUT priorities smallint[], OUT groups uuid[]) IS 'Locks the groups of a queue that are next, by priority and ready_at, except those with a full key. Groups that another transaction is adding are skipped; their notification comes after its commit.';

COMMENT ON FUNCTION tidemill.lock_workflows() IS 'Takes the dependency lock for this transaction: no other transaction resolves dependencies, or cancels or retries jobs that others wait for.';

COMMENT ON FUNCTION tidemill.lock_workflows_for(p_jobs uuid[], p_also_of_waiting boolean) IS 'Takes the lock of lock_workflows before an action on these jobs, if others wait for one of them, or, for a retry or delete, if one of them waits for others.';

COMMENT ON FUNCTION tidemill.lock_workflows_of(p_jobs uuid[]) IS 'Takes the lock of lock_workflows if one of these jobs has dependents or waits for others. Call it before locking any job if you cancel several jobs, or one job with other locks held.';

COMMENT ON FUNCTION tidemill.log_tail(p_job uuid, p_attempt integer) IS 'The last 20 log lines of an attempt, at most 4 KiB; null if there are none.';

COMMENT ON FUNCTION tidemill.make_reader(login text) IS 'Gives a login read access: makes it a tidemill_reader whose sessions in this database are read-only and whose statements end after 30 s. Needs the right to alter the login.';

COMMENT ON FUNCTION tidemill.matching_jobs(p_verb text, p_filter jsonb, p_limit integer, p_after uuid) IS 'Jobs after a given job, in the order of their ids, that match a filter in the format of job_filter and on which an action (retry, cancel, run_now, delete) can act.';

COMMENT ON FUNCTION tidemill.measure_attempts(p_rule tidemill.alert_rules) IS 'The kinds that fail too often or run too long on average, by the counters of the rule''s window.';

COMMENT ON FUNCTION tidemill.measure_database(p_condition text, p_latency_seconds double precision) IS 'Seconds of the last answer, bytes of the database, or seconds of the oldest transaction that keeps dead rows; null if unknown or none.';

COMMENT ON FUNCTION tidemill.members_of(p_spec jsonb, p_path text) IS 'The jobs of one workflow, group or chain, each with its name and the names of those that it waits for.';

COMMENT ON FUNCTION tidemill.missing_grants() IS 'The grants of the existing roles that are missing now.';

COMMENT ON FUNCTION tidemill.missing_parents(p_ids uuid[], p_options jsonb[]) IS 'The new jobs, by their places, that would wait for a job that does not exist.';

COMMENT ON FUNCTION tidemill.missing_roles() IS 'Those of the three roles that this server does not have.';

COMMENT ON FUNCTION tidemill.move_job(p_job uuid, p_queue text) IS 'Moves a job that does not run into another queue.';

COMMENT ON FUNCTION tidemill.new_job_id() IS 'A new UUIDv7.';

COMMENT ON FUNCTION tidemill.next_period(p_terms jsonb, p_run_at timestamp with time zone) IS 'The beginning of the period after that of the given time.';

COMMENT ON FUNCTION tidemill.note_crash(p_kind text) IS 'Counts a crash of a kind''s job. Opens its breaker when there are too many; when the breaker is half open, one more crash opens it for twice as long, until a window without a crash closes it.';

COMMENT ON FUNCTION tidemill.note_finished_parent() IS 'Trigger: records that a job with dependents left the live jobs, whichever statement moved it, so that resolve() applies its end.';

COMMENT ON FUNCTION tidemill.note_foreign_rows() IS 'Records the time of the latest row whose transaction number this cluster has not yet given out; returns it, null if there is no new one. Such rows come from another cluster (a restored dump, logical replication), and this cluster will give out their numbers later.';

COMMENT ON FUNCTION tidemill.note_progress(p_workflows uuid[]) IS 'Counts ended members for their workflows: each element of the array is the workflow of one member.';

COMMENT ON FUNCTION tidemill.note_references(p_job uuid, p_value jsonb) IS 'Records that a job refers to files of other jobs in the storage, so that these are kept as long as the job. Call it in the transaction that gives the job such args or such a result.';

CREATE TABLE tidemill.operation_jobs (
    operation_id uuid NOT NULL,
    job_id uuid NOT NULL,
    outcome text NOT NULL,
    reason text,
    before jsonb,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT operation_jobs_outcome_is_known CHECK ((outcome = ANY (ARRAY['done'::text, 'skipped'::text, 'failed'::text])))
);

COMMENT ON TABLE tidemill.operation_jobs IS 'The jobs of an operation: all on which it acted, if that can be undone, and the first 1,000 that it skipped or on which it failed.';

COMMENT ON COLUMN tidemill.operation_jobs.operation_id IS 'The operation.';

COMMENT ON COLUMN tidemill.operation_jobs.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.operation_jobs.outcome IS 'done, skipped or failed.';

COMMENT ON COLUMN tidemill.operation_jobs.reason IS 'Why it was skipped or why the action failed.';

COMMENT ON COLUMN tidemill.operation_jobs.before IS 'What the undo needs: how the job was before the action.';

COMMENT ON COLUMN tidemill.operation_jobs.at IS 'When it was looked at.';

CREATE TABLE tidemill.operations (
    id uuid NOT NULL,
    action text NOT NULL,
    filter jsonb NOT NULL,
    queue text,
    priority smallint,
    rate text,
    who text NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    ended_at timestamp with time zone,
    expected integer,
    done integer DEFAULT 0 NOT NULL,
    skipped jsonb DEFAULT '{}'::jsonb NOT NULL,
    failed integer DEFAULT 0 NOT NULL,
    last_job uuid,
    due_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    problem text,
    undoes uuid,
    CONSTRAINT operations_action_is_known CHECK ((action = ANY (ARRAY['cancel'::text, 'retry'::text, 'run_now'::text, 'delete'::text, 'set_priority'::text, 'move'::text, 'undo'::text]))),
    CONSTRAINT operations_end_with_their_state CHECK (((ended_at IS NULL) = (state = 'running'::text))),
    CONSTRAINT operations_moments_are_in_reach CHECK (((created_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (created_at < '10000-01-01 00:00:00+00'::timestamp with time zone) AND (ended_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (ended_at < '10000-01-01 00:00:00+00'::timestamp with time zone))),
    CONSTRAINT operations_move_to_a_queue CHECK ((((action = 'move'::text) = (queue IS NOT NULL)) OR (action = ANY (ARRAY['retry'::text, 'undo'::text])))),
    CONSTRAINT operations_priority_is_1_to_9 CHECK (((priority >= 1) AND (priority <= 9))),
    CONSTRAINT operations_set_a_priority CHECK ((((action = 'set_priority'::text) = (priority IS NOT NULL)) OR (action = 'undo'::text))),
    CONSTRAINT operations_state_is_known CHECK ((state = ANY (ARRAY['running'::text, 'done'::text, 'cancelled'::text]))),
    CONSTRAINT operations_undo_another CHECK (((action = 'undo'::text) = (undoes IS NOT NULL)))
);

COMMENT ON TABLE tidemill.operations IS 'Operations on all jobs that match a filter, each with its report. Kept for 30 days after the end.';

COMMENT ON COLUMN tidemill.operations.id IS 'UUIDv7.';

COMMENT ON COLUMN tidemill.operations.action IS 'cancel, retry, run_now, delete, set_priority, move, or undo of another operation.';

COMMENT ON COLUMN tidemill.operations.filter IS 'The filter in the format of act_on_jobs. Only jobs enqueued before the operation match.';

COMMENT ON COLUMN tidemill.operations.queue IS 'The queue into which move, and perhaps retry, puts the jobs.';

COMMENT ON COLUMN tidemill.operations.priority IS 'The priority that set_priority gives.';

COMMENT ON COLUMN tidemill.operations.rate IS 'The maximum rate, such as 200/min; null: as fast as possible.';

COMMENT ON COLUMN tidemill.operations.who IS 'The actor.';

COMMENT ON COLUMN tidemill.operations.state IS 'running, done or cancelled.';

COMMENT ON COLUMN tidemill.operations.created_at IS 'When it was started.';

COMMENT ON COLUMN tidemill.operations.ended_at IS 'When it ended.';

COMMENT ON COLUMN tidemill.operations.expected IS 'The number of jobs on which it could act at its start; null: more than 100,000.';

COMMENT ON COLUMN tidemill.operations.done IS 'The number of jobs on which it acted.';

COMMENT ON COLUMN tidemill.operations.skipped IS 'The number of jobs that it left as they were, by reason.';

COMMENT ON COLUMN tidemill.operations.failed IS 'The number of jobs on which the action failed.';

COMMENT ON COLUMN tidemill.operations.last_job IS 'The last job that it looked at; the next batch continues after it.';

COMMENT ON COLUMN tidemill.operations.due_at IS 'The next batch does not begin before this time.';

COMMENT ON COLUMN tidemill.operations.problem IS 'Why the last batch could not be carried out; null if it could.';

COMMENT ON COLUMN tidemill.operations.undoes IS 'The operation that this one undoes.';

COMMENT ON FUNCTION tidemill.note_step(p_operation tidemill.operations, p_looked tidemill.operation_jobs) IS 'Counts a job in the report of an operation, which the caller stores, and records what the undo and the report need.';

COMMENT ON FUNCTION tidemill.note_sweep(p_every interval) IS 'Records that a process sweeps now, and will again after p_every. A sweep that comes far later than that, or after another start of the server, ends a pause, which is stored in sweep_pauses.';

COMMENT ON FUNCTION tidemill.notice_sent(p_notice uuid, p_error text) IS 'Marks a notice as delivered, or records why it could not be sent.';

COMMENT ON FUNCTION tidemill.notify_cancel(p_job uuid) IS 'Notifies the worker of a running job that its cancel was requested.';

COMMENT ON FUNCTION tidemill.notify_capacity() IS 'Notifies workers that a job which counted against a limit ended.';

COMMENT ON FUNCTION tidemill.notify_dependents() IS 'Notifies maintenance that a job ended that others wait for.';

COMMENT ON FUNCTION tidemill.notify_event(p_job uuid, p_seq bigint) IS 'Notifies readers that a job has events up to this number; 0 if its state changed.';

COMMENT ON FUNCTION tidemill.notify_queue(p_queue text, p_grouped boolean) IS 'Notifies workers that a queue has a job to claim, if one of them waits for that; with p_grouped a job of a group.';

COMMENT ON FUNCTION tidemill.notify_settings() IS 'Notifies all processes that slots, limits, keys or schedules were changed.';

COMMENT ON FUNCTION tidemill.nulls_of(p_turn_off text[]) IS 'The defaults of its kind that a job of enqueue turns off, as the explicit nulls that enqueue_many takes.';

COMMENT ON FUNCTION tidemill.oldest_day() IS 'The beginning of the oldest day of history that is still stored.';

COMMENT ON FUNCTION tidemill.open_functions() IS 'Functions that every login with access to the schema can call.';

COMMENT ON FUNCTION tidemill.open_pause() IS 'The time since which a sweep is overdue; null if none is.';

COMMENT ON FUNCTION tidemill.operate_on_one(p_operation tidemill.operations, p_job uuid) IS 'Applies the action of an operation to one job, or says why not.';

COMMENT ON FUNCTION tidemill.operate_safely(p_operation tidemill.operations, p_undone tidemill.operations, p_job uuid) IS 'Like operate_on_one or undo_on_one; a permanent error is the outcome of this job, and does not stop the others.';

COMMENT ON FUNCTION tidemill.operation_batch(p_operation tidemill.operations, p_most integer, OUT ids uuid[], OUT looked_to uuid) IS 'The next jobs of an operation, in the order of their ids, and the id to which it has looked; null once it has looked at all.';

COMMENT ON FUNCTION tidemill.operation_range(p_action text, p_filter jsonb, OUT condition text, OUT first uuid) IS 'The part of all jobs j through which an operation has to look, as a condition on their days, and an id before all of them.';

COMMENT ON FUNCTION tidemill.operation_scope(p_action text) IS 'The condition on a job j that an action can apply to; other jobs are neither changed nor reported as skipped. Null if there is no such action.';

COMMENT ON FUNCTION tidemill.options_of(p_concurrency_key jsonb, p_fair_key text, p_unique jsonb, p_expires_at timestamp with time zone, p_expires_in interval, p_after jsonb, p_run_if text, p_sealed jsonb, p_owner text) IS 'The rarely used options of a job, in the form that insert_jobs takes.';

COMMENT ON FUNCTION tidemill.outcome_of(p_job tidemill.jobs) IS 'How a job ended, for the jobs that wait for it; null while it is live.';

COMMENT ON FUNCTION tidemill.parents_of(p_after jsonb) IS 'Reads the jobs that a job waits for: an array of job ids or execution:NAME, or of {job, as, name, member}.';

COMMENT ON FUNCTION tidemill.passed_args(p_job uuid, p_since timestamp with time zone) IS 'The results of a job''s parents under their arg names, limited to the names of which a parent ended since a time.';

COMMENT ON FUNCTION tidemill.pause_queue(p_queue text, p_by text) IS 'No job is claimed from the queue until it is resumed; running jobs continue.';

COMMENT ON FUNCTION tidemill.pause_schedule(p_name text, p_by text) IS 'The schedule does not fire until it is resumed. Returns whether it exists.';

COMMENT ON FUNCTION tidemill.paused_time(p_from timestamp with time zone, p_open timestamp with time zone) IS 'How much of the time since p_from does not count because no process could sweep; p_open is the result of open_pause().';

COMMENT ON FUNCTION tidemill.per_minute(p_rate text) IS 'The jobs per minute of a rate such as 5/s, 200/min or 1000/h; null if there is none.';

COMMENT ON FUNCTION tidemill.pick_from_groups(p_queue text, p_kinds text[], p_limit integer, p_worst_priority smallint, p_limit_at_worst integer) IS 'Locks jobs of the groups that are next and whose limits have free capacity, and counts them; the caller claims them in the same transaction, under the lock of all limits.';

COMMENT ON FUNCTION tidemill.pick_in_order(p_queue text, p_kinds text[], p_room integer, p_ageing interval, p_priorities smallint[], p_run_ats timestamp with time zone[], p_ids uuid[]) IS 'Locks due jobs without a group, by priority; each ageing interval for which a job has been due improves its priority by one.';

COMMENT ON FUNCTION tidemill.place_in_queue(p_job tidemill.jobs, OUT ahead bigint, OUT busy bigint, OUT slots bigint) IS 'The place of a job in its queue: the number of jobs ahead of it, and the taken and total slots of the workers that could take it.';

COMMENT ON FUNCTION tidemill.plan_workflow(p_spec jsonb, p_id uuid, p_path text, p_after jsonb, p_run_if text, p_depth integer) IS 'The jobs of a workflow, with all nested ones, in the form that enqueue_requests takes; records the workflows themselves.';

COMMENT ON FUNCTION tidemill.preview_operation(action text, filter jsonb, queue text, priority smallint, after uuid, OUT matched integer, OUT skipped jsonb, OUT sample uuid[], OUT complete boolean, OUT looked_to uuid) IS 'What an operation would do now: the number of jobs that it acts on, and those that it skips by reason. Looks at 100,000 jobs that match, and for a fifth of a second, at most; complete says whether these are all, else another call goes on after looked_to. select * from preview_operation(''retry'', ''{"kind": "mail"}'');';

COMMENT ON FUNCTION tidemill.preview_stretch(p_action text, p_condition text, p_queue text, p_priority smallint, p_after uuid, p_last uuid, p_most integer, OUT jobs integer, OUT matched integer, OUT skipped jsonb, OUT sample uuid[], OUT last uuid) IS 'preview_operation for the jobs j after one id up to another that meet a condition, the first of them up to a number.';

COMMENT ON FUNCTION tidemill.priority_of(p_name text) IS 'A priority by its name, in any case, or its number: select enqueue(''k'', priority => priority_of(''HIGH'')).';

COMMENT ON FUNCTION tidemill.prune(p_limit integer) IS 'Removes finished jobs whose own retention ended, old idempotency keys, unique keys of jobs that are gone, and workers gone for a day; returns the number of jobs. Repeat until 0.';

COMMENT ON FUNCTION tidemill.prune_stats() IS 'Removes minutes older than 14 days, whose hours are kept, and hours older than two years.';

COMMENT ON FUNCTION tidemill.prune_unique_keys(p_limit integer) IS 'Checks the given number of unique keys and removes those whose job is gone; returns how many.';

COMMENT ON FUNCTION tidemill.purge_queue(p_queue text, p_limit integer, p_by text) IS 'Cancels up to the given number of jobs of the queue that do not run; returns how many. Repeat until 0.';

COMMENT ON FUNCTION tidemill.put_schedule(p_name text, p_cron text, p_every interval, p_at timestamp with time zone, p_timezone text, p_job jsonb, p_missed text, p_missed_limit integer, p_overlap text, p_jitter interval, p_source text, p_paused_by text, p_owner text) IS 'Writes a whole schedule, for every interface; a schedule from a config belongs to the deployment that is the last argument. A new schedule is paused if p_paused_by is set; an existing one keeps its pause state, and keeps its slots if its times do not change.';

COMMENT ON FUNCTION tidemill.queue_again(p_job tidemill.jobs, p_due timestamp with time zone) IS 'Puts a locked live job back into its queue, due at a given time; a job with a group returns to its group.';

COMMENT ON FUNCTION tidemill.queue_keys(queue text, most integer, OUT fair_key text, OUT concurrency_keys text[], OUT waiting integer, OUT running integer, OUT oldest_due_at timestamp with time zone) IS 'The fair keys and limits of a queue with the most waiting jobs: how many wait (counted up to 10,000), how many run, and since when the oldest is due. select * from queue_keys(''default'');';

COMMENT ON FUNCTION tidemill.queue_overflow(p_kinds text[], p_queues text[], p_execution_ids text[], p_verdicts jsonb, p_wait boolean, OUT crowded bigint[], OUT busy bigint[]) IS 'The jobs of one call of insert_jobs, by their places, that do not fit into their queues, and those of them that were refused because another transaction has locked the capacity at this moment.';

COMMENT ON FUNCTION tidemill.rare_options(p_options jsonb, p_args jsonb) IS 'The options of a job that most jobs do not have, computed from its args; no row if the job has none.';

COMMENT ON FUNCTION tidemill.record_failure(p_job tidemill.jobs, p_outcome text, p_error jsonb, p_usage jsonb) IS 'Records a failed attempt of a locked running job and its cause; counts a crash for the breaker of its kind.';

COMMENT ON FUNCTION tidemill.redact(p_value jsonb) IS 'The value with "[redacted]" instead of the values of redacted_keys, at any depth. For a key outer.url the address in outer is as shown_address returns it.';

COMMENT ON FUNCTION tidemill.redact_address(p_url text) IS 'The address without parts that can be a token: its scheme and host.';

COMMENT ON FUNCTION tidemill.redact_webhook(p_value jsonb) IS 'An alert rule that shows only the scheme and host of its webhook.';

COMMENT ON FUNCTION tidemill.redact_within(p_value jsonb, p_hidden text[]) IS 'Like redact, for the given keys.';

COMMENT ON FUNCTION tidemill.register_attempts(p_jobs uuid[], p_leases uuid[]) IS 'Enters running attempts, given by job and lease, in running; returns the jobs of those that are there now. Attempts whose job another transaction has locked are left out.';

COMMENT ON FUNCTION tidemill.register_claims(p_until timestamp with time zone) IS 'Enters the attempts of all claims whose lease ends until then in running.';

COMMENT ON FUNCTION tidemill.release_slot(p_name text, p_sealed jsonb) IS 'Enqueues the waiting slot of a schedule if the job before it has ended; p_sealed is in the form that with_sealed takes. Returns the outcome, null if the slot cannot be released yet.';

COMMENT ON FUNCTION tidemill.release_timed_out(p_limit integer) IS 'Releases jobs whose signal did not come in time; returns how many. resolve() calls it.';

COMMENT ON FUNCTION tidemill.renew_shape() IS 'Stores the shape as this version of Postgres prints it, if only the printed form differs.';

COMMENT ON FUNCTION tidemill.reopen_dependents(p_job uuid) IS 'Called after a finished job became live again: jobs that failed or were cancelled because of it, and jobs that still wait for others, wait for it again, and its workflow continues.';

COMMENT ON FUNCTION tidemill.replace_fields(p_job uuid, p_fields jsonb, p_by text) IS 'Gives a job that does not run other args, run_at, priority, max_attempts, tags or metadata; a blocked job keeps its time. False if it runs, is finished or is being claimed.';

COMMENT ON FUNCTION tidemill.report_alerts() IS 'The first 20 alerts that fire, each with the part of the report that its condition belongs to.';

COMMENT ON FUNCTION tidemill.report_deployment() IS 'The deployment that runs the jobs: binary (tidemill dev or tidemill worker), embedded (a program with the library), remote (a worker over HTTP) or unknown; by the newest live worker, else the last.';

COMMENT ON FUNCTION tidemill.report_execution() IS 'The kinds that failed or ran worse in the last 15 minutes than in the past seven days, by counters: five failures and twice the past failure rate (at least a fifth), or three times the past average run time.';

COMMENT ON FUNCTION tidemill.report_flow() IS 'Why the first due jobs of each queue and kind do not start: the first reason of explain() of each. A cause needs attention after 15 s if someone has to act, else after five minutes.';

COMMENT ON FUNCTION tidemill.report_heads() IS 'The longest due job of each queue and kind, of the first 50 due jobs of each priority and the first 50 groups; of at most 100 queues; the 25 that have been due longest.';

COMMENT ON FUNCTION tidemill.report_liveness() IS 'The stale data of the report: an overdue sweep, overdue statistics, and workers that were lost within a day. Severity stale makes the other parts unknown.';

COMMENT ON FUNCTION tidemill.report_remedy(p_code text, p_name text, p_deployment text) IS 'The advice for a finding of the health report in a deployment, with the API path and the command that act.';

COMMENT ON FUNCTION tidemill.require_results(p_job uuid, p_since timestamp with time zone) IS 'Raises an error if a result that a job must get now, as passed_args or workflow_result returns it, is no longer stored: a missing result is never passed as null.';

COMMENT ON FUNCTION tidemill.reschedule_groups(p_queue text, p_priorities smallint[], p_groups uuid[], p_candidate_ords bigint[], p_picked uuid[], p_picked_ords bigint[], p_delayed_keys text[], p_delays interval[], p_began_at timestamp with time zone) IS 'Sets when each group is checked again: after all others once it had its turn, or when its next job or token is due. A group that only waits for full limits keeps its place.';

COMMENT ON FUNCTION tidemill.reserve_capacity(p_queue text, p_most integer, p_requested integer, p_wait boolean) IS 'Reserves space for a number of jobs in a bounded queue, until the transaction ends; returns how many fit; without p_wait null if another transaction has locked the capacity at this moment.';

COMMENT ON FUNCTION tidemill.reset_breaker(p_kind text) IS 'Closes the breaker of a kind, so that its jobs start again, and resets its crashes. False if there is no such kind.';

COMMENT ON FUNCTION tidemill.resolve(p_limit integer) IS 'Applies the ends of up to the given number of jobs to the jobs that wait for them: releases those, or ends them if a required job did not complete. Returns the number of ends; safe to run anywhere, any time. Repeat until 0.';

COMMENT ON FUNCTION tidemill.resolve_parents(p_job uuid) IS 'Applies the stored ends of the jobs that a job waits for, or waited for, so that an action on it uses their present outcomes.';

COMMENT ON FUNCTION tidemill.resume_queue(p_queue text) IS 'Ends a pause or a drain.';

COMMENT ON FUNCTION tidemill.resume_schedule(p_name text) IS 'Ends a pause; slots that passed during it do not fire. Returns whether there is such a schedule.';

COMMENT ON FUNCTION tidemill.retry(p_job uuid, p_by text) IS 'Makes a finished job live again with at least one more attempt; a live job that is not due runs now. Returns its state, null if there is no such job.';

COMMENT ON FUNCTION tidemill.retry_blocked(p_job uuid, p_by text) IS 'Makes a job wait again as at first if it ended before its first start or if some of its parents did not complete; otherwise does nothing and returns false. The caller checks the job when all jobs of the retry are live.';

COMMENT ON FUNCTION tidemill.retry_jobs(filter jsonb, max_jobs integer, dry_run boolean, to_queue text) IS 'Redrives failed jobs: select * from retry_jobs(''{"kind": "send-mail"}'', dry_run => true). Repeat until it retries none.';

COMMENT ON FUNCTION tidemill.retry_members(p_workflow uuid, p_by text) IS 'Makes the failed and cancelled members of a workflow live again, also nested ones. Returns the members that wait for others again; the caller checks them when all are live.';

COMMENT ON FUNCTION tidemill.retry_one(p_job uuid, p_by text, p_recorded boolean) IS 'Like retry; the caller decides whether it is recorded as an action.';

COMMENT ON FUNCTION tidemill.retry_workflow(p_workflow uuid, p_by text) IS 'Runs the failed and cancelled members of a workflow again, also nested ones, and the members that waited for them; completed members stay completed. Returns the workflow''s state.';

COMMENT ON FUNCTION tidemill.rights_now() IS 'The rights of the three roles in this schema, one line each.';

COMMENT ON FUNCTION tidemill.run_if_of(p_job uuid) IS 'The run_if terms by which a finished job waited for other jobs; null if it waited for none.';

COMMENT ON FUNCTION tidemill.run_now(p_job uuid, p_by text) IS 'Makes a scheduled or retrying job due at once. Returns its state, null if there is no such job.';

COMMENT ON FUNCTION tidemill.run_now_one(p_job uuid, p_by text, p_recorded boolean) IS 'Like run_now; the caller decides whether it is recorded as an action.';

COMMENT ON FUNCTION tidemill.run_schedule(p_name text, p_by text, p_sealed jsonb) IS 'Enqueues a schedule''s job now, outside of its slots, paused or not; p_sealed is in the form that with_sealed takes. Returns the job''s id, null if there is no such schedule.';

COMMENT ON FUNCTION tidemill.running_keys() IS 'The concurrency keys of running jobs, each with the number of its jobs.';

COMMENT ON FUNCTION tidemill.runs_functions() IS 'Returns whether functions run at all: a server whose programs were upgraded while it ran cannot load their language.';

COMMENT ON FUNCTION tidemill.save_step(p_job uuid, p_lease uuid, p_name text, p_output jsonb, p_replace boolean) IS 'Stores the output of a step of a running attempt; returns {output}: the one that was stored first, or with p_replace the new one. Null if the lease is lost.';

COMMENT ON FUNCTION tidemill.schedule_written() IS 'Trigger: checks a schedule''s job, and has its slots computed again when its times change.';

COMMENT ON FUNCTION tidemill.schema_drift() IS 'The parts of the schema that differ from those of the last migration: the definition then, and now; null if the part did not exist.';

COMMENT ON FUNCTION tidemill.schema_shape() IS 'Every column, index, constraint, trigger, function and view of the schema, one line each, with its definition.';

COMMENT ON FUNCTION tidemill.search_condition(p_search text) IS 'The condition on a job j that a search by a value in its args, metadata or error means, as in GET /jobs.';

COMMENT ON FUNCTION tidemill.set_alert(name text, condition text, above double precision, kind text, queue text, at_least integer, over interval, hold interval, webhook text, email text[], from_config boolean, owner text) IS 'Makes or replaces an alert rule: select set_alert(''errors'', ''error_rate'', above => 0.1, over => ''1 hour'', email => array[''ops@example.org'']).';

COMMENT ON FUNCTION tidemill.set_limit(name text, max_running integer, rate integer, per interval, burst integer, on_full text) IS 'Limits the jobs of a queue (queue:NAME) or of each concurrency key that begins with the name: select set_limit(''tenant'', max_running => 2, rate => 100, per => ''1 hour''). Replaces the earlier setting.';

COMMENT ON FUNCTION tidemill.set_max_queued(p_queue text, p_most integer) IS 'Bounds the number of jobs of the queue that can wait to run; more are refused (SQLSTATE 53TM1). Jobs that are retried or snoozed return all the same. Null: any number.';

COMMENT ON FUNCTION tidemill.set_priority_ageing(p_queue text, p_ageing interval) IS 'A job of the queue that has been due for this time is claimed as if its priority were one better, and so on; null: never.';

COMMENT ON FUNCTION tidemill.set_schedule(name text, kind text, args jsonb, cron text, every interval, at timestamp with time zone, timezone text, queue text, priority integer, max_attempts integer, soft_timeout interval, hard_timeout interval, tags text[], metadata jsonb, retain interval, missed text, missed_limit integer, overlap text, jitter interval) IS 'Makes or replaces a schedule. select set_schedule(''nightly'', ''backup'', cron => ''30 4 * * *'', timezone => ''Europe/Berlin'').';

COMMENT ON FUNCTION tidemill.set_slots(p_queue text, p_slots integer) IS 'Sets how many jobs of the queue each worker runs at once; with null each worker''s own setting applies again.';

COMMENT ON FUNCTION tidemill.settle_attempt(p_job uuid, p_lease uuid, p_outcome text, p_error jsonb, p_delay interval, p_usage jsonb, p_wait jsonb) IS 'Ends an attempt that did not complete: failed, timed_out, crashed, snoozed, released, waits (see block_on) or cancelled. Decides between a retry and the end; returns the new state, null if the lease is lost.';

COMMENT ON FUNCTION tidemill.severity_of(p_check text, p_number double precision, p_other double precision) IS 'How bad a number is for a check of doctor(); null if it is fine.';

COMMENT ON FUNCTION tidemill.should_shed() IS 'Whether dead rows pile up because of a session that holds them: then workers store progress less often. The setting tidemill.shed_after sets the time after which this applies; a minute by default.';

COMMENT ON FUNCTION tidemill.shown_address(p_address text) IS 'An address without user, query and fragment.';

COMMENT ON FUNCTION tidemill.shown_state(p_state tidemill.job_state, p_attempt integer, p_run_at timestamp with time zone, p_due_at timestamp with time zone) IS 'The state that people see: available and waiting jobs that are not due are scheduled, or retrying after a first attempt.';

COMMENT ON FUNCTION tidemill.signal(p_job uuid, p_name text, p_payload jsonb, p_by text) IS 'Sends a message to a job, which can wait for it now or later. Returns delivered; ignored if a signal of that name came, or timed out, before; the state of a job that has ended; null if there is none.';

COMMENT ON FUNCTION tidemill.sleep_step(p_job uuid, p_lease uuid, p_name text, p_seconds double precision) IS 'The seconds that a durable sleep still lasts, 0 or less when it has ended; null if the lease is lost.';

COMMENT ON FUNCTION tidemill.slowest_claim_scan(OUT queue text, OUT milliseconds numeric) IS 'The cost of dead rows: of the first twenty queues, the one in which a claim from the oldest job takes longest, and how long it took now.';

COMMENT ON FUNCTION tidemill.snooze(p_job uuid, p_delay interval, p_by text) IS 'Puts off a job that does not run. Returns its state, null if there is no such job.';

COMMENT ON FUNCTION tidemill.spawn_child(p_job uuid, p_lease uuid, p_name text, p_request jsonb, p_is_workflow boolean) IS 'Enqueues a job, or a workflow, for a running attempt: once for each name, even if the attempt is repeated. Returns its id, null if the lease is lost.';

COMMENT ON FUNCTION tidemill.start_operation(action text, filter jsonb, queue text, priority smallint, rate text, p_by text) IS 'Acts on all jobs that match a filter (cancel, retry, run_now, delete, set_priority, move) in the background, no faster than the rate; returns the id. select start_operation(''retry'', ''{"kind": "mail", "error": "timeout"}'', rate => ''200/min''); then look at operation_status.';

COMMENT ON FUNCTION tidemill.step_operation(p_operation uuid, p_most integer) IS 'Carries out the next batch of an operation; returns the number of jobs that it came to, null if the operation is not due, has ended, or is carried out by another session. Several sessions can call it at once.';

COMMENT ON FUNCTION tidemill.still_needed(p_jobs uuid[], p_since timestamp with time zone) IS 'Those of the given finished jobs that others still need: a live job waits for them, spawned them or is their workflow, or with p_since their workflow ended since then.';

COMMENT ON FUNCTION tidemill.stop_workflow(p_workflow uuid) IS 'Cancels the live members of a workflow, except those that run after failures; if it takes long, later calls cancel the rest.';

COMMENT ON FUNCTION tidemill.superseder_of(p_job tidemill.jobs) IS 'The job that took the key of this running one, which therefore must not run again; null if none did.';

COMMENT ON FUNCTION tidemill.sweep(p_limit integer) IS 'Takes back the jobs whose lease expired or whose deadline passed (time in which no process could sweep does not count), and cancels the jobs that did not start before they expired; safe to run anywhere, any time.';

COMMENT ON FUNCTION tidemill.sweep_would_find() IS 'Whether a sweep may take something back, or has rows to remove.';

COMMENT ON FUNCTION tidemill.take_key_again(p_job uuid, p_key text) IS 'Gives its key back to a job that is live again, unless another live job has it by now; then both keep running.';

COMMENT ON FUNCTION tidemill.take_notices(p_limit integer) IS 'Takes due notices for sending. A notice belongs to the caller for 30 s, then it is due again unless notice_sent reports it as delivered. After 20 tries it is given up. A notice that an alert is resolved waits until its receiver got the notice that it fired.';

COMMENT ON FUNCTION tidemill.take_tokens(p_key text, p_limit tidemill.limits, p_count bigint) IS 'Takes tokens of a key; the caller holds the lock under which they were counted.';

COMMENT ON FUNCTION tidemill.take_unique_keys(p_requests jsonb[], p_ids uuid[]) IS 'Decides in order which jobs of one call of insert_jobs can be stored: [{ord, unique_key, run_at}], with outcome existing, conflict or replaced and the existing job for those that cannot; fields of a job of the same call are replaced later.';

COMMENT ON FUNCTION tidemill.test_alert(p_name text) IS 'Sends a notice to the addresses of an alert rule, which says that it is a test; returns the id of the alert, null if there is no rule of that name.';

COMMENT ON FUNCTION tidemill.time_until_space(p_queue text) IS 'The estimated time until a full queue accepts one more job, 1 to 60 s: by the number of its jobs that ended in the last minutes; 1 s if none did, 60 s while it is paused.';

COMMENT ON FUNCTION tidemill.token_after(p_tokens double precision, p_limit tidemill.limits) IS 'The time until this number of tokens has grown to one.';

COMMENT ON FUNCTION tidemill.token_key(p_secret_hash bytea) IS 'The secret that signs the tokens of an API key.';

COMMENT ON FUNCTION tidemill.tokens_of(p_key text, p_limit tidemill.limits) IS 'How many jobs of the key can start at this moment; a fraction is a token that is still filling.';

COMMENT ON FUNCTION tidemill.trim_day(p_part text, p_since timestamp with time zone) IS 'Removes from a day of jobs the rows that are not needed, if others need some rows of it: thinned. keep: all rows are needed; drop: none is needed, and nothing was done.';

COMMENT ON FUNCTION tidemill.turned_off(p_job jsonb) IS 'The defaults of its kind that a job of enqueue_many turns off by an explicit null, in the form that insert_jobs takes; null if there are none.';

COMMENT ON FUNCTION tidemill.turns_before(p_job tidemill.jobs) IS 'The number of other groups of the queue that have a due job, up to 1,000; those come before the group of the job.';

COMMENT ON FUNCTION tidemill.unblock(p_job uuid) IS 'Puts a waiting job into its queue; a job that does not wait is not changed.';

COMMENT ON FUNCTION tidemill.undo_on_one(p_operation tidemill.operations, p_undone tidemill.operations, p_job uuid) IS 'Restores one job to its state before an operation, or says why not.';

COMMENT ON FUNCTION tidemill.undo_operation(operation uuid, rate text, p_by text) IS 'Restores the jobs that an operation changed and that have not changed since: cancelled jobs that did not run are live again, priorities and queues are as before. Returns the id of the operation that does it, null if there is no such operation.';

COMMENT ON FUNCTION tidemill.unfinished_jobs(p_schedule tidemill.schedules) IS 'The latest unfinished jobs of a schedule, at most 999.';

COMMENT ON FUNCTION tidemill.unfinished_of(p_key text) IS 'Jobs of a concurrency key that wait or run and are not being cancelled.';

COMMENT ON FUNCTION tidemill.unique_key(p_terms jsonb, p_kind text, p_queue text, p_args jsonb, p_run_at timestamp with time zone) IS 'The key of a job under the given terms: its own text with {name} filled in, or a hash of its kind and the fields that the terms name; with a period, followed by its start and length.';

COMMENT ON FUNCTION tidemill.unique_key_holder(p_key text, p_terms jsonb, p_new uuid, p_batch uuid[]) IS 'Returns the job that already has this locked key and blocks the new one, or null. If it is null, an older job that the terms do not count is superseded.';

COMMENT ON FUNCTION tidemill.unique_requests(p_ids uuid[], p_kinds text[], p_args jsonb[], p_queues text[], p_priorities smallint[], p_run_ats timestamp with time zone[], p_delay_seconds double precision[], p_max_attempts integer[], p_execution_ids text[], p_tags jsonb[], p_metadata jsonb[], p_strict boolean, p_options jsonb[]) IS 'Those jobs of one call of insert_jobs that have unique terms and are not refused for another reason, in order, with their terms, their key and, if the terms need them, the key of the next period and the fields to replace.';

COMMENT ON FUNCTION tidemill.unique_terms(p_request jsonb) IS 'The unique terms {key, by, args, states, window, period, on_conflict, replace} with defaults filled in and times in seconds; refuses invalid ones.';

COMMENT ON FUNCTION tidemill.wait_verdict(p_job uuid, p_run_if text) IS 'What happens now to a job that waits for others: wait, run, skip (it is not needed) or cancel (a required job did not complete).';

COMMENT ON FUNCTION tidemill.why_not_undone(p_undone tidemill.operations, p_before jsonb, p_job tidemill.jobs) IS 'Why the undo of an operation skips a job; null if it restores it.';

COMMENT ON FUNCTION tidemill.why_skipped(p_action text, p_job tidemill.jobs, p_queue text, p_priority smallint) IS 'Why an operation skips a job; null if it acts on it.';

COMMENT ON FUNCTION tidemill.with_owner(p_node jsonb, p_spec jsonb) IS 'A job of a workflow with the owner of the workflow, which every job of it has.';

COMMENT ON FUNCTION tidemill.with_plain_numbers(p_value jsonb) IS 'The same JSON without trailing zeros in its numbers, so that equal numbers are written the same way.';

COMMENT ON FUNCTION tidemill.with_sealed(p_schedule tidemill.schedules, p_sealed jsonb) IS 'The schedule with its job''s args as a scheduler encrypted them ({of: md5 of the args, as: the stored form}), for this firing alone.';

COMMENT ON FUNCTION tidemill.without_brackets(p_text text) IS 'A condition as Postgres prints it, without brackets.';

COMMENT ON FUNCTION tidemill.work_due(OUT schedule_seconds double precision, OUT operation_seconds double precision, OUT deadline_seconds double precision, OUT has_dependents boolean) IS 'The seconds until a schedule, an operation and the deadline of an attempt fall due (0 or less: now, null: never), and whether dependents wait for resolve().';

COMMENT ON FUNCTION tidemill.workflow_result(p_workflow uuid) IS 'The result of a workflow: the results of its members.';

COMMENT ON FUNCTION tidemill.write_notices(p_alerts uuid[], p_event text) IS 'Writes the notices of alerts that fired or are resolved; each notice is written once.';

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

COMMENT ON TABLE tidemill.alert_notices IS 'Notices of alerts, one for each receiver: written in the transaction in which the alert fires or is resolved, marked when delivered.';

COMMENT ON COLUMN tidemill.alert_notices.id IS 'UUIDv7; the receiver of a webhook sees it as webhook-id, the same at each attempt.';

COMMENT ON COLUMN tidemill.alert_notices.alert_id IS 'The alert.';

COMMENT ON COLUMN tidemill.alert_notices.event IS 'fired or resolved.';

COMMENT ON COLUMN tidemill.alert_notices.channel IS 'log, webhook or email.';

COMMENT ON COLUMN tidemill.alert_notices.target IS 'The address.';

COMMENT ON COLUMN tidemill.alert_notices.due_at IS 'It is not sent before this time; a process that takes it moves the time forward.';

COMMENT ON COLUMN tidemill.alert_notices.attempts IS 'The number of attempts to send it.';

COMMENT ON COLUMN tidemill.alert_notices.sent_at IS 'When it was delivered.';

COMMENT ON COLUMN tidemill.alert_notices.error IS 'Why the last attempt failed.';

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
    CONSTRAINT alerts_fire_before_they_are_resolved CHECK (((resolved_at IS NULL) OR (fired_at IS NOT NULL))),
    CONSTRAINT alerts_moments_are_in_reach CHECK (((since >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (since < '10000-01-01 00:00:00+00'::timestamp with time zone) AND (fired_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (fired_at < '10000-01-01 00:00:00+00'::timestamp with time zone) AND (clear_since >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (clear_since < '10000-01-01 00:00:00+00'::timestamp with time zone) AND (resolved_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (resolved_at < '10000-01-01 00:00:00+00'::timestamp with time zone)))
);

COMMENT ON TABLE tidemill.alerts IS 'The alerts of the rules: pending until fired_at, firing until resolved_at. Kept for 90 days.';

COMMENT ON COLUMN tidemill.alerts.id IS 'UUIDv7.';

COMMENT ON COLUMN tidemill.alerts.rule IS 'The rule.';

COMMENT ON COLUMN tidemill.alerts.subject IS 'The subject: kind:NAME, queue:NAME, workers, jobs or database.';

COMMENT ON COLUMN tidemill.alerts.value IS 'The last measured value while it was too high.';

COMMENT ON COLUMN tidemill.alerts.above IS 'The value that the rule allowed.';

COMMENT ON COLUMN tidemill.alerts.message IS 'A text that describes the alert.';

COMMENT ON COLUMN tidemill.alerts.since IS 'Since when the value is too high.';

COMMENT ON COLUMN tidemill.alerts.fired_at IS 'When it fired; null while it is pending.';

COMMENT ON COLUMN tidemill.alerts.clear_since IS 'Since when the value is no longer too high.';

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
          WHERE ((n.alert_id = a.id) AND (n.sent_at IS NULL))) AS undelivered,
    ( SELECT max(n.error) AS max
           FROM tidemill.alert_notices n
          WHERE ((n.alert_id = a.id) AND (n.sent_at IS NULL))) AS last_error
   FROM tidemill.alerts a;

COMMENT ON VIEW tidemill.alert_log IS 'The alerts of the rules: pending, firing or resolved, and the number of notices that are not delivered yet.';

CREATE VIEW tidemill.alert_rule_status AS
 SELECT r.name,
    r.condition,
    r.above,
    r.kind,
    r.queue,
    r.at_least,
    r.over,
    r.hold,
    tidemill.redact_address(r.webhook) AS webhook,
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

COMMENT ON VIEW tidemill.alert_rule_status IS 'The alert rules, and how many alerts of each rule fire. Only the host of a webhook is shown, because the rest can be a token.';

CREATE VIEW tidemill.all_jobs AS
 SELECT jobs.id,
    jobs.kind,
    jobs.queue,
    tidemill.shown_state(jobs.state, (jobs.attempt)::integer, jobs.run_at, jobs.due_at) AS status,
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
    tidemill.redact((jobs.args)::jsonb) AS args,
    tidemill.redact(jobs.result) AS result,
    tidemill.redact(jobs.error) AS error
   FROM tidemill.jobs;

COMMENT ON VIEW tidemill.all_jobs IS 'Every job, live or finished, to find one by its id.';

CREATE TABLE tidemill.api_keys (
    id text NOT NULL,
    name text NOT NULL,
    scopes text[] NOT NULL,
    secret_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    last_used_at timestamp with time zone,
    sessions_ended_until timestamp with time zone,
    CONSTRAINT api_keys_scopes_are_known CHECK (((scopes <> '{}'::text[]) AND (scopes <@ ARRAY['enqueue'::text, 'read'::text, 'work'::text, 'admin'::text])))
);

COMMENT ON TABLE tidemill.api_keys IS 'The keys of the HTTP API; as soon as one key exists, all requests need one.';

COMMENT ON COLUMN tidemill.api_keys.id IS 'The public part of the key.';

COMMENT ON COLUMN tidemill.api_keys.name IS 'The name that people use.';

COMMENT ON COLUMN tidemill.api_keys.scopes IS 'The permitted actions: enqueue, read, work, admin.';

COMMENT ON COLUMN tidemill.api_keys.secret_hash IS 'SHA-256 of the secret part, which is stored nowhere.';

COMMENT ON COLUMN tidemill.api_keys.created_at IS 'When it was made.';

COMMENT ON COLUMN tidemill.api_keys.expires_at IS 'From this time on it is refused.';

COMMENT ON COLUMN tidemill.api_keys.revoked_at IS 'When it was revoked.';

COMMENT ON COLUMN tidemill.api_keys.last_used_at IS 'When it was last used, to the minute.';

COMMENT ON COLUMN tidemill.api_keys.sessions_ended_until IS 'All its sessions that would end by this time are ended; set when too many sessions were ended one by one.';

CREATE TABLE tidemill.artifact_referrers (
    owner_id uuid NOT NULL,
    job_id uuid NOT NULL
);

COMMENT ON TABLE tidemill.artifact_referrers IS 'Jobs whose args or result are stored as those of another job: a fork, or a job that received results or took over args. The stored values are kept until the last of these jobs is gone.';

COMMENT ON COLUMN tidemill.artifact_referrers.owner_id IS 'The job that owned the args or the result first.';

COMMENT ON COLUMN tidemill.artifact_referrers.job_id IS 'The job that refers to it.';

CREATE TABLE tidemill.artifacts (
    path text NOT NULL,
    job_id uuid NOT NULL,
    name text NOT NULL,
    content_type text NOT NULL,
    bytes bigint NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    checked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    unneeded_at timestamp with time zone
);

COMMENT ON TABLE tidemill.artifacts IS 'Files of jobs in object storage: files of handlers, and args and results that are too large for a row. Removed after their job.';

COMMENT ON COLUMN tidemill.artifacts.path IS 'The path below the storage''s address.';

COMMENT ON COLUMN tidemill.artifacts.job_id IS 'The job that owns it.';

COMMENT ON COLUMN tidemill.artifacts.name IS 'Its name within the job; the newest of a name counts.';

COMMENT ON COLUMN tidemill.artifacts.content_type IS 'The type of the content, such as image/png.';

COMMENT ON COLUMN tidemill.artifacts.bytes IS 'Its size.';

COMMENT ON COLUMN tidemill.artifacts.created_at IS 'When it was stored.';

COMMENT ON COLUMN tidemill.artifacts.checked_at IS 'When its job was last found to exist.';

COMMENT ON COLUMN tidemill.artifacts.unneeded_at IS 'Since when no job can need it and it is being removed; no row refers to it from then on.';

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

COMMENT ON TABLE tidemill.attempts IS 'Attempts that failed, and completed ones whose memory use or exit code is known. Partitioned by day.';

COMMENT ON COLUMN tidemill.attempts.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.attempts.attempt IS 'Number of the attempt.';

COMMENT ON COLUMN tidemill.attempts.lease_id IS 'The lease under which it ran.';

COMMENT ON COLUMN tidemill.attempts.worker_id IS 'The worker that ran it.';

COMMENT ON COLUMN tidemill.attempts.outcome IS 'completed, failed, crashed (its worker died) or timed_out.';

COMMENT ON COLUMN tidemill.attempts.error IS 'message, type, permanent, backtrace.';

COMMENT ON COLUMN tidemill.attempts.exit_code IS 'Exit code of a command.';

COMMENT ON COLUMN tidemill.attempts.signal IS 'Signal that ended a command.';

COMMENT ON COLUMN tidemill.attempts.out_of_memory IS 'True if it was ended by a lack of memory.';

COMMENT ON COLUMN tidemill.attempts.peak_memory_bytes IS 'Largest resident memory, in bytes.';

COMMENT ON COLUMN tidemill.attempts.started_at IS 'When it was claimed.';

COMMENT ON COLUMN tidemill.attempts.finished_at IS 'When it ended.';

COMMENT ON COLUMN tidemill.attempts.fingerprint IS 'Hash of the cause: kind, class and message without the parts that differ from case to case. Null if it did not fail.';

COMMENT ON COLUMN tidemill.attempts.log_tail IS 'Its last log lines, if it failed.';

CREATE TABLE tidemill.audit_log (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    who text NOT NULL,
    db_user text DEFAULT SESSION_USER NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    before jsonb,
    after jsonb,
    CONSTRAINT audit_log_moments_are_in_reach CHECK (((at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (at < '10000-01-01 00:00:00+00'::timestamp with time zone)))
);

COMMENT ON TABLE tidemill.audit_log IS 'Actions of people on jobs, queues, limits, schedules and keys.';

COMMENT ON COLUMN tidemill.audit_log.id IS 'A running number.';

COMMENT ON COLUMN tidemill.audit_log.at IS 'When the action happened.';

COMMENT ON COLUMN tidemill.audit_log.who IS 'The actor, as the caller named it: the name of the API key, or the database user.';

COMMENT ON COLUMN tidemill.audit_log.db_user IS 'The database user of the session.';

COMMENT ON COLUMN tidemill.audit_log.action IS 'The action.';

COMMENT ON COLUMN tidemill.audit_log.subject IS 'The object: job:ID, queue:NAME, limit:NAME, schedule:NAME, workflow:ID, kind:NAME, key:ID.';

COMMENT ON COLUMN tidemill.audit_log.before IS 'The values before the action.';

COMMENT ON COLUMN tidemill.audit_log.after IS 'The values after the action.';

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
    audit_log.action,
    audit_log.subject,
        CASE
            WHEN (audit_log.subject ~~ 'alert:%'::text) THEN tidemill.redact_webhook(audit_log.before)
            ELSE tidemill.redact(audit_log.before)
        END AS before,
        CASE
            WHEN (audit_log.subject ~~ 'alert:%'::text) THEN tidemill.redact_webhook(audit_log.after)
            ELSE tidemill.redact(audit_log.after)
        END AS after
   FROM tidemill.audit_log;

COMMENT ON VIEW tidemill.audit_trail IS 'Actions of people on jobs and settings, with the actor and the values before and after.';

CREATE TABLE tidemill.blocked_jobs (
    job_id uuid NOT NULL,
    run_if text DEFAULT 'all_completed'::text NOT NULL,
    signal text,
    until timestamp with time zone,
    run_at timestamp with time zone,
    delay interval,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT blocked_jobs_run_if_is_known CHECK ((run_if = ANY (ARRAY['all_completed'::text, 'all_finished'::text, 'any_completed'::text, 'any_failed'::text])))
);

COMMENT ON TABLE tidemill.blocked_jobs IS 'What each blocked job waits for, one row each: the end of the jobs in dependencies, or a signal.';

COMMENT ON COLUMN tidemill.blocked_jobs.job_id IS 'The job that waits.';

COMMENT ON COLUMN tidemill.blocked_jobs.run_if IS 'Which ends of its parents let it run: all_completed, all_finished, any_completed or any_failed.';

COMMENT ON COLUMN tidemill.blocked_jobs.signal IS 'The signal that it waits for; null if it waits for jobs.';

COMMENT ON COLUMN tidemill.blocked_jobs.until IS 'From this time on it continues without the signal.';

COMMENT ON COLUMN tidemill.blocked_jobs.run_at IS 'The job does not run before this time, even after its release.';

COMMENT ON COLUMN tidemill.blocked_jobs.delay IS 'The delay after its release.';

COMMENT ON COLUMN tidemill.blocked_jobs.since IS 'Since when it waits.';

CREATE TABLE tidemill.claim_batches (
    lease_id uuid NOT NULL,
    worker_id text NOT NULL,
    claimed_at timestamp with time zone NOT NULL,
    lease_expires_at timestamp with time zone NOT NULL,
    kinds text[] NOT NULL,
    soft_timeouts interval[] NOT NULL,
    hard_timeouts interval[] NOT NULL,
    graces interval[] NOT NULL,
    jobs uuid[] NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0.0', autovacuum_vacuum_threshold='10000', autovacuum_vacuum_cost_delay='0');
ALTER TABLE ONLY tidemill.claim_batches ALTER COLUMN jobs SET STORAGE EXTERNAL;

COMMENT ON TABLE tidemill.claim_batches IS 'Claims of short jobs. Their attempts are entered in running only if they still run after a second, if their worker dies, or if somebody must see them there (register_attempts, register_claims); the worker removes a claim whose attempts have all ended or are entered.';

COMMENT ON COLUMN tidemill.claim_batches.lease_id IS 'The lease of all its attempts, equal to jobs.lease_id.';

COMMENT ON COLUMN tidemill.claim_batches.worker_id IS 'The worker that has the lease.';

COMMENT ON COLUMN tidemill.claim_batches.claimed_at IS 'When it was claimed.';

COMMENT ON COLUMN tidemill.claim_batches.lease_expires_at IS 'From this time on the sweep enters its attempts in running and can take their jobs back.';

COMMENT ON COLUMN tidemill.claim_batches.kinds IS 'The kinds that the worker serves; the next three columns have one element for each.';

COMMENT ON COLUMN tidemill.claim_batches.soft_timeouts IS 'The soft timeout of each kind, as the worker knows it; null if it has none.';

COMMENT ON COLUMN tidemill.claim_batches.hard_timeouts IS 'The hard timeout of each kind, likewise.';

COMMENT ON COLUMN tidemill.claim_batches.graces IS 'The time after the hard timeout from which the sweep takes the job back, likewise.';

COMMENT ON COLUMN tidemill.claim_batches.jobs IS 'The jobs; those of other kinds in the same claim are in running at once.';

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

COMMENT ON TABLE tidemill.stats IS 'Counters for each minute of the last 14 days, so that no page counts jobs.';

COMMENT ON COLUMN tidemill.stats.minute IS 'Beginning of the minute.';

COMMENT ON COLUMN tidemill.stats.queue IS 'The queue.';

COMMENT ON COLUMN tidemill.stats.kind IS 'The kind.';

COMMENT ON COLUMN tidemill.stats.outcome IS 'As in stats_deltas.';

COMMENT ON COLUMN tidemill.stats.jobs IS 'The number of jobs.';

COMMENT ON COLUMN tidemill.stats.waited IS 'The sum of their waiting times.';

COMMENT ON COLUMN tidemill.stats.ran IS 'The sum of their run times.';

COMMENT ON COLUMN tidemill.stats.ran_least IS 'The shortest run time; null if none ran.';

COMMENT ON COLUMN tidemill.stats.ran_most IS 'The longest run time; null if none ran.';

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

COMMENT ON TABLE tidemill.stats_deltas IS 'Counts that are not in stats yet: a few rows for each batch of jobs, in the transaction of the batch. Maintenance adds them to stats.';

COMMENT ON COLUMN tidemill.stats_deltas.at IS 'When it happened.';

COMMENT ON COLUMN tidemill.stats_deltas.queue IS 'The queue.';

COMMENT ON COLUMN tidemill.stats_deltas.kind IS 'The kind.';

COMMENT ON COLUMN tidemill.stats_deltas.outcome IS 'enqueued, completed, failed, cancelled, or retried (an attempt that failed and is retried).';

COMMENT ON COLUMN tidemill.stats_deltas.jobs IS 'The number of jobs.';

COMMENT ON COLUMN tidemill.stats_deltas.waited IS 'The sum of their waiting times before the last start.';

COMMENT ON COLUMN tidemill.stats_deltas.ran IS 'The sum of the run times of their last attempts.';

COMMENT ON COLUMN tidemill.stats_deltas.ran_least IS 'The shortest run time; null if none ran.';

COMMENT ON COLUMN tidemill.stats_deltas.ran_most IS 'The longest run time; null if none ran.';

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

COMMENT ON VIEW tidemill.counters IS 'The counts of the last 14 days, one or more rows for each minute: outcome is enqueued, completed, failed, cancelled or retried.';

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

COMMENT ON TABLE tidemill.dependencies IS 'Which job waits for the end of which other job; a workflow waits for its members.';

COMMENT ON COLUMN tidemill.dependencies.job_id IS 'The job that waits.';

COMMENT ON COLUMN tidemill.dependencies.parent_id IS 'The job that it waits for.';

COMMENT ON COLUMN tidemill.dependencies.ord IS 'Order of the parents, from 1.';

COMMENT ON COLUMN tidemill.dependencies.member IS 'True if the waiting job is the workflow of its parent.';

COMMENT ON COLUMN tidemill.dependencies.name IS 'The name of the parent in the workflow.';

COMMENT ON COLUMN tidemill.dependencies.pass_as IS 'The arg under which the job gets the parent''s result; name[] gathers several into an array.';

COMMENT ON COLUMN tidemill.dependencies.run_if IS 'As in blocked_jobs; a retried job waits by it again.';

COMMENT ON COLUMN tidemill.dependencies.outcome IS 'How the parent ended: completed, failed, cancelled or skipped (it was not needed); null until it ends.';

COMMENT ON COLUMN tidemill.dependencies.resolved_at IS 'When that was recorded.';

COMMENT ON COLUMN tidemill.dependencies.run_at IS 'As in blocked_jobs; a retried job waits by it again.';

COMMENT ON COLUMN tidemill.dependencies.delay IS 'As in blocked_jobs; a retried job waits by it again.';

CREATE TABLE tidemill.deployments (
    name text NOT NULL,
    revision bigint,
    declared_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT deployments_are_named CHECK (tidemill.is_name(name)),
    CONSTRAINT deployments_revision_is_not_negative CHECK ((revision >= 0))
);

COMMENT ON TABLE tidemill.deployments IS 'The deployments whose processes wrote the declarations of their configs: schedules, alert rules, limits, redacted keys.';

COMMENT ON COLUMN tidemill.deployments.name IS 'deployment.name of their configs.';

COMMENT ON COLUMN tidemill.deployments.revision IS 'The largest deployment.revision so far; a process with a smaller one changes nothing. Null: none has one.';

COMMENT ON COLUMN tidemill.deployments.declared_at IS 'When one of its processes last started.';

CREATE TABLE tidemill.ended_sessions (
    key_id text NOT NULL,
    session text NOT NULL,
    ends_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE tidemill.ended_sessions IS 'Sessions of the dashboard that were ended before their time.';

COMMENT ON COLUMN tidemill.ended_sessions.key_id IS 'The key whose rights it had.';

COMMENT ON COLUMN tidemill.ended_sessions.session IS 'The id of the session, which opens nothing.';

COMMENT ON COLUMN tidemill.ended_sessions.ends_at IS 'When it would have ended; from then on the row can be removed.';

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

COMMENT ON TABLE tidemill.events IS 'The numbered log of each job: progress, log lines, failed attempts, manual actions. Partitioned by day.';

COMMENT ON COLUMN tidemill.events.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.events.seq IS 'From 1, without gaps, in the order of commits.';

COMMENT ON COLUMN tidemill.events.attempt IS 'The attempt during which it happened.';

COMMENT ON COLUMN tidemill.events.type IS 'What happened: progress, log, attempt_failed, retry, snoozed, released, waits, step, spawned, signal, forked, cancel_requested, lease_lost, replaced, extended, expired, or a handler''s own.';

COMMENT ON COLUMN tidemill.events.data IS 'Fields that depend on the type.';

COMMENT ON COLUMN tidemill.events.at IS 'When it was written.';

COMMENT ON COLUMN tidemill.events.written_in IS 'The transaction that wrote the event.';

CREATE TABLE tidemill.extension_documents (
    extension text NOT NULL,
    name text NOT NULL,
    document jsonb NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE tidemill.extension_documents IS 'JSON documents of extensions, under names that the extension chooses. Only the extension knows the meaning of a document; it records the actions of people on it in the audit log.';

COMMENT ON COLUMN tidemill.extension_documents.extension IS 'The extension whose document it is.';

COMMENT ON COLUMN tidemill.extension_documents.name IS 'Its name within the extension.';

COMMENT ON COLUMN tidemill.extension_documents.document IS 'The document.';

COMMENT ON COLUMN tidemill.extension_documents.version IS 'Grows by one with each write; a write names the version that it replaces.';

COMMENT ON COLUMN tidemill.extension_documents.updated_at IS 'When it was last written.';

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

COMMENT ON TABLE tidemill.failure_causes IS 'Causes of failed attempts: one row for each cause, counted from failure_deltas by maintenance.';

COMMENT ON COLUMN tidemill.failure_causes.fingerprint IS 'The cause, as in attempts.';

COMMENT ON COLUMN tidemill.failure_causes.kind IS 'Kind of the jobs.';

COMMENT ON COLUMN tidemill.failure_causes.type IS 'Class of the error.';

COMMENT ON COLUMN tidemill.failure_causes.message IS 'Message of the last failure.';

COMMENT ON COLUMN tidemill.failure_causes.failures IS 'The number of attempts that failed with this cause.';

COMMENT ON COLUMN tidemill.failure_causes.first_at IS 'The first of them.';

COMMENT ON COLUMN tidemill.failure_causes.last_at IS 'The last of them.';

COMMENT ON COLUMN tidemill.failure_causes.last_job_id IS 'An example job.';

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

COMMENT ON TABLE tidemill.failure_deltas IS 'Failures that are not counted in failure_causes yet, each written in the transaction that ends its attempt.';

COMMENT ON COLUMN tidemill.failure_deltas.fingerprint IS 'The cause.';

COMMENT ON COLUMN tidemill.failure_deltas.kind IS 'Kind of the job.';

COMMENT ON COLUMN tidemill.failure_deltas.type IS 'Class of the error.';

COMMENT ON COLUMN tidemill.failure_deltas.message IS 'The beginning of its message.';

COMMENT ON COLUMN tidemill.failure_deltas.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.failure_deltas.at IS 'When.';

CREATE VIEW tidemill.failures AS
 SELECT causes.fingerprint,
    causes.kind,
    causes.type,
    (tidemill.redact(jsonb_build_object('message', causes.message)) ->> 'message'::text) AS message,
    causes.failures,
    causes.first_at,
    causes.last_at,
    causes.last_job_id
   FROM ( SELECT known.fingerprint,
            max(known.kind) AS kind,
            max(known.type) AS type,
            (array_agg("left"(known.message, 200) ORDER BY known.last_at DESC))[1] AS message,
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
          GROUP BY known.fingerprint) causes;

COMMENT ON VIEW tidemill.failures IS 'The causes of failed attempts: one row for each cause, with its count, its first and last time, and an example job.';

CREATE TABLE tidemill.finished_parents (
    job_id uuid NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

COMMENT ON TABLE tidemill.finished_parents IS 'Jobs that ended and whose dependents are not resolved yet; emptied by resolve().';

COMMENT ON COLUMN tidemill.finished_parents.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.finished_parents.at IS 'When it ended.';

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

COMMENT ON TABLE tidemill.stats_hours IS 'Counters for each hour: the sums of the minutes of stats, kept for two years.';

COMMENT ON COLUMN tidemill.stats_hours.hour IS 'Beginning of the hour, in UTC whatever the session''s time zone is.';

COMMENT ON COLUMN tidemill.stats_hours.queue IS 'The queue.';

COMMENT ON COLUMN tidemill.stats_hours.kind IS 'The kind.';

COMMENT ON COLUMN tidemill.stats_hours.outcome IS 'As in stats_deltas.';

COMMENT ON COLUMN tidemill.stats_hours.jobs IS 'The number of jobs.';

COMMENT ON COLUMN tidemill.stats_hours.waited IS 'The sum of their waiting times.';

COMMENT ON COLUMN tidemill.stats_hours.ran IS 'The sum of their run times.';

COMMENT ON COLUMN tidemill.stats_hours.ran_least IS 'The shortest run time; null if none ran.';

COMMENT ON COLUMN tidemill.stats_hours.ran_most IS 'The longest run time; null if none ran.';

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

COMMENT ON VIEW tidemill.hourly_counters IS 'The counts of the last two years, one or more rows for each hour: outcome as in counters.';

CREATE TABLE tidemill.idempotency_keys (
    key text NOT NULL,
    request_hash bytea NOT NULL,
    answer jsonb,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone DEFAULT (now() + '24:00:00'::interval) NOT NULL
);

COMMENT ON TABLE tidemill.idempotency_keys IS 'The stored first answers to repeatable requests.';

COMMENT ON COLUMN tidemill.idempotency_keys.key IS 'Scope and Idempotency-Key of the request.';

COMMENT ON COLUMN tidemill.idempotency_keys.request_hash IS 'SHA-256 of the request as parsed.';

COMMENT ON COLUMN tidemill.idempotency_keys.answer IS 'The first answer.';

COMMENT ON COLUMN tidemill.idempotency_keys.created_at IS 'When the request first came.';

COMMENT ON COLUMN tidemill.idempotency_keys.expires_at IS 'From this time on the key can be removed.';

CREATE VIEW tidemill.job_artifacts AS
 SELECT DISTINCT ON (artifacts.job_id, artifacts.name) artifacts.job_id,
    artifacts.name,
    artifacts.content_type,
    artifacts.bytes,
    artifacts.created_at
   FROM tidemill.artifacts
  WHERE (artifacts.unneeded_at IS NULL)
  ORDER BY artifacts.job_id, artifacts.name, artifacts.created_at DESC;

COMMENT ON VIEW tidemill.job_artifacts IS 'The files of each job in object storage, the newest of each name; restrict job_id.';

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

COMMENT ON VIEW tidemill.job_attempts IS 'The failed attempts of each job, and other attempts with an exit code or known memory use; restrict job_id.';

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

COMMENT ON TABLE tidemill.progress IS 'The progress of each job that has reported; also allocates the numbers of its events, under its lock.';

COMMENT ON COLUMN tidemill.progress.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.progress.last_seq IS 'Number of the job''s last event.';

COMMENT ON COLUMN tidemill.progress.percent IS 'From 0 to 100.';

COMMENT ON COLUMN tidemill.progress.step IS 'What the job does now.';

COMMENT ON COLUMN tidemill.progress.data IS 'Data that the handler defines.';

COMMENT ON COLUMN tidemill.progress.updated_at IS 'When progress was last reported; null if only other events were.';

COMMENT ON COLUMN tidemill.progress.last_report IS 'The last stored report of a worker: if the answer to a report is lost, the worker repeats the report, and it is stored once.';

CREATE VIEW tidemill.job_documents AS
 SELECT j.id,
    j.kind,
    j.queue,
    j.state,
    j.priority,
    j.attempt,
    j.max_attempts,
    j.run_at,
    tidemill.clamp_time(j.created_at) AS created_at,
    tidemill.clamp_time(j.started_at) AS started_at,
    j.finished_at,
    tidemill.clamp_time(j.cancel_requested_at) AS cancel_requested_at,
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
    j.owner,
    j.group_id,
    j.due_at,
    tidemill.clamp_time(j.expires_at) AS expires_at,
    j.unique_key,
    j.workflow_id,
    j.awaited,
    j.written_in,
    tidemill.shown_state(j.state, (j.attempt)::integer, j.run_at, j.due_at) AS status,
    p.percent,
    p.step,
    p.data AS progress_data,
    p.last_seq,
    p.updated_at AS progress_at
   FROM (tidemill.jobs j
     LEFT JOIN tidemill.progress p ON ((p.job_id = j.id)));

COMMENT ON VIEW tidemill.job_documents IS 'Each job with its progress, as the HTTP API shows it.';

CREATE VIEW tidemill.job_events AS
 SELECT events.job_id,
    events.seq,
    events.at,
    events.attempt,
    events.type,
    tidemill.redact(events.data) AS data
   FROM tidemill.events;

COMMENT ON VIEW tidemill.job_events IS 'The events of each job; restrict job_id.';

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
    tidemill.redact((jobs.args)::jsonb) AS args,
    tidemill.redact(jobs.result) AS result,
    tidemill.redact(jobs.error) AS error
   FROM tidemill.jobs
  WHERE (jobs.finished_at IS NOT NULL);

COMMENT ON VIEW tidemill.job_history IS 'Finished jobs; restrict finished_at to a range to read only those days.';

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

COMMENT ON VIEW tidemill.job_links IS 'Which job waits for which, and the outcome; the members of a workflow are its parents.';

CREATE TABLE tidemill.task_ids (
    execution_id text NOT NULL COLLATE pg_catalog."C",
    job_id uuid NOT NULL,
    CONSTRAINT task_ids_are_short CHECK (((length(execution_id) >= 1) AND (length(execution_id) <= 255))),
    CONSTRAINT task_ids_hold_no_control_characters CHECK ((execution_id !~ '[\x01-\x1f\x7f-\x9f]'::text))
);

COMMENT ON TABLE tidemill.task_ids IS 'The callers'' own names for jobs.';

COMMENT ON COLUMN tidemill.task_ids.execution_id IS 'The name, as the caller gave it.';

COMMENT ON COLUMN tidemill.task_ids.job_id IS 'The job with this name.';

CREATE VIEW tidemill.job_names AS
 SELECT task_ids.execution_id,
    task_ids.job_id
   FROM tidemill.task_ids;

COMMENT ON VIEW tidemill.job_names IS 'The callers'' own names for jobs.';

CREATE TABLE tidemill.signals (
    job_id uuid NOT NULL,
    name text NOT NULL,
    payload jsonb,
    timed_out boolean DEFAULT false NOT NULL,
    sent_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    sent_by text,
    CONSTRAINT signals_are_named CHECK (((name <> ''::text) AND (length(name) <= 200))),
    CONSTRAINT signals_name_holds_no_control_characters CHECK ((name !~ '[\x01-\x1f\x7f-\x9f]'::text))
);

COMMENT ON TABLE tidemill.signals IS 'Messages to jobs, the first of each name; also those that came before the job waited for them.';

COMMENT ON COLUMN tidemill.signals.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.signals.name IS 'The signal.';

COMMENT ON COLUMN tidemill.signals.payload IS 'The content of the message.';

COMMENT ON COLUMN tidemill.signals.timed_out IS 'True if no signal came in time; a later one changes nothing.';

COMMENT ON COLUMN tidemill.signals.sent_at IS 'When it came, or timed out.';

COMMENT ON COLUMN tidemill.signals.sent_by IS 'The sender.';

CREATE VIEW tidemill.job_signals AS
 SELECT signals.job_id,
    signals.name,
    tidemill.redact(signals.payload) AS payload,
    signals.timed_out,
    signals.sent_by,
    signals.sent_at
   FROM tidemill.signals;

COMMENT ON VIEW tidemill.job_signals IS 'The signals to each job.';

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

COMMENT ON TABLE tidemill.steps IS 'Checkpoints of jobs: a stored step does not run again.';

COMMENT ON COLUMN tidemill.steps.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.steps.name IS 'The step, unique in the job.';

COMMENT ON COLUMN tidemill.steps.attempt IS 'The attempt that stored it.';

COMMENT ON COLUMN tidemill.steps.output IS 'The output of the step; for a cursor, the position of the job.';

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

CREATE TABLE tidemill.jobs_finished (
    id uuid NOT NULL,
    kind tidemill.job_kind NOT NULL,
    queue tidemill.job_queue DEFAULT 'default'::text NOT NULL,
    state tidemill.job_state DEFAULT 'available'::tidemill.job_state NOT NULL,
    priority tidemill.job_priority DEFAULT 5 NOT NULL,
    attempt tidemill.job_attempt DEFAULT 0 NOT NULL,
    max_attempts tidemill.job_max_attempts DEFAULT 5 NOT NULL,
    run_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    lease_id uuid,
    worker_id text,
    last_lease_id uuid,
    last_worker_id text,
    args tidemill.job_args DEFAULT '{}'::jsonb NOT NULL,
    result jsonb,
    error jsonb,
    execution_id text,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    metadata jsonb,
    soft_timeout tidemill.job_soft_timeout,
    hard_timeout tidemill.job_hard_timeout,
    retain tidemill.job_retain,
    retain_until timestamp with time zone,
    concurrency_keys text[],
    fair_key text,
    owner tidemill.job_owner,
    group_id uuid,
    due_at timestamp with time zone,
    expires_at timestamp with time zone,
    unique_key text,
    workflow_id uuid,
    awaited boolean,
    written_in numeric DEFAULT ((pg_current_xact_id())::text)::numeric NOT NULL,
    CONSTRAINT jobs_finished_at_marks_the_end CHECK (((finished_at IS NULL) = (state < 'completed'::tidemill.job_state))),
    CONSTRAINT jobs_lease_while_running CHECK (((lease_id IS NOT NULL) = (state = 'running'::tidemill.job_state))),
    CONSTRAINT jobs_result_means_completed CHECK (((result IS NULL) OR (state = 'completed'::tidemill.job_state))),
    CONSTRAINT jobs_run_at_is_in_reach CHECK (((run_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND ((run_at < '10000-01-01 00:00:00+00'::timestamp with time zone) OR (state = 'waiting'::tidemill.job_state)))),
    CONSTRAINT jobs_running_has_started CHECK (((lease_id IS NULL) OR ((started_at IS NOT NULL) AND ((attempt)::integer >= 1)))),
    CONSTRAINT jobs_waiting_is_never_due CHECK (((state <> 'waiting'::tidemill.job_state) OR (run_at = 'infinity'::timestamp with time zone))),
    CONSTRAINT jobs_worker_while_running CHECK (((worker_id IS NULL) = (lease_id IS NULL)))
)
PARTITION BY RANGE (finished_at);

COMMENT ON TABLE tidemill.jobs_finished IS 'The finished jobs, in one partition for each day (UTC).';

CREATE TABLE tidemill.jobs_live (
    id uuid NOT NULL,
    kind tidemill.job_kind NOT NULL,
    queue tidemill.job_queue DEFAULT 'default'::text NOT NULL,
    state tidemill.job_state DEFAULT 'available'::tidemill.job_state NOT NULL,
    priority tidemill.job_priority DEFAULT 5 NOT NULL,
    attempt tidemill.job_attempt DEFAULT 0 NOT NULL,
    max_attempts tidemill.job_max_attempts DEFAULT 5 NOT NULL,
    run_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    lease_id uuid,
    worker_id text,
    last_lease_id uuid,
    last_worker_id text,
    args tidemill.job_args DEFAULT '{}'::jsonb NOT NULL,
    result jsonb,
    error jsonb,
    execution_id text,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    metadata jsonb,
    soft_timeout tidemill.job_soft_timeout,
    hard_timeout tidemill.job_hard_timeout,
    retain tidemill.job_retain,
    retain_until timestamp with time zone,
    concurrency_keys text[],
    fair_key text,
    owner tidemill.job_owner,
    group_id uuid,
    due_at timestamp with time zone,
    expires_at timestamp with time zone,
    unique_key text,
    workflow_id uuid,
    awaited boolean,
    written_in numeric DEFAULT ((pg_current_xact_id())::text)::numeric NOT NULL,
    CONSTRAINT jobs_finished_at_marks_the_end CHECK (((finished_at IS NULL) = (state < 'completed'::tidemill.job_state))),
    CONSTRAINT jobs_lease_while_running CHECK (((lease_id IS NOT NULL) = (state = 'running'::tidemill.job_state))),
    CONSTRAINT jobs_live_group_is_due_some_time CHECK (((group_id IS NULL) = (due_at IS NULL))),
    CONSTRAINT jobs_live_group_takes_turns CHECK (((group_id IS NULL) OR (state <> 'available'::tidemill.job_state))),
    CONSTRAINT jobs_live_is_unfinished CHECK ((finished_at IS NULL)),
    CONSTRAINT jobs_result_means_completed CHECK (((result IS NULL) OR (state = 'completed'::tidemill.job_state))),
    CONSTRAINT jobs_run_at_is_in_reach CHECK (((run_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND ((run_at < '10000-01-01 00:00:00+00'::timestamp with time zone) OR (state = 'waiting'::tidemill.job_state)))),
    CONSTRAINT jobs_running_has_started CHECK (((lease_id IS NULL) OR ((started_at IS NOT NULL) AND ((attempt)::integer >= 1)))),
    CONSTRAINT jobs_waiting_is_never_due CHECK (((state <> 'waiting'::tidemill.job_state) OR (run_at = 'infinity'::timestamp with time zone))),
    CONSTRAINT jobs_worker_while_running CHECK (((worker_id IS NULL) = (lease_id IS NULL)))
)
WITH (fillfactor='40', autovacuum_vacuum_scale_factor='0.0', autovacuum_vacuum_threshold='10000', autovacuum_analyze_scale_factor='0.0', autovacuum_analyze_threshold='50000', autovacuum_vacuum_cost_delay='0');

COMMENT ON TABLE tidemill.jobs_live IS 'The unfinished jobs: all rows that the hot path reads and writes.';

CREATE VIEW tidemill.jobs_now AS
 SELECT jobs_live.id,
    jobs_live.kind,
    jobs_live.queue,
    tidemill.shown_state(jobs_live.state, (jobs_live.attempt)::integer, jobs_live.run_at, jobs_live.due_at) AS status,
    jobs_live.priority,
    jobs_live.attempt,
    jobs_live.max_attempts,
    NULLIF(COALESCE(NULLIF(jobs_live.run_at, 'infinity'::timestamp with time zone), jobs_live.due_at), 'infinity'::timestamp with time zone) AS run_at,
    jobs_live.created_at,
    jobs_live.started_at,
    jobs_live.worker_id,
    jobs_live.execution_id,
    jobs_live.tags,
    tidemill.redact((jobs_live.args)::jsonb) AS args,
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

COMMENT ON VIEW tidemill.kind_stats IS 'The outcomes of the jobs of the last day, by kind and hour.';

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
    CONSTRAINT kinds_are_named CHECK (tidemill.is_name(name)),
    CONSTRAINT kinds_backoff_is_sane CHECK ((((backoff_first >= '00:00:00'::interval) AND (backoff_first <= '100 years'::interval)) AND (backoff_factor >= (1)::double precision) AND ((backoff_max >= '00:00:00'::interval) AND (backoff_max <= '100 years'::interval)) AND ((backoff_jitter >= (0)::double precision) AND (backoff_jitter <= (1)::double precision)))),
    CONSTRAINT kinds_breaker_is_sane CHECK (((breaker_after >= 1) AND ((breaker_window >= '00:00:01'::interval) AND (breaker_window <= '1 year'::interval)) AND ((breaker_pause >= '00:00:01'::interval) AND (breaker_pause <= '1 year'::interval)) AND (breaker_crashes >= 0))),
    CONSTRAINT kinds_defaults_is_an_object CHECK ((jsonb_typeof(defaults) = 'object'::text)),
    CONSTRAINT kinds_moments_are_in_reach CHECK (((last_seen_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (last_seen_at < '10000-01-01 00:00:00+00'::timestamp with time zone) AND (breaker_crashed_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (breaker_crashed_at < '10000-01-01 00:00:00+00'::timestamp with time zone) AND (breaker_open_until >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (breaker_open_until < '10000-01-01 00:00:00+00'::timestamp with time zone))),
    CONSTRAINT kinds_permanent_errors_are_no_nulls CHECK ((array_position(permanent_errors, NULL::text) IS NULL)),
    CONSTRAINT kinds_times_are_in_reach CHECK ((((soft_timeout >= '00:00:00'::interval) AND (soft_timeout <= '100 years'::interval)) AND ((hard_timeout >= '00:00:00'::interval) AND (hard_timeout <= '100 years'::interval)) AND ((stop_grace >= '00:00:00'::interval) AND (stop_grace <= '100 years'::interval)) AND ((retain >= '00:00:00'::interval) AND (retain <= '100 years'::interval))))
);

COMMENT ON TABLE tidemill.kinds IS 'Settings of each kind, written by the workers that serve it.';

COMMENT ON COLUMN tidemill.kinds.name IS 'The kind.';

COMMENT ON COLUMN tidemill.kinds.source IS 'command, url, rust or remote.';

COMMENT ON COLUMN tidemill.kinds.queue IS 'The queue of its jobs unless they name another.';

COMMENT ON COLUMN tidemill.kinds.priority IS 'The priority of its jobs unless they name another.';

COMMENT ON COLUMN tidemill.kinds.max_attempts IS 'The maximum number of attempts of its jobs unless they name another.';

COMMENT ON COLUMN tidemill.kinds.soft_timeout IS 'After this time an attempt is asked to stop.';

COMMENT ON COLUMN tidemill.kinds.hard_timeout IS 'After this time an attempt is ended.';

COMMENT ON COLUMN tidemill.kinds.stop_grace IS 'The time that an attempt has after it was asked to stop.';

COMMENT ON COLUMN tidemill.kinds.backoff_first IS 'Delay before the second attempt.';

COMMENT ON COLUMN tidemill.kinds.backoff_factor IS 'The factor by which each further delay is longer.';

COMMENT ON COLUMN tidemill.kinds.backoff_max IS 'The longest delay.';

COMMENT ON COLUMN tidemill.kinds.backoff_jitter IS 'The share of the delay by which it varies at random.';

COMMENT ON COLUMN tidemill.kinds.retain IS 'How long its finished jobs are kept.';

COMMENT ON COLUMN tidemill.kinds.last_seen_at IS 'When a worker last reported that it serves the kind.';

COMMENT ON COLUMN tidemill.kinds.defaults IS 'Defaults of its jobs: concurrency_keys, fair_key, unique, expires_in_seconds. {name} in a key stands for that arg.';

COMMENT ON COLUMN tidemill.kinds.permanent_errors IS 'Classes of errors (their type) that are not retried.';

COMMENT ON COLUMN tidemill.kinds.breaker_after IS 'After this number of crashes within breaker_window its jobs are not started for breaker_pause; null: never.';

COMMENT ON COLUMN tidemill.kinds.breaker_window IS 'Crashes further apart are not counted together.';

COMMENT ON COLUMN tidemill.kinds.breaker_pause IS 'How long its jobs are not started then; the time doubles with each further opening.';

COMMENT ON COLUMN tidemill.kinds.breaker_crashes IS 'The number of crashes that count now.';

COMMENT ON COLUMN tidemill.kinds.breaker_crashed_at IS 'When the last of them happened.';

COMMENT ON COLUMN tidemill.kinds.breaker_openings IS 'How often it opened without a window without crashes between.';

COMMENT ON COLUMN tidemill.kinds.breaker_open_until IS 'Until this time none of its jobs is started.';

CREATE TABLE tidemill.limit_buckets (
    key text NOT NULL,
    tokens double precision NOT NULL,
    filled_at timestamp with time zone NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE tidemill.limit_buckets IS 'How many more jobs of a key with a rate can start now (a token bucket); a key without a row has a full bucket.';

COMMENT ON COLUMN tidemill.limit_buckets.key IS 'The concurrency key, or queue:NAME.';

COMMENT ON COLUMN tidemill.limit_buckets.tokens IS 'Tokens at filled_at; each start takes one.';

COMMENT ON COLUMN tidemill.limit_buckets.filled_at IS 'When the tokens were last counted.';

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

COMMENT ON TABLE tidemill.running IS 'The running attempts, one row for each; pages, limits and the sweep read this table and never the backlog. An attempt of a short kind is entered only after a second; see claim_batches.';

COMMENT ON COLUMN tidemill.running.job_id IS 'The job.';

COMMENT ON COLUMN tidemill.running.lease_id IS 'Its current lease, equal to jobs.lease_id.';

COMMENT ON COLUMN tidemill.running.worker_id IS 'The worker that has the lease.';

COMMENT ON COLUMN tidemill.running.attempt IS 'The number of the attempt.';

COMMENT ON COLUMN tidemill.running.queue IS 'The job''s queue.';

COMMENT ON COLUMN tidemill.running.kind IS 'The job''s kind.';

COMMENT ON COLUMN tidemill.running.started_at IS 'When it was claimed.';

COMMENT ON COLUMN tidemill.running.seen_at IS 'When its worker last named it in a heartbeat.';

COMMENT ON COLUMN tidemill.running.lease_expires_at IS 'From this time on the sweep can take the job back.';

COMMENT ON COLUMN tidemill.running.deadline_at IS 'From this time on the sweep takes the job back even from a live worker.';

COMMENT ON COLUMN tidemill.running.concurrency_keys IS 'The limits that apply to it, as in jobs.';

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

COMMENT ON VIEW tidemill.limit_stats IS 'Each limit and the keys that use it now: how many jobs run, and how many can start at this moment.';

CREATE VIEW tidemill.operation_log AS
 SELECT operation_jobs.operation_id,
    operation_jobs.job_id,
    operation_jobs.outcome,
    operation_jobs.reason,
    operation_jobs.at
   FROM tidemill.operation_jobs;

COMMENT ON VIEW tidemill.operation_log IS 'The jobs that operations skipped or failed on, at most 1,000 of each, and those that an undo would put back.';

CREATE VIEW tidemill.operation_status AS
 SELECT o.id,
    o.action,
    o.filter,
    o.queue,
    o.priority,
    o.rate,
    o.who,
    o.state,
    o.created_at,
    o.ended_at,
    o.expected,
    o.done,
    o.skipped,
    o.failed,
    o.problem,
    o.undoes,
    ( SELECT u.id
           FROM tidemill.operations u
          WHERE ((u.undoes = o.id) AND (u.state <> 'cancelled'::text))) AS undone_by,
    ((o.action = ANY (ARRAY['cancel'::text, 'set_priority'::text, 'move'::text])) AND (o.state <> 'running'::text) AND (o.done > 0) AND (NOT (EXISTS ( SELECT
           FROM tidemill.operations u
          WHERE ((u.undoes = o.id) AND (u.state <> 'cancelled'::text)))))) AS can_be_undone
   FROM tidemill.operations o;

COMMENT ON VIEW tidemill.operation_status IS 'Operations on all jobs that match a filter, with their outcomes: select * from operation_status order by created_at desc.';

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

COMMENT ON VIEW tidemill.progress_now IS 'The running jobs and their progress.';

CREATE TABLE tidemill.queue_capacity (
    queue text NOT NULL,
    free integer DEFAULT 0 NOT NULL,
    counted_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    count_duration interval DEFAULT '00:00:00'::interval NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE tidemill.queue_capacity IS 'How many more jobs each bounded queue accepts before its jobs are counted again. An enqueue into the queue locks its row.';

COMMENT ON COLUMN tidemill.queue_capacity.queue IS 'The queue.';

COMMENT ON COLUMN tidemill.queue_capacity.free IS 'The number of jobs that still fit.';

COMMENT ON COLUMN tidemill.queue_capacity.counted_at IS 'When its jobs were last counted.';

COMMENT ON COLUMN tidemill.queue_capacity.count_duration IS 'The duration of that count; a count of many jobs is repeated no sooner than ten times this duration later.';

CREATE TABLE tidemill.queue_listeners (
    queue text NOT NULL,
    listener text NOT NULL,
    is_busy boolean DEFAULT false NOT NULL,
    seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE tidemill.queue_listeners IS 'The processes that wait for a notification when a queue gets a job; without such a process an enqueue sends none.';

COMMENT ON COLUMN tidemill.queue_listeners.queue IS 'The queue; * for all queues without a row of this listener.';

COMMENT ON COLUMN tidemill.queue_listeners.listener IS 'The worker (workers.id), or the API process whose remote workers wait.';

COMMENT ON COLUMN tidemill.queue_listeners.is_busy IS 'True while the listener polls the queue often by itself and needs no notification.';

COMMENT ON COLUMN tidemill.queue_listeners.seen_at IS 'When the listener last wrote the row; a row that is older than a few minutes is removed.';

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
    CONSTRAINT queues_are_named CHECK (tidemill.is_name(name)),
    CONSTRAINT queues_max_queued_is_sane CHECK (((max_queued >= 0) AND (max_queued <= 100000000))),
    CONSTRAINT queues_moments_are_in_reach CHECK (((paused_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (paused_at < '10000-01-01 00:00:00+00'::timestamp with time zone) AND (draining_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (draining_at < '10000-01-01 00:00:00+00'::timestamp with time zone) AND (updated_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (updated_at < '10000-01-01 00:00:00+00'::timestamp with time zone))),
    CONSTRAINT queues_priority_ageing_is_in_reach CHECK (((priority_ageing > '00:00:00'::interval) AND (priority_ageing <= '1 year'::interval))),
    CONSTRAINT queues_slots_are_not_negative CHECK ((slots >= 0))
);

COMMENT ON TABLE tidemill.queues IS 'Settings of queues; a queue without a row has only defaults.';

COMMENT ON COLUMN tidemill.queues.name IS 'The queue.';

COMMENT ON COLUMN tidemill.queues.paused_at IS 'Since when no job is claimed from it.';

COMMENT ON COLUMN tidemill.queues.paused_by IS 'Who paused it.';

COMMENT ON COLUMN tidemill.queues.draining_at IS 'Since when it refuses new jobs.';

COMMENT ON COLUMN tidemill.queues.draining_by IS 'Who drains it.';

COMMENT ON COLUMN tidemill.queues.slots IS 'How many of its jobs each worker runs at once, instead of the worker''s own setting.';

COMMENT ON COLUMN tidemill.queues.updated_at IS 'When the row was last changed.';

COMMENT ON COLUMN tidemill.queues.priority_ageing IS 'A job that has been due for this time is claimed as if its priority were one better; null: never.';

COMMENT ON COLUMN tidemill.queues.limited IS 'True if claims must be counted: the queue has a limit of its own or ageing priorities.';

COMMENT ON COLUMN tidemill.queues.max_queued IS 'The maximum number of its jobs that wait to run; more are refused. Null: any number.';

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
    CONSTRAINT workers_kinds_are_no_nulls CHECK ((array_position(kinds, NULL::text) IS NULL)),
    CONSTRAINT workers_moments_are_in_reach CHECK (((started_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (started_at < '10000-01-01 00:00:00+00'::timestamp with time zone) AND (seen_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (seen_at < '10000-01-01 00:00:00+00'::timestamp with time zone) AND (drain_requested_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (drain_requested_at < '10000-01-01 00:00:00+00'::timestamp with time zone))),
    CONSTRAINT workers_state_is_known CHECK ((state = ANY (ARRAY['running'::text, 'draining'::text, 'stopped'::text])))
)
WITH (fillfactor='50');

COMMENT ON TABLE tidemill.workers IS 'Processes that claim and run jobs, with their heartbeat.';

COMMENT ON COLUMN tidemill.workers.id IS 'Unique for each start of a worker: name, pid and a random part; a remote worker''s own name.';

COMMENT ON COLUMN tidemill.workers.name IS 'The name that people use.';

COMMENT ON COLUMN tidemill.workers.host IS 'The machine that it runs on.';

COMMENT ON COLUMN tidemill.workers.pid IS 'Its process id there.';

COMMENT ON COLUMN tidemill.workers.version IS 'The version of its binary or client.';

COMMENT ON COLUMN tidemill.workers.state IS 'running, draining (claims no more) or stopped (shut down in order).';

COMMENT ON COLUMN tidemill.workers.queues IS 'Slots by queue.';

COMMENT ON COLUMN tidemill.workers.kinds IS 'The kinds that it serves.';

COMMENT ON COLUMN tidemill.workers.running IS 'The number of its attempts at its last heartbeat.';

COMMENT ON COLUMN tidemill.workers.started_at IS 'When it started.';

COMMENT ON COLUMN tidemill.workers.seen_at IS 'Its last heartbeat.';

COMMENT ON COLUMN tidemill.workers.lease_ttl IS 'How long after a heartbeat its leases last.';

COMMENT ON COLUMN tidemill.workers.drain_requested_at IS 'When it was asked to claim no more.';

COMMENT ON COLUMN tidemill.workers.clock_skew IS 'How much its clock was ahead of the database''s at its last heartbeat.';

COMMENT ON COLUMN tidemill.workers.shedding IS 'Whether it stores less progress, because an old transaction keeps dead rows.';

COMMENT ON COLUMN tidemill.workers.memory_bytes IS 'Memory of its process at its last heartbeat; null if unknown.';

COMMENT ON COLUMN tidemill.workers.cpu_seconds IS 'Processor time of its process since its start; null if unknown.';

COMMENT ON COLUMN tidemill.workers.containment IS 'The method that ends processes which its commands leave in sessions of their own: cgroup, reaper (the worker is their sub-reaper), or group for none; null for remote workers and for programs that embed the library.';

COMMENT ON COLUMN tidemill.workers.other_queue_slots IS 'How many jobs of each queue that is not in queues it runs at once; 0: it takes none.';

COMMENT ON COLUMN tidemill.workers.queues_left_out IS 'The number of further queues with due jobs for it at its last poll, while it followed the maximum number of queues.';

CREATE VIEW tidemill.queue_names AS
 WITH RECURSIVE seen AS (
        ( SELECT jobs_live.queue
           FROM tidemill.jobs_live
          ORDER BY jobs_live.queue
         LIMIT 1)
        UNION ALL
         SELECT ( SELECT j.queue
                   FROM tidemill.jobs_live j
                  WHERE ((j.queue)::text > (s.queue)::text)
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
                  WHERE (((j.queue)::text = n.name) AND (j.group_id IS NOT NULL) AND (j.state = 'waiting'::tidemill.job_state))
                 LIMIT 10000) waiting) AS waiting_at_most_10000,
    GREATEST((0)::bigint, (( SELECT count(*) AS count
           FROM ( SELECT
                   FROM (generate_series(1, 9) p(priority)
                     CROSS JOIN LATERAL ( SELECT
                           FROM tidemill.jobs_live j
                          WHERE (((j.queue)::text = n.name) AND ((j.priority)::smallint = p.priority) AND (j.run_at <= now()))
                         LIMIT (10000 + r.running)) one)
                 LIMIT (10000 + r.running)) due) - r.running)) AS due_at_most_10000,
    ( SELECT min(due.run_at) AS min
           FROM ( SELECT ( SELECT j.run_at
                           FROM tidemill.jobs_live j
                          WHERE (((j.queue)::text = n.name) AND ((j.priority)::smallint = p.priority) AND (j.run_at <= now()) AND (j.state = 'available'::tidemill.job_state))
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

COMMENT ON VIEW tidemill.queue_stats IS 'Each queue: whether it is paused, its limits, the number of running jobs, and of jobs that wait or are due (counted up to 10,000).';

CREATE TABLE tidemill.ready_groups (
    queue text NOT NULL,
    priority smallint NOT NULL,
    group_id uuid NOT NULL,
    concurrency_keys text[] DEFAULT '{}'::text[] NOT NULL,
    ready_at timestamp with time zone NOT NULL
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0.0', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_cost_delay='0');

COMMENT ON TABLE tidemill.ready_groups IS 'The groups of waiting jobs in each queue, one row each; the group with the oldest ready_at is next.';

COMMENT ON COLUMN tidemill.ready_groups.queue IS 'The queue.';

COMMENT ON COLUMN tidemill.ready_groups.priority IS 'The priority.';

COMMENT ON COLUMN tidemill.ready_groups.group_id IS 'The group, as in jobs.';

COMMENT ON COLUMN tidemill.ready_groups.concurrency_keys IS 'The limits that apply to the jobs of the group.';

COMMENT ON COLUMN tidemill.ready_groups.ready_at IS 'When to check the group next: its last claim, or when its next job or token is due; infinity when no job of the group waits.';

CREATE TABLE tidemill.redacted_keys (
    key text NOT NULL,
    deployment text DEFAULT 'default'::text NOT NULL
);

COMMENT ON TABLE tidemill.redacted_keys IS 'Names of keys whose values no view and no answer shows; written by the processes from their config.';

COMMENT ON COLUMN tidemill.redacted_keys.key IS 'Lower case, without underscores and hyphens; outer.url hides a part of the address in outer.';

COMMENT ON COLUMN tidemill.redacted_keys.deployment IS 'The deployment whose config names the key; a key is hidden if any deployment names it.';

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

COMMENT ON TABLE tidemill.schedule_slots IS 'Each time at which a schedule was due, and its outcome; the last 1,000 slots are kept, and at least a day.';

COMMENT ON COLUMN tidemill.schedule_slots.schedule IS 'The schedule.';

COMMENT ON COLUMN tidemill.schedule_slots.slot IS 'The nominal time, before jitter.';

COMMENT ON COLUMN tidemill.schedule_slots.outcome IS 'enqueued, skipped, held (waits for the end of an earlier job), or missed (with all later slots up to the next row).';

COMMENT ON COLUMN tidemill.schedule_slots.job_id IS 'The job that was enqueued.';

COMMENT ON COLUMN tidemill.schedule_slots.reason IS 'Why no job was enqueued.';

COMMENT ON COLUMN tidemill.schedule_slots.fired_at IS 'When that was decided.';

CREATE VIEW tidemill.schedule_log AS
 SELECT schedule_slots.schedule,
    schedule_slots.slot,
    schedule_slots.outcome,
    schedule_slots.job_id,
    schedule_slots.reason,
    schedule_slots.fired_at
   FROM tidemill.schedule_slots;

COMMENT ON VIEW tidemill.schedule_log IS 'The outcome of the slots of every schedule.';

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

COMMENT ON VIEW tidemill.schedule_next IS 'The next five slots of every schedule; a schedule without slots shows the reason.';

CREATE TABLE tidemill.schema_compatibility (
    only_row boolean DEFAULT true NOT NULL,
    oldest_binary integer NOT NULL,
    verbs_digest text,
    shape text[],
    rights text[],
    foreign_until timestamp with time zone,
    CONSTRAINT schema_compatibility_only_row_check CHECK (only_row)
);

COMMENT ON TABLE tidemill.schema_compatibility IS 'Which older binaries can still use this schema.';

COMMENT ON COLUMN tidemill.schema_compatibility.only_row IS 'Keeps the table at one row.';

COMMENT ON COLUMN tidemill.schema_compatibility.oldest_binary IS 'A binary that knows migrations up to this number or later can run on this schema.';

COMMENT ON COLUMN tidemill.schema_compatibility.verbs_digest IS 'Release of the binary that installed the functions and views, and their SHA-256; an older release does not replace them.';

COMMENT ON COLUMN tidemill.schema_compatibility.shape IS 'schema_shape() after the last migration, to find later changes by hand.';

COMMENT ON COLUMN tidemill.schema_compatibility.rights IS 'rights_now() after the last grants, to find grants that are missing since; null if none were made.';

COMMENT ON COLUMN tidemill.schema_compatibility.foreign_until IS 'Rows up to this time can carry transaction numbers of another cluster, from which they were restored or replicated; streams leave them out. Null if there are none.';

CREATE TABLE tidemill.sealing (
    required boolean NOT NULL,
    is_only_row boolean DEFAULT true NOT NULL,
    CONSTRAINT sealing_is_only_row_check CHECK (is_only_row)
);

COMMENT ON TABLE tidemill.sealing IS 'Whether jobs with unencrypted args are refused; no row means that they are accepted. Written by the processes from their config.';

COMMENT ON COLUMN tidemill.sealing.required IS 'True if insert_jobs refuses args that are neither encrypted nor empty.';

COMMENT ON COLUMN tidemill.sealing.is_only_row IS 'There is at most one row.';

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

COMMENT ON VIEW tidemill.stuck_jobs IS 'Attempts without a sign of life; if the sweep runs, it takes them back within seconds.';

CREATE TABLE tidemill.sweep_pauses (
    until timestamp with time zone NOT NULL,
    since timestamp with time zone NOT NULL,
    CONSTRAINT sweep_pauses_have_a_length CHECK ((since < until))
);

COMMENT ON TABLE tidemill.sweep_pauses IS 'Periods of the last day in which no process swept: the database was away, or all processes that sweep were. They count against no lease and no deadline.';

COMMENT ON COLUMN tidemill.sweep_pauses.until IS 'When the first sweep after the pause began.';

COMMENT ON COLUMN tidemill.sweep_pauses.since IS 'Since when no sweep came, though one was due.';

CREATE TABLE tidemill.sweep_times (
    is_only boolean DEFAULT true NOT NULL,
    swept_at timestamp with time zone NOT NULL,
    every interval NOT NULL,
    every_at timestamp with time zone NOT NULL,
    server_started_at timestamp with time zone NOT NULL,
    CONSTRAINT sweep_times_has_one_row CHECK (is_only)
)
WITH (fillfactor='50');

COMMENT ON TABLE tidemill.sweep_times IS 'The time of the last sweep by any process: one row. It shows whether the database was away since.';

COMMENT ON COLUMN tidemill.sweep_times.is_only IS 'Always true.';

COMMENT ON COLUMN tidemill.sweep_times.swept_at IS 'When a process last searched for expired leases.';

COMMENT ON COLUMN tidemill.sweep_times.every IS 'The shortest time between two sweeps of one process.';

COMMENT ON COLUMN tidemill.sweep_times.every_at IS 'When a process with that period last swept.';

COMMENT ON COLUMN tidemill.sweep_times.server_started_at IS 'The start time of the server at that sweep: another start time means that it restarted, or that a standby took over.';

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

CREATE TABLE tidemill.token_secret (
    only_row boolean DEFAULT true NOT NULL,
    secret bytea DEFAULT sha256((uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))) NOT NULL,
    CONSTRAINT token_secret_only_row_check CHECK (only_row)
);

COMMENT ON TABLE tidemill.token_secret IS 'The secret from which the secrets of all tokens are computed; a new value ends every token.';

COMMENT ON COLUMN tidemill.token_secret.only_row IS 'Keeps the table at one row.';

COMMENT ON COLUMN tidemill.token_secret.secret IS '32 random bytes, made with the schema.';

CREATE TABLE tidemill.unique_keys (
    key text NOT NULL,
    job_id uuid,
    supersedes uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT unique_keys_are_short CHECK (((length(key) >= 1) AND (length(key) <= 350)))
)
WITH (fillfactor='70');

COMMENT ON TABLE tidemill.unique_keys IS 'The job that has each unique key; whether it still counts depends on the unique terms of the next job.';

COMMENT ON COLUMN tidemill.unique_keys.key IS 'The key, as in jobs.';

COMMENT ON COLUMN tidemill.unique_keys.job_id IS 'The last job that took it; null if none has yet.';

COMMENT ON COLUMN tidemill.unique_keys.supersedes IS 'Jobs with this key that still ran when it passed to another job, and must not return to the queue.';

COMMENT ON COLUMN tidemill.unique_keys.seen_at IS 'When a job took it, or maintenance last found that its job is kept.';

CREATE VIEW tidemill.unique_holders AS
 SELECT unique_keys.key,
    unique_keys.job_id,
    unique_keys.seen_at
   FROM tidemill.unique_keys;

COMMENT ON VIEW tidemill.unique_holders IS 'The job that last took each unique key; the terms of the next job decide whether it still counts.';

CREATE VIEW tidemill.waiting_groups AS
 SELECT ready_groups.queue,
    ready_groups.priority,
    ready_groups.group_id,
    ready_groups.concurrency_keys,
    NULLIF(ready_groups.ready_at, 'infinity'::timestamp with time zone) AS ready_at
   FROM tidemill.ready_groups;

COMMENT ON VIEW tidemill.waiting_groups IS 'The groups of waiting jobs in each queue; the group with the oldest ready_at is next.';

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
   FROM (tidemill.blocked_jobs w
     JOIN tidemill.jobs_live j ON ((j.id = w.job_id)));

COMMENT ON VIEW tidemill.waiting_jobs IS 'Blocked jobs, each with the signal or the number of jobs that it waits for.';

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
    CONSTRAINT workflows_moments_are_in_reach CHECK (((created_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (created_at < '10000-01-01 00:00:00+00'::timestamp with time zone))),
    CONSTRAINT workflows_on_failure_is_known CHECK ((on_failure = ANY (ARRAY['continue'::text, 'cancel'::text]))),
    CONSTRAINT workflows_result_is_known CHECK ((result_is = ANY (ARRAY['object'::text, 'array'::text, 'last'::text])))
)
WITH (fillfactor='50');

COMMENT ON TABLE tidemill.workflows IS 'Workflows and groups. Each is a job of the kind tidemill.workflow with the same id, which waits for its members and ends with them.';

COMMENT ON COLUMN tidemill.workflows.id IS 'The job that represents it.';

COMMENT ON COLUMN tidemill.workflows.name IS 'The name that people use.';

COMMENT ON COLUMN tidemill.workflows.on_failure IS 'continue: the members that do not depend on a failed one continue; cancel: all others are cancelled.';

COMMENT ON COLUMN tidemill.workflows.result_is IS 'Its result: an object of the members'' results by name, an array of them in order, or that of the last one.';

COMMENT ON COLUMN tidemill.workflows.members IS 'The number of jobs that it waits for.';

COMMENT ON COLUMN tidemill.workflows.done IS 'The number of them that have ended.';

COMMENT ON COLUMN tidemill.workflows.created_at IS 'When it was made.';

CREATE VIEW tidemill.workflow_status AS
 SELECT w.id,
    w.name,
    tidemill.shown_state(j.state, (j.attempt)::integer, j.run_at, j.due_at) AS status,
    w.done,
    w.members,
    (tidemill.redact(j.error) ->> 'message'::text) AS error,
    w.created_at,
    j.finished_at
   FROM (tidemill.workflows w
     JOIN tidemill.jobs j ON ((j.id = w.id)))
  WHERE (j.workflow_id IS NULL);

COMMENT ON VIEW tidemill.workflow_status IS 'Workflows that are not nested in others, and how many of their jobs have ended.';

ALTER TABLE ONLY tidemill.jobs ATTACH PARTITION tidemill.jobs_finished FOR VALUES IN (false);

ALTER TABLE ONLY tidemill.jobs ATTACH PARTITION tidemill.jobs_live FOR VALUES IN (true);

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

ALTER TABLE ONLY tidemill.blocked_jobs
    ADD CONSTRAINT blocked_jobs_pkey PRIMARY KEY (job_id);

ALTER TABLE ONLY tidemill.claim_batches
    ADD CONSTRAINT claim_batches_pkey PRIMARY KEY (lease_id);

ALTER TABLE ONLY tidemill.dependencies
    ADD CONSTRAINT dependencies_pkey PRIMARY KEY (job_id, parent_id);

ALTER TABLE ONLY tidemill.deployments
    ADD CONSTRAINT deployments_pkey PRIMARY KEY (name);

ALTER TABLE ONLY tidemill.ended_sessions
    ADD CONSTRAINT ended_sessions_pkey PRIMARY KEY (key_id, session);

ALTER TABLE ONLY tidemill.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (job_id, seq, at);

ALTER TABLE ONLY tidemill.extension_documents
    ADD CONSTRAINT extension_documents_pkey PRIMARY KEY (extension, name);

ALTER TABLE ONLY tidemill.failure_causes
    ADD CONSTRAINT failure_causes_pkey PRIMARY KEY (fingerprint);

ALTER TABLE ONLY tidemill.finished_parents
    ADD CONSTRAINT finished_parents_pkey PRIMARY KEY (job_id);

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

ALTER TABLE ONLY tidemill.operation_jobs
    ADD CONSTRAINT operation_jobs_pkey PRIMARY KEY (operation_id, job_id);

ALTER TABLE ONLY tidemill.operations
    ADD CONSTRAINT operations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tidemill.progress
    ADD CONSTRAINT progress_pkey PRIMARY KEY (job_id);

ALTER TABLE ONLY tidemill.queue_capacity
    ADD CONSTRAINT queue_capacity_pkey PRIMARY KEY (queue);

ALTER TABLE ONLY tidemill.queue_listeners
    ADD CONSTRAINT queue_listeners_pkey PRIMARY KEY (queue, listener);

ALTER TABLE ONLY tidemill.queues
    ADD CONSTRAINT queues_pkey PRIMARY KEY (name);

ALTER TABLE ONLY tidemill.ready_groups
    ADD CONSTRAINT ready_groups_pkey PRIMARY KEY (queue, priority, group_id);

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

ALTER TABLE ONLY tidemill.token_secret
    ADD CONSTRAINT token_secret_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY tidemill.unique_keys
    ADD CONSTRAINT unique_keys_pkey PRIMARY KEY (key);

ALTER TABLE ONLY tidemill.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tidemill.workflows
    ADD CONSTRAINT workflows_pkey PRIMARY KEY (id);

CREATE INDEX alert_notices_due ON tidemill.alert_notices USING btree (due_at) WHERE (sent_at IS NULL);

CREATE UNIQUE INDEX alert_notices_once ON tidemill.alert_notices USING btree (alert_id, event, channel, target);

CREATE INDEX alerts_fired ON tidemill.alerts USING btree (fired_at, id);

CREATE UNIQUE INDEX alerts_open ON tidemill.alerts USING btree (rule, subject) WHERE (resolved_at IS NULL);

COMMENT ON INDEX tidemill.alerts_open IS 'A rule has one open alert for each subject, so none fires twice.';

CREATE INDEX artifacts_checked ON tidemill.artifacts USING btree (checked_at);

CREATE INDEX artifacts_job ON tidemill.artifacts USING btree (job_id, name, created_at);

CREATE INDEX audit_log_at ON tidemill.audit_log USING btree (at);

CREATE INDEX audit_log_subject ON tidemill.audit_log USING btree (subject, id);

CREATE INDEX blocked_jobs_until ON tidemill.blocked_jobs USING btree (until) WHERE (until IS NOT NULL);

CREATE INDEX dependencies_bad ON tidemill.dependencies USING btree (job_id) WHERE (outcome = ANY (ARRAY['failed'::text, 'cancelled'::text, 'skipped'::text]));

CREATE INDEX dependencies_open ON tidemill.dependencies USING btree (job_id) WHERE (outcome IS NULL);

CREATE INDEX dependencies_parent ON tidemill.dependencies USING btree (parent_id);

CREATE INDEX ended_sessions_ends_at ON tidemill.ended_sessions USING btree (ends_at);

CREATE INDEX failure_causes_last ON tidemill.failure_causes USING btree (last_at);

CREATE INDEX idempotency_keys_expiry ON tidemill.idempotency_keys USING btree (expires_at);

CREATE INDEX jobs_owner_finished ON ONLY tidemill.jobs USING btree (owner, finished_at) WHERE ((owner IS NOT NULL) AND (finished_at IS NOT NULL));

COMMENT ON INDEX tidemill.jobs_owner_finished IS 'Finds the jobs of an owner that finished last; empty on jobs_live.';

CREATE INDEX jobs_finished_owner_finished_at_idx ON ONLY tidemill.jobs_finished USING btree (owner, finished_at) WHERE ((owner IS NOT NULL) AND (finished_at IS NOT NULL));

CREATE INDEX jobs_owner ON ONLY tidemill.jobs USING btree (owner, id) WHERE (owner IS NOT NULL);

COMMENT ON INDEX tidemill.jobs_owner IS 'Finds the jobs of an owner, newest first; names no column that a claim changes.';

CREATE INDEX jobs_finished_owner_id_idx ON ONLY tidemill.jobs_finished USING btree (owner, id) WHERE (owner IS NOT NULL);

CREATE INDEX jobs_live_claim ON tidemill.jobs_live USING btree (queue, priority, run_at, id);

COMMENT ON INDEX tidemill.jobs_live_claim IS 'The order in which jobs are claimed; must never name state, lease or worker.';

CREATE INDEX jobs_live_expiry ON tidemill.jobs_live USING btree (expires_at) WHERE (expires_at IS NOT NULL);

COMMENT ON INDEX tidemill.jobs_live_expiry IS 'Finds the jobs that did not start before they expired.';

CREATE INDEX jobs_live_groups ON tidemill.jobs_live USING btree (queue, priority, group_id, due_at, id) WHERE (group_id IS NOT NULL);

COMMENT ON INDEX tidemill.jobs_live_groups IS 'The jobs of each group, in the order in which they are claimed.';

CREATE INDEX jobs_live_owner_finished_at_idx ON tidemill.jobs_live USING btree (owner, finished_at) WHERE ((owner IS NOT NULL) AND (finished_at IS NOT NULL));

CREATE INDEX jobs_live_owner_id_idx ON tidemill.jobs_live USING btree (owner, id) WHERE (owner IS NOT NULL);

CREATE INDEX jobs_live_tags ON tidemill.jobs_live USING gin (tags) WHERE (tags <> '{}'::text[]);

COMMENT ON INDEX tidemill.jobs_live_tags IS 'Finds live jobs by tag; untagged ones cost nothing.';

CREATE INDEX jobs_live_written ON tidemill.jobs_live USING brin (written_in) WITH (pages_per_range='16', autosummarize='on');

COMMENT ON INDEX tidemill.jobs_live_written IS 'Finds jobs that were enqueued since a transaction; costs next to nothing to maintain.';

CREATE INDEX operations_due ON tidemill.operations USING btree (due_at) WHERE (state = 'running'::text);

CREATE UNIQUE INDEX operations_undone_once ON tidemill.operations USING btree (undoes) WHERE (state <> 'cancelled'::text);

COMMENT ON INDEX tidemill.operations_undone_once IS 'Two requests never undo the same operation.';

CREATE INDEX ready_groups_order ON tidemill.ready_groups USING btree (queue, priority, ready_at, group_id);

CREATE UNIQUE INDEX schedule_slots_held ON tidemill.schedule_slots USING btree (schedule) WHERE (outcome = 'held'::text);

COMMENT ON INDEX tidemill.schedule_slots_held IS 'At most one slot of a schedule waits.';

CREATE INDEX schedules_due ON tidemill.schedules USING btree (next_at) WHERE (paused_at IS NULL);

COMMENT ON INDEX tidemill.schedules_due IS 'The schedule that is due next, without reading the others.';

CREATE INDEX steps_spawned ON tidemill.steps USING btree (spawned_id) WHERE (spawned_id IS NOT NULL);

CREATE INDEX task_ids_job ON tidemill.task_ids USING btree (job_id);

CREATE INDEX unique_keys_seen ON tidemill.unique_keys USING btree (seen_at);

ALTER INDEX tidemill.jobs_owner_finished ATTACH PARTITION tidemill.jobs_finished_owner_finished_at_idx;

ALTER INDEX tidemill.jobs_owner ATTACH PARTITION tidemill.jobs_finished_owner_id_idx;

ALTER INDEX tidemill.jobs_owner_finished ATTACH PARTITION tidemill.jobs_live_owner_finished_at_idx;

ALTER INDEX tidemill.jobs_owner ATTACH PARTITION tidemill.jobs_live_owner_id_idx;

CREATE TRIGGER alert_rules_audited AFTER INSERT OR DELETE OR UPDATE ON tidemill.alert_rules FOR EACH ROW EXECUTE FUNCTION tidemill.audit_change('alert', 'name', 'updated_at');

COMMENT ON TRIGGER alert_rules_audited ON tidemill.alert_rules IS 'People make and drop rules, so changes are audited.';

CREATE TRIGGER api_keys_audited AFTER INSERT OR DELETE OR UPDATE ON tidemill.api_keys FOR EACH ROW EXECUTE FUNCTION tidemill.audit_change('key', 'id', 'secret_hash,last_used_at');

COMMENT ON TRIGGER api_keys_audited ON tidemill.api_keys IS 'Keys are made and revoked by people, so changes are audited.';

CREATE TRIGGER jobs_live_awaited AFTER DELETE ON tidemill.jobs_live FOR EACH ROW WHEN (old.awaited) EXECUTE FUNCTION tidemill.note_finished_parent();

COMMENT ON TRIGGER jobs_live_awaited ON tidemill.jobs_live IS 'Fires only for jobs that others wait for.';

CREATE TRIGGER limits_audited AFTER INSERT OR DELETE OR UPDATE ON tidemill.limits FOR EACH ROW EXECUTE FUNCTION tidemill.audit_change('limit', 'name', 'updated_at');

COMMENT ON TRIGGER limits_audited ON tidemill.limits IS 'Limits are set by people, so changes are audited.';

CREATE TRIGGER queues_audited AFTER INSERT OR DELETE OR UPDATE ON tidemill.queues FOR EACH ROW EXECUTE FUNCTION tidemill.audit_change('queue', 'name', 'updated_at,limited');

COMMENT ON TRIGGER queues_audited ON tidemill.queues IS 'Pauses, drains, slots and ageing are set by people, so changes are audited.';

CREATE TRIGGER schedule_written BEFORE INSERT OR UPDATE ON tidemill.schedules FOR EACH ROW EXECUTE FUNCTION tidemill.schedule_written();

CREATE TRIGGER schedules_audited AFTER INSERT OR DELETE OR UPDATE OF cron, every, at, timezone, job, missed, missed_limit, overlap, jitter, paused_at ON tidemill.schedules FOR EACH ROW EXECUTE FUNCTION tidemill.audit_change('schedule', 'name', 'anchor_at,next_at,upcoming,last_slot_at,unfinished,problem,updated_at');

COMMENT ON TRIGGER schedules_audited ON tidemill.schedules IS 'Schedules are made, changed and paused by people, so changes are audited.';

ALTER TABLE ONLY tidemill.alert_notices
    ADD CONSTRAINT alert_notices_alert_id_fkey FOREIGN KEY (alert_id) REFERENCES tidemill.alerts(id) ON DELETE CASCADE;

ALTER TABLE ONLY tidemill.ended_sessions
    ADD CONSTRAINT ended_sessions_key_id_fkey FOREIGN KEY (key_id) REFERENCES tidemill.api_keys(id) ON DELETE CASCADE;

ALTER TABLE ONLY tidemill.operation_jobs
    ADD CONSTRAINT operation_jobs_operation_id_fkey FOREIGN KEY (operation_id) REFERENCES tidemill.operations(id) ON DELETE CASCADE;

ALTER TABLE ONLY tidemill.operations
    ADD CONSTRAINT operations_undoes_fkey FOREIGN KEY (undoes) REFERENCES tidemill.operations(id) ON DELETE CASCADE;

ALTER TABLE ONLY tidemill.schedule_slots
    ADD CONSTRAINT schedule_slots_schedule_fkey FOREIGN KEY (schedule) REFERENCES tidemill.schedules(name) ON UPDATE CASCADE ON DELETE CASCADE;
