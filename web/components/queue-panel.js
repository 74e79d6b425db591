// The queues next to the jobs: the number of waiting jobs, and a button that pauses each. Must never pause unasked.

import { path, post } from "../lib/api.js";
import { ticking } from "../lib/clock.js";
import { element } from "../lib/dom.js";
import { confirmed } from "./dialogs.js";
import { notice } from "./notice.js";

/** The panel; `update(queues)` draws it again if something changed. */
export function queuePanel(changed) {
  const list = element("ul", { class: "plain", role: "list" });
  const problemBox = element("div");
  const panel = element("section", { class: "panel", "aria-labelledby": "queues-title" },
    element("h2", { id: "queues-title" }, "Queues"), problemBox, list);
  let shown = "";
  panel.update = (queues) => {
    const text = JSON.stringify(queues);
    if (text === shown || list.contains(document.activeElement)) return;
    shown = text;
    const rows = queues.map((queue) => queueRow(queue, pauseOrResume));
    list.replaceChildren(...(rows.length ? rows : [element("li", { class: "muted" }, "None yet. The first job creates its queue.")]));
  };
  return panel;

  async function pauseOrResume(queue, verb, button) {
    const question = { title: `Pause ${queue.name}?`, text: "Running jobs continue; workers claim no more from this queue until it is resumed.", action: "Pause", keep: "Leave it" };
    if (verb === "pause" && !(await confirmed(question))) return;
    button.disabled = true;
    problemBox.replaceChildren();
    try {
      await post(path`/queues/${queue.name}/` + verb);
    } catch (problem) {
      problemBox.replaceChildren(notice(problem));
    }
    button.disabled = false;
    button.blur();
    changed();
  }
}

function queueRow(queue, pauseOrResume) {
  const verb = queue.paused_at || queue.draining_at ? "resume" : "pause";
  const button = element("button", { type: "button", class: "quiet", "aria-label": `${verb} queue ${queue.name}`, click: () => pauseOrResume(queue, verb, button) }, verb === "pause" ? "Pause" : "Resume");
  return element("li", { class: "strip-row" },
    element("div", { class: "row" },
      element("a", { href: `/?${new URLSearchParams({ queue: queue.name })}`, "data-route": true, class: "strip-name", title: queue.name }, queue.name),
      stateTag(queue), element("span", { class: "spacer" }), button),
    element("div", { class: "small muted numbers" }, ...countsOf(queue)));
}

function stateTag(queue) {
  if (queue.paused_at) return element("span", { class: "tag warn", title: queue.paused_by ? `by ${queue.paused_by}` : null }, "paused");
  return queue.draining_at ? element("span", { class: "tag warn" }, "draining") : null;
}

function countsOf(queue) {
  const most = queue.max_running ?? queue.slots;
  const parts = [`${queue.running ?? 0}${most ? ` of ${most}` : ""} running`, ` · ${queue.available ?? 0} ready`];
  if (queue.waiting > 0) parts.push(` · ${queue.waiting} waiting`);
  const overdue = queue.oldest_due_at && queue.available > 0;
  return overdue ? [...parts, " · oldest ", ticking(queue.oldest_due_at)] : parts;
}
