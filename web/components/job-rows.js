// The rows and cards of jobs in lists. Updates change them in place. A text that can be cut must never be without its title.

import { between, setTime, ticking } from "../lib/clock.js";
import { element, setAttribute, setText } from "../lib/dom.js";
import { whyCancelled } from "../lib/job-error.js";
import { finished, shownState } from "../lib/job-state.js";
import { percentText, progressBar } from "./progress-bar.js";
import { stateBadge, updateBadge } from "./state-badge.js";

/** A card of a running job: kind, step, bar, time. */
export function jobCard(job) {
  const [step, percent, elapsed, bar] = [element("span", { class: "step" }), element("span", { class: "percent" }), ticking(null, "elapsed"), progressBar(`Progress of ${job.kind}`)];
  const [badge, link] = [stateBadge(job), jobLink(job)];
  const card = element("li", { class: "card job-card" },
    element("div", { class: "row" }, link, nameTag(job), element("span", { class: "spacer" }), badge),
    bar,
    element("div", { class: "row small" }, step, element("span", { class: "spacer" }), percent, elapsed));
  return patched(card, (next) => {
    updateBadge(badge, next);
    badge.hidden = shownState(next) === "running" && !next.cancel_requested_at;
    bar.update(next);
    setText(step, outcome(next) || (next.progress?.step ?? `queue ${next.queue}`));
    link.title = [next.kind, next.execution_id ?? next.id, step.textContent].join("\n"); // the link covers the card
    setText(percent, percentText(next));
    setTime(elapsed, finished(next) ? null : next.started_at);
    setAttribute(card, "data-finished", finished(next));
  }, job);
}

/** A row of the job table. */
export function jobRow(job) {
  const [badge, what, when, bar] = [stateBadge(job), element("span", { class: "what-text" }), ticking(null), progressBar(`Progress of ${job.kind}`)];
  const row = element("tr", { role: "row" },
    element("td", { role: "cell", class: "cell-state" }, badge),
    element("th", { role: "rowheader", scope: "row", class: "cell-job" }, jobLink(job), nameTag(job)),
    element("td", { role: "cell", class: "cell-queue muted", title: job.queue }, job.queue),
    element("td", { role: "cell", class: "cell-what" }, bar, what),
    element("td", { role: "cell", class: "cell-when" }, when));
  return patched(row, (next, why) => {
    updateBadge(badge, next, why);
    bar.hidden = next.state !== "running";
    bar.update(next);
    setText(what, [tryText(next), next.state === "running" ? percentText(next) : (outcome(next) || why), next.state === "running" && next.progress?.step].filter(Boolean).join(" · "));
    what.title = what.textContent;
    what.classList.toggle("wrong", next.state === "failed");
    setTime(when, next.finished_at ?? (next.state === "running" ? next.started_at : (dueAhead(next) ?? next.created_at)));
  }, job);
}

function patched(node, update, job) {
  let [shown, reason] = [null, null];
  node.update = (next, why = null) => {
    if (next !== shown || why !== reason) update(next, why);
    [shown, reason] = [next, why];
  };
  node.update(job);
  return node;
}

function jobLink(job) {
  return element("a", { href: `/jobs/${encodeURIComponent(job.id)}`, "data-route": true, class: "job-link", title: job.kind }, job.kind);
}

function nameTag(job) {
  return element("span", { class: "muted small", title: job.execution_id ?? job.id }, job.execution_id ?? shortId(job.id));
}

function tryText(job) {
  return job.attempt > 1 ? `try ${job.attempt}/${job.max_attempts}` : "";
}

function dueAhead(job) {
  return ["scheduled", "retrying"].includes(shownState(job)) ? job.run_at : null;
}

/** The outcome of a job in a few words. */
function outcome(job) {
  const took = between(job.started_at, job.finished_at);
  switch (shownState(job)) {
    case "completed":
      return took ? `took ${took}` : "";
    case "failed":
      return firstLine(job.error?.message) || "failed";
    case "cancelled":
      return whyCancelled(job) ?? (took ? `cancelled after ${took}` : "cancelled before it started");
    case "retrying":
      return firstLine(job.error?.message) || `attempt ${job.attempt} failed`;
    default:
      return "";
  }
}

function firstLine(text) {
  return (text ?? "").split("\n", 1)[0].slice(0, 200);
}

/** The end of an id, the part in which ids of the same minute differ. */
function shortId(id) {
  return id.length > 12 ? `…${id.slice(-8)}` : id;
}
