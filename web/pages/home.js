// The first page: running jobs, recent jobs, the queues and the workers. Must never show lists beside an error that
// refused them.

import { showConnection } from "../components/connection-status.js";
import { loadingRows, nothingMatches, nothingYet } from "../components/empty-states.js";
import { filterBar, filterOf } from "../components/filter-bar.js";
import { JobList } from "../components/job-list.js";
import { jobCard, jobRow } from "../components/job-rows.js";
import { notice } from "../components/notice.js";
import { queuePanel } from "../components/queue-panel.js";
import { workerPanel } from "../components/worker-panel.js";
import { askAgain, get } from "../lib/api.js";
import { element, setText } from "../lib/dom.js";
import { LiveLists } from "../lib/live-lists.js";
import { whyNotRunning } from "../lib/why-not-running.js";

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
  view.queues = queuePanel(() => lists.refresh().catch(() => {}));
  view.aside.prepend(view.queues);
  view.more.addEventListener("click", () => lists.more().catch((problem) => view.problemBox.replaceChildren(notice(problem))));
  view.all.addEventListener("click", () => {
    view.showAll = true;
    refresh();
    view.running.showNewest();
  });
  lists.start();
  return () => lists.stop();

  function refresh() {
    planned = false;
    update(view, lists, filter);
  }

  /** What a person can do about a problem: a temporary one is tried again by itself, a bad filter stays bad. */
  function actFor(problem) {
    if (problem.temporary) return null;
    if (problem.status !== 401) return element("a", { class: "button", href: "/", "data-route": true }, "Show all jobs");
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
  const more = element("button", { type: "button", class: "wide", hidden: true }, "Show older");
  const all = element("button", { type: "button", class: "quiet", hidden: true });
  const table = element("table", { class: "jobs", role: "table", hidden: true }, heading(), body);
  const runningPart = element("section", { "aria-labelledby": "running-title", hidden: true });
  const recentArea = element("div");
  const running = new JobList(jobCard, cards, runningPart);
  const recent = new JobList(jobRow, body, recentArea);
  runningPart.append(element("div", { class: "row title" }, element("h2", { id: "running-title" }, "Running now"), count, running.newButton, element("span", { class: "spacer" }), all), cards);
  recentArea.append(element("div", { class: "row title" }, element("h2", { id: "recent-title" }, filter.state ? `Jobs: ${filter.state}` : "Recent jobs"), recent.newButton), table);
  const recentPart = element("section", { "aria-labelledby": "recent-title" }, recentArea, empty, more);
  const bar = filterBar(filter, navigate);
  const workers = workerPanel();
  const aside = element("aside", { "aria-label": "Queues and workers" }, workers);
  main.replaceChildren(element("h1", { class: "offscreen", tabindex: -1 }, "Jobs"), element("div", { class: "columns" },
    element("div", { class: "content" }, bar, problemBox, runningPart, recentPart), aside));
  return { running, recent, runningPart, table, empty, more, all, count, problemBox, bar, workers, aside, parts: [recentPart, aside], showAll: false };
}

function heading() {
  const column = (word) => element("th", { role: "columnheader", scope: "col" }, word);
  return element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ["State", "Job", "Queue", "Progress or outcome", "When"].map(column)));
}

function update(view, lists, filter) {
  view.queues.update(lists.queues);
  view.workers.update(lists.workers);
  if (!lists.loaded) return;
  view.problemBox.replaceChildren();
  for (const part of view.parts) part.hidden = false;
  const runningIds = lists.running.filter((id) => lists.jobs.get(id));
  view.running.show(view.showAll ? runningIds : runningIds.slice(0, CARDS), lists.jobs);
  const apart = new Set(lists.running);
  const listed = [...new Set([...lists.recent, ...lists.older])].filter((id) => !apart.has(id));
  view.recent.show(listed, lists.jobs, (job) => whyNotRunning(job, lists.queues, lists.workers, lists.asked));
  view.runningPart.hidden = view.running.empty;
  setText(view.count, runningIds.length >= 50 ? "50+" : String(runningIds.length));
  view.all.hidden = view.showAll || runningIds.length <= CARDS;
  setText(view.all, `Show all ${runningIds.length}`);
  showEmptyState(view, lists, filter);
  view.more.hidden = view.recent.empty || lists.cursor === null;
  view.bar.suggest([...lists.jobs.values()].map((job) => job.kind), lists.queues.map((queue) => queue.name));
}

function showEmptyState(view, lists, filter) {
  view.table.hidden = view.recent.empty;
  const reason = !view.recent.empty ? "none" : Object.keys(filter).length > 0 ? "filter" : view.running.empty ? "never" : "running";
  if (view.empty.dataset.reason === reason) return;
  view.empty.dataset.reason = reason;
  const contents = { none: [], running: [element("p", { class: "muted" }, "No other recent jobs.")], filter: [nothingMatches(filter)] };
  if (reason === "never") showNothingYet(view);
  else view.empty.replaceChildren(...contents[reason]);
}

/** The example enqueues a kind that somebody serves. */
async function showNothingYet(view) {
  const { items } = await get("/kinds").catch(() => ({ items: [] }));
  if (view.empty.dataset.reason === "never") view.empty.replaceChildren(nothingYet(items.find((kind) => !kind.name.startsWith("tidemill."))?.name));
}
