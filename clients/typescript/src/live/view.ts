// What a watcher of a job sees, and what it may ask for. Types, and the view of a job that nobody watches.

import type { TidemillError } from "../core/problem.js";
import type { Job, JobEvent } from "../core/types.js";

/**
 * How what is shown is kept true: `live` by the stream, `polling` by reading now and then, not at all while `reconnecting` or
 * `offline`, nor while `paused` (the page is out of sight) or `denied` (the server refuses). `idle`: nothing is watched.
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

/** What is known of a job; a new object after each change. */
export interface JobView {
  /** Null until the first answer. */
  job: Job | null;
  /** `ended` once the job is over, or is not there. */
  connection: Connection;
  /** Why nothing newer comes, or that there is no such job. */
  error: TidemillError | null;
  /** The position behind the last event, to come back with. */
  lastEventId: string | null;
}

export interface WatchOptions {
  /** After each change. */
  onChange?(view: JobView): void;
  /** Each event once and in order: also the log and types of the handler's own. */
  onEvent?(event: JobEvent): void;
  /** For `onEvent`: begin behind this position. */
  lastEventId?: string | null;
  /** For `onEvent`: the whole log (`beginning`, the default), or only what happens from now on. */
  from?: "beginning" | "latest";
}

/** What is known of a job that nobody watches. */
export const UNKNOWN: JobView = { job: null, connection: "idle", error: null, lastEventId: null };
