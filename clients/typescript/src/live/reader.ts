// The one stream of an origin: reads the events for all tabs over a single connection and passes them on. Also reads
// documents: of jobs that wait to start, and of all jobs while no stream gets through. Must never have two streams
// open.

import type { Tidemill } from "../core/client.js";
import { eventOf } from "../core/event.js";
import { backoff, pause } from "../core/pause.js";
import { ProblemError, type TidemillError } from "../core/problem.js";
import { FINAL, type JobEvent } from "../core/types.js";
import type { ReaderListener } from "./reader-listener.js";
import type { Want, Wants } from "./tabs.js";
import { Truth } from "./truth.js";

const TOGETHER = 50; // milliseconds in which requests gather
const MOST = 100; // jobs of one stream, so that its URL stays short
/** The events that change a job's state; the others are requested only if a tab wants all events. */
const TYPES = "progress,step,attempt_failed,retry,snoozed,cancel_requested,lease_lost";

export class Reader {
  readonly #client: Tidemill;
  readonly #listener: ReaderListener;
  readonly #truth: Truth;
  readonly #tabs = new Map<string, { jobs: Wants; at: number }>();
  #stream: { asked: Set<string>; jobs: string[]; ended: Set<string>; all: boolean; abort: AbortController } | undefined;
  #denied = false;
  #running = false;
  #signal: AbortSignal;

  /** Reads until `signal` is aborted. */
  constructor(client: Tidemill, listener: ReaderListener, signal: AbortSignal) {
    this.#client = client;
    this.#listener = listener;
    this.#signal = signal;
    this.#truth = new Truth(client, listener, signal);
    signal.addEventListener("abort", () => this.#stream?.abort.abort());
  }

  /** Sets the jobs that a tab wants; they replace its earlier ones. */
  want(tab: string, jobs: Wants): void {
    const before = this.#tabs.get(tab)?.jobs ?? {};
    this.#tabs.set(tab, { jobs, at: Date.now() });
    const isNew = Object.entries(jobs).some(([id, want]) => this.#lacks(id, want, before[id]));
    if (isNew || (this.#stream && this.#wanted().size === 0)) this.again();
  }

  /** Opens the stream again, even after a refusal of the server. */
  again(): void {
    this.#denied = false;
    this.#stream?.abort.abort();
    if (!this.#running) void this.#run();
  }

  /** Removes a tab, or all tabs that were silent for this many milliseconds. */
  forget(tab?: string, silent = Number.POSITIVE_INFINITY): void {
    for (const [name, { at }] of this.#tabs) if (name === tab || Date.now() - at > silent) this.#tabs.delete(name);
    if (this.#stream && this.#wanted().size === 0) this.again();
  }

  #lacks(id: string, want: Want, before: Want | undefined): boolean {
    // After a refusal of the server, only a new job is worth another try.
    if (this.#denied) return !before;
    if (!this.#stream?.asked.has(id) || this.#stream.ended.has(id)) return true;
    return want.all && (!this.#stream.all || !before?.all || want.n > before.n);
  }

  /** The jobs that all tabs want, merged. */
  #wanted(): Map<string, Want> {
    const wanted = new Map<string, Want>();
    for (const { jobs } of this.#tabs.values()) {
      for (const [id, want] of Object.entries(jobs)) {
        const other = wanted.get(id);
        const after = Math.min(want.after, other?.after ?? want.after);
        wanted.set(id, { all: want.all || !!other?.all, after, n: 0 });
      }
    }
    return wanted;
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let inVain = 0; !this.#signal.aborted && !this.#denied; ) {
      await pause(inVain > 0 ? backoff(inVain) : TOGETHER, this.#signal);
      const wanted = this.#wanted();
      this.#truth.want(wanted.keys());
      if (wanted.size === 0 || this.#signal.aborted) break;
      const began = Date.now();
      const isWhole = await this.#read(wanted);
      // If streams end at once again and again, pause before the next one.
      inVain = isWhole && Date.now() - began < 1000 ? inVain + 1 : 0;
    }
    this.#running = false;
    this.#stream = undefined;
    if (!this.#denied) this.#listener.state("idle");
  }

  /** Reads one stream until it ends or the wanted jobs change; returns whether it ended by itself. */
  async #read(wanted: Map<string, Want>): Promise<boolean> {
    const jobs = [...wanted.keys()].slice(0, MOST);
    const all = [...wanted.values()].some((want) => want.all);
    const abort = new AbortController();
    this.#stream = { asked: new Set(wanted.keys()), jobs, ended: new Set(), all, abort };
    this.#truth.streamed(jobs);
    const after = jobs.length === 1 ? wanted.get(jobs[0]!)!.after : 0;
    try {
      const frames = this.#client.stream(addressOf(jobs, all), {
        lastEventId: after > 0 ? `${after}` : "",
        signal: abort.signal,
        onState: (state, failures, error) => this.#state(state, failures, error),
      });
      for await (const frame of frames) {
        const event = eventOf(frame);
        if (event) this.#take(event);
      }
      // Tabs that receive the end of a job no longer want it; a tab that missed the end reads the job.
      if (!abort.signal.aborted) await this.#truth.read(jobs, true);
    } catch (error) {
      await this.#refused(error as TidemillError, jobs);
    }
    return !abort.signal.aborted;
  }

  #take(event: JobEvent): void {
    this.#truth.heard(event);
    this.#listener.event(event);
    if (!this.#stream || !FINAL.has(event.type)) return;
    this.#stream.ended.add(event.job_id);
    // The job has ended; another connection would only repeat the end.
    if (this.#stream.jobs.every((id) => this.#stream?.ended.has(id))) this.#stream.abort.abort();
  }

  #state(state: "connecting" | "live" | "reconnecting", failures: number, error?: TidemillError): void {
    if (state === "live") this.#truth.instead = false;
    if (state !== "reconnecting" || failures < 2) this.#listener.state(state, error);
    // Two failures: a proxy on the way does not let streams through. Meanwhile the jobs are read instead.
    else this.#truth.instead = true;
  }

  async #refused(error: TidemillError, jobs: string[]): Promise<void> {
    const status = error instanceof ProblemError ? error.status : 0;
    if (status === 404 || status === 400) {
      // The server refuses the whole stream if one job is unknown, so each job is read to find it. An invalid position
      // is dropped.
      await this.#truth.read(jobs, true);
    } else {
      this.#denied = true;
      this.#listener.state("denied", error);
    }
  }
}

function addressOf(jobs: string[], all: boolean): string {
  const types = all ? "" : `types=${TYPES}`;
  if (jobs.length === 1) return `/api/v1/jobs/${encodeURIComponent(jobs[0]!)}/events${types && `?${types}`}`;
  return `/api/v1/events?${jobs.map((id) => `job=${encodeURIComponent(id)}`).join("&")}${types && `&${types}`}`;
}
