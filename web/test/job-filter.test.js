import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf, filterOf, operationOf, queryOf, timeOfCursor, wordsOf } from "../lib/job-filter.js";

const NOW = Date.parse("2030-01-31T08:00:00Z");

test("a filter survives the trip through the address", () => {
  for (const filter of [{}, { state: "failed", kind: "a b" }, { search: "x=1", since: "1d" }, { search: "x", since: "7d", cursor: "AAAA" }, { owner: "ü", error: "no & no" }]) {
    assert.deepEqual(filterOf(addressOf(filter).split("?")[1] ?? ""), filter);
  }
  assert.deepEqual(filterOf("state=%20&nonsense=1&since=9y"), {}, "what is empty or unknown is left out");
  assert.equal(filterOf("search=x").since, "1d", "a search has an end");
  assert.deepEqual(filterOf("search=x&created_after=t"), { search: "x", created_after: "t" }, "which can also be given");
});

test("the query has the window as a time, and the act on all is about the same jobs", () => {
  assert.deepEqual(queryOf({ kind: "a", since: "1h" }, NOW), { kind: "a", created_after: "2030-01-31T07:00:00.000Z" });
  assert.deepEqual(queryOf({ since: "1h", created_after: "2030-01-01T00:00:00Z" }, NOW), { created_after: "2030-01-01T00:00:00Z" });
  assert.equal(operationOf({}, NOW), null);
  assert.equal(operationOf({ search: "x=1", since: "1d" }, NOW), "/operations/new?search=x%3D1&created_after=2030-01-30T08%3A00%3A00.000Z");
  assert.equal(operationOf({ state: "failed", cursor: "AAAA" }, NOW), "/operations/new?state=failed");
});

test("words and the time of a cursor", () => {
  assert.equal(wordsOf({ state: "failed", created_after: "t", search: "42", since: "1d" }), "state failed, created after t, the text 42, of the last day");
  const id = Uint8Array.from([0x01, 0x94, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0xff]);
  const cursor = Buffer.from(id).toString("base64url");
  assert.equal(timeOfCursor(cursor), new Date(0x019400000000).toISOString());
  for (const bad of ["", "AAAA", "%", "ä"]) assert.equal(timeOfCursor(bad), null);
});
