// The log of a job: follows the end unless it is scrolled up. Only the blocks of lines near what is seen are drawn; the
// others keep their height. Must never draw all lines, and never turn text of a job into anything but text.

import { element, setText } from "../lib/dom.js";
import { timeOfDay, utc } from "../lib/format-time.js";
import { BLOCK, LogLines } from "../lib/log-lines.js";
import { styledLine } from "../lib/terminal-output.js";
import { copyButton } from "./copy-button.js";
import { icon } from "./icon.js";

const AT_END = 16; // pixels from the bottom that still count as the end
const LONGEST_LINE = 20_000; // characters shown
const ROW = 19.375; // pixels of a line that is not wrapped, as in styles/log.css
const BLOCKS_OF_A_VIEW = 2; // those at the end that are drawn at once: the frame is lower than one

/** The panel; `add(event)` takes a log event, `showStream(text)` the state of the stream. */
export function logPanel() {
  const box = element("div", { class: "log", role: "log", "aria-live": "off", "aria-label": "Log lines", tabindex: 0 });
  const [cut, state] = [element("p", { class: "log-cut muted small", hidden: true }), element("span", { class: "small muted" })];
  const down = element("button", { type: "button", class: "new-button log-down", hidden: true, click: follow }, icon("down"), element("span"));
  const none = element("p", { class: "log-none muted" }, "No log lines yet.");
  const found = element("span", { class: "small muted", role: "status" });
  const find = element("input", { type: "search", class: "log-find", placeholder: "Find", "aria-label": "Find in the log", autocomplete: "off", keydown: findNext });
  const wrap = element("input", { type: "checkbox", checked: true, change: wrapped });
  const lines = new LogLines();
  const panel = element("section", { class: "panel log-panel", "aria-labelledby": "log-title" },
    element("div", { class: "row title wrap" }, element("h2", { id: "log-title" }, "Log"), state, element("span", { class: "spacer" }), found, find,
      element("label", { class: "check" }, wrap, "Wrap"), copyButton(() => lines.text())),
    cut, element("div", { class: "log-frame" }, box, none, down));
  const parts = new Map(); // the element of each block
  const blocks = new WeakMap(); // and the block of each element
  let [following, end, missed, added, timer, place] = [true, 0, 0, 0, null, null];
  const near = new IntersectionObserver(seen, { root: box, rootMargin: "60% 0px" });

  box.addEventListener("scroll", () => {
    following = isAtEnd();
    if (following) showMissed(0);
  });
  panel.add = (event) => {
    for (const block of lines.add(event)) drop(block);
    added += 1;
    timer ??= setTimeout(flush, 80);
  };
  panel.showStream = (text) => setText(state, text);
  panel.end = () => setText(none, "It wrote no log lines.");
  panel.leave = () => {
    clearTimeout(timer);
    near.disconnect();
  };
  return panel;

  function flush() {
    timer = null;
    checkFollowing();
    let first = lines.blocks.length;
    while (first > 0 && parts.get(lines.blocks[first - 1])?.shown !== BLOCK) first -= 1;
    const later = lines.blocks.slice(first);
    later.forEach((block, index) => {
      const part = parts.get(block) ?? begin(block);
      if (part.drawn || (following && index >= later.length - BLOCKS_OF_A_VIEW)) draw(block, part);
      else reserve(block, part);
    });
    cut.hidden = lines.dropped === 0;
    setText(cut, `${lines.dropped.toLocaleString("en")} earlier lines are not shown here; the API has them all.`);
    none.hidden = true;
    if (following) toEnd();
    else showMissed(missed + added);
    added = 0;
  }

  function begin(block) {
    const part = { node: element("div", { class: "log-block" }), shown: 0, drawn: false };
    parts.set(block, part);
    blocks.set(part.node, block);
    box.append(part.node);
    near.observe(part.node);
    return part;
  }

  /** Draws the lines that are not drawn yet. */
  function draw(block, part) {
    if (!part.drawn) part.shown = 0;
    part.node.style.height = "";
    part.node.append(...block.slice(part.shown).flatMap(lineNodes));
    [part.drawn, part.shown] = [true, block.length];
  }

  /** Keeps room for lines that are not drawn. */
  function reserve(block, part, height = block.length * ROW) {
    part.node.style.height = `${height}px`;
    part.shown = block.length;
  }

  function drop(block) {
    const part = parts.get(block);
    if (!part) return;
    near.unobserve(part.node);
    part.node.remove();
    parts.delete(block);
  }

  function seen(entries) {
    checkFollowing();
    for (const { target, isIntersecting, boundingClientRect: { height } } of entries) {
      const block = blocks.get(target);
      const part = parts.get(block);
      if (!part || part.drawn === isIntersecting) continue;
      if (isIntersecting) draw(block, part);
      else if (!getSelection().containsNode(target, true)) {
        target.replaceChildren();
        part.drawn = false;
        reserve(block, part, height);
      }
    }
    if (following) toEnd();
  }

  /** Enter leads to the next line with the text, with Shift to the one before. */
  function findNext(event) {
    if (event.key !== "Enter") return;
    box.querySelector(".log-found")?.classList.remove("log-found");
    place = lines.find(find.value, place, event.shiftKey ? -1 : 1);
    setText(found, place || find.value === "" ? "" : "not found");
    if (place === null) return;
    const part = parts.get(place.block);
    if (!part.drawn) draw(place.block, part);
    const line = part.node.querySelectorAll(".log-line")[place.index];
    line.classList.add("log-found");
    box.scrollTop += line.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 2;
  }

  function wrapped() {
    box.classList.toggle("unwrapped", !wrap.checked);
    for (const [block, part] of parts) if (!part.drawn) reserve(block, part);
    if (following) toEnd();
  }

  function follow() {
    following = true;
    toEnd();
    showMissed(0);
  }

  function isAtEnd() {
    return box.scrollHeight - box.scrollTop - box.clientHeight <= AT_END;
  }

  function toEnd() {
    box.scrollTop = box.scrollHeight;
    end = box.scrollTop;
  }

  /** Somebody may have scrolled up since the last lines came: the browser tells so only with the next frame. */
  function checkFollowing() {
    if (box.scrollTop < end && !isAtEnd()) following = false;
  }

  function showMissed(count) {
    missed = count;
    down.hidden = count === 0;
    setText(down.lastElementChild, `${count.toLocaleString("en")} new ${count === 1 ? "line" : "lines"}`);
  }
}

/** A line, and the heading of the attempt that begins with it. */
function lineNodes({ at, stream, text, style, attempt }) {
  const isError = stream === "stderr";
  const line = element("div", { class: isError ? "log-line stderr" : "log-line", title: `${utc(at)} · ${stream}` },
    element("span", { class: "log-time", "aria-hidden": "true" }, timeOfDay(at)),
    isError && element("span", { class: "log-mark" }, "err"),
    element("span", { class: "log-text" }, nodesOf(styledLine(text, style).runs)));
  return attempt ? [element("div", { class: "log-attempt" }, `attempt ${attempt}`), line] : [line];
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
