// The lines of a block of a log, with a heading where another attempt begins. Must never turn text of a job into anything
// but text.

import { timeOfDay, utc } from "../lib/format-time.js";
import { styledLine } from "../lib/terminal-output.js";
import { html } from "../ui/html.js";

const LONGEST_LINE = 20_000; // characters shown

/** @param {LogLine[]} block */
export function linesOf(block) {
  return block.map(({ at, stream, text, style, attempt }) => {
    const isError = stream === "stderr";
    return html`${attempt && html`<div class="log-attempt">attempt ${attempt}</div>`}
      <div class=${isError ? "log-line stderr" : "log-line"} title=${`${utc(at)} · ${stream}`}><span class="log-time" aria-hidden="true">${timeOfDay(at)}</span>${isError && html`<span class="log-mark">err</span>`}<span class="log-text">${partsOf(styledLine(text, style).runs)}</span></div>`;
  });
}

/**
 * The runs as text and spans, cut at the most characters of a line.
 * @param {{ text: string, classes: string }[]} runs
 * @returns {Child}
 */
function partsOf(runs) {
  let left = LONGEST_LINE;
  const parts = runs.map(({ text, classes }) => {
    const shown = text.slice(0, Math.max(0, left));
    left -= text.length;
    return classes && shown ? html`<span class=${classes}>${shown}</span>` : shown;
  });
  return left < 0 ? [...parts, ` … (${LONGEST_LINE - left} characters)`] : parts;
}
