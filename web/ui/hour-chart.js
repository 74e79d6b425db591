// The last hour, a bar for each minute: jobs that completed, and above them those that failed; a line for those that
// were enqueued. The minute under the pointer, or chosen by the arrow keys, has its numbers as text. Must never be the only
// source of the numbers: its label has the sums.

import { html, useState } from "./html.js";

const [MINUTES, WIDTH, HEIGHT] = [60, 720, 120];
const STEP = WIDTH / MINUTES;
const KEYS = /** @type {Record<string, number>} */ ({ ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -MINUTES, End: MINUTES });

/**
 * @typedef {"enqueued" | "completed" | "failed"} Count
 * @typedef {Record<Count, number>} Counts
 */

/**
 * `depth` is the number of jobs that are ready or wait now: without it, a queue that is emptied at once looks like one to
 * which nothing comes.
 *
 * @param {{ minutes: Api.Point[], depth: number }} props
 */
export function HourChart({ minutes, depth }) {
  const [chosen, choose] = useState(/** @type {number | null} */ (null)); // null: nobody asks
  const bars = byMinute(minutes);
  const most = Math.max(...bars.map((bar) => Math.max(bar.completed + bar.failed, bar.enqueued)));
  const y = (/** @type {number} */ count) => HEIGHT - (count / Math.max(1, most)) * HEIGHT;
  const total = (/** @type {Count} */ name) => bars.reduce((sum, bar) => sum + bar[name], 0);
  const sums = { enqueued: total("enqueued"), completed: total("completed"), failed: total("failed") };
  const label = `Last hour: ${wordsOf(sums)}; at most ${most.toLocaleString("en")} a minute; ${depth.toLocaleString("en")} ready or waiting now`;
  const at = chosen ?? MINUTES - 1;
  const said = `${timeOf(bars[at].at)}: ${wordsOf(bars[at])}`;
  const press = (/** @type {KeyboardEvent} */ event) => {
    if (!(event.key in KEYS)) return;
    event.preventDefault();
    choose(Math.min(MINUTES - 1, Math.max(0, at + KEYS[event.key])));
  };
  const point = (/** @type {PointerEvent & { currentTarget: HTMLElement }} */ event) => {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    choose(Math.min(MINUTES - 1, Math.max(0, Math.floor(((event.clientX - left) / width) * MINUTES))));
  };
  return html`<figure class="panel chart">
    <figcaption class="small muted">${label}</figcaption>
    <div class="chart-plane" role="slider" tabindex="0" aria-label="Minute of the last hour" aria-valuemin="0" aria-valuemax=${MINUTES - 1} aria-valuenow=${at} aria-valuetext=${said}
      onKeyDown=${press} onFocus=${() => choose(at)} onBlur=${() => choose(null)} onPointerMove=${point} onPointerDown=${point} onPointerLeave=${() => choose(null)}>
      <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        ${chosen !== null && html`<rect class="chart-here" x=${chosen * STEP} y="0" width=${STEP} height=${HEIGHT} />`}
        ${bars.map((bar, index) => html`<g>
          <rect class="bar-completed" x=${index * STEP + 1} y=${y(bar.completed)} width=${STEP - 2} height=${HEIGHT - y(bar.completed)} />
          <rect class="bar-failed" x=${index * STEP + 1} y=${y(bar.completed + bar.failed)} width=${STEP - 2} height=${y(bar.completed) - y(bar.completed + bar.failed)} /></g>`)}
        <polyline points=${bars.map((bar, index) => `${index * STEP + STEP / 2},${y(bar.enqueued)}`).join(" ")} />
      </svg>
    </div>
    <p class="chart-foot small numbers"><span>${timeOf(bars[0].at)}</span><span class="chart-said">${chosen === null ? "Point at a minute, or use the arrow keys" : said}</span><span>${timeOf(bars[MINUTES - 1].at)}</span></p>
  </figure>`;
}

/** @param {Counts} counts */
function wordsOf({ enqueued, completed, failed }) {
  return `${enqueued.toLocaleString("en")} enqueued, ${completed.toLocaleString("en")} completed, ${failed.toLocaleString("en")} failed`;
}

/** @param {number} at */
function timeOf(at) {
  return new Date(at).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
}

/**
 * The last 60 minutes, each with its time in milliseconds and its counts; minutes without jobs have zeros.
 *
 * @param {({ at: string } & Counts)[]} minutes
 * @param {number} now
 */
export function byMinute(minutes, now = Date.now()) {
  const minute = 60_000;
  const counts = new Map(minutes.map((each) => [Math.floor(Date.parse(each.at) / minute), each]));
  const last = Math.max(Math.floor(now / minute), ...counts.keys());
  return Array.from({ length: MINUTES }, (_, index) => {
    const here = last - MINUTES + 1 + index;
    const { enqueued = 0, completed = 0, failed = 0 } = counts.get(here) ?? {};
    return { at: here * minute, enqueued, completed, failed };
  });
}
