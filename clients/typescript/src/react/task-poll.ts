// Polls a task until it has ended: at once, at growing intervals, and when the job's event stream reports a change.
// Must never ask for a finished task, nor have two requests in flight.

import { type Tidemill, TidemillError } from "../core/index.js";
import type { Connection, LiveJobs } from "../live/index.js";
import type { TaskStatus } from "./task-status.js";

const OVER = ["SUCCESS", "FAILURE", "REVOKED"];
const FIRST = 250; // milliseconds until the second request
const LONGEST = 2_000; // between two requests
const STREAMED = 15_000; // the same while the stream reports changes
const IN_VAIN = 15_000; // the same while no answer comes
const TOGETHER = 200; // milliseconds in which changes gather
/** Ids of Tidemill's own jobs (UUIDv7); a task of another system has no stream here. */
const HAS_STREAM = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

export interface TaskListener {
  status(status: TaskStatus): void;
  error(error: TidemillError): void;
  connection(connection: Connection): void;
}

/** True if no further updates will come. */
export function isOver(status: TaskStatus | null | undefined): boolean {
  return !!status && OVER.includes(status.state);
}

export class TaskPoll {
  readonly #client: Tidemill;
  readonly #id: string;
  readonly #listener: TaskListener;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wait = 0;
  #streamed = false;
  #asking = false;
  #ended = false;
  #unwatch = () => {};

  /** Begins at once; without `live` it only polls. */
  constructor(client: Tidemill, live: LiveJobs | null, id: string, listener: TaskListener) {
    this.#client = client;
    this.#id = id;
    this.#listener = listener;
    document.addEventListener("visibilitychange", this.#seen);
    if (live && HAS_STREAM.test(id))
      this.#unwatch = live.watch(id, { onChange: ({ connection }) => this.#told(connection) });
    void this.#ask();
  }

  readonly stop = (): void => {
    this.#ended = true;
    clearTimeout(this.#timer);
    document.removeEventListener("visibilitychange", this.#seen);
    this.#unwatch();
    this.#listener.connection("idle");
  };

  readonly #seen = (): void => {
    if (document.visibilityState === "visible") this.#later(0);
  };

  #told(connection: Connection): void {
    this.#listener.connection(connection);
    const was = this.#streamed;
    this.#streamed = connection === "live" || connection === "ended";
    if (this.#streamed || was) this.#later(TOGETHER);
  }

  #later(milliseconds: number): void {
    clearTimeout(this.#timer);
    if (!this.#ended) this.#timer = setTimeout(() => this.#ask(), milliseconds);
  }

  async #ask(): Promise<void> {
    // A change that is reported during a request causes another request.
    if (this.#asking) return this.#later(TOGETHER);
    this.#asking = true;
    try {
      const path = `/api/orchestration/task-status/${encodeURIComponent(this.#id)}`;
      const status = await this.#client.request<TaskStatus>(path);
      if (this.#ended) return;
      this.#listener.status(status);
      if (isOver(status)) return this.stop();
      this.#wait = this.#wait === 0 ? FIRST : Math.min(this.#wait * 1.6, LONGEST);
      this.#later(this.#streamed ? STREAMED : this.#wait);
    } catch (cause) {
      if (this.#ended) return;
      const error = cause instanceof TidemillError ? cause : new TidemillError(`${cause}`);
      this.#listener.error(error);
      if (cause instanceof TidemillError && !cause.passing) return this.stop();
      this.#wait = Math.min(Math.max(this.#wait, 500) * 1.6, IN_VAIN);
      this.#later(this.#wait * (0.75 + Math.random() / 2));
    } finally {
      this.#asking = false;
    }
  }
}
