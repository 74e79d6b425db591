// Parses an event stream that arrives in arbitrary pieces. Must never hold more than one frame, of bounded size.

const LONGEST_FRAME = 4 * 1024 * 1024; // characters; a longer one is passed on without its data

/**
 * A parser: `push(text)` calls `onFrame({type, id, data, tooLong})` for each complete frame and
 * `onRetry(milliseconds)` for each `retry:` field. `id` is the last one received, or null.
 */
export class EventParser {
  #onFrame;
  #onRetry;
  #limit;
  #line = "";
  #lineTooLong = false;
  #afterReturn = false;
  #type = "";
  /** @type {string[]} */
  #data = [];
  #size = 0;
  #tooLong = false;
  /** @type {string | null} */
  #id = null;

  /** @param {{ onFrame: (frame: RawFrame) => void, onRetry?: (milliseconds: number) => void, limit?: number }} how */
  constructor({ onFrame, onRetry = () => {}, limit = LONGEST_FRAME }) {
    this.#onFrame = onFrame;
    this.#onRetry = onRetry;
    this.#limit = limit;
  }

  /** @param {string} text */
  push(text) {
    let from = 0;
    if (this.#afterReturn && text.length > 0) {
      this.#afterReturn = false;
      if (text[0] === "\n") from = 1;
    }
    const ends = /\r\n|\n|\r/g;
    ends.lastIndex = from;
    for (let end = ends.exec(text); end; end = ends.exec(text)) {
      this.#keep(text.slice(from, end.index));
      this.#endLine();
      from = ends.lastIndex;
      this.#afterReturn = end[0] === "\r" && from === text.length;
    }
    this.#keep(text.slice(from));
  }

  /** @param {string} piece */
  #keep(piece) {
    if (this.#line.length + piece.length > this.#limit) {
      this.#lineTooLong = true;
      this.#line = this.#line.slice(0, 16); // enough to know the field
    }
    if (!this.#lineTooLong) this.#line += piece;
  }

  #endLine() {
    const line = this.#line;
    if (this.#lineTooLong) this.#tooLong = true;
    else if (line === "") this.#endFrame();
    else if (line[0] !== ":") this.#field(line);
    this.#line = "";
    this.#lineTooLong = false;
  }

  /** @param {string} line */
  #field(line) {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "event") this.#type = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.#onRetry(Number(value));
    else if (name === "data") this.#addData(value);
  }

  /** @param {string} value */
  #addData(value) {
    this.#size += value.length;
    if (this.#size > this.#limit) this.#tooLong = true;
    else this.#data.push(value);
  }

  #endFrame() {
    if (this.#data.length > 0 || this.#tooLong) {
      const data = this.#tooLong ? null : this.#data.join("\n");
      this.#onFrame({ type: this.#type || "message", id: this.#id, data, tooLong: this.#tooLong });
    }
    this.#type = "";
    this.#data = [];
    this.#size = 0;
    this.#tooLong = false;
  }
}
