// The timeline of a job, from its row and its events except progress and log. Must never show a text by its icon alone.

import { duration } from "../lib/format-time.js";
import { timelineEntries } from "../lib/timeline-entries.js";
import { html } from "../ui/html.js";
import { Moment } from "../ui/parts.js";
import { Icon } from "./icon.js";

const SHORTEST_GAP = 1000; // milliseconds

/** @param {{ job: Job, events: Frame[] }} props */
export function Timeline({ job, events }) {
  const entries = timelineEntries(job, events);
  return html`<section class="panel" aria-labelledby="timeline-title"><h2 id="timeline-title">Timeline</h2>
    <ol class="timeline plain" role="list">${entries.map((entry, index) => html`<${Entry} entry=${entry} before=${entries[index - 1]} />`)}</ol></section>`;
}

/** @param {{ entry: Entry, before?: Entry }} props */
function Entry({ entry, before }) {
  const gap = before && !entry.ahead ? Date.parse(entry.at) - Date.parse(before.at) : 0;
  return html`<li class="step-item" data-tone=${entry.tone}>
    <span class="step-mark"><${Icon} name=${entry.icon} /></span>
    <div><div class="row step-head"><strong>${entry.title}</strong><span class="spacer"></span><${Moment} at=${entry.at} none="" /></div>
      ${entry.text && html`<p class="step-text" title=${entry.text}>${entry.text}</p>`}
      ${gap >= SHORTEST_GAP && html`<p class="small muted">${duration(gap)} later</p>`}</div></li>`;
}
