// The public names of `tidemill`. Must never need a module of one runtime: it runs in browsers, Node, Deno and edge
// runtimes.

export { type EventsOptions, Tidemill, type TidemillOptions, type WaitOptions } from "./client.js";
export type { ConnectionOptions, TokenSource } from "./http.js";
export { randomKey } from "./id.js";
export type { OperationOptions, Operations } from "./operations.js";
export { ConnectionError, JobFailedError, ProblemError, TidemillError } from "./problem.js";
export type { Frame } from "./sse.js";
export type { StreamOptions, StreamState } from "./stream.js";
export type {
  Activity,
  ActivityFilter,
  Enqueued,
  EnqueueOptions,
  Explanation,
  Job,
  JobEvent,
  JobFile,
  JobPage,
  JobState,
  Kinds,
  ListFilter,
  NewJob,
  Operation,
  OperationPage,
  OperationPreview,
  OperationReport,
  OperationRequest,
  ProblemDocument,
  Progress,
  SignalAnswer,
} from "./types.js";
export { FINAL } from "./types.js";
