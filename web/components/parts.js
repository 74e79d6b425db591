// Parts that several pages show: state badge, progress bar, copy button, problem notice, short ids.

import { element, setAttribute, setText } from "../lib/dom.js";
import { icon } from "./icon.js";
import { MEANING, shownState } from "../lib/job-state.js";

/** A job's state as icon and word. */
export function stateBadge(job) {
  const badge = element("span", { class: "badge" });
  updateBadge(badge, job);
  return badge;
}

/** Shows the job's present state in a badge made before. */
export function updateBadge(badge, job) {
  const state = shownState(job);
  const word = job.cancel_requested_at && state === "running" ? "cancelling" : state;
  if (badge.dataset.word === word) return;
  badge.dataset.word = word;
  badge.dataset.state = state;
  badge.title = word === "cancelling" ? "Cancel was asked for; the handler is stopping." : (MEANING[state] ?? "");
  badge.replaceChildren(icon(state), word);
}

/** A progress bar; `update(job)` moves it. Without a percent it shows that something moves. */
export function progressBar(label) {
  const fill = element("span", { class: "fill" });
  const bar = element("div", { class: "progress", role: "progressbar", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
  bar.update = (job) => {
    const percent = percentOf(job);
    setAttribute(bar, "aria-valuenow", percent === null ? null : Math.round(percent));
    setAttribute(bar, "aria-valuetext", job.progress?.step ?? null);
    bar.dataset.state = shownState(job);
    bar.classList.toggle("unknown", percent === null && job.state === "running");
    fill.style.setProperty("--part", String((percent ?? 0) / 100));
  };
  return bar;
}

/** The job's percent, or null. */
export function percentOf(job) {
  if (job.state === "completed") return 100;
  const percent = job.progress?.percent;
  return typeof percent === "number" ? Math.min(100, Math.max(0, percent)) : null;
}

/** A percent as people read it: `62 %`, or nothing. */
export function percentText(job) {
  const percent = percentOf(job);
  return percent === null ? "" : `${Math.floor(percent)} %`;
}

/** The end of an id, where two of the same minute differ. */
export function shortId(id) {
  return id.length > 12 ? `…${id.slice(-8)}` : id;
}

/** A button that copies what `text()` answers at that moment. */
export function copyButton(text, label = "Copy") {
  const word = element("span", { "aria-live": "polite" }, label);
  const button = element("button", { type: "button", class: "quiet copy", click: act }, icon("copy"), word);
  return button;

  async function act() {
    const done = await copy(text());
    setText(word, done ? "Copied" : "Press Ctrl+C");
    setTimeout(() => setText(word, label), 1600);
  }
}

/** Copies; pages without HTTPS have no clipboard of their own, so the old way stands behind. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = element("textarea", { class: "offscreen", "aria-hidden": "true" });
    field.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

/** What went wrong and what to do, as the server said it; `act` is an optional button. */
export function notice(problem, act = null) {
  return element("div", { class: "notice", role: "alert" },
    element("div", {},
      element("strong", {}, problem.title || "That did not work"),
      element("p", {}, problem.field ? `${problem.field}: ${problem.message}` : problem.message),
      problem.remedy && element("p", { class: "muted" }, problem.remedy)),
    act);
}
