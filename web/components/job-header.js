// The head of a job's page: kind, state, progress, times, and the reason for waiting or failing. Must never say that a job
// failed which did not run.

import { between, setTime, ticking } from "../lib/clock.js";
import { element, setText } from "../lib/dom.js";
import { errorOf } from "../lib/job-error.js";
import { finished } from "../lib/job-state.js";
import { percentText, progressBar } from "./progress-bar.js";
import { reasonsBox } from "./reasons-box.js";
import { withEdges } from "./scroll-edges.js";
import { stateBadge, updateBadge } from "./state-badge.js";

/** The head; `update(job)` patches it, `explain(explanation, job)` shows why the job does not run yet. */
export function jobHeader(actions) {
  const [title, badge, under, hint, error] = [element("h1", { tabindex: -1 }), stateBadge({ state: "waiting" }), element("p", { class: "muted under" }), reasonsBox(), errorBlock()];
  const [bar, step, percent, changed, elapsed] = [progressBar("Progress"), element("span", { class: "step" }), element("strong", { class: "percent" }), ticking(null), ticking(null, "elapsed")];
  const changedBox = element("span", { class: "muted small" }, "changed ", changed);
  const took = element("span", { class: "muted" });
  const progress = element("div", { class: "progress-box" }, element("div", { class: "row" }, percent, step, element("span", { class: "spacer" }), changedBox, took, elapsed), bar);
  const header = element("header", { class: "panel job-head" },
    element("div", { class: "row wrap" }, element("div", {}, element("div", { class: "row wrap" }, title, badge), under), element("span", { class: "spacer" }), actions), hint, progress, error);
  header.explain = hint.update;
  header.update = (job) => {
    setText(title, job.kind);
    updateBadge(badge, job);
    setText(under, underTitle(job));
    progress.hidden = !job.progress && job.state !== "running";
    bar.update(job);
    setText(percent, percentText(job));
    setText(step, job.state === "completed" ? "" : (job.progress?.step ?? ""));
    changedBox.hidden = finished(job) || !job.progress?.updated_at;
    setTime(changed, job.progress?.updated_at);
    setTime(elapsed, job.state === "running" ? job.started_at : null);
    setText(took, finished(job) ? [between(job.started_at, job.finished_at)].filter(Boolean).map((time) => `took ${time}`).join("") : "");
    error.update(job);
  };
  return header;
}

function underTitle(job) {
  const parts = [`queue ${job.queue}`];
  if (job.attempt > 0 || !finished(job)) parts.push(job.attempt > 0 ? `attempt ${job.attempt} of ${job.max_attempts}` : `${job.max_attempts} attempts`);
  if (job.priority !== 5) parts.push(`priority ${job.priority}`);
  if (job.execution_id) parts.push(job.execution_id);
  return parts.join(" · ");
}

function errorBlock() {
  const [title, message, hint] = [element("strong"), withEdges(element("pre", { class: "error-text", tabindex: 0, "aria-label": "Error text" })), element("p", { class: "small muted" })];
  const block = element("div", { class: "error-block", hidden: true }, title, message, hint);
  let shown = "";
  block.update = (job) => {
    const error = errorOf(job);
    block.hidden = !error;
    const text = JSON.stringify(error);
    if (!error || text === shown) return;
    shown = text;
    block.dataset.tone = error.failed ? "bad" : "idle";
    title.replaceChildren(...titleOf(error));
    message.hidden = error.text === "";
    setText(message, error.text);
    message.scrollTop = message.scrollHeight; // the last line of a trace says what went wrong
    hint.hidden = error.hint === "";
    setText(hint, error.hint);
  };
  return block;
}

function titleOf({ title, parent }) {
  if (!parent) return [title];
  const name = parent.id ? element("a", { href: `/jobs/${encodeURIComponent(parent.id)}`, "data-route": true }, parent.name) : parent.name;
  return [`${title} `, name, ` ${parent.ended}`];
}
