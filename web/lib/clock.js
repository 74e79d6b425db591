// One clock for the page: `<time>` elements that update once a second, by the server's time if the browser's clock is
// wrong. Must never run a timer for each element.

import { element, setAttribute, setText } from "./dom.js";
import { duration, relative, stopwatch, utc } from "./format-time.js";

const TOLERATED_SKEW = 3000; // milliseconds; the Date header has whole seconds only

let skew = 0;

/** The server's time in milliseconds, estimated from its answers. */
export function now() {
  return Date.now() + skew;
}

/** Reads the server's time from the `Date` header of an answer. */
export function learnServerTime(header) {
  const difference = Date.parse(header ?? "") - Date.now();
  if (!Number.isNaN(difference)) skew = Math.abs(difference) > TOLERATED_SKEW ? difference : 0;
}

const FORMS = {
  ago: (time, at) => relative(time, at),
  elapsed: (time, at) => stopwatch(at - new Date(time).getTime()),
};

/**
 * A time that updates itself; `form` is `ago` (12 s ago, in 3 min) or `elapsed` (0:12). The tooltip shows it in UTC and
 * local time.
 */
export function ticking(time, form = "ago") {
  const node = element("time", { "data-form": form });
  setTime(node, time);
  return node;
}

/** Changes the time of such an element. */
export function setTime(node, time) {
  if (!time) {
    setAttribute(node, "datetime", null);
    setAttribute(node, "title", null);
    return setText(node, "");
  }
  if (node.getAttribute("datetime") !== time) {
    node.setAttribute("datetime", time);
    node.title = `${utc(time)}\n${new Date(time).toLocaleString()} local`;
  }
  setText(node, FORMS[node.dataset.form](time, now()));
}

/** The duration from one time to another, or null. */
export function between(start, end) {
  return start && end ? duration(new Date(end) - new Date(start)) : null;
}

function tick() {
  if (document.hidden) return;
  for (const node of document.querySelectorAll("time[data-form][datetime]")) setTime(node, node.getAttribute("datetime"));
}

setInterval(tick, 1000);
document.addEventListener("visibilitychange", tick);
