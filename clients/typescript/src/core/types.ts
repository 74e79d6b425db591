// The names of what the API carries, from the generated schema. Types only; must never describe by hand what the schema has.

import type { components, operations } from "./schema.js";

type Schemas = components["schemas"];

/** One job, as every route of the API shows it; with the types of one kind if these are named. */
export type Job<Args = Record<string, unknown>, Result = unknown> = Omit<Schemas["JobDocument"], "args" | "result"> & {
  /** The input. */
  args: Args;
  /** What the handler gave back; null until it completed. */
  result?: Result | null;
};

/** A problem document (RFC 9457), which says in `remedy` what to do. */
export type ProblemDocument = Schemas["Problem"];
export type JobState = Schemas["JobState"];
export type Progress = Schemas["Progress"];
export type Explanation = operations["jobs_explain"]["responses"][200]["content"]["application/json"];

/** Everything that an enqueue may say besides kind and args, and how it is sent. */
export type EnqueueOptions = Omit<Schemas["JobRequest"], "kind" | "args"> & {
  /** Makes a repeated enqueue answer the first one's job; made up for each call if it is left out. */
  idempotencyKey?: string;
  signal?: AbortSignal;
};

/** One job of `enqueueMany`. */
export type NewJob<Kind extends string = string, Args = Record<string, unknown>> = Omit<
  Schemas["JobRequest"],
  "kind" | "args"
> & { kind: Kind; args?: Args };
/** What became of one job of `enqueueMany`: its id, or that of the job that was there; null if it is refused. */
export interface Enqueued {
  status: Schemas["BatchStatus"];
  id: string | null;
  /** Why it is refused. */
  problem: ProblemDocument | null;
}
export type BatchAnswer = Schemas["BatchResults"];

/** An action, and the jobs to act on: those that fit `filter`, or `all`. */
export type OperationRequest = Schemas["OperationRequest"];
export type OperationPreview = Schemas["OperationPreview"];
/** An operation with its numbers; `state` is `running`, `done` or `cancelled`. */
export type Operation = Schemas["OperationDocument"];
/** An operation, and in `left` the first jobs that it left as they were. */
export type OperationReport = Schemas["OperationReport"];
export type OperationPage = Schemas["Page_OperationDocument"];

/** The filters of a list of jobs; all must fit. */
export type ListFilter = NonNullable<operations["jobs_list"]["parameters"]["query"]>;
export type JobPage = Schemas["Page_JobDocument"];

/** Which changes: `since` is the `cursor` of the answer before, or a time; `owner` is needed with a key, a token says it itself. */
export type ActivityFilter = NonNullable<operations["jobs_activity"]["parameters"]["query"]>;
/** The jobs that changed, the newest change first; `cursor` is the next call's `since`. */
export type Activity = Omit<Schemas["Activity"], "items"> & { items: Job[] };

/** A file that a job keeps: its name, content type and size. */
export type JobFile = Schemas["Artifact"];

/** What a signal came to: `delivered`, or `ignored` because one of that name came before. */
export type SignalAnswer = Schemas["SignalAnswer"];

/** One event of a job, or a `snapshot` of it, or its end (`completed`, `failed`, `cancelled`), with the fields of its type. */
export interface JobEvent {
  type: string;
  /** The position to come back with (`lastEventId`); the number of the event, and `N-end` behind the end. */
  id: string;
  job_id: string;
  /** Number of the event in its job, from 1 without gaps; in a `snapshot` the position that it stands for. */
  seq: number;
  attempt: number;
  /** When it happened, RFC 3339. */
  at: string;
  /** `progress`: from 0 to 100. */
  percent?: number | null;
  /** `progress`: what the job does now. */
  step?: string | null;
  /** `log`: the text. */
  line?: string;
  /** `log`: `stdout`, `stderr`, or the handler's own word. */
  stream?: string;
  /** `completed`. */
  result?: unknown;
  /** `failed`, `cancelled`. */
  error?: { message?: string; [field: string]: unknown } | null;
  [field: string]: unknown;
}

/** Args and results by kind, for those who want them checked: `new Tidemill<{ greet: { args: {…}; result: {…} } }>()`. */
export type Kinds = Record<string, { args: Record<string, unknown>; result: unknown }>;

/** The states in which nothing more will happen by itself. */
export const FINAL: ReadonlySet<string> = new Set(["completed", "failed", "cancelled"]);
