// The watched jobs of this tab, kept up to date by the one stream of the origin. All watchers of a job share one
// subscription. Must never follow a finished job, nor show stale data as current.

import type { Tidemill } from "../core/client.js";
import { ProblemError, type TidemillError } from "../core/problem.js";
import type { Job, ProblemDocument } from "../core/types.js";
import { inTurns } from "./in-turns.js";
import { watchPage } from "./page.js";
import { Reader } from "./reader.js";
import { type Message, Tabs, type Wants } from "./tabs.js";
import { type Connection, type JobView, UNKNOWN, type WatchOptions } from "./view.js";
import { Watched } from "./watched.js";

const LINGER = 2_000; // milliseconds for which a job without watchers is kept
const READ_AFTER = 500; // milliseconds until a job is read for which the stream had no event
const FLUSH = 30; // milliseconds in which changes gather
const SILENT = 60_000; // milliseconds without a message until a tab counts as closed

export class LiveJobs {
  readonly #client: Tidemill;
  readonly #tab = Math.random().toString(36).slice(2);
  readonly #jobs = new Map<string, Watched>();
  readonly #tabs: Tabs;
  #reader: Reader | undefined;
  #state: { connection: Connection; error: TidemillError | null } = { connection: "idle", error: null };
  #joined = false;
  #resting = false;
  #unwatchPage = () => {};
  #timer: ReturnType<typeof setTimeout> | undefined;
  #posted = "";

  constructor(client: Tidemill) {
    this.#client = client;
    client.observe((job, asked) => this.#learn(job, asked));
    // Tabs of one server and scope share a stream; without a scope each tab has its own.
    const name = client.scope === false ? undefined : `tidemill ${client.url} ${client.scope}`;
    this.#tabs = new Tabs(name, {
      lead: (signal) => this.#lead(signal),
      beat: () => this.#beat(),
      hear: (message) => this.#hear(message),
    });
  }

  /** Watches a job, by its own id, until the returned function is called. */
  watch(id: string, options: WatchOptions = {}): () => void {
    const watched = this.#jobs.get(id) ?? new Watched(id, this.#state);
    this.#jobs.set(id, watched);
    const stop = watched.add(options);
    this.#plan();
    // Usually the stream sends a snapshot at once. If another tab already follows the job, or no stream gets through,
    // the job is read.
    setTimeout(() => {
      if (this.#jobs.get(id) === watched && !watched.isKnown && !this.#resting) void this.refresh([id]);
    }, READ_AFTER);
    return () => {
      stop();
      if (watched.isIdle) setTimeout(() => this.#drop(watched), LINGER);
    };
  }

  /** The known state of a job. */
  view(id: string): JobView {
    return this.#jobs.get(id)?.view ?? UNKNOWN;
  }

  /** Applies a document from another source, such as the answer to a cancel. */
  #learn(job: Job, asked: number): void {
    const message: Message = { t: "job", job, asked };
    this.#hear(message);
    this.#tabs.post(message);
  }

  /** Reads watched jobs again: the named ones, or all unfinished ones. */
  async refresh(ids?: string[]): Promise<void> {
    const open = () => [...this.#jobs.values()].filter((watched) => !watched.isOver).map(({ id }) => id);
    await inTurns(ids ?? open(), async (id) => {
      try {
        const asked = Date.now();
        this.#take(await this.#client.request<Job>(`/api/v1/jobs/${encodeURIComponent(id)}`), asked);
      } catch (error) {
        if (error instanceof ProblemError && error.status === 404) this.#jobs.get(id)?.gone(error);
        // Otherwise the state of the connection shows the problem.
      }
    });
    if (this.#state.connection === "denied") this.#reader?.again();
    this.#plan();
  }

  /** Closes the connection. */
  close(): void {
    this.#jobs.clear();
    this.#part();
  }

  #drop(watched: Watched): void {
    if (!watched.isIdle || this.#jobs.get(watched.id) !== watched) return;
    this.#jobs.delete(watched.id);
    this.#plan();
  }

  /** Gathers changes, then updates the subscription and notifies the watchers. */
  #plan(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      for (const watched of this.#jobs.values()) watched.tell(this.#state);
      this.#want();
    }, FLUSH);
  }

  #wants(): Wants {
    const open = [...this.#jobs.values()].filter((watched) => !watched.isOver && !watched.isIdle);
    return Object.fromEntries(open.map((watched) => [watched.id, watched.want()]));
  }

  #want(): void {
    if (this.#resting) return;
    const jobs = this.#wants();
    if (!this.#joined) {
      if (Object.keys(jobs).length === 0) {
        if (this.#jobs.size === 0) this.#part();
        return;
      }
      this.#join();
    }
    // Positions change with each event; only a change that matters is sent to the reader.
    const said = JSON.stringify(Object.entries(jobs).map(([id, { all, n }]) => [id, all, n]));
    if (said === this.#posted) return;
    this.#posted = said;
    this.#say(jobs);
    if (said === "[]") this.#part();
  }

  #say(jobs: Wants): void {
    if (this.#reader) this.#reader.want(this.#tab, jobs);
    else this.#tabs.post({ t: "want", tab: this.#tab, jobs });
  }

  #join(): void {
    this.#joined = true;
    this.#posted = "";
    this.#set("connecting");
    this.#unwatchPage();
    this.#unwatchPage = watchPage({ rest: () => this.#rest(), wake: (restored) => this.#wake(restored) });
    this.#tabs.join();
  }

  /** Closes the stream; the known state stays. */
  #part(connection: Connection = "idle"): void {
    if (connection === "idle" && this.#jobs.size === 0) {
      this.#unwatchPage();
      this.#resting = false;
    }
    if (!this.#joined) return;
    this.#joined = false;
    this.#tabs.post({ t: "bye", tab: this.#tab });
    this.#tabs.leave();
    this.#set(connection);
  }

  #rest(): void {
    this.#resting = true;
    this.#part("paused");
    for (const watched of this.#jobs.values()) watched.tell(this.#state);
  }

  #wake(restored: boolean): void {
    this.#resting = false;
    const all = [...this.#jobs.keys()];
    void this.refresh(restored ? all : undefined);
  }

  /** From now on this tab reads the stream for all tabs. */
  #lead(signal: AbortSignal): void {
    const out = (message: Message) => {
      if (signal.aborted) return;
      this.#hear(message);
      this.#tabs.post(message);
    };
    const state = (connection: Connection, error?: TidemillError) =>
      out({ t: "lead", connection, problem: error instanceof ProblemError ? error.problem : undefined });
    this.#reader = new Reader(
      this.#client,
      {
        event: (event) => out({ t: "event", event }),
        job: (job, asked) => out({ t: "job", job, asked }),
        gone: (id, problem) => out({ t: "gone", id, problem }),
        state,
      },
      signal,
    );
    signal.addEventListener("abort", () => {
      this.#reader = undefined;
      this.#posted = "";
    });
    this.#tabs.post({ t: "lead", ...this.#said(), ask: true });
    this.#say(this.#wants());
  }

  #beat(): void {
    this.#reader?.want(this.#tab, this.#wants());
    this.#reader?.forget(undefined, SILENT);
    this.#tabs.post({ t: "lead", ...this.#said(), ask: true });
  }

  #hear(message: Message): void {
    switch (message.t) {
      case "want":
        if (!this.#reader) return;
        this.#reader.want(message.tab, message.jobs);
        return this.#tabs.post({ t: "lead", ...this.#said() });
      case "bye":
        return this.#reader?.forget(message.tab);
      case "event":
        this.#jobs.get(message.event.job_id)?.take(message.event);
        break;
      case "job":
        this.#take(message.job, message.asked);
        break;
      case "gone":
        this.#jobs.get(message.id)?.gone(new ProblemError(message.problem));
        break;
      case "lead":
        this.#set(message.connection, message.problem);
        if (message.ask) this.#tabs.post({ t: "want", tab: this.#tab, jobs: this.#wants() });
    }
    this.#plan();
  }

  #take(job: Job, asked: number): void {
    this.#jobs.get(job.id)?.learn(job, asked);
    this.#plan();
  }

  /** The state of the stream, as it is sent to the other tabs. */
  #said() {
    const { connection, error } = this.#state;
    return { connection, problem: error instanceof ProblemError ? error.problem : undefined };
  }

  #set(connection: Connection, problem?: ProblemDocument): void {
    this.#state = { connection, error: problem ? new ProblemError(problem) : null };
    this.#plan();
  }
}

const ALL = new WeakMap<Tidemill, LiveJobs>();

/** The live jobs of a client; always the same object, so that the whole page shares one stream. */
export function liveJobs(client: Tidemill): LiveJobs {
  const found = ALL.get(client) ?? new LiveJobs(client);
  ALL.set(client, found);
  return found;
}
