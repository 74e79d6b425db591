// The last hour, a bar for each minute: jobs that completed, and above them those that failed; a line for those that
// were enqueued. Must never be the only source of the numbers: its label has them as text.

import { html } from "./html.js";

const [MINUTES, WIDTH, HEIGHT] = [60, 720, 120];
const STEP = WIDTH / MINUTES;

export function HourChart({ minutes }) {
  const bars = byMinute(minutes);
  const most = Math.max(...bars.map((bar) => Math.max(bar.completed + bar.failed, bar.enqueued)));
  const y = (count) => HEIGHT - (count / Math.max(1, most)) * HEIGHT;
  const total = (name) => bars.reduce((sum, bar) => sum + bar[name], 0).toLocaleString("en");
  const label = `Last hour: ${total("enqueued")} enqueued, ${total("completed")} completed, ${total("failed")} failed; at most ${most.toLocaleString("en")} a minute`;
  return html`<figure class="panel chart">
    <figcaption class="small muted">${label}</figcaption>
    <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${label}>
      ${bars.map((bar, index) => html`<g>
        <rect class="bar-completed" x=${index * STEP + 1} y=${y(bar.completed)} width=${STEP - 2} height=${HEIGHT - y(bar.completed)} />
        <rect class="bar-failed" x=${index * STEP + 1} y=${y(bar.completed + bar.failed)} width=${STEP - 2} height=${y(bar.completed) - y(bar.completed + bar.failed)} /></g>`)}
      <polyline points=${bars.map((bar, index) => `${index * STEP + STEP / 2},${y(bar.enqueued)}`).join(" ")} />
    </svg>
  </figure>`;
}

/** The last 60 minutes, each with its counts; minutes without jobs have zeros. */
export function byMinute(minutes, now = Date.now()) {
  const minute = 60_000;
  const counts = new Map(minutes.map((each) => [Math.floor(Date.parse(each.at) / minute), each]));
  const last = Math.max(Math.floor(now / minute), ...counts.keys());
  return Array.from({ length: MINUTES }, (_, index) => {
    const { enqueued = 0, completed = 0, failed = 0 } = counts.get(last - MINUTES + 1 + index) ?? {};
    return { enqueued, completed, failed };
  });
}
