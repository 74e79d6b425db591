// Parses server-sent events from text that arrives in arbitrary pieces. Must never keep more than one frame, of bounded
// size.

const LONGEST = 4 * 1024 * 1024; // characters of a frame

/**
 * One frame; `data` is empty if it only moves the position, or is too long. `id` is the last received id, possibly of an earlier frame.
 */
export interface Frame {
  type: string;
  id: string;
  data: string;
}

/** A parser for one connection: it takes each piece of text and returns the complete frames. */
export class SseReader {
  #rest = "";
  #type = "";
  #id: string;
  #data: string[] = [];
  #size = 0;
  #told = false;
  readonly #longest: number;

  constructor(lastEventId = "", longest = LONGEST) {
    this.#id = lastEventId;
    this.#longest = longest;
  }

  push(text: string): Frame[] {
    const frames: Frame[] = [];
    // A carriage return at the end may be the first half of a CRLF.
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop()!;
    if (this.#rest.length > this.#longest) {
      if (this.#rest.startsWith("data")) this.#size = Number.POSITIVE_INFINITY;
      this.#rest = this.#rest.slice(0, 16); // enough to know the field
    }
    for (const line of lines) {
      if (line !== "") this.#field(line);
      else if (this.#told) frames.push(this.#end());
    }
    return frames;
  }

  #field(line: string): void {
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "event") this.#type = value;
    else if (name === "data") this.#add(value);
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else return;
    this.#told = true;
  }

  #add(value: string): void {
    this.#size += value.length;
    if (this.#size > this.#longest) this.#data = [];
    else this.#data.push(value);
  }

  #end(): Frame {
    const data = this.#data.join("\n");
    const frame = { type: this.#type || "message", id: this.#id, data };
    this.#type = "";
    this.#data = [];
    this.#size = 0;
    this.#told = false;
    return frame;
  }
}
