// A list of jobs that stays up to date: its rows by the shared stream, new jobs by reading the first page at intervals.
// Must never move rows while the list is held, nor read while the page is hidden.

import { FINAL, type Job, type ListFilter, type Tidemill, TidemillError } from "../core/index.js";
import type { Connection, LiveJobs } from "../live/index.js";

const LOOK = 3_000; // milliseconds between two reads of the first page
const IN_VAIN = 15_000;

/** The shown list; a new object after each change. */
export interface JobListView {
  jobs: Job[];
  /** The number of new jobs that are not shown because the list is held. */
  newCount: number;
  hasMore: boolean;
  /** True until the first answer. */
  loading: boolean;
  error: TidemillError | null;
  connection: Connection;
}

export const EMPTY: JobListView = {
  jobs: [],
  newCount: 0,
  hasMore: false,
  loading: true,
  error: null,
  connection: "idle",
};

export interface JobListOptions {
  limit: number;
  live: boolean;
}

export class JobList {
  view = EMPTY;
  hold = false;
  readonly #client: Tidemill;
  readonly #live: LiveJobs;
  readonly #filter: ListFilter;
  readonly #options: JobListOptions;
  readonly #listeners = new Set<() => void>();
  readonly #watched = new Map<string, () => void>();
  readonly #fresh = new Map<string, Job>();
  #cursor: string | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wait = LOOK;

  constructor(client: Tidemill, live: LiveJobs, filter: ListFilter, options: JobListOptions) {
    this.#client = client;
    this.#live = live;
    this.#filter = filter;
    this.#options = options;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#start();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stop();
    };
  };

  /** Reads the first page now. */
  readonly refetch = async (): Promise<void> => {
    clearTimeout(this.#timer);
    try {
      const { items, next_cursor } = await this.#client.list({ ...this.#filter, limit: this.#options.limit });
      this.#wait = LOOK;
      if (this.view.loading) this.#cursor = next_cursor ?? undefined;
      this.#head(items as Job[]);
    } catch (cause) {
      const error = cause instanceof TidemillError ? cause : new TidemillError(`${cause}`);
      this.#wait = error.passing ? Math.min(this.#wait * 2, IN_VAIN) : Number.POSITIVE_INFINITY;
      this.#set({ error, loading: false, connection: error.passing ? "offline" : "denied" });
    }
    this.#later();
  };

  /** Shows the new jobs that were held back. */
  readonly showNew = (): void => {
    this.#set({ jobs: [...this.#fresh.values(), ...this.view.jobs], newCount: 0 });
    this.#fresh.clear();
    this.#watch();
  };

  /** Appends the next page. */
  readonly loadMore = async (): Promise<void> => {
    if (!this.#cursor) return;
    const page = await this.#client.list({ ...this.#filter, limit: this.#options.limit, cursor: this.#cursor });
    this.#cursor = page.next_cursor ?? undefined;
    const known = new Set(this.view.jobs.map(({ id }) => id));
    const more = (page.items as Job[]).filter(({ id }) => !known.has(id));
    this.#set({ jobs: [...this.view.jobs, ...more], hasMore: !!this.#cursor });
    this.#watch();
  };

  #start(): void {
    document.addEventListener("visibilitychange", this.#look);
    void this.refetch();
    this.#watch();
  }

  #stop(): void {
    document.removeEventListener("visibilitychange", this.#look);
    clearTimeout(this.#timer);
    for (const stop of this.#watched.values()) stop();
    this.#watched.clear();
  }

  readonly #look = (): void => {
    if (document.visibilityState === "visible" && this.#listeners.size > 0) void this.refetch();
  };

  #later(): void {
    clearTimeout(this.#timer);
    if (!this.#options.live || this.#listeners.size === 0 || this.#wait === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(this.#look, this.#wait * (0.75 + Math.random() / 2));
  }

  /** Applies the newest page. */
  #head(items: Job[]): void {
    const shown = new Map(this.view.jobs.map((job) => [job.id, job]));
    const fresh = items.filter(({ id }) => !shown.has(id));
    const read = new Map(items.map((job) => [job.id, job]));
    // The job from the stream is newer than the one from the page, unless the stream does not follow it.
    const jobs = this.view.jobs.map((job) => (this.#watched.has(job.id) ? job : (read.get(job.id) ?? job)));
    const isHeld = this.hold && !this.view.loading;
    this.#fresh.clear();
    if (isHeld) for (const job of fresh) this.#fresh.set(job.id, job);
    const { connection } = this.view;
    this.#set({
      jobs: isHeld ? jobs : [...fresh, ...jobs],
      newCount: this.#fresh.size,
      hasMore: !!this.#cursor,
      loading: false,
      error: null,
      connection: this.#watched.size > 0 && connection !== "offline" ? connection : "polling",
    });
    this.#watch();
  }

  /** Follows the unfinished rows. */
  #watch(): void {
    if (!this.#options.live || this.#listeners.size === 0) return;
    for (const { id, state } of this.view.jobs) {
      if (FINAL.has(state) || this.#watched.has(id)) continue;
      this.#watched.set(
        id,
        this.#live.watch(id, { onChange: ({ job, connection }) => this.#told(id, job, connection) }),
      );
    }
  }

  #told(id: string, job: Job | null, connection: Connection): void {
    if (!job && connection === "ended") {
      this.#set({ jobs: this.view.jobs.filter((row) => row.id !== id) });
    } else {
      const jobs = job ? this.view.jobs.map((row) => (row.id === id ? job : row)) : this.view.jobs;
      this.#set({ jobs, ...(connection !== "ended" && { connection }) });
    }
    if (connection !== "ended") return;
    this.#watched.get(id)?.();
    this.#watched.delete(id);
  }

  #set(part: Partial<JobListView>): void {
    this.view = { ...this.view, ...part };
    for (const listener of this.#listeners) listener();
  }
}
