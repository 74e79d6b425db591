// The workers next to the jobs: the state and the load of each. Must never show two workers under one name.

import { now, ticking } from "../lib/clock.js";
import { element } from "../lib/dom.js";
import { namesOf, workerNames, workerState } from "../lib/worker-state.js";

/** The panel; `update(workers)` draws it again if something changed. */
export function workerPanel() {
  const list = element("ul", { class: "plain", role: "list" });
  const banner = element("div", { class: "notice small", role: "status", hidden: true });
  const panel = element("section", { class: "panel", "aria-labelledby": "workers-title" },
    element("h2", { id: "workers-title" }, "Workers"), banner, list);
  let shown = "";
  panel.update = (workers) => {
    const text = JSON.stringify(workers) + workers.map(stateOf);
    if (text === shown) return;
    shown = text;
    const shedding = workers.filter((worker) => worker.shedding && !["late", "lost", "stopped"].includes(stateOf(worker)));
    banner.hidden = shedding.length === 0;
    banner.replaceChildren(...(shedding.length ? sheddingNotice() : []));
    const names = workerNames(workers);
    list.replaceChildren(...(workers.length ? workers.map((worker, index) => workerRow(worker, names[index])) : [noWorkers()]));
  };
  return panel;
}

function workerRow(worker, name) {
  const state = stateOf(worker);
  return element("li", { class: "strip-row" },
    element("div", { class: "row" },
      element("span", { class: "dot", "data-state": state, "aria-hidden": "true" }),
      element("span", { class: "strip-name", title: titleOf(worker) }, name),
      state === "running" || state === "active" ? null : element("span", { class: "tag" }, state),
      element("span", { class: "spacer" }),
      element("span", { class: "small numbers" }, `${count(worker.running)} running`)),
    element("div", { class: "small muted" }, namesOf(worker.queues).join(", ") || "no queues", " · seen ", ticking(worker.seen_at)));
}

function titleOf(worker) {
  return [worker.name, worker.id, worker.host && `host ${worker.host}`, worker.pid && `process ${worker.pid}`, worker.version && `version ${worker.version}`].filter(Boolean).join("\n");
}

function sheddingNotice() {
  return [element("strong", {}, "Progress is stored every 5 s at most: "), "an old transaction keeps dead rows in the database. ",
    element("code", {}, "tidemill doctor"), " says which."];
}

function count(running) {
  return Array.isArray(running) ? running.length : (running ?? 0);
}

const stateOf = (worker) => workerState(worker, now());

function noWorkers() {
  return element("li", { class: "muted" }, "No worker is connected: jobs wait. Start one with ", element("code", {}, "tidemill worker"), ".");
}
