// One job, live: its document, its events, why it does not run, its files. Holds data only; must never draw, and never hold
// an older state than it has seen.

import { get, path } from "../api.js";
import { afterEvent, FINAL, finished, notStarted, readAgain } from "../job-state.js";
import { pause, untilVisible } from "../pause.js";
import { follow } from "./event-stream.js";

const POLL_INTERVAL = 3000; // milliseconds; changes without an event of their own, such as a start, show in the row only
const MOST_EVENTS = 300;
const SHOWN = new Set(["snapshot", "progress", "log"]); // what changes neither attempts nor steps
const OF_THE_ROW = new Set([...SHOWN, ...FINAL]);

export class LiveJob {
  job = /** @type {Job} */ (/** @type {unknown} */ (null)); // until it is read
  /** @type {Frame[]} */
  events = []; // those that do not show in the row
  /** @type {Api.Explanation | null} */
  explanation = null;
  /** @type {Api.Artifact[]} */
  files = [];
  /** @type {Api.AttemptRecord[]} */
  attempts = [];
  /** @type {Api.StepRecord[]} */
  steps = [];
  /** @type {Api.WorkflowDocument | null} */
  workflow = null;
  #isStale = true; // whether an event said that attempts or steps are others now
  #address;
  #listener;
  #stop = new AbortController();
  #unfollow = () => {};
  #highest = 0;

  /**
   * `listener` is `{changed(), line(event), connection(state, problem), problem(problem)}`.
   * @param {string} id
   * @param {{ changed: () => void, line: (event: EventData) => void, connection: Heard, problem: (problem: Problem) => void }} listener
   */
  constructor(id, listener) {
    this.#address = path`/jobs/${id}`;
    this.#listener = listener;
  }

  /** Reads and follows the job until stopped; a refusal of the first reading ends it. */
  async start() {
    try {
      this.job = await this.#get("");
    } catch (problem) {
      if (!this.#stop.signal.aborted) this.#listener.problem(problem);
      return;
    }
    if (this.#stop.signal.aborted) return;
    this.#listener.changed();
    this.#follow();
    this.#poll();
  }

  stop() {
    this.#stop.abort();
    this.#unfollow();
  }

  /**
   * What the server answered to an act, which `verb` names.
   * @param {Job} answer
   * @param {string} verb
   */
  acted(answer, verb) {
    const wasFinished = finished(this.job);
    if (answer?.id) this.job = readAgain(this.job, answer);
    this.#listener.changed();
    if (verb === "retry" && wasFinished) {
      this.#follow();
      this.#poll();
    }
    if (!answer?.id) this.#read().catch(() => {});
  }

  /**
   * @template T
   * @param {string} rest
   * @returns {Promise<T>}
   */
  #get(rest) {
    return get(this.#address + rest, this.#stop.signal);
  }

  #follow() {
    this.#unfollow();
    this.#unfollow = follow(`${this.#address}/events`, {
      lastId: this.#highest > 0 ? String(this.#highest) : null,
      onFrame: (frame) => this.#onEvent(frame),
      onState: (state, problem) => this.#listener.connection(state, problem ?? ""),
    });
  }

  /**
   * Handles one event, each number once; returns true after the final one.
   * @param {Frame} frame
   */
  #onEvent({ type, data }) {
    const numbered = !["snapshot", ...FINAL].includes(type) && data.seq > 0;
    // A reset can have a lower number: the database was restored to an earlier state.
    if (numbered && type !== "reset" && data.seq <= this.#highest) return false;
    if (numbered) this.#highest = data.seq;
    this.job = afterEvent(this.job, { type, data });
    if (type === "log") this.#listener.line(data);
    if (!SHOWN.has(type)) this.#isStale = true;
    if (!OF_THE_ROW.has(type)) this.events = [...this.events, { type, data }].slice(-MOST_EVENTS);
    this.#listener.changed();
    if (!FINAL.has(type)) return false;
    this.#read().catch(() => {});
    return true;
  }

  async #read() {
    const job = readAgain(this.job, await this.#get(""));
    const newer = (this.job.progress?.seq ?? 0) > (job.progress?.seq ?? 0) && job.attempt === this.job.attempt;
    if (finished(this.job) && !finished(job) && job.attempt <= this.job.attempt) return;
    this.job = newer && !finished(job) ? { ...job, progress: this.job.progress } : job;
    this.#listener.changed();
  }

  async #poll() {
    const signal = this.#stop.signal;
    while (!signal.aborted && !finished(this.job)) {
      await Promise.allSettled([this.#explain(), this.#readFiles(), this.#readParts()]);
      await pause(POLL_INTERVAL, signal);
      await untilVisible(signal);
      if (!signal.aborted && !finished(this.job)) await this.#read().catch(() => {});
    }
    await Promise.allSettled([this.#readFiles(), this.#readParts()]);
  }

  /** Its attempts and steps, and the workflow around it. */
  async #readParts() {
    if (!this.#isStale) return;
    const signal = this.#stop.signal;
    const id = this.job.workflow_id;
    /** @type {[Items<Api.AttemptRecord>, Items<Api.StepRecord>, Api.WorkflowDocument | null]} */
    const [attempts, steps, workflow] = await Promise.all([this.#get("/attempts"), this.#get("/steps"), id && get(path`/workflows/${id}`, signal).catch(() => null)]);
    [this.attempts, this.steps, this.workflow, this.#isStale] = [attempts.items, steps.items, workflow, false];
    this.#listener.changed();
  }

  async #explain() {
    this.explanation = notStarted(this.job) ? await this.#get("/explain") : null;
    this.#listener.changed();
  }

  async #readFiles() {
    if (this.job.state === "available" && this.job.attempt === 0) return;
    this.files = (await this.#get("/artifacts")).items;
    this.#listener.changed();
  }
}
