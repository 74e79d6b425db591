// Names for the types of the API, from the generated schema. Types only; must never repeat a definition of the schema
// by hand.

import type { components, operations } from "./schema.js";

type Schemas = components["schemas"];

/** One job, as every route of the API returns it; with the types of one kind if they are given. */
export type Job<Args = Record<string, unknown>, Result = unknown> = Omit<Schemas["JobDocument"], "args" | "result"> & {
  /** The input. */
  args: Args;
  /** The handler's result; null until the job has completed. */
  result?: Result | null;
};

/** A problem document (RFC 9457); its field `remedy` says what to do. */
export type ProblemDocument = Schemas["Problem"];
export type JobState = Schemas["JobState"];
export type Progress = Schemas["Progress"];
export type Explanation = operations["jobs_explain"]["responses"][200]["content"]["application/json"];

/** The options of an enqueue besides kind and args, and the options of the request. */
export type EnqueueOptions = Omit<Schemas["JobRequest"], "kind" | "args"> & {
  /** With the same key a repeated enqueue returns the job of the first; random for each call by default. */
  idempotencyKey?: string;
  signal?: AbortSignal;
};

/** One job of `enqueueMany`. */
export type NewJob<Kind extends string = string, Args = Record<string, unknown>> = Omit<
  Schemas["JobRequest"],
  "kind" | "args"
> & { kind: Kind; args?: Args };
/** The outcome of one job of `enqueueMany`: its id, or the id of the existing job; null if it is refused. */
export interface Enqueued {
  status: Schemas["BatchStatus"];
  id: string | null;
  /** The reason of the refusal. */
  problem: ProblemDocument | null;
}
export type BatchAnswer = Schemas["BatchResults"];

/** An action and its jobs: those that match `filter`, or `all`. */
export type OperationRequest = Schemas["OperationRequest"];
export type OperationPreview = Schemas["OperationPreview"];
/** An operation with its counts; `state` is `running`, `done` or `cancelled`. */
export type Operation = Schemas["OperationDocument"];
/** An operation; `left` has the first jobs that it skipped. */
export type OperationReport = Schemas["OperationReport"];
export type OperationPage = Schemas["Page_OperationDocument"];

/** The filters of a list of jobs; a job must match all of them. */
export type ListFilter = NonNullable<operations["jobs_list"]["parameters"]["query"]>;
export type JobPage = Schemas["Page_JobDocument"];

/**
 * The filter of changes: `since` is the `cursor` of the previous answer, or a time; `owner` is needed with a key, not
 * with a token.
 */
export type ActivityFilter = NonNullable<operations["jobs_activity"]["parameters"]["query"]>;
/** The changed jobs, the newest change first; pass `cursor` as `since` to the next call. */
export type Activity = Omit<Schemas["Activity"], "items"> & { items: Job[] };

/** A file of a job: its name, content type and size. */
export type JobFile = Schemas["Artifact"];

/** The outcome of a signal: `delivered`, or `ignored` because a signal of that name came before. */
export type SignalAnswer = Schemas["SignalAnswer"];

/** One event of a job, or a `snapshot` of it, or its end (`completed`, `failed`, `cancelled`), with the fields of its type. */
export interface JobEvent {
  type: string;
  /** The position to continue from (`lastEventId`): the number of the event, and `N-end` after the end. */
  id: string;
  job_id: string;
  /** Number of the event in its job, from 1 without gaps; in a `snapshot` the position that it represents. */
  seq: number;
  attempt: number;
  /** When it happened, RFC 3339. */
  at: string;
  /** `progress`: from 0 to 100. */
  percent?: number | null;
  /** `progress`: the current step of the job. */
  step?: string | null;
  /** `log`: the text. */
  line?: string;
  /** `log`: `stdout`, `stderr`, or a name that the handler chose. */
  stream?: string;
  /** `completed`. */
  result?: unknown;
  /** `failed`, `cancelled`. */
  error?: { message?: string; [field: string]: unknown } | null;
  [field: string]: unknown;
}

/** Optional types of args and results by kind: `new Tidemill<{ greet: { args: {…}; result: {…} } }>()`. */
export type Kinds = Record<string, { args: Record<string, unknown>; result: unknown }>;

/** The final states. */
export const FINAL: ReadonlySet<string> = new Set(["completed", "failed", "cancelled"]);
