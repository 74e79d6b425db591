// A JSON value as a panel: indented, and folded when it is long. Must never put more into the page than its bound.

import { element } from "../lib/dom.js";
import { prettyJson } from "../lib/json.js";
import { copyButton } from "./copy-button.js";

const OPEN_LINES = 16;
const MOST_SHOWN = 256 * 1024; // characters

/** The panel; `update(value)` shows another value, and hides the panel for null. */
export function payloadPanel(title) {
  const code = element("pre", { class: "json", tabindex: 0, "aria-label": title });
  const size = element("span", { class: "small muted" });
  const details = element("details", { class: "panel payload" },
    element("summary", {}, element("h2", {}, title), size), element("div", { class: "code-box" }, code, copyButton(() => full)));
  let full = null;
  details.update = (value) => {
    const text = value == null ? null : prettyJson(value);
    details.hidden = text === null;
    if (text === null || text === full) return;
    const first = full === null;
    full = text;
    const lines = text.split("\n").length;
    code.textContent = text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}\n… (${text.length} characters in all; Copy takes the whole)` : text;
    size.textContent = lines > OPEN_LINES ? `${lines} lines` : "";
    if (first) details.open = lines <= OPEN_LINES;
  };
  return details;
}
