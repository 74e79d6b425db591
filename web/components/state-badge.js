// The badge that shows a job's state as icon and word. Must never show a state by its colour alone.

import { MEANING, shownState } from "../lib/job-state.js";
import { html } from "../ui/html.js";
import { Icon } from "./icon.js";

/**
 * `why` is a better tooltip than the state's meaning.
 * @param {{ job: Job, why?: string | null, hidden?: boolean }} props
 */
export function StateBadge({ job, why = null, hidden = false }) {
  const state = shownState(job);
  const word = job.cancel_requested_at && state === "running" ? "cancelling" : state;
  const title = why ?? (word === "cancelling" ? "Cancel requested; the handler is stopping." : MEANING[state]);
  return html`<span class="badge" title=${title} data-state=${state} hidden=${hidden}><${Icon} name=${state} />${word}</span>`;
}
