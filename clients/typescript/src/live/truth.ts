// Reads the documents of jobs at intervals: of waiting jobs, because the start of an attempt is not an event in the
// stream of named jobs, and of all jobs while no stream gets through. Must never read a finished job.

import type { Tidemill } from "../core/client.js";
import { pause } from "../core/pause.js";
import { ConnectionError, ProblemError, TidemillError } from "../core/problem.js";
import { FINAL, type Job, type JobEvent } from "../core/types.js";
import { inTurns } from "./in-turns.js";
import type { ReaderListener } from "./reader-listener.js";

const FIRST = 1_000; // milliseconds until a job is read again
const LONGEST = 15_000;
const INSTEAD = 4_000; // the longest while there is no stream

interface Known {
  state: string;
  /** When to read it again, in milliseconds of the clock. */
  due: number;
  /** The pause before the read after that, in milliseconds. */
  every: number;
  streamed: boolean;
}

export class Truth {
  readonly #client: Tidemill;
  readonly #listener: ReaderListener;
  readonly #signal: AbortSignal;
  readonly #jobs = new Map<string, Known>();
  #running = false;
  /** True while no stream gets through: then all jobs are read. */
  instead = false;

  constructor(client: Tidemill, listener: ReaderListener, signal: AbortSignal) {
    this.#client = client;
    this.#listener = listener;
    this.#signal = signal;
  }

  /** Sets the jobs to read; all others are dropped. */
  want(ids: Iterable<string>): void {
    const wanted = new Set(ids);
    for (const id of this.#jobs.keys()) if (!wanted.has(id)) this.#jobs.delete(id);
    const begin = { state: "", due: Date.now() + FIRST, every: FIRST, streamed: false };
    for (const id of wanted) if (!this.#jobs.has(id)) this.#jobs.set(id, { ...begin });
    if (!this.#running && this.#jobs.size > 0) void this.#run();
  }

  /** Sets the jobs that the stream follows. */
  streamed(ids: string[]): void {
    for (const [id, known] of this.#jobs) known.streamed = ids.includes(id);
  }

  /** Applies an event of the stream. */
  heard(event: JobEvent): void {
    const known = this.#jobs.get(event.job_id);
    if (!known) return;
    if (event.type === "snapshot") this.#note(known, event.job as Job);
    else if (FINAL.has(event.type)) this.#jobs.delete(event.job_id);
    else if (["retry", "snoozed", "attempt_failed", "lease_lost"].includes(event.type)) known.state = "available";
    else if (["progress", "step", "log"].includes(event.type)) known.state = "running";
  }

  /** Reads jobs and reports them; `fresh` reads them even if their state is known. */
  async read(ids: string[], fresh = false): Promise<void> {
    const left = ids.filter((id) => fresh || this.#jobs.has(id));
    await inTurns(left, (id) => this.#one(id), this.#signal);
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#jobs.size > 0 && !this.#signal.aborted) {
      await pause(FIRST * (0.75 + Math.random() / 2), this.#signal);
      const now = Date.now();
      const due = [...this.#jobs].filter(([, known]) => known.due <= now && this.#needs(known)).map(([id]) => id);
      await this.read(due);
    }
    this.#running = false;
  }

  #needs(known: Known): boolean {
    return this.instead || !known.streamed || known.state !== "running";
  }

  async #one(id: string): Promise<void> {
    const known = this.#jobs.get(id);
    if (known) {
      known.every = Math.min(known.every * 1.5, this.instead ? INSTEAD : LONGEST);
      known.due = Date.now() + known.every;
    }
    const asked = Date.now();
    try {
      const job = await this.#client.request<Job>(`/api/v1/jobs/${encodeURIComponent(id)}`, { signal: this.#signal });
      if (this.#signal.aborted) return;
      if (known) this.#note(known, job);
      if (FINAL.has(job.state)) this.#jobs.delete(id);
      this.#listener.job(job, asked);
      if (this.instead) this.#listener.state("polling");
    } catch (error) {
      if (this.#signal.aborted || !(error instanceof TidemillError)) return;
      if (error instanceof ProblemError && error.status === 404) {
        this.#jobs.delete(id);
        this.#listener.gone(id, error.problem);
      } else if (error instanceof ConnectionError && this.instead) this.#listener.state("offline", error);
    }
  }

  #note(known: Known, job: Job): void {
    if (known.state !== job.state) known.every = FIRST;
    known.state = job.state;
    // A scheduled job is read at the time when it is due.
    const ahead = job.state === "available" && job.run_at ? Date.parse(job.run_at) - Date.now() : 0;
    known.due = Date.now() + Math.min(Math.max(known.every, ahead), 60_000);
  }
}
