// The empty states: a list that loads, no match, and an address without a page or a job. Must never be shown before the
// server has answered that there is nothing.

import { element } from "../lib/dom.js";
import { wordsOf } from "../lib/job-filter.js";

/** Grey rows in place of the list until the first answer. */
export function loadingRows() {
  return element("div", { class: "skeletons", "aria-label": "Loading" }, Array.from({ length: 6 }, () => element("div", { class: "skeleton" })));
}

/** An address that leads to nothing; `text` says why. */
export function nothingHere(title, text = "") {
  return element("div", { class: "empty" },
    element("h1", { tabindex: -1 }, title),
    text && element("p", {}, text),
    element("a", { class: "button", href: "/jobs", "data-route": true }, "Show all jobs"));
}

/** Nothing matches the filter. */
export function nothingMatches(filter) {
  return element("div", { class: "empty" },
    element("h3", {}, "Nothing matches"),
    element("p", {}, `There is no job with ${wordsOf(filter)}.`),
    element("a", { class: "button", href: "/jobs", "data-route": true }, "Show all jobs"));
}
