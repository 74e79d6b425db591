// The badge that shows a job's state as icon and word.

import { element } from "../lib/dom.js";
import { MEANING, shownState } from "../lib/job-state.js";
import { icon } from "./icon.js";

/** A job's state as icon and word. */
export function stateBadge(job) {
  const badge = element("span", { class: "badge" });
  updateBadge(badge, job);
  return badge;
}

/** Shows the job's present state in an existing badge. */
export function updateBadge(badge, job) {
  const state = shownState(job);
  const word = job.cancel_requested_at && state === "running" ? "cancelling" : state;
  if (badge.dataset.word === word) return;
  badge.dataset.word = word;
  badge.dataset.state = state;
  badge.title = word === "cancelling" ? "Cancel requested; the handler is stopping." : (MEANING[state] ?? "");
  badge.replaceChildren(icon(state), word);
}
