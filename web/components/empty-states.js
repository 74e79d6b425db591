// The empty states of the job list: loading, no jobs at all, no match.

import { storedKey } from "../lib/api.js";
import { serverUrl } from "../lib/base-path.js";
import { enqueueCommand } from "../lib/curl.js";
import { element } from "../lib/dom.js";
import { copyButton } from "./copy-button.js";

/** Grey rows in place of the list until the first answer. */
export function loadingRows() {
  return element("div", { class: "skeletons", "aria-label": "Loading" }, Array.from({ length: 6 }, () => element("div", { class: "skeleton" })));
}

/** Nothing was ever enqueued. */
export function nothingYet() {
  const command = enqueueCommand(serverUrl(), { kind: "hello", args: { name: "world" } }, storedKey() !== null);
  return element("div", { class: "empty" },
    element("h3", {}, "No jobs yet"),
    element("p", {}, "Enqueue one from the form, or with a command like this:"),
    element("div", { class: "code-box" }, element("pre", {}, command), copyButton(() => command)),
    element("a", { class: "button primary", href: "/enqueue", "data-route": true }, "Enqueue a job"));
}

/** Nothing matches the filter. */
export function nothingMatches(filter) {
  const words = Object.entries(filter).map(([name, value]) => `${name} ${value}`).join(", ");
  return element("div", { class: "empty" },
    element("h3", {}, "Nothing matches"),
    element("p", {}, `There is no job with ${words}.`),
    element("a", { class: "button", href: "/", "data-route": true }, "Show all jobs"));
}
