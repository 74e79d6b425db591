// The empty states: a list that loads, no jobs at all, no match, and an address without a page or a job. Must never show
// an example that nobody can run while something better is known.

import { storedKey } from "../lib/api.js";
import { serverUrl } from "../lib/base-path.js";
import { enqueueCommand } from "../lib/curl.js";
import { element } from "../lib/dom.js";
import { copyButton } from "./copy-button.js";

/** Grey rows in place of the list until the first answer. */
export function loadingRows() {
  return element("div", { class: "skeletons", "aria-label": "Loading" }, Array.from({ length: 6 }, () => element("div", { class: "skeleton" })));
}

/** Nothing was ever enqueued; the example uses `kind`, or asks for one. */
export function nothingYet(kind) {
  const command = enqueueCommand(serverUrl(), { kind: kind ?? "YOUR-KIND", args: {} }, storedKey() !== null);
  return element("div", { class: "empty" },
    element("h3", {}, "No jobs yet"),
    element("p", {}, kind ? "Enqueue one from the form, or with a command like this:" : "No worker has named a kind yet: start one. Then enqueue a job from the form, or with a command like this:"),
    element("div", { class: "code-box" }, element("pre", {}, command), copyButton(() => command)),
    element("a", { class: "button primary", href: "/enqueue", "data-route": true }, "Enqueue a job"));
}

/** An address that leads to nothing; `text` says why. */
export function nothingHere(title, text = "") {
  return element("div", { class: "empty" },
    element("h1", { tabindex: -1 }, title),
    text && element("p", {}, text),
    element("a", { class: "button", href: "/", "data-route": true }, "Show all jobs"));
}

/** Nothing matches the filter. */
export function nothingMatches(filter) {
  const words = Object.entries(filter).map(([name, value]) => `${name} ${value}`).join(", ");
  return element("div", { class: "empty" },
    element("h3", {}, "Nothing matches"),
    element("p", {}, `There is no job with ${words}.`),
    element("a", { class: "button", href: "/", "data-route": true }, "Show all jobs"));
}
