// The client: one method for each verb of a job. Must never hold the state of a job (tidemill/live does), nor repeat a
// request that could take effect twice.

import { eventOf } from "./event.js";
import { type ConnectionOptions, Http } from "./http.js";
import { randomKey } from "./id.js";
import { Operations } from "./operations.js";
import { backoff, pause } from "./pause.js";
import { JobFailedError, TidemillError } from "./problem.js";
import { repeated } from "./repeat.js";
import type { Frame } from "./sse.js";
import { follow, type StreamOptions } from "./stream.js";
import type {
  Activity,
  ActivityFilter,
  BatchAnswer,
  Enqueued,
  EnqueueOptions,
  Explanation,
  Job,
  JobEvent,
  JobFile,
  JobPage,
  Kinds,
  ListFilter,
  NewJob,
  SignalAnswer,
} from "./types.js";
import { FINAL } from "./types.js";

const MOST_AT_ONCE = 200; // jobs of one read
const LONG_POLL = "45s"; // what the server waits at most

export interface TidemillOptions extends ConnectionOptions {
  /**
   * The user of the page, such as the user's id: tabs of the same server and scope share one stream. With `false` this tab
   * has a stream of its own. Tabs of different users must have different scopes.
   */
  scope?: string | false;
}

export interface EventsOptions extends StreamOptions {
  /** Only these types; snapshots and ends are always included. */
  types?: string[];
}

export interface WaitOptions {
  signal?: AbortSignal;
}

/** The client of a server. `K` is the type of args and results by kind. */
export class Tidemill<K extends { [kind in keyof K]: Kinds[string] } = Kinds> {
  /** The server's address without a slash at its end; empty for the page's own origin. */
  readonly url: string;
  /** The user of the page; see `TidemillOptions`. */
  readonly scope: string | false;
  /** Actions on all jobs that match a filter. */
  readonly operations: Operations;
  readonly #http: Http;
  readonly #observers = new Set<(job: Job, asked: number) => void>();

  constructor(options: TidemillOptions = {}) {
    this.#http = new Http(options);
    this.url = this.#http.url;
    this.scope = options.scope ?? "";
    this.operations = new Operations(this.#http);
  }

  /**
   * Enqueues a job; the job is stored durably when the promise resolves. Without an answer the request is repeated with
   * the same idempotency key.
   * @throws ProblemError if the server refuses, ConnectionError if it cannot be reached.
   */
  async enqueue<N extends keyof K & string>(
    kind: N,
    args?: K[N]["args"],
    { idempotencyKey = randomKey(), signal, ...more }: EnqueueOptions = {},
  ): Promise<Job<K[N]["args"], K[N]["result"]>> {
    const body = JSON.stringify({ kind, args: args ?? {}, ...more });
    const init = { method: "POST", body, headers: { "Idempotency-Key": idempotencyKey }, signal: signal ?? null };
    const send = () => this.#learn(this.#http.json<Job<K[N]["args"], K[N]["result"]>>("/api/v1/jobs", init));
    return repeated(send, signal);
  }

  /**
   * Enqueues up to 10,000 jobs in one transaction. Returns the id of each, in order. A job that the server refuses is
   * `refused`, with its problem; the others are stored. Repeated like `enqueue`. Needs a key, not a page's token.
   */
  async enqueueMany<N extends keyof K & string>(
    jobs: readonly NewJob<N, K[N]["args"]>[],
    { idempotencyKey = randomKey(), signal }: WaitOptions & { idempotencyKey?: string } = {},
  ): Promise<Enqueued[]> {
    const headers = { "Idempotency-Key": idempotencyKey, Prefer: "return=minimal" };
    const init = { method: "POST", body: JSON.stringify(jobs), headers, signal: signal ?? null };
    const answer = await repeated(() => this.#http.json<BatchAnswer>("/api/v1/jobs/batch", init), signal);
    return answer.results.map(({ status, job, problem }) => ({
      status,
      id: (job?.id as string | undefined) ?? null,
      problem: problem ?? null,
    }));
  }

  /** A job by its id, or by `execution:` and its execution id. @throws ProblemError `job-not-found`. */
  get<A = Record<string, unknown>, R = unknown>(id: string, options: WaitOptions = {}): Promise<Job<A, R>> {
    return this.#learn(this.#http.json(at(id), { signal: options.signal ?? null }));
  }

  /**
   * The current state of many jobs, in order, 200 with each request; null for jobs that do not exist. A token reads
   * those that it may read.
   */
  async getMany<A = Record<string, unknown>, R = unknown>(
    ids: readonly string[],
    options: WaitOptions = {},
  ): Promise<(Job<A, R> | null)[]> {
    const found: (Job<A, R> | null)[] = [];
    for (let begin = 0; begin < ids.length; begin += MOST_AT_ONCE) {
      const asked = Date.now();
      const body = JSON.stringify({ jobs: ids.slice(begin, begin + MOST_AT_ONCE) });
      const init = { method: "POST", body, signal: options.signal ?? null };
      const { items } = await this.#http.json<{ items: (Job<A, R> | null)[] }>("/api/v1/jobs/get", init);
      for (const job of items) if (job) this.#tell(job as Job, asked);
      found.push(...items);
    }
    return found;
  }

  /** A page of jobs, newest first; pass `next_cursor` as `cursor` to get the next page. */
  list(filter: ListFilter = {}, options: WaitOptions = {}): Promise<JobPage> {
    return this.#http.json(`/api/v1/jobs?${queryOf(filter)}`, { signal: options.signal ?? null });
  }

  /** The changed jobs of the owner, the newest change first: the same on all devices of one user. */
  activity(filter: ActivityFilter = {}, options: WaitOptions = {}): Promise<Activity> {
    return this.#http.json(`/api/v1/me/activity?${queryOf(filter)}`, { signal: options.signal ?? null });
  }

  /** All jobs that match, page after page. */
  async *all(filter: ListFilter = {}, options: WaitOptions = {}): AsyncGenerator<Job, void> {
    let cursor = filter.cursor;
    do {
      const page = await this.list({ ...filter, ...(cursor && { cursor }) }, options);
      yield* page.items as Job[];
      cursor = page.next_cursor ?? undefined;
    } while (cursor);
  }

  /**
   * Cancels a job; a running job is asked to stop.
   * @throws ProblemError `job-finished` if it is completed or failed.
   */
  cancel(id: string, reason?: string): Promise<Job> {
    return this.#learn(this.#post(`${at(id)}/cancel`, reason === undefined ? undefined : { reason }));
  }

  /** Retries a finished job, or runs a job that waits for its next attempt now. @throws ProblemError `job-running`. */
  retry(id: string): Promise<Job> {
    return this.#learn(this.#post(`${at(id)}/retry`));
  }

  /** Sends a signal to a job, with any JSON as payload. */
  signal(id: string, name: string, payload?: unknown): Promise<SignalAnswer> {
    return this.#post(`${at(id)}/signals/${encodeURIComponent(name)}`, payload === undefined ? undefined : { payload });
  }

  /** The reasons why a job does not run, and its estimated start. */
  explain(id: string): Promise<Explanation> {
    return this.#http.json(`${at(id)}/explain`);
  }

  /** The files of a job, in the order in which they were stored. */
  async files(id: string, options: WaitOptions = {}): Promise<JobFile[]> {
    const path = `${at(id)}/artifacts`;
    return (await this.#http.json<{ items: JobFile[] }>(path, { signal: options.signal ?? null })).items;
  }

  /** A file of a job, as a `Response` whose `body` is a stream. @throws ProblemError `not-found`. */
  file(id: string, name: string, options: WaitOptions = {}): Promise<Response> {
    return this.#http.good(`${at(id)}/artifacts/${encodeURIComponent(name)}`, { signal: options.signal ?? null });
  }

  /** The job after its end, whatever its outcome; waits through restarts of the server. */
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

  /** The result of the job. @throws JobFailedError if it failed or was cancelled. */
  async result<R = unknown>(id: string, options: WaitOptions = {}): Promise<R> {
    const job = await this.wait<Record<string, unknown>, R>(id, options);
    if (job.state !== "completed") throw new JobFailedError(job as Job);
    return job.result as R;
  }

  /**
   * The events of a job to its end, over a connection of its own that reconnects by itself: a snapshot on each connection,
   * each event once and in order, then `completed`, `failed` or `cancelled`. In a page, `tidemill/live` shares one
   * connection instead.
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

  /** The frames of any event stream of the API, over a connection that reconnects by itself, with the token. */
  stream(path: string, options?: StreamOptions): AsyncGenerator<Frame, void> {
    return follow(this.#http, path, options);
  }

  /** A request to any route of the API, with the token. @throws ProblemError, ConnectionError. */
  request<T>(path: string, init?: RequestInit & { body?: string }): Promise<T> {
    return this.#http.json(path, init);
  }

  /**
   * Calls the listener for each job in a response, with the time of the request (milliseconds), until the returned
   * function is called.
   */
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
    this.#tell(job as Job, asked);
    return job;
  }

  #tell(job: Job, asked: number): void {
    for (const observer of this.#observers) observer(job, asked);
  }
}

function queryOf(filter: object): URLSearchParams {
  const pairs = Object.entries(filter).filter(([, value]) => value !== undefined && value !== null);
  return new URLSearchParams(pairs.map(([name, value]) => [name, `${value}`]));
}

function at(id: string): string {
  return `/api/v1/jobs/${encodeURIComponent(id)}`;
}
