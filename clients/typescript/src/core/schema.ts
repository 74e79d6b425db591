// What the server says of its routes. Made by scripts/schema.mjs from the OpenAPI document: not for hands.

export interface paths {
    "/api/orchestration/task-status/{task_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read the state of a task
         * @description Its events are also available as a stream: GET /api/v1/jobs/{id}/events.
         *
         *     Needs a key with the scope `read` or `enqueue`.
         */
        get: operations["hub_task_status"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Stream the events of many jobs
         * @description The streams of all the jobs in one, each with its own `snapshot` and its own end. `id` is an
         *     opaque cursor over all of them: a reader that reconnects with it misses nothing and gets nothing
         *     twice. Ends when all named jobs have finished; with `queue`, `kind` or `all` it stays open until
         *     its lifetime ends, and carries every job of them from its enqueue to its end, even a very short
         *     one: a `snapshot` when it is enqueued and when an attempt starts, its events, its end. It starts
         *     with the running jobs. A frame `reset` says that the stream is incomplete from `since` on
         *     (retention dropped events, or the database was restored to an earlier state); `lagged` says that
         *     one transaction changed more jobs than a stream carries; list the jobs then. With `settings`
         *     among `types`, and a queue, a kind or `all`, a frame `settings` says that queues, limits,
         *     schedules, keys or rules of alerts may have changed: read again what you show of them. A reader
         *     that reconnects when every named job has finished gets 204.
         *
         *     Needs a key with the scope `read`.
         */
        get: operations["events_stream_many"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List jobs
         * @description Live and finished jobs, newest first. A job must match all filters. The search for one page is
         *     bounded: with a filter that matches few jobs a page may have fewer jobs, or none, and a
         *     `next_cursor` that continues the search.
         *
         *     Needs a key with the scope `read`.
         */
        get: operations["jobs_list"];
        put?: never;
        /**
         * Enqueue a job
         * @description The job is stored durably when the answer arrives. With an `Idempotency-Key` the request may be
         *     repeated for 24 hours: the first answer is returned again and nothing happens twice.
         *
         *     Needs a key with the scope `enqueue`.
         */
        post: operations["jobs_create"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read a job
         * @description Needs a key with the scope `read` or `enqueue`.
         */
        get: operations["jobs_show"];
        put?: never;
        post?: never;
        /**
         * Delete a job
         * @description Deletes a job that is not running, with its events and attempts.
         *
         *     Needs a key with the scope `admin`.
         */
        delete: operations["jobs_delete"];
        options?: never;
        head?: never;
        /**
         * Change a job
         * @description Changes a job that is not running.
         *
         *     Needs a key with the scope `enqueue`.
         */
        patch: operations["jobs_change"];
        trace?: never;
    };
    "/api/v1/jobs/{id}/artifacts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List a job's files
         * @description Needs a key with the scope `read` or `enqueue`.
         */
        get: operations["jobs_list_artifacts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Cancel a job
         * @description A job that is not running is cancelled at once; the handler of a running job is asked to stop.
         *
         *     Needs a key with the scope `enqueue`.
         */
        post: operations["jobs_cancel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List the events of a job
         * @description Page by page. With `Accept: text/event-stream` the same address answers the live stream, as
         *     `/jobs/{id}/events/stream` does.
         *
         *     Needs a key with the scope `read` or `enqueue`.
         */
        get: operations["events_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{id}/events/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Stream the events of a job
         * @description First `snapshot` (the job), then the events after `Last-Event-ID`, then live events; the last
         *     frame is `completed`, `failed` or `cancelled`. `id` is the position to reconnect with (opaque:
         *     the last one is not a number), `event` the type, `data` JSON with `job_id`, `seq`, `attempt`,
         *     `at` and the type's own fields. A frame `reset` says that events before its position were
         *     dropped, or that events after it did not happen. A reader that reconnects with the `id` of the
         *     last frame gets 204 and need not reconnect again.
         *
         *     Needs a key with the scope `read` or `enqueue`.
         */
        get: operations["events_stream"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{id}/explain": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Explain a job
         * @description Why the job is not running: the reasons in the order in which to address them, and an estimate
         *     of its start.
         *
         *     Needs a key with the scope `read` or `enqueue`.
         */
        get: operations["jobs_explain"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{id}/result": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Wait for the result of a job
         * @description Answers as soon as the job is completed, failed or cancelled, at the latest when `wait` has
         *     passed.
         *
         *     Needs a key with the scope `read` or `enqueue`.
         */
        get: operations["jobs_get_result"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{id}/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Retry a job
         * @description Makes a finished job live again with at least one more attempt; a job that waits for its next
         *     attempt runs now.
         *
         *     Needs a key with the scope `enqueue`.
         */
        post: operations["jobs_retry"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{id}/signals/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send a signal
         * @description Sends a named message to a job that waits for it now or later. The first signal of a name
         *     counts.
         *
         *     Needs a key with the scope `enqueue`.
         */
        post: operations["jobs_signal"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/batch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Enqueue many jobs
         * @description Takes 1 to 10,000 jobs in one transaction. Valid jobs are stored; each invalid job is refused
         *     with its own problem; `Retry-After` says when a full queue may have free capacity. With an
         *     `Idempotency-Key` the whole request may be repeated.
         *
         *     Needs a key with the scope `enqueue`.
         */
        post: operations["jobs_create_batch"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/get": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Read many jobs
         * @description Needs a key with the scope `read` or `enqueue`.
         */
        post: operations["jobs_show_many_jobs"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/me/activity": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List what changed of an owner's jobs
         * @description Enqueued, started, progressed, failed an attempt, finished, retried or cancelled: each job once, as it
         *     is now, the newest change first. For a page that shows a user what goes on, also on a second device or
         *     after a reload. A call with the `cursor` of the one before misses no change; a job that changed while
         *     that one was answered may come once more. Only the newest 1,000 unfinished and 1,000 finished jobs of
         *     an owner are searched.
         *
         *     Needs a key with the scope `read`.
         */
        get: operations["jobs_activity"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/operations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List operations
         * @description Newest first; kept for 30 days after their end.
         *
         *     Needs a key with the scope `read`.
         */
        get: operations["operations_list"];
        put?: never;
        /**
         * Start an operation
         * @description Acts on all jobs that match the filter and were enqueued before it, each once, in the
         *     background and no faster than the rate. With an `Idempotency-Key` the request may be repeated.
         *
         *     Needs a key with the scope `admin`.
         */
        post: operations["operations_start"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/operations/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read an operation
         * @description With its report: how many jobs are done, skipped by reason, and failed, and which were left as
         *     they were.
         *
         *     Needs a key with the scope `read`.
         */
        get: operations["operations_show"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/operations/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Cancel an operation
         * @description It stops after its present batch; what it has done stays done. An operation that has ended stays
         *     as it is.
         *
         *     Needs a key with the scope `admin`.
         */
        post: operations["operations_cancel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/operations/{id}/undo": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Undo an operation
         * @description Starts an operation that puts back the jobs that are still as this one left them: cancelled jobs
         *     that did not run are live again, priorities and queues are as before. The other actions cannot be
         *     undone.
         *
         *     Needs a key with the scope `admin`.
         */
        post: operations["operations_undo"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/operations/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Preview an operation
         * @description Counts the jobs on which it would act now, and those that it would skip, by reason. Changes
         *     nothing. Of a long history one call counts a part; a further one goes on after its `looked_to`.
         *
         *     Needs a key with the scope `read`.
         */
        post: operations["operations_preview"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description The jobs of an owner that changed. */
        Activity: {
            /** @description What the next call sends as `since`. */
            cursor: string;
            /** @description The jobs as they are now, the one that changed last first. */
            items: components["schemas"]["JobDocument"][];
            /** @description True if further jobs changed, earlier than the last item; `GET /api/v1/jobs?owner=…` lists all. */
            more: boolean;
        };
        /** @description A job to wait for; with `as` its result is passed on. */
        After: string | components["schemas"]["AfterPassing"];
        /** @description A job to wait for, and the use of its result. */
        AfterPassing: {
            /** @description The arg under which the result is passed on. */
            as?: string | null;
            /** @description Its id, or `execution:NAME`. */
            job: string;
        };
        /** @description A file of a job. */
        Artifact: {
            /**
             * Format: int64
             * @description Its size.
             */
            bytes: number;
            /** @description Its content type, such as `image/png`. */
            content_type: string;
            /**
             * Format: date-time
             * @description The time when it was stored.
             */
            created_at: string;
            /** @description Its name within the job. */
            name: string;
        };
        /** @description The outcome of one item. */
        BatchResult: {
            /** @description The new job, or its id if the answer is minimal; for an existing job, its id and links. */
            job?: {
                [key: string]: unknown;
            } | null;
            problem?: components["schemas"]["Problem"] | null;
            status: components["schemas"]["BatchStatus"];
        };
        /** @description The outcomes of the items of a batch, in order. */
        BatchResults: {
            results: components["schemas"]["BatchResult"][];
        };
        /**
         * @description The status of one item.
         * @enum {string}
         */
        BatchStatus: "created" | "existing" | "refused";
        /** @description The filter of jobs; a job must match every given field. */
        BulkFilter: {
            /** Format: date-time */
            created_after?: string;
            /** Format: date-time */
            created_before?: string;
            /** @description Text in the message of the last error. */
            error?: string;
            /** @description A cause of GET /failures. */
            fingerprint?: string;
            /** Format: date-time */
            finished_after?: string;
            /** Format: date-time */
            finished_before?: string;
            kind?: string;
            owner?: string;
            /** @description 1 to 9, or its name, as text. */
            priority?: string;
            queue?: string;
            /**
             * @description A value in the args, the metadata or the error, as in GET /jobs; for operations, and only with
             *     `created_after`, at most 31 days before `created_before` or now.
             */
            search?: string;
            /** @description The stored state, or `scheduled` or `retrying`. */
            state?: components["schemas"]["StateFilter"];
            tag?: string;
            /**
             * Format: uuid
             * @description The id of a workflow.
             */
            workflow?: string;
        };
        /** @description The reason of a cancellation. */
        CancelRequest: {
            /** @description For the job's log, at most 500 characters. */
            reason?: string | null;
        };
        /** @description One concurrency key such as `tenant:42`, or 1 to 4 of them. */
        ConcurrencyKey: string | string[];
        /** @description A duration as text such as `30s`, `1h30m`, `2days`, or as a number of seconds. */
        Duration: string | number;
        /** @description Events of one job in order. */
        EventList: {
            /** @description The events, each as the `data` of its frame, with its `type`. */
            items: components["schemas"]["JobEvent"][];
            /** @description The cursor of the next page; null at the present end. */
            next_cursor?: string | null;
        };
        /**
         * @description The frames of a stream as text; the `data` of each frame is an event. Clients with stream
         *     support return the events.
         */
        EventStream: components["schemas"]["JobEvent"] | string;
        /** @description The existing job. */
        ExistingJob: components["schemas"]["JobDocument"] & {
            /** @description True: no new job was stored. */
            existing: boolean;
        };
        /** @description Why a job is not running, and when it may start. */
        Explanation: {
            /** @description The basis of the estimate. */
            based_on?: string | null;
            /**
             * Format: date-time
             * @description An estimate of its start; null if it is unknown, or if someone has to act first.
             */
            expected_start_at?: string | null;
            /**
             * Format: uuid
             * @description The job.
             */
            job_id: string;
            /** @description The reasons, in the order in which to address them. */
            reasons: components["schemas"]["Reason"][];
        };
        /** @description The jobs that were asked for. */
        FoundJobs: {
            /** @description In the order of the request; null where there is no such job, or the token does not reach it. */
            items: (components["schemas"]["JobDocument"] | null)[];
        };
        /**
         * @description The changes to a job; fields left out stay as they are.
         * @example {
         *       "priority": "high",
         *       "queue": "night"
         *     }
         */
        JobChange: {
            /**
             * Format: int64
             * @description The most attempts; more than the job has already had.
             */
            max_attempts?: number | null;
            /** @description Your own data, instead of the present data; null removes it. */
            metadata?: {
                [key: string]: unknown;
            } | null;
            priority?: components["schemas"]["Priority"] | null;
            /** @description The queue. */
            queue?: string | null;
            /**
             * Format: date-time
             * @description The earliest start: RFC 3339 with an offset.
             */
            run_at?: string | null;
            /** @description Tags to find the job by, instead of its present ones. */
            tags?: string[] | null;
        };
        /** @description One job. */
        JobDocument: {
            /** @description The input. */
            args: {
                [key: string]: unknown;
            };
            /**
             * Format: int32
             * @description Ordinal of the present or last attempt.
             */
            attempt: number;
            /**
             * Format: date-time
             * @description The time of the cancel request.
             */
            cancel_requested_at?: string | null;
            /** @description The limits that it counts against. */
            concurrency_keys: string[];
            /**
             * Format: date-time
             * @description The time of the enqueue.
             */
            created_at: string;
            /** @description The last error: message, type, permanent, backtrace. */
            error?: {
                [key: string]: unknown;
            } | null;
            /** @description The caller's own name for it. */
            execution_id?: string | null;
            /**
             * Format: date-time
             * @description The time at which the job is cancelled if it has not started.
             */
            expires_at?: string | null;
            /** @description The group of the job for fairness; within a queue and priority, jobs of different groups take turns. */
            fair_key?: string | null;
            /**
             * Format: date-time
             * @description The time when the job finished.
             */
            finished_at?: string | null;
            /**
             * Format: uuid
             * @description A `UUIDv7`.
             */
            id: string;
            /** @description The kind, which selects the handler. */
            kind: string;
            /** @description The links of the job. */
            links: components["schemas"]["Links"];
            /**
             * Format: int32
             * @description The most attempts.
             */
            max_attempts: number;
            /** @description The caller's own data; any JSON, because SQL accepts that. */
            metadata?: unknown;
            /** @description The user for whom it runs, an id that the application defines. */
            owner?: string | null;
            /**
             * Format: int32
             * @description 1 (first) to 9 (last).
             */
            priority: number;
            progress?: components["schemas"]["Progress"] | null;
            /** @description The queue that it is claimed from. */
            queue: string;
            /** @description The handler's result. */
            result?: unknown;
            /**
             * Format: date-time
             * @description The earliest start; null while it waits for other jobs.
             */
            run_at?: string | null;
            /**
             * Format: date-time
             * @description The time when the present or last attempt was claimed.
             */
            started_at?: string | null;
            /** @description The stored state. */
            state: components["schemas"]["JobState"];
            /** @description The displayed state: as `state`, or `scheduled`, or `retrying`. */
            status: string;
            /** @description Tags to find the job by. */
            tags: string[];
            /** @description The worker that runs it, or ran it last. */
            worker_id?: string | null;
            /**
             * Format: uuid
             * @description The workflow that it belongs to, which is also a job.
             */
            workflow_id?: string | null;
        };
        /** @description An event of a job: these fields, and those of its type. */
        JobEvent: {
            /**
             * Format: date-time
             * @description When it happened.
             */
            at: string;
            /**
             * Format: int32
             * @description The attempt in which it happened; 0 before the first.
             */
            attempt: number;
            /**
             * Format: uuid
             * @description The job.
             */
            job_id: string;
            /**
             * Format: int64
             * @description The number of the event in its job, from 1; in a `snapshot`, the position that the snapshot
             *     represents.
             */
            seq: number;
            /** @description Its type; in a stream, the name of the frame instead. */
            type?: string | null;
        } & {
            [key: string]: unknown;
        };
        /**
         * @description A job to enqueue. Only `kind` is required; fields left out come from the settings of the kind. `null` as
         *     `concurrency_key`, `fair_key`, `unique` or `expires_in` turns off that of the kind.
         * @example {
         *       "args": {
         *         "crate": "hello"
         *       },
         *       "delay": "30s",
         *       "kind": "build-crate",
         *       "priority": "high"
         *     }
         */
        JobRequest: {
            /**
             * @description The jobs that it waits for: ids or `execution:NAME`, or `{"job": …, "as": "arg"}` to receive
             *     the result as an arg (`name[]` collects several). A delay starts when they have finished.
             */
            after?: components["schemas"]["After"][] | null;
            /** @description The job's input. */
            args?: {
                [key: string]: unknown;
            };
            concurrency_key?: components["schemas"]["ConcurrencyKey"] | null;
            delay?: components["schemas"]["Duration"] | null;
            /** @description Your own name for this piece of work; unique among the jobs that are kept. */
            execution_id?: string | null;
            /**
             * Format: date-time
             * @description The time at which the job is cancelled if it has not started: RFC 3339 with an offset.
             */
            expires_at?: string | null;
            expires_in?: components["schemas"]["Duration"] | null;
            /**
             * @description The group of the job for fairness; within a queue and priority, jobs of different groups
             *     take turns.
             */
            fair_key?: string | null;
            hard_timeout?: components["schemas"]["Duration"] | null;
            /**
             * @description The kind, which selects the handler: 1 to 63 letters, digits, `.`, `_` and `-`.
             * @example build-crate
             */
            kind: string;
            /**
             * Format: int64
             * @description The most attempts.
             */
            max_attempts?: number | null;
            /** @description Your own data that the handler does not need, at most 16 KiB. */
            metadata?: {
                [key: string]: unknown;
            };
            /**
             * @description The user for whom it runs, an id that your application defines; tokens for this owner reach
             *     the job, and its children inherit it.
             */
            owner?: string | null;
            priority?: components["schemas"]["Priority"] | null;
            /** @description The queue; by default that of the kind. */
            queue?: string | null;
            retain?: components["schemas"]["Duration"] | null;
            /**
             * Format: date-time
             * @description The earliest start: RFC 3339 with an offset.
             */
            run_at?: string | null;
            run_if?: components["schemas"]["RunIf"] | null;
            soft_timeout?: components["schemas"]["Duration"] | null;
            /** @description Tags to find the job by, each of 1 to 64 characters. */
            tags?: string[] | null;
            unique?: components["schemas"]["Unique"] | null;
        };
        /** @description The outcome or the current state of a job. */
        JobResult: {
            /** @description The last failure. */
            error?: unknown;
            /** @description The whole job. */
            job: components["schemas"]["JobDocument"];
            /** @description The handler's result, if the job completed. */
            result?: unknown;
            /** @description The stored state; final if the answer is 200. */
            state: components["schemas"]["JobState"];
        };
        /**
         * @description The state of a job.
         * @enum {string}
         */
        JobState: "waiting" | "available" | "running" | "completed" | "failed" | "cancelled";
        /** @description Routes of one job. */
        Links: {
            /** @description Cancels it. */
            cancel: string;
            /** @description Its events, as JSON or as a stream. */
            events: string;
            /** @description Waits for its end. */
            result: string;
            /** @description The job. */
            self: string;
        };
        /** @description The jobs to read. */
        NamedJobs: {
            /** @description 1 to 200 ids, or `execution:NAME`. */
            jobs: string[];
        };
        /**
         * @description What an operation does.
         * @enum {string}
         */
        OperationAction: "cancel" | "retry" | "run_now" | "delete" | "set_priority" | "move";
        /** @description An operation with its report. */
        OperationDocument: {
            /** @description `cancel`, `retry`, `run_now`, `delete`, `set_priority`, `move` or `undo`. */
            action: string;
            /** @description True if it can be undone now. */
            can_be_undone: boolean;
            /**
             * Format: date-time
             * @description When it was started.
             */
            created_at: string;
            /**
             * Format: int32
             * @description The number of jobs on which it acted.
             */
            done: number;
            /**
             * Format: date-time
             * @description When it ended.
             */
            ended_at?: string | null;
            /**
             * Format: int32
             * @description The number of jobs on which it could act at its start; null: more than could be counted soon.
             */
            expected?: number | null;
            /**
             * Format: int32
             * @description The number of jobs on which the action failed.
             */
            failed: number;
            /** @description The filter; only jobs that were enqueued before the operation match. */
            filter: {
                [key: string]: unknown;
            };
            /**
             * Format: uuid
             * @description Its id.
             */
            id: string;
            /**
             * Format: int32
             * @description The priority that `set_priority` gives.
             */
            priority?: number | null;
            /** @description Why the last batch could not be carried out; it is tried again. Null if it could. */
            problem?: string | null;
            /** @description The queue into which `move`, and perhaps `retry`, puts the jobs. */
            queue?: string | null;
            /** @description The most jobs in a time, such as `200/min`; null: as fast as it goes. */
            rate?: string | null;
            /** @description The number of jobs that it left as they were, by reason. */
            skipped: {
                [key: string]: number;
            };
            /** @description `running`, `done` or `cancelled`. */
            state: string;
            /**
             * Format: uuid
             * @description The operation that this one undoes.
             */
            undoes?: string | null;
            /**
             * Format: uuid
             * @description The operation that undoes this one.
             */
            undone_by?: string | null;
            /** @description The author. */
            who: string;
        };
        /** @description A job that an operation left as it was. */
        OperationJob: {
            /**
             * Format: date-time
             * @description When it was looked at.
             */
            at: string;
            /**
             * Format: uuid
             * @description The job.
             */
            job_id: string;
            /** @description `skipped` or `failed`. */
            outcome: string;
            /** @description The reason. */
            reason?: string | null;
        };
        /** @description What an operation would do. */
        OperationPreview: {
            /**
             * @description False if there is more to look at: one call looks at 100,000 jobs that match, and for a fifth of a
             *     second, at most. The numbers are of what it saw.
             */
            complete: boolean;
            /**
             * Format: uuid
             * @description The last job that it looked at, for a call that goes on after it; null if it is complete.
             */
            looked_to?: string | null;
            /**
             * Format: int32
             * @description The number of jobs on which it would act.
             */
            matched: number;
            /** @description The ids of the first jobs on which it would act, at most 20. */
            sample: string[];
            /** @description The number of jobs that it would leave as they are, by reason. */
            skipped: {
                [key: string]: number;
            };
        };
        /** @description An operation, and the first jobs that it left as they were. */
        OperationReport: components["schemas"]["OperationDocument"] & {
            /** @description The first jobs that it skipped or on which it failed, at most 100. */
            left: components["schemas"]["OperationJob"][];
        };
        /**
         * @description The action, and the jobs to act on.
         * @example {
         *       "action": "retry",
         *       "filter": {
         *         "error": "timeout",
         *         "kind": "send-mail"
         *       },
         *       "rate": "200/min"
         *     }
         */
        OperationRequest: {
            /** @description The action. */
            action: components["schemas"]["OperationAction"];
            /** @description True to act on all jobs to which the action applies; only without a filter. */
            all?: boolean;
            filter?: components["schemas"]["BulkFilter"] | null;
            /** @description The priority that `set_priority` gives: 1 to 9, or its name. */
            priority?: string | null;
            /** @description The queue for moved, perhaps for retried jobs. */
            queue?: string | null;
            /** @description The most jobs in a time: `5/s`, `200/min` or `1000/h`; by default as fast as it goes. */
            rate?: string | null;
        };
        /** @description A page of a list. */
        Page_Artifact: {
            /** @description The items of this page. */
            items: components["schemas"]["Artifact"][];
            /** @description The `cursor` of the next page; null on the last page. */
            next_cursor?: string | null;
        };
        /** @description A page of a list. */
        Page_JobDocument: {
            /** @description The items of this page. */
            items: components["schemas"]["JobDocument"][];
            /** @description The `cursor` of the next page; null on the last page. */
            next_cursor?: string | null;
        };
        /** @description A page of a list. */
        Page_OperationDocument: {
            /** @description The items of this page. */
            items: components["schemas"]["OperationDocument"][];
            /** @description The `cursor` of the next page; null on the last page. */
            next_cursor?: string | null;
        };
        /** @description 1 (first) to 9 (last), or its name: 1, 3, 5, 7. */
        Priority: number | ("critical" | "high" | "normal" | "low");
        /** @description An RFC 9457 problem document as it is sent. */
        Problem: {
            /** @description The explanation of this occurrence. */
            detail: string;
            /**
             * @description JSON pointer into the body, or name of the query parameter or header, that it is about.
             * @example /args/name
             */
            field?: string | null;
            /** @description The advice about what to do. */
            remedy: string;
            /**
             * Format: int32
             * @description The status of the answer.
             * @example 422
             */
            status: number;
            /** @description The kind of problem in words. */
            title: string;
            /**
             * @description Stable name of the kind of problem.
             * @example https://tidemill.dev/problems/invalid-request
             */
            type: string;
        } & {
            [key: string]: unknown;
        };
        /** @description The progress of a job. */
        Progress: {
            /** @description The handler's own data. */
            data?: unknown;
            /**
             * Format: float
             * @description From 0 to 100.
             */
            percent?: number | null;
            /**
             * Format: int64
             * @description Number of the job's last event.
             */
            seq: number;
            /** @description The current step. */
            step?: string | null;
            /**
             * Format: date-time
             * @description The time of the report.
             */
            updated_at: string;
        };
        /** @description One reason why a job is not running. */
        Reason: {
            /** @description The code for programs: `not_due`, `queue_paused`, `limit_full` and so on. */
            code: string;
            /** @description Further fields of the code. */
            details: {
                [key: string]: unknown;
            };
            /** @description The message for a person. */
            message: string;
            /**
             * Format: date-time
             * @description The time until which the reason holds, if that is known.
             */
            until?: string | null;
        };
        /**
         * @description Which outcomes of its parents let a job run.
         * @enum {string}
         */
        RunIf: "all_completed" | "all_finished" | "any_completed" | "any_failed";
        /** @description The outcome of a signal. */
        SignalAnswer: {
            /**
             * Format: int64
             * @description How many signals the job has, with this one.
             */
            count: number;
            /** @description `delivered`, or `ignored` because a signal of that name arrived or timed out earlier. */
            outcome: string;
        };
        /** @description The payload of a signal. */
        SignalRequest: {
            /** @description Any JSON, at most 64 KiB. */
            payload?: unknown;
        };
        /**
         * @description A state that is stored, or one that is shown.
         * @enum {string}
         */
        StateFilter: "waiting" | "available" | "running" | "completed" | "failed" | "cancelled" | "scheduled" | "retrying";
        /** @description The state of a task. */
        TaskStatusResponse: {
            /** @description The error. */
            error?: string | null;
            /**
             * Format: int32
             * @description From 0 to 100.
             */
            progress: number;
            /** @description True if the task has finished. */
            ready: boolean;
            /** @description The result. */
            result?: unknown;
            /** @description PENDING, BUILDING, RUNNING, SUCCESS, FAILURE or REVOKED. */
            state: string;
            /** @description The current status, for a person. */
            status: string;
            /**
             * Format: uuid
             * @description The job's id.
             */
            task_id: string;
        };
        /** @description How fast an operation is undone. */
        UndoRequest: {
            /** @description The most jobs in a time: `5/s`, `200/min` or `1000/h`; by default as fast as it goes. */
            rate?: string | null;
        };
        /** @description The rule for a unique job. Without `key`, its kind and the fields in `by` form the key. */
        Unique: {
            /** @description The args that count; all by default. */
            args?: string[] | null;
            /**
             * @description The parts of the key besides the kind: some of `kind`, `queue`, `args`; kind and args by
             *     default.
             */
            by?: ("kind" | "queue" | "args")[] | null;
            /**
             * @description A key that is shared by all kinds; `{name}` stands for the value of that arg.
             * @example report:{customer}
             */
            key?: string | null;
            /**
             * @description `keep` (the default: the answer is the existing job), `reject`, `replace`, or `next_period`
             *     (the job runs in the next period unless another one does).
             * @enum {string|null}
             */
            on_conflict?: "keep" | "reject" | "replace" | "next_period" | null;
            period?: components["schemas"]["Duration"] | null;
            /**
             * @description With `replace`: the fields among `args`, `run_at`, `priority`, `max_attempts`, `tags`,
             *     `metadata` that the existing job takes over, unless it is running or finished.
             */
            replace?: ("args" | "run_at" | "priority" | "max_attempts" | "tags" | "metadata")[] | null;
            /**
             * @description The statuses in which an existing job holds its key: always `scheduled`, `available` and
             *     `waiting`, and any of `retrying`, `running`, `completed`, `failed`, `cancelled`. By default
             *     the unfinished ones, with a window or a period also `completed`.
             */
            states?: ("scheduled" | "available" | "waiting" | "retrying" | "running" | "completed" | "failed" | "cancelled")[] | null;
            window?: components["schemas"]["Duration"] | null;
        };
    };
    responses: {
        /** @description The request cannot be understood: broken JSON, no single Host, a key in the query. `type` is `https://tidemill.dev/problems/bad-request` or `https://tidemill.dev/problems/invalid-json`. */
        BadRequest: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The body did not arrive in time. `type` is `https://tidemill.dev/problems/body-timeout`. */
        BodyTimeout: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The current state does not allow this request. `type` is `https://tidemill.dev/problems/idempotency-key-reused` or `https://tidemill.dev/problems/execution-id-taken` or `https://tidemill.dev/problems/not-unique` or `https://tidemill.dev/problems/queue-draining` or `https://tidemill.dev/problems/kind-not-remote` or `https://tidemill.dev/problems/lease-lost` or `https://tidemill.dev/problems/no-storage` or `https://tidemill.dev/problems/job-running` or `https://tidemill.dev/problems/job-finished`. */
        Conflict: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The key lacks the scope, or a page of another origin calls. `type` is `https://tidemill.dev/problems/forbidden` or `https://tidemill.dev/problems/cross-site`. */
        Forbidden: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The server failed; its log has the cause under `reference`. `type` is `https://tidemill.dev/problems/internal`. */
        Internal: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description A value is not acceptable; `field` names it. `type` is `https://tidemill.dev/problems/invalid-request`. */
        InvalidRequest: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The server does not answer for that host. `type` is `https://tidemill.dev/problems/misdirected-host`. */
        MisdirectedHost: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Nothing has the name or id in the path. `type` is `https://tidemill.dev/problems/not-found` or `https://tidemill.dev/problems/job-not-found`. */
        NotFound: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The answer took too long. `type` is `https://tidemill.dev/problems/timeout`. */
        Timeout: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The body, or a part of it, is too large. `type` is `https://tidemill.dev/problems/too-large`. */
        TooLarge: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Too many requests, or a full queue; repeat the request after `Retry-After`. `type` is `https://tidemill.dev/problems/queue-full` or `https://tidemill.dev/problems/too-many-requests`. */
        TooManyRequests: {
            headers: {
                /** @description Seconds to wait before the next request. */
                "Retry-After"?: number;
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description There is no valid API key in the request. `type` is `https://tidemill.dev/problems/unauthorized`. */
        Unauthorized: {
            headers: {
                /** @description How to authenticate. */
                "WWW-Authenticate"?: string;
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The server cannot do this now; repeat the request after `Retry-After`. `type` is `https://tidemill.dev/problems/queue-busy` or `https://tidemill.dev/problems/unavailable`. */
        Unavailable: {
            headers: {
                /** @description Seconds to wait before the next request. */
                "Retry-After"?: number;
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The body is not sent as JSON. `type` is `https://tidemill.dev/problems/unsupported-media-type`. */
        UnsupportedMediaType: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
    };
    parameters: {
        /** @description 1 to 255 printable characters, new for each piece of work; a repeated request with the same key gets the first answer. */
        IdempotencyKey: string;
        /** @description A job's id (for a workflow, the id of its own job), or `execution:<execution_id>`. */
        JobName: string;
        /** @description The name of the job's signal or file. */
        PartName: string;
        /** @description The task's id. */
        TaskId: string;
    };
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    hub_task_status: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The task's id. */
                task_id: components["parameters"]["TaskId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The current state */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TaskStatusResponse"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
            504: components["responses"]["Timeout"];
        };
    };
    events_stream_many: {
        parameters: {
            query?: {
                /** @description Start after the frame with this id; `Last-Event-ID` takes precedence. */
                after?: string;
                /** @description `true`: every job. */
                all?: boolean;
                /** @description Jobs by id or as `execution:<execution_id>`; at most 200, repeated for each. */
                job?: string[];
                /** @description In addition, every job of these kinds. */
                kind?: string[];
                /** @description In addition, every job of these queues. */
                queue?: string[];
                /** @description Only events of these types, separated by commas. */
                types?: string;
            };
            header?: {
                /** @description The id of the last frame that the reader received */
                "Last-Event-ID"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The stream */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["EventStream"];
                };
            };
            /** @description The reader has seen the end of every named job */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Last-Event-ID does not belong to this request */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            /** @description A named job does not exist */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    jobs_list: {
        parameters: {
            query?: {
                /** @description Enqueued at this time or later: RFC 3339 with an offset. */
                created_after?: string;
                /** @description Enqueued before this time. */
                created_before?: string;
                /** @description The `next_cursor` of the previous page. */
                cursor?: string;
                /** @description Text in the message of the last error; case does not matter. */
                error?: string;
                /** @description Finished at this time or later. */
                finished_after?: string;
                /** @description Finished before this time. */
                finished_before?: string;
                /** @description Only jobs of this kind. */
                kind?: string;
                /** @description The most jobs of a page: 1 to 200, by default 50. */
                limit?: number;
                /** @description Only jobs of this owner. */
                owner?: string;
                /** @description Only this priority: 1 to 9, or its name. */
                priority?: string;
                /** @description Only jobs of this queue. */
                queue?: string;
                /**
                 * @description A value in the args, the metadata or the error: text (`timeout`, case does not matter), or a
                 *     member with its value (`customer.id=42`). Needs `created_after`, at most 31 days before
                 *     `created_before` or now. Values that are redacted, encrypted, stored as files or in args of more
                 *     than 32 kB are not found.
                 */
                search?: string;
                /**
                 * @description `waiting`, `available`, `running`, `completed`, `failed`, `cancelled`, or the displayed
                 *     states `scheduled`, `retrying`.
                 */
                state?: "scheduled" | "available" | "waiting" | "retrying" | "running" | "completed" | "failed" | "cancelled";
                /** @description Only jobs with this tag. */
                tag?: string;
                /** @description Only jobs of this workflow, by its id. */
                workflow?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of jobs */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_JobDocument"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
            504: components["responses"]["Timeout"];
        };
    };
    jobs_create: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 255 printable characters, new for each piece of work; a repeated request with the same key gets the first answer. */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
                /** @description `return=minimal` for an answer without the whole job */
                Prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobRequest"];
            };
        };
        responses: {
            /** @description The existing job with the same unique key; no new job was stored */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExistingJob"];
                };
            };
            /** @description The job; with `Prefer: return=minimal` only its id and links */
            202: {
                headers: {
                    /** @description True if this is the stored answer to an earlier request */
                    "Idempotency-Replayed"?: boolean;
                    /** @description The job's address */
                    Location?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobDocument"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            408: components["responses"]["BodyTimeout"];
            /** @description The unique key, the execution id or the Idempotency-Key is taken, or the queue is draining */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["TooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
            504: components["responses"]["Timeout"];
        };
    };
    jobs_show: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description A job's id (for a workflow, the id of its own job), or `execution:<execution_id>`. */
                id: components["parameters"]["JobName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The job */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobDocument"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
            504: components["responses"]["Timeout"];
        };
    };
    jobs_delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description A job's id (for a workflow, the id of its own job), or `execution:<execution_id>`. */
                id: components["parameters"]["JobName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The job is deleted */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            /** @description The job is running */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
            504: components["responses"]["Timeout"];
        };
    };
    jobs_change: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description A job's id (for a workflow, the id of its own job), or `execution:<execution_id>`. */
                id: components["parameters"]["JobName"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobChange"];
            };
        };
        responses: {
            /** @description The job as it is now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobDocument"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            408: components["responses"]["BodyTimeout"];
            /** @description The job is running or finished */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["TooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
            504: components["responses"]["Timeout"];
        };
    };
    jobs_list_artifacts: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description A job's id (for a workflow, the id of its own job), or `execution:<execution_id>`. */
                id: components["parameters"]["JobName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The files, in the order in which they were stored */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_Artifact"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
            504: components["responses"]["Timeout"];
        };
    };
    jobs_cancel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description A job's id (for a workflow, the id of its own job), or `execution:<execution_id>`. */
                id: components["parameters"]["JobName"];
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["CancelRequest"];
            };
        };
        responses: {
            /** @description The job is cancelled */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobDocument"];
                };
            };
            /** @description The handler is asked to stop */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobDocument"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            408: components["responses"]["BodyTimeout"];
            /** @description The job is completed or failed */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["TooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
            504: components["responses"]["Timeout"];
        };
    };
    events_list: {
        parameters: {
            query?: {
                /** @description Start after this event; `Last-Event-ID` takes precedence. */
                after?: number;
                /** @description `next_cursor` of the previous page. */
                cursor?: string;
                /** @description The most events, 1 to 1000. */
                limit?: number;
                /**
                 * @description Only events of these types, separated by commas.
                 * @example progress,log
                 */
                types?: string;
            };
            header?: never;
            path: {
                /** @description A job's id (for a workflow, the id of its own job), or `execution:<execution_id>`. */
                id: components["parameters"]["JobName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of events */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EventList"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    events_stream: {
        parameters: {
            query?: {
                /**
                 * @description Start after this event; `Last-Event-ID` takes precedence.
                 * @example 5
                 */
                after?: string;
                /**
                 * @description Only events of these types, separated by commas. The stream still begins with `snapshot` and ends
                 *     with `completed`, `failed` or `cancelled`.
                 * @example progress,log
                 */
                types?: string;
            };
            header?: {
                /** @description The id of the last frame that the reader received */
                "Last-Event-ID"?: string;
            };
            path: {
                /** @description A job's id (for a workflow, the id of its own job), or `execution:<execution_id>`. */
                id: components["parameters"]["JobName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The stream */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["EventStream"];
                };
            };
            /** @description The reader has seen the end of the job */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Last-Event-ID is invalid */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    jobs_explain: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description A job's id (for a workflow, the id of its own job), or `execution:<execution_id>`. */
                id: components["parameters"]["JobName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The reasons */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Explanation"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
            504: components["responses"]["Timeout"];
        };
    };
    jobs_get_result: {
        parameters: {
            query?: {
                /**
                 * @description How long to wait until the job has finished, such as `30s`; at most `60s`, of which the
                 *     server waits 45 s, because proxies cut a request that is silent for longer. Without it the
                 *     answer comes at once.
                 */
                wait?: string;
            };
            header?: never;
            path: {
                /** @description A job's id (for a workflow, the id of its own job), or `execution:<execution_id>`. */
                id: components["parameters"]["JobName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The job has finished */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobResult"];
                };
            };
            /** @description The job has not finished; ask again */
            202: {
                headers: {
                    /** @description Seconds to wait before the next request */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobResult"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    jobs_retry: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description A job's id (for a workflow, the id of its own job), or `execution:<execution_id>`. */
                id: components["parameters"]["JobName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The job, live again */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobDocument"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            /** @description The job is running */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
            504: components["responses"]["Timeout"];
        };
    };
    jobs_signal: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description A job's id (for a workflow, the id of its own job), or `execution:<execution_id>`. */
                id: components["parameters"]["JobName"];
                /** @description The name of the job's signal or file. */
                name: components["parameters"]["PartName"];
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["SignalRequest"];
            };
        };
        responses: {
            /** @description The outcome of the signal */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SignalAnswer"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            408: components["responses"]["BodyTimeout"];
            /** @description The job has finished */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["TooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
            504: components["responses"]["Timeout"];
        };
    };
    jobs_create_batch: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 255 printable characters, new for each piece of work; a repeated request with the same key gets the first answer. */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
                /** @description `return=minimal` for an answer with the ids of new jobs alone */
                Prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobRequest"][];
            };
        };
        responses: {
            /** @description The outcome of every item */
            202: {
                headers: {
                    /** @description True if this is the stored answer to an earlier request */
                    "Idempotency-Replayed"?: boolean;
                    /** @description Seconds until a queue that refused items may have free capacity */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BatchResults"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            408: components["responses"]["BodyTimeout"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["TooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
            504: components["responses"]["Timeout"];
        };
    };
    jobs_show_many_jobs: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NamedJobs"];
            };
        };
        responses: {
            /** @description The jobs, in the order of their names */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FoundJobs"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            408: components["responses"]["BodyTimeout"];
            413: components["responses"]["TooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
            504: components["responses"]["Timeout"];
        };
    };
    jobs_activity: {
        parameters: {
            query?: {
                /** @description The most jobs: 1 to 200, by default 50. */
                limit?: number;
                /** @description The owner of the jobs; required with a key. A token has its owner. */
                owner?: string;
                /**
                 * @description Only what changed since then: the `cursor` of the call before, or a time (RFC 3339 with an offset). Without it, the
                 *     newest changes of all.
                 */
                since?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The changes */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Activity"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            /** @description The token is for another owner */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            421: components["responses"]["MisdirectedHost"];
            /** @description A parameter is invalid, or no owner is given */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
            504: components["responses"]["Timeout"];
        };
    };
    operations_list: {
        parameters: {
            query?: {
                /** @description The `next_cursor` of the previous page. */
                cursor?: string;
                /** @description The most items, 1 to 200; by default 50. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of operations */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_OperationDocument"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
            504: components["responses"]["Timeout"];
        };
    };
    operations_start: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 255 printable characters, new for each piece of work; a repeated request with the same key gets the first answer. */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["OperationRequest"];
            };
        };
        responses: {
            /** @description The operation */
            202: {
                headers: {
                    /** @description True if this is the stored answer to an earlier request */
                    "Idempotency-Replayed"?: boolean;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OperationDocument"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            408: components["responses"]["BodyTimeout"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["TooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
            504: components["responses"]["Timeout"];
        };
    };
    operations_show: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description A job's id (for a workflow, the id of its own job), or `execution:<execution_id>`. */
                id: components["parameters"]["JobName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The operation */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OperationReport"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
            504: components["responses"]["Timeout"];
        };
    };
    operations_cancel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description A job's id (for a workflow, the id of its own job), or `execution:<execution_id>`. */
                id: components["parameters"]["JobName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The operation */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OperationReport"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
            504: components["responses"]["Timeout"];
        };
    };
    operations_undo: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description A job's id (for a workflow, the id of its own job), or `execution:<execution_id>`. */
                id: components["parameters"]["JobName"];
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["UndoRequest"];
            };
        };
        responses: {
            /** @description The operation that undoes it */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OperationReport"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            408: components["responses"]["BodyTimeout"];
            413: components["responses"]["TooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
            504: components["responses"]["Timeout"];
        };
    };
    operations_preview: {
        parameters: {
            query?: {
                /** @description The `looked_to` of the call before, to look at the jobs after it. */
                after?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["OperationRequest"];
            };
        };
        responses: {
            /** @description What it would do */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OperationPreview"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            408: components["responses"]["BodyTimeout"];
            413: components["responses"]["TooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["MisdirectedHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManyRequests"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
            504: components["responses"]["Timeout"];
        };
    };
}
