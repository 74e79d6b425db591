// The log of a job: follows the end unless it is scrolled up. Must never hold more lines than its bound, and never turn text
// of a job into anything but text.

import { element, setText } from "../lib/dom.js";
import { timeOfDay, utc } from "../lib/format-time.js";
import { PLAIN, styledLine } from "../lib/terminal-output.js";
import { copyButton } from "./copy-button.js";
import { icon } from "./icon.js";

const MOST_LINES = 5000;
const AT_END = 16; // pixels from the bottom that still count as the end
const LONGEST_LINE = 20_000; // characters shown

/** The panel; `add(event)` takes a log event, `showStream(text)` the state of the stream. */
export function logPanel() {
  const box = element("div", { class: "log", role: "log", "aria-live": "off", "aria-label": "Log lines", tabindex: 0 });
  const [cut, state] = [element("p", { class: "log-cut muted small", hidden: true }), element("span", { class: "small muted" })];
  const down = element("button", { type: "button", class: "new-button log-down", hidden: true, click: follow }, icon("down"), element("span"));
  const none = element("p", { class: "log-none muted" }, "No log lines yet.");
  const wrap = element("input", { type: "checkbox", checked: true, change: () => box.classList.toggle("unwrapped", !wrap.checked) });
  const panel = element("section", { class: "panel log-panel", "aria-labelledby": "log-title" },
    element("div", { class: "row title" }, element("h2", { id: "log-title" }, "Log"), state, element("span", { class: "spacer" }),
      element("label", { class: "check" }, wrap, "Wrap"), copyButton(wholeText)),
    cut, element("div", { class: "log-frame" }, box, none, down));
  const waiting = [];
  let [following, missed, dropped, attempt, planned, timer] = [true, 0, 0, null, false, null];
  let styles = {}; // by stream

  box.addEventListener("scroll", () => {
    following = box.scrollHeight - box.scrollTop - box.clientHeight <= AT_END;
    if (following) showMissed(0);
  });
  panel.add = (event) => {
    waiting.push(event);
    if (waiting.length > MOST_LINES) {
      waiting.shift();
      dropped += 1;
    }
    if (!planned) timer = setTimeout(flush, 80);
    planned = true;
  };
  panel.showStream = (text) => setText(state, text);
  panel.end = () => setText(none, "It wrote no log lines.");
  panel.leave = () => clearTimeout(timer);
  return panel;

  function flush() {
    planned = false;
    const lines = document.createDocumentFragment();
    let added = 0;
    for (const event of waiting) {
      if (event.attempt !== attempt) startAttempt(event.attempt, lines);
      const { runs, style } = styledLine(event.line ?? event.text ?? "", styles[event.stream]);
      styles[event.stream] = style;
      lines.append(logLine(event, runs));
      added += 1;
    }
    waiting.length = 0;
    box.append(lines);
    trim();
    none.hidden = true;
    if (following) box.scrollTop = box.scrollHeight;
    else showMissed(missed + added);
  }

  function startAttempt(number, lines) {
    if (number > 1) lines.append(element("div", { class: "log-attempt" }, `attempt ${number}`));
    attempt = number;
    styles = { stdout: PLAIN, stderr: PLAIN };
  }

  function trim() {
    while (box.childElementCount > MOST_LINES) {
      if (!box.firstElementChild.classList.contains("log-attempt")) dropped += 1;
      box.firstElementChild.remove();
    }
    cut.hidden = dropped === 0;
    setText(cut, `${dropped.toLocaleString("en")} earlier lines are not shown here; the API has them all.`);
  }

  function follow() {
    following = true;
    box.scrollTop = box.scrollHeight;
    showMissed(0);
  }

  function showMissed(count) {
    missed = count;
    down.hidden = count === 0;
    setText(down.lastElementChild, `${count.toLocaleString("en")} new ${count === 1 ? "line" : "lines"}`);
  }

  function wholeText() {
    return [...box.querySelectorAll(".log-text")].map((line) => line.textContent).join("\n");
  }
}

function logLine(event, runs) {
  const isError = event.stream === "stderr";
  return element("div", { class: isError ? "log-line stderr" : "log-line", title: `${utc(event.at)} · ${event.stream ?? "stdout"}` },
    element("span", { class: "log-time", "aria-hidden": "true" }, timeOfDay(event.at)),
    isError && element("span", { class: "log-mark" }, "err"),
    element("span", { class: "log-text" }, nodesOf(runs)));
}

/** The runs as text and spans, cut at the most characters of a line. */
function nodesOf(runs) {
  const nodes = [];
  let left = LONGEST_LINE;
  for (const { text, classes } of runs) {
    const shown = text.slice(0, Math.max(0, left));
    left -= text.length;
    if (shown !== "") nodes.push(classes === "" ? shown : element("span", { class: classes }, shown));
  }
  if (left < 0) nodes.push(` … (${LONGEST_LINE - left} characters)`);
  return nodes;
}
