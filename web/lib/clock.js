// One clock for the page: `<time>` elements that update once a second, by the server's time if the browser's clock is
// wrong. Must never run a timer for each element.

import { duration, relative, stopwatch, utc } from "./format-time.js";

const TOLERATED_SKEW = 3000; // milliseconds; the Date header has whole seconds only

let skew = 0;

/** The server's time in milliseconds, estimated from its answers. */
export function now() {
  return Date.now() + skew;
}

/**
 * Reads the server's time from the `Date` header of an answer.
 * @param {string | null} header
 */
export function learnServerTime(header) {
  const difference = Date.parse(header ?? "") - Date.now();
  if (!Number.isNaN(difference)) skew = Math.abs(difference) > TOLERATED_SKEW ? difference : 0;
}

/** @type {Record<string, (time: string, at: number) => string>} */
const FORMS = {
  ago: (time, at) => relative(time, at),
  elapsed: (time, at) => stopwatch(at - new Date(time).getTime()),
};

/**
 * Sets the time of a `<time>` element; its form is `ago` (12 s ago, in 3 min) or `elapsed` (0:12). The tooltip shows it in UTC and local time.
 * @param {HTMLTimeElement} node
 * @param {string} time
 */
export function setTime(node, time) {
  if (node.dateTime !== time) {
    node.dateTime = time;
    node.title = `${utc(time)}\n${new Date(time).toLocaleString()} local`;
  }
  const text = FORMS[node.dataset.form ?? "ago"](time, now());
  if (node.textContent !== text) node.textContent = text; // a selection in it survives
}

/**
 * The duration from one time to another, or null.
 * @param {string | null | undefined} start
 * @param {string | null | undefined} end
 */
export function between(start, end) {
  return start && end ? duration(Date.parse(end) - Date.parse(start)) : null;
}

function tick() {
  if (document.hidden) return;
  for (const node of /** @type {NodeListOf<HTMLTimeElement>} */ (document.querySelectorAll("time[data-form]"))) setTime(node, node.dateTime);
}

setInterval(tick, 1000);
document.addEventListener("visibilitychange", tick);
