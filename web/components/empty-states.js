// The empty states: no match, and an address without a page or a job. Must never be shown before the server has answered
// that there is nothing.

import { wordsOf } from "../lib/job-filter.js";
import { html } from "../ui/html.js";
import { Link } from "../ui/parts.js";

/**
 * An address that leads to nothing; `text` says why.
 * @param {{ title: string, text?: string }} props
 */
export function NothingHere({ title, text = "" }) {
  return html`<div class="empty"><h1 tabindex="-1">${title}</h1>${text && html`<p>${text}</p>`}<${AllJobs} /></div>`;
}

/**
 * Nothing matches the filter.
 * @param {{ filter: Filter }} props
 */
export function NothingMatches({ filter }) {
  return html`<div class="empty"><h3>Nothing matches</h3><p>There is no job with ${wordsOf(filter)}.</p><${AllJobs} /></div>`;
}

export function AllJobs() {
  return html`<${Link} class="button" to="/jobs">Show all jobs</${Link}>`;
}
