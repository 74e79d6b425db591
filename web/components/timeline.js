// The timeline of a job, from its row and its events except progress and log. Must never hold more events than its bound.

import { ticking } from "../lib/clock.js";
import { element } from "../lib/dom.js";
import { duration } from "../lib/format-time.js";
import { timelineEntries } from "../lib/timeline-entries.js";
import { icon } from "./icon.js";

const MOST_EVENTS = 300;
const SHORTEST_GAP = 1000; // milliseconds

/** The panel; `add(frame)` takes an event, `update(job)` the job's row. */
export function timelinePanel() {
  const list = element("ol", { class: "timeline plain", role: "list" });
  const panel = element("section", { class: "panel", "aria-labelledby": "timeline-title" }, element("h2", { id: "timeline-title" }, "Timeline"), list);
  const events = [];
  let [job, shown] = [null, ""];
  panel.add = (frame) => {
    events.push(frame);
    if (events.length > MOST_EVENTS) events.shift();
    if (job) draw();
  };
  panel.update = (next) => {
    job = next;
    draw();
  };
  return panel;

  function draw() {
    const entries = timelineEntries(job, events);
    const text = JSON.stringify(entries);
    if (text === shown) return;
    shown = text;
    list.replaceChildren(...entries.map((entry, index) => entryItem(entry, entries[index - 1])));
  }
}

function entryItem(entry, before) {
  const gap = before && !entry.ahead ? new Date(entry.at) - new Date(before.at) : 0;
  return element("li", { class: "step-item", "data-tone": entry.tone },
    element("span", { class: "step-mark" }, icon(entry.icon)),
    element("div", {},
      element("div", { class: "row step-head" }, element("strong", {}, entry.title), element("span", { class: "spacer" }), ticking(entry.at)),
      entry.text && element("p", { class: "step-text", title: entry.text }, entry.text),
      gap >= SHORTEST_GAP && element("p", { class: "small muted" }, `${duration(gap)} later`)));
}
