// The types of a watcher: its options and its view of a job. Also the view of a job that nobody watches.

import type { TidemillError } from "../core/problem.js";
import type { Job, JobEvent } from "../core/types.js";

/**
 * How the shown data is kept up to date: `live` by the stream, `polling` by reads at intervals. It is not updated while
 * `reconnecting`, `offline`, `paused` (the page is hidden) or `denied` (the server refuses). `idle`: nothing is watched.
 */
export type Connection =
  | "idle"
  | "connecting"
  | "live"
  | "reconnecting"
  | "polling"
  | "offline"
  | "paused"
  | "denied"
  | "ended";

/** The known state of a job; a new object after each change. */
export interface JobView {
  /** Null until the first answer. */
  job: Job | null;
  /** `ended` once the job has finished, or if it does not exist. */
  connection: Connection;
  /** The reason why there are no updates, or that the job does not exist. */
  error: TidemillError | null;
  /** The position after the last event, to continue from later. */
  lastEventId: string | null;
}

export interface WatchOptions {
  /** After each change. */
  onChange?(view: JobView): void;
  /** Each event once and in order, including the log and the handler's own types. */
  onEvent?(event: JobEvent): void;
  /** For `onEvent`: begin after this position. */
  lastEventId?: string | null;
  /** For `onEvent`: the whole log (`beginning`, the default), or only new events. */
  from?: "beginning" | "latest";
}

/** The view of a job that nobody watches. */
export const UNKNOWN: JobView = { job: null, connection: "idle", error: null, lastEventId: null };
