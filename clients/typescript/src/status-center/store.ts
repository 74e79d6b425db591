// The entries of a Status Center, without their rendering: entries that the application adds, and jobs from the server.
// Must never lose an entry that is bound to a job, nor persist anything but ids, titles and links.

import { type Job, ProblemError, randomKey, type Tidemill } from "../core/index.js";
import type { JobView, LiveJobs } from "../live/index.js";
import { Clock } from "./clock.js";
import { isYoung, Memory } from "./memory.js";
import { fromJob, isOver, type Status, type StatusEntry, type StatusView } from "./status.js";

const MOST_EARLIER = 20;
const WHY = 4_000; // milliseconds until a waiting entry shows its reason
const STAYS = 5_000; // milliseconds that a completed entry stays

/** Enqueues a job with the given idempotency key and returns it. */
export type Enqueue = (idempotencyKey: string) => Promise<Pick<Job, "id">>;

export interface StatusStoreOptions {
  client: Tidemill;
  live: LiveJobs;
  /** The user of the entries, such as the user's id: entries stored for a reload are stored for this user only. */
  scope?: string;
  /** The maximum number of entries; the oldest closed ones are removed first. By default 50. */
  max?: number;
}

export class StatusStore {
  view: StatusView = { statuses: [], earlier: [] };
  /** Pauses the closing of entries, each source for itself. */
  readonly clock = new Clock((id) => this.dismiss(id));
  readonly client: Tidemill;
  readonly #live: LiveJobs;
  readonly #max: number;
  readonly #memory: Memory;
  readonly #listeners = new Set<() => void>();
  readonly #watched = new Map<string, () => void>();
  readonly #closed = new Set<string>();
  #stop = () => {};

  constructor({ client, live, scope = "", max = 50 }: StatusStoreOptions) {
    this.client = client;
    this.#live = live;
    this.#max = max;
    this.#memory = new Memory(scope);
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Restores the stored entries and follows their jobs, until the returned function is called. */
  start(): () => void {
    const stopListening = this.#memory.listen(() => this.#restore());
    const stopClock = this.clock.start();
    this.#restore();
    for (const entry of this.view.statuses) this.#bind(entry);
    this.#stop = () => {
      stopListening();
      stopClock();
      for (const unwatch of this.#watched.values()) unwatch();
      this.#watched.clear();
    };
    return this.#stop;
  }

  /** Shows an entry at once; returns its id for `update` and `dismiss`. */
  readonly add = (status: Status): string => {
    const same = status.key && this.view.statuses.find(({ key }) => key === status.key);
    if (same) {
      this.#unbind(same.id);
      this.#set(same.id, {
        steps: undefined,
        undo: undefined,
        jobId: undefined,
        job: null,
        detail: "",
        progress: null,
        status: "pending",
        ...status,
      });
      return same.id;
    }
    const entry: StatusEntry = { status: "pending", ...status, id: randomKey(), createdAt: Date.now() };
    this.#show([entry, ...this.view.statuses]);
    this.#changed(entry);
    return entry.id;
  };

  /** Changes the given fields of an entry; the others stay. Unknown ids are ignored. */
  readonly update = (id: string, patch: Partial<Status>): void => {
    const entry = this.#find(id);
    // The state of a bound job comes from the server.
    const { status, progress, ...own } = patch;
    this.#set(id, entry?.jobId && entry.job ? own : patch);
  };

  /** Moves an entry to the earlier ones; further calls have no effect. */
  readonly dismiss = (id: string): void => {
    const entry = this.#find(id);
    if (!entry) return;
    this.#unbind(id);
    this.clock.forget(id);
    if (entry.jobId) this.#closed.add(entry.jobId);
    const earlier = [entry, ...this.view.earlier.filter((other) => other.id !== id)].slice(0, MOST_EARLIER);
    this.#show(
      this.view.statuses.filter((other) => other !== entry),
      earlier,
    );
  };

  /**
   * Shows an entry, enqueues the job and binds the entry to it. If that fails, the entry offers to try again with the
   * same idempotency key.
   */
  readonly track = <J extends Pick<Job, "id">>(
    work: ((idempotencyKey: string) => Promise<J>) | Promise<J>,
    status: Status,
  ): string => {
    const id = this.add(status);
    const key = randomKey();
    const send = async () => {
      this.#set(id, { status: status.status ?? "pending", detail: "", tryAgain: undefined });
      try {
        const job = await (typeof work === "function" ? work(key) : work);
        this.#set(id, { jobId: job.id });
      } catch (error) {
        const detail = error instanceof Error ? error.message : String(error);
        this.#set(id, { status: "failed", detail, ...(typeof work === "function" && { tryAgain: send }) });
      }
    };
    void send();
    return id;
  };

  /**
   * Adds jobs from the server, the newest first. Jobs that ended before the page opened become earlier entries; known
   * jobs do not change.
   */
  readonly learn = (found: [Job, Status][], first: boolean): void => {
    const { statuses, earlier } = this.view;
    const known = new Set([...[...statuses, ...earlier].map(({ jobId }) => jobId), ...this.#closed]);
    const entries = found
      .filter(([{ id }]) => !known.has(id))
      .map(([job, status]): StatusEntry => {
        const base = { status: "pending" as const, createdAt: Date.parse(job.created_at) };
        return { ...base, ...status, ...fromJob(job), id: randomKey(), jobId: job.id, job, found: true };
      });
    const past = first ? entries.filter(isOver) : [];
    const fresh = entries.filter((entry) => !past.includes(entry));
    if (entries.length === 0) return;
    this.#show([...fresh, ...statuses], [...earlier, ...past.filter(isYoung)].slice(0, MOST_EARLIER));
    for (const entry of fresh) this.#changed(entry);
  };

  /** Removes the earlier entries. */
  readonly clearEarlier = (): void => this.#show(this.view.statuses, []);

  #find(id: string): StatusEntry | undefined {
    return this.view.statuses.find((entry) => entry.id === id);
  }

  #set(id: string, patch: Partial<StatusEntry>): void {
    const before = this.#find(id);
    if (!before) return;
    const entry = { ...before, ...patch };
    this.#show(this.view.statuses.map((other) => (other.id === id ? entry : other)));
    this.#changed(entry);
  }

  /** Applies the effects of an entry's new state. */
  #changed(entry: StatusEntry): void {
    // The job may have come from the server's list before this page knew that it enqueued it.
    const twin = entry.jobId && this.view.statuses.find(({ jobId, found }) => found && jobId === entry.jobId);
    if (twin && twin.id !== entry.id) {
      this.#unbind(twin.id);
      this.clock.forget(twin.id);
      this.#show(this.view.statuses.filter((other) => other !== twin));
    }
    this.#bind(entry);
    const stays = entry.dismissAfter ?? STAYS;
    if (entry.status === "completed" && stays !== false) this.clock.set(entry.id, stays);
    else this.clock.forget(entry.id);
  }

  #bind({ id, jobId }: StatusEntry): void {
    if (!jobId || this.#watched.has(id)) return;
    const unwatch = this.#live.watch(jobId, { onChange: (view) => this.#told(id, view) });
    const why = setTimeout(() => void this.#explain(id, jobId), WHY);
    this.#watched.set(id, () => {
      clearTimeout(why);
      unwatch();
    });
    const known = this.#live.view(jobId);
    if (known.job) this.#told(id, known);
  }

  #unbind(id: string): void {
    this.#watched.get(id)?.();
    this.#watched.delete(id);
  }

  /** Called when the server reports a change of an entry's job. */
  #told(id: string, { job, error, connection }: JobView): void {
    if (job) {
      const entry = this.#find(id);
      // While the job waits, the entry keeps showing the reason.
      const said = fromJob(job);
      const waits =
        said.status === "pending" && !said.detail && entry?.status === "pending" && entry.job?.status === job.status;
      this.#set(id, { job, connection, ...said, ...(waits && { detail: entry.detail }) });
    } else if (error instanceof ProblemError && error.status === 404) {
      this.#set(id, { status: "failed", detail: "No longer known", job: null });
      this.#unbind(id);
    } else this.#set(id, { connection });
    this.#allow(connection !== "denied");
  }

  /** Whether entries may be stored. */
  #allow(allowed: boolean): void {
    if (allowed === this.#memory.allowed) return;
    this.#memory.allowed = allowed;
    this.#memory.write(this.view);
  }

  async #explain(id: string, jobId: string): Promise<void> {
    if (this.#find(id)?.status !== "pending") return;
    const { reasons = [] } = (await this.client.explain(jobId).catch(() => null)) ?? {};
    const why = reasons[0]?.message;
    const entry = this.#find(id);
    if (why && entry?.status === "pending" && !entry.detail)
      this.#set(id, { detail: `${why[0]?.toUpperCase()}${why.slice(1)}` });
  }

  #show(statuses: StatusEntry[], earlier = this.view.earlier): void {
    const over = statuses.length - this.#max;
    const going = over > 0 ? new Set(statuses.filter(isOver).slice(-over)) : new Set();
    this.view = { statuses: going.size > 0 ? statuses.filter((entry) => !going.has(entry)) : statuses, earlier };
    this.#memory.write(this.view);
    for (const listener of this.#listeners) listener();
  }

  /** Applies the entries that this or another tab stored; entries of jobs are followed again. */
  #restore(): void {
    const kept = this.#memory.read();
    const known = new Set([...this.view.statuses, ...this.view.earlier].flatMap(({ id, jobId }) => [id, jobId]));
    const fresh = kept.statuses.filter(({ id, jobId }) => !known.has(id) && !known.has(jobId));
    const closed = new Set(kept.earlier.map(({ id }) => id));
    const stay = this.view.statuses.filter(({ id }) => !closed.has(id));
    for (const { id } of this.view.statuses) if (closed.has(id)) this.#unbind(id);
    const mine = new Set(this.view.earlier.map(({ id }) => id));
    const earlier = [...kept.earlier.filter(({ id }) => !mine.has(id)), ...this.view.earlier].slice(0, MOST_EARLIER);
    this.view = { statuses: [...stay, ...fresh.map((entry) => ({ ...entry, detail: "Checking…" }))], earlier };
    for (const listener of this.#listeners) listener();
    for (const entry of fresh) this.#bind(entry);
  }
}
