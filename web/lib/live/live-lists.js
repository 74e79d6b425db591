// The lists of the page of jobs, read every two seconds while the tab is visible, and one event stream for the
// unfinished jobs among them. An older page and a search are read once. Holds data only; must never render.

import { get, path } from "../api.js";
import { now } from "../clock.js";
import { follow } from "./event-stream.js";
import { reasonsOf } from "../explanation.js";
import { afterEvent, readAgain } from "../job-state.js";
import { given, queryOf } from "../job-filter.js";
import { jobsToWatch } from "./jobs-to-watch.js";
import { backoff, pause, untilVisible } from "../pause.js";
import { toAsk } from "../why-not-running.js";

const POLL_INTERVAL = 2000; // milliseconds between the end of one poll and the next
const PAGE = 50;
const STRETCHES = 20; // calls of one search
const WATCHED = 40; // jobs on one stream
const ASKED = 4; // explanations at a time
const ASK_INTERVAL = 10_000; // milliseconds between two rounds of them

export class LiveLists {
  /** @type {Map<string, Job>} */
  jobs = new Map();
  /** @type {string[]} */
  running = [];
  /** @type {string[]} */
  recent = [];
  /** @type {Api.QueueDocument[]} */
  queues = [];
  /** @type {Api.WorkerDocument[]} */
  workers = [];
  /** @type {string | null} */
  cursor = null;
  loaded = false;
  /** @type {Map<string, string | null>} */
  asked = new Map(); // what the server says about jobs of a kind and queue, see why-not-running.js
  #askedAt = -Infinity;
  #filter;
  #listener;
  #stop = new AbortController();
  /** @type {Set<string>} */
  #touched = new Set();
  /** @type {Set<string>} */
  #watched = new Set();
  #unwatch = () => {};

  /**
   * `filter` is one of job-filter.js; `listener` is `{changed(), connection(state, problem), problem(problem)}`.
   * @param {Filter} filter
   * @param {{ changed: () => void, connection: Heard, problem: (problem: Problem) => void }} listener
   */
  constructor(filter, listener) {
    this.#filter = filter;
    this.#listener = listener;
  }

  /** Polls until stopped, or until a permanent refusal. */
  async start() {
    let failures = 0;
    const signal = this.#stop.signal;
    while (!signal.aborted) {
      if (document.hidden) this.#disconnect();
      await untilVisible(signal);
      try {
        await this.refresh();
        failures = 0;
        if (this.#isStill) return this.#listener.connection("idle");
      } catch (problem) {
        if (signal.aborted) return;
        this.#listener.problem(problem);
        if (!problem.temporary) return this.#listener.connection("refused", problem);
        failures += 1;
        this.#listener.connection("reconnecting", problem);
      }
      await pause(failures === 0 ? POLL_INTERVAL : backoff(failures + 1), signal);
    }
  }

  stop() {
    this.#stop.abort();
    this.#unwatch();
  }

  /** Reads everything once. */
  async refresh() {
    this.#touched.clear();
    const signal = this.#stop.signal;
    const [running, recent, queues, workers] = await Promise.all([
      this.#filter.state || this.#isStill ? { items: [] } : get(this.#address({ state: "running" }), signal),
      this.#filter.search ? this.#search(signal) : get(this.#address({}), signal),
      get("/queues", signal),
      get("/workers", signal),
    ]);
    this.running = this.#keep(running.items);
    this.recent = this.#keep(recent.items);
    this.queues = queues.items ?? [];
    this.workers = workers.items ?? [];
    this.cursor = recent.next_cursor ?? null;
    this.loaded = true;
    this.#forget();
    this.#listener.changed();
    this.#watch();
    this.#listener.connection("live");
    this.#ask(signal).catch(() => {});
  }

  /**
   * Asks the server why jobs do not start, if no worker lists their queue.
   * @param {AbortSignal} signal
   */
  async #ask(signal) {
    if (now() - this.#askedAt < ASK_INTERVAL) return;
    const jobs = [...toAsk(this.#documents(this.recent), this.workers, now())].slice(0, ASKED);
    if (jobs.length === 0) return this.asked.clear();
    this.#askedAt = now();
    const answers = await Promise.all(jobs.map(async ([name, job]) => /** @type {[string, string | null]} */ ([name, reasonsOf(await get(path`/jobs/${job.id}/explain`, signal), job)[0]?.text ?? null])));
    this.asked = new Map(answers);
    this.#listener.changed();
  }

  /** Whether the list is read only once: an older page, or a search, which is expensive for the server. */
  get #isStill() {
    return Boolean(this.#filter.cursor || this.#filter.search);
  }

  /**
   * A page of a search: each request searches a part of the jobs, so several requests may be needed.
   * @param {AbortSignal} signal
   * @returns {Promise<Items<Job>>}
   */
  async #search(signal) {
    /** @type {Items<Job>} */
    const found = { items: [], next_cursor: null };
    for (let stretch = 0; stretch < STRETCHES && found.items.length < PAGE; stretch++) {
      const page = await get(this.#address(found.next_cursor ? { cursor: found.next_cursor } : {}), signal);
      found.items.push(...page.items);
      found.next_cursor = page.next_cursor ?? null;
      if (found.next_cursor === null) break;
    }
    return found;
  }

  /** @param {Filter} extra */
  #address(extra) {
    return `/jobs?${new URLSearchParams(given({ ...queryOf(this.#filter, now()), ...extra, limit: String(PAGE) }))}`;
  }

  /**
   * Stores documents, except those of jobs with a newer event from the stream.
   * @param {Job[]} items
   */
  #keep(items) {
    for (const job of items) if (!this.#touched.has(job.id)) this.jobs.set(job.id, readAgain(this.jobs.get(job.id), job));
    return items.map((job) => job.id);
  }

  /** @param {string[]} ids */
  #documents(ids) {
    return ids.flatMap((id) => this.jobs.get(id) ?? []);
  }

  #forget() {
    const wanted = new Set([...this.running, ...this.recent, ...this.#watched]);
    if (this.jobs.size > 4 * PAGE + wanted.size) {
      for (const id of this.jobs.keys()) if (!wanted.has(id)) this.jobs.delete(id);
    }
  }

  #watch() {
    const wanted = jobsToWatch(this.#documents([...this.running, ...this.recent]), WATCHED);
    if (wanted.every((id) => this.#watched.has(id))) return;
    this.#unwatch();
    this.#watched = new Set(wanted);
    const query = new URLSearchParams(wanted.map((id) => ["job", id]));
    query.set("types", "progress,retry,snoozed,cancel_requested");
    this.#unwatch = follow(`/events?${query}`, {
      onFrame: (frame) => this.#onEvent(frame),
      onState: (state, problem) => {
        if (state === "reconnecting") this.#listener.connection(state, problem ?? "");
      },
    });
  }

  /** @param {Frame} frame */
  #onEvent(frame) {
    const id = frame.data.job_id;
    const job = this.jobs.get(id);
    if (!job) return false;
    this.#touched.add(id);
    this.jobs.set(id, afterEvent(job, frame));
    this.#listener.changed();
    return [...this.#watched].every((each) => ["completed", "failed", "cancelled"].includes(this.jobs.get(each)?.state ?? ""));
  }

  #disconnect() {
    this.#unwatch();
    this.#unwatch = () => {};
    this.#watched = new Set();
    this.#listener.connection("paused", "This tab is hidden.");
  }
}
