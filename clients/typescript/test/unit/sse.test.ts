// Event streams, cut at every place.

import { describe, expect, it } from "vitest";
import { eventOf, seqOf } from "../../src/core/event.js";
import { type Frame, SseReader } from "../../src/core/sse.js";

const TEXT =
  ": this stream ends after 3600 s\nretry: 7000\n\nid: 1\nevent: log\ndata: a\ndata:  b\n\n: ping\n\nid: 2\n\nevent: progress\r\ndata:{}\r\n\r\ndata\n\n";
const FRAMES: Frame[] = [
  { type: "log", id: "1", data: "a\n b" },
  { type: "message", id: "2", data: "" },
  { type: "progress", id: "2", data: "{}" },
  { type: "message", id: "2", data: "" },
];

function read(pieces: string[], longest?: number): Frame[] {
  const reader = new SseReader("", longest);
  return pieces.flatMap((piece) => reader.push(piece));
}

describe("SseReader", () => {
  it("reads the same frames wherever the text is cut", () => {
    expect(read([TEXT])).toEqual(FRAMES);
    expect(read([...TEXT])).toEqual(FRAMES);
    for (let at = 1; at < TEXT.length; at++) expect(read([TEXT.slice(0, at), TEXT.slice(at)])).toEqual(FRAMES);
  });

  it("takes no frame that is not complete, and no id with NUL", () => {
    expect(read(["id: 1\ndata: a\n"])).toEqual([]);
    expect(read(["id: a\0b\ndata: x\n\n"])).toEqual([{ type: "message", id: "", data: "x" }]);
  });
});

describe("a frame above the bound", () => {
  const ids = (frames: Frame[]) => frames.map(({ id, data }) => [id, data]);

  it("comes without its data, and the next one is whole", () => {
    const long = `id: 1\ndata: ${"x".repeat(200)}\n\nid: 2\ndata: ok\n\n`;
    for (const pieces of [[long], [...long]])
      expect(ids(read(pieces, 100))).toEqual([
        ["1", ""],
        ["2", "ok"],
      ]);
    const lines = `id: 1\n${"data: 0123456789\n".repeat(20)}\nid: 2\ndata: ok\n\n`;
    expect(ids(read([lines], 100))).toEqual([
      ["1", ""],
      ["2", "ok"],
    ]);
  });

  it("is not one whose comment is long", () => {
    expect(ids(read([`: ${"x".repeat(200)}`, "\nid: 1\ndata: ok\n\n"], 100))).toEqual([["1", "ok"]]);
  });
});

describe("eventOf", () => {
  const envelope = { job_id: "j", seq: 7, attempt: 1, at: "2026-01-01T00:00:00Z" };
  const frame = (type: string, own: object) => ({ type, id: "cursor", data: JSON.stringify({ ...envelope, ...own }) });

  it("gives each event its job's own position", () => {
    expect(eventOf(frame("log", { line: "x" }))).toEqual({ ...envelope, type: "log", id: "7", line: "x" });
    expect(eventOf(frame("completed", { result: 1 }))).toMatchObject({ id: "7-end", result: 1 });
    expect(seqOf("7-end")).toBe(7);
    expect(seqOf(null)).toBe(0);
  });

  it("keeps the document of a snapshot whole, whose own id is no position", () => {
    expect(eventOf(frame("snapshot", { id: "j", state: "running" }))).toMatchObject({
      id: "7",
      job: { id: "j", state: "running", attempt: 1 },
    });
  });

  it("passes over what is about no job", () => {
    expect(eventOf({ type: "lagged", id: "1", data: '{"since":"x"}' })).toBeUndefined();
    expect(eventOf({ type: "log", id: "1", data: "no JSON" })).toBeUndefined();
  });
});
