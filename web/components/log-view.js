// The lines of a log in a box that scrolls: follows the end unless it is scrolled up. Only the blocks of lines near what is
// seen are drawn; the others keep their height. Must never draw all lines.

import { LogLines, BLOCK } from "../lib/log-lines.js";
import { render } from "../ui/html.js";
import { linesOf } from "./log-line.js";

const AT_END = 16; // pixels from the bottom that still count as the end
const ROW = 19.375; // pixels of a line that is not wrapped, as in styles/log.css
const BLOCKS_OF_A_VIEW = 2; // those at the end that are drawn at once: the frame is lower than one
const PAUSE = 80; // milliseconds between two drawings

/** @typedef {{ node: HTMLElement, shown: number, drawn: boolean }} Part The element of a block, and how many of its lines it has room for. */

export class LogView {
  box = document.createElement("div");
  lines = new LogLines();
  missed = 0; // lines since it was scrolled up
  changed = () => {}; // called when lines or `missed` are others
  /** @type {Map<LogLine[], Part>} */
  #parts = new Map(); // the element of each block, and how many of its lines it has room for
  /** @type {WeakMap<Element, LogLine[]>} */
  #blocks = new WeakMap(); // and the block of each element
  #near = new IntersectionObserver((entries) => this.#seen(entries), { root: this.box, rootMargin: "60% 0px" });
  #following = true;
  #end = 0;
  #added = 0;
  /** @type {ReturnType<typeof setTimeout> | null} */
  #timer = null;
  /** @type {Place | null} */
  #place = null;

  constructor() {
    const attributes = { class: "log", role: "log", "aria-live": "off", "aria-label": "Log lines", tabindex: "0" };
    for (const [name, value] of Object.entries(attributes)) this.box.setAttribute(name, value);
    this.box.addEventListener("scroll", () => {
      this.#following = this.#isAtEnd();
      if (this.#following) this.#setMissed(0);
    });
  }

  /**
   * Takes an event of the log.
   * @param {LogEvent} event
   */
  add(event) {
    for (const block of this.lines.add(event)) this.#drop(block);
    this.#added += 1;
    this.#timer ??= setTimeout(() => this.#flush(), PAUSE);
  }

  stop() {
    clearTimeout(this.#timer ?? undefined);
    this.#near.disconnect();
  }

  /** Goes to the end and stays there. */
  follow() {
    this.#following = true;
    this.#toEnd();
    this.#setMissed(0);
  }

  /** @param {boolean} isWrapped */
  setWrapped(isWrapped) {
    this.box.classList.toggle("unwrapped", !isWrapped);
    for (const [block, part] of this.#parts) if (!part.drawn) reserve(block, part);
    if (this.#following) this.#toEnd();
  }

  /**
   * Shows the next line with this text, or the one before it (`step` -1); returns whether there is one.
   * @param {string} text
   * @param {number} step
   */
  find(text, step) {
    this.box.querySelector(".log-found")?.classList.remove("log-found");
    this.#place = this.lines.find(text, this.#place, step);
    if (this.#place === null) return false;
    const { block, index } = this.#place;
    const part = /** @type {Part} */ (this.#parts.get(block));
    draw(block, part);
    const line = part.node.querySelectorAll(".log-line")[index];
    line.classList.add("log-found");
    this.box.scrollTop += line.getBoundingClientRect().top - this.box.getBoundingClientRect().top - this.box.clientHeight / 2;
    return true;
  }

  #flush() {
    this.#timer = null;
    this.#checkFollowing();
    const { blocks } = this.lines;
    let first = blocks.length;
    while (first > 0 && this.#parts.get(blocks[first - 1])?.shown !== BLOCK) first -= 1;
    for (let index = first; index < blocks.length; index += 1) {
      const block = blocks[index];
      const part = this.#parts.get(block) ?? this.#begin(block);
      if (part.drawn || (this.#following && index >= blocks.length - BLOCKS_OF_A_VIEW)) draw(block, part);
      else reserve(block, part);
    }
    if (this.#following) this.#toEnd();
    this.#setMissed(this.#following ? 0 : this.missed + this.#added);
    this.#added = 0;
  }

  /** @param {LogLine[]} block */
  #begin(block) {
    const part = { node: document.createElement("div"), shown: 0, drawn: false };
    part.node.className = "log-block";
    this.#parts.set(block, part);
    this.#blocks.set(part.node, block);
    this.box.append(part.node);
    this.#near.observe(part.node);
    return part;
  }

  /** @param {LogLine[]} block */
  #drop(block) {
    const part = this.#parts.get(block);
    if (!part) return;
    this.#near.unobserve(part.node);
    part.node.remove();
    this.#parts.delete(block);
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #seen(entries) {
    this.#checkFollowing();
    for (const { target, isIntersecting, boundingClientRect: { height } } of entries) {
      const block = this.#blocks.get(target);
      const part = block && this.#parts.get(block);
      if (!part || part.drawn === isIntersecting) continue;
      if (isIntersecting) draw(block, part);
      else if (!getSelection()?.containsNode(target, true)) {
        render(null, target);
        part.drawn = false;
        reserve(block, part, height);
      }
    }
    if (this.#following) this.#toEnd();
  }

  #isAtEnd() {
    return this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight <= AT_END;
  }

  #toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
    this.#end = this.box.scrollTop;
  }

  /** Somebody may have scrolled up since the last lines came: the browser tells so only with the next frame. */
  #checkFollowing() {
    if (this.box.scrollTop < this.#end && !this.#isAtEnd()) this.#following = false;
  }

  /** @param {number} count */
  #setMissed(count) {
    this.missed = count;
    this.changed();
  }
}

/**
 * Draws the lines that are not drawn yet.
 * @param {LogLine[]} block
 * @param {Part} part
 */
function draw(block, part) {
  part.node.style.height = "";
  render(linesOf(block), part.node);
  [part.drawn, part.shown] = [true, block.length];
}

/**
 * Keeps room for lines that are not drawn.
 * @param {LogLine[]} block
 * @param {Part} part
 * @param {number} height
 */
function reserve(block, part, height = block.length * ROW) {
  part.node.style.height = `${height}px`;
  part.shown = block.length;
}
