// The lines of a log, in blocks of a fixed number. Pure; must never keep more lines or characters than its bounds.

import { PLAIN, styledLine } from "./terminal-output.js";

export const BLOCK = 50; // lines of a block
const MOST_LINES = 100_000;
const MOST_CHARACTERS = 32_000_000;

/**
 * `blocks` are arrays of lines `{at, stream, text, style, attempt}`: `attempt` is set on the first line of each further
 * attempt.
 */
export class LogLines {
  /** @type {LogLine[][]} */
  blocks = [];
  dropped = 0;
  #count = 0;
  #characters = 0;
  /** @type {number | null} */
  #attempt = null;
  /** @type {Record<string, Style>} */
  #styles = {}; // what the last line of each stream left behind

  constructor(most = MOST_LINES, characters = MOST_CHARACTERS) {
    this.most = most;
    this.mostCharacters = characters;
  }

  /**
   * Adds a log event; returns the blocks that were dropped for it.
   * @param {LogEvent} event
   */
  add({ at, stream = "stdout", line, text = line ?? "", attempt }) {
    const isNew = attempt !== this.#attempt;
    if (isNew) [this.#attempt, this.#styles] = [attempt, {}];
    const style = this.#styles[stream] ?? PLAIN;
    if (text.includes("\u001b")) this.#styles[stream] = styledLine(text, style).style;
    let block = this.blocks.at(-1);
    if (!block || block.length >= BLOCK) this.blocks.push((block = []));
    block.push({ at, stream, text, style, attempt: isNew && attempt > 1 ? attempt : null });
    this.#count += 1;
    this.#characters += text.length;
    return this.#trim();
  }

  /** All lines, without colours. */
  text() {
    return this.blocks.flat().map(plain).join("\n");
  }

  /**
   * The next line with this text after `from` (`step` 1) or before it (-1), around the ends: `{block, index}`, or null.
   * @param {string} wanted
   * @param {Place | null} from
   * @param {number} step
   * @returns {Place | null}
   */
  find(wanted, from, step = 1) {
    const text = wanted.toLowerCase();
    const all = this.blocks.flatMap((block) => block.map((_, index) => ({ block, index })));
    const at = all.findIndex(({ block, index }) => block === from?.block && index === from.index);
    const start = at < 0 && step < 0 ? 0 : at;
    for (let count = 1; text !== "" && count <= all.length; count += 1) {
      const place = all[(start + step * count + all.length) % all.length];
      if (plain(place.block[place.index]).toLowerCase().includes(text)) return place;
    }
    return null;
  }

  /** @returns {LogLine[][]} */
  #trim() {
    /** @type {LogLine[][]} */
    const out = [];
    while ((this.#count > this.most || this.#characters > this.mostCharacters) && this.blocks.length > 1) {
      const block = /** @type {LogLine[]} */ (this.blocks.shift());
      this.#count -= block.length;
      for (const line of block) this.#characters -= line.text.length;
      this.dropped += block.length;
      out.push(block);
    }
    return out;
  }
}

/** @param {{ text: string }} line */
const plain = ({ text }) => styledLine(text).runs.map((run) => run.text).join("");
