// The list of jobs: running jobs, recent jobs, the queues and the workers. Must never show lists beside an error that
// refused them.

import { showConnection } from "../components/connection-status.js";
import { loadingRows, nothingMatches } from "../components/empty-states.js";
import { filterBar } from "../components/filter-bar.js";
import { firstJob } from "../components/first-job.js";
import { JobList } from "../components/job-list.js";
import { jobCard, jobRow } from "../components/job-rows.js";
import { notice } from "../components/notice.js";
import { askAgain, get } from "../lib/api.js";
import { setTime } from "../lib/clock.js";
import { element, setText } from "../lib/dom.js";
import { addressOf, filterOf, timeOfCursor } from "../lib/job-filter.js";
import { LiveLists } from "../lib/live/live-lists.js";
import { whyNotRunning } from "../lib/why-not-running.js";
import { mount } from "../ui/mount.js";
import { SidePanels } from "../ui/side-panels.js";

const CARDS = 12; // running jobs shown before "Show all"

/** Puts the page into `main`; returns a function to call when it is left. */
export function showHome(main, navigate) {
  document.title = "Tidemill";
  const filter = filterOf(location.search);
  const view = draw(main, filter, navigate);
  let planned = false;
  const lists = new LiveLists(filter, {
    changed: () => {
      if (!planned) requestAnimationFrame(refresh);
      planned = true;
    },
    connection: showConnection,
    problem: (problem) => {
      view.problemBox.replaceChildren(notice(problem, actFor(problem)));
      if (!lists.loaded) for (const part of view.parts) part.hidden = true;
    },
  });
  view.beside = () => mount(view.aside, SidePanels, { queues: lists.queues, workers: lists.workers, onDone: () => lists.refresh().catch(() => {}) });
  view.all.addEventListener("click", () => {
    view.showAll = true;
    refresh();
    view.running.showNewest();
  });
  lists.start();
  return () => {
    for (const part of [lists, view.bar]) part.stop();
    view.beside()();
  };

  function refresh() {
    planned = false;
    update(view, lists, filter);
  }

  /** What a person can do about a problem: a temporary one is tried again by itself, a bad filter stays bad. */
  function actFor(problem) {
    if (problem.temporary) return null;
    if (problem.status !== 401) return element("a", { class: "button", href: "/jobs", "data-route": true }, "Show all jobs");
    const again = () => {
      askAgain();
      view.problemBox.replaceChildren();
      lists.start();
    };
    return element("button", { type: "button", click: again }, "Enter a key");
  }
}

function draw(main, filter, navigate) {
  const [cards, body] = [element("ul", { class: "cards plain", role: "list" }), element("tbody", { role: "rowgroup" })];
  const [problemBox, empty, count] = [element("div"), element("div", {}, loadingRows()), element("span", { class: "count" })];
  const pager = pagerOf(filter, navigate);
  const all = element("button", { type: "button", class: "quiet", hidden: true });
  const table = element("table", { class: "jobs", role: "table", hidden: true }, heading(), body);
  const runningPart = element("section", { "aria-labelledby": "running-title", hidden: true });
  const recentArea = element("div");
  const running = new JobList(jobCard, cards, runningPart);
  const recent = new JobList(jobRow, body, recentArea);
  runningPart.append(element("div", { class: "row title" }, element("h2", { id: "running-title" }, "Running now"), count, running.newButton, element("span", { class: "spacer" }), all), cards);
  recentArea.append(element("div", { class: "row title" }, element("h2", { id: "recent-title" }, titleOf(filter)), recent.newButton), table);
  const recentPart = element("section", { "aria-labelledby": "recent-title" }, recentArea, empty, pager);
  const bar = filterBar(filter, navigate);
  const aside = element("aside", { "aria-label": "Queues and workers" });
  main.replaceChildren(element("h1", { class: "offscreen", tabindex: -1 }, "Jobs"), element("div", { class: "columns" },
    element("div", { class: "content" }, bar, problemBox, runningPart, recentPart), aside));
  return { running, recent, runningPart, table, empty, pager, all, count, problemBox, bar, aside, parts: [recentPart, aside], showAll: false };
}

function titleOf({ state, search, cursor }) {
  if (search) return "Found jobs";
  return state ? `Jobs: ${state}` : cursor ? "Older jobs" : "Recent jobs";
}

/** The way through the list: "newer" is where one came from, which the browser's history keeps. */
function pagerOf(filter, navigate) {
  const trail = filter.cursor ? (history.state?.trail ?? []) : [];
  const go = (cursor, steps) => navigate(addressOf({ ...filter, cursor }), { trail: steps });
  const button = (word, click) => element("button", { type: "button", hidden: true, click }, word);
  const newest = button("Newest", () => go(null, []));
  const newer = button("Newer", () => go(trail.at(-1), trail.slice(0, -1)));
  const older = button("Older", () => go(older.cursor, filter.cursor ? [...trail, filter.cursor] : []));
  const [reached, when] = [element("span", { class: "muted small", hidden: true, role: "status" }, "Searched back to "), element("time", { "data-form": "ago" })];
  reached.append(when);
  const pager = element("nav", { class: "row end wrap pager", "aria-label": "Pages" }, reached, newest, newer, older);
  pager.update = (cursor, foundNothing) => {
    newest.hidden = !filter.cursor;
    newer.hidden = trail.length === 0;
    older.hidden = cursor === null;
    older.cursor = cursor;
    setText(older, filter.search ? "Search further" : "Older");
    const time = filter.search && cursor ? timeOfCursor(cursor) : null;
    reached.hidden = time === null;
    if (time) setTime(when, time);
    if (foundNothing && time) setText(reached.firstChild, "Nothing found yet, searched back to ");
  };
  return pager;
}

function heading() {
  const column = (word) => element("th", { role: "columnheader", scope: "col" }, word);
  return element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ["State", "Job", "Queue", "Progress or outcome", "When"].map(column)));
}

function update(view, lists, filter) {
  view.beside();
  if (!lists.loaded) return;
  view.problemBox.replaceChildren();
  for (const part of view.parts) part.hidden = false;
  const runningIds = lists.running.filter((id) => lists.jobs.get(id));
  view.running.show(view.showAll ? runningIds : runningIds.slice(0, CARDS), lists.jobs);
  const apart = new Set(lists.running);
  const listed = lists.recent.filter((id) => !apart.has(id));
  view.recent.show(listed, lists.jobs, (job) => whyNotRunning(job, lists.queues, lists.workers, lists.asked));
  view.runningPart.hidden = view.running.empty;
  setText(view.count, runningIds.length >= 50 ? "50+" : String(runningIds.length));
  view.all.hidden = view.showAll || runningIds.length <= CARDS;
  setText(view.all, `Show all ${runningIds.length}`);
  showEmptyState(view, lists, filter);
  view.pager.update(lists.cursor, filter.search && view.recent.empty);
  view.bar.suggest([...lists.jobs.values()].map((job) => job.kind), lists.queues.map((queue) => queue.name));
}

function showEmptyState(view, lists, filter) {
  view.table.hidden = view.recent.empty;
  const reason = !view.recent.empty ? "none" : Object.keys(filter).length > 0 ? (lists.cursor && filter.search ? "none" : "filter") : view.running.empty ? "never" : "running";
  // The first run changes its steps when a worker comes or goes.
  const mark = reason === "never" ? `never ${lists.workers.length}` : reason;
  if (view.empty.dataset.reason === mark) return;
  view.empty.dataset.reason = mark;
  const contents = { none: [], running: [element("p", { class: "muted" }, "No other recent jobs.")], filter: [nothingMatches(filter)] };
  if (reason === "never") showFirstRun(view, lists, mark);
  else view.empty.replaceChildren(...contents[reason]);
}

/** The example enqueues a kind that somebody serves. */
async function showFirstRun(view, lists, mark) {
  const { items } = await get("/kinds").catch(() => ({ items: [] }));
  const live = lists.workers.filter((worker) => worker.state !== "stopped").length;
  if (view.empty.dataset.reason === mark) view.empty.replaceChildren(firstJob(items.find((kind) => !kind.name.startsWith("tidemill."))?.name ?? null, live));
}
