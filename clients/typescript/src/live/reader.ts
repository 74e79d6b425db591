// The one stream of an origin: reads what all tabs want over a single connection and hands it out. Reads documents where the
// stream says too little: jobs that wait to start, and all while no stream comes through. Must never have two streams open.

import type { Tidemill } from "../core/client.js";
import { eventOf } from "../core/event.js";
import { backoff, pause } from "../core/pause.js";
import { ProblemError, type TidemillError } from "../core/problem.js";
import { FINAL, type JobEvent } from "../core/types.js";
import type { ReaderListener } from "./reader-listener.js";
import type { Want, Wants } from "./tabs.js";
import { Truth } from "./truth.js";

const TOGETHER = 50; // milliseconds in which requests gather
const MOST = 100; // jobs of one stream, so that its address stays short
/** What changes a job's state; the rest is asked for where somebody wants all events. */
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

  /** What a tab wants now; nothing of what it wanted before that is missing here. */
  want(tab: string, jobs: Wants): void {
    const before = this.#tabs.get(tab)?.jobs ?? {};
    this.#tabs.set(tab, { jobs, at: Date.now() });
    const isNew = Object.entries(jobs).some(([id, want]) => this.#lacks(id, want, before[id]));
    if (isNew || (this.#stream && this.#wanted().size === 0)) this.again();
  }

  /** Opens the stream again, also where the server refused. */
  again(): void {
    this.#denied = false;
    this.#stream?.abort.abort();
    if (!this.#running) void this.#run();
  }

  /** A tab is gone; or all that said nothing for this many milliseconds. */
  forget(tab?: string, silent = Number.POSITIVE_INFINITY): void {
    for (const [name, { at }] of this.#tabs) if (name === tab || Date.now() - at > silent) this.#tabs.delete(name);
    if (this.#stream && this.#wanted().size === 0) this.again();
  }

  #lacks(id: string, want: Want, before: Want | undefined): boolean {
    // Where the server refused, only what is new is worth another try.
    if (this.#denied) return !before;
    if (!this.#stream?.asked.has(id) || this.#stream.ended.has(id)) return true;
    return want.all && (!this.#stream.all || !before?.all || want.n > before.n);
  }

  /** All wants of all tabs in one. */
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
      // One that is over at once, again and again, is no reason to ask without a pause.
      inVain = isWhole && Date.now() - began < 1000 ? inVain + 1 : 0;
    }
    this.#running = false;
    this.#stream = undefined;
    if (!this.#denied) this.#listener.state("idle");
  }

  /** One stream, until it is over or wants change; answers whether it ended by itself. */
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
      // What is over is wanted no more by tabs that hear of it; one that missed the end reads it.
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
    // It has ended then; another connection would only repeat that.
    if (this.#stream.jobs.every((id) => this.#stream?.ended.has(id))) this.#stream.abort.abort();
  }

  #state(state: "connecting" | "live" | "reconnecting", failures: number, error?: TidemillError): void {
    if (state === "live") this.#truth.instead = false;
    if (state !== "reconnecting" || failures < 2) this.#listener.state(state, error);
    // Twice in vain: something on the way lets no stream through. Reads meanwhile show its state.
    else this.#truth.instead = true;
  }

  async #refused(error: TidemillError, jobs: string[]): Promise<void> {
    const status = error instanceof ProblemError ? error.status : 0;
    if (status === 404 || status === 400) {
      // One unknown job refuses the stream of all: each is looked for. A position that is none is forgotten.
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
