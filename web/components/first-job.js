// What a list without any job shows: the way to the first one, each step marked when it is done, and the command in four
// languages with the real address. Must never show an example that nobody can run while something better is known.

import { serverUrl } from "../lib/base-path.js";
import { enqueueCommands } from "../lib/curl.js";
import { element, setText } from "../lib/dom.js";
import { needsKey } from "../lib/role.js";
import { copyButton } from "./copy-button.js";

/** `kind` is one that somebody serves, or null; `workers` are live. */
export function firstJob(kind, workers) {
  const commands = enqueueCommands(serverUrl(), { kind: kind ?? "YOUR-KIND", args: {} }, needsKey());
  return element("div", { class: "empty first-job" },
    element("h3", {}, "No jobs yet"),
    element("ol", { class: "steps plain" },
      step(true, "The server answers.", element("code", {}, serverUrl())),
      step(workers > 0, workers > 0 ? `${workers === 1 ? "A worker is" : `${workers} workers are`} connected.` : "No worker is connected. Start one:", workers > 0 ? null : codeBox({ shell: "tidemill worker" })),
      step(kind !== null, kind ? "It serves a kind: " : "No kind is known yet: a section [kinds.NAME] of the config is one, or a function of a worker.", kind && element("code", {}, kind)),
      step(false, "Enqueue the first job:", codeBox(commands))),
    element("a", { class: "button primary", href: "/enqueue", "data-route": true }, "Or fill in the form"));
}

function step(done, text, more) {
  return element("li", { class: "step", "data-done": String(done) },
    element("span", { class: "step-mark", "aria-hidden": "true" }, done ? "✓" : "○"),
    element("div", {}, element("p", {}, element("span", { class: "offscreen" }, done ? "Done: " : "To do: "), text, " ", more?.tagName === "CODE" ? more : ""), more?.tagName === "CODE" ? null : more));
}

/** Commands by their language; one is shown at a time. */
function codeBox(commands) {
  const words = Object.keys(commands);
  let shown = words[0];
  const pre = element("pre", {}, commands[shown]);
  const buttons = words.map((word) => element("button", { type: "button", class: "quiet", "aria-pressed": String(word === shown), click: () => show(word) }, word));
  const show = (word) => {
    shown = word;
    setText(pre, commands[word]);
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(words[index] === word)));
  };
  return element("div", { class: "languages" }, words.length > 1 ? element("div", { class: "row wrap", role: "group", "aria-label": "Language" }, buttons) : null,
    element("div", { class: "code-box" }, pre, copyButton(() => commands[shown])));
}
