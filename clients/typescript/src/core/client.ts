// The client: one method for each verb of a job. Must never hold the state of a job (tidemill/live does), nor repeat
// what could happen twice.

import { eventOf } from "./event.js";
import { type ConnectionOptions, Http } from "./http.js";
import { randomKey } from "./id.js";
import { backoff, pause } from "./pause.js";
import { JobFailedError, TidemillError } from "./problem.js";
import type { Frame } from "./sse.js";
import { follow, type StreamOptions } from "./stream.js";
import type { EnqueueOptions, Explanation, Job, JobEvent, JobPage, Kinds, ListFilter, SignalAnswer } from "./types.js";
import { FINAL } from "./types.js";

const TRIES = 4;
const LONG_POLL = "45s"; // what the server waits at most

export interface TidemillOptions extends ConnectionOptions {
  /**
   * Whose page it is, such as the user's id: tabs of the same server and scope share one stream. `false`: this tab reads for
   * itself. Tabs of different users must have different scopes.
   */
  scope?: string | false;
}

export interface EventsOptions extends StreamOptions {
  /** Only these types; snapshots and ends come all the same. */
  types?: string[];
}

export interface WaitOptions {
  signal?: AbortSignal;
}

/** A server, and what may be asked of it. `K` names args and results by kind. */
export class Tidemill<K extends { [kind in keyof K]: Kinds[string] } = Kinds> {
  /** The server's address without a slash at its end; empty for the page's own origin. */
  readonly url: string;
  /** Whose page it is; see `TidemillOptions`. */
  readonly scope: string | false;
  readonly #http: Http;
  readonly #observers = new Set<(job: Job, asked: number) => void>();

  constructor(options: TidemillOptions = {}) {
    this.#http = new Http(options);
    this.url = this.#http.url;
    this.scope = options.scope ?? "";
  }

  /**
   * Enqueues a job; it is stored durably when this answers. Sent again where no answer comes, under the same idempotency key.
   * @throws ProblemError if the server refuses, ConnectionError if it cannot be reached.
   */
  async enqueue<N extends keyof K & string>(
    kind: N,
    args?: K[N]["args"],
    { idempotencyKey = randomKey(), signal, ...more }: EnqueueOptions = {},
  ): Promise<Job<K[N]["args"], K[N]["result"]>> {
    const body = JSON.stringify({ kind, args: args ?? {}, ...more });
    const init = { method: "POST", body, headers: { "Idempotency-Key": idempotencyKey }, signal: signal ?? null };
    for (let tries = 1; ; tries++) {
      try {
        return await this.#learn(this.#http.json<Job<K[N]["args"], K[N]["result"]>>("/api/v1/jobs", init));
      } catch (error) {
        if (tries === TRIES || !(error instanceof TidemillError) || !error.passing || signal?.aborted) throw error;
        await pause(backoff(tries - 2), signal);
      }
    }
  }

  /** A job by its id, or by `execution:` and its execution id. @throws ProblemError `job-not-found`. */
  get<A = Record<string, unknown>, R = unknown>(id: string, options: WaitOptions = {}): Promise<Job<A, R>> {
    return this.#learn(this.#http.json(at(id), { signal: options.signal ?? null }));
  }

  /** A page of jobs, newest first; `next_cursor` as `cursor` gets the next. */
  list(filter: ListFilter = {}, options: WaitOptions = {}): Promise<JobPage> {
    const pairs = Object.entries(filter).filter(([, value]) => value !== undefined && value !== null);
    const query = new URLSearchParams(pairs.map(([name, value]) => [name, `${value}`]));
    return this.#http.json(`/api/v1/jobs?${query}`, { signal: options.signal ?? null });
  }

  /** All jobs that fit, page after page. */
  async *all(filter: ListFilter = {}, options: WaitOptions = {}): AsyncGenerator<Job, void> {
    let cursor = filter.cursor;
    do {
      const page = await this.list({ ...filter, ...(cursor && { cursor }) }, options);
      yield* page.items as Job[];
      cursor = page.next_cursor ?? undefined;
    } while (cursor);
  }

  /** Cancels a job; one that runs is asked to stop. @throws ProblemError `job-finished` if it is completed or failed. */
  cancel(id: string, reason?: string): Promise<Job> {
    return this.#learn(this.#post(`${at(id)}/cancel`, reason === undefined ? undefined : { reason }));
  }

  /** Makes a finished job live again, or runs one now that waits for its next attempt. @throws ProblemError `job-running`. */
  retry(id: string): Promise<Job> {
    return this.#learn(this.#post(`${at(id)}/retry`));
  }

  /** Sends a job the message that it waits for, with any JSON. */
  signal(id: string, name: string, payload?: unknown): Promise<SignalAnswer> {
    return this.#post(`${at(id)}/signals/${encodeURIComponent(name)}`, payload === undefined ? undefined : { payload });
  }

  /** Why a job does not run, and when it is expected to. */
  explain(id: string): Promise<Explanation> {
    return this.#http.json(`${at(id)}/explain`);
  }

  /** The job once it is over, however it ended; waits through restarts of the server. */
  async wait<A = Record<string, unknown>, R = unknown>(id: string, { signal }: WaitOptions = {}): Promise<Job<A, R>> {
    for (let failures = 0; ; ) {
      try {
        const path = `${at(id)}/result?wait=${LONG_POLL}`;
        const { job } = await this.#http.json<{ job: Job<A, R> }>(path, { signal: signal ?? null });
        if (FINAL.has(job.state)) return await this.#learn(Promise.resolve(job));
        failures = 0;
      } catch (error) {
        if (!(error instanceof TidemillError) || !error.passing) throw error;
        await pause(backoff(failures++), signal);
      }
      signal?.throwIfAborted();
    }
  }

  /** What the job gave back. @throws JobFailedError if it failed or was cancelled. */
  async result<R = unknown>(id: string, options: WaitOptions = {}): Promise<R> {
    const job = await this.wait<Record<string, unknown>, R>(id, options);
    if (job.state !== "completed") throw new JobFailedError(job as Job);
    return job.result as R;
  }

  /**
   * The events of a job to its end, over a connection of its own that comes back by itself: a snapshot on each connection, each
   * event once and in order, then `completed`, `failed` or `cancelled`. In a page, `tidemill/live` shares one connection instead.
   */
  async *events(id: string, { types, ...options }: EventsOptions = {}): AsyncGenerator<JobEvent, void> {
    const query = types ? `?types=${types.map(encodeURIComponent).join(",")}` : "";
    for await (const frame of this.stream(`${at(id)}/events${query}`, options)) {
      const event = eventOf(frame);
      if (!event) continue;
      yield { ...event, id: frame.id };
      if (FINAL.has(event.type)) return;
    }
  }

  /** The frames of any event stream of the API, over a connection that comes back by itself, with the token. */
  stream(path: string, options?: StreamOptions): AsyncGenerator<Frame, void> {
    return follow(this.#http, path, options);
  }

  /** A request to any route of the API, with the token. @throws ProblemError, ConnectionError. */
  request<T>(path: string, init?: RequestInit & { body?: string }): Promise<T> {
    return this.#http.json(path, init);
  }

  /** Hears of each job that an answer shows, and when that was asked for (milliseconds); until the answer is called. */
  observe(observer: (job: Job, asked: number) => void): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  #post<T>(path: string, body?: unknown): Promise<T> {
    return this.#http.json(path, { method: "POST", ...(body !== undefined && { body: JSON.stringify(body) }) });
  }

  async #learn<T>(answer: Promise<T>): Promise<T> {
    const asked = Date.now();
    const job = await answer;
    for (const observer of this.#observers) observer(job as Job, asked);
    return job;
  }
}

function at(id: string): string {
  return `/api/v1/jobs/${encodeURIComponent(id)}`;
}
