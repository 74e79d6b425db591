// The box that says why a job does not run yet, with links to the jobs that hold it up. Must never say it of a job that
// runs.

import { ticking } from "../lib/clock.js";
import { element } from "../lib/dom.js";
import { expectedStart, reasonsOf } from "../lib/explanation.js";

/** The box; `update(explanation, job)` shows an explanation of the API, null hides the box. */
export function reasonsBox() {
  const box = element("div", { class: "hint-box", role: "status", hidden: true });
  let shown = "";
  box.update = (explanation, job) => {
    const reasons = explanation ? reasonsOf(explanation, job) : [];
    const start = explanation ? expectedStart(explanation) : null;
    const text = JSON.stringify([reasons, start]);
    if (text === shown) return;
    shown = text;
    box.hidden = reasons.length === 0;
    box.dataset.tone = reasons.every((reason) => reason.usual) ? "idle" : "warn";
    box.replaceChildren(...reasons.map(paragraph), ...(start ? [element("p", { class: "small" }, "Expected to start ", ticking(start), ".")] : []));
  };
  return box;
}

function paragraph({ text, jobs, until, advice }) {
  const links = jobs.flatMap(({ id, name }, index) => [index > 0 ? ", " : " ", element("a", { href: `/jobs/${encodeURIComponent(id)}`, "data-route": true }, name)]);
  return element("p", {}, text, links, until && [" (", ticking(until), ")"], advice && ` ${advice}`);
}
