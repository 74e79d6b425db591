// What happened to a job, in order: from its row and from those of its events that are neither progress nor log.

import { ticking } from "../lib/clock.js";
import { element } from "../lib/dom.js";
import { duration } from "../lib/format-time.js";
import { stepsOf } from "../lib/timeline-entries.js";
import { icon } from "./icon.js";

const MOST_EVENTS = 300;
const WORTH_SAYING = 1000; // milliseconds

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
    const steps = stepsOf(job, events);
    const text = JSON.stringify(steps);
    if (text === shown) return;
    shown = text;
    list.replaceChildren(...steps.map((step, index) => stepItem(step, steps[index - 1])));
  }
}

function stepItem(step, before) {
  const apart = before && !step.ahead ? new Date(step.at) - new Date(before.at) : 0;
  return element("li", { class: "step-item", "data-tone": step.tone },
    element("span", { class: "step-mark" }, icon(step.icon)),
    element("div", {},
      element("div", { class: "row step-head" }, element("strong", {}, step.title), element("span", { class: "spacer" }), ticking(step.at)),
      step.text && element("p", { class: "step-text" }, step.text),
      apart >= WORTH_SAYING && element("p", { class: "small muted" }, `${duration(apart)} later`)));
}
