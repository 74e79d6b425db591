// The badge that shows a job's state as icon and word. Must never show a state by its colour alone.

import { element } from "../lib/dom.js";
import { MEANING, shownState } from "../lib/job-state.js";
import { icon } from "./icon.js";

/** A job's state as icon and word. */
export function stateBadge(job) {
  const badge = element("span", { class: "badge" });
  updateBadge(badge, job);
  return badge;
}

/** Shows the job's present state in an existing badge; `why` is a better tooltip than the state's meaning. */
export function updateBadge(badge, job, why = null) {
  const state = shownState(job);
  const word = job.cancel_requested_at && state === "running" ? "cancelling" : state;
  badge.title = why ?? (word === "cancelling" ? "Cancel requested; the handler is stopping." : (MEANING[state] ?? ""));
  if (badge.dataset.word === word) return;
  badge.dataset.word = word;
  badge.dataset.state = state;
  badge.replaceChildren(icon(state), word);
}
