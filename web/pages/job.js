// The page of one job: its progress, its log, its result and its timeline. Must never show an older state than it has seen.

import { showConnection } from "../components/connection-status.js";
import { loadingRows, nothingHere } from "../components/empty-states.js";
import { filesPanel } from "../components/files-panel.js";
import { icon } from "../components/icon.js";
import { actionBar } from "../components/job-actions.js";
import { detailsPanel } from "../components/job-details.js";
import { jobHeader } from "../components/job-header.js";
import { logPanel } from "../components/job-log.js";
import { notice } from "../components/notice.js";
import { payloadPanel } from "../components/payload-panel.js";
import { timelinePanel } from "../components/timeline.js";
import { askAgain, get, path } from "../lib/api.js";
import { element } from "../lib/dom.js";
import { follow } from "../lib/live/event-stream.js";
import { afterEvent, FINAL, finished, readAgain } from "../lib/job-state.js";
import { pause, untilVisible } from "../lib/pause.js";

const POLL_INTERVAL = 3000; // milliseconds; changes without an event of their own, such as a start, show in the row only
const OF_THE_ROW = new Set(["snapshot", "progress", "log", ...FINAL]);

/** Puts the page of a job into `main`; returns a function to call when it is left. */
export function showJob(main, id, navigate) {
  document.title = "Job · Tidemill";
  showConnection("connecting");
  main.replaceChildren(element("h1", { class: "offscreen", tabindex: -1 }, "Job"), loadingRows());
  const page = new JobPage(main, id, navigate);
  page.start();
  return () => page.leave();
}

class JobPage {
  #main;
  #id;
  #navigate;
  #left = new AbortController();
  #unfollow = () => {};
  #job = null;
  #view = null;
  #planned = false;
  #highest = 0;

  constructor(main, id, navigate) {
    this.#main = main;
    this.#id = id;
    this.#navigate = navigate;
  }

  async start() {
    try {
      this.#job = await get(path`/jobs/${this.#id}`, this.#left.signal);
    } catch (problem) {
      if (!this.#left.signal.aborted) this.#refused(problem);
      return;
    }
    if (this.#left.signal.aborted) return;
    document.title = `${this.#job.kind} · Tidemill`;
    this.#draw();
    this.#follow();
    this.#poll();
  }

  leave() {
    this.#left.abort();
    this.#unfollow();
    this.#view?.log.leave();
    this.#view?.actions.stop();
  }

  #refused(problem) {
    showConnection("refused", problem);
    const again = () => {
      askAgain();
      this.start();
    };
    const isUnknown = problem.status === 404 || (problem.status === 422 && problem.field === "id");
    if (isUnknown) return this.#replace(nothingHere("There is no such job", problem.status === 404 ? "It was deleted, or its time of retention has passed, or the address is not complete." : problem.message));
    const act = element("button", { type: "button", click: again }, problem.status === 401 ? "Enter a key" : "Try again");
    this.#replace(backLink(), element("h1", { class: "offscreen", tabindex: -1 }, "Job"), notice(problem, act));
  }

  /** Replaces the page's content; a focus inside it goes to the new title instead of being lost. */
  #replace(...content) {
    const hadFocus = this.#main.contains(document.activeElement);
    this.#main.replaceChildren(...content);
    if (hadFocus) this.#main.querySelector("h1").focus({ preventScroll: true });
  }

  #draw() {
    const problemBox = element("div");
    const actions = actionBar({
      done: (answer, verb) => this.#acted(answer, verb),
      refused: (problem) => problemBox.replaceChildren(...(problem ? [notice(problem)] : [])),
      again: (job) => this.#navigate("/enqueue", { kind: job.kind, args: job.args, queue: job.queue, priority: job.priority }),
    });
    const [header, log, timeline, details] = [jobHeader(actions), logPanel(), timelinePanel(), detailsPanel()];
    const [args, result, metadata] = [payloadPanel("Args"), payloadPanel("Result"), payloadPanel("Metadata")];
    const files = filesPanel();
    this.#view = { header, log, timeline, details, args, result, metadata, actions, files };
    this.#replace(backLink(), header, problemBox, element("div", { class: "columns job-columns" },
      element("div", { class: "content" }, result, log, files, args, metadata),
      element("aside", { "aria-label": "Details and timeline" }, timeline, details)));
    this.#update();
  }

  #update() {
    const { header, timeline, details, args, result, metadata, actions } = this.#view;
    const job = this.#job;
    for (const part of [header, timeline, details, actions]) part.update(job);
    args.update(job.args);
    result.update(job.result);
    if (!notStarted(job)) header.explain(null, job);
    metadata.update(job.metadata && Object.keys(job.metadata).length > 0 ? job.metadata : null);
  }

  #soon() {
    if (this.#planned) return;
    this.#planned = true;
    setTimeout(() => {
      this.#planned = false;
      if (!this.#left.signal.aborted) this.#update();
    }, 50);
  }

  #follow() {
    this.#unfollow();
    this.#unfollow = follow(path`/jobs/${this.#job.id}/events`, {
      lastId: this.#highest > 0 ? String(this.#highest) : null,
      onFrame: (frame) => this.#onEvent(frame),
      onState: (state, problem) => {
        showConnection(state, problem ?? "");
        this.#view.log.showStream({ live: "live", reconnecting: "reconnecting…", ended: "ended", paused: "paused", refused: problem?.message }[state] ?? "");
      },
    });
  }

  /** Handles one event, each number once; returns true after the final one. */
  #onEvent({ type, data }) {
    const numbered = !["snapshot", ...FINAL].includes(type) && data.seq > 0;
    // A reset can have a lower number: the database was restored to an earlier state.
    if (numbered && type !== "reset" && data.seq <= this.#highest) return false;
    if (numbered) this.#highest = data.seq;
    this.#job = afterEvent(this.#job, { type, data });
    if (type === "log") this.#view.log.add(data);
    else if (!OF_THE_ROW.has(type)) this.#view.timeline.add({ type, data });
    this.#soon();
    if (!FINAL.has(type)) return false;
    this.#view.log.end();
    this.#read().catch(() => {});
    return true;
  }

  async #read() {
    const job = readAgain(this.#job, await get(path`/jobs/${this.#job.id}`, this.#left.signal));
    const newer = (this.#job.progress?.seq ?? 0) > (job.progress?.seq ?? 0) && job.attempt === this.#job.attempt;
    if (finished(this.#job) && !finished(job) && job.attempt <= this.#job.attempt) return;
    this.#job = newer && !finished(job) ? { ...job, progress: this.#job.progress } : job;
    this.#soon();
  }

  async #poll() {
    const signal = this.#left.signal;
    while (!signal.aborted && !finished(this.#job)) {
      await Promise.allSettled([this.#explain(), this.#readFiles()]);
      await pause(POLL_INTERVAL, signal);
      await untilVisible(signal);
      if (!signal.aborted && !finished(this.#job)) await this.#read().catch(() => {});
    }
    await this.#readFiles().catch(() => {});
  }

  async #explain() {
    if (!notStarted(this.#job)) return;
    const explanation = await get(path`/jobs/${this.#job.id}/explain`, this.#left.signal);
    this.#view.header.explain(notStarted(this.#job) ? explanation : null, this.#job);
  }

  async #readFiles() {
    if (this.#job.state === "available" && this.#job.attempt === 0) return;
    const { items } = await get(path`/jobs/${this.#job.id}/artifacts`, this.#left.signal);
    this.#view.files.update(items, this.#job);
  }

  #acted(answer, verb) {
    const wasFinished = finished(this.#job);
    if (answer?.id) this.#job = readAgain(this.#job, answer);
    this.#update();
    if (verb === "retry" && wasFinished) {
      this.#follow();
      this.#poll();
    }
    if (!answer?.id) this.#read().catch(() => {});
  }
}

function notStarted(job) {
  return ["available", "waiting"].includes(job.state);
}

function backLink() {
  return element("a", { class: "back", href: "/jobs", "data-route": true }, icon("back"), "Jobs");
}
