// One watched job of this tab: its known state and its watchers. Must never pass an event to a watcher twice or out of
// order, nor let an old document undo an end.

import { seqOf } from "../core/event.js";
import type { TidemillError } from "../core/problem.js";
import { FINAL, type Job, type JobEvent } from "../core/types.js";
import { afterDocument, afterEvent } from "./job-state.js";
import type { Want } from "./tabs.js";
import { type Connection, type JobView, UNKNOWN, type WatchOptions } from "./view.js";

interface Watcher {
  options: WatchOptions;
  /** The last event that `onEvent` got. */
  seen: number;
  /** It also got the end. */
  ended: boolean;
  /** It gets only events after this time; null until the first snapshot gives the server's time. */
  since: string | null;
}

export class Watched {
  readonly id: string;
  view: JobView;
  readonly #watchers = new Set<Watcher>();
  #job: Job | null = null;
  #seq = 0;
  #subscriptions = 0;
  #told = 0;
  #gone: TidemillError | null = null;

  constructor(id: string, state: { connection: Connection; error: TidemillError | null }) {
    this.id = id;
    this.view = { ...UNKNOWN, ...state };
  }

  get isIdle(): boolean {
    return this.#watchers.size === 0;
  }

  /** True if the job's state is known, even if only that it does not exist. */
  get isKnown(): boolean {
    return !!(this.#job ?? this.#gone);
  }

  /** No further updates will come. */
  get isOver(): boolean {
    if (this.#gone) return true;
    if (!this.#job || !FINAL.has(this.#job.state)) return false;
    // A reader of the log gets all of it, even if the end is already known.
    return ![...this.#watchers].some((watcher) => watcher.options.onEvent && !watcher.ended);
  }

  add(options: WatchOptions): () => void {
    const { lastEventId, from = "beginning" } = options;
    const watcher: Watcher = {
      options,
      seen: seqOf(lastEventId),
      ended: !!lastEventId?.endsWith("-end"),
      since: from === "latest" ? null : "",
    };
    this.#watchers.add(watcher);
    if (options.onEvent) this.#subscriptions += 1;
    this.#gone = null;
    return () => this.#watchers.delete(watcher);
  }

  want(): Want {
    const readers = [...this.#watchers].filter((watcher) => watcher.options.onEvent);
    const after = readers.length > 0 ? Math.min(...readers.map(({ seen }) => seen)) : this.#seq;
    return { all: readers.length > 0, after, n: this.#subscriptions };
  }

  take(event: JobEvent): void {
    if (event.type === "reset") this.#seq = Math.min(this.#seq, event.seq);
    this.#job = afterEvent(this.#job, event);
    this.#told = Date.now();
    if (event.type !== "snapshot") this.#seq = Math.max(this.#seq, event.seq);
    for (const watcher of this.#watchers) hand(watcher, event);
  }

  /**
   * Applies a document; `asked` is the time of the request, because the stream may have sent newer events meanwhile.
   */
  learn(job: Job, asked: number): void {
    const known = this.#job;
    const undoes = known && (job.attempt < known.attempt || (FINAL.has(known.state) && !FINAL.has(job.state)));
    if (undoes && asked < this.#told) return;
    this.#job = afterDocument(known, job);
    this.#gone = null;
  }

  gone(error: TidemillError): void {
    this.#gone = error;
  }

  /** Notifies the watchers if anything changed. */
  tell(state: { connection: Connection; error: TidemillError | null }): void {
    const connection = this.isOver ? "ended" : state.connection;
    const error = this.#gone ?? (this.isOver ? null : state.error);
    const end = this.isOver ? "-end" : "";
    const lastEventId = this.#job ? `${this.#seq}${end}` : null;
    const next: JobView = { job: this.#job, connection, error, lastEventId };
    const keys = Object.keys(next) as (keyof JobView)[];
    if (keys.every((key) => next[key] === this.view[key])) return;
    this.view = next;
    for (const { options } of this.#watchers) options.onChange?.(next);
  }
}

function hand(watcher: Watcher, event: JobEvent): void {
  const { onEvent } = watcher.options;
  if (!onEvent) return;
  if (event.type === "snapshot") {
    watcher.since ??= event.at;
    return onEvent(event);
  }
  if (event.type === "reset") watcher.seen = Math.min(watcher.seen, event.seq);
  else if (FINAL.has(event.type)) {
    if (watcher.ended && event.seq <= watcher.seen) return;
    watcher.ended = true;
  } else {
    if (event.seq <= watcher.seen) return;
    watcher.ended = false;
    watcher.seen = event.seq;
    if (watcher.since === null || event.at < watcher.since) return;
  }
  watcher.seen = Math.max(watcher.seen, event.type === "reset" ? watcher.seen : event.seq);
  onEvent(event);
}
